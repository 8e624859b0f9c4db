//! UpdatePerson: a reserve identity is issued, registered or changed.
//!
//! What the form does not tell is erased; contact data, links, attachments and the register's own
//! marks stay. Source: TKB 5.1 UpdatePerson, SjD UpdatePerson.

use crate::base::time::{Moment, Timestamp};
use crate::person::edit::{Group, Person};
use crate::person::field::Field;
use crate::person::identity::{Formats, Identity, IdentityType};
use crate::person::record::Damaged;
use crate::person::value::Value;

use super::change::Change;
use super::codes;
use super::merge::touch;
use super::nrid::{Issuer, Series};
use super::persons::{Persons, may_change};
use super::refusal::Refusal;
use super::settle::settled;
use super::wish::{Actor, PERSON_ACTOR, version_of};

/// What UpdatePerson replaces.
const REPLACED: [Field; 9] = [
    GENDER,
    Field::at("name"),
    Field::at("birth"),
    Field::at("relationship"),
    Field::at("addressInformation/givenAddress"),
    Field::at("addressInformation/addressAbroad"),
    Field::at("deregistration"),
    Field::at("administrativeInformation"),
    Field::at("confirmedIdentity"),
];

const GENDER: Field = Field::at("gender");
const DATE_OF_BIRTH: Field = Field::at("birth/dateOfBirth");

/// The wish.
pub(super) struct Update<'w> {
    pub(super) actor: &'w Actor,
    pub(super) identity: Option<Identity>,
    pub(super) version: Option<Timestamp>,
    pub(super) form: Group,
    pub(super) unrestricted: bool,
}

pub(super) fn update<P: Persons<Error = Damaged>>(
    wish: &Update<'_>,
    persons: &P,
    formats: &Formats,
    issuer: &mut Issuer,
    at: &Moment,
) -> Result<Change, Refusal> {
    wish.actor.check_with_organization()?;
    if let Some(identity) = wish.identity.filter(|it| it.is_reserve()) {
        // First of all: a refusal must not tell what stands in a protected person's record.
        may_change(persons, identity, wish.unrestricted, Refusal::Protected)?;
    }
    let current = match wish.identity {
        Some(identity) => current(identity, wish.version, persons, formats)?,
        None if wish.version.is_some() => return Err(Refusal::VersionOfNobody),
        None => None,
    };
    let news = codes::news(&wish.form, current.as_deref())?;
    codes::check(&news, at)?;
    if current.is_none() {
        // Before a number is issued for nothing.
        codes::check_death(&news, &wish.form, at)?;
    }
    let mut issued = Vec::new();
    let mut marks = Vec::new();
    let mut person = match (current, wish.identity) {
        (Some(current), _) => current,
        (None, Some(identity)) => Person::new(identity, formats),
        (None, None) => {
            let born = wish.form.value(DATE_OF_BIRTH).and_then(Value::as_date);
            let series = Series::of(born, wish.form.text(GENDER));
            let next = issuer.issue(series, persons, formats)?;
            issued.push(next.identity);
            marks.push(next.mark);
            Person::new(next.identity, formats)
        }
    };
    for field in REPLACED {
        person.clear(field);
        person.copy_from(&wish.form, field);
    }
    person.tell_by_number(formats);
    codes::check_death(&news, &person, at)?;
    touch(&mut person, at);
    wish.actor.sign(&mut person, PERSON_ACTOR);
    let identity = person.identity();
    let change = settled(persons, [person], identity, at)?;
    Ok(Change {
        issued,
        series: marks,
        ..change
    })
}

/// The person named, as they are; `None` when the identity is to be registered.
fn current<P: Persons<Error = Damaged>>(
    identity: Identity,
    version: Option<Timestamp>,
    persons: &P,
    formats: &Formats,
) -> Result<Option<Person>, Refusal> {
    if !identity.is_reserve() {
        return Err(Refusal::NotReserve);
    }
    match persons.person(identity)? {
        Some(person) if version.is_some() && version != version_of(&person) => {
            Err(Refusal::StaleVersion)
        }
        Some(person) => Ok(Some(person)),
        None if identity.kind() == IdentityType::Nrid => Err(Refusal::NotIssued),
        None if !formats.check_is_right(identity) => Err(Refusal::CheckCharacter),
        None if version.is_some() => Err(Refusal::VersionOfNobody),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::edit::tests::identity;
    use crate::person::form::Form;
    use crate::register::persons::tests::Few;
    use crate::register::refusal::Wrong;
    use crate::register::wish::tests::employed;
    use crate::register::wish::{Name, Rules, Wish, perform};

    const LRID: &str = "19810829M071";
    const NRID: &str = "22790814AA01";
    const SURNAME: Field = Field::at("name/surname");
    const EMAIL: Field = Field::at("contactInformation/contactType");
    const UPDATED: Field = Field::at("updatePersonActor/updateTime");

    struct Care {
        few: Few,
        issuer: Issuer,
        formats: Formats,
    }

    impl Care {
        fn of(persons: impl IntoIterator<Item = Person>) -> Self {
            Self {
                few: Few::of(persons),
                issuer: Issuer::default(),
                formats: Formats::standard(),
            }
        }

        /// Performs an update of `value` (or a new one), and keeps what it changed.
        fn update(
            &mut self,
            value: Option<&str>,
            version: Option<Timestamp>,
            form: Form,
        ) -> Result<Identity, Refusal> {
            let wish = Wish::UpdatePerson {
                unrestricted: true,
                actor: actor(),
                identity: value.map(identity),
                version,
                form,
            };
            let at = Moment::parse("2025-01-07T06:00:00").unwrap();
            let change = perform(
                &wish,
                &self.few,
                Rules::standard(&self.formats),
                &mut self.issuer,
                &at,
            )?;
            self.few.take(&change);
            Ok(change.subject)
        }

        fn text(&self, identity: Identity) -> String {
            self.formats.text(identity).unwrap().as_str().to_owned()
        }
    }

    /// Who tells a time of their own, which the register does not take over.
    fn actor() -> Actor {
        Actor {
            update_time: Timestamp::parse("19990101000000"),
            ..employed()
        }
    }

    fn form(fields: &[(Field, &str)]) -> Form {
        let mut form = Form::new();
        for (field, text) in fields {
            if *field == DATE_OF_BIRTH {
                form.date(*field, "YYYY-MM-DD", text).unwrap();
            } else {
                form.text(*field, text).unwrap();
            }
        }
        form
    }

    fn known(value: &str) -> Person {
        let mut person = Person::new(identity(value), &Formats::standard());
        person.set(
            Field::at("version"),
            Value::Timestamp(Timestamp::parse("20240101000000").unwrap()),
        );
        person.set(SURNAME, Value::from("Testsson"));
        let mut entry = Group::new(EMAIL.parent());
        entry.set(EMAIL, Value::from("email"));
        person.push(entry);
        person.set(Field::at("testIndicator"), Value::Boolean(true));
        person
    }

    #[test]
    fn a_death_lies_between_birth_and_today() {
        const REASON: Field = Field::at("deregistration/deregistrationReasonCode");
        const DIED: Field = Field::at("deregistration/deregistrationDate");
        const FOUND: Field = Field::at("deregistration/foundDeadAtDate");
        let dead = |born: &str, field: Field, day: &str| {
            let mut form = form(&[(DATE_OF_BIRTH, born), (GENDER, "1"), (REASON, "AV")]);
            form.date(field, "YYYY-MM-DD", day).unwrap();
            form
        };
        let wrong = |field, why| Err(Refusal::Value(field, why));
        for field in [DIED, FOUND] {
            for (born, day, expected) in [
                ("1980-01-01", "1979-12-31", wrong(field, Wrong::BeforeBirth)),
                ("1980-01-01", "2025-01-08", wrong(field, Wrong::InTheFuture)),
                ("1980-01-01", "1980-01-01", Ok(())),
                ("1980-01-01", "2025-01-07", Ok(())),
            ] {
                let mut care = Care::of([]);
                let new = care.update(None, None, dead(born, field, day));
                assert_eq!(new.map(|_| ()), expected, "{day}");
                // Of a number that tells the birth itself, and of one who is there.
                let told = care.update(Some(LRID), None, dead("1981-08-29", field, "1981-08-28"));
                assert_eq!(told.map(|_| ()), wrong(field, Wrong::BeforeBirth));
                let mut care = Care::of([known(LRID)]);
                let version = Timestamp::parse("20240101000000");
                let changed =
                    care.update(Some(LRID), version, dead("1981-08-29", field, "2025-02-01"));
                assert_eq!(changed.map(|_| ()), wrong(field, Wrong::InTheFuture));
            }
        }
        let mut born_of_nothing = Form::new();
        assert!(
            born_of_nothing
                .date(DATE_OF_BIRTH, "YYYY-MM-DD", "2023-02-29")
                .is_err()
        );
    }

    /// SjD UpdatePerson 8.
    #[test]
    fn a_new_identity_tells_date_and_gender() {
        let mut care = Care::of([]);
        let told = form(&[(GENDER, "1"), (DATE_OF_BIRTH, "1980-01-01"), (SURNAME, "A")]);
        let first = care.update(None, None, told.clone()).unwrap();
        let second = care.update(None, None, told).unwrap();
        assert!(care.text(first).starts_with("22800101AA1"));
        assert!(care.text(second).starts_with("22800101AA3"));
        let person = care.few.get(first);
        assert_eq!(person.text(GENDER), Some("1"));
        assert!(
            person
                .value(Field::at("primaryIdentity"))
                .unwrap()
                .is_true()
        );
    }

    /// SjD UpdatePerson 9.
    #[test]
    fn an_anonymous_identity_is_completed_later_and_stays() {
        let mut care = Care::of([]);
        let issued = care
            .update(None, None, form(&[(SURNAME, "Okänd")]))
            .unwrap();
        let value = care.text(issued);
        assert!(value.starts_with("00002040AAA"), "{value}");
        assert_eq!(care.few.get(issued).text(GENDER), None);
        let told = form(&[
            (GENDER, "2"),
            (DATE_OF_BIRTH, "1980-01-01"),
            (SURNAME, "Känd"),
        ]);
        assert_eq!(care.update(Some(&value), None, told), Ok(issued));
        let person = care.few.get(issued);
        assert_eq!(
            (person.text(GENDER), person.text(SURNAME)),
            (Some("2"), Some("Känd"))
        );
        let born = person.value(DATE_OF_BIRTH).unwrap().as_date().unwrap();
        assert_eq!(born.to_string(), "1980-01-01");
    }

    /// SjD UpdatePerson 1 to 4.
    #[test]
    fn what_is_not_sent_is_erased_and_what_is_not_replaced_stays() {
        let mut care = Care::of([known(NRID)]);
        care.update(Some(NRID), None, Form::new()).unwrap();
        let person = care.few.get(identity(NRID));
        assert_eq!(person.text(SURNAME), None);
        assert_eq!(person.text(GENDER), Some("2"), "the number tells it");
        assert_eq!(person.entries(EMAIL.parent()).count(), 1);
        assert!(person.value(Field::at("testIndicator")).unwrap().is_true());
        let version = version_of(person).unwrap();
        assert_eq!(version.written(), *b"20250107060000");
        let signed = person.value(UPDATED).unwrap().as_timestamp();
        assert_eq!(signed, Some(version), "not what the caller tells");
        // The clock stands still: the version does not.
        care.update(Some(NRID), Some(version), Form::new()).unwrap();
        assert!(version_of(care.few.get(identity(NRID))) > Some(version));
    }

    #[test]
    fn identities_are_registered_or_refused_by_kind() {
        let mut care = Care::of([]);
        assert_eq!(
            care.update(Some(LRID), None, Form::new()),
            Ok(identity(LRID))
        );
        for (value, refusal) in [
            ("191212121212", Refusal::NotReserve),
            ("197001782395", Refusal::NotReserve),
            (NRID, Refusal::NotIssued),
            ("991981000011", Refusal::CheckCharacter),
        ] {
            assert_eq!(care.update(Some(value), None, Form::new()), Err(refusal));
        }
    }

    /// SjD UpdatePerson 10.
    #[test]
    fn another_version_than_the_current_one_is_refused() {
        let mut care = Care::of([known(NRID)]);
        let old = Timestamp::parse("20230101000000");
        let current = Timestamp::parse("20240101000000");
        for (value, version, answer) in [
            (Some(NRID), old, Err(Refusal::StaleVersion)),
            (None, old, Err(Refusal::VersionOfNobody)),
            (Some(LRID), old, Err(Refusal::VersionOfNobody)),
            (Some(NRID), current, Ok(identity(NRID))),
            (Some(NRID), current, Err(Refusal::StaleVersion)),
        ] {
            assert_eq!(care.update(value, version, Form::new()), answer);
        }
    }

    #[test]
    fn a_wrong_value_changes_nothing_and_issues_nothing() {
        let mut care = Care::of([]);
        let refused = care.update(None, None, form(&[(GENDER, "3")]));
        assert_eq!(refused, Err(Refusal::Value(GENDER, Wrong::NotACode)));
        assert!(care.few.persons.is_empty());
        let issued = care.update(None, None, Form::new()).unwrap();
        assert!(care.text(issued).starts_with("00002040AAA"));
    }

    #[test]
    fn somebody_answers_for_every_change() {
        let wish_of = |actor: Actor| {
            let wish = Wish::UpdatePerson {
                unrestricted: true,
                actor,
                identity: None,
                version: None,
                form: Form::new(),
            };
            let at = Moment::parse("2025-01-07T06:00:00").unwrap();
            let formats = Formats::standard();
            perform(
                &wish,
                &Few::default(),
                Rules::standard(&formats),
                &mut Issuer::default(),
                &at,
            )
            .err()
        };
        let nobody = Actor {
            id: Name::default(),
            ..actor()
        };
        let alone = Actor {
            organization: None,
            ..actor()
        };
        assert_eq!(wish_of(nobody), Some(Refusal::NoActor));
        assert_eq!(wish_of(alone), Some(Refusal::NoOrganization));
        assert_eq!(wish_of(actor()), None);
    }
}
