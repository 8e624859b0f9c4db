//! The state: one immutable point in time that a request pins and reads from, and the place where
//! the newest one is published.

use std::cell::Cell;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};

use super::commit::CommitError;
use super::entry::{Entry, Note};
use super::error::{OpenError, VerifyError};
use super::folder::{self, SnapshotFile};
use super::ledger::{Latest, Ledger};
use super::log::{Log, ReadError, recover, segments};
use super::loss::{self, Missing};
use super::mend::{self, MendError, check_not_behind};
use super::overlay::Overlay;
use super::overlay::run::Gathered;
use super::search_keys::SearchKeys;
use super::snapshot::Snapshot;
use super::veil::Veil;
use super::witness::{self, WitnessError};
use crate::base::time::{DateTime, Moment};
use crate::person::field::schema_hash;
use crate::person::format::FormatRow;
use crate::person::identity::{Formats, Identity};
use crate::person::keys::KeyClass;
use crate::person::record::{Damaged, RecordRef};
use crate::person::view::Grant;

/// Why a register cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The data folder cannot be read.
    #[error("the data folder {path} cannot be read")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing of a register in the folder.
    #[error("there is no register in {0}: build one with `pu import` or `pu demo`")]
    NoSnapshot(PathBuf),
    /// There is no snapshot in the folder, but there was a register.
    #[error(
        "the register in {data} has lost its snapshot: {left}. Put a snapshot of it back, or a backup \
         (`pu import` into an empty folder)"
    )]
    Orphaned {
        /// The folder.
        data: PathBuf,
        /// What is there.
        left: Orphan,
    },
    /// The snapshot is damaged, and nothing else gives the same state.
    #[error(
        "{damage}; {why}. Put a whole copy of the file in its place, or build the register anew from a \
         backup or a peer; `pu recover` tells what can be saved"
    )]
    Unmendable {
        /// What is damaged.
        damage: Box<RegisterError>,
        /// Why it stays so.
        why: MendError,
    },
    /// A damaged snapshot that was set aside holds changes that the register lacks.
    #[error(
        "{path} was set aside with changes up to {wanted}, and the register ends with {reached}: put \
         the log or a newer snapshot back, or move the damaged file away to do without them"
    )]
    Behind {
        /// The damaged snapshot.
        path: PathBuf,
        /// Its last change.
        wanted: u64,
        /// The last change that is there.
        reached: u64,
    },
    /// The snapshot cannot be used.
    #[error(transparent)]
    Snapshot(#[from] OpenError),
    /// The snapshot holds identities of formats that the configuration tells otherwise, or not.
    #[error(
        "{path} was written with another definition of the identity format {short_name}: configure it as it was"
    )]
    Format {
        /// The snapshot.
        path: PathBuf,
        /// The format's short name.
        short_name: String,
    },
    /// The snapshot's list of identity formats cannot be read.
    #[error("{0}: the list of identity formats cannot be read")]
    Formats(PathBuf),
    /// The snapshot's ledger cannot be read.
    #[error("{0}: the list of applied files cannot be read")]
    Ledger(PathBuf),
    /// What it holds beside the records cannot be read.
    #[error(transparent)]
    Damaged(#[from] VerifyError),
    /// The log cannot be read.
    #[error("the log: {0}")]
    Log(#[from] ReadError),
    /// An entry of the log holds a record that is none.
    #[error("the log: entry {0} holds a damaged record")]
    Entry(u64),
    /// There is less than somebody saw.
    #[error(transparent)]
    Missing(Box<Missing>),
    /// What the witness saw cannot be read.
    #[error(transparent)]
    Witness(#[from] WitnessError),
}

/// What is left of a register that has no snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Orphan {
    /// The first and the last entry of its log.
    pub entries: Option<(u64, u64)>,
    /// A damaged snapshot that was set aside.
    pub damaged: Option<PathBuf>,
    /// Whether there is an audit of disclosures.
    pub audit: bool,
}

impl fmt::Display for Orphan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self
            .entries
            .map(|(from, to)| format!("a log with entries {from} to {to}"));
        let damaged = self.damaged.as_ref();
        let damaged = damaged.map(|path| format!("the damaged {}", path.display()));
        let audit = self.audit.then(|| "an audit of disclosures".to_owned());
        let left: Vec<String> = [log, damaged, audit].into_iter().flatten().collect();
        write!(out, "there is {}", left.join(", and "))
    }
}

/// What is left of a register in a folder without a snapshot; `None` when there was none.
pub fn orphan(data: &Path) -> Result<Option<Orphan>, RegisterError> {
    let segments = recover::segments(&log_folder(data), schema_hash())?;
    let first = segments.first().map(|segment| segment.about.first);
    let last = segments.last().map(recover::end).transpose()?;
    let entries = first.zip(last.map(|end| end.last));
    let failed = |source| RegisterError::Folder {
        path: data.to_path_buf(),
        source,
    };
    let audit = match fs::read_dir(data.join(folder::AUDIT)) {
        Ok(mut files) => files.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(error)),
    };
    let left = Orphan {
        entries: entries.filter(|(first, last)| first <= last),
        damaged: folder::set_aside(data)
            .map_err(failed)?
            .pop()
            .map(|it| it.path),
        audit,
    };
    let is_any = left.entries.is_some() || left.damaged.is_some() || left.audit;
    Ok(is_any.then_some(left))
}

/// Refuses a folder without a snapshot in which there was a register.
pub fn refuse_orphan(data: &Path) -> Result<(), RegisterError> {
    match orphan(data)? {
        Some(left) => Err(RegisterError::Orphaned {
            data: data.to_path_buf(),
            left,
        }),
        None => Ok(()),
    }
}

/// Why a walk over all records stopped.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The snapshot is damaged.
    #[error(transparent)]
    Snapshot(#[from] VerifyError),
    /// A record that is newer is none.
    #[error(transparent)]
    Newer(#[from] Damaged),
}

/// The folder of the log within a data folder.
pub fn log_folder(data: &Path) -> PathBuf {
    data.join("log")
}

/// One point in time: a snapshot and what changed since. A copy shares everything with the original.
#[derive(Clone)]
pub struct State {
    snapshot: Arc<Snapshot>,
    overlay: Overlay,
    veil: Veil,
    ledger: Ledger,
    sequence: u64,
    frozen: Option<Frozen>,
    /// How many of the newer records are of persons whom the snapshot lacks.
    added: u64,
}

/// The point in time at which the overlay was frozen: that of the snapshot being made.
#[derive(Clone)]
pub struct Frozen {
    /// The number of the last change that is frozen.
    pub sequence: u64,
    /// The ledger then.
    pub ledger: Ledger,
}

impl State {
    /// The state a snapshot holds by itself.
    pub fn of_snapshot(snapshot: Arc<Snapshot>) -> Result<Self, RegisterError> {
        let ledger = Ledger::from_bytes(snapshot.sources()?)
            .map_err(|_| RegisterError::Ledger(snapshot.path().to_path_buf()))?;
        let sequence = snapshot.sequence();
        Ok(Self {
            ledger,
            ..Self::bare(snapshot, Overlay::default(), sequence)
        })
    }

    /// The state after changes on top of a snapshot.
    pub fn with_overlay(
        snapshot: Arc<Snapshot>,
        overlay: Overlay,
        sequence: u64,
    ) -> Result<Self, Damaged> {
        let mut state = Self::bare(snapshot, overlay, sequence);
        state.veil_anew()?;
        state.count_anew();
        Ok(state)
    }

    fn bare(snapshot: Arc<Snapshot>, overlay: Overlay, sequence: u64) -> Self {
        Self {
            snapshot,
            overlay,
            veil: Veil::default(),
            ledger: Ledger::default(),
            sequence,
            frozen: None,
            added: 0,
        }
    }

    /// What the register remembers beside its records.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether the snapshot lists somebody who is shown less now than in it.
    pub fn is_veiled(&self) -> bool {
        !self.veil.is_empty()
    }

    /// The point in time of the snapshot being made.
    pub const fn frozen(&self) -> Option<&Frozen> {
        self.frozen.as_ref()
    }

    /// Takes over an entry of the log. Its search keys are gathered, and listed before the state is
    /// published.
    pub(super) fn apply(&mut self, entry: &Entry, gathered: &mut Gathered) -> Result<(), Damaged> {
        for changed in &entry.changes {
            // What was logged before restricted views had lists of their own gets them now.
            let restated = RecordRef::open(&changed.record)?.restated();
            let restated = restated.map_err(|_| Damaged)?;
            let record = restated.as_deref().unwrap_or(&changed.record);
            let opened = RecordRef::open(record)?;
            let key = opened.identity().key();
            self.added += u64::from(self.overlay.get(key).is_none() && self.is_new(key));
            self.veil_older(opened)?;
            self.overlay.add(Arc::from(record), gathered)?;
        }
        if let Some(at) = entry.at()
            && self.ledger.latest.and_then(|it| it.at()) != Some(at)
        {
            self.ledger.latest = Some(Latest::with(self.ledger.latest, &Moment::of(at)));
        }
        if !entry.notes.is_empty() {
            let at = entry.at().map_or([b'0'; 29], DateTime::written);
            let at = String::from_utf8_lossy(&at);
            entry
                .notes
                .iter()
                .for_each(|note| self.ledger.apply(note, &at));
        }
        self.sequence = entry.sequence;
        Ok(())
    }

    /// Passes over entries that are lost, up to `last`: what is in the register stays, and these notes
    /// are taken over.
    pub fn pass_over(&mut self, last: u64, notes: &[Note]) {
        notes.iter().for_each(|note| self.ledger.apply(note, ""));
        self.sequence = last;
    }

    /// Lists the search keys of entries that were applied.
    pub(super) fn list(&mut self, gathered: &Gathered) {
        self.overlay.list(gathered);
    }

    /// Freezes the overlay, to make a snapshot of this point in time.
    pub(super) fn freeze(&mut self) {
        if self.frozen.is_none() {
            self.overlay.freeze();
            self.frozen = Some(Frozen {
                sequence: self.sequence,
                ledger: self.ledger.clone(),
            });
        }
    }

    /// Puts the snapshot that was made of the frozen point in time in place of the older one. When it
    /// cannot be read, the older one stays.
    pub(super) fn replace_snapshot(&mut self, snapshot: Arc<Snapshot>) -> Result<(), Damaged> {
        let mut next = Self {
            snapshot,
            frozen: None,
            ..self.clone()
        };
        next.overlay.drop_frozen();
        next.veil_anew()?;
        next.count_anew();
        *self = next;
        Ok(())
    }

    /// Veils the snapshot's keys of those who are shown less now than in it.
    fn veil_anew(&mut self) -> Result<(), Damaged> {
        self.veil = Veil::default();
        let overlay = self.overlay.clone();
        for key in overlay.classed() {
            let record = overlay.get(key).ok_or(Damaged)?;
            self.veil_older(RecordRef::open(record)?)?;
        }
        Ok(())
    }

    /// Veils the snapshot's keys of a record, when the newer one is of another class that hides some.
    fn veil_older(&mut self, now: RecordRef<'_>) -> Result<(), Damaged> {
        let class = KeyClass::of(now);
        if class == KeyClass::OPEN {
            return Ok(());
        }
        let position = self.snapshot.position(now.identity().key())?;
        let Some(older) = self.snapshot.record(position.into())? else {
            return Ok(());
        };
        let older = RecordRef::open(older)?;
        let is_shown_less = older.identity() == now.identity() && KeyClass::of(older) != class;
        if is_shown_less && !self.veil.has(position) {
            self.veil.add(position, older)?;
        }
        Ok(())
    }

    /// The search keys that a search under `grant` may read.
    pub fn search_keys(&self, grant: &Grant) -> Result<SearchKeys<'_>, Damaged> {
        Ok(SearchKeys {
            snapshot: self.snapshot.searchable()?,
            overlay: &self.overlay,
            veil: &self.veil,
            sets: grant.key_sets(),
        })
    }

    /// The number of the last change it holds.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The snapshot below it.
    pub const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// What is newer than the snapshot.
    pub const fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// Brings the records of some identities near, for those who will ask for all of them.
    pub fn fetch<const N: usize>(&self, identities: &[Identity; N]) {
        self.snapshot.fetch(identities.map(Identity::key));
    }

    /// The record of an identity.
    #[inline]
    pub fn record(&self, identity: Identity) -> Result<Option<RecordRef<'_>>, Damaged> {
        let key = identity.key();
        if let Some(bytes) = self.overlay.get(key) {
            return RecordRef::open(bytes).map(Some);
        }
        // A candidate that is no record is damage, not a miss.
        let damaged = Cell::new(false);
        let is_it = |bytes| {
            let record = RecordRef::open(bytes);
            damaged.set(damaged.get() || record.is_err());
            record.is_ok_and(|record| record.identity() == identity)
        };
        match self.snapshot.find(key, is_it)? {
            Some(bytes) => RecordRef::open(bytes).map(Some),
            None if damaged.get() => Err(Damaged),
            None => Ok(None),
        }
    }
}

impl State {
    /// How many persons there are.
    pub fn persons(&self) -> u64 {
        self.snapshot.len() + self.added
    }

    fn count_anew(&mut self) {
        let new = self.overlay.keys().filter(|key| self.is_new(*key));
        self.added = new.count() as u64;
    }

    /// Whether the snapshot has no record of a key.
    fn is_new(&self, key: u64) -> bool {
        let is_it = |bytes| RecordRef::open(bytes).is_ok_and(|it| it.identity().key() == key);
        self.snapshot.find(key, is_it).is_ok_and(|it| it.is_none())
    }

    /// The records of identities from one to another, both among them: those of the snapshot, then
    /// newer ones, also of the same identities.
    pub fn records_between(
        &self,
        first: Identity,
        last: Identity,
    ) -> impl Iterator<Item = Result<RecordRef<'_>, Damaged>> {
        let is_here = move |record: &RecordRef<'_>| (first..=last).contains(&record.identity());
        let begin = self.snapshot.position(first.key());
        let older = begin.map(u64::from).into_iter().flat_map(move |begin| {
            (begin..self.snapshot.len())
                .map(move |it| RecordRef::open(self.snapshot.record(it)?.ok_or(Damaged)?))
        });
        let older = older.take_while(move |record| record.as_ref().map_or(true, is_here));
        let newer = self
            .overlay
            .records()
            .map(|(_, bytes)| RecordRef::open(bytes));
        let newer = newer.filter(move |record| record.as_ref().map_or(true, is_here));
        begin.err().map(Err).into_iter().chain(older).chain(newer)
    }

    /// Every record, by key. What is read of the snapshot is checked as it is passed.
    pub fn records(&self) -> impl Iterator<Item = Result<RecordRef<'_>, Unreadable>> {
        let older = self.snapshot.records().zip(0..).map(|(record, ordinal)| {
            let record = RecordRef::open(record?);
            let record = record.map_err(|Damaged| self.snapshot.wrong_record(ordinal))?;
            Ok((record.identity().key(), record))
        });
        let mut older = older.peekable();
        let mut newer = self.overlay.records().peekable();
        std::iter::from_fn(move || {
            loop {
                let (here, there) = match (older.peek(), newer.peek()) {
                    (Some(Err(_)), _) | (Some(_), None) => {
                        return older.next().map(|it| it.map(|(_, it)| it));
                    }
                    (None, None) => return None,
                    (Some(Ok((key, _))), Some((newer, _))) => (*key, *newer),
                    (None, Some((newer, _))) => (u64::MAX, *newer),
                };
                if here < there {
                    return older.next().map(|it| it.map(|(_, it)| it));
                }
                if here == there {
                    older.next();
                    continue;
                }
                return newer.next().map(|(_, record)| Ok(RecordRef::open(record)?));
            }
        })
    }
}

/// The register that is served: the newest state, swapped in whole.
pub struct Store {
    state: ArcSwap<State>,
    heard: OnceLock<Hear>,
    company: Arc<OnceLock<Company>>,
}

/// Says what a change of these records, on top of a state, is as a whole: the records that change, those
/// it was asked with among them.
pub type Company =
    Box<dyn Fn(&State, Vec<Vec<u8>>, &Moment) -> Result<Vec<Vec<u8>>, CommitError> + Send + Sync>;

/// Hears the number of the last change in each state that is published.
type Hear = Box<dyn Fn(u64) + Send + Sync>;

impl Store {
    /// A store that begins with `state`.
    pub fn new(state: State) -> Self {
        Self {
            state: ArcSwap::from_pointee(state),
            heard: OnceLock::new(),
            company: Arc::default(),
        }
    }

    /// Pins the newest state. Never waits.
    #[inline]
    pub fn pin(&self) -> Guard<Arc<State>> {
        self.state.load()
    }

    /// The newest state, to be kept as long as it takes: for work on another thread.
    pub fn keep(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Publishes a state. Readers that pinned an older one keep it. Only the committer does this.
    pub(super) fn publish(&self, state: Arc<State>) {
        let sequence = state.sequence();
        self.state.store(state);
        if let Some(heard) = self.heard.get() {
            heard(sequence);
        }
    }

    /// From now on, `company` says of every change what changes with it, on the committer's thread.
    /// Only the first who asks is heard.
    pub fn accompany(&self, company: Company) {
        // A second one is refused, as promised.
        let _ = self.company.set(company);
    }

    /// What says what changes with a change, when there is such.
    pub(super) fn company(&self) -> Arc<OnceLock<Company>> {
        Arc::clone(&self.company)
    }

    /// From now on, `hear` is told of every state that is published, on the committer's thread: it
    /// must be quick. Only the first who asks is told.
    pub fn on_publish(&self, hear: impl Fn(u64) + Send + Sync + 'static) {
        // A second one is refused, as promised.
        let _ = self.heard.set(Box::new(hear));
    }
}

/// The state of the register in a data folder: its newest snapshot and the log after it; `None` when
/// there never was one. For who only reads: whoever owns the folder may go on writing.
pub fn open(data: &Path, formats: &Formats) -> Result<Option<State>, RegisterError> {
    // Before the log: whoever writes it is never behind what the witness saw.
    let testimony = witness::read(data)?;
    let Some(snapshot) = open_newest(data, formats)? else {
        refuse_orphan(data)?;
        return Ok(None);
    };
    let mut state = State::of_snapshot(Arc::new(snapshot))?;
    let entries = segments::read_only(&log_folder(data), schema_hash(), state.sequence())?;
    replay(&mut state, entries.into_iter().map(Ok))?;
    check_not_behind(data, &state)?;
    loss::check(data, &state, testimony.as_ref().map(loss::seen))?;
    Ok(Some(state))
}

/// A register that is opened to be changed.
pub struct Opened {
    /// Its newest state.
    pub state: State,
    /// The log to go on with.
    pub log: segments::Segments,
    /// Whether a damaged snapshot was set aside and has no successor yet: a new one is wanted.
    pub mended: bool,
}

/// The same for who owns the folder. A newest snapshot that cannot be opened is set aside when an older
/// one and the log give the same state.
pub fn open_to_write(
    data: &Path,
    formats: &Formats,
    keeping: segments::Keeping,
) -> Result<Opened, RegisterError> {
    let Some(newest) = newest(data)? else {
        refuse_orphan(data)?;
        return Err(RegisterError::NoSnapshot(data.to_path_buf()));
    };
    let opened = open_file(&newest.path, formats).map(Arc::new);
    let (state, log) = match opened.and_then(State::of_snapshot) {
        Ok(mut state) => {
            let after = state.sequence();
            let log = segments::Segments::open(&log_folder(data), schema_hash(), after, keeping)?;
            if log.last() > after {
                replay(&mut state, log.read_from(after + 1)?)?;
            }
            (state, log)
        }
        Err(damage) if damage.is_damage() => {
            tracing::error!(%damage, "the newest snapshot is damaged; looking for an older one");
            match mend::open_without(data, formats, keeping, &newest) {
                Ok(opened) => opened,
                Err(why) => {
                    let damage = Box::new(damage);
                    return Err(RegisterError::Unmendable { damage, why });
                }
            }
        }
        Err(error) => return Err(error),
    };
    let mended = check_not_behind(data, &state)?;
    Ok(Opened { state, log, mended })
}

/// Takes over entries of the log that follow on a state.
pub fn replay(
    state: &mut State,
    entries: impl Iterator<Item = Result<Entry, ReadError>>,
) -> Result<(), RegisterError> {
    /// Entries whose search keys are listed at once.
    const AT_ONCE: usize = 1 << 18;
    let mut gathered = Gathered::default();
    for entry in entries {
        let entry = entry?;
        let applied = state.apply(&entry, &mut gathered);
        applied.map_err(|Damaged| RegisterError::Entry(entry.sequence))?;
        if gathered.count() > AT_ONCE {
            state.list(&std::mem::take(&mut gathered));
        }
    }
    state.list(&gathered);
    Ok(())
}

/// The newest snapshot in a data folder, checked against the identity formats in use; `None` when
/// there is none.
pub fn open_newest(data: &Path, formats: &Formats) -> Result<Option<Snapshot>, RegisterError> {
    let newest = newest(data)?;
    newest
        .map(|file| open_file(&file.path, formats))
        .transpose()
}

fn newest(data: &Path) -> Result<Option<SnapshotFile>, RegisterError> {
    folder::newest(data).map_err(|source| RegisterError::Folder {
        path: data.to_path_buf(),
        source,
    })
}

fn open_file(path: &Path, formats: &Formats) -> Result<Snapshot, RegisterError> {
    let snapshot = Snapshot::open(path, schema_hash())?;
    check_formats(&snapshot, formats)?;
    Ok(snapshot)
}

/// The identity formats as a snapshot keeps them.
pub fn formats_to_bytes(formats: &Formats) -> Vec<u8> {
    let rows: Vec<&FormatRow> = formats.rows().collect();
    serde_json::to_vec(&rows).unwrap_or_default()
}

/// The identity formats a snapshot was written with.
pub fn formats_of(snapshot: &Snapshot) -> Result<Formats, RegisterError> {
    let unreadable = || RegisterError::Formats(snapshot.path().to_path_buf());
    let built_in = Formats::standard();
    let mut own = rows_of(snapshot)?;
    own.retain(|row| !built_in.rows().any(|other| other == row));
    Formats::with(&own).map_err(|_| unreadable())
}

fn rows_of(snapshot: &Snapshot) -> Result<Vec<FormatRow>, RegisterError> {
    serde_json::from_slice(snapshot.formats()?)
        .map_err(|_| RegisterError::Formats(snapshot.path().to_path_buf()))
}

/// Keys in a snapshot mean what its own formats say: each must be in use, unchanged.
pub(super) fn check_formats(snapshot: &Snapshot, formats: &Formats) -> Result<(), RegisterError> {
    let path = || snapshot.path().to_path_buf();
    match rows_of(snapshot)?
        .into_iter()
        .find(|row| !formats.rows().any(|other| other == row))
    {
        Some(row) => Err(RegisterError::Format {
            path: path(),
            short_name: row.short_name,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::edit::Person;
    use crate::person::edit::tests::identity;
    use crate::person::field::Field;
    use crate::person::value::Value;
    use crate::store::write::{About, SnapshotWriter};

    const SURNAME: Field = Field::at("name/surname");
    const VALUE: &str = "191212121212";

    fn named(name: &str) -> Vec<u8> {
        let mut person = Person::new(identity(VALUE), &Formats::standard());
        person.set(SURNAME, Value::from(name));
        person.to_record().unwrap()
    }

    fn state(folder: &Path) -> State {
        let at = Moment::parse("2025-01-07T06:00:00").unwrap();
        let about = About {
            schema_hash: schema_hash(),
            sequence: 1,
            created: at.date_time,
        };
        let mut writer = SnapshotWriter::create(folder, &folder::name_of(1), about).unwrap();
        writer
            .push(identity(VALUE).key(), &named("Testsson"))
            .unwrap();
        writer
            .finish(&formats_to_bytes(&Formats::standard()), b"")
            .unwrap();
        let snapshot = open_newest(folder, &Formats::standard()).unwrap().unwrap();
        State::of_snapshot(Arc::new(snapshot)).unwrap()
    }

    fn surname(state: &State) -> String {
        let record = state.record(identity(VALUE)).unwrap().unwrap();
        Person::from_record(record)
            .unwrap()
            .text(SURNAME)
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_pinned_state_stays_what_it_was_while_a_newer_one_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(state(folder.path()));
        let pinned = store.pin();
        let overlay = Overlay::of([named("Nysson").into_boxed_slice()]).unwrap();
        let snapshot = Arc::clone(pinned.snapshot());
        store.publish(Arc::new(State::with_overlay(snapshot, overlay, 2).unwrap()));
        assert_eq!(
            (surname(&pinned).as_str(), pinned.sequence()),
            ("Testsson", 1)
        );
        let newest = store.pin();
        assert_eq!(
            (surname(&newest).as_str(), newest.sequence()),
            ("Nysson", 2)
        );
        assert_eq!(newest.overlay().len(), 1);
    }

    #[test]
    fn a_register_is_refused_under_other_identity_formats() {
        let folder = tempfile::tempdir().unwrap();
        let row = FormatRow {
            number: 64,
            root: "1.2.752.999.1".into(),
            short_name: "RX".into(),
            name: "Region Exempel".into(),
            pattern: "[0-9]{8}RX[0-9]{2}".into(),
            check: None,
            birth: crate::person::format::Birth::Unknown,
            gender: None,
        };
        let own = Formats::with(&[row]).unwrap();
        let at = Moment::parse("2025-01-07T06:00:00").unwrap();
        let about = About {
            schema_hash: schema_hash(),
            sequence: 1,
            created: at.date_time,
        };
        let writer = SnapshotWriter::create(folder.path(), &folder::name_of(1), about).unwrap();
        writer.finish(&formats_to_bytes(&own), b"").unwrap();
        assert!(open_newest(folder.path(), &own).unwrap().is_some());
        let error = open_newest(folder.path(), &Formats::standard())
            .err()
            .unwrap();
        assert!(error.to_string().contains("RX"), "{error}");
    }

    #[test]
    fn an_empty_folder_is_no_register() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open(folder.path(), &Formats::standard()).unwrap().is_none());
        let keeping = segments::Keeping::default();
        let opened = open_to_write(folder.path(), &Formats::standard(), keeping);
        assert!(matches!(
            opened.err().unwrap(),
            RegisterError::NoSnapshot(_)
        ));
    }
}
