//! One exchanged person applied to one person: a whole record, as an export writes it, or a
//! supplement that carries what Navet cannot.
//!
//! A line with Skatteverket's bookkeeping, or of a reserve identity, is a whole record. Any other
//! line of a PNR or SNR is a supplement: the groups it holds take the place of the register's, and
//! what it does not hold stays.

use std::collections::BTreeSet;

use crate::base::time::Moment;
use crate::person::edit::Person;
use crate::person::field::Field;
use crate::person::identity::Identity;
use crate::person::value::Value;

use super::merge::touch;

const VERSION: Field = Field::at("version");
const LINKED: Field = Field::at("linkedIdentity");
const BOOKKEEPING: Field = Field::at("populationRegistrationRecord");

/// What a supplement may carry: what neither Navet nor the register itself says.
const SUPPLEMENT: [Field; 5] = [
    Field::at("contactInformation"),
    Field::at("contactPerson"),
    Field::at("updatePersonContactInformationActor"),
    Field::at("optoutPaperNotification"),
    LINKED,
];

/// The person as it is from now on; `None` when the line is not newer than what is there.
pub fn apply(mut line: Person, current: Option<&Person>, at: &Moment) -> Option<Person> {
    // A line brings such protection and never takes it away.
    line.keeps_protection |= current.is_some_and(|current| current.keeps_protection);
    let version = |person: &Person| person.value(VERSION).and_then(Value::as_timestamp);
    let whole = line.identity().is_reserve() || line.group(BOOKKEEPING).is_some();
    let mut person = match current {
        Some(current) if !whole => {
            let mut person = current.clone();
            SUPPLEMENT
                .iter()
                .for_each(|&field| person.copy_from(&line, field));
            person.keeps_protection = line.keeps_protection;
            if says_the_same(&person, current) {
                return None;
            }
            person
        }
        Some(current) if version(&line).is_some() && version(&line) <= version(current) => {
            return None;
        }
        Some(current) if same_but_version(&line, current) => return None,
        _ => {
            let mut person = line;
            if let Some(current) = current {
                person.inherited = current.inherited;
                person.shares_protected_home = current.shares_protected_home;
            }
            if version(&person).is_some() {
                return Some(person);
            }
            if let Some(last) = current.and_then(|current| current.value(VERSION)) {
                person.set(VERSION, last.clone());
            }
            person
        }
    };
    touch(&mut person, at);
    Some(person)
}

/// Whether a supplemented person is the one that was there. Settling adds to the list of linked
/// identities: what the register was told of it counts.
fn says_the_same(person: &Person, current: &Person) -> bool {
    let without = |person: &Person| {
        let mut person = person.clone();
        person.clear(LINKED);
        person
    };
    without(person) == without(current) && links(person) == links(current)
}

/// Whom a person is linked to, by themselves.
fn links(person: &Person) -> BTreeSet<Identity> {
    let link = Field::at("linkedIdentity/link");
    let id = Field::at("linkedIdentity/referredPersonalIdentity");
    person
        .entries(LINKED)
        .filter(|entry| entry.text(link) == Some("to"))
        .filter_map(|entry| entry.value(id)?.as_identity())
        .collect()
}

/// Whether a line without a version says nothing new. The lists of linked identities are settled
/// by the register, so the line's own need not be complete.
fn same_but_version(line: &Person, current: &Person) -> bool {
    const LEFT_OUT: [Field; 2] = [VERSION, LINKED];
    const MANDATORY: [Field; 2] = [Field::at("primaryIdentity"), Field::at("testIndicator")];
    // Records are compared, not trees: a group that its surroundings demand stands in every record.
    let bare = |person: &Person| {
        let mut person = person.clone();
        LEFT_OUT.iter().for_each(|&field| person.clear(field));
        MANDATORY
            .iter()
            .for_each(|&field| person.set(field, Value::Boolean(false)));
        person.inherited = crate::person::view::Shield::NONE;
        person.shares_protected_home = false;
        person.to_record()
    };
    bare(line) == bare(current) && links(line) == links(current)
}
