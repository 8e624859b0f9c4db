//! The REST interface's requests and answers: parameters and JSON in, JSON out. Answers have the
//! contracts' names. Everybody sees what a restricted contract shows.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::body;
use super::changes::Following;
use super::disclosed::Disclosed;
use super::fault::{Refusal, Trouble};
use super::history::history;
use super::parameters::{Built, PARAMETERS};
use super::recall::Wish;
use super::search::{Language, Search};
use super::task::Noted;
use crate::base::limits;
use crate::person::identity::{Formats, Identity, IdentityError};
use crate::person::json;
use crate::person::record::Damaged;
use crate::person::view::{Grant, Profile, ProtectionRules, View};
use crate::query::lookup::{Follow, lookup, lookup_each};
use crate::query::search::Explanation;
use crate::query::work::Budget;
use crate::store::log::Log;
use crate::store::state::State;
use crate::store::trail::Trail;

/// Why a request is refused. Names are the interface's own, but that of a parameter it does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// No such parameter here: its name, when it looks like one.
    #[error("a parameter is not known")]
    Unknown(Option<String>),
    /// A parameter that came twice.
    #[error("the parameter {0} is repeated")]
    Repeated(&'static str),
    /// Not UTF-8 behind the percent signs.
    #[error("a parameter is not UTF-8")]
    Encoding,
    /// A value of another form.
    #[error("the parameter {name} has another form")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What it must be, in Swedish.
        expected: &'static str,
    },
    /// A search for nothing.
    #[error("no question")]
    NoQuestion,
    /// A search for several things at once.
    #[error("more than one question")]
    TwoQuestions,
    /// A parameter that asks for what the profile hides.
    #[error("the parameter {name} asks for what the profile hides")]
    Hidden {
        /// The parameter.
        name: &'static str,
        /// The lowest profile that shows it.
        profile: Option<Profile>,
    },
    /// Not JSON.
    #[error("not JSON at line {line}, column {column}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A name that stands twice in an object.
    #[error("a field is repeated at line {line}, column {column}")]
    RepeatedField {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A body that is neither UTF-8 nor UTF-16.
    #[error("the body is neither UTF-8 nor UTF-16")]
    BodyEncoding,
    /// JSON of another form.
    #[error("the JSON has another form")]
    Body {
        /// What is expected, in Swedish.
        expected: &'static str,
    },
    /// Nobody has the identity.
    #[error("nobody has this identity")]
    UnknownPerson,
    /// A value that is an identity in several formats; its place among those asked for, from 1.
    #[error("identity {0} is there in several formats")]
    SeveralFormats(usize),
    /// Explanations are not configured.
    #[error("explanations are not served")]
    ExplanationOff,
    /// The history of persons is not configured.
    #[error("the history of persons is not served")]
    HistoryOff,
    /// The changes are not configured.
    #[error("the changes are not served")]
    ChangesOff,
    /// Issuing reserve identities is not configured.
    #[error("reserve identities are not issued here")]
    ReserveOff,
    /// Changes that the log no longer holds.
    #[error("the log begins with entry {first}")]
    Gone {
        /// What it begins with.
        first: u64,
    },
}

impl ParameterError {
    /// A parameter that is not known. What does not look like a name is not repeated: it may be a value
    /// in the wrong place.
    pub(super) fn unknown(name: &str) -> Self {
        const LONGEST: usize = 40;
        let is_name = (1..=LONGEST).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        Self::Unknown(is_name.then(|| name.to_owned()))
    }
}

/// The profile of those who name none, as in `pu get`.
pub const DEFAULT_PROFILE: Profile = Profile::P3;

/// The REST interface.
pub struct Rest {
    pub(super) formats: Formats,
    pub(super) rules: ProtectionRules,
    explain: bool,
    pub(super) offered: Offered,
}

/// What is served only where the operator says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// Who changed a person, and when.
    pub history: bool,
    /// Who changed since when.
    pub changes: bool,
    /// Reserve identities.
    pub reserve_identities: bool,
}

/// What answers are made of.
pub struct Sources<'a> {
    /// The register.
    pub state: &'a State,
    /// Its log.
    pub log: &'a dyn Log,
    /// Which entries changed whom.
    pub trail: &'a Trail,
}

/// An answer as it is written, and whom it tells of.
#[derive(Default)]
pub struct Page {
    /// The answer.
    pub bytes: Vec<u8>,
    /// Whom it tells of.
    pub disclosed: Disclosed,
}

impl Page {
    pub(super) fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Writes a record: the one way for a record into an answer.
    pub(super) fn show(&mut self, view: &View<'_>, formats: &Formats) -> Result<(), Damaged> {
        self.disclosed.show(view);
        json::write(view, formats, &mut self.bytes)
    }
}

/// Whom a request asks for as people type identities, of which only a register knows what they are.
pub struct Typing {
    /// For each that was typed, what it can be.
    each: Vec<Vec<Identity>>,
    profile: Profile,
    follow: Follow,
}

impl Typing {
    /// Whom it asks for, in order: of what each can be, the one that the register has.
    fn identities(&self, state: &State) -> Result<Vec<Identity>, Trouble> {
        let each = self.each.iter().enumerate();
        each.map(|(at, readings)| there(state, at + 1, readings))
            .collect()
    }
}

/// Of what was typed, the identity that the register has; the likeliest when it has none.
fn there(state: &State, place: usize, readings: &[Identity]) -> Result<Identity, Trouble> {
    match readings {
        [] => Err(Refusal::MalformedIdentity(place).into()),
        [one] => Ok(*one),
        [likeliest, ..] => {
            let mut found = None;
            for &identity in readings {
                if state.record(identity)?.is_some() && found.replace(identity).is_some() {
                    return Err(ParameterError::SeveralFormats(place).into());
                }
            }
            Ok(found.unwrap_or(*likeliest))
        }
    }
}

/// A request that was read, to be performed on one state.
pub enum Wanted {
    /// One person.
    Person(Typing),
    /// Persons by identity.
    Persons(Typing),
    /// Persons by a search.
    Search {
        /// The search.
        search: Search,
        /// The parameters it was made of, when it was.
        built: Built,
        /// Whether to tell how it went.
        explain: bool,
    },
    /// Who changed a person, and when: what was typed can be any of these.
    History(Vec<Identity>),
    /// Who changed since when.
    Changes(Following),
}

impl Wanted {
    /// Whether the answer is several JSON texts, a line each.
    pub const fn is_lines(&self) -> bool {
        matches!(self, Self::Changes(_))
    }

    /// What is remembered of it when it is done.
    pub fn noted(&self) -> Noted {
        match self {
            Self::Person(typing) | Self::Persons(typing) => Noted {
                asked: typing.each.concat(),
                ..Noted::of(typing.profile)
            },
            Self::Search { search, .. } => Noted::of_search(search),
            Self::Changes(following) => Noted::of(following.profile),
            Self::History(readings) => Noted {
                asked: readings.clone(),
                ..Noted::default()
            },
        }
    }
}

impl Rest {
    /// The interface. `explain` lets callers ask how a search went.
    pub fn new(formats: &Formats, rules: ProtectionRules, explain: bool, offered: Offered) -> Self {
        Self {
            formats: formats.clone(),
            rules,
            explain,
            offered,
        }
    }

    /// Reads a request for the person whose identity is a part of the path.
    pub fn person(&self, identity: &str, query: &str) -> Result<Wanted, Trouble> {
        let identity = decoded_path(identity)?;
        let mut root = None;
        let mut profile = DEFAULT_PROFILE;
        let mut follow = Follow::MainIdentity;
        for (name, value) in once(query, &["root", "profile", "ignore_referred_identity"])? {
            match name {
                "root" => root = Some(value),
                "profile" => profile = read_profile(&value)?,
                _ => follow = read_follow(read_flag(name, &value)?),
            }
        }
        let readings = self
            .readings(root.as_deref(), &identity)
            .map_err(|error| Refusal::of_identity(1, error))?;
        Ok(Wanted::Person(Typing {
            each: vec![readings],
            profile,
            follow,
        }))
    }

    /// Reads a request for the history of the person whose identity is a part of the path.
    pub fn history(&self, identity: &str, query: &str) -> Result<Wanted, Trouble> {
        if !self.offered.history {
            return Err(ParameterError::HistoryOff.into());
        }
        let identity = decoded_path(identity)?;
        let root = once(query, &["root"])?.pop().map(|(_, root)| root);
        let readings = self
            .readings(root.as_deref(), &identity)
            .map_err(|error| Refusal::of_identity(1, error))?;
        Ok(Wanted::History(readings))
    }

    /// Reads a request for several persons.
    pub fn persons(&self, body: &[u8]) -> Result<Wanted, Trouble> {
        let body = body::read(body)?;
        let form = |expected| ParameterError::Body { expected };
        let fields = body
            .as_object()
            .ok_or(form("ett objekt med identities väntades"))?;
        let known = ["identities", "profile", "ignore_referred_identity"];
        if fields.keys().any(|name| !known.contains(&name.as_str())) {
            return Err(form("ett fält är okänt").into());
        }
        let profile = match fields.get("profile") {
            None => DEFAULT_PROFILE,
            Some(Value::String(name)) => read_profile(name)?,
            Some(_) => return Err(form("profile ska vara en text").into()),
        };
        let follow = match fields.get("ignore_referred_identity") {
            None => Follow::MainIdentity,
            Some(Value::Bool(ignore)) => read_follow(*ignore),
            Some(_) => {
                return Err(form("ignore_referred_identity ska vara true eller false").into());
            }
        };
        let named = match fields.get("identities") {
            Some(Value::Array(named)) if !named.is_empty() => named,
            _ => return Err(form("identities ska vara en lista med minst en identitet").into()),
        };
        if named.len() > limits::IDENTITIES_PER_REQUEST {
            return Err(Refusal::TooManyIdentities.into());
        }
        let one = |(at, named): (usize, &Value)| {
            let (root, text) = identity_in(named).ok_or(form(
                "en identitet ska vara en text, eller ett objekt med root och extension",
            ))?;
            let readings = self.readings(root, text);
            readings.map_err(|error| Trouble::from(Refusal::of_identity(at + 1, error)))
        };
        let each = named
            .iter()
            .enumerate()
            .map(one)
            .collect::<Result<_, Trouble>>()?;
        Ok(Wanted::Persons(Typing {
            each,
            profile,
            follow,
        }))
    }

    /// Reads a search.
    pub fn search(&self, query: &str) -> Result<Wanted, Trouble> {
        let mut known = vec!["q", "text", "profile", "explain"];
        known.extend(PARAMETERS.iter().map(|row| row.name));
        let mut profile = DEFAULT_PROFILE;
        let mut explain = false;
        let mut question = None;
        let mut built = Built::default();
        for (name, value) in once(query, &known)? {
            match name {
                "profile" => profile = read_profile(&value)?,
                "explain" => explain = read_flag(name, &value)?,
                "q" | "text" if question.is_some() => {
                    return Err(ParameterError::TwoQuestions.into());
                }
                "q" => question = Some((Language::SimpleQl, value)),
                "text" => question = Some((Language::Text, value)),
                _ => {
                    let row = PARAMETERS.iter().find(|row| row.name == name);
                    built.add(row.ok_or_else(|| ParameterError::unknown(name))?, &value)?;
                }
            }
        }
        if explain && !self.explain {
            return Err(ParameterError::ExplanationOff.into());
        }
        let (language, text) = match (&question, built.is_empty()) {
            (Some(_), false) => return Err(ParameterError::TwoQuestions.into()),
            (None, true) => return Err(ParameterError::NoQuestion.into()),
            (Some((language, text)), true) => (*language, text.as_ref()),
            (None, false) => (Language::SimpleQl, built.text.as_str()),
        };
        Ok(Wanted::Search {
            search: Search::read(language, text, profile, &self.formats),
            built,
            explain,
        })
    }

    /// Performs what was read on one state. On trouble, `out` is of no use.
    pub fn perform(
        &self,
        sources: &Sources<'_>,
        wanted: &Wanted,
        budget: Budget,
        out: &mut Page,
    ) -> Result<(), Trouble> {
        let state = sources.state;
        match wanted {
            Wanted::History(readings) => {
                let rule = self.rules;
                let identity = there(state, 1, readings)?;
                let told = history(sources, identity, rule, &self.formats)?;
                out.disclosed.asked.push(identity);
                out.disclosed.shown.push(identity);
                out.bytes.extend_from_slice(told.to_string().as_bytes());
                Ok(())
            }
            Wanted::Changes(following) => self.write_changes(sources, following, out),
            Wanted::Person(typing) => {
                let grant = Grant::restricted(typing.profile, self.rules);
                for identity in typing.identities(state)? {
                    out.disclosed.asked.push(identity);
                    let view = lookup(state, identity, &grant, typing.follow)?
                        .ok_or(ParameterError::UnknownPerson)?;
                    out.show(&view, &self.formats)?;
                }
                Ok(())
            }
            Wanted::Persons(typing) => {
                let wish = Wish {
                    identities: typing.identities(state)?,
                    profile: typing.profile,
                    follow: typing.follow,
                };
                Ok(self.write_persons(state, &wish, out)?)
            }
            Wanted::Search {
                search,
                built,
                explain,
            } => {
                let grant = Grant::restricted(search.profile, self.rules);
                let found = search
                    .perform(state, &grant, budget)
                    .map_err(|error| built.told(error))?;
                let explanation = explain.then_some(&found.explanation);
                Ok(self.write_hits(&found.hits, explanation, out)?)
            }
        }
    }

    /// Whether performing it may take longer than a moment.
    pub fn is_wide(&self, state: &State, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Search { search, .. } => {
                search.is_wide(state, &Grant::restricted(search.profile, self.rules))
            }
            Wanted::History(_) | Wanted::Changes(_) => true,
            Wanted::Person(_) | Wanted::Persons(_) => false,
        }
    }

    fn write_persons(&self, state: &State, wish: &Wish, out: &mut Page) -> Result<(), Damaged> {
        let grant = Grant::restricted(wish.profile, self.rules);
        out.disclosed.asked.extend_from_slice(&wish.identities);
        out.push("{\"requestedPersonRecord\":[");
        let found = lookup_each(state, &wish.identities, &grant, wish.follow);
        for (at, (identity, view)) in found.enumerate() {
            if at > 0 {
                out.push(",");
            }
            let asked = self.formats.root(identity).zip(self.formats.text(identity));
            let (root, extension) = asked.ok_or(Damaged)?;
            let asked = serde_json::json!({"root": root, "extension": extension.as_str()});
            out.push("{\"requestedPersonalIdentity\":");
            out.push(&asked.to_string());
            if let Some(view) = view? {
                out.push(",\"personRecord\":");
                out.show(&view, &self.formats)?;
            }
            out.push("}");
        }
        out.push("]}");
        Ok(())
    }

    fn write_hits(
        &self,
        hits: &[View<'_>],
        explanation: Option<&Explanation>,
        out: &mut Page,
    ) -> Result<(), Damaged> {
        out.push(&format!("{{\"count\":{},\"personRecord\":[", hits.len()));
        for (at, view) in hits.iter().enumerate() {
            if at > 0 {
                out.push(",");
            }
            out.show(view, &self.formats)?;
        }
        out.push("]");
        if let Some(explanation) = explanation.and_then(|it| serde_json::to_string(it).ok()) {
            out.push(",\"explanation\":");
            out.push(&explanation);
        }
        out.push("}");
        Ok(())
    }

    /// What an identity can be that somebody typed.
    fn readings(&self, root: Option<&str>, text: &str) -> Result<Vec<Identity>, IdentityError> {
        let readings = match root {
            None => self.formats.readings(text),
            Some(root) => vec![self.formats.typed(root, text)?],
        };
        if readings.is_empty() {
            return Err(IdentityError::Unclear);
        }
        Ok(readings)
    }
}

/// The parts of an identity in JSON: a text alone, or root and extension.
fn identity_in(named: &Value) -> Option<(Option<&str>, &str)> {
    match named {
        Value::String(text) => Some((None, text)),
        Value::Object(parts) if parts.len() == 2 => {
            let part = |name| parts.get(name).and_then(Value::as_str);
            Some((Some(part("root")?), part("extension")?))
        }
        _ => None,
    }
}

pub(super) fn read_profile(name: &str) -> Result<Profile, Trouble> {
    match (Profile::parse(name), name) {
        (Some(profile), _) => Ok(profile),
        (None, "P6" | "P7" | "P8" | "P9" | "P10") => Err(Refusal::ReservedProfile.into()),
        _ => Err(ParameterError::Value {
            name: "profile",
            expected: "P1, P2, P3, P4 eller P5",
        }
        .into()),
    }
}

fn read_flag(name: &'static str, value: &str) -> Result<bool, ParameterError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ParameterError::Value {
            name,
            expected: "true eller false",
        }),
    }
}

const fn read_follow(ignore_referred: bool) -> Follow {
    if ignore_referred {
        Follow::Nothing
    } else {
        Follow::MainIdentity
    }
}

/// The parameters of a query, each known and there once at most.
pub(super) fn once<'q>(
    query: &'q str,
    known: &[&'static str],
) -> Result<Vec<(&'static str, Cow<'q, str>)>, ParameterError> {
    let mut found: Vec<(&'static str, Cow<'q, str>)> = Vec::new();
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let name = decoded(name)?;
        let found_name = known.iter().find(|it| **it == name);
        let name = *found_name.ok_or_else(|| ParameterError::unknown(&name))?;
        if found.iter().any(|(before, _)| *before == name) {
            return Err(ParameterError::Repeated(name));
        }
        found.push((name, decoded(value)?));
    }
    Ok(found)
}

/// A part of a path as it was before it was percent-encoded. A plus is a plus there.
fn decoded_path(text: &str) -> Result<Cow<'_, str>, ParameterError> {
    let read = percent_decode_str(text).decode_utf8();
    read.map_err(|_| ParameterError::Encoding)
}

/// A part of a query as it was before it was percent-encoded.
fn decoded(text: &str) -> Result<Cow<'_, str>, ParameterError> {
    let read = if text.contains('+') {
        let spaced = text.replace('+', " ");
        let read = percent_decode_str(&spaced).decode_utf8();
        read.map(|text| Cow::Owned(text.into_owned()))
    } else {
        percent_decode_str(text).decode_utf8()
    };
    read.map_err(|_| ParameterError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest() -> Rest {
        let rule = ProtectionRules::default();
        Rest::new(&Formats::standard(), rule, false, Offered::default())
    }

    fn error(read: Result<Wanted, Trouble>) -> Trouble {
        match read {
            Ok(_) => panic!("read without trouble"),
            Err(trouble) => trouble,
        }
    }

    #[test]
    fn identities_are_read_as_people_type_them() {
        let found = |path: &str, query: &str| match rest().person(path, query) {
            Ok(Wanted::Person(typing)) => typing.each.concat(),
            _ => panic!("{path}?{query}"),
        };
        let pnr = found("191212121212", "");
        assert_eq!(found("121212+1212", ""), pnr);
        assert_eq!(found("121212%2B1212", "root=1.2.752.129.2.1.3.1"), pnr);
        let snr = found("197001782395", "");
        for typed in [
            "700178-2395",
            "7001782395",
            "700178%202395",
            "700178%E2%80%932395",
        ] {
            assert_eq!(found(typed, ""), snr, "{typed}");
        }
        // Who names no root may mean any of several.
        assert_eq!(found("20200501-AA8A", "").len(), 2);
        assert_eq!(found("20200501-AA8A", "root=1.2.752.74.9.5").len(), 1);
        assert_eq!(
            error(rest().person("070961-2346", "")),
            Refusal::MalformedIdentity(1).into()
        );
    }

    #[test]
    fn a_person_is_asked_for_with_or_without_a_root() {
        let formats = Formats::standard();
        let pnr = "1.2.752.129.2.1.3.1";
        let wanted = formats.parse(pnr, "191212121212").unwrap();
        for (path, query) in [
            ("191212121212", ""),
            ("19121212-1212", "profile=P5&ignore_referred_identity=true"),
            ("19121212%31%32%31%32", "root=1.2.752.129.2.1.3.1"),
        ] {
            let Ok(Wanted::Person(wish)) = rest().person(path, query) else {
                panic!("{path}?{query}")
            };
            assert_eq!(wish.each.concat(), [wanted]);
            let asked = query.starts_with("profile");
            assert_eq!(wish.profile, if asked { Profile::P5 } else { Profile::P3 });
            assert_eq!(wish.follow == Follow::Nothing, asked);
        }
    }

    #[test]
    fn parameters_are_known_single_and_whole() {
        use ParameterError as P;
        let person = |query| error(rest().person("191212121212", query));
        assert_eq!(person("person=x"), P::unknown("person").into());
        for value in ["191212121212=x", "Lund=x", "%C3%A5=x", "=x"] {
            assert_eq!(person(value), P::Unknown(None).into(), "{value}");
        }
        assert_eq!(
            person("profile=P1&profile=P1"),
            P::Repeated("profile").into()
        );
        assert_eq!(person("profile=%ff"), P::Encoding.into());
        assert_eq!(person("profile=P6"), Refusal::ReservedProfile.into());
        assert!(matches!(
            person("profile=p1"),
            Trouble::Parameter(P::Value {
                name: "profile",
                ..
            })
        ));
        assert!(matches!(
            person("ignore_referred_identity=1"),
            Trouble::Parameter(P::Value {
                name: "ignore_referred_identity",
                ..
            })
        ));
        assert_eq!(
            error(rest().person("12", "")),
            Refusal::MalformedIdentity(1).into()
        );
        assert_eq!(
            error(rest().person("12", "root=1.2")),
            Refusal::UnknownRoot(1).into()
        );
    }

    #[test]
    fn a_list_of_identities_is_read_strictly() {
        let body = r#"{"identities":["191212121212",{"root":"1.2.752.74.9.1","extension":"22790814AA01"}],"profile":"P1"}"#;
        let Ok(Wanted::Persons(wish)) = rest().persons(body.as_bytes()) else {
            panic!("{body}")
        };
        assert_eq!((wish.each.len(), wish.profile), (2, Profile::P1));
        for (body, place) in [
            (
                r#"{"identities":["191212121212","1912"]}"#,
                Refusal::MalformedIdentity(2),
            ),
            (
                r#"{"identities":[{"root":"1.2","extension":"x"}]}"#,
                Refusal::UnknownRoot(1),
            ),
        ] {
            assert_eq!(
                error(rest().persons(body.as_bytes())),
                place.into(),
                "{body}"
            );
        }
        for body in [
            "[]",
            "{}",
            r#"{"identities":[]}"#,
            r#"{"identities":["191212121212"],"x":1}"#,
            r#"{"identities":[7]}"#,
            r#"{"identities":[{"root":"1.2"}]}"#,
            r#"{"identities":["191212121212"],"profile":null}"#,
            r#"{"identities":["191212121212"],"ignore_referred_identity":"true"}"#,
        ] {
            let trouble = error(rest().persons(body.as_bytes()));
            assert!(
                matches!(trouble, Trouble::Parameter(ParameterError::Body { .. })),
                "{body}"
            );
        }
        let many = format!(
            r#"{{"identities":[{}"191212121212"]}}"#,
            r#""191212121212","#.repeat(500)
        );
        assert_eq!(
            error(rest().persons(many.as_bytes())),
            Refusal::TooManyIdentities.into()
        );
        let syntax = ParameterError::Syntax { line: 2, column: 1 };
        assert_eq!(error(rest().persons(b"{\n!")), syntax.into());
    }

    #[test]
    fn a_search_asks_one_question() {
        use ParameterError as P;
        let search = |query| error(rest().search(query));
        for nothing in ["", "profile=P1", "&"] {
            assert_eq!(search(nothing), P::NoQuestion.into());
        }
        for two in ["q=x&text=y", "text=y&name=anna", "name=anna&q=x"] {
            assert_eq!(search(two), P::TwoQuestions.into(), "{two}");
        }
        assert_eq!(search("q=x&explain=true"), P::ExplanationOff.into());
        assert_eq!(
            search("surename=x"),
            P::Unknown(Some("surename".to_owned())).into()
        );
        assert_eq!(search("name=a&name=b"), P::Repeated("name").into());
        assert!(rest().search("name=anna+maria&birth_date=1980").is_ok());
        assert!(rest().search("text=anna%20lund&explain=false").is_ok());
    }
}
