//! The overlay: what changed since the snapshot. Immutable once published, looked into before the
//! snapshot. The delta log fills it; without one it is empty, and costs one comparison.

use std::collections::HashMap;

/// Records by key that are newer than the snapshot's.
#[derive(Default)]
pub struct Overlay {
    records: HashMap<u64, Box<[u8]>>,
}

impl Overlay {
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
}

impl FromIterator<(u64, Box<[u8]>)> for Overlay {
    fn from_iter<T: IntoIterator<Item = (u64, Box<[u8]>)>>(records: T) -> Self {
        Self {
            records: records.into_iter().collect(),
        }
    }
}
