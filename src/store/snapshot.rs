//! One snapshot, opened: records by key, by position and in order. Opening reads the header only,
//! so it takes the same time at any size; [`Snapshot::verify`] reads the rest.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::base::time::DateTime;
use crate::person::keys::Index;
use crate::person::record::{Damaged, RecordRef};
use crate::person::view::{Grant, KeySet, KeySets};
use crate::store::ends::{self, Ends};
use crate::store::error::{OpenError, VerifyError};
use crate::store::index::identity::IdentityIndex;
use crate::store::index::search::{self, SearchIndex};
use crate::store::index::words;
use crate::store::layout::{
    Extent, FORMAT_VERSION, Header, OLD_FORMAT_VERSIONS, Section, sections_of,
};
use crate::store::map::{Map, Pattern};

/// Bytes that memory gives at once.
const LINE: u64 = 64;

/// Lines before a record's end that are fetched: as many as most records have.
const FETCHED: u64 = 7;

/// An open snapshot file. Everything is safe to call on a damaged file: it can hide records and
/// give wrong bytes, but not fail otherwise.
pub struct Snapshot {
    path: PathBuf,
    map: Map,
    header: Header,
}

impl Snapshot {
    /// Maps a file and checks that it is a snapshot of this format and field table, and whole by
    /// its length.
    pub fn open(path: &Path, schema_hash: u64) -> Result<Self, OpenError> {
        let map = Map::open(path).map_err(|source| OpenError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        Self::over(map, FORMAT_VERSION, schema_hash, path)
    }

    /// The same for a file of an older format, which can be read but not searched: for those who
    /// upgrade it.
    pub fn open_old(path: &Path, schema_hash: u64) -> Result<Self, OpenError> {
        let open = |format| {
            let map = Map::open(path).map_err(|source| OpenError::Io {
                path: path.to_path_buf(),
                source,
            })?;
            Self::over(map, format, schema_hash, path)
        };
        let [first, second] = OLD_FORMAT_VERSIONS;
        match open(first) {
            Err(OpenError::FormatVersion { .. }) => open(second),
            opened => opened,
        }
    }

    /// The same over bytes in memory, which messages name `(memory)`.
    pub fn from_bytes(bytes: Vec<u8>, schema_hash: u64) -> Result<Self, OpenError> {
        let map = Map::from_bytes(bytes);
        Self::over(map, FORMAT_VERSION, schema_hash, Path::new("(memory)"))
    }

    fn over(map: Map, format: u32, schema_hash: u64, path: &Path) -> Result<Self, OpenError> {
        let header = Header::decode(map.bytes(), format, schema_hash, path)?;
        Ok(Self {
            path: path.to_path_buf(),
            map,
            header,
        })
    }

    /// The record with a key. `is` gets the records up to the end of a candidate (its root is at
    /// that end) and says whether it has the key; so does the answer end.
    #[inline]
    pub fn find<'a>(&'a self, key: u64, is: impl Fn(&'a [u8]) -> bool) -> Option<&'a [u8]> {
        let arena = self.section(Section::Records);
        let upto = |end: u64| arena.get(..usize::try_from(end).ok()?);
        self.identities()
            .find(key, |end| upto(end).is_some_and(&is))
            .and_then(upto)
    }

    /// Brings the records of several keys near, all at the same time: memory answers many questions
    /// that do not wait for each other nearly as soon as one.
    pub fn fetch<const N: usize>(&self, keys: [u64; N]) {
        let arena = self.section(Section::Records);
        let index = self.identities();
        let mut seen = 0;
        for end in keys.map(|key| index.guess(key)).into_iter().flatten() {
            let lines = (1..=FETCHED).filter_map(|line| {
                let at = end.checked_sub(line * LINE)?;
                arena.get(usize::try_from(at).ok()?)
            });
            seen = lines.fold(seen, |seen, byte| seen ^ byte);
        }
        std::hint::black_box(seen);
    }

    /// Number of records.
    pub const fn len(&self) -> u64 {
        self.header.records
    }

    /// Whether there are no records.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A record by its position in the order of keys: its own bytes. `None` when there are not so
    /// many, or in a damaged file.
    pub fn record(&self, ordinal: u64) -> Option<&[u8]> {
        let range = self.ends().range(ordinal)?;
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        self.section(Section::Records).get(range)
    }

    /// All records in the order of keys. A damaged place is an error of its own, so that no one is
    /// lost in a copy without a word.
    pub fn records(&self) -> impl Iterator<Item = Result<&[u8], VerifyError>> {
        (0..self.len()).map(|ordinal| self.record(ordinal).ok_or_else(|| self.wrong_end(ordinal)))
    }

    /// The identity formats, as they were given to the writer.
    pub fn formats(&self) -> &[u8] {
        self.section(Section::Formats)
    }

    /// The ledger of files taken in, as it was given to the writer.
    pub fn sources(&self) -> &[u8] {
        self.section(Section::Sources)
    }

    /// Sequence of the last change in the snapshot.
    pub const fn sequence(&self) -> u64 {
        self.header.sequence
    }

    /// When it was made.
    pub const fn created(&self) -> DateTime {
        self.header.created
    }

    /// Hash of the field table its records were written with.
    pub const fn schema_hash(&self) -> u64 {
        self.header.schema_hash
    }

    /// The file; `(memory)` when it is none.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> usize {
        self.bytes().len()
    }

    /// The sections in file order with place, length and checksum.
    pub fn sections(&self) -> impl Iterator<Item = (Section, Extent)> {
        let sections = Section::ALL.into_iter().zip(self.header.sections);
        sections.take(sections_of(self.header.format))
    }

    /// Says how its bytes will be asked for.
    pub fn expect(&self, pattern: Pattern) {
        self.map.expect(pattern);
    }

    /// Brings a section into memory, for requests here and there. Gives the number of its pages.
    pub fn warm(&self, section: Section) -> usize {
        let range = self.header.extent(section).range();
        range.map_or(0, |range| self.map.warm(&range))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.map.bytes()
    }

    /// A section's bytes. The header's check has held its place against the file's length.
    #[inline]
    pub(super) fn section(&self, section: Section) -> &[u8] {
        let range = self.header.extent(section).range();
        range
            .and_then(|range| self.bytes().get(range))
            .unwrap_or_default()
    }

    pub(super) fn ends(&self) -> Ends<'_> {
        Ends::new(self.section(Section::Ends), self.len())
    }

    #[inline]
    pub(super) fn identities(&self) -> IdentityIndex<'_> {
        IdentityIndex::new(self.section(Section::Identities))
    }

    /// Whether it has the search sections.
    pub(super) const fn is_searchable(&self) -> bool {
        self.header.format == FORMAT_VERSION
    }

    /// The search indexes with the keys of some sets.
    pub fn search(&self, sets: KeySets) -> impl Iterator<Item = (KeySet, SearchIndex<'_>)> {
        search::of_sets(self.section(Section::Search), sets)
    }

    /// What one search index weighs, keys of all sets together: for the operator.
    pub fn search_size(&self, index: Index) -> search::Size {
        self.search(Grant::backup().key_sets())
            .fold(search::Size::default(), |sum, (_, part)| {
                sum.and(part.size(index))
            })
    }

    /// The words in some sets of keys that an automaton accepts; `None` when the section is damaged.
    pub fn words(
        &self,
        sets: KeySets,
        automaton: impl fst::Automaton + Clone,
    ) -> Option<Vec<words::Listed>> {
        words::matching(self.section(Section::Words), sets, automaton)
    }

    /// Reads the search sections whole; `None` when one is not as it should be.
    pub(super) fn check_search(&self) -> Option<()> {
        search::check(self.section(Section::Search), self.len())?;
        words::check(self.section(Section::Words))
    }

    /// The position of the first record whose key is not below `key`.
    pub fn position(&self, key: u64) -> Result<u32, Damaged> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            let record = self.record(middle).ok_or(Damaged)?;
            if RecordRef::open(record)?.identity().key() < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        u32::try_from(low).map_err(|_| Damaged)
    }

    pub(super) fn extent(&self, section: Section) -> Extent {
        self.header.extent(section)
    }

    pub(super) fn wrong_end(&self, ordinal: u64) -> VerifyError {
        let start = self.extent(Section::Ends).offset;
        VerifyError::RecordEnd {
            path: self.path.clone(),
            ordinal,
            offset: ends::position(ordinal).map_or(start, |at| start.saturating_add(at)),
        }
    }
}

impl fmt::Debug for Snapshot {
    /// Never a record.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Snapshot")
            .field("path", &self.path)
            .field("sequence", &self.sequence())
            .field("records", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::store::folder;
    use crate::store::sample::{FORMATS, SCHEMA, SOURCES, Sample, about};

    #[test]
    fn records_come_back_by_key_by_position_and_in_order() {
        for count in [0, 1, 9, 10, 11, 640, 100_000] {
            let sample = Sample::random(count, count as u64);
            let folder = tempfile::tempdir().unwrap();
            let path = sample.write(folder.path());
            let newest = folder::newest(folder.path()).unwrap().unwrap();
            assert_eq!(
                (newest.sequence, newest.path),
                (about().sequence, path.clone())
            );
            let snapshot = Snapshot::open(&path, SCHEMA).unwrap();
            assert_eq!(snapshot.len(), u64::try_from(count).unwrap());
            assert_eq!(snapshot.is_empty(), count == 0);
            assert_eq!(snapshot.formats(), FORMATS);
            assert_eq!(snapshot.sources(), SOURCES);
            assert_eq!(snapshot.sequence(), about().sequence);
            assert_eq!(snapshot.created(), about().created);
            assert_eq!(snapshot.schema_hash(), SCHEMA);
            let mut all = snapshot.records();
            for (ordinal, (key, record)) in (0..).zip(&sample.records) {
                assert_eq!(all.next().unwrap().unwrap(), record);
                assert_eq!(snapshot.record(ordinal), Some(&record[..]));
                let found = Sample::find(&snapshot, *key).unwrap();
                assert!(found.ends_with(record));
            }
            assert!(all.next().is_none());
            assert_eq!(snapshot.record(snapshot.len()), None);
            snapshot.verify(|_, _| ()).unwrap();
            for section in Section::ALL {
                let bytes = snapshot.extent(section).length;
                assert_eq!(snapshot.warm(section) as u64, bytes.div_ceil(4096));
            }
        }
    }

    #[test]
    fn the_index_costs_at_most_eight_bytes_a_record_and_the_ends_a_little_over_four() {
        let sample = Sample::random(100_000, 1);
        let snapshot = Snapshot::from_bytes(sample.bytes(), SCHEMA).unwrap();
        assert!(snapshot.extent(Section::Identities).length <= 800_000);
        assert!(snapshot.extent(Section::Ends).length <= 413_000);
    }

    #[test]
    fn keys_in_a_row_are_all_found_and_their_neighbours_are_not() {
        let sample = Sample::of((0..20_000).map(|i| i * 3));
        let snapshot = Snapshot::from_bytes(sample.bytes(), SCHEMA).unwrap();
        for key in 0..60_010 {
            let found = Sample::find(&snapshot, key);
            assert_eq!(found.is_some(), key % 3 == 0 && key < 60_000, "{key}");
        }
    }

    #[test]
    fn every_shorter_and_every_longer_file_is_refused() {
        let whole = Sample::random(3, 5).bytes();
        for length in 0..whole.len() {
            let refused = Snapshot::from_bytes(whole[..length].to_vec(), SCHEMA).unwrap_err();
            let named = matches!(refused, OpenError::NotASnapshot { .. } if length < 8)
                || matches!(refused, OpenError::Truncated { .. } if length >= 8);
            assert!(named, "{length}: {refused}");
        }
        let mut longer = whole;
        longer.push(0);
        assert!(matches!(
            Snapshot::from_bytes(longer, SCHEMA),
            Err(OpenError::TrailingBytes { .. })
        ));
    }

    #[test]
    fn other_files_formats_and_schemas_are_refused_each_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = Sample::random(3, 5).write(folder.path());
        assert!(matches!(
            Snapshot::open(&path, SCHEMA + 1),
            Err(OpenError::SchemaHash { expected, found, .. })
                if expected == SCHEMA + 1 && found == SCHEMA
        ));
        let foreign = folder.path().join("foreign");
        fs::write(&foreign, b"SQLite format 3\0".repeat(1000)).unwrap();
        let refused = Snapshot::open(&foreign, SCHEMA).unwrap_err();
        assert!(matches!(refused, OpenError::NotASnapshot { .. }));
        assert!(
            refused
                .to_string()
                .ends_with("foreign: not a snapshot file")
        );
        let mut later = fs::read(&path).unwrap();
        later[8] = 4;
        assert!(matches!(
            Snapshot::from_bytes(later, SCHEMA),
            Err(OpenError::FormatVersion { found: 4, .. })
        ));
        assert!(matches!(
            Snapshot::open(&folder.path().join("missing"), SCHEMA),
            Err(OpenError::Io { .. })
        ));
    }

    #[test]
    fn debug_shows_no_record() {
        let snapshot = Snapshot::from_bytes(Sample::of([7]).bytes(), SCHEMA).unwrap();
        assert_eq!(
            format!("{snapshot:?}"),
            "Snapshot { path: \"(memory)\", sequence: 12, records: 1, .. }"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn finds_what_a_hash_map_finds(
            keys in prop::collection::btree_set(0_u64..1000, 0..400),
            asked in prop::collection::vec(0_u64..1000, 200),
        ) {
            let sample = Sample::of(keys);
            let expected: HashMap<u64, &[u8]> =
                sample.records.iter().map(|(key, record)| (*key, &record[..])).collect();
            let snapshot = Snapshot::from_bytes(sample.bytes(), SCHEMA).unwrap();
            for key in asked {
                match (Sample::find(&snapshot, key), expected.get(&key)) {
                    (Some(found), Some(record)) => prop_assert!(found.ends_with(record)),
                    (None, None) => (),
                    _ => prop_assert!(false, "{} is on one side only", key),
                }
            }
        }
    }
}
