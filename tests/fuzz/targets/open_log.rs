//! A log from a hostile writer, or a disk gone mad: whatever the bytes of a segment, opening, reading
//! and going on end without harm, and what is read was committed in this order.
//!
//! The input is taken twice: as a file, and as changes to a valid segment of five commits. Each change
//! is eight bytes: what to do, where (three bytes), with what (four bytes).
#![no_main]

use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pu::base::time::DateTime;
use pu::store::entry::{Changed, Entry, Left, Note, Origin};
use pu::store::log::Log;
use pu::store::log::segments::{Keeping, Segments, read_only};
use shared::SNAPSHOT;

const SCHEMA: u64 = 7;
const KEEPING: Keeping = Keeping {
    segment_bytes: 8 << 10,
    keep_bytes: 0,
};
const NAME: &str = "log-00000000000000000001.segment";

fn entry(sequence: u64) -> Vec<u8> {
    let at = DateTime::parse("2025-01-07T06:00:00").unwrap();
    let record = SNAPSHOT[4096..4096 + sequence as usize * 90].to_vec();
    let changed = Changed::new(record, Some(Left::Open(*b"14")));
    let note = Note::Arrived { key: sequence };
    Entry::new(sequence, at, Origin::default(), vec![changed], vec![note])
        .to_bytes()
        .unwrap()
}

static SEGMENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = folder();
    let log = Segments::open(folder.path(), SCHEMA, 0, KEEPING).unwrap();
    for commit in 0..5 {
        let last = log.last();
        let entries: Vec<Vec<u8>> = (last + 1..=last + 1 + commit % 2).map(entry).collect();
        log.append(&entries, last).unwrap();
    }
    fs::read(folder.path().join(NAME)).unwrap()
});

fuzz_target!(|input: &[u8]| {
    let _ = Entry::from_bytes(input);
    walk(input);
    let mut file = SEGMENT.clone();
    for change in input.chunks_exact(8) {
        let [what, a, b, c, with @ ..] = *change.first_chunk::<8>().unwrap();
        let length = file.len();
        let place = u32::from_le_bytes([a, b, c, 0]) as usize % length;
        match what % 5 {
            0 => file[place] = with[0],
            1 => file[place] ^= 1 << (with[0] % 8),
            2 => file.truncate(place.max(1)),
            // A sector that never reached the disk.
            3 => {
                let from = place / 512 * 512;
                let to = (from + 512).min(length);
                file[from..to].fill(0);
            }
            _ => {
                let from = u32::from_le_bytes(with) as usize % length;
                let count = (length - from.max(place)).min(64);
                file.copy_within(from..from + count, place);
            }
        }
    }
    walk(&file);
});

/// A folder in memory where there is one: flushing is not what is tried here.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Everything that reads a log, over these bytes.
fn walk(bytes: &[u8]) {
    let folder = folder();
    fs::write(folder.path().join(NAME), bytes).unwrap();
    let seen = read_only(folder.path(), SCHEMA, 0).map(|entries| entries.len() as u64);
    let Ok(log) = Segments::open(folder.path(), SCHEMA, 0, KEEPING) else {
        return;
    };
    let mut next = 1;
    let mut whole = true;
    for read in log.read_from(1).unwrap() {
        match read {
            Ok(read) => assert_eq!(read.sequence, next),
            Err(_) => whole = false,
        }
        next += 1;
    }
    if !whole {
        return;
    }
    assert_eq!(next - 1, log.last());
    if let Ok(seen) = seen {
        assert_eq!(seen, log.last());
    }
    let last = log.last();
    log.append(&[entry(last % 8 + 1)], last).unwrap();
}
