//! Everything a user of the program or of the library can rely on, in one binary.

// The contracts: types, messages, endpoints and profiles equal the official tables.
mod contracts;
