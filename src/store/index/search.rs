//! The search index: who is found by what. The section has a part of its own for each set of keys
//! ([`parts`](super::parts)), so that a restricted search never comes near the keys of what it may
//! not show. In a part, one sorted list of keys serves every
//! [`Index`](crate::person::keys::Index): a key is the index's number and the bytes that
//! [`person::keys`](crate::person::keys) makes. Behind each key stand the records that have it, by
//! their position in the order of identities, so that what is found comes in that order.
//!
//! ```text
//!  0  8  number of keys
//!  8  8  number of blocks
//! 16  8  bytes of keys
//! 24  8  bytes of positions
//! 32     blocks, 24 bytes each: where the block's keys start, where its positions start,
//!        how many positions stand before them
//!        keys, in blocks of 16: bytes shared with the key before (none at a block's start),
//!        further bytes, the bytes; number of positions * 2 + whether they are a bitmap, bytes of
//!        the positions
//!        positions: the first, then distances less one; or one bit per record where that is shorter
//! ```
//!
//! Numbers of the head and the blocks are 64 bits, little endian; all others LEB128. Positions
//! follow each other in the order of keys, so a range of keys is one range of positions, and its
//! length is the difference of two numbers.

use std::collections::HashMap;

use super::parts;
use super::words::WordsBuilder;
use crate::person::keys::{INDEXES, Index};
use crate::person::view::{KeySet, KeySets};

/// Keys per block.
const BLOCK: usize = 16;
/// Bytes of a section without keys: the lengths of its parts, and the head of each.
pub const EMPTY_BYTES: u64 = (parts::HEAD + KeySet::ALL.len() * HEAD) as u64;
/// Bytes of a part's head.
const HEAD: usize = 32;
const ROW: usize = 24;

/// A full key: the index's number and the bytes within it.
fn full_key(index: Index, key: &[u8], into: &mut Vec<u8>) {
    into.clear();
    into.push(index as u8);
    into.extend_from_slice(key);
}

/// Gathers keys, record by record.
#[derive(Default)]
pub struct SearchBuilder {
    sets: [SetBuilder; KeySet::ALL.len()],
}

impl SearchBuilder {
    /// Lists the record at `position` under a key of a set. Positions never go back.
    pub fn add(&mut self, position: u32, set: KeySet, index: Index, key: &[u8]) {
        self.sets[set as usize].add(position, index, key);
    }

    /// The section for a snapshot of `records` records, and the dictionaries of its words.
    pub fn finish(self, records: u64) -> (Vec<u8>, Vec<u8>) {
        let (search, words): (Vec<_>, Vec<_>) =
            self.sets.into_iter().map(|set| set.finish(records)).unzip();
        (parts::join(&search), parts::join(&words))
    }
}

/// Gathers the keys of one set.
#[derive(Default)]
struct SetBuilder {
    numbers: HashMap<Box<[u8]>, u32>,
    lists: Vec<Gathered>,
    key: Vec<u8>,
}

#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    last: u32,
    count: u32,
}

impl SetBuilder {
    fn add(&mut self, position: u32, index: Index, key: &[u8]) {
        full_key(index, key, &mut self.key);
        let number = if let Some(&number) = self.numbers.get(&*self.key) {
            number as usize
        } else {
            let number = self.lists.len();
            self.numbers.insert((&*self.key).into(), number as u32);
            self.lists.push(Gathered::default());
            number
        };
        let list = &mut self.lists[number];
        let distance = match list.count {
            0 => position,
            // The same key twice in one record.
            _ if position == list.last => return,
            _ => position - list.last - 1,
        };
        put_number(&mut list.bytes, u64::from(distance));
        list.last = position;
        list.count += 1;
    }

    fn finish(self, records: u64) -> (Vec<u8>, Vec<u8>) {
        let mut numbers: Vec<(Box<[u8]>, u32)> = self.numbers.into_iter().collect();
        numbers.sort_unstable();
        let bitmap_bytes = bitmap_bytes(records);
        let (mut blocks, mut keys, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        let mut words = WordsBuilder::default();
        let mut before = 0_u64;
        let mut last: &[u8] = &[];
        for (number, (key, list)) in numbers.iter().enumerate() {
            let list = &self.lists[*list as usize];
            if number % BLOCK == 0 {
                for part in [keys.len() as u64, positions.len() as u64, before] {
                    blocks.extend_from_slice(&part.to_le_bytes());
                }
                last = &[];
            }
            let shared = key.iter().zip(last).take_while(|(a, b)| a == b).count();
            put_number(&mut keys, shared as u64);
            put_number(&mut keys, (key.len() - shared) as u64);
            keys.extend_from_slice(&key[shared..]);
            let dense = list.bytes.len() > bitmap_bytes;
            put_number(&mut keys, u64::from(list.count) << 1 | u64::from(dense));
            let start = positions.len();
            if dense {
                positions.resize(start + bitmap_bytes, 0);
                let sparse = List {
                    count: list.count,
                    dense: false,
                    bytes: &list.bytes,
                };
                sparse.for_each(|at| positions[start + at as usize / 8] |= 1 << (at % 8));
            } else {
                positions.extend_from_slice(&list.bytes);
            }
            put_number(&mut keys, (positions.len() - start) as u64);
            if let Some((&index, key)) = key.split_first() {
                words.add(INDEXES[usize::from(index)].index, key, list.count.into());
            }
            before += u64::from(list.count);
            last = key;
        }
        let mut out = Vec::with_capacity(HEAD + blocks.len() + keys.len() + positions.len());
        for part in [
            numbers.len(),
            blocks.len() / ROW,
            keys.len(),
            positions.len(),
        ] {
            out.extend_from_slice(&(part as u64).to_le_bytes());
        }
        out.extend_from_slice(&blocks);
        out.extend_from_slice(&keys);
        out.extend_from_slice(&positions);
        (out, words.finish())
    }
}

fn bitmap_bytes(records: u64) -> usize {
    usize::try_from(records.div_ceil(8)).unwrap_or(usize::MAX)
}

/// The indexes in a section that hold the keys of some sets.
pub fn of_sets(section: &[u8], sets: KeySets) -> impl Iterator<Item = (KeySet, SearchIndex<'_>)> {
    sets.iter()
        .map(|set| {
            let part = parts::part(section, set).unwrap_or_default();
            (set, SearchIndex::new(part))
        })
        .filter(|(_, index)| !index.is_empty())
}

/// Reads every key and every position of a section. `None` when a part is none, or is not whole.
pub fn check(section: &[u8], records: u64) -> Option<()> {
    parts::check(section)?;
    KeySet::ALL
        .into_iter()
        .try_for_each(|set| SearchIndex::cut(parts::part(section, set)?)?.check(records))
}

/// The index of one set in its bytes. Safe to ask when they are damaged: it then misses, or names
/// positions that are none.
#[derive(Clone, Copy)]
pub struct SearchIndex<'a> {
    blocks: &'a [u8],
    keys: &'a [u8],
    positions: &'a [u8],
    count: u64,
}

/// Where a key stands, or would.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    /// Offset of the key's bytes.
    at: usize,
    /// Offset of its positions.
    positions: usize,
    /// Positions before.
    before: u64,
}

/// A range of keys, and the positions under them.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    index: SearchIndex<'a>,
    from: Place,
    to: Place,
}

/// One key and what stands behind it.
struct Entry<'a> {
    shared: usize,
    rest: &'a [u8],
    count: u32,
    dense: bool,
    length: usize,
    /// Offset of the next key.
    next: usize,
}

impl<'a> SearchIndex<'a> {
    /// Over a part's bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::cut(bytes).unwrap_or(Self {
            blocks: &[],
            keys: &[],
            positions: &[],
            count: 0,
        })
    }

    fn cut(bytes: &'a [u8]) -> Option<Self> {
        let head = |at| number_at(bytes, at).and_then(|number| usize::try_from(number).ok());
        let (count, blocks, keys) = (head(0)?, head(8)?, head(16)?);
        let rest = bytes.get(HEAD..)?;
        let (blocks, rest) = rest.split_at_checked(blocks.checked_mul(ROW)?)?;
        let (keys, positions) = rest.split_at_checked(keys)?;
        Some(Self {
            blocks,
            keys,
            positions,
            count: count as u64,
        })
    }

    /// How many keys there are.
    pub const fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is no key.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The keys of one index from `from` up to and without `to`; `None` is the index's end.
    pub fn range(&self, index: Index, from: &[u8], to: Option<&[u8]>) -> Run<'a> {
        let mut key = Vec::with_capacity(64);
        full_key(index, from, &mut key);
        let from = self.place(&key);
        if let Some(to) = to {
            full_key(index, to, &mut key);
        } else {
            key.clear();
            key.push(index as u8 + 1);
        }
        let to = self.place(&key);
        Run {
            index: *self,
            from,
            to: if to.at < from.at { from } else { to },
        }
    }

    /// The keys of one index that begin with `prefix`.
    pub fn prefix(&self, index: Index, prefix: &[u8]) -> Run<'a> {
        self.range(index, prefix, after_prefix(prefix).as_deref())
    }

    /// The first key of one index that is not before `from`, without the index's number.
    pub fn first(&self, index: Index, from: &[u8]) -> Option<Vec<u8>> {
        let mut wanted = Vec::with_capacity(64);
        full_key(index, from, &mut wanted);
        let mut key = Vec::new();
        let mut at = self.block(self.block_of(&wanted))?.at;
        loop {
            let entry = self.entry(at)?;
            key.truncate(entry.shared);
            key.extend_from_slice(entry.rest);
            if key >= wanted {
                return (key.first() == Some(&(index as u8))).then(|| key.split_off(1));
            }
            at = entry.next;
        }
    }

    /// Bytes of keys and positions, and number of keys and positions, of one index.
    pub fn size(&self, index: Index) -> Size {
        let run = self.range(index, &[], None);
        let blocks = (run.to.at - run.from.at) as u64 * self.blocks.len() as u64;
        let mut keys = 0;
        run.lists(|_| keys += 1);
        Size {
            keys,
            positions: run.len(),
            bytes: (run.to.at - run.from.at + run.to.positions - run.from.positions) as u64
                + blocks.checked_div(self.keys.len() as u64).unwrap_or(0),
        }
    }

    /// Reads every key and every position. `None` when keys do not ascend, a list breaks off, or a
    /// position is not below `records`.
    pub fn check(&self, records: u64) -> Option<()> {
        let (mut place, mut last, mut key) = (
            Place {
                at: 0,
                positions: 0,
                before: 0,
            },
            Vec::new(),
            Vec::new(),
        );
        for number in 0..self.count {
            if number % BLOCK as u64 == 0 {
                let block = self.block(usize::try_from(number).ok()? / BLOCK)?;
                (block == place).then_some(())?;
                key.clear();
            }
            let entry = self.entry(place.at)?;
            (entry.shared <= key.len()).then_some(())?;
            key.truncate(entry.shared);
            key.extend_from_slice(entry.rest);
            (number == 0 || key > last).then_some(())?;
            last.clone_from(&key);
            let list = self.list(&entry, place.positions)?;
            list.check(records)?;
            place = Place {
                at: entry.next,
                positions: place.positions + entry.length,
                before: place.before + u64::from(entry.count),
            };
        }
        let whole = place.at == self.keys.len()
            && place.positions == self.positions.len()
            && self.blocks.len() / ROW == usize::try_from(self.count).ok()?.div_ceil(BLOCK);
        whole.then_some(())
    }

    /// The first key that is not before `key`, or the end.
    fn place(&self, key: &[u8]) -> Place {
        let Some(mut place) = self.block(self.block_of(key)) else {
            return Place {
                at: 0,
                positions: 0,
                before: 0,
            };
        };
        // How many bytes the key before shares with the wanted one: entries that share more with it
        // are before the wanted key without a look, as in any front-coded list.
        let mut same = 0;
        while let Some(entry) = self.entry(place.at) {
            if entry.shared < same {
                break;
            }
            if entry.shared == same {
                let wanted = key.get(same..).unwrap_or_default();
                let more = entry
                    .rest
                    .iter()
                    .zip(wanted)
                    .take_while(|(a, b)| a == b)
                    .count();
                if entry.rest.get(more) >= wanted.get(more) {
                    break;
                }
                same += more;
            }
            place = Place {
                at: entry.next,
                positions: place.positions + entry.length,
                before: place.before + u64::from(entry.count),
            };
        }
        place
    }

    /// The last block whose first key is not after `key`; the first when there is none.
    fn block_of(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.blocks.len() / ROW);
        while low + 1 < high {
            let middle = low.midpoint(high);
            let first = self
                .block(middle)
                .and_then(|block| self.entry(block.at))
                .map_or(&[][..], |entry| entry.rest);
            if first <= key {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    fn block(&self, number: usize) -> Option<Place> {
        let row = self.blocks.get(number * ROW..)?;
        let part = |at| usize::try_from(number_at(row, at)?).ok();
        Some(Place {
            at: part(0)?,
            positions: part(8)?,
            before: number_at(row, 16)?,
        })
    }

    fn entry(&self, at: usize) -> Option<Entry<'a>> {
        let start = self.keys.get(at..)?;
        let mut bytes = start;
        let shared = usize::try_from(take_number(&mut bytes)?).ok()?;
        let length = usize::try_from(take_number(&mut bytes)?).ok()?;
        let (rest, mut bytes) = bytes.split_at_checked(length)?;
        let count = take_number(&mut bytes)?;
        let length = usize::try_from(take_number(&mut bytes)?).ok()?;
        Some(Entry {
            shared,
            rest,
            count: u32::try_from(count >> 1).ok()?,
            dense: count & 1 == 1,
            length,
            next: at + (start.len() - bytes.len()),
        })
    }

    fn list(&self, entry: &Entry<'a>, at: usize) -> Option<List<'a>> {
        Some(List {
            count: entry.count,
            dense: entry.dense,
            bytes: self.positions.get(at..at.checked_add(entry.length)?)?,
        })
    }
}

/// The first bytes after all that begin with `prefix`; `None` when there are none.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte < u8::MAX)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

/// What one index weighs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Size {
    /// Different keys.
    pub keys: u64,
    /// Positions under them.
    pub positions: u64,
    /// Bytes of both.
    pub bytes: u64,
}

impl Size {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            keys: self.keys + other.keys,
            positions: self.positions + other.positions,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl<'a> Run<'a> {
    /// How many positions there are, counting a record once for each key it has in the range.
    pub const fn len(&self) -> u64 {
        self.to.before - self.from.before
    }

    /// Whether there are no positions.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The list of each key.
    pub fn lists(&self, mut each: impl FnMut(List<'a>)) {
        let mut place = self.from;
        while place.at < self.to.at {
            let Some(entry) = self.index.entry(place.at) else {
                return;
            };
            let Some(list) = self.index.list(&entry, place.positions) else {
                return;
            };
            each(list);
            place.at = entry.next;
            place.positions += entry.length;
        }
    }

    /// Up to `most` positions, in the order of keys.
    pub fn take(&self, most: usize) -> Vec<u32> {
        let mut out = Vec::with_capacity(most);
        let mut place = self.from;
        while place.at < self.to.at && out.len() < most {
            let Some(entry) = self.index.entry(place.at) else {
                break;
            };
            if let Some(list) = self.index.list(&entry, place.positions) {
                list.positions()
                    .take(most - out.len())
                    .for_each(|at| out.push(at));
            }
            place.at = entry.next;
            place.positions += entry.length;
        }
        out
    }
}

/// The positions under one key, ascending.
#[derive(Clone, Copy)]
pub struct List<'a> {
    count: u32,
    dense: bool,
    bytes: &'a [u8],
}

impl<'a> List<'a> {
    /// How many.
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Gives each position to `each`.
    #[inline]
    pub fn for_each(&self, mut each: impl FnMut(u32)) {
        for position in self.positions() {
            each(position);
        }
    }

    /// The positions.
    #[inline]
    pub fn positions(&self) -> Positions<'a> {
        Positions {
            bytes: self.bytes,
            left: self.count,
            next: 0,
            dense: self.dense,
        }
    }

    fn check(&self, records: u64) -> Option<()> {
        let mut next = 0_u64;
        let mut count = 0;
        let mut positions = self.positions();
        for position in &mut positions {
            (u64::from(position) >= next).then_some(())?;
            next = u64::from(position) + 1;
            count += 1;
        }
        let rest_is_empty = if self.dense {
            let bits: u32 = self.bytes.iter().map(|byte| byte.count_ones()).sum();
            bits == self.count && self.bytes.len() == bitmap_bytes(records)
        } else {
            positions.bytes.is_empty()
        };
        (count == self.count && next <= records && rest_is_empty).then_some(())
    }
}

/// The positions of a list, one after the other.
pub struct Positions<'a> {
    bytes: &'a [u8],
    left: u32,
    next: u32,
    dense: bool,
}

impl Iterator for Positions<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let position = if self.dense {
            let mut at = self.next as usize / 8;
            let mut byte = self.bytes.get(at)? >> (self.next % 8) << (self.next % 8);
            while byte == 0 {
                at += 1;
                byte = *self.bytes.get(at)?;
            }
            u32::try_from(at * 8).ok()? + byte.trailing_zeros()
        } else {
            let distance = take_number(&mut self.bytes)?;
            self.next.checked_add(u32::try_from(distance).ok()?)?
        };
        self.next = position.checked_add(1)?;
        Some(position)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left as usize))
    }
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    if first < 0x80 {
        return Some(u64::from(first));
    }
    let (mut number, mut shift) = (u64::from(first & 0x7f), 7);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    type Model = BTreeMap<(Index, Vec<u8>), BTreeSet<u32>>;

    fn build(records: u32, model: &Model) -> Vec<u8> {
        let mut builder = SetBuilder::default();
        for position in 0..records {
            for ((index, key), listed) in model {
                if listed.contains(&position) {
                    builder.add(position, *index, key);
                    builder.add(position, *index, key);
                }
            }
        }
        builder.finish(u64::from(records)).0
    }

    fn listed(run: Run<'_>) -> Vec<u32> {
        let mut all = Vec::new();
        run.lists(|list| all.extend(list.positions()));
        all
    }

    const THREE: [Index; 3] = [Index::GivenName, Index::Surname, Index::HistoryEnd];

    prop_compose! {
        fn model()(entries in prop::collection::vec(
            (0_usize..3, prop::collection::vec(prop_oneof![Just(0_u8), 97_u8..100, Just(255)], 0..6), prop::collection::btree_set(0_u32..300, 1..40)), 0..120)) -> Model {
            let mut model = Model::new();
            for (index, key, listed) in entries {
                model.entry((THREE[index], key)).or_default().extend(listed);
            }
            model
        }
    }

    proptest! {
        #[test]
        fn every_range_is_what_a_sorted_map_says(model in model(), from in prop::collection::vec(prop_oneof![Just(0_u8), 96_u8..101, Just(255)], 0..6), to in prop::collection::vec(prop_oneof![Just(0_u8), 96_u8..101, Just(255)], 0..6)) {
            let bytes = build(300, &model);
            let index = SearchIndex::new(&bytes);
            prop_assert_eq!(index.len(), model.len() as u64);
            prop_assert!(index.check(300).is_some());
            for which in THREE {
                let within = |low: &[u8], high: Option<&[u8]>| -> Vec<u32> {
                    model.iter()
                        .filter(|((index, key), _)| *index == which && &**key >= low && high.is_none_or(|high| &**key < high))
                        .flat_map(|(_, listed)| listed.iter().copied())
                        .collect()
                };
                for (low, high) in [(&from[..], Some(&to[..])), (&from, None), (&[], None)] {
                    let run = index.range(which, low, high);
                    let expected = within(low, high);
                    prop_assert_eq!(run.len(), expected.len() as u64);
                    prop_assert_eq!(run.take(7), expected[..expected.len().min(7)].to_vec());
                    prop_assert_eq!(listed(run), expected);
                }
                let first = model.keys().filter(|(index, key)| *index == which && *key >= from).map(|(_, key)| key.clone()).next();
                prop_assert_eq!(index.first(which, &from), first);
                let begins: Vec<u32> = model.iter()
                    .filter(|((index, key), _)| *index == which && key.starts_with(&from))
                    .flat_map(|(_, listed)| listed.iter().copied())
                    .collect();
                prop_assert_eq!(listed(index.prefix(which, &from)), begins);
            }
        }

        #[test]
        fn damage_is_found_or_changes_nothing_and_never_panics(model in model(), at in 0_usize..4000, bit in 0_u8..8) {
            let mut bytes = build(300, &model);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let index = SearchIndex::new(&bytes);
            let _ = index.check(300);
            for which in THREE {
                let _ = listed(index.prefix(which, b"a"));
                let _ = index.range(which, b"a", Some(b"c")).take(10);
                let _ = index.first(which, b"b");
            }
        }
    }

    #[test]
    fn what_nearly_everybody_has_is_a_bitmap() {
        let mut model = Model::new();
        model.insert(
            (Index::Gender, b"1".to_vec()),
            (0..1000).filter(|n| n % 3 != 0).collect(),
        );
        model.insert(
            (Index::Gender, b"2".to_vec()),
            (0..1000).step_by(100).collect(),
        );
        let bytes = build(1000, &model);
        let index = SearchIndex::new(&bytes);
        index.prefix(Index::Gender, b"1").lists(|list| {
            assert!(list.dense);
        });
        index
            .prefix(Index::Gender, b"2")
            .lists(|list| assert!(!list.dense));
        assert!(index.size(Index::Gender).bytes < 180);
        assert!(index.check(1000).is_some() && index.check(900).is_none());
    }

    #[test]
    fn an_empty_index_has_nothing() {
        let section = SearchBuilder::default().finish(0).0;
        assert_eq!(section.len() as u64, EMPTY_BYTES);
        assert!(check(&section, 0).is_some());
        assert_eq!(of_sets(&section, KeySets::SHOWN).count(), 0);
        let bytes = SetBuilder::default().finish(0).0;
        let index = SearchIndex::new(&bytes);
        assert!(index.is_empty() && index.check(0).is_some());
        assert!(index.prefix(Index::City, b"").is_empty());
        assert_eq!(index.first(Index::City, b""), None);
        assert!(SearchIndex::new(b"short").is_empty());
    }

    #[test]
    fn a_prefix_ends_where_its_last_letter_moves_on() {
        assert_eq!(after_prefix(b"sve").as_deref(), Some(&b"svf"[..]));
        assert_eq!(after_prefix(&[1, 255]).as_deref(), Some(&[2][..]));
        assert_eq!(after_prefix(&[255]), None);
        assert_eq!(after_prefix(b""), None);
    }
}
