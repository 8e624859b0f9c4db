//! Where people are kept: one file per snapshot, found by identity in two trips to memory.
//!
//! In: records as bytes, in the order of their keys. Out: the same bytes, by key or in order. What
//! can never happen here: a file changed in place, or a damaged file taken for a whole one.

pub mod ends;
pub mod error;
pub mod folder;
pub mod index;
pub mod layout;
pub mod map;
#[cfg(test)]
mod sample;
pub mod snapshot;
mod verify;
pub mod write;
