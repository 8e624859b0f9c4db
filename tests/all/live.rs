//! The register at work against a register written the simplest way: a map. The same wishes go to
//! both, in the same order; after each one everybody must be the same in both, and stay so in every
//! state that is kept, whatever is restarted or compacted meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use pu::base::time::{DateTime, Moment};
use pu::person::edit::Person;
use pu::person::field::Field;
use pu::person::form::Form;
use pu::person::identity::{Formats, Identity};
use pu::person::json;
use pu::person::record::{Damaged, RecordRef};
use pu::person::view::{Grant, Profile};
use pu::query::search::{Question, search};
use pu::register::desk::Desk;
use pu::register::nrid::Issuer;
use pu::register::online::{Online, Wanted};
use pu::register::persons::Persons;
use pu::register::wish::{Actor, Name, Rules, Wish, perform};
use pu::store::clock::Clock;
use pu::store::commit::Draft;
use pu::store::entry::Origin;
use pu::store::live::Live;
use pu::store::log::segments::Keeping;
use pu::store::state::{self, State};

use crate::support::{WRITTEN, persons, register};

const SURNAMES: [&str; 4] = ["Gran", "Hed", "Ås", "Bo & Co"];
const SMALL: Keeping = Keeping {
    segment_bytes: 8 << 10,
    keep_bytes: 0,
};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    /// A new national reserve identity, dated or anonymous.
    Issue(bool, usize),
    /// Somebody's name, contact data or links, by places in the list of everybody.
    Rename(usize, usize, bool),
    Contact(usize, usize, bool),
    Link(usize, usize),
    Unlink(usize, usize),
    Several(usize),
    Restart,
    /// A new snapshot is begun, and finished by the next `Compact`.
    Freeze,
    Compact,
    /// The clock moves by so many seconds.
    Clock(i8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let place = || 0_usize..64;
    let event = prop_oneof![
        3 => (any::<bool>(), 0_usize..4).prop_map(|(dated, name)| Event::Issue(dated, name)),
        5 => (place(), 0_usize..4, any::<bool>()).prop_map(|(at, name, stale)| Event::Rename(at, name, stale)),
        4 => (place(), 0_usize..4, any::<bool>()).prop_map(|(at, name, stale)| Event::Contact(at, name, stale)),
        5 => (place(), place()).prop_map(|(one, other)| Event::Link(one, other)),
        3 => (place(), place()).prop_map(|(one, other)| Event::Unlink(one, other)),
        1 => (1_usize..5).prop_map(Event::Several),
        1 => Just(Event::Restart),
        1 => Just(Event::Freeze),
        1 => Just(Event::Compact),
        2 => any::<i8>().prop_map(Event::Clock),
    ];
    prop::collection::vec(event, 1..40)
}

/// The simplest register: everybody's record by identity.
#[derive(Clone, Default)]
struct Simple(BTreeMap<Identity, Vec<u8>>);

impl Persons for Simple {
    type Error = Damaged;

    fn person(&self, identity: Identity) -> Result<Option<Person>, Damaged> {
        let record = self.0.get(&identity);
        record
            .map(|bytes| Person::from_record(RecordRef::open(bytes)?))
            .transpose()
    }

    fn waiting(&self, _: Identity) -> Vec<Identity> {
        Vec::new()
    }
}

impl Simple {
    fn somebody(&self, place: usize) -> Identity {
        *self.0.keys().nth(place % self.0.len()).unwrap()
    }

    /// The record's version, or another one.
    fn version(&self, identity: Identity, stale: bool) -> Option<pu::base::time::Timestamp> {
        let person = self.person(identity).unwrap()?;
        let version = person.value(Field::at("version"))?.as_timestamp()?;
        Some(if stale {
            version.after(Some(version))
        } else {
            version
        })
    }

    fn wish(&self, event: &Event, formats: &Formats) -> Option<Wish> {
        let name = |root: &str, extension: &str| Name {
            root: root.to_owned(),
            extension: extension.to_owned(),
        };
        let actor = Actor {
            id: name("1.2.752.29.6.2.1", "SE2321000016-1HZ3"),
            organization: Some(name("oid:2.5.4.97", "556559-4230")),
            update_time: None,
        };
        let named = |surname: usize| {
            let mut form = Form::new();
            form.open(Field::at("name"));
            form.text(Field::at("name/surname"), SURNAMES[surname])
                .unwrap();
            form.close();
            form
        };
        Some(match *event {
            Event::Issue(dated, surname) => {
                let mut form = named(surname);
                if dated {
                    form.text(Field::at("gender"), "2").unwrap();
                    form.open(Field::at("birth"));
                    form.date(Field::at("birth/dateOfBirth"), "YYYY-MM-DD", "1980-01-02")
                        .unwrap();
                    form.close();
                }
                Wish::UpdatePerson {
                    unrestricted: true,
                    actor,
                    identity: None,
                    version: None,
                    form,
                }
            }
            Event::Rename(at, surname, stale) => {
                let identity = self.somebody(at);
                let version = self.version(identity, stale);
                Wish::UpdatePerson {
                    unrestricted: true,
                    actor,
                    identity: Some(identity),
                    version,
                    form: named(surname),
                }
            }
            Event::Contact(at, value, stale) => {
                let identity = self.somebody(at);
                let mut form = Form::new();
                if value > 0 {
                    form.open(Field::at("contactInformation"));
                    form.text(Field::at("contactInformation/contactType"), "phone")
                        .unwrap();
                    form.text(
                        Field::at("contactInformation/value"),
                        &format!("+4670{value}000000"),
                    )
                    .unwrap();
                    form.close();
                }
                Wish::UpdateContact {
                    actor,
                    identity,
                    version: self.version(identity, stale),
                    form,
                    unrestricted: stale,
                }
            }
            Event::Link(one, other) => Wish::Link {
                actor,
                from: self.somebody(one),
                to: self.somebody(other),
                unrestricted: true,
            },
            Event::Unlink(one, other) => Wish::Unlink {
                actor,
                from: self.somebody(one),
                identity: self.somebody(other),
                unrestricted: true,
            },
            Event::Several(count) => Wish::IssueReserve { actor, count },
            Event::Restart | Event::Freeze | Event::Compact | Event::Clock(_) => {
                let _ = formats;
                return None;
            }
        })
    }
}

/// A clock that is told the time.
#[derive(Clone)]
struct Told(Arc<AtomicU64>);

impl Told {
    fn now(&self) -> Moment {
        let bits = self.0.load(Ordering::SeqCst);
        let written = DateTime::from_bits(bits).unwrap().written();
        Moment::parse(std::str::from_utf8(&written).unwrap()).unwrap()
    }

    /// Moves within an hour of the beginning, forwards and backwards.
    fn move_by(&self, seconds: i8) {
        let text = format!(
            "2025-01-07T06:{:02}:{:02}.000+01:00",
            30 + i32::from(seconds) / 5,
            seconds.unsigned_abs() % 60
        );
        self.0
            .store(DateTime::parse(&text).unwrap().bits(), Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let told = self.clone();
        Arc::new(move || told.now())
    }
}

fn everybody(state: &State) -> BTreeMap<Identity, Vec<u8>> {
    let mut out = BTreeMap::new();
    for record in state.records() {
        let person = Person::from_record(record.unwrap()).unwrap();
        out.insert(person.identity(), person.to_record().unwrap());
    }
    out
}

/// Who is called so, by the index.
fn called(state: &State, surname: &str) -> Vec<Identity> {
    let formats = Formats::standard();
    let text = format!(
        "FROM PersonRecord WHERE name.surname = '{}'",
        surname.split(' ').next().unwrap()
    );
    let question = Question::parse("SimpleQL", &text, &formats).unwrap();
    let found = search(state, &question, &Grant::unrestricted(Profile::P5), 500).unwrap();
    found
        .hits
        .iter()
        .map(pu::person::view::View::identity)
        .collect()
}

fn open(folder: &Path, told: &Told) -> (Arc<Live>, Desk) {
    let formats = Formats::standard();
    let live = Arc::new(Live::open(folder, &formats, SMALL, 2, told.clock()).unwrap());
    (Arc::clone(&live), Desk::new(live, formats))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_register_at_work_is_what_the_simple_one_is_at_every_sequence(events in events()) {
        let formats = Formats::standard();
        let folder = register(persons());
        let told = Told(Arc::new(AtomicU64::new(DateTime::parse(WRITTEN).unwrap().bits())));
        let (mut live, mut desk) = open(folder.path(), &told);
        let mut simple = Simple(everybody(&live.store.pin()));
        let mut issuer = Issuer::default();
        let mut kept: Vec<(Arc<State>, Simple)> = Vec::new();
        // Changes are never dated before the last one.
        let mut newest = told.now();
        for event in &events {
            match event {
                Event::Restart => {
                    drop(desk);
                    drop(live);
                    (live, desk) = open(folder.path(), &told);
                }
                Event::Freeze => live.committer.wait(Draft::freeze).unwrap().0,
                Event::Compact => live.compact().unwrap(),
                Event::Clock(seconds) => told.move_by(*seconds),
                _ => {}
            }
            let Some(wish) = simple.wish(event, &formats) else {
                prop_assert!(everybody(&live.store.pin()) == simple.0);
                continue;
            };
            let before = live.store.pin().sequence();
            let now = told.now();
            let at = if now.timestamp < newest.timestamp { newest } else { now };
            let expected = perform(&wish, &simple, Rules::standard(&formats), &mut issuer, &at);
            let (granted, state) = desk.wait(wish, Origin::default()).unwrap();
            match (expected, granted) {
                (Ok(change), Ok(granted)) => {
                    newest = at;
                    prop_assert!(granted.subject == change.subject && granted.issued == change.issued);
                    prop_assert_eq!(state.sequence(), before + 1);
                    for person in &change.persons {
                        let version = simple.version(person.identity(), false);
                        let now = person.value(Field::at("version")).unwrap().as_timestamp();
                        prop_assert!(version < now, "a version moves, whatever the clock says");
                        simple.0.insert(person.identity(), person.to_record().unwrap());
                    }
                }
                (Err(expected), Err(refusal)) => {
                    prop_assert_eq!(expected, refusal);
                    prop_assert_eq!(state.sequence(), before, "nothing changes");
                }
                (expected, granted) => prop_assert!(false, "{:?} {:?}", expected.err(), granted.err()),
            }
            prop_assert!(everybody(&state) == simple.0, "{:?}", event);
            for surname in SURNAMES {
                let is_called = |record: &Vec<u8>| {
                    let person = Person::from_record(RecordRef::open(record).unwrap()).unwrap();
                    person.text(Field::at("name/surname")) == Some(surname)
                };
                let named = simple.0.iter().filter(|(_, record)| is_called(record));
                let named: Vec<Identity> = named.map(|(identity, _)| *identity).collect();
                prop_assert!(called(&state, surname) == named, "{}", surname);
            }
            kept.push((state, simple.clone()));
        }
        for (state, simple) in &kept {
            prop_assert!(everybody(state) == simple.0, "a kept state stays what it was");
        }
        drop((desk, live));
        let reader = state::open(folder.path(), &formats).unwrap().unwrap();
        prop_assert!(everybody(&reader) == simple.0);
    }
}

/// A file that comes after the clock was set back is dated no earlier than the change before it.
#[test]
fn a_file_gives_no_version_before_the_last_change() {
    const VERSION: Field = Field::at("version");
    let formats = Formats::standard();
    let told = Told(Arc::new(AtomicU64::new(
        DateTime::parse(WRITTEN).unwrap().bits(),
    )));
    let folder = register("");
    let (live, _desk) = open(folder.path(), &told);
    let online = Online::new(&live, &formats, Arc::new(|_| false));
    let mut versions = Vec::new();
    let lines = persons().lines().filter(|it| !it.trim().is_empty());
    for (line, seconds) in lines.zip([127, -128]) {
        told.move_by(seconds);
        let mut person = json::read(line.as_bytes(), &formats).unwrap();
        person.clear(VERSION);
        let identity = person.identity();
        let wanted = vec![Wanted::Person(Box::new(person))];
        online.apply(wanted, Origin::default(), "x", 0).unwrap();
        let person = live.store.pin().person(identity).unwrap().unwrap();
        versions.push(person.value(VERSION).unwrap().as_timestamp().unwrap());
    }
    assert!(versions[0] <= versions[1], "{versions:?}");
}

/// Who is linked comes before, after, or in one batch with the identity it is linked to.
#[test]
fn chains_are_the_same_however_their_members_come() {
    let formats = Formats::standard();
    let told = Told(Arc::new(AtomicU64::new(
        DateTime::parse(WRITTEN).unwrap().bits(),
    )));
    let ids = ["22790814AA01", "198001022386"].map(|it| formats.guess(it).unwrap());
    let lines: Vec<&str> = persons()
        .lines()
        .filter(|it| !it.trim().is_empty())
        .collect();
    let of = |identity: Identity| {
        let read = |line: &&str| json::read(line.as_bytes(), &formats).unwrap();
        let mut all = lines.iter().map(read);
        Wanted::Person(Box::new(all.find(|it| it.identity() == identity).unwrap()))
    };
    for (order, batches) in [([0, 1], 1), ([1, 0], 1), ([0, 1], 2), ([1, 0], 2)] {
        let folder = register("");
        let (live, _desk) = open(folder.path(), &told);
        let online = Online::new(&live, &formats, Arc::new(|_| false));
        let all = order.map(|place| of(ids[place]));
        let mut all = Vec::from(all);
        while !all.is_empty() {
            let batch = all.drain(..2 / batches).collect();
            online.apply(batch, Origin::default(), "x", 0).unwrap();
        }
        let state = live.store.pin();
        let primary = ids.map(|identity| {
            let person = state.person(identity).unwrap().unwrap();
            (
                person
                    .value(Field::at("primaryIdentity"))
                    .unwrap()
                    .is_true(),
                person.entries(Field::at("linkedIdentity")).count(),
            )
        });
        assert_eq!(primary, [(false, 1), (true, 1)], "{order:?} in {batches}");
        let waited_for = |identity: &Identity| state.ledger().waiting_for(identity.key()).count();
        assert_eq!(ids.iter().map(waited_for).sum::<usize>(), 0);
    }
}
