//! Saying things of a person: values are checked against the field table on the way, as those of
//! any file are.

use super::day::Day;
use super::home::Home;
use crate::base::time::PartialDate;
use crate::person::edit::Group;
use crate::person::field::Field;
use crate::person::identity::Identity;
use crate::person::value::Value;
use crate::register::post::Edit;

/// Something that values can be put into.
pub(super) trait Say {
    /// Takes a value.
    fn put(&mut self, field: Field, value: Value);

    /// Text, or a number as its digits. What the field table refuses is a fault of the generator:
    /// tests find it, and a program goes on without the value.
    fn tell(&mut self, field: Field, text: &str) {
        match Value::parse(field, text) {
            Ok(value) => self.put(field, value),
            Err(error) => debug_assert!(false, "{field:?}: {error}"),
        }
    }

    fn date(&mut self, field: Field, date: PartialDate) {
        self.put(field, Value::PartialDate(date));
    }

    fn day(&mut self, field: Field, day: Day) {
        self.date(field, day.date());
    }

    fn truth(&mut self, field: Field, truth: bool) {
        self.put(field, Value::Boolean(truth));
    }

    fn identity(&mut self, field: Field, identity: Identity) {
        self.put(field, Value::Identity(identity));
    }

    /// Street, postal code and city of a home, at the five fields of an address.
    fn address(&mut self, fields: [Field; 5], care_of: Option<&str>, home: &Home) {
        let [care, _, street, code, city] = fields;
        if let Some(care_of) = care_of {
            self.tell(care, care_of);
        }
        self.tell(street, &home.street());
        self.tell(code, home.postal_code());
        self.tell(city, home.city());
    }
}

impl Say for Vec<Edit> {
    fn put(&mut self, field: Field, value: Value) {
        self.push(Edit::Set(field, value));
    }
}

impl Say for Group {
    fn put(&mut self, field: Field, value: Value) {
        self.push_value(field, value);
    }
}

/// The five fields of an address in Sweden at a path.
macro_rules! address_fields {
    ($path:literal) => {
        [
            Field::at(concat!($path, "/careOf")),
            Field::at(concat!($path, "/postalAddress1")),
            Field::at(concat!($path, "/postalAddress2")),
            Field::at(concat!($path, "/postalCode")),
            Field::at(concat!($path, "/city")),
        ]
    };
}

pub(super) use address_fields;
