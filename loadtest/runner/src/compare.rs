//! Two reports beside each other. Ratios are of the second to the first; whether they matter is for
//! the reader, who knows how the machine was.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::report::{Report, Row};
use crate::table::{ratio, time};

/// One thing of both.
struct Pair {
    what: &'static str,
    before: f64,
    after: f64,
    is_time: bool,
}

fn pairs(before: &Row, after: &Row) -> Vec<Pair> {
    let pair = |what, is_time, of: &dyn Fn(&Row) -> f64| Pair {
        what,
        before: of(before),
        after: of(after),
        is_time,
    };
    vec![
        pair("reached/s", false, &|row| row.rate_reached),
        pair("failed", false, &|row| row.failed() as f64),
        pair("p50", true, &|row| row.latency.p50),
        pair("p90", true, &|row| row.latency.p90),
        pair("p99", true, &|row| row.latency.p99),
        pair("p99.9", true, &|row| row.latency.p999),
        pair("max", true, &|row| row.latency.max),
    ]
}

/// Both, with ratios.
pub fn table(before: &Report, after: &Report) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = tell(before, after, &mut out);
    out
}

fn tell(before: &Report, after: &Report, out: &mut String) -> std::fmt::Result {
    for (name, report) in [("A", before), ("B", after)] {
        let commit = report.commit.as_deref().unwrap_or("unknown");
        writeln!(
            out,
            "{name}: {}, {}, commit {commit}",
            report.scenario, report.began
        )?;
        writeln!(out, "   {}", report.arguments.join(" "))?;
        writeln!(out, "   {}", report.machine.said())?;
    }
    for said in differences(before, after) {
        writeln!(out, "NOTE: {said}")?;
    }
    writeln!(out, "\n{:40} {:>10} {:>10} {:>7}", "", "A", "B", "B/A")?;
    for row in &before.rows {
        let Some(other) = after.rows.iter().find(|it| it.name == row.name) else {
            writeln!(out, "{}: in A only", row.name)?;
            continue;
        };
        for pair in pairs(row, other) {
            let what = format!("{}: {}", row.name, pair.what);
            line(out, &what, &pair)?;
        }
    }
    let known: BTreeSet<&str> = before.rows.iter().map(|row| &*row.name).collect();
    for row in after.rows.iter().filter(|row| !known.contains(&*row.name)) {
        writeln!(out, "{}: in B only", row.name)?;
    }
    if let Some((before, after)) = before.server.as_ref().zip(after.server.as_ref()) {
        let pair = Pair {
            what: "",
            before: before.cpu_per_request,
            after: after.cpu_per_request,
            is_time: true,
        };
        line(out, "service: processor a request", &pair)?;
    }
    Ok(())
}

fn line(out: &mut String, what: &str, pair: &Pair) -> std::fmt::Result {
    let said = |value: f64| {
        if pair.is_time {
            time(value)
        } else {
            format!("{value:.1}")
        }
    };
    let times = (pair.before > 0.0).then(|| pair.after / pair.before);
    let (before, after) = (said(pair.before), said(pair.after));
    writeln!(
        out,
        "{what:40} {before:>10} {after:>10} {:>7}",
        ratio(times)
    )
}

/// Why the two may not compare.
fn differences(before: &Report, after: &Report) -> Vec<&'static str> {
    [
        (before.scenario != after.scenario, "the scenarios differ"),
        (before.machine != after.machine, "the machines differ"),
        (
            before.persons != after.persons,
            "the registers differ in size",
        ),
        (
            before.closed != after.closed,
            "one is a closed loop: its latencies do not compare",
        ),
        (before.broken_off || after.broken_off, "one was broken off"),
    ]
    .into_iter()
    .filter_map(|(differs, said)| differs.then_some(said))
    .collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::latency::Quantiles;
    use crate::machine::Machine;
    use crate::report::{FORM, Generator, Interval, Server};
    use crate::server::Reading;

    /// A report of one row, and everything there can be in it.
    pub fn report(name: &str, p99: f64) -> Report {
        let quantiles = Quantiles {
            count: 1_000,
            p50: p99 / 4.0,
            p90: p99 / 2.0,
            p99,
            p999: p99 * 2.0,
            max: p99 * 3.0,
            mean: p99 / 3.0,
        };
        let intervals = (1..=20).map(|at| Interval {
            at: f64::from(at),
            count: 50,
            failed: u64::from(at == 7),
            p50: p99 / 4.0,
            p99,
            max: p99 * 3.0,
        });
        let readings = (-5..=20).map(|at| Reading {
            at: f64::from(at),
            cpu: f64::from(at + 5) / 2.0,
            resident: 1 << 30,
            anonymous: 1 << 20,
            sequence: Some(7),
            ..Reading::default()
        });
        Report {
            form: FORM,
            scenario: "npo".to_owned(),
            about: "lookups <of persons>".to_owned(),
            began: "2026-11-22T10:00:00+01:00".to_owned(),
            arguments: vec!["run".to_owned(), "npo".to_owned()],
            commit: Some("0123456789ab".to_owned()),
            machine: Machine::here(),
            closed: false,
            seconds: 20.0,
            warm_up: 5.0,
            broken_off: false,
            persons: 44_533,
            drawn: 44_533,
            connections: 8,
            reopened: 0,
            rows: vec![Row {
                name: name.to_owned(),
                requests: 1_000,
                rate_asked: Some(50.0),
                rate_reached: 50.0,
                right: 999,
                errors: [("fault".to_owned(), 1)].into(),
                latency: quantiles,
                first_sixth: quantiles,
                last_sixth: quantiles,
                nines: vec![(0.0, 1.0), (0.5, p99 / 4.0), (0.9, p99 / 2.0), (0.99, p99)],
                intervals: intervals.collect(),
                ..Row::default()
            }],
            together: quantiles,
            generator: Generator::default(),
            server: Some(Server {
                pid: 1,
                cpu_seconds: 10.0,
                cpu_share: 0.5,
                cpu_per_request: 10.0,
            }),
            readings: readings.collect(),
            metrics: [("pu_requests_total".to_owned(), (1.0, 1_001.0))].into(),
            trend: Vec::new(),
        }
    }

    #[test]
    fn ratios_are_of_the_second_to_the_first() {
        let text = table(&report("lookup", 200.0), &report("lookup", 300.0));
        let line = text
            .lines()
            .find(|line| line.starts_with("lookup: p99 "))
            .unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words, ["lookup:", "p99", "200", "us", "300", "us", "1.50"]);
        assert!(!text.contains("NOTE"), "{text}");
    }

    #[test]
    fn what_does_not_compare_is_said() {
        let mut other = report("search", 200.0);
        (other.closed, other.persons) = (true, 1);
        let text = table(&report("lookup", 200.0), &other);
        for said in [
            "closed loop",
            "differ in size",
            "lookup: in A only",
            "search: in B only",
        ] {
            assert!(text.contains(said), "{text}");
        }
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let report = report("lookup", 200.0);
        report.write(&path).unwrap();
        let again = Report::read(&path).unwrap();
        assert_eq!(table(&report, &report), table(&again, &again));
        std::fs::write(&path, "{}").unwrap();
        assert!(
            Report::read(&path)
                .unwrap_err()
                .to_string()
                .contains("is not a report")
        );
    }
}
