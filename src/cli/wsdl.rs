//! `pu wsdl`: writes the contract packages, and the description of the REST interface.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use super::out::{of_file, say};
use crate::base::files::{self, MadeFolder};
use crate::person::schema::Core;
use crate::wire::describe::{package_name, write_packages};
use crate::wire::openapi;

/// Write the contract packages of domain versions 3, 4 and 5, in the RIV-TA layout, and openapi.json.
#[derive(Args)]
pub struct Wsdl {
    /// Folder to write into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Wsdl {
    pub fn run(self) -> Result<(), Failure> {
        let made = MadeFolder::at(&self.out).map_err(|error| of_file(&self.out, error))?;
        write_packages(&self.out)?;
        for domain in Core::ALL {
            say!("{}", self.out.join(package_name(domain)).display())?;
        }
        let path = self.out.join("openapi.json");
        let document = serde_json::to_string_pretty(&openapi::document())?;
        files::put(&path, document + "\n").map_err(|error| of_file(&path, error))?;
        made.keep();
        say!("{}", path.display())?;
        Ok(())
    }
}
