//! Posts and exchanged persons into a register that stands still: each is applied to the newest
//! record of its person, chains are settled once at the end, and a new snapshot is written. Either
//! the whole run becomes the register's next state, or nothing changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::limits;
use crate::base::time::Moment;
use crate::person::edit::Person;
use crate::person::field::{Field, schema_hash};
use crate::person::identity::{Formats, Identity};
use crate::person::record::{Damaged, RecordRef};
use crate::person::value::Value;
use crate::store::build::{BuildError, Builder, Loose, Records};
use crate::store::ledger::{AppliedFile, FilePlace, Latest, Ledger};
use crate::store::state::{State, formats_to_bytes};
use crate::store::witness::{self, WitnessError};
use crate::store::write::About;

use super::merge::{self, Outcome};
use super::persons::Persons;
use super::post::Post;
use super::refusal::Refusal;
use super::settle::{GatherError, Gathered, MOST_MEMBERS, gather, settle_in_file};
use super::{chain, supplement};

/// Why a run fails as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The snapshot could not be read or written.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A record of the register is damaged.
    #[error("a record of the register is damaged; run `pu snapshot verify`")]
    Damaged,
    /// The ledger in the snapshot cannot be read or written.
    #[error("the register's list of applied files cannot be read or written")]
    Ledger(#[source] serde_json::Error),
    /// More identities in one chain than can be one person's.
    #[error("a chain of more than {MOST_MEMBERS} linked identities")]
    EndlessChain,
    /// The register's witness cannot be told how far it has come.
    #[error(transparent)]
    Witness(#[from] WitnessError),
}

/// What became of one entry of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// The register changed.
    Changed,
    /// Nothing to do: not newer than what is there.
    NotNewer,
    /// Nothing to do: it says what is there already.
    Unchanged,
    /// The resulting record would not be valid.
    Rejected(Refusal),
}

const VERSION: Field = Field::at("version");
const TEST_INDICATOR: Field = Field::at("testIndicator");

/// A run, on records that wait in `R`.
pub struct Import<'f, R = Builder> {
    records: R,
    formats: &'f Formats,
    at: Moment,
    is_test: Box<dyn Fn(Identity) -> bool + 'f>,
    ledger: Ledger,
    /// Who waits for an identity that is not there.
    waiting: BTreeMap<u64, BTreeSet<u64>>,
    /// Whom changed records have pointed at before, who may still point back.
    former: BTreeMap<u64, BTreeSet<u64>>,
    /// Whose chains must be settled.
    touched: BTreeSet<u64>,
    /// Who came from a line with a version of its own: restored, not changed.
    restored: BTreeSet<u64>,
    applied: u64,
    /// Records that settling changed.
    settled: u64,
    /// The number of the last change before the run.
    before: u64,
    /// Chains settled that have more than half of the identities that care may link.
    long_chains: u64,
}

/// Persons who have nothing to do with anybody else, with their chains settled.
pub struct Settled {
    records: Loose,
    waiting: BTreeMap<u64, BTreeSet<u64>>,
    applied: u64,
}

impl<'f> Import<'f> {
    /// Begins a run on top of the state `base`, or of nothing, in the data folder `folder`. Everything
    /// it writes carries the moment `at`, or that of the last change when that is later; `is_test` tells
    /// test identities.
    pub fn new(
        folder: &Path,
        base: Option<&State>,
        formats: &'f Formats,
        at: Moment,
        is_test: impl Fn(Identity) -> bool + 'f,
    ) -> Result<Self, ImportError> {
        let ledger = base.map_or_else(Ledger::default, |base| base.ledger().clone());
        let mut builder = Builder::new(folder, base.map(|base| Arc::clone(base.snapshot())))?;
        for (_, record) in base.into_iter().flat_map(|base| base.overlay().records()) {
            builder.put(record)?;
        }
        let mut waiting: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for &(missing, waits) in &ledger.waiting {
            waiting.entry(missing).or_default().insert(waits);
        }
        let mut run = Self {
            before: base.map_or(0, State::sequence),
            ledger,
            waiting,
            ..Self::on(builder, formats, at, is_test)
        };
        run.set_moment(at);
        Ok(run)
    }

    /// Begins behind the last change that is known of another register in this place, so that no change
    /// has the number of one of those, and no number is issued that it may have issued.
    pub const fn begin_after(&mut self, last: u64) {
        self.before = last;
        self.ledger.is_restored = true;
    }

    /// Settles every chain of the state that the run began on, by the rules of this version.
    pub fn settle_anew(&mut self, base: &State) -> Result<(), ImportError> {
        for record in base.records() {
            let record = record.map_err(|_| ImportError::Damaged)?;
            let person = Person::from_record(record).map_err(|Damaged| ImportError::Damaged)?;
            if !chain::neighbours(&person).is_empty() {
                self.touched.insert(person.identity().key());
            }
        }
        Ok(())
    }

    /// Takes in persons who were settled elsewhere. Nobody else in the run may have to do with them.
    pub fn absorb(&mut self, settled: &Settled) -> Result<(), ImportError> {
        for record in settled.records.iter() {
            self.records.put(record)?;
        }
        for (&missing, waiting) in &settled.waiting {
            let all = self.waiting.entry(missing).or_default();
            all.extend(waiting);
        }
        self.applied += settled.applied;
        Ok(())
    }

    /// Notes that a file of Skatteverket's begins to be applied. Tells whether a file of its day that
    /// was made later has been.
    pub fn begin_file(&mut self, place: FilePlace) -> bool {
        let overtaken = self.ledger.is_overtaken(place);
        self.ledger.begin(place);
        overtaken
    }

    /// Notes that a file was applied as a whole.
    pub fn note_file(&mut self, content: String, entries: u64) {
        let at = String::from_utf8_lossy(&self.at.date_time.written()).into_owned();
        self.ledger.note(AppliedFile {
            content,
            at,
            entries,
        });
    }

    /// The register's memory of applied files.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Settles the chains and writes the snapshot. Answers its path, or `None` when nothing
    /// changed. `progress` hears how many records are written.
    pub fn finish(mut self, progress: impl FnMut(u64)) -> Result<Option<PathBuf>, ImportError> {
        self.settle_chains()?;
        if self.applied + self.settled == 0 && self.records.base().is_some() {
            return Ok(None);
        }
        self.ledger.waiting = self
            .waiting
            .iter()
            .flat_map(|(&missing, all)| all.iter().map(move |&waits| (missing, waits)))
            .collect();
        let about = About {
            schema_hash: schema_hash(),
            sequence: self.before + self.applied.max(1),
            created: self.at.date_time,
        };
        self.ledger.latest = Some(Latest::with(self.ledger.latest, &self.at));
        let ledger = self.ledger.to_bytes().map_err(ImportError::Ledger)?;
        let formats = formats_to_bytes(self.formats);
        let folder = self.records.folder().to_path_buf();
        let path = self.records.finish(about, &formats, &ledger, progress)?;
        witness::note(&folder, about.sequence, &self.at)?;
        Ok(Some(path))
    }
}

impl<'f> Import<'f, Loose> {
    /// Begins a run in memory, for persons who have nothing to do with anybody else: on any thread.
    pub fn loose(
        formats: &'f Formats,
        at: Moment,
        is_test: impl Fn(Identity) -> bool + 'f,
    ) -> Self {
        Self::on(Loose::default(), formats, at, is_test)
    }

    /// Settles the chains.
    pub fn settle(mut self) -> Result<Settled, ImportError> {
        self.settle_chains()?;
        Ok(Settled {
            records: self.records,
            waiting: self.waiting,
            applied: self.applied,
        })
    }
}

impl<'f, R: Records> Import<'f, R> {
    fn on(
        records: R,
        formats: &'f Formats,
        at: Moment,
        is_test: impl Fn(Identity) -> bool + 'f,
    ) -> Self {
        Self {
            records,
            formats,
            at,
            is_test: Box::new(is_test),
            ledger: Ledger::default(),
            waiting: BTreeMap::new(),
            former: BTreeMap::new(),
            touched: BTreeSet::new(),
            restored: BTreeSet::new(),
            applied: 0,
            settled: 0,
            before: 0,
            long_chains: 0,
        }
    }

    /// What is applied from here on carries the moment `at`, or that of the last change when that is
    /// later.
    pub fn set_moment(&mut self, at: Moment) {
        self.at = Latest::held(self.ledger.latest, &at);
    }

    /// Applies a post from Skatteverket.
    pub fn post(&mut self, post: &Post) -> Result<Applied, ImportError> {
        let current = self.person(post.subject)?;
        match merge::apply(post, current.as_ref(), self, self.formats, &self.at)? {
            Outcome::NotNewer => Ok(Applied::NotNewer),
            Outcome::Unchanged => Ok(Applied::Unchanged),
            Outcome::Applied(person) => self.keep(current.as_ref(), *person),
        }
    }

    /// Applies a person from an exchange file.
    pub fn exchanged(&mut self, person: Person) -> Result<Applied, ImportError> {
        let key = person.identity().key();
        let told = person.value(VERSION).cloned();
        // Lines that tell their versions come out of another register.
        self.ledger.is_restored |= told.is_some() && self.before == 0;
        let current = self.person(person.identity())?;
        match supplement::apply(person, current.as_ref(), &self.at) {
            Some(person) => {
                if told.is_some() && person.value(VERSION) == told.as_ref() {
                    self.restored.insert(key);
                }
                self.keep(current.as_ref(), person)
            }
            None => Ok(Applied::NotNewer),
        }
    }

    fn keep(
        &mut self,
        before: Option<&Person>,
        mut person: Person,
    ) -> Result<Applied, ImportError> {
        let identity = person.identity();
        if (self.is_test)(identity) {
            person.set(TEST_INDICATOR, Value::Boolean(true));
        }
        let record = match person.to_record() {
            Ok(record) => record,
            Err(invalid) => return Ok(Applied::Rejected(Refusal::Record(invalid))),
        };
        self.records.put(&record)?;
        self.applied += 1;
        let linked = !chain::neighbours(&person).is_empty()
            || before.is_some_and(|before| !chain::neighbours(before).is_empty());
        if linked {
            self.touched.insert(identity.key());
        }
        let former: Vec<Identity> = before.map(chain::neighbours).unwrap_or_default();
        if !former.is_empty() {
            let all = self.former.entry(identity.key()).or_default();
            all.extend(former.iter().map(|it| it.key()));
        }
        // Those who pointed here before there was a record.
        if before.is_none() && self.waiting.contains_key(&identity.key()) {
            self.touched.insert(identity.key());
        }
        Ok(Applied::Changed)
    }

    /// Settles the chains of everybody who came so far. Tells how many are long: they are the files'
    /// own, and come in however long they are.
    pub fn settle_chains(&mut self) -> Result<u64, ImportError> {
        let mut settled = BTreeSet::new();
        while let Some(key) = self.touched.pop_first() {
            if settled.contains(&key) {
                continue;
            }
            let Gathered {
                mut members,
                missing,
            } = gather(self, Identity::from_key(key))?;
            for (missing, pointed_from) in missing {
                let waiting = self.waiting.entry(missing.key()).or_default();
                waiting.insert(pointed_from.key());
            }
            for member in &members {
                settled.insert(member.identity().key());
                self.waiting.remove(&member.identity().key());
            }
            let is_restored = |identity: Identity| self.restored.contains(&identity.key());
            let mut longest = 0;
            for place in settle_in_file(&mut members, is_restored, &self.at) {
                let member = &members[place];
                longest = longest.max(chain::length(member));
                // It was valid before its links were settled, and links are always valid.
                let record = member.to_record().map_err(|_| ImportError::Damaged)?;
                self.records.put(&record)?;
                self.settled += 1;
            }
            self.long_chains += u64::from(longest > limits::LINKED_IDENTITIES / 2);
        }
        Ok(self.long_chains)
    }
}

impl<R: Records> Persons for Import<'_, R> {
    type Error = ImportError;

    fn person(&self, identity: Identity) -> Result<Option<Person>, ImportError> {
        let Some(bytes) = self.records.get(identity)? else {
            return Ok(None);
        };
        RecordRef::open(&bytes)
            .and_then(Person::from_record)
            .map(Some)
            .map_err(|Damaged| ImportError::Damaged)
    }

    fn waiting(&self, identity: Identity) -> Vec<Identity> {
        let of = |all: &BTreeMap<u64, BTreeSet<u64>>| all.get(&identity.key()).cloned();
        let waiting = [of(&self.waiting), of(&self.former)];
        let waiting = waiting.into_iter().flatten().flatten();
        waiting.map(Identity::from_key).collect()
    }
}

impl From<GatherError<Self>> for ImportError {
    fn from(error: GatherError<Self>) -> Self {
        match error {
            GatherError::Unreadable(error) => error,
            GatherError::Endless => Self::EndlessChain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::edit::Group;
    use crate::person::edit::tests::identity;
    use crate::register::post::Edit;
    use crate::store::state;

    const OLD: &str = "198402192390";
    const NEW: &str = "198402192382";
    const PRIMARY: Field = Field::at("primaryIdentity");
    const REASON: Field = Field::at("deregistration/deregistrationReasonCode");
    const REFERRED: Field = Field::at("referredPersonalIdentities/referredPersonalIdentity");

    fn post(subject: &str, other: &str, reason: &str) -> Post {
        let mut reference = Group::new(REFERRED.parent());
        reference.set(REFERRED, Value::Identity(identity(other)));
        Post {
            subject: identity(subject),
            post_id: None,
            total: true,
            overtaken: false,
            edits: vec![
                Edit::Entry(reference),
                Edit::Set(REASON, Value::from(reason)),
            ],
        }
    }

    /// A register of an earlier version has other main identities.
    #[test]
    fn chains_that_were_settled_by_other_rules_are_settled_anew() {
        let folder = tempfile::tempdir().unwrap();
        let formats = Formats::standard();
        let at = Moment::parse("2025-01-07T06:00:00").unwrap();
        let is_main = |base: &State, value: &str| {
            let person = base.person(identity(value)).unwrap().unwrap();
            person.value(PRIMARY).unwrap().is_true()
        };
        let mut run = Import::new(folder.path(), None, &formats, at, |_| false).unwrap();
        run.post(&post(OLD, NEW, "GN")).unwrap();
        run.post(&post(NEW, OLD, "AV")).unwrap();
        run.settle_chains().unwrap();
        for (value, is_main) in [(OLD, true), (NEW, false)] {
            let mut person = run.person(identity(value)).unwrap().unwrap();
            person.set(PRIMARY, Value::Boolean(is_main));
            run.records.put(&person.to_record().unwrap()).unwrap();
        }
        run.finish(|_| {}).unwrap();
        let base = state::open(folder.path(), &formats).unwrap().unwrap();
        assert!(is_main(&base, OLD) && !is_main(&base, NEW));

        let settle = |base: &State| {
            let mut run = Import::new(folder.path(), Some(base), &formats, at, |_| false).unwrap();
            run.settle_anew(base).unwrap();
            run.finish(|_| {}).unwrap()
        };
        assert!(settle(&base).is_some());
        let base = state::open(folder.path(), &formats).unwrap().unwrap();
        assert!(!is_main(&base, OLD) && is_main(&base, NEW));
        assert!(settle(&base).is_none(), "once is enough");
    }
}
