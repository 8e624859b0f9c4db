//! Reserve identities: people whom care met without a number, and how they were linked to one
//! later.

use std::collections::BTreeSet;

use super::contact::{self, PERSON_ACTOR, moment, staff};
use super::day::Day;
use super::home::Home;
use super::life::{Country, Life, TODAY};
use super::name::{Name, Surname};
use super::random::Random;
use super::say::{Say, address_fields};
use crate::person::edit::{Group, Person};
use crate::person::field::Field;
use crate::person::identity::{Formats, Identity, IdentityError};
use crate::person::value::Value;
use crate::register::country;

const NRID: &str = "1.2.752.74.9.1";
const SLL: &str = "1.2.752.97.3.1.3";
const VGRL: &str = "1.2.752.113.11.0.2.1.1.1";
const LIV: &str = "1.2.752.74.9.2";
const CLNK: &str = "1.2.752.129.2.1.3.2";
const ROL: &str = "1.2.752.74.9.3";
const LOCAL: [&str; 5] = [SLL, VGRL, LIV, CLNK, ROL];

/// The letters of national reserve identities.
const LETTERS: &[u8] = b"ABCDEFGHJKLMNPRSTUXYZ";

/// How many there are among some people.
#[derive(Clone, Copy)]
pub(super) struct Amount {
    pub(super) national: usize,
    pub(super) local: usize,
    /// Whether the first are those that a demonstration needs: a chain over a coordination number,
    /// and a protected person.
    pub(super) telling: bool,
}

const GIVEN_ADDRESS: [Field; 5] = address_fields!("addressInformation/givenAddress");

/// What is known of somebody without a number.
#[derive(Clone, Copy)]
struct Known<'a> {
    birth: Option<Day>,
    male: Option<bool>,
    /// The person this later turned out to be.
    is: Option<&'a Life>,
}

/// Reserve identities with their records, national ones first. `taken` are those that somebody has.
pub(super) fn people(
    lives: &[Life],
    amount: Amount,
    taken: &mut BTreeSet<Identity>,
    formats: &Formats,
    random: &mut Random,
) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::new();
    let whole = |life: &&Life| life.born.is_complete() && life.age() < 80;
    let chained = lives
        .iter()
        .filter(whole)
        .find(|it| it.is_snr() && !it.references.is_empty());
    let protected = lives
        .iter()
        .filter(whole)
        .find(|it| it.is_registered() && it.is_shielded());
    let needed: Vec<&Life> = chained.into_iter().chain(protected).collect();
    let needed = if amount.telling { needed } else { Vec::new() };
    let mut national = Vec::new();
    for count in 0..amount.national {
        let known = match needed.get(count) {
            Some(life) => Known::of(life),
            None => Known::any(lives, random),
        };
        let make = |random: &mut Random| national_identity(formats, &known, random);
        let Some(identity) = free(taken, make, random) else {
            continue;
        };
        let link = known.is.map(|life| (life.identity, true));
        people.push(person(identity, &known, link, formats, random));
        national.push((identity, known));
    }
    for count in 0..amount.local {
        let root = LOCAL[count % LOCAL.len()];
        let (known, link) = match count {
            // The chain goes on: local, national, coordination number, personal number.
            0 if amount.telling && !national.is_empty() => {
                (national[0].1, Some((national[0].0, false)))
            }
            _ if random.chance(4_000) && !national.is_empty() => {
                let (identity, known) = random.pick(&national);
                (known, Some((identity, known.is.is_none())))
            }
            _ => {
                let known = Known::any(lives, random);
                (known, known.is.map(|life| (life.identity, true)))
            }
        };
        let make = |random: &mut Random| local_identity(formats, root, &known, random);
        if let Some(identity) = free(taken, make, random) {
            people.push(person(identity, &known, link, formats, random));
        }
    }
    people
}

impl<'a> Known<'a> {
    fn of(life: &'a Life) -> Self {
        Self {
            birth: life.born.is_complete().then_some(life.birth),
            male: Some(life.male),
            is: Some(life),
        }
    }

    fn any(lives: &'a [Life], random: &mut Random) -> Self {
        if random.chance(3_500) {
            let life = &lives[random.below(lives.len())];
            if life.is_registered() || life.is_snr() {
                return Self::of(life);
            }
        }
        // Nothing known, one of the two, mostly both.
        let birth = (!random.chance(2_000)).then(|| TODAY.plus(-random.between(1, 90 * 365)));
        let male = (!random.chance(2_000)).then(|| random.chance(5_000));
        Self {
            birth,
            male,
            is: None,
        }
    }
}

/// An identity that nobody in this population has.
fn free(
    taken: &mut BTreeSet<Identity>,
    make: impl Fn(&mut Random) -> Result<Identity, IdentityError>,
    random: &mut Random,
) -> Option<Identity> {
    (0..20).find_map(|_| make(random).ok().filter(|identity| taken.insert(*identity)))
}

fn national_identity(
    formats: &Formats,
    known: &Known<'_>,
    random: &mut Random,
) -> Result<Identity, IdentityError> {
    let date = match known.birth {
        Some(birth) => {
            let (year, month, day) = birth.civil();
            // A third of a day's numbers used up: some are of the second and third series.
            let series = year / 100 + 3 + 6 * random.pick_weighted(&[(0, 90), (1, 8), (2, 2)]);
            format!("{series:02}{:02}{month:02}{day:02}", year % 100)
        }
        None => format!(
            "00{:02}{:02}{:02}",
            random.between(0, 99),
            random.between(20, 99),
            random.between(40, 59)
        ),
    };
    let mut letter = || char::from(random.pick(LETTERS));
    let (first, second, unknown) = (letter(), letter(), letter());
    let gender = match known.male {
        Some(male) => char::from(b'0' + 2 * random.up_to(4) + u8::from(male)),
        None => unknown,
    };
    formats.with_check_digit(NRID, &format!("{date}{first}{second}{gender}0"))
}

fn local_identity(
    formats: &Formats,
    root: &str,
    known: &Known<'_>,
    random: &mut Random,
) -> Result<Identity, IdentityError> {
    let birth = known
        .birth
        .unwrap_or_else(|| TODAY.plus(-random.between(0, 3_000)));
    let (year, month, day) = birth.civil();
    let letter = |random: &mut Random| char::from(random.pick(b"ABCDEFGH"));
    match root {
        SLL => {
            let issued = random.between(1_990, 2_024);
            let number = random.between(0, 99_999);
            formats.with_check_digit(root, &format!("99{issued}{number:05}0"))
        }
        VGRL => {
            let number = match known.male {
                Some(male) => 6 + 2 * random.between(0, 36) + i32::from(male),
                None => random.between(80, 89),
            };
            let series = random.pick(&['K', 'M', 'X']);
            let value = format!("{year}{month:02}{day:02}{series}{number:02}0");
            formats.with_check_digit(root, &value)
        }
        LIV => {
            let kind = if known.birth.is_some() { 'F' } else { 'U' };
            let gender = match known.male {
                Some(male) => 2 + 2 * random.between(0, 3) + i32::from(male),
                None => 0,
            };
            let last = letter(random);
            formats.parse(
                root,
                &format!("{year}{month:02}{day:02}S{kind}{gender}{last}"),
            )
        }
        CLNK => {
            let (series, number) = (random.between(32, 59), random.between(0, 999));
            formats.with_check_digit(root, &format!("{year}{month:02}{series}{number:03}0"))
        }
        _ => {
            let (kind, last) = (letter(random), letter(random));
            let digit = random.between(0, 9);
            formats.parse(
                root,
                &format!("{year}{month:02}{day:02}T{kind}{digit}{last}"),
            )
        }
    }
}

/// The record of a reserve identity; `link` is the identity it was linked to, and whether that one
/// is the main identity.
fn person(
    identity: Identity,
    known: &Known<'_>,
    link: Option<(Identity, bool)>,
    formats: &Formats,
    random: &mut Random,
) -> Person {
    let mut person = Person::new(identity, formats);
    person.set(const { Field::at("testIndicator") }, Value::Boolean(true));
    person.set(
        const { Field::at("primaryIdentity") },
        Value::Boolean(link.is_none()),
    );
    let gender = known.male.map_or("0", |male| if male { "1" } else { "2" });
    person.set(const { Field::at("gender") }, Value::from(gender));
    if let Some(birth) = known.birth {
        person.set(
            const { Field::at("birth/dateOfBirth") },
            Value::PartialDate(birth.date()),
        );
    }
    let at = moment(random);
    if let Some(at) = at {
        person.set(const { Field::at("version") }, Value::Timestamp(at));
    }
    let male = known.male.unwrap_or(false);
    let name = match known.is {
        Some(life) => life.name.clone(),
        None => Name::new(Surname::new(random), male, random),
    };
    let anonymous = known.birth.is_none() && known.male.is_none();
    if !anonymous {
        person.tell(const { Field::at("name/givenName") }, name.used());
        person.tell(const { Field::at("name/surname") }, &name.surname.written());
    }
    if let Some((to, primary)) = link {
        person.push(linked(to, primary));
    }
    // Who turned out to be protected has given no address that could give them away.
    if !anonymous && !known.is.is_some_and(Life::is_shielded) {
        addresses(&mut person, random);
        if random.chance(2_500) {
            contact::of_reserve(&mut person, &name.plain(), random);
        }
    }
    if !anonymous && random.chance(5_000) {
        proof(&mut person, random);
    }
    let inhabitant = known.is.is_some_and(Life::is_registered);
    administration(&mut person, anonymous, inhabitant, random);
    if random.chance(300) {
        person.tell(
            const { Field::at("deregistration/deregistrationReasonCode") },
            "AV",
        );
        let day = TODAY.plus(-random.between(1, 300));
        person.day(
            const { Field::at("deregistration/deregistrationDate") },
            day,
        );
    }
    staff(&mut *person, &PERSON_ACTOR, at);
    person
}

fn linked(to: Identity, primary: bool) -> Group {
    let mut entry = Group::new(const { Field::at("linkedIdentity") });
    entry.identity(
        const { Field::at("linkedIdentity/referredPersonalIdentity") },
        to,
    );
    entry.tell(
        const { Field::at("linkedIdentity/assuranceLevel") },
        "level3",
    );
    entry.truth(
        const { Field::at("linkedIdentity/primaryIdentity") },
        primary,
    );
    entry.tell(const { Field::at("linkedIdentity/link") }, "to");
    entry
}

fn addresses(person: &mut Person, random: &mut Random) {
    if random.chance(6_000) {
        let care_of = random.chance(2_000).then_some("c/o Mottagningen");
        person.address(GIVEN_ADDRESS, care_of, &Home::new(random));
        if random.chance(500) {
            person.tell(GIVEN_ADDRESS[1], "Gård 2");
        }
    }
    if random.chance(2_500) {
        let country = country::name(Country::any(random).code);
        let number = random.between(1, 99);
        let street = format!("{number} MAIN STREET");
        person.tell(
            const { Field::at("addressInformation/addressAbroad/postalAddress1") },
            &street,
        );
        person.tell(
            const { Field::at("addressInformation/addressAbroad/postalAddress2") },
            "PROVSTAD",
        );
        person.tell(
            const { Field::at("addressInformation/addressAbroad/countryCode") },
            country,
        );
    }
}

/// An identity document, sometimes with its picture.
fn proof(person: &mut Person, random: &mut Random) {
    /// A picture of one white pixel.
    const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg==";
    let mut entry = Group::new(const { Field::at("confirmedIdentity") });
    let kind = random.pick(&["01", "02", "03"]);
    entry.tell(
        const { Field::at("confirmedIdentity/typeOfIdentification") },
        kind,
    );
    let number = format!("TEST{:06}", random.between(0, 999_999));
    entry.tell(
        const { Field::at("confirmedIdentity/identificationNumber") },
        &number,
    );
    let issuer = if kind == "03" {
        "Migrationsverket"
    } else {
        "Provmyndigheten"
    };
    entry.tell(const { Field::at("confirmedIdentity/issuersOfId") }, issuer);
    let start = TODAY.plus(-random.between(30, 1_500));
    entry.put(
        const { Field::at("confirmedIdentity/validDatePeriod/start") },
        Value::Date(start.date()),
    );
    entry.put(
        const { Field::at("confirmedIdentity/validDatePeriod/end") },
        Value::Date(start.plus_years(5).date()),
    );
    let picture = random.chance(2_000).then(|| random.uuid());
    if let Some(id) = &picture {
        entry.tell(const { Field::at("confirmedIdentity/attachmentId") }, id);
    }
    let country = if kind == "03" {
        "SE"
    } else {
        Country::any(random).code
    };
    entry.tell(
        const { Field::at("confirmedIdentity/countryCode") },
        country,
    );
    person.push(entry);
    if let Some(id) = picture {
        let mut attachment = Group::new(const { Field::at("attachment") });
        attachment.tell(const { Field::at("attachment/id") }, &id);
        attachment.tell(const { Field::at("attachment/mediaType") }, "image/png");
        if random.chance(5_000) {
            attachment.tell(const { Field::at("attachment/value") }, PICTURE);
        } else {
            let place = format!("https://example.com/bilagor/{id}");
            attachment.tell(const { Field::at("attachment/reference") }, &place);
        }
        person.push(attachment);
    }
}

fn administration(person: &mut Person, anonymous: bool, inhabitant: bool, random: &mut Random) {
    // Category of person, and the account that goes with it.
    let (category, account) = if anonymous {
        ("02", "9906")
    } else if inhabitant {
        ("05", "8888")
    } else {
        random.pick(&[
            ("01", "9901"),
            ("03", "9908"),
            ("04", "9903"),
            ("05", "8888"),
        ])
    };
    person.tell(
        const { Field::at("administrativeInformation/categoryOfPerson") },
        category,
    );
    person.tell(
        const { Field::at("administrativeInformation/accountCode") },
        account,
    );
    if random.chance(2_000) {
        person.tell(
            const { Field::at("administrativeInformation/comment") },
            "Uppgifter lämnade muntligen",
        );
    }
}
