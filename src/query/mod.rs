//! Questions to the register, by identity or by search terms.
//!
//! In: a question, a grant, one state. Out: views. What can never happen here: an answer from two
//! points in time, or a record that leaves unmasked.

pub mod lookup;
mod plan;
mod run;
pub mod search;
pub mod simple;
pub mod text;
pub mod work;
