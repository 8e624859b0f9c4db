//! `pu wsdl`: writes the contract packages.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::person::schema::Core;
use crate::wire::describe::{package_name, write_packages};

/// Write the contract packages of domain versions 3, 4 and 5, in the RIV-TA layout.
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
        Ok(())
    }
}
