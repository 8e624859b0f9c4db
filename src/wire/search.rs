//! A search as it is asked for, whatever way it came: language, text and profile.

use crate::base::limits;
use crate::base::private::Private;
use crate::person::identity::Formats;
use crate::person::view::{Grant, Profile};
use crate::query::search::{Found, Question, SearchError, search_within};
use crate::query::work::Budget;
use crate::store::state::State;

/// The languages of queries, and what is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// SimpleQL, the contracts' own.
    SimpleQl,
    /// Words, as people type them.
    Text,
    /// Any other.
    Unknown,
}

impl Language {
    /// Every language, the unknown ones as one.
    pub const ALL: [Self; 3] = [Self::SimpleQl, Self::Text, Self::Unknown];

    /// The language with this name, in any case.
    pub fn parse(name: &str) -> Self {
        let named = |it: &Self| it.name().eq_ignore_ascii_case(name.trim());
        [Self::SimpleQl, Self::Text]
            .into_iter()
            .find(named)
            .unwrap_or(Self::Unknown)
    }

    /// Its name in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SimpleQl => "SimpleQL",
            Self::Text => "Text",
            Self::Unknown => "unknown",
        }
    }
}

/// A search that was read. It owns what it needs, so that it can wait for its turn.
pub struct Search {
    /// The language of the query.
    pub language: Language,
    /// How much of the persons found.
    pub profile: Profile,
    /// The query, for the audit.
    pub query: Private<Box<str>>,
    /// The question, or why the query is none; told when it is performed.
    question: Box<Result<Question, SearchError>>,
}

impl Search {
    /// Reads a query.
    pub fn read(language: Language, query: &str, profile: Profile, formats: &Formats) -> Self {
        let question = match language {
            Language::Unknown => Err(SearchError::UnknownLanguage),
            known => Question::parse(known.name(), query, formats),
        };
        Self {
            language,
            profile,
            query: Private::new(query.into()),
            question: Box::new(question),
        }
    }

    /// Whether it belongs on a thread of its own when it is performed under `grant`.
    pub fn is_wide(&self, state: &State, grant: &Grant) -> bool {
        matches!(&*self.question, Ok(question) if question.is_wide(state, grant))
    }

    /// Performs it within a budget: at most as many hits as an answer may hold.
    pub fn perform<'s>(
        &self,
        state: &'s State,
        grant: &Grant,
        budget: Budget,
    ) -> Result<Found<'s>, SearchError> {
        match &*self.question {
            Ok(question) => search_within(state, question, grant, limits::HITS_PER_SEARCH, budget),
            Err(error) => Err(error.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_known_in_any_case() {
        assert_eq!(Language::parse("simpleql"), Language::SimpleQl);
        assert_eq!(Language::parse(" TEXT "), Language::Text);
        for unknown in ["", "SQL", "unknown", "SimpleQL2"] {
            assert_eq!(Language::parse(unknown), Language::Unknown, "{unknown}");
        }
    }
}
