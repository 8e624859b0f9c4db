//! What a person is, and who may see what.
//!
//! In: values from files and requests. Out: records as bytes, and masked [views](view::View) of
//! them. What can never happen here: an unmasked field leaving the room by anything but the
//! [editable form](edit::Person), which only the rooms that change records use (`tests/house.rs`
//! holds that).

pub mod counties;
pub mod edit;
pub mod field;
pub mod form;
pub mod format;
pub mod identity;
pub mod json;
pub mod keys;
pub mod record;
pub mod schema;
pub mod typed;
pub mod value;
pub mod view;
