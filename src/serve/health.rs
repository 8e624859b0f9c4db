//! What works now: looked at once a second, the whole way that a call takes, so that a node says that it
//! does not answer before somebody asks in vain. Reasons are fixed sentences: they name no file and no
//! person. The lines that are logged beside them name the file.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::App;
use super::readiness::Phase;
use crate::access::audit::Hindrance;
use crate::base::limits;
use crate::person::record::{Damaged, RecordRef};
use crate::store::snapshot::Snapshot;
use crate::store::state::{State, log_folder};

/// What a node does for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Answers questions about persons.
    Lookups,
    /// Takes changes.
    Changes,
    /// Records what it discloses.
    Disclosures,
    /// Takes files from its inbox.
    Files,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 4] = [Self::Lookups, Self::Changes, Self::Disclosures, Self::Files];

    /// Its name in answers and metrics.
    pub const fn name(self) -> &'static str {
        ["lookups", "changes", "disclosures", "files"][self as usize]
    }
}

/// Why a part does not work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Reason {
    /// The register is not checked yet.
    #[error("the register is being checked")]
    Verifying,
    /// The snapshot is damaged.
    #[error("the snapshot is damaged")]
    Damaged,
    /// A record that was tried cannot be read.
    #[error("a record that was looked up to try it cannot be read")]
    Record,
    /// A serving thread has not moved for a while.
    #[error("a serving thread is stuck")]
    Stuck,
    /// The audit takes nothing.
    #[error(transparent)]
    Audit(Hindrance),
    /// The log has failed.
    #[error("the log has failed; changes are taken again after a restart")]
    LogFailed,
    /// The clock is too far ahead to be believed.
    #[error("the clock is too far ahead of the last change to be believed")]
    Clock,
    /// The data folder is not there any more.
    #[error("the data folder is gone, or another has taken its place")]
    FolderReplaced,
    /// The folder of the log is not there any more.
    #[error("the folder of the log is gone, or another has taken its place")]
    LogReplaced,
    /// The inbox cannot be read or written.
    #[error("the inbox cannot be read or written")]
    Inbox,
    /// The register takes no changes from files now.
    #[error("a file waits: the register does not take it now")]
    FileWaits,
}

/// Which parts do not work, and why, beside what [`Phase`] tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hindrances([Option<Reason>; Part::ALL.len()]);

impl Hindrances {
    /// Why a part does not work; nothing when it does.
    pub const fn why_not(&self, part: Part) -> Option<Reason> {
        self.0[part as usize]
    }
}

/// What is known of how the node is.
pub struct Health {
    told: Mutex<Hindrances>,
    /// What the inbox says of itself.
    files: Mutex<Option<Reason>>,
    mapped: Mutex<Option<Mapped>>,
    data: Vec<(Place, Reason)>,
    began: Instant,
    beats: Mutex<Vec<Weak<AtomicU64>>>,
    closing: AtomicBool,
}

/// The snapshot that is served from, held open to see whether it is shortened.
struct Mapped {
    path: PathBuf,
    bytes: u64,
    file: Option<File>,
}

/// A folder as it was at the start.
struct Place {
    path: PathBuf,
    was: Option<(u64, u64)>,
}

/// A serving thread's sign of life, which it is to renew once a second while it serves.
pub struct Beat {
    last: Arc<AtomicU64>,
    began: Instant,
}

impl Beat {
    /// The thread is alive.
    pub fn renew(&self) {
        self.last
            .store(millis(self.began.elapsed()), Ordering::Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Place {
    fn of(path: PathBuf) -> Self {
        let was = identity(&path).ok();
        Self { path, was }
    }

    /// Whether it is the folder that it was.
    fn is_there(&self) -> bool {
        self.was
            .is_none_or(|was| identity(&self.path).ok() == Some(was))
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|it| (it.dev(), it.ino()))
}

impl Mapped {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            path: snapshot.path().to_path_buf(),
            bytes: snapshot.file_bytes() as u64,
            file: File::open(snapshot.path()).ok(),
        }
    }

    /// Whether the file has fewer bytes than were mapped of it: reading those would end the process.
    fn is_short(&self) -> bool {
        let length = self.file.as_ref().and_then(|it| it.metadata().ok());
        length.is_some_and(|it| it.len() < self.bytes)
    }
}

impl Health {
    /// Of a register in a data folder.
    pub fn of(data: &Path) -> Self {
        let place = |path| Place::of(std::path::absolute(&path).unwrap_or(path));
        Self {
            told: Mutex::default(),
            files: Mutex::default(),
            mapped: Mutex::default(),
            data: vec![
                (place(data.to_path_buf()), Reason::FolderReplaced),
                (place(log_folder(data)), Reason::LogReplaced),
            ],
            began: Instant::now(),
            beats: Mutex::default(),
            closing: AtomicBool::new(false),
        }
    }

    /// From now on every connection ends after an answer.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Whether every connection ends after an answer.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// What was found at the last look.
    pub fn told(&self) -> Hindrances {
        *self.told.lock()
    }

    /// What the inbox has to say of itself.
    pub fn say_of_files(&self, reason: Option<Reason>) {
        *self.files.lock() = reason;
    }

    /// A new thread's sign of life.
    pub fn beat(&self) -> Beat {
        let last = Arc::new(AtomicU64::new(millis(self.began.elapsed())));
        self.beats.lock().push(Arc::downgrade(&last));
        let began = self.began;
        Beat { last, began }
    }

    /// Whether some thread that serves has not moved for a while.
    fn is_stuck(&self, now: Duration) -> bool {
        let mut beats = self.beats.lock();
        beats.retain(|beat| beat.strong_count() > 0);
        let since = millis(now.saturating_sub(limits::STUCK_AFTER));
        let mut all = beats.iter().filter_map(Weak::upgrade);
        all.any(|last| last.load(Ordering::Relaxed) < since)
    }

    /// Whether the snapshot that is served from is as long as it was mapped.
    fn is_whole(&self, snapshot: &Snapshot) -> bool {
        let mut mapped = self.mapped.lock();
        let mapped = match &mut *mapped {
            Some(mapped) if mapped.path == snapshot.path() && mapped.file.is_some() => mapped,
            other => other.insert(Mapped::of(snapshot)),
        };
        !mapped.is_short()
    }
}

/// Why a part does not work; nothing when it does.
pub fn why_not(app: &App, part: Part) -> Option<Reason> {
    match (app.readiness.phase(), part) {
        (Phase::Ready | Phase::Draining, _) | (_, Part::Disclosures) => {
            app.health.told().why_not(part)
        }
        (Phase::Verifying, _) => Some(Reason::Verifying),
        (Phase::Damaged, _) => Some(Reason::Damaged),
    }
}

/// Looks at everything, and says what has changed since.
pub fn look(app: &App) {
    let told = found(app);
    let before = std::mem::replace(&mut *app.health.told.lock(), told);
    for part in Part::ALL {
        match (before.why_not(part), told.why_not(part)) {
            (before, Some(reason)) if before != Some(reason) => {
                tracing::error!(what = part.name(), %reason, "does not work");
            }
            (Some(_), None) => tracing::warn!(what = part.name(), "works again"),
            _ => {}
        }
    }
}

fn found(app: &App) -> Hindrances {
    let state = app.store.keep();
    // Before anything is read of it.
    if app.readiness.phase() != Phase::Damaged && !app.health.is_whole(state.snapshot()) {
        app.readiness.set(Phase::Damaged);
        let file = state.snapshot().path().display().to_string();
        tracing::error!(
            file,
            "the snapshot has become shorter: nothing is answered from it"
        );
    }
    let audit = app.audit.as_ref().and_then(|audit| audit.ask().err());
    let audit = audit.map(Reason::Audit);
    let register = match app.readiness.phase() {
        // Nothing is read that is not checked.
        Phase::Verifying | Phase::Damaged => None,
        Phase::Ready | Phase::Draining => try_one(&state).err().map(|Damaged| Reason::Record),
    };
    let stuck = app.health.is_stuck(app.health.began.elapsed());
    let stuck = stuck.then_some(Reason::Stuck);
    let moved = app.health.data.iter().find(|(place, _)| !place.is_there());
    let moved = moved.map(|(_, reason)| *reason);
    let failed = app.live.committer.pulse().failed.load(Ordering::Relaxed);
    let log = failed.then_some(Reason::LogFailed);
    let clock = !app.live.committer.time().is_believed();
    let clock = clock.then_some(Reason::Clock);
    let files = *app.health.files.lock();
    let changes = register.or(audit).or(stuck).or(moved).or(log).or(clock);
    Hindrances([
        register.or(audit).or(stuck),
        changes,
        audit,
        changes.or(files),
    ])
}

/// Looks one person up, as a call would: the one in the middle of the snapshot.
fn try_one(state: &State) -> Result<(), Damaged> {
    let middle = state.snapshot().len() / 2;
    let Some(bytes) = state.snapshot().record(middle)? else {
        return Ok(());
    };
    let identity = RecordRef::open(bytes)?.identity();
    let record = state.record(identity)?.ok_or(Damaged)?;
    record.check()
}

/// Starts to look once a second, until the service ends.
pub fn start(app: &Arc<App>) -> io::Result<JoinHandle<()>> {
    look(app);
    let app = Arc::downgrade(app);
    std::thread::Builder::new()
        .name("pu-health".to_owned())
        .spawn(move || {
            while App::rest(&app, limits::HEALTH_EVERY) {
                if let Some(app) = app.upgrade() {
                    look(&app);
                }
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_does_not_move_is_stuck_and_one_that_has_ended_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let health = Health::of(folder.path());
        let (one, other) = (health.beat(), health.beat());
        let late = limits::STUCK_AFTER + Duration::from_secs(1);
        assert!(!health.is_stuck(Duration::ZERO));
        assert!(health.is_stuck(late));
        one.last.store(millis(late), Ordering::Relaxed);
        assert!(health.is_stuck(late));
        drop(other);
        assert!(!health.is_stuck(late));
        one.renew();
        assert!(!health.is_stuck(Duration::ZERO));
    }

    #[test]
    fn a_folder_is_the_one_it_was() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("data");
        fs::create_dir(&path).unwrap();
        let place = Place::of(path.clone());
        assert!(place.is_there());
        fs::rename(&path, outer.path().join("away")).unwrap();
        assert!(!place.is_there());
        fs::create_dir(&path).unwrap();
        assert!(!place.is_there(), "another");
        fs::remove_dir(&path).unwrap();
        fs::rename(outer.path().join("away"), &path).unwrap();
        assert!(place.is_there());
    }
}
