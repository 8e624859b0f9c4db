//! The rules that turn a wish into a change.
//!
//! In: wishes, such as a [post](post::Post) from Skatteverket or a [wish](wish::Wish) of care, and
//! the persons as they are. Out: the persons as they shall be, or why not. Rules are functions of
//! these alone: they read no file and no clock. [`import`] runs them over whole files into a register
//! that stands still, [`online`] into one at work, and the [`desk`] takes one wish at a time.

pub mod chain;
pub mod change;
pub mod codes;
pub mod contact;
pub mod country;
pub mod desk;
pub mod household;
pub mod import;
pub mod link;
pub mod merge;
pub mod nrid;
pub mod online;
pub mod persons;
pub mod post;
pub mod refusal;
mod relation;
pub mod reserve;
pub mod settle;
pub mod supplement;
pub mod wish;
