//! Wishes of care: what the updating contracts ask for, in the register's own terms, and the one
//! door through which they become changes.

use crate::base::limits;
use crate::base::time::{Moment, Timestamp};
use crate::base::unseen::holds_unseen;
use crate::person::edit::{Group, Person};
use crate::person::field::Field;
use crate::person::form::Form;
use crate::person::identity::{Formats, Identity};
use crate::person::record::Damaged;
use crate::person::value::Value;
use crate::store::entry::Origin;

use super::change::Change;
use super::nrid::Issuer;
use super::persons::Persons;
use super::refusal::Refusal;
use super::{contact, link, nrid, reserve};

/// One wish. Not `Debug`: it is personal data.
#[derive(Clone, PartialEq, Eq)]
pub enum Wish {
    /// UpdatePerson: a reserve identity is issued, registered or changed.
    UpdatePerson {
        /// Who wishes.
        actor: Actor,
        /// The reserve identity; `None`: a new national one is to be issued.
        identity: Option<Identity>,
        /// The version the wish was made from.
        version: Option<Timestamp>,
        /// The person as they shall be.
        form: Form,
        /// Whether a protected person's reserve identity may be changed too.
        unrestricted: bool,
    },
    /// UpdatePersonContactInformation.
    UpdateContact {
        /// Who wishes.
        actor: Actor,
        /// Whose contact data.
        identity: Identity,
        /// The version the wish was made from.
        version: Option<Timestamp>,
        /// The contact data as it shall be.
        form: Form,
        /// Whether a protected person's may be changed too.
        unrestricted: bool,
    },
    /// LinkPersonIdentity.
    Link {
        /// Who wishes.
        actor: Actor,
        /// Linked away from.
        from: Identity,
        /// Linked to: the main identity.
        to: Identity,
        /// Whether a protected person's identities may be linked too.
        unrestricted: bool,
    },
    /// UnlinkPersonIdentity.
    Unlink {
        /// Who wishes.
        actor: Actor,
        /// The main identity.
        from: Identity,
        /// Which shall no longer be linked to it.
        identity: Identity,
        /// Whether a protected person's identities may be parted too.
        unrestricted: bool,
    },
    /// Anonymous national reserve identities, for use where no computer is at hand.
    IssueReserve {
        /// Who wishes.
        actor: Actor,
        /// How many.
        count: usize,
    },
}

impl Wish {
    /// Whom it names.
    pub fn identities(&self) -> impl Iterator<Item = Identity> {
        let (one, other) = match self {
            Self::UpdatePerson { identity, .. } => (*identity, None),
            Self::UpdateContact { identity, .. } => (Some(*identity), None),
            Self::Link { from, to, .. } => (Some(*from), Some(*to)),
            Self::Unlink { from, identity, .. } => (Some(*from), Some(*identity)),
            Self::IssueReserve { .. } => (None, None),
        };
        one.into_iter().chain(other)
    }

    /// The same wish of somebody who may see protected persons whole, or may not. Reserve identities and
    /// links have no contract of their own for those who may.
    #[must_use]
    pub fn of_who_sees_protected(mut self, may: bool) -> Self {
        if let Self::UpdatePerson { unrestricted, .. }
        | Self::Link { unrestricted, .. }
        | Self::Unlink { unrestricted, .. } = &mut self
        {
            *unrestricted = may;
        }
        self
    }

    /// Who wishes.
    pub const fn actor(&self) -> &Actor {
        match self {
            Self::UpdatePerson { actor, .. }
            | Self::UpdateContact { actor, .. }
            | Self::Link { actor, .. }
            | Self::Unlink { actor, .. }
            | Self::IssueReserve { actor, .. } => actor,
        }
    }
}

/// Who wishes. Not `Debug`: it names a person at work.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Actor {
    /// The person or the system.
    pub id: Name,
    /// The organisation that answers for it.
    pub organization: Option<Name>,
    /// The time that the caller tells. The register keeps its own.
    pub update_time: Option<Timestamp>,
}

/// The name of somebody who is in no person register, such as an HSA-id: `IIType`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Name {
    /// What kind of name.
    pub root: String,
    /// The name.
    pub extension: String,
}

impl Name {
    /// Whether it names anybody.
    pub fn is_complete(&self) -> bool {
        !self.root.trim().is_empty() && !self.extension.trim().is_empty()
    }

    /// Whether it has characters that nobody sees.
    fn holds_unseen(&self) -> bool {
        holds_unseen(&self.root) || holds_unseen(&self.extension)
    }
}

/// Where the record keeps who changed a reserve identity.
pub(super) const PERSON_ACTOR: Field = Field::at("updatePersonActor");
/// Where the record keeps who changed contact data.
pub(super) const CONTACT_ACTOR: Field = Field::at("updatePersonContactInformationActor");
const ID_ROOT: Field = Field::at("updatePersonActor/id/root");
const ID_EXTENSION: Field = Field::at("updatePersonActor/id/extension");
const ORGANIZATION_ROOT: Field = Field::at("updatePersonActor/professional/organizationId/root");
const ORGANIZATION_EXTENSION: Field =
    Field::at("updatePersonActor/professional/organizationId/extension");
const UPDATE_TIME: Field = Field::at("updatePersonActor/updateTime");
const VERSION: Field = Field::at("version");

impl Actor {
    /// The actor as the log keeps it, for a change that came `by` this way.
    pub fn origin(&self, by: String, correlation: Option<String>) -> Origin {
        let named = |name: &Name| (name.root.clone(), name.extension.clone());
        Origin {
            by,
            actor: Some(named(&self.id)),
            organization: self.organization.as_ref().map(named),
            consumer: None,
            correlation,
        }
    }

    /// Whether the actor is named, and its organisation when it is.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if !self.id.is_complete() {
            return Err(Refusal::NoActor);
        }
        match &self.organization {
            Some(organization) if !organization.is_complete() => Err(Refusal::NoOrganization),
            _ if self.id.holds_unseen() => Err(Refusal::Unseen("actor/id")),
            Some(organization) if organization.holds_unseen() => {
                Err(Refusal::Unseen("actor/professional/organizationId"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the actor and its organisation are named.
    pub(super) fn check_with_organization(&self) -> Result<(), Refusal> {
        self.check()?;
        self.organization
            .as_ref()
            .map(|_| ())
            .ok_or(Refusal::NoOrganization)
    }

    /// Notes the actor in the record, as of its version.
    pub(super) fn sign(&self, person: &mut Person, place: Field) {
        let mut group = Group::new(PERSON_ACTOR);
        let text = |text: &str| Value::Text(text.to_owned());
        group.set(ID_ROOT, text(&self.id.root));
        group.set(ID_EXTENSION, text(&self.id.extension));
        if let Some(organization) = &self.organization {
            group.set(ORGANIZATION_ROOT, text(&organization.root));
            group.set(ORGANIZATION_EXTENSION, text(&organization.extension));
        }
        if let Some(version) = version_of(person) {
            group.set(UPDATE_TIME, Value::Timestamp(version));
        }
        person.set_group(group.moved_to(place));
    }
}

/// The version of a person's record.
pub(super) fn version_of(person: &Person) -> Option<Timestamp> {
    person.value(VERSION).and_then(Value::as_timestamp)
}

/// What the rules go by, beside the persons.
#[derive(Clone, Copy)]
pub struct Rules<'r> {
    /// The identity formats.
    pub formats: &'r Formats,
    /// Identities that may be linked with one another.
    pub longest_chain: usize,
}

impl<'r> Rules<'r> {
    /// The rules as they are where nothing else is configured.
    pub const fn standard(formats: &'r Formats) -> Self {
        Self {
            formats,
            longest_chain: limits::LINKED_IDENTITIES,
        }
    }
}

impl Wish {
    /// Whether it takes a number of the register's own.
    pub const fn issues(&self) -> bool {
        match self {
            Self::UpdatePerson { identity, .. } => identity.is_none(),
            Self::IssueReserve { .. } => true,
            Self::UpdateContact { .. } | Self::Link { .. } | Self::Unlink { .. } => false,
        }
    }
}

/// What `wish` makes of `persons` at the moment `at`, or why nothing. Reads no file and no clock;
/// `issuer` only remembers where free numbers are.
pub fn perform<P: Persons<Error = Damaged>>(
    wish: &Wish,
    persons: &P,
    rules: Rules<'_>,
    issuer: &mut Issuer,
    at: &Moment,
) -> Result<Change, Refusal> {
    let Rules {
        formats,
        longest_chain,
    } = rules;
    match wish {
        Wish::UpdatePerson {
            actor,
            identity,
            version,
            form,
            unrestricted,
        } => {
            let update = reserve::Update {
                unrestricted: *unrestricted,
                actor,
                identity: *identity,
                version: *version,
                form: form.clone().group(),
            };
            reserve::update(&update, persons, formats, issuer, at)
        }
        Wish::UpdateContact {
            actor,
            identity,
            version,
            form,
            unrestricted,
        } => {
            let update = contact::Update {
                actor,
                identity: *identity,
                version: *version,
                form: form.clone().group(),
                unrestricted: *unrestricted,
            };
            contact::update(&update, persons, at)
        }
        Wish::Link {
            actor,
            from,
            to,
            unrestricted,
        } => link::link(
            actor,
            (*from, *to),
            *unrestricted,
            persons,
            longest_chain,
            at,
        ),
        Wish::Unlink {
            actor,
            from,
            identity,
            unrestricted,
        } => link::unlink(actor, (*from, *identity), *unrestricted, persons, at),
        Wish::IssueReserve { actor, count } => {
            nrid::issue_many(actor, *count, persons, formats, issuer, at)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn name(root: &str) -> Name {
        Name {
            root: root.to_owned(),
            extension: "SE165565594230-1003".to_owned(),
        }
    }

    /// Somebody at work.
    pub(crate) fn actor() -> Actor {
        Actor {
            id: name("1.2.752.29.6.2.1"),
            ..Actor::default()
        }
    }

    /// Somebody at work for a care provider.
    pub(crate) fn employed() -> Actor {
        Actor {
            organization: Some(name("1.2.752.29.6.10.1")),
            ..actor()
        }
    }
}
