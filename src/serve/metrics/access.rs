//! What consumers do, and what the audit holds, as metrics. The values are kept where they arise and
//! are read when somebody looks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::super::anchors::Pushing;
use super::super::leaving::Outgoing;
use super::super::tls::Tls;
use crate::access::audit::Audit;
use crate::access::gate::{Gate, now};
use crate::access::usage::{Fate, Usage};
use crate::person::keys::Index;
use crate::person::view::KeySets;
use crate::store::state::State;

/// Whose name calls without rights are counted under.
const STRANGERS: &str = "unknown";

pub(super) fn describe() {
    describe_counter!("pu_consumer_calls_total", "Calls of a consumer, by fate");
    describe_gauge!(
        "pu_consumer_calls_by_hour",
        "Calls of a consumer within the last 24 hours, by hour of the day (UTC)"
    );
    describe_gauge!("pu_consumer_running", "Calls of a consumer being answered");
    describe_counter!(
        "pu_consumer_cpu_microseconds_total",
        "Microseconds of processor time used for a consumer; will go: use pu_consumer_cpu_seconds_total"
    );
    describe_gauge!(
        "pu_consumer_answer_bytes",
        "Bytes of a consumer's answers that have not left"
    );
    describe_gauge!("pu_answer_bytes", "Bytes of answers that have not left");
    describe_gauge!("pu_consumers", "Consumers in the file in force");
    describe_counter!("pu_consumer_files_total", "Files of consumers, by outcome");
    describe_gauge!(
        "pu_consumer_file_refused",
        "1 while the file of consumers that is there is not the one in force"
    );
    describe_counter!(
        "pu_named_consumers_ignored_total",
        "Headers that name another consumer, from those who may not"
    );
    describe_gauge!(
        "pu_county_persons",
        "Persons in the snapshot, by the county they are registered in"
    );
    describe_counter!(
        "pu_connections_refused_total",
        "Connections over the limit of an address"
    );
    describe_counter!("pu_tls_handshakes_total", "Handshakes, by outcome");
    describe_counter!(
        "pu_tls_connections_lost_total",
        "Open connections whose certificates were no longer good when new files were read"
    );
    describe_counter!(
        "pu_tls_files_refused_total",
        "Certificates, keys and lists that were not whole: the old ones stay in force"
    );
    describe_gauge!(
        "pu_tls_certificate_expires_seconds",
        "Until our certificate expires"
    );
    describe_gauge!(
        "pu_tls_revocation_list_expires_seconds",
        "Until the first revocation list is out of date"
    );
    describe_counter!(
        "pu_alarms_total",
        "Patterns of calls that somebody should look at, by consumer and rule"
    );
    describe_counter!("pu_audit_entries_total", "Entries of the audit");
    describe_counter!("pu_audit_writes_total", "Blocks of entries written at once");
    describe_counter!("pu_audit_bytes_total", "Bytes of the audit");
    describe_counter!(
        "pu_audit_failures_total",
        "Blocks that could not be written"
    );
    describe_counter!(
        "pu_audit_anchors_total",
        "Times that anchors were brought to a second place, by outcome"
    );
    describe_gauge!(
        "pu_audit_failing",
        "1 while nothing can be recorded, and so disclosed"
    );
}

pub(super) fn observe_gate(gate: &Gate) {
    let consumers = gate.consumers();
    let count = u32::try_from(consumers.len()).unwrap_or(u32::MAX);
    gauge!("pu_consumers").set(count);
    let load = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    counter!("pu_consumer_files_total", "outcome" => "in_force").absolute(load(&gate.reloads));
    counter!("pu_consumer_files_total", "outcome" => "refused").absolute(load(&gate.refused_files));
    gauge!("pu_consumer_file_refused").set(u8::from(gate.is_refused()));
    counter!("pu_named_consumers_ignored_total").absolute(load(&gate.headers_ignored));
    observe_usage(STRANGERS, gate.strangers());
    for consumer in consumers.all() {
        observe_usage(consumer.hsa_id.as_str(), &consumer.usage);
    }
}

/// Processor time used for each consumer, by the labels that name it. An HSA-id holds nothing that labels
/// would have to hide.
pub(super) fn cpu(gate: &Gate) -> Vec<(String, Duration)> {
    let consumers = gate.consumers();
    let labels = |consumer: &str| format!("{{consumer=\"{consumer}\"}}");
    let mut rows = vec![(labels(STRANGERS), gate.strangers().cpu())];
    rows.extend(
        consumers
            .all()
            .map(|it| (labels(it.hsa_id.as_str()), it.usage.cpu())),
    );
    rows
}

#[expect(
    clippy::cast_precision_loss,
    reason = "calls within an hour, and bytes of memory, stay far below 2^53"
)]
fn observe_usage(consumer: &str, usage: &Usage) {
    let consumer = consumer.to_owned();
    for fate in Fate::ALL {
        let labels = [
            ("consumer", consumer.clone()),
            ("fate", fate.name().to_owned()),
        ];
        counter!("pu_consumer_calls_total", &labels).absolute(usage.by_fate(fate));
    }
    let cpu = u64::try_from(usage.cpu().as_micros()).unwrap_or(u64::MAX);
    counter!("pu_consumer_cpu_microseconds_total", "consumer" => consumer.clone()).absolute(cpu);
    gauge!("pu_consumer_answer_bytes", "consumer" => consumer.clone())
        .set(usage.waiting_bytes() as f64);
    gauge!("pu_consumer_running", "consumer" => consumer.clone()).set(usage.running());
    for (hour, calls) in usage.by_hour(now()).into_iter().enumerate() {
        let labels = [
            ("consumer", consumer.clone()),
            ("hour", format!("{hour:02}")),
        ];
        gauge!("pu_consumer_calls_by_hour", &labels).set(calls as f64);
    }
}

/// Persons by the county they are registered in, as far as every view shows it: who is responsible
/// for how many.
#[expect(clippy::cast_precision_loss, reason = "no country has 2^53 persons")]
pub(super) fn observe_counties(state: &State) {
    // A look at the counts is no reason to read the whole index.
    if !state.snapshot().has_passed() {
        return;
    }
    let Ok(searchable) = state.snapshot().searchable() else {
        return;
    };
    for county in 0..100 {
        let county = format!("{county:02}");
        let parts = searchable.parts(KeySets::SHOWN);
        let persons: u64 = parts
            .map(|(_, part)| part.prefix(Index::Locality, county.as_bytes()).len())
            .sum();
        if persons > 0 {
            gauge!("pu_county_persons", "county" => county).set(persons as f64);
        }
    }
}

/// Answers on their way out.
#[expect(
    clippy::cast_precision_loss,
    reason = "no machine has 2^53 bytes of memory"
)]
pub(super) fn observe_outgoing(outgoing: &Outgoing) {
    gauge!("pu_answer_bytes").set(outgoing.bytes() as f64);
}

/// Handshakes, and what runs out.
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of a certificate's life stay far below 2^53"
)]
pub(super) fn observe_tls(tls: &Tls) {
    let handshakes = &tls.handshakes;
    for (outcome, count) in handshakes.failed().chain([("done", handshakes.done())]) {
        counter!("pu_tls_handshakes_total", "outcome" => outcome).absolute(count);
    }
    counter!("pu_tls_connections_lost_total").absolute(handshakes.lost());
    counter!("pu_tls_files_refused_total").absolute(tls.files_refused());
    gauge!("pu_tls_certificate_expires_seconds").set(tls.certificate_seconds() as f64);
    if let Some(seconds) = tls.revocation_list_seconds() {
        gauge!("pu_tls_revocation_list_expires_seconds").set(seconds as f64);
    }
}

pub(super) fn observe_audit(audit: &Audit, anchors: &Pushing) {
    let counts = audit.counts();
    counter!("pu_audit_entries_total").absolute(counts.entries);
    counter!("pu_audit_writes_total").absolute(counts.blocks);
    counter!("pu_audit_bytes_total").absolute(counts.bytes);
    counter!("pu_audit_failures_total").absolute(counts.failures);
    counter!("pu_audit_anchors_total", "outcome" => "pushed").absolute(anchors.pushed());
    counter!("pu_audit_anchors_total", "outcome" => "failed").absolute(anchors.failed());
    gauge!("pu_audit_failing").set(u8::from(audit.is_failing()));
}
