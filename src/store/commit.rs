//! The committer: the one thread that changes the register.
//!
//! Works wait in a lock-free queue. The committer takes what waits, lets each work make its entries on
//! a draft of the next state, writes all entries to the log with one flush, publishes the draft, and
//! tells everybody. While the disk flushes, the next works gather: the slower the disk, the more
//! share a flush.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;

use super::entry::{Changed, Entry, Left, NotAnEntry, Note, Origin};
use super::log::{AppendError, Log};
use super::overlay::run::Gathered;
use super::snapshot::Snapshot;
use super::state::{Company, State, Store};
use crate::base::limits;
use crate::base::time::Moment;
use crate::person::keys::county;
use crate::person::record::{Damaged, RecordRef};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// Why a change was not made. Nothing of it is in the register, unless the log failed: then a restart
/// tells.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// Too many changes wait.
    #[error("too many changes wait")]
    Busy,
    /// The committer is gone.
    #[error("the register takes no changes")]
    Stopped,
    /// The work failed.
    #[error("the work failed")]
    Failed,
    /// A record that is none.
    #[error("a record is damaged")]
    Damaged,
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] AppendError),
}

impl From<Damaged> for CommitError {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}

impl From<NotAnEntry> for CommitError {
    fn from(_: NotAnEntry) -> Self {
        Self::Damaged
    }
}

/// The next state, being made.
pub struct Draft {
    state: State,
    at: Moment,
    gathered: Gathered,
    entries: Vec<Vec<u8>>,
    bytes: usize,
    moved: bool,
    company: Arc<OnceLock<Company>>,
}

type Reply = Box<dyn FnOnce(Result<Arc<State>, CommitError>) + Send>;
type Work = Box<dyn FnOnce(&mut Draft) -> Reply + Send>;

/// The way to the committer. Dropped, it waits until everything that was submitted is done.
pub struct Committer {
    works: Option<Sender<Work>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    log: Arc<dyn Log>,
    clock: Clock,
    pulse: Arc<Pulse>,
}

/// How the committer is doing, for metrics. All but `failed` only grow.
#[derive(Default)]
pub struct Pulse {
    /// Flushes.
    pub commits: AtomicU64,
    /// Entries.
    pub entries: AtomicU64,
    /// Bytes of entries.
    pub bytes: AtomicU64,
    /// Microseconds spent writing and flushing.
    pub flush_micros: AtomicU64,
    /// Whether the log failed, and no more changes are taken.
    pub failed: AtomicBool,
}

impl Draft {
    fn new(state: State, at: Moment, company: Arc<OnceLock<Company>>) -> Self {
        Self {
            company,
            state,
            at,
            gathered: Gathered::default(),
            entries: Vec::new(),
            bytes: 0,
            moved: false,
        }
    }

    /// The register as it will be, with all that was committed to this draft.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The moment of the change.
    pub const fn at(&self) -> &Moment {
        &self.at
    }

    /// Commits a change: these records take the place of those with the same identities, with what
    /// changes together with them ([`Store::accompany`]). Gives the entry's number. It is made when the
    /// whole draft is.
    pub fn commit(
        &mut self,
        origin: Origin,
        records: Vec<Vec<u8>>,
        notes: Vec<Note>,
    ) -> Result<u64, CommitError> {
        let records = match self.company.get() {
            Some(company) if !records.is_empty() => company(&self.state, records, &self.at)?,
            _ => records,
        };
        let mut changes = Vec::with_capacity(records.len());
        for record in records {
            let left = self.left(RecordRef::open(&record)?)?;
            changes.push(Changed::new(record, left));
        }
        let sequence = self.state.sequence() + 1;
        let entry = Entry::new(sequence, self.at.date_time, origin, changes, notes);
        let bytes = entry.to_bytes()?;
        self.state.apply(&entry, &mut self.gathered)?;
        self.bytes += bytes.len();
        self.entries.push(bytes);
        Ok(sequence)
    }

    /// Freezes the overlay for a new snapshot.
    pub fn freeze(&mut self) {
        self.state.freeze();
        self.moved = true;
    }

    /// Puts the new snapshot in place.
    pub fn replace_snapshot(&mut self, snapshot: Arc<Snapshot>) -> Result<(), Damaged> {
        self.moved = true;
        self.state.replace_snapshot(snapshot)
    }

    /// What followers of the county that a person is registered in until this change must hear, when
    /// they would not hear of it by the county of the new record.
    fn left(&self, record: RecordRef<'_>) -> Result<Option<Left>, Damaged> {
        let Some(before) = self.state.record(record.identity())? else {
            return Ok(None);
        };
        let (then, now) = (before.shield(), record.shield());
        if then.with(now) != then {
            return Ok(Some(Left::IntoProtection));
        }
        let (before, after) = (county(before)?, county(record)?);
        let left = before.filter(|_| before != after);
        Ok(left.map(|county| match then {
            _ if then.has_population_record() => Left::PopulationRecord(county),
            _ if then.is_on() => Left::Shielded(county),
            _ => Left::Open(county),
        }))
    }

    /// The draft after these entries, without what a failed work has left in it. Entries can be made
    /// again, a change of layers cannot: then nothing of the draft is.
    fn again(mut self, published: &State, entries: usize) -> Result<Self, CommitError> {
        if self.moved {
            return Err(CommitError::Failed);
        }
        self.entries.truncate(entries);
        let mut draft = Self::new(published.clone(), self.at, self.company);
        for bytes in self.entries {
            let entry = Entry::from_bytes(&bytes)?;
            draft.state.apply(&entry, &mut draft.gathered)?;
            draft.bytes += bytes.len();
            draft.entries.push(bytes);
        }
        Ok(draft)
    }
}

impl Committer {
    /// Starts the committer of a store. The store's state is the log's last entry.
    pub fn start(store: Arc<Store>, log: Arc<dyn Log>, clock: Clock) -> std::io::Result<Self> {
        let (works, waiting) = bounded(limits::WAITING_CHANGES);
        let pulse = Arc::new(Pulse::default());
        let thread = {
            let (log, pulse, clock) = (Arc::clone(&log), Arc::clone(&pulse), Arc::clone(&clock));
            std::thread::Builder::new()
                .name("pu-commit".to_owned())
                .spawn(move || run(&store, &*log, &clock, &waiting, &pulse))?
        };
        Ok(Self {
            works: Some(works),
            thread: Mutex::new(Some(thread)),
            log,
            clock,
            pulse,
        })
    }

    /// The log.
    pub fn log(&self) -> &dyn Log {
        &*self.log
    }

    /// What time it is by the committer's clock.
    pub fn now(&self) -> Moment {
        (self.clock)()
    }

    /// How it is doing.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// How many works wait.
    pub fn waiting(&self) -> usize {
        self.works.as_ref().map_or(0, Sender::len)
    }

    /// Submits a work. It is done on the committer's thread, and so must be short. `done` hears what
    /// it made, and the state in which that is visible, when it is on the disk; it is not called
    /// when the work fails (panics).
    pub fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Draft) -> T + Send + 'static,
        done: impl FnOnce(Result<(T, Arc<State>), CommitError>) + Send + 'static,
    ) -> Result<(), CommitError> {
        let works = self.works.as_ref().ok_or(CommitError::Stopped)?;
        works
            .try_send(boxed(work, done))
            .map_err(|error| match error {
                TrySendError::Full(_) => CommitError::Busy,
                TrySendError::Disconnected(_) => CommitError::Stopped,
            })
    }

    /// Submits a work and waits for it, also for a place in the queue.
    pub fn wait<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Draft) -> T + Send + 'static,
    ) -> Result<(T, Arc<State>), CommitError> {
        let (sender, receiver) = bounded(1);
        let works = self.works.as_ref().ok_or(CommitError::Stopped)?;
        let done = move |made| {
            // Whoever waits is there: it is the one that called.
            let _ = sender.send(made);
        };
        works
            .send(boxed(work, done))
            .map_err(|_| CommitError::Stopped)?;
        receiver.recv().map_err(|_| CommitError::Failed)?
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.works = None;
        if let Some(thread) = self.thread.lock().take() {
            // A panic of the thread was logged where it happened.
            let _ = thread.join();
        }
    }
}

fn boxed<T: Send + 'static>(
    work: impl FnOnce(&mut Draft) -> T + Send + 'static,
    done: impl FnOnce(Result<(T, Arc<State>), CommitError>) + Send + 'static,
) -> Work {
    Box::new(move |draft| {
        let made = work(draft);
        Box::new(move |committed| done(committed.map(|state| (made, state))))
    })
}

fn run(store: &Store, log: &dyn Log, clock: &Clock, works: &Receiver<Work>, pulse: &Pulse) {
    let mut published = store.keep();
    while let Ok(first) = works.recv() {
        let mut replies = Vec::new();
        let works = std::iter::once(first).chain(works.try_iter());
        let committed = draft(&published, store.company(), clock(), works, &mut replies)
            .and_then(|draft| commit(store, log, draft, &published, pulse));
        if let Ok(state) = &committed {
            published = Arc::clone(state);
        }
        for reply in replies {
            reply(committed.clone());
        }
    }
}

/// Lets works make their entries on one draft, as many as are committed together.
fn draft(
    published: &State,
    company: Arc<OnceLock<Company>>,
    at: Moment,
    works: impl Iterator<Item = Work>,
    replies: &mut Vec<Reply>,
) -> Result<Draft, CommitError> {
    let mut draft = Draft::new(published.clone(), at, company);
    for work in works {
        let before = draft.entries.len();
        match catch_unwind(AssertUnwindSafe(|| work(&mut draft))) {
            Ok(reply) => replies.push(reply),
            Err(_) => draft = draft.again(published, before)?,
        }
        if draft.bytes > limits::COMMIT_BYTES {
            break;
        }
    }
    Ok(draft)
}

/// Writes a draft's entries to the log and publishes it.
fn commit(
    store: &Store,
    log: &dyn Log,
    mut draft: Draft,
    published: &Arc<State>,
    pulse: &Pulse,
) -> Result<Arc<State>, CommitError> {
    if draft.entries.is_empty() && !draft.moved {
        return Ok(Arc::clone(published));
    }
    if !draft.entries.is_empty() {
        let began = Instant::now();
        let appended = log.append(&draft.entries, published.sequence());
        if let Err(error) = appended {
            if matches!(error, AppendError::Failed(_) | AppendError::Conflict { .. })
                && !pulse.failed.swap(true, Ordering::Relaxed)
            {
                tracing::error!(%error, "the register takes no more changes");
            }
            return Err(error.into());
        }
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        pulse.flush_micros.fetch_add(micros, Ordering::Relaxed);
        pulse.commits.fetch_add(1, Ordering::Relaxed);
        pulse
            .entries
            .fetch_add(draft.entries.len() as u64, Ordering::Relaxed);
        pulse.bytes.fetch_add(draft.bytes as u64, Ordering::Relaxed);
    }
    draft.state.list(&draft.gathered);
    let state = Arc::new(draft.state);
    store.publish(Arc::clone(&state));
    Ok(state)
}

#[cfg(test)]
mod tests;
