//! What a register remembers beside its records, kept in the snapshot and in every state: the files
//! that were applied, so that the same file twice changes nothing; how far one is applied, so that it
//! can go on after a stop; the records that point at identities which are not there yet; and how far each
//! chain of the audit had come.

use imbl::{OrdMap, OrdSet, Vector};
use serde::{Deserialize, Serialize};

use super::entry::Note;

/// The ledger of one register. A copy shares everything with the original.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Files applied, oldest first.
    pub applied: Vector<AppliedFile>,
    /// Pairs of keys: an identity that is not in the register, and one whose record points at it.
    pub waiting: OrdSet<(u64, u64)>,
    /// Entries applied of files that are not applied to their end, by content.
    #[serde(default)]
    pub progress: OrdMap<String, u64>,
    /// The end of each chain of the audit, as the audit writes an anchor.
    #[serde(default)]
    pub audit: OrdMap<u32, String>,
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

    /// The keys of the records that point at an identity which is not there.
    pub fn waiting_for(&self, missing: u64) -> impl Iterator<Item = u64> + '_ {
        let pairs = self.waiting.range((missing, 0)..=(missing, u64::MAX));
        pairs.map(|&(_, waits)| waits)
    }

    /// Notes an applied file; the oldest is forgotten when there are too many.
    pub fn note(&mut self, file: AppliedFile) {
        if self.applied.len() >= Self::MOST {
            self.applied.pop_front();
        }
        self.progress.remove(&file.content);
        self.applied.push_back(file);
    }

    /// Takes over a note from an entry of the log; `at` is the entry's time.
    pub fn apply(&mut self, note: &Note, at: &str) {
        match note {
            Note::File { content, entries } => self.note(AppliedFile {
                content: content.clone(),
                at: at.to_owned(),
                entries: *entries,
            }),
            Note::Progress { content, done } => {
                self.progress.insert(content.clone(), *done);
            }
            Note::Waits { missing, waits } => {
                self.waiting.insert((*missing, *waits));
            }
            Note::AuditEnd { chain, anchor } if anchor.is_empty() => {
                self.audit.remove(chain);
            }
            Note::AuditEnd { chain, anchor } => {
                self.audit.insert(*chain, anchor.clone());
            }
            Note::Arrived { key } => {
                let waiting: Vec<u64> = self.waiting_for(*key).collect();
                for waits in waiting {
                    self.waiting.remove(&(*key, waits));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_end_of_each_chain_of_the_audit_is_kept() {
        let mut ledger = Ledger::from_bytes(br#"{"applied":[],"waiting":[]}"#).unwrap();
        let mut told = |chain, anchor: &str| {
            let anchor = anchor.to_owned();
            ledger.apply(&Note::AuditEnd { chain, anchor }, "");
        };
        told(0, "0:5:aa");
        told(12, "12:1:bb");
        told(0, "0:9:cc");
        told(3, "3:1:dd");
        told(3, "");
        let again = Ledger::from_bytes(&ledger.to_bytes().unwrap()).unwrap();
        assert_eq!(again, ledger);
        let ends: Vec<_> = again.audit.into_iter().collect();
        assert_eq!(ends, [(0, "0:9:cc".to_owned()), (12, "12:1:bb".to_owned())]);
    }
}
