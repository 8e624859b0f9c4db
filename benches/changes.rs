//! Changing the register: what a change costs until it is on the disk and visible, and what it costs
//! those who read meanwhile. The disk's own rate is measured beside it, in the same run.
//!
//! `PU_BENCH_PERSONS` gives the size of the register for compaction and for reading while importing
//! (default: the demo register).

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod register;

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossbeam::channel::bounded;
use pu::base::time::Moment;
use pu::feed::generate::{demo_population, synthetic_population};
use pu::person::identity::{Formats, Identity};
use pu::person::record::RecordRef;
use pu::person::view::{Grant, Profile, ProtectionRules};
use pu::query::lookup::{Follow, lookup};
use pu::register::import::Import;
use pu::register::online::{Online, Wanted};
use pu::register::post::Post;
use pu::store::commit::Draft;
use pu::store::entry::Origin;
use pu::store::live::Live;
use pu::store::log::segments::Keeping;
use pu::store::overlay::Overlay;
use pu::store::state::{self, State, open_newest};

use register::build;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes written per entry when the disk alone is measured.
const ENTRY: usize = 900;

/// Posts in one commit of a file.
const BATCH: usize = 500;

/// A register at work in a folder of its own, over the snapshot in `base`.
struct Work {
    live: Live,
    formats: Formats,
    folder: tempfile::TempDir,
}

impl Work {
    fn over(base: &Path) -> Self {
        let formats = Formats::standard();
        let folder = tempfile::tempdir_in(base.parent().unwrap()).unwrap();
        let newest = pu::store::folder::newest(base).unwrap().unwrap().path;
        fs::hard_link(&newest, folder.path().join(newest.file_name().unwrap())).unwrap();
        let clock = Arc::new(Moment::now);
        let live = Live::open(folder.path(), &formats, Keeping::default(), 3, clock).unwrap();
        Self {
            live,
            formats,
            folder,
        }
    }

    fn online(&self) -> Online<'_> {
        Online::new(&self.live, &self.formats, Arc::new(|_| true))
    }
}

/// A register of invented persons, or the demo's.
fn large() -> PathBuf {
    let Ok(persons) = std::env::var("PU_BENCH_PERSONS") else {
        return build();
    };
    let folder = build().with_file_name(format!("bench-changes-{persons}"));
    if folder.is_dir() {
        return folder;
    }
    let formats = Formats::standard();
    let part = tempfile::tempdir_in(folder.parent().unwrap()).unwrap();
    let at = Moment::parse("2025-01-07T06:00:00").unwrap();
    let mut run = Import::new(part.path(), None, &formats, at, |_| true).unwrap();
    for settlers in synthetic_population(&formats, persons.parse().unwrap(), 1) {
        for post in settlers.settle().posts() {
            run.post(&post).unwrap();
        }
    }
    run.finish(|_| {}).unwrap();
    fs::rename(part.keep(), &folder).unwrap();
    folder
}

/// Posts about people of the demo register, each time newer than before.
struct Posts {
    posts: Vec<Post>,
    next: usize,
}

impl Posts {
    fn of_the_demo() -> Self {
        let posts = demo_population(&Formats::standard(), 1).posts().collect();
        Self { posts, next: 0 }
    }

    fn batch(&mut self, count: usize) -> Vec<Wanted> {
        let one = |_| {
            let number = self.next;
            self.next += 1;
            let mut post = self.posts[number * 7919 % self.posts.len()].clone();
            let (high, low) = (number / 1_000, number % 1_000);
            post.post_id = Some(format!(
                "2099.{:03}.{:03}.{low:03}",
                high / 1_000,
                high % 1_000
            ));
            Wanted::Post(post)
        };
        (0..count).map(one).collect()
    }
}

/// A file as the log makes it, to be written in and flushed.
struct Floor {
    file: File,
    at: u64,
    block: Vec<u8>,
}

impl Floor {
    const BYTES: u64 = 32 << 20;

    fn new(folder: &Path, bytes: usize) -> Self {
        let path = folder.join("floor");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .unwrap();
        let zeros = vec![0; 1 << 20];
        for at in (0..Self::BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at).unwrap();
        }
        file.sync_all().unwrap();
        Self {
            file,
            at: 0,
            block: vec![7; bytes],
        }
    }

    fn flush(&mut self) {
        if self.at + self.block.len() as u64 > Self::BYTES {
            self.at = 0;
        }
        self.file.write_all_at(&self.block, self.at).unwrap();
        self.file.sync_data().unwrap();
        self.at += self.block.len() as u64;
    }
}

fn commits(criterion: &mut Criterion) {
    let work = Work::over(&build());
    let state = work.live.store.keep();
    let records: Vec<Vec<u8>> = state
        .snapshot()
        .records()
        .take(5_000)
        .map(|it| it.unwrap().to_vec())
        .collect();
    let mut next = (0..records.len()).cycle();
    let committer = &work.live.committer;
    for (name, count) in [("commit_one", 1), ("commit_grouped_64", 64)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function("to the disk and visible", |b| {
            b.iter(|| {
                let (told, wait) = bounded(count);
                for _ in 0..count {
                    let (record, told) = (records[next.next().unwrap()].clone(), told.clone());
                    let work = |draft: &mut Draft| {
                        draft.commit(Origin::default(), vec![record], Vec::new())
                    };
                    committer
                        .submit(work, move |made| told.send(made.is_ok()).unwrap())
                        .unwrap();
                }
                (0..count).for_each(|_| assert!(wait.recv().unwrap()));
            });
        });
        let mut floor = Floor::new(work.folder.path(), count * ENTRY);
        group.bench_function("the disk alone", |b| b.iter(|| floor.flush()));
        group.finish();
    }
}

fn apply_notification_file(criterion: &mut Criterion) {
    let work = Work::over(&build());
    let (online, mut posts) = (work.online(), Posts::of_the_demo());
    let mut group = criterion.benchmark_group("apply_notification_file");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.sample_size(20);
    group.bench_function("merged, on the disk, indexed, visible", |b| {
        b.iter_batched(
            || posts.batch(BATCH),
            |batch| {
                black_box(
                    online
                        .apply(batch, Origin::default(), "x", 0)
                        .unwrap()
                        .len(),
                )
            },
            criterion::BatchSize::LargeInput,
        );
    });
    let mut floor = Floor::new(work.folder.path(), BATCH * ENTRY);
    group.bench_function("the disk alone", |b| b.iter(|| floor.flush()));
    group.finish();
    let pulse = work.live.committer.pulse();
    let flushes = pulse.commits.load(Ordering::Relaxed).max(1);
    let micros = pulse.flush_micros.load(Ordering::Relaxed) / flushes;
    println!("flush: {micros} microseconds of each batch");
    let state = work.live.store.pin();
    let (records, keys) = state.overlay().bytes();
    // Nobody has changed when another benchmark was asked for.
    let persons = state.overlay().len().max(1);
    println!(
        "overlay: {persons} persons, {} bytes of record and {} of search keys each",
        records / persons,
        keys / persons
    );
}

fn look_up(state: &State, identity: Identity) -> bool {
    let grant = Grant::restricted(Profile::P3, ProtectionRules::STANDARD);
    lookup(state, identity, &grant, Follow::MainIdentity)
        .unwrap()
        .is_some()
}

/// Lookups one after another, each timed, for a while: median, 99th and 99.9th percentile.
fn percentiles(live: &Live, identities: &[Identity], long: Duration) -> [Duration; 3] {
    let began = Instant::now();
    let mut times = Vec::with_capacity(1 << 22);
    let mut at = 0_usize;
    while began.elapsed() < long {
        for _ in 0..64 {
            at = (at + 7919) % identities.len();
            let one = Instant::now();
            black_box(look_up(&live.store.pin(), identities[at]));
            times.push(one.elapsed());
        }
    }
    times.sort_unstable();
    [500, 990, 999].map(|part| times[times.len() * part / 1000])
}

fn get_person_while_importing(_: &mut Criterion) {
    let work = Work::over(&large());
    let state = work.live.store.keep();
    let all = state.snapshot().records().step_by(3);
    let identities: Vec<Identity> = all
        .map(|it| RecordRef::open(it.unwrap()).unwrap().identity())
        .collect();
    let long = Duration::from_secs(2);
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    let mut applied = 0;
    for _ in 0..3 {
        idle.push(percentiles(&work.live, &identities, long));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let begin = applied;
            let (work, stop) = (&work, &stop);
            let importing = scope.spawn(move || {
                let (online, mut posts) = (work.online(), Posts::of_the_demo());
                posts.next = begin;
                while !stop.load(Ordering::Relaxed) {
                    online
                        .apply(posts.batch(BATCH), Origin::default(), "x", 0)
                        .unwrap();
                }
                posts.next
            });
            busy.push(percentiles(&work.live, &identities, long));
            stop.store(true, Ordering::Relaxed);
            applied = importing.join().unwrap();
        });
    }
    println!("get_person_while_importing: {applied} posts applied in 3 x {long:?}");
    for (name, of) in [("idle", idle), ("importing", busy)] {
        for [median, p99, p999] in of {
            println!("  {name:<10} median {median:?}, p99 {p99:?}, p99.9 {p999:?}");
        }
    }
}

/// Lookups over an overlay that holds none, a hundredth and a tenth of the persons.
fn get_person_of_a_changing_register(criterion: &mut Criterion) {
    let snapshot = Arc::new(
        open_newest(&large(), &Formats::standard())
            .unwrap()
            .unwrap(),
    );
    snapshot.verify(|_, _| {}).unwrap();
    let all: Vec<Identity> = snapshot
        .records()
        .map(|it| RecordRef::open(it.unwrap()).unwrap().identity())
        .collect();
    let mut group = criterion.benchmark_group("get_person_of_a_changing_register");
    for (name, step) in [
        ("nobody changed", 0),
        ("1 % changed", 100),
        ("10 % changed", 10),
    ] {
        let changed: Vec<Box<[u8]>> = match step {
            0 => Vec::new(),
            step => snapshot
                .records()
                .step_by(step)
                .map(|it| it.unwrap().into())
                .collect(),
        };
        let overlay = Overlay::of(changed).unwrap();
        let state = State::with_overlay(Arc::clone(&snapshot), overlay, 9).unwrap();
        let mut at = 0_usize;
        group.bench_function(name, |b| {
            b.iter(|| {
                at = (at + 7919) % all.len();
                black_box(look_up(&state, all[at]))
            });
        });
    }
    group.finish();
}

fn compaction(criterion: &mut Criterion) {
    let work = Work::over(&large());
    let (online, mut posts) = (work.online(), Posts::of_the_demo());
    let persons = work.live.store.pin().snapshot().len();
    let mut group = criterion.benchmark_group("compaction");
    group.throughput(Throughput::Elements(persons));
    group.sample_size(10);
    group.bench_function(format!("{persons} persons"), |b| {
        b.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                online
                    .apply(posts.batch(BATCH), Origin::default(), "x", 0)
                    .unwrap();
                let began = Instant::now();
                work.live.compact().unwrap();
                took += began.elapsed();
            }
            took
        });
    });
    group.finish();
}

fn recover_log(criterion: &mut Criterion) {
    const ENTRIES: usize = 20_000;
    let Work {
        live,
        formats,
        folder,
    } = Work::over(&build());
    {
        let mut posts = Posts::of_the_demo();
        let online = Online::new(&live, &formats, Arc::new(|_| true));
        for _ in 0..ENTRIES / BATCH {
            online
                .apply(posts.batch(BATCH), Origin::default(), "x", 0)
                .unwrap();
        }
    }
    drop(live);
    let mut group = criterion.benchmark_group("recover_log");
    group.throughput(Throughput::Elements(ENTRIES as u64));
    group.sample_size(10);
    group.bench_function(format!("{ENTRIES} entries"), |b| {
        b.iter(|| {
            black_box(
                state::open(folder.path(), &formats)
                    .unwrap()
                    .unwrap()
                    .sequence(),
            )
        });
    });
    group.finish();
}

criterion_group!(
    changes,
    commits,
    apply_notification_file,
    get_person_while_importing,
    get_person_of_a_changing_register,
    compaction,
    recover_log
);
criterion_main!(changes);
