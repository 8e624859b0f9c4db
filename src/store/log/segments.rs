//! The log of one node: segment files in a folder, one after another, the newest written in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock};

use super::block::{self, FILE_HEAD, FileHead};
use super::medium::{Disk, Medium, Writable};
use super::recover::{self, Blocks, Segment};
use super::{AppendError, Entries, Log, ReadError, Wrong};
use crate::base::{files, limits};
use crate::store::entry::Entry;

/// How the log keeps its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Bytes of one file.
    pub segment_bytes: u64,
    /// Bytes of older files that are kept for the change trail and for those who follow it.
    pub keep_bytes: u64,
}

impl Default for Keeping {
    fn default() -> Self {
        Self {
            segment_bytes: limits::SEGMENT_BYTES,
            keep_bytes: limits::LOG_KEPT_BYTES,
        }
    }
}

/// The log.
pub struct Segments {
    folder: PathBuf,
    schema_hash: u64,
    medium: Arc<dyn Medium>,
    keeping: Keeping,
    /// Oldest first.
    files: RwLock<Vec<Arc<Kept>>>,
    active: Mutex<Active>,
    last: AtomicU64,
    /// The last entry in the files, 0 without any; a snapshot may be newer.
    written: AtomicU64,
}

/// A segment, and where to begin reading for some of its entries: number and place.
struct Kept {
    segment: Segment,
    marks: Mutex<Option<Vec<(u64, u64)>>>,
}

/// The segment that is written in, and the one after it.
struct Active {
    file: Option<Box<dyn Writable>>,
    at: u64,
    room: u64,
    /// The next segment, being prepared; it has the bytes that segments should have.
    spare: Option<JoinHandle<io::Result<PathBuf>>>,
    failed: Option<String>,
}

impl Active {
    /// Waits for the next segment that is being prepared; `None` when none is, or it was in vain.
    fn take_spare(&mut self) -> Option<PathBuf> {
        self.spare.take()?.join().ok()?.ok()
    }
}

/// A new segment takes at most one part in so many of the room there is.
const SHARE: u64 = 4;

/// Bytes between marks.
const MARK: u64 = 64 << 10;

impl Segments {
    /// Opens the log in a folder, which is made when it is missing, after a snapshot of entry
    /// `after`. An unfinished block at the end is cut away. Only for the one process that owns the
    /// folder.
    pub fn open(
        folder: &Path,
        schema_hash: u64,
        after: u64,
        keeping: Keeping,
    ) -> Result<Self, ReadError> {
        Self::open_on(Arc::new(Disk), folder, schema_hash, after, keeping)
    }

    /// The same on another disk.
    pub fn open_on(
        medium: Arc<dyn Medium>,
        folder: &Path,
        schema_hash: u64,
        after: u64,
        keeping: Keeping,
    ) -> Result<Self, ReadError> {
        clear_unfinished(folder).map_err(|source| ReadError::Io {
            path: folder.to_path_buf(),
            source,
        })?;
        let segments = recover::segments(folder, schema_hash)?;
        let end = check(&segments, after)?;
        let mut active = Active {
            file: None,
            at: 0,
            room: 0,
            spare: None,
            failed: None,
        };
        let mut last = after;
        if let (Some(newest), Some(end)) = (segments.last(), end) {
            if end.torn {
                tracing::warn!(file = %newest.path.display(), at = end.at, "an unfinished commit was cut from the log");
                recover::cut(newest, end)?;
            }
            if end.last >= after {
                let failed = |source| ReadError::Io {
                    path: newest.path.clone(),
                    source,
                };
                active.room = fs::metadata(&newest.path).map_err(failed)?.len();
                active.file = Some(medium.open(&newest.path).map_err(failed)?);
                active.at = end.at;
                last = end.last;
            }
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            schema_hash,
            medium,
            keeping,
            files: RwLock::new(
                segments
                    .into_iter()
                    .map(|it| Arc::new(Kept::new(it)))
                    .collect(),
            ),
            active: Mutex::new(active),
            last: AtomicU64::new(last),
            written: AtomicU64::new(end.map_or(0, |end| end.last)),
        })
    }

    /// Begins the next segment, with the entry `first`.
    fn roll(&self, active: &mut Active, first: u64, block: u64) -> io::Result<()> {
        let needed = FILE_HEAD as u64 + block;
        let (made, bytes) = match active.take_spare() {
            Some(spare) if needed <= self.keeping.segment_bytes => {
                (spare, self.keeping.segment_bytes)
            }
            spare => {
                spare.map_or(Ok(()), |spare| self.medium.remove(&spare))?;
                let bytes = self.fitting(needed)?;
                (self.prepare(bytes)?, bytes)
            }
        };
        let before = match self.written.load(Ordering::Acquire) {
            0 => first - 1,
            written => written,
        };
        let about = FileHead {
            first,
            before,
            bytes,
        };
        let path = recover::path_of(&self.folder, first);
        let head = block::file_head(self.schema_hash, about);
        self.medium.begin(&made, &head, &path)?;
        active.file = Some(self.medium.open(&path)?);
        active.at = FILE_HEAD as u64;
        active.room = bytes;
        let kept = Kept::new(Segment { path, about, bytes });
        *kept.marks.lock() = Some(Vec::new());
        self.files.write().push(Arc::new(kept));
        Ok(())
    }

    /// Bytes for a new segment that must hold `needed`: what is configured, or less where there is
    /// little room, of which some is left to others.
    fn fitting(&self, needed: u64) -> io::Result<u64> {
        let wanted = self.keeping.segment_bytes.max(needed);
        let room = self.medium.room(&self.folder)?;
        let ours = room.saturating_sub(limits::DISK_RESERVE_BYTES);
        if needed > ours {
            let message = format!(
                "{room} bytes are free, of which {} stay free for the audit",
                limits::DISK_RESERVE_BYTES
            );
            return Err(io::Error::new(io::ErrorKind::StorageFull, message));
        }
        let most = (ours / SHARE).max(limits::SMALL_SEGMENT_BYTES).min(ours);
        Ok(wanted.min(most).max(needed))
    }

    fn prepare(&self, bytes: u64) -> io::Result<PathBuf> {
        let path = self.spare_path();
        self.medium.prepare(&path, bytes).map(|()| path)
    }

    fn spare_path(&self) -> PathBuf {
        self.folder
            .join(format!("spare-{}.tmp", uuid::Uuid::new_v4()))
    }

    /// Prepares the next segment while there is time, and plenty of room.
    fn prepare_ahead(&self, active: &mut Active) {
        let is_due = active.spare.is_none() && active.at > active.room / 2;
        if !is_due || self.room_beside_reserve() < SHARE * self.keeping.segment_bytes {
            return;
        }
        let (medium, path) = (Arc::clone(&self.medium), self.spare_path());
        let bytes = self.keeping.segment_bytes;
        active.spare = std::thread::Builder::new()
            .name("pu-log-spare".to_owned())
            .spawn(move || medium.prepare(&path, bytes).map(|()| path))
            .ok();
    }

    /// Gives back what was made ahead when room is short.
    fn give_back(&self, active: &mut Active) {
        if active.spare.is_some()
            && self.room_beside_reserve() < self.keeping.segment_bytes
            && let Some(spare) = active.take_spare()
            && let Err(error) = self.medium.remove(&spare)
        {
            tracing::warn!(file = %spare.display(), %error, "cannot be removed to make room");
        }
    }

    /// Bytes there are beside those that stay free. A disk that does not tell is taken for full.
    fn room_beside_reserve(&self) -> u64 {
        let room = self.medium.room(&self.folder).unwrap_or(0);
        room.saturating_sub(limits::DISK_RESERVE_BYTES)
    }
}

/// Writes a block and flushes it. What is written into a file that has been removed is lost.
fn write(file: &dyn Writable, block: &[u8], at: u64) -> io::Result<()> {
    file.write_all_at(block, at)?;
    file.sync()?;
    file.is_there()?.then_some(()).ok_or_else(removed)
}

fn removed() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "the file that is written in was removed",
    )
}

impl Log for Segments {
    fn append(&self, entries: &[Vec<u8>], expected: u64) -> Result<u64, AppendError> {
        let mut active = self.active.lock();
        if let Some(why) = &active.failed {
            return Err(AppendError::Failed(why.clone()));
        }
        let last = self.last.load(Ordering::Acquire);
        if expected != last {
            return Err(AppendError::Conflict { expected, last });
        }
        let bytes = || entries.iter().map(Vec::len).sum();
        let block =
            block::write(last + 1, entries).ok_or_else(|| AppendError::TooLarge(bytes()))?;
        let span = block.len() as u64;
        if active.file.is_none() || active.at + span > active.room {
            // Nothing of these entries is written yet, so it can be tried again.
            self.roll(&mut active, last + 1, span)
                .map_err(|error| AppendError::NoRoom(error.to_string()))?;
        }
        let at = active.at;
        let written = match &active.file {
            Some(file) => write(&**file, &block, at),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        if let Err(error) = written {
            let why = error.to_string();
            active.failed = Some(why.clone());
            return Err(AppendError::Failed(why));
        }
        let newest = last + entries.len() as u64;
        if let Some(kept) = self.files.read().last() {
            kept.mark(last + 1, at);
        }
        active.at += span;
        self.written.store(newest, Ordering::Release);
        self.last.store(newest, Ordering::Release);
        self.prepare_ahead(&mut active);
        Ok(newest)
    }

    fn read_from(&self, sequence: u64) -> Result<Entries<'_>, ReadError> {
        let (first, last) = (self.first(), self.last());
        if sequence < first {
            return Err(ReadError::Trimmed {
                wanted: sequence,
                first,
            });
        }
        let files = self.files.read();
        let begin = files.partition_point(|kept| kept.segment.about.first <= sequence);
        let files: Vec<Arc<Kept>> = files[begin.saturating_sub(1)..].to_vec();
        Ok(Box::new(Reading {
            files: files.into_iter(),
            blocks: None,
            ready: Vec::new().into_iter(),
            from: sequence,
            to: last,
            over: false,
        }))
    }

    fn first(&self) -> u64 {
        let last = self.last();
        let mut first = last + 1;
        if self.written.load(Ordering::Acquire) < last {
            return first;
        }
        let files = self.files.read();
        for kept in files.iter().rev() {
            let about = kept.segment.about;
            first = about.first;
            if about.before + 1 != about.first {
                break;
            }
        }
        first
    }

    fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    fn trim(&self, sequence: u64) -> io::Result<()> {
        // The newest is written in; one is older than `sequence` when the next begins before it.
        let files = self.files.read().clone();
        let older = files
            .windows(2)
            .filter(|pair| pair[1].segment.about.first <= sequence + 1)
            .count();
        let sizes: Vec<u64> = files.iter().map(|kept| kept.bytes()).collect();
        let mut bytes: u64 = sizes.iter().sum();
        let mut gone = 0;
        while gone < older && bytes > self.keeping.keep_bytes {
            fs::remove_file(&files[gone].segment.path)?;
            bytes -= sizes[gone];
            gone += 1;
            self.files.write().remove(0);
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let files = self.files.read();
        files.iter().map(|kept| kept.bytes()).sum()
    }

    fn tend(&self) -> Result<(), AppendError> {
        let mut active = self.active.lock();
        self.give_back(&mut active);
        let is_there = active.file.as_ref().map(|file| file.is_there());
        if matches!(is_there, Some(Ok(false))) && active.failed.is_none() {
            active.failed = Some(removed().to_string());
        }
        let failed = active.failed.clone().map(AppendError::Failed);
        failed.map_or(Ok(()), Err)
    }
}

impl Kept {
    const fn new(segment: Segment) -> Self {
        Self {
            segment,
            marks: Mutex::new(None),
        }
    }

    fn bytes(&self) -> u64 {
        fs::metadata(&self.segment.path).map_or(0, |file| file.len())
    }

    /// Remembers where a block begins, if the last one remembered is far enough back.
    fn mark(&self, first: u64, at: u64) {
        if let Some(marks) = &mut *self.marks.lock()
            && marks.last().is_none_or(|&(_, last)| at >= last + MARK)
        {
            marks.push((first, at));
        }
    }

    /// Begins at the last marked block that is not behind `sequence`. The first time, a segment is
    /// read through for its marks.
    fn blocks(&self, sequence: u64) -> Result<Blocks, ReadError> {
        let mut marks = self.marks.lock();
        if marks.is_none() {
            let mut found: Vec<(u64, u64)> = Vec::new();
            let mut blocks = Blocks::all(&self.segment)?;
            while let Some(head) = blocks.head()? {
                if found
                    .last()
                    .is_none_or(|&(_, last)| blocks.at() >= last + MARK)
                {
                    found.push((head.first, blocks.at()));
                }
                blocks.pass(head);
            }
            *marks = Some(found);
        }
        let marks = marks.as_deref().unwrap_or_default();
        let behind = marks.partition_point(|&(first, _)| first <= sequence);
        match behind.checked_sub(1).and_then(|at| marks.get(at)) {
            Some(&(first, at)) => Blocks::from(&self.segment, at, first),
            None => Blocks::all(&self.segment),
        }
    }
}

/// Entries being read.
struct Reading {
    files: std::vec::IntoIter<Arc<Kept>>,
    blocks: Option<Blocks>,
    ready: std::vec::IntoIter<Entry>,
    from: u64,
    to: u64,
    over: bool,
}

impl Reading {
    fn step(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            if let Some(entry) = self.ready.next() {
                return Ok(Some(entry));
            }
            if self.from > self.to {
                return Ok(None);
            }
            let Some(blocks) = &mut self.blocks else {
                let Some(kept) = self.files.next() else {
                    return Ok(None);
                };
                let blocks = kept.blocks(self.from)?;
                if blocks.next() > self.from {
                    return Err(blocks.damaged(0, Wrong::Short));
                }
                self.blocks = Some(blocks);
                continue;
            };
            let Some(head) = blocks.head()? else {
                self.blocks = None;
                continue;
            };
            if head.first + u64::from(head.count) > self.from {
                let mut entries = blocks.entries(head)?;
                entries.retain(|entry| (self.from..=self.to).contains(&entry.sequence));
                self.from = head.first + u64::from(head.count);
                self.ready = entries.into_iter();
            }
            blocks.pass(head);
        }
    }
}

impl Iterator for Reading {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let step = self.step().transpose();
        self.over = !matches!(step, Some(Ok(_)));
        step
    }
}

/// The entries after a snapshot, read from the files alone: for who does not own the folder. An
/// unfinished commit at the end is passed over.
pub fn read_only(folder: &Path, schema_hash: u64, after: u64) -> Result<Vec<Entry>, ReadError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match read_files(folder, schema_hash, after) {
            // The owner may be writing the very block.
            Err(ReadError::Damaged { .. }) if tries < 5 => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            read => return read,
        }
    }
}

fn read_files(folder: &Path, schema_hash: u64, after: u64) -> Result<Vec<Entry>, ReadError> {
    let segments = recover::segments(folder, schema_hash)?;
    let Some(end) = check(&segments, after)? else {
        return Ok(Vec::new());
    };
    let begin = segments
        .partition_point(|it| it.about.first <= after + 1)
        .saturating_sub(1);
    let files: Vec<Arc<Kept>> = segments
        .into_iter()
        .skip(begin)
        .map(|segment| Arc::new(Kept::new(segment)))
        .collect();
    let reading = Reading {
        files: files.into_iter(),
        blocks: None,
        ready: Vec::new().into_iter(),
        from: after + 1,
        to: end.last,
        over: false,
    };
    reading.collect()
}

/// Finds the end of the log, and that no entry after a snapshot of entry `after` is missing.
fn check(segments: &[Segment], after: u64) -> Result<Option<recover::End>, ReadError> {
    let Some(newest) = segments.last() else {
        return Ok(None);
    };
    segments.iter().try_for_each(Segment::check_length)?;
    let end = recover::end(newest)?;
    // Going back from the newest, each file must follow on the one before it until the snapshot is
    // reached.
    let mut first = end.last + 1;
    for segment in segments.iter().rev() {
        first = segment.about.first;
        if first <= after + 1 || segment.about.before + 1 != first {
            break;
        }
    }
    if end.last > after && first > after + 1 {
        return Err(ReadError::Trimmed {
            wanted: after + 1,
            first,
        });
    }
    Ok(Some(end))
}

/// Removes prepared segments that were never begun, and makes the folder when it is missing.
fn clear_unfinished(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        files::create_folder(folder)?;
        return files::give_to_owner_of_folder(&fs::File::open(folder)?, folder);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "tmp") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
