//! Requests: what each kind of stream asks, and what it asks next when the answer has come.

mod contact;
mod lookup;
mod search;
mod soap;
mod window;

use std::rc::Rc;

use bytes::Bytes;
use fastrand::Rng;
use hyper::header::HeaderValue;
use hyper::{Method, Uri};
use pu::person::identity::Identity;

use crate::answer::{Expected, Verdict};
use crate::sample::Sample;
use crate::scenario::{Kind, Stream};

/// A request, and what is known of its answer.
pub struct Asked {
    /// How.
    pub method: Method,
    /// The path and query.
    pub uri: Uri,
    /// What the body is, when there is one.
    pub content: Option<HeaderValue>,
    /// The body.
    pub body: Bytes,
    /// What a right answer looks like.
    pub expected: Expected,
    /// Which step of the stream it is.
    pub step: usize,
    /// What it is about.
    pub about: About,
}

/// What a request is about, for those who ask again.
#[derive(Clone, Copy)]
pub enum About {
    /// Nothing to remember.
    Nothing,
    /// A person.
    Person(Identity),
    /// The seconds from one to another, both included.
    Window(i64, i64),
}

/// Makes the requests of a stream.
pub trait Ask {
    /// The names of its steps: each has its row in the report.
    fn steps(&self) -> &'static [&'static str] {
        &[""]
    }

    /// A new request.
    fn ask(&mut self, chance: &mut Rng) -> Asked;

    /// Hears what became of one; gives what the same caller asks next, at once.
    fn answered(
        &mut self,
        _asked: &Asked,
        _verdict: Verdict,
        _body: &[u8],
        _chance: &mut Rng,
    ) -> Option<Asked> {
        None
    }
}

/// A request cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no such contract.
    #[error("there is no contract {0} in version {1}")]
    Contract(String, u8),
    /// A path is none.
    #[error("the path of a request is wrong")]
    Path(#[from] hyper::http::uri::InvalidUri),
    /// Files are dropped, not asked.
    #[error("a stream of files asks nothing")]
    Files,
}

/// The asker of a stream.
pub fn asker(stream: &Stream, sample: &Rc<Sample>) -> Result<Box<dyn Ask>, AskError> {
    Ok(match stream.kind {
        Kind::Lookup => Box::new(lookup::Lookup::new(stream, sample)?),
        Kind::RestPerson => Box::new(lookup::RestPerson::new(stream, sample)),
        Kind::SurnameAndCounty | Kind::BirthAndName | Kind::ExactName => {
            Box::new(search::Reception::new(stream, sample)?)
        }
        Kind::ChangedSince => Box::new(window::ChangedSince::new(stream, sample)?),
        Kind::Changes => Box::new(window::Changes::new(stream)),
        Kind::Contact => Box::new(contact::Contact::new(stream, sample)?),
        Kind::Import => return Err(AskError::Files),
    })
}

/// One of a stream's profiles.
fn profile<'p>(profiles: &'p [String], chance: &mut Rng) -> &'p str {
    match profiles {
        [only] => only,
        all => &all[chance.usize(..all.len())],
    }
}
