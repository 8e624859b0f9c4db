//! Scenarios: who asks for what, how often. They are data, TOML files in `loadtest/scenarios`; those
//! are compiled in, and any other file of the form can be named by its path.

use std::path::{Path, PathBuf};

use pu::person::view::Profile;
use pu::wire::contract::{Operation, find};
use serde::Deserialize;

use crate::schedule::{Arrivals, HOURS};

/// The scenarios that are compiled in.
const SHIPPED: [(&str, &str); 6] = [
    ("npo", include_str!("../../scenarios/npo.toml")),
    ("svevac", include_str!("../../scenarios/svevac.toml")),
    ("nightly", include_str!("../../scenarios/nightly.toml")),
    ("reception", include_str!("../../scenarios/reception.toml")),
    ("updates", include_str!("../../scenarios/updates.toml")),
    ("mixed", include_str!("../../scenarios/mixed.toml")),
];

/// What a run drives the service with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name; the file's without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// What it stands for, in a line.
    pub about: String,
    /// Who asks for what.
    #[serde(rename = "stream")]
    pub streams: Vec<Stream>,
}

/// Requests of one kind, at a rate and on connections of their own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Its name in the report.
    pub name: String,
    /// What it asks.
    pub kind: Kind,
    /// Requests a second, on average over the run.
    #[serde(default)]
    pub rate: f64,
    /// The same by the hour, for what is seldom.
    #[serde(default)]
    pub per_hour: f64,
    /// The contract, where the kind leaves a choice.
    pub contract: Option<String>,
    /// The contract's major version.
    #[serde(default = "newest")]
    pub major: u8,
    /// Profiles, one of which each request draws.
    #[serde(default = "most_used")]
    pub profiles: Vec<String>,
    /// Identities in a request; persons in a file; persons on a page of changes.
    #[serde(default = "one")]
    pub ids: usize,
    /// Connections, which are as many requests as can be under way.
    #[serde(default = "a_few")]
    pub connections: usize,
    /// Whether requests take turns over all connections, as many consumers do. Otherwise the one
    /// used last is used again, as the pool of one consumer does.
    #[serde(default)]
    pub spread: bool,
    /// How arrivals are spread over time.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// HSA-ids in whose names an intermediary calls, one for each connection in turn.
    #[serde(default)]
    pub consumers: Vec<String>,
    /// Weights of the hours of a day, which is laid over the run.
    pub curve: Option<[f64; HOURS]>,
}

const fn newest() -> u8 {
    5
}

fn most_used() -> Vec<String> {
    vec!["P3".to_owned()]
}

const fn one() -> usize {
    1
}

const fn a_few() -> usize {
    4
}

/// What a stream asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Persons by identity, over SOAP.
    Lookup,
    /// One person by identity, over REST.
    RestPerson,
    /// The beginning of a surname in a county, then the record of one hit.
    SurnameAndCounty,
    /// A date of birth and the beginning of a surname, then the record of one hit.
    BirthAndName,
    /// A given name and a surname, then the record of one hit.
    ExactName,
    /// Who changed in the last day, a page of time after the other.
    ChangedSince,
    /// The log of changes over REST, from a cursor on.
    Changes,
    /// A person's contact data: read, then replaced.
    Contact,
    /// A change file from Skatteverket, by way of the inbox.
    Import,
}

impl Kind {
    /// What the contract must do; `None` for what is no SOAP contract.
    const fn operation(self) -> Option<Operation> {
        match self {
            Self::Lookup => Some(Operation::GetPersons),
            Self::SurnameAndCounty | Self::BirthAndName | Self::ExactName | Self::ChangedSince => {
                Some(Operation::SearchPersons)
            }
            Self::Contact => Some(Operation::UpdateContactInformation),
            Self::RestPerson | Self::Changes | Self::Import => None,
        }
    }

    /// The contract that is meant when none is named.
    pub const fn contract(self) -> &'static str {
        match self {
            Self::Contact => "UpdatePersonContactInformation",
            Self::Lookup | Self::RestPerson | Self::Changes | Self::Import => {
                "GetPersonsForProfile"
            }
            _ => "SearchPersonsForProfile",
        }
    }
}

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// There is none of this name.
    #[error("there is no scenario {0}: `pu-loadtest scenarios` lists them, or name a .toml file")]
    Unknown(String),
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not of the form.
    #[error("the scenario {name}: {source}")]
    Form {
        /// The scenario.
        name: String,
        /// What is wrong.
        source: Box<toml::de::Error>,
    },
    /// A stream asks for what there is not.
    #[error("the scenario {name}, stream {stream}: {what}")]
    Stream {
        /// The scenario.
        name: String,
        /// Its stream.
        stream: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// The scenarios that are compiled in.
pub fn shipped() -> impl Iterator<Item = Result<Scenario, ScenarioError>> {
    SHIPPED.iter().map(|(name, text)| read(name, text))
}

/// A scenario by its name, or by the path of its file.
pub fn find_scenario(name: &str) -> Result<Scenario, ScenarioError> {
    if let Some((name, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return read(name, text);
    }
    let path = Path::new(name);
    if path.extension().is_none_or(|it| it != "toml") {
        return Err(ScenarioError::Unknown(name.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    read(&stem, &text)
}

fn read(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let mut scenario: Scenario = toml::from_str(text).map_err(|source| ScenarioError::Form {
        name: name.to_owned(),
        source: Box::new(source),
    })?;
    name.clone_into(&mut scenario.name);
    for stream in &scenario.streams {
        stream.check().map_err(|what| ScenarioError::Stream {
            name: name.to_owned(),
            stream: stream.name.clone(),
            what,
        })?;
    }
    Ok(scenario)
}

impl Scenario {
    /// Gives the streams of requests `rate` a second together, in the shares they had. Files keep
    /// their own rate: they do not come faster because more is asked.
    pub fn scale_to(&mut self, rate: f64) {
        let requests = |stream: &&mut Stream| stream.kind != Kind::Import;
        let whole: f64 = self
            .streams
            .iter_mut()
            .filter(requests)
            .map(|it| it.per_second())
            .sum();
        for stream in self.streams.iter_mut().filter(requests) {
            stream.rate = stream.per_second() * rate / whole;
            stream.per_hour = 0.0;
        }
    }
}

impl Stream {
    /// Requests a second.
    pub fn per_second(&self) -> f64 {
        self.rate + self.per_hour / 3_600.0
    }

    /// The contract's name.
    pub fn contract(&self) -> &str {
        self.contract.as_deref().unwrap_or(self.kind.contract())
    }

    fn check(&self) -> Result<(), &'static str> {
        if !(self.per_second() > 0.0 && self.per_second().is_finite()) {
            return Err("needs a rate, or per_hour");
        }
        if self.connections == 0 || self.ids == 0 {
            return Err("connections and ids are at least 1");
        }
        if let Some(operation) = self.kind.operation() {
            let endpoint = find(self.contract(), self.major);
            let endpoint = endpoint.ok_or("no such contract in that major version")?;
            if endpoint.operation != operation {
                return Err("the contract does something else than the kind");
            }
        }
        if self.profiles.is_empty() || self.profiles.iter().any(|it| Profile::parse(it).is_none()) {
            return Err("profiles are P1 to P5");
        }
        let is_weight = |hour: &f64| *hour >= 0.0 && hour.is_finite();
        if self
            .curve
            .is_some_and(|it| !it.iter().all(is_weight) || it.iter().sum::<f64>() <= 0.0)
        {
            return Err("the curve is 24 weights, not all of them 0");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_can_be_read_and_names_contracts_that_there_are() {
        for scenario in shipped() {
            let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
            assert!(!scenario.about.is_empty() && !scenario.streams.is_empty());
            let mut names: Vec<&str> = scenario.streams.iter().map(|it| &*it.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), scenario.streams.len(), "{}", scenario.name);
        }
    }

    /// An endurance run compares its first sixth with its last: both must be alike.
    #[test]
    fn the_nights_at_both_ends_of_a_shipped_day_are_alike() {
        for stream in shipped().flat_map(|it| it.unwrap().streams) {
            if let Some(curve) = stream.curve {
                let (first, last): (f64, f64) = (curve[..4].iter().sum(), curve[20..].iter().sum());
                assert!((first - last).abs() < 1e-9, "{}", stream.name);
            }
        }
    }

    #[test]
    fn mistakes_are_told_by_scenario_and_stream() {
        let stream = |rest: &str| {
            let text = format!("about = \"x\"\n[[stream]]\nname = \"one\"\n{rest}");
            read("mine", &text).unwrap_err().to_string()
        };
        let said = "the scenario mine, stream one: ";
        assert_eq!(
            stream("kind = \"lookup\""),
            format!("{said}needs a rate, or per_hour")
        );
        for (rest, what) in [
            ("major = 6", "no such contract"),
            ("contract = \"GetNobody\"", "no such contract"),
            (
                "contract = \"SearchPersonsForProfile\"",
                "does something else",
            ),
            ("profiles = [\"P6\"]", "profiles are P1 to P5"),
            ("ids = 0", "at least 1"),
        ] {
            let told = stream(&format!("kind = \"lookup\"\nrate = 1\n{rest}"));
            assert!(told.starts_with(said) && told.contains(what), "{told}");
        }
        assert!(stream("kind = \"cake\"\nrate = 1").contains("mine"));
        assert!(find_scenario("nonsense").is_err());
    }

    #[test]
    fn scaling_keeps_the_shares_and_leaves_files_alone() {
        let mut mixed = find_scenario("mixed").unwrap();
        let before = mixed.clone();
        mixed.scale_to(1_000.0);
        let requests = |it: &&Stream| it.kind != Kind::Import;
        let whole: f64 = mixed
            .streams
            .iter()
            .filter(requests)
            .map(Stream::per_second)
            .sum();
        assert!((whole - 1_000.0).abs() < 1e-6);
        let ratio = |at: usize| mixed.streams[at].per_second() / before.streams[at].per_second();
        assert!((ratio(0) - ratio(1)).abs() < 1e-9);
        let files = mixed
            .streams
            .iter()
            .position(|it| it.kind == Kind::Import)
            .unwrap();
        assert!((ratio(files) - 1.0).abs() < 1e-9);
    }
}
