//! `pu` is a person register: it holds every person record of a country in memory-mapped files and
//! answers the national contracts of Sweden's personal-data service.
//!
//! The tour, in the order in which data flows. A file from Skatteverket comes in through [`feed`],
//! which turns each post into a wish in the register's own terms. [`register`] holds the rules that
//! lay the wish over the person as it is, keep the history, and settle which of a person's
//! identities is the main one. The result is a record, whose bytes [`store`] keeps in a snapshot:
//! one checked, immutable file, found by identity in two trips to memory.
//!
//! A request comes in through [`serve`], which is hyper and knows no contract. [`wire`] reads the
//! envelope and checks it against the contract's table while it reads. [`query`] pins one state of
//! the register and finds the record that answers, or, for a search, narrows the register by its
//! index and holds what is left against the question. [`person`] cuts a view out of the record: profile
//! and protection, one mask, computed once; only a view can be rendered. [`wire`] copies the view
//! between ready-made tags, and [`serve`] sends the bytes.
//!
//! A change takes the other way round: [`wire`] or [`feed`] makes a wish of it, [`register`] judges it on
//! a draft of the next state, and [`store`] writes the entry to its log, flushes, publishes the draft,
//! and lets the answer go. Now and then what has changed becomes a new snapshot.
//!
//! Everything that differs between versions of the contracts is a row of the field table
//! ([`person::schema`]) or of the contract table ([`wire::contract`]): parsing, validation,
//! rendering, JSON, WSDL, XSD and profile masks are made from the same rows.
//!
//! [`access`] knows who may ask for what, and keeps the record of what was disclosed to whom.
//!
//! [`base`] holds what every room may lean on; [`cli`] is one file per command. Which room may use
//! which is a table in `tests/house.rs`, and a test.

pub mod access;
pub mod base;
pub mod cli;
pub mod feed;
pub mod person;
pub mod query;
pub mod register;
pub mod serve;
pub mod store;
pub mod wire;
