//! The register that is searched: an invented population of any size, made once and kept.
//!
//! People go from the generator straight into an import, village by village, so that no file of
//! the whole country is ever written. Versions are spread, fifty persons a minute: a register in
//! which everything changed at once could not be asked what changed lately.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use pu::base::time::Moment;
use pu::feed::generate::synthetic_population;
use pu::person::field::schema_hash;
use pu::person::identity::Formats;
use pu::register::import::Import;
use pu::store::state::{State, open_newest};

use crate::Failure;
use crate::machine::memory_peak;

/// What tells this population from another.
const SEED: u64 = 1;

/// Persons whose records carry the same moment.
const PERSONS_A_MINUTE: usize = 50;

/// Where the register of `persons` lies, below `data`.
pub fn folder(data: &Path, persons: usize) -> PathBuf {
    data.join(format!("register-{SEED}-{persons}-{:016x}", schema_hash()))
}

/// Opens the register, and makes it first when there is none that this program reads.
pub fn open(data: &Path, persons: usize) -> Result<State, Failure> {
    let folder = folder(data, persons);
    let formats = Formats::standard();
    match open_newest(&folder, &formats) {
        Ok(Some(snapshot)) => return Ok(State::of_snapshot(Arc::new(snapshot))?),
        Ok(None) => {}
        Err(error) if folder.is_dir() => eprintln!("{error}: made anew"),
        Err(_) => {}
    }
    build(&folder, persons)?;
    let snapshot = open_newest(&folder, &formats)?.ok_or("no register was made")?;
    Ok(State::of_snapshot(Arc::new(snapshot))?)
}

/// Makes the register: one thread invents villages, this one takes them in.
fn build(folder: &Path, persons: usize) -> Result<(), Failure> {
    let began = Instant::now();
    let part = folder.with_extension("part");
    for stale in [&part, &folder.to_path_buf()] {
        if stale.is_dir() {
            std::fs::remove_dir_all(stale)?;
        }
    }
    std::fs::create_dir_all(&part)?;
    let formats = Formats::standard();
    let first = moment(0)?;
    let mut run = Import::new(&part, None, &formats, first, |_| true)?;
    let mut done = 0;
    std::thread::scope(|scope| -> Result<(), Failure> {
        let (sender, receiver) = sync_channel(4);
        let formats = &formats;
        scope.spawn(move || {
            for settlers in synthetic_population(formats, persons, SEED) {
                let posts: Vec<_> = settlers.settle().posts().collect();
                if sender.send(posts).is_err() {
                    return;
                }
            }
        });
        for posts in receiver {
            for post in &posts {
                if done % PERSONS_A_MINUTE == 0 {
                    run.set_moment(moment(done / PERSONS_A_MINUTE)?);
                }
                run.post(post)?;
                done += 1;
            }
            if done % 250_000 == 0 {
                said(done, began);
            }
        }
        Ok(())
    })?;
    said(done, began);
    // Linked persons are touched when chains are settled, unless the moment is an old one.
    run.set_moment(first);
    run.finish(|_| {})?;
    std::fs::rename(&part, folder)?;
    println!(
        "register: {done} persons in {:.0} s, at most {} MiB of memory",
        began.elapsed().as_secs_f64(),
        memory_peak() >> 20
    );
    Ok(())
}

fn said(done: usize, began: Instant) {
    eprintln!(
        "  {done} persons, {:.0} s, {} MiB",
        began.elapsed().as_secs_f64(),
        memory_peak() >> 20
    );
}

/// The moment some minutes after the first.
fn moment(minute: usize) -> Result<Moment, Failure> {
    let start = jiff::civil::date(2024, 10, 1).at(0, 0, 0, 0);
    let at = start.checked_add(jiff::Span::new().minutes(i64::try_from(minute)?))?;
    Moment::parse(&at.strftime("%Y-%m-%dT%H:%M:%S").to_string())
        .ok_or_else(|| "no such moment".into())
}
