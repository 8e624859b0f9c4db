//! What the log does to its files, so that a test can let a disk fail.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::base::files;

/// A disk.
pub trait Medium: Send + Sync {
    /// Makes a file of zeros, every block of it in place, so that writing into it later changes
    /// nothing but the bytes. On trouble there is no file.
    fn prepare(&self, path: &Path, bytes: u64) -> io::Result<()>;
    /// Gives a prepared file its head and its name.
    fn begin(&self, prepared: &Path, head: &[u8], path: &Path) -> io::Result<()>;
    /// Opens a file to be written in.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Writable>>;
    /// Gives a file that is on the disk its name, in place of the one that has it; when this returns,
    /// it will have it after a crash.
    fn put(&self, made: &Path, path: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Bytes that there is room for in a folder.
    fn room(&self, folder: &Path) -> io::Result<u64>;
}

/// A file that is written in.
pub trait Writable: Send + Sync {
    /// Writes all bytes at a place within the file.
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Returns when all that was written is on the disk.
    fn sync(&self) -> io::Result<()>;
    /// Whether it still has a name: what is written in a removed file is lost.
    fn is_there(&self) -> io::Result<bool>;
}

/// The disk.
pub struct Disk;

static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

impl Medium for Disk {
    fn prepare(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let made = write_zeros(path, bytes);
        if made.is_err() {
            // What cannot be removed now is removed when the register is opened.
            let _ = fs::remove_file(path);
        }
        made
    }

    fn begin(&self, prepared: &Path, head: &[u8], path: &Path) -> io::Result<()> {
        let file = files::open(prepared)?;
        FileExt::write_all_at(&file, head, 0)?;
        file.sync_all()?;
        self.put(prepared, path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Writable>> {
        Ok(Box::new(files::open(path)?))
    }

    fn put(&self, made: &Path, path: &Path) -> io::Result<()> {
        files::rename(made, path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn room(&self, folder: &Path) -> io::Result<u64> {
        let about = statvfs(folder)?;
        Ok(about.blocks_available() * about.fragment_size())
    }
}

impl Writable for File {
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn is_there(&self) -> io::Result<bool> {
        Ok(self.metadata()?.nlink() > 0)
    }
}

fn write_zeros(path: &Path, bytes: u64) -> io::Result<()> {
    let file = files::create(path)?;
    files::give_to_owner_of_folder(&file, path)?;
    let mut at = 0;
    while at < bytes {
        let zeros = &ZEROS[..ZEROS
            .len()
            .min(usize::try_from(bytes - at).unwrap_or(usize::MAX))];
        FileExt::write_all_at(&file, zeros, at)?;
        at += zeros.len() as u64;
    }
    file.sync_all()
}
