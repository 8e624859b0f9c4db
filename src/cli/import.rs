//! `pu import`: Navet files and exchange files into a register. Into one that is not served, the whole
//! run becomes the register's next snapshot, or nothing changes; to one that is, the files are handed
//! over by its inbox.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;
use crossbeam::channel;
use indicatif::ProgressBar;

use super::generate::morning;
use super::{Common, Failure, progress};
use crate::base::files;
use crate::base::time::Moment;
use crate::feed::apply::{ApplyError, Reached, Target as _, Work, by_their_dates, content_of};
use crate::feed::exchange;
use crate::feed::file::{self, Format, Options, Summary};
use crate::feed::generate::is_official;
use crate::feed::inbox::{DONE, FAILED, Progress, path_of_report};
use crate::feed::report::{FileReport, Rejects, name_of};
use crate::person::identity::Formats;
use crate::register::household::look;
use crate::register::import::{Import as Run, ImportError};
use crate::store::folder;
use crate::store::lock::{DataLock, LockError};
use crate::store::state;

/// Apply Navet files (text or XML) and exchange files (NDJSON), plain, gzip or zstd, to a register,
/// served or not.
#[derive(Args)]
pub struct Import {
    /// Files, applied in this order; neighbouring Navet files by their own dates
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Apply also files that are cut off or whose count is wrong
    #[arg(long)]
    accept_truncated: bool,
    /// Mark every person as a test person (official test numbers always are)
    #[arg(long)]
    test_persons: bool,
    #[command(flatten)]
    common: Common,
}

impl Import {
    pub fn run(self) -> Result<(), Failure> {
        let config = self.common.config()?;
        let formats = config.formats()?;
        let _lock = match super::take(&config.data) {
            Ok(lock) => lock,
            Err(LockError::Held(folder)) => match DataLock::inbox(&folder) {
                Some(inbox) => return self.hand_over(&config.data, &inbox, &formats),
                None => return Err(LockError::Held(folder).into()),
            },
            Err(error) => return Err(error.into()),
        };
        let wish = Wish {
            data: &config.data,
            formats: &formats,
            at: Moment::now(),
            dated: false,
            accept_truncated: self.accept_truncated,
            test_persons: self.test_persons,
            snapshots_kept: config.snapshots.keep.max(1),
        };
        let report = import(&self.files, &wish)?;
        report.print();
        Ok(())
    }

    /// Hands the files over to the service that works on the register, and waits for its reports.
    fn hand_over(&self, data: &Path, inbox: &Path, formats: &Formats) -> Result<(), Failure> {
        if self.accept_truncated || self.test_persons {
            let complaint = "the register is being served: stop the service first to import with \
                             --accept-truncated or --test-persons";
            return Err(complaint.into());
        }
        let began = Instant::now();
        let files = inspected(&self.files, false)?;
        for (path, summary) in &files {
            if summary.format == Format::Exchange {
                exchange::check(path, formats)?;
            }
        }
        readable_by_owner_of(inbox)?;
        let mut names = Vec::new();
        for (path, _) in &files {
            let name = format!("import-{}-{}", uuid::Uuid::new_v4().simple(), name_of(path));
            copy_into(path, inbox, &name)?;
            names.push(name);
        }
        let mut reports = Vec::new();
        for ((path, _), name) in files.iter().zip(&names) {
            let bar = file_bar("applying", path);
            let mut report = wait_for(data, inbox, name, &bar)?;
            bar.finish_and_clear();
            report.name = name_of(path);
            reports.push(report);
        }
        let report = Report {
            files: reports,
            long_chains: 0,
            household_pairs: 0,
            end: End::Served,
            took: began.elapsed(),
        };
        report.print();
        match report.files.iter().find_map(|file| file.failed.as_ref()) {
            Some(failed) => Err(format!("refused: {}", failed.code).into()),
            None => Ok(()),
        }
    }
}

/// Whether the service can read what we put into its inbox: it runs as the owner of that, and what we make
/// is our own unless root gives it away.
fn readable_by_owner_of(inbox: &Path) -> Result<(), Failure> {
    let owner = fs::metadata(inbox).map_err(|error| format!("{}: {error}", inbox.display()))?;
    may_hand_over(nix::unistd::geteuid().as_raw(), owner.uid()).map_err(Failure::from)
}

fn may_hand_over(us: u32, owner: u32) -> Result<(), String> {
    const ROOT: u32 = 0;
    if us == ROOT || us == owner {
        return Ok(());
    }
    Err(format!(
        "the service that works on the register runs as user {owner}, who could not read a file that user \
         {us} hands over: run pu import as that user, or as root"
    ))
}

/// Copies a file into the inbox, where it gets its name when it is whole.
fn copy_into(path: &Path, inbox: &Path, name: &str) -> Result<(), Failure> {
    let unfinished = inbox.join(format!(".{name}.tmp"));
    let copy = || {
        let mut from = File::open(path)?;
        let mut to = files::create_new(&unfinished)?;
        files::give_to_owner_of_folder(&to, &unfinished)?;
        io::copy(&mut from, &mut to)?;
        to.sync_all()?;
        fs::rename(&unfinished, inbox.join(name))
    };
    copy().map_err(|error| {
        // What was begun is of no use to anybody.
        let _ = fs::remove_file(&unfinished);
        format!("cannot hand over {}: {error}", path.display()).into()
    })
}

/// Waits until the service has put a file away.
fn wait_for(
    data: &Path,
    inbox: &Path,
    name: &str,
    bar: &ProgressBar,
) -> Result<FileReport, Failure> {
    const LOOK: Duration = Duration::from_millis(100);
    loop {
        for folder in [DONE, FAILED] {
            match fs::read(path_of_report(&inbox.join(folder), name)) {
                Ok(text) => return Ok(serde_json::from_slice(&text)?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(progress) = Progress::read(inbox, name) {
            bar.set_position(progress.bytes.min(bar.length().unwrap_or(0)));
        }
        if !DataLock::is_held(data) {
            let complaint = "the service has stopped; the files lie in its inbox and are applied \
                             when it starts again";
            return Err(complaint.into());
        }
        std::thread::sleep(LOOK);
    }
}

/// What a run shall do, beside the files.
pub struct Wish<'a> {
    /// The data folder; the caller holds its lock.
    pub data: &'a Path,
    /// The identity formats.
    pub formats: &'a Formats,
    /// The moment that everything written carries.
    pub at: Moment,
    /// Whether what comes from a Navet file carries the morning of the file's own date instead, as
    /// if it had been applied when it came.
    pub dated: bool,
    /// Whether to apply files that are cut off.
    pub accept_truncated: bool,
    /// Whether everybody is a test person.
    pub test_persons: bool,
    /// Snapshots kept.
    pub snapshots_kept: usize,
}

/// What became of a run.
pub struct Report {
    files: Vec<FileReport>,
    /// Chains that have more than half of the identities that care may link.
    long_chains: u64,
    /// Pairs of somebody without protection and a protected relative in one home.
    household_pairs: u64,
    end: End,
    took: Duration,
}

/// What a run led to.
enum End {
    /// A snapshot, when anything changed.
    Snapshot(Option<PathBuf>),
    /// Changes of a register that is served.
    Served,
}

/// Passes over files, and puts them in order.
fn inspected(
    paths: &[PathBuf],
    accept_truncated: bool,
) -> Result<Vec<(PathBuf, Summary)>, Failure> {
    let options = Options::default();
    let mut files = Vec::new();
    for path in paths {
        let bar = file_bar("checking", path);
        let summary = watched(&bar, &options, || file::inspect(path, &options))?;
        bar.finish_and_clear();
        if let (false, Err(error)) = (accept_truncated, summary.check(path)) {
            return Err(error.into());
        }
        files.push((path.clone(), summary));
    }
    by_their_dates(&mut files);
    Ok(files)
}

/// Applies files to the register in a data folder.
pub fn import(paths: &[PathBuf], wish: &Wish<'_>) -> Result<Report, Failure> {
    let began = Instant::now();
    let files = inspected(paths, wish.accept_truncated)?;
    let base = state::open(wish.data, wish.formats)?;
    let is_test = |identity| wish.test_persons || is_official(identity);
    let mut run = Run::new(wish.data, base.as_ref(), wish.formats, wish.at, is_test)?;
    let mut reports = Vec::new();
    for (path, summary) in &files {
        let mut report = FileReport::of(path);
        if run.knows(&content_of(summary)) {
            report.known = true;
        } else {
            if let (true, Some(date)) = (wish.dated, summary.head.effectuated) {
                run.set_moment(morning(date)?);
            }
            apply(path, summary, &mut run, wish, &mut report)?;
        }
        reports.push(report);
    }
    let long_chains = run.settle_chains()?;
    let bar = progress::bar("writing", 0, "persons");
    let snapshot = run.finish(|written| bar.set_position(written))?;
    bar.finish_and_clear();
    let households = state::open(wish.data, wish.formats)?.map(|state| look(&state));
    folder::remove_old(wish.data, wish.snapshots_kept)?;
    Ok(Report {
        files: reports,
        long_chains,
        household_pairs: households.transpose()?.map_or(0, |it| it.pairs),
        end: End::Snapshot(snapshot),
        took: began.elapsed(),
    })
}

fn apply(
    path: &Path,
    summary: &Summary,
    run: &mut Run<'_>,
    wish: &Wish<'_>,
    report: &mut FileReport,
) -> Result<(), ApplyError<ImportError>> {
    let bar = file_bar("applying", path);
    let options = Options::default();
    let consumed = options.consumed.clone();
    let mut rejects = Rejects::new(&wish.data.join("rejected"), &name_of(path), false);
    let work = Work {
        path,
        summary,
        formats: wish.formats,
        options,
        reached: Reached::default(),
    };
    work.apply(run, report, &mut rejects, |_, _| {
        let consumed = consumed.load(Ordering::Relaxed);
        bar.set_position(consumed.min(bar.length().unwrap_or(0)));
        true
    })?;
    report.rejects = rejects.finish().map_err(ApplyError::Rejects)?;
    bar.finish_and_clear();
    Ok(())
}

fn file_bar(what: &'static str, path: &Path) -> ProgressBar {
    let bytes = fs::metadata(path).map_or(0, |file| file.len());
    progress::bar(what, bytes, "bytes")
}

/// Moves a bar while a file is read by somebody who only counts bytes.
fn watched<T>(bar: &ProgressBar, options: &Options, work: impl FnOnce() -> T) -> T {
    let (done, waiting) = channel::bounded::<()>(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while waiting.recv_timeout(Duration::from_millis(100))
                == Err(channel::RecvTimeoutError::Timeout)
            {
                bar.set_position(options.consumed.load(Ordering::Relaxed));
            }
        });
        let result = work();
        drop(done);
        result
    })
}

impl Report {
    /// Entries that changed the register.
    pub fn changed(&self) -> u64 {
        self.files.iter().map(|file| file.changed).sum()
    }

    /// Entries that were rejected.
    pub fn rejected(&self) -> u64 {
        self.files.iter().map(FileReport::rejections).sum()
    }

    /// Prints what became of each file, as a table.
    pub fn print(&self) {
        println!(
            "{:<32} {:>10} {:>10} {:>10} {:>10} {:>10}",
            "file", "read", "changed", "unchanged", "not newer", "rejected"
        );
        for file in &self.files {
            let name = &file.name;
            if file.known {
                println!("{name:<32} applied before, passed over");
                continue;
            }
            if let Some(failed) = &file.failed {
                println!("{name:<32} refused: {} ({})", failed.code, failed.message);
                continue;
            }
            let rejected = file.rejections();
            println!(
                "{name:<32} {:>10} {:>10} {:>10} {:>10} {rejected:>10}",
                file.read, file.changed, file.unchanged, file.not_newer
            );
            if file.earlier > 0 {
                println!("    applied before a stop {:>8}", file.earlier);
            }
            for (reason, count) in &file.rejected {
                println!("    rejected {count:>8}  {reason}");
            }
            for (warning, count) in &file.warnings {
                println!("    warning  {count:>8}  {warning}");
            }
            if let Some(rejects) = &file.rejects {
                println!("    rejected entries are in {}", rejects.display());
            }
        }
        if self.long_chains > 0 {
            println!("long chains of linked identities: {}", self.long_chains);
        }
        if self.household_pairs > 0 {
            println!(
                "pairs of somebody without protection and a protected relative in one home: {}",
                self.household_pairs
            );
        }
        let seconds = self.took.as_secs_f64();
        match &self.end {
            End::Snapshot(Some(path)) => println!("wrote {} in {seconds:.1} s", path.display()),
            End::Snapshot(None) => println!("nothing changed"),
            End::Served => println!("applied by the service in {seconds:.1} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_the_service_could_not_read_is_not_handed_over() {
        assert!(may_hand_over(1_000, 1_000).is_ok() && may_hand_over(0, 1_000).is_ok());
        let why = may_hand_over(1_000, 1_001).unwrap_err();
        assert!(why.contains("1001") && why.contains("user 1000"), "{why}");
    }
}
