//! SOAP messages, written as a client library writes them.

use std::fmt::Write;

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{Method, Uri};
use pu::person::identity::Identity;
use pu::wire::contract::{Endpoint, LOGICAL_ADDRESS_NATIONAL, REGISTRY_NAMESPACE, find};

use super::{About, AskError, Asked};
use crate::answer::Expected;
use crate::sample::Sample;

/// Writes messages of one contract in one version.
pub struct Writer {
    uri: Uri,
    head: String,
    foot: String,
}

impl Writer {
    /// For the contract of this name and version.
    pub fn new(contract: &str, major: u8) -> Result<Self, AskError> {
        let endpoint: &Endpoint =
            find(contract, major).ok_or_else(|| AskError::Contract(contract.to_owned(), major))?;
        Ok(Self {
            uri: endpoint.path().parse()?,
            head: format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
                 xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                 xmlns:itr=\"{REGISTRY_NAMESPACE}\" xmlns:r=\"{}\" xmlns:p=\"{}\">\
                 <soapenv:Header><itr:LogicalAddress>{LOGICAL_ADDRESS_NATIONAL}\
                 </itr:LogicalAddress></soapenv:Header><soapenv:Body><r:{contract}>",
                endpoint.responder_namespace(),
                endpoint.types_namespace(),
            ),
            foot: format!("</r:{contract}></soapenv:Body></soapenv:Envelope>"),
        })
    }

    /// A request around what `inside` writes.
    pub fn request(&self, expected: Expected, inside: impl FnOnce(&mut String)) -> Asked {
        let mut body = String::with_capacity(self.head.len() + self.foot.len() + 512);
        body.push_str(&self.head);
        inside(&mut body);
        body.push_str(&self.foot);
        Asked {
            method: Method::POST,
            uri: self.uri.clone(),
            content: Some(HeaderValue::from_static("text/xml; charset=UTF-8")),
            body: Bytes::from(body),
            expected,
            step: 0,
            about: About::Nothing,
        }
    }
}

/// Writes an identity.
pub fn identity(out: &mut String, element: &str, sample: &Sample, identity: Identity) {
    let (root, text) = sample.written(identity);
    // Writing into a string cannot fail.
    let _ = write!(
        out,
        "<r:{element}><p:root>{root}</p:root><p:extension>{}</p:extension></r:{element}>",
        text.as_str()
    );
}

/// Writes what ends a request for persons.
pub fn whole_person(out: &mut String, profile: &str) {
    let _ = write!(
        out,
        "<r:profile>{profile}</r:profile>\
         <r:ignoreReferredIdentity>false</r:ignoreReferredIdentity>"
    );
}

/// Writes a search in SimpleQL, whose signs must not be taken for tags.
pub fn search(out: &mut String, query: &str, profile: &str) {
    out.push_str("<r:query>");
    for sign in query.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            sign => out.push(sign),
        }
    }
    let _ = write!(
        out,
        "</r:query><r:queryLanguage>SimpleQL</r:queryLanguage><r:profile>{profile}</r:profile>"
    );
}
