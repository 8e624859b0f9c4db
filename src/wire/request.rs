//! Requests: a SOAP 1.1 envelope read in one pass and checked against the contract's message while
//! it is read. quick-xml cuts the text into tags; namespaces, order and occurrence are checked here
//! against the compiled table.
//!
//! Rules: SOAP 1.1, WS-I Basic Profile 1.1, RIV-TA Basic Profile 2.1 (encodings, logical address).

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesStart, Event};

use super::plan::{Node, Plan, Space};
use crate::base::limits;
use crate::person::schema::Kind;
use crate::person::value::{Value, ValueError};

/// Why a request is refused. No variant holds anything of what was sent: names are the table's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not UTF-8 or UTF-16, or HTTP header, byte order mark and XML declaration disagree.
    #[error("the encoding is not supported, or told in contradicting ways")]
    Encoding,
    /// Not well-formed XML.
    #[error("not well-formed XML at byte {at}")]
    NotXml {
        /// Where, in bytes of the UTF-8 text.
        at: u64,
    },
    /// A document type definition.
    #[error("a DTD")]
    Dtd,
    /// A processing instruction.
    #[error("a processing instruction")]
    ProcessingInstruction,
    /// Elements nested too deep, or too many attributes on one.
    #[error("more than {max_depth} levels or {max_attributes} attributes", max_depth = limits::XML_DEPTH, max_attributes = limits::XML_ATTRIBUTES)]
    TooComplex,
    /// An envelope of SOAP 1.2, or of no version of SOAP.
    #[error("not a SOAP 1.1 envelope")]
    NotSoap11,
    /// A header block that must be understood, and is not.
    #[error("a header block that is not understood")]
    MustUnderstand,
    /// No logical address in the header.
    #[error("no logical address")]
    NoLogicalAddress,
    /// A logical address that is not ours.
    #[error("the logical address is not this service's")]
    ForeignLogicalAddress,
    /// The message, or the SOAPAction, belongs to another contract than the path.
    #[error("the message belongs to another contract than the path")]
    WrongOperation,
    /// An element where another one, or none, is expected.
    #[error("in {inside}: {expected} expected")]
    Unexpected {
        /// The element around it.
        inside: &'static str,
        /// What is expected.
        expected: Expected,
    },
    /// A value that its type does not allow.
    #[error("{element}: {why}")]
    Value {
        /// The element.
        element: &'static str,
        /// Why not.
        why: ValueError,
    },
}

/// What was expected where something else stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This element.
    Element(&'static str),
    /// The end of the element around.
    End,
    /// Elements only, no text.
    NoText,
    /// Text only, no elements.
    NoElements,
    /// No attributes.
    NoAttributes,
}

impl std::fmt::Display for Expected {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Element(name) => name,
            Self::End => "no further element",
            Self::NoText => "no text",
            Self::NoElements => "no element",
            Self::NoAttributes => "no attribute",
        })
    }
}

/// The names of one contract's messages.
#[derive(Clone, Copy, Debug)]
pub struct Names<'t> {
    /// The contract's namespace.
    pub responder: &'t str,
    /// The core types' namespace, when the contract uses them.
    pub core: Option<&'t str>,
    /// Whether the core types are version 3's, with extension namespaces.
    pub extensions: bool,
}

/// Receives the values of a message in document order.
pub trait Sink<'x> {
    /// The element with children at `place` begins.
    fn open(&mut self, place: usize) {
        let _ = place;
    }
    /// The value of the node at `place`, checked against its type.
    fn value(&mut self, place: usize, text: Cow<'x, str>);
    /// The element with children at `place` ends.
    fn close(&mut self, place: usize);
}

/// A sink for messages that are only checked.
pub struct Ignore;

impl Sink<'_> for Ignore {
    fn value(&mut self, _: usize, _: Cow<'_, str>) {}
    fn close(&mut self, _: usize) {}
}

const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const REGISTRY: &str = "urn:riv:itintegration:registry:1";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const NEXT_ACTOR: &str = "http://schemas.xmlsoap.org/soap/actor/next";

/// The text of a body: UTF-8 or UTF-16, as byte order mark, HTTP header and first characters agree.
pub fn decode<'b>(body: &'b [u8], charset: Option<&str>) -> Result<Cow<'b, str>, RequestError> {
    let (seen, text) = match body {
        [0xef, 0xbb, 0xbf, rest @ ..] => (UTF_8, rest),
        [0xff, 0xfe, rest @ ..] => (UTF_16LE, rest),
        [0xfe, 0xff, rest @ ..] => (UTF_16BE, rest),
        [b'<', 0, ..] => (UTF_16LE, body),
        [0, b'<', ..] => (UTF_16BE, body),
        _ => (UTF_8, body),
    };
    let text = if seen == UTF_8 {
        std::str::from_utf8(text).map(Cow::Borrowed).ok()
    } else {
        seen.decode_without_bom_handling_and_without_replacement(text)
    }
    .ok_or(RequestError::Encoding)?;
    let agrees = charset.is_none_or(|charset| is_called(charset, seen))
        && declared_encoding(&text).is_none_or(|declared| is_called(declared, seen));
    if agrees {
        Ok(text)
    } else {
        Err(RequestError::Encoding)
    }
}

/// Whether an encoding has this name, in any case; `UTF-16` is that of both byte orders.
fn is_called(name: &str, encoding: &'static Encoding) -> bool {
    name.eq_ignore_ascii_case(encoding.name())
        || (encoding == UTF_8 && name.eq_ignore_ascii_case("utf8"))
        || (encoding != UTF_8 && name.eq_ignore_ascii_case("UTF-16"))
}

/// The encoding in the XML declaration.
fn declared_encoding(text: &str) -> Option<&str> {
    let declaration = text.strip_prefix("<?xml")?;
    let declaration = &declaration[..memchr::memchr(b'>', declaration.as_bytes())?];
    let at = memchr::memmem::find(declaration.as_bytes(), b"encoding")?;
    let rest = declaration[at + "encoding".len()..].trim_start();
    let rest = rest.strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''))?;
    rest[1..].split(quote).next()
}

/// Reads the request in `text`: one envelope to one of `addresses` holding the plan's message, whose
/// values go to `sink`. Answers with the place of the address.
pub fn read<'x>(
    text: &'x str,
    plan: &Plan,
    names: Names<'_>,
    addresses: &[String],
    sink: &mut impl Sink<'x>,
) -> Result<usize, RequestError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().trim_text_start = true;
    let mut parser = Parser {
        text,
        reader,
        names,
        bindings: Vec::with_capacity(8),
        depth: 0,
        pending_end: false,
    };
    parser.envelope(plan, addresses, sink)
}

/// A namespace, as far as the reader tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Namespace {
    None,
    Soap11,
    Registry,
    Instance,
    Xml,
    Responder,
    Core,
    Extension,
    Other,
}

struct Binding<'x> {
    prefix: &'x str,
    namespace: Namespace,
    depth: usize,
}

/// What the reader meets next.
enum Step<'x> {
    Start(Start<'x>),
    End,
    /// Text as it stands in the document.
    Text(Cow<'x, str>),
    /// What a reference stands for.
    Character(Cow<'x, str>),
    Eof,
}

struct Start<'x> {
    namespace: Namespace,
    local: &'x str,
    attributes: &'x str,
}

struct Parser<'x, 't> {
    text: &'x str,
    reader: Reader<&'x [u8]>,
    names: Names<'t>,
    bindings: Vec<Binding<'x>>,
    depth: usize,
    /// An empty element was met as a start; its end comes next.
    pending_end: bool,
}

impl<'x> Parser<'x, '_> {
    fn envelope(
        &mut self,
        plan: &Plan,
        addresses: &[String],
        sink: &mut impl Sink<'x>,
    ) -> Result<usize, RequestError> {
        let envelope = self.start("Envelope")?.ok_or(RequestError::NotSoap11)?;
        if envelope.namespace != Namespace::Soap11 || envelope.local != "Envelope" {
            return Err(RequestError::NotSoap11);
        }
        let expected = |name| RequestError::Unexpected {
            inside: "Envelope",
            expected: Expected::Element(name),
        };
        let mut first = self.start("Envelope")?.ok_or_else(|| expected("Body"))?;
        let mut addressed = Err(RequestError::NoLogicalAddress);
        if first.namespace == Namespace::Soap11 && first.local == "Header" {
            addressed = self.header(addresses)?;
            first = self.start("Envelope")?.ok_or_else(|| expected("Body"))?;
        }
        if first.namespace != Namespace::Soap11 || first.local != "Body" {
            return Err(expected("Body"));
        }
        let address = addressed?;
        let root = self.start("Body")?.ok_or(RequestError::WrongOperation)?;
        if root.namespace != Namespace::Responder || root.local != plan.node(0).name {
            return Err(RequestError::WrongOperation);
        }
        self.allow_no_attributes(&root, plan.node(0).name)?;
        self.group(plan, 0, sink)?;
        self.end_of("Body")?;
        // SOAP 1.1 tolerates elements after the body; the basic profile does not.
        self.end_of("Envelope")?;
        match self.next_step()? {
            Step::Eof => Ok(address),
            _ => Err(RequestError::NotXml {
                at: self.reader.buffer_position(),
            }),
        }
    }

    /// Reads the header's blocks. Answers with the place of the logical address among ours, or with
    /// what is to be said of it when nothing worse comes.
    fn header(
        &mut self,
        addresses: &[String],
    ) -> Result<Result<usize, RequestError>, RequestError> {
        let mut addressed = Err(RequestError::NoLogicalAddress);
        while let Some(block) = self.start("Header")? {
            if block.namespace == Namespace::Registry && block.local == "LogicalAddress" {
                let address = self.value("LogicalAddress")?;
                let place = addresses.iter().position(|it| it == address.trim());
                addressed = place.ok_or(RequestError::ForeignLogicalAddress);
            } else if self.must_be_understood(&block)? {
                return Err(RequestError::MustUnderstand);
            } else {
                self.skip()?;
            }
        }
        Ok(addressed)
    }

    fn must_be_understood(&self, block: &Start<'x>) -> Result<bool, RequestError> {
        let (mut must, mut for_us) = (false, true);
        for (namespace, local, value) in self.attributes(block)? {
            if namespace == Namespace::Soap11 && local == "mustUnderstand" {
                must = matches!(value.trim(), "1" | "true");
            } else if namespace == Namespace::Soap11 && local == "actor" {
                for_us = value.trim().is_empty() || value.trim() == NEXT_ACTOR;
            }
        }
        Ok(must && for_us)
    }

    /// Reads the children of the node at `place`, and its end.
    fn group(
        &mut self,
        plan: &Plan,
        place: usize,
        sink: &mut impl Sink<'x>,
    ) -> Result<(), RequestError> {
        let group = plan.node(place);
        sink.open(place);
        let unexpected = |expected| RequestError::Unexpected {
            inside: group.name,
            expected,
        };
        let mut next = group.children.start;
        let mut count = 0;
        loop {
            let start = match self.next_step()? {
                Step::Text(_) | Step::Character(_) => return Err(unexpected(Expected::NoText)),
                Step::Eof => {
                    return Err(RequestError::NotXml {
                        at: self.reader.buffer_position(),
                    });
                }
                Step::Start(start) => Some(start),
                Step::End => None,
            };
            // Go on to the child that fits, past those that may be missing or have come.
            while next < group.children.end {
                let child = plan.node(next);
                let fits = start.as_ref().is_some_and(|start| is_child(child, start));
                if fits && (count == 0 || child.occurs.repeats()) {
                    break;
                }
                if count == 0 && child.occurs.mandatory() {
                    return Err(unexpected(Expected::Element(child.name)));
                }
                next += 1;
                count = 0;
            }
            let Some(start) = start else {
                sink.close(place);
                return Ok(());
            };
            if next < group.children.end {
                let child = plan.node(next);
                count += 1;
                self.allow_no_attributes(&start, child.name)?;
                if child.kind == Kind::Group {
                    self.group(plan, next, sink)?;
                } else {
                    let text = self.value(child.name)?;
                    Value::check_as(child.kind, child.facet, &text).map_err(|why| {
                        RequestError::Value {
                            element: child.name,
                            why,
                        }
                    })?;
                    sink.value(next, text);
                }
            } else if group.any && is_foreign(group, &start) {
                self.skip()?;
            } else {
                return Err(unexpected(Expected::End));
            }
        }
    }

    /// The text of the element just begun, and its end.
    fn value(&mut self, name: &'static str) -> Result<Cow<'x, str>, RequestError> {
        // Between elements white space means nothing, and the reader drops it; here it counts.
        self.reader.config_mut().trim_text_start = false;
        let value = self.value_text(name);
        self.reader.config_mut().trim_text_start = true;
        value
    }

    fn value_text(&mut self, name: &'static str) -> Result<Cow<'x, str>, RequestError> {
        let mut value = Cow::Borrowed("");
        loop {
            match self.next_step()? {
                Step::Text(more) if value.is_empty() => value = unix_line_ends(more),
                Step::Text(more) => value.to_mut().push_str(&unix_line_ends(more)),
                Step::Character(more) => value.to_mut().push_str(&more),
                Step::End => return Ok(value),
                Step::Start(_) => {
                    let expected = Expected::NoElements;
                    return Err(RequestError::Unexpected {
                        inside: name,
                        expected,
                    });
                }
                Step::Eof => {
                    return Err(RequestError::NotXml {
                        at: self.reader.buffer_position(),
                    });
                }
            }
        }
    }

    /// Passes over the rest of the element just begun.
    fn skip(&mut self) -> Result<(), RequestError> {
        let mut depth = 1;
        while depth > 0 {
            match self.next_step()? {
                Step::Start(_) => depth += 1,
                Step::End => depth -= 1,
                Step::Text(_) | Step::Character(_) => {}
                Step::Eof => {
                    return Err(RequestError::NotXml {
                        at: self.reader.buffer_position(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The next child of the element `inside`, or `None` at its end. No text may stand before it.
    fn start(&mut self, inside: &'static str) -> Result<Option<Start<'x>>, RequestError> {
        match self.next_step()? {
            Step::Start(start) => Ok(Some(start)),
            Step::End => Ok(None),
            Step::Text(_) | Step::Character(_) if self.depth > 0 => Err(RequestError::Unexpected {
                inside,
                expected: Expected::NoText,
            }),
            Step::Text(_) | Step::Character(_) | Step::Eof => Err(RequestError::NotXml {
                at: self.reader.buffer_position(),
            }),
        }
    }

    fn end_of(&mut self, inside: &'static str) -> Result<(), RequestError> {
        match self.start(inside)? {
            None => Ok(()),
            Some(_) => Err(RequestError::Unexpected {
                inside,
                expected: Expected::End,
            }),
        }
    }

    fn next_step(&mut self) -> Result<Step<'x>, RequestError> {
        if std::mem::take(&mut self.pending_end) {
            self.leave();
            return Ok(Step::End);
        }
        loop {
            let before = self.reader.buffer_position();
            let event = self.reader.read_event();
            let at = self.reader.buffer_position();
            match event {
                Ok(Event::Start(tag)) => return self.begin(&tag, at - 1).map(Step::Start),
                Ok(Event::Empty(tag)) => {
                    self.pending_end = true;
                    return self.begin(&tag, at - 2).map(Step::Start);
                }
                Ok(Event::End(_)) => {
                    self.leave();
                    return Ok(Step::End);
                }
                Ok(Event::Text(text)) => return Ok(Step::Text(text.into_inner())),
                Ok(Event::CData(text)) => return Ok(Step::Text(text.into_inner())),
                Ok(Event::GeneralRef(reference)) => {
                    let character = match reference.resolve_char_ref() {
                        Ok(Some(character)) => Some(Cow::Owned(character.to_string())),
                        Ok(None) => resolve_predefined_entity(&reference).map(Cow::Borrowed),
                        Err(_) => None,
                    };
                    return character
                        .map(Step::Character)
                        .ok_or(RequestError::NotXml { at: before });
                }
                Ok(Event::Comment(_)) => {}
                Ok(Event::Decl(_)) if before == 0 => {}
                Ok(Event::Decl(_)) => return Err(RequestError::NotXml { at: before }),
                Ok(Event::PI(_)) => return Err(RequestError::ProcessingInstruction),
                Ok(Event::DocType(_)) => return Err(RequestError::Dtd),
                Ok(Event::Eof) if self.depth > 0 => return Err(RequestError::NotXml { at }),
                Ok(Event::Eof) => return Ok(Step::Eof),
                Err(_) => {
                    return Err(RequestError::NotXml {
                        at: self.reader.error_position(),
                    });
                }
            }
        }
    }

    /// Enters an element whose tag's text ends at `end`: binds its prefixes, resolves its name.
    #[inline]
    fn begin(&mut self, tag: &BytesStart<'_>, end: u64) -> Result<Start<'x>, RequestError> {
        self.depth += 1;
        if self.depth > limits::XML_DEPTH {
            return Err(RequestError::TooComplex);
        }
        // The tag as a part of the text itself: names outlive the reader's event.
        let name_len = tag.name().0.len();
        let tag_len = name_len + tag.attributes_raw().len();
        let tag = usize::try_from(end)
            .ok()
            .and_then(|end| self.text.get(end.checked_sub(tag_len)?..end))
            .and_then(|tag| tag.split_at_checked(name_len));
        let Some((name, attributes)) = tag else {
            return Err(RequestError::NotXml { at: end });
        };
        if !attributes.is_empty() {
            self.bind(attributes, end)?;
        }
        let (prefix, local) = split_name(name);
        match self.resolve(prefix) {
            Some(namespace) => Ok(Start {
                namespace,
                local,
                attributes,
            }),
            None => Err(RequestError::NotXml { at: end }),
        }
    }

    /// Binds the prefixes that an element declares. Two attributes of one name are refused.
    fn bind(&mut self, attributes: &'x str, at: u64) -> Result<(), RequestError> {
        let mut names = [""; limits::XML_ATTRIBUTES];
        for (count, attribute) in unchecked(attributes).enumerate() {
            let attribute = attribute.map_err(|_| RequestError::NotXml { at })?;
            let name = attribute.key.0;
            if names[..count].contains(&name) {
                return Err(RequestError::NotXml { at });
            }
            *names.get_mut(count).ok_or(RequestError::TooComplex)? = name;
            let prefix = match split_name(name) {
                ("xmlns", prefix) => prefix,
                ("", "xmlns") => "",
                _ => continue,
            };
            let uri = quick_xml::escape::unescape(&attribute.value)
                .ok()
                .filter(|uri| !uri.is_empty() || prefix.is_empty());
            let Some(uri) = uri else {
                return Err(RequestError::NotXml { at });
            };
            let namespace = self.namespace(&uri);
            self.bindings.push(Binding {
                prefix,
                namespace,
                depth: self.depth,
            });
        }
        Ok(())
    }

    fn namespace(&self, uri: &str) -> Namespace {
        let is_extension = || {
            self.names.extensions
                && self
                    .names
                    .core
                    .and_then(|core| uri.strip_prefix(core))
                    .is_some_and(|minor| matches!(minor, ".1" | ".2" | ".3"))
        };
        match uri {
            "" => Namespace::None,
            SOAP_11 => Namespace::Soap11,
            REGISTRY => Namespace::Registry,
            INSTANCE => Namespace::Instance,
            XML => Namespace::Xml,
            _ if uri == self.names.responder => Namespace::Responder,
            _ if Some(uri) == self.names.core => Namespace::Core,
            _ if is_extension() => Namespace::Extension,
            _ => Namespace::Other,
        }
    }

    fn resolve(&self, prefix: &str) -> Option<Namespace> {
        let bound = self
            .bindings
            .iter()
            .rev()
            .find(|binding| binding.prefix == prefix);
        match bound {
            Some(binding) => Some(binding.namespace),
            None if prefix.is_empty() => Some(Namespace::None),
            None if prefix == "xml" => Some(Namespace::Xml),
            None => None,
        }
    }

    fn leave(&mut self) {
        while self
            .bindings
            .last()
            .is_some_and(|binding| binding.depth == self.depth)
        {
            self.bindings.pop();
        }
        self.depth -= 1;
    }

    /// The attributes of an element, namespace declarations left out.
    fn attributes(
        &self,
        start: &Start<'x>,
    ) -> Result<Vec<(Namespace, &'x str, String)>, RequestError> {
        let malformed = || RequestError::NotXml {
            at: self.reader.buffer_position(),
        };
        let mut found = Vec::new();
        for attribute in unchecked(start.attributes) {
            let attribute = attribute.map_err(|_| malformed())?;
            let (prefix, local) = split_name(attribute.key.0);
            if prefix == "xmlns" || attribute.key.0 == "xmlns" {
                continue;
            }
            // Without a prefix an attribute is in no namespace, whatever the default one.
            let namespace = if prefix.is_empty() {
                Namespace::None
            } else {
                self.resolve(prefix).ok_or_else(malformed)?
            };
            let value = quick_xml::escape::unescape(&attribute.value).map_err(|_| malformed())?;
            found.push((namespace, local, value.into_owned()));
        }
        Ok(found)
    }

    /// Message elements have no attributes but those that XML Schema gives to all.
    fn allow_no_attributes(
        &self,
        start: &Start<'x>,
        inside: &'static str,
    ) -> Result<(), RequestError> {
        if start.attributes.is_empty() {
            return Ok(());
        }
        let allowed = |(namespace, local, _): &(Namespace, &str, String)| {
            *namespace == Namespace::Instance && *local != "nil"
        };
        if self.attributes(start)?.iter().all(allowed) {
            Ok(())
        } else {
            Err(RequestError::Unexpected {
                inside,
                expected: Expected::NoAttributes,
            })
        }
    }
}

/// Text with the line ends that XML gives it.
fn unix_line_ends(text: Cow<'_, str>) -> Cow<'_, str> {
    if memchr::memchr(b'\r', text.as_bytes()).is_some() {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        text
    }
}

/// Attributes without quick-xml's own check for doubles, which allocates.
fn unchecked(attributes: &str) -> Attributes<'_> {
    let mut attributes = Attributes::new(attributes, 0);
    attributes.with_checks(false);
    attributes
}

/// Prefix and local part of a name.
#[inline]
fn split_name(name: &str) -> (&str, &str) {
    match memchr::memchr(b':', name.as_bytes()) {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => ("", name),
    }
}

#[inline]
fn is_child(child: &Node, start: &Start<'_>) -> bool {
    let in_space = match child.space {
        Space::Responder => start.namespace == Namespace::Responder,
        Space::Core => start.namespace == Namespace::Core,
        Space::Extension => {
            matches!(start.namespace, Namespace::Extension | Namespace::Core)
        }
    };
    in_space && child.name == start.local
}

/// Whether an element is of another namespace than the schema of `group`'s type declares
/// (`##other`).
fn is_foreign(group: &Node, start: &Start<'_>) -> bool {
    let own = match group.inside {
        Space::Responder => Namespace::Responder,
        Space::Core | Space::Extension => Namespace::Core,
    };
    start.namespace != own && start.namespace != Namespace::None
}
