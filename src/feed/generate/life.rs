//! One invented life, before anybody else has a part in it: name, origin, home, fate.

use super::day::Day;
use super::home::Home;
use super::name::{Name, Surname};
use super::random::Random;
use crate::base::time::PartialDate;
use crate::person::identity::{Formats, Identity, IdentityType};
use crate::register::country;

/// The day of the base file: what is known on its morning.
pub(super) const TODAY: Day = Day::new(2025, 1, 7);

/// Whom a life is invented for.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) identity: Identity,
    /// As far as the number tells.
    pub(super) born: PartialDate,
    pub(super) male: bool,
    /// Where they live, when that goes with their age.
    pub(super) municipality: Option<usize>,
}

impl Subject {
    /// What the number tells; `None` for identities that tell too little.
    pub(super) fn of(identity: Identity, formats: &Formats) -> Option<Self> {
        Some(Self {
            identity,
            born: formats.birth_date(identity)?,
            male: formats.gender(identity)? == "1",
            municipality: None,
        })
    }
}

/// A person as the generator knows them. Others are told by their place in the same village.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) identity: Identity,
    pub(super) born: PartialDate,
    pub(super) birth: Day,
    pub(super) male: bool,
    pub(super) name: Name,
    pub(super) origin: Origin,
    pub(super) citizenships: Vec<(&'static str, Option<Day>)>,
    pub(super) home: Home,
    /// Since when the home is the home.
    pub(super) since: Day,
    /// Homes before it with the day of each move, latest first.
    pub(super) earlier: Vec<(Home, Day)>,
    pub(super) civil: (&'static str, Option<Day>),
    pub(super) partner: Option<Partner>,
    pub(super) parents: Vec<Parent>,
    pub(super) children: Vec<usize>,
    pub(super) guardians: Vec<usize>,
    pub(super) wards: Vec<usize>,
    pub(super) fate: Fate,
    pub(super) protected: bool,
    pub(super) protected_registration: bool,
    /// Other identities of the same human being, by Skatteverket's references.
    pub(super) references: Vec<usize>,
    pub(super) coordination: Option<Coordination>,
}

/// Where somebody was born.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    Sweden {
        county: &'static str,
        parish: &'static str,
    },
    Abroad {
        country: &'static Country,
        town: &'static str,
        arrived: Day,
    },
}

/// How a life stands in the register.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Living,
    /// The date as far as it is known, or the day of finding.
    Dead {
        date: PartialDate,
        found: bool,
    },
    Emigrated {
        day: Day,
        country: &'static str,
    },
    /// Deregistered for one of the rarer reasons.
    Removed {
        reason: &'static str,
        day: Day,
    },
    /// The number was replaced by another.
    OldNumber {
        day: Day,
    },
}

/// A husband, wife or registered partner.
#[derive(Clone, Copy)]
pub(super) struct Partner {
    pub(super) with: usize,
    pub(super) kind: &'static str,
    pub(super) since: Day,
}

/// A parent in the register, or one who never was.
#[derive(Clone)]
pub(super) enum Parent {
    Registered(usize),
    Unregistered { birth: Day, male: bool, name: Name },
}

/// What stands about a coordination number only.
#[derive(Clone)]
pub(super) struct Coordination {
    pub(super) level: &'static str,
    pub(super) level_date: Day,
    pub(super) status: &'static str,
    pub(super) cause: Option<&'static str>,
    pub(super) status_date: Day,
    pub(super) allocated: PartialDate,
    pub(super) transfer: Option<Day>,
    pub(super) renewed: Option<Day>,
    pub(super) deceased: Option<PartialDate>,
    pub(super) attested: bool,
}

/// A country that people come from.
pub(super) struct Country {
    pub(super) code: &'static str,
    pub(super) towns: &'static [&'static str],
    pub(super) kind: CountryKind,
    weight: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CountryKind {
    Nordic,
    Union,
    Other,
}

const fn country(
    code: &'static str,
    weight: usize,
    kind: CountryKind,
    towns: &'static [&'static str],
) -> Country {
    Country {
        code,
        towns,
        kind,
        weight,
    }
}

use CountryKind::{Nordic, Other, Union};

/// Where Sweden's inhabitants born abroad come from, roughly as often.
static COUNTRIES: [Country; 24] = [
    country("SY", 190, Other, &["DAMASKUS", "ALEPPO", "HOMS"]),
    country("IQ", 140, Other, &["BAGDAD", "MOSUL", "BASRA"]),
    country("FI", 130, Nordic, &["HELSINGFORS", "ÅBO", "TAMMERFORS"]),
    country("PL", 95, Union, &["GDANSK", "KRAKOW", "WARSZAWA"]),
    country("IR", 85, Other, &["TEHERAN", "SHIRAZ", "TABRIZ"]),
    country("SO", 70, Other, &["MOGADISHU", "HARGEISA"]),
    country("AF", 65, Other, &["KABUL", "HERAT"]),
    country("BA", 60, Other, &["SARAJEVO", "MOSTAR", "TUZLA"]),
    country("IN", 60, Other, &["MUMBAI", "BANGALORE"]),
    country("TR", 55, Other, &["ANKARA", "KONYA", "KULU"]),
    country("DE", 50, Union, &["BERLIN", "HAMBURG", "LÜBECK"]),
    country("ER", 48, Other, &["ASMARA", "KEREN"]),
    country("TH", 45, Other, &["BANGKOK", "UDON THANI"]),
    country("NO", 40, Nordic, &["OSLO", "BERGEN", "TROMSÖ"]),
    country("DK", 38, Nordic, &["KÖPENHAMN", "ÅRHUS", "ROSKILDE"]),
    country("RO", 33, Union, &["BUKAREST", "CLUJ"]),
    country("GB", 30, Other, &["LONDON", "LEEDS", "GLASGOW"]),
    country("ET", 25, Other, &["ADDIS ABEBA"]),
    country("CL", 25, Other, &["SANTIAGO", "VALPARAISO"]),
    country("US", 24, Other, &["CHICAGO", "SEATTLE"]),
    country("UA", 22, Other, &["KIEV", "LVIV", "ODESSA"]),
    country("EE", 10, Union, &["TALLINN", "TARTU"]),
    country("IS", 8, Nordic, &["REYKJAVIK", "AKUREYRI"]),
    country("FO", 3, Nordic, &["TORSHAVN"]),
];

impl Country {
    pub(super) fn any(random: &mut Random) -> &'static Self {
        let total = COUNTRIES.iter().map(|it| it.weight).sum();
        let mut left = random.below(total);
        for country in &COUNTRIES {
            if left < country.weight {
                return country;
            }
            left -= country.weight;
        }
        &COUNTRIES[0]
    }

    /// The name that birth there is told by: the country of that time.
    pub(super) fn name_at(&self, birth: Day) -> &'static str {
        match self.code {
            "BA" if birth < Day::new(1992, 3, 1) => "JUGOSLAVIEN",
            "UA" | "EE" if birth < Day::new(1991, 8, 20) => "SOVJETUNIONEN",
            code => country::name(code),
        }
    }
}

impl Life {
    pub(super) fn new(subject: &Subject, random: &mut Random) -> Self {
        let birth = Day::first_of(subject.born);
        let is_snr = subject.identity.kind() == IdentityType::Snr;
        let home = match subject.municipality {
            Some(municipality) => Home::within(municipality, random),
            None => Home::new(random),
        };
        let origin = Origin::new(birth, is_snr, random);
        let fate = if is_snr {
            Fate::Living
        } else {
            Fate::new(birth, random)
        };
        let end = match fate {
            Fate::Dead { date, .. } => Day::first_of(date),
            Fate::Emigrated { day, .. } | Fate::Removed { day, .. } | Fate::OldNumber { day } => {
                day
            }
            Fate::Living => TODAY,
        };
        let start = match origin {
            Origin::Abroad { arrived, .. } => arrived,
            Origin::Sweden { .. } => birth,
        };
        let mut life = Self {
            identity: subject.identity,
            born: subject.born,
            birth,
            male: subject.male,
            name: Name::new(Surname::new(random), subject.male, random),
            origin,
            citizenships: citizenships(origin, random),
            home,
            since: between(start, end, random),
            earlier: Vec::new(),
            civil: ("OG", None),
            partner: None,
            parents: Vec::new(),
            children: Vec::new(),
            guardians: Vec::new(),
            wards: Vec::new(),
            fate,
            protected: false,
            protected_registration: false,
            references: Vec::new(),
            coordination: is_snr.then(|| Coordination::new(birth, random)),
        };
        if random.chance(1_000) {
            let mut day = life.since;
            for _ in 0..random.between(1, 3) {
                day = between(start, day, random);
                life.earlier.push((life.home.moved(random), day));
            }
        }
        life
    }

    pub(super) fn is_snr(&self) -> bool {
        self.coordination.is_some()
    }

    /// Registered in Sweden today.
    pub(super) fn is_registered(&self) -> bool {
        self.fate == Fate::Living && !self.is_snr()
    }

    pub(super) fn age(&self) -> i32 {
        TODAY.age(self.birth)
    }

    /// The day of death, as far as it is known.
    pub(super) fn death(&self) -> Option<Day> {
        match self.fate {
            Fate::Dead { date, .. } => Some(Day::first_of(date)),
            _ => None,
        }
    }

    /// Whether the life goes on with others: an old number has no family.
    pub(super) fn is_old_number(&self) -> bool {
        matches!(self.fate, Fate::OldNumber { .. })
    }

    pub(super) fn is_shielded(&self) -> bool {
        self.protected || self.protected_registration
    }
}

fn between(from: Day, to: Day, random: &mut Random) -> Day {
    from.plus(random.between(0, to.since(from).max(0)))
}

impl Origin {
    fn new(birth: Day, is_snr: bool, random: &mut Random) -> Self {
        // A number with an unknown part is of a person born abroad, or of nobody told yet.
        if is_snr || random.chance(1_500) {
            let country = Country::any(random);
            let oldest = birth.plus_years(45).earlier(TODAY);
            return Self::Abroad {
                country,
                town: random.pick(country.towns),
                arrived: between(birth, oldest, random),
            };
        }
        let parish = loop {
            let home = Home::new(random);
            // Thirty characters: the limit in Skatteverket's files.
            if home.parish().1.chars().count() <= 30 {
                break (home.county_code(), home.parish().1);
            }
        };
        Self::Sweden {
            county: parish.0,
            parish: parish.1,
        }
    }
}

fn citizenships(origin: Origin, random: &mut Random) -> Vec<(&'static str, Option<Day>)> {
    match origin {
        Origin::Sweden { .. } if random.chance(9_600) => vec![("SE", None)],
        Origin::Sweden { .. } => vec![(Country::any(random).code, None)],
        Origin::Abroad {
            country, arrived, ..
        } => {
            let naturalised = arrived.plus_years(6);
            if naturalised < TODAY && random.chance(6_000) {
                return vec![("SE", Some(between(naturalised, TODAY, random)))];
            }
            let mut all = vec![(country.code, Some(arrived))];
            while all.len() < 3 && random.chance(500) {
                let other = Country::any(random).code;
                if all.iter().all(|(code, _)| *code != other) {
                    all.push((other, None));
                }
            }
            all
        }
    }
}

impl Fate {
    fn new(birth: Day, random: &mut Random) -> Self {
        /// Of ten thousand born so long ago, how many have died.
        const DEAD: [(i32, usize); 9] = [
            (105, 9_960),
            (100, 9_700),
            (95, 8_800),
            (90, 7_300),
            (85, 5_400),
            (75, 2_800),
            (60, 900),
            (40, 200),
            (0, 60),
        ];
        let age = TODAY.age(birth);
        let dead = DEAD
            .iter()
            .find(|(from, _)| age >= *from)
            .map_or(0, |(_, dead)| *dead);
        if random.chance(dead) {
            return Self::dead(birth, age, random);
        }
        let removed =
            |random: &mut Random| between(birth.later(Day::new(1970, 1, 1)), TODAY, random);
        match random.below(10_000) {
            0..400 => Self::Emigrated {
                day: between(birth, TODAY, random),
                country: Country::any(random).code,
            },
            400..420 => Self::Removed {
                reason: "OB",
                day: removed(random),
            },
            420..432 => Self::Removed {
                reason: "TA",
                day: removed(random),
            },
            432..438 => Self::Removed {
                reason: "FI",
                // The code exists since July 2018.
                day: between(birth.later(Day::new(2018, 7, 1)), TODAY, random),
            },
            438..446 => Self::Removed {
                reason: "AN",
                day: removed(random),
            },
            _ => Self::Living,
        }
    }

    fn dead(birth: Day, age: i32, random: &mut Random) -> Self {
        let youngest = if age > 70 { 60 } else { 0 };
        let from = birth.plus_years(youngest);
        let to = birth.plus_years(103).earlier(TODAY);
        let day = between(from, to, random);
        let found = random.chance(150);
        let date = match random.below(100) {
            0..2 => PartialDate::new(day.year().unsigned_abs(), 0, 0),
            2..4 => PartialDate::new(day.year().unsigned_abs(), day.civil().1.unsigned_abs(), 0),
            _ => None,
        };
        // Somebody is found on one day, however long ago the death was; and nobody dies before
        // their birth, not even on the first day of a year.
        let known = date.filter(|date| !found && Day::first_of(*date) > birth);
        Self::Dead {
            date: known.unwrap_or_else(|| day.date()),
            found,
        }
    }
}

impl Coordination {
    fn new(birth: Day, random: &mut Random) -> Self {
        let first = Day::new(2000, 1, 1).later(birth);
        let allocated = between(first, TODAY.plus(-400).later(first), random);
        let status = random.pick_weighted(&[
            ("AKTIVT", 45),
            ("VILANDEFORKLARAT", 33),
            ("VILANDEFORKLARAT_STANGT", 10),
            ("AVREGISTRERAT", 7),
            ("EJ_AKTUELLT", 5),
        ]);
        let cause = match status {
            "VILANDEFORKLARAT" => {
                Some(random.pick_weighted(&[("TIDSFRIST", 9), ("ANNAN_ORSAK", 1)]))
            }
            "VILANDEFORKLARAT_STANGT" => Some("ANNAN_ORSAK"),
            "AVREGISTRERAT" => Some(random.pick(&["AVLIDEN", "FELAKTIGT_REGISTRERAT"])),
            "EJ_AKTUELLT" => Some("ERSATT"),
            _ => None,
        };
        // The status terms exist since 2021-06-18, the identity level since 2023-09-01.
        let status_date = between(Day::new(2021, 6, 18).later(allocated), TODAY, random);
        let deceased = (cause == Some("AVLIDEN")).then(|| {
            let day = between(Day::new(2021, 7, 1).later(allocated), status_date, random);
            day.date()
        });
        let year = allocated.year().unsigned_abs();
        let partial = PartialDate::new(year, 0, 0).filter(|_| random.chance(200));
        let active = status == "AKTIVT";
        let renewed = (active && random.chance(4_000))
            .then(|| between(Day::new(2021, 6, 18).later(allocated), TODAY, random));
        Self {
            level: random.pick_weighted(&[
                ("STYRKT", 40),
                ("SANNOLIK", 20),
                ("OSAKER", 30),
                ("INTE_TILLAMPLIG", 10),
            ]),
            level_date: between(Day::new(2023, 9, 1).later(allocated), TODAY, random),
            status,
            cause,
            status_date,
            allocated: partial.unwrap_or_else(|| allocated.date()),
            transfer: active.then(|| Day::new(TODAY.year() + random.between(1, 5), 12, 31)),
            renewed,
            deceased,
            attested: random.chance(2_000),
        }
    }
}
