//! `pu snapshot`: looks at snapshot files.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, progress};
use crate::person::field::schema_hash;
use crate::person::record::{Damaged, RecordRef};
use crate::store::snapshot::Snapshot as File;
use crate::store::{folder, layout};

/// Look at snapshot files.
#[derive(Subcommand)]
pub enum Snapshot {
    /// What a snapshot holds
    Info(One),
    /// Check every byte of a snapshot
    Verify(One),
}

/// One snapshot.
#[derive(Args)]
pub struct One {
    /// A snapshot file, or a data folder for its newest one
    #[arg(default_value = "snapshots")]
    path: PathBuf,
}

impl Snapshot {
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Info(one) => info(&one.open()?),
            Self::Verify(one) => verify(&one.open()?)?,
        }
        Ok(())
    }
}

impl One {
    fn open(&self) -> Result<File, Failure> {
        let path = if self.path.is_dir() {
            folder::newest(&self.path)?
                .ok_or_else(|| format!("there is no snapshot in {}", self.path.display()))?
                .path
        } else {
            self.path.clone()
        };
        Ok(File::open(&path, schema_hash())?)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes per person are shown with one decimal"
)]
fn info(file: &File) {
    println!("file       {}", file.path().display());
    println!("sequence   {}", file.sequence());
    println!(
        "created    {}",
        String::from_utf8_lossy(&file.created().written())
    );
    println!("schema     {:016x}", file.schema_hash());
    println!("persons    {}", file.len());
    println!();
    println!("{:<12} {:>16} {:>14}", "section", "bytes", "bytes/person");
    let persons = file.len().max(1) as f64;
    let sizes = file
        .sections()
        .map(|(section, extent)| (section.name(), extent.length));
    let whole = std::iter::once(("file", file.file_bytes() as u64));
    for (name, bytes) in sizes.chain(whole) {
        println!("{name:<12} {bytes:>16} {:>14.1}", bytes as f64 / persons);
    }
    debug_assert_eq!(layout::Section::ALL.len(), file.sections().count());
}

/// Checksums, structure, and every record field by field.
fn verify(file: &File) -> Result<(), Failure> {
    let bar = progress::bar("checksums", file.file_bytes() as u64, "bytes");
    file.verify(|done, _| bar.set_position(done))?;
    bar.finish_and_clear();
    let bar = progress::bar("records", file.len(), "persons");
    file.verify_records(|ordinal, bytes| {
        bar.set_position(ordinal);
        let record = RecordRef::open(bytes)?;
        record.check()?;
        Ok::<u64, Damaged>(record.identity().key())
    })?;
    bar.finish_and_clear();
    println!("{}: whole, {} persons", file.path().display(), file.len());
    Ok(())
}
