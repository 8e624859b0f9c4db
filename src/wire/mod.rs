//! The contracts as data, and what is made of them.
//!
//! In: requests as XML, or as parameters and JSON. Out: answers, faults and problems, WSDL, XSD and
//! OpenAPI. What can never happen here: a name, an
//! order or a namespace that is not a row of the field table, of [`message`] or of [`contract`].

mod body;
pub mod changes;
pub mod contract;
pub mod describe;
pub mod disclosed;
pub mod fault;
pub mod history;
pub mod message;
pub mod multipart;
pub mod openapi;
pub mod parameters;
pub mod plan;
pub mod recall;
pub mod render;
pub mod request;
pub mod reserve;
pub mod rest;
pub mod result;
pub mod route;
pub mod search;
pub mod soap;
pub mod task;
pub mod update;
