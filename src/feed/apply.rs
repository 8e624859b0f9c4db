//! A file into a register: one loop for the register that stands still and for the one at work. One
//! thread reads and parses, the caller's applies, batch by batch.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use crossbeam::channel::{Sender, bounded};

use super::exchange;
use super::file::{self, FileError, Format, Options, Summary};
use super::read::{Read, Rejected};
use super::report::{FileReport, Rejects};
use crate::person::identity::Formats;
use crate::person::json;
use crate::register::import::{Applied, Import, ImportError};
use crate::register::online::Wanted;
use crate::register::post::{FilePlace, Post};

/// A register that files are applied to.
pub trait Target {
    /// Why it takes no more.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Entries applied together.
    const BATCH: usize;

    /// Whether a file with this content was applied to its end.
    fn knows(&self, content: &str) -> bool;

    /// How far a file with this content was applied that was not applied to its end.
    fn progress(&self, content: &str) -> u64;

    /// Notes that a file begins to be applied. Tells whether a file of its day that was made later has
    /// been.
    fn begin(&mut self, place: FilePlace, by: &str) -> Result<bool, Self::Error>;

    /// Applies entries of a file, in their order.
    fn apply(&mut self, batch: Batch<'_>) -> Result<Vec<Applied>, Self::Error>;

    /// Notes that a file was applied to its end. Gives the number of the change that says so, when it
    /// is one.
    fn note_file(
        &mut self,
        content: &str,
        by: &str,
        entries: u64,
    ) -> Result<Option<u64>, Self::Error>;
}

/// Entries of a file that are applied together.
pub struct Batch<'f> {
    /// The entries.
    pub entries: Vec<Wanted>,
    /// The file, by its content.
    pub content: &'f str,
    /// The way they came: `navet` or `exchange`.
    pub by: &'static str,
    /// How far the file is applied with them: everything that stands in it is counted, what cannot
    /// be understood too.
    pub done: u64,
}

/// Why a file was not applied to its end.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError<E: std::error::Error + 'static> {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The exchange file cannot be read.
    #[error(transparent)]
    Exchange(#[from] exchange::ReadError),
    /// What was refused cannot be kept.
    #[error("the rejected entries cannot be written")]
    Rejects(#[source] io::Error),
    /// The register takes no more.
    #[error(transparent)]
    Register(E),
    /// Somebody wants it to stop.
    #[error("stopped in the middle of the file")]
    Stopped,
    /// The thread that reads broke off.
    #[error("the thread that reads the file failed")]
    Reading,
}

/// How far a file has come before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Up to here, the report tells.
    pub told: u64,
    /// Up to here, the register has applied it.
    pub applied: u64,
}

/// One file to be applied.
pub struct Work<'f> {
    /// Where it is.
    pub path: &'f Path,
    /// What the first pass over it told.
    pub summary: &'f Summary,
    /// The identity formats.
    pub formats: &'f Formats,
    /// Where to see how much of it is read.
    pub options: Options,
    /// How far it has come before.
    pub reached: Reached,
}

/// One thing in a file.
struct Item {
    line: u64,
    raw: Vec<u8>,
    what: What,
}

enum What {
    Entry(Wanted, Vec<String>),
    /// Why it is not applied, whether it counts as an entry, and what is applied all the same.
    Rejected(String, bool, Option<Wanted>),
}

/// What a file is known by.
pub fn content_of(summary: &Summary) -> String {
    format!("{:032x}", summary.content)
}

/// The way its entries come.
pub const fn by(format: Format) -> &'static str {
    match format {
        Format::Navet(_) => "navet",
        Format::Exchange => "exchange",
    }
}

impl Work<'_> {
    /// Applies the file. `each` hears after every batch how far it has come, and tells whether to go
    /// on; by then, what was refused so far is in its file.
    pub fn apply<T: Target>(
        self,
        target: &mut T,
        report: &mut FileReport,
        rejects: &mut Rejects,
        mut each: impl FnMut(&FileReport, u64) -> bool,
    ) -> Result<(), ApplyError<T::Error>> {
        let content = content_of(self.summary);
        let by = by(self.summary.format);
        let place = self.summary.head.place();
        let overtaken = place.map(|place| target.begin(place, by)).transpose();
        let overtaken = overtaken.map_err(ApplyError::Register)? == Some(true);
        if let Some(order) = self.summary.utf16 {
            rejects.begin_with(order.mark());
        }
        report.tell_letters(self.summary);
        let (sender, receiver) = bounded::<Vec<Item>>(4);
        let mut done = 0;
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| self.read(T::BATCH, overtaken, sender));
            for items in &receiver {
                let mut entries = Vec::with_capacity(items.len());
                let mut about = Vec::with_capacity(items.len());
                for item in items {
                    done += 1;
                    let is_told = done <= self.reached.told;
                    let is_applied = done <= self.reached.applied;
                    let Item { line, raw, what } = item;
                    let wanted = match what {
                        _ if is_told => continue,
                        What::Entry(wanted, warnings) => {
                            report.read += 1;
                            for warning in warnings {
                                report.warn(warning, 1);
                            }
                            report.earlier += u64::from(is_applied);
                            Some((wanted, Some((line, raw))))
                        }
                        What::Rejected(why, counts, protection) => {
                            report.read += u64::from(counts);
                            rejects.add(line, &why, &raw).map_err(ApplyError::Rejects)?;
                            report.reject(why);
                            if protection.is_some() {
                                report.warn("protection taken from a rejected post".to_owned(), 1);
                            }
                            protection.map(|wanted| (wanted, None))
                        }
                    };
                    if let Some((wanted, whose)) = wanted.filter(|_| !is_applied) {
                        entries.push(wanted);
                        about.push(whose);
                    }
                }
                if done > self.reached.applied {
                    let batch = Batch {
                        entries,
                        content: &content,
                        by,
                        done,
                    };
                    let applied = target.apply(batch).map_err(ApplyError::Register)?;
                    for (applied, whose) in applied.into_iter().zip(about) {
                        let Some((line, raw)) = whose else { continue };
                        if let Some(why) = report.count(applied) {
                            rejects.add(line, &why, &raw).map_err(ApplyError::Rejects)?;
                        }
                    }
                    rejects.flush().map_err(ApplyError::Rejects)?;
                }
                if done > self.reached.told && !each(report, done) {
                    return Err(ApplyError::Stopped);
                }
            }
            drop(receiver);
            let unknown = reading.join().map_err(|_| ApplyError::Reading)??;
            for (name, count) in unknown {
                // They are counted over the whole file, whenever it was read.
                let warning = format!("unknown term {name}, ignored");
                report.warnings.insert(warning, count);
            }
            Ok(())
        })?;
        let noted = target.note_file(&content, by, report.read);
        report.sequence = noted.map_err(ApplyError::Register)?;
        Ok(())
    }

    /// Reads the file to its end, or until nobody wants more of it. Answers the terms it does not
    /// know.
    fn read<E: std::error::Error>(
        &self,
        batch: usize,
        overtaken: bool,
        sender: Sender<Vec<Item>>,
    ) -> Result<Vec<(String, u64)>, ApplyError<E>> {
        let mut items = Items {
            sender,
            size: batch,
            gathered: Vec::with_capacity(batch),
            unwanted: false,
        };
        let unknown = match self.summary.format {
            Format::Navet(_) => self.posts(&mut items, overtaken)?,
            Format::Exchange => {
                self.persons(&mut items)?;
                Vec::new()
            }
        };
        items.send();
        Ok(unknown)
    }

    fn posts(&self, items: &mut Items, overtaken: bool) -> Result<Vec<(String, u64)>, FileError> {
        let mut posts = file::read(self.path, self.summary, self.formats, &self.options)?;
        let original = |raw: &[u8]| match self.summary.utf16 {
            Some(order) => order.original(raw),
            None => raw.to_vec(),
        };
        while let Some(read) = posts.next().filter(|_| !items.unwanted) {
            items.add(match read? {
                Read::Post(understood) => Item {
                    line: understood.line,
                    raw: original(posts.raw()),
                    what: What::Entry(
                        Wanted::Post(Post {
                            overtaken,
                            ..understood.post
                        }),
                        understood
                            .warnings
                            .iter()
                            .map(ToString::to_string)
                            .collect(),
                    ),
                },
                Read::Rejected(Rejected {
                    line,
                    reason,
                    raw,
                    protection,
                    ..
                }) => Item {
                    line,
                    raw: original(&raw),
                    // Of a post that cannot be understood, protection is applied all the same.
                    what: What::Rejected(
                        reason.to_string(),
                        reason.is_a_post(),
                        protection.map(|post| Wanted::Post(*post)),
                    ),
                },
            });
        }
        let unknown = posts.unknown().iter();
        Ok(unknown
            .map(|(name, count)| (name.to_owned(), count))
            .collect())
    }

    fn persons(&self, items: &mut Items) -> Result<(), exchange::ReadError> {
        let mut lines = exchange::Reader::open(self.path)?;
        lines.check_formats(self.formats)?;
        let mut bytes = 0;
        while let Some((line, text)) = lines.next_line()?.filter(|_| !items.unwanted) {
            let (raw, read) = match text {
                Ok(text) => (
                    text,
                    json::read(text, self.formats).map_err(|it| it.to_string()),
                ),
                Err(begin) => {
                    let why = "the line is longer than a line may be";
                    (begin, Err(why.to_owned()))
                }
            };
            bytes += raw.len() as u64 + 1;
            self.options.consumed.store(bytes, Ordering::Relaxed);
            items.add(Item {
                line,
                raw: raw.to_vec(),
                what: match read {
                    Ok(person) => What::Entry(Wanted::Person(Box::new(person)), Vec::new()),
                    Err(why) => What::Rejected(why, true, None),
                },
            });
        }
        Ok(())
    }
}

/// Hands over what was read.
struct Items {
    sender: Sender<Vec<Item>>,
    size: usize,
    gathered: Vec<Item>,
    /// Whoever applies has gone; their error is the one to tell.
    unwanted: bool,
}

impl Items {
    fn add(&mut self, item: Item) {
        self.gathered.push(item);
        if self.gathered.len() == self.size {
            self.send();
        }
    }

    fn send(&mut self) {
        let batch = std::mem::replace(&mut self.gathered, Vec::with_capacity(self.size));
        self.unwanted |= !batch.is_empty() && self.sender.send(batch).is_err();
    }
}

/// A register that stands still: what is applied becomes its next snapshot, or nothing does.
impl Target for Import<'_> {
    type Error = ImportError;

    const BATCH: usize = 256;

    fn knows(&self, content: &str) -> bool {
        self.ledger().knows(content)
    }

    fn progress(&self, _: &str) -> u64 {
        0
    }

    fn begin(&mut self, place: FilePlace, _: &str) -> Result<bool, ImportError> {
        Ok(self.begin_file(place))
    }

    fn apply(&mut self, batch: Batch<'_>) -> Result<Vec<Applied>, ImportError> {
        let one = |wanted| match wanted {
            Wanted::Post(post) => self.post(&post),
            Wanted::Person(person) => self.exchanged(*person),
        };
        batch.entries.into_iter().map(one).collect()
    }

    fn note_file(
        &mut self,
        content: &str,
        _: &str,
        entries: u64,
    ) -> Result<Option<u64>, ImportError> {
        Self::note_file(self, content.to_owned(), entries);
        Ok(None)
    }
}

/// Neighbouring Navet files in the order in which Skatteverket made them; first those that do not tell.
pub fn by_their_dates<F>(files: &mut [(F, Summary)]) {
    let is_navet = |file: &(F, Summary)| matches!(file.1.format, Format::Navet(_));
    let place = |file: &(F, Summary)| file.1.head.place();
    for neighbours in files.chunk_by_mut(|one, other| is_navet(one) == is_navet(other)) {
        if neighbours.first().is_some_and(is_navet) {
            neighbours.sort_by_key(place);
        }
    }
}
