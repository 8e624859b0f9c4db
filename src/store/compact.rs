//! Compaction: the overlay becomes a part of a new snapshot, while everybody goes on reading and
//! writing. The overlay is frozen; the snapshot and the frozen layer are merged into a new file, which
//! is checked and put in place in one step; then the log before the oldest kept snapshot may go.
//!
//! Nothing depends on how far it comes: until the new file has its name the old one and the log hold
//! everything, and after that both hold it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::build::{BuildError, write_merged};
use super::commit::{CommitError, Committer, Draft};
use super::error::{OpenError, VerifyError};
use super::folder;
use super::log::medium::{Disk, Medium as _};
use super::map::Pattern;
use super::mend::{self, MendError};
use super::snapshot::Snapshot;
use super::state::{Frozen, State, formats_to_bytes};
use super::write::About;
use crate::base::limits;
use crate::base::time::Moment;
use crate::person::field::schema_hash;
use crate::person::identity::Formats;

/// Why there is no new snapshot. The old one and the log go on holding everything.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// It could not be written.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is not what was written.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The snapshot that is served is damaged, and cannot be mended.
    #[error(
        "{0}. Put a whole copy of the file in its place and restart, or build the register anew from a \
         backup or a peer; `pu recover` tells what can be saved"
    )]
    Mend(#[from] MendError),
    /// The ledger cannot be written.
    #[error("the list of applied files cannot be written")]
    Ledger(#[source] serde_json::Error),
    /// The committer did not take it.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It would fill the disk.
    #[error("a new snapshot takes some {needed} bytes, and {room} are free")]
    NoRoom {
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that are free.
        room: u64,
    },
    /// The data folder cannot be looked at, or old files in it not be removed.
    #[error("the data folder {path} cannot be read or cleared")]
    Folder {
        /// The data folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl CompactError {
    /// Whether the snapshot that is served is damaged.
    pub const fn is_of_the_served(&self) -> bool {
        matches!(
            self,
            Self::Build(BuildError::Base(_) | BuildError::Damaged { .. })
        )
    }
}

/// What compaction needs.
pub struct Compactor {
    /// The data folder.
    pub data: PathBuf,
    /// The identity formats in use.
    pub formats: Formats,
    /// Snapshots kept.
    pub snapshots_kept: usize,
}

impl Compactor {
    /// Makes a snapshot of the newest state and puts it in place. Gives its path; `progress` hears how
    /// many records are written.
    pub fn compact(
        &self,
        committer: &Committer,
        progress: impl FnMut(u64),
    ) -> Result<PathBuf, CompactError> {
        let ((), old) = committer.wait(Draft::freeze)?;
        let snapshot = self.write(&old, progress)?;
        self.put(committer, old, snapshot)
    }

    /// Makes the snapshot of the newest state without reading the one that is served, which is damaged:
    /// from an older one and the log. The damaged file is set aside, as soon as it is certain that the
    /// same state is there; `certain` hears so.
    pub fn mend(
        &self,
        committer: &Committer,
        certain: impl FnOnce(),
    ) -> Result<PathBuf, CompactError> {
        let ((), old) = committer.wait(Draft::freeze)?;
        let frozen = old.frozen().ok_or(CommitError::Failed)?;
        let damaged = old.snapshot().path();
        let (data, formats) = (&self.data, &self.formats);
        let log = committer.log();
        let state = mend::state_without(data, formats, damaged, log, frozen.sequence)?;
        certain();
        mend::set_aside(damaged)?;
        let snapshot = checked(&write_whole(data, formats, &state, |_| ())?)?;
        self.put(committer, old, snapshot)
    }

    /// Puts a snapshot of the frozen point in time in the place of an older one.
    fn put(
        &self,
        committer: &Committer,
        old: Arc<State>,
        snapshot: Arc<Snapshot>,
    ) -> Result<PathBuf, CompactError> {
        let path = snapshot.path().to_path_buf();
        let (replaced, _) = committer.wait(move |draft| draft.replace_snapshot(snapshot))?;
        replaced.map_err(CommitError::from)?;
        self.remove_old(committer)?;
        outlive(old);
        Ok(path)
    }

    /// Refuses to begin a file that would fill the disk: without room, no disclosure is recorded and
    /// nobody answered.
    fn check_room(&self, state: &State) -> Result<(), CompactError> {
        let (records, keys) = state.overlay().bytes();
        let needed = (state.snapshot().file_bytes() + records + keys) as u64;
        let room = Disk.room(&self.data);
        let room = room.map_err(|source| CompactError::Folder {
            path: self.data.clone(),
            source,
        })?;
        if room < needed + limits::DISK_RESERVE_BYTES {
            return Err(CompactError::NoRoom { needed, room });
        }
        Ok(())
    }

    /// Writes the snapshot of a state's frozen point in time, and checks it.
    fn write(
        &self,
        state: &State,
        progress: impl FnMut(u64),
    ) -> Result<Arc<Snapshot>, CompactError> {
        // Without one there is nothing that a snapshot could claim to hold.
        let frozen = state.frozen().ok_or(CommitError::Failed)?;
        if frozen.sequence == state.snapshot().sequence() {
            return Ok(Arc::clone(state.snapshot()));
        }
        self.check_room(state)?;
        let (newer, as_of) = (state.overlay().frozen(), frozen);
        let path = write_as_of(&self.data, &self.formats, state, as_of, newer, progress)?;
        checked(&path)
    }

    /// Removes snapshots that are too many, and lets the log go that is older than those kept.
    fn remove_old(&self, committer: &Committer) -> Result<(), CompactError> {
        let removed = || {
            folder::remove_old(&self.data, self.snapshots_kept)?;
            let kept = folder::snapshots(&self.data)?;
            let oldest = kept.first().map_or(0, |file| file.sequence);
            committer.log().trim(oldest)
        };
        removed().map_err(|source| CompactError::Folder {
            path: self.data.clone(),
            source,
        })
    }
}

/// Opens a snapshot that was just written, and reads it whole.
fn checked(path: &Path) -> Result<Arc<Snapshot>, CompactError> {
    let checked = Snapshot::open(path, schema_hash()).map_err(CompactError::from);
    let checked = checked.and_then(|snapshot| {
        snapshot.verify(|_, _| ())?;
        snapshot.expect(Pattern::Scattered);
        Ok(Arc::new(snapshot))
    });
    if checked.is_err() {
        // A file that is not what was written must not be the newest at the next start.
        let _ = std::fs::remove_file(path);
    }
    checked
}

/// Keeps a state on a thread of its own until nobody else has it, so that what it holds is freed
/// there and not on a thread that answers somebody. Readers pin a state for moments.
fn outlive(mut state: Arc<State>) {
    const LONGEST: Duration = Duration::from_secs(60);
    let began = Instant::now();
    let wait = move || {
        while began.elapsed() < LONGEST {
            match Arc::try_unwrap(state) {
                Ok(last) => return drop(last),
                Err(still) => state = still,
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    // Without a thread the last reader frees it.
    let _ = std::thread::Builder::new()
        .name("pu-outlive".to_owned())
        .spawn(wait);
}

/// Writes the state of a register that stands still as a snapshot of its own.
pub fn write_whole(
    data: &Path,
    formats: &Formats,
    state: &State,
    progress: impl FnMut(u64),
) -> Result<PathBuf, CompactError> {
    let as_of = Frozen {
        sequence: state.sequence(),
        ledger: state.ledger().clone(),
    };
    let newer = state.overlay().records();
    write_as_of(data, formats, state, &as_of, newer, progress)
}

/// Writes a state's snapshot with the records that are newer at a point in time.
fn write_as_of<'s>(
    data: &Path,
    formats: &Formats,
    state: &State,
    as_of: &Frozen,
    newer: impl Iterator<Item = (u64, &'s Arc<[u8]>)>,
    progress: impl FnMut(u64),
) -> Result<PathBuf, CompactError> {
    let about = About {
        schema_hash: schema_hash(),
        sequence: as_of.sequence,
        created: Moment::now().date_time,
    };
    let ledger = as_of.ledger.to_bytes().map_err(CompactError::Ledger)?;
    Ok(write_merged(
        data,
        about,
        Some(state.snapshot()),
        newer.map(|(key, record)| Ok((key, &**record))),
        &formats_to_bytes(formats),
        &ledger,
        progress,
    )?)
}
