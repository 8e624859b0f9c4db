//! Searches without a network, by what users do: one person, a name, a name and a county, birth
//! dates, what changed lately, free text; and the searches that cost most: the widest one that is
//! answered, and one that is refused. Over the demonstration register, or over the one in the
//! folder that `PU_BENCH_DATA` names. Peers are compared in `loadtest/search`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    missing_docs,
    reason = "a benchmark"
)]

mod register;

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use pu::person::identity::{Formats, IdentityType};
use pu::person::record::RecordRef;
use pu::person::view::{Grant, Profile, ProtectionRules};
use pu::query::search::{Question, SearchError, search};
use pu::store::state::{State, open_newest};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Hits that a search of the contracts may have.
const MOST: usize = 500;

const SIMPLE: &str = "SimpleQL";

/// What is searched for. Of several texts the first that this register answers with hits is
/// measured: what finds some tens of the forty thousand in the demonstration finds too many of five
/// million. Those behind it are for the register of five million that `loadtest/search/run` makes.
const SEARCHES: &[(&str, &str, &[&str])] = &[
    (
        "search_name_prefix",
        SIMPLE,
        &[
            "FROM PersonRecord WHERE name.surname LIKE 'lindqv%'",
            "FROM PersonRecord WHERE name.surname LIKE 'zetterq%'",
            "FROM PersonRecord WHERE name.surname LIKE 'adlercr%'",
        ],
    ),
    (
        "search_name_and_county",
        SIMPLE,
        &[
            "FROM PersonRecord WHERE populationRegistrationLocality.countyCode = '14' AND name.surname LIKE 'bergq%'",
            "FROM PersonRecord WHERE populationRegistrationLocality.countyCode = '09' AND name.surname LIKE 'bergq%'",
        ],
    ),
    (
        "search_birth_date_range",
        SIMPLE,
        &[
            "FROM PersonRecord WHERE birth.dateOfBirth BETWEEN '1985-06-01' AND '1985-06-30'",
            "FROM PersonRecord WHERE birth.dateOfBirth BETWEEN '1985-06-14' AND '1985-06-15'",
        ],
    ),
    (
        "search_changed_since",
        SIMPLE,
        &[
            "FROM PersonRecord WHERE version >= '20250114000000'",
            "FROM PersonRecord WHERE version >= '20241209103500'",
        ],
    ),
    (
        "search_worst_allowed",
        SIMPLE,
        &[
            "FROM PersonRecord WHERE name.surname LIKE 'an%' AND birth.dateOfBirth < '1930-01-01' AND gender = '2'",
            "FROM PersonRecord WHERE populationRegistrationLocality.countyCode = '01' AND name.surname LIKE 'an%' AND birth.dateOfBirth BETWEEN '1985-06-01' AND '1985-06-30'",
        ],
    ),
    ("search_free_text", "Text", &["anna svensson stockholm"]),
];

/// Far more than an answer may hold, in any register.
const REFUSED: &str = "FROM PersonRecord WHERE populationRegistrationLocality.countyCode = '01'";

fn grant() -> Grant {
    Grant::restricted(Profile::P3, ProtectionRules::STANDARD)
}

/// Reads a query and answers it: what a contract does between its envelope and its answer.
fn ask(state: &State, formats: &Formats, language: &str, text: &str) -> Result<usize, SearchError> {
    let question = Question::parse(language, text, formats)?;
    search(state, &question, &grant(), MOST).map(|found| found.hits.len())
}

/// One person who is in the register, as a query.
fn one_person(state: &State, formats: &Formats) -> String {
    let snapshot = state.snapshot();
    let identity = (0..snapshot.len())
        .map(|at| (at + snapshot.len() / 2) % snapshot.len())
        .map(|at| RecordRef::open(snapshot.record(at).unwrap().unwrap()).unwrap())
        .find(|record| record.identity().kind() == IdentityType::Pnr && !record.shield().is_on())
        .unwrap()
        .identity();
    let text = formats.text(identity).unwrap();
    format!(
        "FROM PersonRecord WHERE personalIdentity.extension = '{}'",
        text.as_str()
    )
}

fn searches(criterion: &mut Criterion) {
    let folder = std::env::var_os("PU_BENCH_DATA").map_or_else(register::build, PathBuf::from);
    let formats = Formats::standard();
    let snapshot = open_newest(&folder, &formats).unwrap().unwrap();
    snapshot.verify(|_, _| {}).unwrap();
    let state = State::of_snapshot(Arc::new(snapshot)).unwrap();
    let mut bench = |name: &str, language: &str, text: &str| {
        criterion.bench_function(name, |b| {
            b.iter(|| black_box(ask(&state, &formats, language, black_box(text))));
        });
    };
    let one = one_person(&state, &formats);
    match ask(&state, &formats, SIMPLE, &one) {
        Ok(1) => bench("search_identity", SIMPLE, &one),
        _ => eprintln!("search_identity: not found, so not measured"),
    }
    for (name, language, texts) in SEARCHES {
        let hits = |text: &&&str| ask(&state, &formats, language, text).is_ok_and(|hits| hits > 0);
        match texts.iter().find(hits) {
            Some(text) => {
                bench(name, language, text);
                tell_work(&state, &formats, name, language, text);
            }
            None => eprintln!("{name}: no hits in this register, so not measured"),
        }
    }
    tell_work(&state, &formats, "many conditions", SIMPLE, &many());
    match Question::parse(SIMPLE, REFUSED, &formats)
        .and_then(|question| search(&state, &question, &grant(), MOST).map(drop))
    {
        Err(SearchError::TooWide | SearchError::TooManyHits(_)) => {
            bench("search_refused", SIMPLE, REFUSED);
        }
        _ => eprintln!("search_refused: not refused, so not measured"),
    }
}

/// As many patterns as a query may have, of those born in one year.
fn many() -> String {
    let like = |number| format!("name.surname LIKE '%x{number}%'");
    let likes: Vec<String> = (0..190).map(like).collect();
    format!(
        "FROM PersonRecord WHERE birth.dateOfBirth = '1985' AND ({})",
        likes.join(" OR ")
    )
}

/// Tells what a search was charged beside how long it took: what the table of `query::work` is held
/// against. A unit is meant to be about a nanosecond.
fn tell_work(state: &State, formats: &Formats, name: &str, language: &str, text: &str) {
    let found = Question::parse(language, text, formats).map(|question| {
        (
            question.work(state, &grant()),
            search(state, &question, &grant(), MOST),
        )
    });
    match found {
        Ok((reckoned, Ok(found))) => eprintln!(
            "{name}: reckoned {reckoned}, charged {}, took {} us",
            found.explanation.work, found.explanation.microseconds
        ),
        Ok((reckoned, Err(error))) => eprintln!("{name}: reckoned {reckoned}, {error}"),
        Err(error) => eprintln!("{name}: {error}"),
    }
}

criterion_group!(engine, searches);
criterion_main!(engine);
