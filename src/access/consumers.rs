//! The operator's file of consumers: who may ask for what, and how much of it. The file is read and
//! checked as a whole; one mistake anywhere, and none of it comes into force.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::hsa::{HsaId, NotAnHsaId};
use super::usage::{Allowance, Usage};
use crate::base::form::{self, line_of};
use crate::base::lasting::Lasting;
use crate::base::time::seconds_of_days;
use crate::person::counties::Counties;
use crate::wire::contract::{ENDPOINTS, Endpoint, Operation};
use crate::wire::route::Route;

/// What kind of customer a consumer belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// A region.
    Region,
    /// A municipality.
    Municipality,
    /// A private care provider.
    PrivateCareProvider,
    /// A national authority.
    Authority,
    /// An agent of several customers.
    Agent,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 5] = [
        Self::Region,
        Self::Municipality,
        Self::PrivateCareProvider,
        Self::Authority,
        Self::Agent,
    ];

    /// Its name in the file.
    pub const fn name(self) -> &'static str {
        [
            "region",
            "municipality",
            "private-care-provider",
            "authority",
            "agent",
        ][self as usize]
    }

    /// Whether a recorded reason can open the Unrestricted contracts to it.
    pub const fn may_be_unrestricted(self) -> bool {
        !matches!(self, Self::PrivateCareProvider)
    }
}

/// A system with rights.
pub struct Consumer {
    /// Its name in its certificate.
    pub hsa_id: HsaId,
    /// Its name for people.
    pub name: String,
    /// Its owner's kind.
    pub category: Category,
    /// The counties whose extracts it may take.
    pub counties: Counties,
    /// What it has done, and how much more it may do now.
    pub usage: Arc<Usage>,
    /// Seconds since 1970 in which its rights hold.
    valid: Range<i64>,
    /// By the endpoints' places in their table.
    contracts: [bool; ENDPOINTS.len()],
    routes: [bool; Route::ALL.len()],
    logical_addresses: Vec<String>,
    takes_any_address: bool,
    /// The platform instances it speaks for; `None` when it speaks for itself only.
    intermediary: Option<Vec<String>>,
}

/// Why a consumer may not do what it asks for: for the log and the audit. The caller is told one
/// text whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// No certificate, and nobody named.
    #[error("nobody is named")]
    Nobody,
    /// A name that is not in the file.
    #[error("the consumer is not known")]
    Unknown,
    /// Two headers, or one header twice, name different consumers.
    #[error("the original consumer is named in contradicting ways")]
    Ambiguous,
    /// Before or after the time its rights hold.
    #[error("the consumer's rights do not hold at this time")]
    OutOfTime,
    /// The certificate it came with is not good any more.
    #[error("the certificate is not good any more")]
    Certificate,
    /// No right to the contract.
    #[error("the consumer has no right to the contract")]
    Contract,
    /// No right to the route.
    #[error("the consumer has no right to the route")]
    Route,
    /// No right to the logical address.
    #[error("the consumer has no right to the logical address")]
    LogicalAddress,
    /// No right to extracts of the county.
    #[error("the consumer has no right to the county")]
    County,
}

impl Consumer {
    /// As much as a machine can do.
    pub const UNLIMITED: Allowance = Allowance {
        requests_per_second: Allowance::MOST_PER_SECOND,
        burst: Allowance::MOST_PER_SECOND,
        concurrent: u32::MAX,
        cpu: Duration::MAX,
    };

    /// Whoever comes, with every right: for trying out, on one machine.
    pub(super) fn anyone() -> Self {
        Self {
            hsa_id: HsaId::anyone(),
            name: "anyone on this machine".to_owned(),
            category: Category::Authority,
            counties: Counties::ALL,
            usage: Arc::new(Usage::new(Self::UNLIMITED)),
            valid: i64::MIN..i64::MAX,
            contracts: [true; ENDPOINTS.len()],
            routes: [true; Route::ALL.len()],
            logical_addresses: Vec::new(),
            takes_any_address: true,
            intermediary: None,
        }
    }

    /// Whether its rights hold, `now` in seconds since 1970.
    pub fn is_valid(&self, now: i64) -> Result<(), Why> {
        if self.valid.contains(&now) {
            Ok(())
        } else {
            Err(Why::OutOfTime)
        }
    }

    /// Whether it may use the endpoint with this number.
    pub fn may_call(&self, number: usize, endpoint: &Endpoint) -> Result<(), Why> {
        // Said once in the file's check, and once more where it counts.
        let is_meant = !endpoint.unrestricted || self.category.may_be_unrestricted();
        match self.contracts.get(number) {
            Some(true) if is_meant => Ok(()),
            _ => Err(Why::Contract),
        }
    }

    /// Whether it may read protected persons whole, by any version of the contract.
    pub fn may_see_protected(&self) -> bool {
        let mut endpoints = ENDPOINTS.iter().enumerate();
        endpoints.any(|(number, endpoint)| {
            endpoint.unrestricted
                && endpoint.operation == Operation::GetPersons
                && self.may_call(number, endpoint).is_ok()
        })
    }

    /// Whether it may write to a logical address.
    pub fn may_address(&self, logical_address: &str) -> Result<(), Why> {
        let is_allowed = self
            .logical_addresses
            .iter()
            .any(|it| it == logical_address);
        (is_allowed || self.takes_any_address)
            .then_some(())
            .ok_or(Why::LogicalAddress)
    }

    /// Whether it may use a route of the REST interface.
    pub fn may_take(&self, route: Route) -> Result<(), Why> {
        self.routes[route as usize].then_some(()).ok_or(Why::Route)
    }

    /// Whether it hands on calls of others.
    pub const fn is_intermediary(&self) -> bool {
        self.intermediary.is_some()
    }

    /// Whether it hands on calls that came by way of this instance of the platform.
    pub fn speaks_for(&self, instance: &str) -> bool {
        let instances = self.intermediary.as_deref().unwrap_or_default();
        instances.iter().any(|it| it == instance)
    }
}

/// Everybody who is known.
#[derive(Default)]
pub struct Consumers {
    by_id: HashMap<HsaId, Arc<Consumer>>,
}

/// Why a file of consumers is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConsumersError {
    /// Not TOML, or not of this form.
    #[error("line {line}: {what}")]
    Form {
        /// Where.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A consumer without a proper HSA-id, by its place from 1.
    #[error("line {line}: consumer {place}: {error}")]
    HsaId {
        /// Where its row begins.
        line: usize,
        /// Which.
        place: usize,
        /// Why.
        error: NotAnHsaId,
    },
    /// A mistake in one consumer.
    #[error("line {line}: consumer {hsa_id}: {mistake}")]
    Consumer {
        /// Where its row begins.
        line: usize,
        /// Whose.
        hsa_id: HsaId,
        /// What is wrong.
        mistake: Mistake,
    },
}

/// What is wrong with a consumer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// In the file twice.
    #[error("is in the file twice")]
    Twice,
    /// Without a name.
    #[error("has no name")]
    NoName,
    /// Dates that leave no day, or are none.
    #[error("valid_from and valid_to are not two dates in order")]
    Dates,
    /// No such contract.
    #[error("there is no contract {0}")]
    NoContract(String),
    /// No such version.
    #[error("{contract} has no major version {major}")]
    NoMajor {
        /// The contract.
        contract: String,
        /// The version.
        major: u8,
    },
    /// Contracts, and nowhere to send to.
    #[error("has contracts and no logical_addresses")]
    NoAddress,
    /// An Unrestricted contract for a private care provider.
    #[error("a private care provider may not have {0}")]
    Private(String),
    /// An Unrestricted contract without a reason.
    #[error("{0} needs unrestricted_reason: who decided, when and why")]
    NoReason(String),
    /// A reason for nothing.
    #[error("has unrestricted_reason and no Unrestricted contract")]
    IdleReason,
    /// No such route.
    #[error("there is no REST service {0}; there are {1}")]
    NoRoute(String, String),
    /// A county that is not two digits.
    #[error("a county is two digits, or all for every county")]
    County,
    /// The feed of changes, and no county.
    #[error("has the REST service changes and no counties")]
    NoCounties,
    /// A limit of zero, or beyond measure.
    #[error("limits must be more than zero, and at most {max} calls a second", max = Allowance::MOST_PER_SECOND)]
    Limit,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "consumer")]
    consumers: Vec<Spanned<toml::Table>>,
}

/// One `[[consumer]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    hsa_id: String,
    name: String,
    category: Category,
    valid_from: Datetime,
    valid_to: Datetime,
    #[serde(default)]
    contracts: BTreeMap<String, Vec<u8>>,
    unrestricted_reason: Option<String>,
    #[serde(default)]
    logical_addresses: Vec<String>,
    #[serde(default)]
    rest: Vec<String>,
    #[serde(default)]
    counties: Vec<String>,
    intermediary: Option<Intermediary>,
    #[serde(default)]
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Intermediary {
    #[serde(default)]
    instances: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Limits {
    requests_per_second: Option<u32>,
    burst: Option<u32>,
    concurrent: Option<u32>,
    cpu: Option<Lasting>,
}

/// Bytes of the shortest reason that can be one.
const SHORTEST_REASON: usize = 10;

impl Consumers {
    /// Reads a file. Whoever was known `before` keeps what they have used of their allowance.
    pub fn read(text: &str, allowance: Allowance, before: &Self) -> Result<Self, ConsumersError> {
        Self::read_all(text, allowance, before).map_err(|mut mistakes| mistakes.swap_remove(0))
    }

    /// The same, with every row that is wrong.
    pub fn read_all(
        text: &str,
        allowance: Allowance,
        before: &Self,
    ) -> Result<Self, Vec<ConsumersError>> {
        let mut by_id = HashMap::new();
        let mut mistakes = Vec::new();
        let rows = rows(text).map_err(|error| vec![error])?;
        for (at, row) in rows.into_iter().enumerate() {
            let line = line_of(text, row.span().start);
            match row_of(row.into_inner(), (line, at + 1), allowance, before) {
                Ok(consumer) => {
                    let hsa_id = consumer.hsa_id.clone();
                    if by_id.insert(hsa_id.clone(), Arc::new(consumer)).is_some() {
                        mistakes.push(ConsumersError::Consumer {
                            line,
                            hsa_id,
                            mistake: Mistake::Twice,
                        });
                    }
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if mistakes.is_empty() {
            Ok(Self { by_id })
        } else {
            Err(mistakes)
        }
    }

    /// The consumer with this name.
    pub fn find(&self, hsa_id: &HsaId) -> Option<&Arc<Consumer>> {
        self.by_id.get(hsa_id)
    }

    /// Everybody, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Consumer>> {
        self.by_id.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

/// The rows of a file, and where they stand.
fn rows(text: &str) -> Result<Vec<Spanned<toml::Table>>, ConsumersError> {
    let wrong = |mistake: form::Mistake| ConsumersError::Form {
        line: mistake.line.unwrap_or(1),
        what: mistake.what,
    };
    if let Err(error) = toml::from_str::<toml::Table>(text) {
        return Err(wrong(form::not_toml(text, &error)));
    }
    let file: File = toml::from_str(text).map_err(|error| wrong(form::of(text, &error)))?;
    Ok(file.consumers)
}

/// One row, by its line and its place from 1.
fn row_of(
    row: toml::Table,
    (line, place): (usize, usize),
    allowance: Allowance,
    before: &Consumers,
) -> Result<Consumer, ConsumersError> {
    let row: Row = row.try_into().map_err(|error: toml::de::Error| {
        let what = form::of_setting(&error);
        let what = format!("consumer {place}: {what}");
        ConsumersError::Form { line, what }
    })?;
    let hsa_id =
        HsaId::parse(&row.hsa_id).map_err(|error| ConsumersError::HsaId { line, place, error })?;
    let earlier = before.find(&hsa_id).map(|it| &it.usage);
    let read = row.read(hsa_id.clone(), allowance, earlier);
    read.map_err(|mistake| ConsumersError::Consumer {
        line,
        hsa_id,
        mistake,
    })
}

impl Row {
    fn read(
        self,
        hsa_id: HsaId,
        allowance: Allowance,
        earlier: Option<&Arc<Usage>>,
    ) -> Result<Consumer, Mistake> {
        if self.name.trim().is_empty() {
            return Err(Mistake::NoName);
        }
        let days = (self.valid_from.to_string(), self.valid_to.to_string());
        let valid = seconds_of_days(&days.0, &days.1).ok_or(Mistake::Dates)?;
        let contracts = self.contracts()?;
        let mut routes = [false; Route::ALL.len()];
        for name in &self.rest {
            let route = Route::RIGHTS.iter().find(|it| it.name() == name);
            let known = || Route::RIGHTS.map(Route::name).join(", ");
            let route = route.ok_or_else(|| Mistake::NoRoute(name.clone(), known()))?;
            routes[*route as usize] = true;
        }
        let counties = Counties::parse(&self.counties).ok_or(Mistake::County)?;
        if routes[Route::Changes as usize] && counties.is_empty() {
            return Err(Mistake::NoCounties);
        }
        let limits = &self.limits;
        let allowance = Allowance {
            requests_per_second: limits
                .requests_per_second
                .unwrap_or(allowance.requests_per_second),
            burst: limits
                .burst
                .or(limits.requests_per_second)
                .unwrap_or(allowance.burst),
            concurrent: limits.concurrent.unwrap_or(allowance.concurrent),
            cpu: limits.cpu.map_or(allowance.cpu, |cpu| cpu.0),
        };
        if !allowance.is_sound() {
            return Err(Mistake::Limit);
        }
        Ok(Consumer {
            hsa_id,
            name: self.name,
            category: self.category,
            counties,
            usage: Arc::new(Usage::continued(allowance, earlier)),
            valid,
            contracts,
            routes,
            logical_addresses: self.logical_addresses,
            takes_any_address: false,
            intermediary: self.intermediary.map(|it| it.instances),
        })
    }

    fn contracts(&self) -> Result<[bool; ENDPOINTS.len()], Mistake> {
        let mut allowed = [false; ENDPOINTS.len()];
        let mut is_unrestricted = false;
        for (contract, majors) in &self.contracts {
            if !ENDPOINTS.iter().any(|it| it.contract == contract) {
                return Err(Mistake::NoContract(contract.clone()));
            }
            for &major in majors {
                let is_meant = |it: &Endpoint| it.contract == contract && it.major == major;
                let number = ENDPOINTS.iter().position(is_meant);
                let number = number.ok_or_else(|| Mistake::NoMajor {
                    contract: contract.clone(),
                    major,
                })?;
                if ENDPOINTS[number].unrestricted {
                    is_unrestricted = true;
                    self.unrestricted(contract)?;
                }
                allowed[number] = true;
            }
        }
        if self.unrestricted_reason.is_some() && !is_unrestricted {
            return Err(Mistake::IdleReason);
        }
        if !self.contracts.is_empty() && self.logical_addresses.is_empty() {
            return Err(Mistake::NoAddress);
        }
        Ok(allowed)
    }

    /// Whether the row opens an Unrestricted contract in the way it must be opened.
    fn unrestricted(&self, contract: &str) -> Result<(), Mistake> {
        if !self.category.may_be_unrestricted() {
            return Err(Mistake::Private(contract.to_owned()));
        }
        let reason = self.unrestricted_reason.as_deref().unwrap_or("").trim();
        if reason.len() < SHORTEST_REASON {
            return Err(Mistake::NoReason(contract.to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The noon of a day on which the rights of the file below hold.
    pub const NOON: i64 = 1_795_345_200;

    pub const FILE: &str = r#"
        [[consumer]]
        hsa_id = "SE2321000016-a1b2"
        name = "Region, journal"
        category = "region"
        valid_from = 2026-01-01
        valid_to = 2026-12-31
        logical_addresses = ["SE165565594230-1000"]
        unrestricted_reason = "2025-12-01, the board: emergency care"
        rest = ["person", "changes"]
        counties = ["01", "03"]
        [consumer.contracts]
        GetPersonsForProfile = [4, 5]
        GetPersonsForProfileUnrestricted = [5]

        [[consumer]]
        hsa_id = "SE5565594230-NTJP"
        name = "The platform"
        category = "authority"
        valid_from = 2026-01-01
        valid_to = 2026-12-31
        intermediary = { instances = ["PROD-1"] }

        [[consumer]]
        hsa_id = "SE5560000001-0001"
        name = "A private clinic"
        category = "private-care-provider"
        valid_from = 2026-01-01
        valid_to = 2026-06-30
        logical_addresses = ["SE165565594230-1000"]
        limits = { requests_per_second = 5, burst = 7, concurrent = 2 }
        [consumer.contracts]
        GetPersonsForProfile = [5]
    "#;

    const ALLOWANCE: Allowance = Allowance {
        requests_per_second: 10,
        burst: 20,
        concurrent: 5,
        cpu: Duration::MAX,
    };

    fn read(text: &str) -> Result<Consumers, ConsumersError> {
        Consumers::read(text, ALLOWANCE, &Consumers::default())
    }

    fn number(contract: &str, major: u8) -> usize {
        let is_meant = |it: &Endpoint| it.contract == contract && it.major == major;
        ENDPOINTS.iter().position(is_meant).unwrap()
    }

    fn may(consumer: &Consumer, contract: &str, major: u8) -> bool {
        let number = number(contract, major);
        consumer.may_call(number, &ENDPOINTS[number]).is_ok()
    }

    #[test]
    fn what_is_written_is_allowed_and_nothing_else() {
        let consumers = read(FILE).unwrap();
        let region = HsaId::parse("SE2321000016-A1B2").unwrap();
        let region = consumers.find(&region).unwrap();
        for endpoint in &ENDPOINTS {
            let expected = matches!(
                (endpoint.contract, endpoint.major),
                ("GetPersonsForProfile", 4 | 5) | ("GetPersonsForProfileUnrestricted", 5)
            );
            let (contract, major) = (endpoint.contract, endpoint.major);
            assert_eq!(may(region, contract, major), expected, "{contract}/{major}");
        }
        for route in Route::RIGHTS {
            let expected = matches!(route, Route::Person | Route::Changes);
            assert_eq!(region.may_take(route).is_ok(), expected, "{route:?}");
        }
        assert_eq!(region.may_address("SE165565594230-1000"), Ok(()));
        assert_eq!(region.may_address("SE1"), Err(Why::LogicalAddress));
        assert!(region.counties.has(*b"03") && !region.counties.has(*b"04"));
        assert!(!region.is_intermediary());
    }

    #[test]
    fn rights_hold_from_the_first_day_to_the_end_of_the_last() {
        let consumers = read(FILE).unwrap();
        let clinic = HsaId::parse("SE5560000001-0001").unwrap();
        let clinic = consumers.find(&clinic).unwrap();
        // Swedish midnights, in winter and in summer.
        let (first, end) = (1_767_222_000, 1_782_856_800);
        for (now, expected) in [
            (first - 1, false),
            (first, true),
            (end - 1, true),
            (end, false),
        ] {
            assert_eq!(clinic.is_valid(now).is_ok(), expected, "{now}");
        }
    }

    /// The file with one thing changed, and what is said of it.
    #[test]
    fn one_mistake_refuses_the_whole_file() {
        for (from, to, said) in [
            ("\"region\"", "\"county\"", "category takes one of region,"),
            (
                "name = \"The platform\"",
                "name = \" \"",
                "SE5565594230-NTJP: has no name",
            ),
            ("rest =", "rests =", "no setting rests: is rest meant?"),
            (
                "SE5560000001-0001",
                "SE2321000016-A1B2",
                "is in the file twice",
            ),
            ("SE5560000001-0001", "SE 1", "consumer 3"),
            ("2026-06-30", "2025-06-30", "are not two dates in order"),
            (
                "2026-06-30",
                "2026-06-30T12:00:00",
                "are not two dates in order",
            ),
            (
                "GetPersonsForProfile = [5]",
                "GetPersons = [5]",
                "no contract GetPersons",
            ),
            (
                "GetPersonsForProfile = [5]",
                "GetPersonsForProfile = [2]",
                "no major version 2",
            ),
            (
                "unrestricted_reason = \"2025-12-01, the board: emergency care\"",
                "",
                "needs unrestricted_reason",
            ),
            (
                "2025-12-01, the board: emergency care",
                "  because  ",
                "needs unrestricted_reason",
            ),
            (
                "GetPersonsForProfileUnrestricted = [5]",
                "",
                "no Unrestricted contract",
            ),
            (
                "GetPersonsForProfile = [5]",
                "GetPersonsForProfileUnrestricted = [5]",
                "a private care provider may not have",
            ),
            (
                "[\"person\", \"changes\"]",
                "[\"persons\", \"description\"]",
                "no REST service description",
            ),
            ("[\"01\", \"03\"]", "[\"1\"]", "a county is two digits"),
            ("counties = [\"01\", \"03\"]", "", "changes and no counties"),
            ("burst = 7", "burst = 0", "limits must be more than zero"),
            (
                "logical_addresses = [\"SE165565594230-1000\"]",
                "",
                "no logical_addresses",
            ),
        ] {
            assert!(FILE.contains(from), "{from}");
            let Err(error) = read(&FILE.replacen(from, to, 1)) else {
                // What stands several times in the file is changed everywhere.
                panic!("taken: {to}");
            };
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    proptest! {
        /// Whatever a file says, a private care provider gets no Unrestricted contract: such a file
        /// is refused, and were it not, the right would still be.
        #[test]
        fn a_private_care_provider_is_never_unrestricted(
            chosen in proptest::collection::vec(0..ENDPOINTS.len(), 0..8),
            reason in proptest::option::of("[a-z ]{0,30}"),
            at in 0..Category::ALL.len(),
        ) {
            let category = Category::ALL[at];
            let mut contracts: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
            for &number in &chosen {
                let endpoint = &ENDPOINTS[number];
                contracts.entry(endpoint.contract).or_default().push(endpoint.major);
            }
            let lines: String = contracts.iter().map(|(name, majors)| format!("{name} = {majors:?}\n")).collect();
            let reason = reason.map_or(String::new(), |it| format!("unrestricted_reason = \"{it}\"\n"));
            let text = format!(
                "[[consumer]]\nhsa_id = \"SE1-A\"\nname = \"x\"\ncategory = \"{}\"\nvalid_from = 2026-01-01\n\
                 valid_to = 2026-12-31\nlogical_addresses = [\"a\"]\n{reason}[consumer.contracts]\n{lines}",
                category.name(),
            );
            let mut allowed = 0;
            if let Ok(consumers) = read(&text) {
                let consumer = consumers.all().next().unwrap();
                for (number, endpoint) in ENDPOINTS.iter().enumerate() {
                    let may = consumer.may_call(number, endpoint).is_ok();
                    allowed += usize::from(may);
                    prop_assert!(!may || chosen.contains(&number));
                    prop_assert!(!may || !endpoint.unrestricted || category != Category::PrivateCareProvider);
                }
            }
            let restricted = chosen.iter().all(|&it| !ENDPOINTS[it].unrestricted);
            prop_assert!(!restricted || !reason.is_empty() || allowed > 0 || chosen.is_empty());
            // The second bar stands by itself.
            let mut private = Consumer::anyone();
            private.category = Category::PrivateCareProvider;
            for (number, endpoint) in ENDPOINTS.iter().enumerate() {
                prop_assert_eq!(private.may_call(number, endpoint).is_ok(), !endpoint.unrestricted);
            }
        }
    }
}
