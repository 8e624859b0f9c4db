//! Whether this node answers: the register is checked before the first answer, and a node that is
//! going down says so before it closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use crate::base::told::Told;
use crate::person::record::{Damaged, RecordRef};
use crate::store::layout::Section;
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
    /// finds records first. A check would have read it before them.
    pub fn warm(&self, snapshot: Arc<Snapshot>) -> std::io::Result<JoinHandle<()>> {
        snapshot.expect(Pattern::Scattered);
        self.set(Phase::Ready);
        std::thread::Builder::new()
            .name("warm".to_owned())
            .spawn(move || {
                for section in [
                    Section::Identities,
                    Section::Ends,
                    Section::Search,
                    Section::Records,
                ] {
                    let pages = snapshot.warm(section);
                    tracing::debug!(?section, pages, "in memory");
                }
            })
    }

    /// Checks a snapshot in the background and then says that the node is ready.
    pub fn verify(&self, snapshot: Arc<Snapshot>) -> std::io::Result<JoinHandle<()>> {
        snapshot.expect(Pattern::Whole);
        let readiness = self.clone();
        std::thread::Builder::new().name("verify".to_owned()).spawn(move || {
            let checked = snapshot.verify(|_, _| {}).map(|_| ()).and_then(|()| {
                snapshot.verify_records(|_, bytes| {
                    let record = RecordRef::open(bytes)?;
                    record.check()?;
                    Ok::<u64, Damaged>(record.identity().key())
                })
            });
            snapshot.expect(Pattern::Scattered);
            match checked {
                Ok(()) => readiness.set(Phase::Ready),
                Err(error) => {
                    tracing::error!(error = %Told(&error), "the snapshot is damaged: nothing will be answered");
                    readiness.set(Phase::Damaged);
                }
            }
        })
    }
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
