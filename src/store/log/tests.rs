//! The log under torn writes, flipped bits, missing files and failing disks.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::block::{FILE_HEAD, HEAD};
use super::medium::{Disk, Medium, Writable};
use super::segments::{Keeping, Segments, read_only};
use super::{AppendError, Foreign, Log, ReadError, Wrong};
use crate::base::time::DateTime;
use crate::store::entry::{Entry, Note, Origin};

const SCHEMA: u64 = 7;
const SMALL: Keeping = Keeping {
    segment_bytes: 4096,
    keep_bytes: 0,
};

/// An entry whose size depends on its number, so that blocks end at all kinds of places.
fn entry(sequence: u64) -> Entry {
    let at = DateTime::parse("2025-01-07T06:00:00").unwrap();
    let note = Note::Progress {
        content: "x".repeat((sequence * 37 % 300) as usize),
        done: sequence,
    };
    Entry::new(sequence, at, Origin::default(), Vec::new(), vec![note])
}

fn bytes(sequences: impl IntoIterator<Item = u64>) -> Vec<Vec<u8>> {
    sequences
        .into_iter()
        .map(|sequence| entry(sequence).to_bytes().unwrap())
        .collect()
}

fn open(folder: &Path, after: u64) -> Result<Segments, ReadError> {
    Segments::open(folder, SCHEMA, after, SMALL)
}

fn append(log: &Segments, count: u64) -> Result<u64, AppendError> {
    let last = log.last();
    log.append(&bytes(last + 1..=last + count), last)
}

fn read(log: &Segments, from: u64) -> Vec<u64> {
    let entries = log.read_from(from).unwrap();
    entries
        .map(|read| {
            let read = read.unwrap();
            assert!(read == entry(read.sequence));
            read.sequence
        })
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "segment"))
        .collect();
    files.sort();
    files
}

#[test]
fn what_is_appended_is_read_from_anywhere_and_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..12 {
        let log = open(folder.path(), 0).unwrap();
        assert_eq!((log.last(), log.first()), (last, 1));
        for count in [1, 7, 2 + round % 3] {
            last = append(&log, count).unwrap();
        }
        for from in [1, 2, last / 2, last, last + 1] {
            let from = from.max(1);
            assert_eq!(read(&log, from), (from..=last).collect::<Vec<_>>());
        }
    }
    assert!(files(folder.path()).len() > 3, "several files were needed");
    let reader = read_only(folder.path(), SCHEMA, 5).unwrap();
    let numbers: Vec<u64> = reader.iter().map(|entry| entry.sequence).collect();
    assert_eq!(numbers, (6..=last).collect::<Vec<_>>());
}

#[test]
fn a_batch_larger_than_a_file_gets_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 0).unwrap();
    append(&log, 1).unwrap();
    append(&log, 100).unwrap();
    append(&log, 1).unwrap();
    drop(log);
    let log = open(folder.path(), 0).unwrap();
    assert_eq!(read(&log, 1), (1..=102).collect::<Vec<_>>());
}

#[test]
fn who_has_missed_an_entry_cannot_append() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 0).unwrap();
    append(&log, 3).unwrap();
    let stale = log.append(&bytes([3]), 2);
    assert!(matches!(
        stale,
        Err(AppendError::Conflict {
            expected: 2,
            last: 3
        })
    ));
    assert_eq!(append(&log, 1).unwrap(), 4);
}

/// The file of a log of three commits, where the last one begins, and its bytes.
fn three_commits(folder: &Path) -> (PathBuf, usize, Vec<u8>) {
    let log = Segments::open(
        folder,
        SCHEMA,
        0,
        Keeping {
            segment_bytes: 16 << 10,
            keep_bytes: 0,
        },
    )
    .unwrap();
    append(&log, 2).unwrap();
    append(&log, 3).unwrap();
    drop(log);
    let path = files(folder).remove(0);
    let begin = used(&fs::read(&path).unwrap());
    let log = open(folder, 0).unwrap();
    append(&log, 9).unwrap();
    let bytes = fs::read(&path).unwrap();
    (path, begin, bytes)
}

fn used(bytes: &[u8]) -> usize {
    bytes.len() - bytes.iter().rev().take_while(|&&byte| byte == 0).count()
}

#[test]
fn an_unfinished_commit_is_cut_wherever_the_power_went() {
    let folder = tempfile::tempdir().unwrap();
    let (path, begin, whole) = three_commits(folder.path());
    let end = used(&whole);
    let sectors: Vec<(usize, usize)> = (begin / 512..=(end - 1) / 512)
        .map(|sector| ((sector * 512).max(begin), (sector * 512 + 512).min(end)))
        .collect();
    assert!((4..12).contains(&sectors.len()), "{}", sectors.len());
    // Any sectors may have reached the disk, in any order: all sets but the full one.
    for set in 0..(1_u32 << sectors.len()) - 1 {
        let mut torn = whole.clone();
        for (number, &(from, to)) in sectors.iter().enumerate() {
            if set >> number & 1 == 0 {
                torn[from..to].fill(0);
            }
        }
        fs::write(&path, &torn).unwrap();
        let seen = read_only(folder.path(), SCHEMA, 0).unwrap();
        assert_eq!(seen.len(), 5, "a reader passes it over");
        let log = open(folder.path(), 0).unwrap();
        assert_eq!(log.last(), 5, "set {set:b}");
        assert_eq!(append(&log, 2).unwrap(), 7);
        assert_eq!(read(&log, 1), (1..=7).collect::<Vec<_>>());
        drop(log);
        assert_eq!(open(folder.path(), 0).unwrap().last(), 7);
    }
}

#[test]
fn a_flipped_bit_anywhere_in_what_was_committed_is_refused_by_name_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _, whole) = three_commits(folder.path());
    let end = used(&whole);
    for at in (0..end).step_by(3) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        let opened = open(folder.path(), 0);
        match opened.err() {
            Some(error @ (ReadError::Damaged { .. } | ReadError::Foreign { .. })) => {
                let text = error.to_string();
                assert!(text.contains(path.to_str().unwrap()), "{text}");
            }
            Some(other) => panic!("byte {at}: {other}"),
            // Bytes between the last entry and the end of its block mean nothing.
            None => assert!(is_padding(&whole, at), "byte {at} of {end} was not missed"),
        }
        assert_eq!(
            fs::read(&path).unwrap()[..end],
            flipped[..end],
            "nothing is cut"
        );
    }
}

/// Whether a byte lies behind the entries of its block, before the next head.
fn is_padding(bytes: &[u8], wanted: usize) -> bool {
    let mut at = FILE_HEAD;
    while let Ok(Some(head)) = super::block::read_head(bytes[at..].first_chunk().unwrap()) {
        let next = at + usize::try_from(head.span()).unwrap();
        if wanted < next {
            return wanted >= at + HEAD + head.length as usize;
        }
        at = next;
    }
    false
}

#[test]
fn a_hole_before_later_entries_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (path, begin, mut bytes) = three_commits(folder.path());
    // The second commit is gone as if it had never been written.
    let second = FILE_HEAD + {
        let head = super::block::read_head(bytes[FILE_HEAD..].first_chunk().unwrap());
        usize::try_from(head.unwrap().unwrap().span()).unwrap()
    };
    bytes[second..begin].fill(0);
    fs::write(&path, &bytes).unwrap();
    let error = open(folder.path(), 0).err().unwrap();
    assert!(
        matches!(
            error,
            ReadError::Damaged {
                what: Wrong::Hole,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_missing_file_in_the_middle_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 0).unwrap();
    while files(folder.path()).len() < 4 {
        append(&log, 3).unwrap();
    }
    let last = log.last();
    drop(log);
    fs::remove_file(&files(folder.path())[1]).unwrap();
    // The newest file says which entry comes before it; the one after the hole finds nobody there.
    let opened = open(folder.path(), 0);
    let damaged = match opened {
        Err(_) => true,
        Ok(log) => log.read_from(1).unwrap().any(|entry| entry.is_err()),
    };
    assert!(damaged);
    let first_after = fs::read(&files(folder.path())[1]).unwrap();
    let about = super::block::read_file_head(first_after.first_chunk().unwrap(), SCHEMA).unwrap();
    let log = open(folder.path(), about.first - 1).unwrap();
    assert_eq!(read(&log, about.first).last(), Some(&last));
}

#[test]
fn a_snapshot_newer_than_the_log_leaves_a_gap_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 0).unwrap();
    append(&log, 4).unwrap();
    drop(log);
    let log = open(folder.path(), 90).unwrap();
    assert_eq!((log.last(), log.first()), (90, 91));
    assert_eq!(append(&log, 2).unwrap(), 92);
    assert_eq!((log.last(), log.first()), (92, 91));
    let trimmed = log.read_from(5).err().unwrap();
    assert!(matches!(
        trimmed,
        ReadError::Trimmed {
            wanted: 5,
            first: 91
        }
    ));
    drop(log);
    let log = open(folder.path(), 90).unwrap();
    assert_eq!(read(&log, 91), [91, 92]);
    drop(log);
    let lost = open(folder.path(), 60).err().unwrap();
    assert!(
        matches!(
            lost,
            ReadError::Trimmed {
                wanted: 61,
                first: 91
            }
        ),
        "{lost}"
    );
}

#[test]
fn trimming_keeps_what_the_snapshot_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 0).unwrap();
    for _ in 0..40 {
        append(&log, 1).unwrap();
    }
    log.trim(20).unwrap();
    let first = log.first();
    assert!((2..=21).contains(&first), "{first}");
    assert_eq!(read(&log, first), (first..=40).collect::<Vec<_>>());
    log.trim(40).unwrap();
    drop(log);
    let log = open(folder.path(), 40).unwrap();
    assert_eq!(append(&log, 1).unwrap(), 41);
}

#[test]
fn files_of_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    append(&open(folder.path(), 0).unwrap(), 1).unwrap();
    let other = Segments::open(folder.path(), SCHEMA + 1, 0, SMALL)
        .err()
        .unwrap();
    assert!(matches!(
        other,
        ReadError::Foreign {
            what: Foreign::Schema,
            ..
        }
    ));
    let path = &files(folder.path())[0];
    fs::write(path, [b'x'; 100]).unwrap();
    let other = open(folder.path(), 0).err().unwrap();
    assert!(matches!(
        other,
        ReadError::Foreign {
            what: Foreign::Magic,
            ..
        }
    ));
}

/// A disk that fails as it is told.
#[derive(Clone, Default)]
struct Faulty(Arc<Mutex<BTreeSet<Fault>>>, Arc<Mutex<Option<u64>>>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fault {
    Full,
    ShortWrite,
    Sync,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.0.lock().contains(&fault)
    }
}

impl Medium for Faulty {
    fn prepare(&self, path: &Path, bytes: u64) -> io::Result<()> {
        if self.has(Fault::Full) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if let Some(room) = &mut *self.1.lock() {
            *room = room.checked_sub(bytes).expect("the disk is filled");
        }
        Disk.prepare(path, bytes)
    }

    fn begin(&self, prepared: &Path, head: &[u8], path: &Path) -> io::Result<()> {
        Disk.begin(prepared, head, path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Writable>> {
        let file = OpenOptions::new().write(true).open(path)?;
        Ok(Box::new((file, self.clone())))
    }

    fn put(&self, made: &Path, path: &Path) -> io::Result<()> {
        Disk.put(made, path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let bytes = fs::metadata(path)?.len();
        Disk.remove(path)?;
        if let Some(room) = &mut *self.1.lock() {
            *room += bytes;
        }
        Ok(())
    }

    fn room(&self, folder: &Path) -> io::Result<u64> {
        self.1.lock().map_or_else(|| Disk.room(folder), Ok)
    }
}

impl Writable for (fs::File, Faulty) {
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.1.has(Fault::ShortWrite) {
            FileExt::write_all_at(&self.0, &bytes[..bytes.len() / 2], at)?;
            return Err(io::ErrorKind::WriteZero.into());
        }
        FileExt::write_all_at(&self.0, bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        if self.1.has(Fault::Sync) {
            return Err(io::Error::other("the disk failed"));
        }
        self.0.sync_data()
    }

    fn is_there(&self) -> io::Result<bool> {
        self.0.is_there()
    }
}

#[test]
fn after_a_failed_flush_or_a_short_write_nothing_more_is_taken() {
    for fault in [Fault::Sync, Fault::ShortWrite] {
        let folder = tempfile::tempdir().unwrap();
        let disk = Faulty::default();
        let log =
            Segments::open_on(Arc::new(disk.clone()), folder.path(), SCHEMA, 0, SMALL).unwrap();
        append(&log, 3).unwrap();
        disk.0.lock().insert(fault);
        assert!(matches!(append(&log, 5), Err(AppendError::Failed(_))));
        // The disk is well again; what it holds is still not known.
        disk.0.lock().clear();
        assert!(matches!(append(&log, 1), Err(AppendError::Failed(_))));
        assert_eq!(read(&log, 1), [1, 2, 3], "reading goes on");
        drop(log);
        let last = open(folder.path(), 0).unwrap().last();
        assert!(
            last == 3 || fault == Fault::Sync && last == 8,
            "{fault:?} {last}"
        );
    }
}

#[test]
fn a_full_disk_refuses_and_lets_go_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Faulty::default();
    let log = Segments::open_on(Arc::new(disk.clone()), folder.path(), SCHEMA, 0, SMALL).unwrap();
    append(&log, 2).unwrap();
    disk.0.lock().insert(Fault::Full);
    let mut refused = 0;
    for _ in 0..40 {
        refused += u32::from(matches!(append(&log, 3), Err(AppendError::NoRoom(_))));
    }
    assert!(refused > 5, "{refused}");
    let last = log.last();
    disk.0.lock().clear();
    assert_eq!(append(&log, 3).unwrap(), last + 3);
    assert_eq!(read(&log, 1), (1..=last + 3).collect::<Vec<_>>());
}

#[test]
fn a_file_that_was_cut_is_damage_and_no_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (path, begin, whole) = three_commits(folder.path());
    for bytes in [
        0,
        10,
        FILE_HEAD,
        begin,
        begin + HEAD,
        used(&whole),
        whole.len() - 1,
    ] {
        fs::write(&path, &whole[..bytes]).unwrap();
        let error = open(folder.path(), 0).err().unwrap();
        let ReadError::Damaged { at, what, .. } = error else {
            panic!("{bytes}: {error}");
        };
        assert_eq!((at, what), (bytes as u64, Wrong::Cut));
    }
    // A file of an older version does not tell how long it was made.
    let mut older = whole;
    older[40..48].fill(0);
    let checksum = crc32c::crc32c(&older[16..FILE_HEAD]).to_le_bytes();
    older[12..16].copy_from_slice(&checksum);
    older.truncate(begin);
    fs::write(&path, &older).unwrap();
    assert_eq!(open(folder.path(), 0).unwrap().last(), 5);
}

#[test]
fn a_log_whose_file_is_removed_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 0).unwrap();
    append(&log, 2).unwrap();
    fs::remove_file(&files(folder.path())[0]).unwrap();
    assert!(matches!(append(&log, 1), Err(AppendError::Failed(_))));
    let log = open(folder.path(), 2).unwrap();
    append(&log, 1).unwrap();
    fs::remove_file(&files(folder.path())[0]).unwrap();
    assert!(log.tend().is_err());
    assert!(matches!(append(&log, 1), Err(AppendError::Failed(_))));
}

#[test]
fn on_a_nearly_full_disk_files_get_smaller_and_some_room_is_left() {
    const RESERVE: u64 = crate::base::limits::DISK_RESERVE_BYTES;
    let keeping = Keeping {
        segment_bytes: 1 << 20,
        keep_bytes: 0,
    };
    let folder = tempfile::tempdir().unwrap();
    let disk = Faulty::default();
    let room = |bytes| *disk.1.lock() = Some(bytes);
    room(RESERVE + (1 << 20));
    let log = Segments::open_on(Arc::new(disk.clone()), folder.path(), SCHEMA, 0, keeping).unwrap();
    while append(&log, 200).is_ok() {}
    let left = disk.1.lock().unwrap();
    assert!((RESERVE..RESERVE + (64 << 10)).contains(&left), "{left}");
    assert!(matches!(append(&log, 200), Err(AppendError::NoRoom(_))));
    let sizes: Vec<u64> = files(folder.path())
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .collect();
    assert!(
        sizes.len() > 5 && sizes.is_sorted_by(|a, b| a >= b),
        "{sizes:?}"
    );
    let last = log.last();
    assert_eq!(read(&log, 1), (1..=last).collect::<Vec<_>>());
    // With room again they are as they should be, and what is made ahead is given back when it is short.
    room(RESERVE + (64 << 20));
    while files(folder.path()).len() < sizes.len() + 2 {
        append(&log, 200).unwrap();
    }
    assert_eq!(
        fs::metadata(files(folder.path()).last().unwrap())
            .unwrap()
            .len(),
        1 << 20
    );
    let ahead = || {
        let entries = fs::read_dir(folder.path()).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.any(|path| path.extension().is_some_and(|it| it == "tmp"))
    };
    while !ahead() {
        append(&log, 200).unwrap();
    }
    room(RESERVE + 1000);
    log.tend().unwrap();
    assert!(!ahead());
    drop(log);
    let log = Segments::open(folder.path(), SCHEMA, 0, keeping).unwrap();
    assert_eq!(read(&log, 1).len() as u64, log.last());
}
