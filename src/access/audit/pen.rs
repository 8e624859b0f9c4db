//! The pen of one thread: it gathers entries, and writes them as one block.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::block::{BLOCK_HEAD, FILE_HEAD, FileHead, Span, seal};
use super::chain::{Chain, End};
use super::entry::{Entry, Note, TooLarge};
use super::{Audit, AuditError, folder};
use crate::base::micros::Micros;
use crate::base::told::Told;

/// What is written to try whether anything can be: as much as most blocks of entries.
const TRIAL: [u8; 4096] = [0; 4096];

/// Writes one chain of an audit. What is pending when it is dropped is written, the chain is closed
/// and flushed, and given back for the next pen.
pub struct Pen {
    audit: Arc<Audit>,
    chain: Arc<Chain>,
    /// The chain's end as it is written; the chain's own is told after each write.
    end: End,
    /// Room for a block's head, and the pending entries.
    block: Vec<u8>,
    count: u32,
    /// The times of the pending entries.
    span: Option<Span>,
    /// What holders of the pending entries' tickets look at; made with the first one.
    fate: Option<Arc<AtomicU8>>,
    /// Whether a failed write may have left bytes after the end.
    is_ragged: bool,
    /// Whether a new file is due whose beginning failed: it may be there, and then goes on from here.
    is_leaving: bool,
}

/// What became of a noted entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Fate {
    /// It is not written yet.
    Pending,
    /// It is written: the answer may leave.
    Written,
    /// It could not be written: the answer must not leave.
    Lost,
}

/// Tells what became of a noted entry, and of all that were noted until the same write.
#[derive(Clone)]
pub struct Ticket(Arc<AtomicU8>);

impl Ticket {
    /// What became of it.
    pub fn fate(&self) -> Fate {
        match self.0.load(Ordering::Acquire) {
            0 => Fate::Pending,
            1 => Fate::Written,
            _ => Fate::Lost,
        }
    }
}

impl Pen {
    pub(super) fn open(audit: Arc<Audit>, chain: Arc<Chain>, cut: u64) -> Result<Self, AuditError> {
        let end = chain.end.lock().clone();
        let mut pen = Self {
            audit,
            chain,
            end,
            block: vec![0; BLOCK_HEAD],
            count: 0,
            span: None,
            fate: None,
            is_ragged: false,
            is_leaving: false,
        };
        let shared = &pen.audit.shared;
        let there = folder::chains(&shared.folder)
            .map_err(|source| AuditError::io(&shared.folder, source))?;
        let mut chains = folder::count(&there);
        if pen.chain.number < folder::OPERATOR {
            chains = chains.max(pen.chain.number + 1);
        }
        let opened = Note::Opened {
            at: Micros::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cut,
            chains,
        };
        pen.note_with(opened.at(), |block| opened.write(block));
        pen.write()?;
        Ok(pen)
    }

    /// Which chain it writes.
    pub fn chain(&self) -> u32 {
        self.chain.number
    }

    /// Notes an entry, to be written by the next [`Pen::write`]. An entry that is too large for any
    /// block, or for what is pending already, is lost at once.
    pub fn note(&mut self, entry: &Entry<'_>) -> Ticket {
        self.note_with(entry.at, |block| entry.write(block))
    }

    fn note_with(
        &mut self,
        at: Micros,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLarge>,
    ) -> Ticket {
        if write(&mut self.block).is_err() {
            let failures = &self.audit.shared.counters.failures;
            failures.fetch_add(1, Ordering::Relaxed);
            return Ticket(Arc::new(AtomicU8::new(Fate::Lost as u8)));
        }
        self.span = Some(Span::with(self.span, at));
        self.count += 1;
        Ticket(Arc::clone(self.fate.get_or_insert_default()))
    }

    /// Entries that are noted and not yet written.
    pub const fn pending(&self) -> u32 {
        self.count
    }

    /// Writes what is pending as one block. When that fails, the file is as it was, the pending
    /// entries are lost and their tickets say so; the next write tries again from there.
    pub fn write(&mut self) -> Result<(), AuditError> {
        if self.count == 0 {
            return Ok(());
        }
        let done = self.put();
        let fate = if done.is_ok() {
            Fate::Written
        } else {
            Fate::Lost
        };
        let counters = &self.audit.shared.counters;
        if done.is_ok() {
            let add = |counter: &std::sync::atomic::AtomicU64, more| {
                counter.fetch_add(more, Ordering::Relaxed);
            };
            add(&counters.entries, u64::from(self.count));
            add(&counters.blocks, 1);
            add(&counters.bytes, self.block.len() as u64);
        } else {
            counters.failures.fetch_add(1, Ordering::Relaxed);
        }
        self.chain
            .fails_to_write
            .store(done.is_err(), Ordering::Relaxed);
        if let Some(pending) = self.fate.take() {
            pending.store(fate as u8, Ordering::Release);
        }
        self.block.truncate(BLOCK_HEAD);
        self.count = 0;
        self.span = None;
        done
    }

    /// After a write that failed, tries whether one would succeed now, without an entry: the trial is
    /// taken off again, and if that fails too, before the next write. Nothing is done otherwise.
    pub fn try_again(&mut self) -> Result<(), AuditError> {
        if self.count > 0 || !self.chain.fails_to_write.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.may_write()?;
        self.mend()?;
        let end = match &self.end.file {
            Some(_) if !self.is_leaving => self.end.clone(),
            _ => self.sequel()?,
        };
        if let Some(file) = &end.file {
            // Zeros after the last block are what a crash may leave, and are cut off when it is opened.
            let tried = file.write_all_at(&TRIAL, end.byte);
            self.is_ragged = file.cut(end.byte).is_err();
            tried.map_err(|source| AuditError::io(&end.path, source))?;
        }
        self.chain.fails_to_write.store(false, Ordering::Relaxed);
        tracing::info!(
            chain = self.chain.number,
            "the disclosure audit can be written again"
        );
        Ok(())
    }

    fn may_write(&self) -> Result<(), AuditError> {
        if self.chain.is_doubtful() {
            return Err(AuditError::Doubtful(self.chain.number));
        }
        if self.audit.shared.vigil.is_robbed() {
            return Err(AuditError::Robbed(self.audit.shared.folder.clone()));
        }
        if self.audit.shared.vigil.is_held() {
            return Err(AuditError::Unanchored);
        }
        Ok(())
    }

    fn put(&mut self) -> Result<(), AuditError> {
        self.may_write()?;
        self.mend()?;
        let mut end = self.sequel()?;
        let Some(file) = end.file.clone() else {
            return Err(AuditError::Doubtful(self.chain.number));
        };
        let hash = seal(&mut self.block, end.entries + 1, self.count, end.hash);
        let mut written = file.write_all_at(&self.block, end.byte);
        if written.is_ok() && self.audit.shared.keeping.sync.is_zero() {
            written = file.sync();
            let syncs = &self.audit.shared.counters.syncs;
            syncs.fetch_add(u64::from(written.is_ok()), Ordering::Relaxed);
        }
        if let Err(source) = written {
            self.is_ragged = file.cut(end.byte).is_err();
            return Err(AuditError::io(&end.path, source));
        }
        end.byte += self.block.len() as u64;
        end.entries += u64::from(self.count);
        end.hash = hash;
        end.span = self.span.map(|span| span.join(end.span));
        self.tell(end);
        Ok(())
    }

    /// Cuts off what an earlier write left that could not be cut off then.
    fn mend(&mut self) -> Result<(), AuditError> {
        if self.is_ragged
            && let Some(file) = &self.end.file
        {
            let cut = file.cut(self.end.byte);
            cut.map_err(|source| AuditError::io(&self.end.path, source))?;
            self.is_ragged = false;
        }
        Ok(())
    }

    /// Where the pending block goes: the end of the chain, in a new file when it is time for one.
    fn sequel(&mut self) -> Result<End, AuditError> {
        let shared = &self.audit.shared;
        let at = self.span.map_or_else(Micros::now, |span| span.1);
        let is_full = self.end.byte + self.block.len() as u64 > shared.keeping.file_bytes;
        if let Some(file) = &self.end.file {
            // A file with no block in it yet, because writing the first one failed, is not left.
            let is_bare = self.end.byte == FILE_HEAD as u64;
            if !self.is_leaving && (is_bare || (!is_full && at < self.end.until)) {
                return Ok(self.end.clone());
            }
            let flushed = self.chain.flush(&**file);
            flushed.map_err(|source| AuditError::io(&self.end.path, source))?;
            shared.counters.syncs.fetch_add(1, Ordering::Relaxed);
        }
        self.is_leaving = true;
        let number = self.end.number + 1;
        let path = folder::file(&shared.folder, self.chain.number, number);
        let head = FileHead {
            chain: self.chain.number,
            number,
            first: self.end.entries + 1,
            at,
            before: self.end.span,
            previous: self.end.hash,
        };
        let (bytes, hash) = head.to_bytes();
        let file = shared.medium.begin(&path, &bytes);
        let file = file.map_err(|source| AuditError::io(&path, source))?;
        let end = End {
            file: Some(file),
            path: path.into(),
            number,
            byte: bytes.len() as u64,
            entries: self.end.entries,
            hash,
            span: None,
            until: at.next_midnight(),
        };
        self.is_leaving = false;
        self.tell(end.clone());
        Ok(end)
    }

    fn tell(&mut self, end: End) {
        *self.chain.end.lock() = end.clone();
        self.end = end;
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        let closed = Note::Closed { at: Micros::now() };
        let written = self.write().and_then(|()| {
            self.note_with(closed.at(), |block| closed.write(block));
            self.write()
        });
        if let Err(error) = written {
            tracing::error!(chain = self.chain.number, error = %Told(&error), "the disclosure audit cannot be closed");
        }
        self.chain.settle(&self.audit.shared);
        self.chain.tell();
        self.audit.release(&self.chain);
    }
}
