//! UpdatePersonContactInformation: how to reach a person, replaced as a whole.
//!
//! Source: TKB 5.1 UpdatePersonContactInformation, SjD of the same; ITU E.164, RFC 5322, RFC 6854.

use email_address::{EmailAddress, Options};

use crate::base::time::{Moment, Timestamp};
use crate::person::edit::Group;
use crate::person::field::Field;
use crate::person::identity::Identity;
use crate::person::record::Damaged;
use crate::person::value::Value;

use super::change::Change;
use super::codes;
use super::merge::touch;
use super::persons::{Persons, may_change};
use super::refusal::{Refusal, Wrong};
use super::settle::settled;
use super::wish::{Actor, CONTACT_ACTOR, version_of};

const CONTACT: Field = Field::at("contactInformation");
const DIGITAL: Field = Field::at("contactInformation/digitalNotification");
const NO_PAPER: Field = Field::at("optoutPaperNotification");

/// What an update replaces.
const REPLACED: [Field; 3] = [CONTACT, Field::at("contactPerson"), NO_PAPER];

/// Ways to reach somebody: the person's own, and those of the contact persons.
const WAYS: [Way; 2] = [
    Way {
        entry: CONTACT,
        kind: Field::at("contactInformation/contactType"),
        value: Field::at("contactInformation/value"),
    },
    Way {
        entry: Field::at("contactPerson/contactPersonContactInformation"),
        kind: Field::at("contactPerson/contactPersonContactInformation/contactType"),
        value: Field::at("contactPerson/contactPersonContactInformation/value"),
    },
];

struct Way {
    entry: Field,
    kind: Field,
    value: Field,
}

/// What each kind of way is written like. The others are free text.
const SYNTAX: &[(&str, Syntax)] = &[
    ("phone", NUMBER),
    ("fax", NUMBER),
    ("sms", NUMBER),
    ("pager", NUMBER),
    ("email", EMAIL),
];

/// A way of writing values, and what is said of a value that is written otherwise.
struct Syntax {
    is_right: fn(&str) -> bool,
    otherwise: Wrong,
}

const NUMBER: Syntax = Syntax {
    is_right: is_number,
    otherwise: Wrong::NotANumber,
};
const EMAIL: Syntax = Syntax {
    is_right: is_email,
    otherwise: Wrong::NotAnEmail,
};

/// The wish.
pub(super) struct Update<'w> {
    pub(super) actor: &'w Actor,
    pub(super) identity: Identity,
    pub(super) version: Option<Timestamp>,
    pub(super) form: Group,
    pub(super) unrestricted: bool,
}

pub(super) fn update<P: Persons<Error = Damaged>>(
    wish: &Update<'_>,
    persons: &P,
    at: &Moment,
) -> Result<Change, Refusal> {
    wish.actor.check()?;
    // First of all: a refusal must not tell what a protected person's contact data is like.
    may_change(
        persons,
        wish.identity,
        wish.unrestricted,
        Refusal::Protected,
    )?;
    let mut person = persons
        .person(wish.identity)?
        .ok_or(Refusal::Unknown("personId"))?;
    match wish.version {
        Some(_) if wish.version != version_of(&person) => return Err(Refusal::StaleVersion),
        None if REPLACED.iter().any(|&field| tells(&person, field)) => {
            return Err(Refusal::MissingVersion);
        }
        _ => {}
    }
    let news = codes::news(&wish.form, Some(&person))?;
    codes::check(&news, at)?;
    check_ways(&news)?;
    let digital = |way: &Group| way.value(DIGITAL).is_some_and(Value::is_true);
    if wish.form.value(NO_PAPER).is_some_and(Value::is_true)
        && !wish.form.entries(CONTACT).any(digital)
    {
        return Err(Refusal::NoDigitalWay);
    }
    for field in REPLACED {
        person.clear(field);
        person.copy_from(&wish.form, field);
    }
    touch(&mut person, at);
    wish.actor.sign(&mut person, CONTACT_ACTOR);
    settled(persons, [person], wish.identity, at)
}

fn tells(person: &Group, field: Field) -> bool {
    person.value(field).is_some() || person.entries(field).next().is_some()
}

fn check_ways(news: &Group) -> Result<(), Refusal> {
    for way in WAYS {
        for entry in news.groups(way.entry) {
            let kind = entry.text(way.kind);
            let Some(value) = entry.text(way.value) else {
                return Err(Refusal::Value(way.value, Wrong::Missing));
            };
            let syntax = SYNTAX.iter().find(|(of, _)| Some(*of) == kind);
            if let Some((_, syntax)) = syntax.filter(|(_, syntax)| !(syntax.is_right)(value)) {
                return Err(Refusal::Value(way.value, syntax.otherwise));
            }
        }
    }
    Ok(())
}

/// E.164: `+`, then at most 15 digits that begin with a country code.
fn is_number(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (2..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// An address by RFC 5322, or a named group of them (RFC 6854).
fn is_email(text: &str) -> bool {
    let is_address = |text: &str| {
        let plain = Options::default().without_display_text();
        EmailAddress::parse_with_options(text, plain).is_ok()
    };
    let group = text
        .strip_suffix(';')
        .and_then(|group| group.split_once(':'));
    match group {
        Some((name, members)) => {
            !name.trim().is_empty() && members.split(',').all(|member| is_address(member.trim()))
        }
        None => is_address(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::edit::Person;
    use crate::person::edit::tests::identity;
    use crate::person::form::Form;
    use crate::person::identity::Formats;
    use crate::person::view::Shield;
    use crate::register::nrid::Issuer;
    use crate::register::persons::tests::Few;
    use crate::register::wish::tests::actor;
    use crate::register::wish::{Rules, Wish, perform};

    const PNR: &str = "191212121212";
    const KIND: Field = WAYS[0].kind;
    const VALUE: Field = WAYS[0].value;

    fn person() -> Person {
        let mut person = Person::new(identity(PNR), &Formats::standard());
        let version = Timestamp::parse("20240101000000").unwrap();
        person.set(Field::at("version"), Value::Timestamp(version));
        person
    }

    fn form(ways: &[(&str, &str, bool)], no_paper: Option<bool>) -> Form {
        let mut form = Form::new();
        for (kind, value, digital) in ways {
            form.open(CONTACT);
            form.text(KIND, kind).unwrap();
            form.text(VALUE, value).unwrap();
            form.text(DIGITAL, if *digital { "true" } else { "false" })
                .unwrap();
            form.close();
        }
        if let Some(no_paper) = no_paper {
            form.text(NO_PAPER, if no_paper { "true" } else { "false" })
                .unwrap();
        }
        form
    }

    fn updated(
        few: &mut Few,
        version: Option<&str>,
        form: Form,
        unrestricted: bool,
    ) -> Result<(), Refusal> {
        let wish = Wish::UpdateContact {
            actor: actor(),
            identity: identity(PNR),
            version: version.map(|it| Timestamp::parse(it).unwrap()),
            form,
            unrestricted,
        };
        let at = Moment::parse("2025-01-07T06:00:00").unwrap();
        let change = perform(
            &wish,
            few,
            Rules::standard(&Formats::standard()),
            &mut Issuer::default(),
            &at,
        )?;
        few.take(&change);
        Ok(())
    }

    const FIRST: &str = "20250107060000";

    #[test]
    fn contact_data_is_replaced_as_a_whole_and_signed() {
        let mut few = Few::of([person()]);
        let two = form(
            &[("sms", "+46701740605", true), ("url", "x", false)],
            Some(true),
        );
        assert_eq!(updated(&mut few, None, two, false), Ok(()));
        let person = few.get(identity(PNR));
        assert_eq!(person.entries(CONTACT).count(), 2);
        let time = Field::at("updatePersonContactInformationActor/updateTime");
        assert_eq!(
            person.value(time).and_then(Value::as_timestamp),
            version_of(person)
        );
        // SjD 8: nothing sent, everything gone, the record remains.
        assert_eq!(updated(&mut few, Some(FIRST), Form::new(), false), Ok(()));
        let person = few.get(identity(PNR));
        assert!(!REPLACED.iter().any(|&field| tells(person, field)));
        assert!(version_of(person) > Timestamp::parse(FIRST));
    }

    /// SjD 19, and what the TKB says of the version.
    #[test]
    fn whoever_overwrites_must_have_read() {
        let mut few = Few::of([person()]);
        let some = || form(&[("other", "Ring på dörren", false)], None);
        let stale = Err(Refusal::StaleVersion);
        assert_eq!(
            updated(&mut few, Some("20230101000000"), some(), false),
            stale
        );
        assert_eq!(updated(&mut few, None, some(), false), Ok(()));
        let missing = Err(Refusal::MissingVersion);
        assert_eq!(updated(&mut few, None, some(), false), missing);
        assert_eq!(
            updated(&mut few, Some("20240101000000"), some(), false),
            stale
        );
        assert_eq!(updated(&mut few, Some(FIRST), some(), false), Ok(()));
        let mut paper = person();
        paper.set(NO_PAPER, Value::Boolean(false));
        let mut few = Few::of([paper]);
        assert_eq!(updated(&mut few, None, Form::new(), false), missing);
    }

    /// SjD 15 and 16.
    #[test]
    fn a_protected_persons_data_is_changed_by_the_unrestricted_contract_only() {
        for (own, inherited) in [
            (Some("protectedPersonIndicator"), Shield::NONE),
            (Some("protectedPopulationRecord"), Shield::NONE),
            (None, Shield::PERSON),
        ] {
            let mut protected = person();
            if let Some(flag) = own {
                protected.set(Field::at(flag), Value::Boolean(true));
            }
            protected.inherited = inherited;
            let mut few = Few::of([protected]);
            // Before anything else is looked at.
            let old = Some("20230101000000");
            let refused = updated(&mut few, old, form(&[("x", "", false)], None), false);
            assert_eq!(refused, Err(Refusal::Protected));
            assert_eq!(updated(&mut few, None, Form::new(), true), Ok(()));
        }
    }

    /// SjD 13, 14 and 20.
    #[test]
    fn without_paper_there_is_a_digital_way() {
        for (ways, no_paper, right) in [
            (&[("email", "a@example.org", true)][..], true, true),
            (&[("email", "a@example.org", false)][..], true, false),
            (&[][..], true, false),
            (&[][..], false, true),
        ] {
            let mut few = Few::of([person()]);
            let answer = updated(&mut few, None, form(ways, Some(no_paper)), false);
            let expected = if right {
                Ok(())
            } else {
                Err(Refusal::NoDigitalWay)
            };
            assert_eq!(answer, expected);
        }
    }

    #[test]
    fn values_are_written_as_their_kind_demands() {
        for (kind, value, wrong) in [
            ("phone", "+46701740605", None),
            ("sms", "+12", None),
            ("fax", "+123456789012345", None),
            ("phone", "0701740605", Some(Wrong::NotANumber)),
            ("sms", "+1", Some(Wrong::NotANumber)),
            ("sms", "+0701740605", Some(Wrong::NotANumber)),
            ("pager", "+1234567890123456", Some(Wrong::NotANumber)),
            ("phone", "+46 70 174 06 05", Some(Wrong::NotANumber)),
            ("phone", "", Some(Wrong::Missing)),
            ("email", "åsa@exempel.example", None),
            ("email", "tolvan@example.org", None),
            ("email", "Familjen: a@example.org, b@example.org;", None),
            ("email", "tolvan", Some(Wrong::NotAnEmail)),
            ("email", "tolvan@", Some(Wrong::NotAnEmail)),
            (
                "email",
                "Tolvan <tolvan@example.org>",
                Some(Wrong::NotAnEmail),
            ),
            ("email", "Familjen: a;", Some(Wrong::NotAnEmail)),
            ("url", " ", Some(Wrong::Missing)),
            ("url", "https://example.org", None),
            ("other", "Ring på dörren", None),
        ] {
            let mut few = Few::of([person()]);
            let answer = updated(&mut few, None, form(&[(kind, value, false)], None), false);
            let expected = wrong.map_or(Ok(()), |why| Err(Refusal::Value(VALUE, why)));
            assert_eq!(answer, expected, "{kind} {value}");
        }
    }

    #[test]
    fn contact_persons_are_held_to_the_same_forms() {
        let way = &WAYS[1];
        let mut form = Form::new();
        form.open(Field::at("contactPerson"));
        form.text(Field::at("contactPerson/contactRelationshipType"), "375005")
            .unwrap();
        form.open(way.entry);
        form.text(way.kind, "phone").unwrap();
        form.text(way.value, "112").unwrap();
        let mut few = Few::of([person()]);
        let refused = Err(Refusal::Value(way.value, Wrong::NotANumber));
        assert_eq!(updated(&mut few, None, form, false), refused);
    }

    /// SjD 9: what somebody else wrote goes back as it was read.
    #[test]
    fn what_stands_already_is_not_questioned() {
        let mut old = person();
        let mut entry = Group::new(CONTACT);
        entry.set(KIND, Value::from("brevduva"));
        old.push(entry);
        let mut few = Few::of([old]);
        let mut back = Form::new();
        back.open(CONTACT);
        back.text(KIND, "brevduva").unwrap();
        let version = Some("20240101000000");
        assert_eq!(updated(&mut few, version, back, false), Ok(()));
    }

    #[test]
    fn nobody_is_not_updated() {
        let refused = updated(&mut Few::default(), None, Form::new(), true);
        assert_eq!(refused, Err(Refusal::Unknown("personId")));
    }
}
