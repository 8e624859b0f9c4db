//! Everything a user of the program or of the library can rely on, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a failed helper is a failed test; clippy sees only #[test] functions as such"
)]

// A served register of a few persons, and a client for it.
mod support;

// The contracts: types, messages, endpoints and profiles equal the official tables.
mod contracts;
// Errors: each wrong request has its own precise answer, and the connection goes on.
mod errors;
// Goldens: answers of all versions and profiles, read by a human when they change.
mod golden;
// Lookup: order, unknown identities, links and main identities.
mod lookup;
// Protection: somebody who wants a protected person's address tries every output.
mod protection;
