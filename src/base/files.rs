//! The one door for making files and folders. What comes through it may be read by its owner alone,
//! whatever the umask says and whatever stood there before.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// Of a file that is written.
const FILE: u32 = 0o600;
/// Of a file that is finished and never written again.
const FINISHED: u32 = 0o400;
/// Of a folder.
const FOLDER: u32 = 0o700;
/// What group and others may.
const OTHERS: u32 = 0o077;
/// Others may make files in such a folder, as in `/tmp`.
const STICKY: u32 = 0o1000;

/// What became of a folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// It was made.
    Made,
    /// Only its owner could enter it already.
    AsItWas,
    /// Others could enter it, by this mode; now they cannot.
    Mended(u32),
}

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Others may enter it, and it is not ours to close.
    #[error(
        "others may enter it (mode {mode:o}) and it cannot be closed: it belongs to somebody else, \
         or holds other things; choose a folder for the register alone, or close it with chmod 700"
    )]
    Open {
        /// Its mode.
        mode: u32,
    },
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Makes a file, or empties the one that is there.
pub fn create(path: &Path) -> io::Result<File> {
    private(options().create(true).truncate(true).open(path)?)
}

/// Makes a file where there is none.
pub fn create_new(path: &Path) -> io::Result<File> {
    private(options().create_new(true).open(path)?)
}

/// Opens a file, which is made when it is missing. What stands in it stays.
pub fn keep(path: &Path) -> io::Result<File> {
    private(options().create(true).truncate(false).open(path)?)
}

/// Opens a file to be added to, which is made when it is missing.
pub fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    private(options.append(true).create(true).mode(FILE).open(path)?)
}

/// Opens a file that is there, to read and write it.
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Writes a file as a whole.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    create(path)?.write_all(bytes.as_ref())
}

/// Gives a file or a folder that root makes to the owner of the folder it is in, who must go on with it.
pub fn give_to_owner_of_folder(file: &File, path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|_| nix::unistd::geteuid().is_root()) else {
        return Ok(());
    };
    let (owner, about) = (fs::metadata(folder)?, file.metadata()?);
    if owner.uid() == about.uid() {
        return Ok(());
    }
    fchown(file, Some(owner.uid()), Some(owner.gid()))
}

/// Says that a file will not be written again.
pub fn finish(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(FINISHED))
}

/// Makes a folder and those above it, where they are missing.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)
}

/// The same, for the owner of the folder in which they are made, who must go on with them when root makes
/// them.
pub fn create_folder_for_owner(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        create_folder_for_owner(folder)?;
    }
    create_folder(path)?;
    give_to_owner_of_folder(&File::open(path)?, path)
}

/// Makes a folder, or closes the one that is there to all but its owner. One that is somebody
/// else's, or that is not `known` to be the register's own and holds something, is not touched.
pub fn close_folder(path: &Path, known: impl Fn(&Path) -> bool) -> Result<Closed, FolderError> {
    if !path.is_dir() {
        create_folder(path)?;
        return Ok(Closed::Made);
    }
    let about = fs::metadata(path)?;
    let mode = about.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(Closed::AsItWas);
    }
    let is_ours = about.uid() == nix::unistd::geteuid().as_raw() && mode & STICKY == 0;
    if !is_ours || !(known(path) || fs::read_dir(path)?.next().is_none()) {
        return Err(FolderError::Open { mode });
    }
    fs::set_permissions(path, Permissions::from_mode(FOLDER))?;
    Ok(Closed::Mended(mode))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(FILE);
    options
}

/// A file that was there keeps its mode when it is opened, so it is set. What is no file (a pipe, a
/// terminal) is left as it is.
fn private(file: File) -> io::Result<File> {
    let about = file.metadata()?;
    if about.is_file() && about.mode() & 0o7777 != FILE {
        file.set_permissions(Permissions::from_mode(FILE))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn files_are_their_owners_whatever_stood_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it");
        for make in [create, keep, append] {
            fs::write(&path, b"before").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
            drop(make(&path).unwrap());
            assert_eq!(mode(&path), 0o600);
            fs::remove_file(&path).unwrap();
            drop(make(&path).unwrap());
            assert_eq!(mode(&path), 0o600);
        }
        assert!(create_new(&path).is_err());
        if nix::unistd::geteuid().is_root() {
            let somebody = nix::unistd::Uid::from_raw(65_534);
            nix::unistd::chown(folder.path(), Some(somebody), None).unwrap();
            give_to_owner_of_folder(&open(&path).unwrap(), &path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().uid(), 65_534);
        }
        let file = open(&path).unwrap();
        finish(&file).unwrap();
        assert_eq!(mode(&path), 0o400);
        let within = folder.path().join("a/b");
        create_folder(&within).unwrap();
        assert_eq!(mode(&within), 0o700);
        assert_eq!(mode(within.parent().unwrap()), 0o700);
        let within = folder.path().join("c/d");
        create_folder_for_owner(&within).unwrap();
        create_folder_for_owner(&within).unwrap();
        for made in [&within, within.parent().unwrap()] {
            let owner = fs::metadata(folder.path()).unwrap().uid();
            assert_eq!(
                (mode(made), fs::metadata(made).unwrap().uid()),
                (0o700, owner)
            );
        }
    }

    #[test]
    fn a_folder_that_others_may_enter_is_closed_or_refused() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("data");
        let close = |known: bool| close_folder(&folder, |_| known);
        let set = |mode| fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
        assert_eq!(close(false).unwrap(), Closed::Made);
        assert_eq!(close(false).unwrap(), Closed::AsItWas);
        for wide in [0o755, 0o750, 0o701, 0o777] {
            set(wide);
            assert_eq!(close(false).unwrap(), Closed::Mended(wide));
            assert_eq!(mode(&folder), 0o700);
        }
        // With something in it, it must be known.
        fs::write(folder.join("x"), b"").unwrap();
        set(0o755);
        assert!(matches!(
            close(false),
            Err(FolderError::Open { mode: 0o755 })
        ));
        assert_eq!(mode(&folder), 0o755);
        assert_eq!(close(true).unwrap(), Closed::Mended(0o755));
        // A folder where everybody makes files is nobody's own.
        set(0o1777);
        assert!(matches!(close(true), Err(FolderError::Open { .. })));
        if nix::unistd::geteuid().is_root() {
            set(0o755);
            let somebody = Some(nix::unistd::Uid::from_raw(65_534));
            nix::unistd::chown(&folder, somebody, None).unwrap();
            assert!(matches!(close(true), Err(FolderError::Open { .. })));
        }
    }
}
