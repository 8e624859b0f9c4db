//! Reading a segment file after whatever happened: where its entries end, and whether what lies
//! behind them is a block that was never finished, which nobody was told of, or damage, which must
//! not be cut away.
//!
//! A block is written over zeros in one go, and flushed before anybody is told. So a block that was
//! cut short has a disk sector that is still zeros, and nothing lies behind it. A block that is
//! wrong in any other way was written whole and has changed since.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::block::{self, FILE_HEAD, FileHead, HEAD, Head};
use super::{ReadError, Wrong};
use crate::base::files;
use crate::store::entry::Entry;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A segment file.
pub struct Segment {
    /// Where it is.
    pub path: PathBuf,
    /// What its head tells.
    pub about: FileHead,
    /// Bytes that it has.
    pub bytes: u64,
}

impl Segment {
    /// Refuses a file that has fewer bytes than it was made with: it is made as long as it ever gets, so
    /// no power cut makes it short.
    pub fn check_length(&self) -> Result<(), ReadError> {
        if self.bytes < self.about.bytes {
            return Err(ReadError::Damaged {
                path: self.path.clone(),
                at: self.bytes,
                what: Wrong::Cut,
            });
        }
        Ok(())
    }
}

/// The end of a segment's entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// Where the next block goes.
    pub at: u64,
    /// The number of the last entry; that of the last one before the file when it has none.
    pub last: u64,
    /// Whether an unfinished block lies behind it.
    pub torn: bool,
}

const PREFIX: &str = "log-";
const SUFFIX: &str = ".segment";

/// The path of the segment that begins with an entry.
pub fn path_of(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{first:020}{SUFFIX}"))
}

/// The segments in a folder, oldest first. A folder that is missing holds none.
pub fn segments(folder: &Path, schema_hash: u64) -> Result<Vec<Segment>, ReadError> {
    let failed = |source| ReadError::Io {
        path: folder.to_path_buf(),
        source,
    };
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if first_of(&entry.path()).is_some() {
            found.push(segment(entry.path(), schema_hash)?);
        }
    }
    found.sort_by_key(|segment| segment.about.first);
    Ok(found)
}

/// The entry that a segment begins with, by its name; `None` for other files.
pub fn first_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    digits.parse().ok()
}

/// A segment, when its head can be read.
pub fn segment(path: PathBuf, schema_hash: u64) -> Result<Segment, ReadError> {
    let mut head = [0; FILE_HEAD];
    let read = File::open(&path).and_then(|file| {
        let bytes = file.metadata()?.len();
        let from = usize::try_from(bytes).map_or(FILE_HEAD, |bytes| bytes.min(FILE_HEAD));
        file.read_exact_at(&mut head[..from], 0)?;
        Ok(bytes)
    });
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(source) => return Err(ReadError::Io { path, source }),
    };
    let what = Wrong::Cut;
    match block::read_file_head(&head, schema_hash) {
        _ if bytes < FILE_HEAD as u64 => Err(ReadError::Damaged {
            path,
            at: bytes,
            what,
        }),
        Ok(about) => Ok(Segment { path, about, bytes }),
        Err(what) => Err(ReadError::Foreign { path, what }),
    }
}

/// Reads the blocks of a segment one after another.
pub struct Blocks {
    path: PathBuf,
    file: File,
    bytes: u64,
    at: u64,
    next: u64,
}

impl Blocks {
    /// Begins at a block, whose first entry has the number `next`.
    pub fn from(segment: &Segment, at: u64, next: u64) -> Result<Self, ReadError> {
        let opened = File::open(&segment.path).and_then(|file| {
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        });
        match opened {
            Ok((file, bytes)) => Ok(Self {
                path: segment.path.clone(),
                file,
                bytes,
                at,
                next,
            }),
            Err(source) => Err(ReadError::Io {
                path: segment.path.clone(),
                source,
            }),
        }
    }

    /// Begins at a segment's first block.
    pub fn all(segment: &Segment) -> Result<Self, ReadError> {
        Self::from(segment, FILE_HEAD as u64, segment.about.first)
    }

    /// Where the next block is.
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// The number of the entry after those that were read.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The head of the next block; `None` behind the last one.
    pub fn head(&mut self) -> Result<Option<Head>, ReadError> {
        if self.at + HEAD as u64 > self.bytes {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        self.read(&mut head, self.at)?;
        let head = block::read_head(&head).map_err(|what| self.damaged(self.at, what))?;
        match head {
            Some(head) if head.first != self.next => Err(self.damaged(self.at, Wrong::Sequence)),
            head => Ok(head),
        }
    }

    /// Goes past a block.
    pub fn pass(&mut self, head: Head) {
        self.at += head.span();
        self.next += u64::from(head.count);
    }

    /// A block's entries, numbered as they should be.
    pub fn entries(&self, head: Head) -> Result<Vec<Entry>, ReadError> {
        let bytes = self.bytes_of(head)?;
        let damaged = |what| self.damaged(self.at, what);
        let one = |(bytes, sequence): (&[u8], u64)| {
            let entry = Entry::from_bytes(bytes).map_err(|_| damaged(Wrong::Entry))?;
            let follows = entry.sequence == sequence;
            follows
                .then_some(entry)
                .ok_or_else(|| damaged(Wrong::Sequence))
        };
        let entries = head.split(&bytes).map_err(damaged)?;
        entries.into_iter().zip(head.first..).map(one).collect()
    }

    /// The bytes of a block's entries.
    pub fn bytes_of(&self, head: Head) -> Result<Vec<u8>, ReadError> {
        let mut entries = vec![0; head.length as usize];
        self.read(&mut entries, self.at + HEAD as u64)?;
        let whole = head.is_of(&entries);
        whole
            .then_some(entries)
            .ok_or_else(|| self.damaged(self.at, Wrong::Checksum))
    }

    /// An error at a place in this file.
    pub fn damaged(&self, at: u64, what: Wrong) -> ReadError {
        ReadError::Damaged {
            path: self.path.clone(),
            at,
            what,
        }
    }

    fn read(&self, bytes: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.file
            .read_exact_at(bytes, at)
            .map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => self.damaged(at, Wrong::Cut),
                _ => ReadError::Io {
                    path: self.path.clone(),
                    source,
                },
            })
    }
}

/// Finds the end of the newest segment, having checked every block before it.
pub fn end(segment: &Segment) -> Result<End, ReadError> {
    segment.check_length()?;
    let mut blocks = Blocks::all(segment)?;
    let torn = loop {
        let head = blocks.head()?;
        let Some(head) = head.filter(|head| blocks.at() + head.span() <= blocks.bytes) else {
            break is_torn(&blocks, head)?;
        };
        match blocks.bytes_of(head) {
            Ok(_) => blocks.pass(head),
            Err(ReadError::Damaged { .. }) => break is_torn(&blocks, Some(head))?,
            Err(error) => return Err(error),
        }
    };
    Ok(End {
        at: blocks.at(),
        last: blocks.next() - 1,
        torn,
    })
}

/// Whether what lies behind the last whole block is an unfinished one (or nothing: `false`). Damage
/// is an error.
fn is_torn(blocks: &Blocks, head: Option<Head>) -> Result<bool, ReadError> {
    let from = blocks.at();
    let mut rest = vec![0; usize::try_from(blocks.bytes - from.min(blocks.bytes)).unwrap_or(0)];
    blocks.read(&mut rest, from)?;
    if rest.iter().all(|&byte| byte == 0) {
        return Ok(false);
    }
    let Some(head) = head else {
        // Its head was not written, or something is behind a hole.
        let later = (HEAD..rest.len().saturating_sub(HEAD))
            .step_by(HEAD)
            .find(|&at| {
                let head = rest[at..].first_chunk().map(block::read_head);
                matches!(head, Some(Ok(Some(head))) if head.first > blocks.next())
            });
        return match later {
            Some(at) => Err(blocks.damaged(from + at as u64, Wrong::Hole)),
            None => Ok(true),
        };
    };
    let span = usize::try_from(head.span()).unwrap_or(usize::MAX);
    let Some((block, behind)) = rest.split_at_checked(span) else {
        return Ok(true);
    };
    if behind.iter().any(|&byte| byte != 0) {
        return Err(blocks.damaged(from, Wrong::Checksum));
    }
    let unwritten = |range: Range<usize>| block[range].iter().all(|&byte| byte == 0);
    if sectors(from, span).any(unwritten) {
        Ok(true)
    } else {
        Err(blocks.damaged(from, Wrong::Checksum))
    }
}

/// The parts of a block that lie in one sector each.
fn sectors(from: u64, span: usize) -> impl Iterator<Item = Range<usize>> {
    let before = (from % SECTOR as u64) as usize;
    (0..(before + span).div_ceil(SECTOR)).map(move |sector| {
        let start = (sector * SECTOR).saturating_sub(before);
        start..(sector * SECTOR + SECTOR - before).min(span)
    })
}

/// Puts zeros behind a segment's entries, where an unfinished block was.
pub fn cut(segment: &Segment, end: End) -> Result<(), ReadError> {
    let cut = || {
        let file = files::open(&segment.path)?;
        let bytes = file.metadata()?.len();
        let zeros = vec![0; usize::try_from(bytes - end.at).map_err(io::Error::other)?];
        file.write_all_at(&zeros, end.at)?;
        file.sync_all()
    };
    cut().map_err(|source| ReadError::Io {
        path: segment.path.clone(),
        source,
    })
}
