//! A search: a question, a grant and one state in, the views of those who answer to it out.

use crate::person::identity::Formats;
use crate::person::record::Damaged;
use crate::person::view::{Grant, Profile, View};
use crate::store::state::State;

use super::simple::Query;

/// A question in one of the languages.
pub enum Question {
    /// SimpleQL.
    Simple(Query),
}

/// Why a search is not answered. Positions are characters of the query from 1. Nothing here holds
/// what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// No such language.
    #[error("the query language is not known")]
    UnknownLanguage,
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
    /// No index narrows the search far enough.
    #[error("the search is too wide")]
    TooWide,
    /// The register is damaged.
    #[error(transparent)]
    Damaged(#[from] Damaged),
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
    /// Microseconds from plan to last hit.
    pub microseconds: u64,
}

/// One step of a search.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Step {
    /// What was done, for instance `surname: 3 keys`.
    pub what: String,
    /// How many candidates it left.
    pub left: u64,
}

impl Question {
    /// Reads a query in `language` (`SimpleQL` in any case).
    pub fn parse(language: &str, text: &str, formats: &Formats) -> Result<Self, SearchError> {
        let _ = (text, formats);
        if language.eq_ignore_ascii_case("SimpleQL") {
            // SEAM: Query::parse
        }
        Err(SearchError::UnknownLanguage)
    }

    /// Whether answering may take longer than a moment, so that it belongs on a thread of its own.
    pub fn is_wide(&self, state: &State) -> bool {
        let _ = state;
        false
    }
}

/// Searches one state. `most` hits are an answer, one more is an error.
pub fn search<'s>(
    state: &'s State,
    question: &Question,
    grant: &Grant,
    most: usize,
) -> Result<Found<'s>, SearchError> {
    let _ = (state, question, grant);
    Err(SearchError::TooManyHits(most))
}
