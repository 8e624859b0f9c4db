//! What a snapshot file looks like. Numbers are little endian, lengths and offsets are in bytes.
//!
//! ```text
//!      0  +-------------------------------------------------------------+
//!         | header, one page of 4096 bytes                              |
//!         |    0   8  magic "PU-SNAP\0"                                 |
//!         |    8   4  format version: 4                                 |
//!         |   12   4  number of sections: 8                             |
//!         |   16   8  schema hash (`person::field::schema_hash`)        |
//!         |   24   8  sequence of the last change in the file           |
//!         |   32   8  time of creation (`base::time::DateTime` bits)    |
//!         |   40   8  number of records                                 |
//!         |   48   8  zero                                              |
//!         |   56   8  XXH3-64 of this page, these 8 bytes taken as zero |
//!         |   64 256  section table, 32 bytes a section in file order   |
//!         |              0  4  kind                                     |
//!         |              4  4  zero                                     |
//!         |              8  8  offset in the file                       |
//!         |             16  8  length                                   |
//!         |             24  8  XXH3-64 of the section's checksums (of   |
//!         |                    the section itself: checksums, and all   |
//!         |                    sections before format 4)                |
//!         |  320      zero                                              |
//!   4096  +-------------------------------------------------------------+
//!         | 1 records: one archive after the other in ascending order   |
//!         |   of keys. No length stands before a record: an archive's   |
//!         |   root is at its end, so its end offset is all it takes to  |
//!         |   read it, and the next record starts where it ends.        |
//!  +0..63 +-------------------------------------------------------------+
//!         | 2 ends: where each record ends, in groups of 64 records     |
//!         |    0   8  where the group's first record starts             |
//!         |    8 256  per record: its end, counted from there (u32)     |
//!         |   The last group has as many numbers as records.            |
//!         +-------------------------------------------------------------+
//!         | 3 formats: the identity formats (JSON)                      |
//!         +-------------------------------------------------------------+
//!         | 4 sources: the ledger of files taken in (JSON)              |
//! +0..4095+-------------------------------------------------------------+
//!         | 5 identities: buckets of 64 bytes, see `index::identity`    |
//!  +0..63 +-------------------------------------------------------------+
//!         | 6 search: keys and positions in a part for each set of keys |
//!         |   of who may find by them, see `index::parts`, `search`     |
//!         +-------------------------------------------------------------+
//!         | 7 words: what words stand for, see `index::words`           |
//!   +0..7 +-------------------------------------------------------------+
//!         | 8 checksums: XXH3-64 of each block of 65536 bytes, of all   |
//!         |   sections before, one after the other; the last block of a |
//!         |   section ends with it (since format 4)                     |
//!         +-------------------------------------------------------------+ end of file
//! ```
//!
//! Invariants: the sections stand in this order, each starting at the first offset after the one
//! before it that its alignment allows; the file ends with the last. So every byte is the header's,
//! a section's, or padding. The checksums cover the first two and padding must be zero: no byte can
//! change unseen. Whoever reads a part of a section can check that part alone ([`blocks`]).
//! Offsets follow from lengths, and are written for the sake of other readers.
//!
//! [`blocks`]: crate::store::blocks

use std::ops::Range;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::base::time::DateTime;
use crate::store::blocks;
use crate::store::ends;
use crate::store::error::OpenError;
use crate::store::index::{identity, search};

/// The first bytes of every snapshot file.
pub const MAGIC: [u8; 8] = *b"PU-SNAP\0";

/// The format this program writes and serves.
pub const FORMAT_VERSION: u32 = 4;

/// Older formats that this program can upgrade. Version 1 had no search sections; in version 2 they
/// had one part for everybody, and protected persons' records had no lists for restricted views;
/// version 3 had one checksum for each section, and none for its blocks.
pub const OLD_FORMAT_VERSIONS: [u32; 3] = [1, 2, 3];

/// Sections of the first format: the first of [`Section::ALL`].
const FIRST_SECTIONS: usize = 5;

/// Sections that are checked block by block: all but the checksums.
pub const CHECKED_SECTIONS: usize = SECTIONS - 1;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 4096;

/// The header's length as an offset: where the records start.
pub const RECORDS_START: u64 = 4096;

const VERSION_AT: usize = 8;
const SECTIONS_AT: usize = 12;
const SCHEMA_AT: usize = 16;
const SEQUENCE_AT: usize = 24;
const CREATED_AT: usize = 32;
const COUNT_AT: usize = 40;
const CHECKSUM_AT: usize = 56;
const TABLE_AT: usize = 64;
const ROW_BYTES: usize = 32;
const SECTIONS: usize = Section::ALL.len();

const _: () = assert!(HEADER_BYTES as u64 == RECORDS_START);
const _: () = assert!(CHECKSUM_AT + 8 == TABLE_AT);
const _: () = assert!(TABLE_AT + SECTIONS * ROW_BYTES == 320);
const _: () = assert!(320 <= HEADER_BYTES);
const _: () = assert!(RECORDS_START.is_multiple_of(Section::Records.alignment()));
const _: () = assert!(
    Section::Identities
        .alignment()
        .is_multiple_of(identity::BUCKET_BYTES as u64)
);

/// A part of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    /// The records.
    Records,
    /// Where each record ends.
    Ends,
    /// The identity formats, as the caller wrote them.
    Formats,
    /// The ledger of files taken in, as the caller wrote it.
    Sources,
    /// The identity index.
    Identities,
    /// The search index.
    Search,
    /// The dictionary of words.
    Words,
    /// The checksums of the blocks of all others.
    Checksums,
}

impl Section {
    /// All sections in file order.
    pub const ALL: [Self; 8] = [
        Self::Records,
        Self::Ends,
        Self::Formats,
        Self::Sources,
        Self::Identities,
        Self::Search,
        Self::Words,
        Self::Checksums,
    ];

    /// The number in the section table.
    pub const fn kind(self) -> u32 {
        match self {
            Self::Records => 1,
            Self::Ends => 2,
            Self::Formats => 3,
            Self::Sources => 4,
            Self::Identities => 5,
            Self::Search => 6,
            Self::Words => 7,
            Self::Checksums => 8,
        }
    }

    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Ends => "ends",
            Self::Formats => "formats",
            Self::Sources => "sources",
            Self::Identities => "identities",
            Self::Search => "search",
            Self::Words => "words",
            Self::Checksums => "checksums",
        }
    }

    /// The section's offset is a multiple of this.
    pub const fn alignment(self) -> u64 {
        match self {
            // A bucket must not lie across two cache lines; whole pages can be advised and warmed
            // without touching a neighbour.
            Self::Records | Self::Identities => 4096,
            Self::Ends | Self::Search => 64,
            Self::Checksums => 8,
            Self::Formats | Self::Sources | Self::Words => 1,
        }
    }

    /// The first offset from `at` on where the section may start.
    pub fn aligned(self, at: u64) -> Option<u64> {
        at.checked_next_multiple_of(self.alignment())
    }
}

/// Where a section is, and its checksum.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Extent {
    /// Offset in the file.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// XXH3-64 of its blocks' checksums; of its bytes, for the checksums and before format 4.
    pub checksum: u64,
}

impl Extent {
    /// The section's place in the file's bytes, when this machine can address it.
    pub fn range(&self) -> Option<Range<usize>> {
        let end = self.offset.checked_add(self.length)?;
        Some(usize::try_from(self.offset).ok()?..usize::try_from(end).ok()?)
    }
}

/// What the header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The format of the file.
    pub format: u32,
    /// Hash of the field table the records were written with.
    pub schema_hash: u64,
    /// Sequence of the last change in the file.
    pub sequence: u64,
    /// When the file was made.
    pub created: DateTime,
    /// Number of records.
    pub records: u64,
    /// The section table, in the order of [`Section::ALL`]. A section that the format does not have
    /// is empty.
    pub sections: [Extent; SECTIONS],
}

impl Header {
    /// The header as its page.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut page = self.unsealed();
        let checksum = xxh3_64(&page);
        put(&mut page, CHECKSUM_AT, &checksum.to_le_bytes());
        page
    }

    /// The page without its checksum.
    fn unsealed(&self) -> [u8; HEADER_BYTES] {
        let mut page = [0; HEADER_BYTES];
        put(&mut page, 0, &MAGIC);
        put(&mut page, VERSION_AT, &self.format.to_le_bytes());
        put(&mut page, SCHEMA_AT, &self.schema_hash.to_le_bytes());
        put(&mut page, SEQUENCE_AT, &self.sequence.to_le_bytes());
        put(&mut page, CREATED_AT, &self.created.bits().to_le_bytes());
        put(&mut page, COUNT_AT, &self.records.to_le_bytes());
        let mut rows = 0_u32;
        let written = table_at(Section::ALL).zip(self.sections);
        for ((row, section), extent) in written.take(sections_of(self.format)) {
            put(&mut page, row, &section.kind().to_le_bytes());
            put(&mut page, row + 8, &extent.offset.to_le_bytes());
            put(&mut page, row + 16, &extent.length.to_le_bytes());
            put(&mut page, row + 24, &extent.checksum.to_le_bytes());
            rows += 1;
        }
        put(&mut page, SECTIONS_AT, &rows.to_le_bytes());
        page
    }

    /// Reads and checks the header of a file in the format `wanted`: what it is, its checksum, the
    /// bounds and tiling of the sections, and their lengths against the number of records. Reads the
    /// first page only.
    pub fn decode(
        file: &[u8],
        wanted: u32,
        schema_hash: u64,
        path: &Path,
    ) -> Result<Self, OpenError> {
        if !file.starts_with(&MAGIC) {
            return Err(OpenError::NotASnapshot {
                path: path.to_path_buf(),
            });
        }
        let found = u64::try_from(file.len()).unwrap_or(u64::MAX);
        let Some(page) = file.first_chunk::<HEADER_BYTES>() else {
            return Err(OpenError::Truncated {
                path: path.to_path_buf(),
                expected: RECORDS_START,
                found,
            });
        };
        // Before the checksum: another version may have put it elsewhere.
        let version = u32_at(page, VERSION_AT);
        if version != wanted {
            // Only its number is wrong: damage, and not another version's file.
            let mut corrected = *page;
            put(&mut corrected, VERSION_AT, &wanted.to_le_bytes());
            if is_sealed(&corrected) {
                return Err(OpenError::HeaderChecksum {
                    path: path.to_path_buf(),
                });
            }
            return Err(OpenError::FormatVersion {
                path: path.to_path_buf(),
                found: version,
            });
        }
        if !is_sealed(page) {
            return Err(OpenError::HeaderChecksum {
                path: path.to_path_buf(),
            });
        }
        let wrong = |offset| OpenError::HeaderField {
            path: path.to_path_buf(),
            offset,
        };
        let header = Self {
            format: version,
            schema_hash: u64_at(page, SCHEMA_AT),
            sequence: u64_at(page, SEQUENCE_AT),
            created: DateTime::from_bits(u64_at(page, CREATED_AT))
                .ok_or_else(|| wrong(CREATED_AT))?,
            records: u64_at(page, COUNT_AT),
            sections: sections(page, version),
        };
        if header.schema_hash != schema_hash {
            return Err(OpenError::SchemaHash {
                path: path.to_path_buf(),
                expected: schema_hash,
                found: header.schema_hash,
            });
        }
        // Kinds, their number and the zeros are as this program writes them, or something else
        // wrote the page.
        let ours = header.unsealed();
        let unsealed = without_checksum(page);
        if let Some(at) = ours
            .iter()
            .zip(&unsealed)
            .position(|(ours, found)| ours != found)
        {
            return Err(wrong(at));
        }
        let end = header.tile(path)?;
        header.check_lengths(path)?;
        match end {
            _ if end > found => Err(OpenError::Truncated {
                path: path.to_path_buf(),
                expected: end,
                found,
            }),
            _ if end < found => Err(OpenError::TrailingBytes {
                path: path.to_path_buf(),
                offset: end,
            }),
            _ => Ok(header),
        }
    }

    /// One section's place.
    #[inline]
    pub fn extent(&self, section: Section) -> Extent {
        let [
            records,
            ends,
            formats,
            sources,
            identities,
            search,
            words,
            checksums,
        ] = self.sections;
        match section {
            Section::Records => records,
            Section::Ends => ends,
            Section::Formats => formats,
            Section::Sources => sources,
            Section::Identities => identities,
            Section::Search => search,
            Section::Words => words,
            Section::Checksums => checksums,
        }
    }

    /// The offset after the last section, when the sections follow each other without gap.
    fn tile(&self, path: &Path) -> Result<u64, OpenError> {
        let mut at = RECORDS_START;
        let sections = Section::ALL.into_iter().zip(self.sections);
        for (section, extent) in sections.take(sections_of(self.format)) {
            at = section
                .aligned(at)
                .filter(|&start| start == extent.offset)
                .and_then(|start| start.checked_add(extent.length))
                .ok_or_else(|| OpenError::SectionOutOfBounds {
                    path: path.to_path_buf(),
                    section,
                    offset: extent.offset,
                })?;
        }
        Ok(at)
    }

    /// The number of records decides how long the ends are, and how much the index must hold.
    fn check_lengths(&self, path: &Path) -> Result<(), OpenError> {
        let length = |section| self.extent(section).length;
        let ends = ends::section_bytes(self.records) == Some(length(Section::Ends));
        let arena = length(Section::Records) <= identity::MAX_END
            && length(Section::Records) >= self.records;
        let index = identity::may_hold(length(Section::Identities), self.records);
        let search = length(Section::Search) >= search::EMPTY_BYTES
            || OLD_FORMAT_VERSIONS.contains(&self.format);
        let checksums = blocks::checksum_bytes(self) == Some(length(Section::Checksums));
        for (section, fits) in [
            (Section::Records, arena),
            (Section::Ends, ends),
            (Section::Identities, index),
            (Section::Search, search),
            (Section::Checksums, checksums),
        ] {
            if !fits {
                return Err(OpenError::SectionLength {
                    path: path.to_path_buf(),
                    section,
                    offset: self.extent(section).offset,
                    length: length(section),
                });
            }
        }
        Ok(())
    }
}

/// Where the rows of the section table start, with what stands in them.
fn table_at<T>(rows: impl IntoIterator<Item = T>) -> impl Iterator<Item = (usize, T)> {
    (TABLE_AT..).step_by(ROW_BYTES).zip(rows)
}

/// A page without its checksum.
fn without_checksum(page: &[u8; HEADER_BYTES]) -> [u8; HEADER_BYTES] {
    let mut unsealed = *page;
    put(&mut unsealed, CHECKSUM_AT, &[0; 8]);
    unsealed
}

/// Whether a page has the checksum that it tells.
fn is_sealed(page: &[u8; HEADER_BYTES]) -> bool {
    xxh3_64(&without_checksum(page)) == u64_at(page, CHECKSUM_AT)
}

/// How many sections a format has.
pub(super) const fn sections_of(format: u32) -> usize {
    match format {
        1 => FIRST_SECTIONS,
        2 | 3 => CHECKED_SECTIONS,
        _ => SECTIONS,
    }
}

fn sections(page: &[u8; HEADER_BYTES], format: u32) -> [Extent; SECTIONS] {
    let mut sections = [Extent::default(); SECTIONS];
    for (row, extent) in table_at(&mut sections).take(sections_of(format)) {
        *extent = Extent {
            offset: u64_at(page, row + 8),
            length: u64_at(page, row + 16),
            checksum: u64_at(page, row + 24),
        };
    }
    sections
}

/// Writes at a constant offset of the page; [`HEADER_BYTES`] bounds all of them.
fn put(page: &mut [u8; HEADER_BYTES], at: usize, bytes: &[u8]) {
    if let Some(into) = page.get_mut(at..at + bytes.len()) {
        into.copy_from_slice(bytes);
    }
}

fn u32_at(page: &[u8; HEADER_BYTES], at: usize) -> u32 {
    page.get(at..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(page: &[u8; HEADER_BYTES], at: usize) -> u64 {
    page.get(at..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "some.snapshot";

    /// Lengths of the sections of two records of 5 and 6 bytes.
    const LENGTHS: [u64; SECTIONS] = [11, 16, 2, 3, 64, search::EMPTY_BYTES, 40, 7 * 8];

    /// A header for two records, and a file it fits.
    fn sample() -> (Header, Vec<u8>) {
        laid(LENGTHS)
    }

    fn laid(lengths: [u64; SECTIONS]) -> (Header, Vec<u8>) {
        let mut sections = [Extent::default(); SECTIONS];
        let mut at = RECORDS_START;
        for ((extent, section), length) in sections.iter_mut().zip(Section::ALL).zip(lengths) {
            extent.offset = section.aligned(at).unwrap();
            extent.length = length;
            extent.checksum = length * 7;
            at = extent.offset + length;
        }
        let header = Header {
            format: FORMAT_VERSION,
            schema_hash: 42,
            sequence: 9,
            created: DateTime::parse("2025-01-07T23:30:00Z").unwrap(),
            records: 2,
            sections,
        };
        (header, file_of(&header, at))
    }

    fn file_of(header: &Header, length: u64) -> Vec<u8> {
        let mut file = header.encode().to_vec();
        file.resize(usize::try_from(length).unwrap(), 0);
        file
    }

    fn decode(file: &[u8]) -> Result<Header, OpenError> {
        Header::decode(file, FORMAT_VERSION, 42, Path::new(PATH))
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let (header, file) = sample();
        assert_eq!(decode(&file).unwrap(), header);
        assert_eq!(&file[..12], b"PU-SNAP\0\x04\0\0\0");
        assert_eq!(&file[64..68], &1_u32.to_le_bytes());
        assert_eq!(&file[72..80], &4096_u64.to_le_bytes());
    }

    #[test]
    fn sections_that_overlap_leave_a_gap_or_run_over_are_refused() {
        let (header, file) = sample();
        let length = u64::try_from(file.len()).unwrap();
        for (at, change) in [
            (0, 1_u64),
            (1, 64),
            (2, 1),
            (3, u64::MAX),
            (4, 4096),
            (4, 1 << 63),
            (5, 64),
        ] {
            let mut wrong = header;
            wrong.sections[at].offset = wrong.sections[at].offset.wrapping_add(change);
            let refused = decode(&file_of(&wrong, length)).unwrap_err();
            assert!(
                matches!(refused, OpenError::SectionOutOfBounds { section, .. } if section == Section::ALL[at]),
                "{refused}"
            );
        }
        let mut wrong = header;
        wrong.sections[4].length = u64::MAX - 64;
        assert!(matches!(
            decode(&file_of(&wrong, length)),
            Err(OpenError::SectionOutOfBounds { .. })
        ));
    }

    #[test]
    fn lengths_must_fit_the_number_of_records() {
        let (header, file) = sample();
        let length = u64::try_from(file.len()).unwrap();
        for (records, section) in [
            (12, Section::Records),
            (u64::MAX, Section::Records),
            (3, Section::Ends),
            (0, Section::Ends),
        ] {
            let wrong = Header { records, ..header };
            let refused = decode(&file_of(&wrong, length)).unwrap_err();
            assert!(
                matches!(refused, OpenError::SectionLength { section: found, .. } if found == section),
                "{refused}"
            );
        }
        // Which section, how many bytes, and whether that can be.
        for (at, bytes, whole) in [
            (5, 159, false),
            (5, 32, false),
            (5, 0, false),
            (5, 161, true),
            (4, 0, false),
            (4, 32, false),
            (4, 63, false),
            (4, 65, false),
            (4, 128, true),
            (7, 48, false),
            (7, 64, false),
            (7, 57, false),
        ] {
            let mut lengths = LENGTHS;
            // Without a byte, a section has no block either.
            lengths[7] -= if bytes == 0 { 8 } else { 0 };
            lengths[at] = bytes;
            assert_eq!(decode(&laid(lengths).1).is_ok(), whole, "{at}: {bytes}");
        }
    }

    #[test]
    fn what_should_be_zero_is_not_free_for_other_use() {
        let (_, mut file) = sample();
        file[330] = 1;
        file[56..64].fill(0);
        let sum = xxh3_64(&file[..HEADER_BYTES]);
        file[56..64].copy_from_slice(&sum.to_le_bytes());
        assert!(matches!(
            decode(&file),
            Err(OpenError::HeaderField { offset: 330, .. })
        ));
    }
}
