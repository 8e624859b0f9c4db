//! How many misspelt names are found, and how fast: by pu as somebody types them, by PostgreSQL's
//! trigrams and by its double metaphone. A name is found when somebody who bears it is among the first
//! ten. What is asked and what counts as found is the same for all.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use pu::base::swedish::{fold, words};
use pu::person::identity::Formats;
use pu::query::search::{Question, search};
use pu::store::state::{State, open_newest};

use crate::misspelt::{Random, misspell};
use crate::person::{self, Person};
use crate::{Failure, step};

/// Hits that somebody looks at.
const FIRST: usize = 10;

/// Each two words of a name that stand together, once, and how many bear them.
type Names = HashMap<[String; 2], u32>;

/// What was asked, and what it was typed for.
struct Asked {
    name: [String; 2],
    typed: [String; 2],
}

/// How an engine did.
#[derive(Default)]
struct Score {
    times: Vec<Duration>,
    missed: Vec<String>,
}

impl Score {
    fn note(&mut self, asked: &Asked, took: Duration, is_found: bool) {
        self.times.push(took);
        if !is_found {
            let (typed, name) = (asked.typed.join(" "), asked.name.join(" "));
            self.missed.push(format!("{typed} for {name}"));
        }
    }

    fn row(&mut self, engine: &str) -> String {
        self.times.sort_unstable();
        let at = |part: f64| {
            let nth = (self.times.len() as f64 * part) as usize;
            let time = self.times.get(nth.min(self.times.len() - 1));
            time.map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        let found = self.times.len() - self.missed.len();
        let part = 100.0 * found as f64 / self.times.len() as f64;
        let times = [at(0.5), at(0.99), at(1.0)].map(|ms| format!("{ms:.1}"));
        format!(
            "| {engine} | {found} of {} ({part:.1} %) | {} ms |",
            self.times.len(),
            times.join(", ")
        )
    }
}

/// Asks for `count` misspelt names in the register in `data`, and PostgreSQL for the first `peers`.
pub fn run(
    data: &Path,
    count: usize,
    peers: usize,
    seed: u64,
    socket: Option<&str>,
) -> Result<(), Failure> {
    let formats = Formats::standard();
    let snapshot = open_newest(data, &formats)?.ok_or("no register")?;
    let state = State::of_snapshot(Arc::new(snapshot))?;
    let (names, drawn) = step("names", || read(&state, count, seed))?;
    let bearers: u64 = names.values().map(|&many| u64::from(many)).sum();
    println!(
        "{bearers} persons, {} names, {} words",
        names.len(),
        word_count(&names)
    );
    println!("| engine | found among the first {FIRST} | p50, p99, longest |\n|---|---|---|");
    for (engine, is_right) in [("pu", false), ("pu, the names typed right", true)] {
        let mut score = pu(&state, &formats, &drawn, is_right)?;
        println!("{}", score.row(engine));
        score
            .missed
            .iter()
            .for_each(|missed| eprintln!("  {engine} missed {missed}"));
    }
    if let Some(socket) = socket {
        let connect = |database| {
            let mut config = postgres::Config::new();
            config
                .host_path(socket)
                .user("postgres")
                .dbname(database)
                .connect(NoTls)
        };
        // The other tables' locale is C, to which an ö is no letter of a trigram.
        let mut server = connect("postgres")?;
        server.execute("DROP DATABASE IF EXISTS misspelt", &[])?;
        let made = "CREATE DATABASE misspelt LC_CTYPE 'C.UTF-8' TEMPLATE template0";
        server.execute(made, &[])?;
        let mut client = connect("misspelt")?;
        step("PostgreSQL", || fill(&mut client, &names))?;
        let drawn = &drawn[..peers.min(drawn.len())];
        for (engine, text) in STATEMENTS {
            println!("{}", ask(&mut client, text, drawn)?.row(engine));
        }
        let sizes = "SELECT string_agg(relname || ' ' || pg_size_pretty(pg_relation_size(oid)), ', ') \
                     FROM pg_class WHERE relname LIKE 'names%'";
        println!("{}", client.query_one(sizes, &[])?.get::<_, String>(0));
    }
    Ok(())
}

/// The first words of a person's given names and surname, in letters alone.
fn name_of(person: &Person) -> Option<[String; 2]> {
    let name = [words(&person.given).next()?, words(&person.surname).next()?];
    let right = |word: &str| word.chars().count() > 2 && word.chars().all(char::is_alphabetic);
    name.iter()
        .all(|word| right(word))
        .then(|| name.map(str::to_owned))
}

/// Whether somebody bears a name: one of their given names, and a surname.
fn bears(person: &Person, name: &[String; 2]) -> bool {
    words(&person.given).any(|word| word == name[0])
        && words(&person.surname).any(|word| word == name[1])
}

/// All names, and some of them misspelt: as often as they are borne.
fn read(state: &State, count: usize, seed: u64) -> Result<(Names, Vec<Asked>), Failure> {
    let mut names = Names::new();
    let mut all = Vec::new();
    person::each(state, |person, _| {
        if let Some(name) = name_of(person) {
            *names.entry(name.clone()).or_default() += 1;
            all.push(name);
        }
        Ok(())
    })?;
    let mut random = Random(seed);
    let mut drawn = Vec::with_capacity(count);
    for _ in 0..100 * count {
        let name = &all[random.below(all.len())];
        let typed = misspell(&mut random, [&name[0], &name[1]]);
        // Right by chance, or the name of somebody else: no engine can know.
        if !names.contains_key(&typed) && drawn.len() < count {
            let name = name.clone();
            drawn.push(Asked { name, typed });
        }
    }
    Ok((names, drawn))
}

fn word_count(names: &Names) -> usize {
    let words: std::collections::HashSet<&String> = names.keys().flatten().collect();
    words.len()
}

fn pu(state: &State, formats: &Formats, drawn: &[Asked], is_right: bool) -> Result<Score, Failure> {
    let grant = person::grant();
    let mut score = Score::default();
    for asked in drawn {
        let typed = if is_right { &asked.name } else { &asked.typed }.join(" ");
        let began = Instant::now();
        let question = Question::parse("Text", &typed, formats)?;
        let found = search(state, &question, &grant, 50);
        let took = began.elapsed();
        // Too wide is an answer, of nobody.
        let hits = found.map(|found| found.hits).unwrap_or_default();
        let mut is_found = false;
        for view in hits.iter().take(FIRST) {
            is_found |= bears(&person::of(view)?, &asked.name);
        }
        score.note(asked, took, is_found);
    }
    Ok(score)
}

/// PostgreSQL's ways: the text as typed, the two words; ten names, the best first. It is asked for
/// names and not for persons, of which common names would fill all ten rows.
const STATEMENTS: [(&str, &str); 2] = [
    (
        "PostgreSQL, pg_trgm",
        "SELECT given, surname FROM names WHERE name % $1 AND $2 <> '' AND $3 <> '' \
         ORDER BY similarity(name, $1) DESC, bearers DESC LIMIT 10",
    ),
    (
        "PostgreSQL, dmetaphone and levenshtein",
        "SELECT given, surname FROM names \
         WHERE dmetaphone(given) = dmetaphone($2) AND dmetaphone(surname) = dmetaphone($3) \
         ORDER BY levenshtein(name, $1), bearers DESC LIMIT 10",
    ),
];

fn ask(client: &mut Client, text: &str, drawn: &[Asked]) -> Result<Score, Failure> {
    let statement = client.prepare(text)?;
    let mut score = Score::default();
    for asked in drawn {
        let [given, surname] = &asked.typed;
        let began = Instant::now();
        let rows = client.query(&statement, &[&asked.typed.join(" "), given, surname])?;
        let took = began.elapsed();
        let is_it = |row: &postgres::Row| {
            fold(row.get(0)) == asked.name[0] && fold(row.get(1)) == asked.name[1]
        };
        score.note(asked, took, rows.iter().any(is_it));
    }
    Ok(score)
}

fn fill(client: &mut Client, names: &Names) -> Result<(), Failure> {
    client.batch_execute(
        "CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE EXTENSION IF NOT EXISTS fuzzystrmatch; \
         CREATE TABLE names(name text NOT NULL, given text NOT NULL, \
         surname text NOT NULL, bearers integer NOT NULL)",
    )?;
    let mut copy = client.copy_in("COPY names FROM STDIN")?;
    for ([given, surname], bearers) in names {
        writeln!(copy, "{given} {surname}\t{given}\t{surname}\t{bearers}")?;
    }
    copy.finish()?;
    client.batch_execute(
        "CREATE INDEX names_trigrams ON names USING gin(name gin_trgm_ops) WITH (fastupdate=off); \
         CREATE INDEX names_sounds ON names(dmetaphone(given), dmetaphone(surname))",
    )?;
    client.batch_execute("VACUUM ANALYZE names")?;
    Ok(())
}
