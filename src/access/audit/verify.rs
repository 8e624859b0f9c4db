//! Whether an audit is what was written: every chain is walked, and held against its head and against
//! anchors that somebody kept elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::block::Hash;
use super::entry::Note;
use super::folder::{self, OPERATOR};
use super::head::Head;
use super::known::Lost;
use super::read::{Damage, ReadError, Walk, Wrong};
use crate::base::micros::Micros;

/// The hash of a chain at one of its entries. Written `CHAIN:ENTRY:HASH`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anchor {
    /// The chain.
    pub chain: u32,
    /// The last entry that the hash stands for.
    pub entry: u64,
    /// The hash.
    pub hash: Hash,
}

/// A text that is no anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an anchor is CHAIN:ENTRY:HASH, two numbers and 64 hexadecimal digits")]
pub struct NotAnAnchor;

/// What an audit is held against beside itself.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Chains of which the first files were archived, and which file comes first now.
    pub first_files: BTreeMap<u32, u64>,
    /// Anchors that were kept elsewhere.
    pub anchors: Vec<Anchor>,
    /// The ends of chains that the register's log knows.
    pub ends: Vec<Anchor>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Every chain, as far as it is whole.
    pub chains: Vec<Chain>,
    /// What is wrong; empty: the audit is intact.
    pub findings: Vec<Finding>,
}

/// A chain, as far as it is whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// Its number.
    pub chain: u32,
    /// Files that were read.
    pub files: u64,
    /// The first entry in them.
    pub first: u64,
    /// The last entry.
    pub last: u64,
    /// When the first entry was noted.
    pub from: Option<Micros>,
    /// When the last entry was noted.
    pub to: Option<Micros>,
    /// What stands for all entries.
    pub hash: Hash,
}

/// Something that is wrong with an audit.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// A chain is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A whole chain is gone.
    #[error("chain {0} is missing: all its files were removed")]
    ChainMissing(u32),
    /// A chain has lost entries that the register's log knows.
    #[error("{0}")]
    Lost(Lost),
    /// A chain does not hold what an anchor says.
    #[error(
        "chain {} is not the one that was written: it does not have the hash of the anchor at entry {}",
        .0.chain, .0.entry
    )]
    Anchor(Anchor),
    /// Others than the owner may reach a file or the folder.
    #[error("{path} has mode {mode:o}: group or others may reach it")]
    Wide {
        /// The file or the folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Report {
    /// Whether nothing is wrong.
    pub const fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.chain, self.entry, self.hash)
    }
}

impl FromStr for Anchor {
    type Err = NotAnAnchor;

    fn from_str(text: &str) -> Result<Self, NotAnAnchor> {
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or(NotAnAnchor);
        let anchor = Self {
            chain: next()?.parse().map_err(|_| NotAnAnchor)?,
            entry: next()?.parse().map_err(|_| NotAnAnchor)?,
            hash: next()?.parse().map_err(|_| NotAnAnchor)?,
        };
        match parts.next() {
            None => Ok(anchor),
            Some(_) => Err(NotAnAnchor),
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = (self.last + 1).saturating_sub(self.first);
        write!(out, "chain {}: {entries} entries", self.chain)?;
        if self.first > 1 {
            write!(out, " ({} to {})", self.first, self.last)?;
        }
        write!(out, " in {} files", self.files)?;
        if let (Some(from), Some(to)) = (self.from, self.to) {
            write!(out, ", from {from} to {to}")?;
        }
        write!(out, ", hash {}", self.hash)
    }
}

/// Walks a whole audit. Some process may write it meanwhile.
pub fn verify(root: &Path, known: &Known) -> io::Result<Report> {
    let mut report = Report::default();
    for (path, mode) in folder::wide(root)? {
        report.findings.push(Finding::Wide { path, mode });
    }
    let is_live = folder::is_held(root);
    let there = folder::chains(root)?;
    // Chains are numbered without gaps, and are never given up.
    let mut count = u64::from(folder::count(&there));
    let named = known.anchors.iter().map(|anchor| anchor.chain);
    let named = named.chain(known.first_files.keys().copied());
    let ends = known.ends.iter();
    let lost = ends.filter(|end| end.entry > 0 && !there.contains_key(&end.chain));
    let lost = lost.map(|end| Lost {
        chain: end.chain,
        known: end.entry,
        there: 0,
    });
    report.findings.extend(lost.map(Finding::Lost));
    let operator = named
        .clone()
        .find(|&it| it >= OPERATOR && !there.contains_key(&it));
    let missing = operator.map(Finding::ChainMissing);
    report.findings.extend(missing);
    let named = named.filter(|&it| it < OPERATOR);
    count = named.fold(count, |count, chain| count.max(u64::from(chain) + 1));
    for &chain in there.keys() {
        let mut one = One::new(root, chain, known);
        let walked = one.walk(is_live);
        one.end_missed();
        match walked {
            Ok(()) => {}
            Err(ReadError::Damaged(damage)) => one.findings.push(damage.into()),
            Err(ReadError::Io { path, source }) => {
                one.findings.push(Finding::Unreadable { path, source });
            }
        }
        count = count.max(u64::from(one.chains));
        report.chains.push(one.chain);
        report.findings.append(&mut one.findings);
    }
    let gone = (0..u32::MAX).take_while(|&chain| u64::from(chain) < count);
    let gone = gone.filter(|chain| !there.contains_key(chain));
    report
        .findings
        .extend(gone.take(MOST).map(Finding::ChainMissing));
    Ok(report)
}

/// Missing chains that are named one by one.
const MOST: usize = 100;

/// A chain that is walked.
struct One<'k> {
    root: &'k Path,
    known: &'k Known,
    chain: Chain,
    /// Anchors that were not met yet.
    anchors: Vec<Anchor>,
    /// The end that the register's log knows.
    end: Option<Anchor>,
    /// How many chains there were, by what stands in this one.
    chains: u32,
    findings: Vec<Finding>,
}

impl<'k> One<'k> {
    fn new(root: &'k Path, chain: u32, known: &'k Known) -> Self {
        let anchors = known.anchors.iter().filter(|anchor| anchor.chain == chain);
        Self {
            root,
            known,
            chain: Chain {
                chain,
                files: 0,
                first: 1,
                last: 0,
                from: None,
                to: None,
                hash: Hash::default(),
            },
            anchors: anchors.copied().collect(),
            end: known.ends.iter().find(|end| end.chain == chain).copied(),
            chains: 0,
            findings: Vec::new(),
        }
    }

    /// Walks the chain until its end, or until something is wrong with it.
    fn walk(&mut self, is_live: bool) -> Result<(), ReadError> {
        let chain = self.chain.chain;
        // The head is read before the files are: it is never ahead of them.
        let head = self.head()?;
        let read = folder::chains(self.root).map_err(|source| ReadError::Io {
            path: self.root.to_path_buf(),
            source,
        })?;
        let numbers = read.get(&chain).map_or(&[][..], |files| &files.numbers);
        let expected = self.known.first_files.get(&chain).copied().unwrap_or(1);
        let first = numbers.first().copied();
        let is_empty = first.is_none() && head.is_none_or(|head| head.byte == 0) && expected == 1;
        if is_empty {
            self.met(0, Hash::default());
            self.anchors_missed();
            return Ok(());
        }
        let (Some(first), Some(&last)) = (first.filter(|&it| it <= expected), numbers.last())
        else {
            return Err(self.damage(folder::file(self.root, chain, expected), Wrong::FileMissing));
        };
        let mut walk = Walk::begin(self.root, chain, (first, last), is_live)?;
        self.chain.first = walk.about().first;
        self.chain.last = walk.place().entries;
        self.chain.hash = walk.about().previous;
        self.chain.files = 1;
        self.met(self.chain.last, self.chain.hash);
        let mut is_met = head.is_none_or(|head| head.byte == 0 || self.is_at(head));
        loop {
            let block = walk.next_block()?;
            let place = walk.place();
            self.chain.files = place.number - first + 1;
            let Some(block) = block else { break };
            let notes = walk.notes(block)?;
            self.chain.last = place.entries;
            self.chain.hash = place.hash;
            self.told(&notes);
            self.met(place.entries, place.hash);
            is_met = is_met || head.is_some_and(|head| self.is_at(head));
            if !is_met && head.is_some_and(|head| place.entries >= head.entries) {
                return Err(place.damaged(Wrong::Replaced));
            }
        }
        if !is_met {
            let entries = head.map_or(0, |head| head.entries);
            return Err(walk.place().damaged(Wrong::Shortened { entries }));
        }
        self.anchors_missed();
        Ok(())
    }

    /// The chain's head; without one, what is there is walked all the same.
    fn head(&mut self) -> Result<Option<Head>, ReadError> {
        match Head::read(self.root, self.chain.chain) {
            Ok(head) => Ok(Some(head)),
            Err(ReadError::Damaged(damage)) => {
                self.findings.push(damage.into());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn is_at(&self, head: Head) -> bool {
        (self.chain.last, self.chain.hash) == (head.entries, head.hash)
    }

    /// The chain had this hash after so many entries.
    fn met(&mut self, entries: u64, hash: Hash) {
        self.anchors
            .retain(|anchor| (anchor.entry, anchor.hash) != (entries, hash));
        self.end = self
            .end
            .filter(|end| (end.entry, end.hash) != (entries, hash));
    }

    /// Says that the end which the log knows was not met.
    fn end_missed(&mut self) {
        let (there, chain) = (self.chain.last, self.chain.chain);
        let missed = self.end.take().filter(|end| end.entry > 0);
        let missed = missed.map(|end| match end.entry {
            known if known > there => Finding::Lost(Lost {
                chain,
                known,
                there,
            }),
            _ => Finding::Anchor(end),
        });
        self.findings.extend(missed);
    }

    fn anchors_missed(&mut self) {
        let missed = self.anchors.drain(..).map(Finding::Anchor);
        self.findings.extend(missed);
    }

    fn told(&mut self, notes: &[Note]) {
        for note in notes {
            self.chain.from = self.chain.from.or(Some(note.at()));
            self.chain.to = Some(note.at());
            if let Note::Opened { chains, .. } = note {
                self.chains = self.chains.max(*chains);
            }
        }
    }

    fn damage(&self, file: PathBuf, wrong: Wrong) -> ReadError {
        ReadError::Damaged(Damage {
            file,
            byte: 0,
            entry: self.chain.last + 1,
            wrong,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_read_as_they_are_written() {
        let anchor = Anchor {
            chain: 2,
            entry: 17,
            hash: Hash([0xa5; 32]),
        };
        let text = anchor.to_string();
        assert_eq!(text.parse(), Ok(anchor));
        assert_eq!(format!("{text}:").parse::<Anchor>(), Err(NotAnAnchor));
        for odd in ["", "2:17", "2:17:a5", "x:17:"] {
            assert_eq!(odd.parse::<Anchor>(), Err(NotAnAnchor), "{odd}");
        }
    }
}
