//! Answers that are not a contract's: pages, refusals and the bodies of requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use hyper::{Response, StatusCode};
use uuid::Uuid;

use super::App;
use super::admission;
use super::coding;
use super::leaving::Leaving;
use super::readiness::Phase;
use crate::access::usage::Usage;
use crate::base::limits;
use crate::wire::fault::{HttpRefusal, Told, Trouble};
use crate::wire::multipart::parameter;

/// An answer.
pub type Answer = Response<Leaving>;

/// The content type of pages for people and of refusals before SOAP.
pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A page.
pub fn page(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Leaving::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// A refusal as one line of plain text, for who asks by SOAP.
pub fn refuse(app: &App, refusal: HttpRefusal) -> Answer {
    let told = app.soap.tell(&refusal.into(), Uuid::nil());
    let mut answer = page(status(&told), TEXT, told.text + "\n");
    say_more(refusal, answer.headers_mut());
    answer
}

/// Trouble as a problem, for who asks by REST.
pub fn problem(trouble: &Trouble, told: &Told, log_id: Uuid) -> Answer {
    let mut answer = page(status(told), PROBLEM, told.to_problem(log_id));
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, NO_STORE);
    if let Trouble::Http(refusal) = trouble {
        say_more(*refusal, headers);
    }
    answer
}

/// What is personal is kept nowhere on its way.
pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

fn status(told: &Told) -> StatusCode {
    StatusCode::from_u16(told.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The headers that belong to a refusal.
fn say_more(refusal: HttpRefusal, headers: &mut HeaderMap) {
    match refusal {
        HttpRefusal::Method(allowed) => {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        HttpRefusal::UnknownCoding(offered) => {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(offered));
        }
        HttpRefusal::Spent(seconds) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        HttpRefusal::Busy
        | HttpRefusal::TooManyFollowers
        | HttpRefusal::Limited
        | HttpRefusal::Overloaded
        | HttpRefusal::NotInTime
        | HttpRefusal::Starting => {
            headers.insert(RETRY_AFTER, HeaderValue::from(limits::RETRY_SECONDS));
        }
        _ => {}
    }
}

/// Whether the register is answered from, and there is time for one more call.
pub fn answers(app: &App) -> Result<(), HttpRefusal> {
    match app.readiness.phase() {
        Phase::Ready | Phase::Draining => admission::has_time(app),
        Phase::Verifying => Err(HttpRefusal::Starting),
        Phase::Damaged => Err(HttpRefusal::DamagedRegister),
    }
}

/// A request's body in one piece, unpacked at the cost of who sent it.
pub async fn body(
    app: &App,
    headers: &HeaderMap,
    body: Incoming,
    usage: Option<&Arc<Usage>>,
) -> Result<Bytes, HttpRefusal> {
    let coding = match coding::sent(app, headers) {
        Ok(coding) => coding,
        Err(refusal) => {
            Box::pin(pass_over(app, body)).await;
            return Err(refusal);
        }
    };
    let body = as_sent(app, body).await?;
    match coding {
        None => Ok(body),
        Some(coding) => Box::pin(coding::unpack(app, coding, body, usage)).await,
    }
}

async fn as_sent(app: &App, mut body: Incoming) -> Result<Bytes, HttpRefusal> {
    let too_large = HttpRefusal::TooLarge(app.body_bytes);
    if body.size_hint().lower() > app.body_bytes as u64 {
        return Err(too_large);
    }
    let seconds = Duration::from_secs(app.body_seconds);
    match tokio::time::timeout(seconds, whole(&mut body, app.body_bytes)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(Cut::TooLarge)) => {
            Box::pin(pass_over(app, body)).await;
            Err(too_large)
        }
        Ok(Err(Cut::Broken)) => Err(HttpRefusal::Cut),
        Err(_) => Err(HttpRefusal::TooSlow),
    }
}

/// Reads and forgets the rest of a refused body, as far as one may be long, so that the caller can
/// read the answer and use the connection again.
pub async fn pass_over(app: &App, body: Incoming) {
    if body.size_hint().lower() > app.body_bytes as u64 {
        return;
    }
    let mut rest = Limited::new(body, app.body_bytes);
    let read = async { while let Some(Ok(_)) = rest.frame().await {} };
    // A caller that is too slow loses the connection, nothing else.
    let _ = tokio::time::timeout(Duration::from_secs(app.body_seconds), read).await;
}

/// Why a body is not whole.
enum Cut {
    TooLarge,
    Broken,
}

/// Most bodies come in one piece, and are not copied.
async fn whole(body: &mut Incoming, most: usize) -> Result<Bytes, Cut> {
    let mut first = Bytes::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| Cut::Broken)?.into_data() else {
            continue;
        };
        if first.len() + piece.len() > most {
            return Err(Cut::TooLarge);
        }
        if first.is_empty() {
            first = piece;
        } else {
            let mut joined = BytesMut::from(first);
            joined.extend_from_slice(&piece);
            first = joined.freeze();
        }
    }
    Ok(first)
}

/// A content type.
pub struct ContentType<'h> {
    /// `text/xml` and the like.
    pub media: &'h str,
    /// The charset, when one is named.
    pub charset: Option<&'h str>,
}

/// The content type of a body, before it was packed.
pub fn content_type(headers: &HeaderMap) -> Option<ContentType<'_>> {
    let content = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    // What nearly everybody sends is not taken apart.
    if content.is_some_and(|it| it.eq_ignore_ascii_case("text/xml; charset=utf-8")) {
        return Some(ContentType {
            media: "text/xml",
            charset: Some("utf-8"),
        });
    }
    let content = content?;
    let media = content.split(';').next().unwrap_or("").trim();
    let charset = parameter(content, "charset");
    Some(ContentType { media, charset })
}
