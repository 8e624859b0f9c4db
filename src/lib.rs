//! tour
pub mod base;
pub mod cli;
pub mod feed;
pub mod person;
pub mod query;
pub mod register;
pub mod serve;
pub mod store;
pub mod wire;
