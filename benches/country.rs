//! What grows with the register: lookups here and there in all of it, batches of 500, and opening a
//! snapshot. Each beside what memory itself takes for the same, in the same run.
//!
//! `REGISTER=DIR cargo bench --bench country` measures on a register of any size (default: the
//! demo's), for instance what `pu generate --out DIR/` wrote.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs
)]

mod register;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use pu::person::identity::{Formats, Identity};
use pu::store::map::Map;
use pu::store::state::open_newest;
use pu::wire::soap::Scratch;

use register::{Asked, Bench, build, request};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Persons in one request of a batch.
const BATCH: usize = 500;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let folder = std::env::var_os("REGISTER").map_or_else(build, PathBuf::from);
    let bench = Bench::over(&folder);
    let mut walk = Walk { at: 1 };
    let mut identities = bench.identities();
    walk.shuffle(&mut identities);
    let (rounds, turns) = if quick { (1, 1) } else { (9, 40) };
    println!(
        "{} persons, {} asked for; nanoseconds a person, medians of {rounds} rounds",
        bench.snapshot().len(),
        identities.len()
    );
    println!("{:<44} {:>9} {:>9} {:>7}", "", "pu", "floor", "ratio");

    let map = Map::open(bench.snapshot().path()).unwrap();
    let mut from = 0;
    compare(
        rounds,
        "lookup, one after the other : pointer chase",
        || {
            let steps = 5_000 * turns;
            let lookups = time(steps, || look_up(&bench, &identities, from, steps));
            from += 2 * steps;
            (lookups, time(steps, || walk.chase(&map, steps)))
        },
    );

    let asked = Asked {
        major: 5,
        profile: "P3",
        count: BATCH,
    };
    let mut scratch = Scratch::default();
    let mut copy = vec![0; 16 << 20];
    let mut turn = 0;
    compare(rounds, "500 persons P3 v5 : their records copied", || {
        let requests: Vec<String> = (0..turns)
            .map(|at| request(&bench, &asked, (turn + at) * BATCH))
            .collect();
        turn += turns;
        // The shape of the request is known, as it is to a service.
        bench.answer(&asked, &requests[0], &mut scratch);
        let answers = time(turns * BATCH, || {
            for request in &requests {
                black_box(bench.answer(&asked, request, &mut scratch));
            }
        });
        let copies = time(turns * BATCH, || {
            for _ in 0..turns {
                black_box(walk.copy_records(&bench, BATCH, &mut copy));
            }
        });
        (answers, copies)
    });

    let formats = Formats::standard();
    compare(rounds, "snapshot opened and asked : file mapped", || {
        let opened = time(1, || {
            black_box(open_newest(&folder, &formats).unwrap().unwrap());
        });
        let path = bench.snapshot().path();
        (
            opened,
            time(1, || drop(black_box(Map::open(path).unwrap()))),
        )
    });
}

/// Prints the medians of what `round` measures, ours and the floor's, and of their ratios.
fn compare(rounds: usize, name: &str, mut round: impl FnMut() -> (f64, f64)) {
    let all: Vec<(f64, f64)> = (0..rounds).map(|_| round()).collect();
    let median = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = all.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!(
        "{name:<44} {:>9.1} {:>9.1} {:>7.2}",
        median(&|(ours, _)| *ours),
        median(&|(_, floor)| *floor),
        median(&|(ours, floor)| ours / floor),
    );
}

/// Nanoseconds for each of so many.
fn time(count: usize, run: impl FnOnce()) -> f64 {
    let began = Instant::now();
    run();
    began.elapsed().as_nanos() as f64 / count as f64
}

/// Lookups of people in turn; each waits for the one before, which says where the next one stands.
fn look_up(bench: &Bench, identities: &[Identity], from: usize, steps: usize) {
    let mut at = from;
    for _ in 0..steps {
        let identity = identities[at % identities.len()];
        let found = bench.find(identity).unwrap();
        // A person whose main identity answers is not found under the same one.
        at = at + 1 + usize::from(found.key() == identity.key());
    }
}

/// A way through memory that nobody can foresee.
struct Walk {
    at: u64,
}

impl Walk {
    /// The next place of so many; `found` is what was found at the last one.
    fn next(&mut self, found: u64, places: usize) -> usize {
        let at = self.at.wrapping_add(found);
        self.at = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (at >> 29);
        ((u128::from(self.at) * places as u128) >> 64) as usize
    }

    /// Puts identities in an order that nobody can foresee.
    fn shuffle(&mut self, identities: &mut [Identity]) {
        for last in (1..identities.len()).rev() {
            let with = self.next(1, last + 1);
            identities.swap(last, with);
        }
    }

    /// Bytes of the register's own map, so with its pages; each says where the next one is.
    fn chase(&mut self, map: &Map, steps: usize) {
        let bytes = map.bytes();
        let mut found = 0;
        for _ in 0..steps {
            found = bytes[self.next(u64::from(found), bytes.len())];
        }
        black_box(found);
    }

    /// Copies records from anywhere, by their places.
    fn copy_records(&mut self, bench: &Bench, count: usize, to: &mut [u8]) -> usize {
        let snapshot = bench.snapshot();
        let mut len = 0;
        for _ in 0..count {
            let ordinal = self.next(1, snapshot.len() as usize);
            let record = snapshot.record(ordinal as u64).unwrap().unwrap();
            to[len..len + record.len()].copy_from_slice(record);
            len += record.len();
        }
        len
    }
}
