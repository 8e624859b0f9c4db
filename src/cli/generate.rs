//! `pu generate`: an invented population as a Navet file, or straight to a snapshot.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, progress};
use crate::base::time::{Moment, PartialDate};
use crate::feed::generate::{base_day, synthetic_population};
use crate::feed::read::{Encoding, Navet};
use crate::feed::write::{Header, Writer};
use crate::person::identity::Formats;
use crate::register::import::Import;
use crate::register::post::Post;

/// Write an invented population, the same for the same seed. Its numbers have right check digits
/// and may be real people's: everybody is marked as a test person, and the file must never be
/// mixed with real data.
#[derive(Args)]
pub struct Generate {
    /// How many persons
    #[arg(long, value_name = "N")]
    persons: usize,
    /// What tells this population from another
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// File to write: .snapshot, .txt (Navet text) or .xml (Navet XML); .gz and .zst are packed
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Generate {
    pub fn run(self) -> Result<(), Failure> {
        let formats = Formats::standard();
        let bar = progress::bar("generating", self.persons as u64, "persons");
        let posts = synthetic_posts(&formats, self.persons, self.seed).inspect(|_| bar.inc(1));
        if self.out.extension().is_some_and(|it| it == "snapshot") {
            to_snapshot(posts, &formats, &self.out)?;
        } else {
            write_navet(posts, self.persons as u64, base_day(), &formats, &self.out)?;
        }
        bar.finish_and_clear();
        println!("{}: {} persons", self.out.display(), self.persons);
        Ok(())
    }
}

fn to_snapshot(
    posts: impl Iterator<Item = Post>,
    formats: &Formats,
    out: &Path,
) -> Result<(), Failure> {
    let folder = out
        .parent()
        .filter(|it| !it.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut run = Import::new(folder, None, formats, morning(base_day())?, |_| true)?;
    for post in posts {
        run.post(&post)?;
    }
    let written = run.finish(|_| {})?.ok_or("nothing was generated")?;
    std::fs::rename(written, out)?;
    Ok(())
}

/// The total posts of an invented population, village by village.
pub fn synthetic_posts(formats: &Formats, persons: usize, seed: u64) -> impl Iterator<Item = Post> {
    synthetic_population(formats, persons, seed)
        .flat_map(|settlers| settlers.settle().posts().collect::<Vec<_>>())
}

/// Writes posts as a Navet file; its name tells format and packing.
pub fn write_navet(
    posts: impl Iterator<Item = Post>,
    count: u64,
    date: PartialDate,
    formats: &Formats,
    path: &Path,
) -> Result<(), Failure> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let file = BufWriter::with_capacity(1 << 18, File::create(path)?);
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
    let order_id = "00000236-FO01-0002".to_owned();
    let header = Header {
        encoding,
        order_id,
        effectuated: date,
        posts: count,
    };
    let mut writer = Writer::new(out, navet, header, formats)?;
    for post in posts {
        writer.write(&post)?;
    }
    writer.finish()?.flush()?;
    Ok(())
}

/// Six in the morning of a day, when files come.
pub fn morning(date: PartialDate) -> Result<Moment, Failure> {
    Moment::parse(&format!("{date}T06:00:00")).ok_or_else(|| "not a complete date".into())
}
