//! tour
pub mod base;
pub mod cli;
pub mod person;
pub mod wire;
