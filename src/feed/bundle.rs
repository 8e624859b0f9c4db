//! Bundles: zip archives, as files are sent by post and mail. Each file inside is unpacked, and is then
//! a file like any other.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use super::report::name_of;
use crate::base::{files, limits};

/// How a zip archive begins; an empty one consists of its end alone.
const MARKS: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Why a zip archive is not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is cut off or damaged, or packed in a way that is not read.
    #[error("a damaged zip, or one packed in another way than deflate")]
    Damaged,
    /// A file in it is encrypted.
    #[error("an encrypted zip")]
    Encrypted,
    /// A file in it is a zip.
    #[error("a zip within a zip")]
    Nested,
    /// No file is in it.
    #[error("an empty zip")]
    Empty,
    /// More files than one may hold.
    #[error("a zip of more than {} files", limits::BUNDLE_FILES)]
    TooMany,
    /// More bytes than one may hold.
    #[error("a zip of more than {} bytes", limits::BUNDLE_BYTES)]
    TooLarge,
    /// Bytes that take hardly any room packed: made to fill a disk.
    #[error(
        "a zip that unpacks to more than {} times its size",
        limits::BUNDLE_RATIO
    )]
    Bomb,
}

impl From<ZipError> for BundleError {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::Io(error) => Self::of_reading(error),
            _ => Self::Damaged,
        }
    }
}

impl BundleError {
    /// An error of the system has its number; what else fails is the packing.
    fn of_reading(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(_) => Self::Io(error),
            None => Self::Damaged,
        }
    }
}

/// Whether a file is a zip archive.
pub fn is_bundle(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut begin)?;
    Ok(MARKS.contains(&&begin[..]))
}

/// Unpacks a zip archive into a folder, which is made anew. Each file is named after the archive and
/// itself; it is on the disk when this returns. After an error, nothing of it is left.
pub fn unpack(path: &Path, into: &Path) -> Result<Vec<PathBuf>, BundleError> {
    remove(into)?;
    files::create_folder_for_owner(into)?;
    let unpacked = unpack_all(path, into);
    if unpacked.is_err() {
        remove(into)?;
    }
    unpacked
}

/// Removes the folder that something was unpacked into.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn unpack_all(path: &Path, into: &Path) -> Result<Vec<PathBuf>, BundleError> {
    let file = File::open(path)?;
    let most = file.metadata()?.len().saturating_mul(limits::BUNDLE_RATIO);
    let mut archive = ZipArchive::new(BufReader::new(file))?;
    if archive.len() > limits::BUNDLE_FILES {
        return Err(BundleError::TooMany);
    }
    let mut unpacked = Vec::new();
    let mut bytes = 0;
    for at in 0..archive.len() {
        if archive.by_index_raw(at)?.encrypted() {
            return Err(BundleError::Encrypted);
        }
        let mut inner = archive.by_index(at)?;
        if !inner.is_file() {
            continue;
        }
        let to = into.join(name_inside(path, &inner.name()?, unpacked.len() + 1, into));
        let mut out = files::create_new(&to)?;
        files::give_to_owner_of_folder(&out, &to)?;
        bytes += copy(&mut inner, &mut out, bytes, most)?;
        out.sync_all()?;
        drop(out);
        if is_bundle(&to)? {
            return Err(BundleError::Nested);
        }
        unpacked.push(to);
    }
    if unpacked.is_empty() {
        return Err(BundleError::Empty);
    }
    Ok(unpacked)
}

/// Copies one file out of the archive, of which so many bytes came `before`.
fn copy(
    inner: &mut impl Read,
    out: &mut impl Write,
    before: u64,
    most: u64,
) -> Result<u64, BundleError> {
    let mut buffer = vec![0; 64 << 10];
    let mut copied = 0;
    loop {
        let read = match inner.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(read) => read,
            Err(error) => return Err(BundleError::of_reading(error)),
        };
        copied += read as u64;
        if before + copied > limits::BUNDLE_BYTES {
            return Err(BundleError::TooLarge);
        }
        if before + copied > most {
            return Err(BundleError::Bomb);
        }
        out.write_all(&buffer[..read])?;
    }
}

/// What a file is called that was in an archive: letters that mean nothing to a system, and no name
/// that an inbox passes over.
fn name_inside(archive: &Path, inner: &str, number: usize, into: &Path) -> String {
    let last = inner.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last
        .chars()
        .map(|it| match it {
            '-' | '.' | '_' => it,
            _ if it.is_alphanumeric() => it,
            _ => '_',
        })
        .take(limits::BUNDLE_NAME_CHARACTERS)
        .collect();
    let plain = plain.trim_matches('.');
    let archive: String = name_of(archive)
        .chars()
        .take(limits::BUNDLE_NAME_CHARACTERS)
        .collect();
    let name = format!("{archive}-{plain}");
    let is_unfinished = |it: &&str| Path::new(&name).extension().is_some_and(|end| end == *it);
    if plain.is_empty()
        || super::inbox::UNFINISHED.iter().any(is_unfinished)
        || into.join(&name).exists()
    {
        return format!("{archive}-{number}-{plain}.file");
    }
    name
}

#[cfg(test)]
mod tests {
    use zip::unstable::write::FileOptionsExt as _;
    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    fn bundle(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn unpacked(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, BundleError> {
        let folder = tempfile::tempdir().unwrap();
        let (path, into) = (folder.path().join("d.zip"), folder.path().join("in"));
        fs::write(&path, bytes).unwrap();
        assert_eq!(is_bundle(&path).unwrap(), bytes.starts_with(b"PK"));
        let files = unpack(&path, &into);
        assert_eq!(into.exists(), files.is_ok());
        let read = |path: &PathBuf| (name_of(path), fs::read(path).unwrap());
        Ok(files?.iter().map(read).collect())
    }

    #[test]
    fn each_file_comes_out_under_a_plain_name() {
        let files = unpacked(&bundle(&[
            ("a.txt", b"one"),
            ("folder/a.txt", b"two"),
            ("../../etc/x y.part", b"three"),
            ("..", b"four"),
        ]))
        .unwrap();
        let expected = [
            ("d.zip-a.txt", "one"),
            ("d.zip-2-a.txt.file", "two"),
            ("d.zip-3-x_y.part.file", "three"),
            ("d.zip-4-.file", "four"),
        ];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
        assert_eq!(files, expected);
    }

    #[test]
    fn what_is_not_unpacked_is_refused_whole() {
        let whole = bundle(&[("a.txt", b"one"), ("b.txt", b"two")]);
        let nested = bundle(&[("a.txt", b"one"), ("b.txt", &whole)]);
        assert!(matches!(unpacked(&nested), Err(BundleError::Nested)));
        assert!(matches!(unpacked(&bundle(&[])), Err(BundleError::Empty)));
        let cut = unpacked(&whole[..whole.len() - 30]);
        assert!(matches!(cut, Err(BundleError::Damaged)));
        let bomb = bundle(&[("a.txt", &vec![b' '; 4 << 20])]);
        assert!(matches!(unpacked(&bomb), Err(BundleError::Bomb)));
        let names: Vec<String> = (0..=limits::BUNDLE_FILES)
            .map(|it| it.to_string())
            .collect();
        let many: Vec<(&str, &[u8])> = names.iter().map(|it| (&it[..], &b""[..])).collect();
        assert!(matches!(
            unpacked(&bundle(&many)),
            Err(BundleError::TooMany)
        ));
        let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
        let secret = SimpleFileOptions::default()
            .with_deprecated_encryption(b"x")
            .unwrap();
        writer.start_file("a.txt", secret).unwrap();
        writer.write_all(b"one").unwrap();
        let secret = writer.finish().unwrap().into_inner();
        assert!(matches!(unpacked(&secret), Err(BundleError::Encrypted)));
    }
}
