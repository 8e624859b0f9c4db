//! `pu import`: Navet files and exchange files into a register that is not being served. The whole
//! run becomes the register's next snapshot, or nothing changes.

use std::cmp::Ordering as Order;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;
use crossbeam::channel;
use indicatif::ProgressBar;

use super::generate::morning;
use super::{Common, Failure, progress};
use crate::base::limits;
use crate::base::time::Moment;
use crate::feed::exchange;
use crate::feed::file::{self, FileError, Format, Options, Summary};
use crate::feed::generate::is_official;
use crate::feed::read::{Read, Rejected};
use crate::person::identity::Formats;
use crate::person::json;
use crate::register::import::{Applied, Import as Run};
use crate::store::folder;
use crate::store::lock::DataLock;
use crate::store::state;

/// Apply Navet files (text or XML) and exchange files (NDJSON), plain, gzip or zstd, to a register.
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
        let _lock = DataLock::take(&config.data)?;
        let wish = Wish {
            data: &config.data,
            formats: &formats,
            at: Moment::now(),
            dated: false,
            accept_truncated: self.accept_truncated,
            test_persons: self.test_persons,
        };
        let report = import(&self.files, &wish)?;
        report.print();
        Ok(())
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
}

/// What became of a run.
pub struct Report {
    files: Vec<FileReport>,
    snapshot: Option<PathBuf>,
    took: Duration,
}

/// What became of a file.
#[derive(Default)]
struct FileReport {
    path: PathBuf,
    /// It was applied before, so it was passed over.
    known: bool,
    read: u64,
    changed: u64,
    unchanged: u64,
    not_newer: u64,
    rejected: BTreeMap<String, u64>,
    warnings: BTreeMap<String, u64>,
    rejects: Option<PathBuf>,
}

/// Applies files to the register in a data folder.
pub fn import(paths: &[PathBuf], wish: &Wish<'_>) -> Result<Report, Failure> {
    let began = Instant::now();
    let options = Options::default();
    let mut files = Vec::new();
    for path in paths {
        let bar = file_bar("checking", path);
        let summary = watched(&bar, &options, || file::inspect(path, &options))?;
        bar.finish_and_clear();
        if let (false, Err(error)) = (wish.accept_truncated, summary.check(path)) {
            return Err(error.into());
        }
        files.push((path.clone(), summary));
    }
    by_their_dates(&mut files);

    let base = state::open(wish.data, wish.formats)?;
    let is_test = |identity| wish.test_persons || is_official(identity);
    let mut run = Run::new(wish.data, base.as_ref(), wish.formats, wish.at, is_test)?;
    let mut reports = Vec::new();
    for (path, summary) in &files {
        let content = format!("{:032x}", summary.content);
        let mut report = FileReport {
            path: path.clone(),
            ..FileReport::default()
        };
        if run.ledger().knows(&content) {
            report.known = true;
        } else {
            let mut rejects = Rejects::new(wish.data, path);
            if let (true, Some(date)) = (wish.dated, summary.head.effectuated) {
                run.set_moment(morning(date)?);
            }
            match summary.format {
                Format::Navet(_) => {
                    navet(path, summary, &mut run, wish, &mut report, &mut rejects)?;
                }
                Format::Exchange => exchanged(path, &mut run, wish, &mut report, &mut rejects)?,
            }
            report.rejects = rejects.finish()?;
            run.note_file(content, report.read);
        }
        reports.push(report);
    }
    let bar = progress::bar("writing", 0, "persons");
    let snapshot = run.finish(|written| bar.set_position(written))?;
    bar.finish_and_clear();
    folder::remove_old(wish.data, limits::SNAPSHOTS_KEPT)?;
    Ok(Report {
        files: reports,
        snapshot,
        took: began.elapsed(),
    })
}

/// Neighbouring Navet files in the order in which Skatteverket made them.
fn by_their_dates(files: &mut [(PathBuf, Summary)]) {
    let is_navet = |file: &(PathBuf, Summary)| matches!(file.1.format, Format::Navet(_));
    let order = |one: &(PathBuf, Summary), other: &(PathBuf, Summary)| {
        let key = |file: &(PathBuf, Summary)| {
            let head = &file.1.head;
            head.effectuated
                .map(|date| (date, head.job_id, head.sequence, head.file_number))
        };
        match (key(one), key(other)) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => Order::Equal,
        }
    };
    for neighbours in files.chunk_by_mut(|one, other| is_navet(one) == is_navet(other)) {
        if neighbours.first().is_some_and(is_navet) {
            neighbours.sort_by(order);
        }
    }
}

/// Posts handed from the thread that reads to the one that applies.
const BATCH: usize = 256;

/// Applies a Navet file: one thread reads and parses, this one applies.
fn navet(
    path: &Path,
    summary: &Summary,
    run: &mut Run<'_>,
    wish: &Wish<'_>,
    report: &mut FileReport,
    rejects: &mut Rejects,
) -> Result<(), Failure> {
    let options = Options {
        encoding: Some(summary.encoding),
        ..Options::default()
    };
    let bar = file_bar("applying", path);
    let (sender, receiver) = channel::bounded::<Result<Vec<(Read, Vec<u8>)>, FileError>>(8);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut posts = file::read(path, summary, wish.formats, &options)?;
            let mut batch = Vec::with_capacity(BATCH);
            while let Some(read) = posts.next() {
                batch.push((read?, posts.raw().to_vec()));
                // The receiver is gone when applying failed; its error is the one to tell.
                if batch.len() == BATCH && sender.send(Ok(std::mem::take(&mut batch))).is_err() {
                    break;
                }
            }
            let _ = sender.send(Ok(batch));
            let unknown = posts.unknown().clone();
            drop(sender);
            Ok::<_, FileError>(unknown)
        });
        for batch in &receiver {
            for (read, raw) in batch? {
                apply(read, &raw, run, report, rejects)?;
            }
            bar.set_position(options.consumed.load(Ordering::Relaxed));
        }
        drop(receiver);
        let unknown = match reading.join() {
            Ok(unknown) => unknown?,
            Err(_) => return Err(Failure::from("the thread that reads the file failed")),
        };
        for (name, count) in unknown.iter() {
            *report
                .warnings
                .entry(format!("unknown term {name}, ignored"))
                .or_default() += count;
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(())
}

fn apply(
    read: Read,
    raw: &[u8],
    run: &mut Run<'_>,
    report: &mut FileReport,
    rejects: &mut Rejects,
) -> Result<(), Failure> {
    match read {
        Read::Post(understood) => {
            report.read += 1;
            for warning in understood.warnings {
                *report.warnings.entry(warning.to_string()).or_default() += 1;
            }
            let applied = run.post(&understood.post)?;
            report.count(applied, |why| rejects.add(understood.line, why, raw))?;
        }
        Read::Rejected(Rejected {
            line,
            reason,
            raw,
            protection,
            ..
        }) => {
            report.read += u64::from(reason.is_a_post());
            report.reject(reason.to_string());
            rejects.add(line, &reason.to_string(), &raw)?;
            // Of a post that cannot be understood, protection is applied all the same.
            if let Some(post) = protection {
                let warning = "protection taken from a rejected post";
                *report.warnings.entry(warning.to_owned()).or_default() += 1;
                run.post(&post)?;
            }
        }
    }
    Ok(())
}

/// Applies an exchange file.
fn exchanged(
    path: &Path,
    run: &mut Run<'_>,
    wish: &Wish<'_>,
    report: &mut FileReport,
    rejects: &mut Rejects,
) -> Result<(), Failure> {
    let mut lines = exchange::Reader::open(path)?;
    lines.check_formats(wish.formats)?;
    while let Some((line, text)) = lines.next_line()? {
        report.read += 1;
        let read = match text {
            Ok(text) => json::read(text, wish.formats).map_err(|why| (why.to_string(), text)),
            Err(begin) => Err(("the line is longer than a line may be".to_owned(), begin)),
        };
        match (read, text) {
            (Ok(person), Ok(text) | Err(text)) => {
                let applied = run.exchanged(person)?;
                report.count(applied, |why| rejects.add(line, why, text))?;
            }
            (Err((why, raw)), _) => {
                rejects.add(line, &why, raw)?;
                report.reject(why);
            }
        }
    }
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

/// The file of what was refused, in its original bytes, made when the first comes. It holds
/// personal data: it lies in the data folder, for its owner only.
struct Rejects {
    path: PathBuf,
    reasons: PathBuf,
    files: Option<(BufWriter<File>, BufWriter<File>)>,
}

impl Rejects {
    fn new(data: &Path, source: &Path) -> Self {
        let name = source
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let folder = data.join("rejected");
        Self {
            path: folder.join(format!("{name}.posts")),
            reasons: folder.join(format!("{name}.reasons.tsv")),
            files: None,
        }
    }

    fn add(&mut self, line: u64, why: &str, raw: &[u8]) -> std::io::Result<()> {
        if self.files.is_none() {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder)?;
            }
            let private = |path: &Path| {
                use std::os::unix::fs::OpenOptionsExt;
                let mut options = File::options();
                options
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(path)
            };
            let mut reasons = BufWriter::new(private(&self.reasons)?);
            writeln!(reasons, "line\treason")?;
            self.files = Some((BufWriter::new(private(&self.path)?), reasons));
        }
        if let Some((posts, reasons)) = &mut self.files {
            posts.write_all(raw)?;
            if !raw.ends_with(b"\n") {
                posts.write_all(b"\n")?;
            }
            writeln!(reasons, "{line}\t{why}")?;
        }
        Ok(())
    }

    fn finish(self) -> std::io::Result<Option<PathBuf>> {
        let Some((mut posts, mut reasons)) = self.files else {
            return Ok(None);
        };
        posts.flush()?;
        reasons.flush()?;
        Ok(Some(self.path))
    }
}

impl FileReport {
    fn reject(&mut self, reason: String) {
        *self.rejected.entry(reason).or_default() += 1;
    }

    fn count(
        &mut self,
        applied: Applied,
        rejected: impl FnOnce(&str) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        match applied {
            Applied::Changed => self.changed += 1,
            Applied::Unchanged => self.unchanged += 1,
            Applied::NotNewer => self.not_newer += 1,
            Applied::Rejected(why) => {
                let why = why.to_string();
                rejected(&why)?;
                self.reject(why);
            }
        }
        Ok(())
    }
}

impl Report {
    /// Entries that changed the register.
    pub fn changed(&self) -> u64 {
        self.files.iter().map(|file| file.changed).sum()
    }

    /// Entries that were rejected.
    pub fn rejected(&self) -> u64 {
        self.files
            .iter()
            .flat_map(|file| file.rejected.values())
            .sum()
    }

    /// Prints what became of each file, as a table.
    pub fn print(&self) {
        println!(
            "{:<32} {:>10} {:>10} {:>10} {:>10} {:>10}",
            "file", "read", "changed", "unchanged", "not newer", "rejected"
        );
        for file in &self.files {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy();
            if file.known {
                println!("{name:<32} applied before, passed over");
                continue;
            }
            let rejected: u64 = file.rejected.values().sum();
            println!(
                "{name:<32} {:>10} {:>10} {:>10} {:>10} {rejected:>10}",
                file.read, file.changed, file.unchanged, file.not_newer
            );
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
        match &self.snapshot {
            Some(path) => println!(
                "wrote {} in {:.1} s",
                path.display(),
                self.took.as_secs_f64()
            ),
            None => println!("nothing changed"),
        }
    }
}
