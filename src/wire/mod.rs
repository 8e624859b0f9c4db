//! wire
pub mod message;
pub mod render;
pub mod request;
