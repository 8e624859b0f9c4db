//! One process at a time works on a data folder: the one that holds its lock.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::folder::remove_unfinished;

/// The lock on a data folder, held until dropped. The system lets go of it when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct DataLock(#[expect(dead_code, reason = "held for its lock")] File);

/// Why a data folder cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works on it.
    #[error("another process works on {0}: stop it first")]
    Held(PathBuf),
    /// The folder or its lock file cannot be made.
    #[error("cannot make or lock the data folder {path}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DataLock {
    /// Takes the lock on `folder`, which is made when it is missing, readable by its owner only.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            path: folder.to_path_buf(),
            source,
        };
        make_private(folder).map_err(failed)?;
        let file = File::create(folder.join(".lock")).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                // Whoever owns the folder now may clear away what a crash left behind.
                remove_unfinished(folder).map_err(failed)?;
                Ok(Self(file))
            }
            Err(TryLockError::WouldBlock) => Err(LockError::Held(folder.to_path_buf())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_until_the_first_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        let first = DataLock::take(&data).unwrap();
        assert!(matches!(DataLock::take(&data), Err(LockError::Held(_))));
        drop(first);
        DataLock::take(&data).unwrap();
    }
}
