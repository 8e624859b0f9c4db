//! An entry of the log: one committed change, who made it, and everything it made new.
//!
//! Its bytes are one rkyv archive. The records in it are the same bytes that a snapshot holds.
#![allow(
    missing_docs,
    reason = "the fields of variants that rkyv derives cannot be documented"
)]

use rkyv::{Archive, Deserialize, Serialize, rancor};

use crate::base::time::DateTime;

/// One committed change.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number: one more than the entry's before it.
    pub sequence: u64,
    /// When, as the bits of a moment.
    at: u64,
    /// Who, and by which way.
    pub origin: Origin,
    /// Every record that changed, as it is from now on.
    pub changes: Vec<Changed>,
    /// What the register remembers beside its records.
    pub notes: Vec<Note>,
}

/// A record that changed.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The record's bytes.
    pub record: Vec<u8>,
    /// The county the person was registered in before, when that is another one now.
    pub left: Option<[u8; 2]>,
}

/// Who made a change. Everything may be empty.
#[derive(Archive, Serialize, Deserialize, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Origin {
    /// The way it came: a contract with its major version (`UpdatePerson/5`), `navet`, `exchange` or
    /// `rest`.
    pub by: String,
    /// Who did it: root and extension.
    pub actor: Option<(String, String)>,
    /// For whom: root and extension.
    pub organization: Option<(String, String)>,
    /// The system that asked, by its HSA-id.
    pub consumer: Option<String>,
    /// What names the request in other systems' logs.
    pub correlation: Option<String>,
}

/// What the register remembers beside its records.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq)]
pub enum Note {
    /// A file was applied to its end.
    File {
        /// XXH3-128 of its content, in hexadecimal.
        content: String,
        /// Entries in it.
        entries: u64,
    },
    /// A file was applied up to an entry.
    Progress {
        /// XXH3-128 of its content, in hexadecimal.
        content: String,
        /// Entries that were applied.
        done: u64,
    },
    /// A record points at an identity that is not there.
    Waits {
        /// The key of the identity that is not there.
        missing: u64,
        /// The key of the record.
        waits: u64,
    },
    /// An identity that others waited for has come.
    Arrived {
        /// Its key.
        key: u64,
    },
    /// A chain of the audit has come so far.
    AuditEnd {
        /// The chain.
        chain: u32,
        /// Its end, as the audit writes an anchor; empty: nothing is known of it any more.
        anchor: String,
    },
}

// A log of older versions is read by this one: a note takes as many bytes as it always has.
const _: () = assert!(size_of::<ArchivedNote>() == 17);

/// Bytes that are not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not an entry of the log")]
pub struct NotAnEntry;

impl Entry {
    /// An entry.
    pub fn new(
        sequence: u64,
        at: DateTime,
        origin: Origin,
        changes: Vec<Changed>,
        notes: Vec<Note>,
    ) -> Self {
        Self {
            sequence,
            at: at.bits(),
            origin,
            changes,
            notes,
        }
    }

    /// When it was committed.
    pub fn at(&self) -> Option<DateTime> {
        DateTime::from_bits(self.at)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NotAnEntry> {
        rkyv::to_bytes::<rancor::Failure>(self)
            .map(|bytes| bytes.to_vec())
            .map_err(|_| NotAnEntry)
    }

    /// The entry in these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAnEntry> {
        rkyv::from_bytes::<Self, rancor::Failure>(bytes).map_err(|_| NotAnEntry)
    }
}
