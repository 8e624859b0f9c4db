//! A run: search keys of changed records in one sorted, immutable block, as small as they can be
//! kept. Each commit adds a small run, and runs of similar size are merged, so that there are few.

use std::ops::Range;

use crate::person::keys::{Index, keys};
use crate::person::record::{Damaged, RecordRef};

/// Bytes of the record's key at the end of each entry.
const KEY: usize = 8;

/// Sorted entries: index, search key, record key.
#[derive(Default)]
pub struct Run {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

/// Entries on their way to a run.
#[derive(Default)]
pub struct Gathered {
    run: Run,
    /// The keys that a record had before, without its own: room that is used again.
    before: Run,
}

impl Gathered {
    /// How many entries there are.
    pub const fn count(&self) -> usize {
        self.run.count()
    }

    /// Adds the keys that a record has now. Under those that it had before, when it was in the layer
    /// already, it is listed there.
    pub fn add(
        &mut self,
        before: Option<RecordRef<'_>>,
        now: RecordRef<'_>,
    ) -> Result<(), Damaged> {
        let Self { run, before: had } = self;
        had.bytes.clear();
        had.ends.clear();
        if let Some(before) = before {
            keys(before, |index, key| had.push(&[&[index as u8], key]))?;
        }
        let person = now.identity().key();
        // Keys come in the order of fields, so the next one is mostly the one that follows.
        let mut next = 0;
        keys(now, |index, key| {
            let is_it = |at: usize| had.entry(at).split_first() == Some((&(index as u8), key));
            let order = (next..had.count()).chain(0..next);
            match order.into_iter().find(|&at| is_it(at)) {
                Some(at) => next = at + 1,
                None => run.push(&[&[index as u8], key, &person.to_be_bytes()]),
            }
        })
    }

    /// The run of everything gathered.
    pub fn sorted(&self) -> Run {
        let gathered = &self.run;
        let mut order: Vec<usize> = (0..gathered.count()).collect();
        order.sort_unstable_by(|&one, &other| gathered.compare(one, gathered, other));
        let mut run = Run {
            bytes: Vec::with_capacity(gathered.bytes.len()),
            ends: Vec::with_capacity(gathered.count()),
        };
        for at in order {
            run.push_new(gathered.entry(at));
        }
        run
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

    /// Both runs as one.
    pub fn merge(&self, other: &Self) -> Self {
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
    ) -> impl Iterator<Item = u64> + '_ {
        self.range(index, from, to).map(|at| self.person(at))
    }

    /// Tells each key of one index once, with the records listed under it.
    pub fn each_key(
        &self,
        index: Index,
        mut tell: impl FnMut(&[u8], &mut dyn Iterator<Item = u64>),
    ) {
        let mut rest = self.range(index, &[], None);
        while let Some(at) = rest.next() {
            let (_, key) = self.key(at);
            let same = (at + 1..rest.end)
                .take_while(|&next| self.key(next).1 == key)
                .count();
            rest.start += same;
            tell(key, &mut (at..=at + same).map(|at| self.person(at)));
        }
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
            .then_with(|| self.person(at).cmp(&other.person(there)))
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
        (entry[0], &entry[1..entry.len() - KEY])
    }

    fn person(&self, at: usize) -> u64 {
        self.entry(at)
            .last_chunk()
            .map_or(0, |key| u64::from_be_bytes(*key))
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
