//! What brings people in and out in bulk.

pub mod exchange;
pub mod generate;
