//! Fills the peers with what pu answers.
//!
//! Persons are taken evenly from the whole register, asked of the running pu in batches, and given
//! to two Redis servers (one for whole answers, one for documents) and to PostgreSQL. A document
//! that does not render to the answer it came from ends the run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt;
use indicatif::{ProgressBar, ProgressStyle};
use pu::person::identity::{Formats, IdentityType};
use pu::store::snapshot::Snapshot;
use pu::store::state::{State, open_newest};
use redis::aio::MultiplexedConnection;
use tokio_postgres::Client;

use crate::client::{Address, Caller, Protocol};
use crate::plan::{BATCH, Loaded, MANY, ONE};
use crate::request::{self, Digits};
use crate::{Failure, document, plan, thin};

/// Rows of one COPY.
const COPIED: usize = 100 * BATCH;

/// What is loaded from where to where.
#[derive(clap::Args)]
pub struct Load {
    /// Data folder of the register
    #[arg(long)]
    register: PathBuf,
    /// Persons that every peer gets
    #[arg(long, default_value_t = 1_000_000)]
    documents: usize,
    /// Address of pu
    #[arg(long)]
    pu: SocketAddr,
    /// Address of the Redis for whole answers
    #[arg(long)]
    redis_answers: SocketAddr,
    /// Address of the Redis for documents
    #[arg(long)]
    redis_documents: SocketAddr,
    /// Folder of PostgreSQL's socket
    #[arg(long)]
    postgres: PathBuf,
    /// Folder for what is needed to measure
    #[arg(long)]
    folder: PathBuf,
}

/// Where everything goes.
struct Peers {
    answers: MultiplexedConnection,
    documents: MultiplexedConnection,
    postgres: Client,
}

/// What has been loaded so far.
#[derive(Default)]
struct Sum {
    identities: Vec<Digits>,
    answers: usize,
    documents: usize,
}

/// A person as each peer holds it.
struct Person {
    identity: Digits,
    answer: String,
    document: Vec<u8>,
}

impl Load {
    /// Loads, and writes down what was loaded.
    pub async fn run(self) -> Result<(), Failure> {
        let began = Instant::now();
        let snapshot = open_newest(&self.register, &Formats::standard())?;
        let snapshot = snapshot.ok_or("there is no register in this folder")?;
        let bytes = std::fs::metadata(snapshot.path())?.len();
        let (register, wanted) = draw(snapshot, self.documents)?;
        let mut peers = Peers {
            answers: redis(self.redis_answers).await?,
            documents: redis(self.redis_documents).await?,
            postgres: thin::connect(&self.postgres).await?,
        };
        let empty = [
            memory(&mut peers.answers).await?,
            memory(&mut peers.documents).await?,
        ];
        let create = "CREATE TABLE person(identity bigint NOT NULL, document json NOT NULL)";
        peers.postgres.batch_execute(create).await?;
        let sum = self.fill(&mut peers, &wanted).await?;
        self.write_answers(&sum.identities).await?;
        peers
            .postgres
            .batch_execute("ALTER TABLE person ADD PRIMARY KEY (identity)")
            .await?;
        for statement in [
            "VACUUM (FREEZE, ANALYZE) person",
            // Once through all of it, so that it is in memory.
            "SELECT sum(length(document::text)) FROM person",
            "CHECKPOINT",
        ] {
            peers.postgres.batch_execute(statement).await?;
        }
        let size = "SELECT pg_total_relation_size('person')";
        let table: i64 = peers.postgres.query_one(size, &[]).await?.try_get(0)?;
        let documents = sum.identities.len();
        let each = |bytes: u64| bytes as f64 / documents as f64;
        let answers = memory(&mut peers.answers).await?;
        let held = memory(&mut peers.documents).await?;
        let bytes_a_person = vec![
            (
                "pu, the whole record, its index and its search index".to_owned(),
                bytes as f64 / register as f64,
            ),
            (
                "Redis, the answer".to_owned(),
                each(answers.saturating_sub(empty[0])),
            ),
            (
                "Redis, the P3 document".to_owned(),
                each(held.saturating_sub(empty[1])),
            ),
            (
                "PostgreSQL, the P3 document and the primary key".to_owned(),
                each(table.unsigned_abs()),
            ),
        ];
        let loaded = Loaded {
            register,
            documents: documents as u64,
            answer_bytes: (sum.answers / documents) as u64,
            document_bytes: (sum.documents / documents) as u64,
            bytes_a_person,
            seconds: began.elapsed().as_secs_f64(),
        };
        plan::write(&self.folder, &loaded, &sum.identities)
    }

    /// Asks pu for everybody wanted and gives them to the peers.
    async fn fill(&self, peers: &mut Peers, wanted: &[Digits]) -> Result<Sum, Failure> {
        let bar = ProgressBar::new(wanted.len() as u64);
        bar.set_style(ProgressStyle::with_template(
            "loading {wide_bar} {human_pos}/{human_len} persons, {eta} left",
        )?);
        let mut pu = Caller::connect(&Address::Tcp(self.pu), Protocol::Http, BATCH).await?;
        let mut sum = Sum::default();
        for rows in wanted.chunks(COPIED) {
            let copy = peers.postgres.copy_in("COPY person FROM STDIN").await?;
            let mut copy = std::pin::pin!(copy);
            for batch in rows.chunks(BATCH) {
                let persons = ask(&mut pu, batch).await?;
                let (mut answers, mut documents) = (redis::pipe(), redis::pipe());
                let mut text = Vec::new();
                for person in persons {
                    sum.answers += person.answer.len();
                    sum.documents += person.document.len();
                    sum.identities.push(person.identity);
                    text.extend_from_slice(&person.identity);
                    text.push(b'\t');
                    copied(&person.document, &mut text);
                    text.push(b'\n');
                    answers.set(&person.identity, person.answer).ignore();
                    documents.set(&person.identity, person.document).ignore();
                }
                copy.send(Bytes::from(text)).await?;
                answers.exec_async(&mut peers.answers).await?;
                documents.exec_async(&mut peers.documents).await?;
                bar.inc(batch.len() as u64);
            }
            copy.as_mut().finish().await?;
        }
        bar.finish_and_clear();
        if sum.identities.len() < BATCH {
            return Err(format!("fewer than {BATCH} persons could be loaded").into());
        }
        Ok(sum)
    }

    /// Writes the answers that bare hyper and nginx give: of a person in the middle by length, and of a batch.
    async fn write_answers(&self, identities: &[Digits]) -> Result<(), Failure> {
        let folder = self.folder.join("answers");
        std::fs::create_dir_all(&folder)?;
        let address = Address::Tcp(self.pu);
        let mut pu = Caller::connect(&address, Protocol::Http, BATCH).await?;
        let mut one = request::soap(1)?;
        let mut answers = Vec::new();
        for identity in &identities[..BATCH] {
            answers.push(pu.ask(one.with(|| *identity)).await?.to_vec());
        }
        answers.sort_unstable_by_key(Vec::len);
        std::fs::write(folder.join(ONE), &answers[BATCH / 2])?;
        let mut many = request::soap(BATCH)?;
        let mut next = identities.iter().copied();
        let answer = pu
            .ask(many.with(|| next.next().unwrap_or_default()))
            .await?;
        Ok(std::fs::write(folder.join(MANY), answer)?)
    }
}

/// How many the register holds, and some of them, evenly taken: ordinary persons with personal numbers.
fn draw(snapshot: Snapshot, documents: usize) -> Result<(u64, Vec<Digits>), Failure> {
    let formats = Formats::standard();
    let all = snapshot.len();
    let state = State::of_snapshot(snapshot.into())?;
    let step = (usize::try_from(all)? / documents.max(1)).max(1);
    let mut wanted = Vec::with_capacity(documents);
    for record in state.records().step_by(step) {
        let record = record?;
        let identity = record.identity();
        if identity.kind() != IdentityType::Pnr || record.shield().is_on() {
            continue;
        }
        let text = formats.text(identity);
        let digits: Option<Digits> = text.and_then(|it| it.as_str().as_bytes().try_into().ok());
        wanted.extend(digits);
        if wanted.len() == documents {
            break;
        }
    }
    // Who is asked for is drawn at random later; loaded in no order, nobody's neighbours are near.
    fastrand::Rng::with_seed(1).shuffle(&mut wanted);
    Ok((all, wanted))
}

/// Asks for a batch. Whoever is known by another number now, or not at all, is left out.
async fn ask(pu: &mut Caller, batch: &[Digits]) -> Result<Vec<Person>, Failure> {
    let mut question = request::soap(batch.len())?;
    let mut next = batch.iter().copied();
    let answer = pu
        .ask(question.with(|| next.next().unwrap_or_default()))
        .await?;
    let answered = document::persons(std::str::from_utf8(answer)?)?;
    if answered.len() != batch.len() {
        return Err("pu answered another number of persons than was asked for".into());
    }
    let mut persons = Vec::with_capacity(batch.len());
    for (identity, person) in batch.iter().zip(answered) {
        let value = document::document(person)?;
        let number = &value["personRecord"]["personalIdentity"]["extension"];
        if number.as_str().map(str::as_bytes) != Some(identity) {
            continue;
        }
        let document = serde_json::to_vec(&value)?;
        let answer = format!("{}{person}{}", document::HEAD, document::TAIL);
        let mut rendered = Vec::with_capacity(answer.len());
        document::answer(std::iter::once(document.as_slice()), &mut rendered)?;
        if rendered != answer.as_bytes() {
            return Err("a document does not render to the answer it came from".into());
        }
        persons.push(Person {
            identity: *identity,
            answer,
            document,
        });
    }
    Ok(persons)
}

/// A value as COPY reads it.
fn copied(document: &[u8], out: &mut Vec<u8>) {
    for byte in document {
        if *byte == b'\\' {
            out.push(b'\\');
        }
        out.push(*byte);
    }
}

async fn redis(address: SocketAddr) -> Result<MultiplexedConnection, Failure> {
    // A batch on a busy machine may take longer than the usual half second.
    let config =
        redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(45)));
    let client = redis::Client::open(format!("redis://{address}"))?;
    Ok(client
        .get_multiplexed_async_connection_with_config(&config)
        .await?)
}

/// Bytes that a Redis uses.
async fn memory(connection: &mut MultiplexedConnection) -> Result<u64, Failure> {
    let info: String = redis::cmd("INFO")
        .arg("memory")
        .query_async(connection)
        .await?;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line
        .ok_or("Redis does not say what it uses")?
        .trim()
        .parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_survives_copy() {
        let mut out = Vec::new();
        copied(br#"{"surname":"\"Exempel\""}"#, &mut out);
        assert_eq!(out, br#"{"surname":"\\"Exempel\\""}"#);
    }
}
