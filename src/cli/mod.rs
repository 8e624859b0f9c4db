//! The command line, one file per command.
//!
//! In: arguments and a configuration. Out: what the command says on standard output; how it goes,
//! on standard error. Exit code 0: done; 1: refused or failed; 2: wrong usage. Who has read enough of
//! what a command says may close the pipe: that is no error. This is the only room that prints, by
//! `out`.

mod audit;
mod certs;
mod check;
pub mod config;
mod demo;
mod export;
mod findings;
mod generate;
mod get;
mod import;
mod inbox;
mod kit;
mod log;
mod logging;
mod out;
mod progress;
mod push_anchors;
mod ready;
mod record;
mod recover;
mod register;
mod search;
pub mod serve;
pub mod settings;
mod snapshot;
mod systemd;
mod table;
mod user;
mod witnesses;
mod wsdl;

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::base::limits;
use crate::base::time::Moment;
use crate::base::told::{Told, chain};
use crate::store::folder;
use crate::store::live::Live;
use crate::store::lock::{DataLock, LockError};
use crate::store::state::refuse_orphan;
use config::Config;
use out::{complain, say};
use settings::{Mistakes, Written};

/// What a command fails with: the error of the room that failed, with its causes.
type Failure = Box<dyn Error + Send + Sync>;

/// A person register: memory-mapped snapshots of a country, served by the national contracts.
#[derive(Parser)]
#[command(name = "pu", version = VERSION, max_term_width = 100, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// The version, and what it was made from and with.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("PU_COMMIT"),
    ", ",
    env!("PU_RUSTC"),
    ")"
);

const EXAMPLES: &str = "\
Examples:
  pu demo                                    build and serve a demo register, print a curl line
  pu import base.xml changes.txt.gz --data D  Skatteverket's files into a register
  pu serve --config pu.toml                  serve a register
  pu get 191212121212 --profile P5 --version 4
  pu search \"FROM PersonRecord WHERE name.surname = 'Tolvansson'\"
  pu search --text 'tolvan tolvansson' --json
  pu export --data D --out backup.ndjson.zst  the register as NDJSON
  pu check --data D                          protected persons, and households that lead to them
  pu recover --data D                        what is left of a register that has lost something
  pu log follow --data D                     changes as they come, without personal values
  pu audit search --person 191212121212      who has seen this person
  pu wsdl --out contracts                    the contract packages
  pu certs dev --out certs                   certificates and a configuration to try TLS out
  pu kit --config pu.toml --out kit          units, alerts and more to run it with";

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
    /// Say everything at once that is wrong with a register or deserves a look
    Check(check::Check),
    /// Look what is left of a register that has lost something, and go on with it
    Recover(recover::Recover),
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
    /// Ask a running service whether it is ready
    Ready(ready::Ready),
    /// Run the command for anchors, for a service that has shut itself in
    #[command(hide = true)]
    PushAnchors(push_anchors::PushAnchors),
    /// Write what it takes to run the service: units, settings, alerts, a dashboard and more
    Kit(kit::Kit),
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
        Ok(self.written()?.0)
    }

    /// The configuration of a command that looks at a register and changes nothing in it.
    fn standing(&self) -> Result<Config, Failure> {
        let mut config = self.config()?;
        self.find_register(&mut config)?;
        Ok(config)
    }

    /// When nobody named a folder and the usual one holds no register, takes the only register one
    /// level below it, which is where `pu demo` builds, and says so. Of several, it names them.
    fn find_register(&self, config: &mut Config) -> Result<(), Failure> {
        let is_named = self.config.is_some() || self.data.is_some();
        if is_named || config.data != Config::default().data || !is_unused(&config.data) {
            return Ok(());
        }
        let mut below = registers_below(&config.data)?;
        match (below.pop(), below.is_empty()) {
            (Some(only), true) => {
                let usual = config.data.display();
                complain!(
                    "pu: no register in {usual}: this is {} (--data names another)",
                    only.display()
                );
                config.data = only;
                Ok(())
            }
            (Some(_), false) => Err(no_register(&config.data)),
            (None, _) => Ok(()),
        }
    }

    /// The configuration, and where its settings stand.
    fn written(&self) -> Result<(Config, Written), Mistakes> {
        let (mut config, written) = Config::read(self.config.as_deref())?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok((config, written))
    }
}

/// Whether a folder holds no register, nor what is left of one.
fn is_unused(data: &Path) -> bool {
    folder::newest(data).map_or(!data.exists(), |it| it.is_none()) && refuse_orphan(data).is_ok()
}

/// The folders right below one that hold registers, in order.
fn registers_below(data: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries.take(limits::FOLDERS_LOOKED_AT) {
        let path = entry?.path();
        // A folder that may not be read is not one to choose.
        if path.is_dir() && folder::newest(&path).is_ok_and(|it| it.is_some()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Says that a folder holds no register, and which folders below it do.
fn no_register(data: &Path) -> Failure {
    let told = format!("there is no register in {}", data.display());
    let below = registers_below(data).unwrap_or_default();
    let named: Vec<_> = below.iter().map(|it| it.display().to_string()).collect();
    match named.as_slice() {
        [] => told.into(),
        _ => format!(
            "{told}, but in {}: name one with --data",
            named.join(" and in ")
        )
        .into(),
    }
}

/// Prints the settings in force, and says what the service would refuse of them.
fn print(common: &Common) -> Result<(), Failure> {
    let (config, written) = common.written()?;
    say!("{}", settings::print(&config).trim_end())?;
    findings::Findings::of_configuration(&config, &written).refuse()
}

/// Takes the lock on a data folder, and says which folders had to be closed for it.
fn take(data: &Path) -> Result<DataLock, LockError> {
    let lock = DataLock::take(data)?;
    for mended in lock.mended() {
        complain!("pu: {mended}");
    }
    Ok(lock)
}

/// Opens a register that stands still to change it; the caller holds its lock.
fn open_to_change(config: &Config) -> Result<Live, Failure> {
    let clock = Arc::new(Moment::now);
    let formats = config.formats()?;
    let (data, kept) = (&config.data, config.snapshots.keep);
    Ok(Live::open(data, &formats, config.keeping(), kept, clock)?)
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
            Command::Recover(recover) => recover.run(),
            Command::Snapshot(snapshot) => snapshot.run(),
            Command::Log(log) => log.run(),
            Command::Audit(audit) => audit.run(),
            Command::Wsdl(wsdl) => wsdl.run(),
            Command::Certs(certs) => certs.run(),
            Command::Ready(ready) => ready.run(),
            Command::PushAnchors(push) => push.run(),
            Command::Kit(kit) => kit.run(),
            Command::Config(common) => print(&common),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) if is_read_enough(&*failure) => ExitCode::SUCCESS,
            Err(failure) => {
                complain!("pu: {}", Told(&*failure));
                ExitCode::FAILURE
            }
        }
    }
}

/// Whether a command ended because nobody reads any more what it says.
fn is_read_enough(failure: &(dyn Error + 'static)) -> bool {
    chain(failure)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
