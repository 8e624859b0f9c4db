//! The disclosure audit: an append-only, hash-chained record of what was disclosed to whom, and of
//! what was changed.
//!
//! In: an [`Entry`] for every answer, before it leaves. Out: a [`Ticket`] that tells whether the entry
//! is written; a walk over all that was written, which finds what was removed, changed, inserted or
//! reordered since. What can never happen here: an answer whose ticket says [`Fate::Written`] and whose
//! entry a crash of the process, a full disk or a failing write took away; or two processes that write.
//!
//! Each thread that serves writes a *chain* of files of its own with a [`Pen`], so that threads share
//! nothing. What a thread notes between two writes is one *block*, under a SHA-256 that covers it and
//! everything before it in the chain. A *keeper* flushes the chains, and keeps beside each a *head*,
//! which tells how far the chain is known to be on the disk: so that blocks removed from its end are
//! missed. Once a minute it logs an *anchor*, the chain's hash: who ships logs elsewhere can prove
//! that a chain is still the one that was written, even against somebody who writes all of it anew.

pub mod block;
mod chain;
pub mod entry;
pub mod errand;
mod fitness;
pub mod folder;
mod head;
pub mod known;
mod medium;
mod pen;
pub mod push;
pub mod read;
mod recover;
pub mod search;
#[cfg(test)]
mod tests;
pub mod verify;
mod vigil;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::base::limits::AUDIT_FILE_BYTES;
use chain::Chain;
use fitness::Fitness;
use folder::Writer;
use medium::{Disk, Medium};
use read::{Damage, ReadError};
use vigil::Vigil;

pub use entry::{Entry, OwnedEntry};
pub use fitness::Hindrance;
pub use pen::{Fate, Pen, Ticket};
pub use verify::Anchor;

/// How an audit keeps its files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keeping {
    /// Bytes of a file before the next one is begun; the Swedish midnight begins one too.
    pub file_bytes: u64,
    /// How often what was written is flushed to the disk; zero: before every write returns.
    pub sync: Duration,
}

impl Default for Keeping {
    fn default() -> Self {
        Self {
            file_bytes: AUDIT_FILE_BYTES,
            sync: Duration::from_secs(1),
        }
    }
}

/// Why an audit cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Another process writes it.
    #[error("another process writes the audit in {0}")]
    Held(PathBuf),
    /// Others than the owner may reach a file or the folder.
    #[error(
        "{path} has mode {mode:o}: an audit must be reachable by its owner only (chmod go= {path})"
    )]
    Wide {
        /// The file or the folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A chain is broken: nothing may be disclosed over it.
    #[error("the disclosure audit is damaged: {0}")]
    Damaged(#[from] Damage),
    /// What was written may not be on the disk: nothing is written until it is.
    #[error(
        "chain {0} of the disclosure audit could not be flushed to the disk; it is tried again"
    )]
    Doubtful(u32),
    /// Anchors are not in the second place where they must be: nothing is written until they are.
    #[error("the anchors of the disclosure audit are not in their second place; it is tried again")]
    Unanchored,
    /// Files were removed or replaced while the audit was written.
    #[error("files of the audit in {0} were removed or replaced while it was written")]
    Robbed(PathBuf),
    /// The process may have no more threads.
    #[error("cannot start the thread that keeps the disclosure audit")]
    Thread(#[source] io::Error),
    /// A file cannot be read or written.
    #[error("cannot read or write {path}")]
    Io {
        /// The file or the folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl AuditError {
    fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        Self::Io { path, source }
    }
}

impl From<ReadError> for AuditError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged(damage) => Self::Damaged(damage),
            ReadError::Io { path, source } => Self::Io { path, source },
        }
    }
}

/// What an audit has done since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Entries written.
    pub entries: u64,
    /// Blocks written.
    pub blocks: u64,
    /// Bytes of these blocks.
    pub bytes: u64,
    /// Writes and flushes that failed.
    pub failures: u64,
    /// Flushes that did not.
    pub syncs: u64,
}

/// An audit that this process writes. The last pen or other owner that goes closes it.
pub struct Audit {
    shared: Arc<Shared>,
    /// One pen at a time is opened.
    opening: Mutex<()>,
    keeper: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What pens and keeper share.
struct Shared {
    folder: PathBuf,
    keeping: Keeping,
    medium: Arc<dyn Medium>,
    chains: Mutex<BTreeMap<u32, Arc<Chain>>>,
    counters: Counters,
    vigil: Vigil,
    fitness: Fitness,
    writer: Writer,
    /// Held until everything else has ended.
    lock: File,
}

#[derive(Default)]
struct Counters {
    entries: AtomicU64,
    blocks: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
    syncs: AtomicU64,
}

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(250);

/// How often anchors are logged.
const ANCHORS_EVERY: Duration = Duration::from_secs(60);

impl Audit {
    /// Opens the audit in `folder`, which is made when it is missing: takes its lock, and starts to
    /// keep what will be written.
    pub fn open(folder: &Path, keeping: Keeping) -> Result<Arc<Self>, AuditError> {
        Self::open_on(folder, keeping, Arc::new(Disk), Writer::Service)
    }

    /// Opens the one chain of what the operator reads, also beside a running service; waits for other
    /// commands.
    pub fn open_for_operator(folder: &Path, keeping: Keeping) -> Result<Arc<Self>, AuditError> {
        Self::open_on(folder, keeping, Arc::new(Disk), Writer::Operator)
    }

    fn open_on(
        folder: &Path,
        keeping: Keeping,
        medium: Arc<dyn Medium>,
        writer: Writer,
    ) -> Result<Arc<Self>, AuditError> {
        let lock = folder::take(folder, writer)?;
        let shared = Arc::new(Shared {
            folder: folder.to_path_buf(),
            keeping,
            medium,
            chains: Mutex::default(),
            counters: Counters::default(),
            vigil: Vigil::default(),
            fitness: Fitness::default(),
            writer,
            lock,
        });
        shared.look();
        let (stop, stopped) = channel();
        let keeper = std::thread::Builder::new().name("audit".to_owned());
        let kept = Arc::clone(&shared);
        let keeper = keeper
            .spawn(move || kept.keep(&stopped))
            .map_err(AuditError::Thread)?;
        Ok(Arc::new(Self {
            shared,
            opening: Mutex::default(),
            keeper: Some((stop, keeper)),
        }))
    }

    /// A pen for the lowest chain that nobody writes, which goes on where that ended. What a crash
    /// left unfinished there is cut off; a chain that is damaged is refused.
    pub fn pen(self: &Arc<Self>) -> Result<Pen, AuditError> {
        let _opening = self.opening.lock();
        let shared = &self.shared;
        if let Some((chain, cut)) = shared.fitness.take_prepared() {
            return Pen::open(Arc::clone(self), chain, cut);
        }
        let first = match shared.writer {
            Writer::Service => 0,
            Writer::Operator => folder::OPERATOR,
        };
        let number = {
            let taken = shared.chains.lock();
            (first..u32::MAX)
                .find(|it| !taken.contains_key(it))
                .unwrap_or(u32::MAX)
        };
        let recovered = recover::recover(&shared.folder, number, &*shared.medium)?;
        let cut = recovered.cut;
        let chain = Arc::new(Chain::new(number, recovered));
        shared.chains.lock().insert(number, Arc::clone(&chain));
        Pen::open(Arc::clone(self), chain, cut)
    }

    /// Flushes what was written until now and replaces the heads, as the keeper does every so often.
    /// Whether all of it went well.
    pub fn settle(&self) -> bool {
        self.shared.settle()
    }

    /// Looks whether the files are still where they were written, as the keeper does several times a
    /// second. While they are not, nothing is written, and so nothing disclosed.
    pub fn look(&self) -> bool {
        self.shared.look()
    }

    /// Says whether writing waits for anchors to be in a second place.
    pub fn hold(&self, is_held: bool) {
        self.shared.vigil.hold(is_held);
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// What was done since it was opened.
    pub fn counts(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.shared.counters;
        Counts {
            entries: of(&counters.entries),
            blocks: of(&counters.blocks),
            bytes: of(&counters.bytes),
            failures: of(&counters.failures),
            syncs: of(&counters.syncs),
        }
    }

    /// Whether nothing would be written now, as far as it is known: the last write or flush of some
    /// chain failed, or something was in the way when it was last asked for.
    pub fn is_failing(&self) -> bool {
        self.shared.hindered_chains().is_some() || self.shared.fitness.hindrance().is_some()
    }

    /// The hashes that stand for all that is on the disk, one for each chain with entries: of those with
    /// a pen what was flushed, of the others what their heads tell.
    pub fn ends(&self) -> io::Result<Vec<Anchor>> {
        let written = self.anchors();
        let mut ends = known::ends(&self.shared.folder)?;
        ends.retain(|end| written.iter().all(|it| it.chain != end.chain));
        ends.extend(written.into_iter().filter(|it| it.entry > 0));
        ends.sort_unstable_by_key(|it| it.chain);
        Ok(ends)
    }

    /// The hashes that stand for all that is on the disk, one for each chain with a pen.
    pub fn anchors(&self) -> Vec<Anchor> {
        let chains = self.shared.chains.lock();
        chains.values().map(|chain| chain.anchor()).collect()
    }

    /// Gives a chain back.
    fn release(&self, chain: &Chain) {
        self.shared.chains.lock().remove(&chain.number);
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        if let Some((stop, keeper)) = self.keeper.take() {
            drop(stop);
            // A keeper that panicked has nothing more to say.
            let _ = keeper.join();
        }
    }
}

impl Shared {
    /// The keeper's work, until the audit is closed.
    fn keep(&self, stop: &Receiver<()>) {
        let every = match self.keeping.sync {
            Duration::ZERO => Keeping::default().sync,
            every => every,
        };
        let (mut settled, mut looked) = (Instant::now(), Instant::now());
        let mut told = Instant::now();
        while stop.recv_timeout(every.min(LOOK)) == Err(RecvTimeoutError::Timeout) {
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.look();
            }
            if settled.elapsed() < every {
                continue;
            }
            settled = Instant::now();
            self.settle();
            if told.elapsed() >= ANCHORS_EVERY {
                told = Instant::now();
                self.all().iter().for_each(|chain| chain.tell());
            }
        }
    }

    fn settle(&self) -> bool {
        // Every chain is settled, whatever became of the others.
        let done = self.all().into_iter().map(|chain| chain.settle(self));
        done.fold(true, |all, done| all & done)
    }

    fn all(&self) -> Vec<Arc<Chain>> {
        self.chains.lock().values().cloned().collect()
    }
}
