//! Files into a register at work: entries of a file are applied in batches, each batch one commit that
//! also notes how far the file has come. So a file can be gone on with after a stop: what was
//! committed is not applied again, and nothing else was lost.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use xxhash_rust::xxh3::xxh3_128;

use super::change::Change;
use super::desk::commit;
use super::import::Applied;
use super::merge::{self, Outcome, touch};
use super::persons::{Changed, Persons};
use super::post::Post;
use super::refusal::Refusal;
use super::settle::{Gathered, gather, settle_in_file};
use super::{chain, supplement};
use crate::base::time::{Moment, Timestamp};
use crate::person::edit::Person;
use crate::person::field::Field;
use crate::person::identity::{Formats, Identity};
use crate::person::record::{Damaged, RecordRef};
use crate::person::value::Value;
use crate::store::commit::{CommitError, Draft};
use crate::store::entry::{Note, Origin};
use crate::store::ledger::FilePlace;
use crate::store::live::Live;
use crate::store::state::State;

const VERSION: Field = Field::at("version");
const TEST_INDICATOR: Field = Field::at("testIndicator");

/// Tells test identities.
pub type IsTest = Arc<dyn Fn(Identity) -> bool + Send + Sync>;

/// A register at work, as files are applied to it: with the same result as where the register stands
/// still, and chains are settled once, at the end of a file.
pub struct Online<'l> {
    live: &'l Live,
    formats: Arc<Formats>,
    is_test: IsTest,
    file: RefCell<Unsettled>,
}

/// The chains that a file has touched, as its entries alone have left them. Everybody sees them settled
/// after each entry; the next entry of the file is applied to what it would find where nothing is
/// settled before the end.
#[derive(Clone, Default)]
struct Unsettled {
    /// The file, by its content.
    content: String,
    /// Records of those that an entry was about, and of those that only settling has changed, as they
    /// were before the file.
    records: OrdMap<Identity, Kept>,
    /// Who came from lines with a version of their own.
    restored: OrdSet<Identity>,
}

/// A record as entries alone have left it.
#[derive(Clone)]
struct Kept {
    record: Arc<[u8]>,
    /// The digest of the one that everybody was shown in its place.
    shown: u128,
}

impl Unsettled {
    /// Somebody as entries alone have left them, who is `seen` now. When that is not what the file has
    /// made of them, somebody else has changed them since: that counts.
    fn person(&self, identity: Identity, seen: Option<Person>) -> Result<Option<Person>, Damaged> {
        let (Some(kept), Some(seen)) = (self.records.get(&identity), &seen) else {
            return Ok(seen);
        };
        if digest(seen)? != kept.shown {
            return Ok(Some(seen.clone()));
        }
        let mut person = RecordRef::open(&kept.record).and_then(Person::from_record)?;
        person.shares_protected_home = seen.shares_protected_home;
        Ok(Some(person))
    }

    /// Keeps somebody as entries alone have left them.
    fn put(&mut self, person: &Person) -> Result<(), Refusal> {
        let record = person.to_record().map_err(Refusal::Record)?.into();
        let shown = digest(person)?;
        self.records
            .insert(person.identity(), Kept { record, shown });
        Ok(())
    }

    /// Notes what everybody is shown in place of somebody who is kept.
    fn show(&mut self, person: &Person) -> Result<(), Damaged> {
        if let Some(kept) = self.records.get_mut(&person.identity()) {
            kept.shown = digest(person)?;
        }
        Ok(())
    }
}

/// What tells records apart, but for the mark that each commit gives to households.
fn digest(person: &Person) -> Result<u128, Damaged> {
    let mut person = person.clone();
    person.shares_protected_home = false;
    let record = person.to_record().map_err(|_| Damaged)?;
    Ok(xxh3_128(&record))
}

/// A register as a file's entries alone have left it.
struct Entries<'p, P> {
    persons: &'p P,
    file: &'p Unsettled,
    /// Whom the newest entry is about, as it leaves them.
    subject: &'p Person,
}

impl<P: Persons<Error = Damaged>> Persons for Entries<'_, P> {
    type Error = Damaged;

    fn person(&self, identity: Identity) -> Result<Option<Person>, Damaged> {
        if identity == self.subject.identity() {
            return Ok(Some(self.subject.clone()));
        }
        self.file.person(identity, self.persons.person(identity)?)
    }

    /// And those with whom somebody is shown: one may point at them at whom they do not point.
    fn waiting(&self, identity: Identity) -> Vec<Identity> {
        let mut waiting = self.persons.waiting(identity);
        let seen = self.persons.person(identity).ok().flatten();
        waiting.extend(seen.iter().flat_map(chain::neighbours));
        waiting
    }
}

fn version_of(person: &Person) -> Option<Timestamp> {
    person.value(VERSION).and_then(Value::as_timestamp)
}

/// One entry of a file.
pub enum Wanted {
    /// A post from Skatteverket.
    Post(Post),
    /// A person from an exchange file.
    Person(Box<Person>),
}

impl<'l> Online<'l> {
    /// The register, and which identities are test persons'.
    pub fn new(live: &'l Live, formats: &Formats, is_test: IsTest) -> Self {
        Self {
            live,
            formats: Arc::new(formats.clone()),
            is_test,
            file: RefCell::default(),
        }
    }

    /// Whether a file with this content was applied to its end.
    pub fn knows(&self, content: &str) -> bool {
        self.live.store.pin().ledger().knows(content)
    }

    /// Entries that were applied of a file that was not applied to its end.
    pub fn progress(&self, content: &str) -> u64 {
        let state = self.live.store.pin();
        state.ledger().progress.get(content).copied().unwrap_or(0)
    }

    /// Notes that a file of Skatteverket's begins to be applied. Tells whether a file of its day that
    /// was made later has been.
    pub fn begin_file(&self, place: FilePlace, origin: Origin) -> Result<bool, CommitError> {
        let (overtaken, is_noted) = {
            let state = self.live.store.pin();
            let ledger = state.ledger();
            (ledger.is_overtaken(place), ledger.is_newest(place))
        };
        if !overtaken && !is_noted {
            let FilePlace { day, serial } = place;
            let note = Note::Began { day, serial };
            let work = move |draft: &mut Draft| draft.commit(origin, Vec::new(), vec![note]);
            self.live.committer.wait(work)?.0?;
        }
        Ok(overtaken)
    }

    /// Applies a batch of a file's entries as one commit. `done` entries of the file are applied with
    /// it.
    ///
    /// What the entries make of the register is worked out here, on the newest state; the committer
    /// only looks whether everybody is still the same, and works it out anew where somebody is not.
    pub fn apply(
        &self,
        batch: Vec<Wanted>,
        origin: Origin,
        content: &str,
        done: u64,
    ) -> Result<Vec<Applied>, CommitError> {
        let (formats, is_test) = (Arc::clone(&self.formats), Arc::clone(&self.is_test));
        let chains = Arc::clone(&self.live.chains);
        let progress = Note::Progress {
            content: content.to_owned(),
            done,
        };
        // Kept until the committer has compared: so no other record can lie where one of these does.
        let basis = self.live.store.keep();
        let mut file = self.file.take();
        if file.content != content {
            file = Unsettled {
                content: content.to_owned(),
                ..Unsettled::default()
            };
        }
        let now = self.live.committer.time().now_after(basis.ledger().latest);
        let foreseen = foresee(&basis, &batch, &formats, &is_test, &now, file.clone())?;
        let work = move |draft: &mut Draft| {
            let foreseen = if foreseen.holds_in(draft.state())? {
                foreseen
            } else {
                foresee(draft.state(), &batch, &formats, &is_test, draft.at(), file)?
            };
            let is_something = |it: &Change| !it.records.is_empty() || !it.waits.is_empty();
            for change in foreseen.changes.into_iter().filter(is_something) {
                chains.count(change.longest_chain);
                commit(draft, change, origin.clone())?;
            }
            draft.commit(origin, Vec::new(), vec![progress])?;
            // The batch and the basis go back: they are not freed on the committer's time.
            Ok::<_, CommitError>((foreseen.applied, foreseen.file, batch, basis))
        };
        let (applied, _) = self.live.committer.wait(work)?;
        let (applied, file, ..) = applied?;
        self.file.replace(file);
        Ok(applied)
    }

    /// Notes that a file was applied to its end. Gives the number of the entry that says so.
    pub fn note_file(
        &self,
        content: &str,
        entries: u64,
        origin: Origin,
    ) -> Result<u64, CommitError> {
        let note = Note::File {
            content: content.to_owned(),
            entries,
        };
        let work = move |draft: &mut Draft| draft.commit(origin, Vec::new(), vec![note]);
        self.live.committer.wait(work)?.0
    }
}

/// What a batch makes of a state, and everything it rests on.
struct Foreseen {
    applied: Vec<Applied>,
    changes: Vec<Change>,
    /// Whose records were read, and where they lie; nowhere for those who were not there.
    read: Vec<(Identity, Option<Place>)>,
    /// Who waited for whom.
    waiting: Vec<(Identity, Vec<Identity>)>,
    /// What the file has left behind with it.
    file: Unsettled,
}

/// Where a record's bytes lie. Records never change in place.
type Place = (usize, usize);

fn place_of(state: &State, identity: Identity) -> Result<Option<Place>, Damaged> {
    let record = state.record(identity)?;
    Ok(record.map(RecordRef::place))
}

impl Foreseen {
    /// Whether another state is the same in everything that this rests on.
    fn holds_in(&self, state: &State) -> Result<bool, Damaged> {
        for (identity, place) in &self.read {
            if place_of(state, *identity)? != *place {
                return Ok(false);
            }
        }
        let same =
            |(identity, waiting): &(Identity, Vec<Identity>)| state.waiting(*identity) == *waiting;
        Ok(self.waiting.iter().all(same))
    }
}

/// A state that notes what is read of it.
struct Noting<'s> {
    state: &'s State,
    read: RefCell<BTreeMap<Identity, Option<Place>>>,
    waiting: RefCell<BTreeMap<Identity, Vec<Identity>>>,
}

impl Persons for Noting<'_> {
    type Error = Damaged;

    fn person(&self, identity: Identity) -> Result<Option<Person>, Damaged> {
        let record = self.state.record(identity)?;
        let place = record.map(RecordRef::place);
        self.read.borrow_mut().insert(identity, place);
        record.map(Person::from_record).transpose()
    }

    fn waiting(&self, identity: Identity) -> Vec<Identity> {
        let waiting = self.state.waiting(identity);
        self.waiting.borrow_mut().insert(identity, waiting.clone());
        waiting
    }
}

fn foresee(
    state: &State,
    batch: &[Wanted],
    formats: &Formats,
    is_test: &IsTest,
    at: &Moment,
    mut file: Unsettled,
) -> Result<Foreseen, Damaged> {
    let noting = Noting {
        state,
        read: RefCell::default(),
        waiting: RefCell::default(),
    };
    // Later entries of a batch see what earlier ones have made.
    let mut persons = Changed::over(&noting, []);
    let (mut applied, mut changes) = (Vec::with_capacity(batch.len()), Vec::new());
    for wanted in batch {
        let before = file.clone();
        match one(&persons, wanted, formats, is_test, at, &mut file)? {
            Ok(mut change) => {
                told_apart(&mut change, &noting, &mut file, at)?;
                persons.take(&mut change);
                changes.push(change);
                applied.push(Applied::Changed);
            }
            Err(unchanged) => {
                file = before;
                applied.push(unchanged);
            }
        }
    }
    drop(persons);
    Ok(Foreseen {
        applied,
        changes,
        read: noting.read.into_inner().into_iter().collect(),
        waiting: noting.waiting.into_inner().into_iter().collect(),
        file,
    })
}

/// Sees to it that nobody sees two records of one version, unless one of them is restored.
fn told_apart(
    change: &mut Change,
    visible: &Noting<'_>,
    file: &mut Unsettled,
    at: &Moment,
) -> Result<(), Damaged> {
    for (person, record) in change.persons.iter_mut().zip(&mut change.records) {
        let identity = person.identity();
        let visible = visible.person(identity)?;
        let is_other =
            |visible: &Person| version_of(visible) == version_of(person) && **visible != **person;
        if !file.restored.contains(&identity) && visible.is_some_and(|it| is_other(&it)) {
            touch(person, at);
            *record = person.to_record().map_err(|_| Damaged)?;
        }
        file.show(person)?;
    }
    Ok(())
}

/// What one entry makes of the register, or what became of it instead.
fn one<P: Persons<Error = Damaged>>(
    persons: &P,
    wanted: &Wanted,
    formats: &Formats,
    is_test: &IsTest,
    at: &Moment,
    file: &mut Unsettled,
) -> Result<Result<Change, Applied>, Damaged> {
    let identity = match wanted {
        Wanted::Post(post) => post.subject,
        Wanted::Person(person) => person.identity(),
    };
    let seen = persons.person(identity)?;
    let current = file.person(identity, seen.clone())?;
    let mut person = match wanted {
        Wanted::Post(post) => match merge::apply(post, current.as_ref(), persons, formats, at)? {
            Outcome::NotNewer => return Ok(Err(Applied::NotNewer)),
            Outcome::Unchanged => return Ok(Err(Applied::Unchanged)),
            Outcome::Applied(person) => *person,
        },
        Wanted::Person(person) => {
            match supplement::apply(Person::clone(person), current.as_ref(), at) {
                Some(person) => person,
                None => return Ok(Err(Applied::NotNewer)),
            }
        }
    };
    if is_test(identity) {
        person.set(TEST_INDICATOR, Value::Boolean(true));
    }
    let neighbours = |person: &Option<Person>| person.as_ref().map(chain::neighbours);
    let before: Vec<Identity> = [neighbours(&seen), neighbours(&current)]
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let alone = chain::neighbours(&person).is_empty()
        && before.is_empty()
        && persons.waiting(identity).is_empty();
    let change = if alone && !file.records.contains_key(&identity) {
        Change::of(vec![person], Vec::new(), identity)
    } else {
        if let Wanted::Person(line) = wanted
            && version_of(line).is_some()
            && version_of(line) == version_of(&person)
        {
            file.restored.insert(identity);
        }
        let starts = [identity].into_iter().chain(before);
        file.put(&person)
            .and_then(|()| settled(persons, starts.collect(), &person, at, file))
    };
    match change {
        Ok(change) => Ok(Ok(change)),
        Err(Refusal::Damaged(damaged)) => Err(damaged),
        Err(refusal) => Ok(Err(Applied::Rejected(refusal))),
    }
}

/// The change that settles the chains of `starts`, as the file has left them.
fn settled<P: Persons<Error = Damaged>>(
    persons: &P,
    starts: Vec<Identity>,
    subject: &Person,
    at: &Moment,
    file: &mut Unsettled,
) -> Result<Change, Refusal> {
    let (mut done, mut waits) = (BTreeSet::new(), Vec::new());
    let (mut changed, mut longest_chain) = (BTreeMap::new(), 0);
    // Chains that come apart are gathered one after another: what the first is shown as from now on is
    // nothing that the next one has seen.
    let as_left = file.clone();
    for start in starts {
        if done.contains(&start) {
            continue;
        }
        let entries = Entries {
            persons,
            file: &as_left,
            subject,
        };
        let Gathered {
            mut members,
            missing,
        } = gather(&entries, start)?;
        waits.extend(missing);
        let before = members.clone();
        let restored = file.restored.clone();
        let is_restored = |identity| restored.contains(&identity);
        for place in settle_in_file(&mut members, is_restored, at) {
            longest_chain = longest_chain.max(chain::length(&members[place]));
        }
        for (member, before) in members.into_iter().zip(before) {
            let identity = member.identity();
            done.insert(identity);
            let seen = persons.person(identity)?;
            if seen.as_ref() == Some(&member) {
                changed.remove(&identity);
                file.show(&member)?;
                continue;
            }
            if identity != subject.identity() {
                file.put(&before)?;
            }
            file.show(&member)?;
            // Whoever points at somebody who does not point back is a start of their own, and knows more.
            changed.insert(identity, member);
        }
    }
    let change = Change::of(changed.into_values().collect(), waits, subject.identity())?;
    Ok(Change {
        longest_chain,
        ..change
    })
}
