//! The checksums of a snapshot's blocks, and which blocks have passed. Whoever reads a part of a
//! section checks the blocks that it lies in, so that damage is noticed where it is read and not only
//! when everything is.
//!
//! A block is 65,536 bytes of one section: small enough to be checked for the sake of one record (some
//! ten microseconds), large enough that the checksums of a country are a megabyte. The checksum is
//! XXH3-64, as everywhere in the file: one damaged block in 2^64 goes unnoticed, where the 32 bits of a
//! CRC would let one in four thousand million through, and either is read faster than memory gives it.
//! Files of older formats have one block for each section.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::layout::{CHECKED_SECTIONS, Extent, FORMAT_VERSION, Header, Section, sections_of};

/// Bytes of a block.
pub const BLOCK_BYTES: u64 = 1 << 16;

/// Bytes of a checksum.
const SUM_BYTES: u64 = 8;

/// The checksums of a file's blocks, with a mark for each that has passed.
pub struct Blocks {
    /// The checksums, all sections one after the other.
    sums: Box<[u64]>,
    /// Where the blocks of each section begin among them.
    starts: [usize; CHECKED_SECTIONS + 1],
    /// Bytes of a block, as the power of two.
    shift: u32,
    /// A bit for each block that was as it should be when it was last read.
    passed: Box<[AtomicU64]>,
    /// Set while every block has its mark.
    all: AtomicBool,
    /// Held while `all` is set or taken back.
    settling: Mutex<()>,
}

/// How many blocks so many bytes take.
const fn blocks_of(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_BYTES)
}

/// Bytes of the checksums that a header asks for; `None` when no file could hold them.
pub fn checksum_bytes(header: &Header) -> Option<u64> {
    if header.format != FORMAT_VERSION {
        return Some(0);
    }
    let checked = header.sections.iter().take(CHECKED_SECTIONS);
    let mut blocks = checked.map(|extent| blocks_of(extent.length));
    blocks
        .try_fold(0_u64, u64::checked_add)?
        .checked_mul(SUM_BYTES)
}

impl Blocks {
    /// The checksums that a header and the section of checksums tell. `None` when they are not those
    /// that the header was written with.
    pub fn of(header: &Header, section: &[u8]) -> Option<Self> {
        if header.format != FORMAT_VERSION {
            return Some(Self::whole_sections(header));
        }
        (xxh3_64(section) == header.extent(Section::Checksums).checksum).then_some(())?;
        let sums: Box<[u64]> = section
            .as_chunks()
            .0
            .iter()
            .map(|sum| u64::from_le_bytes(*sum))
            .collect();
        let mut starts = [0; CHECKED_SECTIONS + 1];
        let mut next = 0_usize;
        for (number, extent) in header.sections.iter().take(CHECKED_SECTIONS).enumerate() {
            starts[number] = next;
            let end = next.checked_add(usize::try_from(blocks_of(extent.length)).ok()?)?;
            (checksum_of(sums.get(next..end)?) == extent.checksum).then_some(())?;
            next = end;
        }
        starts[CHECKED_SECTIONS] = next;
        Some(Self::new(sums, starts, BLOCK_BYTES.trailing_zeros()))
    }

    /// A block for each section, as older formats have it.
    fn whole_sections(header: &Header) -> Self {
        let here = sections_of(header.format).min(CHECKED_SECTIONS);
        let sums = header.sections.iter().take(here).map(|it| it.checksum);
        let starts = std::array::from_fn(|number| number.min(here));
        Self::new(sums.collect(), starts, u64::BITS - 1)
    }

    fn new(sums: Box<[u64]>, starts: [usize; CHECKED_SECTIONS + 1], shift: u32) -> Self {
        let words = sums.len().div_ceil(64);
        Self {
            sums,
            starts,
            shift,
            passed: (0..words).map(|_| AtomicU64::new(0)).collect(),
            all: AtomicBool::new(false),
            settling: Mutex::new(()),
        }
    }

    /// Whether every block has passed: then nothing needs a look.
    #[inline]
    pub fn have_passed(&self) -> bool {
        self.all.load(Ordering::Relaxed)
    }

    /// The blocks of a section that some of its bytes lie in, by their numbers in the section.
    #[inline]
    pub fn that_hold(&self, bytes: &Range<u64>) -> Range<u64> {
        if bytes.is_empty() {
            return 0..0;
        }
        bytes.start >> self.shift..((bytes.end - 1) >> self.shift) + 1
    }

    /// How many blocks a section has.
    pub fn count(&self, section: Section) -> u64 {
        let blocks = self.blocks(section);
        (blocks.end - blocks.start) as u64
    }

    /// Where a block lies in a section of so many bytes.
    pub fn place(&self, block: u64, length: u64) -> Range<u64> {
        let start = block << self.shift;
        start.min(length)..start.saturating_add(1 << self.shift).min(length)
    }

    /// Whether a block has passed.
    #[inline]
    pub fn has_passed(&self, section: Section, block: u64) -> bool {
        self.mark(section, block).is_some_and(|(_, word, bit)| {
            let word = self.passed.get(word);
            word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
        })
    }

    /// Reads a block: whether it is what was written. It has its mark from then on, or
    /// no more.
    pub fn check(&self, section: Section, block: u64, bytes: &[u8]) -> bool {
        let Some((number, word, bit)) = self.mark(section, block) else {
            return false;
        };
        let (Some(sum), Some(word)) = (self.sums.get(number), self.passed.get(word)) else {
            return false;
        };
        if xxh3_64(bytes) == *sum {
            word.fetch_or(bit, Ordering::Relaxed);
            return true;
        }
        let _settling = self.settling.lock();
        word.fetch_and(!bit, Ordering::Relaxed);
        self.all.store(false, Ordering::Relaxed);
        false
    }

    /// Notes that every block has passed, if that is so.
    pub fn settle(&self) {
        let _settling = self.settling.lock();
        let marks = self.passed.iter().map(|word| word.load(Ordering::Relaxed));
        let passed: u64 = marks.map(|word| u64::from(word.count_ones())).sum();
        self.all
            .store(passed == self.sums.len() as u64, Ordering::Relaxed);
    }

    /// The numbers of a section's blocks among all.
    fn blocks(&self, section: Section) -> Range<usize> {
        let at = section as usize;
        let ends = self.starts.get(at).zip(self.starts.get(at + 1));
        ends.map_or(0..0, |(start, end)| *start..*end)
    }

    /// A block's number among all, and where its mark is.
    #[inline]
    fn mark(&self, section: Section, block: u64) -> Option<(usize, usize, u64)> {
        let blocks = self.blocks(section);
        let number = blocks.start.checked_add(usize::try_from(block).ok()?)?;
        (number < blocks.end).then_some((number, number / 64, 1 << (number % 64)))
    }
}

/// The checksum of a list of checksums, as the section table has it.
fn checksum_of(sums: &[u64]) -> u64 {
    let mut hash = Xxh3::new();
    sums.iter().for_each(|sum| hash.update(&sum.to_le_bytes()));
    hash.digest()
}

/// Takes the checksums of a section while it is written.
#[derive(Default)]
pub struct Summing {
    block: Xxh3,
    /// Bytes of the block so far.
    filled: usize,
    sums: Vec<u64>,
}

impl Summing {
    /// Takes in what the section goes on with.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = BLOCK_BYTES as usize - self.filled;
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.block.update(now);
            self.filled += now.len();
            bytes = later;
            if self.filled == BLOCK_BYTES as usize {
                self.end_block();
            }
        }
    }

    fn end_block(&mut self) {
        self.sums.push(self.block.digest());
        self.block.reset();
        self.filled = 0;
    }

    /// The section's checksum for the table; adds those of its blocks to `all`.
    pub fn finish(mut self, all: &mut Vec<u8>) -> u64 {
        if self.filled > 0 {
            self.end_block();
        }
        let bytes = self.sums.iter().flat_map(|sum| sum.to_le_bytes());
        all.extend(bytes);
        checksum_of(&self.sums)
    }

    /// The same of a section that is there as a whole.
    pub fn all_of(section: &[u8], all: &mut Vec<u8>) -> u64 {
        let mut summing = Self::default();
        summing.update(section);
        summing.finish(all)
    }
}

/// The place of a section's bytes in the file, for messages.
pub const fn offset(extent: Extent, at: u64) -> u64 {
    extent.offset.saturating_add(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_summed_alike_in_pieces_and_as_a_whole() {
        let block = BLOCK_BYTES as usize;
        for length in [0, 1, block - 1, block, block + 1, 3 * block] {
            let section: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
            let mut whole = Vec::new();
            let of_whole = Summing::all_of(&section, &mut whole);
            assert_eq!(whole.len(), length.div_ceil(block) * 8);
            for (sum, bytes) in whole.as_chunks().0.iter().zip(section.chunks(block)) {
                assert_eq!(u64::from_le_bytes(*sum), xxh3_64(bytes));
            }
            for piece in [1_000, block, 2 * block + 3] {
                let (mut summing, mut sums) = (Summing::default(), Vec::new());
                section.chunks(piece).for_each(|it| summing.update(it));
                assert_eq!(summing.finish(&mut sums), of_whole);
                assert!(sums == whole);
            }
        }
    }

    #[test]
    fn a_block_is_where_its_bytes_are() {
        let blocks = Blocks::new(Box::new([0; 3]), [0, 3, 3, 3, 3, 3, 3, 3], 16);
        assert_eq!(blocks.that_hold(&(5..5)), 0..0);
        assert_eq!(blocks.that_hold(&(0..65_536)), 0..1);
        assert_eq!(blocks.that_hold(&(65_535..65_537)), 0..2);
        assert_eq!(blocks.place(2, 140_000), 131_072..140_000);
        assert_eq!(blocks.count(Section::Records), 3);
        assert_eq!(blocks.count(Section::Checksums), 0);
        assert!(!blocks.check(Section::Records, 3, b""), "there is none");
        assert!(!blocks.check(Section::Ends, 0, b""), "there is none");
    }
}
