//! `pu kit`: what an operator needs around the program, made from the configuration and from the
//! program's own tables, so that nothing is written down twice.

mod bill;
mod made;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::config::Config;
use super::out::say;
use super::{Common, Failure};
use crate::base::files;
use made::File;

/// Write what it takes to run the service: units, settings, alerts, a dashboard and more.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Kit {
    /// Folder to write into: a new or an empty one
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write these parts alone
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    #[command(flatten)]
    common: Common,
}

const EXAMPLES: &str = "\
Examples:
  pu kit --out kit                                everything, for the default configuration
  pu kit --config /etc/pu/pu.toml --out kit       for addresses, folders and limits as they are set
  pu kit --only unit,alerts --out kit             some parts

README.md in the folder tells in what order to use the files.";

/// A part of the kit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Part {
    /// In what order to use the files
    Readme,
    /// systemd: the service, its sockets, its user and its folders
    Unit,
    /// Every setting, with what it means and its default
    Settings,
    /// How to build and run a container
    Container,
    /// HAProxy and keepalived, before several nodes
    Proxy,
    /// Prometheus: what to scrape, and when to wake somebody
    Alerts,
    /// Grafana
    Dashboard,
    /// How long logs are kept
    Logs,
    /// Completions for bash, zsh and fish
    Completions,
    /// Manual pages
    Man,
    /// What the program is made of (CycloneDX)
    Bill,
}

/// Why a kit is not written.
#[derive(Debug, thiserror::Error)]
enum KitError {
    /// The folder is in use.
    #[error("{0} is not empty: a kit is written into a new or an empty folder")]
    NotEmpty(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Kit {
    pub fn run(self) -> Result<(), Failure> {
        let config = self.common.config()?;
        let files = files(&config, &self.only)?;
        write(&self.out, &files)?;
        let names = files.iter().map(|file| file.name.len());
        let width = names.max().unwrap_or_default() + 2;
        for file in &files {
            say!("{:width$}{}", file.name, file.what)?;
        }
        Ok(())
    }
}

/// The files of the parts that are wanted; of all, when none is named.
fn files(config: &Config, only: &[Part]) -> Result<Vec<File>, Failure> {
    let is_wanted = |part: Part| only.is_empty() || only.contains(&part);
    let mut files = Vec::new();
    for part in Part::value_variants().iter().copied() {
        if is_wanted(part) && part != Part::Readme {
            files.extend(made::part(part, config)?);
        }
    }
    if is_wanted(Part::Readme) {
        files.insert(0, made::readme(config, &files)?);
    }
    Ok(files)
}

fn write(out: &Path, files: &[File]) -> Result<(), KitError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| KitError::Write { path, source }
    };
    if out.exists() {
        let mut entries = fs::read_dir(out).map_err(failed(out))?;
        if entries.next().is_some() {
            return Err(KitError::NotEmpty(out.to_path_buf()));
        }
    }
    for file in files {
        let path = out.join(&file.name);
        let folder = path.parent().unwrap_or(out);
        files::create_folder(folder).map_err(failed(folder))?;
        files::put(&path, &file.text).map_err(failed(&path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
