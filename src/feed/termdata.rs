//! The text format: lines of a code and a value between `#POST_START` and `#POST_SLUT`.
//!
//! Characters are what the bytes of the whole file tell; without such a look, ISO-8859-1 unless the file
//! begins with a UTF-8 mark. Lines end with LF or CR LF; spaces or tabs follow a tag and a code. Behind
//! the end mark old systems leave Ctrl-Z or zeros. Tags that are not known
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
    section: Section,
    /// Passing the rest of a post that was too large.
    passing: bool,
    /// In the middle of a line that was too long.
    in_line: bool,
}

/// Where in the file a line stands.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Section {
    /// Before the first byte.
    #[default]
    Start,
    /// Before the posts or after them.
    Around,
    /// Between `#DATA_START` and `#DATA_SLUT`.
    Data,
}

impl Splitter {
    pub fn next<R: Source>(
        &mut self,
        window: &mut Window<R>,
        head: &mut Head,
    ) -> io::Result<Piece> {
        if self.section == Section::Start {
            self.section = Section::Around;
            if skip_mark(window)? {
                (head.encoding, head.declared) = (Some(Encoding::Utf8), Some("UTF-8"));
            }
        }
        loop {
            let end = match window.line_end(0)? {
                LineEnd::None => return Ok(Piece::End),
                LineEnd::Beyond => {
                    let data = window.data();
                    let fills = head.ended && data.iter().all(|byte| is_filling(*byte));
                    let (len, known) = (data.len(), fills || self.in_line || self.passing);
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
            if is_frame || (self.section != Section::Data && line.starts_with(b"#")) {
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
        if line.is_empty() || (head.ended && line.iter().all(|byte| is_filling(*byte))) {
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
        head.note(PARTS, tag);
        match tag {
            b"#DATA_START" => self.section = Section::Data,
            b"#DATA_SLUT" => self.section = Section::Around,
            b"#DAG_START" => head.day = text().and_then(PartialDate::parse),
            b"#DAG_SLUT" => head.day = None,
            b"#EFFEKTUERAD" => head.effectuated = text().and_then(PartialDate::parse),
            b"#ANTAL_POSTER" => head.announced = text().and_then(|text| text.parse().ok()),
            b"#FIL_SLUT" => (head.ended, self.section) = (true, Section::Around),
            // Ä in either encoding, or A.
            _ if tag.starts_with(b"#BEST") && tag.ends_with(b"LLNINGSID") => {
                head.order_id = text().map(str::to_owned);
            }
            _ => return tag.starts_with(b"#") && self.section != Section::Data,
        }
        true
    }
}

/// Bytes between posts that are looked at together.
const BETWEEN: usize = 64 << 10;

/// The parts that a file must have; the last is its count.
pub(super) const PARTS: &[&str] = &[
    "#INFO_START",
    "#FILTYP",
    "#INFO_SLUT",
    "#DATA_START",
    "#DATA_SLUT",
    "#ANTAL_POSTER",
];

/// What may follow the end mark and says nothing: Ctrl-Z, and what fills a block.
const fn is_filling(byte: u8) -> bool {
    matches!(byte, 0 | 0x1a) || byte.is_ascii_whitespace()
}

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
    let rest = line.strip_prefix("#UP")?;
    let rest = rest
        .strip_prefix([' ', '\t'])?
        .trim_start_matches([' ', '\t']);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::feed::avisering;
    use crate::feed::sample::{Dice, file_of, rejected, told, understood};

    const EXAMPLES: &[u8] = include_bytes!("../../tests/fixtures/navet/termdata.txt");
    const XML_EXAMPLES: &[u8] = include_bytes!("../../tests/fixtures/navet/avisering.xml");

    fn read(bytes: &[u8]) -> Vec<Read> {
        read_all(bytes, &Formats::standard()).unwrap()
    }

    fn post(lines: &[&str]) -> String {
        format!("#POST_START\n#UP {}\n#POST_SLUT\n", lines.join("\n#UP "))
    }

    fn file(posts: &[&str]) -> Vec<u8> {
        format!("#DATA_START\n{}#DATA_SLUT\n#FIL_SLUT\n", posts.concat()).into_bytes()
    }

    /// Edits as a sorted list: the formats differ in order.
    fn sorted(read: &Read) -> Vec<String> {
        let mut lines: Vec<String> = told(&understood(read).post)
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn the_examples_say_what_they_say_in_xml() {
        let (text, xml) = (
            read(EXAMPLES),
            avisering::read_all(XML_EXAMPLES, &Formats::standard()),
        );
        let xml = xml.unwrap();
        assert_eq!(text.len(), 6);
        assert!(text.iter().map(sorted).eq(xml.iter().map(sorted)));
        let lines: Vec<u64> = text.iter().map(|it| understood(it).line).collect();
        assert_eq!(lines, [9, 41, 54, 61, 67, 75]);
    }

    #[test]
    fn the_file_tells_of_itself() {
        let formats = Formats::standard();
        for (from, to) in [
            ("\u{c4}", "\u{c4}"),
            ("\u{c4}", "A"),
            (" ", "\t"),
            ("\n", "\r\n"),
        ] {
            let text = encoding_rs::mem::decode_latin1(EXAMPLES).replace(from, to);
            let bytes = encoding_rs::mem::encode_latin1_lossy(&text).into_owned();
            let mut reader = Reader::new(&bytes[..], Navet::Text, None, &formats);
            assert_eq!(
                reader
                    .by_ref()
                    .filter(|it| matches!(it, Ok(Read::Post(_))))
                    .count(),
                6
            );
            let head = reader.head();
            assert_eq!(head.order_id.as_deref(), Some("00000236-FO01-0002"));
            assert_eq!(head.effectuated, PartialDate::parse("20250107"));
            assert_eq!((head.announced, head.ended), (Some(6), true));
        }
    }

    #[test]
    fn days_are_the_posts_dates_and_trailing_tags_are_passed() {
        let posts = post(&["01001 191212121212"]);
        let bytes = format!(
            "#EFFEKTUERAD 20250107\n#DATA_START\n#DAG_START 20250105\n{posts}#DAG_SLUT\n{posts}#DATA_SLUT\n\
             #NYTT x\n#FIL_SLUT\n#DATABESKRIVNING_START\n#PRODUKT x\n#DATABESKRIVNING_SLUT\n"
        );
        let reads = read(bytes.as_bytes());
        assert_eq!(reads.len(), 2);
        for (read, date) in reads.iter().zip(["2025-01-05", "2025-01-07"]) {
            assert!(told(&understood(read).post).contains(&format!("notificationDate={date}\n")));
        }
    }

    #[test]
    fn blanks_and_unknown_codes() {
        let formats = Formats::standard();
        let bytes = file(&[&post(&[
            "01001 191212121212",
            "01003 $",
            "01020",
            "01013 $",
            "01014 ",
            "01082 0",
            "02000 $",
            "05001 x",
            "06000",
            "06001 y",
            "06999",
            "01099 z",
            "99999",
            "01401 198402192390",
            "01402 NY",
            "01401 199002262385",
            "01011 00",
        ])]);
        let mut reader = Reader::new(&bytes[..], Navet::Text, None, &formats);
        let read = reader.next().unwrap().unwrap();
        assert_eq!(told(&understood(&read).post), "\
191212121212 None false
-name/middleName
-name/surname
-maritalStatus/maritalStatusDate
-relationship
referredPersonalIdentities: /referredPersonalIdentity=198402192390 /referredPersonalIdentityStatus=NY
referredPersonalIdentities: /referredPersonalIdentity=199002262385
-name/givenNameIndicator
protectedPersonIndicator=false
protectedPopulationRecord=false
populationRegistrationRecord/notificationCase/totalRecord=false
");
        assert!(reader.unknown().iter().eq([("01099", 1), ("65535", 1)]));
    }

    #[test]
    fn broken_posts_are_rejected_alone() {
        let good = post(&["01001 191212121212", "01014 Åsén"]);
        let long = format!("01014 {}", "é".repeat(81));
        let subject = "01001 191212121212";
        for (broken, reason) in [
            (
                post(&["01014 Ek"]),
                "the post does not say whom it is about",
            ),
            (
                post(&["01001 1912"]),
                "term 01001 (Personpost/PersonId/PersonNr): the subject is neither a personnummer nor a samordningsnummer",
            ),
            (
                post(&[subject, "01002 197001782395"]),
                "the post names two subjects",
            ),
            (
                post(&[subject, &long]),
                "term 01014 (Personpost/Namn/Efternamn): longer than 80 characters",
            ),
            (post(&[subject, "0101 x"]), "line 3 of the post is no term"),
            (post(&[subject, "01014x"]), "line 3 of the post is no term"),
            (
                format!("#POST_START\n#UP {subject}\nÅÄÖ\n#POST_SLUT\n"),
                "line 3 of the post is no term",
            ),
            (post(&[subject, "02000", "02003 MO"]), "the post has no end"),
            (
                post(&[subject, "02000", "03000"]),
                "the groups are unbalanced at 03000",
            ),
            (
                post(&[subject, "02999"]),
                "the groups are unbalanced at 02999",
            ),
            (
                post(&[subject, "02000", "03999"]),
                "the groups are unbalanced at 03999",
            ),
            (
                post(&[subject, "02003 MO"]),
                "term 02003 (Personpost/Relationer/Relation/Relationstyp) stands in the wrong group",
            ),
            (
                post(&[subject, "02000", "01014 x", "02999"]),
                "term 01014 (Personpost/Namn/Efternamn) stands in the wrong group",
            ),
            (
                format!("#POST_START\n#UP {subject}\n"),
                "the post has no end",
            ),
            (
                "#UP 01014 Åsén\n#POST_SLUT\n".to_owned(),
                "content outside every post",
            ),
        ] {
            let text = String::from_utf8(file(&[&good, &broken, &good])).unwrap();
            let latin1 = |text: &str| encoding_rs::mem::encode_latin1_lossy(text).into_owned();
            let reads = read(&latin1(&text));
            assert_eq!(reads.len(), 3, "{reason}");
            assert!(told(&understood(&reads[0]).post).contains("name/surname=Åsén\n"));
            let it = rejected(&reads[1]);
            assert_eq!(it.reason.to_string(), reason);
            assert_eq!((it.line, &it.raw), (6, &latin1(&broken)));
            understood(&reads[2]);
        }
    }

    #[test]
    fn too_many_entries_are_refused() {
        let entries = "#UP 02000\n#UP 02003 B\n#UP 02999\n".repeat(1001);
        let bytes = format!("#POST_START\n#UP 01001 191212121212\n{entries}#POST_SLUT\n");
        assert_eq!(
            rejected(&read(bytes.as_bytes())[0]).reason,
            Reject::TooManyEntries
        );
    }

    #[test]
    fn a_post_in_a_wrong_encoding_is_refused_and_protects() {
        let formats = Formats::standard();
        let bytes =
            b"#POST_START\n#UP 01014 \xc5\n#UP 01001 191212121212\n#UP 01003 J\n#POST_SLUT\n";
        let mut reader = Reader::new(&bytes[..], Navet::Text, Some(Encoding::Utf8), &formats);
        let read = reader.next().unwrap().unwrap();
        let it = rejected(&read);
        assert_eq!((it.reason, &it.raw[..]), (Reject::NotEncoded, &bytes[..]));
        assert!(it.protection.is_some());
    }

    /// Gives the same posts again and again, without a file of them.
    struct Endless<'a> {
        bytes: &'a [u8],
        at: usize,
        left: usize,
    }

    impl Source for Endless<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let len = out.len().min(self.bytes.len() - self.at).min(self.left);
            out[..len].copy_from_slice(&self.bytes[self.at..self.at + len]);
            self.at = (self.at + len) % self.bytes.len();
            self.left -= len;
            Ok(len)
        }
    }

    #[test]
    fn memory_does_not_grow_with_the_file() {
        let formats = Formats::standard();
        let one = post(&["01001 191212121212", "01014 Ek"]);
        for navet in [Navet::Text, Navet::Xml] {
            let one = match navet {
                Navet::Text => one.clone(),
                Navet::Xml => {
                    "<Folkbokforingspost><Personpost><PersonId><PersonNr>191212121212</PersonNr>\
                     </PersonId></Personpost></Folkbokforingspost>\n"
                        .to_owned()
                }
            };
            let posts = 200_000;
            let source = Endless {
                bytes: one.as_bytes(),
                at: 0,
                left: one.len() * posts,
            };
            let mut reader = Reader::new(source, navet, None, &formats);
            let mut found = 0;
            for read in reader.by_ref() {
                understood(&read.unwrap());
                found += 1;
            }
            assert_eq!(found, posts);
            assert!(
                reader.held() <= 512 << 10,
                "{navet:?} holds {}",
                reader.held()
            );
        }
    }

    #[test]
    fn a_post_or_line_above_the_limit_is_passed_without_holding_it() {
        let formats = Formats::standard();
        let good = post(&["01001 191212121212"]);
        let many = "#UP 01014 x\n".repeat(200_000);
        let line = format!("#UP 01014 {}\n", "x".repeat(3_000_000));
        for large in [
            format!("#POST_START\n{many}#POST_SLUT\n"),
            format!("#POST_START\n{line}#POST_SLUT\n"),
            line,
        ] {
            let bytes = file(&[&good, &large, &good]);
            let mut reader = Reader::limited(&bytes[..], Navet::Text, None, &formats, 1 << 16);
            let reads: Vec<Read> = reader.by_ref().map(Result::unwrap).collect();
            assert_eq!(reads.len(), 3);
            let it = rejected(&reads[1]);
            let reason = if large.starts_with("#UP") {
                Reject::Stray
            } else {
                Reject::TooLarge
            };
            assert_eq!(it.reason, reason);
            assert!(large.as_bytes().starts_with(&it.raw) && it.raw.len() < 1 << 19);
            understood(&reads[2]);
            assert!(reader.held() < 1 << 20);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = read_all(&bytes, &Formats::standard());
        }

        #[test]
        fn any_lines_are_survived(lines in prop::collection::vec(prop::sample::select(vec![
            "#POST_START", "#POST_SLUT", "#DATA_START", "#DATA_SLUT", "#FIL_SLUT", "#DAG_START x", "#UP", "#UP 02000",
            "#UP 02999", "#UP 04000", "#UP 04999", "#UP 01400", "#UP 01401 191212121212", "#UP 01001 191212121212",
            "#UP 01003 ?", "#UP 04008 FB", "#UP 09431 x", "#UP 02001 197502020000", "#UP 02002 x", "\u{c5}", "", "#UP 9",
        ]), 0..40)) {
            let _ = read_all(lines.join("\n").as_bytes(), &Formats::standard());
        }

        #[test]
        fn damaged_files_are_survived(seed: u64, hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut dice = Dice(seed);
            let posts: Vec<_> = (0..3).map(|_| dice.post(false)).collect();
            let mut bytes = file_of(&posts, Navet::Text, Encoding::Latin1);
            for (at, with) in hits {
                let at = at.index(bytes.len());
                bytes[at] = with;
            }
            let _ = read_all(&bytes, &Formats::standard());
        }
    }
}
