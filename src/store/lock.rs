//! One process at a time works on a data folder: the one that holds its lock.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::folder::{self, remove_unfinished};
use super::state::log_folder;
use crate::base::files::{self, Closed, FolderError, MadeFolder};

/// The lock on a data folder, held until dropped. The system lets go of it when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct DataLock {
    file: File,
    mended: Vec<Mended>,
    folder: PathBuf,
    /// The folder, when it was made for this lock.
    made: Option<MadeFolder>,
}

/// A folder that others could enter until now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("others could enter {path} (mode {mode:o}): it is closed to them now")]
pub struct Mended {
    /// The folder.
    pub path: PathBuf,
    /// The mode it had.
    pub mode: u32,
}

const NAME: &str = ".lock";

/// Why a data folder cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works on it.
    #[error("another process works on {0}: stop it first")]
    Held(PathBuf),
    /// Others may enter the folder, and it cannot be closed to them.
    #[error("the data folder {path} is not used")]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: FolderError,
    },
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
    /// Takes the lock on `folder`, which is made when it is missing. Only its owner may enter it: one
    /// that others could enter is closed, which [`DataLock::mended`] tells, or refused.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            path: folder.to_path_buf(),
            source,
        };
        let mut mended = Vec::new();
        let made = MadeFolder::at(folder).map_err(failed)?;
        close(folder, &mut mended)?;
        let log = log_folder(folder);
        if log.is_dir() {
            close(&log, &mut mended)?;
        }
        // What its holder has written in it must stand when somebody else tries.
        let path = folder.join(NAME);
        let file = files::keep(&path).map_err(failed)?;
        files::give_to_owner_of_folder(&file, &path).map_err(failed)?;
        match file.try_lock() {
            // Its holder may have taken the folder away with what it had not begun.
            Ok(()) if !is_at(&file, &path) => Err(LockError::Held(folder.to_path_buf())),
            Ok(()) => {
                file.set_len(0).map_err(failed)?;
                // Whoever owns the folder now may clear away what a crash left behind.
                remove_unfinished(folder).map_err(failed)?;
                Ok(Self {
                    file,
                    mended,
                    folder: folder.to_path_buf(),
                    made: Some(made),
                })
            }
            Err(TryLockError::WouldBlock) => Err(LockError::Held(folder.to_path_buf())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

impl DataLock {
    /// The folders that others could enter until the lock was taken.
    pub fn mended(&self) -> &[Mended] {
        &self.mended
    }

    /// Says where the holder takes files.
    pub fn tell_inbox(&self, inbox: &Path) -> io::Result<()> {
        self.file.set_len(0)?;
        let inbox = std::path::absolute(inbox)?;
        (&self.file).write_all(inbox.as_os_str().as_encoded_bytes())
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

impl Drop for DataLock {
    /// A folder that was made for nothing goes again.
    fn drop(&mut self) {
        let is_used = fs::read_dir(&self.folder).map_or(true, |entries| {
            entries
                .filter_map(Result::ok)
                .any(|entry| entry.file_name() != NAME)
        });
        if let Some(made) = self.made.take().filter(|_| is_used) {
            made.keep();
        }
    }
}

/// Whether an open file is the one at a path.
fn is_at(file: &File, path: &Path) -> bool {
    let ours = file.metadata().map(|it| (it.dev(), it.ino()));
    let there = fs::metadata(path).map(|it| (it.dev(), it.ino()));
    matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
}

/// Lets nobody else into a folder of the register.
fn close(path: &Path, mended: &mut Vec<Mended>) -> Result<(), LockError> {
    let path = path.to_path_buf();
    match files::close_folder(&path, is_a_register) {
        Ok(Closed::Mended(mode)) => mended.push(Mended { path, mode }),
        Ok(Closed::Made | Closed::AsItWas) => {}
        Err(source) => return Err(LockError::Open { path, source }),
    }
    Ok(())
}

/// Whether a folder is a register's, and not one that something else lies in.
fn is_a_register(folder: &Path) -> bool {
    let newest = folder::newest(folder).is_ok_and(|it| it.is_some());
    newest || folder.join(NAME).is_file() || is_a_log(folder)
}

fn is_a_log(folder: &Path) -> bool {
    folder
        .parent()
        .is_some_and(|data| log_folder(data) == folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_that_others_may_enter_is_closed_and_another_folder_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let lock = DataLock::take(&data).unwrap();
        assert_eq!(lock.mended(), []);
        assert_eq!(mode(&data.join(NAME)), 0o600);
        // A folder that is taken for nothing goes again, and one that is used stays.
        drop(lock);
        assert!(!data.exists());
        let lock = DataLock::take(&data).unwrap();
        fs::write(data.join("something"), b"").unwrap();
        drop(lock);
        assert!(data.exists());
        let log = log_folder(&data);
        fs::create_dir(&log).unwrap();
        set(&log, 0o755);
        set(&data, 0o755);
        set(&data.join(NAME), 0o666);
        let lock = DataLock::take(&data).unwrap();
        let paths: Vec<_> = lock.mended().iter().map(|it| it.path.clone()).collect();
        assert_eq!(paths, [data.clone(), log.clone()]);
        assert!(lock.mended()[0].to_string().contains("755"));
        assert_eq!(
            [mode(&data), mode(&log), mode(&data.join(NAME))],
            [0o700, 0o700, 0o600]
        );

        let home = folder.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::write(home.join("letter"), b"").unwrap();
        set(&home, 0o755);
        assert!(matches!(DataLock::take(&home), Err(LockError::Open { .. })));
        assert_eq!(mode(&home), 0o755);
        assert!(!home.join(NAME).exists());
    }

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
