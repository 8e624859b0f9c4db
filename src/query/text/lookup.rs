//! Where those who may fit are found: the lists of the words that fit, in the snapshot and in what is
//! newer. It names candidates; [`grade`](super::grade) has the say.
//!
//! A name may have been typed in one that stands in two words (annakarin), and in two that stands in
//! one (mc donald): beside a word itself stand its neighbours with it, and the chains of names that
//! sound like it one after another.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::typing::{Part, Reach, Typed};
use super::{Text, Token};
use crate::base::limits;
use crate::base::swedish::{self, skeleton};
use crate::person::keys::{INDEXES, Shape};
use crate::person::record::Damaged;
use crate::query::plan::{Counties, Keys, Range, Source, beginning, exactly};
use crate::query::run::{LOOK, overlaid, resolve};
use crate::query::search::{Explanation, SearchError};
use crate::query::work::{self, Meter};
use crate::store::index::words::Listed;
use crate::store::overlay::Overlay;
use crate::store::search_keys::SearchKeys;
use crate::store::snapshot::Snapshot;

/// Names that a typed word may be made of.
pub const MOST_PARTS: usize = 4;

/// Chains of names that are looked for behind one typed word.
const MOST_CHAINS: usize = 16;

/// Sounds from which on a word may be made of several.
const FEWEST_SOUNDS: usize = 4;

/// A question, and how far its words reach.
pub struct Lookup<'t> {
    text: &'t Text,
    words: Vec<Option<Typed>>,
}

/// Where somebody who has a token is listed, and how many entries there are at most.
struct Place {
    source: Source,
    count: u64,
}

impl<'t> Lookup<'t> {
    /// With so much forgiven.
    pub fn new(text: &'t Text, reach: Reach) -> Self {
        let word = |token: &Token| token.word().map(|word| word.typed.within(reach));
        Self {
            text,
            words: text.tokens.iter().map(word).collect(),
        }
    }

    /// The typed words, each in its token's place.
    pub fn words(&self) -> &[Option<Typed>] {
        &self.words
    }

    /// The snapshot's candidates: those who have the rarest word, and the others as far as that
    /// costs less than looking.
    pub fn positions(
        &self,
        snapshot: &Snapshot,
        keys: SearchKeys<'_>,
        trail: &mut Explanation,
        meter: &mut Meter,
    ) -> Result<Vec<u32>, SearchError> {
        let mut joined = Vec::new();
        for it in &self.text.joined {
            let listed = keys.words(it.typed.clone()).ok_or(Damaged)?;
            joined.push(Place::of(&it.typed, &listed));
        }
        let mut places = Vec::new();
        let mut sources = Vec::new();
        for (at, (token, word)) in self.text.tokens.iter().zip(&self.words).enumerate() {
            match (token, word) {
                (Token::Number(number), _) => sources.extend(number.source()),
                (_, Some(typed)) => {
                    let listed = keys.words(typed.clone()).ok_or(Damaged)?;
                    if listed.len() <= limits::WORDS_PER_TOKEN {
                        let mut all = vec![Place::of(typed, &listed)];
                        let with_it = self.text.joined.iter().zip(&joined);
                        let with_it =
                            with_it.filter(|(it, _)| (it.from..it.from + it.many).contains(&at));
                        all.extend(with_it.map(|(_, place)| place.again()));
                        all.extend(chains(typed, keys)?);
                        places.push(Place::any(all));
                    }
                }
                (Token::Word(_), None) => {}
            }
        }
        // What is far more common than the rarest spares nothing that its lists would not cost.
        let rarest = places.iter().map(|place| place.count).min().unwrap_or(0);
        let useful = |place: &Place| place.count <= rarest.saturating_mul(LOOK);
        sources.extend(places.into_iter().filter(useful).map(|place| place.source));
        if sources.is_empty() {
            return Err(SearchError::TooWide);
        }
        let source = Source::All(sources);
        meter.charge(work::ranges(source.ranges()));
        meter.check()?;
        let node = resolve(&source, snapshot, keys)?;
        if !node.is_readable() || trail.postings > limits::POSTINGS_PER_SEARCH {
            return Err(SearchError::TooWide);
        }
        let before = trail.postings;
        let positions = node.read(snapshot.len(), trail);
        meter.charge(work::entries(trail.postings - before));
        Ok(positions)
    }

    /// The overlay's candidates.
    pub fn newer(&self, overlay: &Overlay, keys: SearchKeys<'_>, meter: &mut Meter) -> Vec<u64> {
        let meter = RefCell::new(meter);
        let tokens = self.text.tokens.iter().zip(&self.words).enumerate();
        let each = tokens.filter_map(|(at, (token, word))| match (token, word) {
            (Token::Number(number), _) => Some(overlaid(&number.source()?, overlay, keys)),
            (_, Some(typed)) => {
                let joined = self.text.joined.iter();
                let with_it = joined.filter(|it| (it.from..it.from + it.many).contains(&at));
                let typed_so: Vec<&Typed> = with_it.map(|it| &it.typed).chain([typed]).collect();
                let first = Part::new(typed.sounds(), 0);
                let fits = |text: &str| {
                    let mut meter = meter.borrow_mut();
                    meter.charge(work::typed(text.len(), typed_so.len() + 1));
                    !meter.is_over()
                        && swedish::words(text).any(|word| {
                            let plain = skeleton(word);
                            typed_so
                                .iter()
                                .any(|typed| typed.fit(word, &plain).is_some())
                                || first.end_of(&plain).is_some()
                        })
                };
                Some(keys.newer_by_word(fits))
            }
            (Token::Word(_), None) => None,
        });
        each.min_by_key(Vec::len).unwrap_or_default()
    }
}

impl Place {
    /// Where the words that fit are listed.
    fn of(typed: &Typed, listed: &[Listed]) -> Self {
        Self {
            source: word_source(typed, listed),
            count: listed.iter().map(|listed| listed.count).sum(),
        }
    }

    /// In one of these places.
    fn any(places: Vec<Self>) -> Self {
        Self {
            count: places.iter().map(|place| place.count).sum(),
            source: Source::Any(places.into_iter().map(|place| place.source).collect()),
        }
    }

    /// In all of these places.
    fn all(places: Vec<Self>) -> Self {
        Self {
            count: places.iter().map(|place| place.count).min().unwrap_or(0),
            source: Source::All(places.into_iter().map(|place| place.source).collect()),
        }
    }

    fn again(&self) -> Self {
        Self {
            source: self.source.clone(),
            count: self.count,
        }
    }
}

/// Names by the place in a typed word's sounds where they begin and end.
type Parts = BTreeMap<(usize, usize), Vec<Listed>>;

/// Where those are listed who have the names that a typed word is made of.
fn chains(typed: &Typed, keys: SearchKeys<'_>) -> Result<Vec<Place>, Damaged> {
    let sounds = typed.sounds();
    if sounds.len() < FEWEST_SOUNDS {
        return Ok(Vec::new());
    }
    let mut parts = Parts::new();
    let mut froms = BTreeSet::from([0]);
    while let Some(from) = froms.pop_first() {
        let part = Part::new(sounds, from);
        for listed in keys.words(part.clone()).ok_or(Damaged)? {
            // Behind a name stands one word, itself.
            let is_name = listed.index.row().shape == Shape::Words;
            let word = std::str::from_utf8(&listed.text).map_err(|_| Damaged)?;
            if is_name
                && let Some(to) = part.end_of(&skeleton(word))
                && (from, to) != (0, sounds.len())
            {
                if to < sounds.len() {
                    froms.insert(to);
                }
                parts.entry((from, to)).or_default().push(listed);
            }
        }
    }
    let mut found = Vec::new();
    follow(&parts, sounds.len(), &mut vec![0], &mut found);
    let place = |&(from, to): &(usize, usize)| {
        let listed = parts.get(&(from, to)).map_or(&[][..], |listed| listed);
        Place::of(typed, listed)
    };
    let chain = |ends: &Vec<usize>| {
        let pairs: Vec<_> = ends
            .iter()
            .copied()
            .zip(ends.iter().copied().skip(1))
            .collect();
        Place::all(pairs.iter().map(place).collect())
    };
    Ok(found.iter().map(chain).collect())
}

/// Finds the ways from the last of `ends` to the end of a word.
fn follow(parts: &Parts, end: usize, ends: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
    let from = ends.last().copied().unwrap_or(0);
    if from == end {
        found.push(ends.clone());
        return;
    }
    for &(_, to) in parts.range((from, 0)..(from + 1, 0)).map(|(pair, _)| pair) {
        if found.len() < MOST_CHAINS && ends.len() <= MOST_PARTS {
            ends.push(to);
            follow(parts, end, ends, found);
            ends.pop();
        }
    }
}

/// Where the words that fit are listed. Words that begin alike become one range.
fn word_source(typed: &Typed, listed: &[Listed]) -> Source {
    let mut any = Vec::new();
    for row in INDEXES {
        let (mut leads, mut whole) = (BTreeSet::new(), BTreeSet::new());
        for listed in listed.iter().filter(|listed| listed.index == row.index) {
            match typed.beginning_of(&listed.text) {
                Some(lead) => leads.insert(lead),
                None => whole.insert(&*listed.text),
            };
        }
        let is_apart = |text: &&&[u8]| !leads.iter().any(|lead| text.starts_with(lead));
        let apart = whole.iter().filter(is_apart).map(|text| exactly(text));
        let ranges: Vec<Range> = leads
            .iter()
            .map(|lead| beginning(lead))
            .chain(apart)
            .collect();
        if !ranges.is_empty() {
            let by_county = row.shape == Shape::Words;
            any.push(Source::Keys(Keys {
                index: row.index,
                counties: if by_county {
                    Counties::Every
                } else {
                    Counties::None
                },
                ranges,
            }));
        }
    }
    Source::Any(any)
}
