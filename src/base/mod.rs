//! What every room may lean on and what knows no room: limits, Swedish time and text, the door by which
//! files are made, and a wrapper that keeps personal values out of logs.
//!
//! In: nothing. Out: small value types. Never here: a person, a socket.

pub mod files;
pub mod form;
pub mod lasting;
pub mod limits;
pub mod micros;
pub mod period;
pub mod private;
pub mod seldom;
pub mod swedish;
pub mod time;
pub mod told;
pub mod unseen;
