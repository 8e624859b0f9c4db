//! Reading a whole snapshot to see that it is what was written: before a node says it is ready, and
//! on demand. Opening does not do this.

use std::error::Error;
use std::num::NonZero;
use std::ops::Range;
use std::thread;

use xxhash_rust::xxh3::xxh3_64;

use crate::store::error::VerifyError;
use crate::store::index::identity::{BUCKET_BYTES, SLOTS};
use crate::store::layout::{RECORDS_START, Section};
use crate::store::snapshot::Snapshot;

/// Bytes between two reports of progress.
const STEP: u64 = 4 << 20;

/// What was found in a snapshot that is whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// Number of records.
    pub records: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Buckets of the identity index.
    pub buckets: u64,
    /// Buckets with no free slot.
    pub full_buckets: u64,
}

impl Snapshot {
    /// Reads the whole file: checksums, zeros between the sections, each record's end, that the
    /// identity index points to each record once, and the order of the search index. `progress` is
    /// told bytes read and bytes in all. Takes 8 bytes of memory a record.
    pub fn verify(&self, mut progress: impl FnMut(u64, u64)) -> Result<Report, VerifyError> {
        let total = whole(self.file_bytes());
        let mut at = RECORDS_START;
        for (section, extent) in self.sections() {
            self.check_padding(at, extent.offset)?;
            at = extent.offset;
            if section == Section::Checksums {
                self.check_checksums()?;
                at = at.saturating_add(extent.length);
            }
            for block in 0..self.blocks_in(section) {
                at = at.saturating_add(self.read_block(section, block)?);
                if at.is_multiple_of(STEP) {
                    progress(at, total);
                }
            }
            progress(at, total);
        }
        self.settle();
        self.check_ends()?;
        if self.is_searchable() {
            self.check_search()
                .ok_or_else(|| VerifyError::SearchIndex {
                    path: self.path().to_path_buf(),
                    offset: self.extent(Section::Search).offset,
                })?;
        }
        self.check_index()
    }

    /// Reads each record through the caller's eyes, on all processors: `key_of` gets its position and
    /// its own bytes, checks them and gives its key. Keys must ascend, and each must be found.
    pub fn verify_records<E: Into<Box<dyn Error + Send + Sync>>>(
        &self,
        key_of: impl Fn(u64, &[u8]) -> Result<u64, E> + Sync,
    ) -> Result<(), VerifyError> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let each = self.len().div_ceil(whole(processors)).max(1);
        let key_of = &key_of;
        let checked: Vec<_> = thread::scope(|scope| {
            let starts = (0..self.len()).step_by(usize::try_from(each).unwrap_or(usize::MAX));
            let threads: Vec<_> = starts
                .map(|start| start..self.len().min(start + each))
                .map(|stretch| scope.spawn(move || self.check_records(stretch, key_of)))
                .collect();
            let ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
            ended
                .map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let mut before = None;
        for stretch in checked {
            let (start, first, last) = stretch?;
            if before.is_some_and(|before| first <= before) {
                return Err(self.wrong_order(start));
            }
            before = Some(last);
        }
        Ok(())
    }

    /// The same of some records. Gives the position of the first, its key, and the key of the last.
    fn check_records<E: Into<Box<dyn Error + Send + Sync>>>(
        &self,
        stretch: Range<u64>,
        key_of: impl Fn(u64, &[u8]) -> Result<u64, E>,
    ) -> Result<(u64, u64, u64), VerifyError> {
        let start = stretch.start;
        let mut keys: Option<(u64, u64)> = None;
        for ordinal in stretch {
            let path = || self.path().to_path_buf();
            let wrong_end = || self.wrong_end(ordinal);
            let range = self.ends().range(ordinal).ok_or_else(wrong_end)?;
            let record = self.slice(&range).ok_or_else(wrong_end)?;
            let offset = || self.offset_of(ordinal);
            let key = key_of(ordinal, record).map_err(|source| VerifyError::Record {
                path: path(),
                ordinal,
                offset: offset(),
                source: source.into(),
            })?;
            if keys.is_some_and(|(_, last)| key <= last) {
                return Err(self.wrong_order(ordinal));
            }
            keys = Some((keys.map_or(key, |(first, _)| first), key));
            // No two records end at the same place, so an end is as good as the key itself.
            self.identities()
                .find(key, |end| end == range.end)
                .ok_or_else(|| VerifyError::KeyNotFound {
                    path: path(),
                    ordinal,
                    offset: offset(),
                })?;
        }
        let (first, last) = keys.ok_or_else(|| self.wrong_end(start))?;
        Ok((start, first, last))
    }

    fn wrong_order(&self, ordinal: u64) -> VerifyError {
        VerifyError::KeyOrder {
            path: self.path().to_path_buf(),
            ordinal,
            offset: self.offset_of(ordinal),
        }
    }

    /// Where a record lies in the file.
    pub(super) fn offset_of(&self, ordinal: u64) -> u64 {
        let start = self.ends().range(ordinal).map_or(0, |range| range.start);
        self.extent(Section::Records).offset.saturating_add(start)
    }

    /// The checksums of blocks are still those that were taken into memory.
    pub(super) fn check_checksums(&self) -> Result<(), VerifyError> {
        let extent = self.extent(Section::Checksums);
        if xxh3_64(self.section(Section::Checksums)) == extent.checksum {
            return Ok(());
        }
        Err(self.damaged_at(Section::Checksums, extent.offset))
    }

    fn check_padding(&self, from: u64, to: u64) -> Result<(), VerifyError> {
        let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        let padding = range.and_then(|(from, to)| self.bytes().get(from..to));
        match padding
            .unwrap_or_default()
            .iter()
            .position(|&byte| byte != 0)
        {
            None => Ok(()),
            Some(at) => Err(VerifyError::Padding {
                path: self.path().to_path_buf(),
                offset: from.saturating_add(whole(at)),
            }),
        }
    }

    /// Each record starts where the one before ends, has a byte at least, and the last ends with
    /// the section.
    fn check_ends(&self) -> Result<(), VerifyError> {
        let length = self.extent(Section::Records).length;
        let mut last = 0;
        for ordinal in 0..self.len() {
            last = self
                .ends()
                .range(ordinal)
                .filter(|range| range.start == last && range.end <= length)
                .ok_or_else(|| self.wrong_end(ordinal))?
                .end;
        }
        if last != length {
            let start = self.extent(Section::Records).offset;
            return Err(VerifyError::RecordsLength {
                path: self.path().to_path_buf(),
                expected: start.saturating_add(length),
                found: start.saturating_add(last),
            });
        }
        Ok(())
    }

    /// The ends in the index are the ends of the records: sorted, the two lists are one.
    fn check_index(&self) -> Result<Report, VerifyError> {
        let path = || self.path().to_path_buf();
        let mut report = Report {
            records: self.len(),
            bytes: whole(self.file_bytes()),
            buckets: 0,
            full_buckets: 0,
        };
        let mut indexed = Vec::new();
        for bucket in self.identities().ends() {
            let before = indexed.len();
            indexed.extend(bucket.ok_or_else(|| VerifyError::Bucket {
                path: path(),
                offset: self.bucket_offset(report.buckets),
            })?);
            report.buckets += 1;
            report.full_buckets += u64::from(indexed.len() - before == SLOTS);
        }
        if whole(indexed.len()) != self.len() {
            return Err(VerifyError::IndexCount {
                path: path(),
                expected: self.len(),
                found: whole(indexed.len()),
            });
        }
        indexed.sort_unstable();
        for ((ordinal, end), found) in (0..).zip(self.ends().iter()).zip(indexed) {
            if end < found {
                return Err(VerifyError::NotIndexed {
                    path: path(),
                    ordinal,
                });
            }
            if end > found {
                return Err(VerifyError::IndexedEnd {
                    path: path(),
                    offset: self.bucket_offset(self.bucket_with(found)),
                });
            }
        }
        Ok(report)
    }

    /// The last bucket with this end, to name it: of two entries for one record, the later.
    fn bucket_with(&self, end: u64) -> u64 {
        (0..)
            .zip(self.identities().ends())
            .filter_map(|(at, ends)| ends?.any(|found| found == end).then_some(at))
            .last()
            .unwrap_or_default()
    }

    fn bucket_offset(&self, bucket: u64) -> u64 {
        let start = self.extent(Section::Identities).offset;
        start.saturating_add(bucket.saturating_mul(whole(BUCKET_BYTES)))
    }
}

/// A length as a number of the file.
fn whole(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::error::OpenError;
    use crate::store::sample::{SCHEMA, Sample, key_of, reseal};

    fn checked(ordinal: u64, record: &[u8]) -> Result<u64, String> {
        key_of(record).ok_or_else(|| format!("{ordinal} has no key"))
    }

    /// All that can be found wrong, by anyone.
    fn judge(file: Vec<u8>) -> Result<(), Box<dyn Error>> {
        let snapshot = Snapshot::from_bytes(file, SCHEMA)?;
        snapshot.verify(|_, _| ())?;
        Ok(snapshot.verify_records(checked)?)
    }

    /// What `verify` says of a sound sample after a change whose checksums are right.
    fn forged(change: impl FnOnce(&mut Vec<u8>, &dyn Fn(Section) -> usize)) -> VerifyError {
        let sample = Sample::random(100, 9);
        let mut file = sample.bytes();
        let sound = Snapshot::from_bytes(file.clone(), SCHEMA).unwrap();
        let start = |section| usize::try_from(sound.extent(section).offset).unwrap();
        change(&mut file, &start);
        reseal(&mut file);
        let snapshot = Snapshot::from_bytes(file, SCHEMA).unwrap();
        match snapshot.verify(|_, _| ()) {
            Err(wrong) => wrong,
            Ok(_) => snapshot.verify_records(checked).unwrap_err(),
        }
    }

    #[test]
    fn every_bit_of_every_byte_is_held_by_some_check() {
        let whole = Sample::random(3, 7).bytes();
        judge(whole.clone()).unwrap();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                let noticed = match Snapshot::from_bytes(damaged, SCHEMA) {
                    Err(_) => true,
                    Ok(snapshot) => snapshot.verify(|_, _| ()).is_err(),
                };
                assert!(noticed, "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn damage_is_named_by_section_and_offset() {
        let sample = Sample::random(100, 9);
        let whole = sample.bytes();
        let sound = Snapshot::from_bytes(whole.clone(), SCHEMA).unwrap();
        for (damaged, extent) in sound.sections() {
            let mut file = whole.clone();
            file[usize::try_from(extent.offset).unwrap()] ^= 1;
            let snapshot = match Snapshot::from_bytes(file, SCHEMA) {
                Ok(snapshot) => snapshot,
                Err(OpenError::Checksums { offset, .. }) => {
                    assert_eq!((damaged, offset), (Section::Checksums, extent.offset));
                    continue;
                }
                Err(other) => panic!("{other}"),
            };
            let wrong = snapshot.verify(|_, _| ()).unwrap_err();
            assert!(
                matches!(wrong, VerifyError::Checksum { section, offset, .. }
                    if section == damaged && offset == extent.offset),
                "{wrong}"
            );
        }
        let padding = sound.extent(Section::Identities).offset - 1;
        let mut file = whole;
        file[usize::try_from(padding).unwrap()] = 1;
        let snapshot = Snapshot::from_bytes(file, SCHEMA).unwrap();
        assert!(matches!(
            snapshot.verify(|_, _| ()),
            Err(VerifyError::Padding { offset, .. }) if offset == padding
        ));
    }

    #[test]
    fn ends_that_do_not_ascend_without_gap_are_found_behind_right_checksums() {
        // The last byte of record 3's end makes it huge; equal ends make record 4 empty.
        let wrong = forged(|file, start| file[start(Section::Ends) + 8 + 3 * 4 + 3] = 1);
        assert!(
            matches!(wrong, VerifyError::RecordEnd { ordinal: 3, .. }),
            "{wrong}"
        );
        let wrong = forged(|file, start| {
            let at = start(Section::Ends) + 8 + 3 * 4;
            file.copy_within(at..at + 4, at + 4);
        });
        assert!(
            matches!(wrong, VerifyError::RecordEnd { ordinal: 4, .. }),
            "{wrong}"
        );
        // The second group's start leaves a byte to nobody.
        let wrong = forged(|file, start| file[start(Section::Ends) + 264] += 1);
        assert!(
            matches!(wrong, VerifyError::RecordEnd { ordinal: 64, .. }),
            "{wrong}"
        );
        // The last record stops before its section does.
        let wrong = forged(|file, start| file[start(Section::Ends) + 264 + 8 + 35 * 4] -= 1);
        assert!(
            matches!(wrong, VerifyError::RecordsLength { .. }),
            "{wrong}"
        );
    }

    #[test]
    fn an_index_that_does_not_hold_each_record_once_is_found_behind_right_checksums() {
        let first_used =
            |file: &[u8], from: usize| (from..).step_by(64).find(|&at| file[at + 60] > 1).unwrap();
        let wrong = forged(|file, start| {
            let bucket = first_used(file, start(Section::Identities));
            file[bucket + 60] -= 1;
        });
        assert!(
            matches!(
                wrong,
                VerifyError::IndexCount {
                    expected: 100,
                    found: 99,
                    ..
                }
            ),
            "{wrong}"
        );
        let wrong = forged(|file, start| file[start(Section::Identities) + 60] = 11);
        assert!(matches!(wrong, VerifyError::Bucket { .. }), "{wrong}");
        // An end before the first record's, one after the last's, and the same one twice.
        let mut bucket = 0;
        let wrong = forged(|file, start| {
            bucket = first_used(file, start(Section::Identities));
            file[bucket + 10..bucket + 15].copy_from_slice(&[1, 0, 0, 0, 0]);
        });
        assert!(
            matches!(wrong, VerifyError::IndexedEnd { offset, .. } if offset == bucket as u64),
            "{wrong}"
        );
        let wrong = forged(|file, _| file[bucket + 14] = 0xff);
        assert!(matches!(wrong, VerifyError::NotIndexed { .. }), "{wrong}");
        let wrong = forged(|file, _| file.copy_within(bucket + 10..bucket + 15, bucket + 15));
        assert!(
            matches!(
                wrong,
                VerifyError::NotIndexed { .. } | VerifyError::IndexedEnd { .. }
            ),
            "{wrong}"
        );
        // All ends are there, but one is under a fingerprint nobody asks for.
        let wrong = forged(|file, _| file[bucket] ^= 0xff);
        assert!(matches!(wrong, VerifyError::KeyNotFound { .. }), "{wrong}");
    }

    #[test]
    fn records_are_judged_by_the_caller_and_by_their_order() {
        // The first record's key becomes the highest.
        let wrong = forged(|file, start| {
            let end = start(Section::Records) + usize::from(file[start(Section::Ends) + 8]);
            file[end - 1] = 0xff;
            file[end - 2] = 0xff;
        });
        assert!(
            matches!(wrong, VerifyError::KeyNotFound { ordinal: 0, .. }),
            "{wrong}"
        );
        let snapshot = Snapshot::from_bytes(Sample::random(100, 9).bytes(), SCHEMA).unwrap();
        let first = key_of(snapshot.record(0).unwrap().unwrap()).unwrap();
        let repeated = snapshot.verify_records(|_, _| Ok::<_, String>(first));
        assert!(matches!(
            repeated,
            Err(VerifyError::KeyOrder { ordinal: 1, .. })
        ));
        let refused = snapshot.verify_records(|ordinal, record| match ordinal {
            5 => Err("no good"),
            _ => Ok(key_of(record).unwrap()),
        });
        let Err(VerifyError::Record {
            ordinal: 5, source, ..
        }) = refused
        else {
            panic!("{refused:?}");
        };
        assert_eq!(source.to_string(), "no good");
    }

    #[test]
    fn progress_ends_at_the_files_length_and_the_report_counts() {
        let snapshot = Snapshot::from_bytes(Sample::random(1000, 2).bytes(), SCHEMA).unwrap();
        let mut seen = Vec::new();
        let report = snapshot
            .verify(|done, total| seen.push((done, total)))
            .unwrap();
        let bytes = whole(snapshot.file_bytes());
        assert_eq!(seen.last(), Some(&(bytes, bytes)));
        assert!(seen.is_sorted());
        assert_eq!((report.records, report.bytes), (1000, bytes));
        assert!(report.full_buckets < report.buckets);
    }

    proptest! {
        #[test]
        fn forged_files_never_panic(
            changes in prop::collection::vec((0_usize..9000, any::<u8>()), 1..20),
            head in prop::collection::vec((40_usize..320, any::<u8>()), 0..3),
            key: u64,
        ) {
            let mut file = Sample::random(20, 3).bytes();
            let length = file.len();
            for (at, byte) in changes.into_iter().chain(head) {
                file[at % length] = byte;
            }
            file[..16].copy_from_slice(b"PU-SNAP\0\x04\0\0\0\x08\0\0\0");
            reseal(&mut file);
            if let Ok(snapshot) = Snapshot::from_bytes(file.clone(), SCHEMA) {
                let _ = Sample::find(&snapshot, key);
                let _ = snapshot.find(key, |_| true);
                prop_assert!(snapshot.records().count() <= length);
                let _ = (snapshot.record(0), snapshot.record(key));
                let _ = (snapshot.formats().is_ok(), snapshot.sources().is_ok());
                let _ = snapshot.created().written();
                for section in Section::ALL {
                    snapshot.warm(section);
                }
            }
            let _ = judge(file);
        }

        #[test]
        fn any_bytes_are_refused(mut file: Vec<u8>, magic: bool) {
            if magic {
                file.splice(0..0, *b"PU-SNAP\0");
            }
            prop_assert!(judge(file).is_err());
        }
    }
}
