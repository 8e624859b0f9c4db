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
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;

use super::clock::{ClockAhead, Timekeeper};
use super::entry::{Changed, Entry, Left, NotAnEntry, Note, Origin};
use super::log::{AppendError, Log};
use super::overlay::run::Gathered;
use super::snapshot::Snapshot;
use super::state::{Company, State, Store};
use super::witness::Witness;
use crate::base::limits;
use crate::base::time::{Moment, Uptime};
use crate::person::keys::county;
use crate::person::record::{Damaged, RecordRef};

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
    /// The clock cannot be right.
    #[error(transparent)]
    Clock(#[from] ClockAhead),
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
    /// How far series of numbers come with these entries.
    issued: Vec<(u64, u64)>,
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
    time: Arc<Timekeeper>,
    witness: Arc<Mutex<Option<Witness>>>,
    /// When the witness was told what time it is.
    told_time: Mutex<Option<Instant>>,
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
            issued: Vec::new(),
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
        self.take(&entry, bytes)?;
        Ok(sequence)
    }

    /// Takes over an entry, whose bytes these are.
    fn take(&mut self, entry: &Entry, bytes: Vec<u8>) -> Result<(), Damaged> {
        self.state.apply(entry, &mut self.gathered)?;
        let issued = entry.notes.iter().filter_map(|note| match note {
            Note::Issued { series, next } => Some((*series, *next)),
            _ => None,
        });
        self.issued.extend(issued);
        self.bytes += bytes.len();
        self.entries.push(bytes);
        Ok(())
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
            draft.take(&entry, bytes)?;
        }
        Ok(draft)
    }
}

impl Committer {
    /// Starts the committer of a store. The store's state is the log's last entry; the witness, if
    /// there is one, is told how far it comes.
    pub fn start(
        store: Arc<Store>,
        log: Arc<dyn Log>,
        time: Timekeeper,
        witness: Option<Witness>,
    ) -> std::io::Result<Self> {
        let (time, witness) = (Arc::new(time), Arc::new(Mutex::new(witness)));
        let (works, waiting) = bounded(limits::WAITING_CHANGES);
        let pulse = Arc::new(Pulse::default());
        let thread = {
            let committing = Committing {
                store,
                log: Arc::clone(&log),
                time: Arc::clone(&time),
                witness: Arc::clone(&witness),
                pulse: Arc::clone(&pulse),
            };
            std::thread::Builder::new()
                .name("pu-commit".to_owned())
                .spawn(move || committing.run(&waiting))?
        };
        Ok(Self {
            works: Some(works),
            thread: Mutex::new(Some(thread)),
            log,
            time,
            witness,
            told_time: Mutex::default(),
            pulse,
        })
    }

    /// The log.
    pub fn log(&self) -> &dyn Log {
        &*self.log
    }

    /// The time of changes.
    pub fn time(&self) -> &Timekeeper {
        &self.time
    }

    /// Tells the witness that series of numbers go on beyond whatever may have been issued before.
    pub fn tell_goes_on(&self) -> Result<(), CommitError> {
        let mut witness = self.witness.lock();
        let told = witness.as_mut().map(Witness::tell_goes_on).transpose();
        told.map(|_| ())
            .map_err(|error| CommitError::Log(error.into()))
    }

    /// Looks after log and witness: several times a minute, on a thread of the caller's.
    pub fn tend(&self) {
        if let Err(error) = self.log.tend() {
            self.pulse.fail(&error);
        }
        let mut told = self.told_time.lock();
        if told.is_some_and(|told| told.elapsed() < limits::TIME_TOLD_EVERY) {
            return;
        }
        *told = Some(Instant::now());
        if let Some(witness) = &mut *self.witness.lock()
            && let Err(error) = witness.tell_time(self.time.now().date_time, Uptime::now())
        {
            tracing::error!(%error, "the witness beside the log cannot be written");
        }
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

/// What the committer's thread works with.
struct Committing {
    store: Arc<Store>,
    log: Arc<dyn Log>,
    time: Arc<Timekeeper>,
    witness: Arc<Mutex<Option<Witness>>>,
    pulse: Arc<Pulse>,
}

impl Committing {
    fn run(&self, works: &Receiver<Work>) {
        let mut published = self.store.keep();
        while let Ok(first) = works.recv() {
            let mut replies = Vec::new();
            let works = std::iter::once(first).chain(works.try_iter());
            let committed = self
                .draft(&published, works, &mut replies)
                .and_then(|draft| self.commit(draft, &published));
            if let Ok(state) = &committed {
                published = Arc::clone(state);
            }
            for reply in replies {
                reply(committed.clone());
            }
        }
    }

    /// Lets works make their entries on one draft, as many as are committed together. What they make
    /// is not dated before the last change. When the clock cannot be right, their entries are not
    /// committed.
    fn draft(
        &self,
        published: &State,
        works: impl Iterator<Item = Work>,
        replies: &mut Vec<Reply>,
    ) -> Result<Draft, CommitError> {
        let moment = self.time.moment(published.ledger().latest);
        let at = moment.unwrap_or_else(|_| self.time.now_after(published.ledger().latest));
        let mut draft = Draft::new(published.clone(), at, self.store.company());
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
        match moment {
            Err(ahead) if !draft.entries.is_empty() => Err(ahead.into()),
            _ => Ok(draft),
        }
    }

    /// Writes a draft's entries to the log and publishes it.
    fn commit(&self, mut draft: Draft, published: &Arc<State>) -> Result<Arc<State>, CommitError> {
        if draft.entries.is_empty() && !draft.moved {
            return Ok(Arc::clone(published));
        }
        if !draft.entries.is_empty() {
            let began = Instant::now();
            if let Err(error) = self.append(&draft, published.sequence()) {
                if matches!(error, AppendError::Failed(_) | AppendError::Conflict { .. }) {
                    self.pulse.fail(&error);
                }
                return Err(error.into());
            }
            self.pulse.count(&draft, began.elapsed());
        }
        draft.state.list(&draft.gathered);
        let state = Arc::new(draft.state);
        self.store.publish(Arc::clone(&state));
        Ok(state)
    }

    /// Flushes a draft's entries to the log, and to the witness what they are, both at the same time.
    fn append(&self, draft: &Draft, expected: u64) -> Result<(), AppendError> {
        let mut witness = self.witness.lock();
        let Some(witness) = &mut *witness else {
            return self.log.append(&draft.entries, expected).map(drop);
        };
        let last = expected + draft.entries.len() as u64;
        witness.begin(last, &draft.issued)?;
        let appended = self.log.append(&draft.entries, expected);
        let witnessed = witness.wait();
        appended?;
        witnessed?;
        Ok(witness.end(last, draft.at.date_time)?)
    }
}

impl Pulse {
    /// Notes that the log has failed, and says so the first time.
    fn fail(&self, error: &AppendError) {
        if !self.failed.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the register takes no more changes");
        }
    }

    /// Counts a commit, and how long its flush took.
    fn count(&self, draft: &Draft, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let add = |counter: &AtomicU64, more| counter.fetch_add(more, Ordering::Relaxed);
        add(&self.flush_micros, micros);
        add(&self.commits, 1);
        add(&self.entries, draft.entries.len() as u64);
        add(&self.bytes, draft.bytes as u64);
    }
}

#[cfg(test)]
mod tests;
