//! The rules that turn a wish into a change.
//!
//! In: wishes, such as a [post](post::Post) from Skatteverket, and the person as it is. Out: the
//! person as it shall be, or why not. Rules are functions of these two alone: they read no file and
//! no clock. [`import`] runs them over whole files.

pub mod chain;
pub mod import;
pub mod merge;
pub mod post;
pub mod supplement;
