//! From a query to the parts of the search index that narrow it. A plan never decides who is found:
//! it names candidates, no fewer than those who answer to the query.

use super::simple::{Condition, Part, Pattern, Predicate, Query, Test};
use crate::base::swedish;
use crate::person::field::Field;
use crate::person::keys::{COUNTY, FLAG, Index, Shape, code_key, day, minute, street};
use crate::store::index::search::after_prefix;

/// Counties that keys begin with, at most: Sweden has 21, and codes of those that were.
const MOST_COUNTIES: u64 = 32;

/// Literal characters a pattern must begin with to be looked up.
const LEAD: usize = 2;

const COUNTY_CODE: Field = Field::at("populationRegistrationLocality/countyCode");
const MUNICIPALITY: Field = Field::at("populationRegistrationLocality/municipalityCode");
const IDENTITY: Field = Field::at("personalIdentity");
const HISTORY: Field =
    Field::at("populationRegistrationRecord/historicalRecords/populationRegistrationLocality");
const HISTORY_COUNTY: Field = Field::at(
    "populationRegistrationRecord/historicalRecords/populationRegistrationLocality/countyCode",
);

/// The last moment of 14 digits.
const LAST_MOMENT: u64 = 99_991_231_235_959;

/// Where candidates come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Parts of one index.
    Keys(Keys),
    /// Spans of identities, by their keys, ends included.
    Identities(Vec<(u64, u64)>),
    /// What comes from any of these.
    Any(Vec<Source>),
    /// What comes from all of these; one of them is enough to name candidates.
    All(Vec<Source>),
}

/// Ranges of keys in one index.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The index.
    pub index: Index,
    /// What stands before the ranges in a key.
    pub counties: Counties,
    /// From a key up to and without another; `None` is the end of the index, or of the county.
    pub ranges: Vec<Range>,
}

/// From a key up to and without another.
pub type Range = (Vec<u8>, Option<Vec<u8>>);

/// The counties at the start of keys.
#[derive(Clone, Debug)]
pub enum Counties {
    /// The keys of this index do not begin with a county.
    None,
    /// These.
    Some(Vec<[u8; COUNTY]>),
    /// Every one there is.
    Every,
}

impl Source {
    /// How many ranges of keys have to be found for it, at most.
    pub fn ranges(&self) -> u64 {
        match self {
            Self::Keys(keys) => {
                let counties = match &keys.counties {
                    Counties::None => 1,
                    Counties::Some(counties) => counties.len() as u64,
                    Counties::Every => MOST_COUNTIES,
                };
                counties * keys.ranges.len() as u64
            }
            Self::Identities(spans) => spans.len() as u64,
            Self::Any(sources) | Self::All(sources) => sources.iter().map(Self::ranges).sum(),
        }
    }
}

/// The sources of a query; `None` when no index narrows it.
pub fn plan(query: &Query) -> Option<Source> {
    let planner = Planner {
        one_entry: HISTORY.contains(query.root),
    };
    planner.condition(&query.condition, &Known::default())
}

/// The first pattern that begins with too few literals to be looked up.
pub fn short_pattern(query: &Query) -> Option<usize> {
    fn within(condition: &Condition) -> Option<usize> {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().find_map(within),
            Condition::Not(part) => within(part),
            Condition::Is(Predicate {
                test: Test::Like(pattern),
                at,
                ..
            }) => (pattern.prefix().chars().count() < LEAD).then_some(*at),
            Condition::Is(_) => None,
        }
    }
    within(&query.condition)
}

/// What is known from the conditions around.
#[derive(Default, Clone)]
struct Known {
    counties: Option<Vec<[u8; COUNTY]>>,
    history_counties: Option<Vec<[u8; COUNTY]>>,
}

struct Planner {
    /// Whether everything asked of earlier localities is asked of the same one.
    one_entry: bool,
}

impl Planner {
    fn condition(&self, condition: &Condition, known: &Known) -> Option<Source> {
        match condition {
            Condition::All(parts) => {
                let mut known = known.clone();
                for part in parts {
                    if let Condition::Is(Predicate {
                        field,
                        test: Test::OneOf(codes),
                        ..
                    }) = part
                    {
                        let codes = || Some(codes.iter().map(|code| code_key(code)).collect());
                        if *field == COUNTY_CODE {
                            known.counties = codes();
                        } else if *field == HISTORY_COUNTY && self.one_entry {
                            known.history_counties = codes();
                        }
                    }
                }
                let (spans, others) = joined(parts);
                let spans = spans.iter().map(|part| predicate_source(part, &known));
                let others = others.iter().map(|part| self.condition(part, &known));
                one_or(spans.chain(others).flatten().collect(), Source::All)
            }
            Condition::Any(parts) => one_or(
                parts
                    .iter()
                    .map(|part| self.condition(part, known))
                    .collect::<Option<_>>()?,
                Source::Any,
            ),
            Condition::Not(_) => None,
            Condition::Is(predicate) => predicate_source(predicate, known),
        }
    }
}

/// Spans asked of the same field that has one value at most become one: those between two dates are
/// fewer than those after the one and those before the other. The other conditions stay.
fn joined(parts: &[Condition]) -> (Vec<Predicate>, Vec<&Condition>) {
    let (mut joined, mut others) = (Vec::<Predicate>::new(), Vec::new());
    for part in parts {
        let Condition::Is(predicate) = part else {
            others.push(part);
            continue;
        };
        let Test::Within(spans) = &predicate.test else {
            others.push(part);
            continue;
        };
        let known = joined.iter_mut().find(|it| it.field == predicate.field);
        match known {
            Some(Predicate {
                test: Test::Within(known),
                ..
            }) if has_one_value(predicate.field) => *known = both(known, spans),
            _ => joined.push(predicate.clone()),
        }
    }
    (joined, others)
}

fn has_one_value(field: Field) -> bool {
    let mut at = field;
    while at != Field::RECORD {
        if at.repeats() {
            return false;
        }
        at = at.parent();
    }
    true
}

/// What lies in spans of both lists; each is ascending.
fn both(mut left: &[(i64, i64)], mut right: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut out = Vec::new();
    while let ([a, after_a @ ..], [b, after_b @ ..]) = (left, right) {
        let (from, to) = (a.0.max(b.0), a.1.min(b.1));
        if from <= to {
            out.push((from, to));
        }
        // Whichever ends first meets nothing more.
        if a.1 < b.1 {
            left = after_a;
        } else {
            right = after_b;
        }
    }
    out
}

fn one_or(mut sources: Vec<Source>, many: impl Fn(Vec<Source>) -> Source) -> Option<Source> {
    match sources.len() {
        0 => None,
        1 => sources.pop(),
        _ => Some(many(sources)),
    }
}

fn predicate_source(predicate: &Predicate, known: &Known) -> Option<Source> {
    let field = predicate.field;
    if field == IDENTITY {
        return match &predicate.test {
            Test::Within(spans) => Some(Source::Identities(identities(spans))),
            _ => None,
        };
    }
    let index = Index::of(field)?;
    let keys = |counties, ranges| {
        Some(Source::Keys(Keys {
            index,
            counties,
            ranges,
        }))
    };
    let some = |counties: &Option<Vec<_>>| match counties {
        Some(counties) => Counties::Some(counties.clone()),
        None => Counties::Every,
    };
    let shape = index.row().shape;
    match (shape, &predicate.test) {
        (Shape::Words | Shape::Flag(_), Test::Present) => None,
        (_, Test::Present) => keys(Counties::None, vec![(Vec::new(), None)]),
        (Shape::Words, Test::OneOf(texts)) => {
            let each = texts.iter().map(|text| {
                let words = swedish::words(text).map(|word| exactly(word.as_bytes()));
                words_source(index, words.collect(), &some(&known.counties))
            });
            one_or(each.collect::<Option<_>>()?, Source::Any)
        }
        (Shape::Words, Test::Like(pattern)) => {
            let words = words_of(pattern);
            words_source(index, words, &some(&known.counties))
        }
        (Shape::Text, Test::OneOf(texts)) => keys(
            Counties::None,
            texts.iter().map(|text| exactly(text.as_bytes())).collect(),
        ),
        (Shape::Text, Test::Like(pattern)) => {
            keys(Counties::None, vec![beginning(lead(pattern)?.as_bytes())])
        }
        (Shape::Street, Test::OneOf(texts)) => keys(
            Counties::None,
            texts
                .iter()
                .map(|text| exactly(street(text).as_bytes()))
                .collect(),
        ),
        (Shape::Street, Test::Like(pattern)) => {
            let lead = lead(pattern)?;
            let has_number = lead.contains(|c: char| c.is_ascii_digit());
            let street = street(lead).as_bytes();
            let range = if has_number {
                exactly(street)
            } else {
                beginning(street)
            };
            keys(Counties::None, vec![range])
        }
        (Shape::Locality, Test::OneOf(codes)) => {
            let codes = codes.iter().map(|code| code_key(code));
            if field == MUNICIPALITY {
                keys(
                    some(&known.counties),
                    codes.map(|code| exactly(&code)).collect(),
                )
            } else {
                keys(Counties::Some(codes.collect()), vec![(Vec::new(), None)])
            }
        }
        (Shape::Number | Shape::Date, Test::Within(spans)) => {
            let number = |number: i64| u32::try_from(number.clamp(0, i64::from(u32::MAX)));
            let ranges = spans.iter().filter_map(|&(from, to)| {
                let (from, to) = (number(from).ok()?, number(to).ok()?);
                Some(up_to(from.to_be_bytes(), to.to_be_bytes()))
            });
            keys(Counties::None, ranges.collect())
        }
        (Shape::Minute, Test::Within(spans)) => {
            let number = |number: i64| u64::try_from(number).unwrap_or(0).min(LAST_MOMENT);
            let ranges = spans
                .iter()
                .map(|&(from, to)| up_to(minute(number(from)), minute(number(to))));
            keys(Counties::None, ranges.collect())
        }
        (Shape::Day, Test::Within(spans)) => {
            let ranges = spans.iter().map(|&(from, to)| up_to(day(from), day(to)));
            keys(some(&known.history_counties), ranges.collect())
        }
        (Shape::Flag(listed), Test::Within(spans)) => {
            let has = |truth| {
                let truth = i64::from(truth);
                spans.iter().any(|&(from, to)| from <= truth && truth <= to)
            };
            (!has(!listed)).then(|| keys(Counties::None, vec![exactly(FLAG)]))?
        }
        (Shape::Identity, Test::Within(spans)) => {
            let spans = identities(spans).into_iter();
            let ranges = spans.map(|(from, to)| up_to(from.to_be_bytes(), to.to_be_bytes()));
            keys(Counties::None, ranges.collect())
        }
        _ => None,
    }
}

/// Spans of keys. They come as signed numbers: what is below zero is above all others.
fn identities(spans: &[(i64, i64)]) -> Vec<(u64, u64)> {
    let mut out = Vec::with_capacity(spans.len() + 1);
    for &(from, to) in spans {
        if from < 0 && to >= 0 {
            out.push((from.cast_unsigned(), u64::MAX));
            out.push((0, to.cast_unsigned()));
        } else {
            out.push((from.cast_unsigned(), to.cast_unsigned()));
        }
    }
    out
}

/// All of these words.
fn words_source(index: Index, words: Vec<Range>, counties: &Counties) -> Option<Source> {
    let each = words.into_iter().map(|word| {
        Source::Keys(Keys {
            index,
            counties: match counties {
                Counties::Some(some) => Counties::Some(some.clone()),
                _ => Counties::Every,
            },
            ranges: vec![word],
        })
    });
    one_or(each.collect(), Source::All)
}

/// The words that a text of this form must have: whole ones, wherever they stand, and beginnings.
fn words_of(pattern: &Pattern) -> Vec<Range> {
    let last_part = pattern.parts.len().saturating_sub(1);
    let mut ranges: Vec<Range> = Vec::new();
    for (at, part) in pattern.parts.iter().enumerate() {
        let Part::Literal(text) = part else { continue };
        let words: Vec<&str> = swedish::words(text).collect();
        for (number, word) in words.iter().enumerate() {
            // A wildcard beside a word may stand for more of it.
            let cut_before = number == 0 && at > 0 && text.starts_with(word);
            let cut_behind = number + 1 == words.len() && at < last_part && text.ends_with(word);
            if cut_before {
                continue;
            }
            if !cut_behind {
                ranges.push(exactly(word.as_bytes()));
            } else if !ranges.is_empty() || word.chars().count() >= LEAD {
                ranges.push(beginning(word.as_bytes()));
            }
        }
    }
    ranges
}

/// What a pattern begins with, when that is enough to look it up.
fn lead(pattern: &Pattern) -> Option<&str> {
    let lead = pattern.prefix();
    let whole = matches!(&*pattern.parts, [Part::Literal(_)]);
    (whole || lead.chars().count() >= LEAD).then_some(lead)
}

/// The range of one key.
pub fn exactly(key: &[u8]) -> Range {
    let mut after = key.to_vec();
    after.push(0);
    (key.to_vec(), Some(after))
}

/// The range of all keys that begin so.
pub fn beginning(key: &[u8]) -> Range {
    (key.to_vec(), after_prefix(key))
}

/// The range between two keys of the same length, both included.
fn up_to<const N: usize>(from: [u8; N], to: [u8; N]) -> Range {
    let mut after = to.to_vec();
    after.push(0);
    (from.to_vec(), Some(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(parts: &[&str]) -> Vec<String> {
        let part = |part: &&str| match *part {
            "%" => Part::Run,
            "_" => Part::One,
            text => Part::Literal(text.to_owned()),
        };
        let pattern = Pattern {
            parts: parts.iter().map(part).collect(),
        };
        let said = |(from, to): Range| {
            let whole = exactly(&from).1 == to;
            String::from_utf8(from).unwrap() + if whole { "" } else { "*" }
        };
        words_of(&pattern).into_iter().map(said).collect()
    }

    #[test]
    fn both_ends_of_a_range_are_one_range() {
        let formats = crate::person::identity::Formats::standard();
        let ranges = |condition: &str| {
            let text = format!("FROM PersonRecord WHERE {condition}");
            match plan(&Query::parse(&text, &formats).unwrap()) {
                Some(Source::Keys(keys)) => keys.ranges.len(),
                Some(Source::All(sources)) => 100 + sources.len(),
                _ => 0,
            }
        };
        let date = "birth.dateOfBirth";
        assert_eq!(
            ranges(&format!("{date} >= '1980' AND {date} < '1981-06'")),
            1
        );
        assert_eq!(ranges(&format!("{date} != '1980' AND {date} > '1970'")), 2);
        assert_eq!(ranges(&format!("{date} < '1970' AND {date} > '1980'")), 0);
        // Of a field that repeats, one value may pass the one and another the other.
        let linked = "linkedIdentity.referredPersonalIdentity";
        let both = format!("{linked} = '191212121212' AND {linked} != '191212121212'");
        assert_eq!(ranges(&both), 102);
    }

    #[test]
    fn a_pattern_is_looked_up_by_its_whole_words_and_beginnings() {
        let nothing: [&str; 0] = [];
        assert_eq!(words(&["an", "%"]), ["an*"]);
        assert_eq!(words(&["anna"]), ["anna"]);
        assert_eq!(words(&["anna ", "%"]), ["anna"]);
        assert_eq!(words(&["%", " anna"]), ["anna"]);
        assert_eq!(words(&["%", "-anna-", "%"]), ["anna"]);
        assert_eq!(words(&["%", " anna mar", "%"]), ["anna", "mar*"]);
        assert_eq!(words(&["%", "anna maria", "%"]), ["maria*"]);
        assert_eq!(words(&["anna", "_"]), ["anna*"]);
        assert_eq!(words(&["%", "anna", "%"]), nothing);
        assert_eq!(words(&["a", "%"]), nothing);
        assert_eq!(words(&["%"]), nothing);
    }
}
