//! The command line, one file per command.
//!
//! In: arguments and a configuration. Out: what the command says on standard output; how it goes,
//! on standard error. Exit code 0: done; 1: refused or failed; 2: wrong usage. This is the only
//! room that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod audit;
mod certs;
mod check;
pub mod config;
mod demo;
mod export;
mod generate;
mod get;
mod import;
mod inbox;
mod log;
mod logging;
mod progress;
mod record;
mod register;
mod search;
pub mod serve;
mod snapshot;
mod systemd;
mod user;
mod wsdl;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::store::lock::{DataLock, LockError};
use config::Config;

/// What a command fails with: the error of the room that failed, with its causes.
type Failure = Box<dyn Error + Send + Sync>;

/// A person register: memory-mapped snapshots of a country, served by the national contracts.
#[derive(Parser)]
#[command(name = "pu", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pu demo                                    build and serve a demo register, print a curl line
  pu import base.xml changes.txt.gz --data D  Skatteverket's files into a register
  pu serve --config pu.toml                  serve a register
  pu get 191212121212 --profile P5 --version 4
  pu search \"FROM PersonRecord WHERE name.surname = 'Testsson'\"
  pu search --text 'anna lund' --json
  pu export --data D --out backup.ndjson.zst  the register as NDJSON
  pu check --data D                          protected persons, and households that lead to them
  pu log follow --data D                     changes as they come, without personal values
  pu audit search --person 191212121212      who has seen this person
  pu wsdl --out contracts                    the contract packages
  pu certs dev --out certs                   certificates and a configuration to try TLS out";

#[derive(Subcommand)]
enum Command {
    /// Build (once) and serve a demo register of every official test number
    Demo(demo::Demo),
    /// Serve a register
    Serve(serve::Serve),
    /// Apply Navet files and exchange files to a register
    Import(import::Import),
    /// Write a register as an exchange file (NDJSON)
    Export(export::Export),
    /// Write a synthetic population
    Generate(generate::Generate),
    /// Look persons up
    Get(get::Get),
    /// Search for persons
    Search(search::Search),
    /// Count what deserves a look: protected persons, and households that lead to them
    Check(check::Check),
    /// Look at snapshot files, and write them again
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    /// Read the log of changes, also while the service runs
    #[command(subcommand)]
    Log(log::Log),
    /// Check and read the record of what was disclosed to whom, also while the service runs
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Write the contract packages (WSDL and XSD) of every domain version, and openapi.json
    Wsdl(wsdl::Wsdl),
    /// Write certificates for trying mutual TLS out
    #[command(subcommand)]
    Certs(certs::Certs),
    /// Print the effective configuration
    Config(Common),
}

/// What most commands take.
#[derive(Args)]
struct Common {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder [default: snapshots]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Common {
    fn config(&self) -> Result<Config, Failure> {
        let mut config = Config::read(self.config.as_deref())?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }
}

/// Takes the lock on a data folder, and says which folders had to be closed for it.
fn take(data: &Path) -> Result<DataLock, LockError> {
    let lock = DataLock::take(data)?;
    for mended in lock.mended() {
        eprintln!("pu: {mended}");
    }
    Ok(lock)
}

impl Arguments {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Demo(demo) => demo.run(),
            Command::Serve(serve) => serve.run(),
            Command::Import(import) => import.run(),
            Command::Export(export) => export.run(),
            Command::Generate(generate) => generate.run(),
            Command::Get(get) => get.run(),
            Command::Search(search) => search.run(),
            Command::Check(check) => check.run(),
            Command::Snapshot(snapshot) => snapshot.run(),
            Command::Log(log) => log.run(),
            Command::Audit(audit) => audit.run(),
            Command::Wsdl(wsdl) => wsdl.run(),
            Command::Certs(certs) => certs.run(),
            Command::Config(common) => common.config().and_then(|config| {
                print!("{}", toml::to_string_pretty(&config)?);
                Ok(())
            }),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprint!("pu: {failure}");
                let mut cause = failure.source();
                while let Some(error) = cause {
                    eprint!(": {error}");
                    cause = error.source();
                }
                eprintln!();
                ExitCode::FAILURE
            }
        }
    }
}
