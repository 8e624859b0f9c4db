//! An audit from somebody who wants to hide a disclosure, or a disk gone mad: whatever the bytes of a
//! file, reading, searching and opening end without harm, and every change is found.
//!
//! The input is taken three times: as an entry, as a file, and as changes to a valid file of five
//! blocks. Each change is eight bytes: what to do, where (three bytes), with what (four bytes).
#![no_main]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pu::access::audit::entry::Note;
use pu::access::audit::search::{Search, Wanted};
use pu::access::audit::verify::{Known, verify};
use pu::access::audit::{Audit, Entry, Keeping, Pen};
use pu::base::micros::Micros;
use pu::person::identity::Identity;

const KEEPING: Keeping = Keeping {
    file_bytes: 1 << 20,
    sync: Duration::from_secs(3600),
};
const FILE: &str = "0-000001.audit";
const HEAD: &str = "0.head";

fn note(pen: &mut Pen, number: u64) {
    let persons = [Identity::from_key(1 << 56 | number), Identity::from_key(2)];
    pen.note(&Entry {
        at: Micros::parse("2026-03-01T08:00:00Z").unwrap(),
        consumer: Some("TST-1"),
        via: None,
        service: "rest/persons",
        profile: None,
        unrestricted: false,
        answer: "ok",
        asked: &persons,
        shown: &persons[..number as usize % 3],
        query: Some("anna"),
        correlation: None,
        sequence: Some(300),
    });
}

/// The file and the head of a chain that was closed.
static WHOLE: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let folder = folder();
    let mut pen = Audit::open(folder.path(), KEEPING).unwrap().pen().unwrap();
    for number in 0..3 {
        note(&mut pen, number);
        note(&mut pen, number + 10);
        pen.write().unwrap();
    }
    drop(pen);
    let read = |name| fs::read(folder.path().join(name)).unwrap();
    (read(FILE), read(HEAD))
});

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let _ = Note::read(&mut rest);
    let (whole, _) = &*WHOLE;
    walk(input, input == whole);
    let mut file = whole.clone();
    for change in input.chunks_exact(8) {
        let [what, a, b, c, with @ ..] = *change.first_chunk::<8>().unwrap();
        let length = file.len();
        let place = u32::from_le_bytes([a, b, c, 0]) as usize % length;
        match what % 4 {
            0 => file[place] = with[0],
            1 => file[place] ^= 1 << (with[0] % 8),
            2 => file.truncate(place.max(1)),
            _ => {
                let from = u32::from_le_bytes(with) as usize % length;
                let count = (length - from.max(place)).min(200);
                file.copy_within(from..from + count, place);
            }
        }
    }
    walk(&file, file == *whole);
});

/// A private folder, in memory where there is one.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    folder
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Everything that reads an audit, over these bytes: they are what was written, or that is found.
fn walk(bytes: &[u8], is_whole: bool) {
    let folder = folder();
    let root = folder.path();
    put(root, FILE, bytes);
    put(root, HEAD, &WHOLE.1);
    let report = verify(root, &Known::default()).unwrap();
    assert_eq!(report.is_intact(), is_whole);
    let mut search = Search::begin(root, Wanted::default());
    let mut found = 0;
    let is_read = loop {
        match search.as_mut().map(Search::next_found) {
            Ok(Ok(Some(_))) => found += 1,
            Ok(Ok(None)) => break true,
            Ok(Err(_)) | Err(_) => break false,
        }
    };
    assert_eq!(is_read, is_whole);
    assert!(!is_read || found == 6);
    let opened = Audit::open(root, KEEPING).unwrap().pen();
    assert_eq!(opened.is_ok(), is_whole);
}
