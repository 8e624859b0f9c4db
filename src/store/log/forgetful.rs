//! A disk that forgets what was not flushed, for tests: killing a process loses nothing that the system
//! holds, so only this shows whether what is acknowledged was flushed before.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::medium::{Disk, Medium, Writable};

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// The disk. A copy is the same disk.
#[derive(Clone, Default)]
pub struct Forgetful {
    /// Of each file, by its number, what was written since its last flush.
    unflushed: Arc<Mutex<BTreeMap<u64, Unflushed>>>,
    /// Whether a flush only says that it was done.
    is_lying: bool,
}

/// A file, and the sectors of it that were written, as they were before.
struct Unflushed {
    file: File,
    sectors: BTreeMap<u64, Vec<u8>>,
}

struct Written {
    disk: Forgetful,
    file: File,
    number: u64,
}

impl Forgetful {
    /// A disk whose flushes only say that they are done.
    pub fn lying() -> Self {
        Self {
            is_lying: true,
            ..Self::default()
        }
    }

    /// The power goes: of what was not flushed, every sector is as it was, or as it was written, as
    /// `is_kept` says.
    pub fn cut_power(&self, mut is_kept: impl FnMut() -> bool) {
        for (_, Unflushed { file, sectors }) in std::mem::take(&mut *self.unflushed.lock()) {
            for (at, before) in sectors {
                if !is_kept() {
                    FileExt::write_all_at(&file, &before, at).unwrap();
                }
            }
        }
    }
}

impl Medium for Forgetful {
    fn prepare(&self, path: &Path, bytes: u64) -> io::Result<()> {
        Disk.prepare(path, bytes)
    }

    fn begin(&self, prepared: &Path, head: &[u8], path: &Path) -> io::Result<()> {
        Disk.begin(prepared, head, path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Writable>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(Written {
            disk: self.clone(),
            number: file.metadata()?.ino(),
            file,
        }))
    }

    fn put(&self, made: &Path, path: &Path) -> io::Result<()> {
        let number = fs::metadata(made)?.ino();
        let is_flushed = self.is_lying || !self.unflushed.lock().contains_key(&number);
        assert!(is_flushed, "named before it was flushed");
        Disk.put(made, path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn room(&self, folder: &Path) -> io::Result<u64> {
        Disk.room(folder)
    }
}

impl Writable for Written {
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut unflushed = self.disk.unflushed.lock();
        let file = self.file.try_clone()?;
        let sectors = BTreeMap::new();
        let written = unflushed.entry(self.number);
        let sectors = &mut written.or_insert(Unflushed { file, sectors }).sectors;
        let end = at + bytes.len() as u64;
        for sector in (at / SECTOR..end.div_ceil(SECTOR)).map(|it| it * SECTOR) {
            if let Entry::Vacant(first) = sectors.entry(sector) {
                let mut before = vec![0; SECTOR as usize];
                let length = self.file.read_at(&mut before, sector)?;
                before.truncate(length);
                first.insert(before);
            }
        }
        FileExt::write_all_at(&self.file, bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        if !self.disk.is_lying {
            self.disk.unflushed.lock().remove(&self.number);
        }
        Ok(())
    }

    fn is_there(&self) -> io::Result<bool> {
        self.file.is_there()
    }
}
