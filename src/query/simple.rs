//! SimpleQL: `FROM root WHERE condition`. Text becomes tokens (`lex`), tokens a tree of names and
//! literals (`parse`), the tree a [`Query`] whose nodes are fields of the table (`names`) and whose
//! literals are what those fields can hold (`resolve`). `matches` holds a query against one view.

pub mod error;
mod lex;
mod like;
pub mod matches;
mod names;
mod parse;
mod resolve;
#[cfg(test)]
mod tests;

use crate::person::field::Field;
use crate::person::identity::Formats;

use error::QueryError;

/// A query, resolved against the field table.
pub struct Query {
    /// What the condition is about: one entry of this group when it repeats, else the record.
    pub root: Field,
    /// What must hold.
    pub condition: Condition,
}

/// What must hold.
pub enum Condition {
    /// All of these.
    All(Vec<Condition>),
    /// One of these at least.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// What a field holds.
    Is(Predicate),
}

/// What one field must hold. It holds when one of the field's values passes the test; of a field
/// that the view hides, nothing is known, and not knowing is neither true nor false.
#[derive(Clone)]
pub struct Predicate {
    /// The field.
    pub field: Field,
    /// The test.
    pub test: Test,
    /// Where the predicate begins in the text, in characters from 1.
    pub at: usize,
}

/// A test of one value.
#[derive(Clone)]
pub enum Test {
    /// Any value will do; for a group, any value in it.
    Present,
    /// Numbers, truths (0 and 1), dates (`YYYYMMDD`, 00 for an unknown part), moments
    /// (`YYYYMMDDhhmmss` of a Timestamp, milliseconds since 1970 of a dateTime) and identities
    /// (keys as signed numbers), as closed spans in ascending order that do not touch.
    Within(Vec<(i64, i64)>),
    /// Folded text that is one of these. They are in the order of their bytes, each once.
    OneOf(Vec<String>),
    /// Folded text that is not this.
    Differs(String),
    /// Folded text after (or at) the first and before (or at) the second, in Swedish order.
    Between(Option<Bound>, Option<Bound>),
    /// Folded text of this form.
    Like(Pattern),
}

/// One end of a range of texts.
#[derive(Clone)]
pub struct Bound {
    /// Folded.
    pub text: String,
    /// Whether the text itself is in the range.
    pub inclusive: bool,
}

/// The form of a text: literals and the wildcards `%` and `_`.
#[derive(Clone)]
pub struct Pattern {
    /// The parts in order; no two literals and no two runs stand side by side.
    pub parts: Vec<Part>,
}

/// One part of a pattern.
#[derive(Clone, PartialEq, Eq)]
pub enum Part {
    /// Exactly this folded text.
    Literal(String),
    /// One character.
    One,
    /// Any run of characters, also none.
    Run,
}

impl Query {
    /// Reads a query.
    pub fn parse(text: &str, formats: &Formats) -> Result<Self, QueryError> {
        resolve::resolve(&parse::parse(text)?, formats)
    }

    /// The fields that the condition is about, each time one is named, and where.
    pub fn fields(&self) -> Vec<(Field, usize)> {
        fn collect(condition: &Condition, fields: &mut Vec<(Field, usize)>) {
            match condition {
                Condition::All(terms) | Condition::Any(terms) => {
                    terms.iter().for_each(|term| collect(term, fields));
                }
                Condition::Not(term) => collect(term, fields),
                Condition::Is(predicate) => fields.push((predicate.field, predicate.at)),
            }
        }
        let mut fields = Vec::new();
        collect(&self.condition, &mut fields);
        fields
    }

    /// The repeating group of which one single entry must meet the condition, when the root is one
    /// or lies in one.
    pub fn entry(&self) -> Option<Field> {
        matches::innermost_entry(self.root)
    }
}

impl Pattern {
    /// The literal the text must begin with.
    pub fn prefix(&self) -> &str {
        match self.parts.first() {
            Some(Part::Literal(text)) => text,
            _ => "",
        }
    }
}
