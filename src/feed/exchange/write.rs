//! Writing an exchange file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{FirstLine, Header, LastLine, Packing, VERSION};
use crate::base::{files, limits};
use crate::person::edit::Person;
use crate::person::identity::Formats;
use crate::person::json;
use crate::person::record::{EncodeError, RecordRef};
use crate::person::view::{Grant, Shield, View, restrict};

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file system, or whatever is written to, refuses.
    #[error("cannot write the exchange file: {0}")]
    Io(#[from] io::Error),
    /// A record in the register is damaged.
    #[error("person {line} cannot be written: the record is damaged")]
    Damaged {
        /// The line it would have had.
        line: u64,
    },
    /// A person cannot be a record.
    #[error("person {line} cannot be written: {error}")]
    Encode {
        /// The line it would have had.
        line: u64,
        /// Why not.
        error: EncodeError,
    },
    /// A line longer than a reader takes.
    #[error(
        "person {line} cannot be written: more than {} bytes",
        limits::POST_BYTES
    )]
    TooLong {
        /// The line it would have had.
        line: u64,
    },
}

/// Writes one exchange file. Without [`Writer::finish`] the file has no last line, and no reader
/// takes it for a whole one.
pub struct Writer<W: Write> {
    out: Packed<W>,
    formats: Formats,
    line: Vec<u8>,
    persons: u64,
}

enum Packed<W: Write> {
    Plain(W),
    Gzip(flate2::write::GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Packed<W> {
    fn new(out: W, packing: Packing) -> io::Result<Self> {
        Ok(match packing {
            Packing::Plain => Self::Plain(out),
            Packing::Gzip => Self::Gzip(flate2::write::GzEncoder::new(
                out,
                flate2::Compression::fast(),
            )),
            Packing::Zstd => Self::Zstd(zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?),
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.write_all(bytes),
            Self::Gzip(out) => out.write_all(bytes),
            Self::Zstd(out) => out.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<W> {
        let mut out = match self {
            Self::Plain(out) => out,
            Self::Gzip(out) => out.finish()?,
            Self::Zstd(out) => out.finish()?,
        };
        out.flush()?;
        Ok(out)
    }
}

impl<W: Write> Writer<W> {
    /// Begins a file. `formats` are those of the register that the persons come from.
    pub fn new(
        out: W,
        packing: Packing,
        header: &Header,
        formats: Formats,
    ) -> Result<Self, WriteError> {
        let first = FirstLine {
            pu_exchange: VERSION,
            created: String::from_utf8_lossy(&header.created.written()).into_owned(),
            sequence: header.sequence,
            identity_formats: header.identity_formats.clone(),
        };
        let mut writer = Self {
            out: Packed::new(out, packing)?,
            formats,
            line: Vec::new(),
            persons: 0,
        };
        writer.put_line(&first)?;
        Ok(writer)
    }

    /// Writes one person as the view shows it; for a whole person, under [`Grant::backup`].
    pub fn write(&mut self, view: &View<'_>) -> Result<(), WriteError> {
        let line = self.persons + 2;
        self.line.clear();
        json::write(view, &self.formats, &mut self.line)
            .map_err(|_| WriteError::Damaged { line })?;
        self.line.push(b'\n');
        if self.line.len() > limits::POST_BYTES {
            return Err(WriteError::TooLong { line });
        }
        self.out.write_all(&self.line)?;
        self.persons += 1;
        Ok(())
    }

    /// Writes one whole person.
    pub fn write_person(&mut self, person: &Person) -> Result<(), WriteError> {
        let line = self.persons + 2;
        let bytes = person
            .to_record()
            .map_err(|error| WriteError::Encode { line, error })?;
        let record = RecordRef::open(&bytes).map_err(|_| WriteError::Damaged { line })?;
        self.write(&restrict(record, &Grant::backup(), Shield::NONE))
    }

    /// How many persons have been written.
    pub const fn persons(&self) -> u64 {
        self.persons
    }

    /// Writes the last line, and hands back what was written to, flushed.
    pub fn finish(mut self) -> Result<W, WriteError> {
        let last = LastLine {
            end: true,
            persons: self.persons,
        };
        self.put_line(&last)?;
        Ok(self.out.finish()?)
    }

    fn put_line(&mut self, line: &impl serde::Serialize) -> Result<(), WriteError> {
        let mut bytes = serde_json::to_vec(line).map_err(io::Error::from)?;
        bytes.push(b'\n');
        Ok(self.out.write_all(&bytes)?)
    }
}

/// An exchange file on disk. It has its name only when it is whole and on the disk: until then it
/// is written beside it, with `.part` added.
pub struct FileWriter {
    writer: Writer<BufWriter<File>>,
    part: PathBuf,
    path: PathBuf,
}

impl Writer<BufWriter<File>> {
    /// Begins a file on disk, packed as its name tells.
    pub fn create(
        path: &Path,
        header: &Header,
        formats: Formats,
    ) -> Result<FileWriter, WriteError> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let out = BufWriter::with_capacity(1 << 18, files::create(&part)?);
        Ok(FileWriter {
            writer: Self::new(out, Packing::of_name(path), header, formats)?,
            part,
            path: path.to_owned(),
        })
    }
}

impl FileWriter {
    /// Writes one person as the view shows it.
    pub fn write(&mut self, view: &View<'_>) -> Result<(), WriteError> {
        self.writer.write(view)
    }

    /// Writes one whole person.
    pub fn write_person(&mut self, person: &Person) -> Result<(), WriteError> {
        self.writer.write_person(person)
    }

    /// Writes the last line and gives the file its name. Answers how many persons it holds.
    pub fn finish(self) -> Result<u64, WriteError> {
        let persons = self.writer.persons();
        let out = self.writer.finish()?;
        out.get_ref().sync_all()?;
        std::fs::rename(&self.part, &self.path)?;
        Ok(persons)
    }
}
