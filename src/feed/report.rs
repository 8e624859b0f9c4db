//! What became of a file: the counts, and the file of what was refused.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file::{Format, Summary};
use crate::base::files;
use crate::register::import::Applied;

/// What became of a file. Reasons are the register's own words and hold nothing of anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileReport {
    /// The file's name.
    pub name: String,
    /// It was applied before, so it was passed over.
    pub known: bool,
    /// Posts, or lines of persons, that were read.
    pub read: u64,
    /// Those that changed the register.
    pub changed: u64,
    /// Those that said what was there already.
    pub unchanged: u64,
    /// Those that were older than what was there.
    pub not_newer: u64,
    /// Those that were applied before a stop, and of which no more is known.
    pub earlier: u64,
    /// How its letters are written, as its bytes tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub letters: Option<String>,
    /// What was unpacked of it: files of their own, each with its own report.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unpacked: Vec<String>,
    /// Those that were rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// What deserves a look.
    pub warnings: BTreeMap<String, u64>,
    /// Where what was rejected lies.
    pub rejects: Option<PathBuf>,
    /// Why the file was refused as a whole.
    pub failed: Option<Failed>,
    /// The number of the register's change that says that the file was applied, when a served
    /// register applied it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

/// Why a file was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// For machines.
    pub code: String,
    /// For people, in Swedish.
    pub message: String,
}

impl FileReport {
    /// Of a file of which nothing is told yet.
    pub fn of(path: &Path) -> Self {
        Self {
            name: name_of(path),
            ..Self::default()
        }
    }

    /// Tells how a file's letters are written, and where that is not what the file says.
    pub fn tell_letters(&mut self, summary: &Summary) {
        if let Format::Navet(_) = summary.format {
            self.letters = Some(summary.letters.to_owned());
        }
        if let Some(declared) = summary.misdeclared() {
            let warning = format!(
                "letters are {}, not {declared} as declared",
                summary.letters
            );
            self.warnings.insert(warning, 1);
        }
    }

    /// Entries that were rejected.
    pub fn rejections(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Counts an entry that was rejected.
    pub fn reject(&mut self, reason: String) {
        *self.rejected.entry(reason).or_default() += 1;
    }

    /// Counts what deserves a look.
    pub fn warn(&mut self, warning: String, times: u64) {
        *self.warnings.entry(warning).or_default() += times;
    }

    /// Counts an entry that was applied. Answers why it was rejected, when it was.
    pub fn count(&mut self, applied: Applied) -> Option<String> {
        match applied {
            Applied::Changed => self.changed += 1,
            Applied::Unchanged => self.unchanged += 1,
            Applied::NotNewer => self.not_newer += 1,
            Applied::Rejected(why) => {
                let why = why.to_string();
                self.reject(why.clone());
                return Some(why);
            }
        }
        None
    }
}

/// A file's name as it is told.
pub fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The file of what was refused, in its original bytes, and beside it why; made when the first comes.
/// It holds personal data: it is for its owner only.
pub struct Rejects {
    posts: PathBuf,
    reasons: PathBuf,
    goes_on: bool,
    /// What the file of posts begins with.
    mark: &'static [u8],
    files: Option<(BufWriter<File>, BufWriter<File>)>,
}

impl Rejects {
    /// Rejects of the file `name`, kept in a folder. When the file is gone on with, they are
    /// added to those that are there.
    pub fn new(folder: &Path, name: &str, goes_on: bool) -> Self {
        let [posts, reasons] = Self::paths(folder, name);
        Self {
            posts,
            reasons,
            goes_on,
            mark: b"",
            files: None,
        }
    }

    /// The mark that the file of posts begins with, as the file they came from does.
    pub fn begin_with(&mut self, mark: &'static [u8]) {
        self.mark = mark;
    }

    /// Where rejects and reasons lie.
    pub fn paths(folder: &Path, name: &str) -> [PathBuf; 2] {
        [
            folder.join(format!("{name}.posts")),
            folder.join(format!("{name}.reasons.tsv")),
        ]
    }

    /// Adds what was refused.
    pub fn add(&mut self, line: u64, why: &str, raw: &[u8]) -> io::Result<()> {
        if self.files.is_none() {
            self.files = Some(self.open()?);
        }
        if let Some((posts, reasons)) = &mut self.files {
            posts.write_all(raw)?;
            let is_ended = [&b"\n"[..], b"\n\0"].iter().any(|end| raw.ends_with(end));
            if !is_ended {
                posts.write_all(b"\n")?;
            }
            writeln!(reasons, "{line}\t{why}")?;
        }
        Ok(())
    }

    fn open(&self) -> io::Result<(BufWriter<File>, BufWriter<File>)> {
        if let Some(folder) = self.posts.parent() {
            files::create_folder_for_owner(folder)?;
        }
        let mut posts = self.private(&self.posts)?;
        if posts.metadata()?.len() == 0 {
            posts.write_all(self.mark)?;
        }
        let mut reasons = self.private(&self.reasons)?;
        if reasons.metadata()?.len() == 0 {
            writeln!(reasons, "line\treason")?;
        }
        Ok((BufWriter::new(posts), BufWriter::new(reasons)))
    }

    fn private(&self, path: &Path) -> io::Result<File> {
        if !self.goes_on {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let file = files::append(path)?;
        files::give_to_owner_of_folder(&file, path)?;
        Ok(file)
    }

    /// Hands everything to the system.
    pub fn flush(&mut self) -> io::Result<()> {
        if let Some((posts, reasons)) = &mut self.files {
            posts.flush()?;
            reasons.flush()?;
        }
        Ok(())
    }

    /// Where they lie, when there are any.
    pub fn finish(mut self) -> io::Result<Option<PathBuf>> {
        self.flush()?;
        let any = self.files.is_some() || (self.goes_on && self.posts.exists());
        Ok(any.then_some(self.posts))
    }
}
