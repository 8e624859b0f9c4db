//! `pu generate`: an invented population as a Navet file, or straight to a snapshot.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use super::{Failure, progress};
use crate::base::files;
use crate::base::time::{Moment, PartialDate};
use crate::feed::exchange;
use crate::feed::generate::{Settlers, Taken, Village, base_day, in_order, synthetic_population};
use crate::feed::read::{Encoding, Navet};
use crate::feed::write::{Header, Writer};
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
    /// .xml (Navet XML); .gz and .zst are packed
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
        let folder = self.folder();
        let is_snapshot = self.out.extension().is_some_and(|it| it == "snapshot");
        let written = if is_snapshot || folder == self.out {
            self.to_snapshot(folder, &formats, &mut beside, &bar)?
        } else {
            self.to_navet(&formats, &mut beside, &bar)?;
            self.out.clone()
        };
        let also = beside.finish(&formats)?;
        bar.finish_and_clear();
        println!("{}: {} persons", written.display(), self.persons);
        for file in also {
            println!("{}", file.display());
        }
        Ok(())
    }

    /// The folder that is asked for, or that the file is to lie in.
    fn folder(&self) -> &Path {
        let ends_as_folder = self.out.as_os_str().as_encoded_bytes().ends_with(b"/");
        if ends_as_folder || self.out.is_dir() {
            return &self.out;
        }
        let parent = self.out.parent();
        parent
            .filter(|it| !it.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    }

    fn villages(&self, formats: &Formats) -> impl Iterator<Item = Settlers> + Send {
        synthetic_population(formats, self.persons, self.seed)
    }

    fn to_snapshot(
        &self,
        folder: &Path,
        formats: &Formats,
        beside: &mut Beside,
        bar: &ProgressBar,
    ) -> Result<PathBuf, Failure> {
        if folder == self.out && folder.is_dir() && folder::newest(folder)?.is_some() {
            return Err(format!("{} holds a register already", folder.display()).into());
        }
        if folder == self.out && folder.is_dir() {
            refuse_orphan(folder)?;
        }
        files::create_folder(folder)?;
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
        let written = written.ok_or("nothing was generated")?;
        if folder == self.out {
            return Ok(written);
        }
        fs::rename(written, &self.out)?;
        Ok(self.out.clone())
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
        let mut writer = navet_writer(self.persons, base_day(), formats, &self.out)?;
        let settle = |settlers: Settlers| {
            let village = settlers.settle();
            let posts: Vec<Post> = village.posts().collect();
            (village, posts)
        };
        in_order(self.villages(formats), settle, |(village, posts)| {
            for post in &posts {
                writer.write(post)?;
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
        writer.finish()?.flush()?;
        Ok(())
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
        files::create_folder(&folder)?;
        let files = self.days.into_iter().map(|(day, posts)| {
            let path = folder.join(format!("navet_{:08}.txt", day.number()));
            let count = posts.len();
            write_navet(posts.into_iter(), count, day, formats, &path)?;
            Ok(path)
        });
        files.collect()
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
    let mut writer = navet_writer(count, date, formats, path)?;
    for post in posts {
        writer.write(&post)?;
    }
    writer.finish()?.flush()?;
    Ok(())
}

/// A Navet file for so many posts; its name tells format and packing.
fn navet_writer<'f>(
    posts: usize,
    date: PartialDate,
    formats: &'f Formats,
    path: &Path,
) -> Result<Writer<'f, Box<dyn Write>>, Failure> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let file = BufWriter::with_capacity(1 << 18, files::create(path)?);
    let (plain, out): (&str, Box<dyn Write>) = if let Some(plain) = name.strip_suffix(".gz") {
        (
            plain,
            Box::new(flate2::write::GzEncoder::new(
                file,
                flate2::Compression::fast(),
            )),
        )
    } else if let Some(plain) = name.strip_suffix(".zst") {
        (plain, Box::new(zstd::Encoder::new(file, 1)?.auto_finish()))
    } else {
        (name.as_str(), Box::new(file))
    };
    let (navet, encoding) = match plain.rsplit_once('.') {
        Some((_, "xml")) => (Navet::Xml, Encoding::Latin1),
        Some((_, "txt")) => (Navet::Text, Encoding::Latin1),
        _ => return Err("the file's name ends in .snapshot, .txt or .xml".into()),
    };
    let header = Header {
        encoding,
        order_id: "00000236-FO01-0002".to_owned(),
        effectuated: date,
        posts: posts as u64,
    };
    Ok(Writer::new(out, navet, header, formats)?)
}

/// Six in the morning of a day, when files come.
pub fn morning(date: PartialDate) -> Result<Moment, Failure> {
    Moment::parse(&format!("{date}T06:00:00")).ok_or_else(|| "not a complete date".into())
}
