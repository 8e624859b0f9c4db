//! Counters for Prometheus. Handles are made once; labels are contracts and outcomes, never a
//! person.

mod access;
mod described;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use metrics_process::Collector;

use super::App;
use super::coding::Coding;
use super::health::{self, Part};
use super::households::Known;
use crate::store::live::Live;
use crate::store::state::State;
use crate::wire::contract::ENDPOINTS;
use crate::wire::disclosed::Disclosed;
use crate::wire::route::Route;
use crate::wire::search::Language;

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Answered.
    Answered,
    /// Refused by a fault that blames the request.
    ClientFault,
    /// Failed by a fault that blames the service.
    ServerFault,
    /// Not begun, because too much was waiting.
    SentAway,
}

impl Outcome {
    const ALL: [Self; 4] = [
        Self::Answered,
        Self::ClientFault,
        Self::ServerFault,
        Self::SentAway,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::ClientFault => "client_fault",
            Self::ServerFault => "server_fault",
            Self::SentAway => "sent_away",
        }
    }
}

/// What became of files and of their entries, by outcome, and what waits.
pub struct Feed {
    files: [Counter; FILES.len()],
    entries: [Counter; ENTRIES.len()],
    /// Files in the inbox.
    pub waiting_files: Gauge,
    /// How long the oldest of them has waited.
    pub oldest_waiting_seconds: Gauge,
    /// Entries applied of the file at work.
    pub position: Gauge,
}

const FILES: [&str; 3] = ["done", "known", "failed"];
const ENTRIES: [&str; 4] = ["changed", "unchanged", "not_newer", "rejected"];

impl Feed {
    fn made() -> Self {
        metrics::describe_counter!("pu_feed_files_total", "Files from the inbox, by outcome");
        metrics::describe_counter!("pu_feed_entries_total", "Entries of files, by outcome");
        metrics::describe_gauge!("pu_feed_waiting_files", "Files in the inbox");
        metrics::describe_gauge!(
            "pu_feed_oldest_waiting_seconds",
            "How long the oldest file in the inbox has waited"
        );
        metrics::describe_gauge!("pu_feed_position", "Entries applied of the file at work");
        Self {
            files: FILES.map(|outcome| counter!("pu_feed_files_total", "outcome" => outcome)),
            entries: ENTRIES.map(|outcome| counter!("pu_feed_entries_total", "outcome" => outcome)),
            waiting_files: gauge!("pu_feed_waiting_files"),
            oldest_waiting_seconds: gauge!("pu_feed_oldest_waiting_seconds"),
            position: gauge!("pu_feed_position"),
        }
    }

    /// Counts a file.
    pub fn file(&self, outcome: &str) {
        if let Some(place) = FILES.iter().position(|it| *it == outcome) {
            self.files[place].increment(1);
        }
    }

    /// Counts entries.
    pub fn entries(&self, outcome: &str, more: u64) {
        if let Some(place) = ENTRIES.iter().position(|it| *it == outcome) {
            self.entries[place].increment(more);
        }
    }
}

/// Every counter of the service.
pub struct Metrics {
    requests: Vec<[Counter; Outcome::ALL.len()]>,
    seconds: Vec<Histogram>,
    rest: [[Counter; Outcome::ALL.len()]; Route::ALL.len()],
    rest_seconds: [Histogram; Route::ALL.len()],
    searches: [[Counter; Outcome::ALL.len()]; Language::ALL.len()],
    search_seconds: [Histogram; Language::ALL.len()],
    /// Wide searches that run.
    pub wide_running: Gauge,
    /// Wide searches that wait for their turn.
    pub wide_waiting: Gauge,
    identities: Counter,
    records: Counter,
    /// Answers by plain HTTP status, for what is not SOAP.
    http_refusals: Counter,
    connections: Gauge,
    changes: Changes,
    /// Files.
    pub feed: Feed,
    shed: Counter,
    packed: [Counter; Coding::ALL.len()],
    packed_plain_bytes: [Counter; Coding::ALL.len()],
    packed_bytes: [Counter; Coding::ALL.len()],
    unpacked: [Counter; Coding::ALL.len()],
    /// What the system says of the process.
    process: Collector,
    handle: PrometheusHandle,
    /// Where values are kept whose labels are known only when they are read.
    recorder: Arc<PrometheusRecorder>,
}

/// Upper bounds in seconds: from what the engine needs to what the service level allows.
const SECONDS: [f64; 14] = [
    0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01,
    0.1, 1.0, 10.0,
];

fn of_coding(made: impl Fn(&'static str) -> Counter) -> [Counter; Coding::ALL.len()] {
    Coding::ALL.map(|coding| made(coding.name()))
}

impl Metrics {
    /// Makes the counters and installs the recorder they live in. A second call in one process
    /// makes counters of a recorder of its own.
    pub fn install() -> Self {
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new();
        // The bounds are never empty, which is the only thing the builder refuses.
        let builder = builder
            .set_buckets_for_metric(seconds, &SECONDS)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = Arc::new(builder.build_recorder());
        let handle = recorder.handle();
        metrics::with_local_recorder(&*recorder, || Self::made(handle, Arc::clone(&recorder)))
    }

    /// The name of every metric, and what it says.
    pub fn described() -> Vec<(String, String)> {
        let recorder = Arc::new(PrometheusBuilder::new().build_recorder());
        let listener = described::Listener::default();
        metrics::with_local_recorder(&listener, || Self::made(recorder.handle(), recorder));
        let fractions = FRACTIONS.map(|(name, says)| (name.to_owned(), says.to_owned()));
        listener.heard().into_iter().chain(fractions).collect()
    }

    fn made(handle: PrometheusHandle, recorder: Arc<PrometheusRecorder>) -> Self {
        metrics::describe_counter!("pu_requests_total", "Requests to a contract, by outcome");
        metrics::describe_histogram!("pu_request_seconds", "From the whole body to the answer");
        metrics::describe_counter!("pu_rest_requests_total", "REST requests, by outcome");
        metrics::describe_histogram!("pu_rest_request_seconds", "From head to answer");
        metrics::describe_counter!("pu_searches_total", "Searches of any kind, by outcome");
        metrics::describe_histogram!("pu_search_seconds", "From the whole body to the answer");
        metrics::describe_gauge!("pu_wide_searches_running", "Wide searches at work");
        metrics::describe_gauge!("pu_wide_searches_waiting", "Wide searches in the queue");
        metrics::describe_counter!("pu_identities_total", "Identities asked for");
        metrics::describe_counter!("pu_records_total", "Records in answers");
        metrics::describe_counter!("pu_http_refusals_total", "Requests that were not SOAP");
        metrics::describe_gauge!("pu_connections", "Open connections");
        metrics::describe_counter!(
            "pu_shed_total",
            "Calls sent away because a thread was behind"
        );
        metrics::describe_counter!("pu_packed_answers_total", "Answers sent packed, by coding");
        metrics::describe_counter!(
            "pu_packed_answers_plain_bytes_total",
            "Bytes of those answers before they were packed"
        );
        metrics::describe_counter!("pu_packed_answers_bytes_total", "Bytes of them as sent");
        metrics::describe_counter!(
            "pu_packed_requests_total",
            "Bodies that came packed, by coding"
        );
        metrics::describe_gauge!("pu_works", "1 while a part of the service works");
        metrics::describe_gauge!(
            "pu_thread_lag_seconds",
            "How long anything waits for its turn on a serving thread"
        );
        metrics::describe_gauge!("pu_build_info", "Always 1; which program it is");
        let commit = option_env!("PU_COMMIT").unwrap_or("unknown");
        gauge!("pu_build_info", "version" => env!("CARGO_PKG_VERSION"), "commit" => commit).set(1);
        let process = Collector::default();
        process.describe();
        Changes::describe();
        access::describe();
        let labels = |endpoint: &crate::wire::contract::Endpoint| {
            [
                ("contract", endpoint.contract.to_owned()),
                ("major", endpoint.major.to_string()),
            ]
        };
        Self {
            requests: ENDPOINTS
                .iter()
                .map(|endpoint| {
                    Outcome::ALL.map(|outcome| {
                        let [contract, major] = labels(endpoint);
                        let outcome = ("outcome", outcome.label().to_owned());
                        counter!("pu_requests_total", &[contract, major, outcome])
                    })
                })
                .collect(),
            seconds: ENDPOINTS
                .iter()
                .map(|endpoint| histogram!("pu_request_seconds", &labels(endpoint)))
                .collect(),
            rest: Route::ALL.map(|route| {
                Outcome::ALL.map(|outcome| {
                    let outcome = outcome.label();
                    counter!("pu_rest_requests_total", "route" => route.name(), "outcome" => outcome)
                })
            }),
            rest_seconds: Route::ALL
                .map(|route| histogram!("pu_rest_request_seconds", "route" => route.name())),
            searches: Language::ALL.map(|language| {
                Outcome::ALL.map(|outcome| {
                    let outcome = outcome.label();
                    counter!("pu_searches_total", "language" => language.name(), "outcome" => outcome)
                })
            }),
            search_seconds: Language::ALL
                .map(|language| histogram!("pu_search_seconds", "language" => language.name())),
            wide_running: gauge!("pu_wide_searches_running"),
            wide_waiting: gauge!("pu_wide_searches_waiting"),
            identities: counter!("pu_identities_total"),
            records: counter!("pu_records_total"),
            http_refusals: counter!("pu_http_refusals_total"),
            connections: gauge!("pu_connections"),
            changes: Changes::made(),
            feed: Feed::made(),
            shed: counter!("pu_shed_total"),
            packed: of_coding(|it| counter!("pu_packed_answers_total", "coding" => it)),
            packed_plain_bytes: of_coding(|it| {
                counter!("pu_packed_answers_plain_bytes_total", "coding" => it)
            }),
            packed_bytes: of_coding(|it| counter!("pu_packed_answers_bytes_total", "coding" => it)),
            unpacked: of_coding(|it| counter!("pu_packed_requests_total", "coding" => it)),
            process,
            handle,
            recorder,
        }
    }

    /// Counts a request to an endpoint.
    pub fn request(&self, endpoint: usize, outcome: Outcome, seconds: f64) {
        if let Some(counters) = self.requests.get(endpoint) {
            counters[outcome as usize].increment(1);
        }
        if let Some(histogram) = self.seconds.get(endpoint) {
            histogram.record(seconds);
        }
    }

    /// Counts a REST request.
    pub fn rest(&self, route: Route, outcome: Outcome, seconds: f64) {
        self.rest[route as usize][outcome as usize].increment(1);
        self.rest_seconds[route as usize].record(seconds);
    }

    /// Counts a search, whichever way it came.
    pub fn search(&self, language: Language, outcome: Outcome, seconds: f64) {
        self.searches[language as usize][outcome as usize].increment(1);
        self.search_seconds[language as usize].record(seconds);
    }

    /// Counts what an answer holds.
    pub fn answered(&self, disclosed: &Disclosed) {
        self.identities.increment(disclosed.asked.len() as u64);
        self.records.increment(disclosed.shown.len() as u64);
    }

    /// Counts an alarm.
    pub fn alarm(&self, consumer: &str, rule: &'static str) {
        let labels = [("consumer", consumer.to_owned()), ("rule", rule.to_owned())];
        self.with_labels(|| counter!("pu_alarms_total", &labels).increment(1));
    }

    /// Counts a request that was refused before it was SOAP.
    pub fn http_refusal(&self) {
        self.http_refusals.increment(1);
    }

    /// A connection opened or closed.
    pub fn connection(&self, opened: bool) {
        if opened {
            self.connections.increment(1.0);
        } else {
            self.connections.decrement(1.0);
        }
    }

    /// A call was sent away because its thread was behind.
    pub fn shed(&self) {
        self.shed.increment(1);
    }

    /// Counts an answer that was packed, by its bytes before and after.
    pub fn packed(&self, coding: Coding, plain: usize, packed: usize) {
        self.packed[coding as usize].increment(1);
        self.packed_plain_bytes[coding as usize].increment(plain as u64);
        self.packed_bytes[coding as usize].increment(packed as u64);
    }

    /// Counts a body that came packed.
    pub fn unpacked(&self, coding: Coding) {
        self.unpacked[coding as usize].increment(1);
    }

    /// A measure of how far behind a thread is.
    pub fn lag(&self, thread: usize) -> Gauge {
        let thread = thread.to_string();
        self.with_labels(|| gauge!("pu_thread_lag_seconds", "thread" => thread))
    }

    /// Looks at what keeps its own counts, before metrics are read.
    pub fn observe(&self, app: &App) {
        super::patterns::ring(app);
        self.changes.observe(&app.live);
        self.with_labels(|| {
            access::observe_gate(&app.gate);
            access::observe_counties(&app.store.pin());
            self.process.collect();
            health::look(app);
            for part in Part::ALL {
                let works = health::why_not(app, part).is_none();
                gauge!("pu_works", "part" => part.name()).set(u8::from(works));
            }
            if let Some(audit) = &app.audit {
                access::observe_audit(audit, &app.anchors);
            }
            if let Some(tls) = &app.tls {
                access::observe_tls(tls);
            }
            access::observe_outgoing(&app.outgoing);
            observe_households(&app.households);
            counter!("pu_connections_refused_total").absolute(app.callers.refused());
        });
    }

    /// Makes or finds metrics by labels.
    fn with_labels<T>(&self, work: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&*self.recorder, work)
    }

    /// The text of what is gathered here.
    pub fn gathered(&self) -> String {
        self.handle.render()
    }

    /// The text for Prometheus.
    pub fn render(&self, app: &App) -> String {
        let mut text = self.gathered();
        let micros = app
            .live
            .committer
            .pulse()
            .flush_micros
            .load(Ordering::Relaxed);
        let [flushes, cpu] = FRACTIONS;
        let flushed = [(String::new(), Duration::from_micros(micros))];
        fractions(&mut text, flushes, flushed);
        fractions(&mut text, cpu, access::cpu(&app.gate));
        text
    }

    /// Gathers what histograms have collected; to be called now and then, so that they stay small.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

/// Counters of seconds, and what they say.
const FRACTIONS: [(&str, &str); 2] = [
    (
        "pu_log_flush_seconds_total",
        "Time spent writing and flushing the log",
    ),
    (
        "pu_consumer_cpu_seconds_total",
        "Processor time used for a consumer",
    ),
];

/// Writes a counter of seconds. The recorder counts in whole numbers only.
fn fractions(
    text: &mut String,
    (name, says): (&str, &str),
    rows: impl IntoIterator<Item = (String, Duration)>,
) {
    text.push_str(&format!("# HELP {name} {says}\n# TYPE {name} counter\n"));
    for (labels, time) in rows {
        text.push_str(&format!("{name}{labels} {}\n", time.as_secs_f64()));
    }
    text.push('\n');
}

/// How the register is changing.
struct Changes {
    gauges: [(Gauge, Measure); GAUGES.len()],
    counters: [(Counter, Count); 9],
}

type Measure = fn(&Live, &State) -> f64;
type Count = fn(&Live) -> u64;

/// Name, what it says, and where it is read.
type Row<R> = (&'static str, &'static str, R);

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; what is counted here stays far below 2^53"
)]
static GAUGES: [Row<Measure>; 13] = [
    ("pu_persons", "Persons served", |_, state| {
        state.persons() as f64
    }),
    (
        "pu_sequence",
        "Number of the last change served",
        |_, state| state.sequence() as f64,
    ),
    (
        "pu_snapshot_sequence",
        "Number of the last change in the snapshot",
        |_, state| state.snapshot().sequence() as f64,
    ),
    (
        "pu_overlay_persons",
        "Records newer than the snapshot",
        |_, state| state.overlay().len() as f64,
    ),
    (
        "pu_overlay_bytes",
        "Their bytes and those of their search keys",
        |_, state| {
            let (records, keys) = state.overlay().bytes();
            (records + keys) as f64
        },
    ),
    (
        "pu_changes_waiting",
        "Changes that wait for the committer",
        |live, _| live.committer.waiting() as f64,
    ),
    (
        "pu_log_file_bytes",
        "Bytes of the log on the disk",
        |live, _| live.committer.log().bytes() as f64,
    ),
    (
        "pu_log_failed",
        "1 when the log has failed and no more changes are taken",
        |live, _| {
            f64::from(u8::from(
                live.committer.pulse().failed.load(Ordering::Relaxed),
            ))
        },
    ),
    (
        "pu_clock_behind_seconds",
        "How far the clock was behind the last change when the newest was made",
        |live, _| live.committer.time().behind().as_secs_f64(),
    ),
    (
        "pu_clock_refused",
        "1 while the clock is too far ahead to be believed, and no changes are taken",
        |live, _| f64::from(u8::from(!live.committer.time().is_believed())),
    ),
    (
        "pu_compaction_seconds",
        "How long the last new snapshot took",
        |live, _| live.compaction_millis.load(Ordering::Relaxed) as f64 / 1_000.0,
    ),
    (
        "pu_snapshot_read_through_seconds",
        "When everything of the snapshot was last read and checked, in seconds since 1970",
        |live, _| live.scrubbed.at.load(Ordering::Relaxed) as f64,
    ),
    (
        "pu_snapshot_damaged",
        "1 while the snapshot that is served is known to be damaged",
        |_, state| f64::from(u8::from(state.snapshot().damage().is_some())),
    ),
];

static COUNTERS: [Row<Count>; 9] = [
    ("pu_log_flushes_total", "Flushes of the log", |live| {
        live.committer.pulse().commits.load(Ordering::Relaxed)
    }),
    (
        "pu_log_entries_total",
        "Entries appended to the log",
        |live| live.committer.pulse().entries.load(Ordering::Relaxed),
    ),
    (
        "pu_log_bytes_total",
        "Bytes of entries appended to the log",
        |live| live.committer.pulse().bytes.load(Ordering::Relaxed),
    ),
    (
        "pu_log_flush_microseconds_total",
        "Microseconds spent writing and flushing; will go: use pu_log_flush_seconds_total",
        |live| live.committer.pulse().flush_micros.load(Ordering::Relaxed),
    ),
    (
        "pu_compactions_total",
        "New snapshots put in place",
        |live| live.compactions.load(Ordering::Relaxed),
    ),
    (
        "pu_long_chains_total",
        "Changes of chains that have more than half of limits.linked_identities",
        |live| live.chains.long(),
    ),
    (
        "pu_snapshot_read_through_bytes_total",
        "Bytes of snapshots that were read through",
        |live| live.scrubbed.bytes.load(Ordering::Relaxed),
    ),
    (
        "pu_snapshot_damaged_blocks_total",
        "Damaged blocks that were found",
        |live| live.scrubbed.damaged.load(Ordering::Relaxed),
    ),
    (
        "pu_snapshots_mended_total",
        "Damaged snapshots that others were put in place of",
        |live| live.scrubbed.mended.load(Ordering::Relaxed),
    ),
];

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus knows no other numbers"
)]
fn observe_households(households: &Known) {
    let pairs = households.pairs.load(Ordering::Relaxed);
    gauge!("pu_protected_household_pairs").set(pairs as f64);
}

impl Changes {
    fn describe() {
        metrics::describe_gauge!(
            "pu_protected_household_pairs",
            "Pairs of somebody without protection and a protected relative in one home"
        );
        for (name, says, _) in GAUGES {
            metrics::describe_gauge!(name, says);
        }
        for (name, says, _) in COUNTERS {
            metrics::describe_counter!(name, says);
        }
    }

    fn made() -> Self {
        Self {
            gauges: GAUGES.map(|(name, _, read)| (gauge!(name), read)),
            counters: COUNTERS.map(|(name, _, read)| (counter!(name), read)),
        }
    }

    fn observe(&self, live: &Live) {
        let state = live.store.pin();
        for (gauge, read) in &self.gauges {
            gauge.set(read(live, &state));
        }
        for (counter, read) in &self.counters {
            counter.absolute(read(live));
        }
    }
}
