//! What was measured, as a table for people and as JSON for programs.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::Failure;
use crate::figures::Spread;
use crate::measure::{CONNECTIONS, Case, Window};
use crate::plan::Loaded;

/// Everything that a report tells.
#[derive(Serialize)]
pub struct Report {
    /// What it was measured on.
    pub machine: Value,
    /// What was loaded.
    pub loaded: Loaded,
    /// Versions and settings.
    pub notes: Vec<String>,
    /// Seconds of a case in a round.
    pub window: f64,
    /// One for each case.
    pub rows: Vec<Row>,
}

/// A case and all its rounds.
#[derive(Serialize)]
pub struct Row {
    name: &'static str,
    table: &'static str,
    persons: usize,
    rate: Spread,
    cpu_microseconds: Spread,
    /// How many times as many requests a second pu answers.
    pu_rate_ratio: Spread,
    /// How many times as much processor time pu takes.
    pu_cpu_ratio: Spread,
    rounds: Vec<Window>,
}

/// What the windows of the cases say. The first case of each table is pu.
pub fn rows(cases: &[Case], windows: &[Vec<Window>]) -> Vec<Row> {
    let rates = |rounds: &[Window]| rounds.iter().map(Window::rate).collect::<Vec<_>>();
    let cpus = |rounds: &[Window]| rounds.iter().map(Window::cpu).collect::<Vec<_>>();
    let pu = |table| {
        let found = cases.iter().position(|it| it.table == table);
        found.map(|at| windows[at].clone()).unwrap_or_default()
    };
    cases
        .iter()
        .zip(windows)
        .map(|(case, rounds)| {
            let pu = pu(case.table);
            Row {
                name: case.name,
                table: case.table,
                persons: case.count,
                rate: Spread::of(rates(rounds)),
                cpu_microseconds: Spread::of(cpus(rounds)),
                pu_rate_ratio: Spread::of_ratios(&rates(&pu), &rates(rounds)),
                pu_cpu_ratio: Spread::of_ratios(&cpus(&pu), &cpus(rounds)),
                rounds: rounds.clone(),
            }
        })
        .collect()
}

impl Report {
    /// Prints the table, and writes it with all rounds to a folder.
    pub fn give(&self, out: Option<&Path>) -> Result<(), Failure> {
        println!("{}", self.tables());
        if let Some(folder) = out {
            std::fs::create_dir_all(folder)?;
            let path = folder.join("compare.md");
            std::fs::write(&path, self.markdown())?;
            let json = serde_json::to_string_pretty(self)? + "\n";
            std::fs::write(folder.join("compare.json"), json)?;
            eprintln!("{}", path.display());
        }
        Ok(())
    }

    fn markdown(&self) -> String {
        let mut text = "# pu beside what people use\n\n".to_owned();
        for (name, value) in self.machine.as_object().into_iter().flatten() {
            let said = value.as_str().map_or(value.to_string(), str::to_owned);
            text += &format!("- {name}: {said}\n");
        }
        for note in &self.notes {
            text += &format!("- {note}\n");
        }
        let rounds = self.rows.first().map_or(0, |it| it.rounds.len());
        text += &format!(
            "- {rounds} rounds of {} s a case in turn, {CONNECTIONS} connections that wait for their answers; \
             servers on processor 0, callers on processor 1; where servers have both, callers take their share\n",
            self.window
        );
        text += &format!(
            "- a register of {} persons; the others hold {} of them, and only those are asked for: \
             copies of everybody would not fit in memory\n",
            self.loaded.register, self.loaded.documents
        );
        text += &format!(
            "- an answer is {} bytes on average, a document {}; loaded in {:.0} s\n",
            self.loaded.answer_bytes, self.loaded.document_bytes, self.loaded.seconds
        );
        text + "\n" + &self.tables()
    }

    /// The tables, aligned so that a terminal may show them too.
    fn tables(&self) -> String {
        let mut text = "Median over the rounds, (10th-90th percentile). CPU is microseconds a request of all \
             processes that serve it. `pu/it` are medians of ratios within a round: of rates (above 1, \
             pu answers more) and of CPU (below 1, pu takes less).\n"
            .to_owned();
        let mut last = "";
        for row in &self.rows {
            if row.table != last {
                last = row.table;
                text += &format!(
                    "\n| {last:<32} | {:>25} | {:>24} | {:>19} | {:>19} |\n",
                    "requests/s", "CPU µs", "pu/it, rate", "pu/it, CPU"
                );
                text += &format!(
                    "|{}|{}:|{}:|{}:|{}:|\n",
                    "-".repeat(34),
                    "-".repeat(26),
                    "-".repeat(25),
                    "-".repeat(20),
                    "-".repeat(20)
                );
            }
            text += &format!(
                "| {:<32} | {:>25} | {:>24} | {:>19} | {:>19} |\n",
                row.name,
                told(row.rate, 0),
                told(row.cpu_microseconds, 1),
                told(row.pu_rate_ratio, 2),
                told(row.pu_cpu_ratio, 2)
            );
        }
        text += &format!(
            "\n| {:<55} | bytes a person |\n|{}|---------------:|\n",
            "in memory",
            "-".repeat(57)
        );
        for (name, bytes) in &self.loaded.bytes_a_person {
            text += &format!("| {name:<55} | {bytes:>14.0} |\n");
        }
        text
    }
}

fn told(spread: Spread, decimals: usize) -> String {
    format!(
        "{:.decimals$} ({:.decimals$}-{:.decimals$})",
        spread.median, spread.low, spread.high
    )
}
