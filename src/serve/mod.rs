//! The front end: HTTP in, HTTP out.
//!
//! In: connections. Out: answers of the contracts, their descriptions, health and metrics. One
//! current-thread runtime per core, on sockets that they share; lookups and narrow searches run
//! where the request was read, wide searches on a pool of their own. What can never happen here: personal
//! data in a log line, metric or error page, a listener outside this machine without TLS, or an answer
//! about a person that leaves before the audit has its entry.

mod activity;
pub mod admission;
pub mod anchors;
pub mod callers;
pub mod coding;
mod connection;
pub mod descriptors;
mod door;
pub mod entrance;
mod front;
pub mod handed;
pub mod health;
pub mod host;
pub mod households;
pub mod leaving;
pub mod listen;
pub mod metrics;
pub mod news;
pub mod page;
pub mod patterns;
pub mod peer;
mod queue;
pub mod readiness;
pub mod record;
pub mod rest;
pub mod route;
pub mod sandbox;
pub mod scrub;
pub mod sigbus;
pub mod tls;
pub mod used;
pub mod wide;

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::access::alarms::Alarms;
use crate::access::audit::Audit;
use crate::access::gate::Gate;
use crate::register::desk::Desk;
use crate::store::live::Live;
use crate::store::state::Store;
use crate::store::trail::Trail;
use crate::wire::rest::Rest;
use crate::wire::soap::Soap;

use anchors::Pushing;
use callers::Callers;
use descriptors::Descriptors;
use health::Health;
use host::Hosts;
use leaving::Outgoing;
use metrics::Metrics;
use news::News;
use readiness::Readiness;
use tls::Tls;
use wide::Wide;

/// How soon a thread beside the serving ones sees the end of the service.
const PAUSE: Duration = Duration::from_millis(50);

/// What every request needs.
pub struct App {
    /// The register, to be read.
    pub store: Arc<Store>,
    /// The register at work.
    pub live: Arc<Live>,
    /// Where changes are handed in.
    pub desk: Desk,
    /// Which changes were whose.
    pub trail: Trail,
    /// Who waits for changes.
    pub news: Arc<News>,
    /// The contracts, compiled.
    pub soap: Soap,
    /// The REST interface.
    pub rest: Rest,
    /// Who may come in.
    pub gate: Arc<Gate>,
    /// Where the ends of the audit's chains are brought.
    pub anchors: Pushing,
    /// Patterns that an operator wants to know of.
    pub alarms: Alarms,
    /// Under which names the plain listener answers.
    pub hosts: Hosts,
    /// Where disclosures are recorded; `None` for trying out and measuring.
    pub audit: Option<Arc<Audit>>,
    /// Mutual TLS, when it is served.
    pub tls: Option<Arc<Tls>>,
    /// Who has how many connections.
    pub callers: Arc<Callers>,
    /// What connections are made of.
    pub descriptors: Arc<Descriptors>,
    /// What waits to leave.
    pub outgoing: Arc<Outgoing>,
    /// Threads for wide searches.
    pub wide: Wide,
    /// What is known of households with a protected member.
    pub households: households::Known,
    /// Counters.
    pub metrics: Metrics,
    /// Whether to answer yet, or still.
    pub readiness: Readiness,
    /// What works.
    pub health: Health,
    /// Bytes of one request body.
    pub body_bytes: usize,
    /// Whether answers are compressed for those who take them so, and requests may be.
    pub compression: bool,
    /// Seconds a body may take.
    pub body_seconds: u64,
    /// Seconds an answer may take.
    pub answer_seconds: u64,
    /// Contract descriptions that were asked for.
    pub descriptions: route::Descriptions,
}

impl App {
    /// Lets a thread beside the serving ones rest, but not beyond the end of the service: whether it
    /// goes on.
    pub fn rest(app: &Weak<Self>, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            if app.upgrade().is_none_or(|app| app.readiness.is_draining()) {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(PAUSE));
        }
    }
}
