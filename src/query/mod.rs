//! Questions to the register, by identity or by search terms.
//!
//! In: a question, a grant, one state. Out: views. What can never happen here: an answer from two
//! points in time, or a record that leaves unmasked.

pub mod lookup;
pub mod search;
pub mod simple;
