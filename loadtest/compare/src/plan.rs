//! What loading leaves behind for measuring: whom to ask for, what to expect, what it all weighs.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::request::Digits;

/// Persons in a batch.
pub const BATCH: usize = 500;

/// The file of one person's answer: what bare hyper and nginx give.
pub const ONE: &str = "one.xml";
/// The file of a batch's answer.
pub const MANY: &str = "many.xml";

const IDENTITIES: &str = "identities";
const LOADED: &str = "loaded.json";

/// What was loaded, and what it takes.
#[derive(Serialize, Deserialize)]
pub struct Loaded {
    /// Persons in the register.
    pub register: u64,
    /// Persons whom every peer holds.
    pub documents: u64,
    /// Bytes of a person's answer, on average.
    pub answer_bytes: u64,
    /// Bytes of a person's JSON document, on average.
    pub document_bytes: u64,
    /// Bytes a person, by who holds it.
    pub bytes_a_person: Vec<(String, f64)>,
    /// Seconds it took.
    pub seconds: f64,
}

/// Writes down what was loaded.
pub fn write(folder: &Path, loaded: &Loaded, identities: &[Digits]) -> Result<(), Failure> {
    std::fs::write(folder.join(IDENTITIES), identities.concat())?;
    Ok(std::fs::write(
        folder.join(LOADED),
        serde_json::to_vec(loaded)?,
    )?)
}

/// Reads what was loaded.
pub fn read(folder: &Path) -> Result<(Loaded, Vec<Digits>), Failure> {
    let loaded = serde_json::from_slice(&std::fs::read(folder.join(LOADED))?)?;
    let bytes = std::fs::read(folder.join(IDENTITIES))?;
    let (identities, _) = bytes.as_chunks();
    Ok((loaded, identities.to_vec()))
}
