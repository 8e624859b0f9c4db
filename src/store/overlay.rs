//! The overlay: what changed since the snapshot. Immutable once published, looked into before the
//! snapshot. The delta log fills it; without one it is empty, and costs one comparison.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use crate::person::keys::{Index, keys};
use crate::person::record::{Damaged, RecordRef};

/// Records by key that are newer than the snapshot's, and the keys they are searched by.
#[derive(Default)]
pub struct Overlay {
    records: HashMap<u64, Box<[u8]>>,
    order: Vec<u64>,
    search: BTreeMap<(Index, Box<[u8]>), Vec<u64>>,
}

impl Overlay {
    /// An overlay of these records, by the keys of their identities.
    pub fn of(records: impl IntoIterator<Item = Box<[u8]>>) -> Result<Self, Damaged> {
        let mut overlay = Self::default();
        for bytes in records {
            let key = RecordRef::open(&bytes)?.identity().key();
            overlay.records.insert(key, bytes);
        }
        overlay.order = overlay.records.keys().copied().collect();
        overlay.order.sort_unstable();
        for &key in &overlay.order {
            let Some(bytes) = overlay.records.get(&key) else {
                continue;
            };
            let search = &mut overlay.search;
            keys(RecordRef::open(bytes)?, |index, found| {
                let listed: &mut Vec<u64> = search.entry((index, found.into())).or_default();
                if listed.last() != Some(&key) {
                    listed.push(key);
                }
            })?;
        }
        Ok(overlay)
    }

    /// The newer record under `key`.
    #[inline]
    pub fn get(&self, key: u64) -> Option<&[u8]> {
        if self.records.is_empty() {
            return None;
        }
        self.records.get(&key).map(|record| &**record)
    }

    /// How many records are newer.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing is newer.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The keys of all newer records, ascending.
    pub fn keys(&self) -> &[u64] {
        &self.order
    }

    /// The records listed in one index from `from` up to and without `to` (`None`: to its end), a
    /// record once for each key it has there.
    pub fn listed(
        &self,
        index: Index,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> impl Iterator<Item = u64> + '_ {
        let from = (index, Box::from(from));
        let to = to.map(|to| (index, Box::from(to)));
        let nothing = to.as_ref().is_some_and(|to| *to < from);
        let range = match to {
            _ if nothing => (Bound::Excluded(from.clone()), Bound::Included(from)),
            Some(to) => (Bound::Included(from), Bound::Excluded(to)),
            None => (Bound::Included(from), Bound::Unbounded),
        };
        self.search
            .range(range)
            .take_while(move |((found, _), _)| *found == index)
            .flat_map(|(_, listed)| listed.iter().copied())
    }
}
