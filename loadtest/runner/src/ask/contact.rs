//! Care changes how a person is reached: reads the contact data with its version, and replaces it.

use std::fmt::Write;
use std::rc::Rc;

use fastrand::Rng;

use super::soap::{Writer, identity};
use super::{About, Ask, AskError, Asked};
use crate::answer::{Expected, Verdict, between};
use crate::sample::Sample;
use crate::scenario::Stream;

const ACTOR: &str = "<r:actor><p:id><p:root>1.2.752.29.6.2.1</p:root>\
     <p:extension>SE0000000000-LAST</p:extension></p:id>\
     <p:professional><p:organizationId><p:root>1.2.752.29.6.10.1</p:root>\
     <p:extension>SE0000000000-LAST</p:extension></p:organizationId></p:professional></r:actor>";

/// Updates of contact data.
pub struct Contact {
    read: Writer,
    update: Writer,
    sample: Rc<Sample>,
}

impl Contact {
    pub fn new(stream: &Stream, sample: &Rc<Sample>) -> Result<Self, AskError> {
        Ok(Self {
            read: Writer::new(&stream.contract().replace("Update", "Get"), stream.major)?,
            update: Writer::new(stream.contract(), stream.major)?,
            sample: Rc::clone(sample),
        })
    }
}

impl Ask for Contact {
    fn steps(&self) -> &'static [&'static str] {
        &["read", "update"]
    }

    fn ask(&mut self, chance: &mut Rng) -> Asked {
        let person = self.sample.changeable(chance);
        let mut asked = self.read.request(Expected::Contact, |out| {
            identity(out, "personId", &self.sample, person);
        });
        asked.about = About::Person(person);
        asked
    }

    fn answered(
        &mut self,
        asked: &Asked,
        verdict: Verdict,
        body: &[u8],
        chance: &mut Rng,
    ) -> Option<Asked> {
        let About::Person(person) = asked.about else {
            return None;
        };
        if asked.step > 0 || !matches!(verdict, Verdict::Right(_)) {
            return None;
        }
        let version = between(body, "<p:version>", "</p:version>")?;
        let mut update = self.update.request(Expected::Updated, |out| {
            out.push_str(ACTOR);
            identity(out, "personId", &self.sample, person);
            // Numbers that the Swedish telephone authority keeps for fiction.
            let _ = write!(
                out,
                "<r:versionToUpdate>{version}</r:versionToUpdate><r:contactInformation>\
                 <p:contactType>sms</p:contactType><p:use>mobile</p:use>\
                 <p:value>+467017406{:02}</p:value></r:contactInformation>",
                chance.u32(5..100)
            );
        });
        update.step = 1;
        Some(update)
    }
}
