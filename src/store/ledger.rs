//! What a register remembers of its sources, kept in the snapshot: the files that were applied, so
//! that the same file twice changes nothing, and the records that point at identities which are not
//! there yet.

use serde::{Deserialize, Serialize};

/// The ledger of one register.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Files applied, oldest first.
    pub applied: Vec<AppliedFile>,
    /// Pairs of keys: an identity that is not in the register, and one whose record points at it.
    pub waiting: Vec<(u64, u64)>,
}

/// One applied file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedFile {
    /// XXH3-128 of the content, in hexadecimal: what makes it the same file.
    pub content: String,
    /// When it was applied, `xs:dateTime`.
    pub at: String,
    /// Posts, or persons, in it.
    pub entries: u64,
}

impl Ledger {
    /// Files remembered: more than twenty years of daily files.
    const MOST: usize = 10_000;

    /// Reads a snapshot's ledger.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        if bytes.is_empty() {
            Ok(Self::default())
        } else {
            serde_json::from_slice(bytes)
        }
    }

    /// The ledger as a snapshot keeps it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Whether a file with this content was applied.
    pub fn knows(&self, content: &str) -> bool {
        self.applied.iter().any(|file| file.content == content)
    }

    /// Notes an applied file; the oldest is forgotten when there are too many.
    pub fn note(&mut self, file: AppliedFile) {
        if self.applied.len() >= Self::MOST {
            self.applied.remove(0);
        }
        self.applied.push(file);
    }
}
