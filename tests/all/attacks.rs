//! The attacks that once told where a protected person is, by somebody who may search and nothing
//! more: what is counted, what is refused, what it costs. Each is done here as it was done then.

use std::sync::{Arc, LazyLock};

use pu::base::limits;
use pu::base::time::Moment;
use pu::feed::generate::synthetic_population;
use pu::person::edit::Person;
use pu::person::field::Field;
use pu::person::identity::{Formats, Identity};
use pu::person::record::RecordRef;
use pu::person::value::Value;
use pu::person::view::{Grant, Profile, ProtectionRules};
use pu::query::search::{Question, SearchError, search};
use pu::register::import::Import;
use pu::store::compact::write_whole;
use pu::store::overlay::Overlay;
use pu::store::state::{State, open_newest};

use crate::support::WRITTEN;

/// Enough to fill what a search may look at.
const PERSONS: usize = limits::CANDIDATES_PER_SEARCH + 200;

const CODE: Field = Field::at("addressInformation/residentialAddress/postalCode");
const NODE: &str = "addressInformation.residentialAddress.postalCode";
const BORN: Field = Field::at("birth/dateOfBirth");
const PROTECTED: Field = Field::at("protectedPersonIndicator");

static FORMATS: LazyLock<Formats> = LazyLock::new(Formats::standard);

/// A register, and somebody in it who is protected: in the snapshot, or only since.
struct Register {
    /// The hidden postal code, which may be one of two.
    codes: [String; 2],
    /// The register with the one and with the other.
    states: [State; 2],
    born: String,
    /// What fills a search to its limit, the victim not among it; and what would be one too many.
    full: String,
    one_more: String,
}

fn text(person: &Person, field: Field) -> Option<String> {
    Some(match person.value(field)? {
        Value::Text(text) => text.clone(),
        value => value.as_date()?.to_string(),
    })
}

fn is(identity: Identity) -> String {
    let text = FORMATS.text(identity).unwrap();
    format!("personalIdentity.extension = '{}'", text.as_str())
}

fn register(protected_since: bool) -> Register {
    let folder = tempfile::tempdir().unwrap();
    let at = Moment::parse(WRITTEN).unwrap();
    let mut import = Import::new(folder.path(), None, &FORMATS, at, |_| true).unwrap();
    for settlers in synthetic_population(&FORMATS, PERSONS, 9) {
        for post in settlers.settle().posts() {
            import.post(&post).unwrap();
        }
    }
    import.finish(|_| {}).unwrap().unwrap();
    let snapshot = open_newest(folder.path(), &FORMATS).unwrap().unwrap();
    let mut people: Vec<(String, Person)> = snapshot
        .records()
        .map(|record| Person::from_record(RecordRef::open(record.unwrap()).unwrap()).unwrap())
        .map(|person| (text(&person, BORN).unwrap(), person))
        .collect();
    people.sort_by(|one, other| one.0.cmp(&other.0));
    let (day, _) = people[limits::CANDIDATES_PER_SEARCH - 60].clone();
    let older = people.iter().filter(|(born, _)| *born < day).count();
    let mut younger = people.split_off(older);
    let is_alone = |at: usize| {
        let same = |other: &&(String, Person)| other.0 == younger[at].0;
        younger.iter().filter(same).count() == 1
    };
    let is_victim = |&at: &usize| {
        let person = &younger[at].1;
        is_alone(at) && !person.own_shield().is_on() && text(person, CODE).is_some()
    };
    let victim = (0..younger.len()).rev().find(is_victim).unwrap();
    let (born, mut hidden) = younger.remove(victim);
    let fill = limits::CANDIDATES_PER_SEARCH - older;
    let filling = younger.iter().take(fill).map(|(_, it)| is(it.identity()));
    let filling: Vec<String> = filling.collect();
    let full = format!("(birth.dateOfBirth < '{day}' OR {})", filling.join(" OR "));
    let one_more = is(younger[fill].1.identity());
    let code = text(&hidden, CODE).unwrap();
    let others = younger.iter().filter_map(|(_, it)| text(it, CODE));
    let other = others.into_iter().find(|it| *it != code).unwrap();

    hidden.set(PROTECTED, Value::Boolean(true));
    let snapshot = Arc::new(snapshot);
    let codes = [code, other];
    let states = codes.each_ref().map(|code| {
        let mut hidden = hidden.clone();
        hidden.set(CODE, Value::from(code.as_str()));
        let overlay = Overlay::of([hidden.to_record().unwrap().into_boxed_slice()]).unwrap();
        let state = State::with_overlay(Arc::clone(&snapshot), overlay, 2).unwrap();
        if protected_since {
            return state;
        }
        write_whole(folder.path(), &FORMATS, &state, |_| {}).unwrap();
        let snapshot = open_newest(folder.path(), &FORMATS).unwrap().unwrap();
        State::of_snapshot(Arc::new(snapshot)).unwrap()
    });
    Register {
        codes,
        states,
        born,
        full,
        one_more,
    }
}

impl Register {
    /// What a question is told, whatever is hidden.
    #[track_caller]
    fn ask(&self, condition: &str) -> String {
        let text = format!("FROM PersonRecord WHERE {condition}");
        let question = Question::parse("SimpleQL", &text, &FORMATS).unwrap();
        let grant = Grant::restricted(Profile::P5, ProtectionRules::STANDARD);
        let [one, other] = self.states.each_ref().map(|state| {
            match search(state, &question, &grant, limits::HITS_PER_SEARCH) {
                Ok(mut found) => {
                    found.explanation.microseconds = 0;
                    format!("{:?}", found.explanation)
                }
                Err(error) => format!("{error:?}"),
            }
        });
        assert_eq!(one, other, "it tells the hidden code");
        one
    }
}

static REGISTERS: LazyLock<[Register; 2]> = LazyLock::new(|| [register(false), register(true)]);

/// A visible set exactly as large as a search may be, and one hidden person: were they counted, the
/// answer would be a refusal for the right code alone.
#[test]
fn what_is_too_wide_does_not_tell_a_hidden_code() {
    for register in &*REGISTERS {
        let (born, full) = (&register.born, &register.full);
        let nobody = "maritalStatus.maritalStatusCode = 'XX'";
        for code in &register.codes {
            register.ask(&format!(
                "({full} OR (birth.dateOfBirth = '{born}' AND {NODE} = '{code}')) AND {nobody}"
            ));
        }
        // The set is at the limit, and one more is too many.
        let all = register.ask(&format!("{full} AND {nobody}"));
        assert!(all.contains("candidates: 50000"), "{all}");
        let more = format!("({full} OR {}) AND {nobody}", register.one_more);
        assert_eq!(register.ask(&more), format!("{:?}", SearchError::TooWide));
    }
}

/// A day of birth and a guessed code, with as much behind it as a query may hold: were the record
/// looked at for the right code alone, it would take longer.
#[test]
fn what_a_search_costs_does_not_tell_a_hidden_code() {
    let heavy: Vec<String> = (0..180)
        .map(|at| format!("name.givenName LIKE '%a{at}%b%c%d%'"))
        .collect();
    let heavy = heavy.join(" OR ");
    for register in &*REGISTERS {
        let born = &register.born;
        for code in &register.codes {
            let told = register.ask(&format!(
                "birth.dateOfBirth = '{born}' AND {NODE} = '{code}' AND ({heavy})"
            ));
            assert!(told.starts_with("Explanation"), "{told}");
        }
    }
}
