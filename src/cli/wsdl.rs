//! `pu wsdl`: writes the contract packages.

use crate::wire::describe::{WriteError, write_packages};
use std::path::Path;

/// Writes the package of every domain version below `out`.
pub fn run(out: &Path) -> Result<(), WriteError> {
    write_packages(out)
}
