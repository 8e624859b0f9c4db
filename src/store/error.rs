//! What can be wrong with a snapshot file: when it is opened, verified or written. The messages
//! name the file, the place and the record's position; never a key, which would be a person.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use crate::store::index::identity::BuildError;
use crate::store::layout::{FORMAT_VERSION, OLD_FORMAT_VERSIONS, Section};

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system did not let us read it.
    #[error("{path}: cannot be read", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It does not start as snapshots do.
    #[error("{path}: not a snapshot file", path = path.display())]
    NotASnapshot {
        /// The file.
        path: PathBuf,
    },
    /// It has a format of another time.
    #[error("{path}: snapshot format {found}, this program reads {FORMAT_VERSION}{advice}", path = path.display(), advice = advice(*found))]
    FormatVersion {
        /// The file.
        path: PathBuf,
        /// The format it says it has.
        found: u32,
    },
    /// Its records were written with another field table.
    #[error("{path}: schema {found:016x}, this program reads {expected:016x}", path = path.display())]
    SchemaHash {
        /// The file.
        path: PathBuf,
        /// The hash of our field table.
        expected: u64,
        /// The hash in the file.
        found: u64,
    },
    /// The header has changed since it was written.
    #[error("{path}: the header does not match its checksum", path = path.display())]
    HeaderChecksum {
        /// The file.
        path: PathBuf,
    },
    /// The header is whole, but holds something that this format never does.
    #[error("{path}: the header holds a wrong value at offset {offset}", path = path.display())]
    HeaderField {
        /// The file.
        path: PathBuf,
        /// Where the value, or its first wrong byte, is.
        offset: usize,
    },
    /// A section is not where the sections before it end.
    #[error("{path}: section {name} at offset {offset} is out of bounds", path = path.display(), name = section.name())]
    SectionOutOfBounds {
        /// The file.
        path: PathBuf,
        /// The section.
        section: Section,
        /// Where the header says it is.
        offset: u64,
    },
    /// A section's length does not go with the number of records.
    #[error(
        "{path}: section {name} at offset {offset} has {length} bytes, which do not fit the number of records",
        path = path.display(), name = section.name()
    )]
    SectionLength {
        /// The file.
        path: PathBuf,
        /// The section.
        section: Section,
        /// Where it is.
        offset: u64,
        /// Its length.
        length: u64,
    },
    /// The checksums of blocks are not those that the header was written with.
    #[error("{path}: section {name} does not match its checksum at offset {offset}", path = path.display(), name = Section::Checksums.name())]
    Checksums {
        /// The file.
        path: PathBuf,
        /// Where they start.
        offset: u64,
    },
    /// The file ends too early.
    #[error("{path}: ends at {found} of {expected} bytes", path = path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes it should have.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// The file goes on after its last section.
    #[error("{path}: has bytes after its end at offset {offset}", path = path.display())]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// Where it should end.
        offset: u64,
    },
}

/// What is wrong inside a file whose header is right.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A block of a section has changed since it was written.
    #[error("{path}: section {name} does not match its checksum at offset {offset}", path = path.display(), name = section.name())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The section.
        section: Section,
        /// Where the block starts.
        offset: u64,
    },
    /// A byte between two sections is not zero.
    #[error("{path}: the padding at offset {offset} is not zero", path = path.display())]
    Padding {
        /// The file.
        path: PathBuf,
        /// The byte.
        offset: u64,
    },
    /// A record has no bytes, or lies outside the records.
    #[error("{path}: record {ordinal} has a wrong end at offset {offset}", path = path.display())]
    RecordEnd {
        /// The file.
        path: PathBuf,
        /// The record's position, from 0.
        ordinal: u64,
        /// Where its end is written.
        offset: u64,
    },
    /// The records do not fill their section.
    #[error("{path}: the records end at offset {found}, their section at {expected}", path = path.display())]
    RecordsLength {
        /// The file.
        path: PathBuf,
        /// Where the section ends.
        expected: u64,
        /// Where the last record ends.
        found: u64,
    },
    /// A bucket of the index says it holds more than a bucket can.
    #[error("{path}: the bucket at offset {offset} is wrong", path = path.display())]
    Bucket {
        /// The file.
        path: PathBuf,
        /// The bucket.
        offset: u64,
    },
    /// The search index is out of order, breaks off, or names a record that is not there.
    #[error("{path}: the search index at offset {offset} is damaged", path = path.display())]
    SearchIndex {
        /// The file.
        path: PathBuf,
        /// Where the index starts.
        offset: u64,
    },
    /// The index does not hold as many entries as there are records.
    #[error("{path}: {found} index entries for {expected} records", path = path.display())]
    IndexCount {
        /// The file.
        path: PathBuf,
        /// Number of records.
        expected: u64,
        /// Number of entries.
        found: u64,
    },
    /// The index points where no record ends, or twice to the same record.
    #[error("{path}: the bucket at offset {offset} points to no record of its own", path = path.display())]
    IndexedEnd {
        /// The file.
        path: PathBuf,
        /// The bucket.
        offset: u64,
    },
    /// No entry of the index points to a record.
    #[error("{path}: record {ordinal} is not in the index", path = path.display())]
    NotIndexed {
        /// The file.
        path: PathBuf,
        /// The record's position, from 0.
        ordinal: u64,
    },
    /// The caller's check refused a record.
    #[error("{path}: record {ordinal} at offset {offset} is wrong", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The record's position, from 0.
        ordinal: u64,
        /// Where it starts.
        offset: u64,
        /// What the check said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A record's key is not above the one before.
    #[error("{path}: record {ordinal} at offset {offset} is out of order", path = path.display())]
    KeyOrder {
        /// The file.
        path: PathBuf,
        /// The record's position, from 0.
        ordinal: u64,
        /// Where it starts.
        offset: u64,
    },
    /// A record is not found by its own key.
    #[error("{path}: record {ordinal} at offset {offset} is not found by its key", path = path.display())]
    KeyNotFound {
        /// The file.
        path: PathBuf,
        /// The record's position, from 0.
        ordinal: u64,
        /// Where it starts.
        offset: u64,
    },
}

/// Why a snapshot was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system did not let us write.
    #[error("{path}: cannot be written", path = path.display())]
    Io {
        /// The file, or its folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key is not above the one before.
    #[error("record {ordinal}: its key does not come after the key before")]
    NotAscending {
        /// The record's position, from 0.
        ordinal: u64,
    },
    /// A record without bytes could not be told from the one before it.
    #[error("record {ordinal}: empty")]
    EmptyRecord {
        /// The record's position, from 0.
        ordinal: u64,
    },
    /// A record is over `limits::RECORD_BYTES`.
    #[error("record {ordinal}: {length} bytes are more than a record may have")]
    RecordTooLarge {
        /// The record's position, from 0.
        ordinal: u64,
        /// Its bytes.
        length: usize,
    },
    /// All records together are more than 40 bits can address (1 TiB).
    #[error("record {ordinal}: the records of one snapshot end at 1 TiB")]
    ArenaFull {
        /// The first record that does not fit.
        ordinal: u64,
    },
    /// The identity index cannot be built.
    #[error("identity index: {0}")]
    Index(#[from] BuildError),
    /// An earlier write failed, so what the file holds is unknown.
    #[error("{path}: an earlier write failed", path = path.display())]
    Broken {
        /// The temporary file.
        path: PathBuf,
    },
}

/// What to do about a file of another format.
fn advice(found: u32) -> &'static str {
    if OLD_FORMAT_VERSIONS.contains(&found) {
        ": run `pu snapshot upgrade`"
    } else {
        ""
    }
}
