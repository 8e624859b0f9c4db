//! Persons by identity: one or many, over SOAP or REST.

use std::rc::Rc;

use bytes::Bytes;
use fastrand::Rng;
use hyper::{Method, Uri};

use super::soap::{Writer, identity, whole_person};
use super::{About, Ask, AskError, Asked, profile};
use crate::answer::Expected;
use crate::sample::Sample;
use crate::scenario::Stream;

/// GetPersonsForProfile and its twin.
pub struct Lookup {
    writer: Writer,
    sample: Rc<Sample>,
    profiles: Vec<String>,
    ids: usize,
}

impl Lookup {
    pub fn new(stream: &Stream, sample: &Rc<Sample>) -> Result<Self, AskError> {
        Ok(Self {
            writer: Writer::new(stream.contract(), stream.major)?,
            sample: Rc::clone(sample),
            profiles: stream.profiles.clone(),
            ids: stream.ids,
        })
    }
}

impl Ask for Lookup {
    fn ask(&mut self, chance: &mut Rng) -> Asked {
        let mut known = 0;
        let mut asked = self.writer.request(Expected::Persons(0), |out| {
            for _ in 0..self.ids {
                let (who, is_known) = self.sample.identity(chance);
                known += usize::from(is_known);
                identity(out, "personId", &self.sample, who);
            }
            whole_person(out, profile(&self.profiles, chance));
        });
        asked.expected = Expected::Persons(known);
        asked
    }
}

/// `GET /v1/persons/{identity}`.
pub struct RestPerson {
    sample: Rc<Sample>,
    profiles: Vec<String>,
}

impl RestPerson {
    pub fn new(stream: &Stream, sample: &Rc<Sample>) -> Self {
        Self {
            sample: Rc::clone(sample),
            profiles: stream.profiles.clone(),
        }
    }
}

impl Ask for RestPerson {
    fn ask(&mut self, chance: &mut Rng) -> Asked {
        let (who, is_known) = self.sample.identity(chance);
        let (root, text) = self.sample.written(who);
        let profile = profile(&self.profiles, chance);
        let path = format!(
            "/v1/persons/{}?root={root}&profile={profile}",
            text.as_str()
        );
        Asked {
            method: Method::GET,
            // Roots and identities are digits, dots and letters.
            uri: path.parse().unwrap_or_else(|_| Uri::from_static("/")),
            content: None,
            body: Bytes::new(),
            expected: Expected::Person(is_known),
            step: 0,
            about: About::Nothing,
        }
    }
}
