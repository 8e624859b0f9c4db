//! The desk: wishes of care handed to the register at work. Each is judged on the newest state by the
//! committer, one after another, and answered when its change is on the disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::change::Change;
use super::nrid::Issuer;
use super::refusal::Refusal;
use super::wish::{Rules, Wish, perform};
use crate::person::identity::{Formats, Identity};
use crate::person::record::RecordRef;
use crate::store::commit::{CommitError, Draft};
use crate::store::entry::{Note, Origin};
use crate::store::live::{Chains, Live};
use crate::store::state::State;

/// Where wishes are handed in.
pub struct Desk {
    live: Arc<Live>,
    formats: Arc<Formats>,
    issuer: Arc<Mutex<Issuer>>,
}

/// A wish that was granted.
#[derive(Clone, PartialEq, Eq)]
pub struct Granted {
    /// The person it was about.
    pub subject: Identity,
    /// Identities that were issued, in their order.
    pub issued: Vec<Identity>,
}

/// What became of a wish, and the state it was judged on; a granted one is visible in it.
pub type Judged = (Result<Granted, Refusal>, Arc<State>);

impl Desk {
    /// The desk of a register.
    pub fn new(live: Arc<Live>, formats: Formats) -> Self {
        Self {
            live,
            formats: Arc::new(formats),
            issuer: Arc::default(),
        }
    }

    /// The identity formats.
    pub fn formats(&self) -> &Formats {
        &self.formats
    }

    /// Hands in a wish. `done` hears what became of it.
    pub fn submit(
        &self,
        wish: Wish,
        origin: Origin,
        done: impl FnOnce(Result<Judged, CommitError>) + Send + 'static,
    ) -> Result<(), CommitError> {
        let work = self.work(wish, origin);
        self.live.committer.submit(work, |made| {
            done(made.and_then(|(granted, state)| Ok((granted?, state))));
        })
    }

    /// Hands in a wish and waits.
    pub fn wait(&self, wish: Wish, origin: Origin) -> Result<Judged, CommitError> {
        let (granted, state) = self.live.committer.wait(self.work(wish, origin))?;
        Ok((granted?, state))
    }

    fn work(
        &self,
        wish: Wish,
        origin: Origin,
    ) -> impl FnOnce(&mut Draft) -> Result<Result<Granted, Refusal>, CommitError> + Send + 'static
    {
        let (formats, issuer) = (Arc::clone(&self.formats), Arc::clone(&self.issuer));
        let chains = Arc::clone(&self.live.chains);
        let waits = wish.issues() && self.live.numbers_wait.load(Ordering::Relaxed);
        move |draft| {
            if waits {
                return Err(CommitError::Damaged);
            }
            grant(draft, &wish, origin, (&formats, &chains), &issuer)
        }
    }
}

fn grant(
    draft: &mut Draft,
    wish: &Wish,
    origin: Origin,
    (formats, chains): (&Formats, &Chains),
    issuer: &Mutex<Issuer>,
) -> Result<Result<Granted, Refusal>, CommitError> {
    let at = *draft.at();
    let rules = Rules {
        formats,
        longest_chain: chains.longest(),
    };
    let change = match perform(wish, draft.state(), rules, &mut issuer.lock(), &at) {
        Ok(change) => change,
        Err(Refusal::Damaged(damaged)) => return Err(damaged.into()),
        Err(refusal) => return Ok(Err(refusal)),
    };
    let granted = Granted {
        subject: change.subject,
        issued: change.issued.clone(),
    };
    chains.count(change.longest_chain);
    commit(draft, change, origin)?;
    Ok(Ok(granted))
}

/// Commits a change to a draft, with what the register must remember of it.
pub(super) fn commit(draft: &mut Draft, change: Change, origin: Origin) -> Result<(), CommitError> {
    let ledger = draft.state().ledger();
    let mut notes = Vec::new();
    for record in &change.records {
        let key = RecordRef::open(record)?.identity().key();
        if ledger.waiting_for(key).next().is_some() {
            notes.push(Note::Arrived { key });
        }
    }
    for (missing, waits) in change.waits {
        let (missing, waits) = (missing.key(), waits.key());
        if !ledger.waiting.contains(&(missing, waits)) {
            notes.push(Note::Waits { missing, waits });
        }
    }
    let issued = change.series.into_iter();
    notes.extend(issued.map(|(series, next)| Note::Issued { series, next }));
    draft.commit(origin, change.records, notes)?;
    Ok(())
}
