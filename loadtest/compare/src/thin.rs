//! A person service as people build it today: hyper in front, a store behind, XML in and out.
//!
//! It finds the identities in the request, gets the persons' documents from the store, and renders
//! the answer. What a register has to do beside that (who may ask, what is protected, which number
//! somebody has now, what was disclosed) it does not do: that only makes it faster.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use quick_xml::Reader;
use quick_xml::events::Event;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, NoTls, Statement};

use crate::serve::{XML, serve};
use crate::{Failure, document};

/// Connections to PostgreSQL that are open all the time; each may carry several questions at once.
const POOL: usize = 8;

/// Where the documents are.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct Behind {
    /// Address of a Redis that holds documents by identity
    #[arg(long)]
    redis: Option<SocketAddr>,
    /// Folder of the socket of a PostgreSQL that holds them in the table person
    #[arg(long)]
    postgres: Option<PathBuf>,
}

/// Serves until it is stopped.
pub async fn run(listen: SocketAddr, behind: Behind) -> Result<(), Failure> {
    let store = Arc::new(Store::open(behind).await?);
    serve(listen, move |request| answer(Arc::clone(&store), request)).await
}

async fn answer(store: Arc<Store>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let mut response = match rendered(&store, request).await {
        Ok(bytes) => Response::new(Full::new(bytes)),
        Err(failure) => {
            let mut response = Response::new(Full::new(failure.to_string().into()));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return response;
        }
    };
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(XML));
    response
}

async fn rendered(store: &Store, request: Request<Incoming>) -> Result<Bytes, Failure> {
    let body = request.into_body().collect().await?.to_bytes();
    let identities = identities(std::str::from_utf8(&body)?)?;
    let documents = store.get(&identities).await?;
    let mut out = Vec::with_capacity(2048 * documents.len());
    document::answer(documents.iter().map(Vec::as_slice), &mut out)?;
    Ok(out.into())
}

/// The identities that a request asks for.
fn identities(body: &str) -> Result<Vec<&str>, Failure> {
    let mut reader = Reader::from_str(body);
    let mut found = Vec::with_capacity(1);
    let (mut of_person, mut value) = (false, false);
    loop {
        match reader.read_event()? {
            Event::Start(start) => match start.local_name().as_ref() {
                "personId" => of_person = true,
                "extension" => value = of_person,
                _ => value = false,
            },
            Event::Text(text) if value => {
                let Cow::Borrowed(text) = text.into_inner() else {
                    return Err("a value is not part of the request".into());
                };
                found.push(text.trim());
                value = false;
            }
            Event::End(end) if end.local_name().as_ref() == "personId" => of_person = false,
            Event::Eof => return Ok(found),
            _ => {}
        }
    }
}

/// What is behind the service.
enum Store {
    Redis(MultiplexedConnection),
    Postgres {
        pool: Vec<Connection>,
        next: AtomicUsize,
    },
}

/// A connection with its statements.
struct Connection {
    client: Client,
    one: Statement,
    many: Statement,
}

impl Store {
    async fn open(behind: Behind) -> Result<Self, Failure> {
        if let Some(address) = behind.redis {
            let client = redis::Client::open(format!("redis://{address}"))?;
            return Ok(Self::Redis(
                client.get_multiplexed_async_connection().await?,
            ));
        }
        let socket = behind.postgres.ok_or("no store is given")?;
        let mut pool = Vec::new();
        for _ in 0..POOL {
            pool.push(Connection::open(&socket).await?);
        }
        let next = AtomicUsize::new(0);
        Ok(Self::Postgres { pool, next })
    }

    /// The documents of these identities, in their order.
    async fn get(&self, identities: &[&str]) -> Result<Vec<Vec<u8>>, Failure> {
        match (self, identities) {
            (Self::Redis(connection), [one]) => {
                let document: Option<Vec<u8>> = connection.clone().get(*one).await?;
                Ok(vec![document.ok_or("nobody has this identity")?])
            }
            (Self::Redis(connection), many) => {
                let documents: Vec<Option<Vec<u8>>> = connection.clone().mget(many).await?;
                let documents: Option<_> = documents.into_iter().collect();
                Ok(documents.ok_or("nobody has one of these identities")?)
            }
            (Self::Postgres { pool, next }, identities) => {
                let turn = next.fetch_add(1, Ordering::Relaxed) % pool.len();
                pool[turn].get(identities).await
            }
        }
    }
}

impl Connection {
    async fn open(socket: &std::path::Path) -> Result<Self, Failure> {
        let client = connect(socket).await?;
        Ok(Self {
            one: client
                .prepare("SELECT document FROM person WHERE identity = $1")
                .await?,
            many: client
                .prepare("SELECT identity, document FROM person WHERE identity = ANY($1)")
                .await?,
            client,
        })
    }

    async fn get(&self, identities: &[&str]) -> Result<Vec<Vec<u8>>, Failure> {
        let numbers: Vec<i64> = identities
            .iter()
            .map(|it| it.parse())
            .collect::<Result<_, _>>()?;
        if let [one] = numbers[..] {
            let row = self.client.query_one(&self.one, &[&one]).await?;
            let Document(bytes) = row.try_get(0)?;
            return Ok(vec![bytes.to_vec()]);
        }
        let rows = self.client.query(&self.many, &[&numbers]).await?;
        let mut found = std::collections::HashMap::with_capacity(rows.len());
        for row in &rows {
            let Document(bytes) = row.try_get(1)?;
            found.insert(row.try_get::<_, i64>(0)?, bytes);
        }
        let documents: Option<_> = numbers
            .iter()
            .map(|it| found.get(it).map(|bytes| bytes.to_vec()))
            .collect();
        Ok(documents.ok_or("nobody has one of these identities")?)
    }
}

/// Connects to a PostgreSQL by its socket.
pub async fn connect(socket: &std::path::Path) -> Result<Client, Failure> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(socket).user("postgres").dbname("postgres");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A JSON column as the bytes it is stored as.
struct Document<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Document<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> Result<Self, Failure> {
        Ok(Self(bytes))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::JSON
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request;

    #[test]
    fn the_identities_of_a_request_are_found_in_their_order() {
        let asked = ["191212121212", "198401012391", "195001182046"];
        let mut next = asked.iter();
        let mut question = request::soap(3).unwrap();
        let sent = question.with(|| next.next().unwrap().as_bytes().try_into().unwrap());
        let text = std::str::from_utf8(sent).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(identities(body).unwrap(), asked);
    }

    #[test]
    fn an_extension_of_something_else_is_no_identity() {
        let body = "<a><o:operator><extension>1</extension></o:operator>\
                    <personId><root>2</root><extension> 191212121212 </extension></personId></a>";
        assert_eq!(identities(body).unwrap(), ["191212121212"]);
    }

    #[test]
    fn what_is_not_xml_is_refused() {
        assert!(identities("<personId><extension>191212121212</personId>").is_err());
    }
}
