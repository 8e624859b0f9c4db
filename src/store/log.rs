//! The log: every change, in order, flushed before anybody is told that it was made.
//!
//! [`Log`] is the seam. One node keeps the log in files of its own ([`segments::Segments`]); several
//! nodes will share one. Whoever appends says which entry it believes to be the last, so that one
//! who has missed something cannot overwrite it.

pub mod block;
pub mod follow;
#[cfg(test)]
pub(super) mod forgetful;
pub mod medium;
pub mod recover;
pub mod segments;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use super::entry::Entry;
use super::witness::WitnessError;

/// The committed changes of one register.
pub trait Log: Send + Sync {
    /// Appends entries, the archives of [`Entry`], whose numbers follow on `expected`, and flushes them.
    /// Either all of them are committed or none.
    fn append(&self, entries: &[Vec<u8>], expected: u64) -> Result<u64, AppendError>;

    /// The committed entries from `sequence` on.
    fn read_from(&self, sequence: u64) -> Result<Entries<'_>, ReadError>;

    /// The first entry from which on there is no gap; one after the last when there is none.
    fn first(&self) -> u64;

    /// The number of the last entry.
    fn last(&self) -> u64;

    /// Lets go of what is older than `sequence`, as far as the log does not want to keep it.
    fn trim(&self, sequence: u64) -> io::Result<()>;

    /// Bytes it takes.
    fn bytes(&self) -> u64;

    /// Looks after what it keeps, several times a minute: gives back what was made ahead when room is
    /// short, and sees that its files are still there. Fails when no more entries are taken.
    fn tend(&self) -> Result<(), AppendError> {
        Ok(())
    }
}

/// Entries in order.
pub type Entries<'l> = Box<dyn Iterator<Item = Result<Entry, ReadError>> + 'l>;

/// Why entries are not appended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else has appended since.
    #[error("the log is at entry {last}, not at {expected}")]
    Conflict {
        /// The entry it was believed to end with.
        expected: u64,
        /// The entry it ends with.
        last: u64,
    },
    /// There is no room for more. Nothing was written, and it can be tried again.
    #[error("no room for the log: {0}")]
    NoRoom(String),
    /// Writing failed, now or before. What is on disk is not known, so nothing more is written until
    /// the register is opened anew.
    #[error("the log failed and takes no more changes: {0}")]
    Failed(String),
    /// More bytes than one block may hold.
    #[error("{0} bytes are more than can be appended at once")]
    TooLarge(usize),
}

impl From<WitnessError> for AppendError {
    fn from(error: WitnessError) -> Self {
        match error {
            WitnessError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Self::NoRoom(source.to_string())
            }
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system failed.
    #[error("{path} cannot be read or written")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that are not what was written.
    #[error("{path}: damaged at byte {at}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// What is wrong.
        what: Wrong,
    },
    /// A file of another kind, format or field table.
    #[error("{path}: {what}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// In what.
        what: Foreign,
    },
    /// Entries that are no longer, or not all, there.
    #[error("the log begins with entry {first}, not with {wanted}")]
    Trimmed {
        /// What was asked for.
        wanted: u64,
        /// What there is.
        first: u64,
    },
}

/// What is wrong with bytes of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The header of a block.
    #[error("the head of a block is not what was written")]
    Head,
    /// The checksum over the entries.
    #[error("the entries are not what was written")]
    Checksum,
    /// An entry cannot be read.
    #[error("an entry cannot be read")]
    Entry,
    /// The numbers of entries do not follow on each other.
    #[error("the numbers of entries do not follow on each other")]
    Sequence,
    /// Bytes behind the last entry.
    #[error("there are entries behind a hole")]
    Hole,
    /// The file before it ends too early, or is gone.
    #[error("entries before this file are missing")]
    Short,
    /// The file has fewer bytes than it was made with, or ends within an entry.
    #[error("the file ends here, and was longer: it has been cut")]
    Cut,
}

/// How a file is not one of this register's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// Its first bytes.
    #[error("not a file of the log")]
    Magic,
    /// Another format.
    #[error("written in another format of the log")]
    Format,
    /// Another field table.
    #[error("written with another field table: export with the version that wrote it")]
    Schema,
    /// Its head is damaged.
    #[error("the head of the file is damaged")]
    Head,
}

impl Foreign {
    /// Whether it may be a file of this register's log all the same, of which the head was changed.
    pub const fn is_damage(self) -> bool {
        matches!(self, Self::Magic | Self::Head)
    }
}
