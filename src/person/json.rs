//! The field table's JSON form: one object per record, with the names and the structure of the
//! newest contract version. It is the form of the exchange file, and of whoever asks for JSON.
//!
//! | kind | JSON |
//! |---|---|
//! | group | object; an array of objects where the group repeats |
//! | text, date, partial date, moment | string |
//! | number | number |
//! | boolean | boolean |
//! | identity | `{"root": ..., "extension": ...}` |
//! | value in a version 3 and 4 wrapper | string, or `{"name": ..., "attested": ...}` with its mark |
//!
//! Protection that a record inherits from linked identities is derived data and not written. Where it
//! has outlived the link it cannot be derived: then the register's own name `keepsProtection` is
//! `true` in what shows everything.

mod read;
mod write;

pub use read::{JsonError, read};
pub use write::write;

use super::field::Field;

/// The name that says that inherited protection has outlived its link.
const KEEPS_PROTECTION: &str = "keepsProtection";

/// The value inside a wrapper.
fn value_in(wrapper: Field) -> Field {
    wrapper.children().next().unwrap_or(wrapper)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::read::PERSONAL_IDENTITY;
    use super::write::DEPTH;
    use super::*;
    use crate::base::limits;
    use crate::person::edit::tests::{full, identity};
    use crate::person::edit::{Group, Person};
    use crate::person::identity::{Formats, IdentityError};
    use crate::person::record::RecordRef;
    use crate::person::value::{Value, ValueError};
    use crate::person::view::{Grant, Profile, ProtectionRules, Shield, restrict};

    fn written(person: &Person, grant: Grant) -> String {
        let bytes = person.to_record().unwrap();
        let view = restrict(RecordRef::open(&bytes).unwrap(), &grant, Shield::NONE);
        let mut out = Vec::new();
        write(&view, &Formats::standard(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn back(person: &Person) -> Person {
        let json = written(person, Grant::backup());
        read(json.as_bytes(), &Formats::standard()).unwrap()
    }

    fn error(json: &str) -> JsonError {
        let Err(error) = read(json.as_bytes(), &Formats::standard()) else {
            panic!("read without an error: {json}")
        };
        error
    }

    const PNR: &str =
        r#""personalIdentity":{"root":"1.2.752.129.2.1.3.1","extension":"191212121212"}"#;

    /// An error inside a person who is otherwise right.
    fn error_in(rest: &str) -> JsonError {
        error(&format!("{{{PNR},{rest}}}"))
    }

    #[test]
    fn the_field_table_is_not_deeper_than_the_writer() {
        assert!(Field::all().all(|field| usize::from(field.info().depth) < DEPTH));
    }

    #[test]
    fn a_full_person_comes_back() {
        let person = full(identity("22790814AA01"), 7);
        assert!(back(&person) == person);
        let json = written(&person, Grant::backup());
        assert!(json.contains(r#""link":"#));
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(parsed["relationship"].is_array() && parsed["name"].is_object());
    }

    #[test]
    fn the_form_is_the_newest_contracts() {
        let mut person = Person::new(identity("191212121212"), &Formats::standard());
        person.set(Field::at("name/givenName"), Value::from("Åsa"));
        person.set(Field::at("name/givenNameIndicator"), Value::from("10"));
        let kinds = [
            ("relationship", "relationship/relationshipType"),
            ("contactInformation", "contactInformation/contactType"),
        ];
        for (group, kind) in kinds {
            let mut entry = Group::new(Field::at(group));
            entry.set(Field::at(kind), Value::from("B"));
            person.set_entries(Field::at(group), vec![entry]);
        }
        let place = Field::at("contactInformation/digitalNotification");
        let mut second = Group::new(Field::at("contactInformation"));
        second.set(
            Field::at("contactInformation/contactType"),
            Value::from("C"),
        );
        second.set(place, Value::Boolean(true));
        person.push(second);
        assert_eq!(
            written(&person, Grant::backup()),
            format!(
                "{{{PNR},{}",
                r#""gender":"1","protectedPersonIndicator":false,"testIndicator":false,"primaryIdentity":true,"name":{"givenNameIndicator":10,"givenName":"Åsa"},"birth":{"dateOfBirth":"1912-12-12"},"contactInformation":[{"contactType":"B"},{"contactType":"C","digitalNotification":true}],"relationship":[{"relationshipId":{},"relationshipType":"B"}],"protectedPopulationRecord":false}"#
            )
        );
        assert!(back(&person).text(Field::at("name/givenName")) == Some("Åsa"));
    }

    #[test]
    fn a_mark_makes_an_object_of_a_wrapped_value() {
        let mut person = Person::new(identity("197001782395"), &Formats::standard());
        let (name, mark) = (
            Field::at("name/surname"),
            Field::at("name/surname/attested"),
        );
        person.set(name, Value::from("Å"));
        person.set(mark, Value::Boolean(true));
        person.set(Field::at("name/middleName"), Value::from("M"));
        let country = Field::at("citizenship/citizenshipCountryCode/attested");
        let mut citizenship = Group::new(Field::at("citizenship"));
        citizenship.set(country, Value::Boolean(false));
        person.push(citizenship);
        let json = written(&person, Grant::backup());
        let shown = [
            r#""name":{"middleName":"M","surname":{"name":"Å","attested":true}}"#,
            r#""citizenship":[{"citizenshipCountryCode":{"attested":false}}]"#,
        ];
        assert!(shown.iter().all(|part| json.contains(part)), "{json}");
        assert!(back(&person) == person);
        assert_eq!(
            error_in(r#""name":{"surname":{"attested":true}}"#),
            JsonError::Missing(name)
        );
    }

    #[test]
    fn internal_fields_are_shown_to_a_backup_only() {
        let person = full(identity("22790814AA01"), 7);
        let json = written(&person, Grant::unrestricted(Profile::P5));
        assert!(!json.contains(r#""link":"#) && json.contains("linkedIdentity"));
        read(json.as_bytes(), &Formats::standard()).unwrap();
    }

    #[test]
    fn what_a_protected_view_shows_is_still_json() {
        let mut person = full(identity("191212121212"), 7);
        person.set(Field::at("protectedPopulationRecord"), Value::Boolean(true));
        let grant = Grant::restricted(Profile::P5, ProtectionRules::STANDARD);
        let json = written(&person, grant);
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(parsed.get("addressInformation").is_none());
        assert_eq!(parsed["protectedPopulationRecord"], true);
    }

    #[test]
    fn inherited_protection_is_not_written() {
        let mut person = Person::new(identity("22790814AA01"), &Formats::standard());
        person.inherited = Shield::PERSON;
        assert!(!back(&person).inherited.is_on());
        person.keeps_protection = true;
        assert!(back(&person).keeps_protection);
        for profile in Profile::ALL {
            let json = written(&person, Grant::unrestricted(profile));
            assert!(!json.contains(KEEPS_PROTECTION), "the register's own");
        }
    }

    #[test]
    fn missing_booleans_gender_and_birth_have_defaults() {
        let person = read(format!("{{{PNR}}}").as_bytes(), &Formats::standard()).unwrap();
        let new = Person::new(identity("191212121212"), &Formats::standard());
        assert!(person == new);
    }

    #[test]
    fn any_text_comes_back() {
        let mut person = Person::new(identity("22790814AA01"), &Formats::standard());
        for text in ["'\"\u{1F9D1}", "a\\b  c", "<&amp;>]]>", ""] {
            person.set(Field::at("name/givenName"), Value::from(text));
            assert!(!written(&person, Grant::backup()).contains('\n'));
            assert!(back(&person) == person, "{text:?}");
        }
        // A record of an older day may hold what none takes any more.
        person.set(
            Field::at("name/givenName"),
            Value::from("a\r\n\tc\u{7f}\u{85}\u{2028}"),
        );
        let line = written(&person, Grant::backup());
        assert!(!line.contains('\n'));
        let refused = JsonError::Illegal(Field::at("name/givenName"), ValueError::UnseenCharacter);
        assert_eq!(
            read(line.as_bytes(), &Formats::standard()).err(),
            Some(refused)
        );
        let escaped = format!(r#"{{{PNR},"n\u0061me":{{"surname":"\ud83e\uddd1"}}}}"#);
        let person = read(escaped.as_bytes(), &Formats::standard()).unwrap();
        assert_eq!(person.text(Field::at("name/surname")), Some("\u{1F9D1}"));
    }

    #[test]
    fn large_attachments_come_back() {
        let mut person = Person::new(identity("22790814AA01"), &Formats::standard());
        let mut attachment = Group::new(Field::at("attachment"));
        attachment.set(Field::at("attachment/mediaType"), Value::from("image/png"));
        let value = Value::Text("QUJD".repeat(1 << 20));
        attachment.set(Field::at("attachment/value"), value);
        person.push(attachment);
        assert!(back(&person) == person);
    }

    #[test]
    fn what_is_wrong_is_told_by_field() {
        use JsonError as E;
        let at = Field::at;
        let cases = [
            (r#""name":{"givnName":"X"}"#, None),
            (r#""name":"X""#, Some(E::WrongShape(at("name")))),
            (r#""name":[]"#, Some(E::WrongShape(at("name")))),
            (r#""name":null"#, Some(E::WrongShape(at("name")))),
            (
                r#""name":{"surname":7}"#,
                Some(E::WrongShape(at("name/surname").parent())),
            ),
            (
                r#""name":{"givenNameIndicator":"10"}"#,
                Some(E::WrongShape(at("name/givenNameIndicator"))),
            ),
            (
                r#""name":{"givenNameIndicator":10.5}"#,
                Some(E::WrongShape(at("name/givenNameIndicator"))),
            ),
            (
                r#""name":{"givenNameIndicator":9}"#,
                Some(E::Illegal(
                    at("name/givenNameIndicator"),
                    ValueError::OutOfRange(10, 99),
                )),
            ),
            (
                r#""testIndicator":"true""#,
                Some(E::WrongShape(at("testIndicator"))),
            ),
            (
                r#""gender":"1","gender":"1""#,
                Some(E::Repeated(at("gender"))),
            ),
            (
                r#""citizenship":{}"#,
                Some(E::WrongShape(at("citizenship"))),
            ),
            (
                r#""citizenship":["SE"]"#,
                Some(E::WrongShape(at("citizenship"))),
            ),
            (
                r#""relationship":[{}]"#,
                Some(E::Missing(at("relationship/relationshipType"))),
            ),
            (
                r#""birth":{"dateOfBirth":"1912-13-01"}"#,
                Some(E::Illegal(at("birth/dateOfBirth"), ValueError::NotADate)),
            ),
            (
                r#""version":"2024""#,
                Some(E::Illegal(at("version"), ValueError::NotATime)),
            ),
            (
                r#""name":{"surname":"\u0001"}"#,
                Some(E::Illegal(at("name/surname"), ValueError::IllegalCharacter)),
            ),
            (
                r#""linkedIdentity":[{"referredPersonalIdentity":{"root":"1.2"}}]"#,
                Some(E::Missing(at("linkedIdentity/referredPersonalIdentity"))),
            ),
            (
                r#""linkedIdentity":[{"referredPersonalIdentity":{"root":"1.2","extension":"X"}}]"#,
                Some(E::Identity(
                    at("linkedIdentity/referredPersonalIdentity"),
                    IdentityError::UnknownRoot,
                )),
            ),
            (
                r#""linkedIdentity":[{"referredPersonalIdentity":{"value":"1.2"}}]"#,
                None,
            ),
        ];
        for (json, expected) in cases {
            let error = error_in(json);
            match expected {
                Some(expected) => assert_eq!(error, expected, "{json}"),
                None => assert!(matches!(error, E::UnknownName { .. }), "{json}: {error:?}"),
            }
        }
        let many = vec!["{}"; limits::GROUP_ITEMS + 1].join(",");
        let field = at("citizenship");
        assert_eq!(
            error_in(&format!(r#""citizenship":[{many}]"#)),
            E::TooManyEntries(field)
        );
        assert_eq!(error("{}"), E::Missing(PERSONAL_IDENTITY));
        for json in ["", "{", &format!("{{{PNR}}} {{}}"), &format!("{{{PNR},}}")] {
            assert!(matches!(error(json), E::Syntax { .. }), "{json}");
        }
        assert!(matches!(
            read(b"{\"name\":{\"surname\":\"\xff\"}}", &Formats::standard()),
            Err(E::Syntax { .. })
        ));
        assert_eq!(error("[]"), E::WrongShape(Field::RECORD));
    }

    #[test]
    fn errors_show_no_value() {
        for json in [
            r#""gender":"TESTGATAN 1 in a field that is much too short for it""#,
            r#""TESTGATAN":1"#,
            r#""testIndicator":"TESTGATAN""#,
            r#""version":"TESTGATAN""#,
        ] {
            let error = error_in(json);
            assert!(!format!("{error} {error:?}").contains("TESTGATAN"));
        }
    }

    proptest! {
        #[test]
        fn any_filling_comes_back(seed in 0_u32..1_000_000) {
            let person = full(identity("22790814AA01"), seed);
            prop_assert!(back(&person) == person);
        }

        #[test]
        fn damaged_json_is_survived(seed in 0_u32..1000, at: prop::sample::Index, with: u8) {
            let person = full(identity("22790814AA01"), seed);
            let mut json = written(&person, Grant::backup()).into_bytes();
            let at = at.index(json.len());
            json[at] = with;
            let _ = read(&json, &Formats::standard());
        }
    }
}
