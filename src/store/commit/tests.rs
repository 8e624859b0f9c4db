//! The committer and compaction: grouping, failures, readers that keep what they pinned.

use std::path::Path;
use std::sync::atomic::AtomicU64 as Counter;
use std::time::Duration;

use super::*;
use crate::person::edit::Person;
use crate::person::edit::tests::identity;
use crate::person::field::{Field, schema_hash};
use crate::person::identity::Formats;
use crate::person::value::Value;
use crate::store::clock::Clock;
use crate::store::folder;
use crate::store::live::Live;
use crate::store::log::forgetful::Forgetful;
use crate::store::log::segments::{Keeping, Segments};
use crate::store::log::{Entries, ReadError};
use crate::store::state::{self, RegisterError, formats_to_bytes, log_folder};
use crate::store::witness::{self, Testimony};
use crate::store::write::{About, SnapshotWriter};

const SURNAME: Field = Field::at("name/surname");
const PEOPLE: [&str; 3] = ["191212121212", "22790814AA01", "22950606FH20"];

fn named(who: &str, name: &str) -> Vec<u8> {
    let mut person = Person::new(identity(who), &Formats::standard());
    person.set(SURNAME, Value::from(name));
    person.to_record().unwrap()
}

fn surname(state: &State, who: &str) -> Option<String> {
    let record = state.record(identity(who)).unwrap()?;
    let person = Person::from_record(record).unwrap();
    Some(person.text(SURNAME).unwrap().to_owned())
}

fn clock() -> Clock {
    Arc::new(|| Moment::parse("2025-01-07T06:00:00").unwrap())
}

fn empty_register(folder: &Path) {
    let about = About {
        schema_hash: schema_hash(),
        sequence: 1,
        created: clock()().date_time,
    };
    let writer = SnapshotWriter::create(folder, &folder::name_of(1), about).unwrap();
    writer
        .finish(&formats_to_bytes(&Formats::standard()), b"")
        .unwrap();
}

fn open(folder: &Path) -> Live {
    Live::open(folder, &Formats::standard(), Keeping::default(), 2, clock()).unwrap()
}

fn name(live: &Live, who: &'static str, name: &str) -> Result<Arc<State>, CommitError> {
    let record = named(who, name);
    let work = |draft: &mut Draft| draft.commit(Origin::default(), vec![record], Vec::new());
    let (committed, state) = live.committer.wait(work)?;
    committed.map(|_| state)
}

#[test]
fn what_was_told_is_visible_and_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    empty_register(folder.path());
    let live = open(folder.path());
    let first = name(&live, PEOPLE[0], "Ett").unwrap();
    let second = name(&live, PEOPLE[0], "Två").unwrap();
    assert_eq!(
        surname(&first, PEOPLE[0]).unwrap(),
        "Ett",
        "a pinned state stays"
    );
    assert_eq!(surname(&second, PEOPLE[0]).unwrap(), "Två");
    assert_eq!(live.store.pin().sequence(), 3);
    drop(live);
    let live = open(folder.path());
    let state = live.store.pin();
    assert_eq!(
        (surname(&state, PEOPLE[0]).unwrap(), state.sequence()),
        ("Två".to_owned(), 3)
    );
    let reader = state::open(folder.path(), &Formats::standard())
        .unwrap()
        .unwrap();
    assert_eq!(surname(&reader, PEOPLE[0]).unwrap(), "Två");
}

#[test]
fn those_who_wait_share_a_flush() {
    let folder = tempfile::tempdir().unwrap();
    empty_register(folder.path());
    let live = open(folder.path());
    let (go, wait) = bounded::<()>(0);
    let busy = move |_: &mut Draft| wait.recv().is_ok();
    live.committer.submit(busy, |_| ()).unwrap();
    let told = Arc::new(Counter::new(0));
    for count in 0..64 {
        let record = named(PEOPLE[0], &format!("Nummer{count}"));
        let told = Arc::clone(&told);
        let work = |draft: &mut Draft| draft.commit(Origin::default(), vec![record], Vec::new());
        let done = move |made: Result<_, CommitError>| {
            assert!(made.is_ok());
            told.fetch_add(1, Ordering::SeqCst);
        };
        live.committer.submit(work, done).unwrap();
    }
    go.send(()).unwrap();
    live.committer.wait(|_| ()).unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 64);
    let pulse = live.committer.pulse();
    assert_eq!(pulse.entries.load(Ordering::SeqCst), 64);
    assert!(pulse.commits.load(Ordering::SeqCst) <= 2);
}

#[test]
fn too_many_waiting_changes_are_sent_away() {
    let folder = tempfile::tempdir().unwrap();
    empty_register(folder.path());
    let live = open(folder.path());
    let (go, wait) = bounded::<()>(0);
    let (begun, begin) = bounded::<()>(0);
    let busy = move |_: &mut Draft| {
        begun.send(()).unwrap();
        assert!(wait.recv().is_err());
    };
    live.committer.submit(busy, |_| ()).unwrap();
    begin.recv().unwrap();
    for _ in 0..limits::WAITING_CHANGES {
        live.committer.submit(|_| (), |_| ()).unwrap();
    }
    let sent_away = live.committer.submit(|_| (), |_| ());
    assert!(matches!(sent_away, Err(CommitError::Busy)));
    drop(go);
    live.committer.wait(|_| ()).unwrap();
    live.committer.submit(|_| (), |_| ()).unwrap();
}

#[test]
fn a_work_that_fails_takes_nobody_with_it() {
    let folder = tempfile::tempdir().unwrap();
    empty_register(folder.path());
    let live = open(folder.path());
    let (go, wait) = bounded::<()>(0);
    live.committer
        .submit(move |_| wait.recv().is_ok(), |_| ())
        .unwrap();
    let commit = |who: &'static str, fails: bool| {
        let record = named(who, "Namn");
        let work = move |draft: &mut Draft| {
            draft
                .commit(Origin::default(), vec![record], Vec::new())
                .unwrap();
            assert!(!fails, "as it should");
        };
        live.committer.submit(work, |_| ()).unwrap();
    };
    commit(PEOPLE[0], false);
    commit(PEOPLE[1], true);
    commit(PEOPLE[2], false);
    go.send(()).unwrap();
    let (failed, state) = live.committer.wait(|_| ()).unwrap();
    let there = PEOPLE.map(|who| surname(&state, who).is_some());
    assert_eq!((failed, there), ((), [true, false, true]));
    let alone = live
        .committer
        .wait(|_| assert!(std::hint::black_box(false)));
    assert!(matches!(alone, Err(CommitError::Failed)));
    drop(live);
    let state = state::open(folder.path(), &Formats::standard())
        .unwrap()
        .unwrap();
    assert_eq!(PEOPLE.map(|who| surname(&state, who).is_some()), there);
    assert_eq!(state.sequence(), 3);
}

/// A log that fails when told.
struct Failing(AtomicBool);

impl Log for Failing {
    fn append(&self, entries: &[Vec<u8>], expected: u64) -> Result<u64, AppendError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(AppendError::Failed("the disk failed".to_owned()));
        }
        Ok(expected + entries.len() as u64)
    }
    fn read_from(&self, _: u64) -> Result<Entries<'_>, ReadError> {
        Ok(Box::new(std::iter::empty()))
    }
    fn first(&self) -> u64 {
        1
    }
    fn last(&self) -> u64 {
        1
    }
    fn trim(&self, _: u64) -> std::io::Result<()> {
        Ok(())
    }
    fn bytes(&self) -> u64 {
        0
    }
}

#[test]
fn what_the_log_does_not_take_is_not_seen() {
    let folder = tempfile::tempdir().unwrap();
    empty_register(folder.path());
    let state = state::open(folder.path(), &Formats::standard())
        .unwrap()
        .unwrap();
    let (store, log) = (
        Arc::new(Store::new(state)),
        Arc::new(Failing(AtomicBool::new(false))),
    );
    let their: Arc<dyn Log> = log.clone();
    let time = Timekeeper::new(clock());
    let committer = Committer::start(Arc::clone(&store), their, time, None).unwrap();
    let name = |who: &'static str| {
        let record = named(who, "Namn");
        committer.wait(|draft| draft.commit(Origin::default(), vec![record], Vec::new()))
    };
    name(PEOPLE[0]).unwrap().0.unwrap();
    log.0.store(true, Ordering::SeqCst);
    assert!(matches!(name(PEOPLE[1]), Err(CommitError::Log(_))));
    assert!(committer.pulse().failed.load(Ordering::SeqCst));
    let seen = PEOPLE.map(|who| surname(&store.pin(), who).is_some());
    assert_eq!((seen, store.pin().sequence()), ([true, false, false], 2));
}

#[test]
fn a_snapshot_takes_the_place_of_what_it_holds_while_changes_go_on() {
    let folder = tempfile::tempdir().unwrap();
    empty_register(folder.path());
    let live = Arc::new(open(folder.path()));
    for round in 0..6 {
        name(&live, PEOPLE[round % 2], &format!("Före{round}")).unwrap();
        let pinned = live.store.keep();
        let before = PEOPLE.map(|who| surname(&pinned, who));
        let writer = {
            let live = Arc::clone(&live);
            std::thread::spawn(move || {
                for count in 0..20 {
                    name(&live, PEOPLE[2], &format!("Under{count}")).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
        };
        let reader = std::thread::spawn({
            let (pinned, before) = (Arc::clone(&pinned), before.clone());
            move || assert_eq!(PEOPLE.map(|who| surname(&pinned, who)), before)
        });
        reader.join().unwrap();
        live.compact().unwrap();
        let after = PEOPLE.map(|who| surname(&pinned, who));
        assert_eq!(after, before, "a reader keeps what it pinned");
        writer.join().unwrap();
        let state = live.store.keep();
        assert_eq!(state.sequence(), 1 + 21 * (round as u64 + 1));
        assert!(state.snapshot().sequence() > 1);
        assert!(!state.overlay().has_frozen());
        assert_eq!(
            surname(&state, PEOPLE[round % 2]).unwrap(),
            format!("Före{round}")
        );
        assert_eq!(surname(&state, PEOPLE[2]).unwrap(), "Under19");
        let reader = state::open(folder.path(), &Formats::standard())
            .unwrap()
            .unwrap();
        assert_eq!(
            PEOPLE.map(|who| surname(&reader, who)),
            PEOPLE.map(|who| surname(&state, who))
        );
    }
    assert!(
        folder::snapshots(folder.path()).unwrap().len() <= 2,
        "old ones are removed"
    );
}

#[test]
fn a_snapshot_that_cannot_be_written_changes_nothing_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    empty_register(folder.path());
    let live = open(folder.path());
    name(&live, PEOPLE[0], "Ett").unwrap();
    // A folder stands where the snapshot's name would.
    let taken = folder.path().join(folder::name_of(2));
    std::fs::create_dir_all(taken.join("x")).unwrap();
    live.compact().unwrap_err();
    name(&live, PEOPLE[0], "Två").unwrap();
    name(&live, PEOPLE[1], "Ny").unwrap();
    let both = |state: &State| [PEOPLE[0], PEOPLE[1]].map(|who| surname(state, who).unwrap());
    assert_eq!(both(&live.store.pin()), ["Två", "Ny"]);
    std::fs::remove_dir_all(&taken).unwrap();
    live.compact().unwrap();
    assert_eq!(
        live.store.pin().snapshot().sequence(),
        2,
        "what was frozen first"
    );
    assert_eq!(both(&live.store.pin()), ["Två", "Ny"]);
    live.compact().unwrap();
    assert_eq!(live.store.pin().snapshot().sequence(), 4);
    assert_eq!(both(&live.store.pin()), ["Två", "Ny"]);
    assert!(live.store.pin().overlay().is_empty());
}

#[test]
fn a_work_that_fails_beside_a_freeze_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    empty_register(folder.path());
    let live = Arc::new(open(folder.path()));
    name(&live, PEOPLE[0], "Ett").unwrap();
    let (go, wait) = bounded::<()>(0);
    live.committer
        .submit(move |_| assert!(wait.recv().is_err()), |_| ())
        .unwrap();
    let compacting = std::thread::spawn({
        let live = Arc::clone(&live);
        move || live.compact()
    });
    while live.committer.waiting() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let fails = |_: &mut Draft| assert!(std::hint::black_box(false), "as it should");
    live.committer.submit(fails, |_| ()).unwrap();
    drop(go);
    // Frozen or not: a snapshot is never said to hold what it lacks.
    let _ = compacting.join().unwrap();
    name(&live, PEOPLE[1], "Två").unwrap();
    live.compact().unwrap();
    drop(live);
    let state = state::open(folder.path(), &Formats::standard())
        .unwrap()
        .unwrap();
    let both = [PEOPLE[0], PEOPLE[1]].map(|who| surname(&state, who));
    assert_eq!(both, [Some("Ett".to_owned()), Some("Två".to_owned())]);
}

/// A register on a disk that forgets what was not flushed: its log and its witness.
fn on(
    disk: &Forgetful,
    folder: &Path,
) -> Result<(Arc<Store>, Committer, Testimony), RegisterError> {
    let testimony = witness::read(folder)?.unwrap_or_default();
    let snapshot = state::open_newest(folder, &Formats::standard())
        .unwrap()
        .unwrap();
    let mut state = State::of_snapshot(Arc::new(snapshot)).unwrap();
    let medium = || Arc::new(disk.clone());
    let small = Keeping {
        segment_bytes: 16 << 10,
        keep_bytes: 1 << 20,
    };
    let log = Segments::open_on(medium(), &log_folder(folder), schema_hash(), 1, small)?;
    state::replay(&mut state, log.read_from(2)?)?;
    let witness = Witness::open_on(medium(), folder, state.sequence(), None)?;
    let store = Arc::new(Store::new(state));
    let time = Timekeeper::new(clock());
    let committer = Committer::start(Arc::clone(&store), Arc::new(log), time, Some(witness));
    Ok((store, committer.unwrap(), testimony))
}

/// Commits by several callers at once until the power goes, again and again. Tells the first thing that
/// was acknowledged and is not there after that.
fn lost_in_power_cuts(disk: &Forgetful) -> Option<String> {
    const SERIES: u64 = 7;
    let folder = tempfile::tempdir().unwrap();
    empty_register(folder.path());
    let mut seed = 1_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed >> 33
    };
    let (mut acknowledged, mut issued) = (1, 0);
    for round in 0..60 {
        let (store, committer, testimony) = match on(disk, folder.path()) {
            Ok(opened) => opened,
            Err(error) => return Some(format!("round {round}: {error}")),
        };
        let there = store.pin().sequence();
        if there < acknowledged {
            return Some(format!("round {round}: {there} of {acknowledged} entries"));
        }
        if there < testimony.seen.flushed {
            return Some(format!("round {round}: the witness is ahead of the log"));
        }
        let witnessed = testimony
            .series
            .iter()
            .find(|(series, _)| *series == SERIES);
        if witnessed.map_or(0, |(_, next)| *next) < issued {
            return Some(format!("round {round}: a number was not witnessed"));
        }
        let newest = AtomicU64::new(acknowledged);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let issue = |draft: &mut Draft| {
                            let next = draft.state().sequence() + 1;
                            let note = Note::Issued {
                                series: SERIES,
                                next,
                            };
                            let record = named(
                                PEOPLE[(next % 3) as usize],
                                &"x".repeat(next as usize % 900 + 1),
                            );
                            draft.commit(Origin::default(), vec![record], vec![note])
                        };
                        let sequence = committer.wait(issue).unwrap().0.unwrap();
                        newest.fetch_max(sequence, Ordering::SeqCst);
                    }
                });
            }
        });
        acknowledged = newest.load(Ordering::SeqCst);
        issued = acknowledged;
        // Whatever was written and not flushed is there in part. What is closed is not flushed by it.
        drop(committer);
        let keeps = random() % 3;
        disk.cut_power(|| random() % 3 < keeps);
    }
    None
}

#[test]
fn what_is_acknowledged_was_flushed_before_and_witnessed() {
    assert_eq!(lost_in_power_cuts(&Forgetful::default()), None);
    // A disk that flushes nothing is found out by the same test.
    assert!(lost_in_power_cuts(&Forgetful::lying()).is_some());
}
