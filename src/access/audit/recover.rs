//! Where a chain goes on when it is opened again.
//!
//! After a crash the last block may be unfinished; it is cut off. Nothing else is: what the head says
//! was on the disk, and everything that is not the unfinished end of the last file, must be whole.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::block::{BLOCK_HEAD, BlockHead, Span};
use super::chain::End;
use super::head::Head;
use super::medium::Medium;
use super::read::{Damage, Place, ReadError, Walk, Wrong};
use super::{AuditError, folder};
use crate::base::micros::Micros;

/// A chain that can be written on.
pub struct Recovered {
    pub end: End,
    pub head: Head,
    /// Bytes of an unfinished block that were cut off.
    pub cut: u64,
}

/// Finds the end of a chain, or begins a new one.
pub fn recover(root: &Path, chain: u32, medium: &dyn Medium) -> Result<Recovered, AuditError> {
    let failed = |source| AuditError::io(root, source);
    let files = folder::chains(root).map_err(failed)?.remove(&chain);
    let numbers = files.map_or(Vec::new(), |files| files.numbers);
    let head = match Head::read(root, chain) {
        // The head comes before the first file: only a chain without files has none yet.
        Err(ReadError::Damaged(damage))
            if damage.wrong == Wrong::HeadMissing && numbers.is_empty() =>
        {
            let head = Head::of_nothing(chain);
            let made = medium.replace(&damage.file, &head.to_bytes());
            made.map_err(|source| AuditError::io(&damage.file, source))?;
            head
        }
        read => read?,
    };
    let Some(&last) = numbers.last() else {
        if head.byte > 0 {
            return Err(missing(root, head).into());
        }
        return Ok(begin(root, head));
    };
    if last < head.number {
        return Err(missing(root, head).into());
    }
    match walk(root, head, last)? {
        Ended::Whole(walk, span) => go_on(&walk, span, head, 0, medium),
        Ended::Unfinished(walk, span) => {
            let place = walk.place();
            let cut = length(&place.file)?.saturating_sub(place.byte);
            go_on(&walk, span, head, cut, medium)
        }
    }
}

/// How the last file of a chain ends; with the times of the entries in the last whole one.
enum Ended {
    /// With its last block.
    Whole(Box<Walk>, Option<Span>),
    /// In a block that was never finished, or never reached the disk.
    Unfinished(Box<Walk>, Option<Span>),
}

fn walk(root: &Path, head: Head, last: u64) -> Result<Ended, AuditError> {
    let mut walk = Box::new(Walk::begin(root, head.chain, (head.number, last), false)?);
    // Whether what is known to be on the disk was met.
    let mut is_met = head.byte == 0;
    let mut span = None;
    loop {
        let place = walk.place();
        if (place.number, place.byte) == (head.number, head.byte) {
            if (place.entries, place.hash) != (head.entries, head.hash) {
                return Err(place.damaged(Wrong::Replaced).into());
            }
            is_met = true;
        }
        match walk.next_block() {
            // A block that is whole and holds no entries was never written by this program.
            Ok(Some(block)) => {
                if block.first == walk.about().first {
                    span = None;
                }
                for note in walk.notes(block)? {
                    span = Some(Span::with(span, note.at()));
                }
            }
            Ok(None) if is_met => return Ok(Ended::Whole(walk, span)),
            Ok(None) => {
                let entries = head.entries;
                return Err(walk.place().damaged(Wrong::Shortened { entries }).into());
            }
            Err(ReadError::Damaged(damage)) if is_met => {
                let is_last = walk.place().number == last && damage.byte == walk.place().byte;
                if is_last && is_torn(walk.place(), damage.wrong)? {
                    return Ok(Ended::Unfinished(walk, span));
                }
                return Err(damage.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether what stands at the end of a file can be what a crash left there: too few bytes; or one
/// block, or some of its head, of which not all reached the disk, and nothing but zeros after it.
fn is_torn(place: &Place, wrong: Wrong) -> Result<bool, AuditError> {
    let torn = || -> io::Result<bool> {
        let mut file = fs::File::open(&place.file)?;
        file.seek(SeekFrom::Start(place.byte))?;
        let mut rest = io::BufReader::new(file);
        let mut head = [0; BLOCK_HEAD];
        rest.read_exact(&mut head)?;
        let mut used = head
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |at| at + 1);
        for (at, byte) in (BLOCK_HEAD + 1..).zip(rest.bytes()) {
            if byte? != 0 {
                used = at;
            }
        }
        let is_expected = |head: &BlockHead| {
            head.first == place.entries + 1 && used <= BLOCK_HEAD + head.length as usize
        };
        Ok(used < BLOCK_HEAD || BlockHead::read(&head).as_ref().is_ok_and(is_expected))
    };
    if wrong == Wrong::Unfinished {
        return Ok(true);
    }
    torn().map_err(|source| AuditError::io(&place.file, source))
}

fn go_on(
    walk: &Walk,
    span: Option<Span>,
    head: Head,
    cut: u64,
    medium: &dyn Medium,
) -> Result<Recovered, AuditError> {
    let place = walk.place();
    let file = medium.open(&place.file).and_then(|file| {
        file.cut(place.byte)?;
        file.sync()?;
        Ok(file)
    });
    let file = file.map_err(|source| AuditError::io(&place.file, source))?;
    let end = End {
        file: Some(file),
        path: place.file.as_path().into(),
        number: place.number,
        byte: place.byte,
        entries: place.entries,
        hash: place.hash,
        span,
        until: walk.about().at.next_midnight(),
    };
    Ok(Recovered { end, head, cut })
}

fn begin(root: &Path, head: Head) -> Recovered {
    let end = End {
        file: None,
        path: folder::file(root, head.chain, 1).into(),
        number: 0,
        byte: 0,
        entries: 0,
        hash: head.hash,
        span: None,
        until: Micros::MAX,
    };
    let cut = 0;
    Recovered { end, head, cut }
}

fn missing(root: &Path, head: Head) -> Damage {
    Damage {
        file: folder::file(root, head.chain, head.number),
        byte: 0,
        entry: head.entries,
        wrong: Wrong::FileMissing,
    }
}

fn length(path: &Path) -> Result<u64, AuditError> {
    let about = fs::metadata(path).map_err(|source| AuditError::io(path, source))?;
    Ok(about.len())
}
