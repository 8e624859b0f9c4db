//! The ends of the audit's chains, written into the register's own log: at the start, once a minute when
//! they have moved, and at the stop; after that, to a second place, where there is one. Whoever empties
//! the audit would have to rewrite the log too, which snapshots, followers and backups hold copies of.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::App;
use crate::access::audit::push::{PushError, Pusher};
use crate::access::audit::verify::{Anchor, Finding};
use crate::access::audit::{Audit, known};
use crate::base::limits;
use crate::base::told::Told;
use crate::store::commit::CommitError;
use crate::store::entry::{Note, Origin};
use crate::store::ledger::Ledger;

/// The way these entries come, as the log tells it.
const BY: &str = "audit";

/// What brings the ends to a second place, and how that goes.
pub struct Pushing {
    push: Option<Pusher>,
    is_required: bool,
    /// Ends were written, or there was a start, and they are not in the second place.
    is_owed: AtomicBool,
    pushed: AtomicU64,
    failed: AtomicU64,
}

impl Pushing {
    /// By a command, when there is one; nothing is disclosed while a required one fails.
    pub fn new(push: Option<Pusher>, is_required: bool) -> Self {
        Self {
            is_owed: AtomicBool::new(push.is_some()),
            is_required: is_required && push.is_some(),
            push,
            pushed: AtomicU64::default(),
            failed: AtomicU64::default(),
        }
    }

    /// How often it went well.
    pub fn pushed(&self) -> u64 {
        self.pushed.load(Ordering::Relaxed)
    }

    /// How often it did not.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// When to look again.
    fn pause(&self) -> Duration {
        if self.is_owed.load(Ordering::Relaxed) {
            limits::ANCHOR_RETRY
        } else {
            limits::ANCHORS_EVERY
        }
    }

    /// Pushes what is owed.
    fn pay(&self, audit: &Audit) -> Result<(), AnchorError> {
        let Some(push) = &self.push else {
            return Ok(());
        };
        if !self.is_owed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let paid = audit.ends().map_err(AnchorError::from);
        let paid = paid.and_then(|ends| Ok(push.push(&ends)?));
        self.is_owed.store(paid.is_err(), Ordering::Relaxed);
        let count = if paid.is_ok() {
            &self.pushed
        } else {
            &self.failed
        };
        count.fetch_add(1, Ordering::Relaxed);
        if self.is_required {
            audit.hold(paid.is_err());
        }
        paid
    }
}

/// Nothing is disclosed before required anchors are where they should be for the first time.
pub fn hold(app: &App) {
    if let Some(audit) = app.audit.as_ref().filter(|_| app.anchors.is_required) {
        audit.hold(true);
    }
}

/// Why ends could not be written.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The audit's folder cannot be read.
    #[error("the audit's folder cannot be read")]
    Folder(#[from] io::Error),
    /// The register took no change.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// They are not in the second place.
    #[error(transparent)]
    Push(#[from] PushError),
}

/// The ends of chains that a register knows.
pub fn known_ends(ledger: &Ledger) -> Vec<Anchor> {
    let texts = ledger.audit.values();
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// What the audit in `folder` lacks of what a register knows.
pub fn missing(folder: &Path, ledger: &Ledger) -> io::Result<Vec<Finding>> {
    known::check(folder, &known_ends(ledger))
}

/// Starts to write ends, until the service ends.
pub fn start(app: &Arc<App>) -> io::Result<JoinHandle<()>> {
    write_aloud(app);
    let app = Arc::downgrade(app);
    std::thread::Builder::new()
        .name("pu-anchors".to_owned())
        .spawn(move || run(&app))
}

fn run(app: &Weak<App>) {
    while let Some(pause) = app.upgrade().map(|app| app.anchors.pause())
        && App::rest(app, pause)
    {
        if let Some(app) = app.upgrade() {
            write_aloud(&app);
        }
    }
}

/// Writes the ends that have moved; trouble is logged.
pub fn write_aloud(app: &App) {
    if let Err(error) = write(app) {
        tracing::error!(error = %Told(&error), "the ends of the audit cannot be written into the log");
    }
    if let Some(Err(error)) = app.audit.as_ref().map(|audit| app.anchors.pay(audit)) {
        tracing::error!(error = %Told(&error), "the ends of the audit cannot be brought to their second place");
    }
}

/// Writes the ends that have moved into the register's log. A chain that has gone back is not taken
/// at its word: what is known of it stays.
fn write(app: &App) -> Result<(), AnchorError> {
    let Some(audit) = &app.audit else {
        return Ok(());
    };
    let state = app.store.keep();
    let known = known_ends(state.ledger());
    let mut ends = audit.ends()?;
    ends.retain(|end| {
        let before = known.iter().find(|it| it.chain == end.chain);
        before.is_none_or(|before| end.entry > before.entry)
    });
    if ends.is_empty() {
        return Ok(());
    }
    let notes = ends.into_iter().map(note).collect();
    let commit = app.live.committer.wait(move |draft| {
        // A draft tells what it could not do when it is made.
        draft.commit(Origin::by(BY), Vec::new(), notes)
    });
    commit?.0?;
    app.anchors.is_owed.store(true, Ordering::Relaxed);
    Ok(())
}

/// What the log is told of the end of a chain.
pub fn note(end: Anchor) -> Note {
    Note::AuditEnd {
        chain: end.chain,
        anchor: match end.entry {
            0 => String::new(),
            _ => end.to_string(),
        },
    }
}
