//! `pu get`: one lookup from the command line, through the same door as a SOAP request.

use std::io::Write;
use std::sync::Arc;

use clap::Args;

use super::{Common, Failure};
use crate::person::identity::{Formats, Identity};
use crate::person::json;
use crate::person::view::{Grant, Profile};
use crate::query::lookup::{Follow, lookup};
use crate::store::state::{State, open_newest};
use crate::wire::contract::{Endpoint, Message, core_namespace, find};
use crate::wire::soap::{Call, Scratch, Soap};

/// Look persons up in a register that need not be served.
#[derive(Args)]
pub struct Get {
    /// Identities: 12 characters, or ROOT:EXTENSION
    #[arg(required = true, value_name = "ID")]
    identities: Vec<String>,
    /// Profile: P1 to P5
    #[arg(long, default_value = "P3")]
    profile: String,
    /// Contract version: 3, 4 or 5
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(3..=5))]
    version: u8,
    /// As the Unrestricted contract: protected persons in full
    #[arg(long)]
    unrestricted: bool,
    /// The identity's own record, also when it is linked to a main identity
    #[arg(long)]
    ignore_referred_identity: bool,
    /// JSON, one person a line, instead of the SOAP answer
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

impl Get {
    pub fn run(self) -> Result<(), Failure> {
        let config = self.common.config()?;
        let formats = config.formats()?;
        let snapshot = open_newest(&config.data, &formats)?
            .ok_or_else(|| format!("there is no register in {}", config.data.display()))?;
        let state = State::of_snapshot(Arc::new(snapshot));
        let identities = self
            .identities
            .iter()
            .enumerate()
            .map(|(place, text)| {
                identity(text, &formats).map_err(|why| format!("identity {}: {why}", place + 1))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let profile = Profile::parse(&self.profile).ok_or("the profile is P1, P2, P3, P4 or P5")?;
        let rule = config.protection.population_record;
        let mut out = std::io::stdout().lock();
        if self.json {
            let grant = if self.unrestricted {
                Grant::unrestricted(profile)
            } else {
                Grant::restricted(profile, rule)
            };
            let follow = if self.ignore_referred_identity {
                Follow::Nothing
            } else {
                Follow::MainIdentity
            };
            for identity in identities {
                let mut line = Vec::new();
                match lookup(&state, identity, &grant, follow)? {
                    Some(view) => json::write(&view, &formats, &mut line)?,
                    None => line.extend_from_slice(b"null"),
                }
                line.push(b'\n');
                out.write_all(&line)?;
            }
            return Ok(());
        }
        let soap = Soap::compile(&formats, &config.logical_address, rule);
        let contract = if self.unrestricted {
            "GetPersonsForProfileUnrestricted"
        } else {
            "GetPersonsForProfile"
        };
        let endpoint = find(contract, self.version).ok_or("the version is 3, 4 or 5")?;
        let service = soap
            .find(&endpoint.path())
            .ok_or("the version is 3, 4 or 5")?;
        let request = self.request(endpoint, &identities, &formats, &config.logical_address);
        let mut scratch = Scratch::default();
        let call = Call {
            body: request.as_bytes(),
            charset: None,
            soap_action: None,
        };
        soap.answer(service, &state, call, &mut scratch)?;
        out.write_all(scratch.answer())?;
        writeln!(out)?;
        Ok(())
    }

    fn request(
        &self,
        endpoint: &Endpoint,
        identities: &[Identity],
        formats: &Formats,
        logical_address: &str,
    ) -> String {
        let name = endpoint.element(Message::Request);
        let responder = endpoint.responder_namespace();
        let core = endpoint.core.map_or("", core_namespace);
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
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header>\
             <l:LogicalAddress xmlns:l=\"urn:riv:itintegration:registry:1\">{logical_address}\
             </l:LogicalAddress></s:Header><s:Body><r:{name} xmlns:r=\"{responder}\" \
             xmlns:p=\"{core}\">{ids}<r:profile>{profile}</r:profile><r:ignoreReferredIdentity>\
             {ignore}</r:ignoreReferredIdentity></r:{name}></s:Body></s:Envelope>"
        )
    }
}

/// `ROOT:EXTENSION`, or a value whose format tells the root.
fn identity(text: &str, formats: &Formats) -> Result<Identity, Failure> {
    let identity = match text.split_once(':') {
        Some((root, extension)) => formats.parse(root, extension)?,
        None => formats.guess(text)?,
    };
    Ok(identity)
}
