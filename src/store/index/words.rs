//! The dictionary of words: every word of names, cities and streets as a plain keyboard types it,
//! with the index and the key it stands for. A finite-state map (the `fst` crate), so that an
//! automaton can walk it without reading words that cannot match.
//!
//! The section has a part, a map of its own, for each set of keys ([`parts`](super::parts)).
//!
//! A key is the word's skeleton, a zero, the index's number and the text the index lists it under
//! (without the county); the value is how many positions it has there.

use std::collections::{BTreeMap, BTreeSet};

use fst::{IntoStreamer, Map, MapBuilder, Streamer};

use super::parts;
use crate::base::swedish;
use crate::person::keys::{COUNTY, INDEXES, Index, Shape};
use crate::person::view::{KeySet, KeySets};

/// Gathers the dictionary from the keys of the search index.
#[derive(Default)]
pub struct WordsBuilder(BTreeMap<Vec<u8>, u64>);

impl WordsBuilder {
    /// Takes in a key of the search index, without its index's number, that has `count` positions.
    pub fn add(&mut self, index: Index, key: &[u8], count: u64) {
        let Some(text) = text_of(index, key) else {
            return;
        };
        // A text that has a word twice is listed under it once.
        for word in swedish::words(text).collect::<BTreeSet<_>>() {
            let mut entry = swedish::skeleton(word).into_owned().into_bytes();
            entry.push(0);
            entry.push(index as u8);
            entry.extend_from_slice(text.as_bytes());
            *self.0.entry(entry).or_default() += count;
        }
    }

    /// The section.
    pub fn finish(self) -> Vec<u8> {
        let mut map = MapBuilder::memory();
        for (entry, count) in self.0 {
            // Entries ascend, and memory does not fail.
            if map.insert(entry, count).is_err() {
                debug_assert!(false, "the dictionary is out of order");
            }
        }
        map.into_inner().unwrap_or_default()
    }
}

/// Where the text with words begins in the keys of an index: behind the county, or at once; `None` when
/// there is none.
pub fn text_from(index: Index) -> Option<usize> {
    match (index.row().shape, index) {
        (Shape::Words, _) => Some(COUNTY),
        (_, Index::City | Index::Street) => Some(0),
        _ => None,
    }
}

/// The text in a key that has words, without the county before it.
pub fn text_of(index: Index, key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(text_from(index)?..)?).ok()
}

/// A word that fits: the set of keys, the index, the text it is listed under, and how often.
pub struct Listed {
    /// The set of keys.
    pub set: KeySet,
    /// The index.
    pub index: Index,
    /// The text.
    pub text: Vec<u8>,
    /// Positions.
    pub count: u64,
}

/// The words in some sets of keys that an automaton accepts. `None` when the section is damaged.
pub fn matching(
    section: &[u8],
    sets: KeySets,
    automaton: impl fst::Automaton + Clone,
) -> Option<Vec<Listed>> {
    let mut out = Vec::new();
    for set in sets.iter() {
        let map = Map::new(parts::part(section, set)?).ok()?;
        let mut stream = map.search(automaton.clone()).into_stream();
        while let Some((entry, count)) = stream.next() {
            let end = entry.iter().position(|&byte| byte == 0)?;
            let (&number, text) = entry.get(end + 1..)?.split_first()?;
            out.push(Listed {
                set,
                index: INDEXES.get(usize::from(number))?.index,
                text: text.to_vec(),
                count,
            });
        }
    }
    Some(out)
}

/// Reads the whole section against its own checksums and order.
pub fn check(section: &[u8]) -> Option<()> {
    parts::check(section)?;
    KeySet::ALL.into_iter().try_for_each(|set| {
        let map = Map::new(parts::part(section, set)?).ok()?;
        map.as_fst().verify().ok()
    })
}
