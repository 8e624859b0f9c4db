//! A register that need not be served, as `pu get` and `pu search` ask it: through the same door as
//! a SOAP request.

use super::config::Config;
use super::{Common, Failure, no_register};
use crate::person::identity::{Formats, Identity, IdentityError};
use crate::person::view::{Grant, Profile};
use crate::store::state::{self, State};
use crate::wire::contract::{Message, core_namespace, find};
use crate::wire::disclosed::Disclosed;
use crate::wire::fault::Trouble;
use crate::wire::soap::{Call, Scratch, Soap};

/// The newest state of a data folder, and how it is to be read.
pub struct Register {
    pub config: Config,
    pub formats: Formats,
    pub state: State,
}

impl Register {
    pub fn open(common: &Common) -> Result<Self, Failure> {
        let config = common.standing()?;
        let formats = config.formats()?;
        let state =
            state::open(&config.data, &formats)?.ok_or_else(|| no_register(&config.data))?;
        Ok(Self {
            config,
            formats,
            state,
        })
    }

    /// The identity that somebody typed: of what it can be, the one that the register has.
    pub fn identity(&self, text: &str) -> Result<Identity, Failure> {
        let readings = identities(text, &self.formats)?;
        let mut there = Vec::new();
        for &identity in &readings {
            if readings.len() == 1 || self.state.record(identity)?.is_some() {
                there.push(identity);
            }
        }
        match (there.as_slice(), readings.as_slice()) {
            ([one], _) => Ok(*one),
            ([], [likeliest, ..]) => Ok(*likeliest),
            _ => {
                let roots = there.iter().filter_map(|it| self.formats.root(*it));
                let roots = roots.collect::<Vec<_>>().join(", ");
                Err(format!("it is there under several roots, name one of {roots}: ROOT:ID").into())
            }
        }
    }

    /// What failed, and where the snapshot is damaged when that is why.
    pub fn told(&self, failure: Failure) -> Failure {
        match self.state.snapshot().what_is_damaged() {
            Some(damage) => format!("{failure}: {damage}").into(),
            None => failure,
        }
    }

    /// What a contract shows.
    pub const fn grant(&self, profile: Profile, unrestricted: bool) -> Grant {
        if unrestricted {
            Grant::unrestricted(profile)
        } else {
            Grant::restricted(profile, self.config.protection)
        }
    }

    /// The SOAP answer of a contract, or of its Unrestricted twin. `message` stands in the request's
    /// element, where `r` is the contract's namespace and `p` the core's.
    pub fn soap(
        &self,
        contract: &str,
        unrestricted: bool,
        version: u8,
        message: &str,
    ) -> Result<Result<(Disclosed, Vec<u8>), Trouble>, Failure> {
        const NO_VERSION: &str = "the version is 3, 4 or 5";
        let address = &self.config.logical_address;
        let rule = self.config.protection;
        let soap = Soap::compile(&self.formats, std::slice::from_ref(address), rule);
        let twin = if unrestricted { "Unrestricted" } else { "" };
        let endpoint = find(&format!("{contract}{twin}"), version).ok_or(NO_VERSION)?;
        let service = soap.find(&endpoint.path()).ok_or(NO_VERSION)?;
        let name = endpoint.element(Message::Request);
        let responder = endpoint.responder_namespace();
        let core = endpoint.core.map_or("", core_namespace);
        let request = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header>\
             <l:LogicalAddress xmlns:l=\"urn:riv:itintegration:registry:1\">{address}\
             </l:LogicalAddress></s:Header><s:Body><r:{name} xmlns:r=\"{responder}\" \
             xmlns:p=\"{core}\">{message}</r:{name}></s:Body></s:Envelope>"
        );
        let call = Call {
            body: request.as_bytes(),
            charset: None,
            soap_action: None,
        };
        let mut scratch = Scratch::default();
        let answered = soap.answer(service, &self.state, call, &mut scratch);
        Ok(answered.map(|()| (scratch.disclosed().clone(), scratch.answer().to_vec())))
    }
}

/// What an identity can be that somebody typed: `ROOT:EXTENSION`, or a value in any of its spellings.
pub fn identities(text: &str, formats: &Formats) -> Result<Vec<Identity>, IdentityError> {
    let readings = match text.split_once(':') {
        Some((root, extension)) => vec![formats.typed(root, extension)?],
        None => formats.readings(text),
    };
    if readings.is_empty() {
        return Err(IdentityError::Unclear);
    }
    Ok(readings)
}
