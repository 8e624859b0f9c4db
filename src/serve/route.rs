//! One HTTP request to one HTTP answer: which room it is for, and SOAP.

use std::borrow::Cow;
use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dashmap::DashMap;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, VARY,
};
use hyper::{Method, Request, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::App;
use super::coding::{self, Coding, pack};
use super::entrance::{Admitted, CORRELATION, Standing, admit, deny, room, said};
use super::front;
use super::health::{self, Part, Reason};
use super::host::names_a_host;
use super::leaving::Line;
use super::metrics::Outcome;
use super::page::{Answer, TEXT, answers, body, content_type, page, pass_over, refuse};
use super::patterns::hear;
use super::peer::Peer;
use super::readiness::Phase;
use super::record::{Performed, entry, record};
use super::rest;
use super::used::Used;
use crate::access::audit::Entry;
use crate::access::consumers::{Consumer, Why};
use crate::base::limits;
use crate::person::identity::Identity;
use crate::query::search::SearchError;
use crate::query::work::Budget;
use crate::register::desk::Judged;
use crate::register::wish::Wish;
use crate::store::state::State;
use crate::wire::describe::{Wanted, document};
use crate::wire::fault::{HttpRefusal, Trouble, WHAT_A_CONTRACT_HAS};
use crate::wire::multipart::{MessagePart, is_multipart, message_part};
use crate::wire::request::RequestError;
use crate::wire::search::Language;
use crate::wire::soap::{Call, Scratch, Service};
use crate::wire::task::{Noted, Task};

/// WSDL, schema and other documents by address and coding, made when first asked for.
#[derive(Default)]
pub struct Descriptions(DashMap<(String, Option<Coding>), Bytes>);

impl Descriptions {
    /// One that was asked for before, or that is made now.
    fn find(
        &self,
        address: &str,
        coding: Option<Coding>,
        make: impl FnOnce() -> Option<Bytes>,
    ) -> Option<Bytes> {
        let key = (address.to_owned(), coding);
        if let Some(known) = self.0.get(&key) {
            return Some(known.clone());
        }
        let made = make()?;
        if self.0.len() < MOST_DESCRIPTIONS {
            self.0.insert(key, made.clone());
        }
        Some(made)
    }
}

/// A document that is the same for everybody, in the coding that the caller takes.
pub(super) fn document_of(
    app: &App,
    headers: &HeaderMap,
    (address, media): (&str, HeaderValue),
    make: impl FnOnce() -> Option<Bytes>,
) -> Option<Answer> {
    let plain = app.descriptions.find(address, None, make)?;
    if !app.compression || plain.len() < limits::PACKED_FROM {
        return Some(page(StatusCode::OK, media, plain));
    }
    let coding = coding::taken(headers);
    let packed = coding.and_then(|coding| {
        let pack = || coding::packed(coding, &plain).ok();
        app.descriptions.find(address, Some(coding), pack)
    });
    let coding = coding.filter(|_| packed.is_some());
    let mut answer = page(StatusCode::OK, media, packed.unwrap_or(plain));
    coding::tell(&mut answer, coding);
    Some(answer)
}

/// Documents kept: every document of every endpoint under a few host names. The host name is the
/// caller's word, so the table must not grow with it.
const MOST_DESCRIPTIONS: usize = 1_000;

const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=UTF-8");

/// The form that Prometheus reads, by its version.
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Answers a request. Never fails: what goes wrong becomes an answer.
pub async fn answer(
    app: Arc<App>,
    from: (&Peer, &Arc<Line>),
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let correlation = said(request.headers()).correlation.cloned();
    let mut answer = route(&app, from, request).await;
    if let Some(correlation) = correlation {
        answer.headers_mut().insert(CORRELATION, correlation);
    }
    Ok(answer)
}

/// Whether a page tells how the service is, and so is answered whatever else is.
pub(super) fn tells_how_it_is(path: &str) -> bool {
    matches!(without_slash(path), "/healthz" | "/readyz" | "/metrics")
}

/// A path without the slash that some clients put at its end.
pub(super) fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// Path and query as they were meant: some clients (KDSoap) encode the question mark of a link once
/// more, and what follows it. No path of ours has a question mark. Absolute links would not help: a
/// proxy that changes host or scheme would make them wrong.
fn meant(uri: &Uri) -> (&str, Cow<'_, str>) {
    let path = uri.path();
    let (path, query) = match (uri.query(), path.find("%3F").or_else(|| path.find("%3f"))) {
        (None, Some(at)) => (&path[..at], &path[at + 3..]),
        (query, _) => (path, query.unwrap_or("")),
    };
    let decoded = percent_decode_str(query).decode_utf8();
    (without_slash(path), decoded.unwrap_or(Cow::Borrowed(query)))
}

/// Finds the room that a request is for.
async fn route(app: &Arc<App>, from: (&Peer, &Arc<Line>), request: Request<Incoming>) -> Answer {
    let (peer, _) = from;
    let path = request.uri().path();
    let (found, _) = meant(request.uri());
    let answer = match found {
        _ if !names_a_host(&request) => refuse(app, HttpRefusal::NoHost),
        _ if matches!(peer, Peer::Local) && !app.hosts.has(&request) => {
            refuse(app, HttpRefusal::OtherHost)
        }
        // The bare slash.
        "" => get(app, &request, || front(app, peer, request.headers())),
        "/healthz" => get(app, &request, || page(StatusCode::OK, TEXT, "ok\n")),
        "/readyz" => get(app, &request, || ready(app)),
        // They name the consumers, and are the operator's.
        "/metrics" if matches!(peer, Peer::Local | Peer::Socket) => get(app, &request, || {
            app.metrics.observe(app);
            page(StatusCode::OK, METRICS, app.metrics.render(app))
        }),
        _ => match app.soap.find(found) {
            Some(service) => match *request.method() {
                Method::POST => return post(app, from, service, request).await,
                Method::GET | Method::HEAD => describe(app, peer, service, &request),
                _ => refuse(app, HttpRefusal::Method("GET, HEAD, POST")),
            },
            None if path.starts_with(rest::PREFIX) => {
                return Box::pin(rest::answer(app, from, request)).await;
            }
            None => refuse(app, HttpRefusal::NoPage),
        },
    };
    if answer.status().is_client_error() {
        app.metrics.http_refusal();
        Box::pin(pass_over(app, request.into_body())).await;
    }
    answer
}

fn get(app: &App, request: &Request<Incoming>, page: impl FnOnce() -> Answer) -> Answer {
    match *request.method() {
        Method::GET | Method::HEAD => page(),
        _ => refuse(app, HttpRefusal::Method("GET, HEAD")),
    }
}

/// The page that tells what there is, as HTML for a browser.
fn front(app: &App, peer: &Peer, headers: &HeaderMap) -> Answer {
    let is_operator = matches!(peer, Peer::Local | Peer::Socket);
    let mut accepts = headers.get_all(ACCEPT).iter();
    let is_html = accepts.any(|it| it.to_str().is_ok_and(|it| it.contains("text/html")));
    let media = if is_html { front::HTML } else { TEXT };
    let key = format!("/ {is_html} {is_operator}");
    let make = || Some(Bytes::from(front::page(is_html, is_operator)));
    let Some(mut answer) = document_of(app, headers, (&key, media), make) else {
        return refuse(app, HttpRefusal::NoPage);
    };
    let headers = answer.headers_mut();
    headers.append(VARY, HeaderValue::from_static("accept"));
    headers.insert(CONTENT_SECURITY_POLICY, front::NOTHING_ELSE);
    answer
}

fn ready(app: &App) -> Answer {
    let state = app.store.pin();
    let works = health::why_not(app, Part::Lookups).is_none();
    let (status, word) = match app.readiness.phase() {
        Phase::Ready if works => (StatusCode::OK, "ready"),
        Phase::Ready => (StatusCode::SERVICE_UNAVAILABLE, "failing"),
        Phase::Verifying => (StatusCode::SERVICE_UNAVAILABLE, "verifying"),
        Phase::Damaged => (StatusCode::SERVICE_UNAVAILABLE, "damaged"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let mut body = serde_json::json!({
        "phase": word, "persons": state.persons(), "sequence": state.sequence()
    });
    for part in Part::ALL {
        body[part.name()] = match health::why_not(app, part) {
            None => serde_json::json!({ "works": true }),
            Some(reason) => serde_json::json!({ "works": false, "reason": reason.to_string() }),
        };
    }
    page(status, JSON, format!("{body}\n"))
}

/// A contract's WSDL or one of its schemas.
fn describe(app: &App, peer: &Peer, service: &Service, request: &Request<Incoming>) -> Answer {
    let (_, query) = meant(request.uri());
    let wanted = match query.split_once('=') {
        // Who only looks whether somebody is there is told what there is.
        None if query.is_empty() => {
            return page(StatusCode::OK, TEXT, format!("{WHAT_A_CONTRACT_HAS}\n"));
        }
        None if query.eq_ignore_ascii_case("wsdl") => Wanted::Wsdl,
        None if query.eq_ignore_ascii_case("singlewsdl") => Wanted::SingleWsdl,
        Some((name, path)) if name.eq_ignore_ascii_case("xsd") => Wanted::Xsd(path),
        _ => return refuse(app, HttpRefusal::NoDescription),
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
    let scheme = match peer {
        Peer::Local | Peer::Socket => "http",
        Peer::Certified(_) => "https",
    };
    let address = format!("{scheme}://{host}{}", service.endpoint.path());
    let key = format!("{address}?{query}");
    let make = || document(service.endpoint, wanted, &address).map(Bytes::from);
    document_of(app, request.headers(), (&key, XML), make)
        .unwrap_or_else(|| refuse(app, HttpRefusal::NoSchema))
}

/// A SOAP request.
async fn post(
    app: &Arc<App>,
    from: (&Peer, &Arc<Line>),
    service: &Service,
    request: Request<Incoming>,
) -> Answer {
    let (head, rest) = request.into_parts();
    let refused = |refusal| {
        app.metrics.http_refusal();
        refuse(app, refusal)
    };
    if let Err(refusal) = answers(app) {
        return refused(refusal);
    }
    let may = |consumer: &Consumer| consumer.may_call(service.number, service.endpoint);
    let mut admitted = match admit(app, from, &head.headers, &service.name, may).await {
        Ok(admitted) => admitted,
        Err(trouble) => {
            Box::pin(pass_over(app, rest)).await;
            return end(app, service, Instant::now(), None, Err(trouble));
        }
    };
    let soap_12 = |media: &str| media.eq_ignore_ascii_case("application/soap+xml");
    let content = content_type(&head.headers).filter(|it| {
        let plain = it.media.eq_ignore_ascii_case("text/xml");
        plain || soap_12(it.media) || is_multipart(it.media)
    });
    let Some(content) = content else {
        Box::pin(pass_over(app, rest)).await;
        return refused(HttpRefusal::NotXml);
    };
    // Who takes no answers has no more bodies read.
    if let Err(trouble) = room(app, &admitted).await {
        return end(app, service, Instant::now(), None, Err(trouble));
    }
    let usage = Arc::clone(&admitted.consumer().usage);
    let body = match body(app, &head.headers, rest, Some(&usage)).await {
        Ok(body) => body,
        Err(refusal) => return refused(refusal),
    };
    let soap_action = head
        .headers
        .get("soapaction")
        .and_then(|action| action.to_str().ok())
        .map(|action| action.trim().trim_matches('"'));
    let part = if is_multipart(content.media) {
        let whole = head.headers.get(CONTENT_TYPE);
        message_part(whole.and_then(|it| it.to_str().ok()).unwrap_or(""), &body)
    } else {
        Ok(MessagePart {
            body: &body,
            charset: content.charset,
        })
    };
    let MessagePart { body, charset } = match part {
        Ok(part) => part,
        Err(refusal) => return refused(refusal),
    };
    let call = Call {
        body,
        charset,
        soap_action,
    };
    let began = Instant::now();
    if let Err(trouble) = room(app, &admitted).await {
        return end(app, service, began, None, Err(trouble));
    }
    let reached = {
        let _used = admitted.used();
        at_once(app, service, &admitted, call, soap_12(content.media))
    };
    let (noted, performed) = match reached {
        Reached::Answer(noted, performed) => (noted, performed),
        // What comes seldom does not make every call's state larger.
        Reached::Wide(task) => {
            let noted = task.noted();
            let performed = Box::pin(wide(app, service, &admitted, task)).await;
            let standing = Standing {
                peer: from.0,
                headers: &head.headers,
                service: &service.name,
                admitted: &admitted,
            };
            (noted, standing.again(app, may).await.and(performed))
        }
        Reached::Change(wish) => {
            let changed = Box::pin(change(app, service, *wish, &admitted)).await;
            (Noted::default(), changed)
        }
        Reached::Denied(why) => {
            let denied = Box::pin(deny(app, &service.name, &admitted, why)).await;
            return end(app, service, began, None, Err(denied));
        }
    };
    if let Ok((_, bytes)) = &performed {
        admitted.held.hold(bytes.len());
    }
    let entry = || Entry {
        unrestricted: service.endpoint.unrestricted,
        ..entry(&service.name, &admitted, &noted, &performed)
    };
    hear(app, &admitted, &noted, &performed);
    let performed = match record(app, entry).await {
        Ok(()) => performed,
        Err(not_recorded) => Err(not_recorded),
    };
    let mut answer = end(app, service, began, noted.language, performed);
    pack(app, &head.headers, &usage, &mut answer).await;
    answer.body_mut().keep(admitted.held);
    answer
}

/// Turns what came of a call into its answer, and counts it.
fn end(
    app: &App,
    service: &Service,
    began: Instant,
    language: Option<Language>,
    performed: Performed<Bytes>,
) -> Answer {
    let (outcome, answer) = match performed {
        Ok((disclosed, bytes)) => {
            app.metrics.answered(&disclosed);
            SCRATCH.with_borrow_mut(|scratch| scratch.keep(disclosed));
            (Outcome::Answered, page(StatusCode::OK, XML, bytes))
        }
        Err(Trouble::Http(refusal)) => {
            app.metrics.http_refusal();
            (Outcome::SentAway, refuse(app, refusal))
        }
        Err(trouble) => fault(app, service, &trouble),
    };
    let seconds = began.elapsed().as_secs_f64();
    app.metrics.request(service.number, outcome, seconds);
    if let Some(language) = language {
        app.metrics.search(language, outcome, seconds);
    }
    answer
}

/// How far a call came on the thread that read it.
enum Reached {
    /// To its end.
    Answer(Noted, Performed<Bytes>),
    /// To a search that goes on elsewhere.
    Wide(Task),
    /// To a change, which the committer makes.
    Change(Box<Wish>),
    /// To an address that the caller has no right to.
    Denied(Why),
}

/// Reads a call and performs it out of the newest state, unless that may take long.
fn at_once(
    app: &App,
    service: &Service,
    admitted: &Admitted,
    call: Call<'_>,
    soap_12: bool,
) -> Reached {
    if soap_12 {
        return Reached::Answer(Noted::default(), Err(RequestError::NotSoap11.into()));
    }
    let state = app.store.pin();
    SCRATCH.with_borrow_mut(|scratch| {
        let task = match app.soap.read(service, call, scratch) {
            Ok((task, address)) => match admitted.consumer().may_address(address) {
                Ok(()) => task,
                Err(why) => return Reached::Denied(why),
            },
            Err(trouble) => return Reached::Answer(Noted::default(), Err(trouble)),
        };
        if let Task::Change(wish) = task {
            return Reached::Change(wish);
        }
        if app.soap.is_wide(service, &state, &task) {
            return Reached::Wide(task);
        }
        match perform(app, service, &state, &task, Budget::AtOnce, scratch) {
            // It was taken for less than it is.
            Err(Trouble::Search(SearchError::NotAtOnce)) => Reached::Wide(task),
            performed => Reached::Answer(task.noted(), performed),
        }
    })
}

/// Performs a search where it disturbs nobody.
async fn wide(
    app: &Arc<App>,
    service: &Service,
    admitted: &Admitted,
    task: Task,
) -> Performed<Bytes> {
    let (their, state, number) = (Arc::clone(app), app.store.keep(), service.number);
    let usage = Arc::clone(&admitted.consumer().usage);
    let work = move || {
        let _used = Used::apart(&usage);
        let service = their.soap.services().get(number).ok_or(Trouble::Failed)?;
        SCRATCH.with_borrow_mut(|scratch| {
            perform(&their, service, &state, &task, Budget::Whole, scratch)
        })
    };
    in_time(app, app.wide.run(admitted.whose(app), work)).await??
}

/// Performs a wish.
async fn change(app: &App, service: &Service, wish: Wish, admitted: &Admitted) -> Performed<Bytes> {
    let mut asked: Vec<Identity> = wish.identities().collect();
    let wish = wish.of_who_sees_protected(admitted.consumer().may_see_protected());
    let (outcome, state) = hand_in(app, wish, service.name.clone(), admitted).await?;
    let outcome = outcome.map(|granted| granted.subject);
    SCRATCH.with_borrow_mut(|scratch| {
        app.soap.tell_change(service, &state, &outcome, scratch)?;
        let (mut disclosed, bytes) = scratch.lend_answer();
        disclosed.asked.append(&mut asked);
        Ok((disclosed, bytes))
    })
}

/// Hands a wish in that came by a contract or a route, and waits until it is judged, and what it
/// changes on the disk.
pub(super) async fn hand_in(
    app: &App,
    wish: Wish,
    by: String,
    admitted: &Admitted,
) -> Result<Judged, Trouble> {
    if app.audit.as_ref().is_some_and(|audit| audit.is_failing()) {
        return Err(Trouble::NotAudited);
    }
    // A log whose folder is gone is written all the same, and nobody will ever read it.
    if let Some(reason @ (Reason::FolderReplaced | Reason::LogReplaced)) =
        app.health.told().why_not(Part::Changes)
    {
        return Err(Trouble::ReadOnly(reason.to_string()));
    }
    let mut origin = wish.actor().origin(by, admitted.correlation.clone());
    origin.consumer = Some(admitted.consumer().hsa_id.to_string());
    let (tell, told) = oneshot::channel();
    app.desk.submit(wish, origin, move |judged| {
        // Who has hung up is not told; the change is made all the same.
        let _ = tell.send(judged);
    })?;
    let judged = in_time(app, told).await?;
    Ok(judged.map_err(|_| Trouble::Failed)??)
}

/// Waits for something, as long as an answer may take.
pub(super) async fn in_time<T>(app: &App, work: impl Future<Output = T>) -> Result<T, Trouble> {
    let patience = Duration::from_secs(app.answer_seconds);
    let done = tokio::time::timeout(patience, work).await;
    done.map_err(|_| HttpRefusal::NotInTime.into())
}

fn perform(
    app: &App,
    service: &Service,
    state: &State,
    task: &Task,
    budget: Budget,
    scratch: &mut Scratch,
) -> Performed<Bytes> {
    app.soap
        .perform_within(service, state, task, budget, scratch)?;
    Ok(scratch.lend_answer())
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
