//! tour
pub mod base;
pub mod person;
