//! The overlay: what changed since the snapshot. Immutable once published, looked into before the
//! snapshot. Every state shares with the one before it all that did not change.
//!
//! It has two layers. Changes go to the fresh one; when a new snapshot is begun the fresh layer is
//! frozen, becomes that snapshot's contents, and is dropped whole when the snapshot takes its place.

pub mod filter;
pub mod run;

use std::sync::Arc;

use imbl::OrdMap;

use self::filter::Filter;
use self::run::{Gathered, Listed, Run, Runs, each_key};
use super::index::words::{text_from, text_of};
use crate::person::keys::{INDEXES, Index, KeyClass};
use crate::person::record::{Damaged, RecordRef};
use crate::person::view::KeySets;

/// Records by key that are newer than the snapshot's, and the keys they are searched by.
#[derive(Clone, Default)]
pub struct Overlay {
    fresh: Layer,
    frozen: Layer,
    /// Of the newer records those that are not [`Standing::default`].
    standings: OrdMap<u64, Standing>,
}

/// How a newer record stands: what it was listed under in an earlier epoch does not count any more.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Standing {
    class: KeyClass,
    /// How often the class has changed, modulo 256.
    epoch: u8,
}

#[derive(Clone, Default)]
struct Layer {
    records: OrdMap<u64, Arc<[u8]>>,
    /// Bytes of the records.
    bytes: usize,
    /// None while the layer is empty.
    filter: Option<Arc<Filter>>,
    /// A record of the layer is listed under every key that it has, and under those that it lost
    /// since: whoever reads a list looks at the record anyway. What it was listed under before its
    /// class changed does not count any more: somebody who is protected now is not found, nor
    /// counted, by what was shown before.
    runs: Runs,
}

impl Overlay {
    /// An overlay of these records, by the keys of their identities.
    pub fn of(records: impl IntoIterator<Item = Box<[u8]>>) -> Result<Self, Damaged> {
        let mut overlay = Self::default();
        let mut gathered = Gathered::default();
        for bytes in records {
            overlay.add(Arc::from(bytes), &mut gathered)?;
        }
        overlay.list(&gathered);
        Ok(overlay)
    }

    /// Puts a record in place of the one with the same identity. Its search keys are gathered, to be
    /// listed by [`Overlay::list`].
    pub(super) fn add(
        &mut self,
        record: Arc<[u8]>,
        gathered: &mut Gathered,
    ) -> Result<(), Damaged> {
        let opened = RecordRef::open(&record)?;
        let key = opened.identity().key();
        let mut standing = Standing {
            class: KeyClass::of(opened),
            epoch: 0,
        };
        let mut before = None;
        if self.get(key).is_some() {
            let then = self.standings.get(&key).copied().unwrap_or_default();
            standing.epoch = then.epoch;
            if then.class == standing.class {
                before = self.fresh.get(key).map(|bytes| RecordRef::open(bytes));
            } else {
                standing.epoch = then.epoch.wrapping_add(1);
            }
        }
        gathered.add(before.transpose()?, opened, standing.epoch)?;
        if standing != Standing::default() {
            self.standings.insert(key, standing);
        } else if !self.standings.is_empty() {
            self.standings.remove(&key);
        }
        let layer = &mut self.fresh;
        layer
            .filter
            .get_or_insert_with(|| Arc::new(Filter::default()))
            .add(key);
        layer.bytes += record.len();
        if let Some(older) = layer.records.insert(key, record) {
            layer.bytes -= older.len();
        }
        Ok(())
    }

    /// Adds the search keys of records that were put.
    pub(super) fn list(&mut self, gathered: &Gathered) {
        self.fresh.runs.add(gathered);
    }

    /// Freezes what has changed so far. Nothing may be frozen already.
    pub(super) fn freeze(&mut self) {
        debug_assert!(
            self.frozen.records.is_empty(),
            "one layer is frozen at a time"
        );
        self.frozen = std::mem::take(&mut self.fresh);
    }

    /// Drops the frozen layer.
    pub(super) fn drop_frozen(&mut self) {
        self.frozen = Layer::default();
        let fresh = &self.fresh.records;
        let standings = self.standings.iter();
        let newer = standings.filter(|(key, _)| fresh.contains_key(*key));
        self.standings = newer.map(|(&key, &standing)| (key, standing)).collect();
    }

    /// The keys of the newer records that are not [`KeyClass::OPEN`].
    pub(super) fn classed(&self) -> impl Iterator<Item = u64> + '_ {
        let standings = self.standings.iter();
        let classed = standings.filter(|(_, standing)| standing.class != KeyClass::OPEN);
        classed.map(|(&key, _)| key)
    }

    /// The frozen records by key, ascending.
    pub fn frozen(&self) -> impl ExactSizeIterator<Item = (u64, &Arc<[u8]>)> {
        self.frozen
            .records
            .iter()
            .map(|(&key, record)| (key, record))
    }

    /// Every newer record by key, ascending.
    pub fn records(&self) -> impl Iterator<Item = (u64, &Arc<[u8]>)> {
        self.keys_within(0, u64::MAX)
            .filter_map(|key| Some((key, self.newer(key)?)))
    }

    /// The newer record under `key`.
    #[inline]
    pub fn get(&self, key: u64) -> Option<&[u8]> {
        self.newer(key).map(|record| &**record)
    }

    #[inline]
    fn newer(&self, key: u64) -> Option<&Arc<[u8]>> {
        self.fresh.get(key).or_else(|| self.frozen.get(key))
    }

    /// How many records are newer, those that changed again after freezing counted twice.
    pub fn len(&self) -> usize {
        self.fresh.records.len() + self.frozen.records.len()
    }

    /// Whether nothing is newer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a layer is frozen.
    pub fn has_frozen(&self) -> bool {
        !self.frozen.records.is_empty()
    }

    /// Bytes of records and of search keys in memory, the maps' own not counted.
    pub fn bytes(&self) -> (usize, usize) {
        let layers = [&self.fresh, &self.frozen];
        let records = layers.iter().map(|layer| layer.bytes).sum();
        let runs = layers.iter().map(|layer| layer.runs.bytes());
        (records, runs.sum())
    }

    /// The keys of all newer records, ascending.
    pub fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.keys_within(0, u64::MAX)
    }

    /// The keys of newer records from `from` to `to`, both included, ascending.
    pub fn keys_within(&self, from: u64, to: u64) -> impl Iterator<Item = u64> + '_ {
        let mut fresh = self.fresh.keys_within(from, to).peekable();
        let mut frozen = self.frozen.keys_within(from, to).peekable();
        std::iter::from_fn(move || match (fresh.peek(), frozen.peek()) {
            (Some(one), Some(other)) if one == other => {
                frozen.next();
                fresh.next()
            }
            (Some(one), Some(other)) if one > other => frozen.next(),
            (Some(_), _) => fresh.next(),
            (None, _) => frozen.next(),
        })
    }

    /// The first key of one index in some sets that is not before `from`, whether it counts or not.
    pub(super) fn first(&self, sets: KeySets, index: Index, from: &[u8]) -> Option<Vec<u8>> {
        self.runs(sets)
            .filter_map(|run| run.first(index, from))
            .min()
            .map(<[u8]>::to_vec)
    }

    /// The records that have a name, city or street in some sets which `fits`, ascending.
    pub(super) fn listed_by_word(&self, sets: KeySets, fits: impl Fn(&str) -> bool) -> Vec<u64> {
        let runs: Vec<&Run> = self.runs(sets).collect();
        let mut out = Vec::new();
        for row in INDEXES.iter().filter(|row| text_from(row.index).is_some()) {
            each_key(&runs, row.index, |key, listed| {
                // Not even looked at is what nobody has any more, as far as may be known.
                let current = listed.iter().filter_map(|&it| self.current(it));
                let mut listed = current.peekable();
                if listed.peek().is_some() && text_of(row.index, key).is_some_and(&fits) {
                    out.extend(listed);
                }
            });
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// The records listed in one index of some sets from `from` up to and without `to` (`None`: to
    /// its end), in no order, a record once or more for each key it has there.
    pub(super) fn listed<'o>(
        &'o self,
        sets: KeySets,
        index: Index,
        from: &'o [u8],
        to: Option<&'o [u8]>,
    ) -> impl Iterator<Item = u64> + 'o {
        self.runs(sets)
            .flat_map(move |run| run.listed(index, from, to))
            .filter_map(|listed| self.current(listed))
    }

    /// The record of an entry that was made in the epoch that the record is in now.
    fn current(&self, (key, epoch): Listed) -> Option<u64> {
        let now = self.standings.get(&key).copied().unwrap_or_default();
        (now.epoch == epoch).then_some(key)
    }

    fn runs(&self, sets: KeySets) -> impl Iterator<Item = &Run> {
        let layers = [&self.fresh, &self.frozen];
        layers
            .into_iter()
            .flat_map(move |layer| layer.runs.of(sets))
    }
}

impl Layer {
    #[inline]
    fn get(&self, key: u64) -> Option<&Arc<[u8]>> {
        let filter = self.filter.as_ref()?;
        filter
            .may_hold(key)
            .then(|| self.records.get(&key))
            .flatten()
    }

    fn keys_within(&self, from: u64, to: u64) -> impl Iterator<Item = u64> + '_ {
        self.records.range(from..=to).map(|(&key, _)| key)
    }
}
