//! PostgreSQL, over a unix socket, every statement prepared once.
//!
//! The database's locale is C, so that a prefix is a range of an ordinary B-tree. One table holds a
//! row per person with the record as JSON, one the words of surnames by county, as pu's index does.

use std::collections::BTreeSet;
use std::io::Write;

use postgres::types::ToSql;
use postgres::{Client, NoTls, Row, Statement};
use pu::base::swedish::words;
use pu::person::identity::Formats;
use pu::store::state::State;

use crate::Failure;
use crate::engine::{Answer, Engine, FIRST, after, wanted};
use crate::person::{self, Person};
use crate::question::{Ask, Kind};

const TABLES: &str = "
    CREATE TABLE persons(
        identity bigint NOT NULL, given_name text NOT NULL, middle_name text NOT NULL,
        surname text NOT NULL, birth_date integer NOT NULL, gender text NOT NULL,
        county text NOT NULL, municipality text NOT NULL, postal_code text NOT NULL,
        city text NOT NULL, street text NOT NULL, version bigint NOT NULL,
        words tsvector NOT NULL, record text NOT NULL);
    CREATE TABLE surname_words(county text NOT NULL, word text NOT NULL, identity bigint NOT NULL);";

const INDEXES: &[&str] = &[
    "ALTER TABLE persons ADD PRIMARY KEY (identity)",
    "CREATE INDEX persons_county_surname ON persons(county, surname)",
    "CREATE INDEX persons_surname_given ON persons(surname, given_name)",
    "CREATE INDEX persons_birth_date ON persons(birth_date)",
    "CREATE INDEX persons_version ON persons(version)",
    "CREATE INDEX persons_locality ON persons(county, municipality)",
    "CREATE INDEX persons_postal_code ON persons(postal_code)",
    "CREATE INDEX persons_words ON persons USING gin(words) WITH (fastupdate=off)",
    "ALTER TABLE surname_words ADD PRIMARY KEY (county, word, identity)",
    "VACUUM (FREEZE, ANALYZE) persons",
    "VACUUM (FREEZE, ANALYZE) surname_words",
    // Last: it says that everything is there.
    "CREATE TABLE loaded()",
];

/// Entries read for the first fifty, which may hold somebody twice.
const LISTED: usize = FIRST + FIRST / 4;

pub struct Postgres {
    client: Client,
    identity: Statement,
    count_and_first: Statement,
    name_and_county: Statement,
    records: Statement,
    name_prefix: Statement,
    full_name: Statement,
    born: Statement,
    changed: Statement,
    words: Statement,
}

impl Postgres {
    /// Connects to the server behind the socket in `folder`, and fills it first when it is empty.
    pub fn open(folder: &str, state: &State) -> Result<Self, Failure> {
        let mut client = postgres::Config::new()
            .host_path(folder)
            .user("postgres")
            .dbname("postgres")
            .connect(NoTls)?;
        let loaded: bool = client
            .query_one("SELECT to_regclass('loaded') IS NOT NULL", &[])?
            .get(0);
        if !loaded {
            fill(&mut client, state)?;
        }
        let counted = |hits: &str, most: usize| {
            format!(
                "WITH hits AS MATERIALIZED ({hits}) SELECT (SELECT count(*) FROM hits), \
                 ARRAY(SELECT identity FROM hits LIMIT {most})"
            )
        };
        let of_persons =
            |what: &str, test: &str| format!("SELECT {what} FROM persons WHERE {test}");
        let name_and_county = "county = $1 AND surname >= $2 AND surname < $3";
        let listed = "SELECT identity FROM surname_words \
                      WHERE county = $1 AND word >= $2 AND word < $3";
        let words = of_persons("identity", "words @@ $1::text::tsquery");
        let mut statement = |text: &str| client.prepare(text);
        Ok(Self {
            identity: statement(&of_persons("record", "identity = $1"))?,
            count_and_first: statement(&counted(listed, LISTED))?,
            name_and_county: statement(&of_persons("identity", name_and_county))?,
            records: statement(&of_persons("identity, record", name_and_county))?,
            name_prefix: statement(&of_persons("identity", "surname >= $1 AND surname < $2"))?,
            full_name: statement(&of_persons("identity", "surname = $1 AND given_name = $2"))?,
            born: statement(&of_persons("identity", "birth_date BETWEEN $1 AND $2"))?,
            changed: statement(&of_persons("identity", "version >= $1"))?,
            words: statement(&counted(&words, FIRST))?,
            client,
        })
    }

    fn all(
        &mut self,
        which: fn(&Self) -> &Statement,
        with: &[&(dyn ToSql + Sync)],
    ) -> Result<Answer, Failure> {
        let statement = which(self).clone();
        let mut answer = Answer::default();
        for row in self.client.query(&statement, with)? {
            answer.hit(row.get::<_, i64>(0).unsigned_abs(), usize::MAX);
            if row.len() > 1 {
                answer.bytes += row.get::<_, &str>(1).len();
            }
        }
        Ok(answer)
    }
}

/// The answer of a statement that counts.
fn counted(row: &Row, most: usize) -> Answer {
    let mut answer = Answer::default();
    for identity in row.get::<_, Vec<i64>>(1) {
        let identity = identity.unsigned_abs();
        if !answer.hits.contains(&identity) {
            answer.hit(identity, most);
        }
    }
    answer.count = row.get::<_, i64>(0).unsigned_abs();
    answer
}

fn fill(client: &mut Client, state: &State) -> Result<(), Failure> {
    client.batch_execute("DROP TABLE IF EXISTS persons, surname_words")?;
    let formats = Formats::standard();
    // Into tables made in the same transaction, so that nothing needs to be logged.
    let mut transaction = client.transaction()?;
    transaction.batch_execute(TABLES)?;
    let mut copy = transaction.copy_in("COPY persons FROM STDIN")?;
    let (mut json, mut line) = (Vec::new(), String::new());
    person::each(state, |person, view| {
        person::as_json(view, &formats, &mut json)?;
        row(person, std::str::from_utf8(&json)?, &mut line);
        copy.write_all(line.as_bytes())?;
        Ok(())
    })?;
    copy.finish()?;
    let mut copy = transaction.copy_in("COPY surname_words FROM STDIN")?;
    person::each(state, |person, _| {
        line.clear();
        for word in words(&person.surname).collect::<BTreeSet<_>>() {
            for column in [&person.county, word, &person.identity.to_string()] {
                push(column, &mut line);
            }
            end(&mut line);
        }
        copy.write_all(line.as_bytes())?;
        Ok(())
    })?;
    copy.finish()?;
    transaction.commit()?;
    for statement in INDEXES {
        client.batch_execute(statement)?;
    }
    Ok(())
}

/// A person as a line of COPY.
fn row(person: &Person, json: &str, line: &mut String) {
    let quoted = |word: &str| format!("'{}'", word.replace('\'', "''"));
    let words: Vec<String> = person.all_words().map(quoted).collect();
    line.clear();
    for column in [
        &person.identity.to_string(),
        &person.given,
        &person.middle,
        &person.surname,
        &person.birth.to_string(),
        &person.gender,
        &person.county,
        &person.municipality,
        &person.postal_code,
        &person.city,
        &person.street,
        &person.version.to_string(),
        &words.join(" "),
        json,
    ] {
        push(column, line);
    }
    end(line);
}

fn push(column: &str, line: &mut String) {
    for c in column.chars() {
        match c {
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c => line.push(c),
        }
    }
    line.push('\t');
}

/// Makes the tab after the last column the line's end.
fn end(line: &mut String) {
    line.pop();
    line.push('\n');
}

impl Engine for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn takes(&self, _: Kind) -> bool {
        true
    }

    fn is_literal(&self, _: Kind) -> bool {
        true
    }

    fn answer(&mut self, kind: Kind, ask: &Ask) -> Result<Answer, Failure> {
        match ask {
            Ask::Identity(identity) => {
                let key = i64::try_from(*identity)?;
                let rows = self.client.query(&self.identity, &[&key])?;
                let mut answer = Answer::default();
                for row in rows {
                    answer.hit(*identity, 1);
                    answer.bytes += row.get::<_, &str>(0).len();
                }
                Ok(answer)
            }
            Ask::WordPrefix { county, prefix } => {
                let with: &[&(dyn ToSql + Sync)] = &[county, prefix, &after(prefix)];
                let row = self.client.query_one(&self.count_and_first, with)?;
                Ok(Answer {
                    listings: true,
                    ..counted(&row, wanted(kind))
                })
            }
            Ask::Surname {
                county: Some(county),
                prefix,
            } => {
                let with: &[&(dyn ToSql + Sync)] = &[county, prefix, &after(prefix)];
                match kind {
                    Kind::Records => self.all(|it| &it.records, with),
                    _ => self.all(|it| &it.name_and_county, with),
                }
            }
            Ask::Surname {
                county: None,
                prefix,
            } => self.all(|it| &it.name_prefix, &[prefix, &after(prefix)]),
            Ask::FullName { given, surname } => self.all(|it| &it.full_name, &[surname, given]),
            Ask::Born { from, to } => {
                let (from, to) = (i32::try_from(*from)?, i32::try_from(*to)?);
                self.all(|it| &it.born, &[&from, &to])
            }
            Ask::Changed { since } => self.all(|it| &it.changed, &[&i64::try_from(*since)?]),
            Ask::Words(words) => {
                let begins = words.iter().map(|word| format!("'{word}':*"));
                let text = begins.collect::<Vec<_>>().join(" & ");
                let row = self.client.query_one(&self.words, &[&text])?;
                Ok(counted(&row, wanted(kind)))
            }
        }
    }

    fn sizes(&mut self) -> Result<Vec<(String, u64)>, Failure> {
        let rows = self.client.query(
            "SELECT c.relname::text, \
                 CASE c.relkind WHEN 'r' THEN pg_table_size(c.oid) ELSE pg_relation_size(c.oid) END \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i') AND c.relname <> 'loaded' \
             ORDER BY c.relkind, c.relname",
            &[],
        )?;
        let size = |row: &Row| (row.get(0), row.get::<_, i64>(1).unsigned_abs());
        Ok(rows.iter().map(size).collect())
    }
}
