//! The REST interface over HTTP: which path and method, which form of body and answer. What is asked
//! and answered is `wire::rest`'s.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use uuid::Uuid;

use super::App;
use super::coding::pack;
use super::entrance::{Admitted, Standing, admit, deny, room};
use super::leaving::Line;
use super::metrics::Outcome;
use super::page::{Answer, NO_STORE, answers, body, content_type, page, pass_over, problem};
use super::patterns::hear;
use super::peer::Peer;
use super::record::{entry, record};
use super::route::{document_of, hand_in, in_time, without_slash};
use super::used::Used;
use crate::access::consumers::{Consumer, Why};
use crate::query::search::SearchError;
use crate::query::work::Budget;
use crate::register::wish::Wish;
use crate::store::state::State;
use crate::wire::fault::{HttpRefusal, Trouble};
use crate::wire::openapi;
use crate::wire::rest::{Page, Sources, Wanted};
use crate::wire::route::Route;
use crate::wire::task::Noted;

/// What every path begins with.
pub const PREFIX: &str = "/v1/";

/// What follows the identity of whose history is asked for.
const HISTORY: &str = "/history";

const JSON: &str = "application/json";

/// Several JSON texts, a line each.
const LINES: &str = "application/x-ndjson";

/// What the log says of changes that came this way.
const BY: &str = "rest";

/// The routes as the audit tells them.
static SERVICES: LazyLock<[String; Route::ALL.len()]> =
    LazyLock::new(|| Route::ALL.map(|route| format!("rest/{}", route.name())));

/// Answers a request to a path that begins with the prefix.
pub async fn answer(
    app: &Arc<App>,
    from: (&Peer, &Arc<Line>),
    request: Request<Incoming>,
) -> Answer {
    let began = Instant::now();
    let (head, rest) = request.into_parts();
    let route = route(&head);
    let service = &SERVICES[route as usize];
    let admitted = if route.takes_a_right() {
        let may = |consumer: &Consumer| consumer.may_take(route);
        let admitted = admit(app, from, &head.headers, service, may).await;
        admitted.map(Some)
    } else {
        Ok(None)
    };
    // Who may not come in has nothing read for them.
    let (mut admitted, asked) = match admitted {
        Ok(admitted) => {
            let _used = admitted.as_ref().map(Admitted::used);
            let asked = ask(app, &head, route);
            (admitted, asked)
        }
        Err(trouble) => (None, Err(trouble)),
    };
    // Who takes no answers has no more bodies read.
    let asked = match (&admitted, asked) {
        (Some(admitted), Ok(asked)) => room(app, admitted).await.map(|()| asked),
        (_, asked) => asked,
    };
    let wanted = match asked {
        Ok(Ask::Description) => {
            pass_over(app, rest).await;
            let made = || Some(Bytes::from(openapi::document().to_string()));
            let document = (head.uri.path(), HeaderValue::from_static(JSON));
            let answer = document_of(app, &head.headers, document, made);
            app.metrics
                .rest(route, Outcome::Answered, began.elapsed().as_secs_f64());
            return answer.unwrap_or_else(|| refused(app, route, &HttpRefusal::NoPage.into()).1);
        }
        Ok(Ask::Wanted(wanted)) => {
            pass_over(app, rest).await;
            Ok(Asked::Read(wanted))
        }
        Ok(Ask::Reserve) => {
            let body = posted(app, &head.headers, rest, admitted.as_ref()).await;
            let wish = body.and_then(|body| app.rest.reserve(&body));
            wish.map(Asked::Change)
        }
        Ok(Ask::Body) => {
            let body = posted(app, &head.headers, rest, admitted.as_ref()).await;
            let _used = admitted.as_ref().map(Admitted::used);
            let wanted = body.and_then(|body| app.rest.persons(&body));
            wanted.map(Asked::Read)
        }
        Err(trouble) => {
            pass_over(app, rest).await;
            Err(trouble)
        }
    };
    let noted = match &wanted {
        Ok(Asked::Read(wanted)) => wanted.noted(),
        _ => Noted::default(),
    };
    let performed = match (wanted, &admitted) {
        (Ok(Asked::Read(wanted)), Some(admitted)) => {
            let media = HeaderValue::from_static(if wanted.is_lines() { LINES } else { JSON });
            let standing = Standing {
                peer: from.0,
                headers: &head.headers,
                service,
                admitted,
            };
            let mut performed = perform(app, wanted, route, &standing).await;
            if performed.is_ok()
                && let Err(denied) = standing.again(app, |it| it.may_take(route)).await
            {
                performed = Err(denied);
            }
            performed.map(|it| (it.disclosed, page(StatusCode::OK, media, it.bytes)))
        }
        (Ok(Asked::Change(wish)), Some(admitted)) => {
            let issued = reserve(app, wish, admitted).await;
            issued.map(|it| {
                (
                    it.disclosed,
                    page(
                        StatusCode::CREATED,
                        HeaderValue::from_static(JSON),
                        it.bytes,
                    ),
                )
            })
        }
        (Err(trouble), _) => Err(trouble),
        // Whatever can be read or changed takes a right.
        (Ok(_), None) => Err(Trouble::Failed),
    };
    if let (Ok((_, answer)), Some(admitted)) = (&performed, &mut admitted) {
        admitted.held.hold(answer.body().len());
    }
    // What never reached the register tells of nobody, and a refusal has its own entry. What was not
    // waited for to its end may have changed somebody.
    let is_recorded = match &performed {
        Err(Trouble::Http(refusal)) => *refusal == HttpRefusal::NotInTime,
        Err(Trouble::NotAllowed(_)) => false,
        _ => true,
    };
    let performed = match &admitted {
        Some(admitted) if is_recorded => {
            hear(app, admitted, &noted, &performed);
            let recorded = record(app, || entry(service, admitted, &noted, &performed)).await;
            recorded.and(performed)
        }
        _ => performed,
    };
    let (outcome, mut answer) = match performed {
        Ok((disclosed, mut answer)) => {
            app.metrics.answered(&disclosed);
            answer.headers_mut().insert(CACHE_CONTROL, NO_STORE);
            (Outcome::Answered, answer)
        }
        Err(trouble) => refused(app, route, &trouble),
    };
    let seconds = began.elapsed().as_secs_f64();
    app.metrics.rest(route, outcome, seconds);
    if let Some(language) = noted.language {
        app.metrics.search(language, outcome, seconds);
    }
    if let Some(admitted) = admitted {
        pack(app, &head.headers, &admitted.consumer().usage, &mut answer).await;
        answer.body_mut().keep(admitted.held);
    }
    answer
}

/// What a path and method ask for.
enum Ask {
    Wanted(Wanted),
    /// What the body says.
    Body,
    /// Reserve identities, as the body says.
    Reserve,
    Description,
}

/// What was read of a request.
enum Asked {
    /// Something to be read out of a state.
    Read(Wanted),
    /// Something to be changed.
    Change(Wish),
}

fn route(head: &Parts) -> Route {
    match within(head) {
        "persons" => Route::Persons,
        "reserve-identities" => Route::Reserve,
        "search" => Route::Search,
        "openapi.json" => Route::Description,
        "changes" => Route::Changes,
        path => match path.strip_prefix("persons/") {
            Some(rest) if rest.matches('/').count() == 1 && rest.ends_with(HISTORY) => {
                Route::History
            }
            Some(identity) if !identity.is_empty() && !identity.contains('/') => Route::Person,
            _ => Route::Other,
        },
    }
}

/// The path after the prefix.
fn within(head: &Parts) -> &str {
    without_slash(head.uri.path().strip_prefix(PREFIX).unwrap_or(""))
}

/// Reads what is asked by path and query, when nothing speaks against it.
fn ask(app: &App, head: &Parts, route: Route) -> Result<Ask, Trouble> {
    if route != Route::Other {
        gate(app, head, route)?;
    }
    let identity = within(head).strip_prefix("persons/").unwrap_or("");
    let query = head.uri.query().unwrap_or("");
    match route {
        Route::Persons => Ok(Ask::Body),
        Route::Reserve => Ok(Ask::Reserve),
        Route::Search => app.rest.search(query).map(Ask::Wanted),
        Route::Description => Ok(Ask::Description),
        Route::Changes => {
            let following = app.rest.changes(query)?;
            Ok(Ask::Wanted(Wanted::Changes(following)))
        }
        Route::History => {
            let identity = identity.trim_end_matches(HISTORY);
            app.rest.history(identity, query).map(Ask::Wanted)
        }
        Route::Person => app.rest.person(identity, query).map(Ask::Wanted),
        Route::Other => Err(HttpRefusal::NoPage.into()),
    }
}

/// What must hold whatever is asked.
fn gate(app: &App, head: &Parts, route: Route) -> Result<(), Trouble> {
    let allowed = match (route, &head.method) {
        (Route::Persons | Route::Reserve, &Method::POST) => Ok(()),
        (Route::Persons | Route::Reserve, _) => Err(HttpRefusal::Method("POST")),
        (_, &Method::GET | &Method::HEAD) => Ok(()),
        _ => Err(HttpRefusal::Method("GET, HEAD")),
    };
    allowed?;
    let media = if route == Route::Changes { LINES } else { JSON };
    if !takes(&head.headers, media) {
        return Err(HttpRefusal::NotAcceptable(media).into());
    }
    if route != Route::Description {
        answers(app)?;
    }
    Ok(())
}

/// Whether an answer in one of JSON's forms is acceptable (RFC 9110 section 12.5.1).
fn takes(headers: &HeaderMap, form: &str) -> bool {
    let mut named = false;
    for accept in headers.get_all(ACCEPT) {
        let Ok(ranges) = accept.to_str() else {
            continue;
        };
        for range in ranges.split(',') {
            named |= !range.trim().is_empty();
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or("").to_ascii_lowercase();
            let refused = parts.any(|it| {
                let quality = it.strip_prefix("q=").or_else(|| it.strip_prefix("Q="));
                quality.is_some_and(|it| it.parse() == Ok(0.0_f32))
            });
            if !refused && (matches!(media.as_str(), "*/*" | "application/*") || media == form) {
                return true;
            }
        }
    }
    !named
}

/// Reads a body in JSON.
async fn posted(
    app: &App,
    headers: &HeaderMap,
    rest: Incoming,
    admitted: Option<&Admitted>,
) -> Result<Bytes, Trouble> {
    let utf_8 = |charset: &str| charset.eq_ignore_ascii_case("UTF-8");
    let is_json = content_type(headers).is_some_and(|content| {
        content.media.eq_ignore_ascii_case(JSON) && content.charset.is_none_or(utf_8)
    });
    if !is_json {
        pass_over(app, rest).await;
        return Err(HttpRefusal::NotJson.into());
    }
    let usage = admitted.map(|it| &it.consumer().usage);
    Ok(body(app, headers, rest, usage).await?)
}

/// Has reserve identities issued.
async fn reserve(app: &App, wish: Wish, admitted: &Admitted) -> Result<Page, Trouble> {
    let (judged, _) = hand_in(app, wish, BY.to_owned(), admitted).await?;
    let granted = judged.map_err(Trouble::NotGranted)?;
    Ok(app.rest.write_issued(granted.issued)?)
}

/// Performs what was read: what may take long, where it disturbs nobody.
async fn perform(
    app: &Arc<App>,
    mut wanted: Wanted,
    route: Route,
    standing: &Standing<'_>,
) -> Result<Page, Trouble> {
    let (service, admitted) = (standing.service, standing.admitted);
    let on = |app: &App, state: &State, wanted: &Wanted, budget| {
        let sources = Sources {
            state,
            log: app.live.committer.log(),
            trail: &app.trail,
        };
        let mut page = Page::default();
        app.rest.perform(&sources, wanted, budget, &mut page)?;
        Ok(page)
    };
    if let Wanted::Changes(following) = &mut wanted {
        if !following.keep_within(admitted.consumer().counties) {
            return Err(deny(app, service, admitted, Why::County).await);
        }
        // Who waits from now on hears of what comes first.
        let newest = app.store.pin().sequence();
        let since = *following.since.get_or_insert(newest);
        app.news.wait(since, following.wait).await?;
        let consumer = standing.again(app, |it| it.may_take(route)).await?;
        if !following.keep_within(consumer.counties) {
            return Err(deny(app, service, admitted, Why::County).await);
        }
    }
    room(app, admitted).await?;
    {
        let state = app.store.pin();
        if !app.rest.is_wide(&state, &wanted) {
            let _used = admitted.used();
            match on(app, &state, &wanted, Budget::AtOnce) {
                // It was taken for less than it is.
                Err(Trouble::Search(SearchError::NotAtOnce)) => {}
                performed => return performed,
            }
        }
    }
    let (their, state) = (Arc::clone(app), app.store.keep());
    let usage = Arc::clone(&admitted.consumer().usage);
    let work = move || {
        let _used = Used::apart(&usage);
        on(&their, &state, &wanted, Budget::Whole)
    };
    in_time(app, app.wide.run(admitted.whose(app), work)).await??
}

fn refused(app: &App, route: Route, trouble: &Trouble) -> (Outcome, Answer) {
    let log_id = Uuid::new_v4();
    let told = app.soap.tell(trouble, log_id);
    let route = route.name();
    let outcome = if let Trouble::Http(
        HttpRefusal::Busy
        | HttpRefusal::TooManyFollowers
        | HttpRefusal::Limited
        | HttpRefusal::Spent(_)
        | HttpRefusal::Overloaded,
    ) = trouble
    {
        Outcome::SentAway
    } else if told.is_ours() {
        tracing::error!(route, %log_id, error = %trouble, "request failed");
        Outcome::ServerFault
    } else {
        // Whoever finds nobody has done nothing wrong.
        if told.kind.status == StatusCode::NOT_FOUND {
            tracing::debug!(route, error = %trouble, "request refused");
        } else {
            tracing::info!(route, error = %trouble, "request refused");
        }
        Outcome::ClientFault
    };
    (outcome, problem(trouble, &told, log_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_taken_by_those_who_say_so_or_nothing() {
        let taken = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            takes(&headers, JSON)
        };
        assert!(takes(&HeaderMap::new(), JSON));
        for yes in [
            "*/*",
            "application/json",
            "text/html, application/*;q=0.1",
            "Application/JSON; q=1",
            "",
        ] {
            assert!(taken(yes), "{yes}");
        }
        for no in [
            "text/html",
            "application/xml",
            "application/json;q=0",
            "application/json; q=0.0, text/*",
        ] {
            assert!(!taken(no), "{no}");
        }
    }
}
