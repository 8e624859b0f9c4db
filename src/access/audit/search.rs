//! Who has seen this person, and what has this system done: entries of all chains, oldest first.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::block::Span;
use super::entry::{Note, OwnedEntry};
use super::folder::{self, Files, OPERATOR};
use super::head::Head;
use super::read::{self, Damage, ReadError, Walk, Wrong};
use crate::base::micros::Micros;
use crate::person::identity::Identity;

/// Which entries are looked for: those that meet everything that is given.
#[derive(Clone, Default)]
pub struct Wanted {
    /// One of these persons was shown.
    pub persons: Vec<Identity>,
    /// Or was asked about, without being shown.
    pub asked: bool,
    /// This system was the consumer, or the intermediary.
    pub consumer: Option<String>,
    /// This was called, in any version: `GetPersonsForProfile`, `GetPersonsForProfile/5`.
    pub service: Option<String>,
    /// This was the answer.
    pub answer: Option<String>,
    /// Noted then or later.
    pub since: Option<Micros>,
    /// Noted before.
    pub until: Option<Micros>,
}

/// An entry that was looked for.
#[derive(Debug)]
pub struct Found {
    /// Its chain.
    pub chain: u32,
    /// Its number there.
    pub number: u64,
    /// The entry.
    pub entry: OwnedEntry,
    /// Whether one of the persons looked for was shown; nobody is looked for, and this is true.
    pub has_seen: bool,
}

/// A search that goes on. Entries come in the order of their times as far as each chain's do; a clock
/// that was set back while a chain was written shows.
pub struct Search {
    wanted: Wanted,
    chains: Vec<Reading>,
    archived: Vec<(u32, u64)>,
}

/// A chain that is searched.
struct Reading {
    chain: u32,
    /// Files that are read one after the other; between two walks are files that are passed over.
    walks: VecDeque<Walk>,
    /// Entries that were on the disk when the search began.
    entries: u64,
    ready: VecDeque<Found>,
    is_done: bool,
}

impl Wanted {
    /// Whether there may be entries that are looked for among those of these times.
    fn may_be_in(&self, span: Span) -> bool {
        self.since.is_none_or(|since| span.1 >= since)
            && self.until.is_none_or(|until| span.0 < until)
    }

    /// Whether an entry is looked for, and whether one of the persons was shown.
    fn judge(&self, entry: &OwnedEntry) -> Option<bool> {
        let is_in = |list: &[Identity]| self.persons.iter().any(|it| list.contains(it));
        let has_seen = self.persons.is_empty() || is_in(&entry.shown);
        let is_met = (has_seen || (self.asked && is_in(&entry.asked)))
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
            && self.consumer.as_ref().is_none_or(|wanted| {
                let systems = [&entry.consumer, &entry.via];
                let mut systems = systems.into_iter().flatten();
                systems.any(|it| it.eq_ignore_ascii_case(wanted))
            })
            && self.service.as_ref().is_none_or(|wanted| {
                let rest = entry.service.strip_prefix(wanted.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            && self
                .answer
                .as_ref()
                .is_none_or(|wanted| entry.answer == *wanted);
        is_met.then_some(has_seen)
    }
}

impl Search {
    /// Begins to search an audit, which some process may write meanwhile.
    pub fn begin(root: &Path, wanted: Wanted) -> Result<Self, ReadError> {
        let is_live = folder::is_held(root);
        let listed = |source| ReadError::Io {
            path: root.to_path_buf(),
            source,
        };
        let there = folder::chains(root).map_err(listed)?;
        let operator = there.contains_key(&OPERATOR).then_some(OPERATOR);
        let mut search = Self {
            wanted,
            chains: Vec::new(),
            archived: Vec::new(),
        };
        for chain in (0..folder::count(&there)).chain(operator) {
            let entries = Head::read(root, chain)?.entries;
            let files = folder::chains(root).map_err(listed)?.remove(&chain);
            search.add(root, chain, entries, &files.unwrap_or_default(), is_live)?;
        }
        Ok(search)
    }

    fn add(
        &mut self,
        root: &Path,
        chain: u32,
        entries: u64,
        files: &Files,
        is_live: bool,
    ) -> Result<(), ReadError> {
        let (Some(&first), Some(&last)) = (files.numbers.first(), files.numbers.last()) else {
            let file = folder::file(root, chain, 1);
            return match entries {
                0 => Ok(()),
                _ => Err(damage(file, Wrong::FileMissing)),
            };
        };
        if first > 1 {
            self.archived.push((chain, first));
        }
        let mut walks = VecDeque::new();
        let mut from = None;
        for &number in &files.numbers {
            // What a file holds is told by the next one. Where that cannot tell, and at the end of the
            // chain, the file is read.
            let next = (number < last).then(|| read::about(root, chain, number + 1).ok());
            let span = next.flatten().and_then(|next| next.before);
            if span.is_none_or(|span| self.wanted.may_be_in(span)) {
                from = from.or(Some(number));
            } else if let Some(from) = from.take() {
                let walk = Walk::begin(root, chain, (from, last), is_live)?;
                walks.push_back(walk.stop_after(number - 1));
            }
        }
        if let Some(from) = from {
            walks.push_back(Walk::begin(root, chain, (from, last), is_live)?);
        }
        self.chains.push(Reading {
            chain,
            walks,
            entries,
            ready: VecDeque::new(),
            is_done: false,
        });
        Ok(())
    }

    /// Chains whose first files are not here, and the first file that is.
    pub fn archived(&self) -> &[(u32, u64)] {
        &self.archived
    }

    /// The next entry that is looked for. Damage that is met on the way is an error.
    pub fn next_found(&mut self) -> Result<Option<Found>, ReadError> {
        for reading in &mut self.chains {
            reading.fill(&self.wanted)?;
        }
        let waiting = self.chains.iter_mut();
        let waiting = waiting.filter_map(|reading| {
            let at = reading.ready.front()?.entry.at;
            Some((at, reading))
        });
        let earliest = waiting.min_by_key(|(at, reading)| (*at, reading.chain));
        Ok(earliest.and_then(|(_, reading)| reading.ready.pop_front()))
    }
}

impl Reading {
    /// Reads on until there is an entry that is looked for, or the chain ends.
    fn fill(&mut self, wanted: &Wanted) -> Result<(), ReadError> {
        while self.ready.is_empty() && !self.is_done {
            let is_last = self.walks.len() == 1;
            let Some(walk) = self.walks.front_mut() else {
                return Ok(());
            };
            let Some(block) = walk.next_block()? else {
                if !is_last {
                    self.walks.pop_front();
                    continue;
                }
                self.is_done = true;
                let place = walk.place();
                if place.entries < self.entries {
                    let entries = self.entries;
                    return Err(place.damaged(Wrong::Shortened { entries }));
                }
                return Ok(());
            };
            for (number, note) in (block.first..).zip(walk.notes(block)?) {
                let Note::Disclosure(entry) = note else {
                    continue;
                };
                if let Some(has_seen) = wanted.judge(&entry) {
                    self.ready.push_back(Found {
                        chain: self.chain,
                        number,
                        entry,
                        has_seen,
                    });
                }
            }
        }
        Ok(())
    }
}

fn damage(file: PathBuf, wrong: Wrong) -> ReadError {
    ReadError::Damaged(Damage {
        file,
        byte: 0,
        entry: 1,
        wrong,
    })
}
