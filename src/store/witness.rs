//! The witness: a small file beside the log that tells how far the register has come, so that a log
//! that was lost, shortened or put back from an older day is noticed, and no number is issued twice.
//!
//! ```text
//! 0, 512: two places for the same 128 bytes, written in turn:
//!         "PUWITNES", format u32, checksum u32 of what follows, turn u64, last entry that was flushed
//!         u64, last entry begun u64, time of the newest entry u64 (`DateTime` bits, 0: none), time by
//!         the clock u64 (the same), milliseconds since the machine started u64, that start 16 bytes,
//!         number of this file in its file system u64, whether
//!         numbers go on as they should u64, milliseconds since 1970 when this was written u64, zeros
//! 4096:   one place of 32 bytes for each series of issued numbers: series u64, place of the first
//!         number that was never issued u64, checksum u32 of these 16 bytes, zeros
//! ```
//!
//! A commit writes that it begins, with the numbers it issues, and that is flushed while the log is; when
//! both are on the disk it writes that the entries are, and that is flushed with the next commit. So
//! numbers are on the disk before anybody is told of them; and the last entry is known to whoever starts
//! after the process was killed, and after a power cut up to the last commit but one.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use crossbeam::channel::{Receiver, Sender, bounded};

use super::log::medium::{Disk, Medium, Writable};
use crate::base::limits;
use crate::base::time::{DateTime, Moment, Uptime};

/// The name of the file in a data folder.
const NAME: &str = "witness";

/// What a witness has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// The last entry that is known to have been flushed.
    pub flushed: u64,
    /// The last entry that was begun.
    pub begun: u64,
    /// When the newest entry was committed.
    pub at: Option<DateTime>,
    /// What time it was when this was written, by the clock.
    pub clock: Option<DateTime>,
    /// The same by the machine's own time.
    pub uptime: Uptime,
    /// Whether series of numbers go on beyond whatever may have been issued before this file was made.
    pub goes_on: bool,
    /// The file in its file system: a copy is another.
    inode: u64,
    /// When this was written, in milliseconds since 1970: the file's own times say the same, unless it
    /// was put back.
    written: u64,
    turn: u64,
}

/// Why a witness cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The system failed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("{0} is damaged: what it knows of the register cannot be read")]
    Damaged(PathBuf),
}

/// The witness of a register at work.
pub struct Witness {
    path: PathBuf,
    medium: Arc<dyn Medium>,
    file: Arc<dyn Writable>,
    flusher: Flusher,
    seen: Seen,
    series: HashMap<u64, Place>,
    /// Places for series in the file.
    room: u64,
}

/// Where a series stands in the file, and how far it has come.
struct Place {
    at: u64,
    next: u64,
}

const MAGIC: &[u8; 8] = b"PUWITNES";
const FORMAT: u32 = 1;
/// Bytes that tell what was seen, and where they lie in turn.
const SEEN: usize = 128;
const PLACES: [u64; 2] = [0, 512];
/// Where series begin, and bytes of each.
const SERIES_AT: u64 = 4096;
const SERIES: u64 = 32;
/// Series that a new file has room for.
const ROOM: u64 = 2_048;

/// Where what was seen is written this time.
const fn place_of(turn: u64) -> u64 {
    PLACES[(turn % 2) as usize]
}

/// The path of a data folder's witness.
pub fn path_of(data: &Path) -> PathBuf {
    data.join(NAME)
}

/// A witness as it is read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Testimony {
    /// What it has seen.
    pub seen: Seen,
    /// Of each series of issued numbers the place of the first that was never issued.
    pub series: Vec<(u64, u64)>,
    /// Whether it lies elsewhere than it was written: the data folder was put back, or moved to
    /// another file system.
    pub is_copy: bool,
}

/// Reads the witness of a data folder; `None` when there is none.
pub fn read(data: &Path) -> Result<Option<Testimony>, WitnessError> {
    let path = path_of(data);
    let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
    let bytes = opened.and_then(|(about, mut file)| {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes).map(|_| (about, bytes))
    });
    let (about, bytes) = match bytes {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(WitnessError::Io { path, source }),
    };
    let seen = PLACES.iter().filter_map(|&at| {
        let bytes = bytes.get(usize::try_from(at).ok()?..)?;
        Seen::from_bytes(bytes.first_chunk()?)
    });
    let newest = seen.max_by_key(|seen| seen.turn);
    let Some(seen) = newest else {
        return Err(WitnessError::Damaged(path));
    };
    let places = bytes.get(SERIES_AT as usize..).unwrap_or_default();
    let places = places.chunks_exact(SERIES as usize);
    let series = places.filter(|bytes| bytes.iter().any(|&byte| byte != 0));
    let series: Option<Vec<(u64, u64)>> = series.map(series_from).collect();
    Ok(Some(Testimony {
        seen,
        series: series.ok_or(WitnessError::Damaged(path))?,
        is_copy: seen.inode != about.ino() || seen.was_put_back(&about),
    }))
}

impl Witness {
    /// Opens the witness of a data folder, which is made when it is missing or a copy. `flushed` and
    /// `at` are of the newest entry that is there.
    pub fn open(data: &Path, flushed: u64, at: Option<DateTime>) -> Result<Self, WitnessError> {
        Self::open_on(Arc::new(Disk), data, flushed, at)
    }

    /// The same on another disk.
    pub fn open_on(
        medium: Arc<dyn Medium>,
        data: &Path,
        flushed: u64,
        at: Option<DateTime>,
    ) -> Result<Self, WitnessError> {
        let path = path_of(data);
        let failed = |source| WitnessError::Io {
            path: path.clone(),
            source,
        };
        let read = read(data)?;
        let is_here = read.as_ref().is_some_and(|read| !read.is_copy);
        let known = read.map(|read| (read.seen, read.series));
        let (mut seen, series) = known.unwrap_or_default();
        (seen.flushed, seen.begun, seen.at) = (flushed, flushed, at.or(seen.at));
        let places = (0..).zip(series);
        let series: HashMap<u64, Place> = places
            .map(|(at, (series, next))| (series, Place { at, next }))
            .collect();
        let (file, room) = if is_here {
            let bytes = fs::metadata(&path).map_err(failed)?.len();
            let file = medium.open(&path).map_err(failed)?;
            (file, bytes.saturating_sub(SERIES_AT) / SERIES)
        } else {
            seen.goes_on = false;
            make(&*medium, &path, &mut seen, &series).map_err(failed)?
        };
        let file: Arc<dyn Writable> = file.into();
        let mut witness = Self {
            flusher: Flusher::start(Arc::clone(&file)).map_err(failed)?,
            path: path.clone(),
            medium,
            file,
            seen,
            series,
            room,
        };
        witness.tell().map_err(failed)?;
        Ok(witness)
    }

    /// Says that entries up to `last` are begun, and how far series of numbers come with them; and
    /// begins to flush that. After a flush that failed nothing is taken any more.
    pub fn begin(&mut self, last: u64, issued: &[(u64, u64)]) -> Result<(), WitnessError> {
        self.seen.begun = last;
        let begun = self
            .put(issued)
            .and_then(|()| self.tell())
            .and_then(|()| self.flusher.begin());
        begun.map_err(|source| self.failed(source))
    }

    /// Waits until what was said last is on the disk.
    pub fn wait(&mut self) -> Result<(), WitnessError> {
        self.flusher.wait().map_err(|source| self.failed(source))
    }

    /// Says that entries up to `last` are on the disk, the newest of this time. That is flushed with
    /// the next commit.
    pub fn end(&mut self, last: u64, at: DateTime) -> Result<(), WitnessError> {
        self.seen.flushed = last;
        self.seen.at = Some(at);
        self.tell().map_err(|source| self.failed(source))
    }

    /// Says what time it is. A file that was removed is made anew.
    pub fn tell_time(&mut self, clock: DateTime, uptime: Uptime) -> Result<(), WitnessError> {
        self.seen.clock = Some(clock);
        self.seen.uptime = uptime;
        let told = match self.file.is_there() {
            Ok(true) => self.tell(),
            Ok(false) => self.write_anew(),
            Err(error) => Err(error),
        };
        told.map_err(|source| self.failed(source))
    }

    /// Says that series of numbers go on beyond whatever may have been issued before.
    pub fn tell_goes_on(&mut self) -> Result<(), WitnessError> {
        self.seen.goes_on = true;
        self.begin(self.seen.begun, &[])?;
        self.wait()
    }

    /// Notes how far series have come, each in the place that it has or gets.
    fn put(&mut self, issued: &[(u64, u64)]) -> io::Result<()> {
        for &(series, next) in issued {
            let at = self.series.len() as u64;
            let place = self.series.entry(series).or_insert(Place { at, next });
            place.next = next.max(place.next);
            if place.at >= self.room {
                self.write_anew()?;
                continue;
            }
            let bytes = series_bytes(series, place.next);
            let at = SERIES_AT + place.at * SERIES;
            self.file.write_all_at(&bytes, at)?;
        }
        Ok(())
    }

    /// Writes what was seen, over the older one of the two.
    fn tell(&mut self) -> io::Result<()> {
        self.seen.turn += 1;
        self.seen.written = millis_now();
        let place = place_of(self.seen.turn);
        self.file.write_all_at(&self.seen.to_bytes(), place)
    }

    fn write_anew(&mut self) -> io::Result<()> {
        let (file, room) = make(&*self.medium, &self.path, &mut self.seen, &self.series)?;
        self.file = file.into();
        self.flusher = Flusher::start(Arc::clone(&self.file))?;
        self.room = room;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> WitnessError {
        WitnessError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

/// Writes everything into a new file, with room for more series, and puts that in place. Gives it, and
/// for how many series it has room.
fn make(
    medium: &dyn Medium,
    path: &Path,
    seen: &mut Seen,
    series: &HashMap<u64, Place>,
) -> io::Result<(Box<dyn Writable>, u64)> {
    let room = ROOM.max(2 * series.len() as u64);
    let made = path.with_extension("tmp");
    medium.prepare(&made, SERIES_AT + room * SERIES)?;
    let file = medium.open(&made)?;
    for (&series, place) in series {
        let bytes = series_bytes(series, place.next);
        file.write_all_at(&bytes, SERIES_AT + place.at * SERIES)?;
    }
    seen.inode = fs::metadata(&made)?.ino();
    seen.turn += 1;
    seen.written = millis_now();
    file.write_all_at(&seen.to_bytes(), place_of(seen.turn))?;
    file.sync()?;
    medium.put(&made, path)?;
    Ok((file, room))
}

/// Notes, for a register that stands still, that its newest state is entry `last` of the time `at`.
/// Without a witness nothing is noted: one is made when the register is opened to be changed.
pub fn note(data: &Path, last: u64, at: &Moment) -> Result<(), WitnessError> {
    if read(data)?.is_none() {
        return Ok(());
    }
    let mut witness = Witness::open(data, last, Some(at.date_time))?;
    witness.end(last, at.date_time)?;
    witness.begin(last, &[])?;
    witness.wait()
}

fn millis_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

impl Seen {
    /// Whether the file's times are not those of its last writing. `cp`, `tar` and `rsync` put back what
    /// was modified when, or say now; nobody can put back when a file was changed.
    fn was_put_back(&self, about: &Metadata) -> bool {
        let written = i64::try_from(self.written / 1000).unwrap_or(0);
        let others = [about.mtime(), about.ctime()];
        let apart = others.map(|it| it.abs_diff(written));
        apart
            .iter()
            .any(|seconds| *seconds > limits::WRITTEN_WITHIN.as_secs())
    }

    fn to_bytes(self) -> [u8; SEEN] {
        let mut bytes = [0; SEEN];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        let bits = |at: Option<DateTime>| at.map_or(0, DateTime::bits);
        let numbers = [
            self.turn,
            self.flushed,
            self.begun,
            bits(self.at),
            bits(self.clock),
            self.uptime.millis,
        ];
        for (at, number) in (16..).step_by(8).zip(numbers) {
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        bytes[64..80].copy_from_slice(&self.uptime.boot);
        bytes[80..88].copy_from_slice(&self.inode.to_le_bytes());
        bytes[88] = u8::from(self.goes_on);
        bytes[96..104].copy_from_slice(&self.written.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[16..]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; SEEN]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = bytes.get(at..)?.first_chunk()?;
            Some(u64::from_le_bytes(*bytes))
        };
        let checksum = crc32c::crc32c(&bytes[16..]).to_le_bytes();
        let is_whole = &bytes[..8] == MAGIC
            && bytes[8..12] == FORMAT.to_le_bytes()
            && bytes[12..16] == checksum;
        is_whole.then_some(())?;
        Some(Self {
            turn: number(16)?,
            flushed: number(24)?,
            begun: number(32)?,
            at: DateTime::from_bits(number(40)?),
            clock: DateTime::from_bits(number(48)?),
            uptime: Uptime {
                millis: number(56)?,
                boot: *bytes.get(64..)?.first_chunk()?,
            },
            inode: number(80)?,
            goes_on: number(88)? != 0,
            written: number(96)?,
        })
    }
}

fn series_bytes(series: u64, next: u64) -> [u8; SERIES as usize] {
    let mut bytes = [0; SERIES as usize];
    bytes[..8].copy_from_slice(&series.to_le_bytes());
    bytes[8..16].copy_from_slice(&next.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..16]);
    bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The series in a place, and how far it has come.
fn series_from(bytes: &[u8]) -> Option<(u64, u64)> {
    let (series, rest) = bytes.split_first_chunk()?;
    let (next, rest) = rest.split_first_chunk()?;
    let checksum = crc32c::crc32c(&bytes[..16]).to_le_bytes();
    let is_whole = rest.starts_with(&checksum);
    is_whole.then_some((u64::from_le_bytes(*series), u64::from_le_bytes(*next)))
}

/// Flushes a file on a thread of its own, while the log is flushed by the committer's.
struct Flusher {
    asked: Option<Sender<()>>,
    done: Receiver<io::Result<()>>,
    is_waited_for: bool,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    fn start(file: Arc<dyn Writable>) -> io::Result<Self> {
        let (asked, asks) = bounded::<()>(1);
        let (told, done) = bounded(1);
        let thread = std::thread::Builder::new().name("pu-witness".to_owned());
        let thread = thread.spawn(move || {
            // After a flush that failed it is not known what the disk holds: there is no second one.
            while asks.recv().is_ok() {
                let flushed = file.sync();
                let goes_on = flushed.is_ok();
                if told.send(flushed).is_err() || !goes_on {
                    break;
                }
            }
        })?;
        Ok(Self {
            asked: Some(asked),
            done,
            is_waited_for: false,
            thread: Some(thread),
        })
    }

    fn begin(&mut self) -> io::Result<()> {
        let asked = self.asked.as_ref().map(|asked| asked.send(()));
        self.is_waited_for = true;
        asked.and_then(Result::ok).ok_or_else(gone)
    }

    fn wait(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.is_waited_for) {
            return Ok(());
        }
        self.done.recv().map_err(|_| gone())?
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that flushes is gone")
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.asked = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was logged where it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime {
        DateTime::parse(text).unwrap()
    }

    fn open(data: &Path, last: u64) -> Witness {
        Witness::open(data, last, None).unwrap()
    }

    #[test]
    fn what_was_seen_is_read_back_whatever_was_written_last() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(read(data.path()).unwrap(), None);
        let mut witness = open(data.path(), 4);
        let when = at("2026-11-30T12:00:00.123");
        for last in 5..25 {
            witness.begin(last, &[(last % 3, last), (7, 1)]).unwrap();
            let seen = read(data.path()).unwrap().unwrap();
            assert_eq!((seen.seen.flushed, seen.seen.begun), (last - 1, last));
            witness.wait().unwrap();
            witness.end(last, when).unwrap();
            let mut read = read(data.path()).unwrap().unwrap();
            assert_eq!((read.seen.flushed, read.seen.at), (last, Some(when)));
            read.series.sort_unstable();
            let mut wanted: Vec<(u64, u64)> = (5.max(last - 2)..=last)
                .map(|it| (it % 3, it))
                .chain([(7, 1)])
                .collect();
            wanted.sort_unstable();
            assert_eq!(read.series, wanted);
            assert!(!read.is_copy);
        }
        // One of the two places is torn: the other one tells.
        drop(witness);
        let path = path_of(data.path());
        let mut bytes = fs::read(&path).unwrap();
        let newest = read(data.path()).unwrap().unwrap().seen;
        bytes[place_of(newest.turn) as usize + 20] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let older = read(data.path()).unwrap().unwrap().seen;
        assert_eq!((older.flushed, older.turn), (23, newest.turn - 1));
        bytes[place_of(older.turn) as usize + 20] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(read(data.path()), Err(WitnessError::Damaged(_))));
    }

    #[test]
    fn a_copy_is_told_from_the_witness_itself_and_made_its_own() {
        let data = tempfile::tempdir().unwrap();
        let mut witness = open(data.path(), 4);
        witness.begin(5, &[(1, 50)]).unwrap();
        witness.wait().unwrap();
        drop(witness);
        let path = path_of(data.path());
        fs::copy(&path, path.with_extension("copy")).unwrap();
        fs::rename(path.with_extension("copy"), &path).unwrap();
        let read_again = || read(data.path()).unwrap().unwrap();
        assert!(read_again().is_copy);
        drop(open(data.path(), 4));
        assert!(!read_again().is_copy);
        assert_eq!(read_again().series, [(1, 50)]);
    }

    #[test]
    fn thousands_of_series_find_their_places_and_a_changed_one_is_damage() {
        let data = tempfile::tempdir().unwrap();
        let mut witness = open(data.path(), 0);
        for number in 1..=5_000 {
            witness.begin(number, &[(number * 7, number)]).unwrap();
            witness.wait().unwrap();
            if number % 1_700 == 0 {
                drop(witness);
                witness = open(data.path(), number);
            }
        }
        let mut series = read(data.path()).unwrap().unwrap().series;
        series.sort_unstable();
        assert!((1..=5_000).map(|it| (it * 7, it)).eq(series));
        let path = path_of(data.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes[SERIES_AT as usize + 9] ^= 4;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(read(data.path()), Err(WitnessError::Damaged(_))));
    }

    #[test]
    fn a_witness_that_is_removed_while_it_is_written_comes_back() {
        let data = tempfile::tempdir().unwrap();
        let mut witness = open(data.path(), 3);
        fs::remove_file(path_of(data.path())).unwrap();
        let clock = at("2026-11-30T12:00:00");
        witness.tell_time(clock, Uptime::now()).unwrap();
        let read = read(data.path()).unwrap().unwrap();
        assert_eq!((read.seen.flushed, read.seen.clock), (3, Some(clock)));
    }
}
