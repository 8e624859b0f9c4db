//! tour
pub mod base;
pub mod person;
pub mod store;
