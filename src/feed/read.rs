//! What reading a file of notifications gives, and the reader that both formats share: a splitter
//! finds the bytes of one post, a parser turns them into terms, the assembler turns terms into a
//! [`Post`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use super::assemble::Assembler;
use super::terms::Term;
use super::window::Window;
use super::{avisering, letters, tags, termdata};
use crate::base::limits;
use crate::base::time::PartialDate;
use crate::person::identity::Formats;
use crate::person::value::ValueError;
use crate::register::post::{FilePlace, Post};

/// The two file formats of Navet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Navet {
    /// Lines of code and value (termkod/termdata).
    Text,
    /// XML (avisering).
    Xml,
}

/// The encodings that Navet files come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// ISO-8859-1. Read with the letters that Windows has where ISO-8859-1 has control characters
    /// (CP1252), written without.
    Latin1,
    /// UTF-8.
    Utf8,
}

/// One thing read.
pub enum Read {
    /// A post that was understood.
    Post(Understood),
    /// Bytes that were not.
    Rejected(Rejected),
}

/// A post that was understood.
pub struct Understood {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// What it says.
    pub post: Post,
    /// What in it deserves a look all the same.
    pub warnings: Vec<Warning>,
}

/// A post that was not understood. Not `Debug`: `raw` and `protection` are personal data.
pub struct Rejected {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// Skatteverket's number of it, where that was legible.
    pub post_id: Option<String>,
    /// Why.
    pub reason: Reject,
    /// Its bytes as they stand in the file; of a post above the limit, the first part.
    pub raw: Vec<u8>,
    /// Where the post says, or may say, that a person is protected and tells whom: a post without
    /// number that says only that. To be applied although the rest is not, because protection fails
    /// closed; without number, so that the mended post is not taken for an old one.
    pub protection: Option<Box<Post>>,
}

/// Why a post was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// No term names the person.
    #[error("the post does not say whom it is about")]
    NoSubject,
    /// The person's identity is not one.
    #[error("term {0}: the subject is neither a personnummer nor a samordningsnummer")]
    BadSubject(&'static Term),
    /// Two terms name different persons.
    #[error("the post names two subjects")]
    TwoSubjects,
    /// A value that the register cannot keep.
    #[error("term {term}: {error}")]
    Value {
        /// The term.
        term: &'static Term,
        /// What is wrong with its value.
        error: ValueError,
    },
    /// A line in a post that is no term.
    #[error("line {line} of the post is no term")]
    NotATerm {
        /// The line in the post, from 1.
        line: usize,
    },
    /// A term of a group outside the group, or the other way round.
    #[error("term {0} stands in the wrong group")]
    WrongGroup(&'static Term),
    /// A group that begins inside another, or ends without a beginning.
    #[error("the groups are unbalanced at {0:05}")]
    Unbalanced(u16),
    /// More entries of one group than a record holds.
    #[error("too many entries of one group")]
    TooManyEntries,
    /// The next post begins, or the file ends, before the post does.
    #[error("the post has no end")]
    NoEnd,
    /// Above the limit.
    #[error("the post is larger than the limit")]
    TooLarge,
    /// XML that is not.
    #[error("not well-formed XML at byte {at} of the post")]
    NotWellFormed {
        /// Where, in bytes of UTF-8.
        at: u64,
    },
    /// Elements inside elements beyond the limit.
    #[error("elements nested too deeply")]
    TooDeep,
    /// Bytes that the file's encoding does not have.
    #[error("bytes that are not in the file's encoding")]
    NotEncoded,
    /// Something between the posts.
    #[error("content outside every post")]
    Stray,
}

impl Reject {
    /// Whether it was a post, as the file counts them.
    pub const fn is_a_post(self) -> bool {
        !matches!(self, Self::Stray)
    }
}

/// What deserves a look in a post that was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A mark of protection that is neither set nor lifted: taken as set.
    #[error("term {0}: neither J nor N, taken as protected")]
    UnreadableProtection(&'static Term),
    /// Marks of protection that contradict each other: taken as set.
    #[error("term {0}: both J and N, taken as protected")]
    ContradictingProtection(&'static Term),
    /// Digits where a date belongs that name no day of the calendar: left out.
    #[error("term {0}: a date that does not exist, left out")]
    NoSuchDate(&'static Term),
    /// A death before the birth: kept as it came.
    #[error("a death before the birth")]
    DeathBeforeBirth,
    /// A death after the day of the file: kept as it came.
    #[error("a death after the day of the file")]
    DeathInFuture,
    /// Characters that nobody sees, which were taken out.
    #[error("term {0}: control or direction characters, line breaks or tabs taken out")]
    Unseen(&'static Term),
    /// A reference to a control character, read as the letter that Windows has under its number.
    #[error("term {0}: a reference to a control character, read as a letter of CP1252")]
    WindowsReference(&'static Term),
}

/// Why reading cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The XML has a document type declaration, which may make its reader fetch or grow.
    #[error("line {line}: a document type declaration is not accepted")]
    Doctype {
        /// The line it stands on.
        line: u64,
    },
    /// The XML declares an encoding beside ISO-8859-1, CP1252 and UTF-8.
    #[error("the declared encoding is neither ISO-8859-1, CP1252 nor UTF-8")]
    Encoding,
}

/// Terms and elements that the table does not have, and how often they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown(BTreeMap<String, u64>);

impl Unknown {
    /// Names kept apart; what comes beyond is counted under one.
    const NAMES: usize = 200;
    const OTHERS: &str = "(others)";

    /// What came, by code or element name, with the times it came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, &times)| (name.as_str(), times))
    }

    /// Whether nothing did.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn note(&mut self, name: &str) {
        if let Some(times) = self.0.get_mut(name) {
            *times += 1;
            return;
        }
        // A name is shown to people: whatever does not look like one is not repeated.
        let is_name = name.len() <= 64
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let name = if is_name && self.0.len() < Self::NAMES {
            name
        } else {
            Self::OTHERS
        };
        *self.0.entry(name.to_owned()).or_default() += 1;
    }
}

/// What a file is, as its outermost elements tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Root {
    /// A file of notifications.
    Avisering,
    /// A SOAP message of which no more is known.
    Soap,
    /// A SOAP fault.
    Fault,
    /// An answer of Skatteverket's online service.
    OnlineAnswer,
    /// Something else.
    Foreign,
}

/// What a file tells of itself outside its posts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// How it says that its characters are written.
    pub encoding: Option<Encoding>,
    /// What it calls that.
    pub declared: Option<&'static str>,
    /// Whether how its characters are written is known already, whatever it says.
    pub is_certain: bool,
    /// What it is, when it is XML.
    pub root: Option<Root>,
    /// Which of the parts that it must have it has, by their place in the format's list.
    pub parts: u8,
    /// The day it was made.
    pub effectuated: Option<PartialDate>,
    /// The order it answers.
    pub order_id: Option<String>,
    /// Skatteverket's run that made it.
    pub job_id: Option<u64>,
    /// The run's part.
    pub sequence: Option<u64>,
    /// Which of the delivery's files it is.
    pub file_number: Option<u64>,
    /// How many files the delivery has.
    pub files: Option<u64>,
    /// How many posts it says it has.
    pub announced: Option<u64>,
    /// The day of the group of posts that is being read.
    pub day: Option<PartialDate>,
    /// Whether its end mark came.
    pub ended: bool,
}

impl Head {
    /// Where the file stands among the others; `None` when it does not tell its day.
    pub fn place(&self) -> Option<FilePlace> {
        // Eight digits, at most 99,999, at most 999.
        let part = |told: Option<u64>, most: u64| told.unwrap_or_default().min(most);
        let serial = part(self.job_id, 99_999_999) * 100_000_000
            + part(self.sequence, 99_999) * 1_000
            + part(self.file_number, 999);
        let day = self.effectuated?.number();
        Some(FilePlace { day, serial })
    }
}

/// What a splitter finds at the window's start: so many bytes of ...
pub(super) enum Piece {
    /// a post.
    Post(usize),
    /// something that cannot be one.
    Broken(usize, Reject),
    /// nothing: the source has ended.
    End,
}

/// Finds posts.
pub(super) enum Splitter {
    Text(termdata::Splitter),
    Xml(tags::Splitter),
}

impl Splitter {
    pub fn new(navet: Navet) -> Self {
        match navet {
            Navet::Text => Self::Text(termdata::Splitter::default()),
            Navet::Xml => Self::Xml(tags::Splitter::default()),
        }
    }

    /// The next piece, at the window's start; what stands before it goes to the head.
    pub fn next<R: io::Read>(
        &mut self,
        window: &mut Window<R>,
        head: &mut Head,
    ) -> Result<Piece, ReadError> {
        match self {
            Self::Text(splitter) => Ok(splitter.next(window, head)?),
            Self::Xml(splitter) => splitter.next(window, head),
        }
    }
}

/// Reads posts one after the other, holding one in memory.
pub struct Reader<'f, R> {
    window: Window<R>,
    splitter: Splitter,
    head: Head,
    assembler: Assembler<'f>,
    parser: avisering::Parser,
    unknown: Unknown,
    /// Bytes of the piece that was read last.
    last: usize,
    failed: bool,
    /// What was found to be the encoding of all the bytes.
    found: Option<Encoding>,
}

impl<'f, R: io::Read> Reader<'f, R> {
    /// A reader of uncompressed bytes. `encoding` is what a pass over all of them has found; without, what
    /// the file says counts.
    pub fn new(source: R, navet: Navet, encoding: Option<Encoding>, formats: &'f Formats) -> Self {
        Self::limited(source, navet, encoding, formats, limits::POST_BYTES)
    }

    pub(super) fn limited(
        source: R,
        navet: Navet,
        encoding: Option<Encoding>,
        formats: &'f Formats,
        limit: usize,
    ) -> Self {
        Self {
            window: Window::new(source, limit),
            splitter: Splitter::new(navet),
            head: Head {
                is_certain: encoding.is_some(),
                ..Head::default()
            },
            found: encoding,
            assembler: Assembler::new(formats),
            parser: avisering::Parser::default(),
            unknown: Unknown::default(),
            last: 0,
            failed: false,
        }
    }

    /// What the file has told of itself so far.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Terms and elements met so far that the table does not have.
    pub const fn unknown(&self) -> &Unknown {
        &self.unknown
    }

    /// The bytes of what was read last, as they stand in the file: for those who refuse a post later.
    pub fn raw(&self) -> &[u8] {
        self.window.data().get(..self.last).unwrap_or_default()
    }

    /// Bytes that memory is held for.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.window.held()
    }

    fn step(&mut self) -> Result<Option<Read>, ReadError> {
        self.window.advance(std::mem::take(&mut self.last));
        let piece = self.splitter.next(&mut self.window, &mut self.head)?;
        let (len, broken) = match piece {
            Piece::End => return Ok(None),
            Piece::Post(len) => (len, None),
            Piece::Broken(len, reason) => (len, Some(reason)),
        };
        self.last = len;
        let line = self.window.line();
        self.assembler.begin();
        if self.head.root == Some(Root::OnlineAnswer) {
            // Online, absent is without value.
            self.assembler.is_total();
        }
        if broken.is_none_or(Reject::is_a_post) {
            self.parse(len);
        }
        if let Some(reason) = broken {
            // The parser has seen less than the splitter, which knows why the post ends here.
            self.assembler.replace_failure(reason);
        }
        Ok(Some(
            match self
                .assembler
                .finish(self.head.day.or(self.head.effectuated))
            {
                Ok((post, warnings)) => Read::Post(Understood {
                    line,
                    post,
                    warnings,
                }),
                Err(failure) => Read::Rejected(Rejected {
                    line,
                    post_id: failure.post_id,
                    reason: failure.reason,
                    raw: self.raw().to_vec(),
                    protection: failure.protection,
                }),
            },
        ))
    }

    fn parse(&mut self, len: usize) {
        let Self {
            window,
            splitter,
            head,
            assembler,
            parser,
            unknown,
            found,
            ..
        } = self;
        let bytes = window.data().get(..len).unwrap_or_default();
        let told = found.or(head.encoding);
        let (text, whole) = match told.unwrap_or(splitter.default_encoding()) {
            Encoding::Latin1 => letters::single_bytes(bytes),
            Encoding::Utf8 => {
                let text = String::from_utf8_lossy(bytes);
                let whole = matches!(text, Cow::Borrowed(_));
                (text, whole)
            }
        };
        if !whole {
            // Something had to be replaced. The rest is read for the sake of protection.
            assembler.fail(Reject::NotEncoded);
        }
        match splitter {
            Splitter::Text(_) => termdata::parse(&text, assembler, unknown),
            Splitter::Xml(_) => parser.parse(&text, assembler, unknown),
        }
    }
}

impl Navet {
    /// The parts that a file must have, in their order: its frame, its kind and its count.
    pub(super) const fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Text => termdata::PARTS,
            Self::Xml => tags::PARTS,
        }
    }
}

impl Head {
    /// Notes a part that the file has.
    pub(super) fn note(&mut self, parts: &[&str], name: &[u8]) {
        if let Some(at) = parts.iter().position(|part| part.as_bytes() == name) {
            self.parts |= 1 << at;
        }
    }

    /// The first part that a file lacks. A count that is no number is none.
    pub(super) fn missing(&self, navet: Navet) -> Option<&'static str> {
        let parts = navet.parts();
        let lacks = |at: usize| {
            let is_count = at + 1 == parts.len();
            self.parts & (1 << at) == 0 || (is_count && self.announced.is_none())
        };
        (0..parts.len()).find(|at| lacks(*at)).map(|at| parts[at])
    }
}

impl Splitter {
    /// What applies where neither the file nor the caller tells.
    pub const fn default_encoding(&self) -> Encoding {
        match self {
            Self::Text(_) => Encoding::Latin1,
            Self::Xml(_) => Encoding::Utf8,
        }
    }
}

impl<R: io::Read> Iterator for Reader<'_, R> {
    type Item = Result<Read, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = self.step();
        self.failed = read.is_err();
        read.transpose()
    }
}
