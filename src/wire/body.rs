//! Bodies in JSON: read as strictly as messages in XML are. A byte order mark is no fault, a name
//! that stands twice in one object is: whoever wrote it meant one of the two, and nobody knows which.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::request;
use super::rest::ParameterError;

/// Reads one JSON text, in UTF-8 or by its mark in UTF-16.
pub(super) fn read(body: &[u8]) -> Result<Value, ParameterError> {
    let text = request::decode(body, None).map_err(|_| ParameterError::BodyEncoding)?;
    let read = serde_json::from_str::<Strict>(&text);
    read.map(|Strict(value)| value).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Data => ParameterError::RepeatedField { line, column },
            _ => ParameterError::Syntax { line, column },
        }
    })
}

/// A value in which no object has a name twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            let Strict(value) = object.next_value()?;
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom("a name that stands twice"));
            }
        }
        Ok(fields.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_no_part_of_the_text() {
        let text = r#"{"identities":["191212121212"],"n":[1,-2,0.5,null,true,"å"]}"#;
        let plain: Value = serde_json::from_str(text).unwrap();
        let utf_16 = |bytes: fn(u16) -> [u8; 2]| {
            let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
            units.flat_map(bytes).collect::<Vec<u8>>()
        };
        for body in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            utf_16(u16::to_le_bytes),
            utf_16(u16::to_be_bytes),
        ] {
            assert_eq!(read(&body), Ok(plain.clone()));
        }
        assert_eq!(read(b"{\"a\":\"\xff\"}"), Err(ParameterError::BodyEncoding));
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_however_deep() {
        for (body, line) in [
            (r#"{"a":1,"a":1}"#, 1),
            ("{\"a\":[{\"b\":1,\n\"c\":{},\"b\":2}]}", 2),
            (r#"{"\u0061":1,"a":2}"#, 1),
        ] {
            let told = matches!(
                read(body.as_bytes()),
                Err(ParameterError::RepeatedField { line: at, .. }) if at == line
            );
            assert!(told, "{body}");
        }
        assert!(read(br#"{"a":{"b":1},"b":{"b":2}}"#).is_ok());
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert!(matches!(read(&deep), Err(ParameterError::Syntax { .. })));
    }
}
