//! One HTTP request to one HTTP answer.

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use dashmap::DashMap;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{
    ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER,
};
use hyper::{Method, Request, Response, StatusCode};
use uuid::Uuid;

use super::App;
use super::metrics::Outcome;
use super::readiness::Phase;
use crate::wire::describe::{Wanted, document};
use crate::wire::fault::FaultCode;
use crate::wire::request::RequestError;
use crate::wire::soap::{Call, Scratch, Service, Trouble};

/// An answer.
pub type Answer = Response<Full<Bytes>>;

/// WSDL and schema documents by address, made when first asked for.
#[derive(Default)]
pub struct Descriptions(DashMap<String, Bytes>);

/// Documents kept: every document of every endpoint under a few host names. The host name is the
/// caller's word, so the table must not grow with it.
const MOST_DESCRIPTIONS: usize = 1_000;

const XML: &str = "text/xml; charset=UTF-8";
const TEXT: &str = "text/plain; charset=utf-8";

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Answers a request. Never fails: what goes wrong becomes an answer.
pub async fn answer(app: Arc<App>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path();
    let answer = match path {
        "/healthz" => get(&request, || page(StatusCode::OK, TEXT, "ok\n")),
        "/readyz" => get(&request, || ready(&app)),
        "/metrics" => get(&request, || {
            page(StatusCode::OK, TEXT, app.metrics.render())
        }),
        _ => match app.soap.find(path) {
            None => refuse(StatusCode::NOT_FOUND, "Sidan finns inte.\n"),
            Some(service) => match *request.method() {
                Method::POST => {
                    let number = service.number;
                    return Ok(post(&app, number, request).await);
                }
                Method::GET | Method::HEAD => describe(&app, service, &request),
                _ => not_allowed("GET, HEAD, POST"),
            },
        },
    };
    if answer.status().is_client_error() {
        app.metrics.http_refusal();
        pass_over(&app, request.into_body()).await;
    }
    Ok(answer)
}

/// Reads and forgets the rest of a refused body, as far as one may be long, so that the caller can
/// read the answer and use the connection again.
async fn pass_over(app: &App, body: Incoming) {
    if body.size_hint().lower() > app.body_bytes as u64 {
        return;
    }
    let mut rest = Limited::new(body, app.body_bytes);
    let read = async { while let Some(Ok(_)) = rest.frame().await {} };
    // A caller that is too slow loses the connection, nothing else.
    let _ = tokio::time::timeout(Duration::from_secs(app.body_seconds), read).await;
}

fn get(request: &Request<Incoming>, page: impl FnOnce() -> Answer) -> Answer {
    match *request.method() {
        Method::GET | Method::HEAD => page(),
        _ => not_allowed("GET, HEAD"),
    }
}

fn ready(app: &App) -> Answer {
    let state = app.store.pin();
    let phase = app.readiness.phase();
    let (status, word) = match phase {
        Phase::Ready => (StatusCode::OK, "ready"),
        Phase::Verifying => (StatusCode::SERVICE_UNAVAILABLE, "verifying"),
        Phase::Damaged => (StatusCode::SERVICE_UNAVAILABLE, "damaged"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let (persons, sequence) = (state.snapshot().len(), state.sequence());
    let body = serde_json::json!({ "phase": word, "persons": persons, "sequence": sequence });
    page(status, "application/json", format!("{body}\n"))
}

/// A contract's WSDL or one of its schemas.
fn describe(app: &App, service: &Service, request: &Request<Incoming>) -> Answer {
    let query = request.uri().query().unwrap_or("");
    let wanted = match query.split_once('=') {
        None if query.eq_ignore_ascii_case("wsdl") => Wanted::Wsdl,
        Some((name, path)) if name.eq_ignore_ascii_case("xsd") => Wanted::Xsd(path),
        _ => return not_allowed("POST"),
    };
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| {
            request
                .uri()
                .authority()
                .map(hyper::http::uri::Authority::as_str)
        })
        .unwrap_or("localhost");
    let address = format!("http://{host}{}", request.uri().path());
    let key = format!("{address}?{query}");
    if let Some(known) = app.descriptions.0.get(&key) {
        return page(StatusCode::OK, XML, known.clone());
    }
    match document(service.endpoint, wanted, &address) {
        None => refuse(StatusCode::NOT_FOUND, "Schemat finns inte.\n"),
        Some(text) => {
            let text = Bytes::from(text);
            if app.descriptions.0.len() < MOST_DESCRIPTIONS {
                app.descriptions.0.insert(key, text.clone());
            }
            page(StatusCode::OK, XML, text)
        }
    }
}

/// A SOAP request.
async fn post(app: &Arc<App>, number: usize, request: Request<Incoming>) -> Answer {
    let text = match app.readiness.phase() {
        Phase::Ready | Phase::Draining => "",
        Phase::Verifying => "Tjänsten startar.\n",
        Phase::Damaged => "Registret är skadat och lämnas inte ut.\n",
    };
    if !text.is_empty() {
        let mut answer = refuse(StatusCode::SERVICE_UNAVAILABLE, text);
        if app.readiness.phase() == Phase::Verifying {
            answer
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        return answer;
    }
    let (head, mut body) = request.into_parts();
    let refused = |answer: Answer| {
        app.metrics.http_refusal();
        answer
    };
    let Some(content) = content_type(&head.headers) else {
        pass_over(app, body).await;
        let text = "Innehållstypen ska vara text/xml, okomprimerad, i UTF-8 eller UTF-16.\n";
        return refused(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    };
    if body.size_hint().lower() > app.body_bytes as u64 {
        return refused(too_large(app));
    }
    let seconds = Duration::from_secs(app.body_seconds);
    let body = match tokio::time::timeout(seconds, whole(&mut body, app.body_bytes)).await {
        Ok(Ok(body)) => body,
        Ok(Err(Cut::TooLarge)) => {
            pass_over(app, body).await;
            return refused(too_large(app));
        }
        Ok(Err(Cut::Broken)) => {
            return refused(refuse(
                StatusCode::BAD_REQUEST,
                "Meddelandet kom inte fram helt.\n",
            ));
        }
        Err(_) => {
            return refused(refuse(
                StatusCode::REQUEST_TIMEOUT,
                "Meddelandet kom för långsamt.\n",
            ));
        }
    };
    let soap_action = head
        .headers
        .get("soapaction")
        .and_then(|action| action.to_str().ok())
        .map(|action| action.trim().trim_matches('"'));
    let call = Call {
        body: &body,
        charset: content.charset,
        soap_action,
    };
    soap(app, number, call, content.soap_12)
}

/// Why a body is not whole.
enum Cut {
    TooLarge,
    Broken,
}

/// A body in one piece. Most come in one, and are not copied.
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

/// Answers a SOAP call out of the newest state.
fn soap(app: &App, number: usize, call: Call<'_>, soap_12: bool) -> Answer {
    let began = Instant::now();
    let Some(service) = app.soap.services().get(number) else {
        return refuse(StatusCode::NOT_FOUND, "Sidan finns inte.\n");
    };
    let state = app.store.pin();
    SCRATCH.with_borrow_mut(|scratch| {
        let answered = if soap_12 {
            Err(Trouble::Request(RequestError::NotSoap11))
        } else {
            app.soap.answer(service, &state, call, scratch)
        };
        let (outcome, answer) = match answered {
            Ok(answered) => {
                app.metrics.answered(answered);
                (
                    Outcome::Answered,
                    page(StatusCode::OK, XML, scratch.lend_answer()),
                )
            }
            Err(trouble) => fault(app, service, &trouble),
        };
        app.metrics
            .request(number, outcome, began.elapsed().as_secs_f64());
        answer
    })
}

/// Faults go out with HTTP 500, whoever is to blame (WS-I Basic Profile 1.1).
fn fault(app: &App, service: &Service, trouble: &Trouble) -> (Outcome, Answer) {
    let log_id = Uuid::new_v4();
    let fault = app.soap.fault(trouble, log_id);
    let contract = service.endpoint.contract;
    let major = service.endpoint.major;
    let outcome = if fault.code == FaultCode::Server {
        tracing::error!(contract, major, %log_id, error = %trouble, "request failed");
        Outcome::ServerFault
    } else {
        tracing::info!(contract, major, error = %trouble, "request refused");
        Outcome::ClientFault
    };
    (
        outcome,
        page(StatusCode::INTERNAL_SERVER_ERROR, XML, fault.to_xml()),
    )
}

struct ContentType<'h> {
    charset: Option<&'h str>,
    soap_12: bool,
}

/// The content type, when it is one that SOAP comes in.
fn content_type(headers: &HeaderMap) -> Option<ContentType<'_>> {
    let compressed = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let content = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let mut parts = content.filter(|_| !compressed)?.split(';');
    let media = parts.next().unwrap_or("").trim();
    let soap_12 = media.eq_ignore_ascii_case("application/soap+xml");
    let charset = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim().trim_matches('"'));
    (soap_12 || media.eq_ignore_ascii_case("text/xml")).then_some(ContentType { charset, soap_12 })
}

fn too_large(app: &App) -> Answer {
    let text = format!("Meddelandet är större än {} byte.\n", app.body_bytes);
    refuse(StatusCode::PAYLOAD_TOO_LARGE, text)
}

fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED, "Metoden stöds inte här.\n");
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn refuse(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    page(status, TEXT, text)
}

fn page(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
