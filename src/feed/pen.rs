//! Draws one post in either format, walking the elements of the table.

use std::sync::LazyLock;

use super::assemble::{NORDIC, NORDIC_COUNTRY, NORDIC_NUMBER, TOTAL, unwrapped};
use super::read::{Encoding, Navet};
use super::termdata::BLANK;
use super::terms::{GROUPS, Index, Node, ROOT, Rule, TERMS, Term};
use super::write::WriteError;
use crate::base::time::PartialDate;
use crate::person::edit::Group;
use crate::person::field::{Field, FieldMask};
use crate::person::identity::{Formats, Identity, IdentityType};
use crate::person::value::Value;
use crate::register::post::{Edit, Post};

/// What a post says, by field.
pub(super) struct Said<'p> {
    values: [Option<&'p Value>; Field::COUNT],
    cleared: FieldMask,
}

impl<'p> Said<'p> {
    pub fn of(post: &'p Post) -> Result<Self, WriteError> {
        let mut said = Self {
            values: [None; Field::COUNT],
            cleared: FieldMask::NONE,
        };
        for edit in &post.edits {
            let field = match edit {
                Edit::Set(field, _) | Edit::Clear(field) => *field,
                Edit::Entry(entry) => entry.field(),
            };
            if !has_term(field) {
                return Err(WriteError::NoTerm(field));
            }
            match edit {
                Edit::Set(field, value) => {
                    said.values[usize::from(field.number())] = Some(value);
                }
                Edit::Clear(field) => said.cleared.insert(*field),
                Edit::Entry(entry) => {
                    let unsaid = Field::all()
                        .filter(|&field| entry.field().contains(field) && !has_term(field))
                        .find(|&field| entry.value(field).is_some());
                    if let Some(unsaid) = unsaid {
                        return Err(WriteError::NoTerm(unsaid));
                    }
                }
            }
        }
        // A file has no order between a blanked group and what stands in it, except entries.
        for edit in &post.edits {
            let (field, whole) = match edit {
                Edit::Set(field, _) => (*field, false),
                Edit::Entry(entry) => (entry.field(), true),
                Edit::Clear(_) => continue,
            };
            let blanked = |above: Field| {
                said.cleared.has(above) && above.contains(field) && !(whole && above == field)
            };
            if Field::all().any(blanked) {
                return Err(WriteError::Contradiction(field));
            }
        }
        Ok(said)
    }
}

/// Where values come from: the post itself or one entry of a group.
#[derive(Clone, Copy)]
enum Origin<'a, 'p> {
    Post(&'a Said<'p>),
    Entry(&'p Group),
}

/// What is to be written of a term.
enum Ink {
    Nothing,
    Blank,
    Text(String),
}

/// Draws one post.
pub(super) struct Pen<'f, 'p> {
    pub out: String,
    pub navet: Navet,
    pub encoding: Encoding,
    pub formats: &'f Formats,
    pub post: &'p Post,
    pub subject: Identity,
}

impl<'p> Pen<'_, 'p> {
    pub fn post(&mut self, said: &Said<'p>) -> Result<(), WriteError> {
        match self.navet {
            Navet::Text => {
                self.out.push_str("#POST_START\n");
                self.children(ROOT, Origin::Post(said), false)?;
                self.out.push_str("#POST_SLUT\n");
            }
            Navet::Xml => {
                self.element(ROOT, Origin::Post(said), false)?;
                self.out.push('\n');
            }
        }
        Ok(())
    }

    fn children(&mut self, of: u16, from: Origin<'_, 'p>, blank: bool) -> Result<(), WriteError> {
        for &child in &Index::get().at(of).children {
            let group = Index::get().at(child).group;
            match group.filter(|group| group.entry) {
                Some(group) => {
                    // An element that stands for all entries, before those that follow.
                    let cleared =
                        matches!(from, Origin::Post(said) if said.cleared.has(group.field));
                    if cleared && !self.is_blanked_around(of, group.field) {
                        self.blank_group(child);
                    }
                    let post = self.post;
                    for entry in entries(post, group.field) {
                        self.element(child, Origin::Entry(entry), false)?;
                    }
                }
                None => self.element(child, from, blank)?,
            }
        }
        Ok(())
    }

    /// Whether the element around already says that all entries are blanked.
    fn is_blanked_around(&self, of: u16, field: Field) -> bool {
        self.navet == Navet::Xml
            && Index::get()
                .at(of)
                .group
                .is_some_and(|it| it.field == field)
            && entries(self.post, field).next().is_none()
    }

    fn blank_group(&mut self, node: u16) {
        let node = Index::get().at(node);
        match (self.navet, node.group.and_then(|group| group.codes)) {
            (Navet::Xml, _) => {
                self.out.push('<');
                self.out.push_str(node.name);
                self.out.push_str(" xsi:nil=\"true\"/>");
            }
            (Navet::Text, Some((start, _))) => self.line(start, Some(BLANK)),
            (Navet::Text, None) => {}
        }
    }

    /// An element and what is in it; nothing when there is nothing.
    fn element(&mut self, at: u16, from: Origin<'_, 'p>, blank: bool) -> Result<(), WriteError> {
        let node = Index::get().at(at);
        let cleared = match (from, node.group) {
            (Origin::Post(said), Some(group)) => said.cleared.has(group.field),
            _ => false,
        };
        let has_entries = node
            .group
            .is_some_and(|it| entries(self.post, it.field).next().is_some());
        if cleared && !has_entries && self.navet == Navet::Xml {
            self.blank_group(at);
            return Ok(());
        }
        let blank = blank || cleared;
        let before = self.out.len();
        let codes = node.group.and_then(|group| group.codes);
        match self.navet {
            Navet::Xml => {
                self.out.push('<');
                self.out.push_str(node.name);
            }
            Navet::Text => {
                if let Some((start, _)) = codes {
                    self.line(start, None);
                }
            }
        }
        let bare = self.out.len();
        for &(name, term) in &node.attributes {
            match self.ink(term, from, false)? {
                Ink::Text(text) => self.attribute(name, term, &text)?,
                Ink::Blank | Ink::Nothing => {}
            }
        }
        let has_attributes = self.out.len() > bare;
        let filled = self.content(at, node, from, blank)?;
        if let (true, false, Some(term)) = (has_attributes, filled, node.term) {
            // The mark of a value that is not there would blank the value.
            return Err(WriteError::Unwritable(term));
        }
        if !filled && !has_attributes {
            self.out.truncate(before);
            return Ok(());
        }
        if let (Navet::Text, Some((_, end))) = (self.navet, codes) {
            self.line(end, None);
        }
        Ok(())
    }

    /// What follows an element's attributes, its end included; `false` when there is nothing.
    fn content(
        &mut self,
        at: u16,
        node: &'static Node,
        from: Origin<'_, 'p>,
        blank: bool,
    ) -> Result<bool, WriteError> {
        let before = self.out.len();
        let ink = match node.term.filter(|term| term.written) {
            Some(term) => self.ink(term, from, blank)?,
            None => Ink::Nothing,
        };
        let xml = self.navet == Navet::Xml;
        match (ink, node.term) {
            (Ink::Text(text), Some(term)) if xml => {
                self.out.push('>');
                escape(&mut self.out, &text, self.encoding);
                check_filled(term, &text)?;
                self.close(node.name);
            }
            (Ink::Text(text), Some(term)) => {
                self.check_line(term, &text)?;
                self.line(term.code, Some(&text));
            }
            (Ink::Blank, Some(_)) if xml => self.out.push_str(" xsi:nil=\"true\"/>"),
            (Ink::Blank, Some(term)) => self.line(term.code, Some(BLANK)),
            _ => {
                if xml {
                    self.out.push('>');
                }
                let inside = self.out.len();
                self.children(at, from, blank)?;
                let filled = self.out.len() > inside;
                if !xml {
                    return Ok(filled);
                }
                if filled {
                    self.close(node.name);
                } else {
                    self.out.truncate(before);
                    self.out.push_str("/>");
                }
                return Ok(filled);
            }
        }
        Ok(true)
    }

    fn ink(
        &self,
        term: &'static Term,
        from: Origin<'_, 'p>,
        blank: bool,
    ) -> Result<Ink, WriteError> {
        match term.rule {
            Rule::Subject => {
                let code = if self.subject.kind() == IdentityType::Pnr {
                    1001
                } else {
                    1002
                };
                if term.code != code {
                    return Ok(Ink::Nothing);
                }
                return self
                    .digits(self.subject)
                    .map(Ink::Text)
                    .ok_or(WriteError::Subject);
            }
            Rule::PostId => {
                return Ok(self.post.post_id.clone().map_or(Ink::Nothing, Ink::Text));
            }
            Rule::Total => {
                return Ok(if self.post.total {
                    Ink::Text("J".to_owned())
                } else {
                    Ink::Nothing
                });
            }
            Rule::Nordic(country) => return self.nordic(term, country, blank),
            _ => {}
        }
        let Some(field) = term.field else {
            return Ok(Ink::Nothing);
        };
        let value = match from {
            Origin::Post(said) => said.values[usize::from(field.number())],
            Origin::Entry(entry) => entry.value(field),
        };
        match (value, from) {
            (Some(value), _) => self.said(term, value).map(Ink::Text),
            (None, _) if blank => Ok(Ink::Blank),
            (None, Origin::Post(said))
                if said.cleared.has(field) || said.cleared.has(unwrapped(field)) =>
            {
                // The mark beside a value goes with it.
                Ok(if term.path.contains('@') {
                    Ink::Nothing
                } else {
                    Ink::Blank
                })
            }
            (None, _) => Ok(Ink::Nothing),
        }
    }

    fn nordic(&self, term: &'static Term, country: &str, blank: bool) -> Result<Ink, WriteError> {
        let mut found = entries(self.post, NORDIC)
            .filter(|entry| entry.text(NORDIC_COUNTRY) == Some(country))
            .map(|entry| entry.value(NORDIC_NUMBER));
        Ok(match found.next() {
            None if blank => Ink::Blank,
            None => Ink::Nothing,
            Some(None) => Ink::Blank,
            Some(Some(number)) => Ink::Text(self.said(term, number)?),
        })
    }

    /// A value as its term says it.
    fn said(&self, term: &'static Term, value: &Value) -> Result<String, WriteError> {
        let said = match (term.rule, value) {
            (Rule::Code(spellings), Value::Text(text)) => {
                let spelled = spellings.iter().find(|(_, ours)| ours == text);
                Some(
                    spelled
                        .map_or(text.as_str(), |(navets, _)| navets)
                        .to_owned(),
                )
            }
            (_, Value::Text(text)) => Some(text.clone()),
            (_, Value::Boolean(truth)) => Some(if *truth { "J" } else { "N" }.to_owned()),
            (Rule::BirthTime, Value::PartialDate(date)) => Some(eight_digits(*date) + "0000"),
            (_, Value::PartialDate(date)) => Some(eight_digits(*date)),
            (_, Value::Identity(identity)) => self.digits(*identity),
            (_, Value::DateTime(at)) => {
                let written = at.written();
                let digits = written[..19].iter().filter(|byte| byte.is_ascii_digit());
                Some(digits.map(|&byte| char::from(byte)).collect())
            }
            _ => None,
        };
        said.ok_or(WriteError::Unwritable(term))
    }

    fn digits(&self, identity: Identity) -> Option<String> {
        self.formats
            .text(identity)
            .map(|text| text.as_str().to_owned())
    }

    fn attribute(&mut self, name: &str, term: &'static Term, text: &str) -> Result<(), WriteError> {
        match self.navet {
            Navet::Xml => {
                check_filled(term, text)?;
                self.out.push(' ');
                self.out.push_str(name);
                self.out.push_str("=\"");
                escape(&mut self.out, text, self.encoding);
                self.out.push('"');
            }
            Navet::Text => {
                self.check_line(term, text)?;
                self.line(term.code, Some(text));
            }
        }
        Ok(())
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn line(&mut self, code: u16, value: Option<&str>) {
        use std::fmt::Write as _;
        // Writing to a String does not fail.
        let _ = write!(self.out, "#UP {code:05}");
        if let Some(value) = value {
            self.out.push(' ');
            self.out.push_str(value);
        }
        self.out.push('\n');
    }

    fn check_line(&self, term: &'static Term, text: &str) -> Result<(), WriteError> {
        check_filled(term, text)?;
        if text.trim() == BLANK || text.contains(['\n', '\r']) {
            return Err(WriteError::Unwritable(term));
        }
        if self.encoding == Encoding::Latin1 && text.chars().any(|it| u32::from(it) > 0xff) {
            return Err(WriteError::NotEncodable(term));
        }
        Ok(())
    }
}

/// Whether a term or a group of terms carries the field.
fn has_term(field: Field) -> bool {
    static WRITTEN: LazyLock<FieldMask> = LazyLock::new(|| {
        let terms = TERMS
            .iter()
            .filter(|term| term.written)
            .filter_map(|term| term.field);
        let groups = GROUPS.iter().map(|group| group.field);
        let mut mask = FieldMask::NONE;
        for field in terms
            .chain(groups)
            .chain([TOTAL, NORDIC_NUMBER, NORDIC_COUNTRY])
        {
            mask.insert(field);
            mask.insert(unwrapped(field));
        }
        mask
    });
    WRITTEN.has(field)
}

/// The post's entries of one group.
fn entries(post: &Post, field: Field) -> impl Iterator<Item = &Group> {
    post.edits.iter().filter_map(move |edit| match edit {
        Edit::Entry(entry) if entry.field() == field => Some(entry),
        _ => None,
    })
}

pub(super) fn eight_digits(date: PartialDate) -> String {
    format!("{:08}", date.number())
}

/// Text between tags or in an attribute. White space that a reader would change, and characters
/// that the encoding does not have, are written by number.
pub(super) fn escape(out: &mut String, text: &str, encoding: Encoding) {
    use std::fmt::Write as _;
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' | '\u{7f}'..='\u{9f}' | '\u{2028}' => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            _ if encoding == Encoding::Latin1 && u32::from(character) > 0xff => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            _ => out.push(character),
        }
    }
}

/// Without characters a value would be read as a blanked one.
fn check_filled(term: &'static Term, text: &str) -> Result<(), WriteError> {
    if text.trim().is_empty() {
        Err(WriteError::Unwritable(term))
    } else {
        Ok(())
    }
}
