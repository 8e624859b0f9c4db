//! Reading: serde visitors led by the field table, which put each value straight into its group.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::sync::LazyLock;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess};

use super::{KEEPS_PROTECTION, value_in};
use crate::base::limits;
use crate::person::edit::{Group, Person};
use crate::person::field::{Field, FieldMask, Wrap};
use crate::person::identity::{Formats, IdentityError};
use crate::person::schema::Kind;
use crate::person::value::{Value, ValueError};

/// Why JSON is not a person. Names fields and places, never what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, or more than one value.
    #[error("not well-formed JSON (character {column})")]
    Syntax {
        /// Where on the line, from 1.
        column: usize,
    },
    /// A name that the field table does not have there.
    #[error("a name that {within:?} does not have (character {column})")]
    UnknownName {
        /// The group around it.
        within: Field,
        /// Where on the line, from 1.
        column: usize,
    },
    /// Another kind of JSON value than the field's: an object for text, one value for an array ...
    #[error("{0:?} is not of the field's shape")]
    WrongShape(Field),
    /// The same name twice in one object.
    #[error("{0:?} stands twice in the same object")]
    Repeated(Field),
    /// More entries than a record may hold.
    #[error("more than {max} entries of {0:?}", max = limits::GROUP_ITEMS)]
    TooManyEntries(Field),
    /// A field that must be there is not.
    #[error("{0:?} is missing")]
    Missing(Field),
    /// A value that the field's type does not allow.
    #[error("{0:?}: {1}")]
    Illegal(Field, ValueError),
    /// An identity that no format of this register allows.
    #[error("{0:?}: {1}")]
    Identity(Field, IdentityError),
}

pub(super) const PERSONAL_IDENTITY: Field = Field::at("personalIdentity");

/// What a record tells in any case and a person of whom nothing is known has by default.
const WITH_DEFAULT: [Field; 4] = [
    Field::at("protectedPersonIndicator"),
    Field::at("protectedPopulationRecord"),
    Field::at("testIndicator"),
    Field::at("primaryIdentity"),
];

/// Reads one person. Mandatory booleans that are missing get the values of [`Person::new`], and
/// gender and birth date are told by the number when they are missing.
pub fn read(json: &[u8], formats: &Formats) -> Result<Person, JsonError> {
    let reading = Reading {
        formats,
        keeps_protection: Cell::new(false),
        error: Cell::new(None),
    };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let seed = GroupSeed {
        group: Field::RECORD,
        reading: &reading,
    };
    let group = seed
        .deserialize(&mut deserializer)
        .and_then(|group| deserializer.end().map(|()| group))
        .map_err(|error| reading.explain(&error))?;
    let identity = group
        .value(PERSONAL_IDENTITY)
        .and_then(Value::as_identity)
        .ok_or(JsonError::Missing(PERSONAL_IDENTITY))?;
    let mut person = Person::new(identity, formats);
    let unknown = std::mem::replace(&mut *person, group);
    for field in WITH_DEFAULT {
        if let (None, Some(value)) = (person.value(field), unknown.value(field)) {
            person.set(field, value.clone());
        }
    }
    person.tell_by_number(formats);
    person.keeps_protection = reading.keeps_protection.get();
    Ok(person)
}

/// What the steps of one reading share.
struct Reading<'a> {
    formats: &'a Formats,
    keeps_protection: Cell<bool>,
    /// The first thing that was wrong; serde's own errors would carry values.
    error: Cell<Option<JsonError>>,
}

impl Reading<'_> {
    /// Notes what is wrong, unless something inside it was noted before.
    fn note(&self, error: JsonError) {
        if self.error.get().is_none() {
            self.error.set(Some(error));
        }
    }

    fn refuse<E: de::Error>(&self, error: JsonError) -> E {
        self.note(error);
        E::custom("")
    }

    fn explain(&self, error: &serde_json::Error) -> JsonError {
        let column = error.column();
        match self.error.get() {
            Some(JsonError::UnknownName { within, .. }) => {
                JsonError::UnknownName { within, column }
            }
            Some(noted) if error.is_data() => noted,
            _ => JsonError::Syntax { column },
        }
    }
}

/// The names in each group, by the group's number.
static NAMES: LazyLock<Vec<Vec<(&'static str, Field)>>> = LazyLock::new(|| {
    Field::all()
        .map(|group| {
            group
                .children()
                .map(|field| (field.info().name, field))
                .collect()
        })
        .collect()
});

fn named(group: Field, name: &str) -> Option<Field> {
    NAMES[usize::from(group.number())]
        .iter()
        .find(|(other, _)| *other == name)
        .map(|(_, field)| *field)
}

#[derive(Clone, Copy)]
struct GroupSeed<'a> {
    group: Field,
    reading: &'a Reading<'a>,
}

impl<'de> DeserializeSeed<'de> for GroupSeed<'_> {
    type Value = Group;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Group, D::Error> {
        deserializer
            .deserialize_map(self)
            .inspect_err(|_| self.reading.note(JsonError::WrongShape(self.group)))
    }
}

impl<'de> de::Visitor<'de> for GroupSeed<'_> {
    type Value = Group;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Group, A::Error> {
        let mut group = Group::new(self.group);
        let mut seen = FieldMask::NONE;
        while let Some(name) = object.next_key_seed(NameSeed)? {
            if self.group == Field::RECORD && name == KEEPS_PROTECTION {
                self.reading.keeps_protection.set(object.next_value()?);
                continue;
            }
            let Some(field) = named(self.group, &name) else {
                return Err(self.reading.refuse(JsonError::UnknownName {
                    within: self.group,
                    column: 0,
                }));
            };
            if seen.has(field) {
                return Err(self.reading.refuse(JsonError::Repeated(field)));
            }
            seen.insert(field);
            object.next_value_seed(FieldSeed {
                field,
                into: &mut group,
                reading: self.reading,
            })?;
        }
        for (_, field) in &NAMES[usize::from(self.group.number())] {
            if is_demanded(*field) && !seen.has(*field) {
                return Err(self.reading.refuse(JsonError::Missing(*field)));
            }
        }
        Ok(group)
    }
}

/// Whether a field must stand in its group. A group that may be empty is made when it is missing.
fn is_demanded(field: Field) -> bool {
    field.info().row.occurs.mandatory()
        && !WITH_DEFAULT.contains(&field)
        && (!field.is_entry() || field.children().any(is_demanded))
}

/// A name in an object; borrowed unless it is escaped.
struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> de::Visitor<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// What stands at one name: a field's value, entries or group, put into the group around it.
struct FieldSeed<'a> {
    field: Field,
    into: &'a mut Group,
    reading: &'a Reading<'a>,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let (field, reading) = (self.field, self.reading);
        let read = if field.repeats() {
            deserializer.deserialize_seq(Entries(self))
        } else {
            One(self).deserialize(deserializer)
        };
        read.inspect_err(|_| reading.note(JsonError::WrongShape(field)))
    }
}

struct Entries<'a>(FieldSeed<'a>);

impl<'de> de::Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let FieldSeed {
            field,
            into,
            reading,
        } = self.0;
        let mut count = 0;
        while array
            .next_element_seed(One(FieldSeed {
                field,
                into,
                reading,
            }))?
            .is_some()
        {
            count += 1;
            if count > limits::GROUP_ITEMS {
                return Err(reading.refuse(JsonError::TooManyEntries(field)));
            }
        }
        Ok(())
    }
}

/// One value, or one entry of an array.
struct One<'a>(FieldSeed<'a>);

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let FieldSeed {
            field,
            into,
            reading,
        } = self.0;
        match field.kind() {
            Kind::Group if field.info().wrap == Wrap::Wrapper => {
                deserializer.deserialize_any(WrapperVisitor(FieldSeed {
                    field,
                    into,
                    reading,
                }))?;
            }
            Kind::Group => {
                let group = GroupSeed {
                    group: field,
                    reading,
                }
                .deserialize(deserializer)?;
                // A group that says nothing is left out, unless it is an entry.
                if field.is_entry() || !group.is_empty() {
                    into.push(group);
                }
            }
            Kind::Identity => {
                let identity = deserializer.deserialize_map(IdentityVisitor { field, reading })?;
                into.push_value(field, identity);
            }
            _ => {
                let value = deserializer.deserialize_any(ValueVisitor { field, reading })?;
                into.push_value(field, value);
            }
        }
        Ok(())
    }
}

/// A wrapped value: a string, or an object with its mark.
struct WrapperVisitor<'a>(FieldSeed<'a>);

impl<'de> de::Visitor<'de> for WrapperVisitor<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string or an object")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        let FieldSeed {
            field,
            into,
            reading,
        } = self.0;
        let field = value_in(field);
        let value = ValueVisitor { field, reading }.visit_str(text)?;
        into.push_value(field, value);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        let group = GroupSeed {
            group: self.0.field,
            reading: self.0.reading,
        }
        .visit_map(object)?;
        if !group.is_empty() {
            self.0.into.push(group);
        }
        Ok(())
    }
}

/// A value that is not a group.
struct ValueVisitor<'a> {
    field: Field,
    reading: &'a Reading<'a>,
}

impl ValueVisitor<'_> {
    fn parse<E: de::Error>(&self, text: &str) -> Result<Value, E> {
        Value::parse(self.field, text)
            .map_err(|error| self.reading.refuse(JsonError::Illegal(self.field, error)))
    }

    fn wrong_shape<E: de::Error>(&self) -> E {
        self.reading.refuse(JsonError::WrongShape(self.field))
    }
}

impl de::Visitor<'_> for ValueVisitor<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Value, E> {
        match self.field.kind() {
            Kind::Boolean => Ok(Value::Boolean(truth)),
            _ => Err(self.wrong_shape()),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        match self.field.kind() {
            Kind::Number => self.parse(itoa::Buffer::new().format(number)),
            _ => Err(self.wrong_shape()),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        match self.field.kind() {
            Kind::Number => self.parse(itoa::Buffer::new().format(number)),
            _ => Err(self.wrong_shape()),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        match self.field.kind() {
            Kind::Number | Kind::Boolean => Err(self.wrong_shape()),
            _ => self.parse(text),
        }
    }
}

/// `{"root": ..., "extension": ...}` of a person.
struct IdentityVisitor<'a> {
    field: Field,
    reading: &'a Reading<'a>,
}

impl<'de> de::Visitor<'de> for IdentityVisitor<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an identity")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let Self { field, reading } = self;
        let (mut root, mut extension) = (None, None);
        while let Some(name) = object.next_key_seed(NameSeed)? {
            let place = match &*name {
                "root" => &mut root,
                "extension" => &mut extension,
                _ => {
                    return Err(reading.refuse(JsonError::UnknownName {
                        within: field,
                        column: 0,
                    }));
                }
            };
            if place.is_some() {
                return Err(reading.refuse(JsonError::Repeated(field)));
            }
            *place = Some(object.next_value_seed(NameSeed)?);
        }
        let (Some(root), Some(extension)) = (root, extension) else {
            return Err(reading.refuse(JsonError::Missing(field)));
        };
        reading
            .formats
            .parse(&root, &extension)
            .map(Value::Identity)
            .map_err(|error| reading.refuse(JsonError::Identity(field, error)))
    }
}
