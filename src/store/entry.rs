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
    /// What those who follow a county would not hear of otherwise: [`Left`] in two bytes.
    left: Option<[u8; 2]>,
}

/// Why somebody who was told of a person before is told of a change that takes the person out of
/// what they follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    /// A person without protection was registered in this county until the change.
    Open([u8; 2]),
    /// The same under sekretessmarkering, which leaves the county to be seen.
    Shielded([u8; 2]),
    /// The same under skyddad folkbokföring, which may hide it.
    PopulationRecord([u8; 2]),
    /// There is more protection than before. From which county is not kept: everybody is told.
    IntoProtection,
}

/// The bit that no digit has.
const MARK: u8 = 0x80;

impl Left {
    const fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::Open(county) => county,
            Self::Shielded([tens, ones]) => [tens | MARK, ones],
            Self::PopulationRecord([tens, ones]) => [tens, ones | MARK],
            Self::IntoProtection => [MARK; 2],
        }
    }

    const fn from_bytes([tens, ones]: [u8; 2]) -> Self {
        let county = [tens & !MARK, ones & !MARK];
        match (tens & MARK != 0, ones & MARK != 0) {
            (false, false) => Self::Open(county),
            (true, false) => Self::Shielded(county),
            (false, true) => Self::PopulationRecord(county),
            (true, true) => Self::IntoProtection,
        }
    }
}

impl Changed {
    /// A record that changed, and what followers of a county must hear.
    pub fn new(record: Vec<u8>, left: Option<Left>) -> Self {
        Self {
            record,
            left: left.map(Left::to_bytes),
        }
    }

    /// What followers of a county would not hear of otherwise.
    pub fn left(&self) -> Option<Left> {
        self.left.map(Left::from_bytes)
    }
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

impl Origin {
    /// A change that came by this way, of nobody in particular.
    pub fn by(way: &str) -> Self {
        Self {
            by: way.to_owned(),
            ..Self::default()
        }
    }
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
    /// A series of numbers that this register issues has come so far.
    Issued {
        /// The series; [`OTHER_SERIES`]: all that are not named.
        series: u64,
        /// The place of the first number that was never issued.
        next: u64,
    },
    /// Entries were given up as lost.
    Lost {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// A file of Skatteverket's began to be applied.
    Began {
        /// The day it was made, `YYYYMMDD`.
        day: u32,
        /// Its place among the files of that day.
        serial: u64,
    },
}

/// Stands for all series of numbers that are not named.
pub const OTHER_SERIES: u64 = u64::MAX;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_read_back() {
        for left in [
            Left::Open(*b"14"),
            Left::Shielded(*b"01"),
            Left::PopulationRecord(*b"25"),
            Left::IntoProtection,
        ] {
            assert_eq!(Changed::new(Vec::new(), Some(left)).left(), Some(left));
        }
        assert_eq!(Changed::new(Vec::new(), None).left(), None);
    }
}
