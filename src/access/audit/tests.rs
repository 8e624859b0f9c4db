//! The audit against crashes, failing disks, and somebody who changes its files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::block::{BLOCK_HEAD, FILE_HEAD, Hash, seal};
use super::folder::Writer;
use super::head::Head;
use super::known::{self, Lost};
use super::medium::{Disk, Medium, Writable};
use super::read::{ReadError, Wrong};
use super::search::{Search, Wanted};
use super::verify::{Anchor, Finding, Known, Report, verify};
use super::{Audit, AuditError, Entry, Fate, Hindrance, Keeping, Pen, Ticket, folder};
use crate::base::micros::Micros;
use crate::person::identity::Identity;
use crate::person::view::Profile;

/// Flushed when told to only.
const LATER: Keeping = Keeping {
    file_bytes: 1 << 20,
    sync: Duration::from_secs(3600),
};

fn root() -> (TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("audit");
    (outer, root)
}

fn person(number: u64) -> Identity {
    Identity::from_key(1 << 56 | number)
}

fn note_at(pen: &mut Pen, number: u64, at: Micros) -> Ticket {
    pen.note(&Entry {
        at,
        consumer: Some("TST-CONSUMER"),
        via: number.is_multiple_of(2).then_some("TST-PLATFORM"),
        service: "GetPersonsForProfile/5",
        profile: Some(Profile::P3),
        unrestricted: false,
        answer: "ok",
        asked: &[person(number), person(number + 1000)],
        shown: &[person(number)],
        query: None,
        correlation: Some("c"),
        sequence: Some(300),
    })
}

fn note(pen: &mut Pen, number: u64) -> Ticket {
    note_at(pen, number, Micros::now())
}

/// Writes so many blocks of one entry each.
fn write(pen: &mut Pen, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let ticket = note(pen, number);
        pen.write().unwrap();
        assert_eq!(ticket.fate(), Fate::Written);
    }
}

fn check(root: &Path) -> Report {
    verify(root, &Known::default()).unwrap()
}

#[track_caller]
fn intact(root: &Path) -> Report {
    let report = check(root);
    assert!(report.is_intact(), "{:?}", report.findings);
    report
}

/// What is wrong, and where, when it is one thing.
#[track_caller]
fn found(root: &Path) -> (String, u64, u64, Wrong) {
    match &check(root).findings[..] {
        [Finding::Damaged(it)] => (name(&it.file), it.byte, it.entry, it.wrong),
        other => panic!("{other:?}"),
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The numbers of the persons who are found.
fn seen(root: &Path, wanted: Wanted) -> Result<Vec<u64>, ReadError> {
    let mut search = Search::begin(root, wanted)?;
    let mut seen = Vec::new();
    while let Some(found) = search.next_found()? {
        seen.push(found.entry.asked[0].key() & 0xffff);
    }
    Ok(seen)
}

/// The files as a crash of the process would leave them now.
fn crashed(root: &Path) -> (TempDir, PathBuf) {
    let (outer, copy) = self::root();
    drop(folder::take(&copy, Writer::Service).unwrap());
    for entry in fs::read_dir(root).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, copy.join(name(&from))).unwrap();
    }
    (outer, copy)
}

/// Where the blocks of a file begin, and where the last one ends.
fn blocks(file: &[u8]) -> Vec<usize> {
    let mut places = vec![FILE_HEAD];
    while let Some(head) = file
        .get(places[places.len() - 1]..)
        .filter(|it| !it.is_empty())
    {
        let length = u32::from_le_bytes(head[4..8].try_into().unwrap()) as usize;
        places.push(places[places.len() - 1] + BLOCK_HEAD + length);
    }
    places
}

/// One chain of one file: opened, three entries, closed; a block each.
fn small() -> (TempDir, PathBuf, PathBuf) {
    let (outer, root) = root();
    let mut pen = Audit::open(&root, LATER).unwrap().pen().unwrap();
    write(&mut pen, 1..4);
    drop(pen);
    let report = intact(&root);
    assert_eq!((report.chains.len(), report.chains[0].last), (1, 5));
    let file = folder::file(&root, 0, 1);
    (outer, root, file)
}

#[test]
fn what_is_noted_is_found_and_counted() {
    let (_outer, root) = root();
    let audit = Audit::open(&root, LATER).unwrap();
    let (mut one, mut two) = (audit.pen().unwrap(), audit.pen().unwrap());
    assert_eq!((one.chain(), two.chain()), (0, 1));
    let tickets: Vec<Ticket> = (1..4).map(|it| note(&mut one, it)).collect();
    assert!(tickets.iter().all(|ticket| ticket.fate() == Fate::Pending));
    assert_eq!(one.pending(), 3);
    one.write().unwrap();
    assert!(tickets.iter().all(|ticket| ticket.fate() == Fate::Written));
    one.write().unwrap();
    write(&mut two, 4..6);
    write(&mut one, 6..7);

    let counts = audit.counts();
    assert_eq!((counts.entries, counts.blocks, counts.failures), (8, 6, 0));
    assert!(!audit.is_failing());
    assert_eq!(seen(&root, Wanted::default()).unwrap(), [1, 2, 3, 4, 5, 6]);
    let whom = |persons: Vec<Identity>, asked| Wanted {
        persons,
        asked,
        ..Wanted::default()
    };
    assert_eq!(seen(&root, whom(vec![person(5)], false)).unwrap(), [5]);
    assert!(
        seen(&root, whom(vec![person(1005)], false))
            .unwrap()
            .is_empty()
    );
    assert_eq!(seen(&root, whom(vec![person(1005)], true)).unwrap(), [5]);
    let by = |name: &str| Wanted {
        consumer: Some(name.to_owned()),
        ..Wanted::default()
    };
    assert_eq!(seen(&root, by("tst-platform")).unwrap(), [2, 4, 6]);
    assert!(seen(&root, by("TST")).unwrap().is_empty());
    for (service, hits) in [
        ("GetPersonsForProfile", 6),
        ("GetPersonsForProfile/5", 6),
        ("GetPersons", 0),
    ] {
        let wanted = Wanted {
            service: Some(service.to_owned()),
            ..Wanted::default()
        };
        assert_eq!(seen(&root, wanted).unwrap().len(), hits, "{service}");
    }
    let refused = Wanted {
        answer: Some("not-allowed".to_owned()),
        ..Wanted::default()
    };
    assert!(seen(&root, refused).unwrap().is_empty());
    intact(&root);

    drop((one, two));
    assert!(audit.settle());
    assert!(audit.anchors().is_empty());
    drop(audit);
    let report = intact(&root);
    let lasts: Vec<u64> = report.chains.iter().map(|chain| chain.last).collect();
    assert_eq!(lasts, [6, 4]);
}

#[test]
fn every_flipped_byte_is_found() {
    let (_outer, root, file) = small();
    for path in [file, folder::head(&root, 0)] {
        let whole = fs::read(&path).unwrap();
        for byte in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[byte] ^= 1 << (byte % 8);
            fs::write(&path, &flipped).unwrap();
            let (file, at, _, _) = found(&root);
            assert_eq!(file, name(&path));
            assert!(at <= byte as u64, "byte {byte}: {at}");
            assert!(seen(&root, Wanted::default()).is_err(), "byte {byte}");
            let refused = Audit::open(&root, LATER).unwrap().pen();
            assert!(
                matches!(refused, Err(AuditError::Damaged(_))),
                "byte {byte}"
            );
        }
        fs::write(&path, &whole).unwrap();
    }
    intact(&root);
}

#[test]
fn every_cut_end_is_found() {
    let (_outer, root, path) = small();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let (file, ..) = found(&root);
        assert_eq!(file, "0-000001.audit");
        assert!(seen(&root, Wanted::default()).is_err(), "{length} bytes");
        let refused = Audit::open(&root, LATER).unwrap().pen();
        assert!(
            matches!(refused, Err(AuditError::Damaged(_))),
            "{length} bytes"
        );
        assert_eq!(fs::read(&path).unwrap().len(), length, "nothing is cut");
    }
}

#[test]
fn blocks_that_are_removed_repeated_reordered_or_renumbered_are_found() {
    let (_outer, root, path) = small();
    let whole = fs::read(&path).unwrap();
    let at = blocks(&whole);
    let block = |it: usize| &whole[at[it]..at[it + 1]];
    let head = &whole[..FILE_HEAD];
    let tampered = |order: &[usize], renumbered: bool| {
        let mut file = head.to_vec();
        for (place, &it) in order.iter().enumerate() {
            let mut block = block(it).to_vec();
            if renumbered {
                block[8..16].copy_from_slice(&(place as u64 + 1).to_le_bytes());
            }
            file.extend(block);
        }
        fs::write(&path, file).unwrap();
        let (_, byte, entry, wrong) = found(&root);
        (byte, entry, wrong)
    };
    let place = |it: usize| at[it] as u64;
    let order = |found| Wrong::Order { found };
    assert_eq!(tampered(&[0, 2, 3, 4], false), (place(1), 2, order(3)));
    assert_eq!(tampered(&[0, 2, 3, 4], true), (place(1), 2, Wrong::Changed));
    assert_eq!(
        tampered(&[0, 1, 1, 2, 3, 4], false),
        (place(2), 3, order(2))
    );
    assert_eq!(
        tampered(&[0, 1, 1, 2, 3, 4], true),
        (place(2), 3, Wrong::Changed)
    );
    assert_eq!(tampered(&[0, 2, 1, 3, 4], false), (place(1), 2, order(3)));
    assert_eq!(
        tampered(&[0, 2, 1, 3, 4], true),
        (place(1), 2, Wrong::Changed)
    );
    // The last blocks are missed by the head alone.
    let shortened = Wrong::Shortened { entries: 5 };
    assert_eq!(tampered(&[0, 1, 2, 3], false), (place(4), 5, shortened));
    assert_eq!(tampered(&[0], false), (place(1), 2, shortened));
}

/// Somebody who knows the format writes the rest of the file anew, hashes and all.
#[test]
fn a_chain_that_is_written_anew_is_found_by_its_head_or_an_anchor() {
    let (_outer, root, path) = small();
    let anchor = {
        let chain = &intact(&root).chains[0];
        format!("0:{}:{}", chain.last, chain.hash).parse().unwrap()
    };
    let known = Known {
        anchors: vec![anchor],
        ..Known::default()
    };
    assert!(verify(&root, &known).unwrap().is_intact());

    let mut file = fs::read(&path).unwrap();
    let at = blocks(&file);
    file[at[2] + BLOCK_HEAD + 20] ^= 1;
    let mut hash = Hash(file[at[1] + 20..][..32].try_into().unwrap());
    for it in 2..5 {
        hash = seal(&mut file[at[it]..at[it + 1]], it as u64 + 1, 1, hash);
    }
    fs::write(&path, &file).unwrap();
    assert_eq!(
        found(&root),
        (name(&path), at[5] as u64, 6, Wrong::Replaced)
    );

    let bytes = fs::read(folder::head(&root, 0)).unwrap();
    let head = Head {
        hash,
        ..Head::from_bytes(&bytes).unwrap()
    };
    fs::write(folder::head(&root, 0), head.to_bytes()).unwrap();
    intact(&root);
    let report = verify(&root, &known).unwrap();
    assert!(matches!(&report.findings[..], [Finding::Anchor(it)] if *it == anchor));
    let told = report.findings[0].to_string();
    assert!(
        told.contains("chain 0") && told.contains("entry 5"),
        "{told}"
    );
}

#[test]
fn removed_and_renamed_files_are_found() {
    let (_outer, root) = root();
    let tiny = Keeping {
        file_bytes: 300,
        ..LATER
    };
    let mut pen = Audit::open(&root, tiny).unwrap().pen().unwrap();
    write(&mut pen, 0..8);
    drop(pen);
    let count = intact(&root).chains[0].files;
    assert!(count >= 5, "{count} files");
    assert_eq!(
        seen(&root, Wanted::default()).unwrap(),
        (0..8).collect::<Vec<_>>()
    );
    let away = root.with_extension("away");
    let without = |number: u64, check: &dyn Fn()| {
        let path = folder::file(&root, 0, number);
        fs::rename(&path, &away).unwrap();
        check();
        fs::rename(&away, &path).unwrap();
    };
    without(3, &|| {
        let (file, byte, _, wrong) = found(&root);
        assert_eq!(
            (file.as_str(), byte, wrong),
            ("0-000003.audit", 0, Wrong::FileMissing)
        );
        assert!(seen(&root, Wanted::default()).is_err());
    });
    without(count, &|| {
        assert!(matches!(found(&root).3, Wrong::Shortened { .. }));
        let refused = Audit::open(&root, tiny).unwrap().pen();
        assert!(matches!(refused, Err(AuditError::Damaged(it)) if it.wrong == Wrong::FileMissing));
    });
    without(1, &|| {
        let (file, _, _, wrong) = found(&root);
        assert_eq!(
            (file.as_str(), wrong),
            ("0-000001.audit", Wrong::FileMissing)
        );
        let search = Search::begin(&root, Wanted::default()).unwrap();
        assert_eq!(search.archived(), [(0, 2)]);
        for (first, is_intact) in [(2, true), (3, true), (1, false)] {
            let known = Known {
                first_files: [(0, first)].into(),
                ..Known::default()
            };
            assert_eq!(
                verify(&root, &known).unwrap().is_intact(),
                is_intact,
                "{first}"
            );
        }
    });
    fs::rename(folder::file(&root, 0, 3), &away).unwrap();
    fs::copy(folder::file(&root, 0, 2), folder::file(&root, 0, 3)).unwrap();
    assert_eq!(
        found(&root).3,
        Wrong::Renamed {
            chain: 0,
            number: 2
        }
    );
    fs::rename(&away, folder::file(&root, 0, 3)).unwrap();
    intact(&root);
}

#[test]
fn a_head_or_a_chain_that_is_gone_is_missed() {
    let (_outer, root) = root();
    let audit = Audit::open(&root, LATER).unwrap();
    let pens = [audit.pen().unwrap(), audit.pen().unwrap()];
    drop(pens);
    drop(audit.pen().unwrap());
    drop(audit);
    intact(&root);
    let head = folder::head(&root, 1);
    let bytes = fs::read(&head).unwrap();
    fs::remove_file(&head).unwrap();
    assert_eq!(found(&root).3, Wrong::HeadMissing);
    assert!(seen(&root, Wanted::default()).is_err());
    let audit = Audit::open(&root, LATER).unwrap();
    let first = audit.pen().unwrap();
    assert!(matches!(audit.pen(), Err(AuditError::Damaged(it)) if it.wrong == Wrong::HeadMissing));
    drop((first, audit));
    // Chain 0 was opened when there were two.
    fs::remove_file(folder::file(&root, 1, 1)).unwrap();
    assert!(matches!(
        check(&root).findings[..],
        [Finding::ChainMissing(1)]
    ));
    Disk.replace(&head, &bytes).unwrap();
    assert_eq!(found(&root).3, Wrong::FileMissing);
}

#[test]
fn a_crash_at_every_byte_loses_what_was_unfinished_and_nothing_else() {
    let (_outer, root) = root();
    let audit = Audit::open(&root, LATER).unwrap();
    let mut pen = audit.pen().unwrap();
    write(&mut pen, 1..3);
    audit.settle();
    let (_copy, before) = crashed(&root);
    let synced = fs::read(folder::file(&before, 0, 1)).unwrap().len();
    write(&mut pen, 3..5);
    let (_copy, copy) = crashed(&root);
    let path = folder::file(&copy, 0, 1);
    let whole = fs::read(&path).unwrap();
    let head = fs::read(folder::head(&copy, 0)).unwrap();
    let ends = blocks(&whole);
    for zeros in [false, true] {
        for length in synced..=whole.len() {
            let mut left = whole[..length].to_vec();
            if zeros {
                // The file had grown, and what was written did not reach the disk.
                left.resize(whole.len().max(length), 0);
            }
            fs::write(&path, &left).unwrap();
            fs::write(folder::head(&copy, 0), &head).unwrap();
            let last = *ends.iter().rfind(|&&end| end <= length).unwrap();
            let is_clean = left.len() == last;
            assert_eq!(check(&copy).is_intact(), is_clean, "{length}");
            let mut pen = Audit::open(&copy, LATER).unwrap().pen().unwrap();
            write(&mut pen, 9..10);
            drop(pen);
            intact(&copy);
            let kept = ends.iter().filter(|&&end| end <= last).count() as u64 - 2;
            let expected: Vec<u64> = (1..=kept).chain([9]).collect();
            assert_eq!(
                seen(&copy, Wanted::default()).unwrap(),
                expected,
                "{length}"
            );
            let again = fs::read(&path).unwrap();
            let mut opened = &again[last + BLOCK_HEAD..];
            let Ok(super::entry::Note::Opened { cut, .. }) = super::entry::Note::read(&mut opened)
            else {
                panic!("not opened");
            };
            assert_eq!(cut, (left.len() - last) as u64);
        }
    }
    // Not below what is known to be on the disk; and nothing but an unfinished end.
    for (bytes, what) in [
        (whole[..synced - 1].to_vec(), "cut"),
        (
            [&whole[..synced], &whole[ends[4]..]].concat(),
            "block removed",
        ),
        (
            {
                let mut it = whole.clone();
                it[ends[3] + BLOCK_HEAD] ^= 1;
                it
            },
            "changed before the last",
        ),
        ([&whole[..], &[b'x'; BLOCK_HEAD]].concat(), "foreign bytes"),
    ] {
        fs::write(&path, &bytes).unwrap();
        fs::write(folder::head(&copy, 0), &head).unwrap();
        let opened = Audit::open(&copy, LATER).unwrap().pen();
        assert!(matches!(opened, Err(AuditError::Damaged(_))), "{what}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{what}: nothing is cut");
    }
}

#[test]
fn a_crash_while_a_file_is_begun_loses_nothing() {
    let (_outer, root) = root();
    let tiny = Keeping {
        file_bytes: 200,
        ..LATER
    };
    let audit = Audit::open(&root, tiny).unwrap();
    let mut pen = audit.pen().unwrap();
    write(&mut pen, 1..4);
    let (_copy, copy) = crashed(&root);
    let whole = fs::read(folder::file(&copy, 0, 4)).unwrap();
    // A file that was begun and never written in, and one that never got its name.
    for (number, expected) in [(4, vec![1, 2, 9]), (1, vec![9])] {
        let (_again, again) = crashed(&copy);
        for later in number + 1..=4 {
            fs::remove_file(folder::file(&again, 0, later)).unwrap();
        }
        let begun = fs::read(folder::file(&again, 0, number)).unwrap();
        drop(
            Disk.begin(&folder::file(&again, 0, number), &begun[..FILE_HEAD])
                .unwrap(),
        );
        drop(
            Disk.begin(&again.join(".0-000005.audit.tmp"), &whole[..9])
                .unwrap(),
        );
        intact(&again);
        let mut pen = Audit::open(&again, tiny).unwrap().pen().unwrap();
        write(&mut pen, 9..10);
        drop(pen);
        intact(&again);
        assert_eq!(seen(&again, Wanted::default()).unwrap(), expected);
    }
}

#[test]
fn a_reopened_chain_goes_on_where_it_ended() {
    let (_outer, root) = root();
    for round in 0..3 {
        let audit = Audit::open(&root, LATER).unwrap();
        let mut pen = audit.pen().unwrap();
        write(&mut pen, round * 2..round * 2 + 2);
        drop(pen);
        // A chain that was given back is the lowest free one.
        assert_eq!(audit.pen().unwrap().chain(), 0);
    }
    let report = intact(&root);
    assert_eq!((report.chains.len(), report.chains[0].files), (1, 1));
    assert_eq!(report.chains[0].last, 6 + 3 * 4);
    assert_eq!(seen(&root, Wanted::default()).unwrap(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn midnight_and_size_begin_new_files() {
    let (_outer, root) = root();
    let audit = Audit::open(&root, LATER).unwrap();
    let mut pen = audit.pen().unwrap();
    let mut days = Vec::new();
    let mut at = Micros::now();
    for day in 1..5 {
        at = at.next_midnight();
        days.push(at);
        note_at(&mut pen, day, at);
        note_at(&mut pen, day + 10, at.plus_seconds(3600));
        pen.write().unwrap();
    }
    drop((pen, audit));
    assert_eq!(intact(&root).chains[0].files, 5);
    // Files that are too old or too new are not read, and nothing is missed by that.
    for (since, until, expected) in [
        (None, None, vec![1, 11, 2, 12, 3, 13, 4, 14]),
        (Some(days[2]), None, vec![3, 13, 4, 14]),
        (None, Some(days[1]), vec![1, 11]),
        (
            Some(days[1].plus_seconds(1)),
            Some(days[2].plus_seconds(1)),
            vec![12, 3],
        ),
        (Some(days[3].plus_seconds(7200)), None, vec![]),
    ] {
        let wanted = Wanted {
            since,
            until,
            ..Wanted::default()
        };
        assert_eq!(seen(&root, wanted).unwrap(), expected);
    }
    // The file goes on to the end of the day it was begun, also when it is opened again.
    let mut pen = Audit::open(&root, LATER).unwrap().pen().unwrap();
    note_at(&mut pen, 9, at.next_midnight());
    pen.write().unwrap();
    drop(pen);
    assert_eq!(intact(&root).chains[0].files, 6);
}

#[test]
fn one_process_writes_and_wide_permissions_are_refused_and_found() {
    use std::os::unix::fs::PermissionsExt;
    let (_outer, root) = root();
    let audit = Audit::open(&root, LATER).unwrap();
    let mut pen = audit.pen().unwrap();
    assert!(matches!(
        Audit::open(&root, LATER),
        Err(AuditError::Held(_))
    ));
    drop(audit);
    // The pen holds it.
    assert!(matches!(
        Audit::open(&root, LATER),
        Err(AuditError::Held(_))
    ));
    write(&mut pen, 1..2);
    drop(pen);
    intact(&root);
    let file = folder::file(&root, 0, 1);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(
        matches!(Audit::open(&root, LATER), Err(AuditError::Wide { path, .. }) if path == file)
    );
    assert!(
        matches!(&check(&root).findings[..], [Finding::Wide { path, mode: 0o640 }] if *path == file)
    );
}

#[test]
fn an_unfinished_block_is_no_damage_while_it_may_be_written() {
    let (_outer, root) = root();
    let audit = Audit::open(&root, LATER).unwrap();
    let mut pen = audit.pen().unwrap();
    write(&mut pen, 1..3);
    audit.settle();
    let path = folder::file(&root, 0, 1);
    let mut file = fs::read(&path).unwrap();
    let end = file.len();
    let at = blocks(&file);
    let block = file[at[1]..at[1] + BLOCK_HEAD + 3].to_vec();
    file.extend(block);
    file[end + 8] = 4;
    fs::write(&path, &file).unwrap();
    intact(&root);
    assert_eq!(seen(&root, Wanted::default()).unwrap(), [1, 2]);
    // What the head knows is damage all the same.
    fs::write(&path, &file[..end - 1]).unwrap();
    assert_eq!(found(&root).3, Wrong::Shortened { entries: 3 });
    fs::write(&path, &file[..end]).unwrap();
    drop(pen);
    intact(&root);
}

/// A machine that begins with a clock of another year, and is set right: files tell what they hold.
#[test]
fn a_clock_that_is_set_back_hides_nothing() {
    let (_outer, root) = root();
    let audit = Audit::open(
        &root,
        Keeping {
            file_bytes: 200,
            ..LATER
        },
    )
    .unwrap();
    let mut pen = audit.pen().unwrap();
    let now = Micros::now();
    let day = |days: i64| now.plus_seconds(days * 86_400);
    let days = [0, 1, 400, 401, 2, -30, 3, 4];
    for (number, &it) in (0..).zip(&days) {
        note_at(&mut pen, number, day(it));
        pen.write().unwrap();
    }
    for (since, until) in [
        (-40, -20),
        (0, 3),
        (3, 10),
        (390, 500),
        (2, 401),
        (500, 600),
        (-40, 500),
    ] {
        let expected = (0..)
            .zip(&days)
            .filter(|(_, it)| (since..until).contains(*it));
        let expected: Vec<u64> = expected.map(|(number, _)| number).collect();
        let (since, until) = (Some(day(since)), Some(day(until)));
        let wanted = Wanted {
            since,
            until,
            ..Wanted::default()
        };
        assert_eq!(seen(&root, wanted).unwrap(), expected);
    }
    assert!(check(&root).chains[0].files > 7);
}

/// A file that is opened again tells the times of all its entries to the next one.
#[test]
fn a_file_that_is_continued_tells_all_its_times() {
    let (_outer, root) = root();
    let old = Micros::now().plus_seconds(-400 * 86_400);
    let mut pen = Audit::open(&root, LATER).unwrap().pen().unwrap();
    note_at(&mut pen, 1, old);
    drop(pen);
    let mut pen = Audit::open(&root, LATER).unwrap().pen().unwrap();
    write(&mut pen, 2..3);
    note_at(&mut pen, 3, Micros::now().next_midnight());
    pen.write().unwrap();
    drop(pen);
    assert_eq!(intact(&root).chains[0].files, 2);
    let until = Some(old.plus_seconds(1));
    assert_eq!(
        seen(
            &root,
            Wanted {
                until,
                ..Wanted::default()
            }
        )
        .unwrap(),
        [1]
    );
}

/// Files are verified and searched over and over while threads write them, from file to file.
#[test]
fn readers_find_no_fault_with_an_audit_that_is_written() {
    let (_outer, root) = root();
    let keeping = Keeping {
        file_bytes: 4096,
        sync: Duration::from_millis(5),
    };
    let audit = Audit::open(&root, keeping).unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut pen = audit.pen().unwrap();
                for number in 0..3000 {
                    note(&mut pen, number);
                    if number.is_multiple_of(3) {
                        pen.write().unwrap();
                    }
                }
                is_done.store(true, Ordering::Relaxed);
            });
        }
        while !is_done.load(Ordering::Relaxed) {
            if root.join("0-000001.audit").exists() {
                intact(&root);
                seen(&root, Wanted::default()).unwrap();
            }
        }
    });
    drop(audit);
    let report = intact(&root);
    assert!(report.chains.iter().all(|chain| chain.files > 50));
    assert_eq!(seen(&root, Wanted::default()).unwrap().len(), 6000);
}

/// A disk that fails when told to.
#[derive(Default)]
struct Faulty {
    /// Writes fail after so many bytes.
    write: parking_lot::Mutex<Option<usize>>,
    cut: AtomicBool,
    sync: AtomicBool,
    begin: AtomicBool,
    replace: AtomicBool,
    room: AtomicBool,
}

struct FaultyFile(Arc<dyn Writable>, Arc<Faulty>);

/// The medium, shared between the audit and its test.
struct Shared(Arc<Faulty>);

fn full() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

fn fails(switch: &AtomicBool) -> io::Result<()> {
    if switch.load(Ordering::Relaxed) {
        Err(full())
    } else {
        Ok(())
    }
}

impl Medium for Shared {
    fn begin(&self, path: &Path, head: &[u8]) -> io::Result<Arc<dyn Writable>> {
        if let Err(error) = fails(&self.0.begin) {
            // The file is there, but might not be after a crash.
            drop(Disk.begin(path, head));
            return Err(error);
        }
        Ok(Arc::new(FaultyFile(
            Disk.begin(path, head)?,
            Arc::clone(&self.0),
        )))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Writable>> {
        Ok(Arc::new(FaultyFile(Disk.open(path)?, Arc::clone(&self.0))))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fails(&self.0.replace)?;
        Disk.replace(path, bytes)
    }

    fn room(&self, folder: &Path) -> io::Result<u64> {
        fails(&self.0.room)?;
        Disk.room(folder)
    }
}

impl Writable for FaultyFile {
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        match *self.1.write.lock() {
            Some(most) => {
                self.0.write_all_at(&bytes[..most.min(bytes.len())], at)?;
                Err(full())
            }
            None => self.0.write_all_at(bytes, at),
        }
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        fails(&self.1.cut)?;
        self.0.cut(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        fails(&self.1.sync)?;
        self.0.sync()
    }

    fn is_at(&self, path: &Path, bytes: u64) -> io::Result<bool> {
        self.0.is_at(path, bytes)
    }

    fn renew(&self, from: u64, to: u64) -> io::Result<()> {
        self.0.renew(from, to)
    }
}

fn faulty(keeping: Keeping) -> (TempDir, PathBuf, Arc<Faulty>, Arc<Audit>, Pen) {
    let (outer, root) = root();
    let disk = Arc::new(Faulty::default());
    let medium = Arc::new(Shared(Arc::clone(&disk)));
    let audit = Audit::open_on(&root, keeping, medium, Writer::Service).unwrap();
    let mut pen = audit.pen().unwrap();
    write(&mut pen, 1..3);
    (outer, root, disk, audit, pen)
}

/// Notes that are lost, and the error they are lost with.
#[track_caller]
fn lost(pen: &mut Pen, audit: &Audit) -> AuditError {
    let failures = audit.counts().failures;
    let tickets = [note(pen, 7), note(pen, 8)];
    let error = pen.write().unwrap_err();
    assert!(tickets.iter().all(|ticket| ticket.fate() == Fate::Lost));
    assert_eq!(pen.pending(), 0);
    assert!(audit.is_failing() && audit.counts().failures > failures);
    error
}

#[test]
fn a_full_disk_loses_what_was_pending_and_the_chain_goes_on_afterwards() {
    for is_cut in [true, false] {
        for most in [0, 10, 60, usize::MAX] {
            let (_outer, root, disk, audit, mut pen) = faulty(LATER);
            *disk.write.lock() = Some(most);
            disk.cut.store(!is_cut, Ordering::Relaxed);
            for _ in 0..3 {
                let error = lost(&mut pen, &audit).to_string();
                assert!(error.contains("0-000001.audit"), "{error}");
            }
            if is_cut {
                intact(&root);
            }
            // There is room again, but the file cannot be cut yet.
            *disk.write.lock() = None;
            if !is_cut {
                lost(&mut pen, &audit);
                disk.cut.store(false, Ordering::Relaxed);
            }
            write(&mut pen, 3..5);
            assert!(!audit.is_failing());
            drop((pen, audit));
            intact(&root);
            assert_eq!(
                seen(&root, Wanted::default()).unwrap(),
                [1, 2, 3, 4],
                "{most}"
            );
        }
    }
}

#[test]
fn a_file_that_cannot_be_begun_is_begun_later() {
    let (_outer, root, disk, audit, mut pen) = faulty(Keeping {
        file_bytes: 340,
        ..LATER
    });
    disk.begin.store(true, Ordering::Relaxed);
    lost(&mut pen, &audit);
    // A block that would still fit into the file before comes after the new one all the same.
    pen.note(&Entry {
        at: Micros::now(),
        consumer: None,
        via: None,
        service: "s",
        profile: None,
        unrestricted: false,
        answer: "ok",
        asked: &[],
        shown: &[],
        query: None,
        correlation: None,
        sequence: None,
    });
    assert!(pen.write().is_err());
    intact(&root);
    disk.begin.store(false, Ordering::Relaxed);
    // A new file that cannot be written in stays, and is written in later.
    *disk.write.lock() = Some(30);
    lost(&mut pen, &audit);
    *disk.write.lock() = None;
    write(&mut pen, 3..6);
    drop((pen, audit));
    intact(&root);
    assert_eq!(seen(&root, Wanted::default()).unwrap(), [1, 2, 3, 4, 5]);
}

#[test]
fn nothing_is_written_until_a_failed_flush_is_made_good() {
    let (_outer, root, disk, audit, mut pen) = faulty(LATER);
    disk.sync.store(true, Ordering::Relaxed);
    assert!(!audit.settle());
    assert!(matches!(lost(&mut pen, &audit), AuditError::Doubtful(0)));
    assert!(!audit.settle());
    disk.sync.store(false, Ordering::Relaxed);
    disk.replace.store(true, Ordering::Relaxed);
    assert!(!audit.settle(), "the head is not replaced");
    // Only the head is behind.
    write(&mut pen, 3..4);
    disk.replace.store(false, Ordering::Relaxed);
    assert!(audit.is_failing() && audit.settle() && !audit.is_failing());
    let anchor = audit.anchors()[0];
    drop((pen, audit));
    let known = Known {
        anchors: vec![anchor],
        ..Known::default()
    };
    assert!(verify(&root, &known).unwrap().is_intact());
    assert_eq!(seen(&root, Wanted::default()).unwrap(), [1, 2, 3]);
}

#[test]
fn a_file_is_not_left_before_it_is_on_the_disk() {
    let keeping = Keeping {
        file_bytes: 340,
        ..LATER
    };
    let (_outer, root, disk, audit, mut pen) = faulty(keeping);
    disk.sync.store(true, Ordering::Relaxed);
    assert!(matches!(lost(&mut pen, &audit), AuditError::Io { .. }));
    disk.sync.store(false, Ordering::Relaxed);
    assert!(matches!(lost(&mut pen, &audit), AuditError::Doubtful(0)));
    assert!(audit.settle());
    // A new file in which nothing could be written yet: the head does not tell of it.
    *disk.write.lock() = Some(0);
    lost(&mut pen, &audit);
    assert!(audit.settle());
    intact(&root);
    *disk.write.lock() = None;
    write(&mut pen, 3..5);
    drop((pen, audit));
    intact(&root);
    assert_eq!(seen(&root, Wanted::default()).unwrap(), [1, 2, 3, 4]);
}

#[test]
fn with_a_flush_before_every_write_returns_a_failed_flush_is_a_failed_write() {
    let (_outer, root, disk, audit, mut pen) = faulty(Keeping {
        sync: Duration::ZERO,
        ..LATER
    });
    let syncs = audit.counts().syncs;
    write(&mut pen, 3..4);
    assert!(audit.counts().syncs > syncs);
    disk.sync.store(true, Ordering::Relaxed);
    let error = lost(&mut pen, &audit);
    assert!(matches!(
        error,
        AuditError::Io { .. } | AuditError::Doubtful(_)
    ));
    disk.sync.store(false, Ordering::Relaxed);
    assert!(audit.settle());
    write(&mut pen, 4..5);
    drop((pen, audit));
    intact(&root);
    assert_eq!(seen(&root, Wanted::default()).unwrap(), [1, 2, 3, 4]);
}

#[test]
fn an_entry_that_is_too_large_is_lost_and_the_others_are_not() {
    let (_outer, root) = root();
    let audit = Audit::open(&root, LATER).unwrap();
    let mut pen = audit.pen().unwrap();
    let small = note(&mut pen, 1);
    let many = vec![person(2); crate::base::limits::AUDIT_IDENTITIES + 1];
    let large = pen.note(&Entry {
        at: Micros::now(),
        consumer: None,
        via: None,
        service: "s",
        profile: None,
        unrestricted: true,
        answer: "ok",
        asked: &[],
        shown: &many,
        query: None,
        correlation: None,
        sequence: None,
    });
    assert_eq!((large.fate(), small.fate()), (Fate::Lost, Fate::Pending));
    pen.write().unwrap();
    assert_eq!((large.fate(), small.fate()), (Fate::Lost, Fate::Written));
    drop((pen, audit));
    assert_eq!(seen(&root, Wanted::default()).unwrap(), [1]);
}

/// What is wrong with an audit that is held against ends which the register's log knows: at a start,
/// and when it is verified.
fn held_against(root: &Path, ends: &[Anchor]) -> [Vec<String>; 2] {
    let known = Known {
        ends: ends.to_vec(),
        ..Known::default()
    };
    let told = |findings: Vec<Finding>| findings.iter().map(ToString::to_string).collect();
    let walked = verify(root, &known).unwrap().findings;
    [told(known::check(root, ends).unwrap()), told(walked)]
}

#[test]
fn what_the_log_knows_of_an_audit_is_missed_in_it() {
    let (outer, root) = root();
    let ends = {
        let audit = Audit::open(&root, LATER).unwrap();
        let (mut one, mut two) = (audit.pen().unwrap(), audit.pen().unwrap());
        write(&mut one, 0..5);
        write(&mut two, 0..3);
        assert!(audit.settle());
        let ends = audit.ends().unwrap();
        assert_eq!(ends.iter().map(|it| it.entry).collect::<Vec<_>>(), [6, 4]);
        write(&mut one, 5..9);
        drop(two);
        // A chain without a pen is told of by its head.
        assert_eq!(audit.ends().unwrap()[1].entry, 5);
        ends
    };
    assert_eq!(held_against(&root, &ends), [Vec::<String>::new(), vec![]]);
    assert_eq!(known::ends(&root).unwrap()[0].entry, 11);

    // Emptied while nobody looked: to itself an empty audit is intact.
    let away = outer.path().join("away");
    fs::rename(&root, &away).unwrap();
    let lost = |chain, known, there| {
        Lost {
            chain,
            known,
            there,
        }
        .to_string()
    };
    let all = vec![lost(0, 6, 0), lost(1, 4, 0)];
    let told = known::check(&root, &ends).unwrap();
    assert_eq!(
        told.iter().map(ToString::to_string).collect::<Vec<_>>(),
        all
    );
    drop(folder::take(&root, Writer::Service).unwrap());
    intact(&root);
    let [start, walked] = held_against(&root, &ends);
    assert_eq!((&start, walked.contains(&all[0])), (&all, true));
    assert!(start[0].contains("6 entries are missing"), "{start:?}");

    // Cut back to an earlier end, its head with it.
    let (_other, shorter) = self::root();
    let audit = Audit::open(&shorter, LATER).unwrap();
    write(&mut audit.pen().unwrap(), 0..1);
    drop(audit);
    let [start, walked] = held_against(&shorter, &ends[..1]);
    assert_eq!((start, walked), (vec![lost(0, 6, 3)], vec![lost(0, 6, 3)]));

    // Written anew, with as many entries.
    let (_other, anew) = self::root();
    let audit = Audit::open(&anew, LATER).unwrap();
    write(&mut audit.pen().unwrap(), 100..110);
    drop(audit);
    intact(&anew);
    let [start, walked] = held_against(&anew, &ends[..1]);
    assert!(
        start[0].contains("not the one that was written"),
        "{start:?}"
    );
    assert_eq!(start, walked);

    // The last chain removed, as if it had never been.
    for file in ["1-000001.audit", "1.head"] {
        fs::remove_file(away.join(file)).unwrap();
    }
    let [start, walked] = held_against(&away, &ends);
    assert_eq!(start, [lost(1, 4, 0)]);
    assert!(walked.contains(&start[0]), "{walked:?}");
}

#[test]
fn nothing_is_written_while_files_are_gone_or_others() {
    let (outer, root) = root();
    let audit = Audit::open(&root, LATER).unwrap();
    let mut pen = audit.pen().unwrap();
    drop(audit.pen().unwrap());
    write(&mut pen, 0..3);
    assert!(audit.settle() && audit.look());
    let refused = |pen: &mut Pen| {
        let ticket = note(pen, 9);
        assert!(matches!(pen.write(), Err(AuditError::Robbed(path)) if path == root));
        assert_eq!(ticket.fate(), Fate::Lost);
        assert!(audit.is_failing());
    };
    // Of the chain that is written, of one that is not, and the lock, without which others may write.
    for file in [
        "0-000001.audit",
        "0.head",
        "1-000001.audit",
        "1.head",
        ".lock",
    ] {
        let (path, away) = (root.join(file), outer.path().join("away"));
        fs::rename(&path, &away).unwrap();
        assert!(!audit.look(), "{file}");
        refused(&mut pen);
        fs::rename(&away, &path).unwrap();
        assert!(audit.look(), "{file}");
        write(&mut pen, 3..4);
        assert!(!audit.is_failing());
    }
    // A copy in its place is not the file that is written in.
    let path = root.join("0-000001.audit");
    let (away, copy) = (outer.path().join("away"), fs::read(&path).unwrap());
    fs::rename(&path, &away).unwrap();
    fs::write(&path, copy).unwrap();
    assert!(!audit.look());
    refused(&mut pen);
    fs::rename(&away, &path).unwrap();
    assert!(audit.look());
    // Nor is one that was shortened.
    let whole = fs::read(&path).unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(FILE_HEAD as u64)
        .unwrap();
    assert!(!audit.look());
    refused(&mut pen);
    fs::write(&path, whole).unwrap();
    assert!(audit.look());
    // The whole folder.
    let elsewhere = outer.path().join("elsewhere");
    fs::rename(&root, &elsewhere).unwrap();
    assert!(!audit.look());
    refused(&mut pen);
    fs::rename(&elsewhere, &root).unwrap();
    assert!(audit.look());
    write(&mut pen, 4..6);
    drop((pen, audit));
    intact(&root);
}

#[test]
fn what_root_writes_belongs_to_the_owner_of_the_register() {
    use std::os::unix::fs::MetadataExt;
    const SERVICE: u32 = 65_534;
    let (outer, root) = root();
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let service = Some(nix::unistd::Uid::from_raw(SERVICE));
    nix::unistd::chown(outer.path(), service, None).unwrap();
    let audit = Audit::open_for_operator(&root, LATER).unwrap();
    write(&mut audit.pen().unwrap(), 0..3);
    drop(audit);
    for entry in fs::read_dir(&root).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().uid(), SERVICE, "{entry:?}");
    }
    assert_eq!(fs::metadata(&root).unwrap().uid(), SERVICE);
}

#[test]
fn what_the_operator_reads_has_a_chain_beside_those_of_a_service() {
    let (_outer, root) = root();
    // Alone, beside a service, and after it.
    let by_operator = |number| {
        let audit = Audit::open_for_operator(&root, LATER).unwrap();
        let mut pen = audit.pen().unwrap();
        assert_eq!(pen.chain(), folder::OPERATOR);
        write(&mut pen, number..number + 1);
    };
    by_operator(1);
    intact(&root);
    let service = Audit::open(&root, LATER).unwrap();
    let mut pen = service.pen().unwrap();
    write(&mut pen, 2..4);
    by_operator(4);
    write(&mut pen, 5..6);
    assert!(service.settle() && service.look());
    let ends = service.ends().unwrap();
    let known: Vec<_> = ends.iter().map(|it| (it.chain, it.entry)).collect();
    assert_eq!(known, [(0, 4), (folder::OPERATOR, 6)]);
    drop((pen, service));
    by_operator(6);
    assert_eq!(intact(&root).chains.len(), 2);
    assert_eq!(seen(&root, Wanted::default()).unwrap(), [1, 2, 3, 4, 5, 6]);
    // It is missed like any other.
    for file in [
        folder::file(&root, folder::OPERATOR, 1),
        folder::head(&root, folder::OPERATOR),
    ] {
        fs::remove_file(file).unwrap();
    }
    intact(&root);
    let [start, walked] = held_against(&root, &ends);
    assert!(start[0].contains("6 entries are missing"), "{start:?}");
    assert_eq!(start, walked);
}

#[test]
fn a_damaged_chain_is_in_the_way_before_anybody_asks() {
    let (_outer, root) = root();
    {
        let audit = Audit::open(&root, LATER).unwrap();
        let mut pen = audit.pen().unwrap();
        write(&mut pen, 1..3);
    }
    let path = folder::file(&root, 0, 1);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let audit = Audit::open(&root, LATER).unwrap();
    audit.prepare(2);
    assert_eq!(audit.ask(), Err(Hindrance::Damaged));
    assert!(audit.is_failing() && audit.is_damaged());
    // Put back, it is taken without a restart.
    fs::write(&path, &whole).unwrap();
    assert_eq!(audit.ask(), Ok(()));
    assert!(!audit.is_failing() && !audit.is_damaged());
    let mut pen = audit.pen().unwrap();
    assert_eq!(pen.chain(), 0);
    write(&mut pen, 3..5);
    // The next chain is a new one: nothing was made for it before.
    assert!(!folder::head(&root, 1).exists());
    assert_eq!(audit.pen().unwrap().chain(), 1);
    drop((pen, audit));
    intact(&root);
    assert_eq!(seen(&root, Wanted::default()).unwrap(), [1, 2, 3, 4]);
}

#[test]
fn what_is_in_the_way_is_told_by_its_kind_and_goes_by_itself() {
    let (_outer, root, disk, audit, mut pen) = faulty(LATER);
    assert_eq!(audit.ask(), Ok(()));
    disk.room.store(true, Ordering::Relaxed);
    assert_eq!(audit.ask(), Err(Hindrance::NoRoom));
    disk.room.store(false, Ordering::Relaxed);
    assert_eq!(audit.ask(), Ok(()));

    *disk.write.lock() = Some(0);
    lost(&mut pen, &audit);
    assert_eq!(audit.ask(), Err(Hindrance::Unwritten));
    assert!(pen.try_again().is_err());
    assert_eq!(audit.ask(), Err(Hindrance::Unwritten));
    *disk.write.lock() = None;
    // Nobody need ask for a person to find out.
    pen.try_again().unwrap();
    assert_eq!(audit.ask(), Ok(()));
    intact(&root);

    disk.sync.store(true, Ordering::Relaxed);
    write(&mut pen, 3..4);
    assert!(!audit.settle());
    assert_eq!(audit.ask(), Err(Hindrance::Unflushed));
    disk.sync.store(false, Ordering::Relaxed);
    assert!(audit.settle());

    let away = root.with_extension("away");
    fs::rename(&root, &away).unwrap();
    audit.look();
    assert_eq!(audit.ask(), Err(Hindrance::Robbed));
    fs::rename(&away, &root).unwrap();
    audit.look();
    audit.hold(true);
    assert_eq!(audit.ask(), Err(Hindrance::Unanchored));
    audit.hold(false);
    assert_eq!(audit.ask(), Ok(()));
    write(&mut pen, 4..6);
    drop((pen, audit));
    intact(&root);
}
