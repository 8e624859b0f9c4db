//! The head of a chain: how far it is known to be on the disk. It lies in a file of its own, so that
//! blocks that are removed from the end of a chain are missed.

use std::io;
use std::path::Path;

use super::block::{Hash, hash_in, number};
use super::folder;
use super::read::{Damage, ReadError, Wrong};

/// How far a chain is known to be on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The chain.
    pub chain: u32,
    /// Its file at that time.
    pub number: u64,
    /// Bytes of that file; 0 when nothing was there yet.
    pub byte: u64,
    /// Entries of the chain.
    pub entries: u64,
    /// The hash that stands for all of them.
    pub hash: Hash,
}

/// Bytes of a head.
pub const HEAD: usize = HASHED + 32;
const HASHED: usize = 72;
const MAGIC: &[u8; 8] = b"PUAUHEAD";
const FORMAT: u32 = 1;

impl Head {
    /// Before there is anything.
    pub fn of_nothing(chain: u32) -> Self {
        Self {
            chain,
            number: 1,
            byte: 0,
            entries: 0,
            hash: Hash::default(),
        }
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.chain.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.byte.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.entries.to_le_bytes());
        bytes[40..HASHED].copy_from_slice(&self.hash.0);
        let checksum = Hash::of(&[&bytes[..HASHED]]);
        bytes[HASHED..].copy_from_slice(&checksum.0);
        bytes
    }

    /// What the bytes tell; `None` when they are no head.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let whole = bytes.len() == HEAD
            && &bytes[..8] == MAGIC
            && number(&bytes[8..12]) == u64::from(FORMAT)
            && bytes[HASHED..] == Hash::of(&[&bytes[..HASHED]]).0;
        whole.then(|| Self {
            chain: number(&bytes[12..16]) as u32,
            number: number(&bytes[16..24]),
            byte: number(&bytes[24..32]),
            entries: number(&bytes[32..40]),
            hash: hash_in(&bytes[40..HASHED]),
        })
    }

    /// The head of a chain. One that is missing or was changed is damage.
    pub fn read(folder: &Path, chain: u32) -> Result<Self, ReadError> {
        let path = folder::head(folder, chain);
        let wrong = match std::fs::read(&path) {
            Ok(bytes) => match Self::from_bytes(&bytes) {
                Some(head) if head.chain == chain => return Ok(head),
                _ => Wrong::HeadChanged,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Wrong::HeadMissing,
            Err(source) => return Err(ReadError::Io { path, source }),
        };
        Err(ReadError::Damaged(Damage {
            file: path,
            byte: 0,
            entry: 1,
            wrong,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_written_and_notices_every_flipped_bit() {
        let head = Head {
            byte: 400,
            entries: 3,
            hash: Hash([8; 32]),
            ..Head::of_nothing(2)
        };
        let bytes = head.to_bytes();
        assert_eq!(Head::from_bytes(&bytes), Some(head));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::from_bytes(&flipped), None, "bit {bit}");
        }
        assert_eq!(Head::from_bytes(&bytes[1..]), None);
    }

    #[test]
    fn a_head_is_missing_damaged_or_of_its_own_chain() {
        let folder = tempfile::tempdir().unwrap();
        let read = |chain| match Head::read(folder.path(), chain) {
            Ok(head) => Ok(head),
            Err(ReadError::Damaged(damage)) => Err(damage.wrong),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(read(0), Err(Wrong::HeadMissing));
        let head = Head::of_nothing(0);
        for (chain, expected) in [(0, Ok(head)), (1, Err(Wrong::HeadChanged))] {
            std::fs::write(folder::head(folder.path(), chain), head.to_bytes()).unwrap();
            assert_eq!(read(chain), expected);
        }
    }
}
