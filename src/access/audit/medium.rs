//! What the audit does to its files, so that a test can let a disk fail.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, eaccess, geteuid};

use crate::base::files;

/// A disk.
pub trait Medium: Send + Sync {
    /// Makes a file of these bytes, which is there whole or not at all; when this returns, it will be
    /// there after a crash. After trouble it may be there or not, and is made again.
    fn begin(&self, path: &Path, head: &[u8]) -> io::Result<Arc<dyn Writable>>;
    /// Opens a file to go on writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn Writable>>;
    /// Replaces a small file as a whole; when this returns, the new one will be there after a crash.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// How many bytes would fit into a folder in which this process may make files.
    fn room(&self, folder: &Path) -> io::Result<u64>;
}

/// A file that is written in.
pub trait Writable: Send + Sync {
    /// Writes all bytes at a place, which is the end of the file.
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Takes off what comes after so many bytes.
    fn cut(&self, bytes: u64) -> io::Result<()>;
    /// Returns when all that was written is on the disk.
    fn sync(&self) -> io::Result<()>;
    /// Whether it is still the file that has this path, and has so many bytes or more.
    fn is_at(&self, path: &Path, bytes: u64) -> io::Result<bool>;
    /// Reads what stands there and writes it once more. After a flush that failed, the system takes
    /// what it could not write for written: only what is written again will be flushed again.
    fn renew(&self, from: u64, to: u64) -> io::Result<()>;
}

/// The disk.
pub struct Disk;

/// Bytes that are renewed at once.
const PIECE: u64 = 1 << 20;

/// Puts a file in its place, whole. On trouble it may be there all the same, and not after a crash.
fn put(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.tmp"));
    let file = files::create(&new)?;
    files::give_to_owner_of_folder(&file, &new)?;
    FileExt::write_all_at(&file, bytes, 0)?;
    file.sync_all()?;
    files::rename(&new, path)?;
    Ok(file)
}

impl Medium for Disk {
    fn begin(&self, path: &Path, head: &[u8]) -> io::Result<Arc<dyn Writable>> {
        Ok(Arc::new(put(path, head)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Writable>> {
        Ok(Arc::new(files::open(path)?))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        put(path, bytes).map(drop)
    }

    fn room(&self, folder: &Path) -> io::Result<u64> {
        eaccess(folder, AccessFlags::W_OK | AccessFlags::X_OK)?;
        let disk = statvfs(folder)?;
        if disk.flags().contains(FsFlags::ST_RDONLY) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        // What is kept back for root, root may use.
        let blocks = if geteuid().is_root() {
            disk.blocks_free()
        } else {
            disk.blocks_available()
        };
        Ok(blocks.saturating_mul(disk.fragment_size()))
    }
}

impl Writable for File {
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, at)
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn is_at(&self, path: &Path, bytes: u64) -> io::Result<bool> {
        let open = self.metadata()?;
        match fs::symlink_metadata(path) {
            Ok(named) => {
                let is_same = (named.dev(), named.ino()) == (open.dev(), open.ino());
                Ok(is_same && open.len() >= bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn renew(&self, from: u64, to: u64) -> io::Result<()> {
        let mut piece = Vec::new();
        let mut at = from;
        while at < to {
            piece.resize(usize::try_from((to - at).min(PIECE)).unwrap_or(0), 0);
            self.read_exact_at(&mut piece, at)?;
            FileExt::write_all_at(self, &piece, at)?;
            at += piece.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_private_and_renewing_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0-000001.audit");
        drop(Disk.begin(&path, b"left by an earlier try").unwrap());
        let file = Disk.begin(&path, b"head").unwrap();
        let long = vec![7; PIECE as usize + 5];
        file.write_all_at(&long, 4).unwrap();
        let before = fs::read(&path).unwrap();
        file.renew(2, before.len() as u64).unwrap();
        assert!(fs::read(&path).unwrap() == before);
        assert!(file.renew(2, before.len() as u64 + 1).is_err());
        file.cut(4).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"head");

        let head = folder.path().join("0.head");
        Disk.replace(&head, b"one").unwrap();
        Disk.replace(&head, b"two").unwrap();
        assert_eq!(fs::read(&head).unwrap(), b"two");
        for path in [path, head] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
