//! `pu generate`: an invented population as a Navet file, or straight to a snapshot.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufWriter, IntoInnerError};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use super::out::{of_file, say};
use super::{Failure, progress};
use crate::base::files::{MadeFolder, Output};
use crate::base::time::{Moment, PartialDate};
use crate::feed::exchange;
use crate::feed::generate::{Settlers, Taken, Village, base_day, in_order, synthetic_population};
use crate::feed::packing::{Packed, Packing};
use crate::feed::read::{Encoding, Navet};
use crate::feed::write::{Header, WriteError, Writer};
use crate::person::identity::Formats;
use crate::register::import::{Import, Settled};
use crate::register::post::Post;
use crate::store::folder;
use crate::store::state::refuse_orphan;

/// Write an invented country, the same for the same seed: families, moves, deaths, protection,
/// coordination numbers, reserve identities and contact data, as common as they are.
///
/// Its numbers have right check digits and may be real people's: everybody is marked as a test
/// person, and what is written must never be mixed with real data. A country of fifteen million has
/// 10.6 million registered inhabitants; the others are dead, have emigrated, or have coordination
/// numbers or numbers that were replaced.
#[derive(Args)]
pub struct Generate {
    /// How many persons
    #[arg(long, default_value_t = 15_000_000, value_name = "N")]
    persons: usize,
    /// What tells this country from another
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// What to write: a data folder to be served (DIR/), or a file: .snapshot, .txt (Navet text) or
    /// .xml (Navet XML); .gz and .zst are packed; - for Navet text on standard output
    #[arg(long, value_name = "DIR/ or FILE")]
    out: PathBuf,
    /// Exchange file for what a Navet file cannot tell: reserve identities and contact data
    /// (a snapshot holds them)
    #[arg(long, value_name = "FILE")]
    exchange: Option<PathBuf>,
    /// Folder for the change files of the days that follow
    #[arg(long, value_name = "DIR")]
    changes: Option<PathBuf>,
}

/// The base file was not made in a day: so many records carry the same minute.
const PERSONS_A_MINUTE: usize = 50;

impl Generate {
    pub fn run(self) -> Result<(), Failure> {
        let formats = Formats::standard();
        let bar = progress::bar("generating", self.persons as u64, "persons");
        let mut beside = Beside::new(&self, &formats)?;
        let written = if self.is_folder() || self.is_snapshot() {
            self.to_snapshot(&formats, &mut beside, &bar)?
        } else {
            self.to_navet(&formats, &mut beside, &bar)?;
            self.out.clone()
        };
        let also = beside.finish(&formats)?;
        bar.finish_and_clear();
        // Standard output has the population itself.
        if self.out == Path::new("-") {
            return Ok(());
        }
        say!("{}: {} persons", written.display(), self.persons)?;
        for file in also {
            say!("{}", file.display())?;
        }
        Ok(())
    }

    fn is_snapshot(&self) -> bool {
        self.out.extension().is_some_and(|it| it == "snapshot")
    }

    fn is_folder(&self) -> bool {
        self.out.as_os_str().as_encoded_bytes().ends_with(b"/") || self.out.is_dir()
    }

    fn villages(&self, formats: &Formats) -> impl Iterator<Item = Settlers> + Send {
        synthetic_population(formats, self.persons, self.seed)
    }

    fn to_snapshot(
        &self,
        formats: &Formats,
        beside: &mut Beside,
        bar: &ProgressBar,
    ) -> Result<PathBuf, Failure> {
        if self.is_folder() {
            let _lock = super::take(&self.out)?;
            if folder::newest(&self.out)?.is_some() {
                return Err(format!("{} holds a register already", self.out.display()).into());
            }
            refuse_orphan(&self.out)?;
            return self.fill(&self.out, formats, beside, bar);
        }
        let in_place = |error| of_file(&self.out, error);
        let output = Output::to(&self.out).map_err(in_place)?;
        // It is made beside its place, where nothing else is.
        let name = format!(".pu-generate.{}.part", uuid::Uuid::new_v4().simple());
        let beside_it = if output.is_stream() {
            std::env::temp_dir().join(name)
        } else {
            self.out.with_file_name(name)
        };
        let made = MadeFolder::at(&beside_it).map_err(|error| of_file(&beside_it, error))?;
        let written = self.fill(&beside_it, formats, beside, bar)?;
        output.finish_with(&written).map_err(in_place)?;
        drop(made);
        Ok(self.out.clone())
    }

    /// Writes the population as the first snapshot of a folder.
    fn fill(
        &self,
        folder: &Path,
        formats: &Formats,
        beside: &mut Beside,
        bar: &ProgressBar,
    ) -> Result<PathBuf, Failure> {
        let mut run = Import::new(folder, None, formats, morning(base_day())?, |_| true)?;
        let villages = self.villages(formats).scan(0, |before, settlers| {
            let first = *before;
            *before += settlers.len();
            Some((first, settlers))
        });
        let settle = |(first, settlers): (usize, Settlers)| {
            let village = settlers.settle();
            let settled = self.settled(&village, first, formats);
            (village, settled)
        };
        in_order(villages, settle, |(village, settled)| {
            run.absorb(&settled?)?;
            for person in village.reserve(&mut beside.taken, formats) {
                if let Some(exchange) = &mut beside.exchange {
                    exchange.write_person(&person)?;
                }
                run.exchanged(person)?;
            }
            beside.note(&village, formats)?;
            bar.inc(village.len() as u64);
            Ok::<_, Failure>(())
        })?;
        bar.set_message("writing");
        bar.reset();
        let written = run.finish(|done| bar.set_position(done))?;
        Ok(written.ok_or("nothing was generated")?)
    }

    /// A village as records; it was the one that began with the person `first` of the country.
    fn settled(
        &self,
        village: &Village,
        first: usize,
        formats: &Formats,
    ) -> Result<Settled, Failure> {
        let mut run = Import::loose(formats, self.written(first)?, |_| true);
        for (number, post) in village.posts().enumerate() {
            if number % PERSONS_A_MINUTE == 0 {
                run.set_moment(self.written(first + number)?);
            }
            run.post(&post)?;
        }
        for person in village.contact(formats) {
            run.exchanged(person)?;
        }
        Ok(run.settle()?)
    }

    /// When a person was written: the last ones on the morning of the base file.
    fn written(&self, number: usize) -> Result<Moment, Failure> {
        let before = self.persons.saturating_sub(number) / PERSONS_A_MINUTE;
        let before = jiff::Span::new().try_minutes(i64::try_from(before)?)?;
        let last: jiff::civil::DateTime = format!("{}T06:00:00", base_day()).parse()?;
        let at = last.checked_sub(before)?;
        Moment::parse(&at.to_string()).ok_or_else(|| "no such moment".into())
    }

    fn to_navet(
        &self,
        formats: &Formats,
        beside: &mut Beside,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        let mut file = NavetFile::begin(self.persons, base_day(), formats, &self.out)?;
        let settle = |settlers: Settlers| {
            let village = settlers.settle();
            let posts: Vec<Post> = village.posts().collect();
            (village, posts)
        };
        in_order(self.villages(formats), settle, |(village, posts)| {
            for post in &posts {
                file.write(post)?;
            }
            if let Some(exchange) = &mut beside.exchange {
                for person in village.reserve(&mut beside.taken, formats) {
                    exchange.write_person(&person)?;
                }
            }
            beside.note(&village, formats)?;
            bar.inc(village.len() as u64);
            Ok::<_, Failure>(())
        })?;
        file.finish()
    }
}

/// What is written beside the population itself.
struct Beside {
    exchange: Option<exchange::FileWriter>,
    taken: Taken,
    changes: Option<PathBuf>,
    days: BTreeMap<PartialDate, Vec<Post>>,
}

impl Beside {
    fn new(asked: &Generate, formats: &Formats) -> Result<Self, Failure> {
        let header = exchange::Header::new(morning(base_day())?.date_time, 0, formats);
        let create = |path| exchange::Writer::create(path, &header, formats.clone());
        Ok(Self {
            exchange: asked.exchange.as_deref().map(create).transpose()?,
            taken: Taken::default(),
            changes: asked.changes.clone(),
            days: BTreeMap::new(),
        })
    }

    /// Takes down a village: its contact data, which a Navet file cannot tell, and the changes of its
    /// next days.
    fn note(&mut self, village: &Village, formats: &Formats) -> Result<(), Failure> {
        if let Some(exchange) = &mut self.exchange {
            for person in village.contact(formats) {
                exchange.write_person(&person)?;
            }
        }
        if self.changes.is_some() {
            for (day, posts) in village.changes() {
                self.days.entry(day).or_default().extend(posts);
            }
        }
        Ok(())
    }

    /// Writes what waits, and names the files.
    fn finish(self, formats: &Formats) -> Result<Vec<PathBuf>, Failure> {
        if let Some(exchange) = self.exchange {
            exchange.finish()?;
        }
        let Some(folder) = self.changes else {
            return Ok(Vec::new());
        };
        let made = MadeFolder::at(&folder).map_err(|error| of_file(&folder, error))?;
        let files = self.days.into_iter().map(|(day, posts)| {
            let path = folder.join(format!("navet_{:08}.txt", day.number()));
            let count = posts.len();
            write_navet(posts.into_iter(), count, day, formats, &path)?;
            Ok::<_, Failure>(path)
        });
        let files = files.collect::<Result<_, _>>()?;
        made.keep();
        Ok(files)
    }
}

/// Writes posts as a Navet file; its name tells format and packing.
pub fn write_navet(
    posts: impl Iterator<Item = Post>,
    count: usize,
    date: PartialDate,
    formats: &Formats,
    path: &Path,
) -> Result<(), Failure> {
    let mut file = NavetFile::begin(count, date, formats, path)?;
    for post in posts {
        file.write(&post)?;
    }
    file.finish()
}

/// A Navet file at the place that a user names.
struct NavetFile<'f> {
    writer: Writer<'f, Packed<BufWriter<Output>>>,
    path: PathBuf,
}

impl<'f> NavetFile<'f> {
    /// Begins a file for so many posts; its name tells format and packing. Standard output gets text.
    fn begin(
        posts: usize,
        date: PartialDate,
        formats: &'f Formats,
        path: &Path,
    ) -> Result<Self, Failure> {
        let packing = Packing::of_name(path);
        let plain = match packing {
            Packing::Plain => path.to_path_buf(),
            Packing::Gzip | Packing::Zstd => path.with_extension(""),
        };
        let navet = match plain.extension().and_then(OsStr::to_str) {
            Some("xml") => Navet::Xml,
            Some("txt") => Navet::Text,
            None if path == Path::new("-") => Navet::Text,
            _ => return Err("the name of the file ends in .snapshot, .txt or .xml".into()),
        };
        let header = Header {
            encoding: Encoding::Latin1,
            order_id: "00000236-FO01-0002".to_owned(),
            effectuated: date,
            posts: posts as u64,
        };
        let begun = Output::to(path)
            .and_then(|it| Packed::new(BufWriter::with_capacity(1 << 18, it), packing));
        let out = begun.map_err(|error| of_file(path, error))?;
        Ok(Self {
            writer: Writer::new(out, navet, header, formats).map_err(|it| failed(path, it))?,
            path: path.to_path_buf(),
        })
    }

    fn write(&mut self, post: &Post) -> Result<(), Failure> {
        self.writer.write(post).map_err(|it| failed(&self.path, it))
    }

    /// Writes the end, and gives the file its name.
    fn finish(self) -> Result<(), Failure> {
        let Self { writer, path } = self;
        let packed = writer.finish().map_err(|it| failed(&path, it))?;
        let plain = packed.finish();
        let output = plain.and_then(|it| it.into_inner().map_err(IntoInnerError::into_error));
        output
            .and_then(Output::finish)
            .map_err(|error| of_file(&path, error))
    }
}

fn failed(path: &Path, error: WriteError) -> Failure {
    match error {
        WriteError::Io(error) => of_file(path, error),
        other => format!("cannot write {}: {other}", path.display()).into(),
    }
}

/// Six in the morning of a day, when files come.
pub fn morning(date: PartialDate) -> Result<Moment, Failure> {
    Moment::parse(&format!("{date}T06:00:00")).ok_or_else(|| "not a complete date".into())
}
