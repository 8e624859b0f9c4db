//! Reading an exchange file, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::{FIRST_LINE_BYTES, FirstLine, Header, LAST_LINE_BYTES, LastLine, VERSION};
use crate::base::limits;
use crate::base::private::Private;
use crate::base::time::DateTime;
use crate::feed::packing::Packing;
use crate::person::edit::Person;
use crate::person::format::FormatRow;
use crate::person::identity::Formats;
use crate::person::json::{self, JsonError};

/// Why a file as a whole cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system, or the packing, is broken.
    #[error("cannot read the exchange file: {0}")]
    Io(io::Error),
    /// The first line is not that of an exchange file.
    #[error("not an exchange file: the first line does not say so")]
    NotExchange,
    /// Written by another version of the format.
    #[error("an exchange file of version {0}; this program reads version {VERSION}")]
    Version(u64),
    /// The file uses identities that this register does not know, or knows otherwise.
    #[error(
        "the file holds identities of the format {short_name}, which must first stand in the \
         configuration (identity_formats)"
    )]
    UnknownFormat {
        /// Short name of the format's row.
        short_name: String,
    },
    /// The file ends before its last line.
    #[error("the file is cut off after line {line}")]
    Truncated {
        /// The last line there is.
        line: u64,
    },
    /// The last line counts otherwise.
    #[error("the file holds {found} persons, but its last line says {told}")]
    WrongCount {
        /// What the last line says.
        told: u64,
        /// How many lines there were between the first and the last.
        found: u64,
    },
    /// Something follows the last line.
    #[error("line {line} follows the end mark")]
    AfterEnd {
        /// The line that should not be.
        line: u64,
    },
}

/// A line that is no person.
#[derive(Debug)]
pub struct Rejected {
    /// Which line of the unpacked file, from 1.
    pub line: u64,
    /// Why.
    pub reason: Reason,
    /// The line itself, for the reject file; of a line that is too long only the beginning.
    pub raw: Private<Vec<u8>>,
}

/// Why a line is no person.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Reason {
    /// Longer than a line may be.
    #[error("longer than {} bytes", limits::POST_BYTES)]
    TooLong,
    /// Not a person in JSON.
    #[error("{0}")]
    Json(#[from] JsonError),
}

/// A line's bytes; `Err` holds the beginning of one that is too long.
pub type LineText<'a> = Result<&'a [u8], &'a [u8]>;

/// Reads one exchange file.
pub struct Reader {
    lines: Box<dyn BufRead + Send>,
    header: Header,
    line: u64,
    buffer: Vec<u8>,
    ended: bool,
}

/// What of a rejected line that is too long is kept.
const KEPT_BYTES: usize = 1 << 12;

/// Passes over a whole file: whether it is one, whole, and of known identity formats.
pub fn check(path: &Path, formats: &Formats) -> Result<(), ReadError> {
    let mut lines = Reader::open(path)?;
    lines.check_formats(formats)?;
    while lines.next_line()?.is_some() {}
    Ok(())
}

impl Reader {
    /// Opens a file and reads its first line.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::new(File::open(path).map_err(ReadError::Io)?)
    }

    /// Begins to read what `input` gives; it is told by its first bytes how it is packed.
    pub fn new(input: impl Read + Send + 'static) -> Result<Self, ReadError> {
        let mut input = BufReader::with_capacity(1 << 18, input);
        let packing = Packing::of_content(input.fill_buf().map_err(ReadError::Io)?);
        let mut lines: Box<dyn BufRead + Send> = match packing {
            Packing::Plain => Box::new(input),
            Packing::Gzip => Box::new(BufReader::with_capacity(
                1 << 18,
                flate2::bufread::MultiGzDecoder::new(input),
            )),
            Packing::Zstd => Box::new(BufReader::with_capacity(
                1 << 18,
                zstd::Decoder::with_buffer(input).map_err(ReadError::Io)?,
            )),
        };
        let mut buffer = Vec::new();
        let whole = read_line(&mut lines, &mut buffer, FIRST_LINE_BYTES)
            .map_err(|error| broken(error, 0))?;
        if whole != Line::Whole {
            return Err(ReadError::NotExchange);
        }
        Ok(Self {
            lines,
            header: first_line(&buffer)?,
            line: 1,
            buffer,
            ended: false,
        })
    }

    /// What the first line tells.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Whether every identity format of the file is one of `formats`. To be asked before reading:
    /// otherwise every line of such an identity is rejected.
    pub fn check_formats(&self, formats: &Formats) -> Result<(), ReadError> {
        let unknown = |theirs: &&FormatRow| {
            // The number in packed keys is a register's own affair: identities travel as text.
            !formats
                .rows()
                .any(|ours| ours.root == theirs.root && ours.pattern == theirs.pattern)
        };
        match self.header.identity_formats.iter().find(unknown) {
            Some(row) => Err(ReadError::UnknownFormat {
                short_name: row.short_name.clone(),
            }),
            None => Ok(()),
        }
    }

    /// The next person or rejected line; `None` after the last line, when it counts right.
    ///
    /// After an error there is nothing more to read.
    pub fn next_person(
        &mut self,
        formats: &Formats,
    ) -> Result<Option<Result<Person, Rejected>>, ReadError> {
        Ok(self.next_line()?.map(|(line, text)| {
            let parsed = text
                .map_err(|raw| (Reason::TooLong, raw))
                .and_then(|text| json::read(text, formats).map_err(|error| (error.into(), text)));
            parsed.map_err(|(reason, raw)| Rejected {
                line,
                reason,
                raw: Private::new(raw.to_vec()),
            })
        }))
    }

    /// The next line between the first and the last with its number, for those who read persons on
    /// several threads.
    pub fn next_line(&mut self) -> Result<Option<(u64, LineText<'_>)>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        let ended = self.line;
        let read = read_line(&mut self.lines, &mut self.buffer, limits::POST_BYTES)
            .map_err(|error| broken(error, ended))?;
        if read == Line::None || read == Line::Cut {
            self.ended = true;
            return Err(ReadError::Truncated { line: ended });
        }
        self.line += 1;
        if let Some(last) = last_line(&self.buffer).filter(|_| read == Line::Whole) {
            self.ended = true;
            self.check_end(&last)?;
            return Ok(None);
        }
        let text = match read {
            Line::TooLong => Err(&self.buffer[..KEPT_BYTES]),
            _ => Ok(&self.buffer[..]),
        };
        Ok(Some((self.line, text)))
    }

    fn check_end(&mut self, last: &LastLine) -> Result<(), ReadError> {
        let found = self.line - 2;
        if last.persons != found {
            let told = last.persons;
            return Err(ReadError::WrongCount { told, found });
        }
        let line = self.line;
        let mut rest = self.lines.fill_buf().map_err(|error| broken(error, line))?;
        while !rest.is_empty() {
            if !rest.iter().all(u8::is_ascii_whitespace) {
                return Err(ReadError::AfterEnd { line: line + 1 });
            }
            let len = rest.len();
            self.lines.consume(len);
            rest = self.lines.fill_buf().map_err(|error| broken(error, line))?;
        }
        Ok(())
    }
}

fn broken(error: io::Error, line: u64) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Truncated { line },
        _ => ReadError::Io(error),
    }
}

#[derive(PartialEq, Eq)]
enum Line {
    /// The line is in the buffer, without its end.
    Whole,
    /// The beginning of the line is in the buffer; the rest is skipped.
    TooLong,
    /// The file ends within the line.
    Cut,
    /// The file ends before it.
    None,
}

fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>, most: usize) -> io::Result<Line> {
    line.clear();
    let mut len = 0;
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(if len == 0 { Line::None } else { Line::Cut });
        }
        let end = memchr::memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let room = most.saturating_sub(line.len()).min(part.len());
        line.extend_from_slice(&part[..room]);
        len += part.len();
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            if len > most {
                return Ok(Line::TooLong);
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(Line::Whole);
        }
        len = len.max(1);
    }
}

fn first_line(line: &[u8]) -> Result<Header, ReadError> {
    /// Enough of any version's first line to tell which it is.
    #[derive(serde::Deserialize)]
    struct AnyVersion {
        pu_exchange: u64,
    }
    let any: AnyVersion = serde_json::from_slice(line).map_err(|_| ReadError::NotExchange)?;
    if any.pu_exchange != u64::from(VERSION) {
        return Err(ReadError::Version(any.pu_exchange));
    }
    let first: FirstLine = serde_json::from_slice(line).map_err(|_| ReadError::NotExchange)?;
    Ok(Header {
        created: DateTime::parse(&first.created).ok_or(ReadError::NotExchange)?,
        sequence: first.sequence,
        identity_formats: first.identity_formats,
    })
}

/// The last line, when it is one: a person has no name `end`.
fn last_line(line: &[u8]) -> Option<LastLine> {
    if line.len() > LAST_LINE_BYTES {
        return None;
    }
    serde_json::from_slice(line)
        .ok()
        .filter(|last: &LastLine| last.end)
}
