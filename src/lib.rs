//! tour
pub mod base;
pub mod person;
pub mod register;
pub mod wire;
