//! What the fuzz targets share: the fixture's persons as a register, and checks on what comes out.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use pu::base::time::Moment;
use pu::feed::read::{Navet, Read, Reader};
use pu::person::edit::Person;
use pu::person::field::{Field, schema_hash};
use pu::person::identity::{Formats, Identity};
use pu::person::json;
use pu::person::record::RecordRef;
use pu::person::schema::Level;
use pu::register::import::Import;
use pu::register::merge::{Outcome, apply};
use pu::register::persons::Nobody;
use pu::store::folder;
use pu::store::snapshot::Snapshot;
use pu::store::state::State;
use quick_xml::events::Event;

/// The identity formats in use.
pub static FORMATS: LazyLock<Formats> = LazyLock::new(Formats::standard);

/// When everything was written.
pub static AT: LazyLock<Moment> =
    LazyLock::new(|| Moment::parse("2025-01-07T06:00:00.000+01:00").unwrap());

/// The persons that together use every field.
pub static PERSONS: LazyLock<Vec<Person>> = LazyLock::new(|| {
    let file = include_str!("../fixtures/persons/all.ndjson");
    file.lines()
        .filter(|line| line.contains("\"personalIdentity\""))
        .map(|line| json::read(line.as_bytes(), &FORMATS).unwrap())
        .collect()
});

/// Whom the register holds, and somebody it does not.
pub static IDENTITIES: LazyLock<Vec<Identity>> = LazyLock::new(|| {
    let stranger = FORMATS.guess("191212121212").unwrap();
    PERSONS
        .iter()
        .map(Person::identity)
        .chain([stranger])
        .collect()
});

/// A snapshot file with them.
pub static SNAPSHOT: LazyLock<Vec<u8>> = LazyLock::new(|| file_of(PERSONS.iter().cloned()));

/// Two registers of them, which differ in what is hidden of the protected: the one knows it, the other
/// does not.
pub static TWINS: LazyLock<[State; 2]> = LazyLock::new(|| {
    let bare = PERSONS.iter().cloned().map(|mut person| {
        let shield = person.own_shield();
        let level = match shield.has_population_record() {
            true => Level::Always,
            false => Level::P1,
        };
        // What decides the main identity is shown of everybody.
        const CHAIN: [Field; 3] = [
            Field::at("referredPersonalIdentities"),
            Field::at("personalIdentityStatus"),
            Field::at("deregistration"),
        ];
        for field in Field::RECORD.children().filter(|it| !CHAIN.contains(it)) {
            if shield.is_on() && field.info().level > level {
                person.clear(field);
            }
        }
        person
    });
    let state = |file| {
        let snapshot = Snapshot::from_bytes(file, schema_hash()).unwrap();
        State::of_snapshot(Arc::new(snapshot)).unwrap()
    };
    [state(SNAPSHOT.clone()), state(file_of(bare))]
});

fn file_of(people: impl Iterator<Item = Person>) -> Vec<u8> {
    let data = tempfile::tempdir().unwrap();
    let mut import = Import::new(data.path(), None, &FORMATS, *AT, |_| true).unwrap();
    for person in people {
        import.exchanged(person).unwrap();
    }
    import.finish(|_| {}).unwrap().unwrap();
    let file = folder::newest(data.path()).unwrap().unwrap();
    let path: &Path = file.path.as_ref();
    std::fs::read(path).unwrap()
}

/// The register, opened.
pub fn snapshot() -> Snapshot {
    Snapshot::from_bytes(SNAPSHOT.clone(), schema_hash()).unwrap()
}

/// Holds XML to be well-formed, with every prefix declared at the top.
pub fn assert_well_formed(xml: &[u8]) {
    let text = std::str::from_utf8(xml).unwrap();
    let mut reader = quick_xml::NsReader::from_str(text);
    loop {
        let (namespace, event) = reader.read_resolved_event().unwrap();
        assert!(!matches!(
            namespace,
            quick_xml::name::ResolveResult::Unknown(_)
        ));
        match event {
            Event::Eof => return,
            Event::Text(text) => assert!(text.chars().all(is_xml)),
            Event::GeneralRef(reference) => {
                let known = quick_xml::escape::resolve_predefined_entity(&reference).is_some();
                assert!(known || reference.resolve_char_ref().unwrap().is_some());
            }
            _ => {}
        }
    }
}

/// The characters of XML 1.0.
fn is_xml(it: char) -> bool {
    matches!(it, '\t' | '\n' | '\r') || (it >= ' ' && !matches!(it, '\u{fffe}' | '\u{ffff}'))
}

/// Reads bytes as a file of notifications, in large and small pieces alike, and applies what is
/// understood, post after post.
pub fn read_posts(file: &[u8], navet: Navet) {
    let told = |chunk: usize| {
        let source = Pieces { rest: file, chunk };
        let mut told = Vec::new();
        for read in Reader::new(source, navet, None, &FORMATS) {
            match read {
                Ok(Read::Post(read)) => {
                    told.push((read.line, format!("{:?}", read.warnings)));
                    continue;
                }
                Ok(Read::Rejected(read)) => told.push((read.line, read.reason.to_string())),
                Err(error) => told.push((0, error.to_string())),
            }
        }
        told
    };
    assert_eq!(told(usize::MAX), told(13));

    let mut persons: Vec<Person> = Vec::new();
    for read in Reader::new(file, navet, None, &FORMATS).map_while(Result::ok) {
        let post = match read {
            Read::Post(read) => read.post,
            Read::Rejected(read) => match read.protection {
                Some(post) => *post,
                None => continue,
            },
        };
        let place = persons.iter().position(|it| it.identity() == post.subject);
        let current = place.map(|place| &persons[place]);
        let Ok(Outcome::Applied(person)) = apply(&post, current, &Nobody, &FORMATS, &AT) else {
            continue;
        };
        assert!(person.identity() == post.subject);
        // Too many entries is an answer; a record that is not one is none.
        let Ok(record) = person.to_record() else {
            continue;
        };
        let record = RecordRef::open(&record).unwrap();
        record.check().unwrap();
        assert!(Person::from_record(record).unwrap() == *person);
        match place {
            Some(place) => persons[place] = *person,
            None => persons.push(*person),
        }
    }
}

/// A source that gives few bytes at a time.
struct Pieces<'b> {
    rest: &'b [u8],
    chunk: usize,
}

impl std::io::Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let most = out.len().min(self.chunk);
        let given = std::io::Read::read(&mut self.rest, &mut out[..most])?;
        Ok(given)
    }
}
