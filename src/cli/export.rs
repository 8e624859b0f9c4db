//! `pu export`: the register as an exchange file: backup, and the way to another format version.

use std::path::{Path, PathBuf};

use clap::Args;

use super::out::say;
use super::record::{SHOWN, record};
use super::{Common, Failure, no_register, progress};
use crate::access::audit::Entry;
use crate::base::time::Moment;
use crate::feed::exchange::{Header, Writer};
use crate::person::counties::Counties;
use crate::person::view::{Grant, Shield, restrict};
use crate::store::state;
use crate::wire::disclosed::Disclosed;

/// Write the register as NDJSON: every person, every field, protected or not.
///
/// The file holds protected persons in full: keep it as you keep the register. With --counties it
/// holds those who are registered in them, and nobody who is registered nowhere.
#[derive(Args)]
pub struct Export {
    /// File to write; .gz and .zst are packed; - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only persons registered in these counties: two digits each
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    counties: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// What the record says of an export before its first person is written.
const BEGUN: &str = "begun";

impl Export {
    pub fn run(self) -> Result<(), Failure> {
        let counties = match self.counties.as_slice() {
            [] => Counties::ALL,
            codes => Counties::parse(codes).ok_or("a county is two digits")?,
        };
        let config = self.common.standing()?;
        let formats = config.formats()?;
        let state =
            state::open(&config.data, &formats)?.ok_or_else(|| no_register(&config.data))?;
        let header = Header::new(Moment::now().date_time, state.sequence(), &formats);
        let mut asked = match self.counties.as_slice() {
            [] => "every person".to_owned(),
            codes => format!("persons of the counties {}", codes.join(",")),
        };
        let noted = |query: &str, answer| {
            let entry = Entry {
                unrestricted: true,
                query: Some(query),
                ..Entry::new("cli/export", answer)
            };
            record(&config, &Disclosed::default(), entry)
        };
        noted(&asked, BEGUN)?;
        let mut writer = Writer::create(&self.out, &header, formats)?;
        let bar = progress::bar("exporting", state.persons(), "persons");
        let everything = Grant::backup();
        for record in state.records() {
            let view = restrict(record?, &everything, Shield::NONE);
            if counties.have(&view)? {
                writer.write(&view)?;
            }
            bar.inc(1);
        }
        let persons = writer.finish()?;
        bar.finish_and_clear();
        asked += &format!(": {persons} written");
        noted(&asked, SHOWN)?;
        if self.out != Path::new("-") {
            say!("{}: {persons} persons", self.out.display())?;
        }
        Ok(())
    }
}
