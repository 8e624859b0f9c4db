//! Searches of one register by pu and by what else could search it: the same questions in the same
//! run, every answer checked. `../run` does everything; `README.md` says what is measured.

mod engine;
mod machine;
mod measure;
mod misspelt;
mod person;
mod postgres_side;
mod pu_side;
mod question;
mod recall;
mod register;
mod report;
mod sorted;
mod sqlite_side;
mod tantivy_side;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Parser};

use engine::Engine;
use measure::Bounds;
use question::{Kind, Truth};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Anything that ends the run.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Compare searches.
#[derive(Parser)]
enum Command {
    /// Make the register, if there is none yet
    Register(Register),
    /// Ask everybody the same questions
    Measure(Measure),
    /// Ask for misspelt names
    Recall(Recall),
}

#[derive(Args)]
struct Recall {
    /// Data folder of a register, for instance of `pu generate --out DIR/`
    #[arg(long)]
    data: PathBuf,
    /// Folder of PostgreSQL's socket; without it, PostgreSQL stays out
    #[arg(long)]
    postgres: Option<String>,
    /// How many names
    #[arg(long, default_value_t = 1_000)]
    names: usize,
    /// How many of them PostgreSQL is asked for: its trigrams take their time
    #[arg(long, default_value_t = 1_000)]
    peers: usize,
    /// What they are drawn and misspelt with
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Args)]
struct Register {
    /// How many persons
    #[arg(long)]
    persons: usize,
    /// Folder of everything that is made and kept
    #[arg(long)]
    data: PathBuf,
}

#[derive(Args)]
struct Measure {
    #[command(flatten)]
    register: Register,
    /// Folder of PostgreSQL's socket; without it, PostgreSQL stays out
    #[arg(long)]
    postgres: Option<String>,
    /// Leave SQLite out: it takes longest to load
    #[arg(long)]
    without_sqlite: bool,
    /// Rounds of all engines in turn
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Questions of each kind
    #[arg(long, default_value_t = 1_000)]
    questions: usize,
    /// What the questions are drawn with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Longest turn of one engine, in seconds
    #[arg(long, default_value_t = 3.0)]
    turn: f64,
    /// Folder for the results
    #[arg(long)]
    results: PathBuf,
}

fn main() -> Result<(), Failure> {
    match Command::parse() {
        Command::Register(it) => register::open(&it.data, it.persons).map(drop),
        Command::Measure(it) => it.run(),
        Command::Recall(it) => {
            let socket = it.postgres.as_deref();
            recall::run(&it.data, it.names, it.peers, it.seed, socket)
        }
    }
}

/// Says how long a step took.
fn step<T>(what: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let began = Instant::now();
    let done = work()?;
    eprintln!("  {what}: {:.0} s", began.elapsed().as_secs_f64());
    Ok(done)
}

impl Measure {
    fn run(self) -> Result<(), Failure> {
        let machine = machine::describe();
        let data = &self.register.data;
        let state = step("register", || register::open(data, self.register.persons))?;
        let folder = register::folder(data, self.register.persons);
        let mut tantivy = step("tantivy", || tantivy_side::Tantivy::open(&folder, &state))?;
        let mut sqlite = match self.without_sqlite {
            true => None,
            false => Some(step("SQLite", || {
                sqlite_side::Sqlite::open(&folder, &state)
            })?),
        };
        let mut postgres = match &self.postgres {
            Some(socket) => Some(step("PostgreSQL", || {
                postgres_side::Postgres::open(socket, &state)
            })?),
            None => None,
        };
        let truth = step("answers", || Truth::read(&state))?;
        let mut index = pu_side::PuIndex(&state);
        let mut search = pu_side::PuSearch::new(&state);
        let mut sorted = sorted::Sorted(&truth);
        let mut engines: Vec<&mut dyn Engine> =
            vec![&mut index, &mut search, &mut sorted, &mut tantivy];
        if let Some(sqlite) = &mut sqlite {
            engines.push(sqlite);
        }
        if let Some(postgres) = &mut postgres {
            engines.push(postgres);
        }
        let bounds = Bounds {
            rounds: self.rounds.max(1),
            turn: Duration::from_secs_f64(self.turn),
        };
        let (mut measured, mut notes) = (Vec::new(), Vec::new());
        for kind in Kind::ALL {
            let questions = truth.draw(kind, self.questions, self.seed);
            if questions.is_empty() {
                notes.push(format!(
                    "{}: no such question in this register",
                    kind.name()
                ));
                continue;
            }
            let twice = |it: &&question::Question| {
                kind == Kind::CountAndFirst
                    && it
                        .hits
                        .as_ref()
                        .is_some_and(|hits| hits.len() as u64 != it.listings)
            };
            let twice = questions.iter().filter(twice).count();
            if twice > 0 {
                notes.push(format!(
                    "{}: in {twice} of {} questions somebody has two such words; pu's index, the \
                     sorted list and PostgreSQL count words, the others persons",
                    kind.name(),
                    questions.len()
                ));
            }
            measured.extend(step(kind.name(), || {
                measure::measure(kind, &questions, &mut engines, &bounds)
            })?);
        }
        let mut sizes = Vec::new();
        for engine in &mut engines {
            let name = engine.name();
            sizes.extend(
                engine
                    .sizes()?
                    .into_iter()
                    .map(|(part, bytes)| (name, part, bytes)),
            );
        }
        let report = report::Report {
            machine,
            persons: truth.persons(),
            names: truth.names(),
            rounds: bounds.rounds,
            measured,
            sizes,
            notes,
        };
        println!("{}", report.markdown());
        let date = jiff::Zoned::now().date().to_string();
        eprintln!("{}", report.write(&self.results, &date)?.display());
        Ok(())
    }
}
