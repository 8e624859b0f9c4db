//! The text format: lines of a code and a value between `#POST_START` and `#POST_SLUT`.
//!
//! Characters are ISO-8859-1 unless the file begins with a UTF-8 mark or was announced to be UTF-8.
//! Lines end with LF or CR LF; a space or a tab follows a tag and a code. Tags that are not known
//! are passed outside `#DATA_START` to `#DATA_SLUT`, where deliveries add their own.

use std::io::{self, Read as Source};

use super::assemble::Assembler;
use super::read::{Encoding, Head, Navet, Piece, Read, ReadError, Reader, Reject, Unknown};
use super::terms::{Code, Index, Part, Rule};
use super::window::{LineEnd, Window};
use crate::base::time::PartialDate;
use crate::person::identity::Formats;

/// What a blanked term holds.
pub(super) const BLANK: &str = "$";

/// The mark that UTF-8 files may begin with.
pub(super) const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a whole file out of memory; the way in for tests and fuzzing.
pub fn read_all(bytes: &[u8], formats: &Formats) -> Result<Vec<Read>, ReadError> {
    Reader::new(bytes, Navet::Text, None, formats).collect()
}

/// Finds posts among lines.
#[derive(Default)]
pub(super) struct Splitter {
    begun: bool,
    /// Between `#DATA_START` and `#DATA_SLUT`.
    in_data: bool,
    /// Passing the rest of a post that was too large.
    passing: bool,
    /// In the middle of a line that was too long.
    in_line: bool,
}

impl Splitter {
    pub fn next<R: Source>(
        &mut self,
        window: &mut Window<R>,
        head: &mut Head,
    ) -> io::Result<Piece> {
        if !self.begun {
            self.begun = true;
            if skip_mark(window)? {
                head.encoding = Some(Encoding::Utf8);
            }
        }
        loop {
            let end = match window.line_end(0)? {
                LineEnd::None => return Ok(Piece::End),
                LineEnd::Beyond => {
                    let (len, known) = (window.data().len(), self.in_line || self.passing);
                    self.in_line = true;
                    if known {
                        window.advance(len);
                        continue;
                    }
                    return Ok(Piece::Broken(len, Reject::Stray));
                }
                LineEnd::At(end) => end,
            };
            if std::mem::take(&mut self.in_line) {
                window.advance(end);
                continue;
            }
            let line = window.data()[..end].trim_ascii();
            if is_tag(line, b"#POST_START") {
                self.passing = false;
                return self.post(window, end);
            }
            let stray = !self.outside(line, head);
            if stray {
                let len = self.stray(window, end)?;
                return Ok(Piece::Broken(len, Reject::Stray));
            }
            window.advance(end);
        }
    }

    /// How far lines go on that have no place outside every post.
    fn stray<R: Source>(&self, window: &mut Window<R>, first: usize) -> io::Result<usize> {
        let mut at = first;
        while at < BETWEEN
            && let LineEnd::At(end) = window.line_end(at)?
        {
            let line = window.data()[at..end].trim_ascii();
            let is_frame = FRAME.iter().any(|tag| is_tag(line, tag));
            if is_frame || (!self.in_data && line.starts_with(b"#")) {
                break;
            }
            at = end;
        }
        Ok(at)
    }

    fn post<R: Source>(&mut self, window: &mut Window<R>, first: usize) -> io::Result<Piece> {
        let mut at = first;
        loop {
            let end = match window.line_end(at)? {
                LineEnd::None => return Ok(Piece::Broken(at, Reject::NoEnd)),
                LineEnd::Beyond => {
                    (self.passing, self.in_line) = (true, true);
                    return Ok(Piece::Broken(window.data().len(), Reject::TooLarge));
                }
                LineEnd::At(end) => end,
            };
            if end > window.limit() {
                self.passing = true;
                return Ok(Piece::Broken(at, Reject::TooLarge));
            }
            let line = window.data()[at..end].trim_ascii();
            if !line.starts_with(b"#UP") {
                if is_tag(line, b"#POST_SLUT") {
                    return Ok(Piece::Post(end));
                }
                if FRAME.iter().any(|tag| is_tag(line, tag)) {
                    return Ok(Piece::Broken(at, Reject::NoEnd));
                }
            }
            at = end;
        }
    }

    /// Takes a line outside every post; `false` when it has no place there.
    fn outside(&mut self, line: &[u8], head: &mut Head) -> bool {
        if line.is_empty() {
            return true;
        }
        if self.passing {
            self.passing =
                !is_tag(line, b"#POST_SLUT") && !FRAME.iter().any(|tag| is_tag(line, tag));
            if self.passing || is_tag(line, b"#POST_SLUT") {
                return true;
            }
        }
        let at = line
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t'))
            .unwrap_or(line.len());
        let (tag, value) = (&line[..at], line[at..].trim_ascii());
        let text = || std::str::from_utf8(value).ok();
        match tag {
            b"#DATA_START" => self.in_data = true,
            b"#DATA_SLUT" => self.in_data = false,
            b"#DAG_START" => head.day = text().and_then(PartialDate::parse),
            b"#DAG_SLUT" => head.day = None,
            b"#EFFEKTUERAD" => head.effectuated = text().and_then(PartialDate::parse),
            b"#ANTAL_POSTER" => head.announced = text().and_then(|text| text.parse().ok()),
            b"#FIL_SLUT" => (head.ended, self.in_data) = (true, false),
            // Ä in either encoding, or A.
            _ if tag.starts_with(b"#BEST") && tag.ends_with(b"LLNINGSID") => {
                head.order_id = text().map(str::to_owned);
            }
            _ => return tag.starts_with(b"#") && !self.in_data,
        }
        true
    }
}

/// Bytes between posts that are looked at together.
const BETWEEN: usize = 64 << 10;

/// The code that begins a reference.
const REFERENCES: u16 = 1400;

/// The tags around a post.
const POST: [&[u8]; 2] = [b"#POST_START", b"#POST_SLUT"];

/// Tags that a post cannot contain.
const FRAME: [&[u8]; 8] = [
    b"#POST_START",
    b"#DATA_START",
    b"#DATA_SLUT",
    b"#DAG_START",
    b"#DAG_SLUT",
    b"#AVST_START",
    b"#FIL_SLUT",
    b"#INFO_START",
];

fn is_tag(line: &[u8], tag: &[u8]) -> bool {
    line.strip_prefix(tag)
        .is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'\t')))
}

/// Passes the UTF-8 mark, where the source begins with it.
pub(super) fn skip_mark<R: Source>(window: &mut Window<R>) -> io::Result<bool> {
    while window.data().len() < UTF8_MARK.len() && window.more()? {}
    let marked = window.data().starts_with(UTF8_MARK);
    if marked {
        window.advance(UTF8_MARK.len());
    }
    Ok(marked)
}

/// Reads the lines of one post.
pub(super) fn parse(post: &str, assembler: &mut Assembler<'_>, unknown: &mut Unknown) {
    let index = Index::get();
    let mut rest = post;
    let mut number = 0;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest.as_bytes()).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        number += 1;
        let line = line.trim_ascii();
        match term_of(line) {
            Some((code, value)) => take(index, code, value, assembler, unknown),
            None if line.is_empty() || POST.iter().any(|tag| is_tag(line.as_bytes(), tag)) => {}
            None => assembler.fail(Reject::NotATerm { line: number }),
        }
    }
    // The group of references has no end code that is known.
    if assembler
        .open_group()
        .is_some_and(|group| group.part == Part::Reference)
    {
        assembler.close();
    }
}

/// Code and value of a line.
fn term_of(line: &str) -> Option<(u16, &str)> {
    let rest = line.strip_prefix("#UP")?.strip_prefix([' ', '\t'])?;
    let digits = rest.as_bytes().get(..5)?;
    let code = digits.iter().try_fold(0_u32, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + u32::from(byte - b'0'))
    })?;
    let value = &rest[5..];
    if !value.is_empty() && !value.starts_with([' ', '\t']) {
        return None;
    }
    // Codes beyond 65535 are as unknown as the highest one that fits.
    Some((u16::try_from(code).unwrap_or(u16::MAX), value.trim_ascii()))
}

fn take(
    index: &Index,
    code: u16,
    value: &str,
    assembler: &mut Assembler<'_>,
    unknown: &mut Unknown,
) {
    let text = (!value.is_empty() && value != BLANK).then_some(value);
    let open = assembler.open_group();
    let found = match open {
        Some(_) => index.code_inside(code).or_else(|| index.code(code)),
        None => index.code(code).or_else(|| index.code_inside(code)),
    };
    match found {
        None => unknown.note(&format!("{code:05}")),
        Some(Code::Ignored) => {}
        Some(Code::Begin(group)) if value == BLANK => assembler.blank(group.field),
        Some(Code::Begin(group)) => {
            match open {
                Some(other) if other.part == Part::Reference => assembler.close(),
                Some(_) => assembler.fail(Reject::Unbalanced(code)),
                None => {}
            }
            assembler.open(group);
        }
        Some(Code::End(group)) => match open {
            Some(other) if other.part == group.part => assembler.close(),
            _ => assembler.fail(Reject::Unbalanced(code)),
        },
        Some(Code::Term(term)) => match (open.map(|group| group.part), term.part) {
            (Some(inside), part) if inside == part => {
                if let (Rule::Identity, Some(group)) = (term.rule, open)
                    && assembler.says(term)
                {
                    assembler.close();
                    assembler.open(group);
                }
                assembler.term(term, text);
            }
            (None, Part::Post) => assembler.term(term, text),
            // The list of references may come without the codes around each.
            (None, Part::Reference) => {
                if let Some(Code::Begin(group)) = index.code(REFERENCES) {
                    assembler.open(group);
                }
                assembler.term(term, text);
            }
            (Some(Part::Reference), Part::Post) => {
                assembler.close();
                assembler.term(term, text);
            }
            // Protection counts wherever it stands; that it stands there fails the post.
            (_, Part::Post) => {
                assembler.fail(Reject::WrongGroup(term));
                assembler.term(term, text);
            }
            (_, _) => assembler.fail(Reject::WrongGroup(term)),
        },
    }
}
