//! A register at work: the state everybody reads, the committer, and compaction.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::clock::{Clock, Timekeeper};
use super::commit::Committer;
use super::compact::{CompactError, Compactor};
use super::error::VerifyError;
use super::log::segments::Keeping;
use super::loss;
use super::snapshot::Snapshot;
use super::state::{Opened, RegisterError, State, Store, open_to_write};
use super::witness::{self, Testimony, Witness};
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
    /// Set while it is not known which numbers may have been issued: none is issued then.
    pub numbers_wait: AtomicBool,
    /// What the witness told when the register was opened; `None` when there was none.
    pub testimony: Option<Testimony>,
    /// How long chains of linked identities may be, and how many are getting there.
    pub chains: Arc<Chains>,
    /// What reading through the snapshot has found.
    pub scrubbed: Scrubbed,
}

/// What reading through the snapshot has found, for metrics.
#[derive(Default)]
pub struct Scrubbed {
    /// When everything was last read through, in seconds since 1970; 0 before.
    pub at: AtomicU64,
    /// Bytes read.
    pub bytes: AtomicU64,
    /// Damaged blocks found, also while a snapshot was made or checked at the start.
    pub damaged: AtomicU64,
    /// Damaged snapshots that others were put in place of.
    pub mended: AtomicU64,
}

impl Scrubbed {
    /// Counts a damaged block.
    pub fn found(&self) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that everything has been read through.
    pub fn done(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = now.map_or(0, |since| since.as_secs());
        self.at.store(seconds, Ordering::Relaxed);
    }
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

/// How long to wait after one that is damaged could not be mended: only somebody's hand changes that, and
/// trying reads older snapshots.
const AFTER_DAMAGE: Duration = Duration::from_secs(600);

impl Live {
    /// Opens the register in a data folder whose lock the caller holds.
    pub fn open(
        data: &Path,
        formats: &Formats,
        keeping: Keeping,
        snapshots_kept: usize,
        clock: Clock,
    ) -> Result<Self, RegisterError> {
        let testimony = witness::read(data)?;
        let Opened { state, log, mended } = open_to_write(data, formats, keeping)?;
        loss::check(data, &state, testimony.as_ref().map(loss::seen))?;
        let at = state.ledger().latest.and_then(|latest| latest.at());
        let witness = Witness::open(data, state.sequence(), at)?;
        let time = Timekeeper::new(clock);
        if let Some(testimony) = &testimony
            && let Some(at) = loss::last_time(testimony)
        {
            time.was_right(&at, testimony.seen.uptime);
        }
        let store = Arc::new(Store::new(state));
        let log = Arc::new(log);
        let started = Committer::start(Arc::clone(&store), log, time, Some(witness));
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
            wanted: AtomicBool::new(mended),
            scrubbed: Scrubbed::default(),
            compactions: AtomicU64::new(0),
            compaction_millis: AtomicU64::new(0),
            numbers_wait: AtomicBool::new(false),
            testimony,
            chains: Arc::default(),
        })
    }

    /// Makes a snapshot of the newest state and puts it in place.
    pub fn compact(&self) -> Result<(), CompactError> {
        let _one_at_a_time = self.compacting.lock();
        let began = Instant::now();
        let served = self.store.keep();
        let made = match served.snapshot().what_is_damaged() {
            Some(damage) => self.replace_known(&damage, served.snapshot()),
            None => self.compactor.compact(&self.committer, |_| ()),
        };
        let path = match made {
            Err(damage) if damage.is_of_the_served() => {
                self.scrubbed.found();
                self.replace_damaged(&damage, || ())?
            }
            made => made?,
        };
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.compaction_millis.store(millis, Ordering::Relaxed);
        self.compactions.fetch_add(1, Ordering::Relaxed);
        *self.compacted.lock() = Instant::now();
        tracing::info!(file = %path.display(), millis, "a new snapshot is in place");
        Ok(())
    }

    /// Puts a snapshot in the place of one that is damaged, made of an older one and the log. `certain`
    /// hears as soon as it is certain that they give the same state.
    pub fn mend(
        &self,
        damaged: &Arc<Snapshot>,
        damage: &dyn Display,
        certain: impl FnOnce(),
    ) -> Result<(), CompactError> {
        let _one_at_a_time = self.compacting.lock();
        if Arc::ptr_eq(damaged, self.store.keep().snapshot()) {
            self.replace_damaged(damage, certain)?;
        }
        Ok(())
    }

    /// Puts a snapshot in the place of one in which somebody came upon damage before. What could not be mended may have been read wrongly
    /// once: then a snapshot can be made of it, for whoever makes one reads all of it again.
    fn replace_known(
        &self,
        damage: &VerifyError,
        served: &Snapshot,
    ) -> Result<PathBuf, CompactError> {
        match self.replace_damaged(damage, || ()) {
            Err(CompactError::Mend(why)) => match self.compactor.compact(&self.committer, |_| ()) {
                Ok(path) if path != served.path() => Ok(path),
                _ => Err(why.into()),
            },
            replaced => replaced,
        }
    }

    fn replace_damaged(
        &self,
        damage: &dyn Display,
        certain: impl FnOnce(),
    ) -> Result<PathBuf, CompactError> {
        tracing::error!(%damage, "the snapshot is damaged; making another of an older one and the log");
        let path = self.compactor.mend(&self.committer, certain)?;
        self.scrubbed.mended.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(file = %path.display(), "the damaged snapshot is replaced by a whole one");
        Ok(path)
    }

    /// Reads everything of the newest snapshot again. Gives the number of damaged blocks, which
    /// the background then mends. `pace` hears of the bytes read, and tells whether to go on.
    pub fn scrub(&self, mut pace: impl FnMut(u64) -> bool) -> u64 {
        let snapshot = Arc::clone(self.store.keep().snapshot());
        let (mut damaged, mut goes_on) = (0, true);
        snapshot.scrub(|block| {
            let bytes = block.unwrap_or_else(|damage| {
                tracing::error!(%damage, "found while reading through the snapshot");
                damaged += 1;
                0
            });
            self.scrubbed.bytes.fetch_add(bytes, Ordering::Relaxed);
            goes_on = pace(bytes);
            goes_on
        });
        self.scrubbed.damaged.fetch_add(damaged, Ordering::Relaxed);
        if goes_on {
            self.scrubbed.done();
        }
        damaged
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
        let damaged = state.snapshot().damage().is_some();
        self.wanted.swap(false, Ordering::Relaxed) || many || veils || damaged
    }
}

/// Makes a snapshot when it is time. Tells how long to wait before looking again; `None` when the
/// register is gone.
fn tend(live: &Weak<Live>, changes: usize) -> Option<Duration> {
    let live = live.upgrade()?;
    live.committer.tend();
    if !live.is_due(&live.store.keep(), changes) {
        return Some(LOOK);
    }
    match live.compact() {
        Ok(()) => Some(LOOK),
        Err(error) => {
            tracing::error!(error = %Told(&error), "no new snapshot was made; the log goes on");
            Some(match error {
                CompactError::Mend(_) => AFTER_DAMAGE,
                _ => AFTER_TROUBLE,
            })
        }
    }
}
