//! The bytes of an audit file.
//!
//! ```text
//! head of the file, 120 bytes:  "PUAUDIT\n", format u32, chain u32, number of the file u64, number
//!                               of its first entry u64, time i64, the earliest and the latest time
//!                               in the file before i64 each, hash that the file before ended with
//!                               (32), SHA-256 of all this (32)
//! block:
//!   head, 20 bytes:             "PUAB", bytes of the entries u32, number of the first u64, count u32
//!   hash, 32 bytes:             SHA-256 of the hash before, the head and the entries
//!   entries
//! ```
//!
//! The hash before a file's first block is the one its head ends with, so that every byte of every
//! file is under every hash that comes after. Files and entries are numbered from 1. Numbers are
//! little endian.

use std::fmt;
use std::str::FromStr;

use ring::digest::{Context, SHA256};

use super::read::Wrong;
use crate::base::limits::AUDIT_BLOCK_BYTES;
use crate::base::micros::Micros;

/// Bytes before the first block.
pub const FILE_HEAD: usize = HASHED + 32;
/// Bytes before a block's entries.
pub const BLOCK_HEAD: usize = TOLD + 32;

/// Bytes of a file's head without its hash.
const HASHED: usize = 88;
/// Bytes of a block's head without its hash.
const TOLD: usize = 20;

const FORMAT: u32 = 1;
const FILE_MAGIC: &[u8; 8] = b"PUAUDIT\n";
const MAGIC: &[u8; 4] = b"PUAB";

/// What stands for all that came before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hash(pub [u8; 32]);

/// The earliest and the latest time of entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub Micros, pub Micros);

impl Span {
    /// The span of these times and one more.
    pub fn with(span: Option<Self>, at: Micros) -> Self {
        span.map_or(Self(at, at), |it| Self(it.0.min(at), it.1.max(at)))
    }

    /// The span of both.
    pub fn join(self, other: Option<Self>) -> Self {
        other.map_or(self, |it| Self(self.0.min(it.0), self.1.max(it.1)))
    }
}

/// The head of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileHead {
    /// Which chain it belongs to.
    pub chain: u32,
    /// Which of its files this is.
    pub number: u64,
    /// The number of its first entry.
    pub first: u64,
    /// When it was begun.
    pub at: Micros,
    /// The earliest and the latest time of an entry in the file before; `None` in the first file.
    /// Clocks are set back: these, and not when files were begun, tell what a file holds.
    pub before: Option<Span>,
    /// The hash that the file before ended with; zeros in the first file.
    pub previous: Hash,
}

/// The head of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockHead {
    /// Bytes of its entries.
    pub length: u32,
    /// The number of its first entry.
    pub first: u64,
    /// How many entries it holds.
    pub count: u32,
    /// Stands for this block and all before it.
    pub hash: Hash,
}

impl Hash {
    /// The hash of these bytes, one after the other.
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        parts.iter().for_each(|part| context.update(part));
        let mut hash = Self::default();
        hash.0.copy_from_slice(context.finish().as_ref());
        hash
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 hexadecimal digits")]
pub struct NotAHash;

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(NotAHash);
        }
        let mut hash = Self::default();
        for (byte, pair) in hash.0.iter_mut().zip(digits.as_chunks::<2>().0) {
            let pair = str::from_utf8(pair).map_err(|_| NotAHash)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotAHash)?;
        }
        Ok(hash)
    }
}

impl FileHead {
    /// Its bytes, and the hash they end with.
    pub fn to_bytes(self) -> ([u8; FILE_HEAD], Hash) {
        let mut bytes = [0; FILE_HEAD];
        bytes[..8].copy_from_slice(FILE_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.chain.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.at.number().to_le_bytes());
        if let Some(Span(earliest, latest)) = self.before {
            bytes[40..48].copy_from_slice(&earliest.number().to_le_bytes());
            bytes[48..56].copy_from_slice(&latest.number().to_le_bytes());
        }
        bytes[56..88].copy_from_slice(&self.previous.0);
        let hash = Hash::of(&[&bytes[..HASHED]]);
        bytes[HASHED..].copy_from_slice(&hash.0);
        (bytes, hash)
    }

    /// What the head of a file tells, and the hash it ends with.
    pub fn read(bytes: &[u8; FILE_HEAD]) -> Result<(Self, Hash), Wrong> {
        if &bytes[..8] != FILE_MAGIC {
            return Err(Wrong::NoAudit);
        }
        if number(&bytes[8..12]) != u64::from(FORMAT) {
            return Err(Wrong::Format);
        }
        let hash = Hash::of(&[&bytes[..HASHED]]);
        if bytes[HASHED..] != hash.0 {
            return Err(Wrong::FileHead);
        }
        let time = |bytes: &[u8]| Micros::from_number(number(bytes).cast_signed());
        let time = |bytes: &[u8]| time(bytes).ok_or(Wrong::FileHead);
        let before = Span(time(&bytes[40..48])?, time(&bytes[48..56])?);
        let is_first = number(&bytes[16..24]) == 1;
        let head = Self {
            chain: number(&bytes[12..16]) as u32,
            number: number(&bytes[16..24]),
            first: number(&bytes[24..32]),
            at: time(&bytes[32..40])?,
            before: (!is_first).then_some(before),
            previous: hash_in(&bytes[56..88]),
        };
        Ok((head, hash))
    }
}

/// Finishes a block: `block` holds room for its head, and its entries. Gives its hash.
pub fn seal(block: &mut [u8], first: u64, count: u32, previous: Hash) -> Hash {
    let length = (block.len() - BLOCK_HEAD) as u32;
    block[..4].copy_from_slice(MAGIC);
    block[4..8].copy_from_slice(&length.to_le_bytes());
    block[8..16].copy_from_slice(&first.to_le_bytes());
    block[16..20].copy_from_slice(&count.to_le_bytes());
    let hash = Hash::of(&[&previous.0, &block[..TOLD], &block[BLOCK_HEAD..]]);
    block[TOLD..BLOCK_HEAD].copy_from_slice(&hash.0);
    hash
}

impl BlockHead {
    /// What the head of a block tells.
    pub fn read(bytes: &[u8; BLOCK_HEAD]) -> Result<Self, Wrong> {
        let head = Self {
            length: number(&bytes[4..8]) as u32,
            first: number(&bytes[8..16]),
            count: number(&bytes[16..20]) as u32,
            hash: hash_in(&bytes[TOLD..]),
        };
        let is_one = &bytes[..4] == MAGIC && head.length as usize <= AUDIT_BLOCK_BYTES;
        (is_one && head.count > 0 && head.first.checked_add(u64::from(head.count)).is_some())
            .then_some(head)
            .ok_or(Wrong::NoBlock)
    }

    /// Whether this block, with these entries, follows on what `previous` stands for.
    pub fn follows(self, previous: Hash, bytes: &[u8; BLOCK_HEAD], entries: &[u8]) -> bool {
        self.hash == Hash::of(&[&previous.0, &bytes[..TOLD], entries])
    }
}

/// A little-endian number.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

/// The hash that stands in 32 bytes.
pub(super) fn hash_in(bytes: &[u8]) -> Hash {
    bytes.first_chunk().map_or(Hash::default(), |it| Hash(*it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_follows_on_its_predecessor_and_notices_every_flipped_bit() {
        let mut block = vec![0; BLOCK_HEAD];
        block.extend_from_slice(b"entries");
        let previous = Hash([7; 32]);
        let hash = seal(&mut block, 9, 2, previous);
        let whole = |block: &[u8], previous| {
            let bytes = block.first_chunk().unwrap();
            let head = BlockHead::read(bytes).ok()?;
            head.follows(previous, bytes, &block[BLOCK_HEAD..])
                .then_some(head)
        };
        let head = whole(&block, previous).unwrap();
        assert_eq!(
            (head.length, head.first, head.count, head.hash),
            (7, 9, 2, hash)
        );
        assert_eq!(whole(&block, Hash::default()), None);
        for bit in 0..block.len() * 8 {
            let mut flipped = block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(whole(&flipped, previous), None, "bit {bit}");
        }
    }

    #[test]
    fn a_file_head_tells_where_it_belongs_and_notices_every_flipped_bit() {
        let head = FileHead {
            chain: 3,
            number: 2,
            first: 17,
            at: Micros::now(),
            before: Some(Span(Micros::now(), Micros::MAX)),
            previous: Hash([9; 32]),
        };
        let (bytes, hash) = head.to_bytes();
        assert_eq!(FileHead::read(&bytes), Ok((head, hash)));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(FileHead::read(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn hashes_are_read_as_they_are_written() {
        let hash = Hash::of(&[b"some", b"thing"]);
        assert_eq!(hash, Hash::of(&[b"something"]));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for odd in ["", "00", &"g".repeat(64), &"+1".repeat(32), &"å".repeat(32)] {
            assert_eq!(odd.parse::<Hash>(), Err(NotAHash));
        }
    }
}
