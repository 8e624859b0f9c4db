//! What the peers are told of a person: the same facts that pu's own indexes list.

use pu::base::swedish::{fold, words};
use pu::person::field::{Field, FieldMask};
use pu::person::identity::Formats;
use pu::person::json;
use pu::person::record::RecordRef;
use pu::person::value::ValueRef;
use pu::person::view::{Grant, Profile, Shield, View, Visitor, restrict};
use pu::store::state::State;

use crate::Failure;

/// Everything a contract may show, also of protected persons: a peer knows no mask.
pub fn grant() -> Grant {
    Grant::unrestricted(Profile::P5)
}

/// A person's searchable facts. Text is folded; what is not known is empty or 0.
#[derive(Default)]
pub struct Person {
    pub identity: u64,
    pub given: String,
    pub middle: String,
    pub surname: String,
    /// `YYYYMMDD`, 00 for an unknown part.
    pub birth: u32,
    pub gender: String,
    pub county: String,
    pub municipality: String,
    pub postal_code: String,
    pub city: String,
    pub street: String,
    /// `YYYYMMDDhhmmss`.
    pub version: u64,
}

impl Person {
    /// The words a free search finds the person by.
    pub fn all_words(&self) -> impl Iterator<Item = &str> {
        [&self.given, &self.middle, &self.surname, &self.city]
            .into_iter()
            .flat_map(|text| words(text))
    }
}

impl Visitor for Person {
    fn open(&mut self, _: Field) {}

    fn close(&mut self, _: Field) {}

    fn value(&mut self, field: Field, value: ValueRef<'_>) {
        const GIVEN: Field = Field::at("name/givenName");
        const MIDDLE: Field = Field::at("name/middleName");
        const SURNAME: Field = Field::at("name/surname");
        const BIRTH: Field = Field::at("birth/dateOfBirth");
        const GENDER: Field = Field::at("gender");
        const COUNTY: Field = Field::at("populationRegistrationLocality/countyCode");
        const MUNICIPALITY: Field = Field::at("populationRegistrationLocality/municipalityCode");
        const POSTAL_CODE: Field = Field::at("addressInformation/residentialAddress/postalCode");
        const CITY: Field = Field::at("addressInformation/residentialAddress/city");
        const STREET: Field = Field::at("addressInformation/residentialAddress/postalAddress2");
        const VERSION: Field = Field::at("version");
        let text = match field {
            GIVEN => &mut self.given,
            MIDDLE => &mut self.middle,
            SURNAME => &mut self.surname,
            GENDER => &mut self.gender,
            COUNTY => &mut self.county,
            MUNICIPALITY => &mut self.municipality,
            POSTAL_CODE => &mut self.postal_code,
            CITY => &mut self.city,
            STREET => &mut self.street,
            _ => {
                match (field, value) {
                    (BIRTH, ValueRef::PartialDate(date) | ValueRef::Date(date)) => {
                        self.birth = date.number();
                    }
                    (VERSION, ValueRef::Timestamp(at)) => self.version = at.number(),
                    _ => {}
                }
                return;
            }
        };
        if let ValueRef::Text(value) = value
            && let Ok(plain) = value.plain()
        {
            *text = fold(&plain).into_owned();
        }
    }
}

/// What a view shows of a person.
pub fn of(view: &View<'_>) -> Result<Person, Failure> {
    let mut person = Person {
        identity: view.identity().key(),
        ..Person::default()
    };
    view.walk(&FieldMask::of(|_| true), &mut person)?;
    Ok(person)
}

/// Tells every person of the register, in the order of identities.
pub fn each(
    state: &State,
    mut tell: impl FnMut(&Person, &View<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let every = FieldMask::of(|_| true);
    for record in state.snapshot().records() {
        let record = RecordRef::open(record?)?;
        let view = restrict(record, &grant(), Shield::NONE);
        let mut person = Person {
            identity: view.identity().key(),
            ..Person::default()
        };
        view.walk(&every, &mut person)?;
        tell(&person, &view)?;
    }
    Ok(())
}

/// The whole record as JSON.
pub fn as_json(view: &View<'_>, formats: &Formats, out: &mut Vec<u8>) -> Result<(), Failure> {
    out.clear();
    json::write(view, formats, out)?;
    Ok(())
}
