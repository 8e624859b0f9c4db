//! tour
pub mod base;
pub mod feed;
pub mod person;
pub mod register;
