//! The code lists and formats of what care tells, as a table: which values each field may have. The
//! schemas allow any text there.
//!
//! Source: IS 5.1 (code lists), TKB 5.1 (formats), Inera's page on LMA cards.

use crate::base::limits;
use crate::base::time::{Moment, PartialDate};
use crate::person::edit::Group;
use crate::person::field::Field;
use crate::person::record::EncodeError;
use crate::person::value::Value;

use super::country;
use super::refusal::{Refusal, Wrong};

/// What a field's values must obey.
enum Rule {
    /// One of these.
    Code(&'static [&'static str]),
    /// ISO 3166-1, two capitals.
    CountryCode,
    /// The name of a country in full.
    Country,
    /// A UUID.
    Uuid,
    /// Today at the latest.
    NotInFuture,
}

const GENDER: &[&str] = &["0", "1", "2", "9"];
/// AS and GS were taken out of the list with version 4.0.
const DEREGISTRATION: &[&str] = &["AV", "UV", "GN", "AN", "FI", "OB", "TA"];
const RELATIONSHIP_TYPE: &[&str] = &["B", "MO", "FA", "F", "V", "VF", "M", "P"];
const RELATIONSHIP_STATUS: &[&str] = &["NY", "PB", "RD", "AS", "AV", "IV", "AN"];
const CATEGORY: &[&str] = &["01", "02", "03", "04", "05"];
const ACCOUNT: &[&str] = &[
    "9901", "9902", "9903", "9904", "9905", "9906", "9908", "9909", "0001", "8888",
];
const PROOF: &[&str] = &["01", "02", LMA_CARD];
const LMA_CARD: &str = "03";
const CONTACT_TYPE: &[&str] = &["phone", "fax", "email", "pager", "url", "sms", "other"];
const USE: &[&str] = &["home", "work", "temp", "old", "mobile"];
/// SNOMED CT: wife, husband, partner, cohabitant, child, sibling, mother, father, guardian, friend,
/// god man, other.
const CONTACT_RELATIONSHIP: &[&str] = &[
    "127850001",
    "127849001",
    "127848009",
    "394921008",
    "67822003",
    "375005",
    "72705000",
    "66839005",
    "394619001",
    "113163005",
    "54056000",
    "74964007",
];

static RULES: &[(Field, Rule)] = &[
    (Field::at("gender"), Rule::Code(GENDER)),
    (Field::at("birth/dateOfBirth"), Rule::NotInFuture),
    (
        Field::at("deregistration/deregistrationReasonCode"),
        Rule::Code(DEREGISTRATION),
    ),
    (
        Field::at("relationship/relationshipType"),
        Rule::Code(RELATIONSHIP_TYPE),
    ),
    (
        Field::at("relationship/status"),
        Rule::Code(RELATIONSHIP_STATUS),
    ),
    (
        Field::at("relationship/deregistration/deregistrationReasonCode"),
        Rule::Code(DEREGISTRATION),
    ),
    (
        Field::at("relationship/relationshipId/dateOfBirth"),
        Rule::NotInFuture,
    ),
    (
        Field::at("administrativeInformation/categoryOfPerson"),
        Rule::Code(CATEGORY),
    ),
    (
        Field::at("administrativeInformation/accountCode"),
        Rule::Code(ACCOUNT),
    ),
    (
        Field::at("confirmedIdentity/typeOfIdentification"),
        Rule::Code(PROOF),
    ),
    (Field::at("confirmedIdentity/attachmentId"), Rule::Uuid),
    (
        Field::at("confirmedIdentity/countryCode"),
        Rule::CountryCode,
    ),
    (
        Field::at("addressInformation/addressAbroad/countryCode"),
        Rule::Country,
    ),
    (
        Field::at("contactInformation/contactType"),
        Rule::Code(CONTACT_TYPE),
    ),
    (Field::at("contactInformation/use"), Rule::Code(USE)),
    (
        Field::at("contactPerson/contactRelationshipType"),
        Rule::Code(CONTACT_RELATIONSHIP),
    ),
    (
        Field::at("contactPerson/contactPersonContactInformation/contactType"),
        Rule::Code(CONTACT_TYPE),
    ),
    (
        Field::at("contactPerson/contactPersonContactInformation/use"),
        Rule::Code(USE),
    ),
];

/// When somebody died, or was found dead: not before they were born, nor in the future.
const DEATH: [Field; 2] = [DEREGISTERED_ON, Field::at("deregistration/foundDeadAtDate")];
const DEREGISTERED_ON: Field = Field::at("deregistration/deregistrationDate");
const DEREGISTERED: Field = Field::at("deregistration/deregistrationReasonCode");
const DECEASED: &str = "AV";
const BORN: Field = Field::at("birth/dateOfBirth");

/// Periods with their two ends.
const PERIODS: [[Field; 3]; 3] = [
    [
        Field::at("confirmedIdentity/validDatePeriod"),
        Field::at("confirmedIdentity/validDatePeriod/start"),
        Field::at("confirmedIdentity/validDatePeriod/end"),
    ],
    [
        Field::at("contactInformation/period"),
        Field::at("contactInformation/period/start"),
        Field::at("contactInformation/period/end"),
    ],
    [
        Field::at("contactPerson/contactPersonContactInformation/period"),
        Field::at("contactPerson/contactPersonContactInformation/period/start"),
        Field::at("contactPerson/contactPersonContactInformation/period/end"),
    ],
];

/// Entries that are sent back whole by whoever reads before writing.
const ENTRIES: [Field; 4] = [
    Field::at("contactInformation"),
    Field::at("contactPerson"),
    PROOF_ENTRY,
    Field::at("relationship"),
];

const PROOF_ENTRY: Field = Field::at("confirmedIdentity");
const PROOF_TYPE: Field = Field::at("confirmedIdentity/typeOfIdentification");
const PROOF_NUMBER: Field = Field::at("confirmedIdentity/identificationNumber");

/// What a form says that the record does not say already. Only that is checked: what somebody else
/// once wrote, by other rules, may be sent back as it was read.
pub(super) fn news(form: &Group, current: Option<&Group>) -> Result<Group, Refusal> {
    // First, so that nobody can have the register compare more than a record may hold.
    for field in ENTRIES {
        if form.entries(field).count() > limits::GROUP_ITEMS {
            return Err(Refusal::Record(EncodeError::TooManyEntries(field)));
        }
    }
    let mut news = form.clone();
    let Some(current) = current else {
        return Ok(news);
    };
    for field in ENTRIES {
        let new = form
            .entries(field)
            .filter(|entry| !current.entries(field).any(|other| other == *entry));
        news.set_entries(field, new.cloned().collect());
    }
    let mut standing = Vec::new();
    news.each_value(&mut |field, value| {
        let alone = !ENTRIES.iter().any(|entry| entry.contains(field));
        if alone && current.value(field) == Some(value) {
            standing.push(field);
        }
    });
    standing.into_iter().for_each(|field| news.clear(field));
    Ok(news)
}

/// Holds a form against the code lists and formats.
pub(super) fn check(news: &Group, at: &Moment) -> Result<(), Refusal> {
    let mut wrong = None;
    news.each_value(&mut |field, value| {
        if wrong.is_none()
            && let Some((_, rule)) = RULES.iter().find(|(of, _)| *of == field)
            && let Err(why) = rule.check(value, at)
        {
            wrong = Some(Refusal::Value(field, why));
        }
    });
    wrong.map_or(Ok(()), Err)?;
    for [period, start, end] in PERIODS {
        for group in news.groups(period) {
            let day = |field| group.value(field).and_then(Value::as_date);
            let why = match (day(start), day(end)) {
                (None, None) => Wrong::NoEnds,
                (Some(start), Some(end)) if end < start => Wrong::EndsBeforeStart,
                _ => continue,
            };
            return Err(Refusal::Value(period, why));
        }
    }
    let lma_cards = news
        .entries(PROOF_ENTRY)
        .filter(|proof| proof.text(PROOF_TYPE) == Some(LMA_CARD))
        .filter_map(|proof| proof.text(PROOF_NUMBER));
    for number in lma_cards {
        if !is_lma_number(number) {
            return Err(Refusal::Value(PROOF_NUMBER, Wrong::NotAnLmaNumber));
        }
    }
    Ok(())
}

/// Holds a death against the birth and today, where `news` tells one of them; `person` is as they
/// would be.
pub(super) fn check_death(news: &Group, person: &Group, at: &Moment) -> Result<(), Refusal> {
    let told = DEATH.into_iter().chain([BORN, DEREGISTERED]);
    if !told.into_iter().any(|field| news.value(field).is_some()) {
        return Ok(());
    }
    let born = person.value(BORN).and_then(Value::as_date);
    for field in DEATH {
        // A date of death stands where any deregistration's does.
        let is_death = field != DEREGISTERED_ON || person.text(DEREGISTERED) == Some(DECEASED);
        let Some(died) = person
            .value(field)
            .and_then(Value::as_date)
            .filter(|_| is_death)
        else {
            continue;
        };
        if !has_come(died, at.date) {
            return Err(Refusal::Value(field, Wrong::InTheFuture));
        }
        if born.is_some_and(|born| died.is_before(born)) {
            return Err(Refusal::Value(field, Wrong::BeforeBirth));
        }
    }
    Ok(())
}

impl Rule {
    fn check(&self, value: &Value, at: &Moment) -> Result<(), Wrong> {
        let text = value.as_text().unwrap_or_default();
        let (holds, wrong) = match self {
            Self::Code(list) => (list.contains(&text), Wrong::NotACode),
            Self::CountryCode => (
                text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
                Wrong::NotACountryCode,
            ),
            Self::Country => (country::is_name(text), Wrong::NotACountry),
            Self::Uuid => (
                text.len() == 36 && uuid::Uuid::try_parse(text).is_ok(),
                Wrong::NotAUuid,
            ),
            Self::NotInFuture => (
                value.as_date().is_some_and(|date| has_come(date, at.date)),
                Wrong::InTheFuture,
            ),
        };
        if holds { Ok(()) } else { Err(wrong) }
    }
}

/// Whether a date, of which the day or the month may be unknown, may lie today or before.
const fn has_come(date: PartialDate, today: PartialDate) -> bool {
    date.number() <= today.number()
}

/// `NN-NNNNNN`.
fn is_lma_number(text: &str) -> bool {
    text.len() == 9
        && text.bytes().enumerate().all(|(place, byte)| match place {
            2 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Moment {
        Moment::parse("2025-01-07T06:00:00").unwrap()
    }

    fn one(path: &str, text: &str) -> Result<(), Refusal> {
        let field = Field::at(path);
        let mut form = Group::new(Field::RECORD);
        form.set(field, Value::parse(field, text).unwrap());
        check(&form, &at())
    }

    #[test]
    fn every_code_of_a_list_is_taken_and_nothing_else() {
        for (field, rule) in RULES {
            let Rule::Code(list) = rule else { continue };
            for code in *list {
                assert_eq!(one(&field.path(), code), Ok(()), "{field:?} {code}");
            }
            for other in ["", "XX", "av", " 1", "1 "] {
                let refused = Err(Refusal::Value(*field, Wrong::NotACode));
                assert_eq!(one(&field.path(), other), refused, "{field:?} {other}");
            }
        }
    }

    #[test]
    fn countries_are_codes_in_one_place_and_names_in_another() {
        let code = "confirmedIdentity/countryCode";
        let name = "addressInformation/addressAbroad/countryCode";
        assert_eq!(one(code, "DK"), Ok(()));
        assert_eq!(one(name, "Danmark"), Ok(()));
        for (path, text, why) in [
            (code, "dk", Wrong::NotACountryCode),
            (code, "D", Wrong::NotACountryCode),
            (name, "DK", Wrong::NotACountry),
            (name, "Narnia", Wrong::NotACountry),
        ] {
            assert_eq!(one(path, text), Err(Refusal::Value(Field::at(path), why)));
        }
    }

    #[test]
    fn nobody_is_born_tomorrow() {
        let path = "birth/dateOfBirth";
        for (date, right) in [
            ("2025-01-07", true),
            ("2025-01", true),
            ("2025", true),
            ("2025-01-08", false),
            ("2025-02", false),
            ("2026", false),
        ] {
            assert_eq!(one(path, date).is_ok(), right, "{date}");
        }
    }

    #[test]
    fn periods_have_an_end_and_do_not_run_backwards() {
        for [period, start, end] in PERIODS {
            let of = |start_day: Option<&str>, end_day: Option<&str>| {
                let mut entry = Group::new(period.parent());
                let mut group = Group::new(period);
                for (field, day) in [(start, start_day), (end, end_day)] {
                    if let Some(day) = day {
                        group.set(field, Value::parse(field, day).unwrap());
                    }
                }
                entry.push(group);
                let mut form = Group::new(Field::RECORD);
                form.push(entry);
                check(&form, &at())
            };
            assert_eq!(of(Some("2024-01-01"), None), Ok(()));
            assert_eq!(of(None, Some("2024-01-01")), Ok(()));
            assert_eq!(of(Some("2024-01-01"), Some("2024-01-01")), Ok(()));
            let wrong = |why| Err(Refusal::Value(period, why));
            assert_eq!(of(None, None), wrong(Wrong::NoEnds));
            let backwards = of(Some("2024-01-02"), Some("2024-01-01"));
            assert_eq!(backwards, wrong(Wrong::EndsBeforeStart));
        }
    }

    #[test]
    fn an_lma_card_has_a_number_of_its_form_and_other_proofs_any() {
        let of = |kind: &str, number: &str| {
            let mut entry = Group::new(PROOF_ENTRY);
            entry.set(PROOF_TYPE, Value::from(kind));
            entry.set(PROOF_NUMBER, Value::from(number));
            let mut form = Group::new(Field::RECORD);
            form.push(entry);
            check(&form, &at()).is_ok()
        };
        assert!(of("03", "12-345678") && of("02", "P1234567") && of("01", "12345"));
        for wrong in [
            "12345678",
            "12-34567",
            "1-2345678",
            "12-34567A",
            "",
            "12–345678",
        ] {
            assert!(!of("03", wrong), "{wrong}");
        }
    }

    #[test]
    fn what_stands_already_may_be_sent_back() {
        let kind = Field::at("contactInformation/contactType");
        let gender = Field::at("gender");
        let of = |kinds: &[&str], code: &str| {
            let mut group = Group::new(Field::RECORD);
            for text in kinds {
                let mut entry = Group::new(kind.parent());
                entry.set(kind, Value::from(*text));
                group.push(entry);
            }
            group.set(gender, Value::from(code));
            group
        };
        let current = of(&["brevduva", "phone"], "7");
        let news = |form: Group| news(&form, Some(&current)).unwrap();
        let same = news(of(&["phone", "brevduva"], "7"));
        assert_eq!(check(&same, &at()), Ok(()));
        let new = news(of(&["rökpuff"], "7"));
        let refused = Err(Refusal::Value(kind, Wrong::NotACode));
        assert_eq!(check(&new, &at()), refused);
        let changed = news(of(&[], "8"));
        let refused = Err(Refusal::Value(gender, Wrong::NotACode));
        assert_eq!(check(&changed, &at()), refused);
    }

    #[test]
    fn more_entries_than_a_record_holds_are_refused_before_they_are_compared() {
        let kind = Field::at("contactInformation/contactType");
        let mut form = Group::new(Field::RECORD);
        for _ in 0..=limits::GROUP_ITEMS {
            let mut entry = Group::new(kind.parent());
            entry.set(kind, Value::from("phone"));
            form.push(entry);
        }
        let refused = Refusal::Record(EncodeError::TooManyEntries(kind.parent()));
        assert_eq!(news(&form, None).err(), Some(refused));
    }
}
