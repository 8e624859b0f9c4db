//! A desk: somebody is searched for by name, and the record of one of the hits is fetched.

use std::rc::Rc;

use fastrand::Rng;

use super::soap::{Writer, search, whole_person};
use super::{Ask, AskError, Asked, profile};
use crate::answer::{Expected, Verdict, between};
use crate::sample::Sample;
use crate::scenario::{Kind, Stream};

/// Searches of one kind.
pub struct Reception {
    kind: Kind,
    search: Writer,
    lookup: Writer,
    sample: Rc<Sample>,
    profiles: Vec<String>,
}

impl Reception {
    pub fn new(stream: &Stream, sample: &Rc<Sample>) -> Result<Self, AskError> {
        Ok(Self {
            kind: stream.kind,
            search: Writer::new(stream.contract(), stream.major)?,
            lookup: Writer::new("GetPersonsForProfile", stream.major)?,
            sample: Rc::clone(sample),
            profiles: stream.profiles.clone(),
        })
    }

    fn query(&self, chance: &mut Rng) -> String {
        match self.kind {
            Kind::SurnameAndCounty => {
                let sought = self.sample.rare(chance);
                format!(
                    "FROM PersonRecord WHERE name.surname LIKE '{}%' AND \
                     populationRegistrationLocality.countyCode = '{}'",
                    sought.beginning(),
                    sought.county
                )
            }
            Kind::BirthAndName => {
                let sought = self.sample.sought(chance);
                format!(
                    "FROM PersonRecord WHERE birth.dateOfBirth = '{}' AND name.surname LIKE '{}%'",
                    sought.born,
                    sought.beginning()
                )
            }
            _ => {
                let sought = self.sample.sought(chance);
                format!(
                    "FROM PersonRecord WHERE name.givenName = '{}' AND name.surname = '{}'",
                    sought.given, sought.surname
                )
            }
        }
    }
}

impl Ask for Reception {
    fn steps(&self) -> &'static [&'static str] {
        &["", "the hit"]
    }

    fn ask(&mut self, chance: &mut Rng) -> Asked {
        let query = self.query(chance);
        // At least the person who was drawn.
        self.search.request(Expected::Hits(1), |out| {
            search(out, &query, profile(&self.profiles, chance));
        })
    }

    fn answered(
        &mut self,
        asked: &Asked,
        verdict: Verdict,
        body: &[u8],
        chance: &mut Rng,
    ) -> Option<Asked> {
        if asked.step > 0 || !matches!(verdict, Verdict::Right(_)) {
            return None;
        }
        let identity = between(body, "<p:personalIdentity>", "</p:personalIdentity>")?;
        let mut hit = self.lookup.request(Expected::Persons(1), |out| {
            out.push_str("<r:personId>");
            out.push_str(identity);
            out.push_str("</r:personId>");
            whole_person(out, profile(&self.profiles, chance));
        });
        hit.step = 1;
        Some(hit)
    }
}
