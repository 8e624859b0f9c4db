//! Files into a register at work: entries of a file are applied in batches, each batch one commit that
//! also notes how far the file has come. So a file can be gone on with after a stop: what was
//! committed is not applied again, and nothing else was lost.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::change::Change;
use super::desk::commit;
use super::import::Applied;
use super::merge::{self, Outcome};
use super::persons::{Changed, Persons};
use super::post::Post;
use super::refusal::Refusal;
use super::settle::settled;
use super::{chain, supplement};
use crate::base::time::Moment;
use crate::person::edit::Person;
use crate::person::field::Field;
use crate::person::identity::{Formats, Identity};
use crate::person::record::{Damaged, RecordRef};
use crate::person::value::Value;
use crate::store::commit::{CommitError, Draft};
use crate::store::entry::{Note, Origin};
use crate::store::live::Live;
use crate::store::state::State;

const TEST_INDICATOR: Field = Field::at("testIndicator");

/// Tells test identities.
pub type IsTest = Arc<dyn Fn(Identity) -> bool + Send + Sync>;

/// A register at work, as files are applied to it.
pub struct Online<'l> {
    live: &'l Live,
    formats: Arc<Formats>,
    is_test: IsTest,
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
        let foreseen = foresee(
            &basis,
            &batch,
            &formats,
            &is_test,
            &self.live.committer.now(),
        )?;
        let work = move |draft: &mut Draft| {
            let foreseen = if foreseen.holds_in(draft.state())? {
                foreseen
            } else {
                foresee(draft.state(), &batch, &formats, &is_test, draft.at())?
            };
            for change in foreseen.changes {
                chains.count(change.longest_chain);
                commit(draft, change, origin.clone())?;
            }
            draft.commit(origin, Vec::new(), vec![progress])?;
            // The batch and the basis go back: they are not freed on the committer's time.
            Ok((foreseen.applied, batch, basis))
        };
        let (applied, _) = self.live.committer.wait(work)?;
        applied.map(|(applied, ..)| applied)
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
        match one(&persons, wanted, formats, is_test, at)? {
            Ok(mut change) => {
                persons.take(&mut change);
                changes.push(change);
                applied.push(Applied::Changed);
            }
            Err(unchanged) => applied.push(unchanged),
        }
    }
    drop(persons);
    Ok(Foreseen {
        applied,
        changes,
        read: noting.read.into_inner().into_iter().collect(),
        waiting: noting.waiting.into_inner().into_iter().collect(),
    })
}

/// What one entry makes of the register, or what became of it instead.
fn one<P: Persons<Error = Damaged>>(
    persons: &P,
    wanted: &Wanted,
    formats: &Formats,
    is_test: &IsTest,
    at: &Moment,
) -> Result<Result<Change, Applied>, Damaged> {
    let identity = match wanted {
        Wanted::Post(post) => post.subject,
        Wanted::Person(person) => person.identity(),
    };
    let current = persons.person(identity)?;
    let mut person = match wanted {
        Wanted::Post(post) => match merge::apply(post, current.as_ref(), formats, at) {
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
    let alone = chain::neighbours(&person).is_empty()
        && current.is_none_or(|current| chain::neighbours(&current).is_empty())
        && persons.waiting(identity).is_empty();
    let change = if alone {
        Change::of(vec![person], Vec::new(), identity)
    } else {
        settled(persons, [person], identity, at)
    };
    match change {
        Ok(change) => Ok(Ok(change)),
        Err(Refusal::Damaged(damaged)) => Err(damaged),
        Err(refusal) => Ok(Err(Applied::Rejected(refusal))),
    }
}
