//! A text as a search query: it is refused at a place within it, or becomes a query that every
//! person, protected or not, can be held against.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pu::person::record::RecordRef;
use pu::person::view::{Grant, Profile, ProtectionRules, Shield, restrict};
use pu::query::simple::Query;
use pu::query::simple::matches::Matcher;
use shared::{FORMATS, PERSONS};

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
});
