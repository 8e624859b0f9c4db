//! The XML format: reads one `Folkbokforingspost` at a time, as the splitter in `tags` finds them.
//!
//! Names count without their prefix: files have no namespace, answers of the online service do.
//! There is no DTD and no entity beyond the five of XML.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::assemble::Assembler;
use super::read::{Navet, Read, ReadError, Reader, Reject, Unknown};
use super::terms::{Index, ROOT, Rule, Term};
use crate::base::limits;
use crate::person::identity::Formats;

/// Reads a whole file out of memory; the way in for tests and fuzzing.
pub fn read_all(bytes: &[u8], formats: &Formats) -> Result<Vec<Read>, ReadError> {
    Reader::new(bytes, Navet::Xml, None, formats).collect()
}

/// Reads the elements of one post.
#[derive(Default)]
pub(super) struct Parser {
    stack: Vec<Frame>,
    text: String,
}

/// An element that is open.
#[derive(Clone, Copy)]
struct Frame {
    /// Its node; `None` for elements that are not known, or that are passed.
    node: Option<u16>,
    /// Whether elements that are known stood in it.
    has_elements: bool,
    /// Whether its end ends an entry.
    is_entry: bool,
}

impl Parser {
    pub fn parse(&mut self, post: &str, assembler: &mut Assembler<'_>, unknown: &mut Unknown) {
        self.stack.clear();
        let mut reader = quick_xml::Reader::from_str(post);
        reader.config_mut().expand_empty_elements = true;
        let mut done = false;
        loop {
            let read = match reader.read_event() {
                Ok(Event::Eof) if done && self.stack.is_empty() => return,
                Ok(Event::Start(_)) if done => None,
                Ok(Event::Start(tag)) => self.start(&tag, assembler, unknown),
                Ok(Event::End(_)) => {
                    self.end(assembler);
                    done = self.stack.is_empty();
                    Some(())
                }
                Ok(Event::Text(text)) => self.push(&text.xml10_content()),
                Ok(Event::CData(text)) => self.push(&text.xml10_content()),
                Ok(Event::GeneralRef(name)) => character(&name)
                    .and_then(|character| self.push(character.encode_utf8(&mut [0; 4]))),
                Ok(Event::Comment(_) | Event::PI(_)) => Some(()),
                Ok(Event::Empty(_) | Event::Decl(_) | Event::DocType(_) | Event::Eof) | Err(_) => {
                    None
                }
            };
            if read.is_none() {
                // A failure that is known already tells more.
                assembler.fail(Reject::NotWellFormed {
                    at: reader.buffer_position(),
                });
                return;
            }
        }
    }

    fn start(
        &mut self,
        tag: &BytesStart<'_>,
        assembler: &mut Assembler<'_>,
        unknown: &mut Unknown,
    ) -> Option<()> {
        let index = Index::get();
        if self.stack.len() >= limits::XML_DEPTH {
            assembler.fail(Reject::TooDeep);
            return None;
        }
        let local = tag.local_name();
        let name: &str = local.as_ref();
        let above = self.stack.last().copied();
        let node = match above {
            None => Some(ROOT),
            Some(Frame { node: None, .. }) => stand_in(index, name),
            Some(Frame {
                node: Some(above), ..
            }) if index.at(above).is_ignored() => stand_in(index, name),
            Some(Frame {
                node: Some(above), ..
            }) => {
                let known = index.child(above, name).or_else(|| stand_in(index, name));
                if known.is_none() {
                    unknown.note(name);
                }
                known
            }
        };
        let mut frame = Frame {
            node,
            has_elements: false,
            is_entry: false,
        };
        if let Some(at) = node {
            if let Some(above) = self.stack.last_mut() {
                above.has_elements = true;
            }
            self.text.clear();
            let known = index.at(at);
            let nil = self.is_nil(tag)?;
            if nil {
                blank(index, at, assembler);
                // What stands in a blanked element is passed.
                frame.node = None;
            } else {
                if let Some(group) = known.group.filter(|group| group.entry) {
                    assembler.open(group);
                    frame.is_entry = true;
                }
                if !known.attributes.is_empty() {
                    attributes(tag, &known.attributes, assembler)?;
                }
            }
        }
        self.stack.push(frame);
        Some(())
    }

    fn is_nil(&self, tag: &BytesStart<'_>) -> Option<bool> {
        if tag.attributes_raw().trim_ascii().is_empty() {
            return Some(false);
        }
        let mut nil = false;
        for (number, attribute) in tag.attributes().enumerate() {
            let attribute = attribute.ok().filter(|_| number < limits::XML_ATTRIBUTES)?;
            let local = attribute.key.local_name();
            let name: &str = local.as_ref();
            if name == "nil" {
                nil |= matches!(attribute.value.trim_ascii(), "true" | "1");
            }
        }
        Some(nil)
    }

    fn end(&mut self, assembler: &mut Assembler<'_>) {
        let Some(frame) = self.stack.pop() else {
            return;
        };
        let node = frame.node.map(|node| Index::get().at(node));
        if let Some(term) = node.and_then(|node| node.term)
            && !frame.has_elements
        {
            assembler.term(term, Some(&self.text));
        }
        if frame.is_entry {
            assembler.close();
        }
    }

    /// Text counts in an element that is a term.
    fn push(&mut self, text: &str) -> Option<()> {
        if self.stack.last().is_some_and(|frame| frame.node.is_some()) {
            self.text.push_str(text);
        }
        Some(())
    }
}

/// Protection counts wherever it stands: the element of that name directly below the post.
fn stand_in(index: &Index, name: &str) -> Option<u16> {
    let node = index.child(ROOT, name)?;
    let is_protection = index
        .at(node)
        .term
        .is_some_and(|term| term.rule == Rule::Protection);
    is_protection.then_some(node)
}

/// Blanks an element: its term, its group, or else everything below it.
fn blank(index: &Index, at: u16, assembler: &mut Assembler<'_>) {
    let node = index.at(at);
    match (node.term, node.group) {
        (_, Some(group)) => assembler.blank(group.field),
        (Some(term), None) => assembler.term(term, None),
        (None, None) => node
            .children
            .iter()
            .for_each(|&child| blank(index, child, assembler)),
    }
}

fn attributes(
    tag: &BytesStart<'_>,
    known: &[(&'static str, &'static Term)],
    assembler: &mut Assembler<'_>,
) -> Option<()> {
    for attribute in tag.attributes() {
        let attribute = attribute.ok()?;
        let local = attribute.key.local_name();
        let name: &str = local.as_ref();
        if let Some((_, term)) = known.iter().find(|(known, _)| *known == name) {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
            assembler.term(term, Some(&value));
        }
    }
    Some(())
}

/// The character behind a reference.
fn character(name: &BytesRef<'_>) -> Option<char> {
    if name.is_char_ref() {
        return name.resolve_char_ref().ok().flatten();
    }
    match &**name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}
