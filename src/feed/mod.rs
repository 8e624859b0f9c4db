//! Files in and out: Skatteverket's, and the register's own exchange format.
//!
//! In: files of notifications in either of Navet's formats, packed or plain. Out: one
//! [`Post`](crate::register::post::Post) per notification in the register's terms, and a named
//! [`Rejected`](read::Rejected) for each one that cannot be understood; or, the other way, files
//! made of posts. [`letters`] tells how a file is written, [`bundle`] unpacks zip
//! archives. [`apply`] is the one loop by which a file's posts reach a register; [`inbox`] is
//! the folder that a register at work takes files from.
//!
//! Never here: a decision about what a post does to a person (the register's), a whole file in
//! memory, a file followed to another file (no DTD, no entity), a message that holds a value out of
//! a post.

pub mod apply;
mod assemble;
pub mod avisering;
pub mod bundle;
pub mod exchange;
pub mod failure;
pub mod file;
pub mod generate;
pub mod inbox;
pub mod letters;
pub mod packing;
mod pen;
pub mod read;
pub mod report;
mod tags;
pub mod termdata;
pub mod terms;
mod window;
pub mod write;

#[cfg(test)]
pub(crate) mod sample;
