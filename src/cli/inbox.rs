//! The inbox of a register that is served: a thread of its own that applies files as they come.

use std::io;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::told::Told;
use crate::feed::apply::{Batch, Target};
use crate::feed::generate::is_official;
use crate::feed::inbox::{AFTER_TROUBLE, Inbox, LOOK, Looked, Watch};
use crate::person::identity::Formats;
use crate::register::import::Applied;
use crate::register::online::Online;
use crate::register::post::FilePlace;
use crate::serve::App;
use crate::serve::health::{Part, Reason};
use crate::serve::metrics::Feed;
use crate::serve::readiness::Phase;
use crate::store::commit::CommitError;
use crate::store::entry::Origin;

/// How soon the end of the service is seen.
const PAUSE: Duration = Duration::from_millis(50);

/// Starts to take files, until the service ends.
pub fn start(app: &Arc<App>, inbox: Inbox, formats: &Formats) -> io::Result<JoinHandle<()>> {
    let (app, formats) = (Arc::downgrade(app), formats.clone());
    std::thread::Builder::new()
        .name("pu-inbox".to_owned())
        .spawn(move || run(&app, inbox, &formats))
}

fn run(app: &Weak<App>, mut inbox: Inbox, formats: &Formats) {
    let mut pause = Duration::ZERO;
    while App::rest(app, pause) {
        let Some(app) = app.upgrade() else { return };
        let may_take = || {
            let told = app.health.told().why_not(Part::Changes);
            let is_lost = matches!(told, Some(Reason::FolderReplaced | Reason::LogReplaced));
            app.readiness.phase() == Phase::Ready && !is_lost
        };
        if !may_take() {
            pause = PAUSE;
            continue;
        }
        let online = Online::new(&app.live, formats, Arc::new(is_official));
        let looked = inbox.look(&mut Served(&online), &app.metrics.feed, may_take);
        let (then, reason) = match looked {
            Ok(Looked::File) => (Duration::ZERO, None),
            Ok(Looked::Nothing) => (LOOK, None),
            Ok(Looked::Trouble) => (AFTER_TROUBLE, Some(Reason::FileWaits)),
            Err(error) => {
                tracing::error!(error = %Told(&error), "the inbox waits");
                (AFTER_TROUBLE, Some(Reason::Inbox))
            }
        };
        app.health.say_of_files(reason);
        pause = then;
    }
}

/// A register at work: every batch is a commit.
pub(super) struct Served<'o>(pub(super) &'o Online<'o>);

impl Target for Served<'_> {
    type Error = CommitError;

    const BATCH: usize = 500;

    fn knows(&self, content: &str) -> bool {
        self.0.knows(content)
    }

    fn progress(&self, content: &str) -> u64 {
        self.0.progress(content)
    }

    fn begin(&mut self, place: FilePlace, by: &str) -> Result<bool, CommitError> {
        self.0.begin_file(place, Origin::by(by))
    }

    fn apply(&mut self, batch: Batch<'_>) -> Result<Vec<Applied>, CommitError> {
        let origin = Origin::by(batch.by);
        self.0
            .apply(batch.entries, origin, batch.content, batch.done)
    }

    fn note_file(
        &mut self,
        content: &str,
        by: &str,
        entries: u64,
    ) -> Result<Option<u64>, CommitError> {
        let noted = self.0.note_file(content, entries, Origin::by(by));
        noted.map(Some)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats; counts stay below 2^53"
)]
impl Watch for Feed {
    fn file(&self, outcome: &'static str) {
        self.file(outcome);
    }

    fn entries(&self, outcome: &'static str, more: u64) {
        self.entries(outcome, more);
    }

    fn waiting(&self, files: usize, oldest: Duration) {
        self.waiting_files.set(files as f64);
        self.oldest_waiting_seconds.set(oldest.as_secs_f64());
    }

    fn position(&self, done: u64) {
        self.position.set(done as f64);
    }
}
