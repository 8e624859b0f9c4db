//! `pu check`: whether a register can be served, and what an operator should know of it, in counts.
//! Names nobody.

use std::io;

use clap::Args;

use super::config::Config;
use super::findings::{Extent, Findings, Status};
use super::out::say;
use super::{Common, Failure};
use crate::person::view::HouseholdRule;
use crate::register::household::look;
use crate::store::state::{self, State, Unreadable};

/// Say everything at once that is wrong with a register or deserves a look
///
/// Looks at the configuration, the consumers, the certificates, the data folder with its snapshot, log
/// and audit, the room on the disk and the clock, and counts protected persons and the households that
/// lead to them. Names no person. Exits with 1 when something is wrong.
#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    common: Common,
}

/// What is counted in one pass.
#[derive(Default)]
struct Counts {
    persons: u64,
    protected: u64,
    inherited: u64,
    kept: u64,
}

impl Check {
    pub fn run(&self) -> Result<(), Failure> {
        let (mut config, written) = match self.common.written() {
            Ok(read) => read,
            Err(mistakes) => {
                for mistake in &mistakes.0 {
                    row(Status::Wrong, "configuration", &mistake.to_string())?;
                }
                return Err(failure(mistakes.0.len()));
            }
        };
        if let Err(failure) = self.common.find_register(&mut config) {
            row(Status::Wrong, "data folder", &failure.to_string())?;
            return Err(self::failure(1));
        }
        let findings = Findings::of(&config, &written, Extent::Whole);
        for finding in findings.all() {
            row(finding.status, finding.about, &finding.what)?;
        }
        let formats = config.formats()?;
        if let Ok(Some(state)) = state::open(&config.data, &formats) {
            say!()?;
            count_protected(&config, &state)?;
        }
        match findings.wrong().count() {
            0 => Ok(()),
            wrong => Err(failure(wrong)),
        }
    }
}

fn row(status: Status, about: &str, what: &str) -> io::Result<()> {
    say!("{:<8} {about:<14} {what}", status.name())
}

fn failure(wrong: usize) -> Failure {
    match wrong {
        1 => "one thing is wrong".into(),
        more => format!("{more} things are wrong").into(),
    }
}

/// Counts protected persons, and households that lead to them.
fn count_protected(config: &Config, state: &State) -> Result<(), Failure> {
    let counts = count(state)?;
    let households = look(state)?;
    let line = |count: u64, what: &str| say!("{count:>12}  {what}");
    line(counts.persons, "persons")?;
    line(counts.protected, "protected by their own marks")?;
    line(counts.inherited, "protected by a linked identity alone")?;
    line(counts.kept, "of these by a link that is no more")?;
    line(
        households.pairs,
        "pairs of somebody without protection and a protected relative in one home",
    )?;
    match config.protection.household {
        HouseholdRule::Show if households.pairs > 0 => say!(
            "\nThe relation leads from the one to the home of the other. With\n\
                 [protection] household = \"mask\" restricted contracts show no address of theirs."
        )?,
        HouseholdRule::Mask if !households.unlike.is_empty() => say!(
            "\n{} of them get their mask, or lose it, when the register is served.",
            households.unlike.len()
        )?,
        _ => {}
    }
    Ok(())
}

fn count(state: &State) -> Result<Counts, Unreadable> {
    let mut counts = Counts::default();
    for record in state.records() {
        let record = record?;
        counts.persons += 1;
        let inherits = !record.own_shield().is_on() && record.shield().is_on();
        counts.protected += u64::from(record.own_shield().is_on());
        counts.inherited += u64::from(inherits);
        counts.kept += u64::from(inherits && record.keeps_protection());
    }
    Ok(counts)
}
