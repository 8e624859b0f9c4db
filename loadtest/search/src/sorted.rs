//! A sorted list in memory and two binary searches: the least that counting by name and county
//! could cost, as a floor for the others.

use crate::Failure;
use crate::engine::{Answer, Engine, FIRST};
use crate::question::{Ask, Kind, Truth};

pub struct Sorted<'t>(pub &'t Truth);

impl Engine for Sorted<'_> {
    fn name(&self) -> &'static str {
        "sorted list"
    }

    fn takes(&self, kind: Kind) -> bool {
        kind == Kind::CountAndFirst
    }

    fn answer(&mut self, _: Kind, ask: &Ask) -> Result<Answer, Failure> {
        let Ask::WordPrefix { county, prefix } = ask else {
            return Err("not a question for a sorted list".into());
        };
        let found = self.0.listings(county, prefix);
        let mut hits: Vec<u64> = Vec::with_capacity(FIRST);
        for &(_, _, person) in found {
            let identity = self.0.identity(person);
            if hits.len() == FIRST {
                break;
            }
            if !hits.contains(&identity) {
                hits.push(identity);
            }
        }
        Ok(Answer {
            count: found.len() as u64,
            hits,
            listings: true,
            bytes: 0,
        })
    }

    fn sizes(&mut self) -> Result<Vec<(String, u64)>, Failure> {
        Ok(Vec::new())
    }
}
