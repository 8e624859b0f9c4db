//! Finds the posts of an XML file by their tags alone, so that one broken post does not take the
//! rest of the file with it. What stands outside the posts is read for what the file tells of itself.

use std::io::Read as Source;

use super::read::{Encoding, Head, Piece, ReadError, Reject, Root};
use super::termdata::skip_mark;
use super::window::Window;
use crate::base::time::PartialDate;

const POST: &[u8] = b"Folkbokforingspost";
const POSTS: &[u8] = b"Folkbokforingsposter";

/// The parts that a file must have; the last is its count.
pub(super) const PARTS: &[&str] = &[
    "Aviseringsinformation",
    "Folkbokforingsposter",
    "AntalPoster",
];

/// Bytes between posts that are looked at together.
const BETWEEN: usize = 64 << 10;

/// Finds posts among tags.
#[derive(Default)]
pub(super) struct Splitter {
    begun: bool,
    root: Option<Vec<u8>>,
    in_posts: bool,
    /// Passing the rest of a post that was too large.
    passing: bool,
    /// In the middle of a comment or its like that is too long to hold.
    until: Option<&'static [u8]>,
    /// What stood before the tag that is looked at, for the file's own elements.
    text: String,
}

/// One piece of markup.
enum Markup {
    /// A tag that ends before this place.
    Tag(usize),
    /// A comment, CDATA section or processing instruction that does.
    Other(usize),
    /// A document type declaration.
    Doctype,
    /// Something that ends with this, if it ends.
    Long(&'static [u8]),
    /// The source ends in it.
    Cut,
}

impl Splitter {
    pub fn next<R: Source>(
        &mut self,
        window: &mut Window<R>,
        head: &mut Head,
    ) -> Result<Piece, ReadError> {
        if !self.begun {
            self.begin(window, head)?;
        }
        let mut at = 0;
        let mut stray = false;
        loop {
            if let Some(end) = self.until {
                if let Some(found) = memchr::memmem::find(window.data(), end) {
                    window.advance(found + end.len());
                    self.until = None;
                } else {
                    window.advance(window.data().len().saturating_sub(end.len() - 1));
                    if !window.more()? {
                        return Ok(Piece::End);
                    }
                }
                continue;
            }
            if !stray {
                window.advance(std::mem::take(&mut at));
                let data = window.data();
                window.advance(data.len() - data.trim_ascii_start().len());
            } else if at > BETWEEN {
                return Ok(Piece::Broken(at, Reject::Stray));
            }
            let data = window.data();
            let Some(found) = memchr::memchr(b'<', &data[at..]) else {
                // An element's text is looked at whole.
                if data.len() - at <= BETWEEN && window.more()? {
                    continue;
                }
                let data = window.data();
                stray |= self.between(&data[at..]);
                at = data.len();
                if window.more()? {
                    continue;
                }
                return Ok(if stray {
                    Piece::Broken(at, Reject::Stray)
                } else {
                    Piece::End
                });
            };
            stray |= self.between(&data[at..at + found]);
            at += found;
            match markup(window, at)? {
                Markup::Doctype => {
                    window.advance(at);
                    return Err(ReadError::Doctype {
                        line: window.line(),
                    });
                }
                Markup::Other(end) => at = end,
                Markup::Long(end) => {
                    if stray {
                        return Ok(Piece::Broken(at, Reject::Stray));
                    }
                    window.advance(window.data().len() - (end.len() - 1));
                    self.until = Some(end);
                    at = 0;
                }
                Markup::Cut if stray || self.in_posts => {
                    return Ok(Piece::Broken(window.data().len(), Reject::Stray));
                }
                Markup::Cut => return Ok(Piece::End),
                Markup::Tag(end) => {
                    let tag = Tag::new(&window.data()[at..end]);
                    learn(&tag, head);
                    if tag.name == POST && !tag.closes {
                        if stray {
                            return Ok(Piece::Broken(at, Reject::Stray));
                        }
                        self.passing = false;
                        window.advance(at);
                        return self.post(window, end - at);
                    }
                    if tag.name == POSTS && stray {
                        return Ok(Piece::Broken(at, Reject::Stray));
                    }
                    stray |= self.outside(&tag, head);
                    at = end;
                }
            }
        }
    }

    /// The mark and the XML declaration: which encoding.
    fn begin<R: Source>(
        &mut self,
        window: &mut Window<R>,
        head: &mut Head,
    ) -> Result<(), ReadError> {
        self.begun = true;
        head.encoding = Some(Encoding::Utf8);
        let marked = skip_mark(window)?;
        while window.data().len() < 5 && window.more()? {}
        if !window.data().starts_with(b"<?xml") {
            return Ok(());
        }
        let Markup::Other(end) = markup(window, 0)? else {
            return Ok(());
        };
        let declaration = &window.data()[..end];
        let declared = memchr::memmem::find(declaration, b"encoding").and_then(|at| {
            let mut quoted = declaration[at..].split(|byte| matches!(byte, b'"' | b'\''));
            quoted.nth(1)
        });
        let Some(declared) = declared else {
            return Ok(());
        };
        let (encoding, name) = match &declared.to_ascii_uppercase()[..] {
            b"ISO-8859-1" => (Encoding::Latin1, "ISO-8859-1"),
            b"WINDOWS-1252" | b"CP1252" => (Encoding::Latin1, "CP1252"),
            b"UTF-8" | b"US-ASCII" => (Encoding::Utf8, "UTF-8"),
            _ if marked || head.is_certain => (Encoding::Utf8, "UTF-16"),
            _ => return Err(ReadError::Encoding),
        };
        head.declared = Some(name);
        // A mark is part of the bytes, and tells more than what somebody wrote.
        let is_certain = marked || head.is_certain;
        head.encoding = Some(if is_certain { Encoding::Utf8 } else { encoding });
        Ok(())
    }

    /// Takes text outside every post; `true` when it has no place there.
    fn between(&mut self, text: &[u8]) -> bool {
        let text = text.trim_ascii();
        if self.in_posts {
            return !self.passing && !text.is_empty();
        }
        self.text.clear();
        if let (true, Ok(text)) = (text.len() < 100, std::str::from_utf8(text)) {
            self.text.push_str(text);
        }
        false
    }

    /// Takes a tag outside every post; `true` when it has no place there.
    fn outside(&mut self, tag: &Tag<'_>, head: &mut Head) -> bool {
        if tag.name == POSTS {
            self.in_posts = !tag.closes && !tag.empty;
            self.passing = false;
            return false;
        }
        if self.passing {
            self.passing = !(tag.name == POST && tag.closes);
            return false;
        }
        if self.root.is_none() && !tag.closes {
            self.root = Some(tag.name.get(..200).unwrap_or(tag.name).to_vec());
            head.ended = tag.empty;
            return false;
        }
        if tag.closes && self.root.as_deref() == Some(tag.name) {
            (head.ended, self.in_posts) = (true, false);
            return false;
        }
        if !self.in_posts && tag.closes {
            let text = std::mem::take(&mut self.text);
            let number = || text.parse().ok();
            match tag.name {
                b"BestallningsId" => head.order_id = Some(text),
                b"Effektueringsdatum" => head.effectuated = PartialDate::parse(&text),
                b"AntalPoster" => head.announced = number(),
                b"AntalFiler" => head.files = number(),
                b"FilNr" => head.file_number = number(),
                b"JobbId" => head.job_id = number(),
                b"LopNr" => head.sequence = number(),
                _ => {}
            }
        }
        self.in_posts
    }

    fn post<R: Source>(
        &mut self,
        window: &mut Window<R>,
        first: usize,
    ) -> Result<Piece, ReadError> {
        if Tag::new(&window.data()[..first]).empty {
            return Ok(Piece::Post(first));
        }
        let mut at = first;
        loop {
            if at > window.limit() {
                self.passing = true;
                return Ok(Piece::Broken(at, Reject::TooLarge));
            }
            // Of all tags only those with this name matter, and what could hide one.
            let rest = &window.data()[at..];
            let named = memchr::memmem::find(rest, POST);
            let hidden = memchr::memchr2_iter(b'!', b'?', &rest[..named.unwrap_or(rest.len())])
                .find(|&it| it > 0 && rest[it - 1] == b'<');
            let found = match (hidden, named) {
                (Some(mark), _) => mark - 1,
                (None, Some(name)) => {
                    let Some(tag) = memchr::memrchr(b'<', &rest[..name]) else {
                        at += name + POST.len();
                        continue;
                    };
                    tag
                }
                (None, None) => {
                    let seen = window.data().len();
                    if seen > window.limit() {
                        self.passing = true;
                        return Ok(Piece::Broken(seen, Reject::TooLarge));
                    }
                    if window.more()? {
                        continue;
                    }
                    return Ok(Piece::Broken(seen, Reject::NoEnd));
                }
            };
            at += found;
            match markup(window, at)? {
                Markup::Cut => return Ok(Piece::Broken(window.data().len(), Reject::NoEnd)),
                Markup::Long(end) => {
                    (self.passing, self.until) = (true, Some(end));
                    let len = window.data().len() - (end.len() - 1);
                    return Ok(Piece::Broken(len, Reject::TooLarge));
                }
                Markup::Other(end) => at = end,
                // The parser refuses the declaration; here it is passed like a tag.
                Markup::Doctype => at += 2,
                Markup::Tag(end) => {
                    let tag = Tag::new(&window.data()[at..end]);
                    if tag.name == POST && tag.closes {
                        return Ok(Piece::Post(end));
                    }
                    if tag.name == POST || (tag.name == POSTS && tag.closes) {
                        return Ok(Piece::Broken(at, Reject::NoEnd));
                    }
                    at = end;
                }
            }
        }
    }
}

/// The markup that begins at a place.
fn markup<R: Source>(window: &mut Window<R>, at: usize) -> Result<Markup, ReadError> {
    // The longest beginning decides.
    while window.data().len() < at + 9 && window.more()? {}
    let data = &window.data()[at..];
    let end: &'static [u8] = if data.starts_with(b"<!--") {
        b"-->"
    } else if data.starts_with(b"<![CDATA[") {
        b"]]>"
    } else if data.starts_with(b"<?") {
        b"?>"
    } else if data.starts_with(b"<!") {
        return Ok(Markup::Doctype);
    } else {
        b">"
    };
    let mut from = if end.len() == 3 { at + 4 } else { at + 1 };
    loop {
        let data = window.data();
        let from_here = data.get(from..).unwrap_or_default();
        if end.len() == 1 {
            if let Some(end) = tag_end(&data[at..]) {
                return Ok(Markup::Tag(at + end));
            }
        } else if let Some(found) = memchr::memmem::find(from_here, end) {
            return Ok(Markup::Other(from + found + end.len()));
        }
        from = from.max(data.len().saturating_sub(end.len() - 1));
        if data.len() - at > window.limit() {
            return Ok(Markup::Long(end));
        }
        if !window.more()? {
            return Ok(Markup::Cut);
        }
    }
}

/// Where a tag ends: after the first `>` outside quotes, or before a `<`, which no tag contains.
fn tag_end(data: &[u8]) -> Option<usize> {
    let mut quote = 0;
    for (at, &byte) in data.iter().enumerate().skip(1) {
        match byte {
            b'<' => return Some(at),
            b'>' if quote == 0 => return Some(at + 1),
            b'"' | b'\'' if quote == 0 => quote = byte,
            _ if byte == quote => quote = 0,
            _ => {}
        }
    }
    None
}

/// What a tag outside the posts tells of what the file is.
fn learn(tag: &Tag<'_>, head: &mut Head) {
    if tag.closes {
        return;
    }
    head.root = match (head.root, tag.name) {
        (None, b"Navetavisering") => Some(Root::Avisering),
        (None, b"Envelope") => Some(Root::Soap),
        (None | Some(Root::Soap), b"PersonpostXMLResponse") => Some(Root::OnlineAnswer),
        (Some(Root::Soap), b"Fault") => Some(Root::Fault),
        (None, _) => Some(Root::Foreign),
        (known, _) => known,
    };
    head.note(PARTS, tag.name);
}

/// What a tag says of itself.
struct Tag<'a> {
    name: &'a [u8],
    closes: bool,
    empty: bool,
}

impl<'a> Tag<'a> {
    fn new(tag: &'a [u8]) -> Self {
        let inner = tag.strip_prefix(b"<").unwrap_or(tag);
        let closes = inner.starts_with(b"/");
        let inner = &inner[usize::from(closes)..];
        let end = inner
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
            .unwrap_or(inner.len());
        let name = &inner[..end];
        let name = memchr::memchr(b':', name).map_or(name, |at| &name[at + 1..]);
        Self {
            name,
            closes,
            empty: tag.ends_with(b"/>"),
        }
    }
}
