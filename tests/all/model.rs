//! The model: random posts against a register written in the simplest way there is, maps of paths
//! and lists of maps. Where the two differ, one of them is wrong.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use pu::base::time::Moment;
use pu::feed::exchange::{Header, Reader, Writer};
use pu::feed::packing::Packing;
use pu::person::edit::Group;
use pu::person::field::Field;
use pu::person::identity::Formats;
use pu::person::json;
use pu::person::record::RecordRef;
use pu::person::value::Value;
use pu::person::view::{Grant, Shield, restrict};
use pu::register::import::{Applied, Import};
use pu::register::online::{Online, Wanted};
use pu::register::post::{Edit, Post};
use pu::store::clock::Clock;
use pu::store::entry::Origin;
use pu::store::live::Live;
use pu::store::log::segments::Keeping;
use pu::store::state::{self, open_newest};

use crate::support::WRITTEN;

const SMALL: Keeping = Keeping {
    segment_bytes: 64 << 10,
    keep_bytes: 0,
};

/// Whom posts are about, with gender and date of birth as the number tells them.
const PERSONS: [(&str, &str, &str); 4] = [
    ("191212121212", "1", "1912-12-12"),
    ("198001022386", "2", "1980-01-02"),
    ("201001012382", "2", "2010-01-01"),
    ("197001782395", "1", "1970-01-18"),
];

/// Fields with a single value, and values for them.
const LEAVES: [(&str, [&str; 3]); 14] = [
    ("name/givenName", ["Åsa", "Bo & Co", "<C>"]),
    ("name/middleName", ["Dal", "Ek", "Fors"]),
    ("name/surname", ["Gran", "Hed", "Ås"]),
    ("gender", ["1", "2", "1"]),
    ("protectedPersonIndicator", ["true", "false", "true"]),
    ("birth/dateOfBirth", ["1950", "1950-05", "1950-05-05"]),
    (
        "birth/birthAbroad/countryOfBirth",
        ["NORGE", "POLEN", "PERU"],
    ),
    (
        "populationRegistrationLocality/countyCode",
        ["01", "12", "14"],
    ),
    (
        "populationRegistrationLocality/parishCode",
        ["01", "02", "03"],
    ),
    (
        "addressInformation/residentialAddress/city",
        ["EKERÖ", "LUND", "YSTAD"],
    ),
    (
        "addressInformation/residentialAddress/postalCode",
        ["17838", "22222", "501"],
    ),
    (
        "addressInformation/specialPostalAddress/city",
        ["VISBY", "MORA", "ÅRE"],
    ),
    ("maritalStatus/maritalStatusCode", ["OG", "G", "S"]),
    ("immigration/rightOfResidence", ["true", "false", "true"]),
];

/// What can be blanked beside the fields themselves.
const GROUPS: [&str; 8] = [
    "name",
    "birth",
    "populationRegistrationLocality",
    "addressInformation/residentialAddress",
    "addressInformation",
    "maritalStatus",
    "relationship",
    "citizenship",
];

/// The status of an entry, and whether it says that the entry ends.
const STATUSES: [(&str, bool); 7] = [
    ("NY", false),
    ("RD", false),
    ("PB", false),
    ("AS", true),
    ("AV", true),
    ("IV", true),
    ("AN", true),
];

const NOTIFIED: &str = "populationRegistrationRecord/notificationCase/notificationDate";

const PROTECTED: &str = "protectedPersonIndicator";

type Flat = BTreeMap<String, String>;

/// What a post says, as paths and texts.
#[derive(Clone, Debug)]
enum Say {
    Set(&'static str, &'static str),
    Clear(&'static str),
    /// The list, and what the entry holds below it.
    Entry(&'static str, Flat),
}

#[derive(Clone, Debug)]
struct Wish {
    person: usize,
    number: Option<u32>,
    /// The day of its file, in January.
    day: Option<u32>,
    total: bool,
    says: Vec<Say>,
}

impl Wish {
    fn post(&self, formats: &Formats) -> Post {
        let value = |path: &str, text: &str| {
            let field = Field::at(path);
            let value = if path.ends_with("personalIdentity") {
                Value::Identity(formats.guess(text).unwrap())
            } else {
                Value::parse(field, text).unwrap()
            };
            (field, value)
        };
        let edit = |say: &Say| match say {
            Say::Set(path, text) => {
                let (field, value) = value(path, text);
                Edit::Set(field, value)
            }
            // A wrapper's name stands for the value in it; a blanked value loses its mark as well.
            Say::Clear(path) => Edit::Clear(Field::at(path)),
            Say::Entry(list, told) => {
                let mut entry = Group::new(Field::at(list));
                for (path, text) in told {
                    let (field, value) = value(&format!("{list}/{path}"), text);
                    entry.set(field, value);
                }
                Edit::Entry(entry)
            }
        };
        Post {
            subject: formats.guess(PERSONS[self.person].0).unwrap(),
            post_id: self
                .number
                .map(|number| format!("2025.000.000.{number:03}")),
            total: self.total,
            overtaken: false,
            edits: self
                .says
                .iter()
                .map(edit)
                .chain(self.day.map(|day| {
                    let (field, value) = value(NOTIFIED, &format!("2025-01-{day:02}"));
                    Edit::Set(field, value)
                }))
                .collect(),
        }
    }
}

/// A person of the model.
#[derive(Clone, Default, PartialEq, Debug)]
struct Simple {
    values: BTreeMap<&'static str, String>,
    lists: BTreeMap<&'static str, Vec<Flat>>,
    last: Option<u32>,
    day: Option<u32>,
}

impl Simple {
    fn is_protected(&self) -> bool {
        self.values.get(PROTECTED).is_some_and(|it| it == "true")
    }
}

/// Applies a wish to the model.
fn apply(people: &mut BTreeMap<usize, Simple>, wish: &Wish) {
    let current = people.get(&wish.person);
    let last = current.and_then(|person| person.last);
    let day = current.and_then(|person| person.day);
    let numbers = wish.number.zip(last);
    let days = wish.day.zip(day);
    let is_of_an_older_day = days.is_some_and(|(new, last)| new < last);
    if numbers.map_or(is_of_an_older_day, |(new, last)| new <= last) {
        return;
    }
    let mut next = match current {
        Some(current) if !wish.total => current.clone(),
        _ => Simple::default(),
    };
    for say in &wish.says {
        match say {
            Say::Set(path, text) => {
                next.values.insert(path, (*text).to_owned());
            }
            Say::Clear(path) => {
                next.values
                    .retain(|it, _| it != path && !it.starts_with(&format!("{path}/")));
                next.lists.remove(path);
            }
            Say::Entry(list, told) => entry(next.lists.entry(list).or_default(), list, told),
        }
    }
    let (_, gender, born) = PERSONS[wish.person];
    next.values.entry("gender").or_insert(gender.to_owned());
    next.values
        .entry("birth/dateOfBirth")
        .or_insert(born.to_owned());
    let flag = next.values.entry(PROTECTED);
    flag.or_insert("false".to_owned());
    next.lists.retain(|_, entries| !entries.is_empty());
    let opens = !next.is_protected() && current.is_some_and(Simple::is_protected);
    let is_dateless = numbers.is_none() && days.is_none() && (last.is_some() || day.is_some());
    if opens && (is_of_an_older_day || is_dateless) {
        return;
    }
    (next.last, next.day) = (last, day);
    if wish.number.is_none() && current == Some(&next) && !next.is_protected() {
        return;
    }
    next.last = wish.number.or(last);
    next.day = wish.day.max(day);
    people.insert(wish.person, next);
}

fn entry(entries: &mut Vec<Flat>, list: &str, told: &Flat) {
    const RELATIVE: &str = "relationshipId/personalIdentity";
    const BORN: &str = "relationshipId/dateOfBirth";
    const NAMES: [&str; 2] = ["name/surname", "name/givenName"];
    let alike = |it: &Flat, keys: &[&str]| keys.iter().all(|&key| it.get(key) == told.get(key));
    let numbered = told.contains_key(RELATIVE);
    let keys: &[&str] = match (list, numbered) {
        ("relationship", true) => &["relationshipType", RELATIVE],
        ("relationship", false) => &["relationshipType", RELATIVE, BORN, NAMES[0], NAMES[1]],
        _ => &["citizenshipCountryCode"],
    };
    let status = told.get("status").map(String::as_str);
    let ends = |status: &str| STATUSES.iter().any(|(it, ends)| *it == status && *ends);
    let (is_over, renumbered) = (status.is_some_and(ends), status == Some("PB"));
    let kind = told.get("relationshipType").map(String::as_str);
    let gone = is_over && matches!(kind, Some("M" | "P"));
    let mut place = entries.iter().position(|it| alike(it, keys));
    // The relative's number changed: of two at most, it was the other's.
    if place.is_none() && numbered && renumbered {
        place = entries.iter().position(|it| {
            let is_live = it.get("status").is_none_or(|status| !ends(status));
            it.contains_key(RELATIVE) && is_live && alike(it, &["relationshipType"])
        });
        if let Some(place) = place {
            entries[place].retain(|path, _| !path.starts_with("relationshipId"));
        }
    }
    // Somebody without a number, and without a name to compare, or corrected.
    if place.is_none() && !numbered && told.contains_key(BORN) {
        let nameless = |it: &Flat| NAMES.iter().all(|&name| !it.contains_key(name));
        let then: Vec<usize> = (0..entries.len())
            .filter(|&it| alike(&entries[it], &["relationshipType", RELATIVE, BORN]))
            .collect();
        if let [only] = then[..]
            && (status == Some("RD") || nameless(told) || nameless(&entries[only]))
        {
            place = Some(only);
        }
    }
    match place.map(|place| &mut entries[place]) {
        None if gone => {}
        None => entries.push(told.clone()),
        Some(_) if gone => drop(place.map(|place| entries.remove(place))),
        Some(known) if is_over || list == "relationship" && renumbered => {
            // What is told takes the place of what was known, a group as a whole.
            let part = |path: &String| path.split('/').next().unwrap().to_owned();
            let parts: Vec<String> = told.keys().map(part).collect();
            known.retain(|path, _| !parts.contains(&part(path)));
            known.extend(told.clone());
        }
        Some(known) => known.clone_from(told),
    }
}

/// What the model's person should look like, as paths into its JSON.
fn flat_of(person: usize, simple: &Simple) -> Flat {
    let mut flat = Flat::new();
    let mut put = |path: &str, text: &str| flat.insert(path.to_owned(), text.to_owned());
    identity("personalIdentity", PERSONS[person].0, &mut put);
    put("testIndicator", "false");
    put("primaryIdentity", "true");
    put("protectedPopulationRecord", "false");
    for (path, text) in &simple.values {
        put(path, text);
    }
    for (list, entries) in &simple.lists {
        for (number, entry) in entries.iter().enumerate() {
            for (path, text) in entry {
                let path = format!("{list}/{number}/{path}");
                if path.ends_with("personalIdentity") {
                    identity(&path, text, &mut put);
                } else {
                    put(&path, text);
                }
            }
        }
    }
    flat
}

fn identity(path: &str, text: &str, put: &mut impl FnMut(&str, &str) -> Option<String>) {
    let kind = if text.as_bytes()[6] >= b'6' { 3 } else { 1 };
    put(
        &format!("{path}/root"),
        &format!("1.2.752.129.2.1.3.{kind}"),
    );
    put(&format!("{path}/extension"), text);
}

/// A person's JSON as paths and texts, without bookkeeping and history.
fn flat_json(text: &str) -> Flat {
    let mut person: serde_json::Value = serde_json::from_str(text).unwrap();
    let fields = person.as_object_mut().unwrap();
    fields.remove("version");
    fields.remove("populationRegistrationRecord");
    let mut flat = Flat::new();
    flatten("", &person, &mut flat);
    flat.retain(|path, _| !path.ends_with("localRegistrationTime"));
    flat
}

fn flatten(path: &str, value: &serde_json::Value, flat: &mut Flat) {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        _ => format!("{path}/{name}"),
    };
    match value {
        serde_json::Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| flatten(&below(name), value, flat)),
        serde_json::Value::Array(entries) => entries
            .iter()
            .enumerate()
            .for_each(|(number, value)| flatten(&below(&number.to_string()), value, flat)),
        serde_json::Value::String(text) => drop(flat.insert(path.to_owned(), text.clone())),
        other => drop(flat.insert(path.to_owned(), other.to_string())),
    }
}

/// Applies wishes in runs that end where `cuts` says.
fn register(wishes: &[Wish], cuts: &[bool]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let formats = Formats::standard();
    let at = Moment::parse(WRITTEN).unwrap();
    let begin = || {
        let base = state::open(folder.path(), &formats).unwrap();
        Import::new(folder.path(), base.as_ref(), &formats, at, |_| false).unwrap()
    };
    let mut run = begin();
    for (number, wish) in wishes.iter().enumerate() {
        let applied = run.post(&wish.post(&formats)).unwrap();
        assert!(!matches!(applied, Applied::Rejected(_)), "{applied:?}");
        if cuts.get(number) == Some(&true) {
            run.finish(|_| {}).unwrap();
            run = begin();
        }
    }
    run.finish(|_| {}).unwrap();
    folder
}

/// Applies wishes to a register at work, in batches that end where `cuts` says, with a restart or a
/// new snapshot in between.
fn register_at_work(wishes: &[Wish], cuts: &[bool]) -> tempfile::TempDir {
    let folder = register(&[], &[]);
    let formats = Formats::standard();
    let clock: Clock = Arc::new(|| Moment::parse(WRITTEN).unwrap());
    let open = || Live::open(folder.path(), &formats, SMALL, 2, clock.clone()).unwrap();
    let mut live = open();
    let mut batch = Vec::new();
    for (number, wish) in wishes.iter().enumerate() {
        batch.push(Wanted::Post(wish.post(&formats)));
        let last = number + 1 == wishes.len();
        if !last && cuts.get(number) != Some(&true) {
            continue;
        }
        let online = Online::new(&live, &formats, Arc::new(|_| false));
        let done = number as u64 + 1;
        let batch = std::mem::take(&mut batch);
        for applied in online.apply(batch, Origin::default(), "x", done).unwrap() {
            assert!(!matches!(applied, Applied::Rejected(_)), "{applied:?}");
        }
        assert_eq!(online.progress("x"), done);
        if number % 3 == 0 {
            drop(live);
            live = open();
        } else if number % 3 == 1 {
            live.compact().unwrap();
        }
    }
    drop(live);
    folder
}

/// Everybody's JSON, by identity.
fn people(folder: &Path) -> Vec<String> {
    let formats = Formats::standard();
    let state = state::open(folder, &formats).unwrap().unwrap();
    let shown = |record: RecordRef<'_>| {
        let view = restrict(record, &Grant::backup(), Shield::NONE);
        let mut out = Vec::new();
        json::write(&view, &formats, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    state.records().map(|it| shown(it.unwrap())).collect()
}

/// The same without versions.
fn without_versions(people: &[String]) -> Vec<String> {
    let bare = |text: &String| {
        let mut person: serde_json::Value = serde_json::from_str(text).unwrap();
        person.as_object_mut().unwrap().remove("version");
        person.to_string()
    };
    people.iter().map(bare).collect()
}

fn says() -> impl Strategy<Value = Say> {
    let text = |of: &[&'static str]| prop::sample::select(of.to_vec());
    let status = prop::sample::select(STATUSES.map(|(it, _)| it).to_vec());
    let relation = (
        text(&["MO", "FA", "M", "P", "V"]),
        0_usize..4,
        prop::option::of(text(&["1990", "1991-02"])),
        prop::option::of(text(&["Ström", "Torp"])),
        prop::option::of(text(&["Ulf", "Vera"])),
        prop::option::of(status.clone()),
    )
        .prop_map(|(kind, whom, from, surname, given, status)| {
            let whom = match whom {
                0 => Some(("relationshipId/personalIdentity", "199002262385")),
                1 => Some(("relationshipId/personalIdentity", "196511032804")),
                2 => Some(("relationshipId/dateOfBirth", "1960-01")),
                _ => None,
            };
            let told = [
                whom,
                Some(("relationshipType", kind)),
                from.map(|it| ("relationshipFromDate", it)),
                surname.map(|it| ("name/surname", it)),
                given.map(|it| ("name/givenName", it)),
                status.map(|it| ("status", it)),
            ];
            Say::Entry("relationship", owned(&told))
        });
    let citizenship = (
        text(&["SE", "PL", "NO"]),
        prop::option::of(text(&["2001", "2002-03-04"])),
        prop::option::of(status),
    )
        .prop_map(|(country, date, status)| {
            let told = [
                Some(("citizenshipCountryCode", country)),
                date.map(|it| ("citizenshipDate", it)),
                status.map(|it| ("status", it)),
            ];
            Say::Entry("citizenship", owned(&told))
        });
    let leaf = || prop::sample::select(LEAVES.to_vec());
    prop_oneof![
        6 => (leaf(), 0_usize..3).prop_map(|((path, texts), at)| Say::Set(path, texts[at])),
        1 => leaf().prop_map(|(path, _)| Say::Clear(path)),
        1 => text(&GROUPS).prop_map(Say::Clear),
        3 => relation,
        2 => citizenship,
    ]
}

fn owned(told: &[Option<(&str, &str)>]) -> Flat {
    let told = told.iter().flatten();
    told.map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect()
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let wish = (
        0..PERSONS.len(),
        0_u32..12,
        0_u32..200,
        prop::option::of(1_u32..6),
        prop::bool::weighted(0.2),
        prop::collection::vec(says(), 0..7),
    );
    prop::collection::vec(wish, 1..40).prop_map(|all| {
        let mut wishes: Vec<Wish> = Vec::new();
        for (at, (person, order, any, day, total, says)) in all.into_iter().enumerate() {
            let wish = match (order, wishes.last()) {
                // What was said last, once more and without a number.
                (0, Some(last)) => Wish {
                    number: None,
                    ..last.clone()
                },
                _ => Wish {
                    person,
                    number: match order {
                        0 | 1 => None,
                        2 | 3 => Some(any),
                        _ => Some(at as u32 * 5),
                    },
                    // Files come in the order of their days, or are left lying.
                    day: match order {
                        1 | 2 => day,
                        _ => day.map(|_| 6 + at as u32 / 2),
                    },
                    total,
                    says,
                },
            };
            wishes.push(wish);
        }
        wishes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_register_is_what_the_simple_model_says(wishes in wishes(), cuts: [bool; 32]) {
        let mut model = BTreeMap::new();
        wishes.iter().for_each(|wish| apply(&mut model, wish));
        let mut expected: Vec<Flat> = model.iter().map(|(at, it)| flat_of(*at, it)).collect();
        let folder = register(&wishes, &cuts);
        let mut found: Vec<Flat> = people(folder.path()).iter().map(|it| flat_json(it)).collect();
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }

    /// History and bookkeeping included.
    #[test]
    fn how_a_run_is_split_does_not_matter(wishes in wishes(), cuts: [bool; 32]) {
        let (one, many) = (register(&wishes, &[]), register(&wishes, &cuts));
        let (one, many) = (people(one.path()), people(many.path()));
        prop_assert_eq!(without_versions(&one), without_versions(&many));
    }

    #[test]
    fn an_export_makes_an_equal_register(wishes in wishes()) {
        let formats = Formats::standard();
        let folder = register(&wishes, &[]);
        let snapshot = open_newest(folder.path(), &formats).unwrap().unwrap();
        let header = Header::new(snapshot.created(), snapshot.sequence(), &formats);
        let mut writer = Writer::new(Vec::new(), Packing::Plain, &header, formats.clone()).unwrap();
        for record in snapshot.records() {
            let record = RecordRef::open(record.unwrap()).unwrap();
            writer.write(&restrict(record, &Grant::backup(), Shield::NONE)).unwrap();
        }
        let file = std::io::Cursor::new(writer.finish().unwrap());

        let other = tempfile::tempdir().unwrap();
        let later = Moment::parse("2026-02-03T04:05:06.000+01:00").unwrap();
        let mut run = Import::new(other.path(), None, &formats, later, |_| false).unwrap();
        let mut lines = Reader::new(file).unwrap();
        while let Some((_, line)) = lines.next_line().unwrap() {
            let person = json::read(line.unwrap(), &formats).unwrap();
            prop_assert_eq!(run.exchanged(person).unwrap(), Applied::Changed);
        }
        run.finish(|_| {}).unwrap();
        prop_assert_eq!(people(other.path()), people(folder.path()));
    }
}

proptest! {
    // Fewer: every batch is flushed.
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_register_at_work_becomes_the_same(wishes in wishes(), cuts: [bool; 32]) {
        let still = people(register(&wishes, &[]).path());
        let at_work = people(register_at_work(&wishes, &cuts).path());
        prop_assert_eq!(without_versions(&still), without_versions(&at_work));
    }
}
