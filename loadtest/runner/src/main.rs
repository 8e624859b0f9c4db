//! Drives a running register as its consumers do, and tells what that cost.
//!
//! A scenario (`scenario`) is data: streams of requests, each at a rate of its own. Whom they ask for
//! is drawn from the register (`sample`). When a request is due is said by a schedule (`schedule`,
//! `alarm`), what it asks by an asker (`ask`), and it goes out on a connection of the stream's pool
//! (`drive`, `line`, `tls`); files go into the inbox (`inbox`). An answer is judged (`answer`) and
//! counted (`tally`, `latency`), while the service is watched from outside (`server`, `machine`). What
//! came of it all (`run`) is a report (`report`, `trend`), which is shown in three ways (`table`,
//! `page`, `plot`) and can be set beside another (`compare`).

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a program that prints, and counts that are measured and plotted"
)]

mod alarm;
mod answer;
mod ask;
mod compare;
mod drive;
mod inbox;
mod latency;
mod line;
mod machine;
mod page;
mod plot;
mod report;
mod run;
mod sample;
mod scenario;
mod schedule;
mod server;
mod table;
mod tally;
mod tls;
mod trend;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use report::Report;

/// Why a command failed.
type Failure = Box<dyn Error>;

/// Drive a running person register as its consumers do, and tell what that cost: an open loop of
/// requests over real sockets, answers checked, latencies by percentile, the service watched.
#[derive(Parser)]
#[command(name = "pu-loadtest", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Subcommand)]
enum Command {
    Run(Box<run::Run>),
    /// List the scenarios there are
    Scenarios,
    /// Set two reports beside each other, with ratios; it is no gate and never fails for what it finds
    Compare {
        /// The report compared with
        before: PathBuf,
        /// The report compared
        after: PathBuf,
    },
    /// Write the pages of reports again, beside their JSON
    Report {
        /// The reports
        #[arg(required = true)]
        reports: Vec<PathBuf>,
    },
}

const EXAMPLES: &str = "\
Examples:
  pu-loadtest scenarios
  pu-loadtest run npo --register snapshots/demo --rate 500 --seconds 20
  pu-loadtest compare loadtest/results/before.json loadtest/results/after.json

`loadtest/run` makes a register, serves it, runs a scenario against it and stops it again.";

fn main() -> ExitCode {
    match Arguments::parse().command.perform() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let mut told: Option<&dyn Error> = Some(&*failure);
            let mut said = String::new();
            while let Some(error) = told {
                let text = error.to_string();
                // Errors that show their cause themselves tell it once.
                if !said.contains(&text) {
                    said += if said.is_empty() { "" } else { ": " };
                    said += &text;
                }
                told = error.source();
            }
            eprintln!("pu-loadtest: {said}");
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn perform(self) -> Result<(), Failure> {
        match self {
            Self::Run(run) => {
                let report = run.perform()?;
                print!("{}", table::table(&report));
                if let Some(folder) = run.out() {
                    keep(&report, folder)?;
                }
            }
            Self::Scenarios => print!("{}", table::scenarios()?),
            Self::Compare { before, after } => {
                let (before, after) = (Report::read(&before)?, Report::read(&after)?);
                print!("{}", compare::table(&before, &after));
            }
            Self::Report { reports } => {
                for path in reports {
                    write_page(&Report::read(&path)?, &path.with_extension("html"))?;
                }
            }
        }
        Ok(())
    }
}

/// Writes a report into a folder, under the scenario's name and the time it was begun.
fn keep(report: &Report, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(report::failed(folder))?;
    let time: String = report
        .began
        .chars()
        .take(19)
        .filter(|it| *it != ':')
        .collect();
    let path = folder.join(format!("{}-{time}.json", report.scenario));
    report.write(&path)?;
    println!("\n{}", path.display());
    write_page(report, &path.with_extension("html"))
}

fn write_page(report: &Report, path: &Path) -> Result<(), Failure> {
    std::fs::write(path, page::page(report)?).map_err(report::failed(path))?;
    println!("{}", path.display());
    Ok(())
}
