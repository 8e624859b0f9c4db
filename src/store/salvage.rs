//! What can still be read of a log that is damaged, cut or gone, out of the register's own folder and
//! others (a backup's, a peer's), and a whole log made of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::log::block::{self, FILE_HEAD, HEAD};
use super::log::recover::{self, End, Segment};
use super::log::segments::{Keeping, Segments};
use super::log::{AppendError, Log as _, ReadError, Wrong};
use super::mend;
use super::state::log_folder;
use crate::base::limits;

/// Why a log cannot be made of what can be read.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    /// A file or folder cannot be read, written or renamed.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is read is not what it was a moment ago, or the new log cannot be opened.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new log does not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// A block of entries that can be read.
#[derive(Clone, Debug)]
struct Found {
    path: PathBuf,
    at: u64,
    first: u64,
    last: u64,
}

/// Damage in a file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where.
    pub at: u64,
    /// What is wrong.
    pub what: Wrong,
    /// The first entry that cannot be read, and the last one before those that can be read again;
    /// `None`: to the end of the file.
    pub entries: (u64, Option<u64>),
}

/// What can be read of a log.
#[derive(Default)]
pub struct Salvage {
    blocks: BTreeMap<u64, Found>,
    /// What is damaged.
    pub damages: Vec<Damage>,
}

impl Salvage {
    /// Reads every file of a log's folder as far as it can be read. A file of another kind, or of
    /// another version's field table, is an error.
    pub fn read(&mut self, folder: &Path, schema_hash: u64) -> Result<(), SalvageError> {
        let failed = |source| SalvageError::Io {
            path: folder.to_path_buf(),
            source,
        };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            paths.extend(recover::first_of(&path).map(|first| (first, path)));
        }
        paths.sort();
        for (first, path) in paths {
            let segment = recover::segment(path.clone(), schema_hash);
            match segment.and_then(|segment| recover::end(&segment).map(|end| (segment, end))) {
                Ok((segment, end)) => self.take_whole(&segment, end)?,
                Err(ReadError::Damaged { at, what, .. }) => {
                    self.take_what_is_left(&path, first, at, what)?;
                }
                Err(ReadError::Foreign { what, .. }) if what.is_damage() => {
                    self.take_what_is_left(&path, first, 0, Wrong::Head)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn take_whole(&mut self, segment: &Segment, end: End) -> Result<(), ReadError> {
        let mut blocks = recover::Blocks::all(segment)?;
        while blocks.at() < end.at {
            let Some(head) = blocks.head()? else { break };
            self.take(&segment.path, blocks.at(), head);
            blocks.pass(head);
        }
        Ok(())
    }

    fn take(&mut self, path: &Path, at: u64, head: block::Head) {
        let found = Found {
            path: path.to_path_buf(),
            at,
            first: head.first,
            last: head.first + u64::from(head.count) - 1,
        };
        self.blocks.entry(head.first).or_insert(found);
    }

    /// Goes through a damaged file block by block, and behind what is damaged to the next block that
    /// is whole.
    fn take_what_is_left(
        &mut self,
        path: &Path,
        first: u64,
        damaged_at: u64,
        what: Wrong,
    ) -> Result<(), SalvageError> {
        let bytes = fs::read(path).map_err(|source| SalvageError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        let (mut at, mut next) = (FILE_HEAD, first);
        // A head of the file that cannot be read is damage by itself.
        let mut lost = (damaged_at == 0).then_some((0, first));
        let mut damages = Vec::new();
        let mut tell = |(at, from): (u64, u64), to| {
            damages.push(Damage {
                path: path.to_path_buf(),
                at,
                what: if at == damaged_at {
                    what
                } else {
                    Wrong::Checksum
                },
                entries: (from, to),
            });
        };
        while at + HEAD <= bytes.len() {
            let whole = whole_block(&bytes[at..]).filter(|head| head.first >= next);
            let Some(head) = whole else {
                if bytes[at..at + HEAD].iter().any(|&byte| byte != 0) {
                    lost = lost.or(Some((at as u64, next)));
                }
                at += HEAD;
                continue;
            };
            if head.first > next {
                lost = lost.or(Some((at as u64, next)));
            }
            if let Some(lost) = lost.take() {
                tell(lost, Some(head.first.saturating_sub(1)));
            }
            self.take(path, at as u64, head);
            next = head.first + u64::from(head.count);
            at += usize::try_from(head.span()).unwrap_or(usize::MAX - at);
        }
        if let Some(lost) = lost {
            tell(lost, None);
        }
        if what == Wrong::Cut {
            tell((damaged_at, next), None);
        }
        self.damages.extend(damages);
        Ok(())
    }

    /// Takes what it lacks out of another log.
    pub fn fill_from(&mut self, other: &Self) {
        for missing in self.missing(0, other.last()) {
            let (first, last) = (*missing.start(), *missing.end());
            let blocks = other.blocks.values();
            for found in blocks.filter(|found| found.last >= first && found.first <= last) {
                self.blocks
                    .entry(found.first)
                    .or_insert_with(|| found.clone());
            }
        }
    }

    /// The stretches of entries that can be read without a gap, oldest first.
    pub fn stretches(&self) -> Vec<RangeInclusive<u64>> {
        let mut stretches: Vec<RangeInclusive<u64>> = Vec::new();
        for found in self.blocks.values() {
            match stretches.last_mut() {
                Some(last) if found.first <= last.end() + 1 => {
                    *last = *last.start()..=found.last.max(*last.end());
                }
                _ => stretches.push(found.first..=found.last),
            }
        }
        stretches
    }

    /// The last entry that can be read; 0 when there is none.
    pub fn last(&self) -> u64 {
        self.stretches().last().map_or(0, |stretch| *stretch.end())
    }

    /// What cannot be read of the entries after `after`, up to `last`.
    pub fn missing(&self, after: u64, last: u64) -> Vec<RangeInclusive<u64>> {
        let mut missing = Vec::new();
        let mut next = after + 1;
        for stretch in self.stretches() {
            if *stretch.start() > next && next <= last {
                missing.push(next..=last.min(stretch.start() - 1));
            }
            next = next.max(stretch.end() + 1);
        }
        if next <= last {
            missing.push(next..=last);
        }
        missing
    }

    /// The entries from `first` on that can be read.
    pub fn entries(&self, first: u64) -> impl Iterator<Item = Result<Entry, ReadError>> {
        self.archives(first).map(|archive| {
            let (found, bytes) = archive?;
            Entry::from_bytes(&bytes).map_err(|_| found.damaged(Wrong::Entry))
        })
    }

    /// The archives of the entries from `first` on that can be read, each once.
    fn archives(&self, first: u64) -> impl Iterator<Item = Result<(&Found, Vec<u8>), ReadError>> {
        let mut next = first;
        let blocks = self
            .blocks
            .values()
            .filter(move |found| found.last >= first);
        blocks.flat_map(move |found| {
            // Blocks of another folder may overlap.
            let known = next.saturating_sub(found.first);
            next = next.max(found.last + 1);
            match found.archives() {
                Ok(archives) => {
                    let archives = archives.into_iter();
                    let skipped = usize::try_from(known).unwrap_or(usize::MAX);
                    archives.skip(skipped).map(|it| Ok((found, it))).collect()
                }
                Err(error) => vec![Err(error)],
            }
        })
    }

    /// Makes the register's log anew of the entries from `first` on, between which there must be no
    /// gap. The old one is set aside, and its folder told.
    pub fn write(
        &self,
        data: &Path,
        schema_hash: u64,
        first: u64,
        keeping: Keeping,
    ) -> Result<Option<PathBuf>, SalvageError> {
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| SalvageError::Io { path, source }
        };
        let made = data.join(MADE);
        match fs::remove_dir_all(&made) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(&made)(error)),
            _ => {}
        }
        let log = Segments::open(&made, schema_hash, first - 1, keeping)?;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for archive in self.archives(first) {
            let (_, archive) = archive?;
            bytes += archive.len();
            batch.push(archive);
            if bytes > limits::COMMIT_BYTES {
                log.append(&batch, log.last())?;
                (batch, bytes) = (Vec::new(), 0);
            }
        }
        if !batch.is_empty() {
            log.append(&batch, log.last())?;
        }
        drop(log);
        let log = log_folder(data);
        let aside = set_aside(data, &log).map_err(io(&log))?;
        fs::rename(&made, &log).map_err(io(&made))?;
        let flushed = fs::File::open(data).and_then(|folder| folder.sync_all());
        flushed.map_err(io(data))?;
        Ok(aside)
    }
}

/// A log that is being made.
const MADE: &str = "log.new";
/// Logs that were set aside, with a number behind it.
const ASIDE: &str = "log.set-aside-";

/// Gives a log's folder another name, if it is there.
fn set_aside(data: &Path, log: &Path) -> io::Result<Option<PathBuf>> {
    if !log.exists() {
        return Ok(None);
    }
    let aside = mend::free(|number| data.join(format!("{ASIDE}{number}")));
    fs::rename(log, &aside)?;
    Ok(Some(aside))
}

/// The logs of a data folder that were set aside earlier: what a later one lacks may be in them.
pub fn logs_set_aside(data: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(ASIDE)) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

impl Found {
    /// The archives of its entries.
    fn archives(&self) -> Result<Vec<Vec<u8>>, ReadError> {
        let read = || {
            let file = fs::File::open(&self.path)?;
            let mut head = [0; HEAD];
            file.read_exact_at(&mut head, self.at)?;
            let Ok(Some(head)) = block::read_head(&head) else {
                return Ok(None);
            };
            let mut entries = vec![0; head.length as usize];
            file.read_exact_at(&mut entries, self.at + HEAD as u64)?;
            let archives = head.is_of(&entries).then(|| head.split(&entries).ok());
            let archives = archives.flatten();
            Ok(archives.map(|it| it.into_iter().map(<[u8]>::to_vec).collect()))
        };
        match read() {
            Ok(Some(archives)) => Ok(archives),
            // It was whole a moment ago.
            Ok(None) => Err(self.damaged(Wrong::Checksum)),
            Err(source) => Err(ReadError::Io {
                path: self.path.clone(),
                source,
            }),
        }
    }

    fn damaged(&self, what: Wrong) -> ReadError {
        ReadError::Damaged {
            path: self.path.clone(),
            at: self.at,
            what,
        }
    }
}

/// The block that bytes begin with, when it is whole.
fn whole_block(bytes: &[u8]) -> Option<block::Head> {
    let head = block::read_head(bytes.first_chunk()?).ok()??;
    let entries = bytes.get(HEAD..HEAD + head.length as usize)?;
    let is_whole = head.is_of(entries) && head.split(entries).is_ok_and(|it| !it.is_empty());
    is_whole.then_some(head)
}
