//! Files into a register at work: entries of a file are applied in batches, each batch one commit that
//! also notes how far the file has come. So a file can be gone on with after a stop: what was
//! committed is not applied again, and nothing else was lost.

use std::sync::Arc;

use super::change::Change;
use super::desk::commit;
use super::import::Applied;
use super::merge::{self, Outcome};
use super::persons::Persons;
use super::post::Post;
use super::refusal::Refusal;
use super::settle::settled;
use super::{chain, supplement};
use crate::person::edit::Person;
use crate::person::field::Field;
use crate::person::identity::{Formats, Identity};
use crate::person::value::Value;
use crate::store::commit::{CommitError, Draft};
use crate::store::entry::{Note, Origin};
use crate::store::live::Live;

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
    pub fn apply(
        &self,
        batch: Vec<Wanted>,
        origin: Origin,
        content: &str,
        done: u64,
    ) -> Result<Vec<Applied>, CommitError> {
        let (formats, is_test) = (Arc::clone(&self.formats), Arc::clone(&self.is_test));
        let progress = Note::Progress {
            content: content.to_owned(),
            done,
        };
        let work = move |draft: &mut Draft| {
            let mut all = Vec::with_capacity(batch.len());
            for wanted in batch {
                all.push(one(draft, wanted, &origin, &formats, &is_test)?);
            }
            draft.commit(origin, Vec::new(), vec![progress])?;
            Ok(all)
        };
        let (applied, _) = self.live.committer.wait(work)?;
        applied
    }

    /// Notes that a file was applied to its end.
    pub fn note_file(
        &self,
        content: &str,
        entries: u64,
        origin: Origin,
    ) -> Result<(), CommitError> {
        let note = Note::File {
            content: content.to_owned(),
            entries,
        };
        let work = move |draft: &mut Draft| draft.commit(origin, Vec::new(), vec![note]);
        let (noted, _) = self.live.committer.wait(work)?;
        noted.map(|_| ())
    }
}

fn one(
    draft: &mut Draft,
    wanted: Wanted,
    origin: &Origin,
    formats: &Formats,
    is_test: &IsTest,
) -> Result<Applied, CommitError> {
    let at = *draft.at();
    let identity = match &wanted {
        Wanted::Post(post) => post.subject,
        Wanted::Person(person) => person.identity(),
    };
    let current = draft.state().person(identity)?;
    let mut person = match wanted {
        Wanted::Post(post) => match merge::apply(&post, current.as_ref(), formats, &at) {
            Outcome::NotNewer => return Ok(Applied::NotNewer),
            Outcome::Unchanged => return Ok(Applied::Unchanged),
            Outcome::Applied(person) => *person,
        },
        Wanted::Person(person) => match supplement::apply(*person, current.as_ref(), &at) {
            Some(person) => person,
            None => return Ok(Applied::NotNewer),
        },
    };
    if is_test(identity) {
        person.set(TEST_INDICATOR, Value::Boolean(true));
    }
    let state = draft.state();
    let alone = chain::neighbours(&person).is_empty()
        && current.is_none_or(|current| chain::neighbours(&current).is_empty())
        && state.waiting(identity).is_empty();
    let change = if alone {
        Ok(Change {
            persons: vec![person],
            waits: Vec::new(),
            subject: identity,
            issued: Vec::new(),
        })
    } else {
        settled(state, [person], identity, &at)
    };
    let change = match change {
        Ok(change) => change,
        Err(Refusal::Damaged(damaged)) => return Err(damaged.into()),
        Err(refusal) => return Ok(Applied::Rejected(refusal)),
    };
    match commit(draft, &change, origin.clone())? {
        Ok(()) => Ok(Applied::Changed),
        Err(refusal) => Ok(Applied::Rejected(refusal)),
    }
}
