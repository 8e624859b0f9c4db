//! Who may ask for what, and the record of what was disclosed to whom.
//!
//! In: the operator's file of consumers, the name a caller's certificate bears, the name an
//! intermediary hands on. Out: a consumer with rights, or a refusal; and the disclosure audit, an
//! append-only chain of entries. What can never happen here: a right that is not written in the file,
//! or a disclosure that the audit does not hold. Knows no network: `serve` brings the names.

pub mod alarms;
pub mod audit;
pub mod authority;
pub mod consumers;
pub mod gate;
pub mod hsa;
pub mod purse;
pub mod usage;
