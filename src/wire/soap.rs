//! The contracts at work: a request's bytes in, an answer's bytes out. Every endpoint is compiled
//! from the tables once, when the service starts.

use std::collections::HashMap;

use bytes::Bytes;

use super::contract::{
    ENDPOINTS, Endpoint, Message, Operation, core_namespace, extension_namespace,
};
use super::disclosed::Disclosed;
use super::fault::{Refusal, Told, Trouble, tell};
use super::plan::Plan;
use super::recall::{Recall, Wish};
use super::render::{Buffer, RecordWriter, extension_prefix};
use super::request::{self, Ignore, Names, RequestError, Sink};
use super::search::Search;
use super::task::{GetPersons, PersonsPlaces, SearchPersons, SearchPlaces, Task};
use super::{result, update};
use crate::person::identity::{Formats, Identity};
use crate::person::record::Damaged;
use crate::person::schema::{Core, Extension};
use crate::person::value::escape_into;
use crate::person::view::{Grant, Profile, ProtectionRules};
use crate::query::lookup::{Follow, lookup, lookup_each};
use crate::query::work::Budget;
use crate::register::refusal;
use crate::store::state::State;

/// The contracts, compiled.
pub struct Soap {
    services: Vec<Service>,
    by_path: HashMap<String, usize>,
    writers: [RecordWriter; Core::ALL.len()],
    formats: Formats,
    /// The first is the service's own; it also answers to the others.
    logical_addresses: Vec<String>,
    rules: ProtectionRules,
}

/// One compiled endpoint.
pub struct Service {
    /// Its place in the table.
    pub number: usize,
    /// Its row in the table.
    pub endpoint: &'static Endpoint,
    /// Contract and major version, as the log and the audit tell it.
    pub name: String,
    soap_action: String,
    responder: String,
    request: Plan,
    reading: Reading,
    /// The answer up to its first element, and after its last.
    head: Vec<u8>,
    foot: Vec<u8>,
}

/// How an endpoint's requests are read.
enum Reading {
    Persons(PersonsPlaces),
    Search(SearchPlaces),
    Contact(update::Places),
    Change(update::Places),
    /// Checked, and then not served.
    Checked,
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

    /// Whom the answer tells of.
    pub const fn disclosed(&self) -> &Disclosed {
        &self.out.disclosed
    }

    /// Writes an answer in place of the last one; on trouble there is none.
    fn write(
        &mut self,
        write: impl FnOnce(&mut Buffer) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.out.clear();
        let written = write(&mut self.out);
        if written.is_err() {
            self.out.clear();
        }
        written
    }

    /// The answer, to be sent without a copy, and whom it tells of.
    pub fn lend_answer(&mut self) -> (Disclosed, Bytes) {
        (std::mem::take(&mut self.out.disclosed), self.out.lend())
    }

    /// Takes the room of a list back that has served.
    pub fn keep(&mut self, disclosed: Disclosed) {
        self.out.disclosed = disclosed;
    }
}

impl Soap {
    /// Compiles every endpoint.
    pub fn compile(
        formats: &Formats,
        logical_addresses: &[String],
        rules: ProtectionRules,
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
            logical_addresses: logical_addresses.to_vec(),
            rules,
        }
    }

    /// The endpoint at a path.
    pub fn find(&self, path: &str) -> Option<&Service> {
        self.services.get(*self.by_path.get(path)?)
    }

    /// The service's own logical address.
    pub fn logical_address(&self) -> &str {
        self.logical_addresses.first().map_or("", String::as_str)
    }

    /// Every endpoint, in the order of their numbers.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// Reads a call, up to the point where it needs a state. Answers with the logical address that it
    /// was sent to, too.
    pub fn read(
        &self,
        service: &Service,
        call: Call<'_>,
        scratch: &mut Scratch,
    ) -> Result<(Task, &str), Trouble> {
        if call
            .soap_action
            .is_some_and(|it| !it.is_empty() && it != service.soap_action)
        {
            return Err(RequestError::WrongOperation.into());
        }
        let (task, address) = match &service.reading {
            Reading::Persons(places) => {
                let (wish, address) = self.wish(service, *places, call, &mut scratch.recall)?;
                (Task::Persons(wish), address)
            }
            Reading::Contact(places) => {
                let text = request::decode(call.body, call.charset)?;
                let mut reading = update::Reading::new(places, &self.formats);
                let address = self.check(service, &text, &mut reading)?;
                let refused = |error| Refusal::of_identity(1, error);
                let identity = reading.identity().map_err(refused)?;
                (Task::Contact(identity), address)
            }
            Reading::Change(places) => {
                let text = request::decode(call.body, call.charset)?;
                let mut reading = update::Reading::new(places, &self.formats);
                let address = self.check(service, &text, &mut reading)?;
                let wish = reading.wish(service.endpoint);
                let task = match wish.ok_or(Refusal::NotServed)? {
                    Ok(wish) => Task::Change(Box::new(wish)),
                    Err(refusal) => Task::Refused(refusal),
                };
                (task, address)
            }
            Reading::Search(places) => {
                let text = request::decode(call.body, call.charset)?;
                let mut reading = SearchPersons::new(*places);
                let address = self.check(service, &text, &mut reading)?;
                (Task::Search(reading.search(&self.formats)?), address)
            }
            Reading::Checked => {
                let text = request::decode(call.body, call.charset)?;
                self.check(service, &text, &mut Ignore)?;
                return Err(Refusal::NotServed.into());
            }
        };
        let address = self.logical_addresses.get(address);
        Ok((task, address.map_or("", String::as_str)))
    }

    /// Performs what was read on one state. On trouble, `scratch` holds no answer.
    pub fn perform(
        &self,
        service: &Service,
        state: &State,
        task: &Task,
        scratch: &mut Scratch,
    ) -> Result<(), Trouble> {
        self.perform_within(service, state, task, Budget::Whole, scratch)
    }

    /// Performs what was read, as [`Soap::perform`] does, as long as a search stays within a budget.
    pub fn perform_within(
        &self,
        service: &Service,
        state: &State,
        task: &Task,
        budget: Budget,
        scratch: &mut Scratch,
    ) -> Result<(), Trouble> {
        scratch.write(|out| match task {
            Task::Persons(wish) => Ok(self.get_persons(service, state, wish, out)?),
            Task::Search(search) => self.search_persons(service, state, (search, budget), out),
            Task::Contact(identity) => Ok(self.get_contact(service, state, *identity, out)?),
            Task::Refused(refusal) => self.result(service, state, &Err(*refusal), out),
            // A state does not change; whoever makes the next one calls `tell_change`.
            Task::Change(_) => Err(Refusal::NotServed.into()),
        })
    }

    /// The answer to a change that was made, or refused: `state` holds it, and `outcome` tells whom
    /// it was about. On trouble, `scratch` holds no answer.
    pub fn tell_change(
        &self,
        service: &Service,
        state: &State,
        outcome: &Result<Identity, refusal::Refusal>,
        scratch: &mut Scratch,
    ) -> Result<(), Trouble> {
        scratch.write(|out| self.result(service, state, outcome, out))
    }

    /// Reads a call and performs it at once.
    pub fn answer(
        &self,
        service: &Service,
        state: &State,
        call: Call<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Trouble> {
        let (task, _) = self.read(service, call, scratch)?;
        self.perform(service, state, &task, scratch)
    }

    /// What a caller is told of trouble; `log_id` names it in the log when it is ours.
    pub fn tell(&self, trouble: &Trouble, log_id: uuid::Uuid) -> Told {
        tell(trouble, self.logical_address(), log_id)
    }

    fn check<'x>(
        &self,
        service: &Service,
        text: &'x str,
        sink: &mut impl Sink<'x>,
    ) -> Result<usize, RequestError> {
        let core = service.endpoint.core;
        let names = Names {
            responder: &service.responder,
            core: core.map(core_namespace),
            extensions: core == Some(Core::V3),
        };
        request::read(text, &service.request, names, &self.logical_addresses, sink)
    }

    /// What a request for persons wishes, and the place of the address it was sent to: by its shape
    /// when that is known, else by reading it.
    fn wish(
        &self,
        service: &Service,
        places: PersonsPlaces,
        call: Call<'_>,
        recall: &mut Recall,
    ) -> Result<(Wish, usize), Trouble> {
        let (number, charset) = (service.number, call.charset);
        if let Some(known) = recall.find(number, charset, call.body, &self.formats) {
            return known.map_err(|place| Refusal::MalformedIdentity(place).into());
        }
        let text = request::decode(call.body, charset)?;
        let mut reading = GetPersons::new(places, &self.formats);
        let address = self.check(service, &text, &mut reading)?;
        let (wish, values) = reading.wish()?;
        recall.note((number, address), charset, call.body, &values, &wish);
        Ok((wish, address))
    }

    fn get_persons(
        &self,
        service: &Service,
        state: &State,
        wish: &Wish,
        out: &mut Buffer,
    ) -> Result<(), Damaged> {
        let grant = self.grant(service, wish.profile);
        let writer = self.writer(service);
        out.disclosed.asked.extend_from_slice(&wish.identities);
        out.push(&service.head);
        let found = lookup_each(state, &wish.identities, &grant, wish.follow);
        for (identity, view) in found {
            out.push(b"<r:requestedPersonRecord><p:requestedPersonalIdentity>");
            writer.write_identity(identity, out)?;
            out.push(b"</p:requestedPersonalIdentity>");
            if let Some(view) = view? {
                out.push(b"<p:personRecord>");
                writer.write(&view, out)?;
                out.push(b"</p:personRecord>");
            }
            out.push(b"</r:requestedPersonRecord>");
        }
        out.push(&service.foot);
        Ok(())
    }

    /// Each hit is its own record: a search follows no links.
    fn search_persons(
        &self,
        service: &Service,
        state: &State,
        (search, budget): (&Search, Budget),
        out: &mut Buffer,
    ) -> Result<(), Trouble> {
        let found = search.perform(state, &self.grant(service, search.profile), budget)?;
        let writer = self.writer(service);
        out.push(&service.head);
        for view in &found.hits {
            out.push(b"<r:personRecord>");
            writer.write(view, out)?;
            out.push(b"</r:personRecord>");
        }
        out.push(&service.foot);
        Ok(())
    }

    fn get_contact(
        &self,
        service: &Service,
        state: &State,
        identity: Identity,
        out: &mut Buffer,
    ) -> Result<(), Damaged> {
        let grant = self.grant(service, Profile::P3);
        out.disclosed.asked.push(identity);
        out.push(&service.head);
        let view = lookup(state, identity, &grant, Follow::Nothing)?;
        if let Some(view) = &view {
            out.push(b"<r:contactInformationRecord>");
            self.writer(service).write_contact(view, out)?;
            out.push(b"</r:contactInformationRecord>");
        }
        out.push(&service.foot);
        Ok(())
    }

    /// A result, with the record it was about when there is one to show.
    fn result(
        &self,
        service: &Service,
        state: &State,
        outcome: &Result<Identity, refusal::Refusal>,
        out: &mut Buffer,
    ) -> Result<(), Trouble> {
        if let Err(refusal::Refusal::Damaged(damaged)) = outcome {
            return Err((*damaged).into());
        }
        out.disclosed.is_refusal = outcome.is_err();
        let operation = service.endpoint.operation;
        let bare = matches!(operation, Operation::Link | Operation::Unlink);
        let element = service.endpoint.response.rows[0].name.as_bytes();
        out.push(&service.head);
        for piece in [b"<r:", element, b">"] {
            out.push(piece);
        }
        if !bare {
            out.push(b"<p:result>");
        }
        match outcome {
            Ok(_) => out.push(b"<p:resultCode>OK</p:resultCode>"),
            Err(refusal) => {
                let mut text = Vec::new();
                escape_into(&mut text, &result::text(*refusal));
                out.push(b"<p:resultCode>ERROR</p:resultCode><p:resultText>");
                out.push(&text);
                out.push(b"</p:resultText>");
            }
        }
        if !bare {
            out.push(b"</p:result>");
        }
        if let (Ok(subject), false) = (outcome, bare) {
            self.changed_record(service, state, *subject, out)?;
        }
        for piece in [b"</r:", element, b">"] {
            out.push(piece);
        }
        out.push(&service.foot);
        Ok(())
    }

    /// The record that a change was about, as its contract shows it.
    fn changed_record(
        &self,
        service: &Service,
        state: &State,
        subject: Identity,
        out: &mut Buffer,
    ) -> Result<(), Damaged> {
        let of_contact = service.endpoint.operation == Operation::UpdateContactInformation;
        let profile = if of_contact { Profile::P3 } else { Profile::P5 };
        let grant = self.grant(service, profile);
        let Some(view) = lookup(state, subject, &grant, Follow::Nothing)? else {
            return Ok(());
        };
        if of_contact {
            out.push(b"<p:contactInformationRecord>");
            self.writer(service).write_contact(&view, out)?;
            out.push(b"</p:contactInformationRecord>");
        } else {
            out.push(b"<p:personRecord>");
            self.writer(service).write(&view, out)?;
            out.push(b"</p:personRecord>");
        }
        Ok(())
    }

    /// Whether performing a task may take longer than a moment.
    pub fn is_wide(&self, service: &Service, state: &State, task: &Task) -> bool {
        match task {
            Task::Search(search) => search.is_wide(state, &self.grant(service, search.profile)),
            _ => false,
        }
    }

    #[inline]
    const fn grant(&self, service: &Service, profile: Profile) -> Grant {
        if service.endpoint.unrestricted {
            Grant::unrestricted(profile)
        } else {
            Grant::restricted(profile, self.rules)
        }
    }

    #[inline]
    fn writer(&self, service: &Service) -> &RecordWriter {
        &self.writers[service.endpoint.rows_of() as usize]
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
        let request = Plan::compile(endpoint.contract, endpoint.request, endpoint.core);
        Self {
            number,
            endpoint,
            name: format!("{}/{}", endpoint.contract, endpoint.major),
            soap_action: endpoint.soap_action(),
            reading: match endpoint.operation {
                Operation::GetPersons => Reading::Persons(PersonsPlaces::find(&request)),
                Operation::SearchPersons => Reading::Search(SearchPlaces::find(&request)),
                Operation::GetContactInformation => {
                    Reading::Contact(update::Places::find(&request))
                }
                Operation::UpdatePerson
                | Operation::UpdateContactInformation
                | Operation::Link
                | Operation::Unlink => Reading::Change(update::Places::find(&request)),
                Operation::SearchPersonsByOrder | Operation::GetFiles => Reading::Checked,
            },
            request,
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
