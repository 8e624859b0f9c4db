//! Free text, as a receptionist types it: "anna svensson stockholm", "akeson 1957",
//! "lindgren storgatan 12". An extension of our own (`queryLanguage` `Text`).
//!
//! Every word must fit something that the view shows: a word of a name, a city or a street, in any
//! order, as its beginning, without dots and accents, or with one slip ([`typing`]). A number is an
//! identity, a date or year of birth, a postal code, or a number in a street address. The best come
//! first: the sum of how well each word fits, then the order of identities.

pub mod typing;

use std::cell::RefCell;

use super::plan::{Counties, Keys, Range, Source, beginning, exactly};
use super::run::{Candidates, overlaid, resolve};
use super::search::{Explanation, Found, SearchError};
use super::work::{self, Meter};
use crate::base::limits;
use crate::base::swedish;
use crate::base::time::PartialDate;
use crate::person::field::{Field, FieldMask};
use crate::person::identity::{Formats, Identity, IdentityType};
use crate::person::keys::{INDEXES, Index, Shape};
use crate::person::record::Damaged;
use crate::person::value::ValueRef;
use crate::person::view::{Grant, Shield, View, Visitor, restrict};
use crate::store::index::words::Listed;
use crate::store::overlay::Overlay;
use crate::store::search_keys::SearchKeys;
use crate::store::snapshot::Snapshot;
use crate::store::state::State;
use typing::{Fit, Typed};

/// A free-text question.
pub struct Text {
    tokens: Vec<Token>,
    fields: FieldMask,
}

/// One word or number of the question.
enum Token {
    Word(Typed),
    Number(Number),
}

/// What a number may be.
struct Number {
    text: String,
    /// Identities, as spans of keys.
    identities: Vec<(Identity, Identity)>,
    /// Dates of birth, as spans of `YYYYMMDD`.
    born: Vec<(u32, u32)>,
    postal_code: Option<u32>,
}

/// Characters before the star from which on the beginning of an identity is looked for.
const LEAST_OF_IDENTITY: usize = 4;

const IDENTITY: Field = Field::at("personalIdentity");

impl Text {
    /// Reads a question. It holds a word or number at least.
    pub fn parse(text: &str, formats: &Formats) -> Result<Self, SearchError> {
        if text.len() > limits::TEXT_BYTES {
            return Err(SearchError::TooManyWords);
        }
        let folded = swedish::fold(text);
        let mut tokens = Vec::new();
        let pieces = |c: char| c.is_whitespace() || matches!(c, ',' | ';');
        let pieces: Vec<&str> = folded.split(pieces).filter(|it| !it.is_empty()).collect();
        let mut at = 0;
        while let Some(&piece) = pieces.get(at) {
            let begins_with_digit = piece.starts_with(|c: char| c.is_ascii_digit());
            let spaced = spaced_identity(&pieces[at..], formats).filter(|_| begins_with_digit);
            at += spaced.as_ref().map_or(1, |(_, pieces)| *pieces);
            if let Some((number, _)) = spaced {
                tokens.push(Token::Number(number));
            } else if begins_with_digit {
                tokens.push(Token::Number(Number::new(piece, formats)));
            } else {
                let words = swedish::words(piece);
                tokens.extend(words.map(|word| Token::Word(Typed::new(word))));
            }
        }
        if tokens.len() > limits::WORDS_PER_TEXT {
            return Err(SearchError::TooManyWords);
        }
        if tokens.is_empty() {
            return Err(SearchError::NoWords);
        }
        let searched = |field| {
            let index = Index::of(field);
            let texts = [
                Index::City,
                Index::Street,
                Index::BirthDate,
                Index::PostalCode,
            ];
            field == IDENTITY
                || index.is_some_and(|index| {
                    index.row().shape == Shape::Words || texts.contains(&index)
                })
        };
        // A walk needs the groups around the fields as well.
        let fields =
            FieldMask::of(|field| Field::all().any(|leaf| searched(leaf) && field.contains(leaf)));
        Ok(Self { tokens, fields })
    }

    /// The best of those who fit, `most` at most.
    pub fn search<'s>(
        &self,
        state: &'s State,
        grant: &Grant,
        most: usize,
        meter: &mut Meter,
    ) -> Result<Found<'s>, SearchError> {
        let keys = state.search_keys(grant)?;
        let mut explanation = Explanation::default();
        let positions = self.positions(state.snapshot(), keys, &mut explanation)?;
        meter.charge(work::entries(explanation.postings));
        let keys = self.newer(state.overlay(), keys, meter);
        meter.check()?;
        let candidates = positions.len() + keys.len();
        if candidates > limits::CANDIDATES_PER_TEXT {
            return Err(SearchError::TooWide);
        }
        let mut hits = Vec::new();
        for record in Candidates::new(state, positions, keys) {
            let view = restrict(record?, grant, Shield::NONE);
            meter.charge(work::records(1));
            let cost = self.cost(&view, meter)?;
            meter.check()?;
            if let Some(cost) = cost {
                hits.push((cost, view));
            }
        }
        // Stable: those who fit as well stay in the order of identities.
        hits.sort_by_key(|(cost, _)| *cost);
        hits.truncate(most);
        explanation.candidates = candidates as u64;
        Ok(Found {
            hits: hits.into_iter().map(|(_, view)| view).collect(),
            explanation,
        })
    }

    /// The snapshot's candidates: those who have the rarest word, and the others as far as that
    /// costs less than looking.
    fn positions(
        &self,
        snapshot: &Snapshot,
        keys: SearchKeys<'_>,
        trail: &mut Explanation,
    ) -> Result<Vec<u32>, SearchError> {
        let mut sources = Vec::new();
        for token in &self.tokens {
            match token {
                Token::Word(typed) => {
                    let listed = keys.words(typed.clone()).ok_or(Damaged)?;
                    if listed.len() <= limits::WORDS_PER_TOKEN {
                        sources.push(word_source(typed, &listed));
                    }
                }
                Token::Number(number) => sources.extend(number.source()),
            }
        }
        if sources.is_empty() {
            return Err(SearchError::TooWide);
        }
        let node = resolve(&Source::All(sources), snapshot, keys)?;
        if !node.is_readable() {
            return Err(SearchError::TooWide);
        }
        Ok(node.read(snapshot.len(), trail))
    }

    /// The overlay's candidates.
    fn newer(&self, overlay: &Overlay, keys: SearchKeys<'_>, meter: &mut Meter) -> Vec<u64> {
        let meter = RefCell::new(meter);
        let each = self.tokens.iter().filter_map(|token| match token {
            Token::Word(typed) => {
                let fits = |text: &str| {
                    let mut meter = meter.borrow_mut();
                    meter.charge(work::typed(text.len(), 1));
                    !meter.is_over() && swedish::words(text).any(|word| typed.fit(word).is_some())
                };
                Some(keys.newer_by_word(fits))
            }
            Token::Number(number) => Some(overlaid(&number.source()?, overlay, keys)),
        });
        each.min_by_key(Vec::len).unwrap_or_default()
    }

    /// What the fit of all words costs; `None` when one does not fit.
    fn cost(&self, view: &View<'_>, meter: &mut Meter) -> Result<Option<u32>, Damaged> {
        let mut grader = Grader {
            meter,
            tokens: &self.tokens,
            costs: vec![None; self.tokens.len()],
            damaged: false,
        };
        view.walk(&self.fields, &mut grader)?;
        if grader.damaged {
            return Err(Damaged);
        }
        Ok(grader.costs.into_iter().sum())
    }
}

/// Pieces that a personal number may be typed in: the date, the sign and the number.
const PIECES: usize = 3;

/// The personal or coordination number that pieces stand for which lie apart, and how many they are.
/// Its check digit must be right: otherwise it is a date beside another number.
fn spaced_identity(pieces: &[&str], formats: &Formats) -> Option<(Number, usize)> {
    // A date of six or eight digits, with or without its sign.
    let date = pieces.first()?.bytes().filter(u8::is_ascii_digit).count();
    (2..=pieces.len().min(PIECES)).rev().find_map(|count| {
        let text = pieces[..count].concat();
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let readings = formats.readings(&text);
        let identity = *readings.first()?;
        let is_number = matches!(identity.kind(), IdentityType::Pnr | IdentityType::Snr);
        let is_whole = matches!(date, 6 | 8) && digits == date + 4;
        (is_number && is_whole && formats.check_is_right(identity)).then(|| {
            let number = Number {
                text,
                identities: vec![(identity, identity)],
                born: Vec::new(),
                postal_code: None,
            };
            (number, count)
        })
    })
}

impl Number {
    fn new(piece: &str, formats: &Formats) -> Self {
        let digits: String = piece.chars().filter(|&c| c != '-').collect();
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse::<u32>().ok().filter(|_| all_digits);
        let day = |number: u32| PartialDate::from_number(number).filter(|day| day.is_complete());
        let century = |century: u32| {
            let day = day(century * 1_000_000 + number?)?.number();
            Some((day, day))
        };
        let born = match (digits.len(), number) {
            (8, Some(number)) => day(number).map(|_| (number, number)).into_iter().collect(),
            (6, Some(_)) => [19, 20].into_iter().filter_map(century).collect(),
            (4, Some(year @ 1850..2100)) => vec![(year * 10_000, year * 10_000 + 9_999)],
            _ => Vec::new(),
        };
        let identities = match piece.strip_suffix('*') {
            Some(begin) if begin.len() >= LEAST_OF_IDENTITY => formats.spans_of_typed_prefix(begin),
            Some(_) => Vec::new(),
            None => {
                let readings = formats.readings(piece).into_iter();
                readings.map(|identity| (identity, identity)).collect()
            }
        };
        Self {
            identities,
            postal_code: number.filter(|_| digits.len() == 5),
            born,
            text: piece.to_owned(),
        }
    }

    fn source(&self) -> Option<Source> {
        let keys = |index, ranges| {
            Source::Keys(Keys {
                index,
                counties: Counties::None,
                ranges,
            })
        };
        let mut any = Vec::new();
        if !self.identities.is_empty() {
            let keys = self.identities.iter();
            let mut spans: Vec<_> = keys.map(|(from, to)| (from.key(), to.key())).collect();
            spans.sort_unstable();
            any.push(Source::Identities(spans));
        }
        if !self.born.is_empty() {
            let spans = self.born.iter().map(|(from, to)| {
                (
                    from.to_be_bytes().to_vec(),
                    Some((to + 1).to_be_bytes().to_vec()),
                )
            });
            any.push(keys(Index::BirthDate, spans.collect()));
        }
        if let Some(code) = self.postal_code {
            any.push(keys(Index::PostalCode, vec![exactly(&code.to_be_bytes())]));
        }
        (!any.is_empty()).then_some(Source::Any(any))
    }
}

/// Where the words that fit are listed. Words that begin alike become one range.
fn word_source(typed: &Typed, listed: &[Listed]) -> Source {
    let mut any = Vec::new();
    for row in INDEXES {
        let mut ranges: Vec<Range> = Vec::new();
        let texts = listed.iter().filter(|listed| listed.index == row.index);
        for text in texts.map(|listed| &*listed.text) {
            let covered =
                |(from, to): &Range| text >= &**from && to.as_deref().is_none_or(|to| text < to);
            if !ranges.iter().any(covered) {
                ranges.push(match typed.beginning_of(text) {
                    Some(lead) => beginning(lead),
                    None => exactly(text),
                });
            }
        }
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

/// Grades what a view shows against the words.
struct Grader<'t> {
    meter: &'t mut Meter,
    tokens: &'t [Token],
    costs: Vec<Option<u32>>,
    damaged: bool,
}

impl Grader<'_> {
    fn note(&mut self, at: usize, cost: u32) {
        let best = &mut self.costs[at];
        *best = Some(best.map_or(cost, |best| best.min(cost)));
    }
}

impl Visitor for Grader<'_> {
    fn open(&mut self, _: Field) {}

    fn close(&mut self, _: Field) {}

    fn value(&mut self, field: Field, value: ValueRef<'_>) {
        let tokens = self.tokens.iter().enumerate();
        match value {
            ValueRef::Text(text) => {
                let bytes = text.xml().len();
                self.meter.charge(work::typed(bytes, self.tokens.len()));
                if self.meter.is_over() {
                    return;
                }
                let Ok(text) = text.plain() else {
                    self.damaged = true;
                    return;
                };
                let is_code = Index::of(field) == Some(Index::PostalCode);
                let folded = swedish::fold(&text);
                for word in swedish::words(&folded) {
                    for (at, token) in tokens.clone() {
                        let cost = match token {
                            Token::Word(typed) if !is_code => typed.fit(word).map(Fit::cost),
                            Token::Word(_) => None,
                            Token::Number(number) if is_code => {
                                let code = word.parse().ok();
                                (code.is_some() && code == number.postal_code).then_some(0)
                            }
                            Token::Number(number) => (word == number.text).then_some(0),
                        };
                        if let Some(cost) = cost {
                            self.note(at, cost);
                        }
                    }
                }
            }
            ValueRef::PartialDate(date) => {
                for (at, token) in tokens {
                    if let Token::Number(number) = token {
                        let day = date.number();
                        if number
                            .born
                            .iter()
                            .any(|&(from, to)| from <= day && day <= to)
                        {
                            self.note(at, 0);
                        }
                    }
                }
            }
            ValueRef::Identity(identity) => {
                for (at, token) in tokens {
                    let is_it =
                        |(from, to): &(Identity, Identity)| (*from..=*to).contains(&identity);
                    if matches!(token, Token::Number(number) if number.identities.iter().any(is_it))
                    {
                        self.note(at, 0);
                    }
                }
            }
            _ => {}
        }
    }
}
