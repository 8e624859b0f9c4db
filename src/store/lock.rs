//! One process at a time works on a data folder: the one that holds its lock.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::folder::remove_unfinished;

/// The lock on a data folder, held until dropped. The system lets go of it when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct DataLock(File);

const NAME: &str = ".lock";

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
        // What its holder has written in it must stand when somebody else tries.
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let file = options.open(folder.join(NAME)).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).map_err(failed)?;
                // Whoever owns the folder now may clear away what a crash left behind.
                remove_unfinished(folder).map_err(failed)?;
                Ok(Self(file))
            }
            Err(TryLockError::WouldBlock) => Err(LockError::Held(folder.to_path_buf())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

impl DataLock {
    /// Says where the holder takes files.
    pub fn tell_inbox(&self, inbox: &Path) -> io::Result<()> {
        self.0.set_len(0)?;
        let inbox = std::path::absolute(inbox)?;
        (&self.0).write_all(inbox.as_os_str().as_encoded_bytes())
    }

    /// Whether somebody holds the lock on `folder`.
    pub fn is_held(folder: &Path) -> bool {
        let held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        File::open(folder.join(NAME)).is_ok_and(held)
    }

    /// Where the holder of the lock on `folder` takes files; `None` when it takes none.
    pub fn inbox(folder: &Path) -> Option<PathBuf> {
        let told = fs::read_to_string(folder.join(NAME)).ok()?;
        Some(PathBuf::from(told)).filter(|inbox| inbox.is_dir())
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
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
        assert_eq!(DataLock::inbox(&data), None);
        first.tell_inbox(folder.path()).unwrap();
        assert!(DataLock::take(&data).is_err() && DataLock::is_held(&data));
        assert_eq!(DataLock::inbox(&data).unwrap(), folder.path());
        drop(first);
        assert!(!DataLock::is_held(&data));
        DataLock::take(&data).unwrap();
        assert_eq!(DataLock::inbox(&data), None);
    }
}
