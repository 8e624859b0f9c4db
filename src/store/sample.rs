//! Snapshots for this room's tests: opaque records whose last 8 bytes are the key.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::base::time::DateTime;
use crate::person::keys::Index;
use crate::person::view::KeySet;
use crate::store::blocks::Summing;
use crate::store::folder;
use crate::store::layout::{CHECKED_SECTIONS, HEADER_BYTES};
use crate::store::snapshot::Snapshot;
use crate::store::write::{About, SnapshotWriter};

pub(super) const SCHEMA: u64 = 0x5eed;
pub(super) const FORMATS: &[u8] = b"[\"formats\"]";
pub(super) const SOURCES: &[u8] = b"[\"sources\", 1]";

pub(super) fn about() -> About {
    About {
        schema_hash: SCHEMA,
        sequence: 12,
        created: DateTime::parse("2025-01-08T00:30:00+01:00").unwrap(),
    }
}

/// Records by ascending key.
pub(super) struct Sample {
    pub(super) records: BTreeMap<u64, Vec<u8>>,
}

impl Sample {
    /// Records of 8 to 38 bytes for these keys.
    pub(super) fn of(keys: impl IntoIterator<Item = u64>) -> Self {
        let record = |key: u64| {
            let filler = usize::try_from(xxh3_64(&key.to_le_bytes()) % 31).unwrap();
            let mut record = vec![0xa5; filler];
            record.extend_from_slice(&key.to_le_bytes());
            (key, record)
        };
        Self {
            records: keys.into_iter().map(record).collect(),
        }
    }

    /// So many records with random keys.
    pub(super) fn random(count: usize, seed: u64) -> Self {
        let sample = Self::of((0_u64..).take(count).map(|i| {
            let [i, seed] = [i.to_le_bytes(), seed.to_le_bytes()];
            xxh3_64(&[i, seed].concat())
        }));
        assert_eq!(sample.records.len(), count);
        sample
    }

    /// Writes them into a folder.
    pub(super) fn write(&self, folder: &Path) -> PathBuf {
        let about = about();
        let name = folder::name_of(about.sequence);
        let mut writer = SnapshotWriter::create(folder, &name, about).unwrap();
        for (key, record) in &self.records {
            writer.push(*key, record).unwrap();
            writer.list(KeySet::Shown, Index::City, &record[record.len() - 1..]);
            writer.list(KeySet::Hidden, Index::TestIndicator, b"1");
        }
        writer.finish(FORMATS, SOURCES).unwrap()
    }

    /// The file's bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        fs::read(self.write(folder.path())).unwrap()
    }

    pub(super) fn find(snapshot: &Snapshot, key: u64) -> Option<&[u8]> {
        snapshot
            .find(key, |upto| key_of(upto) == Some(key))
            .unwrap()
    }
}

/// The key of the record at the end of these bytes.
pub(super) fn key_of(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk().map(|key| u64::from_le_bytes(*key))
}

/// Makes all checksums right again after a change, as a hostile or faulty writer would.
pub(super) fn reseal(file: &mut [u8]) {
    let place = |file: &[u8], row: usize| {
        let number = |at: usize| {
            let bytes = file[64 + row * 32 + at..].first_chunk().unwrap();
            usize::try_from(u64::from_le_bytes(*bytes)).ok()
        };
        let (offset, length) = number(8).zip(number(16))?;
        let range = offset..offset.checked_add(length)?;
        file.get(range.clone()).is_some().then_some(range)
    };
    let last = CHECKED_SECTIONS;
    let mut sums = Vec::new();
    for row in 0..last {
        if let Some(range) = place(file, row) {
            let sum = Summing::all_of(&file[range], &mut sums);
            file[64 + row * 32 + 24..64 + row * 32 + 32].copy_from_slice(&sum.to_le_bytes());
        }
    }
    if let Some(range) = place(file, last) {
        let length = range.len().min(sums.len());
        file[range.start..range.start + length].copy_from_slice(&sums[..length]);
        let sum = xxh3_64(&file[range]).to_le_bytes();
        file[64 + last * 32 + 24..64 + last * 32 + 32].copy_from_slice(&sum);
    }
    file[56..64].fill(0);
    let sum = xxh3_64(&file[..HEADER_BYTES]);
    file[56..64].copy_from_slice(&sum.to_le_bytes());
}
