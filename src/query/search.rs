//! A search: a question, a grant and one state in, the views of those who answer to it out.

use std::time::Instant;

use super::plan::{Source, plan, short_pattern};
use super::run::{Candidates, overlaid, resolve};
use super::simple::Query;
use super::simple::error::QueryError;
use super::simple::matches::Matcher;
use super::text::Text;
use super::work::{self, Budget, Meter, Spent, Work};
use crate::base::limits;
use crate::person::identity::Formats;
use crate::person::record::{Damaged, RecordRef};
use crate::person::view::{Grant, Profile, Shield, View, restrict};
use crate::store::state::State;

/// A question in one of the languages.
pub enum Question {
    /// SimpleQL.
    Simple(Box<Simple>),
    /// Free text.
    Text(Text),
}

/// A SimpleQL question, ready to be asked.
pub struct Simple {
    query: Query,
    matcher: Matcher,
    source: Option<Source>,
}

/// Why a search is not answered. Positions are characters of the query from 1. Nothing here holds
/// what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// No such language.
    #[error("the query language is not known")]
    UnknownLanguage,
    /// The query is wrong.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A field that the profile asked for does not show.
    #[error("the node at {at} is not shown in this profile")]
    HiddenNode {
        /// Where.
        at: usize,
        /// The lowest profile that shows it; `None` when none does.
        profile: Option<Profile>,
    },
    /// More hits than an answer may hold.
    #[error("more than {0} hits")]
    TooManyHits(usize),
    /// A pattern that begins with too few letters, and nothing else to look up.
    #[error("the pattern at {at} begins with fewer than two letters, and nothing else narrows")]
    ShortPattern {
        /// Where.
        at: usize,
    },
    /// Free text without a word.
    #[error("no words")]
    NoWords,
    /// More words, or more text, than a free-text search may have.
    #[error("more than {max} words, or too long", max = limits::WORDS_PER_TEXT)]
    TooManyWords,
    /// No index narrows the search far enough.
    #[error("the search is too wide")]
    TooWide,
    /// Its conditions take more work than a search may.
    #[error("the search takes too much work")]
    TooMuchWork,
    /// It takes more than a moment, and only a moment was given: it belongs on a thread of its own.
    /// No caller is told so.
    #[error("the search takes longer than a moment")]
    NotAtOnce,
    /// The register is damaged.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl From<Spent> for SearchError {
    fn from(Spent(budget): Spent) -> Self {
        match budget {
            Budget::AtOnce => Self::NotAtOnce,
            Budget::Whole => Self::TooMuchWork,
        }
    }
}

/// What was found.
pub struct Found<'s> {
    /// The records, as the grant shows them: in the order of identities.
    pub hits: Vec<View<'s>>,
    /// How they were found.
    pub explanation: Explanation,
}

/// How a search went, for those who tune it. Holds no value of the query.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Explanation {
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// Index entries read.
    pub postings: u64,
    /// Records looked at.
    pub candidates: u64,
    /// Records found.
    pub hits: u64,
    /// What was charged for it, in units of about a nanosecond.
    pub work: u64,
    /// Microseconds from plan to last hit.
    pub microseconds: u64,
}

/// One step of a search.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Step {
    /// What was done, for instance `read surname: 3 ranges, 120 entries`.
    pub what: String,
    /// How many candidates it left.
    pub left: u64,
}

impl Explanation {
    pub(super) fn step(&mut self, what: String, left: usize) {
        let left = left as u64;
        self.steps.push(Step { what, left });
    }
}

impl Question {
    /// Reads a query in `language` (`SimpleQL` or `Text`, in any case).
    pub fn parse(language: &str, text: &str, formats: &Formats) -> Result<Self, SearchError> {
        if language.eq_ignore_ascii_case("SimpleQL") {
            let query = Query::parse(text, formats)?;
            return Ok(Self::Simple(Box::new(Simple {
                matcher: Matcher::new(&query, formats),
                source: plan(&query),
                query,
            })));
        }
        if language.eq_ignore_ascii_case("Text") {
            return Text::parse(text, formats).map(Self::Text);
        }
        Err(SearchError::UnknownLanguage)
    }

    /// Whether answering under `grant` may take longer than a moment, so that it belongs on a thread of
    /// its own.
    pub fn is_wide(&self, state: &State, grant: &Grant) -> bool {
        self.work(state, grant) > Budget::AtOnce.most()
    }

    /// What answering under `grant` is reckoned to cost, without reading what it would read.
    pub fn work(&self, state: &State, grant: &Grant) -> Work {
        let (snapshot, newer) = (state.snapshot(), state.overlay().len() as u64);
        match self {
            Self::Simple(simple) => {
                let all = snapshot.len() + newer;
                let Some(source) = &simple.source else {
                    return simple.matcher.usual_work().saturating_mul(all);
                };
                // Once in the snapshot, once in what is newer.
                let finding = work::ranges(2 * source.ranges());
                if finding > Budget::AtOnce.most() {
                    return finding;
                }
                // What is damaged is found to be when it is read.
                let (read, count) = state
                    .search_keys(grant)
                    .and_then(|keys| resolve(source, snapshot, keys))
                    .map_or((0, 0), |node| (node.work(snapshot.len()), node.count));
                let looked = simple.matcher.usual_work().saturating_mul(count + newer);
                finding.saturating_add(read).saturating_add(looked)
            }
            Self::Text(_) => work::records(snapshot.len() + newer),
        }
    }
}

/// Searches one state. `most` hits are an answer, one more is an error; free text gives the best, and
/// never more than [`limits::HITS_PER_TEXT`].
pub fn search<'s>(
    state: &'s State,
    question: &Question,
    grant: &Grant,
    most: usize,
) -> Result<Found<'s>, SearchError> {
    search_within(state, question, grant, most, Budget::Whole)
}

/// Searches one state, as [`search`] does, as long as it stays within a budget.
pub fn search_within<'s>(
    state: &'s State,
    question: &Question,
    grant: &Grant,
    most: usize,
    budget: Budget,
) -> Result<Found<'s>, SearchError> {
    let began = Instant::now();
    let mut meter = Meter::new(budget);
    let mut found = match question {
        Question::Simple(simple) => simple.search(state, *grant, most, &mut meter)?,
        Question::Text(text) => {
            let most = most.min(limits::HITS_PER_TEXT);
            text.search(state, grant, most, &mut meter)?
        }
    };
    found.explanation.work = meter.spent();
    found.explanation.hits = found.hits.len() as u64;
    found.explanation.microseconds = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(found)
}

impl Simple {
    fn search<'s>(
        &self,
        state: &'s State,
        grant: Grant,
        most: usize,
        meter: &mut Meter,
    ) -> Result<Found<'s>, SearchError> {
        for (field, at) in self.query.fields() {
            if !grant.shows(field) {
                let profile = Profile::that_shows(field);
                return Err(SearchError::HiddenNode { at, profile });
            }
        }
        let (snapshot, overlay) = (state.snapshot(), state.overlay());
        let mut explanation = Explanation::default();
        let narrowed = match &self.source {
            None => match short_pattern(&self.query) {
                Some(at) => return Err(SearchError::ShortPattern { at }),
                None => None,
            },
            Some(source) => {
                meter.charge(work::ranges(2 * source.ranges()));
                meter.check()?;
                let keys = state.search_keys(&grant)?;
                let node = resolve(source, snapshot, keys)?;
                if node.is_readable() {
                    meter.charge(node.work(snapshot.len()));
                    meter.check()?;
                    let positions = node.read(snapshot.len(), &mut explanation);
                    Some((positions, overlaid(source, overlay, keys)))
                } else {
                    None
                }
            }
        };
        let (hits, candidates) = if let Some((positions, keys)) = narrowed {
            let count = positions.len() + keys.len();
            let candidates = Candidates::new(state, positions, keys);
            verify(&self.matcher, candidates, count, grant, most, meter)?
        } else {
            let positions = 0..u32::try_from(snapshot.len()).map_err(|_| Damaged)?;
            let count = positions.len() + overlay.len();
            explanation.step("read every record".to_owned(), count);
            let keys = overlay.keys();
            let candidates = Candidates::new(state, positions, keys);
            verify(&self.matcher, candidates, count, grant, most, meter)?
        };
        explanation.candidates = candidates;
        Ok(Found { hits, explanation })
    }
}

/// The candidates who answer to the query as the grant shows them.
fn verify<'s>(
    matcher: &Matcher,
    candidates: impl Iterator<Item = Result<RecordRef<'s>, Damaged>>,
    count: usize,
    grant: Grant,
    most: usize,
    meter: &mut Meter,
) -> Result<(Vec<View<'s>>, u64), SearchError> {
    let too_wide = count > limits::CANDIDATES_PER_SEARCH;
    let looked_at = if too_wide {
        limits::CANDIDATES_PROBED
    } else {
        count
    };
    let (mut hits, mut looked) = (Vec::new(), 0);
    for record in candidates.take(looked_at) {
        let view = restrict(record?, &grant, Shield::NONE);
        looked += 1;
        meter.charge(work::records(1));
        let matches = matcher.matches_within(&view, meter)?;
        meter.check()?;
        if matches {
            if hits.len() == most {
                return Err(SearchError::TooManyHits(most));
            }
            hits.push(view);
        }
    }
    if too_wide {
        return Err(SearchError::TooWide);
    }
    Ok((hits, looked))
}
