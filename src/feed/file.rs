//! Files: which format, whether whole, and a reader over them. A file is read twice: [`inspect`]
//! passes over all of it before [`read`] hands out the first post, so that a truncated file is known
//! before anything of it is applied.
//!
//! Packed files (gzip with any number of members, zstd) are unpacked as they are read, and UTF-16 is
//! turned into UTF-8; memory does not depend on what they unpack to. The first pass also tells from all
//! the bytes how the file's letters are written, so that one file is read in one way to its end.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use xxhash_rust::xxh3::Xxh3Default;

use super::bundle::BundleError;
use super::letters::{Seen, Transcoded, Utf16};
use super::read::{Encoding, Head, Navet, Piece, Read, ReadError, Reader, Root, Splitter, Unknown};
use super::termdata::UTF8_MARK;
use super::window::{LineEnd, Window};
use crate::base::limits;
use crate::person::identity::Formats;

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Notifications in one of Navet's formats.
    Navet(Navet),
    /// An exchange file: one JSON object per line.
    Exchange,
}

/// What a caller may say and see of a file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether an answer of Skatteverket's online service is read, as complete posts.
    pub online_answer: bool,
    /// Bytes of the file consumed so far, as they lie on disk: for a progress bar.
    pub consumed: Arc<AtomicU64>,
}

/// What the first pass over a file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What it holds.
    pub format: Format,
    /// How its characters are written, as it is read.
    pub encoding: Encoding,
    /// What that is called, as its bytes tell.
    pub letters: &'static str,
    /// The order of its bytes, when it is UTF-16.
    pub utf16: Option<Utf16>,
    /// What it tells of itself.
    pub head: Head,
    /// Posts that begin in it; in an exchange file, lines.
    pub found: u64,
    /// Whether its end mark is there and nothing is cut off. Exchange files have no end mark.
    pub complete: bool,
    /// XXH3-128 of the unpacked bytes: the same for a file that was applied before, however packed.
    pub content: u128,
    /// Lines, for messages.
    pub lines: u64,
}

impl Summary {
    /// Whether the file is whole: its end mark is there and it holds the number of posts it
    /// announces. `path` is for the message.
    pub fn check(&self, path: &Path) -> Result<(), FileError> {
        let path = path.to_owned();
        if !self.complete {
            return Err(FileError::Truncated {
                path,
                line: self.lines,
            });
        }
        if let Format::Navet(navet) = self.format
            && self.head.root != Some(Root::OnlineAnswer)
            && let Some(part) = self.head.missing(navet)
        {
            return Err(FileError::Incomplete { path, part });
        }
        match self.head.announced {
            Some(announced) if announced != self.found => Err(FileError::WrongCount {
                path,
                announced,
                found: self.found,
            }),
            _ => Ok(()),
        }
    }

    /// What the file says of its letters, when its bytes say otherwise. The text format has ISO-8859-1
    /// unless a mark tells.
    pub fn misdeclared(&self) -> Option<&'static str> {
        let by_format = match self.format {
            Format::Navet(Navet::Text) => "ISO-8859-1",
            Format::Navet(Navet::Xml) => "UTF-8",
            Format::Exchange => return None,
        };
        let declared = self.head.declared.unwrap_or(by_format);
        // A mark tells UTF-16 where nothing else does; CP1252 has all that ISO-8859-1 has in a file.
        let is_utf16 = self.utf16.is_some() && matches!(self.head.declared, None | Some("UTF-16"));
        let is_within = (declared, self.letters) == ("CP1252", "ISO-8859-1");
        (declared != self.letters && !is_utf16 && !is_within).then_some(declared)
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The packed bytes are damaged.
    #[error("{}: damaged packing before byte {offset}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How far it was read.
        offset: u64,
    },
    /// Neither text, XML nor exchange.
    #[error("{}: neither Navet text, Navet XML nor an exchange file", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// Posts were asked of a file that holds none.
    #[error("{}: an exchange file, not one of Navet's", path.display())]
    NotNavet {
        /// The file.
        path: PathBuf,
    },
    /// XML that is no file of notifications.
    #[error("{}: XML, but not a Navet file: its root is not Navetavisering", path.display())]
    ForeignXml {
        /// The file.
        path: PathBuf,
    },
    /// A SOAP fault that somebody saved.
    #[error("{}: a SOAP fault, not a Navet file", path.display())]
    SoapFault {
        /// The file.
        path: PathBuf,
    },
    /// An answer of the online service, which was not said to be one.
    #[error(
        "{}: an answer of Skatteverket's online service, not a Navet file: its posts are complete, and are read so by pu import --online-answer",
        path.display()
    )]
    OnlineAnswer {
        /// The file.
        path: PathBuf,
    },
    /// A part that every file has is not there.
    #[error("{}: not a whole Navet file: {part} is missing", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// The line or element.
        part: &'static str,
    },
    /// Bytes that are neither what the file declares nor anything else that is read.
    #[error("{}: its letters are neither UTF-8 nor ISO-8859-1 or CP1252, or not what it declares", path.display())]
    NotEncoded {
        /// The file.
        path: PathBuf,
    },
    /// A zip archive that is not unpacked.
    #[error("{}: {why}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        why: BundleError,
    },
    /// XML in an encoding that is not read.
    #[error("{}: declares an encoding other than ISO-8859-1, CP1252 and UTF-8", path.display())]
    UnknownEncoding {
        /// The file.
        path: PathBuf,
    },
    /// XML with a document type declaration.
    #[error("{}: line {line}: a document type declaration is not accepted", path.display())]
    Doctype {
        /// The file.
        path: PathBuf,
        /// The line it stands on.
        line: u64,
    },
    /// The end mark is missing, or the packing ends early.
    #[error("{}: ends on line {line} without its end mark", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The last line.
        line: u64,
    },
    /// Another number of posts than announced.
    #[error("{}: announces {announced} posts and holds {found}", path.display())]
    WrongCount {
        /// The file.
        path: PathBuf,
        /// As the file says.
        announced: u64,
        /// As it is.
        found: u64,
    },
}

/// A file's unpacked bytes.
pub type Source = Box<dyn io::Read + Send>;

/// An open file.
pub struct Opened {
    /// What it holds.
    pub format: Format,
    /// Its unpacked bytes, from the first.
    pub source: Source,
    /// Set when the packing ended early; the source then ends as if it were whole.
    pub cut: Arc<AtomicBool>,
    /// The order of the file's bytes, when it is UTF-16; the source has UTF-8.
    pub utf16: Option<Utf16>,
    /// Set when something in it was no UTF-16.
    pub broken: Arc<AtomicBool>,
}

/// Opens a file of any format.
pub fn open(path: &Path, options: &Options) -> Result<Opened, FileError> {
    let failed = |source| failure(path, &options.consumed, source);
    options.consumed.store(0, Ordering::Relaxed);
    let file = File::open(path).map_err(failed)?;
    let counted = Counted {
        source: file,
        consumed: Arc::clone(&options.consumed),
    };
    let mut packed = BufReader::with_capacity(256 << 10, counted);
    let cut = Arc::new(AtomicBool::new(false));
    let magic = packed.fill_buf().map_err(failed)?;
    let unpacked: Source = if magic.starts_with(b"\x1f\x8b") {
        Box::new(Unpacked {
            source: flate2::bufread::MultiGzDecoder::new(packed),
            cut: Arc::clone(&cut),
        })
    } else if magic.starts_with(b"\x28\xb5\x2f\xfd") {
        let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(failed)?;
        Box::new(Unpacked {
            source: decoder,
            cut: Arc::clone(&cut),
        })
    } else {
        Box::new(packed)
    };
    let mut unpacked = BufReader::with_capacity(64 << 10, unpacked);
    let utf16 = Utf16::of_mark(unpacked.fill_buf().map_err(failed)?);
    let broken = Arc::new(AtomicBool::new(false));
    let mut unpacked = match utf16 {
        None => unpacked,
        Some(order) => {
            let turned = Transcoded::new(unpacked, order, Arc::clone(&broken), Arc::clone(&cut));
            BufReader::with_capacity(64 << 10, Box::new(turned) as Source)
        }
    };
    let first = unpacked.fill_buf().map_err(failed)?;
    let first = first
        .strip_prefix(UTF8_MARK)
        .unwrap_or(first)
        .trim_ascii_start();
    let format = match first.first() {
        Some(b'#') => Format::Navet(Navet::Text),
        Some(b'<') => Format::Navet(Navet::Xml),
        Some(b'{') if utf16.is_none() => Format::Exchange,
        _ if cut.load(Ordering::Relaxed) => {
            return Err(FileError::Truncated {
                path: path.to_owned(),
                line: 1,
            });
        }
        _ => {
            return Err(FileError::UnknownFormat {
                path: path.to_owned(),
            });
        }
    };
    Ok(Opened {
        format,
        source: Box::new(unpacked),
        cut,
        utf16,
        broken,
    })
}

/// Passes over a whole file without reading its posts.
pub fn inspect(path: &Path, options: &Options) -> Result<Summary, FileError> {
    let Opened {
        format,
        source,
        cut,
        utf16,
        broken,
    } = open(path, options)?;
    let mut hashed = Hashed {
        source,
        hash: Xxh3Default::new(),
        seen: Seen::default(),
    };
    let mut window = Window::new(&mut hashed, limits::POST_BYTES);
    let mut head = Head {
        is_certain: utf16.is_some(),
        ..Head::default()
    };
    let failed = |error| match error {
        ReadError::Io(source) => failure(path, &options.consumed, source),
        ReadError::Doctype { line } => FileError::Doctype {
            path: path.to_owned(),
            line,
        },
        ReadError::Encoding => FileError::UnknownEncoding {
            path: path.to_owned(),
        },
    };
    let found = match format {
        Format::Navet(navet) => {
            let mut splitter = Splitter::new(navet);
            count_posts(&mut window, &mut splitter, &mut head).map_err(failed)?
        }
        Format::Exchange => {
            head.ended = true;
            count_lines(&mut window).map_err(|error| failed(error.into()))?
        }
    };
    let lines = window.line();
    if let Format::Navet(Navet::Xml) = format {
        refuse_foreign(path, head.root, options)?;
    }
    let complete = head.ended && !cut.load(Ordering::Relaxed);
    let (encoding, letters) = match (format, utf16) {
        (Format::Exchange, _) => (Encoding::Utf8, "UTF-8"),
        (Format::Navet(_), Some(order)) if !broken.load(Ordering::Relaxed) => {
            (Encoding::Utf8, order.name())
        }
        (Format::Navet(_), None) => hashed
            .seen
            .decide(head.encoding, complete)
            .ok_or_else(|| not_encoded(path))?,
        (Format::Navet(_), Some(_)) => return Err(not_encoded(path)),
    };
    Ok(Summary {
        format,
        encoding,
        letters,
        utf16,
        found,
        complete,
        content: hashed.hash.digest128(),
        lines,
        head,
    })
}

/// Whatever is XML is not Skatteverket's for that.
fn refuse_foreign(path: &Path, root: Option<Root>, options: &Options) -> Result<(), FileError> {
    let path = path.to_owned();
    match root {
        // Without any element it is cut off, which is told as such.
        None | Some(Root::Avisering) => Ok(()),
        Some(Root::OnlineAnswer) if options.online_answer => Ok(()),
        Some(Root::OnlineAnswer) => Err(FileError::OnlineAnswer { path }),
        Some(Root::Fault) => Err(FileError::SoapFault { path }),
        Some(Root::Soap | Root::Foreign) => Err(FileError::ForeignXml { path }),
    }
}

fn not_encoded(path: &Path) -> FileError {
    FileError::NotEncoded {
        path: path.to_owned(),
    }
}

fn count_posts<R: io::Read>(
    window: &mut Window<R>,
    splitter: &mut Splitter,
    head: &mut Head,
) -> Result<u64, ReadError> {
    let mut found = 0;
    loop {
        let len = match splitter.next(window, head)? {
            Piece::End => return Ok(found),
            Piece::Post(len) => {
                found += 1;
                len
            }
            Piece::Broken(len, reason) => {
                found += u64::from(reason.is_a_post());
                len
            }
        };
        window.advance(len);
    }
}

fn count_lines<R: io::Read>(window: &mut Window<R>) -> io::Result<u64> {
    let mut found = 0;
    let mut in_line = false;
    loop {
        match window.line_end(0)? {
            LineEnd::None => return Ok(found),
            LineEnd::Beyond => {
                in_line = true;
                window.advance(window.data().len());
            }
            LineEnd::At(end) => {
                let blank = window.data()[..end].trim_ascii().is_empty();
                found += u64::from(std::mem::take(&mut in_line) || !blank);
                window.advance(end);
            }
        }
    }
}

/// The posts of a file that was [inspected](inspect). What the packing lacks at the end is not an
/// error here: the summary has told.
pub fn read<'f>(
    path: &Path,
    summary: &Summary,
    formats: &'f Formats,
    options: &Options,
) -> Result<Posts<'f>, FileError> {
    let Format::Navet(navet) = summary.format else {
        return Err(FileError::NotNavet {
            path: path.to_owned(),
        });
    };
    let Opened { source, .. } = open(path, options)?;
    Ok(Posts {
        reader: Reader::new(source, navet, Some(summary.encoding), formats),
        path: path.to_owned(),
        consumed: Arc::clone(&options.consumed),
    })
}

/// The posts of one file.
pub struct Posts<'f> {
    reader: Reader<'f, Source>,
    path: PathBuf,
    consumed: Arc<AtomicU64>,
}

impl Posts<'_> {
    /// Terms and elements met so far that the table does not have.
    pub const fn unknown(&self) -> &Unknown {
        self.reader.unknown()
    }

    /// The bytes of what came last, as they stand in the file: for those who refuse a post later.
    pub fn raw(&self) -> &[u8] {
        self.reader.raw()
    }
}

impl Iterator for Posts<'_> {
    type Item = Result<Read, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.reader.next()?;
        Some(read.map_err(|error| match error {
            ReadError::Io(source) => failure(&self.path, &self.consumed, source),
            ReadError::Doctype { line } => FileError::Doctype {
                path: self.path.clone(),
                line,
            },
            ReadError::Encoding => FileError::UnknownEncoding {
                path: self.path.clone(),
            },
        }))
    }
}

/// An error of the system has its number; what else fails is the packing.
fn failure(path: &Path, consumed: &AtomicU64, source: io::Error) -> FileError {
    let path = path.to_owned();
    match source.raw_os_error() {
        Some(_) => FileError::Io { path, source },
        None => FileError::Damaged {
            path,
            offset: consumed.load(Ordering::Relaxed),
        },
    }
}

struct Counted<R> {
    source: R,
    consumed: Arc<AtomicU64>,
}

impl<R: io::Read> io::Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(out)?;
        self.consumed.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Unpacked bytes that end where the packing is cut off.
struct Unpacked<R> {
    source: R,
    cut: Arc<AtomicBool>,
}

impl<R: io::Read> io::Read for Unpacked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.cut.load(Ordering::Relaxed) {
            return Ok(0);
        }
        match self.source.read(out) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.cut.store(true, Ordering::Relaxed);
                Ok(0)
            }
            read => read,
        }
    }
}

struct Hashed<R> {
    source: R,
    hash: Xxh3Default,
    seen: Seen,
}

impl<R: io::Read> io::Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(out)?;
        self.hash.update(&out[..read]);
        self.seen.take(&out[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::feed::sample::{told, understood};

    const TEXT: &[u8] = include_bytes!("../../tests/fixtures/navet/termdata.txt");
    const XML: &[u8] = include_bytes!("../../tests/fixtures/navet/avisering.xml");

    fn stored(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file.flush().unwrap();
        file
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ::zstd::stream::encode_all(bytes, 1).unwrap()
    }

    fn check(bytes: &[u8]) -> Result<Summary, FileError> {
        let file = stored(bytes);
        let summary = inspect(file.path(), &Options::default())?;
        summary.check(file.path())?;
        Ok(summary)
    }

    #[test]
    fn a_whole_file_is_told_however_it_is_packed() {
        let formats = Formats::standard();
        for plain in [TEXT, XML] {
            let (first, second) = plain.split_at(700);
            let members = [gzip(first), gzip(second)].concat();
            let mut contents = Vec::new();
            for packed in [plain.to_vec(), gzip(plain), members, zstd(plain)] {
                let file = stored(&packed);
                let options = Options::default();
                let summary = inspect(file.path(), &options).unwrap();
                summary.check(file.path()).unwrap();
                assert_eq!(
                    options.consumed.load(Ordering::Relaxed),
                    packed.len() as u64
                );
                assert_eq!((summary.found, summary.head.announced), (6, Some(6)));
                assert_eq!(summary.encoding, Encoding::Latin1);
                assert_eq!(summary.head.order_id.as_deref(), Some("00000236-FO01-0002"));
                assert_eq!(summary.head.effectuated.unwrap().number(), 20_250_107);
                contents.push(summary.content);
                let posts = read(file.path(), &summary, &formats, &options).unwrap();
                let cities: Vec<bool> = posts
                    .map(|read| told(&understood(&read.unwrap()).post).contains("city=MALMÖ"))
                    .collect();
                assert_eq!(cities, [false, true, false, false, false, false]);
            }
            assert!(
                contents
                    .iter()
                    .all(|it| *it == xxhash_rust::xxh3::xxh3_128(plain))
            );
        }
        let xml = check(XML).unwrap().head;
        assert_eq!((xml.job_id, xml.sequence), (Some(1_501_690), Some(0)));
        assert_eq!((xml.file_number, xml.files), (Some(1), Some(1)));
    }

    /// Cut after any byte, a file is refused, unless all that is missing is the last line feed.
    #[test]
    fn a_truncated_file_is_refused() {
        for plain in [TEXT, XML] {
            let whole = plain.trim_ascii_end().len();
            for at in 0..whole {
                match check(&plain[..at]) {
                    Err(FileError::Truncated { .. } | FileError::UnknownFormat { .. }) => {}
                    other => panic!("cut at {at}: {other:?}"),
                }
            }
            check(&plain[..whole]).unwrap();
            for packed in [gzip(plain), zstd(plain)] {
                for at in 4..packed.len() {
                    let refused = check(&packed[..at]);
                    assert!(
                        matches!(refused, Err(FileError::Truncated { .. })),
                        "{at} {refused:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_a_truncated_file_holds_can_be_read() {
        let formats = Formats::standard();
        for plain in [TEXT, XML] {
            let cut = &plain[..plain.len() / 2];
            let packed = gzip(plain);
            for bytes in [cut, &gzip(cut), &packed[..packed.len() - 20]] {
                let file = stored(bytes);
                let options = Options::default();
                let summary = inspect(file.path(), &options).unwrap();
                assert!(summary.check(file.path()).is_err());
                let posts = read(file.path(), &summary, &formats, &options).unwrap();
                let reads: Vec<Read> = posts.map(Result::unwrap).collect();
                let rejected = reads
                    .iter()
                    .filter(|it| matches!(it, Read::Rejected(_)))
                    .count();
                assert!(!reads.is_empty() && rejected <= 1);
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        let replaced = |bytes: &[u8], from: &str, to: &str| {
            let text = encoding_rs::mem::decode_latin1(bytes).replace(from, to);
            encoding_rs::mem::encode_latin1_lossy(&text).into_owned()
        };
        let count = FileError::WrongCount {
            path: PathBuf::new(),
            announced: 7,
            found: 6,
        };
        let mut damaged = gzip(TEXT);
        let middle = damaged.len() / 2;
        damaged[middle..middle + 8].fill(0xff);
        for (bytes, expected) in [
            (
                replaced(TEXT, "#ANTAL_POSTER 6", "#ANTAL_POSTER 7"),
                count.to_string(),
            ),
            (
                replaced(XML, "<AntalPoster>6", "<AntalPoster>7"),
                count.to_string(),
            ),
            (
                replaced(XML, "ISO-8859-1", "KOI8-R"),
                ": declares an encoding other than ISO-8859-1, CP1252 and UTF-8".into(),
            ),
            (
                replaced(XML, "<Navetavisering", "<!DOCTYPE x>\n<Navetavisering"),
                ": line 2: a document type declaration is not accepted".into(),
            ),
            (
                b"hello".to_vec(),
                ": neither Navet text, Navet XML nor an exchange file".into(),
            ),
            (
                b"".to_vec(),
                ": neither Navet text, Navet XML nor an exchange file".into(),
            ),
        ] {
            let error = check(&bytes).unwrap_err().to_string();
            assert!(error.ends_with(&expected), "{error}");
        }
        assert!(matches!(check(&damaged), Err(FileError::Damaged { .. })));
        let missing = inspect(Path::new("/no/such/file"), &Options::default());
        assert!(matches!(missing, Err(FileError::Io { .. })));
    }

    #[test]
    fn exchange_files_are_recognised_and_counted() {
        let summary = check(b"{\"a\":1}\n\n{\"b\":2}").unwrap();
        assert_eq!((summary.format, summary.found), (Format::Exchange, 2));
        let file = stored(b"{}");
        let summary = inspect(file.path(), &Options::default()).unwrap();
        let formats = Formats::standard();
        let posts = read(file.path(), &summary, &formats, &Options::default());
        assert!(matches!(posts.err(), Some(FileError::NotNavet { .. })));
    }
}
