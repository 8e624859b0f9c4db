//! The report as one page of HTML with everything in it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::plot::{Level, NotDrawn, Series, Upright, colour, plot, width};
use crate::report::{Report, Row};
use crate::server::Reading;
use crate::table::{bytes, errors, loop_said, notes, rate, ratio, time, value};

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1080px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.6em; margin: 0; } h2 { font-size: 1.15em; margin: 2.2em 0 .4em; }
p { margin: .3em 0; } .dim { color: #666; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6em 0; font-size: 14px; }
th, td { text-align: right; padding: .25em .7em; border-bottom: 1px solid #e8e8e8; white-space: nowrap; }
th { font-weight: 600; color: #555; } th:first-child, td:first-child { text-align: left; }
.bad { color: #b00020; font-weight: 600; } .closed { background: #fff3cd; padding: .6em .9em; border-left: 4px solid #e0a800; }
svg { max-width: 100%; height: auto; } .key { font-size: 13px; color: #444; } .key span { margin-right: 1.2em; white-space: nowrap; }
.key i { display: inline-block; width: 1.3em; height: 3px; vertical-align: middle; margin-right: .4em; }
code { background: #f5f5f5; padding: .1em .3em; }
";

/// One number of a reading.
type Of = fn(&Reading) -> u64;

/// The page of a report.
pub fn page(report: &Report) -> Result<String, NotDrawn> {
    let title = format!("{}, {}", report.scenario, report.began);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(report))
                (requests(report))
                (plots(report)?)
                (trend(report))
                (counters(report))
            }
        }
    };
    Ok(page.into_string())
}

fn head(report: &Report) -> Markup {
    html! {
        h1 { (report.scenario) }
        p { (report.about) }
        p.dim {
            (report.began) ", " (format!("{:.0}", report.seconds)) " s after "
            (format!("{:.0}", report.warm_up)) " s of warm-up; register of " (report.persons)
            " persons, " (report.drawn) " of them drawn"
        }
        p.dim {
            (report.machine.said())
            @if let Some(commit) = &report.commit { "; commit " (commit) }
        }
        p.dim { code { "pu-loadtest " (report.arguments.join(" ")) } }
        p class=(if report.closed || report.broken_off { "closed" } else { "" }) { (loop_said(report)) }
    }
}

fn requests(report: &Report) -> Markup {
    let heads = [
        "",
        "requests",
        "asked/s",
        "reached/s",
        "refused",
        "failed",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        "records",
        "in",
        "out",
    ];
    html! {
        h2 { "Requests" }
        table {
            tr { @for head in heads { th { (head) } } }
            @for row in &report.rows {
                tr {
                    td { (row.name) }
                    td { (row.requests) }
                    td { (row.rate_asked.map_or_else(|| "–".to_owned(), rate)) }
                    td { (rate(row.rate_reached)) }
                    td { (row.refused) }
                    td class=(if row.failed() > 0 { "bad" } else { "" }) title=(errors(row)) { (row.failed()) }
                    @let it = &row.latency;
                    @for micros in [it.p50, it.p90, it.p99, it.p999, it.max] { td { (time(micros)) } }
                    td { (row.records) }
                    td { (bytes(row.bytes_in as f64)) }
                    td { (bytes(row.bytes_out as f64)) }
                }
            }
        }
        @for row in report.rows.iter().filter(|row| row.failed() > 0) {
            p.bad { (row.name) " failed: " (errors(row)) }
        }
        @for line in notes(report) { p.dim { (line) } }
    }
}

fn plots(report: &Report) -> Result<Markup, NotDrawn> {
    let of_rows = |of: &dyn Fn(&Row) -> Vec<(f64, f64)>| -> Vec<Series> {
        let rows = report.rows.iter().filter(|row| row.requests > 0);
        rows.map(|row| Series {
            name: row.name.clone(),
            points: of(row),
        })
        .collect()
    };
    let over_time = |of: fn(&crate::report::Interval) -> f64| {
        of_rows(&|row| {
            let told = row.intervals.iter().filter(|it| it.max > 0.0);
            told.map(|it| (it.at, of(it))).collect()
        })
    };
    let throughput = of_rows(&|row| {
        let mut before = 0.0;
        let rate = |it: &crate::report::Interval| {
            let length = it.at - std::mem::replace(&mut before, it.at);
            (it.at, it.count as f64 / length.max(f64::MIN_POSITIVE))
        };
        row.intervals.iter().map(rate).collect()
    });
    let of_service = |all: &[(&str, Of)]| -> Vec<Series> {
        let all = all.iter().map(|(name, of)| Series {
            name: (*name).to_owned(),
            points: report
                .readings
                .iter()
                .map(|it| (it.at, of(it) as f64))
                .collect(),
        });
        all.filter(|it| it.points.iter().any(|(_, value)| *value > 0.0))
            .collect()
    };
    let memory = of_service(&[
        ("resident", |it| it.resident),
        ("anonymous", |it| it.anonymous),
        ("files mapped and resident", |it| it.file),
    ]);
    let files = of_service(&[
        ("snapshots", |it| it.folder.snapshot_bytes),
        ("log", |it| it.folder.log_bytes),
        ("audit", |it| it.folder.audit_bytes),
    ]);
    let counts = of_service(&[
        ("open files", |it| it.open_files),
        ("threads", |it| it.threads),
        ("files in the folder", |it| it.folder.files),
    ]);
    let (seconds, nines) = (Level::Seconds, Level::Nines);
    Ok(html! {
        (figure("Latency by share of requests", "Each nine is as wide as the last.", &of_rows(&|row| row.nines.clone()), nines, Upright::Time)?)
        (figure("p99 over time", "By when requests were answered.", &over_time(|it| it.p99), seconds, Upright::Time)?)
        (figure("p50 over time", "", &over_time(|it| it.p50), seconds, Upright::Time)?)
        (figure("Answers a second", "", &throughput, seconds, Upright::Number)?)
        (figure("Failures", "In each interval.", &failures(report), seconds, Upright::Number)?)
        (figure("Processor of the service", "In cores.", &processor(&report.readings), seconds, Upright::Number)?)
        (figure("Memory of the service", "", &memory, seconds, Upright::Bytes)?)
        (figure("The register's folder", "", &files, seconds, Upright::Bytes)?)
        (figure("Open files, threads, files in the folder", "", &counts, seconds, Upright::Number)?)
    })
}

fn failures(report: &Report) -> Vec<Series> {
    let failing = report.rows.iter().filter(|row| row.failed() > 0);
    failing
        .map(|row| Series {
            name: row.name.clone(),
            points: row
                .intervals
                .iter()
                .map(|it| (it.at, it.failed as f64))
                .collect(),
        })
        .collect()
}

/// Cores used between one reading and the next.
fn processor(readings: &[Reading]) -> Vec<Series> {
    let used = |pair: &[Reading]| {
        let length = pair[1].at - pair[0].at;
        (length > 0.0).then(|| (pair[1].at, (pair[1].cpu - pair[0].cpu) / length))
    };
    let points: Vec<(f64, f64)> = readings.windows(2).filter_map(used).collect();
    let is_seen = points.iter().any(|(_, cores)| *cores > 0.0);
    let one = Series {
        name: "cores".to_owned(),
        points,
    };
    is_seen.then_some(one).into_iter().collect()
}

fn figure(
    title: &str,
    said: &str,
    series: &[Series],
    level: Level,
    upright: Upright,
) -> Result<Markup, NotDrawn> {
    let Some(svg) = plot(series, level, upright)? else {
        return Ok(html! {});
    };
    Ok(html! {
        h2 { (title) }
        @if !said.is_empty() { p.dim { (said) } }
        (PreEscaped(svg))
        p.key {
            @for (number, one) in series.iter().enumerate() {
                span { i style=(format!("background:{};height:{}px", colour(number), 2 * width(number) - 1)) {} (one.name) } " "
            }
        }
    })
}

fn trend(report: &Report) -> Markup {
    html! {
        @if !report.trend.is_empty() {
            h2 { "Trend" }
            p.dim { "The first sixth of the run against the last; of what was read now and then, the middle values." }
            table {
                tr { th { "" } th { "first sixth" } th { "last sixth" } th { "ratio" } }
                @for it in &report.trend {
                    tr {
                        td { (it.what) }
                        td { (value(it.first, &it.unit)) }
                        td { (value(it.last, &it.unit)) }
                        td { (ratio(it.ratio())) }
                    }
                }
            }
        }
    }
}

fn counters(report: &Report) -> Markup {
    html! {
        @if !report.metrics.is_empty() {
            h2 { "Counters of the service that moved" }
            details {
                summary { (report.metrics.len()) " of them" }
                table {
                    tr { th { "" } th { "before" } th { "after" } th { "more" } }
                    @for (name, (before, after)) in &report.metrics {
                        tr {
                            td { code { (name) } }
                            td { (before) } td { (after) } td { (format!("{:.3}", after - before)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::report;

    #[test]
    fn a_page_holds_all_that_it_needs_and_escapes_what_it_is_told() {
        let page = page(&report("lookup <P3>", 200.0)).unwrap();
        assert!(page.contains("lookup &lt;P3&gt;") && page.contains("lookups &lt;of persons&gt;"));
        assert!(page.matches("<svg").count() >= 6);
        for outside in ["http-equiv", "src=", "href=", "@import", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(!page.contains("class=\"closed\""));
    }

    #[test]
    fn a_closed_loop_is_marked() {
        let mut report = report("lookup", 200.0);
        report.closed = true;
        assert!(page(&report).unwrap().contains("CLOSED LOOP"));
    }
}
