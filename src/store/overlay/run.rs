//! Runs: search keys of changed records in sorted, immutable blocks, as small as they can be kept.
//! Each commit adds a small run, and runs of similar size are merged, so that there are few. Each set
//! of keys has runs of its own.

use std::ops::Range;
use std::sync::Arc;

use crate::person::keys::{Index, keys};
use crate::person::record::{Damaged, RecordRef};
use crate::person::view::{KeySet, KeySets};

/// Bytes of the record's number and epoch at the end of each entry.
const TAIL: usize = 9;

/// Runs are merged until each is so many times larger than the next.
const STEEPNESS: usize = 4;

/// The runs of every set of keys, from large to small.
#[derive(Clone, Default)]
pub struct Runs([Vec<Arc<Run>>; KeySet::ALL.len()]);

/// Sorted entries: index, search key, record number, epoch. Numbers are keys of
/// identities, or positions in a snapshot.
#[derive(Default)]
pub struct Run {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

/// A record as an entry has it: its number, and the epoch in which the entry was made.
pub type Listed = (u64, u8);

/// Entries on their way to runs.
#[derive(Default)]
pub struct Gathered {
    sets: [Run; KeySet::ALL.len()],
    /// The keys that a record had before, with their sets: room that is used again.
    before: Run,
}

impl Gathered {
    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.sets.iter().map(Run::count).sum()
    }

    /// Adds the keys that a record has now, in an epoch of its own. Under those that it had `before`, in
    /// the same epoch and layer, it is listed already.
    pub fn add(
        &mut self,
        before: Option<RecordRef<'_>>,
        now: RecordRef<'_>,
        epoch: u8,
    ) -> Result<(), Damaged> {
        let Self { sets, before: had } = self;
        had.bytes.clear();
        had.ends.clear();
        if let Some(before) = before {
            keys(before, |set, index, key| {
                had.push(&[&[set as u8, index as u8], key]);
            })?;
        }
        let person = now.identity().key();
        // Keys come in the order of fields, so the next one is mostly the one that follows.
        let mut next = 0;
        keys(now, |set, index, key| {
            let is_it = |at: usize| {
                let entry = had.entry(at).split_at_checked(2);
                entry == Some((&[set as u8, index as u8], key))
            };
            let order = (next..had.count()).chain(0..next);
            match order.into_iter().find(|&at| is_it(at)) {
                Some(at) => next = at + 1,
                None => sets[set as usize].push_entry(index, key, (person, epoch)),
            }
        })
    }

    /// Adds an entry.
    pub fn push(&mut self, set: KeySet, index: Index, key: &[u8], listed: Listed) {
        self.sets[set as usize].push_entry(index, key, listed);
    }
}

impl Runs {
    /// Adds everything gathered.
    pub fn add(&mut self, gathered: &Gathered) {
        for (runs, gathered) in self.0.iter_mut().zip(&gathered.sets) {
            if gathered.count() == 0 {
                continue;
            }
            let mut run = gathered.sorted();
            while let Some(last) = runs.pop_if(|last| last.count() < STEEPNESS * run.count()) {
                run = last.merge(&run);
            }
            runs.push(Arc::new(run));
        }
    }

    /// The runs of some sets.
    pub fn of(&self, sets: KeySets) -> impl Iterator<Item = &Run> {
        sets.iter()
            .flat_map(|set| &self.0[set as usize])
            .map(|run| &**run)
    }

    /// The runs of one set.
    pub fn of_set(&self, set: KeySet) -> impl Iterator<Item = &Run> {
        self.0[set as usize].iter().map(|run| &**run)
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.0.iter().flatten().map(|run| run.bytes()).sum()
    }
}

/// Tells each key of one index once, in order, with the records listed under it in any of some runs: how
/// entries are spread over runs is nobody's business.
pub fn each_key(runs: &[&Run], index: Index, mut tell: impl FnMut(&[u8], &[Listed])) {
    fn head<'r>(run: &'r Run, rest: &Range<usize>) -> Option<&'r [u8]> {
        (!rest.is_empty()).then(|| run.key(rest.start).1)
    }
    let all = runs.iter().map(|run| run.range(index, &[], None));
    let mut rest: Vec<Range<usize>> = all.collect();
    let mut listed = Vec::new();
    loop {
        let heads = runs.iter().zip(&rest);
        let Some(key) = heads.filter_map(|(run, rest)| head(run, rest)).min() else {
            return;
        };
        listed.clear();
        for (run, rest) in runs.iter().zip(&mut rest) {
            while head(run, rest) == Some(key) {
                listed.push(run.listed_at(rest.start));
                rest.start += 1;
            }
        }
        tell(key, &listed);
    }
}

impl Run {
    /// How many entries there are.
    pub const fn count(&self) -> usize {
        self.ends.len()
    }

    /// Bytes in memory.
    pub const fn bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * 4
    }

    /// The same entries in order, each once.
    fn sorted(&self) -> Self {
        let mut order: Vec<usize> = (0..self.count()).collect();
        order.sort_unstable_by(|&one, &other| self.compare(one, self, other));
        let mut run = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            ends: Vec::with_capacity(self.count()),
        };
        for at in order {
            run.push_new(self.entry(at));
        }
        run
    }

    /// Both runs as one.
    fn merge(&self, other: &Self) -> Self {
        let mut run = Self {
            bytes: Vec::with_capacity(self.bytes.len() + other.bytes.len()),
            ends: Vec::with_capacity(self.count() + other.count()),
        };
        let (mut here, mut there) = (0, 0);
        while here < self.count() && there < other.count() {
            if self.compare(here, other, there).is_le() {
                run.push_new(self.entry(here));
                here += 1;
            } else {
                run.push_new(other.entry(there));
                there += 1;
            }
        }
        (here..self.count()).for_each(|at| run.push_new(self.entry(at)));
        (there..other.count()).for_each(|at| run.push_new(other.entry(at)));
        run
    }

    /// The first key of one index that is not before `from`.
    pub fn first(&self, index: Index, from: &[u8]) -> Option<&[u8]> {
        let at = self.lower_bound(index as u8, from);
        (at < self.count())
            .then(|| self.key(at))
            .filter(|(found, _)| *found == index as u8)
            .map(|(_, key)| key)
    }

    /// The records listed in one index from `from` up to and without `to` (`None`: to its end).
    pub fn listed(
        &self,
        index: Index,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> impl Iterator<Item = Listed> + '_ {
        self.range(index, from, to).map(|at| self.listed_at(at))
    }

    /// How many entries one index has from `from` up to and without `to`.
    pub fn count_within(&self, index: Index, from: &[u8], to: Option<&[u8]>) -> usize {
        self.range(index, from, to).len()
    }

    fn range(&self, index: Index, from: &[u8], to: Option<&[u8]>) -> Range<usize> {
        let start = self.lower_bound(index as u8, from);
        let end = match to {
            Some(to) => self.lower_bound(index as u8, to),
            None => self.lower_bound(index as u8 + 1, &[]),
        };
        start..end.max(start)
    }

    /// The first entry that is not before a key.
    fn lower_bound(&self, index: u8, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.key(middle) < (index, key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn compare(&self, at: usize, other: &Self, there: usize) -> std::cmp::Ordering {
        let (one, two) = (self.key(at), other.key(there));
        one.cmp(&two)
            .then_with(|| self.listed_at(at).cmp(&other.listed_at(there)))
    }

    fn entry(&self, at: usize) -> &[u8] {
        let start = if at == 0 {
            0
        } else {
            self.ends[at - 1] as usize
        };
        &self.bytes[start..self.ends[at] as usize]
    }

    fn key(&self, at: usize) -> (u8, &[u8]) {
        let entry = self.entry(at);
        (entry[0], &entry[1..entry.len() - TAIL])
    }

    fn listed_at(&self, at: usize) -> Listed {
        let number = |tail: &[u8; TAIL]| tail.first_chunk().map(|it| u64::from_be_bytes(*it));
        let tail = self.entry(at).last_chunk::<TAIL>();
        tail.map_or((0, 0), |tail| (number(tail).unwrap_or(0), tail[TAIL - 1]))
    }

    fn push_entry(&mut self, index: Index, key: &[u8], (number, class): Listed) {
        self.push(&[&[index as u8], key, &number.to_be_bytes(), &[class]]);
    }

    fn push(&mut self, parts: &[&[u8]]) {
        parts
            .iter()
            .for_each(|part| self.bytes.extend_from_slice(part));
        self.ends.push(self.bytes.len() as u32);
    }

    /// Adds an entry unless it is the last one again.
    fn push_new(&mut self, entry: &[u8]) {
        let last = self.count().checked_sub(1);
        if last.is_none_or(|last| self.entry(last) != entry) {
            self.push(&[entry]);
        }
    }
}
