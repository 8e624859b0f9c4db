//! Households with a protected member, watched while serving: how many there are is told the operator,
//! and where `protection.household` masks them, the marks follow the changes of the register.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::App;
use crate::person::identity::Identity;
use crate::person::record::{Damaged, RecordRef};
use crate::person::view::HouseholdRule;
use crate::register::household::{concerned, look, marked};
use crate::store::commit::{CommitError, Draft};
use crate::store::entry::{Entry, Origin};
use crate::store::log::ReadError;

/// How often it is looked for changes, and for the end of the service.
const PAUSE: Duration = Duration::from_millis(50);

/// People whose marks are set in one commit.
const TOGETHER: usize = 500;

/// The way these changes come, as the log tells it.
const BY: &str = "household";

/// What is known of the households.
#[derive(Default)]
pub struct Known {
    /// Pairs of somebody without protection and a protected relative in one home.
    pub pairs: AtomicU64,
}

/// Why marks could not be set.
#[derive(Debug, thiserror::Error)]
enum HouseholdError {
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error(transparent)]
    Log(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Starts to watch, until the service ends.
pub fn start(app: &Arc<App>, rule: HouseholdRule) -> io::Result<JoinHandle<()>> {
    let app = Arc::downgrade(app);
    std::thread::Builder::new()
        .name("pu-households".to_owned())
        .spawn(move || run(&app, rule))
}

fn run(app: &Weak<App>, rule: HouseholdRule) {
    let mut watched = Watched::default();
    while let Some(app) = app.upgrade().filter(|it| !it.readiness.is_draining()) {
        if let Err(error) = watched.step(&app, rule) {
            tracing::error!(%error, "households with a protected member cannot be looked at");
        }
        drop(app);
        std::thread::sleep(PAUSE);
    }
}

/// How far the register has been watched.
#[derive(Default)]
struct Watched {
    /// The snapshot after which everybody was looked at.
    snapshot: Option<u64>,
    /// The last entry of the log that was looked at.
    sequence: u64,
}

impl Watched {
    /// Looks at everybody at the start and after each new snapshot, else at those who changed.
    fn step(&mut self, app: &App, rule: HouseholdRule) -> Result<(), HouseholdError> {
        let state = app.store.keep();
        let snapshot = Some(state.snapshot().sequence());
        let sequence = state.sequence();
        let changed = if self.snapshot == snapshot {
            if rule == HouseholdRule::Show || self.sequence == sequence {
                return Ok(());
            }
            self.changed(app, sequence)
        } else {
            // Noted first: what cannot be read now is tried again after the next snapshot.
            self.snapshot = snapshot;
            let households = look(&state)?;
            app.households
                .pairs
                .store(households.pairs, Ordering::Relaxed);
            Ok(households.unlike.into_iter().collect())
        };
        drop(state);
        self.sequence = sequence;
        let changed = changed?;
        if rule == HouseholdRule::Mask {
            for some in changed.chunks(TOGETHER) {
                let some = some.to_vec();
                let (made, _) = app.live.committer.wait(move |draft| mark(draft, &some))?;
                made?;
            }
        }
        Ok(())
    }

    fn changed(&self, app: &App, until: u64) -> Result<Vec<Identity>, HouseholdError> {
        let mut changed = Vec::new();
        for entry in app.live.committer.log().read_from(self.sequence + 1)? {
            let entry: Entry = entry?;
            if entry.sequence > until {
                break;
            }
            // The marks themselves change no home.
            if entry.origin.by != BY {
                for change in &entry.changes {
                    changed.push(RecordRef::open(&change.record)?.identity());
                }
            }
        }
        Ok(changed)
    }
}

/// Sets the marks of some people and of those in their households.
fn mark(draft: &mut Draft, changed: &[Identity]) -> Result<(), CommitError> {
    let mut beside: BTreeMap<Identity, Vec<Identity>> = BTreeMap::new();
    for &identity in changed {
        for concerned in concerned(draft.state(), identity)? {
            beside.entry(concerned).or_default().push(identity);
        }
    }
    let mut records = Vec::new();
    for (identity, beside) in beside {
        if let Some(person) = marked(draft.state(), identity, &beside, draft.at())? {
            records.push(person.to_record().map_err(|_| Damaged)?);
        }
    }
    if !records.is_empty() {
        let origin = Origin {
            by: BY.to_owned(),
            ..Origin::default()
        };
        draft.commit(origin, records, Vec::new())?;
    }
    Ok(())
}
