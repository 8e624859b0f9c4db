//! The contracts as data, and what is made of them.
//!
//! In: requests as XML. Out: answers, faults, WSDL and XSD. What can never happen here: a name, an
//! order or a namespace that is not a row of the field table, of [`message`] or of [`contract`].

pub mod contract;
pub mod describe;
pub mod fault;
pub mod message;
pub mod plan;
pub mod recall;
pub mod render;
pub mod request;
pub mod soap;
