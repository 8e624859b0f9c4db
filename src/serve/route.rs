//! One HTTP request to one HTTP answer: which room it is for, and SOAP.

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use dashmap::DashMap;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Request, StatusCode};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::App;
use super::metrics::Outcome;
use super::page::{Answer, TEXT, answers, body, content_type, page, pass_over, refuse};
use super::peer::Peer;
use super::readiness::Phase;
use super::rest;
use crate::register::desk::Judged;
use crate::register::wish::Wish;
use crate::store::entry::Origin;
use crate::store::state::State;
use crate::wire::describe::{Wanted, document};
use crate::wire::fault::{HttpRefusal, Trouble};
use crate::wire::request::RequestError;
use crate::wire::search::Language;
use crate::wire::soap::{Answered, Call, Scratch, Service};
use crate::wire::task::Task;

/// WSDL and schema documents by address, made when first asked for.
#[derive(Default)]
pub struct Descriptions(DashMap<String, Bytes>);

/// Documents kept: every document of every endpoint under a few host names. The host name is the
/// caller's word, so the table must not grow with it.
const MOST_DESCRIPTIONS: usize = 1_000;

const XML: &str = "text/xml; charset=UTF-8";

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Answers a request. Never fails: what goes wrong becomes an answer.
pub async fn answer(
    app: Arc<App>,
    _peer: &Arc<Peer>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let path = request.uri().path();
    let answer = match path {
        "/healthz" => get(&app, &request, || page(StatusCode::OK, TEXT, "ok\n")),
        "/readyz" => get(&app, &request, || ready(&app)),
        "/metrics" => get(&app, &request, || {
            app.metrics.observe(&app.live);
            page(StatusCode::OK, TEXT, app.metrics.render())
        }),
        _ => match app.soap.find(path) {
            Some(service) => match *request.method() {
                Method::POST => return Ok(post(&app, service, request).await),
                Method::GET | Method::HEAD => describe(&app, service, &request),
                _ => refuse(&app, HttpRefusal::Method("GET, HEAD, POST")),
            },
            None if path.starts_with(rest::PREFIX) => {
                return Ok(rest::answer(&app, request).await);
            }
            None => refuse(&app, HttpRefusal::NoPage),
        },
    };
    if answer.status().is_client_error() {
        app.metrics.http_refusal();
        pass_over(&app, request.into_body()).await;
    }
    Ok(answer)
}

fn get(app: &App, request: &Request<Incoming>, page: impl FnOnce() -> Answer) -> Answer {
    match *request.method() {
        Method::GET | Method::HEAD => page(),
        _ => refuse(app, HttpRefusal::Method("GET, HEAD")),
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
        _ => return refuse(app, HttpRefusal::Method("POST")),
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
        None => refuse(app, HttpRefusal::NoSchema),
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
async fn post(app: &Arc<App>, service: &Service, request: Request<Incoming>) -> Answer {
    if let Err(refusal) = answers(app) {
        return refuse(app, refusal);
    }
    let (head, rest) = request.into_parts();
    let refused = |refusal| {
        app.metrics.http_refusal();
        refuse(app, refusal)
    };
    let soap_12 = |media: &str| media.eq_ignore_ascii_case("application/soap+xml");
    let content = content_type(&head.headers)
        .filter(|it| soap_12(it.media) || it.media.eq_ignore_ascii_case("text/xml"));
    let Some(content) = content else {
        pass_over(app, rest).await;
        return refused(HttpRefusal::NotXml);
    };
    let body = match body(app, rest).await {
        Ok(body) => body,
        Err(refusal) => return refused(refusal),
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
    let began = Instant::now();
    let (language, performed) = match at_once(app, service, call, soap_12(content.media)) {
        Reached::Answer(language, performed) => (language, performed),
        Reached::Wide(task) => (task.language(), wide(app, service, task).await),
        Reached::Change(wish) => (None, change(app, service, *wish, &head.headers).await),
    };
    let (outcome, answer) = match performed {
        Ok((answered, bytes)) => {
            app.metrics.answered(answered);
            (Outcome::Answered, page(StatusCode::OK, XML, bytes))
        }
        Err(Trouble::Http(refusal)) => (Outcome::SentAway, refused(refusal)),
        Err(trouble) => fault(app, service, &trouble),
    };
    let seconds = began.elapsed().as_secs_f64();
    app.metrics.request(service.number, outcome, seconds);
    if let Some(language) = language {
        app.metrics.search(language, outcome, seconds);
    }
    answer
}

type Performed = Result<(Answered, Bytes), Trouble>;

/// How far a call came on the thread that read it.
enum Reached {
    /// To its end.
    Answer(Option<Language>, Performed),
    /// To a search that goes on elsewhere.
    Wide(Task),
    /// To a change, which the committer makes.
    Change(Box<Wish>),
}

/// Reads a call and performs it out of the newest state, unless that may take long.
fn at_once(app: &App, service: &Service, call: Call<'_>, soap_12: bool) -> Reached {
    if soap_12 {
        return Reached::Answer(None, Err(RequestError::NotSoap11.into()));
    }
    let state = app.store.pin();
    SCRATCH.with_borrow_mut(|scratch| {
        let task = match app.soap.read(service, call, scratch) {
            Ok(task) => task,
            Err(trouble) => return Reached::Answer(None, Err(trouble)),
        };
        if let Task::Change(wish) = task {
            return Reached::Change(wish);
        }
        if task.is_wide(&state) {
            return Reached::Wide(task);
        }
        let performed = perform(app, service, &state, &task, scratch);
        Reached::Answer(task.language(), performed)
    })
}

/// Performs a search where it disturbs nobody.
async fn wide(app: &Arc<App>, service: &Service, task: Task) -> Performed {
    let (their, state, number) = (Arc::clone(app), app.store.keep(), service.number);
    let work = move || {
        let service = their.soap.services().get(number).ok_or(Trouble::Failed)?;
        SCRATCH.with_borrow_mut(|scratch| perform(&their, service, &state, &task, scratch))
    };
    app.wide.run(work).await?
}

/// Performs a wish.
async fn change(app: &App, service: &Service, wish: Wish, headers: &HeaderMap) -> Performed {
    let endpoint = service.endpoint;
    let by = format!("{}/{}", endpoint.contract, endpoint.major);
    let origin = wish.actor().origin(by, correlation(headers));
    let (outcome, state) = hand_in(app, wish, origin).await?;
    let outcome = outcome.map(|granted| granted.subject);
    SCRATCH.with_borrow_mut(|scratch| {
        let answered = app.soap.tell_change(service, &state, &outcome, scratch)?;
        Ok((answered, scratch.lend_answer()))
    })
}

/// Hands a wish in and waits until it is judged, and what it changes on the disk.
pub(super) async fn hand_in(app: &App, wish: Wish, origin: Origin) -> Result<Judged, Trouble> {
    let (tell, told) = oneshot::channel();
    app.desk.submit(wish, origin, move |judged| {
        // Who has hung up is not told; the change is made all the same.
        let _ = tell.send(judged);
    })?;
    Ok(told.await.map_err(|_| Trouble::Failed)??)
}

/// What names a request in other systems' logs, when it can be kept in ours.
pub(super) fn correlation(headers: &HeaderMap) -> Option<String> {
    const LONGEST: usize = 100;
    let id = headers.get("x-skltp-correlation-id")?.to_str().ok()?;
    (id.len() <= LONGEST).then(|| id.to_owned())
}

fn perform(
    app: &App,
    service: &Service,
    state: &State,
    task: &Task,
    scratch: &mut Scratch,
) -> Performed {
    let answered = app.soap.perform(service, state, task, scratch)?;
    Ok((answered, scratch.lend_answer()))
}

/// Faults go out with HTTP 500, whoever is to blame (WS-I Basic Profile 1.1).
fn fault(app: &App, service: &Service, trouble: &Trouble) -> (Outcome, Answer) {
    let log_id = Uuid::new_v4();
    let told = app.soap.tell(trouble, log_id);
    let contract = service.endpoint.contract;
    let major = service.endpoint.major;
    let outcome = if told.is_ours() {
        tracing::error!(contract, major, %log_id, error = %trouble, "request failed");
        Outcome::ServerFault
    } else {
        tracing::info!(contract, major, error = %trouble, "request refused");
        Outcome::ClientFault
    };
    let answer = page(StatusCode::INTERNAL_SERVER_ERROR, XML, told.to_fault());
    (outcome, answer)
}
