//! From a plan to candidates: positions in the snapshot and keys in the overlay, in the order of
//! identities. The smallest source names them; another one is read only when that costs less than
//! looking at the records it would spare.

use std::ops::Range;

use super::plan::{Counties, Keys, Source};
use super::search::Explanation;
use super::work::{self, Work};
use crate::base::limits;
use crate::person::keys::{COUNTY, Index};
use crate::person::record::{Damaged, RecordRef};
use crate::store::index::search;
use crate::store::overlay::Overlay;
use crate::store::search_keys::SearchKeys;
use crate::store::snapshot::Snapshot;
use crate::store::state::State;

/// Looking at a record costs as much as reading so many index entries (measured: about 300 ns and
/// 2 ns).
pub const LOOK: u64 = 128;

/// A union of more entries than records divided by this is built as a bitmap instead of sorted.
const SPARSE: u64 = 128;

/// A source, with what it amounts to in one snapshot.
pub struct Node<'s> {
    what: What<'s>,
    keys: SearchKeys<'s>,
    /// Index entries, at least as many as records.
    pub count: u64,
}

enum What<'s> {
    Runs(Index, Vec<search::Run<'s>>),
    Positions(Vec<Range<u32>>),
    Any(Vec<Node<'s>>),
    All(Vec<Node<'s>>),
}

/// Finds a plan's sources in a snapshot, among the keys that the caller may search by, without
/// reading them.
pub fn resolve<'s>(
    source: &Source,
    snapshot: &'s Snapshot,
    keys: SearchKeys<'s>,
) -> Result<Node<'s>, Damaged> {
    let nodes = |sources: &[Source]| {
        let nodes = sources.iter().map(|source| resolve(source, snapshot, keys));
        nodes.collect::<Result<Vec<_>, _>>()
    };
    let (what, count) = match source {
        Source::Keys(wanted) => {
            let index = wanted.index;
            let mut runs = Vec::new();
            let mut count = 0;
            for (from, to) in expand(wanted, |from| keys.first(index, from)) {
                let found = keys.range(index, &from, to.as_deref());
                runs.extend(found.runs);
                count += found.count;
            }
            (What::Runs(index, runs), count)
        }
        Source::Identities(spans) => {
            let ranges = spans
                .iter()
                .map(|&(from, to)| {
                    let end = match to.checked_add(1) {
                        Some(after) => snapshot.position(after)?,
                        None => snapshot.len() as u32,
                    };
                    Ok(snapshot.position(from)?..end)
                })
                .collect::<Result<Vec<_>, _>>()?;
            let ranges: Vec<_> = ranges
                .into_iter()
                .filter(|range| !range.is_empty())
                .collect();
            let count = ranges.iter().map(|range| range.len() as u64).sum();
            (What::Positions(ranges), count)
        }
        Source::Any(sources) => {
            let nodes = nodes(sources)?;
            let count = nodes.iter().map(|node| node.count).sum();
            (What::Any(nodes), count)
        }
        Source::All(sources) => {
            let mut nodes = nodes(sources)?;
            nodes.sort_by_key(|node| node.count);
            let count = nodes.first().map_or(0, |node| node.count);
            (What::All(nodes), count)
        }
    };
    Ok(Node { what, keys, count })
}

/// The ranges with their counties before them. `first` finds the first key from one on.
fn expand(keys: &Keys, first: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<super::plan::Range> {
    let every;
    let counties = match &keys.counties {
        Counties::None => return keys.ranges.clone(),
        Counties::Some(counties) => counties,
        Counties::Every => {
            every = every_county(first);
            &every
        }
    };
    let mut out = Vec::with_capacity(counties.len() * keys.ranges.len());
    for county in counties {
        let behind = |key: &[u8]| [&county[..], key].concat();
        for (from, to) in &keys.ranges {
            let to = match to {
                Some(to) => Some(behind(to)),
                None => search::after_prefix(county),
            };
            out.push((behind(from), to));
        }
    }
    out
}

fn every_county(first: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<[u8; COUNTY]> {
    let mut counties = Vec::new();
    let mut from = vec![0; COUNTY];
    while let Some(&county) = first(&from).as_deref().and_then(<[u8]>::first_chunk) {
        counties.push(county);
        match search::after_prefix(&county) {
            Some(next) => {
                from = next;
                from.resize(COUNTY, 0);
            }
            None => break,
        }
    }
    counties
}

impl Node<'_> {
    /// Whether reading it stays within the limit.
    pub const fn is_readable(&self) -> bool {
        self.count <= limits::POSTINGS_PER_SEARCH
    }

    /// What reading it costs, at most.
    pub fn work(&self, records: u64) -> Work {
        match &self.what {
            What::Runs(..) | What::Positions(_) => {
                work::entries(self.count + bits(records, self.count))
            }
            What::Any(nodes) => {
                let each = nodes.iter().map(|node| node.work(records));
                each.sum::<Work>() + work::entries(self.count + bits(records, self.count))
            }
            What::All(nodes) => {
                let Some((smallest, others)) = nodes.split_first() else {
                    return 0;
                };
                let spared = smallest.count.saturating_mul(LOOK);
                let kept = others.iter().filter(|node| node.count < spared);
                smallest.work(records) + kept.map(|node| node.work(records)).sum::<Work>()
            }
        }
    }

    /// The candidates, ascending.
    pub fn read(&self, records: u64, trail: &mut Explanation) -> Vec<u32> {
        let out = match &self.what {
            What::Runs(_, runs) => {
                trail.postings += self.count;
                self.positions(runs, records)
            }
            What::Positions(ranges) => union(records, self.count, |each| {
                ranges.iter().cloned().flatten().for_each(each);
            }),
            What::Any(nodes) => {
                let parts: Vec<_> = nodes.iter().map(|node| node.read(records, trail)).collect();
                union(records, self.count, |each| {
                    parts.iter().flatten().copied().for_each(each);
                })
            }
            What::All(nodes) => {
                let Some((smallest, others)) = nodes.split_first() else {
                    return Vec::new();
                };
                let mut out = smallest.read(records, trail);
                narrow(&mut out, others, records, trail);
                return out;
            }
        };
        trail.step(self.name("read"), out.len());
        out
    }

    /// Keeps the candidates that it has too.
    fn keep(&self, candidates: &mut Vec<u32>, records: u64, trail: &mut Explanation) {
        match &self.what {
            What::Runs(_, runs) => {
                trail.postings += self.count;
                intersect(candidates, &self.positions(runs, records));
            }
            What::Positions(ranges) => {
                candidates.retain(|at| ranges.iter().any(|range| range.contains(at)));
            }
            What::All(nodes) => return narrow(candidates, nodes, records, trail),
            What::Any(_) => intersect(candidates, &self.read(records, trail)),
        }
        trail.step(self.name("keep"), candidates.len());
    }

    fn positions(&self, runs: &[search::Run<'_>], records: u64) -> Vec<u32> {
        union(records, self.count, |each| {
            self.keys.each_position(runs, each);
        })
    }

    fn name(&self, verb: &str) -> String {
        match &self.what {
            What::Runs(index, runs) => {
                let (name, entries) = (index.row().name, self.count);
                format!("{verb} {name}: {} ranges, {entries} entries", runs.len())
            }
            What::Positions(ranges) => format!("{verb} identity: {} spans", ranges.len()),
            What::Any(nodes) => format!("{verb} any of {}", nodes.len()),
            What::All(nodes) => format!("{verb} all of {}", nodes.len()),
        }
    }
}

/// Keeps the candidates that all of these have too, as far as that costs less than looking at the
/// records it would spare, and the search has entries left to read.
fn narrow(candidates: &mut Vec<u32>, nodes: &[Node<'_>], records: u64, trail: &mut Explanation) {
    for node in nodes {
        let spared = (candidates.len() as u64).saturating_mul(LOOK);
        let left = limits::POSTINGS_PER_SEARCH.saturating_sub(trail.postings);
        if node.count < spared && node.count <= left {
            node.keep(candidates, records, trail);
        }
    }
}

/// Keeps of one ascending list what another ascending list has too.
fn intersect(candidates: &mut Vec<u32>, others: &[u32]) {
    let mut rest = others.iter();
    let mut next = rest.next();
    candidates.retain(|candidate| {
        while next.is_some_and(|other| other < candidate) {
            next = rest.next();
        }
        next == Some(candidate)
    });
}

/// Words of the bitmap that so many entries are gathered in; none when they are sorted instead.
const fn bits(records: u64, count: u64) -> u64 {
    if count < records / SPARSE + 1024 {
        0
    } else {
        records.div_ceil(64)
    }
}

/// The positions that `each_of` tells, ascending and once.
fn union(records: u64, count: u64, each_of: impl FnOnce(&mut dyn FnMut(u32))) -> Vec<u32> {
    if bits(records, count) == 0 {
        let mut out = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        each_of(&mut |at| out.push(at));
        if !out.is_sorted() {
            out.sort_unstable();
        }
        out.dedup();
        return out;
    }
    let mut bits = vec![0_u64; usize::try_from(records.div_ceil(64)).unwrap_or(0)];
    each_of(&mut |at| {
        if let Some(word) = bits.get_mut(at as usize / 64) {
            *word |= 1 << (at % 64);
        }
    });
    let ones: u32 = bits.iter().map(|word| word.count_ones()).sum();
    let mut out = Vec::with_capacity(ones as usize);
    for (at, mut word) in (0_u32..).step_by(64).zip(bits) {
        while word != 0 {
            out.push(at + word.trailing_zeros());
            word &= word - 1;
        }
    }
    out
}

/// The overlay's candidates among the keys that the caller may search by, ascending.
pub fn overlaid(source: &Source, overlay: &Overlay, keys: SearchKeys<'_>) -> Vec<u64> {
    let mut out: Vec<u64> = match source {
        Source::Keys(wanted) => expand(wanted, |from| keys.first_newer(wanted.index, from))
            .iter()
            .flat_map(|(from, to)| keys.newer(wanted.index, from, to.as_deref()))
            .collect(),
        Source::Identities(spans) => {
            let spans = spans.iter();
            spans
                .flat_map(|&(from, to)| overlay.keys_within(from, to))
                .collect()
        }
        Source::Any(sources) => {
            let each = sources.iter().map(|source| overlaid(source, overlay, keys));
            each.flatten().collect()
        }
        Source::All(sources) => {
            let each = sources.iter().map(|source| overlaid(source, overlay, keys));
            each.min_by_key(Vec::len).unwrap_or_default()
        }
    };
    out.sort_unstable();
    out.dedup();
    out
}

/// Records by position and by key, in the order of identities: the newer one where there are two.
pub struct Candidates<'s, P: Iterator<Item = u32>, K: Iterator<Item = u64>> {
    state: &'s State,
    positions: P,
    keys: std::iter::Peekable<K>,
    /// The record of the next position.
    ahead: Option<RecordRef<'s>>,
}

impl<'s, P: Iterator<Item = u32>, K: Iterator<Item = u64>> Candidates<'s, P, K> {
    /// Begins.
    pub fn new(
        state: &'s State,
        positions: impl IntoIterator<IntoIter = P>,
        keys: impl IntoIterator<IntoIter = K>,
    ) -> Self {
        Self {
            state,
            positions: positions.into_iter(),
            keys: keys.into_iter().peekable(),
            ahead: None,
        }
    }

    fn step(&mut self) -> Result<Option<RecordRef<'s>>, Damaged> {
        let overlay = self.state.overlay();
        loop {
            if self.ahead.is_none()
                && let Some(position) = self.positions.next()
            {
                let record = self.state.snapshot().record(position.into())?;
                let record = RecordRef::open(record.ok_or(Damaged)?)?;
                if overlay.get(record.identity().key()).is_some() {
                    continue;
                }
                self.ahead = Some(record);
            }
            let newer = match (&self.ahead, self.keys.peek()) {
                (None, None) => return Ok(None),
                (Some(record), Some(key)) => *key < record.identity().key(),
                (ahead, _) => ahead.is_none(),
            };
            if !newer {
                return Ok(self.ahead.take());
            }
            let bytes = self.keys.next().and_then(|key| overlay.get(key));
            return RecordRef::open(bytes.ok_or(Damaged)?).map(Some);
        }
    }
}

impl<'s, P: Iterator<Item = u32>, K: Iterator<Item = u64>> Iterator for Candidates<'s, P, K> {
    type Item = Result<RecordRef<'s>, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
