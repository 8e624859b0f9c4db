//! Searching: the index finds whom a look at every record finds, whatever is asked, with newer
//! records laid over the snapshot; free text finds people as they are typed.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use pu::base::limits;
use pu::base::time::Moment;
use pu::feed::generate::synthetic_population;
use pu::person::edit::Person;
use pu::person::field::Field;
use pu::person::identity::{Formats, Identity};
use pu::person::json;
use pu::person::keys::{INDEXES, Index};
use pu::person::record::RecordRef;
use pu::person::schema::Kind;
use pu::person::value::{Value, ValueRef};
use pu::person::view::{Grant, Profile, ProtectionRules, Shield, View, restrict};
use pu::query::search::{Question, SearchError, search, search_within};
use pu::query::simple::Query;
use pu::query::simple::matches::Matcher;
use pu::query::work::Budget;
use pu::register::import::Import;
use pu::store::overlay::Overlay;
use pu::store::state::{State, open_newest};

use crate::support::{WRITTEN, persons};

const PERSONS: usize = 3_000;

const FULL: Grant = Grant::unrestricted(Profile::P5);
const CUT: Grant = Grant::restricted(Profile::P5, ProtectionRules::STANDARD);

static FORMATS: LazyLock<Formats> = LazyLock::new(Formats::standard);

/// A register of invented people and those that use every field; every seventh is newer in the
/// overlay, with the names and places of somebody else, and some are new there.
static STATE: LazyLock<State> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let at = Moment::parse(WRITTEN).unwrap();
    let mut import = Import::new(folder.path(), None, &FORMATS, at, |_| true).unwrap();
    for settlers in synthetic_population(&FORMATS, PERSONS, 3) {
        for post in settlers.settle().posts() {
            import.post(&post).unwrap();
        }
    }
    for line in persons().lines() {
        import
            .exchanged(json::read(line.as_bytes(), &FORMATS).unwrap())
            .unwrap();
    }
    import.finish(|_| {}).unwrap().unwrap();
    let snapshot = open_newest(folder.path(), &FORMATS).unwrap().unwrap();
    let person = |position: u64| {
        let record = RecordRef::open(snapshot.record(position).unwrap().unwrap()).unwrap();
        Person::from_record(record).unwrap()
    };
    let mut newer: Vec<Box<[u8]>> = Vec::new();
    for position in (0..snapshot.len()).step_by(7) {
        let mut changed = person(position);
        let other = person((position + 11) % snapshot.len());
        for path in [
            "name",
            "addressInformation",
            "populationRegistrationLocality",
        ] {
            changed.copy_from(&other, Field::at(path));
        }
        newer.push(changed.to_record().unwrap().into());
    }
    for number in ["195001182046", "195001182061"] {
        let identity = FORMATS.guess(number).unwrap();
        let mut new = Person::new(identity, &FORMATS);
        new.set(Field::at("name/surname"), Value::from("Överlagd"));
        new.set(Field::at("name/givenName"), Value::from("Åke Nyström"));
        newer.push(new.to_record().unwrap().into());
    }
    let overlay = Overlay::of(newer).unwrap();
    State::with_overlay(Arc::new(snapshot), overlay, 9).unwrap()
});

/// The same without what is newer.
pub(crate) static ALONE: LazyLock<State> =
    LazyLock::new(|| State::of_snapshot(Arc::clone(STATE.snapshot())).unwrap());

/// Every record of the state, in the order of identities.
static EVERYBODY: LazyLock<Vec<RecordRef<'static>>> = LazyLock::new(|| {
    let state: &'static State = &STATE;
    let mut all: Vec<Identity> = state
        .snapshot()
        .records()
        .map(|record| RecordRef::open(record.unwrap()).unwrap().identity())
        .collect();
    all.extend(state.overlay().keys().map(Identity::from_key));
    all.sort();
    all.dedup();
    all.into_iter()
        .map(|identity| state.record(identity).unwrap().unwrap())
        .collect()
});

/// Whom a look at every record finds.
fn scan(text: &str, grant: Grant) -> Vec<Identity> {
    let query = Query::parse(text, &FORMATS).unwrap_or_else(|error| panic!("{text}: {error}"));
    let matcher = Matcher::new(&query, &FORMATS);
    EVERYBODY
        .iter()
        .map(|&record| restrict(record, &grant, Shield::NONE))
        .filter(|view| matcher.matches(view).unwrap())
        .map(|view| view.identity())
        .collect()
}

fn find(language: &str, text: &str, grant: Grant) -> Result<(Vec<Identity>, u64), SearchError> {
    let question = Question::parse(language, text, &FORMATS)?;
    let found = search(&STATE, &question, &grant, limits::HITS_PER_SEARCH)?;
    let hits = found.hits.iter().map(View::identity).collect();
    assert_eq!(found.explanation.hits, found.hits.len() as u64);
    Ok((hits, found.explanation.candidates))
}

/// Holds the search against the scan; gives how many records were looked at, when it was answered.
#[track_caller]
fn check(text: &str, grant: Grant) -> Option<u64> {
    let expected = scan(text, grant);
    match find("SimpleQL", text, grant) {
        Ok((hits, candidates)) => {
            assert!(
                hits == expected,
                "{text}: {} for {}",
                hits.len(),
                expected.len()
            );
            Some(candidates)
        }
        Err(SearchError::TooManyHits(500)) => {
            assert!(expected.len() > 500, "{text}: {} hits", expected.len());
            None
        }
        Err(SearchError::ShortPattern { .. }) => None,
        Err(error) => panic!("{text}: {error}"),
    }
}

/// A value as a query writes it.
fn literal(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) => text.plain().unwrap().replace('\'', "''"),
        ValueRef::Boolean(truth) => truth.to_string(),
        ValueRef::Date(date) | ValueRef::PartialDate(date) => date.to_string(),
        ValueRef::DateTime(at) => String::from_utf8(at.written().to_vec()).unwrap(),
        ValueRef::Timestamp(at) => String::from_utf8(at.written().to_vec()).unwrap(),
        ValueRef::Identity(identity) => FORMATS.text(identity).unwrap().as_str().to_owned(),
    }
}

/// Values of a field, spread over the register.
fn values(field: Field, most: usize) -> Vec<String> {
    let mut all = BTreeSet::new();
    for &record in EVERYBODY.iter() {
        for value in restrict(record, &FULL, Shield::NONE).values(field) {
            all.insert(literal(value.unwrap()));
        }
    }
    let step = (all.len() / most).max(1);
    all.into_iter().step_by(step).take(most).collect()
}

/// The node of a field in a query.
fn node(field: Field) -> String {
    field.path().replace('/', ".")
}

fn indexed() -> impl Iterator<Item = Field> {
    let fields = INDEXES.iter().flat_map(|row| row.fields.iter().copied());
    fields.chain([Field::at("personalIdentity")])
}

#[test]
fn every_indexed_node_finds_whom_a_look_at_every_record_finds() {
    let mut narrowed = 0;
    for field in indexed() {
        let (node, values) = (node(field), values(field, 5));
        assert!(!values.is_empty(), "nobody has {node}");
        for (value, other) in values.iter().zip(values.iter().skip(1).chain(&values)) {
            let half: String = value
                .chars()
                .take(value.chars().count().div_ceil(2).max(2))
                .collect();
            let mut claims = vec![
                format!("{node} = '{value}'"),
                format!("{node} IN ('{value}', \"{}\")", other.replace("''", "'")),
                format!("{node} != '{value}'"),
                format!("NOT {node} = '{value}'"),
                format!("{node} IS NULL"),
                format!("{node} IS NOT NULL"),
            ];
            if !matches!(field.kind(), Kind::Boolean) {
                claims.push(format!("{node} BETWEEN '{value}' AND '{other}'"));
                claims.push(format!("{node} <= '{value}'"));
                claims.push(format!("{node} > '{value}'"));
            }
            if matches!(field.kind(), Kind::Text | Kind::Number | Kind::Identity) {
                claims.push(format!("{node} LIKE '{half}%'"));
                claims.push(format!("{node} LIKE '{half}_%'"));
                claims.push(format!("{node} LIKE '{value}'"));
                claims.push(format!("{node} LIKE '%{half}'"));
            }
            for claim in claims {
                for grant in [FULL, CUT] {
                    if field.kind() == Kind::Identity && claim.contains(['<', '>', 'B']) {
                        continue;
                    }
                    let whole = format!("FROM PersonRecord WHERE {claim}");
                    if Query::parse(&whole, &FORMATS).is_err() {
                        // An order where there is none.
                        continue;
                    }
                    let looked = check(&whole, grant);
                    narrowed += u32::from(looked.is_some_and(|looked| looked < 600));
                }
            }
        }
    }
    assert!(narrowed > 500, "{narrowed} searches were narrowed");
}

#[test]
fn combinations_find_whom_a_look_at_every_record_finds() {
    let mut random = 7_u64;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as usize % below
    };
    let fields: Vec<(String, Vec<String>)> = indexed()
        .chain([Field::at("maritalStatus/maritalStatusCode")])
        .map(|field| (node(field), values(field, 40)))
        .collect();
    let county = &fields
        .iter()
        .find(|(node, _)| node.ends_with("countyCode"))
        .unwrap()
        .clone();
    let (mut answered, mut found) = (0, 0);
    for round in 0..400 {
        let mut claim = || {
            let (node, values) = match next(5) {
                0 => county,
                1 => &fields[next(3)],
                _ => &fields[next(fields.len())],
            };
            let value = &values[next(values.len())];
            match next(6) {
                0 => format!("NOT {node} = '{value}'"),
                1 => format!("{node} != '{value}'"),
                2 => format!("{node} IN ('{value}', '{}')", values[next(values.len())]),
                3 if node.ends_with("Name") || node.ends_with("surname") => {
                    format!(
                        "{node} LIKE '{}%'",
                        value.chars().take(2).collect::<String>()
                    )
                }
                _ => format!("{node} = '{value}'"),
            }
        };
        let (a, b, c, d) = (claim(), claim(), claim(), claim());
        let condition = match round % 5 {
            0 => format!("{a} AND {b}"),
            1 => format!("{a} OR {b}"),
            2 => format!("({a} OR {b}) AND {c}"),
            3 => format!("{a} AND {b} AND ({c} OR {d})"),
            _ => format!("NOT ({a} AND {b}) AND {c}"),
        };
        let text = format!("FROM PersonRecord WHERE {condition}");
        for grant in [FULL, CUT] {
            if check(&text, grant).is_some() {
                answered += 1;
                found += usize::from(!scan(&text, grant).is_empty());
            }
        }
    }
    assert!(
        answered > 300 && found > 150,
        "{answered} answered, {found} with hits"
    );
}

/// The one who moved out of a region: county and end must be of the same earlier locality.
#[test]
fn whoever_moved_out_of_a_region_is_found_by_one_entry() {
    const HISTORY: &str =
        "populationRegistrationRecord.historicalRecords.populationRegistrationLocality";
    let county = Field::at(
        "populationRegistrationRecord/historicalRecords/populationRegistrationLocality/countyCode",
    );
    let mut found = 0;
    for county in values(county, 30) {
        for since in ["2000-01-01", "2024-06-01", "2024"] {
            let text = format!(
                "FROM PersonRecord.{HISTORY} WHERE countyCode = '{county}' AND localRegistrationEndTime >= '{since}'"
            );
            let looked = check(&text, FULL).unwrap();
            let hits = scan(&text, FULL).len() as u64;
            // Those looked at are those who answer, but for days that only begin to count.
            assert!(looked <= hits + 20, "{looked} looked at for {hits}");
            found += hits;
        }
    }
    assert!(found > 0);
}

#[test]
fn what_a_profile_does_not_show_cannot_be_asked_for() {
    for (claim, profile, wanted) in [
        (
            "addressInformation.residentialAddress.city = 'LUND'",
            Profile::P1,
            Profile::P2,
        ),
        ("contactInformation.value = 'x'", Profile::P2, Profile::P3),
        (
            "maritalStatus.maritalStatusCode = 'OG'",
            Profile::P3,
            Profile::P4,
        ),
    ] {
        let text = format!("FROM PersonRecord WHERE name.surname = 'x' AND NOT ({claim})");
        for grant in [
            Grant::unrestricted(profile),
            Grant::restricted(profile, ProtectionRules::STANDARD),
        ] {
            assert_eq!(
                find("simpleql", &text, grant).unwrap_err(),
                SearchError::HiddenNode {
                    at: 53,
                    profile: Some(wanted)
                }
            );
        }
    }
}

#[test]
fn a_pattern_that_begins_openly_needs_company() {
    for pattern in ["%son", "_vensson", "S%", "%"] {
        let text = format!("FROM PersonRecord WHERE name.surname LIKE '{pattern}'");
        assert_eq!(
            find("SimpleQL", &text, FULL).unwrap_err(),
            SearchError::ShortPattern { at: 25 }
        );
        check(
            &format!("{text} AND birth.dateOfBirth >= '1990' AND birth.dateOfBirth < '1991'"),
            FULL,
        )
        .unwrap();
    }
}

/// A name as it stands in the register, of somebody who is not protected.
fn somebody(nth: usize) -> (Identity, String, String, String) {
    let text = |view: &View<'_>, path: &str| {
        let field = Field::all().find(|field| field.path() == path && field.kind() != Kind::Group);
        view.values(field.unwrap())
            .next()
            .map(|value| literal(value.unwrap()))
    };
    EVERYBODY
        .iter()
        .filter(|record| !record.shield().is_on())
        .filter_map(|&record| {
            let view = restrict(record, &CUT, Shield::NONE);
            let given = text(&view, "name/givenName")?;
            let surname = text(&view, "name/surname")?;
            let city = text(&view, "addressInformation/residentialAddress/city")?;
            (surname.len() > 6 && !surname.contains([' ', '-'])).then_some((
                view.identity(),
                given,
                surname,
                city,
            ))
        })
        .nth(nth)
        .unwrap()
}

#[test]
fn free_text_finds_people_as_they_are_typed() {
    for nth in [0, 50, 400, 900, 1500] {
        let (identity, given, surname, city) = somebody(nth);
        let first = given.split([' ', '-']).next().unwrap();
        let bare = |text: &str| {
            text.replace(['å', 'ä', 'Å', 'Ä'], "a")
                .replace(['ö', 'Ö'], "o")
        };
        let born = FORMATS.birth_date(identity).unwrap();
        let slip = format!(
            "{}{}",
            &surname[..surname.char_indices().nth(3).unwrap().0],
            surname.chars().skip(4).collect::<String>()
        );
        for typed in [
            format!("{first} {surname} {city}"),
            format!("{city} {surname}, {first}"),
            format!("{} {}", bare(&surname), bare(&city)).to_uppercase() + " " + first,
            format!("{slip} {first} {city}"),
            format!(
                "{} {first} {}",
                &surname[..surname.char_indices().nth(4).unwrap().0],
                born.year()
            ),
            format!("{surname} {born}"),
            FORMATS.text(identity).unwrap().as_str().to_owned(),
        ] {
            let (hits, looked) = find("Text", &typed, CUT).unwrap();
            assert!(
                hits.contains(&identity),
                "{typed}: {} hits of {looked}",
                hits.len()
            );
        }
        // Who fits letter for letter comes before who fits but for a slip.
        let (hits, _) = find("text", &format!("{given} {surname} {born} {city}"), CUT).unwrap();
        assert_eq!(hits.first(), Some(&identity));
    }
    let (hits, _) = find("Text", "overlagd ake", CUT).unwrap();
    assert_eq!(hits.len(), 2, "newer than the snapshot");
}

#[test]
fn free_text_has_its_limits() {
    for (typed, expected) in [
        ("", SearchError::NoWords),
        (" ,; -", SearchError::NoWords),
        ("a b c d e f g h i j k", SearchError::TooManyWords),
        ("7", SearchError::TooWide),
    ] {
        assert_eq!(find("Text", typed, CUT).unwrap_err(), expected, "{typed}");
    }
    assert_eq!(
        find("SQL", "x", CUT).unwrap_err(),
        SearchError::UnknownLanguage
    );
    assert_eq!(
        find("Text", &"x".repeat(1000), CUT).unwrap_err(),
        SearchError::TooManyWords
    );
}

/// Of a protected person only the name and what the number tells can be typed.
#[test]
fn free_text_does_not_find_what_is_hidden() {
    let city = Field::at("addressInformation/residentialAddress/city");
    let mut tried = 0;
    for record in EVERYBODY.iter().filter(|record| record.shield().is_on()) {
        let view = restrict(*record, &FULL, Shield::NONE);
        for value in view.values(city) {
            let typed = format!(
                "{} {}",
                FORMATS.text(view.identity()).unwrap().as_str(),
                literal(value.unwrap())
            );
            assert!(
                find("Text", &typed, FULL)
                    .unwrap()
                    .0
                    .contains(&view.identity())
            );
            assert!(find("Text", &typed, CUT).unwrap().0.is_empty());
            tried += 1;
        }
    }
    assert!(tried > 3, "{tried}");
    assert!(Index::of(city).is_some());
}

/// As many patterns as a query may have, each as heavy as `piece` makes it, and never true.
fn heavy(condition: &str, piece: &str) -> String {
    let like = |number| format!("name.surname LIKE '%{piece}{number}#%'");
    let likes: Vec<String> = (0..190).map(like).collect();
    format!(
        "FROM PersonRecord WHERE {condition} AND ({})",
        likes.join(" OR ")
    )
}

fn within(text: &str, budget: Budget) -> Result<u64, SearchError> {
    let question = Question::parse("SimpleQL", text, &FORMATS)?;
    let found = search_within(&STATE, &question, &CUT, limits::HITS_PER_SEARCH, budget)?;
    Ok(found.explanation.work)
}

#[test]
fn many_conditions_are_work_and_work_has_its_bound() {
    let everybody = "birth.dateOfBirth > '1800'";
    let plain = within(
        "FROM PersonRecord WHERE birth.dateOfBirth > '1800' AND name.surname = 'x'",
        Budget::Whole,
    );
    let some = within(&heavy(everybody, "x"), Budget::Whole).unwrap();
    assert!(some > 10 * plain.unwrap());
    // In a register of fifty thousand, or with patterns that are as much more to hold a text against.
    let persons = EVERYBODY.len() as u64;
    assert!(some / persons * 50_000 > Budget::Whole.most());
    let ended = within(&heavy(everybody, &"x_".repeat(60)), Budget::Whole);
    assert_eq!(ended, Err(SearchError::TooMuchWork));
}

#[test]
fn few_candidates_and_many_conditions_do_not_run_where_requests_are_read() {
    let one = FORMATS.text(EVERYBODY[5].identity()).unwrap();
    let is_wide = |text: &str| {
        let question = Question::parse("SimpleQL", text, &FORMATS).unwrap();
        question.is_wide(&ALONE, &CUT)
    };
    let few = "birth.dateOfBirth BETWEEN '1950' AND '1953'";
    assert!(!is_wide(&format!("FROM PersonRecord WHERE {few}")));
    assert!(is_wide(&heavy(few, "x")));
    let one = format!("personalIdentity.extension = '{}'", one.as_str());
    assert!(!is_wide(&heavy(&one, "x")));
    // So many keys that finding them takes long, whoever has them.
    let words: Vec<String> = (0..1000).map(|it| format!("'n{it}'")).collect();
    let listed = format!(
        "FROM PersonRecord WHERE name.givenName IN ({})",
        words.join(",")
    );
    assert!(is_wide(&listed));
    // What was taken for less than it is ends, and is begun again elsewhere.
    let ended = within(&heavy("gender = '1'", "x"), Budget::AtOnce);
    assert_eq!(ended, Err(SearchError::NotAtOnce));
}

/// What is hidden is no work.
#[test]
fn a_search_is_charged_by_what_the_view_shows() {
    let whose = EVERYBODY
        .iter()
        .find(|record| record.shield() == Shield::PERSON);
    let whose = *whose.unwrap();
    let work = |street: &str, city: &str| {
        let mut person = Person::from_record(whose).unwrap();
        let home = Field::at("addressInformation/residentialAddress");
        person.clear(home);
        let (of_street, of_city) = (
            Field::at("addressInformation/residentialAddress/postalAddress2"),
            Field::at("addressInformation/residentialAddress/city"),
        );
        person.set(of_street, Value::from(street));
        person.set(of_city, Value::from(city));
        let overlay = Overlay::of(vec![person.to_record().unwrap().into()]).unwrap();
        let state = State::with_overlay(Arc::clone(ALONE.snapshot()), overlay, 9).unwrap();
        let one = FORMATS.text(whose.identity()).unwrap();
        let home = "addressInformation.residentialAddress";
        let text = format!(
            "FROM PersonRecord WHERE personalIdentity.extension = '{}' AND ({home}.city LIKE '%a%' \
             OR {home}.postalAddress2 LIKE '%b%' OR name.surname LIKE '%c#%')",
            one.as_str()
        );
        let question = Question::parse("SimpleQL", &text, &FORMATS).unwrap();
        let work = |grant: &Grant| {
            search(&state, &question, grant, 500)
                .unwrap()
                .explanation
                .work
        };
        (work(&CUT), work(&FULL), question.work(&state, &CUT))
    };
    let short = work("A 1", "B");
    let long = work("Norra Trädgårdsgatan 124 B lgh 1203", "Södra Sandby Kyrkby");
    assert_eq!((short.0, short.2), (long.0, long.2));
    assert_ne!(short.1, long.1, "who may see it pays for it");
}
