//! Whether an entry would be written now, asked without writing one: so that a service can say that it
//! discloses nothing before somebody asks in vain.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::chain::Chain;
use super::{Audit, AuditError, Shared, folder, recover};
use crate::base::limits;
use crate::base::told::Told;

/// What keeps entries from being written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Hindrance {
    /// A chain cannot be gone on with.
    #[error("a file of the audit is damaged; pu audit verify tells which")]
    Damaged,
    /// A chain cannot be opened for another reason.
    #[error("a file of the audit cannot be opened")]
    Unopened,
    /// The process has no descriptor left to open a chain with.
    #[error("the process has no file descriptors left for the audit")]
    NoDescriptors,
    /// Files are gone, or others.
    #[error("files of the audit were removed or replaced")]
    Robbed,
    /// Anchors are not where they must be.
    #[error("the anchors of the audit are not in their second place")]
    Unanchored,
    /// The last write failed.
    #[error("the audit could not be written")]
    Unwritten,
    /// The last flush failed.
    #[error("the audit could not be flushed to the disk")]
    Unflushed,
    /// The disk is full.
    #[error("there is no room on the disk of the audit")]
    NoRoom,
    /// The folder takes no files.
    #[error("no files can be made in the folder of the audit")]
    Closed,
}

/// What is known of it.
#[derive(Default)]
pub(super) struct Fitness(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Pens that will be asked for.
    pens: u32,
    /// Chains that are open and that nobody writes yet, with the bytes that were cut off them.
    prepared: BTreeMap<u32, (Arc<Chain>, u64)>,
    /// The chain that could not be opened, and its files then when they were damaged.
    refused: Option<(u32, Hindrance, Option<Stamp>)>,
    hindrance: Option<Hindrance>,
}

/// Tells whether the files of a chain have changed: number, length and time of each that counts.
type Stamp = Vec<(u64, u64, i64, i64)>;

impl Fitness {
    /// What was in the way when it was last asked for.
    pub fn hindrance(&self) -> Option<Hindrance> {
        self.0.lock().hindrance
    }

    /// The lowest chain that is open and that nobody writes.
    pub fn take_prepared(&self) -> Option<(Arc<Chain>, u64)> {
        self.0.lock().prepared.pop_first().map(|(_, chain)| chain)
    }
}

impl Audit {
    /// Opens the chains that so many pens will go on with, where they are there: what is damaged is
    /// known before anybody waits for it. Chains that are new are begun by their pens.
    pub fn prepare(&self, pens: u32) {
        self.shared.fitness.0.lock().pens = pens;
        self.prepare_again();
    }

    /// Whether an entry would be written now. Cheap, and writes nothing.
    pub fn ask(&self) -> Result<(), Hindrance> {
        let shared = &self.shared;
        let hindered = shared.hindered_chains();
        if hindered.is_none() {
            self.prepare_again();
        }
        let disk = shared.hindered_disk();
        let mut known = shared.fitness.0.lock();
        let refused = known.refused.as_ref().map(|it| it.1);
        let found = hindered.or(refused).or(disk);
        known.hindrance = found;
        found.map_or(Ok(()), Err)
    }

    /// Whether a chain is known to be damaged: no pen is to be had until its files are others.
    pub fn is_damaged(&self) -> bool {
        let known = self.shared.fitness.0.lock();
        matches!(known.refused, Some((_, Hindrance::Damaged, _)))
    }

    /// Opens what should be open and is not. A chain that is damaged is looked at again when its files
    /// have changed.
    fn prepare_again(&self) {
        let _opening = self.opening.lock();
        let shared = &self.shared;
        let (pens, refused) = {
            let known = shared.fitness.0.lock();
            (known.pens, known.refused.clone())
        };
        if let Some((chain, _, Some(stamp))) = &refused
            && shared.stamp(*chain).is_ok_and(|it| it == *stamp)
        {
            return;
        }
        let told = refused.as_ref().map(|it| (it.0, it.1));
        let refused = (0..pens)
            .find_map(|chain| shared.prepare(chain).err().map(|error| (chain, error)))
            .map(|(chain, error)| {
                let kind = kind_of(&error);
                if told != Some((chain, kind)) {
                    tracing::error!(chain, error = %Told(&error), reason = %kind, "the audit cannot be opened: nothing is disclosed");
                }
                let stamp = (kind == Hindrance::Damaged).then(|| shared.stamp(chain).ok());
                (chain, kind, stamp.flatten())
            });
        if told.is_some() && refused.is_none() {
            tracing::warn!("the audit can be opened again");
        }
        shared.fitness.0.lock().refused = refused;
    }
}

fn kind_of(error: &AuditError) -> Hindrance {
    const NO_DESCRIPTORS: [i32; 2] = [libc::EMFILE, libc::ENFILE];
    match error {
        AuditError::Damaged(_) => Hindrance::Damaged,
        AuditError::Io { source, .. }
            if source
                .raw_os_error()
                .is_some_and(|it| NO_DESCRIPTORS.contains(&it)) =>
        {
            Hindrance::NoDescriptors
        }
        _ => Hindrance::Unopened,
    }
}

impl Shared {
    /// Opens a chain that has files and no pen.
    fn prepare(&self, number: u32) -> Result<(), AuditError> {
        if self.chains.lock().contains_key(&number) {
            return Ok(());
        }
        let there = folder::chains(&self.folder);
        let there = there.map_err(|source| AuditError::io(&self.folder, source))?;
        if there.get(&number).is_none_or(|it| it.numbers.is_empty()) {
            return Ok(());
        }
        let recovered = recover::recover(&self.folder, number, &*self.medium)?;
        let cut = recovered.cut;
        let chain = Arc::new(Chain::new(number, recovered));
        self.chains.lock().insert(number, Arc::clone(&chain));
        let mut known = self.fitness.0.lock();
        known.prepared.insert(number, (chain, cut));
        Ok(())
    }

    fn stamp(&self, chain: u32) -> io::Result<Stamp> {
        let about = |path: &Path| {
            let it = fs::metadata(path)?;
            Ok((it.ino(), it.len(), it.mtime(), it.mtime_nsec()))
        };
        let files = folder::chains(&self.folder)?.remove(&chain);
        let numbers = files.map_or(Vec::new(), |it| it.numbers);
        let mut stamp = numbers
            .into_iter()
            .map(|number| about(&folder::file(&self.folder, chain, number)))
            .collect::<io::Result<Stamp>>()?;
        stamp.extend(about(&folder::head(&self.folder, chain)).ok());
        Ok(stamp)
    }

    /// What is in the way by what was written and flushed, and by the last look at the files.
    pub(super) fn hindered_chains(&self) -> Option<Hindrance> {
        if self.vigil.is_robbed() {
            return Some(Hindrance::Robbed);
        }
        if self.vigil.is_held() {
            return Some(Hindrance::Unanchored);
        }
        let chains = self.chains.lock();
        if chains
            .values()
            .any(|it| it.fails_to_settle.load(Ordering::Relaxed))
        {
            return Some(Hindrance::Unflushed);
        }
        let mut all = chains.values();
        all.any(|it| it.fails_to_write.load(Ordering::Relaxed))
            .then_some(Hindrance::Unwritten)
    }

    fn hindered_disk(&self) -> Option<Hindrance> {
        match self.medium.room(&self.folder) {
            Ok(room) if room >= limits::AUDIT_ROOM_BYTES => None,
            Ok(_) => Some(Hindrance::NoRoom),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Some(Hindrance::NoRoom),
            Err(_) => Some(Hindrance::Closed),
        }
    }
}
