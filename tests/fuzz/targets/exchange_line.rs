//! A line of an exchange file: who is read survives as a record, as JSON and as XML.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pu::person::edit::Person;
use pu::person::json;
use pu::person::record::{EncodeError, RecordRef};
use pu::person::schema::Core;
use pu::person::view::{Grant, Profile, Shield, restrict};
use pu::wire::render::{Buffer, RecordWriter};
use shared::FORMATS;

static WRITERS: LazyLock<Vec<RecordWriter>> = LazyLock::new(|| {
    let writer = |core| RecordWriter::compile(core, &FORMATS);
    Core::ALL.into_iter().map(writer).collect()
});

fuzz_target!(|line: &[u8]| {
    let Ok(person) = json::read(line, &FORMATS) else {
        return;
    };
    let bytes = match person.to_record() {
        Ok(bytes) => bytes,
        Err(EncodeError::TooLarge | EncodeError::TooManyEntries(_)) => return,
        Err(error) => panic!("{error}"),
    };
    let record = RecordRef::open(&bytes).unwrap();
    record.check().unwrap();
    assert!(Person::from_record(record).unwrap() == person);

    let all = restrict(record, &Grant::backup(), Shield::NONE);
    let mut written = Vec::new();
    json::write(&all, &FORMATS, &mut written).unwrap();
    let Ok(again) = json::read(&written, &FORMATS) else {
        panic!("what was written cannot be read");
    };
    assert!(again == person);
    assert_eq!(again.to_record().unwrap(), bytes);

    let full = restrict(record, &Grant::unrestricted(Profile::P5), Shield::NONE);
    for writer in WRITERS.iter() {
        let mut out = Buffer::default();
        out.push(b"<r xmlns:p=\"p\" xmlns:e1=\"1\" xmlns:e2=\"2\" xmlns:e3=\"3\">");
        writer.write(&full, &mut out).unwrap();
        out.push(b"</r>");
        shared::assert_well_formed(out.written());
    }
});
