//! Instructions of the hot operations, counted by callgrind: the same whatever else the machine does,
//! so that a change that costs something is seen in any test run.
//!
//! `pu-counted check` runs itself under valgrind, twice for each operation with different numbers of
//! turns; the difference is what a turn costs, and neither start nor register count. The counts are
//! compared with those in `recorded.tsv`. Time is never looked at.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the command line"
)]

mod operation;
mod twins;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::{Parser, Subcommand};

use operation::{ALIKE, OPERATIONS, Operation, Prepared, prepare};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error>;

/// Count the instructions of the hot operations, and compare them with what was recorded.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    wish: Wish,
}

#[derive(Subcommand)]
enum Wish {
    /// Compare with what was recorded; fails when an operation costs more than the margin allows
    Check {
        /// What was recorded
        #[arg(long, default_value = "loadtest/counted/recorded.tsv")]
        recorded: PathBuf,
        /// How much more an operation may cost, in per cent
        #[arg(long, default_value_t = 5)]
        margin: u64,
    },
    /// Record what the operations cost now
    Record {
        /// Where
        #[arg(long, default_value = "loadtest/counted/recorded.tsv")]
        recorded: PathBuf,
    },
    /// Perform one operation so many times: what callgrind is asked about
    #[command(hide = true)]
    Perform {
        register: PathBuf,
        operation: String,
        turns: usize,
    },
}

/// Turns that are not counted: the first ones find nothing ready.
const FIRST_TURNS: u64 = 20;

fn main() -> ExitCode {
    match run(Arguments::parse().wish) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(wish: Wish) -> Result<bool, Failure> {
    match wish {
        Wish::Check { recorded, margin } => check(&recorded, margin),
        Wish::Record { recorded } => {
            let counts = count_all()?;
            let mut out = String::new();
            for (name, count) in &counts {
                writeln!(out, "{name}\t{count}")?;
            }
            fs::write(&recorded, out)?;
            println!("{}: {} operations", recorded.display(), counts.len());
            Ok(true)
        }
        Wish::Perform {
            register,
            operation,
            turns,
        } => {
            let operation = OPERATIONS
                .iter()
                .find(|it| it.name == operation)
                .ok_or("no such operation")?;
            let mut prepared = Prepared::open(&register)?;
            for turn in 0..turns {
                (operation.perform)(&mut prepared, turn)?;
            }
            Ok(true)
        }
    }
}

fn check(recorded: &Path, margin: u64) -> Result<bool, Failure> {
    let text = fs::read_to_string(recorded)?;
    let known: Vec<(&str, u64)> = text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(name, count)| Some((name, count.parse().ok()?)))
        .collect();
    println!(
        "{:<34} {:>10} {:>10} {:>7}",
        "instructions", "recorded", "now", ""
    );
    let mut good = true;
    let counts = count_all()?;
    for &(name, count) in &counts {
        let before = known.iter().find(|(known, _)| *known == name);
        let verdict = verdict(before.map(|(_, count)| *count), count, margin);
        println!(
            "{name:<34} {:>10} {count:>10} {:>6.1}% {}",
            before.map_or(0, |(_, count)| *count),
            before.map_or(0.0, |(_, before)| change(*before, count)),
            verdict.word(),
        );
        good &= verdict.is_good();
    }
    for pair in ALIKE {
        let [one, other] = pair.map(|name| {
            let found = counts.iter().find(|(counted, _)| *counted == name);
            found.map_or(0, |(_, count)| *count)
        });
        if !is_alike(one, other) {
            println!(
                "{} costs {one}, {} {other}: it tells what is hidden",
                pair[0], pair[1]
            );
            good = false;
        }
    }
    if !good {
        println!("\nIf it is meant: pu-counted record, and say in the README why.");
    }
    Ok(good)
}

/// Whether two counts are one within three in a thousand.
fn is_alike(one: u64, other: u64) -> bool {
    one > 0 && one.abs_diff(other) * 1_000 <= one * 3
}

/// What a count says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Same,
    /// Recording it keeps the gain.
    Better,
    Worse,
    New,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Better => "better: record it",
            Self::Worse => "WORSE",
            Self::New => "NOT RECORDED",
        }
    }

    fn is_good(self) -> bool {
        matches!(self, Self::Same | Self::Better)
    }
}

fn verdict(before: Option<u64>, now: u64, margin: u64) -> Verdict {
    match before {
        None => Verdict::New,
        Some(before) if now * 100 > before * (100 + margin) => Verdict::Worse,
        Some(before) if now * 100 < before * (100 - margin.min(100)) => Verdict::Better,
        Some(_) => Verdict::Same,
    }
}

#[expect(clippy::cast_precision_loss, reason = "per cent, for people")]
fn change(before: u64, now: u64) -> f64 {
    (now as f64 / before.max(1) as f64 - 1.0) * 100.0
}

/// What every operation costs.
fn count_all() -> Result<Vec<(&'static str, u64)>, Failure> {
    let register = std::env::temp_dir().join(format!("pu-counted-{}", std::process::id()));
    fs::create_dir_all(&register)?;
    let counted = prepare(&register).and_then(|()| {
        let each = OPERATIONS
            .iter()
            .map(|it| Ok((it.name, cost(&register, it)?)));
        each.collect()
    });
    fs::remove_dir_all(&register)?;
    counted
}

/// Instructions of one turn.
fn cost(register: &Path, operation: &Operation) -> Result<u64, Failure> {
    let few = instructions(register, operation.name, FIRST_TURNS)?;
    let many = instructions(register, operation.name, FIRST_TURNS + operation.turns)?;
    Ok(many.saturating_sub(few) / operation.turns)
}

fn instructions(register: &Path, operation: &str, turns: u64) -> Result<u64, Failure> {
    let done = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .arg("perform")
        .arg(register)
        .args([operation, &turns.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if !done.status.success() {
        return Err(format!("{operation} failed: {said}").into());
    }
    said.lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse().ok())
        .ok_or_else(|| "callgrind told no count".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_costs_more_than_the_margin_is_worse() {
        assert_eq!(verdict(Some(1_000), 1_050, 5), Verdict::Same);
        assert_eq!(verdict(Some(1_000), 1_051, 5), Verdict::Worse);
        assert_eq!(verdict(Some(1_000), 950, 5), Verdict::Same);
        assert_eq!(verdict(Some(1_000), 949, 5), Verdict::Better);
        assert_eq!(verdict(None, 1, 5), Verdict::New);
        assert!(
            !Verdict::New.is_good(),
            "what is not recorded guards nothing"
        );
    }

    #[test]
    fn what_must_cost_the_same_is_counted_and_held() {
        for name in ALIKE.iter().flatten() {
            assert!(OPERATIONS.iter().any(|it| it.name == *name), "{name}");
        }
        assert!(is_alike(1_000, 1_003) && is_alike(1_000, 997));
        assert!(!is_alike(1_000, 1_004) && !is_alike(0, 0), "not counted");
    }

    #[test]
    fn every_operation_can_be_performed() {
        let register = std::env::temp_dir().join(format!("pu-counted-test-{}", std::process::id()));
        fs::create_dir_all(&register).unwrap();
        prepare(&register).unwrap();
        let mut prepared = Prepared::open(&register).unwrap();
        for operation in OPERATIONS {
            for turn in 0..3 {
                (operation.perform)(&mut prepared, turn).unwrap();
            }
        }
        drop(prepared);
        fs::remove_dir_all(register).unwrap();
    }
}
