//! What an operator should know before and while a register is served: everything that is wrong with
//! its configuration, certificates, folders, disk and clock, at once. Names no person, no address and
//! no key.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::statvfs::statvfs;

use super::Failure;
use super::config::{Config, ConfigError};
use super::settings::Written;
use crate::access::audit::folder as audit_folder;
use crate::access::consumers::Consumers;
use crate::base::limits;
use crate::base::time::{DateTime, Moment};
use crate::base::told::Told;
use crate::feed::inbox::FAILED;
use crate::person::field::schema_hash;
use crate::serve::anchors;
use crate::store::folder;
use crate::store::lock::DataLock;
use crate::store::log::follow::Follower;
use crate::store::log::recover;
use crate::store::snapshot::Snapshot;
use crate::store::state::{self, State, log_folder};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Status {
    /// As it should be.
    Ok,
    /// It deserves a look.
    Warning,
    /// It must be mended.
    Wrong,
}

impl Status {
    /// As the table tells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How bad it is.
    pub status: Status,
    /// What it is about.
    pub about: &'static str,
    /// What was found.
    pub what: String,
    /// Whether it mends itself or can be mended while the service runs: then it does not keep the
    /// service from starting.
    pub passes: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.about, self.what)
    }
}

/// How far to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// What is told in an instant: before serving, which reads the rest anyway.
    Quick,
    /// The log and the audit too.
    Whole,
}

/// What was found, part by part.
#[derive(Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Looks at a register and at what it is served with.
    pub fn of(config: &Config, written: &Written, extent: Extent) -> Self {
        let mut findings = Self::of_configuration(config, written);
        let newest = findings.data(config);
        if extent == Extent::Whole {
            if newest.is_some() {
                findings.log(config);
            }
            findings.audit(config);
        }
        findings.inbox(config);
        findings.disk(config, newest.as_ref());
        findings.clock(config, newest.as_ref());
        findings
    }

    /// Looks at the configuration and the files that it names, as the service does.
    pub fn of_configuration(config: &Config, written: &Written) -> Self {
        let mut findings = Self::default();
        findings.rules(config, written);
        findings.consumers(config, written);
        findings.certificates(config);
        findings
    }

    /// All of them, in the order in which things were looked at.
    pub fn all(&self) -> &[Finding] {
        &self.0
    }

    /// Those that must be mended.
    pub fn wrong(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|it| it.status == Status::Wrong)
    }

    /// Fails with all that keeps a service from starting.
    pub fn refuse(&self) -> Result<(), Failure> {
        let keeps: Vec<_> = self.wrong().filter(|it| !it.passes).collect();
        match keeps.as_slice() {
            [] => Ok(()),
            [one] => Err(one.to_string().into()),
            all => {
                let mut told = format!("{} things are wrong:", all.len());
                for finding in all {
                    told += &format!("\n  {finding}");
                }
                Err(told.into())
            }
        }
    }

    fn add(&mut self, status: Status, about: &'static str, what: impl Into<String>) {
        self.0.push(Finding {
            status,
            about,
            what: what.into(),
            passes: false,
        });
    }

    fn wrong_for_now(&mut self, about: &'static str, what: impl Into<String>) {
        self.add(Status::Wrong, about, what);
        if let Some(last) = self.0.last_mut() {
            last.passes = true;
        }
    }

    fn failed(&mut self, about: &'static str, error: &(dyn std::error::Error + 'static)) {
        self.add(Status::Wrong, about, Told(error).to_string());
    }

    fn rules(&mut self, config: &Config, written: &Written) {
        const ABOUT: &str = "configuration";
        // Who looks at a data folder alone has not said who may ask.
        let is_named = written.file().is_some();
        let broken = config.broken_gate().into_iter();
        let broken: Vec<_> = broken
            .filter(|it| is_named || !matches!(it, ConfigError::NobodyMayComeIn))
            .collect();
        for rule in &broken {
            self.add(Status::Wrong, ABOUT, written.mistake(rule).to_string());
        }
        match written.file() {
            Some(file) if broken.is_empty() => {
                self.add(Status::Ok, ABOUT, file.display().to_string());
            }
            Some(_) => {}
            None => self.add(Status::Ok, ABOUT, "defaults: no --config is given"),
        }
        if config.access.open {
            let open = "access.open lets everybody on this machine ask for everything";
            self.add(Status::Warning, ABOUT, open);
        }
    }

    fn consumers(&mut self, config: &Config, written: &Written) {
        const ABOUT: &str = "consumers";
        let Some(path) = &config.access.consumers else {
            return;
        };
        let file = path.display();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let place = written.place("access.consumers");
                return self.add(Status::Wrong, ABOUT, format!("{place}{file}: {error}"));
            }
        };
        let allowance = Some(config.allowance()).filter(|it| it.is_sound());
        let allowance = allowance.unwrap_or_else(|| Config::default().allowance());
        match Consumers::read_all(&text, allowance, &Consumers::default()) {
            Ok(consumers) => {
                let ended = consumers.all().filter(|it| it.is_valid(now()).is_err());
                let ended = ended.count();
                self.add(Status::Ok, ABOUT, format!("{file}: {}", consumers.len()));
                if consumers.is_empty() {
                    self.add(Status::Warning, ABOUT, format!("{file}: nobody is in it"));
                }
                if ended > 0 {
                    let what = format!("{file}: {ended} whose time has ended or not begun");
                    self.add(Status::Warning, ABOUT, what);
                }
            }
            Err(mistakes) => {
                for mistake in mistakes {
                    self.add(Status::Wrong, ABOUT, format!("{file}, {mistake}"));
                }
            }
        }
    }

    fn certificates(&mut self, config: &Config) {
        const ABOUT: &str = "certificates";
        let Ok(Some(files)) = config.tls.files() else {
            return;
        };
        let looked = files.look();
        for bad in &looked.bad {
            self.failed(ABOUT, bad);
        }
        if !looked.bad.is_empty() {
            return;
        }
        let certificate = looked.certificate_until.unwrap_or(0);
        self.until(ABOUT, "the certificate of the service", certificate);
        if let Some(lists) = looked.lists_until {
            self.until(ABOUT, "the first revocation list", lists);
        } else if files.revocation_lists.is_empty() {
            let what = "there is no revocation list: who was revoked gets in";
            self.add(Status::Warning, ABOUT, what);
        }
    }

    /// Until when something is good; the service looks for a newer one while it runs.
    fn until(&mut self, about: &'static str, what: &str, until: i64) {
        let left = until - now();
        let days = left / DAY;
        if left <= 0 {
            self.wrong_for_now(about, format!("{what} has expired"));
        } else if left < WARNED_BEFORE {
            self.add(
                Status::Warning,
                about,
                format!("{what} expires in {days} days"),
            );
        } else {
            self.add(Status::Ok, about, format!("{what} is good for {days} days"));
        }
    }

    /// Looks at the data folder and its newest snapshot, which is handed on.
    fn data(&mut self, config: &Config) -> Option<Snapshot> {
        const ABOUT: &str = "data folder";
        let data = &config.data;
        let shown = data.display();
        let about = match fs::metadata(data) {
            Ok(about) => about,
            Err(error) => {
                self.add(Status::Wrong, ABOUT, format!("{shown}: {error}"));
                return None;
            }
        };
        if !about.is_dir() {
            self.add(Status::Wrong, ABOUT, format!("{shown}: is not a folder"));
            return None;
        }
        let user = nix::unistd::geteuid();
        if about.uid() != user.as_raw() {
            let what = format!("{shown}: belongs to user {}, not to {user}", about.uid());
            // Root may look for others, but nobody serves what is not theirs.
            let status = if user.is_root() {
                Status::Warning
            } else {
                Status::Wrong
            };
            self.add(status, ABOUT, what);
        }
        let mode = about.mode() & 0o7777;
        if mode & 0o077 != 0 {
            let what = format!("{shown}: others may enter it (mode {mode:o}); chmod 700");
            self.add(Status::Warning, ABOUT, what);
        }
        self.others(ABOUT, data, about.uid());
        let newest = match folder::newest(data) {
            Ok(Some(newest)) => newest,
            Ok(None) => {
                if let Err(orphaned) = state::refuse_orphan(data) {
                    self.failed(ABOUT, &orphaned);
                } else {
                    let what = "there is no register in it; build one with pu import";
                    self.add(Status::Wrong, ABOUT, format!("{shown}: {what}"));
                }
                return None;
            }
            Err(error) => {
                self.add(Status::Wrong, ABOUT, format!("{shown}: {error}"));
                return None;
            }
        };
        match Snapshot::open(&newest.path, schema_hash()) {
            Ok(snapshot) => {
                let held = if DataLock::is_held(data) {
                    ", being worked on"
                } else {
                    ""
                };
                let what = format!(
                    "{shown}: {} persons at change {}{held}",
                    snapshot.len(),
                    snapshot.sequence()
                );
                self.add(Status::Ok, ABOUT, what);
                Some(snapshot)
            }
            Err(error) => {
                // The service mends it where it can, and refuses where it cannot.
                self.wrong_for_now("snapshot", Told(&error).to_string());
                None
            }
        }
    }

    /// Files in a folder that are not its owner's: the service could not write them.
    fn others(&mut self, about: &'static str, folder: &Path, owner: u32) {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let others = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.metadata().is_ok_and(|it| it.uid() != owner))
            .count();
        if others > 0 {
            let what = format!(
                "{}: {others} files in it are not its owner's",
                folder.display()
            );
            self.add(Status::Warning, about, what);
        }
    }

    fn log(&mut self, config: &Config) {
        const ABOUT: &str = "log";
        let Ok(formats) = config.formats() else {
            return;
        };
        match state::open(&config.data, &formats) {
            Ok(Some(state)) => {
                let what = format!("whole up to change {}", state.sequence());
                self.add(Status::Ok, ABOUT, what);
                self.known_audit(config, &state);
            }
            // There is no register, which was told.
            Ok(None) => {}
            Err(error) => self.failed(ABOUT, &error),
        }
    }

    /// Whether the audit has all that the register's log knows of it.
    fn known_audit(&mut self, config: &Config, state: &State) {
        const ABOUT: &str = "audit";
        if !config.audit.record {
            return;
        }
        match anchors::missing(&config.audit_folder(), state.ledger()) {
            Ok(missing) => {
                for finding in &missing {
                    self.add(Status::Wrong, ABOUT, finding.to_string());
                }
                if missing.is_empty() {
                    let folder = config.audit_folder();
                    let what = format!("{}: has what the log knows of it", folder.display());
                    self.add(Status::Ok, ABOUT, what);
                }
            }
            Err(error) => self.failed(ABOUT, &error),
        }
    }

    fn audit(&mut self, config: &Config) {
        const ABOUT: &str = "audit";
        let folder = config.audit_folder();
        if !config.audit.record {
            return self.add(
                Status::Warning,
                ABOUT,
                "audit.record is false: nothing is recorded",
            );
        }
        if !folder.is_dir() {
            return;
        }
        match audit_folder::wide(&folder) {
            Ok(wide) => {
                for (path, mode) in wide {
                    let what = format!("{}: others may reach it (mode {mode:o})", path.display());
                    self.add(Status::Wrong, ABOUT, what);
                }
            }
            Err(error) => self.add(
                Status::Wrong,
                ABOUT,
                format!("{}: {error}", folder.display()),
            ),
        }
    }

    fn inbox(&mut self, config: &Config) {
        const ABOUT: &str = "inbox";
        let failed = config.inbox().join(FAILED);
        let reports = fs::read_dir(&failed).into_iter().flatten();
        let reports = reports.filter_map(Result::ok).filter(|entry| {
            let name = entry.file_name();
            name.as_encoded_bytes().ends_with(b".report.json")
        });
        let count = reports.count();
        if count > 0 {
            let what = format!(
                "{}: {count} files were refused and lie there",
                failed.display()
            );
            self.add(Status::Warning, ABOUT, what);
        }
    }

    /// Whether there is room for what comes next: a snapshot, and files of the log and the audit.
    fn disk(&mut self, config: &Config, newest: Option<&Snapshot>) {
        const ABOUT: &str = "disk";
        let snapshot = newest.map_or(0, |it| it.file_bytes() as u64);
        let places = [
            (
                config.data.clone(),
                snapshot + 2 * config.changes.segment_bytes,
            ),
            (config.audit_folder(), config.audit.file_bytes),
            (config.inbox(), 0),
        ];
        // What lies on one disk shares its room.
        let mut disks: BTreeMap<u64, (PathBuf, u64, u64)> = BTreeMap::new();
        for (path, wanted) in places {
            if let Some((device, room)) = room(&path) {
                disks.entry(device).or_insert((path, room, 0)).2 += wanted;
            }
        }
        for (path, room, wanted) in disks.into_values() {
            let (path, have, want) = (path.display(), mebibytes(room), mebibytes(wanted));
            if room < wanted {
                let what = format!("{path}: {have} MiB are left, and the next files take {want}");
                self.wrong_for_now(ABOUT, what);
            } else if room < 2 * wanted {
                let what = format!("{path}: {have} MiB are left; the next files take {want}");
                self.add(Status::Warning, ABOUT, what);
            } else {
                self.add(Status::Ok, ABOUT, format!("{path}: {have} MiB are left"));
            }
        }
    }

    /// Whether the clock is not behind what was written by it.
    fn clock(&mut self, config: &Config, newest: Option<&Snapshot>) {
        const ABOUT: &str = "clock";
        let made = newest.map(Snapshot::created);
        let last = made
            .into_iter()
            .chain(last_change(config))
            .map(DateTime::instant);
        let now = Moment::now().date_time.instant();
        let behind = last.max().map_or(0, |last| last.saturating_sub(now));
        let behind = Duration::from_millis(u64::try_from(behind).unwrap_or(0));
        let seconds = behind.as_secs();
        if behind > limits::CLOCK_BEHIND {
            let what = format!(
                "it is {seconds} s behind the last change: changes keep the time of that one until it is set"
            );
            self.wrong_for_now(ABOUT, what);
        } else if seconds > 0 {
            let what = format!("it is {seconds} s behind the last change");
            self.add(Status::Warning, ABOUT, what);
        } else {
            self.add(Status::Ok, ABOUT, "not behind the last change");
        }
        // Told by systemd-timesyncd; who keeps the time by other means is not asked.
        if Path::new("/run/systemd/timesync").is_dir() {
            if Path::new("/run/systemd/timesync/synchronized").exists() {
                self.add(Status::Ok, ABOUT, "synchronised, says the system");
            } else {
                self.add(Status::Warning, ABOUT, "not synchronised, says the system");
            }
        }
    }
}

const DAY: i64 = 24 * 60 * 60;

/// Seconds before something expires from which on it is warned of.
const WARNED_BEFORE: i64 = 30 * DAY;

/// Seconds of Unix time.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX))
}

fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}

/// The device that a folder is on, or will be made on, and the bytes that are left for us there.
fn room(path: &Path) -> Option<(u64, u64)> {
    let there = path.ancestors().find(|it| it.exists())?;
    let there = if there.as_os_str().is_empty() {
        Path::new(".")
    } else {
        there
    };
    let about = statvfs(there).ok()?;
    let left = about.blocks_available() * about.fragment_size();
    Some((fs::metadata(there).ok()?.dev(), left))
}

/// When the last change was written, by the newest file of the log. What is wrong with it is told
/// elsewhere.
fn last_change(config: &Config) -> Option<DateTime> {
    let folder: PathBuf = log_folder(&config.data);
    let newest = recover::segments(&folder, schema_hash()).ok()?.pop()?;
    let mut log = Follower::open(&folder, schema_hash(), newest.about.first).ok()?;
    let mut last = None;
    while let Ok(Some(entry)) = log.next_entry() {
        last = entry.at().or(last);
    }
    last
}
