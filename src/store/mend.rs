//! Mending: a damaged snapshot is set aside, and an older one with the log after it gives the same
//! state. The same, or none: a register that would be behind what it was is refused, and what there is
//! is told.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::OpenError;
use super::folder::{self, SnapshotFile};
use super::log::segments::{Keeping, Segments};
use super::log::{Log, ReadError};
use super::snapshot::Snapshot;
use super::state::{RegisterError, State, check_formats, log_folder, replay};
use crate::base::files;
use crate::person::field::schema_hash;
use crate::person::identity::Formats;

/// Why an older snapshot and the log do not give the state that a damaged snapshot held.
#[derive(Debug, thiserror::Error)]
pub enum MendError {
    /// There is nothing to begin with.
    #[error("there is no older snapshot beside it")]
    NoOlder,
    /// What there is to begin with is damaged as well.
    #[error("the older one is damaged too: {0}")]
    OlderDamaged(Box<RegisterError>),
    /// The log does not go on where the older snapshot ends.
    #[error("the older {path} does not reach the log: {source}", path = path.display())]
    Log {
        /// The older snapshot.
        path: PathBuf,
        /// What is wrong with the log.
        source: Box<RegisterError>,
    },
    /// Changes that only the damaged snapshot holds, such as those of `pu import`.
    #[error("the older {path} and the log end with entry {reached} of {wanted}", path = path.display())]
    Short {
        /// The older snapshot.
        path: PathBuf,
        /// The last entry that can be had.
        reached: u64,
        /// The last entry that was there.
        wanted: u64,
    },
    /// The files cannot be listed or renamed.
    #[error("the data folder {path} cannot be read or written")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RegisterError {
    /// Whether a snapshot is not what was written: not of another format, or closed to us.
    pub(super) const fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) => true,
            Self::Snapshot(error) => !matches!(
                error,
                OpenError::Io { .. }
                    | OpenError::FormatVersion { .. }
                    | OpenError::SchemaHash { .. }
            ),
            _ => false,
        }
    }
}

/// The folders of what was put away begin with this.
const LOST: &str = "lost";

/// Files of one name that are kept beside each other.
const KEPT: u32 = 1_000;

/// The first name that is free; the last one when none is.
pub(super) fn free(named: impl Fn(u32) -> PathBuf) -> PathBuf {
    let free = (1..KEPT).map(&named).find(|name| !name.exists());
    free.unwrap_or_else(|| named(KEPT))
}

/// Gives a damaged snapshot a name by which nobody takes it for one: `.damaged` is added. It is kept
/// until the operator removes it. Gives the name; `None` when the file is gone already.
pub fn set_aside(path: &Path) -> Result<Option<PathBuf>, MendError> {
    let named = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(folder::DAMAGED);
        if number > 1 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    };
    let aside = free(named);
    let data = path.parent().unwrap_or(Path::new("."));
    let renamed = match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        renamed => renamed,
    };
    let flushed = renamed.and_then(|()| File::open(data)?.sync_all());
    flushed.map_err(|source| MendError::Folder {
        path: data.to_path_buf(),
        source,
    })?;
    tracing::warn!(
        file = %aside.display(),
        "a damaged snapshot is set aside; remove it when it is not needed any more"
    );
    Ok(Some(aside))
}

/// Puts what is left of a register without a snapshot, its log and its damaged snapshots, into a folder
/// of its own, so that a new one can be begun. Gives the folder; `None` when nothing is left.
pub fn put_away(data: &Path) -> Result<Option<PathBuf>, MendError> {
    let failed = |source| MendError::Folder {
        path: data.to_path_buf(),
        source,
    };
    let log = Some(log_folder(data)).filter(|log| log.is_dir());
    let damaged = folder::set_aside(data).map_err(failed)?;
    let left: Vec<PathBuf> = log
        .into_iter()
        .chain(damaged.into_iter().map(|it| it.path))
        .collect();
    if left.is_empty() {
        return Ok(None);
    }
    let named = |number: u32| data.join(format!("{LOST}-{number}"));
    let lost = free(named);
    let put = || {
        files::create_folder(&lost)?;
        for path in left {
            let name = path.file_name().unwrap_or_default();
            fs::rename(&path, lost.join(name))?;
        }
        File::open(data)?.sync_all()
    };
    put().map_err(failed)?;
    Ok(Some(lost))
}

/// The newest snapshot beside a damaged one that is whole. `is_followed` refuses those that the log does
/// not go on from, before they are read.
fn older(
    data: &Path,
    formats: &Formats,
    damaged: &Path,
    is_followed: impl Fn(u64) -> Result<(), ReadError>,
) -> Result<Snapshot, MendError> {
    let files = folder::snapshots(data).map_err(|source| MendError::Folder {
        path: data.to_path_buf(),
        source,
    })?;
    let mut wrong = None;
    for file in files.iter().rev().filter(|file| file.path != damaged) {
        is_followed(file.sequence).map_err(|error| MendError::Log {
            path: file.path.clone(),
            source: Box::new(error.into()),
        })?;
        match whole(file, formats) {
            Ok(snapshot) => return Ok(snapshot),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    Err(wrong.map_or(MendError::NoOlder, |error| {
        MendError::OlderDamaged(Box::new(error))
    }))
}

fn whole(file: &SnapshotFile, formats: &Formats) -> Result<Snapshot, RegisterError> {
    let snapshot = Snapshot::open(&file.path, schema_hash())?;
    check_formats(&snapshot, formats)?;
    snapshot.verify(|_, _| ())?;
    Ok(snapshot)
}

/// The state at an entry of the log, without a damaged snapshot.
pub fn state_without(
    data: &Path,
    formats: &Formats,
    damaged: &Path,
    log: &dyn Log,
    sequence: u64,
) -> Result<State, MendError> {
    let older = older(data, formats, damaged, |after| match log.first() {
        first if after < sequence && first > after + 1 => Err(ReadError::Trimmed {
            wanted: after + 1,
            first,
        }),
        _ => Ok(()),
    })?;
    let path = older.path().to_path_buf();
    let replayed = || {
        let mut state = State::of_snapshot(Arc::new(older))?;
        if state.sequence() < sequence {
            let entries = log.read_from(state.sequence() + 1)?;
            let up_to = |entry: &Result<super::entry::Entry, ReadError>| {
                entry.as_ref().map_or(true, |it| it.sequence <= sequence)
            };
            replay(&mut state, entries.take_while(up_to))?;
        }
        Ok(state)
    };
    let state = replayed().map_err(|source| MendError::Log {
        path: path.clone(),
        source: Box::new(source),
    })?;
    reaches(&state, sequence, path)?;
    Ok(state)
}

/// Opens a register whose newest snapshot cannot be opened, by an older one and the log. The damaged
/// one is set aside when the same state is there.
pub(super) fn open_without(
    data: &Path,
    formats: &Formats,
    keeping: Keeping,
    damaged: &SnapshotFile,
) -> Result<(State, Segments), MendError> {
    let older = older(data, formats, &damaged.path, |_| Ok(()))?;
    let path = older.path().to_path_buf();
    let replayed = || {
        let mut state = State::of_snapshot(Arc::new(older))?;
        let after = state.sequence();
        let log = Segments::open(&log_folder(data), schema_hash(), after, keeping)?;
        if log.last() > after {
            replay(&mut state, log.read_from(after + 1)?)?;
        }
        Ok((state, log))
    };
    let (state, log) = replayed().map_err(|source| MendError::Log {
        path: path.clone(),
        source: Box::new(source),
    })?;
    reaches(&state, damaged.sequence, path)?;
    set_aside(&damaged.path)?;
    Ok((state, log))
}

fn reaches(state: &State, wanted: u64, path: PathBuf) -> Result<(), MendError> {
    if state.sequence() < wanted {
        return Err(MendError::Short {
            path,
            reached: state.sequence(),
            wanted,
        });
    }
    Ok(())
}

/// Refuses a register that is behind a snapshot which was set aside: what that one held and this one
/// does not would be gone without a word. Tells whether the one that was set aside has no successor yet.
pub(super) fn check_not_behind(data: &Path, state: &State) -> Result<bool, RegisterError> {
    let aside = folder::set_aside(data).map_err(|source| RegisterError::Folder {
        path: data.to_path_buf(),
        source,
    })?;
    match aside.last() {
        Some(newer) if newer.sequence > state.sequence() => Err(RegisterError::Behind {
            path: newer.path.clone(),
            wanted: newer.sequence,
            reached: state.sequence(),
        }),
        aside => Ok(aside.is_some_and(|it| it.sequence > state.snapshot().sequence())),
    }
}
