//! Whom to ask for: identities and what searches need, drawn evenly from the register's snapshot. The
//! file is read at some places only, and let go of before the run begins.

use std::collections::HashMap;
use std::path::Path;

use fastrand::Rng;
use pu::person::field::Field;
use pu::person::identity::{Formats, Identity, IdentityType};
use pu::person::record::{Damaged, RecordRef};
use pu::person::value::ValueRef;
use pu::person::view::{Grant, Profile, ProtectionRules, Shield, View, restrict};
use pu::store::map::Pattern;
use pu::store::snapshot::Snapshot;
use pu::store::state::{RegisterError, formats_of, open_newest};

const GIVEN: Field = Field::at("name/givenName");
const SURNAME: Field = Field::at("name/surname");
const BORN: Field = Field::at("birth/dateOfBirth");
const COUNTY: Field = Field::at("populationRegistrationLocality/countyCode");
const STREET: Field = Field::at("addressInformation/residentialAddress/postalAddress2");
const VERSION: Field = Field::at("version");

/// Persons drawn.
pub const PERSONS: u64 = 200_000;

/// Of the persons drawn, so many as searches are made of at most.
const SOUGHT: usize = 50_000;

/// One asked for in so many is nobody: 2 %.
const ONE_UNKNOWN_IN: usize = 50;

/// Hits a name in a county is to have at most in the whole register, by what the sample tells: one
/// who searches by it wants to read through them.
const HITS_WANTED: f64 = 300.0;

/// Letters of a surname that are typed at most.
const LETTERS: usize = 6;

/// Persons of one second of change that cannot be paged through.
const CROWD: f64 = 400.0;

/// Draws from a register.
pub struct Sample {
    /// How identities are written.
    pub formats: Formats,
    /// Persons in the register.
    pub persons: u64,
    known: Vec<Identity>,
    unknown: Vec<Identity>,
    sought: Vec<Sought>,
    /// Of the persons sought, those whose surname and county few share.
    rare: Vec<usize>,
    /// Persons whose contact data can be changed, and whose address a file can.
    changeable: Vec<Identity>,
    /// The newest change that can be paged through, `YYYYMMDDhhmmss`; the newest when none can.
    pub newest: u64,
    /// Seconds in which more persons changed than a search may find.
    pub crowded: Vec<u64>,
}

/// What a receptionist knows of a person. Not `Debug`: it is personal data.
pub struct Sought {
    /// Given names, the first of them.
    pub given: Box<str>,
    /// The surname.
    pub surname: Box<str>,
    /// The day of birth, `YYYYMMDD`.
    pub born: u32,
    /// The county.
    pub county: Box<str>,
}

/// Why a register cannot be drawn from.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// It cannot be opened.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// There is none.
    #[error("there is no register in {0}")]
    None(std::path::PathBuf),
    /// A record of it cannot be read.
    #[error("the register is damaged")]
    Damaged,
    /// It holds nobody to ask for.
    #[error("the register holds nobody with a personal number who is not protected")]
    Nobody,
}

impl From<Damaged> for SampleError {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}

impl Sample {
    /// Draws from the newest snapshot in a folder.
    pub fn draw(register: &Path, seed: u64) -> Result<Self, SampleError> {
        let none = || SampleError::None(register.to_path_buf());
        // A region's own formats stand in the snapshot itself.
        let newest = pu::store::folder::newest(register);
        let newest = newest.ok().flatten().ok_or_else(none)?;
        let opened = Snapshot::open(&newest.path, pu::person::field::schema_hash());
        let opened = opened.map_err(RegisterError::from)?;
        let formats = formats_of(&opened)?;
        drop(opened);
        let snapshot = open_newest(register, &formats)?.ok_or_else(none)?;
        // What is read beside the drawn would push the service's own pages out of memory.
        snapshot.expect(Pattern::Scattered);
        Self::of(&snapshot, formats, seed)
    }

    fn of(snapshot: &Snapshot, formats: Formats, seed: u64) -> Result<Self, SampleError> {
        let mut chance = Rng::with_seed(seed);
        let persons = snapshot.len();
        let drawn = persons.min(PERSONS);
        let mut sample = Self {
            formats,
            persons,
            known: Vec::with_capacity(drawn as usize),
            unknown: Vec::new(),
            sought: Vec::new(),
            rare: Vec::new(),
            changeable: Vec::new(),
            newest: 0,
            crowded: Vec::new(),
        };
        let grant = Grant::restricted(Profile::P3, ProtectionRules::STANDARD);
        let mut seconds: HashMap<u64, u32> = HashMap::new();
        let mut named: HashMap<String, u32> = HashMap::new();
        for place in 0..drawn {
            // One at random out of each of as many equal stretches.
            let from = place * persons / drawn;
            let to = (place + 1) * persons / drawn;
            let bytes = snapshot.record(chance.u64(from..to))?.ok_or(Damaged)?;
            let record = RecordRef::open(bytes)?;
            sample.known.push(record.identity());
            let view = restrict(record, &grant, Shield::NONE);
            for at in view.values(VERSION) {
                if let ValueRef::Timestamp(at) = at? {
                    *seconds.entry(at.number()).or_default() += 1;
                }
            }
            if let Some(sought) = sample.take(record, &view)? {
                *named.entry(key(&sought)).or_default() += 1;
                if sample.sought.len() < SOUGHT {
                    sample.sought.push(sought);
                }
            }
        }
        let weight = persons as f64 / drawn.max(1) as f64;
        let is_rare = |sought: &Sought| {
            let alike = named.get(&key(sought)).copied().unwrap_or_default();
            f64::from(alike) * weight <= HITS_WANTED
        };
        sample.rare = (0..sample.sought.len())
            .filter(|at| is_rare(&sample.sought[*at]))
            .collect();
        let crowds = seconds
            .iter()
            .filter(|(_, many)| f64::from(**many) * weight > CROWD);
        sample.crowded = crowds.map(|(second, _)| *second).collect();
        sample.crowded.sort_unstable();
        // A day whose changes all came at one moment is no day to page through.
        let newest = |crowds: bool| {
            let seconds = seconds.keys().copied();
            let all = seconds.filter(|it| crowds || sample.crowded.binary_search(it).is_err());
            all.max()
        };
        sample.newest = newest(false).or_else(|| newest(true)).unwrap_or_default();
        sample.invent_unknown(snapshot, &mut chance);
        if sample.sought.is_empty() || sample.changeable.is_empty() {
            return Err(SampleError::Nobody);
        }
        Ok(sample)
    }

    /// Takes in what a record is good for; gives what is needed to search for the person.
    fn take(
        &mut self,
        record: RecordRef<'_>,
        view: &View<'_>,
    ) -> Result<Option<Sought>, SampleError> {
        let is_open = record.identity().kind() == IdentityType::Pnr && !record.shield().is_on();
        if !is_open {
            return Ok(None);
        }
        let Some(county) = text(view, COUNTY)? else {
            return Ok(None);
        };
        if view.values(STREET).next().is_some() {
            self.changeable.push(record.identity());
        }
        let mut born = None;
        for date in view.values(BORN) {
            if let ValueRef::Date(date) | ValueRef::PartialDate(date) = date? {
                born = date.is_complete().then(|| date.number());
            }
        }
        let (given, surname) = (text(view, GIVEN)?, text(view, SURNAME)?);
        let (Some(given), Some(surname), Some(born)) = (given, surname, born) else {
            return Ok(None);
        };
        let first = given.split(' ').next().unwrap_or_default();
        // A quote would have to be doubled, a name with a hyphen is two words, and names as short as
        // that find everybody.
        let is_plain =
            |name: &str| name.chars().count() >= 3 && name.chars().all(char::is_alphabetic);
        Ok((is_plain(first) && is_plain(&surname)).then(|| Sought {
            given: first.into(),
            surname: surname.as_str().into(),
            born,
            county: county.as_str().into(),
        }))
    }

    /// Numbers of nobody in the register: those of persons drawn, with another serial number.
    fn invent_unknown(&mut self, snapshot: &Snapshot, chance: &mut Rng) {
        const WANTED: usize = 2_000;
        for _ in 0..WANTED * 10 {
            if self.unknown.len() == WANTED || self.changeable.is_empty() {
                break;
            }
            let like = self.changeable[chance.usize(..self.changeable.len())];
            let known = self.formats.root(like).zip(self.formats.text(like));
            let Some((root, text)) = known else { continue };
            let birth = text.as_str().get(..8).unwrap_or_default();
            let value = format!("{birth}{:03}0", chance.u32(0..1_000));
            let Ok(identity) = self.formats.with_check_digit(root, &value) else {
                continue;
            };
            let is_it = |bytes| RecordRef::open(bytes).is_ok_and(|it| it.identity() == identity);
            if snapshot.find(identity.key(), is_it) == Ok(None) {
                self.unknown.push(identity);
            }
        }
    }

    /// An identity, and whether the register has it.
    pub fn identity(&self, chance: &mut Rng) -> (Identity, bool) {
        if !self.unknown.is_empty() && chance.usize(..ONE_UNKNOWN_IN) == 0 {
            return (self.unknown[chance.usize(..self.unknown.len())], false);
        }
        (self.known[chance.usize(..self.known.len())], true)
    }

    /// Somebody to search for.
    pub fn sought(&self, chance: &mut Rng) -> &Sought {
        &self.sought[chance.usize(..self.sought.len())]
    }

    /// Somebody to search for by surname and county: one of those whom few share them with.
    pub fn rare(&self, chance: &mut Rng) -> &Sought {
        match self.rare.len() {
            0 => self.sought(chance),
            count => &self.sought[self.rare[chance.usize(..count)]],
        }
    }

    /// Somebody registered, with an address and not protected.
    pub fn changeable(&self, chance: &mut Rng) -> Identity {
        self.changeable[chance.usize(..self.changeable.len())]
    }

    /// An identity's root and characters.
    pub fn written(&self, identity: Identity) -> (&str, pu::person::format::Text) {
        let known = self.formats.root(identity).zip(self.formats.text(identity));
        // Every identity here was read with these formats.
        known.unwrap_or_else(|| unreachable!("an identity of the register has a format"))
    }

    /// How many persons were drawn.
    pub fn drawn(&self) -> usize {
        self.known.len()
    }
}

impl Sought {
    /// The beginning of the surname that is typed: not its last letter.
    pub fn beginning(&self) -> String {
        let letters = self.surname.chars().count();
        self.surname
            .chars()
            .take((letters - 1).clamp(2, LETTERS))
            .collect()
    }
}

fn key(sought: &Sought) -> String {
    format!("{}{}", sought.county, sought.beginning())
}

fn text(view: &View<'_>, field: Field) -> Result<Option<String>, SampleError> {
    for value in view.values(field) {
        if let ValueRef::Text(text) = value? {
            return Ok(Some(text.plain()?.into_owned()));
        }
    }
    Ok(None)
}
