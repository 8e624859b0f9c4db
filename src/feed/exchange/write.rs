//! Writing an exchange file.

use std::io::{self, BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};

use super::{FirstLine, Header, LastLine, VERSION};
use crate::base::files::Output;
use crate::base::limits;
use crate::feed::packing::{Packed, Packing};
use crate::person::edit::Person;
use crate::person::identity::Formats;
use crate::person::json;
use crate::person::record::{EncodeError, RecordRef};
use crate::person::view::{Grant, Shield, View, restrict};

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What is written to refuses.
    #[error("cannot write")]
    Io(#[from] io::Error),
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
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

impl<W: Write> Writer<W> {
    /// Begins a file. `formats` are those of the register that the persons come from.
    pub fn new(
        out: W,
        packing: Packing,
        header: &Header,
        formats: Formats,
    ) -> Result<Self, WriteError> {
        Self::begun(Packed::new(out, packing)?, header, formats)
    }

    fn begun(out: Packed<W>, header: &Header, formats: Formats) -> Result<Self, WriteError> {
        let first = FirstLine {
            pu_exchange: VERSION,
            created: String::from_utf8_lossy(&header.created.written()).into_owned(),
            sequence: header.sequence,
            identity_formats: header.identity_formats.clone(),
        };
        let mut writer = Self {
            out,
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

/// An exchange file at the place that a user names.
pub struct FileWriter {
    writer: Writer<BufWriter<Output>>,
    path: PathBuf,
}

impl Writer<BufWriter<Output>> {
    /// Begins a file, packed as its name tells.
    pub fn create(
        path: &Path,
        header: &Header,
        formats: Formats,
    ) -> Result<FileWriter, WriteError> {
        let begun = Output::to(path).and_then(|output| {
            let out = BufWriter::with_capacity(1 << 18, output);
            Packed::new(out, Packing::of_name(path))
        });
        let out = begun.map_err(|source| at(path, source))?;
        Ok(FileWriter {
            writer: Self::begun(out, header, formats).map_err(|error| error.at(path))?,
            path: path.to_owned(),
        })
    }
}

impl FileWriter {
    /// Writes one person as the view shows it.
    pub fn write(&mut self, view: &View<'_>) -> Result<(), WriteError> {
        self.writer
            .write(view)
            .map_err(|error| error.at(&self.path))
    }

    /// Writes one whole person.
    pub fn write_person(&mut self, person: &Person) -> Result<(), WriteError> {
        let written = self.writer.write_person(person);
        written.map_err(|error| error.at(&self.path))
    }

    /// Writes the last line and gives the file its name. Answers how many persons it holds.
    pub fn finish(self) -> Result<u64, WriteError> {
        let Self { writer, path } = self;
        let persons = writer.persons();
        let out = writer.finish().map_err(|error| error.at(&path))?;
        let output = out.into_inner().map_err(IntoInnerError::into_error);
        let done = output.and_then(Output::finish);
        done.map_err(|source| at(&path, source))?;
        Ok(persons)
    }
}

fn at(path: &Path, source: io::Error) -> WriteError {
    WriteError::File {
        path: path.to_path_buf(),
        source,
    }
}

impl WriteError {
    /// The same, of a file.
    fn at(self, path: &Path) -> Self {
        match self {
            Self::Io(source) => at(path, source),
            other => other,
        }
    }
}
