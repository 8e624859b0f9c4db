//! What a SOAP request asks for, as it is read: the sinks that receive a message's values, and the
//! task that comes of them. Where each value stands in a message is found once, when the service
//! starts.

use std::borrow::Cow;

use super::fault::Refusal;
use super::plan::Plan;
use super::recall::Wish;
use super::request::Sink;
use super::search::{Language, Search};
use crate::base::limits;
use crate::base::private::Private;
use crate::person::identity::{Formats, Identity, IdentityError};
use crate::person::view::Profile;
use crate::query::lookup::Follow;
use crate::register::{refusal, wish};

/// A request that was read, to be performed on one state.
pub enum Task {
    /// Persons by identity.
    Persons(Wish),
    /// Persons by a query.
    Search(Search),
    /// How to reach a person.
    Contact(Identity),
    /// A change: not for a state to perform, but for whoever makes the next one.
    Change(Box<wish::Wish>),
    /// A change that is refused whatever the register holds.
    Refused(refusal::Refusal),
}

impl Task {
    /// What is remembered of it when it is done.
    pub fn noted(&self) -> Noted {
        match self {
            Self::Persons(wish) => Noted::of(wish.profile),
            Self::Search(search) => Noted::of_search(search),
            Self::Contact(_) => Noted::of(Profile::P3),
            Self::Change(_) | Self::Refused(_) => Noted::default(),
        }
    }
}

/// What is remembered of a request when it is done, for metrics and the audit.
#[derive(Default)]
pub struct Noted {
    /// The profile asked for.
    pub profile: Option<Profile>,
    /// The language searched in, when it was a search.
    pub language: Option<Language>,
    /// The query, when it was a search.
    pub query: Option<Private<Box<str>>>,
    /// Who was asked for by identity, for when there is no answer to tell it.
    pub asked: Vec<Identity>,
}

impl Noted {
    /// Persons read by identity.
    pub const fn of(profile: Profile) -> Self {
        Self {
            profile: Some(profile),
            language: None,
            query: None,
            asked: Vec::new(),
        }
    }

    /// A search.
    pub fn of_search(search: &Search) -> Self {
        Self {
            profile: Some(search.profile),
            language: Some(search.language),
            query: Some(search.query.clone()),
            asked: Vec::new(),
        }
    }
}

/// Where the values of GetPersonsForProfile stand.
#[derive(Clone, Copy, Debug)]
pub struct PersonsPlaces {
    identity: Option<usize>,
    root: Option<usize>,
    extension: Option<usize>,
    profile: Option<usize>,
    ignore_referred: Option<usize>,
}

impl PersonsPlaces {
    /// Finds them in the compiled message.
    pub fn find(plan: &Plan) -> Self {
        Self {
            identity: plan.at("personId"),
            root: plan.at("personId/root"),
            extension: plan.at("personId/extension"),
            profile: plan.at("profile"),
            ignore_referred: plan.at("ignoreReferredIdentity"),
        }
    }
}

/// Where the values of SearchPersonsForProfile stand.
#[derive(Clone, Copy, Debug)]
pub struct SearchPlaces {
    query: Option<usize>,
    language: Option<usize>,
    profile: Option<usize>,
}

impl SearchPlaces {
    /// Finds them in the compiled message.
    pub fn find(plan: &Plan) -> Self {
        Self {
            query: plan.at("query"),
            language: plan.at("queryLanguage"),
            profile: plan.at("profile"),
        }
    }
}

/// A GetPersonsForProfile request, as it is read.
pub struct GetPersons<'x, 'f> {
    places: PersonsPlaces,
    formats: &'f Formats,
    root: Cow<'x, str>,
    extension: Cow<'x, str>,
    profile: Option<Profile>,
    follow: Follow,
    identities: Vec<Identity>,
    /// The identities' values where they stand in the text; empty where they do not stand whole.
    values: Vec<&'x str>,
    /// How many identities have been named, right or wrong.
    named: usize,
    refusal: Option<Refusal>,
}

impl<'x, 'f> GetPersons<'x, 'f> {
    /// Nothing read yet.
    pub fn new(places: PersonsPlaces, formats: &'f Formats) -> Self {
        Self {
            places,
            formats,
            root: Cow::Borrowed(""),
            extension: Cow::Borrowed(""),
            profile: None,
            follow: Follow::MainIdentity,
            identities: Vec::with_capacity(4),
            values: Vec::with_capacity(4),
            named: 0,
            refusal: None,
        }
    }

    /// What was read, and the identities' values where they stand in the text.
    pub fn wish(self) -> Result<(Wish, Vec<&'x str>), Refusal> {
        if self.named > limits::IDENTITIES_PER_REQUEST {
            return Err(Refusal::TooManyIdentities);
        }
        let profile = self.profile.ok_or(Refusal::ReservedProfile)?;
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let (identities, follow) = (self.identities, self.follow);
        Ok((
            Wish {
                identities,
                profile,
                follow,
            },
            self.values,
        ))
    }
}

impl<'x> Sink<'x> for GetPersons<'x, '_> {
    fn value(&mut self, place: usize, text: Cow<'x, str>) {
        let place = Some(place);
        if place == self.places.root {
            self.root = text;
        } else if place == self.places.extension {
            self.extension = text;
        } else if place == self.places.profile {
            self.profile = Profile::parse(&text);
        } else if place == self.places.ignore_referred && matches!(text.trim(), "true" | "1") {
            self.follow = Follow::Nothing;
        }
    }

    fn close(&mut self, place: usize) {
        if Some(place) != self.places.identity {
            return;
        }
        self.named += 1;
        let extension = std::mem::take(&mut self.extension);
        if self.named > limits::IDENTITIES_PER_REQUEST || self.refusal.is_some() {
            return;
        }
        match self.formats.parse(&self.root, &extension) {
            Ok(identity) => {
                self.identities.push(identity);
                self.values.push(match extension {
                    Cow::Borrowed(value) => value,
                    Cow::Owned(_) => "",
                });
            }
            Err(error) => self.refusal = Some(Refusal::of_identity(self.named, error)),
        }
    }
}

/// A SearchPersonsForProfile request, as it is read.
pub struct SearchPersons<'x> {
    places: SearchPlaces,
    query: Cow<'x, str>,
    language: Language,
    profile: Option<Profile>,
}

impl SearchPersons<'_> {
    /// Nothing read yet.
    pub const fn new(places: SearchPlaces) -> Self {
        Self {
            places,
            query: Cow::Borrowed(""),
            language: Language::Unknown,
            profile: None,
        }
    }

    /// What was read.
    pub fn search(self, formats: &Formats) -> Result<Search, Refusal> {
        let profile = self.profile.ok_or(Refusal::ReservedProfile)?;
        Ok(Search::read(self.language, &self.query, profile, formats))
    }
}

impl<'x> Sink<'x> for SearchPersons<'x> {
    fn value(&mut self, place: usize, text: Cow<'x, str>) {
        let place = Some(place);
        if place == self.places.query {
            self.query = text;
        } else if place == self.places.language {
            self.language = Language::parse(&text);
        } else if place == self.places.profile {
            self.profile = Profile::parse(&text);
        }
    }

    fn close(&mut self, _: usize) {}
}

impl Refusal {
    /// Why the identity at `place`, counted from 1, is refused.
    pub const fn of_identity(place: usize, error: IdentityError) -> Self {
        match error {
            IdentityError::UnknownRoot => Self::UnknownRoot(place),
            _ => Self::MalformedIdentity(place),
        }
    }
}
