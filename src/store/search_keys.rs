//! What a search may read of a state beside its records: the search keys of the sets that its grant
//! gives, in the snapshot and in what is newer. There is no other way to search keys, and no sets but
//! a grant's: what a caller may not see is neither read, nor counted, nor planned with.

use super::index::search::Run;
use super::index::words::Listed;
use super::overlay::Overlay;
use super::snapshot::Searchable;
use super::veil::Veil;
use crate::person::keys::Index;
use crate::person::view::KeySets;

/// The search keys of some sets in one state.
#[derive(Clone, Copy)]
pub struct SearchKeys<'s> {
    pub(super) snapshot: Searchable<'s>,
    pub(super) overlay: &'s Overlay,
    pub(super) veil: &'s Veil,
    pub(super) sets: KeySets,
}

/// Keys of the snapshot, and how many entries count under them.
pub struct Runs<'s> {
    /// The keys in each set that has entries which count.
    pub runs: Vec<Run<'s>>,
    /// Entries that count.
    pub count: u64,
}

impl<'s> SearchKeys<'s> {
    /// The snapshot's keys of one index from `from` up to and without `to`; `None` is the index's end.
    pub fn range(&self, index: Index, from: &[u8], to: Option<&[u8]>) -> Runs<'s> {
        let mut found = Runs {
            runs: Vec::new(),
            count: 0,
        };
        for (set, part) in self.snapshot.parts(self.sets) {
            let run = part.range(index, from, to);
            let veiled = if self.veil.is_empty() {
                0
            } else {
                self.veil.count(set, index, from, to)
            };
            let count = run.len().saturating_sub(veiled);
            if count > 0 {
                found.runs.push(run);
                found.count += count;
            }
        }
        found
    }

    /// The first key of one index in the snapshot that is not before `from` and counts.
    pub fn first(&self, index: Index, from: &[u8]) -> Option<Vec<u8>> {
        let first = |from: &[u8]| {
            let parts = self.snapshot.parts(self.sets);
            parts.filter_map(|(_, part)| part.first(index, from)).min()
        };
        let counts = |key: &[u8], after: &[u8]| {
            self.veil.is_empty() || self.range(index, key, Some(after)).count > 0
        };
        first_that_counts(from, first, counts)
    }

    /// Tells the positions of runs that count, in the order of the runs.
    pub fn each_position(&self, runs: &[Run<'_>], each: &mut dyn FnMut(u32)) {
        let (veil, is_bare) = (self.veil, self.veil.is_empty());
        for run in runs {
            run.lists(|list| {
                list.for_each(|at| {
                    if is_bare || !veil.has(at) {
                        each(at);
                    }
                });
            });
        }
    }

    /// The words in the snapshot that an automaton accepts; `None` when the section is damaged.
    pub fn words(&self, automaton: impl fst::Automaton + Clone) -> Option<Vec<Listed>> {
        let mut listed = self.snapshot.words(self.sets, automaton)?;
        if !self.veil.is_empty() {
            self.veil.sift(&mut listed);
        }
        Some(listed)
    }

    /// The first key of one index in what is newer that is not before `from` and counts.
    pub fn first_newer(&self, index: Index, from: &[u8]) -> Option<Vec<u8>> {
        let first = |from: &[u8]| self.overlay.first(self.sets, index, from);
        let counts =
            |key: &[u8], after: &[u8]| self.newer(index, key, Some(after)).next().is_some();
        first_that_counts(from, first, counts)
    }

    /// The newer records listed in one index from `from` up to and without `to`, in no order, a record
    /// once or more for each key it has there.
    pub fn newer<'a>(
        &'a self,
        index: Index,
        from: &'a [u8],
        to: Option<&'a [u8]>,
    ) -> impl Iterator<Item = u64> + 'a {
        self.overlay.listed(self.sets, index, from, to)
    }

    /// The newer records that have a name, city or street which `fits`, ascending.
    pub fn newer_by_word(&self, fits: impl Fn(&str) -> bool) -> Vec<u64> {
        self.overlay.listed_by_word(self.sets, fits)
    }
}

/// The first key from `from` on that counts: `first` gives the next one there is, `counts` tells of a key
/// and the one behind it.
fn first_that_counts(
    from: &[u8],
    first: impl Fn(&[u8]) -> Option<Vec<u8>>,
    counts: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<Vec<u8>> {
    let mut from = from.to_vec();
    loop {
        let key = first(&from)?;
        let after = [&key[..], &[0]].concat();
        if counts(&key, &after) {
            return Some(key);
        }
        from = after;
    }
}
