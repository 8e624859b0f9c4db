//! `pu snapshot`: looks at snapshot files, and writes them again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::out::{failure, say};
use super::{Common, Failure, progress};
use crate::person::field::schema_hash;
use crate::person::identity::Formats;
use crate::person::keys::INDEXES;
use crate::person::record::{Damaged, RecordRef};
use crate::store::build::Builder;
use crate::store::compact::write_whole;
use crate::store::error::OpenError;
use crate::store::folder;
use crate::store::snapshot::Snapshot as File;
use crate::store::state::{self, State, formats_of};
use crate::store::write::About;

/// Look at snapshot files, and write them again.
#[derive(Subcommand)]
pub enum Snapshot {
    /// What a snapshot holds
    Info(One),
    /// Check every byte of a snapshot
    Verify(One),
    /// Write a new snapshot of a data folder: the newest one, its indexes, and the changes since
    Build(Folder),
    /// The same, if it is of an older format
    Upgrade(Folder),
}

/// One snapshot.
#[derive(Args)]
pub struct One {
    /// A snapshot file, or a data folder for its newest one [default: the data folder]
    #[arg(conflicts_with = "data")]
    path: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// A data folder.
#[derive(Args)]
pub struct Folder {
    /// The data folder, as by --data
    #[arg(value_name = "DIR", conflicts_with = "data")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

impl Folder {
    fn path(&self) -> Result<PathBuf, Failure> {
        path_of(self.folder.as_ref(), &self.common)
    }
}

/// What is named by itself, or the data folder.
fn path_of(named: Option<&PathBuf>, common: &Common) -> Result<PathBuf, Failure> {
    match named {
        Some(path) => Ok(path.clone()),
        None => Ok(common.standing()?.data),
    }
}

impl Snapshot {
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Info(one) => info(&one.open()?)?,
            Self::Verify(one) => verify(&one.open()?)?,
            Self::Build(folder) => build(&folder.path()?, true)?,
            Self::Upgrade(folder) => build(&folder.path()?, false)?,
        }
        Ok(())
    }
}

impl One {
    fn open(&self) -> Result<File, Failure> {
        let named = path_of(self.path.as_ref(), &self.common)?;
        let path = if named.is_dir() || self.path.is_none() {
            newest(&named)?.path
        } else {
            named
        };
        Ok(File::open(&path, schema_hash())?)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes per person are shown with one decimal"
)]
fn info(file: &File) -> Result<(), Failure> {
    say!("file       {}", file.path().display())?;
    say!("sequence   {}", file.sequence())?;
    say!(
        "created    {}",
        String::from_utf8_lossy(&file.created().written())
    )?;
    say!("schema     {:016x}", file.schema_hash())?;
    say!("persons    {}", file.len())?;
    say!()?;
    say!("{:<12} {:>16} {:>14}", "section", "bytes", "bytes/person")?;
    let persons = file.len().max(1) as f64;
    let sizes = file
        .sections()
        .map(|(section, extent)| (section.name(), extent.length));
    let whole = std::iter::once(("file", file.file_bytes() as u64));
    for (name, bytes) in sizes.chain(whole) {
        say!("{name:<12} {bytes:>16} {:>14.1}", bytes as f64 / persons)?;
    }
    say!()?;
    say!(
        "{:<26} {:>12} {:>14} {:>14}",
        "index",
        "keys",
        "entries",
        "bytes/person"
    )?;
    let searchable = file.searchable().map_err(|damaged| {
        let told = file.what_is_damaged();
        told.map_or_else(|| Failure::from(damaged), Failure::from)
    })?;
    for row in INDEXES {
        let size = searchable.size(row.index);
        let bytes = size.bytes as f64 / persons;
        let (name, keys, entries) = (row.name, size.keys, size.positions);
        say!("{name:<26} {keys:>12} {entries:>14} {bytes:>14.2}")?;
    }
    Ok(())
}

/// Writes a new snapshot: `always`, or if the newest is of an older format. Without changes in the log
/// it keeps its name, sequence and time.
fn build(data: &Path, always: bool) -> Result<(), Failure> {
    let _lock = super::take(data)?;
    if always && let Some((formats, state)) = changed(data)? {
        let bar = progress::bar("building", state.persons(), "persons");
        let path = write_whole(data, &formats, &state, |done| bar.set_position(done))?;
        bar.finish_and_clear();
        say!("wrote {}", path.display())?;
        return verify(&File::open(&path, schema_hash())?);
    }
    let newest = newest(data)?;
    let old = match File::open(&newest.path, schema_hash()) {
        Ok(same) if always => same,
        Ok(_) => {
            say!("{}: nothing to do", newest.path.display())?;
            return Ok(());
        }
        Err(OpenError::FormatVersion { .. }) => File::open_old(&newest.path, schema_hash())?,
        Err(error) => return Err(error.into()),
    };
    verify(&old)?;
    let about = About {
        schema_hash: schema_hash(),
        sequence: old.sequence(),
        created: old.created(),
    };
    let bar = progress::bar("building", old.len(), "persons");
    let (formats, sources) = (old.formats()?.to_vec(), old.sources()?.to_vec());
    let builder = Builder::new(data, Some(Arc::new(old)))?;
    let path = builder.finish(about, &formats, &sources, |done| bar.set_position(done))?;
    bar.finish_and_clear();
    say!("wrote {}", path.display())?;
    Ok(())
}

/// The newest snapshot of a data folder.
fn newest(data: &Path) -> Result<folder::SnapshotFile, Failure> {
    let found = folder::newest(data).map_err(|error| failure("read", data, error))?;
    Ok(found.ok_or_else(|| format!("there is no snapshot in {}", data.display()))?)
}

/// The state of a register that has changed since its newest snapshot, with the formats that this one
/// was written with.
fn changed(data: &Path) -> Result<Option<(Formats, State)>, Failure> {
    let newest = folder::newest(data).map_err(|error| failure("read", data, error))?;
    let Some(newest) = newest else {
        return Ok(None);
    };
    // One of an older format is written again first.
    let Ok(file) = File::open(&newest.path, schema_hash()) else {
        return Ok(None);
    };
    let formats = formats_of(&file)?;
    let state = state::open(data, &formats)?;
    Ok(state
        .filter(|state| state.sequence() > file.sequence())
        .map(|state| (formats, state)))
}

/// Records between two steps of the progress bar.
const PROGRESS: u64 = 1024;

/// Checksums, structure, and every record field by field.
fn verify(file: &File) -> Result<(), Failure> {
    let bar = progress::bar("checksums", file.file_bytes() as u64, "bytes");
    file.verify(|done, _| bar.set_position(done))?;
    bar.finish_and_clear();
    let bar = progress::bar("records", file.len(), "persons");
    file.verify_records(|ordinal, bytes| {
        if ordinal.is_multiple_of(PROGRESS) {
            bar.inc(PROGRESS);
        }
        let record = RecordRef::open(bytes)?;
        record.check()?;
        Ok::<u64, Damaged>(record.identity().key())
    })?;
    bar.finish_and_clear();
    say!("{}: whole, {} persons", file.path().display(), file.len())?;
    Ok(())
}
