//! The bytes of a segment file.
//!
//! ```text
//! head of the file, 64 bytes:  "PULOGSEG", format u32, checksum u32 of the rest, schema hash u64,
//!                              number of the first entry u64, of the last entry before it u64, bytes
//!                              the file was made with u64 (0 before version 0.5.0), zeros
//! block, from a multiple of 32 bytes on:
//!   head, 32 bytes:            number of the first entry u64, entries u32, bytes u32, checksum u32
//!                              of these bytes, checksum u32 of the head, "PUBLOCK\0"
//!   entries:                   each its length u32 and its bytes
//!   zeros, then "PUBLKEND" up to a multiple of 32 bytes
//! zeros to the end of the file
//! ```
//!
//! One commit is one block and one flush. Numbers are little endian, checksums CRC-32C. The head of a
//! block lies in one disk sector, so it is there whole or not at all.

use super::{Foreign, Wrong};

/// Bytes before the first block.
pub const FILE_HEAD: usize = 64;
/// Bytes of a block's head, and what blocks are aligned to.
pub const HEAD: usize = 32;
/// The most bytes in one block.
pub const MOST: usize = 64 << 20;

const FORMAT: u32 = 1;
const FILE_MAGIC: &[u8; 8] = b"PULOGSEG";
const MAGIC: &[u8; 8] = b"PUBLOCK\0";
/// The last bytes of a block: where they are missing, it was not written to its end.
const END: &[u8; 8] = b"PUBLKEND";

/// The head of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The number of its first entry.
    pub first: u64,
    /// How many entries it holds.
    pub count: u32,
    /// Bytes of the entries.
    pub length: u32,
    checksum: u32,
}

/// The head of a file: which entry it begins with, and which is the last one in the file before it.
/// Where these do not follow on each other there is a gap: a bulk import went straight to a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileHead {
    /// The number of the first entry.
    pub first: u64,
    /// The number of the last entry before.
    pub before: u64,
    /// Bytes that the file was made with, and has from then on; 0: it does not tell.
    pub bytes: u64,
}

/// The bytes of a file's head.
pub fn file_head(schema_hash: u64, about: FileHead) -> [u8; FILE_HEAD] {
    let mut head = [0; FILE_HEAD];
    head[..8].copy_from_slice(FILE_MAGIC);
    head[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    head[16..24].copy_from_slice(&schema_hash.to_le_bytes());
    head[24..32].copy_from_slice(&about.first.to_le_bytes());
    head[32..40].copy_from_slice(&about.before.to_le_bytes());
    head[40..48].copy_from_slice(&about.bytes.to_le_bytes());
    let checksum = crc32c::crc32c(&head[16..]);
    head[12..16].copy_from_slice(&checksum.to_le_bytes());
    head
}

/// What the head of a file tells.
pub fn read_file_head(head: &[u8; FILE_HEAD], schema_hash: u64) -> Result<FileHead, Foreign> {
    if &head[..8] != FILE_MAGIC {
        return Err(Foreign::Magic);
    }
    if number(&head[8..12]) != u64::from(FORMAT) {
        return Err(Foreign::Format);
    }
    if number(&head[12..16]) != u64::from(crc32c::crc32c(&head[16..])) {
        return Err(Foreign::Head);
    }
    if number(&head[16..24]) != schema_hash {
        return Err(Foreign::Schema);
    }
    Ok(FileHead {
        first: number(&head[24..32]),
        before: number(&head[32..40]),
        bytes: number(&head[40..48]),
    })
}

/// A block of these entries, up to its alignment; `None` when they are too large for one.
pub fn write(first: u64, entries: &[Vec<u8>]) -> Option<Vec<u8>> {
    let length: usize = entries.iter().map(|entry| 4 + entry.len()).sum();
    if length > MOST {
        return None;
    }
    let mut out = Vec::with_capacity(aligned(HEAD + length + END.len()));
    out.resize(HEAD, 0);
    for entry in entries {
        out.extend_from_slice(&u32::try_from(entry.len()).ok()?.to_le_bytes());
        out.extend_from_slice(entry);
    }
    let checksum = crc32c::crc32c(&out[HEAD..]);
    out[..8].copy_from_slice(&first.to_le_bytes());
    out[8..12].copy_from_slice(&u32::try_from(entries.len()).ok()?.to_le_bytes());
    out[12..16].copy_from_slice(&u32::try_from(length).ok()?.to_le_bytes());
    out[16..20].copy_from_slice(&checksum.to_le_bytes());
    out[24..32].copy_from_slice(MAGIC);
    let head = head_checksum(&out[..HEAD]);
    out[20..24].copy_from_slice(&head.to_le_bytes());
    out.resize(aligned(out.len() + END.len()) - END.len(), 0);
    out.extend_from_slice(END);
    Some(out)
}

/// The head of a block; `None` where nothing was written.
pub fn read_head(bytes: &[u8; HEAD]) -> Result<Option<Head>, Wrong> {
    if bytes.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    let head = Head {
        first: number(&bytes[..8]),
        count: number(&bytes[8..12]) as u32,
        length: number(&bytes[12..16]) as u32,
        checksum: number(&bytes[16..20]) as u32,
    };
    let whole = &bytes[24..] == MAGIC
        && number(&bytes[20..24]) == u64::from(head_checksum(bytes))
        && head.length as usize <= MOST;
    whole.then_some(Some(head)).ok_or(Wrong::Head)
}

impl Head {
    /// Bytes from this block's head to the next one's.
    pub const fn span(self) -> u64 {
        aligned(HEAD + self.length as usize + END.len()) as u64
    }

    /// Whether these are the entries' bytes.
    pub fn is_of(self, entries: &[u8]) -> bool {
        crc32c::crc32c(entries) == self.checksum
    }

    /// The entries' bytes one by one, out of all of them.
    pub fn split(self, mut entries: &[u8]) -> Result<Vec<&[u8]>, Wrong> {
        let mut found = Vec::with_capacity(self.count as usize);
        while let Some((length, rest)) = entries.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*length) as usize;
            let (entry, rest) = rest.split_at_checked(length).ok_or(Wrong::Entry)?;
            found.push(entry);
            entries = rest;
        }
        let whole = entries.is_empty() && found.len() == self.count as usize;
        whole.then_some(found).ok_or(Wrong::Entry)
    }
}

const fn aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(HEAD)
}

fn head_checksum(head: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&head[..20]), &head[24..HEAD])
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_gives_back_its_entries_and_notices_every_flipped_bit() {
        let entries = [b"one".to_vec(), Vec::new(), b"three".to_vec()];
        let block = write(7, &entries).unwrap();
        assert_eq!(block.len() % HEAD, 0);
        let whole = |block: &[u8]| {
            let head = read_head(block.first_chunk().unwrap()).ok()??;
            let bytes = block.get(HEAD..HEAD + head.length as usize)?;
            let same = head.is_of(bytes).then(|| head.split(bytes).ok())??;
            Some((
                head.first,
                same.iter().map(|it| it.to_vec()).collect::<Vec<_>>(),
            ))
        };
        assert_eq!(whole(&block), Some((7, entries.to_vec())));
        let used = HEAD
            + read_head(block.first_chunk().unwrap())
                .unwrap()
                .unwrap()
                .length as usize;
        for bit in 0..used * 8 {
            let mut flipped = block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(whole(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_file_head_tells_whose_it_is() {
        let about = FileHead {
            first: 9,
            before: 8,
            bytes: 4096,
        };
        let head = file_head(5, about);
        assert_eq!(read_file_head(&head, 5), Ok(about));
        assert_eq!(read_file_head(&head, 6), Err(Foreign::Schema));
        let mut other = head;
        other[30] = 1;
        assert_eq!(read_file_head(&other, 5), Err(Foreign::Head));
        assert_eq!(read_file_head(&[0; FILE_HEAD], 5), Err(Foreign::Magic));
    }
}
