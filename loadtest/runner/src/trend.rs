//! Whether anything grew: the first sixth of a run against its last. Numbers and ratios; what they
//! mean is for the reader to say.

use serde::{Deserialize, Serialize};

use crate::report::Row;
use crate::server::Reading;
use crate::tally::PARTS;

/// One thing that might grow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// What.
    pub what: String,
    /// How it is written: `us`, `bytes` or `count`.
    pub unit: String,
    /// In the first sixth.
    pub first: f64,
    /// In the last.
    pub last: f64,
}

impl Trend {
    /// The last by the first; `None` when there was nothing at first.
    pub fn ratio(&self) -> Option<f64> {
        (self.first > 0.0).then(|| self.last / self.first)
    }
}

/// One number of a reading.
type Of = fn(&Reading) -> u64;

/// Requests below which a p99 says nothing.
const ENOUGH: u64 = 100;

/// Compares a run's ends: p99 of each row with enough requests, and the middle values of what was
/// read of the service.
pub fn trends(rows: &[Row], readings: &[Reading], seconds: f64) -> Vec<Trend> {
    let one = |what: String, unit: &str, first, last| Trend {
        what,
        unit: unit.to_owned(),
        first,
        last,
    };
    let enough = |row: &&Row| row.first_sixth.count.min(row.last_sixth.count) >= ENOUGH;
    let mut all: Vec<Trend> = rows
        .iter()
        .filter(enough)
        .flat_map(|row| {
            let (first, last) = (&row.first_sixth, &row.last_sixth);
            [
                one(format!("{}: p50", row.name), "us", first.p50, last.p50),
                one(format!("{}: p99", row.name), "us", first.p99, last.p99),
            ]
        })
        .collect();
    let part = seconds / f64::from(PARTS);
    let of_service: [(&str, &str, Of); 9] = [
        ("resident memory", "bytes", |it| it.resident),
        ("anonymous memory", "bytes", |it| it.anonymous),
        ("open files", "count", |it| it.open_files),
        ("threads", "count", |it| it.threads),
        ("folder", "bytes", |it| it.folder.bytes),
        ("snapshots", "bytes", |it| it.folder.snapshot_bytes),
        ("log", "bytes", |it| it.folder.log_bytes),
        ("audit", "bytes", |it| it.folder.audit_bytes),
        ("files in the folder", "count", |it| it.folder.files),
    ];
    for (what, unit, of) in of_service {
        let within = |from: f64, to: f64| {
            let readings = readings.iter().filter(|it| (from..=to).contains(&it.at));
            median(readings.map(of).collect())
        };
        let ends = within(0.0, part).zip(within(seconds - part, seconds));
        if let Some((first, last)) = ends.filter(|(first, last)| *first > 0 || *last > 0) {
            all.push(one(what.to_owned(), unit, first as f64, last as f64));
        }
    }
    all
}

fn median(mut all: Vec<u64>) -> Option<u64> {
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Quantiles;

    fn row(first: (u64, f64), last: (u64, f64)) -> Row {
        let of = |(count, p99)| Quantiles {
            count,
            p99,
            ..Quantiles::default()
        };
        Row {
            name: "lookup".to_owned(),
            first_sixth: of(first),
            last_sixth: of(last),
            ..Row::default()
        }
    }

    fn find<'t>(trends: &'t [Trend], what: &str) -> Option<&'t Trend> {
        trends.iter().find(|it| it.what == what)
    }

    #[test]
    fn growth_shows_as_a_ratio() {
        let readings: Vec<Reading> = (0..60)
            .map(|second: u32| Reading {
                at: f64::from(second),
                resident: 1_000 + u64::from(second) * 100,
                threads: 4,
                ..Reading::default()
            })
            .collect();
        let all = trends(&[row((500, 200.0), (500, 300.0))], &readings, 60.0);
        let p99 = find(&all, "lookup: p99").unwrap();
        assert!((p99.ratio().unwrap() - 1.5).abs() < 1e-9);
        let memory = find(&all, "resident memory").unwrap();
        // The middles of seconds 0 to 10 and 50 to 59.
        assert!((memory.first - 1_500.0).abs() < 1e-9 && (memory.last - 6_500.0).abs() < 1e-9);
        assert_eq!(find(&all, "threads").unwrap().ratio(), Some(1.0));
        assert!(find(&all, "log").is_none(), "nothing of it was seen");
    }

    #[test]
    fn a_few_requests_have_no_trend_and_the_warm_up_is_no_first_sixth() {
        let warm = Reading {
            at: -3.0,
            resident: 1,
            ..Reading::default()
        };
        let all = trends(&[row((99, 1.0), (500, 9.0))], &[warm], 60.0);
        assert_eq!(all, []);
    }

    #[test]
    fn what_was_nothing_at_first_has_no_ratio() {
        let trend = Trend {
            what: "log".to_owned(),
            unit: "bytes".to_owned(),
            first: 0.0,
            last: 5.0,
        };
        assert_eq!(trend.ratio(), None);
    }
}
