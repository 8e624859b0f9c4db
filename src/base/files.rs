//! The one door for making files and folders. What comes through it may be read by its owner alone,
//! whatever the umask says and whatever stood there before.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};

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

/// Where a user wants something written: the only way to write what a user names.
///
/// `-` is standard output. A pipe or a device is written to as it is. A file gets its name, in place
/// of one that had it, only in [`Output::finish`]: dropped before, or when the process is killed, it
/// leaves nothing, and what stood there stays. A link is followed, and never replaced.
#[derive(Debug)]
pub struct Output {
    file: File,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Standard output, whose reader may go when it has read enough.
    Standard,
    /// A pipe or a device.
    Stream,
    /// A file.
    File(Naming),
}

/// A file that has no name of its own yet.
#[derive(Debug)]
struct Naming {
    /// The name it gets.
    path: PathBuf,
    /// The name it has for the moment before it; from the beginning, where the file system makes no
    /// files without one.
    unfinished: PathBuf,
    has_a_name: bool,
}

impl Output {
    /// Begins to write what a user wants at `path`.
    pub fn to(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Self::standard();
        }
        match fs::metadata(path) {
            Ok(about) if about.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(about) if is_standard_output(&about)? => Self::standard(),
            Ok(about) if about.is_file() => Self::file(fs::canonicalize(path)?),
            Ok(_) => Ok(Self {
                file: OpenOptions::new().write(true).open(path)?,
                kind: Kind::Stream,
            }),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Err(_) if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                Err(io::ErrorKind::IsADirectory.into())
            }
            Err(_) if path.is_symlink() => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "it is a link, and what it leads to is not there",
            )),
            Err(_) => Self::file(path.to_path_buf()),
        }
    }

    fn standard() -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self {
            file,
            kind: Kind::Standard,
        })
    }

    fn file(path: PathBuf) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let name = name.to_string_lossy();
        let unfinished = format!(".{name}.{}.part", uuid::Uuid::new_v4().simple());
        let unfinished = path.with_file_name(unfinished);
        let (file, has_a_name) = match nameless(folder_of(&path)) {
            Ok(file) => (file, false),
            Err(_) => (create_new(&unfinished)?, true),
        };
        let kind = Kind::File(Naming {
            path,
            unfinished,
            has_a_name,
        });
        Ok(Self { file, kind })
    }

    /// Whether the bytes leave as they come: to standard output, a pipe or a device.
    pub const fn is_stream(&self) -> bool {
        !matches!(self.kind, Kind::File(_))
    }

    /// Puts a finished file in its place; for a stream, what it holds is written.
    pub fn finish_with(mut self, made: &Path) -> io::Result<()> {
        match &self.kind {
            Kind::File(naming) => fs::rename(made, &naming.path),
            Kind::Standard | Kind::Stream => io::copy(&mut File::open(made)?, &mut self).map(drop),
        }
    }

    /// Gives a file its name, when it is on the disk.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        match self.kind {
            Kind::File(naming) => naming.end(&self.file),
            Kind::Standard | Kind::Stream => Ok(()),
        }
    }
}

impl Naming {
    fn end(mut self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        if !self.has_a_name {
            let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
            let follow = AtFlags::AT_SYMLINK_FOLLOW;
            nix::unistd::linkat(
                AT_FDCWD,
                Path::new(&nameless),
                AT_FDCWD,
                &self.unfinished,
                follow,
            )?;
            self.has_a_name = true;
        }
        fs::rename(&self.unfinished, &self.path)?;
        self.has_a_name = false;
        File::open(folder_of(&self.path))?.sync_all()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| match self.kind {
            // Not one who has read enough: what is written to a pipe by its name is wanted whole.
            Kind::Stream if error.kind() == io::ErrorKind::BrokenPipe => {
                io::Error::other("nobody reads it any more")
            }
            _ => error,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Naming {
    fn drop(&mut self) {
        if self.has_a_name {
            // What was begun is of no use to anybody.
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}

/// Writes what a user wants at `path` as a whole.
pub fn put(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let mut output = Output::to(path)?;
    output.write_all(bytes.as_ref())?;
    output.finish()
}

/// A file in a folder that has no name and goes with the process. It can be named by `/proc` alone.
fn nameless(folder: &Path) -> io::Result<File> {
    if !Path::new("/proc/self/fd").is_dir() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    private(
        options()
            .custom_flags(OFlag::O_TMPFILE.bits())
            .open(folder)?,
    )
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Whether a name (`/dev/stdout`, or a file that the shell writes to) is standard output's.
fn is_standard_output(about: &Metadata) -> io::Result<bool> {
    let standard = File::from(io::stdout().as_fd().try_clone_to_owned()?).metadata()?;
    Ok((standard.dev(), standard.ino()) == (about.dev(), about.ino()))
}

/// Folders that were made for something that is not finished. Dropped before [`MadeFolder::keep`],
/// they go again, with what is in them; a folder that was there stays as it was left.
#[derive(Debug)]
pub struct MadeFolder(Option<PathBuf>);

impl MadeFolder {
    /// Makes a folder and those above it, where they are missing.
    pub fn at(path: &Path) -> io::Result<Self> {
        let missing = path.ancestors().take_while(|it| is_missing(it));
        let made = Self(missing.last().map(Path::to_path_buf));
        create_folder(path)?;
        Ok(made)
    }

    /// What they were made for is finished.
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for MadeFolder {
    fn drop(&mut self) {
        if let Some(made) = &self.0 {
            let _ = fs::remove_dir_all(made);
        }
    }
}

fn is_missing(path: &Path) -> bool {
    !path.as_os_str().is_empty() && fs::symlink_metadata(path).is_err()
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

/// Opens a file to read it from the disk, past what the system keeps of it in memory. An error of the
/// kind `InvalidInput` where the file system has no such way.
pub fn open_past_cache(path: &Path) -> io::Result<File> {
    let direct = OFlag::O_DIRECT.bits();
    OpenOptions::new()
        .read(true)
        .custom_flags(direct)
        .open(path)
}

/// Writes a file as a whole.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    create(path)?.write_all(bytes.as_ref())
}

/// Copies a finished file under another name: whole or not at all, and it will be there after a crash.
pub fn copy_finished(from: &Path, to: &Path) -> io::Result<()> {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let made = to.with_file_name(format!(".{name}.tmp"));
    let mut file = create(&made)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    give_to_owner_of_folder(&file, &made)?;
    finish(&file)?;
    file.sync_all()?;
    rename(&made, to)
}

/// Gives a file that is on the disk another name, in place of the file that has it; when this returns, it
/// will have it after a crash.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    to.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
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
    if path.exists() && !path.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
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
    fn what_a_user_names_is_written_where_it_is_and_never_replaced_unless_it_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let names = || fs::read_dir(folder.path()).unwrap().count();
        // A file: what was there stays until the new one is whole.
        fs::write(at("it"), b"before").unwrap();
        fs::set_permissions(at("it"), Permissions::from_mode(0o666)).unwrap();
        let mut output = Output::to(&at("it")).unwrap();
        output.write_all(b"half").unwrap();
        drop(output);
        assert_eq!(
            (fs::read(at("it")).unwrap(), names()),
            (b"before".to_vec(), 1)
        );
        put(&at("it"), b"after").unwrap();
        assert_eq!(
            (fs::read(at("it")).unwrap(), names()),
            (b"after".to_vec(), 1)
        );
        assert_eq!(mode(&at("it")), 0o600);
        // A link is followed, unless it leads nowhere.
        std::os::unix::fs::symlink("it", at("link")).unwrap();
        put(&at("link"), b"by the link").unwrap();
        assert!(at("link").is_symlink() && fs::read(at("it")).unwrap() == b"by the link");
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        let error = put(&at("dangling"), b"x").unwrap_err();
        assert!(error.to_string().contains("link"), "{error}");
        assert!(at("dangling").is_symlink() && !at("nowhere").exists());
        // A folder is none.
        for path in [folder.path().to_path_buf(), at("new/")] {
            let error = put(&path, b"x").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        }
        // A pipe and a device stay what they are.
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let pipe = at("pipe");
        let reader = std::thread::spawn(move || fs::read(pipe).unwrap());
        put(&at("pipe"), b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(!fs::metadata(at("pipe")).unwrap().is_file());
        put(Path::new("/dev/null"), b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        // Something that was made elsewhere.
        fs::write(at("made"), b"made").unwrap();
        Output::to(&at("link"))
            .unwrap()
            .finish_with(&at("made"))
            .unwrap();
        assert_eq!(fs::read(at("it")).unwrap(), b"made");
        assert_eq!(names(), 4);
    }

    #[test]
    fn folders_go_again_that_were_made_in_vain() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a/b");
        let made = MadeFolder::at(&folder).unwrap();
        put(&folder.join("x"), b"x").unwrap();
        drop(made);
        assert!(!outer.path().join("a").exists());
        MadeFolder::at(&folder).unwrap().keep();
        put(&folder.join("x"), b"x").unwrap();
        drop(MadeFolder::at(&folder).unwrap());
        assert!(folder.join("x").exists(), "it was there");
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
