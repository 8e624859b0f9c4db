//! An audit held against what the register's own log knows of it: the ends of its chains, which the
//! service writes there. So an audit that was emptied, shortened or written anew while nobody looked is
//! found, though nothing was kept on another machine.

use std::fmt;
use std::io;
use std::path::Path;

use super::block::Hash;
use super::entry::Note;
use super::folder;
use super::head::Head;
use super::read::{self, ReadError, Walk};
use super::verify::{Anchor, Finding};
use crate::base::micros::Micros;

/// A chain that has lost entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    /// The chain.
    pub chain: u32,
    /// Entries that the log knows.
    pub known: u64,
    /// Entries that are there.
    pub there: u64,
}

impl fmt::Display for Lost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chain,
            known,
            there,
        } = self;
        let missing = known.saturating_sub(*there);
        write!(
            out,
            "chain {chain}: {missing} entries are missing: the register's log knows {known}, {there} are there"
        )
    }
}

/// Looks whether each chain still reaches an end that it is known to have reached. Only the file in
/// which that stands is read, and those after it.
pub fn check(root: &Path, ends: &[Anchor]) -> io::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for &end in ends {
        match holds(root, end) {
            Ok(None) => {}
            Ok(Some(finding)) => findings.push(finding),
            Err(ReadError::Damaged(damage)) => findings.push(damage.into()),
            Err(ReadError::Io { path, source }) => {
                findings.push(Finding::Unreadable { path, source });
            }
        }
    }
    Ok(findings)
}

fn holds(root: &Path, end: Anchor) -> Result<Option<Finding>, ReadError> {
    let lost = |there| {
        let (chain, known) = (end.chain, end.entry);
        let lost = Lost {
            chain,
            known,
            there,
        };
        Ok(Some(Finding::Lost(lost)))
    };
    let files = match folder::chains(root) {
        Ok(mut chains) => chains.remove(&end.chain).unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return lost(0),
        Err(source) => {
            let path = root.to_path_buf();
            return Err(ReadError::Io { path, source });
        }
    };
    let Some(&last) = files.numbers.last() else {
        return lost(0);
    };
    // Going back from the newest, the first file that begins with that entry or before it.
    let mut from = None;
    for &number in files.numbers.iter().rev() {
        from = Some(number);
        if read::about(root, end.chain, number)?.first <= end.entry {
            break;
        }
    }
    let from = from.unwrap_or(last);
    let mut walk = Walk::begin(root, end.chain, (from, last), false)?;
    loop {
        let place = walk.place();
        if place.entries >= end.entry {
            let is_it = (place.entries, place.hash) == (end.entry, end.hash);
            return Ok((!is_it).then_some(Finding::Anchor(end)));
        }
        let there = place.entries;
        if walk.next_block()?.is_none() {
            return lost(there);
        }
    }
}

/// The newest change of the register that the audit tells of, and when: of each chain its newest file is
/// read. Damage is for others to find: what stands before it is told.
pub fn newest_change(root: &Path) -> io::Result<Option<(u64, Micros)>> {
    let mut newest = None;
    for (chain, files) in folder::chains(root)? {
        let Some(&last) = files.numbers.last() else {
            continue;
        };
        let Ok(mut walk) = Walk::begin(root, chain, (last, last), true) else {
            continue;
        };
        while let Ok(Some(head)) = walk.next_block() {
            let Ok(notes) = walk.notes(head) else { break };
            let told = notes.iter().filter_map(|note| match note {
                Note::Disclosure(entry) => Some((entry.sequence?, entry.at)),
                _ => None,
            });
            newest = newest.max(told.max());
        }
    }
    Ok(newest)
}

/// How far each chain in a folder is known to be on the disk, by its head; chains without entries, and
/// heads that cannot be read, tell nothing.
pub fn ends(root: &Path) -> io::Result<Vec<Anchor>> {
    let chains = folder::chains(root)?;
    let heads = chains.keys().filter_map(|&it| Head::read(root, it).ok());
    let ends = heads.map(|head| Anchor {
        chain: head.chain,
        entry: head.entries,
        hash: head.hash,
    });
    Ok(ends.filter(|end| end.entry > 0).collect())
}

impl Anchor {
    /// The end of a chain of which nothing is known.
    pub fn of_nothing(chain: u32) -> Self {
        Self {
            chain,
            entry: 0,
            hash: Hash::default(),
        }
    }
}
