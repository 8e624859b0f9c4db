//! The inbox: a folder from which a register at work takes files, one at a time, in the order in
//! which they came and Skatteverket made them. What was applied goes to `done/`, what was refused to
//! `failed/`, each with its report beside it.
//!
//! A zip archive is unpacked into the folder: what was in it are files like any other, each with its own
//! report; the archive's own report names them.
//!
//! A file that is stopped in the middle is gone on with: the register knows how far it was
//! applied, and `.work/` what the report said by then.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::apply::{ApplyError, Reached, Target, Work, by_their_dates, content_of};
use super::file::{self, FileError, Format, Options, Summary};
use super::report::{Failed, FileReport, Rejects, name_of};
use super::{bundle, exchange};
use crate::base::files;
use crate::base::told::Told;
use crate::person::identity::Formats;

/// The folder of files that were applied.
pub const DONE: &str = "done";

/// The folder of files that were refused.
pub const FAILED: &str = "failed";

/// Where files stand that are being applied.
const WORK: &str = ".work";

/// Ends of names of files that are being written.
pub(super) const UNFINISHED: [&str; 3] = ["tmp", "part", "filepart"];

/// How often is looked for files.
pub const LOOK: Duration = Duration::from_secs(1);

/// How long to wait when the register takes nothing.
pub const AFTER_TROUBLE: Duration = Duration::from_secs(10);

/// The inbox.
pub struct Inbox {
    folder: PathBuf,
    formats: Formats,
    /// What was seen at the last look.
    seen: BTreeMap<PathBuf, Seen>,
    /// What lies there and is no file that can be taken, and has been told of.
    passed_over: BTreeMap<PathBuf, String>,
}

/// A file as it was seen.
#[derive(Clone)]
struct Seen {
    bytes: u64,
    changed: SystemTime,
    /// It was the same at two looks, so nobody writes it any more.
    is_still: bool,
    summary: Option<Summary>,
}

/// Hears how it goes.
pub trait Watch {
    /// What became of a file: `done`, `known` or `failed`.
    fn file(&self, outcome: &'static str);
    /// So many more entries were `changed`, `unchanged`, `not_newer` or `rejected`.
    fn entries(&self, outcome: &'static str, more: u64);
    /// Files that wait, and since when the oldest does.
    fn waiting(&self, files: usize, oldest: Duration);
    /// Entries applied of the file at work.
    fn position(&self, done: u64);
}

/// What a look led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looked {
    /// There was nothing to do.
    Nothing,
    /// A file was taken to its end.
    File,
    /// The register takes nothing now, or it is to stop.
    Trouble,
}

/// How far a file has come, kept for a restart and for who waits for it.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    content: String,
    done: u64,
    report: FileReport,
    /// Bytes of the file that were read.
    pub bytes: u64,
}

impl Progress {
    /// Of a file in an inbox.
    pub fn read(inbox: &Path, name: &str) -> Option<Self> {
        let text = fs::read(path_of_progress(inbox, name)).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

fn path_of_progress(inbox: &Path, name: &str) -> PathBuf {
    inbox.join(WORK).join(format!("{name}.json"))
}

/// The newest change of the register that a report in `done/` tells of. Reports that cannot be read tell
/// nothing.
pub fn newest_change(inbox: &Path) -> io::Result<Option<u64>> {
    let entries = match fs::read_dir(inbox.join(DONE)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut newest = None;
    for entry in entries {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(REPORT) {
            let report = fs::read(&path).ok();
            let report: Option<FileReport> =
                report.and_then(|text| serde_json::from_slice(&text).ok());
            newest = newest.max(report.and_then(|report| report.sequence));
        }
    }
    Ok(newest)
}

/// The path of a file's report in `done/` or `failed/`.
pub fn path_of_report(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{REPORT}"))
}

/// How the names of reports end.
const REPORT: &str = ".report.json";

/// Why the inbox does not go on.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The system refused.
    #[error("{path} cannot be read or written")]
    Io {
        /// What.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn failed(path: &Path) -> impl Fn(io::Error) -> InboxError + '_ {
    |source| InboxError::Io {
        path: path.to_path_buf(),
        source,
    }
}

impl Inbox {
    /// Opens the inbox, making its folders when they are missing.
    pub fn open(folder: &Path, formats: &Formats) -> Result<Self, InboxError> {
        for folder in [
            folder.to_path_buf(),
            folder.join(DONE),
            folder.join(FAILED),
            folder.join(WORK),
        ] {
            files::create_folder_for_owner(&folder).map_err(failed(&folder))?;
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            formats: formats.clone(),
            seen: BTreeMap::new(),
            passed_over: BTreeMap::new(),
        })
    }

    /// Looks for files, and applies the first of them. `goes_on` tells whether to go on.
    pub fn look<T: Target>(
        &mut self,
        target: &mut T,
        watch: &impl Watch,
        goes_on: impl Fn() -> bool,
    ) -> Result<Looked, InboxError> {
        self.see()?;
        self.tell_waiting(watch);
        let Some((path, summary)) = self.first(watch)? else {
            self.tell_waiting(watch);
            return Ok(Looked::Nothing);
        };
        if !goes_on() {
            return Ok(Looked::Trouble);
        }
        let looked = self.take(&path, &summary, target, watch, goes_on)?;
        if looked == Looked::File {
            self.seen.remove(&path);
        }
        self.tell_waiting(watch);
        Ok(looked)
    }

    fn tell_waiting(&self, watch: &impl Watch) {
        let oldest = self.seen.values().map(|seen| seen.changed).min();
        let oldest = oldest.and_then(|it| it.elapsed().ok()).unwrap_or_default();
        watch.waiting(self.seen.len(), oldest);
    }

    /// Looks at what is in the folder.
    fn see(&mut self) -> Result<(), InboxError> {
        let mut seen = BTreeMap::new();
        let mut passed_over = BTreeMap::new();
        for entry in fs::read_dir(&self.folder).map_err(failed(&self.folder))? {
            let path = entry.map_err(failed(&self.folder))?.path();
            let unfinished = path
                .extension()
                .is_some_and(|it| UNFINISHED.iter().any(|other| it == *other));
            let name = name_of(&path);
            if unfinished || name.starts_with('.') || name == DONE || name == FAILED {
                continue;
            }
            // One that has gone since is none.
            let Ok(about) = fs::symlink_metadata(&path) else {
                continue;
            };
            if let Some(why) = why_not(&path, &about) {
                passed_over.insert(path, why);
                continue;
            }
            let now = Seen {
                bytes: about.len(),
                changed: about.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                is_still: false,
                summary: None,
            };
            let before = self.seen.remove(&path);
            let same = before.filter(|it| (it.bytes, it.changed) == (now.bytes, now.changed));
            let is_still = same.is_some();
            let known = Seen {
                is_still,
                ..same.unwrap_or(now)
            };
            seen.insert(path, known);
        }
        self.seen = seen;
        for (path, why) in &passed_over {
            if self.passed_over.get(path) != Some(why) {
                let file = name_of(path);
                tracing::warn!(file, reason = why, "passed over in the inbox");
            }
        }
        self.passed_over = passed_over;
        Ok(())
    }

    /// The file that is to be applied next. Files that cannot be are put aside.
    fn first(&mut self, watch: &impl Watch) -> Result<Option<(PathBuf, Summary)>, InboxError> {
        let mut still: Vec<PathBuf> = self.seen.keys().cloned().collect();
        still.retain(|path| self.seen.get(path).is_some_and(|seen| seen.is_still));
        // As they came.
        still.sort_by_key(|path| self.seen.get(path).map(|seen| seen.changed));
        let mut ready = Vec::new();
        for path in still {
            let known = self.seen.get(&path).and_then(|seen| seen.summary.clone());
            if known.is_none() && bundle::is_bundle(&path).unwrap_or(false) {
                self.unpack(&path, watch)?;
                self.seen.remove(&path);
                continue;
            }
            let summary = match known.map_or_else(|| self.inspect(&path), Ok) {
                Ok(summary) => summary,
                Err(why) => {
                    self.refuse(&path, why, FileReport::of(&path), watch)?;
                    self.seen.remove(&path);
                    continue;
                }
            };
            if let Some(seen) = self.seen.get_mut(&path) {
                seen.summary = Some(summary.clone());
            }
            ready.push((path, summary));
        }
        by_their_dates(&mut ready);
        Ok((!ready.is_empty()).then(|| ready.swap_remove(0)))
    }

    /// Unpacks an archive into the folder, and puts it away. What was in it is taken at later looks. After
    /// a stop in between, it is unpacked again: what was applied is known by its content.
    fn unpack(&self, path: &Path, watch: &impl Watch) -> Result<(), InboxError> {
        let into = self.folder.join(WORK).join("unpacked");
        let mut report = FileReport::of(path);
        let inner = match bundle::unpack(path, &into) {
            Ok(inner) => inner,
            Err(why) => {
                let error = FileError::Bundle {
                    path: path.to_path_buf(),
                    why,
                };
                return self.refuse(path, Failed::from(&error), report, watch);
            }
        };
        for from in inner {
            let to = free_name(&self.folder, &name_of(&from));
            files::rename(&from, &self.folder.join(&to)).map_err(failed(&from))?;
            report.unpacked.push(to);
        }
        bundle::remove(&into).map_err(failed(&into))?;
        watch.file("done");
        let (file, files) = (&report.name, report.unpacked.len());
        tracing::info!(file, files, "an archive was unpacked");
        self.put_away(path, DONE, report)
    }

    /// Passes over a file, so that nothing is applied of one that is not whole.
    fn inspect(&self, path: &Path) -> Result<Summary, Failed> {
        let options = Options::default();
        let summary = file::inspect(path, &options).map_err(|error| Failed::from(&error))?;
        summary.check(path).map_err(|error| Failed::from(&error))?;
        if summary.format == Format::Exchange {
            exchange::check(path, &self.formats).map_err(|error| Failed::from(&error))?;
        }
        Ok(summary)
    }

    /// Applies a file.
    fn take<T: Target>(
        &self,
        path: &Path,
        summary: &Summary,
        target: &mut T,
        watch: &impl Watch,
        goes_on: impl Fn() -> bool,
    ) -> Result<Looked, InboxError> {
        let name = name_of(path);
        let content = content_of(summary);
        let applied = target.progress(&content);
        let kept = Progress::read(&self.folder, &name);
        let kept = kept.filter(|kept| kept.content == content);
        if target.knows(&content) {
            // One that was applied, and not yet put away when everything stopped, has its report.
            let kept = kept.map(|kept| kept.report);
            let report = kept.unwrap_or_else(|| FileReport {
                known: true,
                ..FileReport::of(path)
            });
            watch.file(if report.known { "known" } else { "done" });
            tell_done(&report);
            self.put_away(path, DONE, report)?;
            return Ok(Looked::File);
        }
        let kept = kept.filter(|kept| kept.done <= applied);
        let goes_on_with = kept.is_some();
        let mut progress = kept.unwrap_or_else(|| Progress {
            content,
            report: FileReport::of(path),
            ..Progress::default()
        });
        let mut report = progress.report.clone();
        let mut rejects = Rejects::new(&self.folder.join(WORK), &name, goes_on_with);
        let options = Options::default();
        let consumed = options.consumed.clone();
        let work = Work {
            path,
            summary,
            formats: &self.formats,
            options,
            reached: Reached {
                told: progress.done,
                applied,
            },
        };
        if applied > 0 {
            tracing::info!(
                file = name,
                entries = applied,
                "going on with a file that was stopped"
            );
        }
        let mut unsaved = None;
        let end = work.apply(target, &mut report, &mut rejects, |report, done| {
            tell_more(watch, &progress.report, report);
            watch.position(done);
            progress.report = report.clone();
            progress.done = done;
            progress.bytes = consumed.load(std::sync::atomic::Ordering::Relaxed);
            let saved = self.save(&path_of_progress(&self.folder, &name), &progress);
            unsaved = saved.err();
            unsaved.is_none() && goes_on()
        });
        watch.position(0);
        if let Some(error) = unsaved {
            return Err(error);
        }
        match end {
            Ok(()) => {
                drop(rejects);
                watch.file("done");
                tell_done(&report);
                self.put_away(path, DONE, report)?;
                Ok(Looked::File)
            }
            Err(ApplyError::File(error)) => {
                self.refuse(path, Failed::from(&error), report, watch)?;
                Ok(Looked::File)
            }
            Err(ApplyError::Exchange(error)) => {
                self.refuse(path, Failed::from(&error), report, watch)?;
                Ok(Looked::File)
            }
            Err(
                error @ (ApplyError::Register(_) | ApplyError::Rejects(_) | ApplyError::Reading),
            ) => {
                let error = Told(&error);
                tracing::error!(file = name, %error, "a file waits in the inbox");
                Ok(Looked::Trouble)
            }
            Err(ApplyError::Stopped) => Ok(Looked::Trouble),
        }
    }

    fn refuse(
        &self,
        path: &Path,
        why: Failed,
        report: FileReport,
        watch: &impl Watch,
    ) -> Result<(), InboxError> {
        let file = &report.name;
        let (changed, rejected) = (report.changed, report.rejections());
        tracing::warn!(
            file,
            code = why.code,
            changed,
            rejected,
            "a file was refused"
        );
        watch.file("failed");
        let report = FileReport {
            failed: Some(why),
            ..report
        };
        self.put_away(path, FAILED, report)
    }

    /// Puts a file with its report, and what was rejected of it, where it belongs. The file goes
    /// last: until then, all this is done again after a stop.
    fn put_away(&self, path: &Path, where_to: &str, report: FileReport) -> Result<(), InboxError> {
        let (name, folder) = (name_of(path), self.folder.join(where_to));
        let to = free_name(&folder, &name);
        let mut report = report;
        let work = Rejects::paths(&self.folder.join(WORK), &name);
        let there = Rejects::paths(&folder, &to);
        for (from, to) in work.iter().zip(&there) {
            match fs::rename(from, to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(to)(error));
                }
                _ => {}
            }
        }
        report.rejects = there[0].exists().then(|| there[0].clone());
        self.save(&path_of_report(&folder, &to), &report)?;
        fs::rename(path, folder.join(&to)).map_err(failed(path))?;
        let progress = path_of_progress(&self.folder, &name);
        match fs::remove_file(&progress) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&progress)(error)),
            _ => Ok(()),
        }
    }

    /// Writes a file whole, or not at all.
    fn save(&self, path: &Path, what: &impl Serialize) -> Result<(), InboxError> {
        let unfinished = self.folder.join(WORK).join(".tmp");
        let save = || {
            let file = files::create(&unfinished)?;
            files::give_to_owner_of_folder(&file, &unfinished)?;
            serde_json::to_writer_pretty(&file, what).map_err(io::Error::other)?;
            fs::rename(&unfinished, path)
        };
        save().map_err(failed(path))
    }
}

/// The first name, of this one and this one with a number, that nothing in a folder has.
fn free_name(folder: &Path, name: &str) -> String {
    let again = (2..).map(|number| format!("{name}.{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(again);
    let free = names.find(|it| !folder.join(it).exists());
    free.unwrap_or_else(|| name.to_owned())
}

/// Why something in the inbox cannot be taken.
fn why_not(path: &Path, about: &fs::Metadata) -> Option<String> {
    if about.is_symlink() {
        return Some("it is a link".to_owned());
    }
    if about.is_dir() {
        return Some("it is a folder".to_owned());
    }
    if !about.is_file() {
        return Some("it is no file".to_owned());
    }
    let error = fs::File::open(path).err()?;
    (error.kind() != io::ErrorKind::NotFound).then(|| error.to_string())
}

/// Says what came of a file.
fn tell_done(report: &FileReport) {
    let message = if report.known {
        "a file had been applied before"
    } else {
        "a file was applied"
    };
    tracing::info!(
        file = report.name,
        changed = report.changed,
        unchanged = report.unchanged,
        not_newer = report.not_newer,
        rejected = report.rejections(),
        "{message}"
    );
}

/// Tells what has come to a report.
fn tell_more(watch: &impl Watch, before: &FileReport, now: &FileReport) {
    for (outcome, before, now) in [
        ("changed", before.changed, now.changed),
        ("unchanged", before.unchanged, now.unchanged),
        ("not_newer", before.not_newer, now.not_newer),
        ("rejected", before.rejections(), now.rejections()),
    ] {
        if now > before {
            watch.entries(outcome, now - before);
        }
    }
}
