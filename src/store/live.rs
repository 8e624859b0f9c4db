//! A register at work: the state everybody reads, the committer, and compaction.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::commit::{Clock, Committer};
use super::compact::{CompactError, Compactor};
use super::log::segments::Keeping;
use super::state::{RegisterError, State, Store, open_to_write};
use crate::base::limits;
use crate::base::told::Told;
use crate::person::identity::Formats;

/// A register at work, in a folder that this process owns.
pub struct Live {
    /// The state everybody reads.
    pub store: Arc<Store>,
    /// The way to change it.
    pub committer: Committer,
    compactor: Compactor,
    compacting: Mutex<()>,
    /// When the newest snapshot was made, or the register opened.
    compacted: Mutex<Instant>,
    /// Set when somebody wants a new snapshot now.
    wanted: AtomicBool,
    /// Snapshots made since the start, and how long the last one took, in milliseconds.
    pub compactions: AtomicU64,
    /// See `compactions`.
    pub compaction_millis: AtomicU64,
    /// How long chains of linked identities may be, and how many are getting there.
    pub chains: Arc<Chains>,
}

/// How long chains of linked identities may be, and how many are getting there.
pub struct Chains {
    longest: AtomicUsize,
    long: AtomicU64,
}

impl Default for Chains {
    fn default() -> Self {
        Self {
            longest: AtomicUsize::new(limits::LINKED_IDENTITIES),
            long: AtomicU64::new(0),
        }
    }
}

impl Chains {
    /// Identities that care may link with one another.
    pub fn longest(&self) -> usize {
        self.longest.load(Ordering::Relaxed)
    }

    /// From now on, this many.
    pub fn set_longest(&self, identities: usize) {
        self.longest.store(identities, Ordering::Relaxed);
    }

    /// Notes how long a chain is that was changed. Those of more than half of the longest are
    /// counted, wherever the change came from.
    pub fn count(&self, identities: usize) {
        if identities > self.longest() / 2 {
            self.long.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Changes that left a long chain behind.
    pub fn long(&self) -> u64 {
        self.long.load(Ordering::Relaxed)
    }
}

/// How often the overlay's size is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long to wait after a snapshot could not be made.
const AFTER_TROUBLE: Duration = Duration::from_secs(60);

impl Live {
    /// Opens the register in a data folder whose lock the caller holds.
    pub fn open(
        data: &Path,
        formats: &Formats,
        keeping: Keeping,
        snapshots_kept: usize,
        clock: Clock,
    ) -> Result<Self, RegisterError> {
        let (state, log) = open_to_write(data, formats, keeping)?;
        let store = Arc::new(Store::new(state));
        let started = Committer::start(Arc::clone(&store), Arc::new(log), clock);
        let committer = started.map_err(|source| RegisterError::Folder {
            path: data.to_path_buf(),
            source,
        })?;
        Ok(Self {
            store,
            committer,
            compactor: Compactor {
                data: data.to_path_buf(),
                formats: formats.clone(),
                snapshots_kept: snapshots_kept.max(1),
            },
            compacting: Mutex::new(()),
            compacted: Mutex::new(Instant::now()),
            wanted: AtomicBool::new(false),
            compactions: AtomicU64::new(0),
            compaction_millis: AtomicU64::new(0),
            chains: Arc::default(),
        })
    }

    /// Makes a snapshot of the newest state and puts it in place.
    pub fn compact(&self) -> Result<(), CompactError> {
        let _one_at_a_time = self.compacting.lock();
        let began = Instant::now();
        let path = self.compactor.compact(&self.committer, |_| ())?;
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.compaction_millis.store(millis, Ordering::Relaxed);
        self.compactions.fetch_add(1, Ordering::Relaxed);
        *self.compacted.lock() = Instant::now();
        tracing::info!(file = %path.display(), millis, "a new snapshot is in place");
        Ok(())
    }

    /// Asks the background for a new snapshot now.
    pub fn want_snapshot(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Makes snapshots in the background, when so many records have changed or somebody wants one,
    /// until the register is gone.
    pub fn compact_in_background(self: &Arc<Self>, changes: usize) -> std::io::Result<()> {
        let live = Arc::downgrade(self);
        std::thread::Builder::new()
            .name("pu-compact".to_owned())
            .spawn(move || {
                while let Some(pause) = tend(&live, changes) {
                    std::thread::sleep(pause);
                }
            })?;
        Ok(())
    }

    fn is_due(&self, state: &State, changes: usize) -> bool {
        // Keys that are veiled lie in the file, and reading past them takes its nanoseconds.
        let veils = state.is_veiled() && self.compacted.lock().elapsed() >= limits::VEILED_FOR;
        let many = state.overlay().len() >= changes.max(1);
        self.wanted.swap(false, Ordering::Relaxed) || many || veils
    }
}

/// Makes a snapshot when it is time. Tells how long to wait before looking again; `None` when the
/// register is gone.
fn tend(live: &Weak<Live>, changes: usize) -> Option<Duration> {
    let live = live.upgrade()?;
    if !live.is_due(&live.store.keep(), changes) {
        return Some(LOOK);
    }
    match live.compact() {
        Ok(()) => Some(LOOK),
        Err(error) => {
            tracing::error!(error = %Told(&error), "no new snapshot was made; the log goes on");
            Some(AFTER_TROUBLE)
        }
    }
}
