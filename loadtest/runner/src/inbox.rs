//! Change files from Skatteverket: written, put into the inbox as any other program would, and
//! followed until the service has put them away. A thread of its own, so that writing a file delays no
//! request.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use pu::base::time::Moment;
use pu::feed::inbox::{DONE, FAILED, path_of_report};
use pu::feed::read::{Encoding, Navet};
use pu::feed::write::{Header, WriteError, Writer};
use pu::person::field::Field;
use pu::person::identity::{Formats, Identity};
use pu::person::value::Value;
use pu::register::post::{Edit, Post};

use crate::answer::{Failure, Verdict};
use crate::drive::Clock;
use crate::schedule::Schedule;
use crate::tally::Over;

const STREET: Field = Field::at("addressInformation/residentialAddress/postalAddress2");
const CASE_TYPE: Field =
    Field::at("populationRegistrationRecord/notificationCase/notificationType");

/// How often the report of a file is looked for: what it is told to have taken is exact to this.
const LOOK: Duration = Duration::from_millis(50);

/// Drops files into an inbox.
pub struct Sender {
    /// The inbox.
    pub inbox: PathBuf,
    /// How identities are written.
    pub formats: Formats,
    /// Whom the files tell of.
    pub people: Vec<Identity>,
    /// Persons in a file.
    pub ids: usize,
    /// How long a report is waited for.
    pub patience: Duration,
    /// What tells this run's files from others.
    pub seed: u64,
}

/// Why a file is not dropped.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The inbox cannot be written to.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Sender {
    /// Drops files as they are due, and tells of each when it is over. Ends with the schedule, or
    /// when it is told to.
    pub fn follow(
        &self,
        schedule: Schedule,
        clock: Clock,
        stop: &Arc<AtomicBool>,
        tell: impl Fn(Over),
    ) {
        let mut chance = Rng::with_seed(self.seed);
        for (number, due) in schedule.enumerate() {
            let due = clock.begin + due;
            while Instant::now() < due {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let left = due.saturating_duration_since(Instant::now());
                std::thread::sleep(left.min(LOOK));
            }
            let name = format!("last_{:x}_{number}.txt", self.seed);
            let (verdict, bytes_out) = match self.drop_file(&name, &mut chance) {
                Ok(bytes) => (self.outcome(&name, stop), bytes),
                Err(_) => (Verdict::Failed(Failure::Transport), 0),
            };
            tell(Over {
                due: clock.measured(due),
                took: due.elapsed(),
                verdict,
                bytes_out,
                bytes_in: 0,
            });
        }
    }

    /// Writes a file beside the inbox's others under a name that is left alone, then gives it its own.
    fn drop_file(&self, name: &str, chance: &mut Rng) -> Result<usize, SendError> {
        let bytes = self.file(chance)?;
        let hidden = self.inbox.join(format!(".{name}"));
        fs::write(&hidden, &bytes)?;
        fs::rename(hidden, self.inbox.join(name))?;
        Ok(bytes.len())
    }

    /// A file in which people have moved within their city.
    fn file(&self, chance: &mut Rng) -> Result<Vec<u8>, SendError> {
        let today = Moment::now().timestamp.number() / 1_000_000;
        let today = u32::try_from(today).unwrap_or_default();
        let header = Header {
            encoding: Encoding::Latin1,
            order_id: "00000236-FO01-0002".to_owned(),
            effectuated: pu::base::time::PartialDate::from_number(today)
                .unwrap_or_else(pu::feed::generate::base_day),
            posts: self.ids as u64,
        };
        let mut writer = Writer::new(Vec::new(), Navet::Text, header, &self.formats)?;
        for _ in 0..self.ids {
            let street = format!("LASTPROVSVÄGEN {}", chance.u32(1..1_000_000));
            let post = Post {
                subject: self.people[chance.usize(..self.people.len())],
                post_id: None,
                total: false,
                overtaken: false,
                edits: vec![
                    Edit::Set(CASE_TYPE, Value::from("41H")),
                    Edit::Set(STREET, Value::from(&*street)),
                ],
            };
            writer.write(&post)?;
        }
        Ok(writer.finish()?)
    }

    /// Waits for the report on a file and judges it. What was ours is taken away again, so that an
    /// hour's files do not heap up.
    fn outcome(&self, name: &str, stop: &AtomicBool) -> Verdict {
        let until = Instant::now() + self.patience;
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            for (folder, is_done) in [(DONE, true), (FAILED, false)] {
                let folder = self.inbox.join(folder);
                let path = path_of_report(&folder, name);
                // The report is written before the file is put beside it.
                let is_over = path.exists() && !self.inbox.join(name).exists();
                if let (true, Ok(report)) = (is_over, fs::read(&path)) {
                    if is_done {
                        clear(&folder, name, &path);
                    }
                    return verdict(&report, is_done, self.ids as u64);
                }
            }
            std::thread::sleep(LOOK);
        }
        Verdict::Failed(Failure::Timeout)
    }
}

fn clear(folder: &Path, name: &str, report: &Path) {
    // What cannot be taken away is left to the operator, as any other file.
    let _ = fs::remove_file(folder.join(name));
    let _ = fs::remove_file(report);
}

fn verdict(report: &[u8], is_done: bool, posts: u64) -> Verdict {
    let Ok(told) = serde_json::from_slice::<serde_json::Value>(report) else {
        return Verdict::Failed(Failure::Wrong);
    };
    let rejected = told["rejected"]
        .as_object()
        .is_some_and(|it| !it.is_empty());
    let read = told["read"].as_u64();
    let changed = told["changed"].as_u64().unwrap_or_default();
    match () {
        () if !is_done => Verdict::Failed(Failure::Fault),
        () if rejected || read != Some(posts) || changed == 0 => Verdict::Failed(Failure::Wrong),
        () => Verdict::Right(changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_refused_or_told_too_little_is_an_error() {
        let told = |rejected: &str, read: u64, changed: u64| {
            format!("{{\"read\":{read},\"changed\":{changed},\"rejected\":{rejected}}}")
        };
        let judged = |text: String, is_done| verdict(text.as_bytes(), is_done, 5);
        assert_eq!(judged(told("{}", 5, 4), true), Verdict::Right(4));
        let wrong = Verdict::Failed(Failure::Wrong);
        assert_eq!(judged(told("{}", 4, 4), true), wrong);
        assert_eq!(judged(told("{}", 5, 0), true), wrong);
        assert_eq!(judged(told("{\"x\":1}", 5, 4), true), wrong);
        assert_eq!(judged("not JSON".to_owned(), true), wrong);
        let fault = Verdict::Failed(Failure::Fault);
        assert_eq!(judged(told("{}", 5, 4), false), fault);
    }

    #[test]
    fn the_file_is_one_that_the_register_reads() {
        let formats = Formats::standard();
        let numbers = include_str!("../../../snapshots/source/personal-numbers.txt");
        let people: Vec<Identity> = numbers
            .lines()
            .filter_map(|line| formats.guess(line).ok())
            .take(50)
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let sender = Sender {
            inbox: folder.path().to_path_buf(),
            formats,
            people,
            ids: 20,
            patience: Duration::ZERO,
            seed: 1,
        };
        let mut chance = Rng::with_seed(1);
        sender.drop_file("one.txt", &mut chance).unwrap();
        sender.drop_file("two.txt", &mut chance).unwrap();
        let (one, two) = (folder.path().join("one.txt"), folder.path().join("two.txt"));
        // The same file twice would change nothing.
        assert_ne!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
        let options = pu::feed::file::Options::default();
        let summary = pu::feed::file::inspect(&one, &options).unwrap();
        summary.check(&one).unwrap();
        let read = pu::feed::file::read(&one, &summary, &sender.formats, &options).unwrap();
        let posts = read.filter(|it| matches!(it, Ok(pu::feed::read::Read::Post(_))));
        assert_eq!(posts.count(), 20);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
