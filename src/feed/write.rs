//! Writes posts as a file in either format, so that a generated population comes in through the
//! same door as Skatteverket's. Terms stand in the table's order, which is the schema's.

use std::io::{self, Write};

use super::assemble::{NORDIC, NORDIC_COUNTRY, NORDIC_NUMBER, TOTAL, unwrapped};
use super::read::{Encoding, Navet};
use super::termdata::{BLANK, UTF8_MARK};
use super::terms::{Index, Node, ROOT, Rule, Term};
use crate::base::time::PartialDate;
use crate::person::edit::Group;
use crate::person::field::{Field, FieldMask};
use crate::person::identity::{Formats, Identity, IdentityType};
use crate::person::value::Value;
use crate::register::post::{Edit, Post};

/// What a file tells of itself.
#[derive(Clone, Debug)]
pub struct Header {
    /// How its characters are written. A text file in UTF-8 begins with the mark that tells so.
    pub encoding: Encoding,
    /// The order it answers, for instance `00000236-FO01-0001`.
    pub order_id: String,
    /// The day it is made.
    pub effectuated: PartialDate,
    /// How many posts will follow.
    pub posts: u64,
}

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The target failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A field that Skatteverket does not send.
    #[error("no term carries {0:?}")]
    NoTerm(Field),
    /// The post both blanks a group and fills it.
    #[error("{0:?} is both blanked and filled")]
    Contradiction(Field),
    /// A value that its term cannot say in this format: empty, `$`, of several lines, of another
    /// kind, or an identity without a format.
    #[error("term {0}: the value cannot be written in this format")]
    Unwritable(&'static Term),
    /// A character that the text format's encoding does not have.
    #[error("term {0}: a character that ISO-8859-1 does not have")]
    NotEncodable(&'static Term),
    /// The subject is neither a PNR nor an SNR, or its format is not known.
    #[error("the subject is neither a personnummer nor a samordningsnummer")]
    Subject,
    /// More or fewer posts than announced.
    #[error("{announced} posts were announced and {written} written")]
    WrongCount {
        /// In the header.
        announced: u64,
        /// In the file.
        written: u64,
    },
}

/// Writes one file.
pub struct Writer<'f, W> {
    out: W,
    navet: Navet,
    header: Header,
    formats: &'f Formats,
    buffer: String,
    encoded: Vec<u8>,
    written: u64,
}

impl<'f, W: Write> Writer<'f, W> {
    /// Begins a file.
    pub fn new(
        out: W,
        navet: Navet,
        header: Header,
        formats: &'f Formats,
    ) -> Result<Self, WriteError> {
        let mut writer = Self {
            out,
            navet,
            header,
            formats,
            buffer: String::new(),
            encoded: Vec::new(),
            written: 0,
        };
        let date = eight_digits(writer.header.effectuated);
        let Header {
            encoding,
            order_id,
            posts,
            ..
        } = &writer.header;
        let begin = match navet {
            Navet::Text => {
                if *encoding == Encoding::Utf8 {
                    writer.out.write_all(UTF8_MARK)?;
                }
                format!(
                    "#INFO_START\n#FILTYP UTFIL\n#BESTÄLLNINGSID {order_id}\n#BESTÄLLNINGSTYP X\n\
                     #EFFEKTUERAD {date}\n#INFO_SLUT\n#DATA_START\n"
                )
            }
            Navet::Xml => {
                let name = match encoding {
                    Encoding::Latin1 => "ISO-8859-1",
                    Encoding::Utf8 => "UTF-8",
                };
                let mut order = String::new();
                escape(&mut order, order_id, *encoding);
                format!(
                    "<?xml version=\"1.0\" encoding=\"{name}\"?>\n\
                     <Navetavisering xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n\
                     <Aviseringsinformation><Medieleverantor><OrgNr>162021005448</OrgNr>\
                     </Medieleverantor><Mediemottagare/><Filinformation>\
                     <BestallningsId>{order}</BestallningsId><Bestallningstyp>X</Bestallningstyp>\
                     <Produkt>NAVET</Produkt><Utfil><Filnamn>navet</Filnamn>\
                     <Effektueringsdatum>{date}</Effektueringsdatum>\
                     <AntalPoster>{posts}</AntalPoster><AntalPosterTotalt>{posts}</AntalPosterTotalt>\
                     <AntalFiler>1</AntalFiler><FilNr>1</FilNr><JobbId>0</JobbId></Utfil>\
                     </Filinformation></Aviseringsinformation>\n<Folkbokforingsposter>\n"
                )
            }
        };
        writer.buffer = begin;
        writer.flush_buffer()?;
        Ok(writer)
    }

    /// Writes one post. A post that fails leaves nothing in the file.
    pub fn write(&mut self, post: &Post) -> Result<(), WriteError> {
        let said = Said::of(post)?;
        let subject = match post.subject.kind() {
            IdentityType::Pnr | IdentityType::Snr => post.subject,
            IdentityType::Nrid | IdentityType::Lrid => return Err(WriteError::Subject),
        };
        self.buffer.clear();
        let mut pen = Pen {
            out: std::mem::take(&mut self.buffer),
            navet: self.navet,
            encoding: self.header.encoding,
            formats: self.formats,
            post,
            subject,
        };
        let drawn = pen.post(&said);
        self.buffer = pen.out;
        drawn?;
        self.flush_buffer()?;
        self.written += 1;
        Ok(())
    }

    /// Ends the file and hands its target back.
    pub fn finish(mut self) -> Result<W, WriteError> {
        let (announced, written) = (self.header.posts, self.written);
        if announced != written {
            return Err(WriteError::WrongCount { announced, written });
        }
        self.buffer = match self.navet {
            Navet::Text => {
                format!("#DATA_SLUT\n#AVST_START\n#ANTAL_POSTER {written}\n#AVST_SLUT\n#FIL_SLUT\n")
            }
            Navet::Xml => "</Folkbokforingsposter>\n</Navetavisering>\n".to_owned(),
        };
        self.flush_buffer()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn flush_buffer(&mut self) -> io::Result<()> {
        match self.header.encoding {
            Encoding::Utf8 => self.out.write_all(self.buffer.as_bytes()),
            Encoding::Latin1 => {
                // Every character fits: the pen has seen to it.
                self.encoded.clear();
                self.encoded.extend(
                    self.buffer
                        .chars()
                        .map(|it| u8::try_from(it).unwrap_or(b'?')),
                );
                self.out.write_all(&self.encoded)
            }
        }
    }
}

/// What a post says, by field.
struct Said<'p> {
    values: [Option<&'p Value>; Field::COUNT],
    cleared: FieldMask,
}

impl<'p> Said<'p> {
    fn of(post: &'p Post) -> Result<Self, WriteError> {
        let mut said = Self {
            values: [None; Field::COUNT],
            cleared: FieldMask::NONE,
        };
        let index = Index::get();
        for edit in &post.edits {
            let field = match edit {
                Edit::Set(field, _) | Edit::Clear(field) => *field,
                Edit::Entry(entry) => entry.field(),
            };
            if !index.writes(field) {
                return Err(WriteError::NoTerm(field));
            }
            match edit {
                Edit::Set(field, value) => {
                    said.values[usize::from(field.number())] = Some(value);
                }
                Edit::Clear(field) => said.cleared.insert(*field),
                Edit::Entry(entry) => {
                    let unsaid = Field::all()
                        .filter(|&field| entry.field().contains(field) && !index.writes(field))
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

struct Pen<'f, 'p> {
    out: String,
    navet: Navet,
    encoding: Encoding,
    formats: &'f Formats,
    post: &'p Post,
    subject: Identity,
}

impl<'p> Pen<'_, 'p> {
    fn post(&mut self, said: &Said<'p>) -> Result<(), WriteError> {
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
                self.check_filled(term, &text)?;
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
                self.check_filled(term, text)?;
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

    /// Without characters a value would be read as a blanked one.
    fn check_filled(&self, term: &'static Term, text: &str) -> Result<(), WriteError> {
        if text.trim().is_empty() {
            Err(WriteError::Unwritable(term))
        } else {
            Ok(())
        }
    }

    fn check_line(&self, term: &'static Term, text: &str) -> Result<(), WriteError> {
        self.check_filled(term, text)?;
        if text.trim() == BLANK || text.contains(['\n', '\r']) {
            return Err(WriteError::Unwritable(term));
        }
        if self.encoding == Encoding::Latin1 && text.chars().any(|it| u32::from(it) > 0xff) {
            return Err(WriteError::NotEncodable(term));
        }
        Ok(())
    }
}

impl Index {
    /// Whether a term or a group of terms carries the field.
    fn writes(&self, field: Field) -> bool {
        use std::sync::LazyLock;

        use super::terms::{GROUPS, TERMS};
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
}

/// The post's entries of one group.
fn entries(post: &Post, field: Field) -> impl Iterator<Item = &Group> {
    post.edits.iter().filter_map(move |edit| match edit {
        Edit::Entry(entry) if entry.field() == field => Some(entry),
        _ => None,
    })
}

fn eight_digits(date: PartialDate) -> String {
    format!("{:08}", date.number())
}

/// Text between tags or in an attribute. White space that a reader would change, and characters
/// that the encoding does not have, are written by number.
fn escape(out: &mut String, text: &str, encoding: Encoding) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::feed::read::{Read, Reader};
    use crate::feed::sample::{Dice, file_of, header, identity, told, understood};

    fn back(bytes: &[u8], navet: Navet) -> Vec<String> {
        let formats = Formats::standard();
        let reads = Reader::new(bytes, navet, None, &formats);
        reads
            .map(|read: Result<Read, _>| told(&understood(&read.unwrap()).post))
            .collect()
    }

    proptest! {
        /// What is written is read, and both formats say the same of the same posts.
        #[test]
        fn posts_come_back_from_either_format(seed: u64) {
            let mut dice = Dice(seed);
            let posts: Vec<Post> = (0..4).map(|_| dice.post(false)).collect();
            let expected: Vec<String> = posts.iter().map(told).collect();
            for navet in [Navet::Text, Navet::Xml] {
                for encoding in [Encoding::Latin1, Encoding::Utf8] {
                    let bytes = file_of(&posts, navet, encoding);
                    prop_assert_eq!(&back(&bytes, navet), &expected, "{:?} {:?}", navet, encoding);
                }
            }
        }

        /// XML writes what its encoding lacks by number; text needs UTF-8 for it.
        #[test]
        fn characters_beyond_the_encoding_come_back(seed: u64) {
            let post = [Dice(seed).post(true)];
            let expected = vec![told(&post[0])];
            for encoding in [Encoding::Latin1, Encoding::Utf8] {
                prop_assert_eq!(&back(&file_of(&post, Navet::Xml, encoding), Navet::Xml), &expected);
            }
            prop_assert_eq!(&back(&file_of(&post, Navet::Text, Encoding::Utf8), Navet::Text), &expected);
        }
    }

    fn error(edits: Vec<Edit>, navet: Navet) -> String {
        let formats = Formats::standard();
        let header = header(Encoding::Latin1, 1);
        let mut writer = Writer::new(Vec::new(), navet, header, &formats).unwrap();
        let post = Post {
            subject: identity("191212121212"),
            post_id: None,
            total: false,
            edits,
        };
        let before = writer.out.len();
        let error = writer.write(&post).unwrap_err();
        assert_eq!(writer.out.len(), before, "a post that fails leaves nothing");
        error.to_string()
    }

    #[test]
    fn what_a_file_cannot_say_is_named() {
        let name = Field::at("name/surname");
        let set = |value: &str| vec![Edit::Set(name, Value::from(value))];
        let term = "term 01014 (Personpost/Namn/Efternamn): ";
        assert_eq!(
            error(set("Kowalczyk-Łuk"), Navet::Text),
            format!("{term}a character that ISO-8859-1 does not have")
        );
        for value in ["$", "", " ", "two\nlines"] {
            assert_eq!(
                error(set(value), Navet::Text),
                format!("{term}the value cannot be written in this format")
            );
        }
        let version = Field::at("gender");
        assert_eq!(
            error(vec![Edit::Set(version, Value::from("1"))], Navet::Xml),
            "no term carries gender"
        );
        let both = vec![
            Edit::Clear(Field::at("name")),
            Edit::Set(name, Value::from("Ek")),
        ];
        assert_eq!(
            error(both, Navet::Xml),
            "name/surname is both blanked and filled"
        );
        let mark = vec![Edit::Set(
            Field::at("name/surname/attested"),
            Value::Boolean(true),
        )];
        assert_eq!(
            error(mark, Navet::Xml),
            format!("{term}the value cannot be written in this format")
        );
    }

    #[test]
    fn a_blanked_group_is_one_element_or_all_its_terms() {
        let address = Field::at("addressInformation/specialPostalAddress");
        let post = [Post {
            subject: identity("191212121212"),
            post_id: None,
            total: false,
            edits: vec![Edit::Clear(address)],
        }];
        let case = "populationRegistrationRecord/notificationCase";
        let case = format!("{case}/totalRecord=false\n{case}/notificationDate=2025-01-07\n");
        assert_eq!(
            back(&file_of(&post, Navet::Xml, Encoding::Utf8), Navet::Xml),
            [format!("191212121212 None false\n-{address:?}\n{case}")]
        );
        let lines: String = [
            "careOf",
            "postalAddress1",
            "postalAddress2",
            "postalCode",
            "city",
        ]
        .map(|name| format!("-{address:?}/{name}\n"))
        .concat();
        assert_eq!(
            back(&file_of(&post, Navet::Text, Encoding::Utf8), Navet::Text),
            [format!("191212121212 None false\n{lines}{case}")]
        );
    }

    #[test]
    fn another_number_of_posts_than_announced_is_an_error() {
        let formats = Formats::standard();
        let writer = Writer::new(
            Vec::new(),
            Navet::Xml,
            header(Encoding::Latin1, 2),
            &formats,
        );
        assert!(matches!(
            writer.unwrap().finish(),
            Err(WriteError::WrongCount {
                announced: 2,
                written: 0
            })
        ));
    }
}
