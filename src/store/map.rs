//! A file's bytes without reading it: the only file of the program with `unsafe` of its own.
//!
//! In: the path of a file that is never written again, or bytes from anywhere. Out: `&[u8]`.
#![allow(unsafe_code)] // A map cannot be made without: see the SAFETY comment.

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::ops::Range;
use std::path::Path;

use memmap2::{Advice, Mmap};

/// Bytes of a page; touching one byte in each brings all in.
const PAGE: usize = 4096;

/// Bytes that are read at once.
const STRIDE: usize = 8 << 20;

/// Read-only bytes: a mapped file, or memory.
pub struct Map(Bytes);

/// How bytes will be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pattern {
    /// Here and there: nothing is read around them, which may be megabytes for each. What is in memory
    /// already stays as it is.
    Scattered,
    /// All of them: they are read into large pages, in which bytes here and there are found with half
    /// the work of small ones.
    Whole,
}

enum Bytes {
    Mapped(Mmap),
    Heap(Vec<u8>),
}

impl Map {
    /// Maps a whole file, read-only.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the map is sound while nobody changes or shortens the file.
        //
        // What holds that: this program writes a snapshot under a temporary name, flushes it, takes
        // away the permission to write and renames it, so a file that can be found under its name
        // is whole and has no writer of ours; newer snapshots are other files, and removing or
        // replacing a file leaves the mapped one alone until it is unmapped. The map itself is
        // read-only, and only shared references to it are given out.
        //
        // What is not proved: that no other process changes the file. The data folder belongs to
        // this program's user alone, but whoever may write there can make our bytes change under
        // us, which is undefined behaviour, or shorten the file, which ends the process (SIGBUS),
        // as does a disk that fails to read. No check at opening can rule that out.
        let mapped = unsafe { Mmap::map(&file) }?;
        Ok(Self(Bytes::Mapped(mapped)))
    }

    /// Bytes in memory, for tests and fuzzing: no file and no `unsafe`.
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Bytes::Heap(bytes))
    }

    /// All bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Mapped(map) => map,
            Bytes::Heap(bytes) => bytes,
        }
    }

    /// Says how the bytes will be asked for. A system that takes no advice is only slower.
    pub fn expect(&self, pattern: Pattern) {
        self.advise(&(0..usize::MAX), pattern);
    }

    /// The same of a part; what lies outside the map is left out. Memory takes no advice.
    fn advise(&self, range: &Range<usize>, pattern: Pattern) {
        let Bytes::Mapped(map) = &self.0 else {
            return;
        };
        let advice: &[Advice] = match pattern {
            Pattern::Scattered => &[Advice::Random, Advice::NoHugePage],
            Pattern::Whole => &[Advice::Normal, Advice::HugePage],
        };
        let end = range.end.min(map.len());
        if let Some(length) = end.checked_sub(range.start).filter(|&length| length > 0) {
            for &advice in advice {
                let _ = map.advise_range(advice, range.start, length);
            }
        }
    }

    /// Brings a part into memory, so that requests, which are scattered, need not wait for the disk.
    /// Gives the number of pages.
    pub fn warm(&self, range: &Range<usize>) -> usize {
        let end = range.end.min(self.bytes().len());
        let mut pages = 0;
        for start in (range.start..end).step_by(STRIDE) {
            let part = start..end.min(start + STRIDE);
            self.advise(&part, Pattern::Whole);
            for page in self
                .bytes()
                .get(part.clone())
                .unwrap_or_default()
                .chunks(PAGE)
            {
                black_box(page.first().copied());
                pages += 1;
            }
            self.advise(&part, Pattern::Scattered);
        }
        pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_file_outlives_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let map = Map::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(map.bytes(), b"0123456789");
        assert!(Map::open(&path).is_err());
    }

    #[test]
    fn advice_and_warming_take_any_range() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![7; 3 * PAGE + 1]).unwrap();
        let map = Map::open(&path).unwrap();
        let all = 0..usize::MAX;
        assert_eq!(map.warm(&all), 4);
        assert_eq!(Map::from_bytes(vec![7; 3 * PAGE + 1]).warm(&all), 4);
        map.expect(Pattern::Scattered);
        for range in [all, 5..9, 5000..5001, 9..9, usize::MAX - 1..usize::MAX] {
            map.advise(&range, Pattern::Scattered);
            map.warm(&range);
        }
    }

    #[test]
    fn an_empty_file_has_no_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(Map::open(&path).unwrap().bytes(), b"");
    }
}
