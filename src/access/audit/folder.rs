//! The folder of an audit: the names of its files, who may read them, and who may write.
//!
//! `0-000001.audit` is the first file of chain 0, `0.head` tells how far chain 0 is known to be on the
//! disk, `.lock` is held by the one service that writes. What the operator reads on the machine itself
//! has a chain of its own, and a lock, so that it can be written beside a running service.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::AuditError;
use crate::base::files;

/// The chain of what the operator reads. Those of a service are counted from 0, and never so many.
pub const OPERATOR: u32 = 1_000_000;

/// Who writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writer {
    /// The service: one at a time.
    Service,
    /// A command: the next one waits for it.
    Operator,
}

impl Writer {
    /// The file that the one who writes holds locked.
    pub const fn lock(self) -> &'static str {
        match self {
            Self::Service => ".lock",
            Self::Operator => ".operator.lock",
        }
    }
}

/// No chain has so many files.
const MOST: u64 = 1 << 40;

/// The files of a chain.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Files {
    /// The numbers of its files, in order.
    pub numbers: Vec<u64>,
    /// Whether its head is there.
    pub has_head: bool,
}

/// A file of a chain.
pub fn file(folder: &Path, chain: u32, number: u64) -> PathBuf {
    folder.join(format!("{chain}-{number:06}.audit"))
}

/// The head of a chain.
pub fn head(folder: &Path, chain: u32) -> PathBuf {
    folder.join(format!("{chain}.head"))
}

/// The chains of a folder.
pub fn chains(folder: &Path) -> io::Result<BTreeMap<u32, Files>> {
    let mut chains: BTreeMap<u32, Files> = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some((chain, number)) = of_name(name) {
            chains.entry(chain).or_default().numbers.push(number);
        } else if let Some(chain) = of_head(name) {
            chains.entry(chain).or_default().has_head = true;
        }
    }
    for files in chains.values_mut() {
        files.numbers.sort_unstable();
    }
    Ok(chains)
}

/// How many chains of a service there are, when none was given up.
pub fn count(chains: &BTreeMap<u32, Files>) -> u32 {
    let last = chains.range(..OPERATOR).next_back();
    last.map_or(0, |(&chain, _)| chain + 1)
}

fn of_name(name: &str) -> Option<(u32, u64)> {
    let (chain, number) = name.strip_suffix(".audit")?.split_once('-')?;
    let (chain, number) = (chain.parse().ok()?, number.parse().ok()?);
    // One form each: "+1" and "01" are somebody else's.
    let is_ours = (1..MOST).contains(&number) && name == format!("{chain}-{number:06}.audit");
    is_ours.then_some((chain, number))
}

fn of_head(name: &str) -> Option<u32> {
    let chain: u32 = name.strip_suffix(".head")?.parse().ok()?;
    (name == format!("{chain}.head")).then_some(chain)
}

/// What group or others may reach, folder first: path and mode.
pub fn wide(folder: &Path) -> io::Result<Vec<(PathBuf, u32)>> {
    let mut paths = vec![folder.to_path_buf()];
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths[1..].sort_unstable();
    let mut wide = Vec::new();
    for path in paths {
        match fs::metadata(&path) {
            Ok(about) => {
                let mode = about.permissions().mode() & 0o7777;
                if mode & 0o077 != 0 {
                    wide.push((path, mode));
                }
            }
            // A head that is being replaced right now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(wide)
}

/// Makes the folder when it is missing, refuses one that is not private, and takes its lock.
pub fn take(folder: &Path, writer: Writer) -> Result<File, AuditError> {
    let failed = |source| AuditError::io(folder, source);
    if !folder.is_dir() {
        // Made by a command of root's, it is the service's all the same.
        files::create_folder_for_owner(folder).map_err(failed)?;
    }
    if let Some((path, mode)) = wide(folder).map_err(failed)?.into_iter().next() {
        return Err(AuditError::Wide { path, mode });
    }
    let path = folder.join(writer.lock());
    let lock = files::keep(&path).map_err(failed)?;
    files::give_to_owner_of_folder(&lock, &path).map_err(failed)?;
    if writer == Writer::Operator {
        lock.lock().map_err(failed)?;
        return Ok(lock);
    }
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(AuditError::Held(folder.to_path_buf())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Whether some process writes here.
pub fn is_held(folder: &Path) -> bool {
    let held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let mut locks = [Writer::Service, Writer::Operator]
        .map(Writer::lock)
        .into_iter();
    locks.any(|lock| File::open(folder.join(lock)).is_ok_and(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_chain_and_number_in_one_form_only() {
        assert_eq!(of_name("0-000001.audit"), Some((0, 1)));
        assert_eq!(of_name("12-1234567.audit"), Some((12, 1_234_567)));
        for other in [
            "0-1.audit",
            "00-000001.audit",
            "+1-000001.audit",
            "0-000001.audit.gz",
            "0-000000.audit",
        ] {
            assert_eq!(of_name(other), None, "{other}");
        }
        assert_eq!(of_head("3.head"), Some(3));
        assert_eq!(of_head("03.head"), None);
        assert_eq!(of_head(".3.head.tmp"), None);
    }

    #[test]
    fn chains_are_found_with_their_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["1-000010.audit", "1-000009.audit", "0.head", "notes"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        let chains = chains(folder.path()).unwrap();
        assert_eq!(chains.len(), 2);
        assert_eq!(chains[&1].numbers, [9, 10]);
        assert!(chains[&0].has_head && !chains[&1].has_head);
    }

    #[test]
    fn a_folder_is_made_private_and_locked_once() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a/audit");
        let lock = take(&folder, Writer::Service).unwrap();
        assert_eq!(wide(&folder).unwrap(), []);
        assert!(is_held(&folder));
        assert!(
            matches!(take(&folder, Writer::Service), Err(AuditError::Held(path)) if path == folder)
        );
        drop(lock);
        assert!(!is_held(&folder));
        take(&folder, Writer::Service).unwrap();
    }

    #[test]
    fn what_group_or_others_may_read_is_refused_by_name() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("audit");
        drop(take(&folder, Writer::Service).unwrap());
        let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        let file = folder.join("0-000001.audit");
        fs::write(&file, b"").unwrap();
        for mode in [0o640, 0o604, 0o620] {
            open(&file, mode).unwrap();
            let refused = take(&folder, Writer::Service).unwrap_err();
            assert!(
                matches!(&refused, AuditError::Wide { path, mode: it } if *path == file && *it == mode)
            );
            assert!(refused.to_string().contains("0-000001.audit"));
        }
        open(&file, 0o600).unwrap();
        open(&folder, 0o750).unwrap();
        assert!(
            matches!(take(&folder, Writer::Service), Err(AuditError::Wide { path, .. }) if path == folder)
        );
        open(&folder, 0o700).unwrap();
        take(&folder, Writer::Service).unwrap();
    }
}
