//! Households with a protected member, while serving: how many there are is told the operator, and where
//! `protection.household` masks them, the marks change in one commit with what they follow from.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::App;
use crate::base::told::Told;
use crate::person::identity::Identity;
use crate::person::record::Damaged;
use crate::register::household::{Marks, look, standing};
use crate::store::commit::CommitError;
use crate::store::entry::Origin;
use crate::store::live::Live;
use crate::store::state::Unreadable;

/// How soon a new snapshot is seen.
const LOOK: Duration = Duration::from_millis(50);

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

/// Marks everybody who shares a protected relative's home, and from now on with each change. To be done
/// before anybody is answered. Reads the register twice.
pub fn mask(live: &Live) -> Result<(), CommitError> {
    let households = look(&live.store.keep()).map_err(|_| Damaged)?;
    let marks = Marks::of(&households);
    live.store.accompany(Box::new(move |state, records, at| {
        marks
            .with(state, records, at)
            .map_err(|_| CommitError::Damaged)
    }));
    let unlike: Vec<Identity> = households.unlike.into_iter().collect();
    for some in unlike.chunks(TOGETHER) {
        let some = some.to_vec();
        let commit = live.committer.wait(move |draft| {
            // As they are: what is committed is given its marks.
            let records = standing(draft.state(), &some, draft.at()).map_err(|_| Damaged)?;
            draft.commit(Origin::by(BY), records, Vec::new())
        });
        commit?.0?;
    }
    Ok(())
}

/// Starts to count, until the service ends: at the start, and after each new snapshot.
pub fn start(app: &Arc<App>) -> io::Result<JoinHandle<()>> {
    let app = Arc::downgrade(app);
    std::thread::Builder::new()
        .name("pu-households".to_owned())
        .spawn(move || run(&app))
}

fn run(app: &Weak<App>) {
    let mut counted = None;
    while App::rest(
        app,
        if counted.is_none() {
            Duration::ZERO
        } else {
            LOOK
        },
    ) {
        let Some(app) = app.upgrade() else { return };
        let snapshot = Some(app.store.pin().snapshot().sequence());
        if counted != snapshot {
            counted = snapshot;
            if let Err(error) = count(&app) {
                tracing::error!(error = %Told(&error), "households with a protected member cannot be counted");
            }
        }
    }
}

fn count(app: &App) -> Result<(), Unreadable> {
    let pairs = look(&app.store.keep())?.pairs;
    app.households.pairs.store(pairs, Ordering::Relaxed);
    Ok(())
}
