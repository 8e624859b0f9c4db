//! Whether this node answers: the register is checked before the first answer, and a node that is
//! going down says so before it closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use crate::base::told::Told;
use crate::person::record::{Damaged, RecordRef};
use crate::store::error::VerifyError;
use crate::store::layout::Section;
use crate::store::live::Live;
use crate::store::map::Pattern;
use crate::store::snapshot::Snapshot;

/// A node's readiness.
#[derive(Clone, Default)]
pub struct Readiness(Arc<AtomicU8>);

/// What a node is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The register is being checked.
    Verifying,
    /// Answers.
    Ready,
    /// The register is damaged; nothing is answered.
    Damaged,
    /// Finishes what it has begun.
    Draining,
}

const VERIFIED: u8 = 1;
const DAMAGED: u8 = 2;
const DRAINING: u8 = 4;

impl Readiness {
    /// What the node is doing. A register that is damaged or not yet verified stays so while the
    /// node drains: it is never answered from.
    #[inline]
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            said if said & DAMAGED != 0 => Phase::Damaged,
            said if said & VERIFIED == 0 => Phase::Verifying,
            said if said & DRAINING != 0 => Phase::Draining,
            _ => Phase::Ready,
        }
    }

    /// Whether the node finishes what it has begun, whatever else is said of it.
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Acquire) & DRAINING != 0
    }

    /// Says what the node has found or begun; nothing that was said is taken back.
    pub fn set(&self, phase: Phase) {
        let said = match phase {
            Phase::Verifying => 0,
            Phase::Ready => VERIFIED,
            Phase::Damaged => DAMAGED,
            Phase::Draining => DRAINING,
        };
        self.0.fetch_or(said, Ordering::AcqRel);
    }

    /// Says that the node is ready, and reads the snapshot into memory behind the first answers: what
    /// finds records first. Each block is checked on the way, or before somebody is answered from it.
    pub fn warm(&self, live: &Arc<Live>) -> std::io::Result<JoinHandle<()>> {
        let snapshot = Arc::clone(live.store.pin().snapshot());
        snapshot.expect(Pattern::Scattered);
        self.set(Phase::Ready);
        let live = Arc::clone(live);
        std::thread::Builder::new()
            .name("warm".to_owned())
            .spawn(move || {
                let mut bytes = 0;
                snapshot.read_through(WARMED, |block| {
                    match block {
                        Ok(read) => bytes += read,
                        Err(_) => live.scrubbed.found(),
                    }
                    true
                });
                live.scrubbed.done();
                tracing::debug!(bytes, "in memory");
            })
    }

    /// Checks the snapshot in the background and then says that the node is ready. A damaged one is
    /// replaced first; when only blocks of it are damaged, what is whole is answered from meanwhile.
    pub fn verify(&self, live: &Arc<Live>) -> std::io::Result<JoinHandle<()>> {
        let snapshot = Arc::clone(live.store.pin().snapshot());
        snapshot.expect(Pattern::Whole);
        let (readiness, live) = (self.clone(), Arc::clone(live));
        std::thread::Builder::new()
            .name("verify".to_owned())
            .spawn(move || {
                let checked = check(&snapshot);
                snapshot.expect(Pattern::Scattered);
                match checked {
                    Ok(()) => {
                        live.scrubbed.done();
                        readiness.set(Phase::Ready);
                    }
                    Err(damage) => readiness.mend(&live, &snapshot, &damage),
                }
            })
    }

    fn mend(&self, live: &Live, snapshot: &Arc<Snapshot>, damage: &VerifyError) {
        live.scrubbed.found();
        let is_in_blocks = matches!(damage, VerifyError::Checksum { .. });
        let mut answers = false;
        let mended = live.mend(snapshot, damage, || {
            answers = is_in_blocks;
            if answers {
                self.set(Phase::Ready);
            }
        });
        match mended {
            Ok(()) => self.set(Phase::Ready),
            Err(error) if answers => {
                tracing::error!(error = %Told(&error), "the snapshot stays damaged: its whole blocks are answered from");
            }
            Err(error) => {
                tracing::error!(damage = %Told(damage), error = %Told(&error), "the snapshot is damaged: nothing will be answered");
                self.set(Phase::Damaged);
            }
        }
    }
}

/// The sections in the order in which they are read into memory.
const WARMED: [Section; 7] = [
    Section::Identities,
    Section::Ends,
    Section::Search,
    Section::Words,
    Section::Records,
    Section::Formats,
    Section::Sources,
];

/// Reads a whole snapshot, and every record in it.
fn check(snapshot: &Snapshot) -> Result<(), VerifyError> {
    snapshot.verify(|_, _| ())?;
    snapshot.verify_records(|_, bytes| {
        let record = RecordRef::open(bytes)?;
        record.check()?;
        Ok::<u64, Damaged>(record.identity().key())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(said: &[Phase]) -> Phase {
        let readiness = Readiness::default();
        said.iter().for_each(|&phase| readiness.set(phase));
        readiness.phase()
    }

    #[test]
    fn only_a_verified_register_answers_while_the_node_drains() {
        assert_eq!(after(&[]), Phase::Verifying);
        assert_eq!(after(&[Phase::Ready]), Phase::Ready);
        assert_eq!(after(&[Phase::Ready, Phase::Draining]), Phase::Draining);
        assert_eq!(after(&[Phase::Draining]), Phase::Verifying);
        assert_eq!(after(&[Phase::Damaged, Phase::Draining]), Phase::Damaged);
        assert_eq!(after(&[Phase::Draining, Phase::Damaged]), Phase::Damaged);
    }
}
