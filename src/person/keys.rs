//! What a record is found by: the keys under which the search indexes list it. They stand in sets
//! ([`KeySet`]): a protected person's address is a key of the set that only Unrestricted searches
//! read, so that it changes neither a restricted answer nor what is counted and read on the way to
//! it. Keys only name candidates: every candidate is looked at again through a
//! [`View`](super::view::View) before anybody hears of it.
//!
//! A key is bytes whose order is the order of what they mean, so that a range of values or a prefix
//! is a range of keys:
//!
//! | index | key |
//! |---|---|
//! | names | county (2 bytes), word, folded |
//! | city, street | the folded text; a street up to its first digit |
//! | postal code | four bytes |
//! | locality | county (2 bytes), municipality (2 bytes) |
//! | dates | `YYYYMMDD`, four bytes |
//! | version | `YYYYMMDDhhmm`, five bytes: the minute it falls in |
//! | history | county (2 bytes), day since 1970 (four bytes) |
//! | codes, flags | the folded text; `1` for true |
//! | other identities | the eight bytes of the key |
//!
//! Numbers are big endian. A county that is not known is two zeros.

use std::sync::LazyLock;

use super::field::{Field, FieldMask};
use super::record::{Damaged, RecordRef};
use super::value::ValueRef;
use super::view::{
    Grant, HouseholdRule, KeySet, PopulationRecordRule, Profile, ProtectionRules, Shield, View,
    restrict,
};
use crate::base::swedish;

/// Bytes of the county at the start of a key.
pub const COUNTY: usize = 2;

/// A search index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Index {
    /// Words of given names, by county.
    GivenName,
    /// Words of middle names, by county.
    MiddleName,
    /// Words of surnames, by county.
    Surname,
    /// Dates of birth.
    BirthDate,
    /// Genders.
    Gender,
    /// Municipalities, by county.
    Locality,
    /// Postal codes of Swedish addresses.
    PostalCode,
    /// Cities of Swedish addresses.
    City,
    /// Streets of Swedish addresses, without the number.
    Street,
    /// Countries of addresses abroad.
    Country,
    /// The minute of the last change.
    Version,
    /// Reasons for deregistration.
    Deregistration,
    /// Dates of deregistration, and of being found dead.
    DeregistrationDate,
    /// Persons with sekretessmarkering.
    ProtectedPerson,
    /// Persons with skyddad folkbokföring.
    ProtectedPopulationRecord,
    /// Test persons.
    TestIndicator,
    /// Identities that are not the main one of their chain.
    PrimaryIdentity,
    /// Identities by those they are linked with.
    LinkedIdentity,
    /// Identities by those that Skatteverket refers to.
    ReferredIdentity,
    /// Earlier localities by the day of moving in, by county.
    HistoryStart,
    /// Earlier localities by the day of moving out, by county.
    HistoryEnd,
}

/// What the keys of an index are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Each word of the text, behind the county.
    Words,
    /// The whole text.
    Text,
    /// The text up to its first digit.
    Street,
    /// A number.
    Number,
    /// A date.
    Date,
    /// The minute of a moment.
    Minute,
    /// The day of a moment, behind the county.
    Day,
    /// County and municipality.
    Locality,
    /// Only this truth is listed; the other is what nearly everybody has.
    Flag(bool),
    /// An identity.
    Identity,
}

/// One row of the table of indexes.
pub struct IndexRow {
    /// The index.
    pub index: Index,
    /// What explanations call it.
    pub name: &'static str,
    /// What its keys are made of.
    pub shape: Shape,
    /// The fields it lists.
    pub fields: &'static [Field],
}

macro_rules! rows {
    ($($index:ident $name:literal $shape:expr, $($path:literal)+;)*) => {
        &[$(IndexRow {
            index: Index::$index,
            name: $name,
            shape: $shape,
            fields: &[$(Field::at($path)),+],
        }),*]
    };
}

/// Every index, in the order of their numbers.
pub static INDEXES: &[IndexRow] = rows! {
    GivenName "given name" Shape::Words, "name/givenName";
    MiddleName "middle name" Shape::Words, "name/middleName";
    Surname "surname" Shape::Words, "name/surname";
    BirthDate "birth date" Shape::Date, "birth/dateOfBirth";
    Gender "gender" Shape::Text, "gender";
    Locality "locality" Shape::Locality, "populationRegistrationLocality/countyCode" "populationRegistrationLocality/municipalityCode";
    PostalCode "postal code" Shape::Number, "addressInformation/residentialAddress/postalCode" "addressInformation/specialPostalAddress/postalCode" "addressInformation/givenAddress/postalCode";
    City "city" Shape::Text, "addressInformation/residentialAddress/city" "addressInformation/specialPostalAddress/city" "addressInformation/givenAddress/city";
    Street "street" Shape::Street, "addressInformation/residentialAddress/postalAddress1" "addressInformation/residentialAddress/postalAddress2" "addressInformation/specialPostalAddress/postalAddress1" "addressInformation/specialPostalAddress/postalAddress2" "addressInformation/givenAddress/postalAddress1" "addressInformation/givenAddress/postalAddress2";
    Country "country abroad" Shape::Text, "addressInformation/addressAbroad/countryCode";
    Version "version" Shape::Minute, "version";
    Deregistration "deregistration reason" Shape::Text, "deregistration/deregistrationReasonCode";
    DeregistrationDate "deregistration date" Shape::Date, "deregistration/deregistrationDate" "deregistration/foundDeadAtDate";
    ProtectedPerson "protected person" Shape::Flag(true), "protectedPersonIndicator";
    ProtectedPopulationRecord "protected population record" Shape::Flag(true), "protectedPopulationRecord";
    TestIndicator "test person" Shape::Flag(true), "testIndicator";
    PrimaryIdentity "not the main identity" Shape::Flag(false), "primaryIdentity";
    LinkedIdentity "linked identity" Shape::Identity, "linkedIdentity/referredPersonalIdentity";
    ReferredIdentity "referred identity" Shape::Identity, "referredPersonalIdentities/referredPersonalIdentity";
    HistoryStart "moved in" Shape::Day, "populationRegistrationRecord/historicalRecords/populationRegistrationLocality/localRegistrationTime";
    HistoryEnd "moved out" Shape::Day, "populationRegistrationRecord/historicalRecords/populationRegistrationLocality/localRegistrationEndTime";
};

impl Index {
    /// Its row in the table.
    pub fn row(self) -> &'static IndexRow {
        &INDEXES[self as usize]
    }

    /// The index that lists a field.
    pub fn of(field: Field) -> Option<Self> {
        BY_FIELD[usize::from(field.number())]
    }
}

static BY_FIELD: LazyLock<[Option<Index>; 256]> = LazyLock::new(|| {
    let mut by_field = [None; 256];
    for row in INDEXES {
        for field in row.fields {
            by_field[usize::from(field.number())] = Some(row.index);
        }
    }
    by_field
});

/// The county in which a person is registered now, protected or not.
pub fn county(record: RecordRef<'_>) -> Result<Option<[u8; COUNTY]>, Damaged> {
    let locality = locality(&restrict(record, &Grant::backup(), Shield::NONE))?;
    let county = locality.first_chunk().copied();
    Ok(county.filter(|county| *county != [0; COUNTY]))
}

/// An earlier locality, and its county.
const HISTORY: Field =
    Field::at("populationRegistrationRecord/historicalRecords/populationRegistrationLocality");
const HISTORY_COUNTY: Field = Field::at(
    "populationRegistrationRecord/historicalRecords/populationRegistrationLocality/countyCode",
);

/// What a listed flag's key is.
pub const FLAG: &[u8] = b"1";

/// How a person is protected, as far as it decides which keys stand in which set: two records of one
/// person with the same fields and the same class have the same keys in the same sets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct KeyClass(u8);

impl KeyClass {
    /// The class of those who have all their keys in [`KeySet::Shown`].
    pub const OPEN: Self = Self(0);

    /// The class of a record.
    pub const fn of(record: RecordRef<'_>) -> Self {
        let home = record.shares_protected_home() && !record.shield().is_on();
        Self(record.shield().bits() | (home as u8) << 2)
    }
}

/// The grants whose views decide about the sets, from the strictest to that which shows all. What a
/// view shows beyond the one before it is a key of its set.
const GRANTS: [(KeySet, Grant); 4] = [
    (
        KeySet::Shown,
        restricted(PopulationRecordRule::NameAndNumber, HouseholdRule::Mask),
    ),
    (
        KeySet::SharedHome,
        restricted(PopulationRecordRule::NameAndNumber, HouseholdRule::Show),
    ),
    (
        KeySet::Profile1,
        restricted(PopulationRecordRule::Profile1, HouseholdRule::Show),
    ),
    (KeySet::Hidden, Grant::backup()),
];

const fn restricted(population_record: PopulationRecordRule, household: HouseholdRule) -> Grant {
    let rules = ProtectionRules {
        population_record,
        household,
    };
    Grant::restricted(Profile::P5, rules)
}

/// Tells every key of a record to `emit`, with its set. The same key may come twice.
pub fn keys(
    record: RecordRef<'_>,
    mut emit: impl FnMut(KeySet, Index, &[u8]),
) -> Result<(), Damaged> {
    if KeyClass::of(record) == KeyClass::OPEN {
        let all = restrict(record, &Grant::backup(), Shield::NONE);
        return keys_of(&all, |index, key| emit(KeySet::Shown, index, key));
    }
    let mut known: Vec<(Index, Box<[u8]>)> = Vec::new();
    for (set, grant) in &GRANTS {
        let before = known.len();
        keys_of(&restrict(record, grant, Shield::NONE), |index, key| {
            let is_it = |(other, bytes): &(Index, Box<[u8]>)| *other == index && **bytes == *key;
            if !known[..before].iter().any(is_it) {
                emit(*set, index, key);
                known.push((index, key.into()));
            }
        })?;
    }
    Ok(())
}

/// Tells the keys of what a view shows.
fn keys_of(view: &View<'_>, mut emit: impl FnMut(Index, &[u8])) -> Result<(), Damaged> {
    let locality = locality(view)?;
    if locality != [0; 2 * COUNTY] {
        emit(Index::Locality, &locality);
    }
    let county = &locality[..COUNTY];
    let mut history_county = [0; COUNTY];
    let mut key = Vec::with_capacity(64);
    view.each(&LISTED, |field, value| {
        let Some(value) = value else {
            if field == HISTORY {
                history_county = [0; COUNTY];
            }
            return Ok(());
        };
        if field == HISTORY_COUNTY {
            history_county = code(value)?;
        }
        let Some(index) = Index::of(field) else {
            return Ok(());
        };
        key.clear();
        match (index.row().shape, value) {
            (Shape::Words, ValueRef::Text(text)) => {
                let text = text.plain()?;
                for word in swedish::words(&swedish::fold(&text)) {
                    key.clear();
                    key.extend_from_slice(county);
                    key.extend_from_slice(word.as_bytes());
                    emit(index, &key);
                }
            }
            (Shape::Text, ValueRef::Text(text)) => {
                emit(index, swedish::fold(&text.plain()?).as_bytes());
            }
            (Shape::Street, ValueRef::Text(text)) => {
                emit(index, street(&swedish::fold(&text.plain()?)).as_bytes());
            }
            (Shape::Number, ValueRef::Text(text)) => {
                let number: u32 = text.plain()?.parse().map_err(|_| Damaged)?;
                emit(index, &number.to_be_bytes());
            }
            (Shape::Date, ValueRef::PartialDate(date) | ValueRef::Date(date)) => {
                emit(index, &date.number().to_be_bytes());
            }
            (Shape::Minute, ValueRef::Timestamp(at)) => emit(index, &minute(at.number())),
            (Shape::Day, ValueRef::DateTime(at)) => {
                key.extend_from_slice(&history_county);
                key.extend_from_slice(&day(at.instant()));
                emit(index, &key);
            }
            (Shape::Flag(listed), ValueRef::Boolean(truth)) if truth == listed => {
                emit(index, FLAG);
            }
            (Shape::Identity, ValueRef::Identity(identity)) => {
                emit(index, &identity.key().to_be_bytes());
            }
            _ => {}
        }
        Ok(())
    })
}

/// The fields that keys are made of, and the entries of earlier localities, which part their
/// counties.
static LISTED: LazyLock<FieldMask> = LazyLock::new(|| {
    FieldMask::of(|field| [HISTORY, HISTORY_COUNTY].contains(&field) || Index::of(field).is_some())
});

/// A code as the fixed part of a key.
pub fn code_key(code: &str) -> [u8; COUNTY] {
    let mut key = [0; COUNTY];
    for (place, byte) in key.iter_mut().zip(code.bytes()) {
        *place = byte;
    }
    key
}

/// A street's key: its folded text up to the first digit.
pub fn street(folded: &str) -> &str {
    let end = folded.find(|c: char| c.is_ascii_digit());
    folded[..end.unwrap_or(folded.len())].trim_end()
}

/// The minute of a moment of 14 digits (`YYYYMMDDhhmmss`) as a key.
pub fn minute(timestamp: u64) -> [u8; 5] {
    // Twelve digits fit 40 bits.
    let [_, _, _, minute @ ..] = (timestamp / 100).to_be_bytes();
    minute
}

/// The day of a moment in milliseconds since 1970 as a key. Days before are one key: 0.
pub fn day(instant: i64) -> [u8; 4] {
    u32::try_from(instant.div_euclid(86_400_000))
        .unwrap_or(if instant < 0 { 0 } else { u32::MAX })
        .to_be_bytes()
}

/// County and municipality, zeros where they are not known or not shown.
fn locality(view: &View<'_>) -> Result<[u8; 2 * COUNTY], Damaged> {
    const COUNTY_CODE: Field = Field::at("populationRegistrationLocality/countyCode");
    const MUNICIPALITY: Field = Field::at("populationRegistrationLocality/municipalityCode");
    static CODES: LazyLock<FieldMask> =
        LazyLock::new(|| FieldMask::of(|field| field == COUNTY_CODE || field == MUNICIPALITY));
    let mut key = [0; 2 * COUNTY];
    view.each(&CODES, |field, value| {
        let at = if field == COUNTY_CODE { 0 } else { COUNTY };
        if let Some(value) = value {
            key[at..at + COUNTY].copy_from_slice(&code(value)?);
        }
        Ok(())
    })?;
    Ok(key)
}

fn code(value: ValueRef<'_>) -> Result<[u8; COUNTY], Damaged> {
    match value {
        ValueRef::Text(text) => Ok(code_key(&swedish::fold(&text.plain()?))),
        _ => Err(Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::edit::tests::{full, identity};

    #[test]
    fn rows_stand_at_their_numbers_and_no_field_is_listed_twice() {
        let mut seen = Vec::new();
        for (number, row) in INDEXES.iter().enumerate() {
            assert_eq!(row.index as usize, number);
            for field in row.fields {
                assert!(!seen.contains(field), "{field:?}");
                seen.push(*field);
            }
        }
    }

    #[test]
    fn a_full_record_is_in_every_index_that_its_fields_name() {
        let record = full(identity("191212121212"), 1).to_record().unwrap();
        let mut found = Vec::new();
        keys(RecordRef::open(&record).unwrap(), |_, index, key| {
            assert!(!key.is_empty(), "{index:?}");
            found.push(index);
        })
        .unwrap();
        for row in INDEXES {
            let flag = matches!(row.shape, Shape::Flag(_));
            let meant = row.fields.iter().any(|field| !field.info().reserve_only);
            assert!(
                flag || !meant || found.contains(&row.index),
                "{:?}",
                row.index
            );
        }
    }

    #[test]
    fn keys_order_as_what_they_mean() {
        assert!(minute(20_250_107_060_000) < minute(20_250_107_060_100));
        assert!(minute(20_241_231_235_959) < minute(20_250_101_000_000));
        assert_eq!(minute(20_250_107_060_000), minute(20_250_107_060_059));
        assert!(day(-1) <= day(0) && day(0) < day(86_400_000));
        assert_eq!(street("storgatan 12 b"), "storgatan");
        assert_eq!(street("box 7"), "box");
        assert_eq!(street("kungsgatan"), "kungsgatan");
        assert_eq!(code_key("1"), [b'1', 0]);
    }
}
