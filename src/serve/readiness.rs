//! Whether this node answers: the register is checked before the first answer, and a node that is
//! going down says so before it closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use crate::person::record::{Damaged, RecordRef};
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

impl Readiness {
    /// What the node is doing.
    #[inline]
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Verifying,
            1 => Phase::Ready,
            2 => Phase::Damaged,
            _ => Phase::Draining,
        }
    }

    /// Says what the node is doing. A node that drains does nothing else any more.
    pub fn set(&self, phase: Phase) {
        let number = match phase {
            Phase::Verifying => 0,
            Phase::Ready => 1,
            Phase::Damaged => 2,
            Phase::Draining => 3,
        };
        self.0.fetch_max(number, Ordering::AcqRel);
    }

    /// Checks a snapshot in the background and then says that the node is ready.
    pub fn verify(&self, snapshot: Arc<Snapshot>) -> std::io::Result<JoinHandle<()>> {
        let readiness = self.clone();
        std::thread::Builder::new().name("verify".to_owned()).spawn(move || {
            let checked = snapshot.verify(|_, _| {}).map(|_| ()).and_then(|()| {
                snapshot.verify_records(|_, bytes| {
                    let record = RecordRef::open(bytes)?;
                    record.check()?;
                    Ok::<u64, Damaged>(record.identity().key())
                })
            });
            match checked {
                Ok(()) => readiness.set(Phase::Ready),
                Err(error) => {
                    tracing::error!(%error, "the snapshot is damaged: nothing will be answered");
                    readiness.set(Phase::Damaged);
                }
            }
        })
    }
}
