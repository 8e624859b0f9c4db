//! The overlay: what changed since the snapshot. Immutable once published, looked into before the
//! snapshot. The delta log fills it; without one it is empty, and costs one comparison.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use crate::person::keys::{COUNTY, INDEXES, Index, Shape, keys};
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

    /// The first key of one index that is not before `from`.
    pub fn first(&self, index: Index, from: &[u8]) -> Option<Vec<u8>> {
        let from = (index, Box::from(from));
        let ((found, key), _) = self.search.range(from..).next()?;
        (*found == index).then(|| key.to_vec())
    }

    /// The records that have a name, city or street which `fits`, ascending.
    pub fn listed_by_word(&self, fits: impl Fn(&str) -> bool) -> Vec<u64> {
        let mut out = Vec::new();
        for row in INDEXES {
            let behind = match (row.shape, row.index) {
                (Shape::Words, _) => COUNTY,
                (_, Index::City | Index::Street) => 0,
                _ => continue,
            };
            let from = (row.index, Box::default());
            let of_index = self.search.range(from..);
            for ((_, key), listed) in of_index.take_while(|((index, _), _)| *index == row.index) {
                let text = key.get(behind..).map(std::str::from_utf8);
                if matches!(text, Some(Ok(text)) if fits(text)) {
                    out.extend_from_slice(listed);
                }
            }
        }
        out.sort_unstable();
        out.dedup();
        out
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
