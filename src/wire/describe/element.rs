//! An XML document under construction: elements with attributes, and elements in them.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use std::io;

/// One element. There is no text in a WSDL or XSD.
#[derive(Debug)]
pub(super) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    remark: Option<&'static str>,
    children: Vec<Element>,
}

/// An element without anything in it yet.
pub(super) fn element(name: &'static str) -> Element {
    Element {
        name,
        attributes: Vec::new(),
        remark: None,
        children: Vec::new(),
    }
}

impl Element {
    /// Adds an attribute.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// Says something to people before the first element in this one.
    pub(super) fn remarking(mut self, remark: &'static str) -> Self {
        self.remark = Some(remark);
        self
    }

    /// Adds an element in this one.
    pub(super) fn holding(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// Adds elements in this one.
    pub(super) fn holding_all(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// The document with this element as its root.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new_with_indent(Vec::new(), b' ', 2);
        let declaration = Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None));
        // Memory takes every byte, so there is no failure to report.
        let _always_ok = out
            .write_event(declaration)
            .and_then(|()| self.write(&mut out));
        let mut bytes = out.into_inner();
        bytes.push(b'\n');
        bytes
    }

    fn write(&self, out: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let mut start = BytesStart::new(self.name);
        for (name, value) in &self.attributes {
            start.push_attribute((*name, value.as_str()));
        }
        if self.children.is_empty() {
            return out.write_event(Event::Empty(start));
        }
        out.write_event(Event::Start(start))?;
        if let Some(remark) = self.remark {
            out.write_event(Event::Comment(BytesText::new(remark)))?;
        }
        for child in &self.children {
            child.write(out)?;
        }
        out.write_event(Event::End(BytesEnd::new(self.name)))
    }
}
