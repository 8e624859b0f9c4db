//! Writing a snapshot: records go straight to a temporary file, what is needed to find them is kept
//! until the end (20 bytes a record at most, and the search index), and only a whole and flushed file
//! gets its name.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

use crate::base::files;
use crate::base::limits::RECORD_BYTES;
use crate::base::time::DateTime;
use crate::person::keys::Index;
use crate::person::view::KeySet;
use crate::store::blocks::Summing;
use crate::store::ends::EndsBuilder;
use crate::store::error::WriteError;
use crate::store::index::identity;
use crate::store::index::search::SearchBuilder;
use crate::store::layout::{
    CHECKED_SECTIONS, Extent, FORMAT_VERSION, HEADER_BYTES, Header, RECORDS_START, Section,
};

/// Bytes that are written at once, at a multiple of as many: the system then keeps them in one large
/// page, and whoever maps the file finds a record with half the work of small ones.
const BLOCK: usize = 2 << 20;

/// What the header says beside the places of things.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Hash of the field table the records are written with.
    pub schema_hash: u64,
    /// Sequence of the last change in the snapshot.
    pub sequence: u64,
    /// When it is made.
    pub created: DateTime,
}

/// A snapshot on its way to its file. Dropped before [`SnapshotWriter::finish`], it leaves nothing.
pub struct SnapshotWriter {
    // Before `temporary`: the file is closed before its name goes.
    out: Blocks,
    temporary: Temporary,
    folder: PathBuf,
    name: String,
    about: About,
    keys: Vec<u64>,
    ends: EndsBuilder,
    search: SearchBuilder,
    records: Summing,
    broken: bool,
}

impl SnapshotWriter {
    /// Starts a snapshot that will be `name` in `folder`, which must exist;
    /// [`folder::name_of`](super::folder::name_of) gives the name in a data folder.
    pub fn create(folder: &Path, name: &str, about: About) -> Result<Self, WriteError> {
        // A number beside the process id: two writers of one process never share a file.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".{name}.{}-{number}.tmp", process::id()));
        let failed = |source| WriteError::Io {
            path: path.clone(),
            source,
        };
        let file = files::create_new(&path).map_err(failed)?;
        files::give_to_owner_of_folder(&file, &path).map_err(failed)?;
        let mut writer = Self {
            out: Blocks(BufWriter::with_capacity(BLOCK, file)),
            temporary: Temporary(Some(path.clone())),
            folder: folder.to_path_buf(),
            name: name.to_owned(),
            about,
            keys: Vec::new(),
            ends: EndsBuilder::default(),
            search: SearchBuilder::default(),
            records: Summing::default(),
            broken: false,
        };
        writer.out.write_all(&[0; HEADER_BYTES]).map_err(failed)?;
        Ok(writer)
    }

    /// Adds a record. Keys come in ascending order. A record that is refused is not added, and the
    /// writer can go on.
    pub fn push(&mut self, key: u64, record: &[u8]) -> Result<(), WriteError> {
        let ordinal = self.ends.records();
        if self.keys.last().is_some_and(|&last| key <= last) {
            return Err(WriteError::NotAscending { ordinal });
        }
        if record.is_empty() {
            return Err(WriteError::EmptyRecord { ordinal });
        }
        let length = record.len();
        if length > RECORD_BYTES {
            return Err(WriteError::RecordTooLarge { ordinal, length });
        }
        let end = u64::try_from(length)
            .ok()
            .and_then(|length| self.ends.last().checked_add(length))
            .filter(|&end| end <= identity::MAX_END && u32::try_from(ordinal).is_ok())
            .ok_or(WriteError::ArenaFull { ordinal })?;
        self.check_whole()?;
        if let Err(source) = self.out.write_all(record) {
            // Part of the record may be in the file.
            self.broken = true;
            return Err(self.failed(source));
        }
        self.ends
            .push(end)
            .ok_or(WriteError::ArenaFull { ordinal })?;
        self.records.update(record);
        self.keys.push(key);
        Ok(())
    }

    /// Lists the record added last under a key of a set in the search index.
    pub fn list(&mut self, set: KeySet, index: Index, key: &[u8]) {
        // More records than positions are refused by `push`.
        if let Ok(position) = u32::try_from(self.len().saturating_sub(1)) {
            self.search.add(position, set, index, key);
        }
    }

    /// Number of records so far.
    pub const fn len(&self) -> u64 {
        self.ends.records()
    }

    /// Whether there are no records yet.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes what stands after the records and the header, flushes the file to disk and gives it
    /// its name, in place of an older file of that name. After an error in the very last step (the
    /// flush of the folder) the file may be there.
    pub fn finish(mut self, formats: &[u8], sources: &[u8]) -> Result<PathBuf, WriteError> {
        self.check_whole()?;
        let keys = mem::take(&mut self.keys);
        let entries = keys.into_iter().zip(self.ends.view().iter());
        let identities = identity::build(self.ends.records(), entries)?;
        let (search, words) = mem::take(&mut self.search).finish(self.ends.records());
        self.seal([formats, sources, &identities, &search, &words])
            .map_err(|source| self.failed(source))?;
        let path = self.folder.join(&self.name);
        self.temporary
            .rename(&path)
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(|source| WriteError::Io {
                path: path.clone(),
                source,
            })?;
        Ok(path)
    }

    /// Writes the sections after the records, in file order from the formats on, and the header.
    fn seal(&mut self, parts: [&[u8]; CHECKED_SECTIONS - 2]) -> io::Result<()> {
        let mut sums = Vec::new();
        let records = Extent {
            offset: RECORDS_START,
            length: self.ends.last(),
            checksum: mem::take(&mut self.records).finish(&mut sums),
        };
        let mut sections = [records; Section::ALL.len()];
        let ends = self.ends.bytes();
        let parts = std::iter::once(ends).chain(parts);
        let mut before = records;
        for (number, (section, bytes)) in (1..).zip(Section::ALL.into_iter().skip(1).zip(parts)) {
            let checksum = Summing::all_of(bytes, &mut sums);
            before = append(&mut self.out, section, before, bytes, checksum)?;
            sections[number] = before;
        }
        let checksum = xxh3_64(&sums);
        let checksums = append(&mut self.out, Section::Checksums, before, &sums, checksum)?;
        sections[CHECKED_SECTIONS] = checksums;
        let header = Header {
            format: FORMAT_VERSION,
            schema_hash: self.about.schema_hash,
            sequence: self.about.sequence,
            created: self.about.created,
            records: self.ends.records(),
            sections,
        };
        self.out.0.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header.encode())?;
        self.out.flush()?;
        let file = self.out.0.get_ref();
        files::finish(file)?;
        file.sync_all()
    }

    fn check_whole(&self) -> Result<(), WriteError> {
        if self.broken {
            return Err(WriteError::Broken {
                path: self.temporary.path(),
            });
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> WriteError {
        WriteError::Io {
            path: self.temporary.path(),
            source,
        }
    }
}

/// A file that is written in whole blocks.
struct Blocks(BufWriter<File>);

impl Write for Blocks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.buffer().len() >= BLOCK {
            self.0.flush()?;
        }
        let room = BLOCK - self.0.buffer().len();
        self.0.write(&bytes[..bytes.len().min(room)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes a section after the one before it, with zeros up to its alignment.
fn append(
    out: &mut impl Write,
    section: Section,
    before: Extent,
    bytes: &[u8],
    checksum: u64,
) -> io::Result<Extent> {
    let too_long = || io::Error::from(io::ErrorKind::FileTooLarge);
    let end = before.offset.checked_add(before.length);
    let end = end.ok_or_else(too_long)?;
    let offset = section.aligned(end).ok_or_else(too_long)?;
    io::copy(&mut io::Read::take(io::repeat(0), offset - end), out)?;
    out.write_all(bytes)?;
    Ok(Extent {
        offset,
        length: u64::try_from(bytes.len()).map_err(|_| too_long())?,
        checksum,
    })
}

/// A temporary file's name: removed with this value unless renamed.
struct Temporary(Option<PathBuf>);

impl Temporary {
    fn path(&self) -> PathBuf {
        self.0.clone().unwrap_or_default()
    }

    fn rename(&mut self, to: &Path) -> io::Result<()> {
        fs::rename(self.path(), to)?;
        self.0 = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Nothing can be done about a failure here; `folder::remove_unfinished` tries again.
            drop(fs::remove_file(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::sample;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn an_abandoned_writer_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer =
            SnapshotWriter::create(folder.path(), "x.snapshot", sample::about()).unwrap();
        writer.push(1, &vec![1; 2 * BLOCK]).unwrap();
        let written = names(folder.path());
        assert_eq!(written.len(), 1);
        assert_eq!(written[0].split('.').next_back(), Some("tmp"));
        assert!(written[0].starts_with(".x.snapshot."));
        drop(writer);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_finished_file_is_alone_and_read_only() {
        let folder = tempfile::tempdir().unwrap();
        // The second takes the place of the first.
        for _ in 0..2 {
            let writer =
                SnapshotWriter::create(folder.path(), "x.snapshot", sample::about()).unwrap();
            let path = writer.finish(b"", b"").unwrap();
            assert_eq!(path, folder.path().join("x.snapshot"));
            assert_eq!(names(folder.path()), ["x.snapshot"]);
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o400);
        }
    }

    #[test]
    fn refused_records_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer =
            SnapshotWriter::create(folder.path(), "x.snapshot", sample::about()).unwrap();
        writer.push(5, b"five").unwrap();
        for key in [5, 4, 0] {
            let refused = writer.push(key, b"again");
            assert!(matches!(
                refused,
                Err(WriteError::NotAscending { ordinal: 1 })
            ));
        }
        assert!(matches!(
            writer.push(6, b""),
            Err(WriteError::EmptyRecord { ordinal: 1 })
        ));
        assert!(matches!(
            writer.push(6, &vec![0; RECORD_BYTES + 1]),
            Err(WriteError::RecordTooLarge { ordinal: 1, .. })
        ));
        writer.push(6, b"six").unwrap();
        assert_eq!(writer.len(), 2);
        let path = writer.finish(b"", b"").unwrap();
        let file = fs::read(path).unwrap();
        assert_eq!(&file[4096..4103], b"fivesix");
    }

    #[test]
    fn records_end_at_one_tebibyte() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer =
            SnapshotWriter::create(folder.path(), "x.snapshot", sample::about()).unwrap();
        writer.ends = EndsBuilder::after(identity::MAX_END - 3);
        assert!(matches!(
            writer.push(1, b"four"),
            Err(WriteError::ArenaFull { ordinal: 0 })
        ));
        writer.push(1, b"abc").unwrap();
        assert!(matches!(
            writer.push(2, b"a"),
            Err(WriteError::ArenaFull { .. })
        ));
    }

    #[test]
    fn after_a_failed_write_the_snapshot_is_not_finished() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer =
            SnapshotWriter::create(folder.path(), "x.snapshot", sample::about()).unwrap();
        // A file that cannot be written to stands in for a full disk.
        let path = folder.path().join("read-only");
        fs::write(&path, b"").unwrap();
        writer.out = Blocks(BufWriter::with_capacity(0, File::open(&path).unwrap()));
        assert!(matches!(writer.push(1, b"one"), Err(WriteError::Io { .. })));
        assert!(matches!(
            writer.push(2, b"two"),
            Err(WriteError::Broken { .. })
        ));
        assert!(matches!(
            writer.finish(b"", b""),
            Err(WriteError::Broken { .. })
        ));
        assert_eq!(names(folder.path()), ["read-only"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let missing = Path::new("/nonexistent/folder");
        let refused = SnapshotWriter::create(missing, "x.snapshot", sample::about());
        let Err(refused) = refused else {
            panic!("a writer without a folder");
        };
        assert!(refused.to_string().starts_with("/nonexistent/folder/.x"));
    }
}
