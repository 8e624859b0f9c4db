//! A text as a search query: it is refused at a place within it, or becomes a query that every
//! person, protected or not, can be held against, and that is answered alike, in the same steps and at
//! the same cost, whatever is hidden.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pu::person::record::RecordRef;
use pu::person::view::{Grant, Profile, ProtectionRules, Shield, restrict};
use pu::query::search::{Question, search};
use pu::query::simple::Query;
use pu::query::simple::matches::Matcher;
use pu::store::state::State;
use shared::{FORMATS, PERSONS, TWINS};

static RECORDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    PERSONS
        .iter()
        .map(|person| person.to_record().unwrap())
        .collect()
});

fuzz_target!(|text: &str| {
    let query = match Query::parse(text, &FORMATS) {
        Ok(query) => query,
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.at()));
            assert!(error.in_swedish().ends_with('.'));
            return;
        }
    };
    for (_, at) in query.fields() {
        assert!((1..=text.chars().count()).contains(&at));
    }
    let matcher = Matcher::new(&query, &FORMATS);
    let grants = [
        Grant::restricted(Profile::P5, ProtectionRules::STANDARD),
        Grant::unrestricted(Profile::P5),
    ];
    for record in RECORDS.iter() {
        let record = RecordRef::open(record).unwrap();
        for grant in &grants {
            matcher
                .matches(&restrict(record, grant, Shield::NONE))
                .unwrap();
        }
    }
    for profile in [Profile::P1, Profile::P5] {
        let grant = Grant::restricted(profile, ProtectionRules::STANDARD);
        let [one, other] = TWINS.each_ref().map(|state| asked(state, text, &grant));
        assert_eq!(one, other, "what is hidden tells");
    }
});

/// All that can be told of a search but the time it took.
fn asked(state: &State, text: &str, grant: &Grant) -> String {
    let question = Question::parse("SimpleQL", text, &FORMATS).unwrap();
    let wide = question.is_wide(state, grant);
    match search(state, &question, grant, 500) {
        Ok(mut found) => {
            found.explanation.microseconds = 0;
            let hits: Vec<u64> = found.hits.iter().map(|it| it.identity().key()).collect();
            format!("{wide} {hits:?} {:?}", found.explanation)
        }
        Err(error) => format!("{wide} {error:?}"),
    }
}
