//! Building a snapshot: an older one, or none, and the records that are new. Records wait in a file
//! without a name, so that a register larger than memory can be built; memory holds their keys.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{VerifyError, WriteError};
use super::folder;
use super::snapshot::Snapshot;
use super::write::{About, SnapshotWriter};
use crate::base::files;
use crate::person::identity::Identity;
use crate::person::keys::keys;
use crate::person::record::{Damaged, RecordRef};

/// Why a snapshot cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The waiting file failed.
    #[error("the temporary file in {path} failed")]
    Spool {
        /// The folder it is in.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A record of the older snapshot cannot be read.
    #[error("{path}: a record is damaged; run `pu snapshot verify`")]
    Damaged {
        /// The snapshot.
        path: PathBuf,
    },
    /// The older snapshot cannot be read.
    #[error(transparent)]
    Base(#[from] VerifyError),
    /// The new snapshot cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Where new records wait.
pub trait Records {
    /// The newest record of an identity.
    fn get(&self, identity: Identity) -> Result<Option<Cow<'_, [u8]>>, BuildError>;

    /// Puts a record in place of the one with the same identity.
    fn put(&mut self, record: &[u8]) -> Result<(), BuildError>;
}

/// Records in memory, by identity.
#[derive(Default)]
pub struct Loose(BTreeMap<u64, Box<[u8]>>);

impl Loose {
    /// All of them, in the order of their identities.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.values().map(|record| &**record)
    }
}

impl Records for Loose {
    fn get(&self, identity: Identity) -> Result<Option<Cow<'_, [u8]>>, BuildError> {
        let record = self.0.get(&identity.key());
        Ok(record.map(|record| Cow::Borrowed(&**record)))
    }

    fn put(&mut self, record: &[u8]) -> Result<(), BuildError> {
        let opened = RecordRef::open(record).map_err(|Damaged| damaged(None))?;
        self.0.insert(opened.identity().key(), record.into());
        Ok(())
    }
}

/// A snapshot being built.
pub struct Builder {
    folder: PathBuf,
    base: Option<Arc<Snapshot>>,
    changed: HashMap<u64, Spot>,
    spool: Spool,
}

#[derive(Clone, Copy)]
struct Spot {
    at: u64,
    len: usize,
}

impl Builder {
    /// Begins with the records of `base`, in the data folder `folder`.
    pub fn new(folder: &Path, base: Option<Arc<Snapshot>>) -> Result<Self, BuildError> {
        let spool = Spool::new(folder).map_err(|source| BuildError::Spool {
            path: folder.to_path_buf(),
            source,
        })?;
        Ok(Self {
            folder: folder.to_path_buf(),
            base,
            changed: HashMap::new(),
            spool,
        })
    }

    /// The snapshot it began with.
    pub const fn base(&self) -> Option<&Arc<Snapshot>> {
        self.base.as_ref()
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many records are new or changed.
    pub fn changed(&self) -> usize {
        self.changed.len()
    }

    /// Writes the snapshot; `progress` hears how many records are written.
    pub fn finish(
        self,
        about: About,
        formats: &[u8],
        ledger: &[u8],
        progress: impl FnMut(u64),
    ) -> Result<PathBuf, BuildError> {
        let mut changed: Vec<(u64, Spot)> = self
            .changed
            .iter()
            .map(|(&key, &spot)| (key, spot))
            .collect();
        changed.sort_unstable_by_key(|&(key, _)| key);
        let newer = changed.into_iter().map(|(key, spot)| {
            let record = self
                .spool
                .read(spot)
                .map_err(|source| self.failed(source))?;
            Ok((key, record))
        });
        let base = self.base.as_ref();
        write_merged(&self.folder, about, base, newer, formats, ledger, progress)
    }

    fn failed(&self, source: io::Error) -> BuildError {
        BuildError::Spool {
            path: self.folder.clone(),
            source,
        }
    }

    fn damaged(&self) -> BuildError {
        damaged(self.base.as_ref())
    }
}

impl Records for Builder {
    fn get(&self, identity: Identity) -> Result<Option<Cow<'_, [u8]>>, BuildError> {
        if let Some(&spot) = self.changed.get(&identity.key()) {
            return self
                .spool
                .read(spot)
                .map(Some)
                .map_err(|source| self.failed(source));
        }
        let Some(base) = &self.base else {
            return Ok(None);
        };
        let is_it = |bytes| RecordRef::open(bytes).is_ok_and(|it| it.identity() == identity);
        let found = base.find(identity.key(), is_it);
        Ok(found.map_err(|Damaged| self.damaged())?.map(Cow::Borrowed))
    }

    fn put(&mut self, record: &[u8]) -> Result<(), BuildError> {
        let identity = RecordRef::open(record)
            .map_err(|Damaged| self.damaged())?
            .identity();
        let spot = self
            .spool
            .append(record)
            .map_err(|source| self.failed(source))?;
        self.changed.insert(identity.key(), spot);
        Ok(())
    }
}

fn damaged(base: Option<&Arc<Snapshot>>) -> BuildError {
    if let Some(damage) = base.and_then(|base| base.what_is_damaged()) {
        return damage.into();
    }
    let path = base.map_or_else(PathBuf::new, |base| base.path().to_path_buf());
    BuildError::Damaged { path }
}

/// Writes the snapshot of the records of `base` and those of `newer`, which take the place of records
/// with the same key and come in the order of their keys.
pub fn write_merged<R: AsRef<[u8]>>(
    folder: &Path,
    about: About,
    base: Option<&Arc<Snapshot>>,
    newer: impl Iterator<Item = Result<(u64, R), BuildError>>,
    formats: &[u8],
    ledger: &[u8],
    mut progress: impl FnMut(u64),
) -> Result<PathBuf, BuildError> {
    let mut writer = SnapshotWriter::create(folder, &folder::name_of(about.sequence), about)?;
    let mut written = 0;
    let mut push = |key: u64, record: &[u8]| {
        written += 1;
        progress(written);
        let opened = RecordRef::open(record).map_err(|Damaged| damaged(base))?;
        // What was written before restricted views had lists of their own gets them now.
        let restated = opened.restated().map_err(|_| damaged(base))?;
        let record = restated.as_deref().unwrap_or(record);
        writer.push(key, record)?;
        let opened = RecordRef::open(record).map_err(|Damaged| damaged(base))?;
        keys(opened, |set, index, key| writer.list(set, index, key))
            .map_err(|Damaged| damaged(base))
    };
    let mut newer = newer.peekable();
    // An error is taken out like a record that comes first.
    let before = |next: &Result<(u64, R), BuildError>, key: u64| match next {
        Ok((newer, _)) => *newer <= key,
        Err(_) => true,
    };
    for record in base.into_iter().flat_map(|base| base.records()) {
        let record = record?;
        let opened = RecordRef::open(record).map_err(|Damaged| damaged(base))?;
        let key = opened.identity().key();
        let mut replaced = false;
        while let Some(next) = newer.next_if(|next| before(next, key)) {
            let (newer, record) = next?;
            push(newer, record.as_ref())?;
            replaced = newer == key;
        }
        if !replaced {
            push(key, record)?;
        }
    }
    for next in newer {
        let (key, record) = next?;
        push(key, record.as_ref())?;
    }
    Ok(writer.finish(formats, ledger)?)
}

/// The waiting file, its last part still in memory. It has no name: it goes with the process.
struct Spool {
    file: File,
    written: u64,
    tail: Vec<u8>,
}

/// Bytes gathered before they are written.
const TAIL: usize = 1 << 20;

impl Spool {
    fn new(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!(".build-{}.tmp", uuid::Uuid::new_v4()));
        let file = files::create_new(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Self {
            file,
            written: 0,
            tail: Vec::with_capacity(TAIL),
        })
    }

    fn append(&mut self, record: &[u8]) -> io::Result<Spot> {
        if self.tail.len() + record.len() > TAIL {
            self.file.write_all_at(&self.tail, self.written)?;
            self.written += self.tail.len() as u64;
            self.tail.clear();
        }
        let spot = Spot {
            at: self.written + self.tail.len() as u64,
            len: record.len(),
        };
        self.tail.extend_from_slice(record);
        Ok(spot)
    }

    fn read(&self, spot: Spot) -> io::Result<Cow<'_, [u8]>> {
        if let Some(within) = spot.at.checked_sub(self.written) {
            let from = usize::try_from(within).map_err(io::Error::other)?;
            let record = self.tail.get(from..from + spot.len);
            return record
                .map(Cow::Borrowed)
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
        }
        let mut record = vec![0; spot.len];
        self.file.read_exact_at(&mut record, spot.at)?;
        Ok(Cow::Owned(record))
    }
}
