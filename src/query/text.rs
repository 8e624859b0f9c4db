//! Free text, as a receptionist types it: "anna svensson stockholm", "akeson 1957",
//! "lindgren storgatan 12". An extension of our own (`queryLanguage` `Text`).
//!
//! Every word must fit something that the view shows: a word of a name, a city or a street, in any
//! order, as its beginning, without dots and accents, as it sounds, or with slips ([`typing`]). Words
//! may be typed in one or taken apart ([`lookup`]). A number is an identity, a date or year of birth
//! ([`date`]), a postal code, or a number in a street address. With a comma behind the first words they
//! are a surname and the next a given name.
//!
//! Slips are looked for only when fewer than a screen's first ten fit without. The best come first
//! ([`grade`]): by how far one must reach, then by the sum of how well each word fits, then those who
//! live and are registered, then the order of identities. Where nobody bears the very words, every
//! name that fits is shown once before one is shown twice.

pub mod date;
mod grade;
mod lookup;
pub mod sound;
pub mod typing;

use super::plan::{Counties, Keys, Source, exactly};
use super::run::Candidates;
use super::search::{Explanation, Found, SearchError};
use super::work::{self, Meter};
use crate::base::limits;
use crate::base::swedish;
use crate::person::field::{Field, FieldMask};
use crate::person::identity::{Formats, Identity, IdentityType};
use crate::person::keys::{Index, Shape};
use crate::person::view::{Grant, Shield, View, restrict};
use crate::store::search_keys::SearchKeys;
use crate::store::state::State;
use date::Span;
use grade::{Grades, Rank, in_order};
use lookup::Lookup;
use typing::{Reach, Typed};

/// A free-text question.
pub struct Text {
    tokens: Vec<Token>,
    /// Neighbouring words in one, as if they had been taken apart.
    joined: Vec<Joined>,
    fields: FieldMask,
    /// Whether a comma parts surname and given name.
    has_comma: bool,
}

/// One word or number of the question.
enum Token {
    Word(Word),
    Number(Number),
}

/// A typed word, and how it stands among the others.
struct Word {
    typed: Typed,
    /// Commas before it.
    commas: usize,
    /// Whether a hyphen joins it to the next one.
    hyphen: bool,
}

/// Some words in one.
struct Joined {
    typed: Typed,
    from: usize,
    many: usize,
}

/// The most words that are taken for one.
const MOST_JOINED: usize = 3;

/// What a number may be.
struct Number {
    text: String,
    /// Identities, as spans of keys.
    identities: Vec<(Identity, Identity)>,
    /// Dates of birth.
    born: Vec<Span>,
    postal_code: Option<u32>,
}

/// Characters before the star from which on the beginning of an identity is looked for.
const LEAST_OF_IDENTITY: usize = 4;

const IDENTITY: Field = Field::at("personalIdentity");

impl Token {
    const fn word(&self) -> Option<&Word> {
        match self {
            Self::Word(word) => Some(word),
            Self::Number(_) => None,
        }
    }
}

impl Text {
    /// Reads a question. It holds a word or number at least.
    pub fn parse(text: &str, formats: &Formats) -> Result<Self, SearchError> {
        if text.len() > limits::TEXT_BYTES {
            return Err(SearchError::TooManyWords);
        }
        let plain = swedish::plain_letters(text);
        let folded = swedish::fold(&plain);
        let tokens = tokens(&folded, formats);
        if tokens.len() > limits::WORDS_PER_TEXT {
            return Err(SearchError::TooManyWords);
        }
        if tokens.is_empty() {
            return Err(SearchError::NoWords);
        }
        let searched = |field| {
            let index = Index::of(field);
            let others = [
                Index::City,
                Index::Street,
                Index::BirthDate,
                Index::PostalCode,
                Index::Deregistration,
                Index::DeregistrationDate,
            ];
            field == IDENTITY
                || index.is_some_and(|index| {
                    index.row().shape == Shape::Words || others.contains(&index)
                })
        };
        // A walk needs the groups around the fields as well.
        let fields =
            FieldMask::of(|field| Field::all().any(|leaf| searched(leaf) && field.contains(leaf)));
        let has_words = |commas| {
            let mut words = tokens.iter().filter_map(Token::word);
            words.any(|word| word.commas == commas)
        };
        Ok(Self {
            has_comma: has_words(0) && has_words(1),
            joined: joined(&tokens),
            tokens,
            fields,
        })
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
        let mut within = |reach| self.within(reach, state, keys, *grant, &mut explanation, meter);
        let (mut hits, is_cut) = match within(Reach::Sounds) {
            Err(SearchError::TooWide) => (within(Reach::Letters)?, true),
            hits => (hits?, false),
        };
        let forgives = |token: &Token| token.word().is_some_and(|word| word.typed.is_forgiving());
        let enough = hits.len() >= most.min(limits::HITS_ENOUGH);
        if !is_cut && !enough && self.tokens.iter().any(forgives) {
            let wider = match within(Reach::Slips) {
                Err(SearchError::TooWide) => within(Reach::Slip),
                wider => wider,
            };
            match wider {
                Ok(wider) => hits = wider,
                // What was found without is an answer.
                Err(SearchError::TooWide | SearchError::TooMuchWork) if !hits.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        let mut hits = in_order(hits);
        hits.truncate(most);
        Ok(Found { hits, explanation })
    }

    /// All who fit within a reach, in the order of identities.
    fn within<'s>(
        &self,
        reach: Reach,
        state: &'s State,
        keys: SearchKeys<'s>,
        grant: Grant,
        trail: &mut Explanation,
        meter: &mut Meter,
    ) -> Result<Vec<(Rank, View<'s>)>, SearchError> {
        let lookup = Lookup::new(self, reach);
        let positions = lookup.positions(state.snapshot(), keys, trail, meter)?;
        let keys = lookup.newer(state.overlay(), keys, meter);
        meter.check()?;
        trail.candidates += (positions.len() + keys.len()) as u64;
        if trail.candidates > limits::CANDIDATES_PER_TEXT as u64 {
            trail.candidates -= (positions.len() + keys.len()) as u64;
            return Err(SearchError::TooWide);
        }
        let mut grades = Grades::new(self, lookup.words());
        let mut hits = Vec::new();
        for record in Candidates::new(state, positions, keys) {
            let view = restrict(record?, &grant, Shield::NONE);
            meter.charge(work::records(1));
            let rank = grades.rank(&view, meter)?;
            meter.check()?;
            if let Some(rank) = rank {
                hits.push((rank, view));
            }
        }
        Ok(hits)
    }
}

/// The words and numbers of folded text.
fn tokens(folded: &str, formats: &Formats) -> Vec<Token> {
    let parts = folded.split(',').enumerate();
    let (mut pieces, mut commas_before) = (Vec::new(), Vec::new());
    for (commas, part) in parts {
        let split = part.split(|c: char| c.is_whitespace() || c == ';');
        for piece in split.filter(|piece| !piece.is_empty()) {
            pieces.push(piece);
            commas_before.push(commas);
        }
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let (Some(&piece), Some(&commas)) = (pieces.get(at), commas_before.get(at)) {
        let begins_with_digit = piece.starts_with(|c: char| c.is_ascii_digit());
        let spaced = spaced_identity(&pieces[at..], formats).filter(|_| begins_with_digit);
        if let Some((number, taken)) = spaced {
            tokens.push(Token::Number(number));
            at += taken;
            continue;
        }
        let date = date::read(&pieces[at..]);
        let taken = date.as_ref().map_or(1, |(_, taken)| *taken);
        if date.is_some() || begins_with_digit {
            let text = pieces[at..at + taken].join(" ");
            let born = date.map_or_else(Vec::new, |(born, _)| born);
            tokens.push(Token::Number(Number::new(text, born, formats)));
        } else {
            push_words(piece, commas, &mut tokens);
        }
        at += taken;
    }
    tokens
}

/// The words of a piece without spaces; what is nothing but apostrophes is none.
fn push_words(piece: &str, commas: usize, tokens: &mut Vec<Token>) {
    let words = swedish::words(piece).filter(|word| !swedish::skeleton(word).is_empty());
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        tokens.push(Token::Word(Word {
            typed: Typed::new(word, Reach::Letters),
            commas,
            hyphen: words.peek().is_some() && piece.contains('-'),
        }));
    }
}

/// Neighbouring words in one, two or three at a time.
fn joined(tokens: &[Token]) -> Vec<Joined> {
    let mut joined = Vec::new();
    for many in 2..=MOST_JOINED {
        for (from, some) in tokens.windows(many).enumerate() {
            let words: Option<Vec<&Word>> = some.iter().map(Token::word).collect();
            if let Some(words) = words
                && words.iter().all(|word| word.commas == words[0].commas)
            {
                let text: String = words.iter().map(|word| word.typed.folded()).collect();
                let typed = Typed::new(&text, Reach::Sounds);
                joined.push(Joined { typed, from, many });
            }
        }
    }
    joined
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
    fn new(text: String, born: Vec<Span>, formats: &Formats) -> Self {
        let digits: String = text.chars().filter(|&c| c != '-').collect();
        let all_digits = digits.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let identities = match text.strip_suffix('*') {
            Some(begin) if begin.len() >= LEAST_OF_IDENTITY => formats.spans_of_typed_prefix(begin),
            Some(_) => Vec::new(),
            None => {
                let readings = formats.readings(&text).into_iter();
                readings.map(|identity| (identity, identity)).collect()
            }
        };
        Self {
            identities,
            postal_code: digits.parse().ok().filter(|_| all_digits),
            born,
            text,
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
