//! `pu get`: one lookup from the command line, through the same door as a SOAP request.

use std::io::{IsTerminal as _, Write};

use clap::{Args, ValueEnum};

use super::record::{SHOWN, record};
use super::register::Register;
use super::{Common, Failure, table};
use crate::access::audit::Entry;
use crate::person::identity::{Formats, Identity};
use crate::person::json;
use crate::person::view::Profile;
use crate::query::lookup::{Follow, lookup};
use crate::wire::disclosed::Disclosed;

/// The contract version that is meant when none is named.
const NEWEST: u8 = 5;

/// Look persons up in a register that need not be served.
#[derive(Args)]
pub struct Get {
    /// Identities: 12 characters, ten digits (YYMMDD-NNNN), or ROOT:EXTENSION
    #[arg(required = true, value_name = "ID")]
    identities: Vec<String>,
    /// Profile: P1 to P5
    #[arg(long, default_value = "P3")]
    profile: String,
    /// Contract version of the SOAP answer: 3, 4 or 5 [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u8).range(3..=5))]
    version: Option<u8>,
    /// As the Unrestricted contract: protected persons in full
    #[arg(long)]
    unrestricted: bool,
    /// The identity's own record, also when it is linked to a main identity
    #[arg(long)]
    ignore_referred_identity: bool,
    /// How persons are shown [default: table on a terminal, else xml]
    #[arg(long, value_name = "FORM")]
    format: Option<Form>,
    /// As --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    common: Common,
}

/// How persons are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people: names and values
    Table,
    /// The SOAP answer
    Xml,
    /// One person a line
    Json,
}

impl Get {
    /// How to show persons: as asked for, else as it suits who reads. Whoever names a version wants
    /// the answer that has one.
    fn form(&self, is_terminal: bool) -> Form {
        match self.format {
            Some(form) => form,
            None if self.json => Form::Json,
            None if is_terminal && self.version.is_none() => Form::Table,
            None => Form::Xml,
        }
    }

    pub fn run(self) -> Result<(), Failure> {
        let register = Register::open(&self.common)?;
        self.ask(&register)
            .map_err(|failure| register.told(failure))
    }

    fn ask(&self, register: &Register) -> Result<(), Failure> {
        let formats = &register.formats;
        let identities = self
            .identities
            .iter()
            .enumerate()
            .map(|(place, text)| {
                register
                    .identity(text)
                    .map_err(|why| format!("identity {}: {why}", place + 1))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let profile = Profile::parse(&self.profile).ok_or("the profile is P1, P2, P3, P4 or P5")?;
        let asked = identities.clone();
        let mut out = std::io::stdout().lock();
        let form = self.form(out.is_terminal());
        if form != Form::Xml {
            let grant = register.grant(profile, self.unrestricted);
            let follow = if self.ignore_referred_identity {
                Follow::Nothing
            } else {
                Follow::MainIdentity
            };
            let mut disclosed = Disclosed::default();
            let mut lines = Vec::new();
            for identity in identities {
                disclosed.asked.push(identity);
                match lookup(&register.state, identity, &grant, follow)? {
                    Some(view) => {
                        disclosed.show(&view);
                        match form {
                            Form::Table => table::write(&view, formats, &mut lines)?,
                            _ => json::write(&view, formats, &mut lines)?,
                        }
                        lines.push(b'\n');
                    }
                    None if form == Form::Json => lines.extend_from_slice(b"null\n"),
                    // Who is missing is told at the end, by place.
                    None => {}
                }
            }
            record(&register.config, &disclosed, self.entry(profile, SHOWN))?;
            out.write_all(&lines)?;
            return self.unknown(register, &asked, profile);
        }
        let answered = register.soap(
            "GetPersonsForProfile",
            self.unrestricted,
            self.version.unwrap_or(NEWEST),
            &self.message(&identities, formats),
        )?;
        let (disclosed, answer) = match answered {
            Ok(answered) => answered,
            Err(trouble) => {
                let asked = Disclosed {
                    asked: identities,
                    ..Disclosed::default()
                };
                let entry = self.entry(profile, trouble.kind().name);
                record(&register.config, &asked, entry)?;
                return Err(trouble.into());
            }
        };
        record(&register.config, &disclosed, self.entry(profile, SHOWN))?;
        out.write_all(&answer)?;
        writeln!(out)?;
        self.unknown(register, &asked, profile)
    }

    /// Fails when there is no such person, by the places of the identities that were given.
    fn unknown(
        &self,
        register: &Register,
        asked: &[Identity],
        profile: Profile,
    ) -> Result<(), Failure> {
        let grant = register.grant(profile, self.unrestricted);
        let mut places = Vec::new();
        for (place, &identity) in asked.iter().enumerate() {
            if lookup(&register.state, identity, &grant, Follow::Nothing)?.is_none() {
                places.push((place + 1).to_string());
            }
        }
        match places.as_slice() {
            [] => Ok(()),
            [one] => Err(format!("identity {one}: there is no such person").into()),
            many => {
                Err(format!("identities {}: there are no such persons", many.join(", ")).into())
            }
        }
    }

    /// What is recorded of it.
    fn entry(&self, profile: Profile, answer: &'static str) -> Entry<'static> {
        Entry {
            profile: Some(profile),
            unrestricted: self.unrestricted,
            ..Entry::new("cli/get", answer)
        }
    }

    /// What stands in the request's element.
    fn message(&self, identities: &[Identity], formats: &Formats) -> String {
        let ids: String = identities
            .iter()
            .filter_map(|&identity| formats.root(identity).zip(formats.text(identity)))
            .map(|(root, text)| {
                let text = text.as_str();
                format!("<r:personId><p:root>{root}</p:root><p:extension>{text}</p:extension></r:personId>")
            })
            .collect();
        let (profile, ignore) = (&self.profile, self.ignore_referred_identity);
        format!(
            "{ids}<r:profile>{profile}</r:profile>\
             <r:ignoreReferredIdentity>{ignore}</r:ignoreReferredIdentity>"
        )
    }
}
