//! Where people are kept: bytes in, people out, one immutable [state](state::State) at a time.
//!
//! In: records as bytes, in the order of their keys. Out: the same bytes, by key or in order. What
//! can never happen here: a file changed in place, or a damaged file taken for a whole one.
//!
//! A snapshot is one file, found by identity in two trips to memory ([`layout`] draws it). What
//! changed since is the [overlay](overlay::Overlay). A request pins both as one state.
//!
//! A change goes to the one [committer](commit::Committer): it makes an entry of it, writes the entry
//! to the [log](log::Log), flushes, publishes the next state, and only then tells whoever asked. From
//! time to time the overlay becomes a new snapshot ([`compact`]).

pub mod blocks;
pub mod build;
pub mod clock;
pub mod commit;
pub mod compact;
mod disk;
pub mod ends;
pub mod entry;
pub mod error;
pub mod folder;
pub mod index;
pub mod layout;
pub mod ledger;
pub mod live;
pub mod lock;
pub mod log;
pub mod loss;
pub mod map;
pub mod mend;
pub mod overlay;
pub mod salvage;
#[cfg(test)]
mod sample;
pub mod search_keys;
pub mod snapshot;
pub mod state;
pub mod trail;
pub mod veil;
mod verify;
pub mod witness;
pub mod write;
