//! What it costs and saves to pack answers: how long an answer takes to be made and how long to be packed,
//! and its bytes before and after. Turns go round, so that all are measured side by side; medians.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a benchmark"
)]

mod register;

use std::hint::black_box;
use std::time::{Duration, Instant};

use pu::base::limits;
use pu::serve::coding::{Coding, packed};
use pu::wire::soap::Scratch;

use register::{Asked, Bench, request};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let began = Instant::now();
    let done = work();
    (began.elapsed(), done)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let turns = if quick { 2 } else { 400 };
    let bench = Bench::open();
    let mut scratch = Scratch::default();
    println!(
        "{:<10} {:>9} {:>11} {:<6} {:>9} {:>8} {:>9} {:>9}",
        "persons", "bytes", "answer µs", "coding", "bytes", "of them", "pack µs", "of answer"
    );
    for count in [1, 20, 500] {
        let asked = Asked {
            major: 5,
            profile: "P3",
            count,
        };
        let requests: Vec<String> = (0..64).map(|turn| request(&bench, &asked, turn)).collect();
        let mut made = Vec::new();
        let mut packing = Coding::ALL.map(|_| Vec::new());
        let (mut plain_bytes, mut packed_bytes) = (0, Coding::ALL.map(|_| 0));
        for turn in 0..turns {
            let request = &requests[turn % requests.len()];
            let (took, length) = timed(|| bench.answer(&asked, request, &mut scratch));
            made.push(took);
            plain_bytes += length;
            let plain = scratch.answer();
            for (place, coding) in Coding::ALL.into_iter().enumerate() {
                let (took, packed) = timed(|| black_box(packed(coding, plain)).unwrap());
                packing[place].push(took);
                packed_bytes[place] += packed.len();
            }
        }
        let made = median(made);
        for ((coding, times), bytes) in Coding::ALL.into_iter().zip(packing).zip(packed_bytes) {
            let took = median(times);
            let is_sent = plain_bytes / turns >= limits::PACKED_FROM;
            println!(
                "{count:<10} {:>9} {made:>11.1} {:<6} {:>9} {:>7.1}% {took:>9.1} {:>8.1}x{}",
                plain_bytes / turns,
                coding.name(),
                bytes / turns,
                100.0 * bytes as f64 / plain_bytes as f64,
                took / made,
                if is_sent { "" } else { "  (sent as it is)" },
            );
        }
    }
}
