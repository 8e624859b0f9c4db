//! The document a team would store for a person, and the way between it and the answer.
//!
//! One JSON object per person: members are elements, in their order, values are strings, objects,
//! or arrays where an element is repeated. Nothing is interpreted, so reading it back costs the
//! peers no more than it must: the renderer writes while serde reads, and builds no tree.

use std::fmt;

use quick_xml::Reader;
use quick_xml::escape::partial_escape;
use quick_xml::events::Event;
use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What an answer begins with.
pub const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body><r:GetPersonsForProfileResponse xmlns:r=\"urn:riv:strategicresourcemanagement:persons:person:GetPersonsForProfileResponder:5\" xmlns:p=\"urn:riv:strategicresourcemanagement:persons:person:5\">";
/// What an answer ends with.
pub const TAIL: &str = "</r:GetPersonsForProfileResponse></soapenv:Body></soapenv:Envelope>";

const OPEN: &str = "<r:requestedPersonRecord>";
const CLOSE: &str = "</r:requestedPersonRecord>";

/// Why an answer cannot be taken apart, or a document not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The envelope is another than the one that is known.
    #[error("an answer is not wrapped as expected")]
    Envelope,
    /// The answer is not well-formed.
    #[error("an answer is not well-formed XML")]
    Xml(#[from] quick_xml::Error),
    /// Something that documents do not hold.
    #[error("an answer holds something that is neither element nor text")]
    Unexpected,
    /// The stored document is damaged.
    #[error("a stored document cannot be rendered")]
    Json(#[from] serde_json::Error),
}

/// The persons of an answer, each with its wrapping.
pub fn persons(answer: &str) -> Result<Vec<&str>, DocumentError> {
    let inner = answer
        .strip_prefix(HEAD)
        .and_then(|rest| rest.strip_suffix(TAIL))
        .ok_or(DocumentError::Envelope)?;
    let persons: Vec<&str> = inner.split_inclusive(CLOSE).collect();
    let whole = |it: &&str| it.starts_with(OPEN) && it.ends_with(CLOSE);
    if !persons.iter().all(whole) {
        return Err(DocumentError::Envelope);
    }
    Ok(persons)
}

/// The document of one person of an answer.
pub fn document(person: &str) -> Result<Value, DocumentError> {
    let mut reader = Reader::from_str(person);
    match reader.read_event()? {
        Event::Start(_) => content(&mut reader),
        _ => Err(DocumentError::Envelope),
    }
}

/// What an element holds, up to its end.
fn content(reader: &mut Reader<&[u8]>) -> Result<Value, DocumentError> {
    let mut members = Map::new();
    let mut text = String::new();
    loop {
        match reader.read_event()? {
            Event::Start(start) => {
                let name = start.local_name().as_ref().to_owned();
                let value = content(reader)?;
                insert(&mut members, name, value);
            }
            Event::Text(part) => text += &part,
            Event::GeneralRef(part) => {
                text += match &*part {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    "apos" => "'",
                    _ => return Err(DocumentError::Unexpected),
                };
            }
            Event::End(_) if members.is_empty() => return Ok(Value::String(text)),
            Event::End(_) => return Ok(Value::Object(members)),
            _ => return Err(DocumentError::Unexpected),
        }
    }
}

/// Puts a member in; the second of a name makes an array of it.
fn insert(members: &mut Map<String, Value>, name: String, value: Value) {
    match members.get_mut(&name) {
        None => {
            members.insert(name, value);
        }
        Some(Value::Array(all)) => all.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
}

/// Writes the answer that holds these documents.
pub fn answer<'a>(
    documents: impl Iterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) -> Result<(), DocumentError> {
    out.extend_from_slice(HEAD.as_bytes());
    for document in documents {
        out.extend_from_slice(OPEN.as_bytes());
        let mut json = serde_json::Deserializer::from_slice(document);
        json.deserialize_map(Members { out })?;
        out.extend_from_slice(CLOSE.as_bytes());
    }
    out.extend_from_slice(TAIL.as_bytes());
    Ok(())
}

/// Writes the members of an object as elements.
struct Members<'o> {
    out: &'o mut Vec<u8>,
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<&str>()? {
            map.next_value_seed(Element {
                name,
                out: &mut *self.out,
            })?;
        }
        Ok(())
    }
}

/// Writes a value as the element of a name, or as several.
struct Element<'o, 'n> {
    name: &'n str,
    out: &'o mut Vec<u8>,
}

impl Element<'_, '_> {
    fn tag(&mut self, open: &str) {
        self.out.extend_from_slice(open.as_bytes());
        self.out.extend_from_slice(self.name.as_bytes());
        self.out.push(b'>');
    }
}

impl<'de> DeserializeSeed<'de> for Element<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a string, an object or an array")
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.tag("<p:");
        self.out.extend_from_slice(partial_escape(text).as_bytes());
        self.tag("</p:");
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        self.tag("<p:");
        Members {
            out: &mut *self.out,
        }
        .visit_map(map)?;
        self.tag("</p:");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
        let Self { name, out } = self;
        while all
            .next_element_seed(Element {
                name,
                out: &mut *out,
            })?
            .is_some()
        {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: &str = "<r:requestedPersonRecord><p:requestedPersonalIdentity><p:root>1.2.752.129.2.1.3.1</p:root>\
        <p:extension>191212121212</p:extension></p:requestedPersonalIdentity><p:personRecord><p:gender>2</p:gender>\
        <p:name><p:givenName>Tolvan \"T\" Påhittad</p:givenName><p:surname>O'Exempel &amp; &lt;Söner&gt;</p:surname></p:name>\
        <p:linkedIdentity><p:level>1</p:level></p:linkedIdentity><p:linkedIdentity><p:level>2</p:level></p:linkedIdentity>\
        <p:city></p:city></p:personRecord></r:requestedPersonRecord>";

    fn rendered(documents: &[Value]) -> String {
        let bytes: Vec<Vec<u8>> = documents
            .iter()
            .map(|it| serde_json::to_vec(it).unwrap())
            .collect();
        let mut out = Vec::new();
        answer(bytes.iter().map(Vec::as_slice), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_document_renders_to_the_answer_it_came_from() {
        let answer = format!("{HEAD}{PERSON}{PERSON}{TAIL}");
        let documents: Vec<Value> = persons(&answer)
            .unwrap()
            .into_iter()
            .map(|person| document(person).unwrap())
            .collect();
        assert_eq!(documents.len(), 2);
        assert_eq!(rendered(&documents), answer);
    }

    #[test]
    fn a_document_holds_text_without_its_escapes_and_repeats_as_arrays() {
        let document = document(PERSON).unwrap();
        let record = &document["personRecord"];
        assert_eq!(record["name"]["surname"], "O'Exempel & <Söner>");
        assert_eq!(record["linkedIdentity"][1]["level"], "2");
        assert_eq!(record["city"], "");
    }

    #[test]
    fn an_answer_in_another_envelope_is_refused() {
        let fault = "<soapenv:Envelope><soapenv:Fault/></soapenv:Envelope>";
        assert!(matches!(persons(fault), Err(DocumentError::Envelope)));
    }

    #[test]
    fn a_cut_document_is_refused() {
        let mut out = Vec::new();
        let cut: &[u8] = b"{\"personRecord\":{\"gender\":\"2\"";
        assert!(answer(std::iter::once(cut), &mut out).is_err());
    }
}
