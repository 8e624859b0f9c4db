//! The report as text for a terminal.

use std::fmt::Write;

use crate::Failure;
use crate::report::{Report, Row};
use crate::scenario::shipped;
use crate::trend::Trend;

/// The scenarios, a line each.
pub fn scenarios() -> Result<String, Failure> {
    let mut out = String::new();
    for scenario in shipped() {
        let scenario = scenario?;
        writeln!(out, "{:10} {}", scenario.name, scenario.about)?;
        for stream in &scenario.streams {
            let rate = rate(stream.per_second());
            let connections = stream.connections;
            writeln!(
                out,
                "             {:28} {rate:>7}, {connections} connections",
                stream.name
            )?;
        }
    }
    Ok(out)
}

/// A report.
pub fn table(report: &Report) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = tell(report, &mut out);
    out
}

fn tell(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{}: {}", report.scenario, report.about)?;
    let Report {
        began,
        seconds,
        persons,
        ..
    } = report;
    writeln!(
        out,
        "{began}, {seconds:.0} s, register of {persons} persons, {}",
        report.machine.said()
    )?;
    writeln!(out, "{}\n", loop_said(report))?;
    let width = report
        .rows
        .iter()
        .map(|row| row.name.chars().count())
        .max()
        .unwrap_or(0)
        .max(6);
    write!(
        out,
        "{:width$} {:>9} {:>9} {:>9} {:>7}",
        "", "requests", "asked", "reached", "refused"
    )?;
    writeln!(
        out,
        " {:>7} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "failed", "p50", "p90", "p99", "p99.9", "max", "in"
    )?;
    for row in &report.rows {
        let asked = row.rate_asked.map_or_else(|| "-".to_owned(), rate);
        let Row {
            name,
            requests,
            rate_reached,
            refused,
            latency,
            ..
        } = row;
        write!(
            out,
            "{name:width$} {requests:>9} {asked:>9} {:>9} {refused:>7} ",
            rate(*rate_reached)
        )?;
        write!(out, "{:>7}", row.failed())?;
        for micros in [
            latency.p50,
            latency.p90,
            latency.p99,
            latency.p999,
            latency.max,
        ] {
            write!(out, " {:>8}", time(micros))?;
        }
        writeln!(out, " {:>8}", bytes(row.bytes_in as f64))?;
    }
    for row in report.rows.iter().filter(|row| row.failed() > 0) {
        writeln!(out, "\n{} failed: {}", row.name, errors(row))?;
    }
    writeln!(out)?;
    for line in notes(report) {
        writeln!(out, "{line}")?;
    }
    if !report.trend.is_empty() {
        writeln!(
            out,
            "\n{:38} {:>10} {:>10} {:>7}",
            "", "first 1/6", "last 1/6", "ratio"
        )?;
        for trend in &report.trend {
            let Trend {
                what, first, last, ..
            } = trend;
            let (first, last) = (value(*first, &trend.unit), value(*last, &trend.unit));
            writeln!(
                out,
                "{what:38} {first:>10} {last:>10} {:>7}",
                ratio(trend.ratio())
            )?;
        }
    }
    Ok(())
}

/// What kind of loop it was.
pub fn loop_said(report: &Report) -> String {
    let broken_off = if report.broken_off {
        " BROKEN OFF."
    } else {
        ""
    };
    let said = if report.closed {
        "CLOSED LOOP: each connection asks when it has been answered. This tells how much the \
         service can do, not how long its callers wait."
    } else {
        "Open loop: requests are due by a schedule, and latency counts from when they were due."
    };
    format!("{said}{broken_off}")
}

/// What else is to be said of a run, a line each.
pub fn notes(report: &Report) -> Vec<String> {
    let all = &report.together;
    let mut lines = vec![format!(
        "together: {} requests, {} failed; p50 {}, p99 {}, p99.9 {}, max {}",
        report.rows.iter().map(|row| row.requests).sum::<u64>(),
        report.rows.iter().map(Row::failed).sum::<u64>(),
        time(all.p50),
        time(all.p99),
        time(all.p999),
        time(all.max)
    )];
    if let Some(server) = &report.server {
        lines.push(format!(
            "service: {:.2} cores, {} of processor a request; {}",
            server.cpu_share,
            time(server.cpu_per_request),
            memory(report)
        ));
    }
    let generator = &report.generator;
    lines.push(format!(
        "generator: {:.2} cores; sent late by p50 {}, p99 {}, at most {} (within the latencies)",
        generator.cpu_share,
        time(generator.late.p50),
        time(generator.late.p99),
        time(generator.late.max)
    ));
    lines.push(format!(
        "connections: {} opened, {} of them in place of one that the service had ended",
        report.connections, report.reopened
    ));
    let fell_short: Vec<&str> = report
        .rows
        .iter()
        .filter(|row| {
            row.rate_asked
                .is_some_and(|asked| row.rate_reached < asked * 0.97)
        })
        // Of a few, chance alone makes a difference.
        .filter(|row| row.requests > 1_000)
        .map(|row| &*row.name)
        .collect();
    if !fell_short.is_empty() {
        lines.push(format!(
            "fell short of what was asked: {}",
            fell_short.join(", ")
        ));
    }
    lines
}

fn memory(report: &Report) -> String {
    let last = report.readings.last();
    last.map_or_else(String::new, |it| {
        format!(
            "at the end {} resident, {} of them its own, {} files open",
            bytes(it.resident as f64),
            bytes(it.anonymous as f64),
            it.open_files
        )
    })
}

/// A row's failures by kind.
pub fn errors(row: &Row) -> String {
    let kinds = row
        .errors
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"));
    kinds.collect::<Vec<_>>().join(", ")
}

/// Microseconds, in the unit that suits them.
pub fn time(micros: f64) -> String {
    match micros {
        0.0 => "-".to_owned(),
        it if it < 999.5 => format!("{it:.0} us"),
        it if it < 9_995.0 => format!("{:.2} ms", it / 1e3),
        it if it < 999_500.0 => format!("{:.0} ms", it / 1e3),
        it => format!("{:.1} s", it / 1e6),
    }
}

/// A rate by the second, or by the hour when it is seldom.
pub fn rate(per_second: f64) -> String {
    match per_second {
        it if it >= 100.0 => format!("{it:.0}/s"),
        it if it >= 0.5 || it == 0.0 => format!("{it:.1}/s"),
        it => format!("{:.0}/h", it * 3_600.0),
    }
}

/// Bytes, in the unit that suits them.
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut left, mut unit) = (bytes, 0);
    while left >= 1_000.0 && unit + 1 < UNITS.len() {
        left /= 1_024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && left < 100.0);
    format!("{left:.digits$} {}", UNITS[unit])
}

/// A number in a unit of the trend.
pub fn value(number: f64, unit: &str) -> String {
    match unit {
        "us" => time(number),
        "bytes" => bytes(number),
        _ => format!("{number:.0}"),
    }
}

/// A ratio.
pub fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |it| format!("{it:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_in_the_unit_that_suits_them() {
        for (micros, said) in [
            (0.0, "-"),
            (87.4, "87 us"),
            (999.6, "1.00 ms"),
            (1_234.0, "1.23 ms"),
            (87_000.0, "87 ms"),
            (2_300_000.0, "2.3 s"),
        ] {
            assert_eq!(time(micros), said);
        }
        for (count, said) in [(12.0, "12 B"), (1_500.0, "1.5 KiB"), (6.4e9, "6.0 GiB")] {
            assert_eq!(bytes(count), said);
        }
    }

    #[test]
    fn every_scenario_is_listed() {
        let listed = scenarios().unwrap();
        for name in ["npo", "svevac", "nightly", "reception", "updates", "mixed"] {
            assert!(
                listed.lines().any(|line| line.starts_with(name)),
                "{listed}"
            );
        }
    }
}
