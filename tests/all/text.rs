//! Free text: whom people find by what they type, in which order, in a snapshot and in what is newer.

#[path = "../../loadtest/search/src/misspelt.rs"]
mod misspelt;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use misspelt::{Random, misspell};
use pu::base::limits;
use pu::base::swedish;
use pu::base::time::{Moment, PartialDate};
use pu::person::edit::Person;
use pu::person::field::Field;
use pu::person::identity::{Formats, Identity};
use pu::person::record::RecordRef;
use pu::person::value::{Value, ValueRef};
use pu::person::view::{Grant, Profile, ProtectionRules, Shield, View, restrict};
use pu::query::search::{Question, SearchError, search};
use pu::register::import::Import;
use pu::store::overlay::Overlay;
use pu::store::state::{State, open_newest};

use crate::index::ALONE;
use crate::support::WRITTEN;

const FULL: Grant = Grant::unrestricted(Profile::P5);
const CUT: Grant = Grant::restricted(Profile::P5, ProtectionRules::STANDARD);

static FORMATS: LazyLock<Formats> = LazyLock::new(Formats::standard);

/// Somebody of whom a few things are known.
#[derive(Clone, Copy, Default)]
struct Known {
    given: &'static str,
    middle: &'static str,
    surname: &'static str,
    city: &'static str,
    street: &'static str,
    born: u32,
    is_gone: bool,
    is_protected: bool,
}

const fn named(given: &'static str, surname: &'static str) -> Known {
    Known {
        given,
        surname,
        middle: "",
        city: "",
        street: "",
        born: 0,
        is_gone: false,
        is_protected: false,
    }
}

/// The register: the order of rows is the order of identities.
const PEOPLE: &[Known] = &[
    Known {
        street: "Granströms väg 3",
        city: "Umeå",
        ..named("Olle", "Lind")
    },
    Known {
        is_gone: true,
        born: 18_900_402,
        ..named("Christian", "Granström")
    },
    named("Christian", "Granström"),
    named("Kristian", "Granstedt"),
    Known {
        middle: "Granström",
        ..named("Doris", "Ek")
    },
    named("Lena Anna", "Vik"),
    named("Anna Lena", "Vik"),
    named("Anna-Lena", "Vik"),
    named("Patrick", "O'Connor"),
    named("Pat", "OʼConnor"),
    named("Anna-Karin", "Berg"),
    named("Jean-Luc", "Picard Dupont"),
    named("Ursula", "von der Leyen"),
    named("Omar", "Al Hassan"),
    named("Ronald", "McDonald"),
    named("Annakarin", "Holm"),
    named("Gun", "Sjöström"),
    named("Åke", "Åkesson"),
    named("Jürgen", "Müller"),
    named("Filip", "Lindqvist"),
    named("Zara", "Eriksson"),
    named("Hanna", "Wiktorsson"),
    named("René", "Mattsson"),
    named("Maja", "Andersson"),
    named("Maja", "Andersen"),
    named("Maja", "Anderson"),
    named("Lind", "Anna"),
    named("Anna", "Lind"),
    named("Anna", "Ros"),
    Known {
        born: 19_570_321,
        ..named("Per", "Dahl")
    },
    Known {
        born: 19_570_300,
        ..named("Pia", "Dahl")
    },
    Known {
        born: 19_100_112,
        ..named("Per", "Dahl")
    },
    Known {
        city: "Lund",
        street: "Storgatan 12",
        ..named("Anna", "Svärd")
    },
    Known {
        city: "Malmö",
        street: "Lindgatan 1",
        ..named("Anna", "Holm")
    },
    Known {
        is_gone: true,
        is_protected: true,
        ..named("Sixten", "Falk")
    },
    Known {
        is_gone: true,
        ..named("Sixten", "Falk")
    },
    named("Sixten", "Falk"),
    named("Siv", "Bergström"),
    named("Siv", "Bengtsson"),
    named("Eva", "Mårtensson-Öberg"),
    named("Ｓｉｇｎｅ", "Ståhl"),
];

/// Official test numbers, in order.
fn identities() -> Vec<Identity> {
    let numbers = include_str!("../../snapshots/source/personal-numbers.txt");
    let numbers = numbers.lines().take(PEOPLE.len());
    let mut all: Vec<Identity> = numbers
        .map(|number| FORMATS.guess(number).unwrap())
        .collect();
    all.sort();
    all
}

fn person(identity: Identity, known: &Known) -> Person {
    let mut person = Person::new(identity, &FORMATS);
    for (path, text) in [
        ("name/givenName", known.given),
        ("name/middleName", known.middle),
        ("name/surname", known.surname),
        ("addressInformation/residentialAddress/city", known.city),
        (
            "addressInformation/residentialAddress/postalAddress2",
            known.street,
        ),
        (
            "deregistration/deregistrationReasonCode",
            if known.is_gone { "AV" } else { "" },
        ),
    ] {
        if !text.is_empty() {
            person.set(field(path), Value::from(text));
        }
    }
    if let Some(born) = PartialDate::from_number(known.born) {
        person.set(field("birth/dateOfBirth"), Value::PartialDate(born));
    }
    if known.is_protected {
        person.set(field("protectedPopulationRecord"), Value::Boolean(true));
    }
    person
}

fn field(path: &str) -> Field {
    let found = Field::all().filter(|field| field.path() == path);
    found.max_by_key(|field| field.info().depth).unwrap()
}

fn import(fill: impl FnOnce(&mut Import)) -> State {
    let folder = tempfile::tempdir().unwrap();
    let at = Moment::parse(WRITTEN).unwrap();
    let mut import = Import::new(folder.path(), None, &FORMATS, at, |_| true).unwrap();
    fill(&mut import);
    import.finish(|_| {}).unwrap().unwrap();
    let snapshot = open_newest(folder.path(), &FORMATS).unwrap().unwrap();
    State::of_snapshot(Arc::new(snapshot)).unwrap()
}

fn everybody() -> impl Iterator<Item = Person> {
    let people = identities().into_iter().zip(PEOPLE);
    people.map(|(identity, known)| person(identity, known))
}

/// All in a snapshot; all newer than an empty one; half and half.
static STATES: LazyLock<[State; 3]> = LazyLock::new(|| {
    let newer = |which: fn(usize) -> bool| {
        let some = everybody().enumerate().filter(|(nth, _)| which(*nth));
        Overlay::of(some.map(|(_, it)| Box::from(it.to_record().unwrap()))).unwrap()
    };
    let old = |which: fn(usize) -> bool| {
        import(|import| {
            for (_, person) in everybody().enumerate().filter(|(nth, _)| which(*nth)) {
                import.exchanged(person).unwrap();
            }
        })
    };
    let laid_over = |state: &State, overlay| {
        State::with_overlay(Arc::clone(state.snapshot()), overlay, 9).unwrap()
    };
    let one = old(|nth| nth == 40);
    let half = old(|nth| nth % 2 == 0);
    [
        old(|_| true),
        laid_over(&one, newer(|_| true)),
        laid_over(&half, newer(|nth| nth % 2 == 1)),
    ]
});

/// Who is found, as rows of the register, the best first; the same in every state.
#[track_caller]
fn found(typed: &str, grant: Grant) -> Vec<usize> {
    let identities = identities();
    let mut all = STATES.iter().map(|state| {
        let question = Question::parse("Text", typed, &FORMATS).unwrap();
        let found = search(state, &question, &grant, limits::HITS_PER_TEXT).unwrap();
        let row = |hit: &View<'_>| {
            identities
                .iter()
                .position(|it| *it == hit.identity())
                .unwrap()
        };
        found.hits.iter().map(row).collect::<Vec<_>>()
    });
    let first = all.next().unwrap();
    for other in all {
        assert_eq!(other, first, "{typed}");
    }
    first
}

/// Names of those found.
#[track_caller]
fn names(typed: &str) -> Vec<String> {
    let name = |row: usize| format!("{} {}", PEOPLE[row].given, PEOPLE[row].surname);
    found(typed, CUT).into_iter().map(name).collect()
}

#[test]
fn names_are_found_as_they_sound_and_with_two_slips() {
    for (typed, first) in [
        ("kristian granström", "Christian Granström"),
        ("cristian grannstrom", "Christian Granström"),
        ("khristian granstroem", "Christian Granström"),
        ("qristjan grahnström", "Christian Granström"),
        ("christian grasntrmo", "Christian Granström"),
        ("kristian grannstrmo", "Christian Granström"),
        ("kristi granstr", "Christian Granström"),
        ("sjoestroem gun", "Gun Sjöström"),
        ("gun shjöström", "Gun Sjöström"),
        ("aake aakesson", "Åke Åkesson"),
        ("mueller juergen", "Jürgen Müller"),
        ("philip lindkvist", "Filip Lindqvist"),
        ("fillip lindquist", "Filip Lindqvist"),
        ("sara ericsson", "Zara Eriksson"),
        ("szara erixon", "Zara Eriksson"),
        ("anna viktorson", "Hanna Wiktorsson"),
        ("rene mathson", "René Mattsson"),
        ("maia anderson", "Maja Anderson"),
        ("ＳＩＧＮＥ ståhl", "Ｓｉｇｎｅ Ståhl"),
        ("signe stal", "Ｓｉｇｎｅ Ståhl"),
    ] {
        assert_eq!(
            names(typed).first().map(String::as_str),
            Some(first),
            "{typed}"
        );
    }
    // Below eight letters one slip is forgiven, and no more.
    assert_eq!(names("siv bergtröm"), ["Siv Bergström"]);
    assert_eq!(names("maja adresson"), ["Maja Andersson"]);
    assert!(names("pre dhlx").is_empty());
}

#[test]
fn the_best_come_first() {
    // Letters, then -son and -sen.
    let of_maja = names("maja andersson");
    assert_eq!(
        of_maja,
        ["Maja Andersson", "Maja Anderson", "Maja Andersen"]
    );
    assert_eq!(names("maja andersen").first().unwrap(), "Maja Andersen");
    // A surname, a middle name, a street; those who live before the dead.
    assert_eq!(found("granstrom", CUT)[..4], [2, 1, 4, 0]);
    assert_eq!(found("christian granström", CUT)[..2], [2, 1]);
    // A name with a hyphen, then its parts, then these in another order.
    let of_anna_lena = ["Anna-Lena Vik", "Anna Lena Vik", "Lena Anna Vik"];
    assert_eq!(names("anna-lena vik"), of_anna_lena);
    assert_eq!(names("annalena vik").len(), 2);
}

#[test]
fn what_is_hidden_moves_nobody() {
    let falk = |grant| found("sixten falk", grant);
    let [protected, gone, living] = [34, 35, 36];
    assert_eq!(falk(FULL), [living, protected, gone]);
    assert_eq!(
        falk(CUT),
        [protected, living, gone],
        "the restricted view hides that they are gone"
    );
}

#[test]
fn names_may_be_typed_in_one_or_taken_apart() {
    for (typed, all) in [
        ("annakarin", &["Annakarin Holm", "Anna-Karin Berg"][..]),
        ("anna karin", &["Anna-Karin Berg", "Annakarin Holm"]),
        ("anna-karin", &["Anna-Karin Berg", "Annakarin Holm"]),
        ("anna carin holm", &["Annakarin Holm"]),
        ("jeanluc", &["Jean-Luc Picard Dupont"]),
        ("jean luc picarddupont", &["Jean-Luc Picard Dupont"]),
        ("vonderleyen", &["Ursula von der Leyen"]),
        ("ursula von derleyen", &["Ursula von der Leyen"]),
        ("alhassan", &["Omar Al Hassan"]),
        ("al-hassan", &["Omar Al Hassan"]),
        ("mcdonald", &["Ronald McDonald"]),
        ("mc donald", &["Ronald McDonald"]),
        ("ronald mc-donald", &["Ronald McDonald"]),
        ("mårtenssonöberg", &["Eva Mårtensson-Öberg"]),
        ("o'connor", &["Patrick O'Connor", "Pat OʼConnor"]),
        ("o’connor", &["Patrick O'Connor", "Pat OʼConnor"]),
        ("oconnor", &["Patrick O'Connor", "Pat OʼConnor"]),
        ("o connor", &["Patrick O'Connor", "Pat OʼConnor"]),
        ("o´connor pat", &["Pat OʼConnor", "Patrick O'Connor"]),
    ] {
        assert_eq!(names(typed), all, "{typed}");
    }
}

#[test]
fn a_comma_parts_surname_and_given_name() {
    assert_eq!(names("Lind, Anna"), ["Anna Lind"]);
    let in_places = ["Anna Holm", "Anna Svärd"];
    assert_eq!(names("Anna, Lind")[0], "Lind Anna");
    assert_eq!(
        names("Anna, Lind")[1..],
        in_places,
        "in Lindgatan, and with a slip in Lund"
    );
    assert_eq!(names("lind anna")[..2], ["Lind Anna", "Anna Lind"]);
    assert_eq!(names("Svärd, Anna, Lund"), ["Anna Svärd"]);
    assert_eq!(names("Svärd, Lund"), ["Anna Svärd"]);
    assert_eq!(names("anna storgatan 12, lund"), ["Anna Svärd"]);
    assert_eq!(names("lund svärd, anna"), ["Anna Svärd"]);
    assert!(names("Storgatan, Anna").is_empty());
}

#[test]
fn dates_of_birth_stand_beside_names() {
    let [day, month, old] = [29, 30, 31];
    for (typed, all) in [
        ("dahl 1957", &[day, month][..]),
        ("dahl 1957-03", &[day, month]),
        ("dahl 195703", &[day, month]),
        ("dahl 570321", &[day]),
        ("dahl 1957-03-21", &[day]),
        ("21/3 1957 dahl", &[day]),
        ("dahl 21/3-57", &[day]),
        ("dahl, per 21 mars 1957", &[day]),
        ("dahl 21 mar. 1957", &[day]),
        ("dahl 191001", &[old]),
        ("dahl 22 mars 1957", &[]),
    ] {
        assert_eq!(found(typed, CUT), all, "{typed}");
    }
}

/// The first given name and the first surname of everybody, and how many bear them.
fn full_names(state: &State) -> BTreeMap<[String; 2], usize> {
    let mut names = BTreeMap::new();
    for record in state.snapshot().records() {
        let record = RecordRef::open(record.unwrap()).unwrap();
        let view = restrict(record, &CUT, Shield::NONE);
        if let Some(name) = name_of(&view)
            && name
                .iter()
                .all(|word| word.chars().all(char::is_alphabetic))
        {
            *names.entry(name).or_default() += 1;
        }
    }
    names
}

fn name_of(view: &View<'_>) -> Option<[String; 2]> {
    let word = |path| match view.values(field(path)).next()? {
        Ok(ValueRef::Text(text)) => {
            let text = text.plain().unwrap().into_owned();
            swedish::words(&swedish::fold(&text))
                .next()
                .map(str::to_owned)
        }
        _ => None,
    };
    Some([word("name/givenName")?, word("name/surname")?])
}

/// Whether one of the first ten who are found bears a name.
fn bears(state: &State, typed: &str, name: [&String; 2]) -> bool {
    let question = Question::parse("Text", typed, &FORMATS).unwrap();
    match search(state, &question, &CUT, limits::HITS_ENOUGH) {
        Ok(found) => {
            let mut names = found.hits.iter().filter_map(name_of);
            names.any(|it| it.iter().eq(name))
        }
        Err(SearchError::TooWide) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Of misspelt names, nineteen of twenty are found among the first ten.
#[test]
fn misspelt_names_are_found() {
    let state: &State = &ALONE;
    let names: Vec<[String; 2]> = full_names(state).into_keys().collect();
    let mut random = Random(1);
    let mut missed = Vec::new();
    for _ in 0..300 {
        let name = &names[random.below(names.len())];
        let typed = misspell(&mut random, [&name[0], &name[1]]).join(" ");
        if !bears(state, &typed, [&name[0], &name[1]]) {
            missed.push(format!("{typed} ({} {})", name[0], name[1]));
        }
    }
    assert!(missed.len() <= 15, "{} missed: {missed:#?}", missed.len());
}
