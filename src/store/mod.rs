//! Where people are kept: bytes in, people out, one immutable [state](state::State) at a time.
//!
//! In: records as bytes, in the order of their keys. Out: the same bytes, by key or in order. What
//! can never happen here: a file changed in place, or a damaged file taken for a whole one.
//!
//! A snapshot is one file, found by identity in two trips to memory ([`layout`] draws it). What
//! changed since is the [overlay](overlay::Overlay). A request pins both as one state.

pub mod build;
pub mod ends;
pub mod error;
pub mod folder;
pub mod index;
pub mod layout;
pub mod ledger;
pub mod lock;
pub mod map;
pub mod overlay;
#[cfg(test)]
mod sample;
pub mod snapshot;
pub mod state;
mod verify;
pub mod write;
