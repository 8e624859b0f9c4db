//! The dictionary of words: every word of names, cities and streets as a plain keyboard types it,
//! with the index and the key it stands for. A finite-state map (the `fst` crate), so that an
//! automaton can walk it without reading words that cannot match.
//!
//! A key is the word's skeleton, a zero, the index's number and the text the index lists it under
//! (without the county); the value is how many positions it has there.

use std::collections::BTreeMap;

use fst::{IntoStreamer, Map, MapBuilder, Streamer};

use crate::base::swedish;
use crate::person::keys::{COUNTY, INDEXES, Index, Shape};

/// Gathers the dictionary from the keys of the search index.
#[derive(Default)]
pub struct WordsBuilder(BTreeMap<Vec<u8>, u64>);

impl WordsBuilder {
    /// Takes in a key of the search index, without its index's number, that has `count` positions.
    pub fn add(&mut self, index: Index, key: &[u8], count: u64) {
        let text = match (index.row().shape, index) {
            (Shape::Words, _) => key.get(COUNTY..),
            (_, Index::City | Index::Street) => Some(key),
            _ => None,
        };
        let Some(text) = text.and_then(|text| std::str::from_utf8(text).ok()) else {
            return;
        };
        for word in swedish::words(text) {
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

/// A word that fits: the index, the text it is listed under, and how often.
pub struct Listed {
    /// The index.
    pub index: Index,
    /// The text.
    pub text: Vec<u8>,
    /// Positions.
    pub count: u64,
}

/// The words that an automaton accepts. `None` when the section is damaged.
pub fn matching(section: &[u8], automaton: impl fst::Automaton) -> Option<Vec<Listed>> {
    let map = Map::new(section).ok()?;
    let mut stream = map.search(automaton).into_stream();
    let mut out = Vec::new();
    while let Some((entry, count)) = stream.next() {
        let end = entry.iter().position(|&byte| byte == 0)?;
        let (&number, text) = entry.get(end + 1..)?.split_first()?;
        out.push(Listed {
            index: INDEXES.get(usize::from(number))?.index,
            text: text.to_vec(),
            count,
        });
    }
    Some(out)
}

/// Reads the whole section against its own checksum and order.
pub fn check(section: &[u8]) -> Option<()> {
    let map = Map::new(section).ok()?;
    map.as_fst().verify().ok()
}
