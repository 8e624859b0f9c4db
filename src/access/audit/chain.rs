//! One chain while it is written: what its pen and the keeper both know of it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::block::{FILE_HEAD, Hash, Span};
use super::head::Head;
use super::medium::Writable;
use super::recover::Recovered;
use super::verify::Anchor;
use super::{Shared, folder};
use crate::base::micros::Micros;

/// A chain that is written.
pub struct Chain {
    /// Its number.
    pub number: u32,
    /// How far it is written. Only its pen changes this.
    pub end: Mutex<End>,
    /// How far it is known to be on the disk. Locked while it is flushed.
    settled: Mutex<Settled>,
    /// The last write failed.
    pub fails_to_write: AtomicBool,
    /// The last flush, or the last replacing of the head, failed.
    pub fails_to_settle: AtomicBool,
    /// What was written may not be on the disk: the last flush failed.
    doubtful: AtomicBool,
}

/// The end of a chain.
#[derive(Clone)]
pub struct End {
    /// The file; `None` before the first one is begun.
    pub file: Option<Arc<dyn Writable>>,
    /// Its path.
    pub path: Arc<Path>,
    /// Its number; 0 before the first one is begun.
    pub number: u64,
    /// Its bytes.
    pub byte: u64,
    /// Entries of the chain.
    pub entries: u64,
    /// What stands for all of them.
    pub hash: Hash,
    /// The times of the entries in the file.
    pub span: Option<Span>,
    /// When the next file is begun.
    pub until: Micros,
}

struct Settled {
    head: Head,
    /// The entry that the last anchor named.
    told: u64,
}

impl Chain {
    pub fn new(number: u32, recovered: Recovered) -> Self {
        Self {
            number,
            end: Mutex::new(recovered.end),
            settled: Mutex::new(Settled {
                head: recovered.head,
                told: 0,
            }),
            fails_to_write: AtomicBool::new(false),
            fails_to_settle: AtomicBool::new(false),
            doubtful: AtomicBool::new(false),
        }
    }

    pub fn is_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Acquire)
    }

    /// Whether its file and its head are where they were written.
    pub fn is_there(&self, root: &Path) -> io::Result<bool> {
        let end = self.end.lock().clone();
        let Some(file) = &end.file else {
            return Ok(true);
        };
        Ok(folder::head(root, self.number).is_file() && file.is_at(&end.path, end.byte)?)
    }

    /// A flush failed: what was written since the last one may be lost.
    fn doubt(&self) {
        self.doubtful.store(true, Ordering::Release);
    }

    /// Flushes a file that will not be written in any more: the head may stay behind it.
    pub fn flush(&self, file: &dyn Writable) -> io::Result<()> {
        // Not while the keeper flushes: of two at once, one may not be told what the other is.
        let _settled = self.settled.lock();
        if self.is_doubtful() {
            return Err(io::Error::other("the flush before this one failed"));
        }
        file.sync().inspect_err(|_| self.doubt())
    }

    /// Flushes the chain and replaces its head. Whether that went well.
    pub fn settle(&self, shared: &Shared) -> bool {
        let mut settled = self.settled.lock();
        let end = self.end.lock().clone();
        let Some(file) = &end.file else { return true };
        let is_doubtful = self.is_doubtful();
        // Heads tell of blocks: a file with none in it yet is not told of.
        let is_told = end.entries == settled.head.entries || end.byte == FILE_HEAD as u64;
        if is_told && !is_doubtful {
            return true;
        }
        let flushed = || {
            if is_doubtful {
                let is_same = settled.head.number == end.number;
                file.renew(if is_same { settled.head.byte } else { 0 }, end.byte)?;
            }
            file.sync()
        };
        let head = Head {
            chain: self.number,
            number: end.number,
            byte: end.byte,
            entries: end.entries,
            hash: end.hash,
        };
        let done = match flushed() {
            Ok(()) => {
                shared.counters.syncs.fetch_add(1, Ordering::Relaxed);
                self.doubtful.store(false, Ordering::Release);
                if is_told {
                    Ok(())
                } else {
                    let path = folder::head(&shared.folder, self.number);
                    shared.medium.replace(&path, &head.to_bytes())
                }
            }
            Err(error) => {
                self.doubt();
                Err(error)
            }
        };
        let failed_before = self.fails_to_settle.swap(done.is_err(), Ordering::Relaxed);
        match done {
            Ok(()) => {
                if !is_told {
                    settled.head = head;
                }
                if failed_before {
                    tracing::info!(chain = self.number, "the disclosure audit is flushed again");
                }
                true
            }
            Err(error) => {
                shared.counters.failures.fetch_add(1, Ordering::Relaxed);
                if !failed_before {
                    tracing::error!(chain = self.number, %error, "the disclosure audit cannot be flushed");
                }
                false
            }
        }
    }

    /// What stands for all that is on the disk.
    pub fn anchor(&self) -> Anchor {
        let head = self.settled.lock().head;
        Anchor {
            chain: self.number,
            entry: head.entries,
            hash: head.hash,
        }
    }

    /// Logs the anchor, when there is a new one.
    pub fn tell(&self) {
        let anchor = self.anchor();
        let mut settled = self.settled.lock();
        if settled.told != anchor.entry {
            settled.told = anchor.entry;
            tracing::info!(
                chain = anchor.chain,
                entry = anchor.entry,
                hash = %anchor.hash,
                "audit anchor"
            );
        }
    }
}
