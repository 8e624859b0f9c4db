//! What was measured, as a table for people and as JSON for programs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Failure;
use crate::measure::Measured;
use crate::question::Kind;

/// The middle of some numbers.
fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

fn spread(numbers: &[f64]) -> (f64, f64) {
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    (least, numbers.iter().copied().fold(0.0, f64::max))
}

/// The median of the ratios within each round.
fn ratio(one: &[f64], other: &[f64]) -> f64 {
    let ratios: Vec<f64> = one
        .iter()
        .zip(other)
        .map(|(one, other)| one / other)
        .collect();
    median(&ratios)
}

/// Everything that a report tells.
pub struct Report {
    pub machine: Value,
    pub persons: usize,
    /// Different surnames, surname words, given names; bearers of the commonest surname.
    pub names: [usize; 4],
    pub rounds: usize,
    pub measured: Vec<Measured>,
    /// Engine, part, bytes.
    pub sizes: Vec<(&'static str, String, u64)>,
    pub notes: Vec<String>,
}

impl Report {
    /// What the others are compared with: pu, where pu takes part.
    fn base(&self, kind: Kind) -> Option<&Measured> {
        let of_kind = || self.measured.iter().filter(move |it| it.kind == kind);
        of_kind().find(|it| it.engine.starts_with("pu"))
    }

    /// As Markdown, which is also what the terminal gets.
    pub fn markdown(&self) -> String {
        let mut out = format!("# Search, {} persons\n\n", self.persons);
        for (name, value) in self.machine.as_object().into_iter().flatten() {
            out += &format!(
                "- {name}: {}\n",
                value.as_str().map_or(value.to_string(), str::to_owned)
            );
        }
        let [surnames, words, givens, most] = self.names;
        out += &format!(
            "- names: {surnames} surnames of {words} words, the commonest of {most} persons; {givens} given names\n"
        );
        out += &format!("- {} rounds, engines in turn, one client\n", self.rounds);
        for note in &self.notes {
            out += &format!("- {note}\n");
        }
        out += "\nMicroseconds a question: the median of the rounds' medians with the least and the \
                greatest, and the medians of their means and 99th percentiles. `x` is how many times \
                as long as pu, by medians and by means, the median of the ratios within a round.\n";
        for kind in Kind::ALL {
            let rows: Vec<&Measured> = self.measured.iter().filter(|it| it.kind == kind).collect();
            let Some(first) = rows.first() else { continue };
            out += &format!(
                "\n## {} ({:.0} hits on average)\n\n",
                kind.name(),
                first.hits
            );
            out += "| engine | median | least-greatest | mean | 99 % | x median | x mean | asked | bytes |\n";
            out += "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
            for row in rows {
                let (least, greatest) = spread(&row.medians);
                let times = |of: fn(&Measured) -> &[f64]| {
                    let base = self.base(kind);
                    base.map_or("".to_owned(), |base| {
                        format!("{:.2}", ratio(of(row), of(base)))
                    })
                };
                out += &format!(
                    "| {} | {:.1} | {least:.1}-{greatest:.1} | {:.1} | {:.1} | {} | {} | {} | {:.0} |\n",
                    row.engine,
                    median(&row.medians),
                    median(&row.means),
                    median(&row.tails),
                    times(|it| &it.medians),
                    times(|it| &it.means),
                    row.asked,
                    row.bytes,
                );
            }
        }
        out += "\n## Bytes a person\n\n| engine | part | bytes a person |\n|---|---|---:|\n";
        for (engine, part, bytes) in &self.sizes {
            let each = *bytes as f64 / self.persons as f64;
            out += &format!("| {engine} | {part} | {each:.2} |\n");
        }
        out
    }

    fn json(&self) -> Value {
        let rows = self.measured.iter().map(|it| {
            let base = self.base(it.kind);
            json!({
                "kind": it.kind.name(),
                "engine": it.engine,
                "median_us": median(&it.medians),
                "mean_us": median(&it.means),
                "p99_us": median(&it.tails),
                "medians_us": it.medians,
                "means_us": it.means,
                "ratio_of_medians": base.map(|base| ratio(&it.medians, &base.medians)),
                "ratio_of_means": base.map(|base| ratio(&it.means, &base.means)),
                "asked": it.asked,
                "hits": it.hits,
                "bytes": it.bytes,
            })
        });
        let sizes = self
            .sizes
            .iter()
            .map(|(engine, part, bytes)| json!({ "engine": engine, "part": part, "bytes": bytes }));
        json!({
            "machine": self.machine,
            "persons": self.persons,
            "names": self.names,
            "rounds": self.rounds,
            "notes": self.notes,
            "measured": rows.collect::<Vec<_>>(),
            "sizes": sizes.collect::<Vec<_>>(),
        })
    }

    /// Writes both beside each other; gives the Markdown's path.
    pub fn write(&self, folder: &Path, date: &str) -> Result<PathBuf, Failure> {
        std::fs::create_dir_all(folder)?;
        let stem = format!("{date}-search-{}", self.persons);
        let path = folder.join(format!("{stem}.md"));
        std::fs::write(&path, self.markdown())?;
        let text = serde_json::to_string_pretty(&self.json())?;
        std::fs::write(folder.join(format!("{stem}.json")), text + "\n")?;
        Ok(path)
    }
}
