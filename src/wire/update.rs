//! Updating requests, as they are read: where each element of a message goes in the person record is
//! found once, out of the two tables, when the service starts. One table serves every contract and
//! version; what is a group in XML and a value in the record is put together here.

use std::borrow::Cow;

use super::contract::{Endpoint, Operation};
use super::plan::Plan;
use super::request::Sink;
use crate::base::time::Timestamp;
use crate::person::field::{Field, Wrap};
use crate::person::form::Form;
use crate::person::identity::{Formats, Identity, IdentityError};
use crate::person::schema::Kind;
use crate::register::refusal::{Refusal, Wrong};
use crate::register::wish::{Actor, Name, Wish};

/// What one place of a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// An element without a meaning of its own.
    Around,
    /// A group of the record.
    Group(Field),
    /// A value of the record.
    Value(Field),
    /// A date of the record: format and value.
    Date(Field),
    /// An identity in the record: root and extension.
    Identity(Field),
    /// One of the message's own identities: its place among them, and the element's name.
    Named(usize, &'static str),
    /// Who wishes.
    ActorId,
    /// For whom.
    Organization,
    /// When, as the caller sees it.
    UpdateTime,
    /// The version the wish was made from.
    Version,
    /// The first half of a pair: a root, or a date's format.
    First,
    /// The second half: an extension, or a date's value.
    Second,
}

/// Message elements whose group of the record has another way to it.
const ELSEWHERE: [(&str, Field); 2] = [
    ("givenAddress", Field::at("addressInformation/givenAddress")),
    (
        "addressAbroad",
        Field::at("addressInformation/addressAbroad"),
    ),
];

/// The identities of messages, and their places among them.
const NAMED: [(&str, usize); 5] = [
    ("personId", 0),
    ("fromIdentity", 0),
    ("toIdentity", 1),
    ("unlinkFromIdentity", 0),
    ("unlinkIdentity", 1),
];

/// A message's places.
#[derive(Debug)]
pub struct Places {
    parts: Vec<Part>,
}

impl Places {
    /// Finds what each place of a compiled message is.
    pub fn find(plan: &Plan) -> Self {
        let mut places = Self {
            parts: vec![Part::Around; plan.len()],
        };
        for place in plan.node(0).children.clone() {
            let name = plan.node(place).name;
            let field = ELSEWHERE
                .iter()
                .find(|(element, _)| *element == name)
                .map(|(_, field)| *field)
                .or_else(|| child_called(Field::RECORD, name));
            match (name, NAMED.iter().find(|(element, _)| *element == name)) {
                (_, Some((element, at))) => {
                    places.pair(plan, place, Part::Named(*at, element));
                }
                ("actor", _) => places.actor(plan, place),
                ("versionToUpdate", _) => places.parts[place] = Part::Version,
                _ => {
                    if let Some(field) = field {
                        places.below(plan, place, field);
                    }
                }
            }
        }
        places
    }

    fn actor(&mut self, plan: &Plan, place: usize) {
        for child in plan.node(place).children.clone() {
            match plan.node(child).name {
                "id" => self.pair(plan, child, Part::ActorId),
                "organizationId" => self.pair(plan, child, Part::Organization),
                "updateTime" => self.parts[child] = Part::UpdateTime,
                _ => self.actor(plan, child),
            }
        }
    }

    fn below(&mut self, plan: &Plan, place: usize, field: Field) {
        let node = plan.node(place);
        match field.kind() {
            Kind::Identity => self.pair(plan, place, Part::Identity(field)),
            Kind::PartialDate => self.pair(plan, place, Part::Date(field)),
            // From version 5 the value stands without its wrapper.
            Kind::Group if field.info().wrap == Wrap::Wrapper && node.kind != Kind::Group => {
                let value = field.children().next().unwrap_or(field);
                self.parts[place] = Part::Value(value);
            }
            Kind::Group => {
                self.parts[place] = Part::Group(field);
                for child in node.children.clone() {
                    if let Some(field) = child_called(field, plan.node(child).name) {
                        self.below(plan, child, field);
                    }
                }
            }
            _ => self.parts[place] = Part::Value(field),
        }
    }

    fn pair(&mut self, plan: &Plan, place: usize, part: Part) {
        self.parts[place] = part;
        let halves = plan.node(place).children.clone();
        for (child, half) in halves.zip([Part::First, Part::Second]) {
            self.parts[child] = half;
        }
    }
}

fn child_called(group: Field, name: &str) -> Option<Field> {
    group.children().find(|field| field.info().name == name)
}

/// An updating request, as it is read.
pub struct Reading<'x, 'p> {
    places: &'p Places,
    formats: &'p Formats,
    actor: Actor,
    identities: [Option<Identity>; 2],
    version: Option<Timestamp>,
    form: Form,
    first: Cow<'x, str>,
    second: Cow<'x, str>,
    /// The first thing that was wrong.
    refusal: Option<Refusal>,
}

impl<'p> Reading<'_, 'p> {
    /// Nothing read yet.
    pub fn new(places: &'p Places, formats: &'p Formats) -> Self {
        Self {
            places,
            formats,
            actor: Actor::default(),
            identities: [None; 2],
            version: None,
            form: Form::new(),
            first: Cow::Borrowed(""),
            second: Cow::Borrowed(""),
            refusal: None,
        }
    }

    /// The one identity that a message without a wish names.
    pub fn identity(self) -> Result<Identity, IdentityError> {
        match (self.refusal, self.identities[0]) {
            (Some(Refusal::Identity(_, error)), _) => Err(error),
            (_, identity) => identity.ok_or(IdentityError::Malformed),
        }
    }

    /// What the message wishes; `None` for contracts that wish nothing.
    pub fn wish(self, endpoint: &Endpoint) -> Option<Result<Wish, Refusal>> {
        let Self {
            actor,
            version,
            form,
            identities: [first, second],
            refusal,
            ..
        } = self;
        let named = |identity: Option<Identity>, element| {
            identity.ok_or(Refusal::Identity(element, IdentityError::Malformed))
        };
        let wish = match (endpoint.operation, refusal) {
            (_, Some(refusal)) => Err(refusal),
            (Operation::UpdatePerson, _) => Ok(Wish::UpdatePerson {
                actor,
                identity: first,
                version,
                form,
                unrestricted: endpoint.unrestricted,
            }),
            (Operation::UpdateContactInformation, _) => {
                named(first, "personId").map(|identity| Wish::UpdateContact {
                    actor,
                    identity,
                    version,
                    form,
                    unrestricted: endpoint.unrestricted,
                })
            }
            (Operation::Link, _) => named(first, "fromIdentity").and_then(|from| {
                let to = named(second, "toIdentity")?;
                Ok(Wish::Link {
                    actor,
                    from,
                    to,
                    unrestricted: endpoint.unrestricted,
                })
            }),
            (Operation::Unlink, _) => named(first, "unlinkFromIdentity").and_then(|from| {
                let identity = named(second, "unlinkIdentity")?;
                Ok(Wish::Unlink {
                    actor,
                    from,
                    identity,
                    unrestricted: endpoint.unrestricted,
                })
            }),
            _ => return None,
        };
        Some(wish)
    }

    fn note(&mut self, noted: Result<(), Refusal>) {
        if let Err(refusal) = noted {
            self.refusal.get_or_insert(refusal);
        }
    }

    fn name(&mut self) -> Name {
        Name {
            root: std::mem::take(&mut self.first).into_owned(),
            extension: std::mem::take(&mut self.second).into_owned(),
        }
    }
}

impl<'x> Sink<'x> for Reading<'x, '_> {
    fn open(&mut self, place: usize) {
        if let Part::Group(field) = self.places.parts[place] {
            self.form.open(field);
        }
    }

    fn value(&mut self, place: usize, text: Cow<'x, str>) {
        match self.places.parts[place] {
            Part::First => self.first = text,
            Part::Second => self.second = text,
            Part::Version => self.version = Timestamp::parse(&text),
            Part::UpdateTime => self.actor.update_time = Timestamp::parse(&text),
            Part::Value(field) => {
                let filled = self.form.text(field, &text);
                self.note(filled.map_err(|why| Refusal::Value(field, why.into())));
            }
            _ => {}
        }
    }

    fn close(&mut self, place: usize) {
        match self.places.parts[place] {
            Part::Group(_) => self.form.close(),
            Part::Date(field) => {
                let (format, value) = (
                    std::mem::take(&mut self.first),
                    std::mem::take(&mut self.second),
                );
                let filled = self.form.date(field, &format, &value);
                self.note(filled.map_err(|why| Refusal::Value(field, why.into())));
            }
            Part::Identity(field) => {
                let name = self.name();
                match self.formats.parse(&name.root, &name.extension) {
                    Ok(identity) => self.form.identity(field, identity),
                    Err(why) => self.note(Err(Refusal::Value(field, Wrong::Identity(why)))),
                }
            }
            Part::Named(at, element) => {
                let name = self.name();
                match self.formats.parse(&name.root, &name.extension) {
                    Ok(identity) => self.identities[at] = Some(identity),
                    Err(why) => self.note(Err(Refusal::Identity(element, why))),
                }
            }
            Part::ActorId => self.actor.id = self.name(),
            Part::Organization => self.actor.organization = Some(self.name()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::contract::ENDPOINTS;

    /// Every element of every updating message has its meaning; none is dropped unseen.
    #[test]
    fn every_place_of_every_message_is_known() {
        for endpoint in &ENDPOINTS {
            let plan = Plan::compile(endpoint.contract, endpoint.request, endpoint.core);
            if plan.at("actor").is_none() {
                continue;
            }
            let places = Places::find(&plan);
            let around = [Some(0), plan.at("actor"), plan.at("actor/professional")];
            for (place, part) in places.parts.iter().enumerate() {
                let is_around = around.contains(&Some(place));
                let name = plan.node(place).name;
                let (contract, major) = (endpoint.contract, endpoint.major);
                assert_eq!(
                    *part == Part::Around,
                    is_around,
                    "{contract} {major} {name}"
                );
            }
        }
    }

    #[test]
    fn wrapped_and_plain_names_go_to_the_same_field() {
        for endpoint in ENDPOINTS.iter().filter(|it| it.contract == "UpdatePerson") {
            let plan = Plan::compile(endpoint.contract, endpoint.request, endpoint.core);
            let places = Places::find(&plan);
            let wrapped = plan.at("name/surname/name");
            let place = wrapped.or_else(|| plan.at("name/surname")).unwrap();
            let field = Field::at("name/surname");
            assert_eq!(places.parts[place], Part::Value(field));
            let city = plan.at("givenAddress/city").unwrap();
            let field = Field::at("addressInformation/givenAddress/city");
            assert_eq!(places.parts[city], Part::Value(field));
        }
    }
}
