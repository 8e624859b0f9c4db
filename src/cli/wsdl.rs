//! `pu wsdl`: writes the contract packages, and the description of the REST interface.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::base::files;
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
        write_packages(&self.out)?;
        for domain in Core::ALL {
            println!("{}", self.out.join(package_name(domain)).display());
        }
        let path = self.out.join("openapi.json");
        let document = serde_json::to_string_pretty(&openapi::document())?;
        files::write(&path, document + "\n")?;
        println!("{}", path.display());
        Ok(())
    }
}
