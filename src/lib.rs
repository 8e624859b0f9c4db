//! tour
pub mod base;
pub mod cli;
pub mod person;
pub mod register;
pub mod store;
pub mod wire;
