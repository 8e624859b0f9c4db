//! Names of snapshots in a data folder: `register-<sequence>.snapshot`, 20 digits, so that names
//! sort as sequences do. What begins with a dot and ends in `.tmp` is still being written, or was
//! when the power went. A damaged snapshot that was set aside ends in `.damaged`, and counts no
//! more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const PREFIX: &str = "register-";
const SUFFIX: &str = ".snapshot";
const DIGITS: usize = 20;

/// What is added to the name of a damaged snapshot that is kept, before a number for a second one.
pub(super) const DAMAGED: &str = ".damaged";

/// The folder of the record of disclosures, unless the configuration has it elsewhere.
pub const AUDIT: &str = "audit";

/// A snapshot in a folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SnapshotFile {
    /// The sequence in its name.
    pub sequence: u64,
    /// The file.
    pub path: PathBuf,
}

/// The name of the snapshot of a sequence.
pub fn name_of(sequence: u64) -> String {
    format!("{PREFIX}{sequence:020}{SUFFIX}")
}

/// The sequence in a snapshot's name; `None` for other names.
pub fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let written = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    written.then(|| digits.parse().ok()).flatten()
}

/// The snapshots of a folder, oldest first. Whether they can be opened is not looked at.
pub fn snapshots(folder: &Path) -> io::Result<Vec<SnapshotFile>> {
    named(folder, sequence_of)
}

/// The damaged snapshots of a folder that were set aside, in the order of their sequences.
pub fn set_aside(folder: &Path) -> io::Result<Vec<SnapshotFile>> {
    named(folder, |name| sequence_of(name.rsplit_once(DAMAGED)?.0))
}

fn named(
    folder: &Path,
    sequence_of: impl Fn(&str) -> Option<u64>,
) -> io::Result<Vec<SnapshotFile>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(sequence) = entry.file_name().to_str().and_then(&sequence_of) {
            found.push(SnapshotFile {
                sequence,
                path: entry.path(),
            });
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The snapshot of a folder with the highest sequence.
pub fn newest(folder: &Path) -> io::Result<Option<SnapshotFile>> {
    Ok(snapshots(folder)?.pop())
}

/// Removes what a writer left behind that did not get to remove it itself. Only for the one process
/// that owns the folder, before it writes: another's unfinished file is removed too. Gives the
/// number of files.
pub fn remove_unfinished(folder: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(is_unfinished) {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes all but the newest `kept` snapshots. Those that are mapped stay readable until unmapped.
/// Gives the number of files removed.
pub fn remove_old(folder: &Path, kept: usize) -> io::Result<usize> {
    let mut all = snapshots(folder)?;
    all.truncate(all.len().saturating_sub(kept));
    for old in &all {
        fs::remove_file(&old.path)?;
    }
    Ok(all.len())
}

fn is_unfinished(name: &str) -> bool {
    name.strip_prefix('.')
        .and_then(|name| name.strip_suffix(".tmp"))
        .is_some_and(|name| name.starts_with(PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_snapshots_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for sequence in [5, 30, 4, 100] {
            fs::write(folder.path().join(name_of(sequence)), b"").unwrap();
        }
        fs::write(folder.path().join("other.snapshot"), b"").unwrap();
        assert_eq!(remove_old(folder.path(), 9).unwrap(), 0);
        assert_eq!(remove_old(folder.path(), 2).unwrap(), 2);
        let left: Vec<u64> = snapshots(folder.path())
            .unwrap()
            .iter()
            .map(|it| it.sequence)
            .collect();
        assert_eq!(left, [30, 100]);
        assert!(folder.path().join("other.snapshot").exists());
    }

    #[test]
    fn names_carry_the_sequence_and_sort_by_it() {
        assert_eq!(name_of(7), "register-00000000000000000007.snapshot");
        for sequence in [0, 9, 10, u64::MAX] {
            assert_eq!(sequence_of(&name_of(sequence)), Some(sequence));
        }
        assert!(name_of(9) < name_of(10));
        for other in [
            "register-7.snapshot",
            "register-99999999999999999999.snapshot",
            "register-+0000000000000000007.snapshot",
            "register-00000000000000000007.snapshot.bak",
            ".register-00000000000000000007.snapshot.1-0.tmp",
        ] {
            assert_eq!(sequence_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_newest_is_the_one_with_the_highest_sequence() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest(folder.path()).unwrap(), None);
        for name in [&name_of(3), &name_of(20), &name_of(11), "notes.txt"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        let found = snapshots(folder.path()).unwrap();
        let sequences: Vec<_> = found.iter().map(|file| file.sequence).collect();
        assert_eq!(sequences, [3, 11, 20]);
        let newest = newest(folder.path()).unwrap().unwrap();
        assert_eq!(newest.path, folder.path().join(name_of(20)));
        assert!(snapshots(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn only_unfinished_snapshots_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let keep = [name_of(3), ".other.tmp".into(), "register-x.tmp".into()];
        for name in &keep {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        fs::write(folder.path().join(".register-3.snapshot.1-0.tmp"), b"").unwrap();
        assert_eq!(remove_unfinished(folder.path()).unwrap(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), keep.len());
    }
}
