//! Everything a user of the program or of the library can rely on, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed helper is a failed test; clippy sees only #[test] functions as such"
)]

// The contracts: types, messages, endpoints and profiles equal the official tables.
mod contracts;
