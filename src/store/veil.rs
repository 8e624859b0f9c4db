//! The veil over a snapshot's search index: the keys of those who were shown more when the snapshot
//! was made than they are now. Somebody who becomes protected after the snapshot stands in it under
//! an address that nobody may learn any more; until the next snapshot the veil takes these entries out
//! of what searches count and read.

use std::collections::BTreeSet;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::index::words::{self, text_of};
use super::overlay::run::{Gathered, Runs};
use crate::person::keys::{Index, keys};
use crate::person::record::{Damaged, RecordRef};
use crate::person::view::KeySet;

/// Words of the filter: four kibibytes, which stay in a core's cache.
const WORDS: usize = 512;

/// Fibonacci hashing: neighbours go apart.
#[inline]
const fn place(position: u32) -> (usize, u64) {
    let hash = position.wrapping_mul(0x9e37_79b9) >> (32 - 15);
    ((hash >> 6) as usize, 1 << (hash & 63))
}

/// Keys of a snapshot that do not count any more. A copy shares everything with the original.
#[derive(Clone, Default)]
pub struct Veil {
    /// By position in the snapshot.
    runs: Runs,
    positions: OrdSet<u32>,
    /// Bits for the positions, to pass over the others quickly.
    filter: Option<Arc<[u64; WORDS]>>,
    /// How many veiled entries a text has, by set, index and text.
    texts: OrdMap<(KeySet, Index, String), u64>,
}

impl Veil {
    /// Whether nothing is veiled.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Whether the record at a position is veiled.
    #[inline]
    pub fn has(&self, position: u32) -> bool {
        let (word, bit) = place(position);
        let filter = self.filter.as_ref();
        filter.is_some_and(|filter| filter[word] & bit != 0) && self.positions.contains(&position)
    }

    /// Veils the keys of the record at a position of the snapshot.
    pub(super) fn add(&mut self, position: u32, record: RecordRef<'_>) -> Result<(), Damaged> {
        let mut gathered = Gathered::default();
        let mut texts = BTreeSet::new();
        keys(record, |set, index, key| {
            gathered.push(set, index, key, (position.into(), 0));
            if text_of(index, key).is_some() {
                texts.insert((set, index, key.to_vec()));
            }
        })?;
        for (set, index, key) in texts {
            if let Some(text) = text_of(index, &key) {
                *self.texts.entry((set, index, text.to_owned())).or_default() += 1;
            }
        }
        self.runs.add(&gathered);
        self.positions.insert(position);
        let filter = self.filter.get_or_insert_with(|| Arc::new([0; WORDS]));
        let (word, bit) = place(position);
        Arc::make_mut(filter)[word] |= bit;
        Ok(())
    }

    /// How many of a set's entries in one index from `from` up to and without `to` are veiled.
    pub fn count(&self, set: KeySet, index: Index, from: &[u8], to: Option<&[u8]>) -> u64 {
        let runs = self.runs.of_set(set);
        runs.map(|run| run.count_within(index, from, to) as u64)
            .sum()
    }

    /// Takes the texts out that only veiled records have, and does not count these in the others.
    pub fn sift(&self, listed: &mut Vec<words::Listed>) {
        listed.retain_mut(|listed| {
            let Ok(text) = String::from_utf8(listed.text.clone()) else {
                return true;
            };
            let veiled = self.texts.get(&(listed.set, listed.index, text));
            listed.count = listed.count.saturating_sub(veiled.copied().unwrap_or(0));
            listed.count > 0
        });
    }
}
