//! A file's bytes from the disk itself, past what the system keeps of it in memory: for who looks for
//! damage that nobody has read yet. Where the file system has no such way, memory has to do.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::base::files;

/// Places, lengths and memory are multiples of this, as disks want it.
const ALIGNED: usize = 4096;

/// A file on the disk.
pub struct Disk {
    file: File,
    buffer: Vec<u8>,
}

impl Disk {
    /// Opens a file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let opened = files::open_past_cache(path);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => File::open(path)?,
            opened => opened?,
        };
        Ok(Self {
            file,
            buffer: Vec::new(),
        })
    }

    /// The bytes of a place.
    pub fn read(&mut self, place: &Range<u64>) -> io::Result<&[u8]> {
        let start = place.start - place.start % ALIGNED as u64;
        let within = |at: u64| usize::try_from(at - start).map_err(io::Error::other);
        let (from, to) = (within(place.start)?, within(place.end)?);
        let length = to.next_multiple_of(ALIGNED);
        if self.buffer.len() < length + ALIGNED {
            self.buffer = vec![0; length + ALIGNED];
        }
        let skip = self.buffer.as_ptr().align_offset(ALIGNED);
        let room = self.buffer.get_mut(skip..).unwrap_or_default();
        let mut filled = 0;
        while filled < to {
            let left = room.get_mut(filled..length).unwrap_or_default();
            match self.file.read_at(left, start + filled as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        room.get(from..to)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_place_is_read_as_it_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..300_001_u32).map(|at| (at / 3) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        assert!(Disk::open(&folder.path().join("missing")).is_err());
        let mut disk = Disk::open(&path).unwrap();
        let length = bytes.len() as u64;
        for place in [
            0..1,
            5..5,
            4095..4097,
            4096..69_632,
            70_000..200_000,
            length - 1..length,
        ] {
            let (from, to) = (place.start as usize, place.end as usize);
            assert_eq!(disk.read(&place).unwrap(), &bytes[from..to], "{place:?}");
        }
        assert!(disk.read(&(length..length + 1)).is_err());
    }
}
