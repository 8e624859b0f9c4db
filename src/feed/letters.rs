//! Letters: how a file's characters are written, told by its bytes, and UTF-16 turned into UTF-8 as it
//! is read.
//!
//! Files are mended and sent on by many hands, so what they say of their own letters is often wrong. A
//! file is UTF-8 when all its bytes are, with letters of more than one byte; otherwise each byte is a
//! letter, by ISO-8859-1 and what Windows adds to it (CP1252). What can be neither is refused.

use std::borrow::Cow;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::read::Encoding;

/// The bytes for which CP1252 has no letter.
const WITHOUT_LETTER: [u8; 5] = [0x81, 0x8d, 0x8f, 0x90, 0x9d];

/// What the first pass has seen of a file's bytes.
#[derive(Default)]
pub(super) struct Seen {
    /// The beginning of a letter whose end has not come.
    carried: Vec<u8>,
    /// Letters of several bytes.
    wide: u64,
    /// Bytes that are no UTF-8.
    broken: u64,
    /// Bytes that ISO-8859-1 has for control characters and CP1252 for letters.
    windows: bool,
    /// Bytes that CP1252 does not have.
    without_letter: bool,
}

impl Seen {
    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        if bytes.is_ascii() && self.carried.is_empty() {
            return;
        }
        for byte in bytes.iter().filter(|byte| (0x80..0xa0).contains(*byte)) {
            self.windows = true;
            self.without_letter |= WITHOUT_LETTER.contains(byte);
        }
        let mut all = std::mem::take(&mut self.carried);
        all.extend_from_slice(bytes);
        let whole = all.len() - begun_at_the_end(&all);
        self.carried = all.split_off(whole);
        for part in all.utf8_chunks() {
            self.wide += part.valid().bytes().filter(|byte| *byte >= 0xc0).count() as u64;
            self.broken += part.invalid().len() as u64;
        }
    }

    /// How the file is to be read, and what that is called; `None` when it can be neither. `whole` tells
    /// whether the file ends where it should.
    pub fn decide(
        &self,
        declared: Option<Encoding>,
        whole: bool,
    ) -> Option<(Encoding, &'static str)> {
        let cut = if whole { self.carried.len() as u64 } else { 0 };
        let broken = self.broken + cut;
        if declared == Some(Encoding::Utf8) || (broken == 0 && self.wide > 0) {
            return (broken == 0).then_some((Encoding::Utf8, "UTF-8"));
        }
        // Damaged UTF-8 is not to be read as what it is not.
        if self.without_letter || self.wide > broken {
            return None;
        }
        let name = if self.windows { "CP1252" } else { "ISO-8859-1" };
        Some((Encoding::Latin1, name))
    }
}

/// How many bytes at the end begin a letter of UTF-8 without ending it.
fn begun_at_the_end(bytes: &[u8]) -> usize {
    let begun = |len: &usize| {
        let tail = bytes.len().checked_sub(*len).map(|at| &bytes[at..]);
        tail.and_then(|tail| std::str::from_utf8(tail).err())
            .is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=3).find(begun).unwrap_or(0)
}

/// Text of one byte a letter; `false` where a byte is no letter.
pub(super) fn single_bytes(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes);
    let whole = text.is_ascii() || !bytes.iter().any(|byte| WITHOUT_LETTER.contains(byte));
    (text, whole)
}

/// The letter that a reference such as `&#x8A;` means. XML has control characters there; those who write
/// such references mean the letters of Windows.
pub(super) fn meant(character: char) -> char {
    let one = match u32::from(character) {
        number @ 0x80..=0x9f => [number.to_le_bytes()[0]],
        _ => return character,
    };
    let (text, whole) = single_bytes(&one);
    text.chars().next().filter(|_| whole).unwrap_or(character)
}

/// The two orders of bytes in UTF-16.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Utf16 {
    /// The lower byte first.
    Little,
    /// The upper byte first.
    Big,
}

impl Utf16 {
    /// As the mark tells with which bytes begin.
    pub fn of_mark(bytes: &[u8]) -> Option<Self> {
        [Self::Little, Self::Big]
            .into_iter()
            .find(|order| bytes.starts_with(order.mark()))
    }

    /// The mark.
    pub const fn mark(self) -> &'static [u8] {
        match self {
            Self::Little => b"\xff\xfe",
            Self::Big => b"\xfe\xff",
        }
    }

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Little => "UTF-16LE",
            Self::Big => "UTF-16BE",
        }
    }

    /// Bytes of UTF-8 as they stood in the file, with the end of their last line.
    pub fn original(self, bytes: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(bytes);
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let units = text.encode_utf16().chain(end.encode_utf16());
        let written = |unit: u16| match self {
            Self::Little => unit.to_le_bytes(),
            Self::Big => unit.to_be_bytes(),
        };
        units.flat_map(written).collect()
    }
}

/// UTF-16 as UTF-8, without its mark.
pub(super) struct Transcoded<R> {
    source: R,
    decoder: encoding_rs::Decoder,
    input: Vec<u8>,
    output: Vec<u8>,
    given: usize,
    ended: bool,
    /// Set when something was no UTF-16.
    broken: Arc<AtomicBool>,
    /// Set when the last letter has no end.
    cut: Arc<AtomicBool>,
}

/// Bytes turned at a time.
const PIECE: usize = 32 << 10;

impl<R: Read> Transcoded<R> {
    pub fn new(source: R, order: Utf16, broken: Arc<AtomicBool>, cut: Arc<AtomicBool>) -> Self {
        let encoding = match order {
            Utf16::Little => encoding_rs::UTF_16LE,
            Utf16::Big => encoding_rs::UTF_16BE,
        };
        Self {
            source,
            decoder: encoding.new_decoder_with_bom_removal(),
            input: vec![0; PIECE],
            output: Vec::new(),
            given: 0,
            ended: false,
            broken,
            cut,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let len = self.source.read(&mut self.input)?;
        self.ended = len == 0;
        // Three bytes for two are the most; what a letter cut in two leaves comes on top.
        self.output.resize(PIECE * 3 + 16, 0);
        let input = &self.input[..len];
        let (_, _, written, replaced) =
            self.decoder
                .decode_to_utf8(input, &mut self.output, self.ended);
        if replaced {
            let told = if self.ended { &self.cut } else { &self.broken };
            told.store(true, Ordering::Relaxed);
        }
        self.output.truncate(written);
        self.given = 0;
        Ok(())
    }
}

impl<R: Read> Read for Transcoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.output.len() && !self.ended {
            self.fill()?;
        }
        let read = Read::read(&mut &self.output[self.given..], out)?;
        self.given += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(bytes: &[u8], declared: Option<Encoding>) -> Option<&'static str> {
        let told = |chunk: usize| {
            let mut seen = Seen::default();
            bytes.chunks(chunk).for_each(|part| seen.take(part));
            seen.decide(declared, true).map(|(_, name)| name)
        };
        let whole = told(bytes.len());
        assert!((1..4).all(|chunk| told(chunk) == whole));
        whole
    }

    #[test]
    fn letters_are_told_by_the_bytes() {
        let (none, latin1, utf8) = (None, Some(Encoding::Latin1), Some(Encoding::Utf8));
        for (bytes, declared, expected) in [
            ("ÅSA".as_bytes(), none, Some("UTF-8")),
            ("ÅSA".as_bytes(), latin1, Some("UTF-8")),
            ("ÅSA".as_bytes(), utf8, Some("UTF-8")),
            ("€ \u{1F9D1}".as_bytes(), none, Some("UTF-8")),
            (b"\xc5SA", none, Some("ISO-8859-1")),
            (b"\xc5SA", utf8, None),
            (b"\x8aimek", none, Some("CP1252")),
            (b"\x8aimek", latin1, Some("CP1252")),
            (b"\x8f", none, None),
            (b"SA\xc5", none, Some("ISO-8859-1")),
            (b"SA\xc5", utf8, None),
            (b"plain", latin1, Some("ISO-8859-1")),
            (b"plain", utf8, Some("UTF-8")),
            // UTF-8 with one damaged letter among good ones.
            (b"\xc3\xa5\xc3\xa4 \xe9 ", none, None),
        ] {
            assert_eq!(
                decided(bytes, declared),
                expected,
                "{bytes:x?} {declared:?}"
            );
        }
        let mut cut = Seen::default();
        cut.take(b"\xc3\xa5 \xc3");
        assert_eq!(cut.decide(None, false), Some((Encoding::Utf8, "UTF-8")));
    }

    #[test]
    fn utf16_comes_out_as_utf8_however_it_is_given() {
        let text = "Åsa \u{1F9D1} Šimek\n".repeat(9_000);
        for order in [Utf16::Little, Utf16::Big] {
            let bytes = [order.mark().to_vec(), order.original(text.as_bytes())].concat();
            assert_eq!(Utf16::of_mark(&bytes), Some(order));
            for (bytes, is_cut) in [(&bytes[..], false), (&bytes[..bytes.len() - 1], true)] {
                let (broken, cut) = (Arc::default(), Arc::<AtomicBool>::default());
                let source = Transcoded::new(bytes, order, Arc::clone(&broken), Arc::clone(&cut));
                let read = io::read_to_string(source).unwrap();
                assert!(read == text || is_cut);
                assert_eq!(cut.load(Ordering::Relaxed), is_cut);
                assert!(!broken.load(Ordering::Relaxed));
            }
        }
    }

    #[test]
    fn references_to_control_characters_mean_windows_letters() {
        assert_eq!(
            ['\u{8a}', '\u{81}', 'Å', '\u{80}'].map(meant),
            ['Š', '\u{81}', 'Å', '€']
        );
    }
}
