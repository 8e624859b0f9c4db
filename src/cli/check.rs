//! `pu check`: what an operator should know of a register, in counts. Names nobody.

use clap::Args;

use super::register::Register;
use super::{Common, Failure};
use crate::person::view::HouseholdRule;
use crate::register::household::look;
use crate::store::state::{State, Unreadable};

/// Count what deserves a look: protected persons, and households that lead to them
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
        let register = Register::open(&self.common)?;
        let counts = count(&register.state)?;
        let households = look(&register.state)?;
        let line = |count: u64, what: &str| println!("{count:>12}  {what}");
        line(counts.persons, "persons");
        line(counts.protected, "protected by their own marks");
        line(counts.inherited, "protected by a linked identity alone");
        line(counts.kept, "of these by a link that is no more");
        line(
            households.pairs,
            "pairs of somebody without protection and a protected relative in one home",
        );
        match register.config.protection.household {
            HouseholdRule::Show if households.pairs > 0 => println!(
                "\nThe relation leads from the one to the home of the other. With\n\
                 [protection] household = \"mask\" restricted contracts show no address of theirs."
            ),
            HouseholdRule::Mask if !households.unlike.is_empty() => println!(
                "\n{} of them get their mask, or lose it, when the register is served.",
                households.unlike.len()
            ),
            _ => {}
        }
        Ok(())
    }
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
