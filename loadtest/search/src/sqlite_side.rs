//! SQLite's FTS5, in process: an index of words without their text, with prefixes listed.

use std::path::{Path, PathBuf};

use pu::base::swedish::words;
use pu::store::state::State;
use rusqlite::Connection;

use crate::Failure;
use crate::engine::{Answer, Engine, wanted};
use crate::person;
use crate::question::{Ask, Kind};

/// The index: `c` before a county's digits makes a word of its own.
const TABLE: &str = "CREATE VIRTUAL TABLE names USING fts5(
    given, middle, surname, city, county,
    content='', detail=column, prefix='2 3 4',
    tokenize=\"unicode61 remove_diacritics 0 tokenchars '''’'\")";

pub struct Sqlite {
    file: PathBuf,
    connection: Connection,
}

impl Sqlite {
    /// Opens the index in `folder`, and fills it first when it is not there.
    pub fn open(folder: &Path, state: &State) -> Result<Self, Failure> {
        let file = folder.join("fts5.db");
        if !file.is_file() {
            let part = folder.join("fts5.part");
            fill(&part, state)?;
            std::fs::rename(&part, &file)?;
        }
        let connection = Connection::open(&file)?;
        connection.execute_batch("PRAGMA query_only=1; PRAGMA mmap_size=8589934592;")?;
        Ok(Self { file, connection })
    }
}

fn fill(part: &Path, state: &State) -> Result<(), Failure> {
    if part.is_file() {
        std::fs::remove_file(part)?;
    }
    let connection = Connection::open(part)?;
    connection.execute_batch("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;")?;
    connection.execute_batch(TABLE)?;
    connection.execute_batch("BEGIN")?;
    let mut insert = connection.prepare(
        "INSERT INTO names(rowid, given, middle, surname, city, county) VALUES(?, ?, ?, ?, ?, ?)",
    )?;
    person::each(state, |person, _| {
        let cut = |text: &str| words(text).collect::<Vec<_>>().join(" ");
        insert.execute((
            i64::try_from(person.identity)?,
            cut(&person.given),
            cut(&person.middle),
            cut(&person.surname),
            cut(&person.city),
            format!("c{}", person.county),
        ))?;
        Ok(())
    })?;
    drop(insert);
    connection.execute_batch("COMMIT; INSERT INTO names(names) VALUES('optimize');")?;
    Ok(())
}

impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite FTS5"
    }

    fn takes(&self, kind: Kind) -> bool {
        matches!(kind, Kind::CountAndFirst | Kind::FreeText)
    }

    fn is_literal(&self, _: Kind) -> bool {
        true
    }

    fn answer(&mut self, kind: Kind, ask: &Ask) -> Result<Answer, Failure> {
        let text = match ask {
            Ask::WordPrefix { county, prefix } => {
                format!("county : c{county} AND surname : \"{prefix}\" *")
            }
            Ask::Words([one, two, three]) => {
                format!(
                    "{{given middle surname city}} : (\"{one}\" * AND \"{two}\" * AND \"{three}\" *)"
                )
            }
            _ => return Err("not a question for FTS5".into()),
        };
        let mut find = self
            .connection
            .prepare_cached("SELECT rowid FROM names WHERE names MATCH ?")?;
        let mut rows = find.query([text])?;
        let mut answer = Answer::default();
        while let Some(row) = rows.next()? {
            answer.hit(row.get::<_, i64>(0)?.unsigned_abs(), wanted(kind));
        }
        Ok(answer)
    }

    fn sizes(&mut self) -> Result<Vec<(String, u64)>, Failure> {
        Ok(vec![(
            "file".to_owned(),
            std::fs::metadata(&self.file)?.len(),
        )])
    }
}
