//! Reading the log of a register that somebody else may be writing: entry after entry, and on from
//! there when more has come.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::recover::{self, Blocks, Segment};
use super::{ReadError, Wrong};
use crate::store::entry::Entry;

/// Who reads a log from the files alone.
pub struct Follower {
    folder: PathBuf,
    schema_hash: u64,
    reading: Option<(Segment, Blocks)>,
    ready: std::vec::IntoIter<Entry>,
    /// The entry to come.
    next: u64,
}

/// Looks at a block that is not whole before it is taken for damage: its owner may be writing it.
const TRIES: u32 = 5;

const PAUSE: Duration = Duration::from_millis(20);

impl Follower {
    /// Begins with the entry `next`, or with the oldest there is when that is gone.
    pub fn open(folder: &Path, schema_hash: u64, next: u64) -> Result<Self, ReadError> {
        let segments = recover::segments(folder, schema_hash)?;
        let oldest = segments.first().map_or(0, |segment| segment.about.first);
        Ok(Self {
            folder: folder.to_path_buf(),
            schema_hash,
            reading: None,
            ready: Vec::new().into_iter(),
            next: next.max(oldest),
        })
    }

    /// The next entry; `None` when there is none yet.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            if let Some(entry) = self.ready.next() {
                self.next = entry.sequence + 1;
                return Ok(Some(entry));
            }
            if !self.block()? && !self.segment()? {
                return Ok(None);
            }
        }
    }

    /// Reads the next block, when there is one.
    fn block(&mut self) -> Result<bool, ReadError> {
        let mut tries = 0;
        let Some((segment, blocks)) = &mut self.reading else {
            return Ok(false);
        };
        loop {
            let read = match blocks.head() {
                Ok(None) => return Ok(false),
                Ok(Some(head)) if head.first + u64::from(head.count) <= self.next => {
                    blocks.pass(head);
                    continue;
                }
                Ok(Some(head)) => blocks.entries(head).inspect(|_| blocks.pass(head)),
                Err(error) => Err(error),
            };
            match read {
                Ok(mut read) => {
                    read.retain(|entry| entry.sequence >= self.next);
                    self.ready = read.into_iter();
                    return Ok(true);
                }
                Err(ReadError::Damaged { .. }) if tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(PAUSE);
                }
                // A commit that was never finished is no damage.
                Err(damaged @ ReadError::Damaged { .. }) => {
                    let is_unfinished = recover::end(segment)?.at == blocks.at();
                    return if is_unfinished {
                        Ok(false)
                    } else {
                        Err(damaged)
                    };
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes to the segment that holds the next entry, when it is another one than now.
    fn segment(&mut self) -> Result<bool, ReadError> {
        let mut segments = recover::segments(&self.folder, self.schema_hash)?;
        // An import into a stopped register leaves a gap: its changes are in the snapshot alone.
        let reached = self.reading.as_ref().map(|(_, blocks)| blocks.next());
        if let Some(after) = segments.iter().position(|segment| {
            Some(segment.about.before + 1) == reached && segment.about.first > self.next
        }) {
            self.next = segments[after].about.first;
        }
        // What is gone, or has not begun where it was expected to, begins with the oldest there is.
        let Some(oldest) = segments.first() else {
            return Ok(false);
        };
        self.next = self.next.max(oldest.about.first);
        let holding = segments.partition_point(|segment| segment.about.first <= self.next);
        let holding = holding.saturating_sub(1);
        let segment = segments.swap_remove(holding);
        let is_other = |(now, _): &(Segment, Blocks)| now.path != segment.path;
        if !self.reading.as_ref().is_none_or(is_other) {
            return self.is_short(segments);
        }
        let blocks = Blocks::all(&segment)?;
        self.reading = Some((segment, blocks));
        Ok(true)
    }
}

impl Follower {
    /// Whether more has come into the segment that was read to its end while later ones were looked
    /// for. When nothing has, and there are later ones, entries between them are missing.
    fn is_short(&mut self, segments: Vec<Segment>) -> Result<bool, ReadError> {
        let later = segments.into_iter().find(|it| it.about.first > self.next);
        let (Some(later), Some((_, blocks))) = (later, &mut self.reading) else {
            return Ok(false);
        };
        if later.about.before < blocks.next() {
            return Ok(false);
        }
        if let Some(head) = blocks.head()?
            && blocks.bytes_of(head).is_ok()
        {
            return Ok(true);
        }
        Err(ReadError::Damaged {
            path: later.path,
            at: 0,
            what: Wrong::Short,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::DateTime;
    use crate::store::entry::Origin;
    use crate::store::log::Log;
    use crate::store::log::segments::{Keeping, Segments};

    fn append(log: &Segments, count: u64) {
        let at = DateTime::parse("2025-01-07T06:00:00").unwrap();
        let last = log.last();
        let entries: Vec<Vec<u8>> = (last + 1..=last + count)
            .map(|sequence| {
                let by = "x".repeat(300);
                let origin = Origin {
                    by,
                    ..Origin::default()
                };
                Entry::new(sequence, at, origin, Vec::new(), Vec::new())
                    .to_bytes()
                    .unwrap()
            })
            .collect();
        log.append(&entries, last).unwrap();
    }

    fn rest(follower: &mut Follower) -> Vec<u64> {
        std::iter::from_fn(|| follower.next_entry().unwrap())
            .map(|entry| entry.sequence)
            .collect()
    }

    #[test]
    fn what_comes_is_read_on_over_the_ends_of_files() {
        let folder = tempfile::tempdir().unwrap();
        let keeping = Keeping {
            segment_bytes: 4096,
            keep_bytes: u64::MAX,
        };
        let mut nobody = Follower::open(folder.path(), 7, 0).unwrap();
        assert!(nobody.next_entry().unwrap().is_none());
        let log = Segments::open(folder.path(), 7, 10, keeping).unwrap();
        append(&log, 3);
        let mut all = Follower::open(folder.path(), 7, 0).unwrap();
        assert_eq!(rest(&mut all), [11, 12, 13]);
        assert!(rest(&mut all).is_empty());
        for round in 0..20_u64 {
            append(&log, 2);
            let first = 14 + 2 * round;
            assert_eq!(rest(&mut all), [first, first + 1]);
        }
        let mut some = Follower::open(folder.path(), 7, 44).unwrap();
        assert_eq!(rest(&mut some), (44..=53).collect::<Vec<_>>());
        assert_eq!(rest(&mut nobody), (11..=53).collect::<Vec<_>>());
        drop(log);
        // An import in between: the log goes on after a gap.
        let log = Segments::open(folder.path(), 7, 100, keeping).unwrap();
        append(&log, 1);
        assert_eq!(rest(&mut all), [101]);
    }

    #[test]
    fn a_segment_that_is_cut_or_gone_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let keeping = Keeping {
            segment_bytes: 4096,
            keep_bytes: u64::MAX,
        };
        let log = Segments::open(folder.path(), 7, 0, keeping).unwrap();
        for _ in 0..20 {
            append(&log, 2);
        }
        drop(log);
        let read = || {
            let mut follower = Follower::open(folder.path(), 7, 0).unwrap();
            loop {
                match follower.next_entry() {
                    Ok(Some(_)) => {}
                    other => return other.map(drop),
                }
            }
        };
        read().unwrap();
        let segments = recover::segments(folder.path(), 7).unwrap();
        assert!(segments.len() > 3);
        let path = &segments[1].path;
        let whole = std::fs::read(path).unwrap();
        // At the end of a block, and within one.
        let mut blocks = Blocks::all(&segments[1]).unwrap();
        let head = blocks.head().unwrap().unwrap();
        blocks.pass(head);
        for at in [blocks.at(), blocks.at() + 100] {
            std::fs::write(path, &whole[..usize::try_from(at).unwrap()]).unwrap();
            let error = read().unwrap_err();
            assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
        }
        std::fs::remove_file(path).unwrap();
        let error = read().unwrap_err();
        assert!(
            matches!(
                error,
                ReadError::Damaged {
                    what: Wrong::Short,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_foreign_log_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let log = Segments::open(folder.path(), 7, 0, Keeping::default()).unwrap();
        append(&log, 1);
        let refused = Follower::open(folder.path(), 8, 0).err().unwrap();
        assert!(matches!(refused, ReadError::Foreign { .. }));
    }
}
