//! The contracts at work: a request's bytes in, an answer's bytes out. Every endpoint is compiled
//! from the tables once, when the service starts.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;

use super::contract::{
    ENDPOINTS, Endpoint, Message, Operation, core_namespace, extension_namespace,
};
use super::fault::{Fault, Refusal};
use super::plan::Plan;
use super::recall::{Recall, Wish};
use super::render::{Buffer, RecordWriter, extension_prefix};
use super::request::{self, Ignore, Names, RequestError, Sink};
use crate::base::limits;
use crate::person::identity::{Formats, Identity, IdentityError};
use crate::person::record::Damaged;
use crate::person::schema::{Core, Extension};
use crate::person::view::{Grant, PopulationRecordRule, Profile};
use crate::query::lookup::{Follow, lookup};
use crate::store::state::State;

/// The contracts, compiled.
pub struct Soap {
    services: Vec<Service>,
    by_path: HashMap<String, usize>,
    writers: [RecordWriter; Core::ALL.len()],
    formats: Formats,
    logical_address: String,
    population_record: PopulationRecordRule,
}

/// One compiled endpoint.
pub struct Service {
    /// Its place in the table.
    pub number: usize,
    /// Its row in the table.
    pub endpoint: &'static Endpoint,
    soap_action: String,
    responder: String,
    request: Plan,
    /// The answer up to its first element, and after its last.
    head: Vec<u8>,
    foot: Vec<u8>,
}

/// A request as it came in.
#[derive(Clone, Copy)]
pub struct Call<'b> {
    /// The body.
    pub body: &'b [u8],
    /// The charset of the content type.
    pub charset: Option<&'b str>,
    /// The SOAPAction header, without quotation marks.
    pub soap_action: Option<&'b str>,
}

/// What a thread keeps from call to call: room for the answer, and the shapes of requests.
#[derive(Default)]
pub struct Scratch {
    out: Buffer,
    recall: Recall,
}

impl Scratch {
    /// Forgets the shapes of requests, for those who measure what reading costs.
    pub fn forget_shapes(&mut self) {
        self.recall = Recall::default();
    }

    /// The answer.
    pub fn answer(&self) -> &[u8] {
        self.out.written()
    }

    /// The answer, to be sent without a copy.
    pub fn lend_answer(&mut self) -> Bytes {
        self.out.lend()
    }
}

/// What an answer holds, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered {
    /// Identities asked for.
    pub asked: usize,
    /// Records in the answer.
    pub found: usize,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The request could not be read.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The request is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The register is damaged.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl Soap {
    /// Compiles every endpoint.
    pub fn compile(
        formats: &Formats,
        logical_address: &str,
        population_record: PopulationRecordRule,
    ) -> Self {
        let services: Vec<Service> = ENDPOINTS
            .iter()
            .enumerate()
            .map(|(number, endpoint)| Service::compile(number, endpoint))
            .collect();
        let paths = services.iter().map(|service| service.endpoint.path());
        Self {
            by_path: paths.zip(0..).collect(),
            services,
            writers: Core::ALL.map(|core| RecordWriter::compile(core, formats)),
            formats: formats.clone(),
            logical_address: logical_address.to_owned(),
            population_record,
        }
    }

    /// The endpoint at a path.
    pub fn find(&self, path: &str) -> Option<&Service> {
        self.services.get(*self.by_path.get(path)?)
    }

    /// The logical address that requests must carry.
    pub fn logical_address(&self) -> &str {
        &self.logical_address
    }

    /// Every endpoint, in the order of their numbers.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// Answers a call from one state. On trouble, `scratch` holds no answer.
    pub fn answer(
        &self,
        service: &Service,
        state: &State,
        call: Call<'_>,
        scratch: &mut Scratch,
    ) -> Result<Answered, Trouble> {
        scratch.out.clear();
        if call
            .soap_action
            .is_some_and(|it| !it.is_empty() && it != service.soap_action)
        {
            return Err(RequestError::WrongOperation.into());
        }
        if service.endpoint.operation == Operation::GetPersons {
            let wish = self.wish(service, call, &mut scratch.recall)?;
            return Ok(self.get_persons(service, state, &wish, &mut scratch.out)?);
        }
        self.read(
            service,
            &request::decode(call.body, call.charset)?,
            &mut Ignore,
        )?;
        Err(Refusal::NotServed.into())
    }

    /// The fault that tells a caller of trouble; `log_id` names it in the log when it is ours.
    pub fn fault(&self, trouble: &Trouble, log_id: uuid::Uuid) -> Fault {
        match trouble {
            Trouble::Request(error) => Fault::of_request(error, &self.logical_address),
            Trouble::Refused(refusal) => Fault::from(*refusal),
            Trouble::Damaged(Damaged) => Fault::technical(log_id),
        }
    }

    fn read<'x>(
        &self,
        service: &Service,
        text: &'x str,
        sink: &mut impl Sink<'x>,
    ) -> Result<(), RequestError> {
        let core = service.endpoint.core;
        let names = Names {
            responder: &service.responder,
            core: core.map(core_namespace),
            extensions: core == Some(Core::V3),
        };
        request::read(text, &service.request, names, &self.logical_address, sink)
    }

    /// What a request for persons wishes: by its shape when that is known, else by reading it.
    fn wish(
        &self,
        service: &Service,
        call: Call<'_>,
        recall: &mut Recall,
    ) -> Result<Wish, Trouble> {
        let (number, charset) = (service.number, call.charset);
        if let Some(known) = recall.find(number, charset, call.body, &self.formats) {
            return known.map_err(|place| Refusal::MalformedIdentity(place).into());
        }
        let text = request::decode(call.body, charset)?;
        let mut reading = GetPersons::new(&service.request, &self.formats);
        self.read(service, &text, &mut reading)?;
        let (wish, values) = reading.wish()?;
        recall.note(number, charset, call.body, &values, &wish);
        Ok(wish)
    }

    fn get_persons(
        &self,
        service: &Service,
        state: &State,
        wish: &Wish,
        out: &mut Buffer,
    ) -> Result<Answered, Damaged> {
        let grant = if service.endpoint.unrestricted {
            Grant::unrestricted(wish.profile)
        } else {
            Grant::restricted(wish.profile, self.population_record)
        };
        let writer = &self.writers[service.endpoint.rows_of() as usize];
        let mut found = 0;
        out.push(&service.head);
        for &identity in &wish.identities {
            out.push(b"<r:requestedPersonRecord><p:requestedPersonalIdentity>");
            writer.write_identity(identity, out)?;
            out.push(b"</p:requestedPersonalIdentity>");
            if let Some(view) = lookup(state, identity, &grant, wish.follow)? {
                out.push(b"<p:personRecord>");
                writer.write(&view, out)?;
                out.push(b"</p:personRecord>");
                found += 1;
            }
            out.push(b"</r:requestedPersonRecord>");
        }
        out.push(&service.foot);
        Ok(Answered {
            asked: wish.identities.len(),
            found,
        })
    }
}

impl Service {
    fn compile(number: usize, endpoint: &'static Endpoint) -> Self {
        let responder = endpoint.responder_namespace();
        let answer = endpoint.element(Message::Response);
        let mut namespaces = format!(" xmlns:r=\"{responder}\"");
        if let Some(core) = endpoint.core {
            namespaces += &format!(" xmlns:p=\"{}\"", core_namespace(core));
        }
        if endpoint.core == Some(Core::V3) {
            for extension in Extension::ALL {
                let (prefix, uri) = (extension_prefix(extension), extension_namespace(extension));
                namespaces += &format!(" xmlns:{prefix}=\"{uri}\"");
            }
        }
        Self {
            number,
            endpoint,
            soap_action: endpoint.soap_action(),
            request: Plan::compile(endpoint.contract, endpoint.request, endpoint.core),
            head: format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
                 <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\">\
                 <soapenv:Body><r:{answer}{namespaces}>"
            )
            .into_bytes(),
            foot: format!("</r:{answer}></soapenv:Body></soapenv:Envelope>").into_bytes(),
            responder,
        }
    }
}

/// A GetPersonsForProfile request, as it is read.
struct GetPersons<'x, 'f> {
    places: Places,
    formats: &'f Formats,
    root: Cow<'x, str>,
    extension: Cow<'x, str>,
    profile: Option<Profile>,
    follow: Follow,
    identities: Vec<Identity>,
    /// The identities' values where they stand in the text; empty where they do not stand whole.
    values: Vec<&'x str>,
    /// How many identities have been named, right or wrong.
    named: usize,
    refusal: Option<Refusal>,
}

struct Places {
    identity: Option<usize>,
    root: Option<usize>,
    extension: Option<usize>,
    profile: Option<usize>,
    ignore_referred: Option<usize>,
}

impl<'x, 'f> GetPersons<'x, 'f> {
    fn new(plan: &Plan, formats: &'f Formats) -> Self {
        let places = Places {
            identity: plan.at("personId"),
            root: plan.at("personId/root"),
            extension: plan.at("personId/extension"),
            profile: plan.at("profile"),
            ignore_referred: plan.at("ignoreReferredIdentity"),
        };
        Self {
            places,
            formats,
            root: Cow::Borrowed(""),
            extension: Cow::Borrowed(""),
            profile: None,
            follow: Follow::MainIdentity,
            identities: Vec::with_capacity(4),
            values: Vec::with_capacity(4),
            named: 0,
            refusal: None,
        }
    }

    fn wish(self) -> Result<(Wish, Vec<&'x str>), Refusal> {
        if self.named > limits::IDENTITIES_PER_REQUEST {
            return Err(Refusal::TooManyIdentities);
        }
        let profile = self.profile.ok_or(Refusal::ReservedProfile)?;
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let (identities, follow) = (self.identities, self.follow);
        Ok((
            Wish {
                identities,
                profile,
                follow,
            },
            self.values,
        ))
    }
}

impl<'x> Sink<'x> for GetPersons<'x, '_> {
    fn value(&mut self, place: usize, text: Cow<'x, str>) {
        let place = Some(place);
        if place == self.places.root {
            self.root = text;
        } else if place == self.places.extension {
            self.extension = text;
        } else if place == self.places.profile {
            self.profile = Profile::parse(&text);
        } else if place == self.places.ignore_referred && matches!(text.trim(), "true" | "1") {
            self.follow = Follow::Nothing;
        }
    }

    fn close(&mut self, place: usize) {
        if Some(place) != self.places.identity {
            return;
        }
        self.named += 1;
        let extension = std::mem::take(&mut self.extension);
        if self.named > limits::IDENTITIES_PER_REQUEST || self.refusal.is_some() {
            return;
        }
        match self.formats.parse(&self.root, &extension) {
            Ok(identity) => {
                self.identities.push(identity);
                self.values.push(match extension {
                    Cow::Borrowed(value) => value,
                    Cow::Owned(_) => "",
                });
            }
            Err(IdentityError::UnknownRoot) => {
                self.refusal = Some(Refusal::UnknownRoot(self.named));
            }
            Err(_) => self.refusal = Some(Refusal::MalformedIdentity(self.named)),
        }
    }
}
