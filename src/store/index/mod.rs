//! Indexes: from what a request asks for to where the records are.
//!
//! In: keys and record ends. Out: candidates, which the caller checks in the record itself. What
//! can never happen here: a key kept beside the record, or a candidate taken for an answer.

pub mod identity;
pub mod parts;
pub mod search;
pub mod words;
