//! One snapshot, opened: records by key, by position and in order. Opening reads the header and the
//! checksums of blocks only; [`Snapshot::verify`] reads the rest. Until it has, each block is checked
//! before it is read for the first time, and a walk over all records checks every block once more: no
//! damaged byte is answered with, or copied.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::base::time::DateTime;
use crate::person::keys::Index;
use crate::person::record::{Damaged, RecordRef};
use crate::person::view::{Grant, KeySet, KeySets};
use crate::store::blocks::{Blocks, offset};
use crate::store::disk::Disk;
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
    blocks: Blocks,
    noticed: Mutex<Noticed>,
}

/// Where a snapshot is damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The section.
    pub section: Section,
    /// The first byte, in the file, of the block that is not what was written.
    pub offset: u64,
}

/// What readers have come upon.
#[derive(Default)]
struct Noticed {
    /// The last damage.
    damage: Option<Damage>,
    /// When somebody was told of it.
    told: Option<Instant>,
}

/// How often the same damage is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Bytes that are brought into memory at once by who reads a section from its start to its end.
const AHEAD: u64 = 8 << 20;

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
        let [first, second, third] = OLD_FORMAT_VERSIONS;
        let mut opened = open(first);
        for format in [second, third] {
            if matches!(opened, Err(OpenError::FormatVersion { .. })) {
                opened = open(format);
            }
        }
        opened
    }

    /// The same over bytes in memory, which messages name `(memory)`.
    pub fn from_bytes(bytes: Vec<u8>, schema_hash: u64) -> Result<Self, OpenError> {
        let map = Map::from_bytes(bytes);
        Self::over(map, FORMAT_VERSION, schema_hash, Path::new("(memory)"))
    }

    fn over(map: Map, format: u32, schema_hash: u64, path: &Path) -> Result<Self, OpenError> {
        let header = Header::decode(map.bytes(), format, schema_hash, path)?;
        let checksums = header.extent(Section::Checksums);
        let section = checksums.range().and_then(|range| map.bytes().get(range));
        let blocks = Blocks::of(&header, section.unwrap_or_default());
        let blocks = blocks.ok_or_else(|| OpenError::Checksums {
            path: path.to_path_buf(),
            offset: checksums.offset,
        })?;
        Ok(Self {
            path: path.to_path_buf(),
            map,
            header,
            blocks,
            noticed: Mutex::default(),
        })
    }

    /// The record with a key. `is` gets the records up to the end of a candidate (its root is at
    /// that end) and says whether it has the key; so does the answer end.
    #[inline]
    pub fn find<'a>(
        &'a self,
        key: u64,
        is: impl Fn(&'a [u8]) -> bool,
    ) -> Result<Option<&'a [u8]>, Damaged> {
        if !self.blocks.have_passed() {
            return self.find_unpassed(key, &is);
        }
        let arena = self.section(Section::Records);
        let upto = |end: u64| arena.get(..usize::try_from(end).ok()?);
        let found = self.identities();
        let found = found.find(key, |end| upto(end).is_some_and(&is));
        Ok(found.and_then(upto))
    }

    /// The same where not every block has passed: those that are read are checked first.
    #[cold]
    fn find_unpassed<'a>(
        &'a self,
        key: u64,
        is: &dyn Fn(&'a [u8]) -> bool,
    ) -> Result<Option<&'a [u8]>, Damaged> {
        let arena = self.section(Section::Records);
        let upto = |end: u64| arena.get(..usize::try_from(end).ok()?);
        // Another candidate may be the one; when none is, it may have been this one.
        let mut passed = Ok(());
        let found = self.identities().try_find(
            key,
            |bucket| self.check(Section::Identities, bucket),
            |end| {
                let whole = self
                    .start_of(end)
                    .and_then(|start| self.check(Section::Records, start..end));
                if whole.is_err() {
                    passed = whole;
                    return false;
                }
                upto(end).is_some_and(is)
            },
        )?;
        match found {
            None => passed.map(|()| None),
            found => Ok(found.and_then(upto)),
        }
    }

    /// Where the record starts that ends at a place.
    fn start_of(&self, end: u64) -> Result<u64, Damaged> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            let range = self.range(middle)?;
            match range.end.cmp(&end) {
                std::cmp::Ordering::Equal => return Ok(range.start),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(Damaged)
    }

    /// Where a record starts and ends.
    #[inline]
    fn range(&self, ordinal: u64) -> Result<Range<u64>, Damaged> {
        if !self.blocks.have_passed() {
            let read = ends::read_for(ordinal).ok_or(Damaged)?;
            self.check_unpassed(Section::Ends, &read)?;
        }
        self.ends().range(ordinal).ok_or(Damaged)
    }

    /// Checks the blocks that hold some bytes of a section, unless they have passed.
    #[inline]
    fn check(&self, section: Section, bytes: Range<u64>) -> Result<(), Damaged> {
        if self.blocks.have_passed() {
            return Ok(());
        }
        self.check_unpassed(section, &bytes)
    }

    #[cold]
    fn check_unpassed(&self, section: Section, bytes: &Range<u64>) -> Result<(), Damaged> {
        for block in self.blocks.that_hold(bytes) {
            if !self.blocks.has_passed(section, block) {
                self.read_block(section, block).map_err(|_| Damaged)?;
            }
        }
        Ok(())
    }

    /// Reads a block, whether it has passed before or not. Gives its bytes.
    pub(super) fn read_block(&self, section: Section, block: u64) -> Result<u64, VerifyError> {
        let extent = self.extent(section);
        let place = self.blocks.place(block, extent.length);
        let range = usize::try_from(place.start).ok();
        let range = range.zip(usize::try_from(place.end).ok());
        let bytes = range.and_then(|(start, end)| self.section(section).get(start..end));
        if self.blocks.check(section, block, bytes.unwrap_or_default()) {
            return Ok(place.end - place.start);
        }
        Err(self.damaged_at(section, offset(extent, place.start)))
    }

    /// Remembers damage, and gives it as an error.
    pub(super) fn damaged_at(&self, section: Section, offset: u64) -> VerifyError {
        let damage = Damage { section, offset };
        self.notice(damage);
        self.told(damage)
    }

    fn told(&self, damage: Damage) -> VerifyError {
        VerifyError::Checksum {
            path: self.path.clone(),
            section: damage.section,
            offset: damage.offset,
        }
    }

    /// Remembers damage, and tells the operator, now and then.
    fn notice(&self, damage: Damage) {
        let mut noticed = self.noticed.lock();
        noticed.damage = Some(damage);
        if noticed.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            noticed.told = Some(Instant::now());
            tracing::error!(
                file = %self.path.display(),
                section = damage.section.name(),
                offset = damage.offset,
                "the snapshot is damaged: nothing is answered from this block"
            );
        }
    }

    /// Whether every block has passed.
    pub fn has_passed(&self) -> bool {
        self.blocks.have_passed()
    }

    /// The damage that somebody came upon last; `None` while all that was read is whole.
    pub fn damage(&self) -> Option<Damage> {
        self.noticed.lock().damage
    }

    /// The same as an error, for who was told no more than that something is damaged.
    pub fn what_is_damaged(&self) -> Option<VerifyError> {
        self.damage().map(|damage| self.told(damage))
    }

    /// Reads sections block by block, whatever has passed before, and tells of each block how many
    /// bytes it has or what is wrong; until it is told to stop. Brings them into memory on the way.
    pub fn read_through(
        &self,
        sections: impl IntoIterator<Item = Section>,
        each: impl FnMut(Result<u64, VerifyError>) -> bool,
    ) {
        self.walk(
            sections,
            |section, block| self.read_block(section, block),
            each,
        );
    }

    /// The same of all sections, as they are in memory and on the disk: for who looks for damage that
    /// nobody has read yet. A file whose name is gone is looked for in memory alone.
    pub fn scrub(&self, each: impl FnMut(Result<u64, VerifyError>) -> bool) {
        let mut disk = Disk::open(&self.path).ok();
        let read = |section, block| {
            let bytes = self.read_block(section, block)?;
            match &mut disk {
                Some(disk) => self.read_on_disk(disk, section, block),
                None => Ok(bytes),
            }
        };
        self.walk(Section::ALL, read, each);
    }

    /// Reads a block on the disk.
    fn read_on_disk(
        &self,
        disk: &mut Disk,
        section: Section,
        block: u64,
    ) -> Result<u64, VerifyError> {
        let extent = self.extent(section);
        let place = self.blocks.place(block, extent.length);
        let place = offset(extent, place.start)..offset(extent, place.end);
        let bytes = disk.read(&place);
        if bytes.is_ok_and(|bytes| self.blocks.check(section, block, bytes)) {
            return Ok(place.end - place.start);
        }
        Err(self.damaged_at(section, place.start))
    }

    fn walk(
        &self,
        sections: impl IntoIterator<Item = Section>,
        mut read: impl FnMut(Section, u64) -> Result<u64, VerifyError>,
        mut each: impl FnMut(Result<u64, VerifyError>) -> bool,
    ) {
        for section in sections {
            let extent = self.extent(section);
            for block in 0..self.blocks.count(section) {
                let place = self.blocks.place(block, extent.length);
                if place.start.is_multiple_of(AHEAD) {
                    let end = extent.length.min(place.start + AHEAD);
                    self.warm_part(offset(extent, place.start)..offset(extent, end));
                }
                if !each(read(section, block)) {
                    return;
                }
            }
            if section == Section::Checksums
                && !each(self.check_checksums().map(|()| extent.length))
            {
                return;
            }
        }
        self.blocks.settle();
    }

    fn warm_part(&self, place: Range<u64>) {
        let place = usize::try_from(place.start)
            .ok()
            .zip(usize::try_from(place.end).ok());
        if let Some((start, end)) = place {
            self.map.warm(&(start..end));
        }
    }

    /// Notes that every block has passed, if that is so.
    pub(super) fn settle(&self) {
        self.blocks.settle();
    }

    /// The number of a section's blocks.
    pub(super) fn blocks_in(&self, section: Section) -> u64 {
        self.blocks.count(section)
    }

    /// A section of which every block was just read.
    fn read_section(&self, section: Section) -> Result<&[u8], VerifyError> {
        for block in 0..self.blocks.count(section) {
            self.read_block(section, block)?;
        }
        Ok(self.section(section))
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
    /// many.
    #[inline]
    pub fn record(&self, ordinal: u64) -> Result<Option<&[u8]>, Damaged> {
        if ordinal >= self.len() {
            return Ok(None);
        }
        let range = self.range(ordinal)?;
        self.check(Section::Records, range.clone())?;
        self.slice(&range).ok_or(Damaged).map(Some)
    }

    /// A record's bytes as they lie there.
    pub(super) fn slice(&self, range: &Range<u64>) -> Option<&[u8]> {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        self.section(Section::Records).get(range)
    }

    /// All records in the order of keys, each block read anew as it is come to. A damaged place is an
    /// error of its own, so that no one is lost in a copy without a word, and nobody copied wrong.
    pub const fn records(&self) -> Records<'_> {
        Records {
            snapshot: self,
            next: 0,
            ends: None,
            arena: None,
        }
    }

    /// The identity formats, as they were given to the writer.
    pub fn formats(&self) -> Result<&[u8], VerifyError> {
        self.read_section(Section::Formats)
    }

    /// The ledger of files taken in, as it was given to the writer.
    pub fn sources(&self) -> Result<&[u8], VerifyError> {
        self.read_section(Section::Sources)
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

    /// The way to search: its sections have passed as a whole, for a search reads all over them.
    pub fn searchable(&self) -> Result<Searchable<'_>, Damaged> {
        for section in [Section::Search, Section::Words] {
            self.check(section, 0..self.extent(section).length)?;
        }
        Ok(Searchable(self))
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
            let record = self.record(middle)?.ok_or(Damaged)?;
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

    /// A record that is none, behind a right checksum.
    pub(super) fn wrong_record(&self, ordinal: u64) -> VerifyError {
        VerifyError::Record {
            path: self.path.clone(),
            ordinal,
            offset: self.offset_of(ordinal),
            source: Damaged.into(),
        }
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

/// Every record of a snapshot, in the order of keys.
pub struct Records<'s> {
    snapshot: &'s Snapshot,
    next: u64,
    /// The block of ends that was read last, and the one of records.
    ends: Option<u64>,
    arena: Option<u64>,
}

impl<'s> Records<'s> {
    fn read(&mut self, ordinal: u64) -> Result<&'s [u8], VerifyError> {
        let snapshot = self.snapshot;
        let wrong_end = || snapshot.wrong_end(ordinal);
        let end = ends::read_for(ordinal).ok_or_else(wrong_end)?;
        pass(snapshot, Section::Ends, &end, &mut self.ends)?;
        let range = snapshot.ends().range(ordinal).ok_or_else(wrong_end)?;
        pass(snapshot, Section::Records, &range, &mut self.arena)?;
        snapshot.slice(&range).ok_or_else(wrong_end)
    }
}

/// Reads the blocks that hold some bytes, but for the one that was read last.
fn pass(
    snapshot: &Snapshot,
    section: Section,
    bytes: &Range<u64>,
    last: &mut Option<u64>,
) -> Result<(), VerifyError> {
    for block in snapshot.blocks.that_hold(bytes) {
        if *last != Some(block) {
            snapshot.read_block(section, block)?;
            *last = Some(block);
        }
    }
    Ok(())
}

impl<'s> Iterator for Records<'s> {
    type Item = Result<&'s [u8], VerifyError>;

    fn next(&mut self) -> Option<Self::Item> {
        let ordinal = self.next;
        (ordinal < self.snapshot.len()).then(|| {
            self.next += 1;
            self.read(ordinal)
        })
    }
}

/// The search sections of a snapshot, which have passed.
#[derive(Clone, Copy)]
pub struct Searchable<'s>(&'s Snapshot);

impl<'s> Searchable<'s> {
    /// The search indexes with the keys of some sets.
    pub fn parts(self, sets: KeySets) -> impl Iterator<Item = (KeySet, SearchIndex<'s>)> {
        search::of_sets(self.0.section(Section::Search), sets)
    }

    /// What one search index weighs, keys of all sets together: for the operator.
    pub fn size(self, index: Index) -> search::Size {
        self.parts(Grant::backup().key_sets())
            .fold(search::Size::default(), |sum, (_, part)| {
                sum.and(part.size(index))
            })
    }

    /// The words in some sets of keys that an automaton accepts; `None` when the section is damaged.
    pub fn words(
        self,
        sets: KeySets,
        automaton: impl fst::Automaton + Clone,
    ) -> Option<Vec<words::Listed>> {
        words::matching(self.0.section(Section::Words), sets, automaton)
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
    use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::store::folder;
    use crate::store::layout::RECORDS_START;
    use crate::store::sample::{FORMATS, SCHEMA, SOURCES, Sample, about, key_of, reseal};

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
            assert_eq!(snapshot.formats().unwrap(), FORMATS);
            assert_eq!(snapshot.sources().unwrap(), SOURCES);
            assert_eq!(snapshot.sequence(), about().sequence);
            assert_eq!(snapshot.created(), about().created);
            assert_eq!(snapshot.schema_hash(), SCHEMA);
            let mut all = snapshot.records();
            for (ordinal, (key, record)) in (0..).zip(&sample.records) {
                assert_eq!(all.next().unwrap().unwrap(), record);
                assert_eq!(snapshot.record(ordinal), Ok(Some(&record[..])));
                let found = Sample::find(&snapshot, *key).unwrap();
                assert!(found.ends_with(record));
            }
            assert!(all.next().is_none());
            assert_eq!(snapshot.record(snapshot.len()), Ok(None));
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
        later[8] = 5;
        assert!(matches!(
            Snapshot::from_bytes(later.clone(), SCHEMA),
            Err(OpenError::HeaderChecksum { .. })
        ));
        reseal(&mut later);
        assert!(matches!(
            Snapshot::from_bytes(later, SCHEMA),
            Err(OpenError::FormatVersion { found: 5, .. })
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

    /// A file that is damaged where it lies, as disks do it.
    fn flip(path: &Path, at: u64) {
        let file = fs::File::open(path).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .unwrap();
        let file = fs::OpenOptions::new().read(true).write(true).open(path);
        let file = file.unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x20], at).unwrap();
    }

    #[test]
    fn what_is_damaged_after_it_was_verified_is_not_copied_and_not_answered_afterwards() {
        let sample = Sample::random(20_000, 4);
        let folder = tempfile::tempdir().unwrap();
        let path = sample.write(folder.path());
        let snapshot = Snapshot::open(&path, SCHEMA).unwrap();
        snapshot.verify(|_, _| ()).unwrap();
        assert!(snapshot.has_passed() && snapshot.damage().is_none());
        let records = snapshot.extent(Section::Records);
        let block = 2 * crate::store::blocks::BLOCK_BYTES;
        flip(&path, records.offset + block + 77);

        let damage = Damage {
            section: Section::Records,
            offset: records.offset + block,
        };
        let mut lost = Vec::new();
        for (read, (key, record)) in snapshot.records().zip(&sample.records) {
            match read {
                Ok(read) => assert_eq!(read, record),
                Err(VerifyError::Checksum {
                    section, offset, ..
                }) => {
                    assert_eq!(Damage { section, offset }, damage);
                    lost.push(*key);
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!((2_000..3_000).contains(&lost.len()), "{}", lost.len());
        assert_eq!(snapshot.damage(), Some(damage));
        assert!(!snapshot.has_passed());
        for (key, record) in &sample.records {
            let found = snapshot.find(*key, |upto| key_of(upto) == Some(*key));
            if lost.contains(key) {
                assert_eq!(found, Err(Damaged));
            } else {
                assert!(found.unwrap().unwrap().ends_with(record));
            }
        }
        let searchable = snapshot.searchable().unwrap();
        assert!(searchable.parts(KeySets::SHOWN).count() > 0);
        let mut wrong = 0;
        snapshot.read_through(Section::ALL, |block| {
            wrong += u32::from(block.is_err());
            true
        });
        assert_eq!(wrong, 1);
        // What was only read wrongly is answered from again.
        flip(&path, records.offset + block + 77);
        for (key, record) in &sample.records {
            assert!(Sample::find(&snapshot, *key).unwrap().ends_with(record));
        }
        snapshot.read_through(Section::ALL, |_| true);
        assert!(snapshot.has_passed());
    }

    #[test]
    fn what_is_damaged_on_the_disk_alone_is_found_there_and_answered_from_memory() {
        let sample = Sample::random(5_000, 4);
        let folder = tempfile::tempdir().unwrap();
        let path = sample.write(folder.path());
        let snapshot = Snapshot::open(&path, SCHEMA).unwrap();
        let count = || {
            let (mut bytes, mut wrong) = (0, 0);
            snapshot.scrub(|block| {
                bytes += block.as_ref().unwrap_or(&0);
                wrong += u32::from(block.is_err());
                true
            });
            (bytes, wrong)
        };
        let all: u64 = snapshot.sections().map(|(_, it)| it.length).sum();
        assert_eq!(count(), (all, 0));
        assert!(snapshot.has_passed());
        // The name leads to other bytes than memory has.
        let other = folder.path().join("other");
        fs::copy(&path, &other).unwrap();
        flip(&other, snapshot.extent(Section::Identities).offset + 7_000);
        fs::rename(&other, &path).unwrap();
        assert_eq!(count().1, 1);
        assert_eq!(snapshot.damage().unwrap().section, Section::Identities);
        for (key, record) in &sample.records {
            assert!(Sample::find(&snapshot, *key).unwrap().ends_with(record));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(count(), (all, 0));
    }

    #[test]
    fn a_search_begins_when_its_sections_have_passed() {
        let sample = Sample::random(2_000, 4).bytes();
        let sound = Snapshot::from_bytes(sample.clone(), SCHEMA).unwrap();
        for section in [Section::Search, Section::Words] {
            let mut file = sample.clone();
            file[usize::try_from(sound.extent(section).offset).unwrap() + 9] ^= 4;
            let snapshot = Snapshot::from_bytes(file, SCHEMA).unwrap();
            assert!(snapshot.searchable().is_err());
            assert_eq!(snapshot.damage().unwrap().section, section);
        }
        assert!(sound.searchable().is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Nobody is answered wrongly or taken for unknown because of a bit, verified or not.
        #[test]
        fn a_flipped_bit_is_noticed_by_whoever_reads_it(at: prop::sample::Index, bit in 0_u8..8) {
            static SAMPLE: LazyLock<(Sample, Vec<u8>)> = LazyLock::new(|| {
                let sample = Sample::random(20_000, 8);
                let bytes = sample.bytes();
                (sample, bytes)
            });
            let (sample, whole) = &*SAMPLE;
            let mut file = whole.clone();
            let at = RECORDS_START as usize + at.index(file.len() - RECORDS_START as usize);
            file[at] ^= 1_u8 << bit;
            let Ok(snapshot) = Snapshot::from_bytes(file, SCHEMA) else {
                return Ok(());
            };
            for (ordinal, (key, record)) in (0..).zip(&sample.records).step_by(97) {
                match snapshot.find(*key, |upto| key_of(upto) == Some(*key)) {
                    Ok(found) => prop_assert!(found.unwrap().ends_with(record)),
                    Err(Damaged) => prop_assert!(snapshot.damage().is_some()),
                }
                match snapshot.record(ordinal) {
                    Ok(found) => prop_assert_eq!(found.unwrap(), &record[..]),
                    Err(Damaged) => prop_assert!(snapshot.damage().is_some()),
                }
                let nobody = snapshot.find(key ^ 1, |upto| key_of(upto) == Some(key ^ 1));
                prop_assert!(nobody.is_err() || nobody == Ok(None));
            }
            for (read, record) in snapshot.records().zip(sample.records.values()) {
                prop_assert!(read.is_err() || read.unwrap() == record);
            }
            prop_assert!(snapshot.verify(|_, _| ()).is_err());
        }
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
