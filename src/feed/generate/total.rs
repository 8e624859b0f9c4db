//! A life as Skatteverket would notify it whole: a total post.

use super::day::Day;
use super::home::Home;
use super::life::{CountryKind, Fate, Life, Origin, Parent, TODAY};
use super::random::Random;
use super::say::{Say, address_fields};
use super::source::SOURCE;
use crate::base::time::{DateTime, PartialDate};
use crate::person::edit::Group;
use crate::person::field::Field;
use crate::person::value::Value;
use crate::register::country;
use crate::register::post::{Edit, Post};

/// The number of a post within a year.
pub(super) fn post_id(number: u64) -> String {
    let part = |div: u64| number / div % 1_000;
    format!(
        "{}.{:03}.{:03}.{:03}",
        TODAY.year(),
        part(1_000_000),
        part(1_000),
        part(1)
    )
}

/// The fields of a home that stand in the registration, now or once.
struct LocalityFields {
    since: Field,
    county: Field,
    municipality: Field,
    parish: Field,
    property: Field,
    fictitious: Field,
    kind: Field,
}

macro_rules! locality_fields {
    ($path:literal) => {
        LocalityFields {
            since: Field::at(concat!($path, "/populationRegistrationDate")),
            county: Field::at(concat!($path, "/countyCode")),
            municipality: Field::at(concat!($path, "/municipalityCode")),
            parish: Field::at(concat!($path, "/parishCode")),
            property: Field::at(concat!($path, "/propertyDesignation")),
            fictitious: Field::at(concat!($path, "/fictitiousPropertyNumber")),
            kind: Field::at(concat!($path, "/populationRegistrationType")),
        }
    };
}

const LOCALITY: LocalityFields = locality_fields!("populationRegistrationLocality");
const HISTORICAL: LocalityFields = locality_fields!(
    "populationRegistrationRecord/historicalRecords/populationRegistrationLocality"
);
const HISTORICAL_LOCALITY: Field =
    Field::at("populationRegistrationRecord/historicalRecords/populationRegistrationLocality");
const HISTORICAL_ADDRESS: [Field; 5] =
    address_fields!("populationRegistrationRecord/historicalRecords/historicalAddress");
pub(super) const RESIDENTIAL: [Field; 5] = address_fields!("addressInformation/residentialAddress");
pub(super) const SPECIAL: [Field; 5] = address_fields!("addressInformation/specialPostalAddress");
pub(super) const PROTECTED_PERSON: Field = Field::at("protectedPersonIndicator");
pub(super) const DEREGISTRATION_REASON: Field =
    Field::at("deregistration/deregistrationReasonCode");
pub(super) const DEREGISTRATION_DATE: Field = Field::at("deregistration/deregistrationDate");
pub(super) const CIVIL_CODE: Field = Field::at("maritalStatus/maritalStatusCode");
pub(super) const CIVIL_DATE: Field = Field::at("maritalStatus/maritalStatusDate");
pub(super) const CASE_TYPE: Field =
    Field::at("populationRegistrationRecord/notificationCase/notificationType");
pub(super) const CASE_DATE: Field =
    Field::at("populationRegistrationRecord/notificationCase/notificationDate");
const CASE_TIME: Field =
    Field::at("populationRegistrationRecord/notificationCase/modificationTime");

/// Districts replaced parishes on this day.
const DISTRICTS: Day = Day::new(2016, 1, 1);

/// The day on which the property register's keys were last notified.
const KEYS_UNTIL: Day = Day::new(2019, 9, 11);

/// One person's total post.
pub(super) fn post(lives: &[Life], at: usize, number: u64, mut random: Random) -> Post {
    let life = &lives[at];
    let random = &mut random;
    let mut say: Vec<Edit> = Vec::with_capacity(48);
    if life.protected {
        say.truth(PROTECTED_PERSON, true);
    }
    if life.protected_registration {
        say.truth(const { Field::at("protectedPopulationRecord") }, true);
    }
    case(&mut say, life, random);
    name(&mut say, life);
    birth(&mut say, life);
    fate(&mut say, life);
    if life.is_snr() {
        coordination(&mut say, life, random);
    } else {
        registration(&mut say, life, random);
        civil(&mut say, life);
    }
    immigration(&mut say, life, random);
    let attested = life.coordination.as_ref().is_some_and(|it| it.attested);
    for (country, since) in &life.citizenships {
        say.push(citizenship(country, *since, "NY", attested));
    }
    references(&mut say, lives, life);
    relations(&mut say, lives, at);
    Post {
        subject: life.identity,
        post_id: Some(post_id(number)),
        total: true,
        overtaken: false,
        edits: say,
    }
}

fn case(say: &mut Vec<Edit>, life: &Life, random: &mut Random) {
    say.day(CASE_DATE, TODAY);
    let kind = match (life.fate, life.age()) {
        (Fate::Dead { .. }, _) => "66H",
        (Fate::Emigrated { .. }, _) => "43H",
        (Fate::OldNumber { .. }, _) => "1H",
        (_, 0) => "6H",
        _ => random.pick_weighted(&[
            ("41H", 50),
            ("21H", 5),
            ("56H", 10),
            ("75H", 10),
            ("41H,41R", 25),
        ]),
    };
    say.tell(CASE_TYPE, kind);
    // Told when a record is fetched one by one instead of by file.
    if random.chance(100) {
        let at = DateTime::parse(&format!("{}T09:12:33", TODAY.plus(-1).date()));
        if let Some(at) = at {
            say.put(CASE_TIME, Value::DateTime(at));
        }
    }
}

pub(super) fn name(say: &mut Vec<Edit>, life: &Life) {
    const GIVEN: Field = Field::at("name/givenName");
    const MIDDLE: Field = Field::at("name/middleName");
    const SURNAME: Field = Field::at("name/surname");
    // A child may be registered before it has a name.
    let nameless = life.is_registered() && life.age() == 0 && life.birth > TODAY.plus(-60);
    if let (Some(indicator), false) = (life.name.indicator(), nameless) {
        say.tell(
            const { Field::at("name/givenNameIndicator") },
            itoa::Buffer::new().format(indicator),
        );
    }
    if !nameless {
        say.tell(GIVEN, &life.name.given());
    }
    if let Some(middle) = life.name.middle {
        say.tell(MIDDLE, middle);
    }
    say.tell(SURNAME, &life.name.surname.written());
    if let (Some(short), false) = (life.name.notification(), nameless) {
        say.tell(const { Field::at("name/notificationName") }, &short);
    }
    if life.coordination.as_ref().is_some_and(|it| it.attested) {
        say.truth(const { Field::at("name/givenName/attested") }, true);
        say.truth(const { Field::at("name/surname/attested") }, true);
        if life.name.middle.is_some() {
            say.truth(const { Field::at("name/middleName/attested") }, true);
        }
        say.truth(
            const { Field::at("birth/birthAbroad/placeOfBirthAbroad/attested") },
            true,
        );
    }
}

fn birth(say: &mut Vec<Edit>, life: &Life) {
    say.date(const { Field::at("birth/dateOfBirth") }, life.born);
    match life.origin {
        Origin::Sweden { county, parish } => {
            say.tell(
                const { Field::at("birth/placeOfBirthSweden/birthCountyCode") },
                county,
            );
            say.tell(
                const { Field::at("birth/placeOfBirthSweden/birthParish") },
                parish,
            );
        }
        Origin::Abroad { country, town, .. } => {
            say.tell(
                const { Field::at("birth/birthAbroad/placeOfBirthAbroad") },
                town,
            );
            say.tell(
                const { Field::at("birth/birthAbroad/countryOfBirth") },
                country.name_at(life.birth),
            );
        }
    }
}

fn fate(say: &mut Vec<Edit>, life: &Life) {
    let mut gone = |reason: &str, date: PartialDate| {
        say.tell(DEREGISTRATION_REASON, reason);
        say.date(DEREGISTRATION_DATE, date);
    };
    match life.fate {
        Fate::Living => {}
        Fate::Dead { date, found: false } => gone("AV", date),
        Fate::Dead { date, found: true } => {
            say.tell(DEREGISTRATION_REASON, "AV");
            say.date(const { Field::at("deregistration/foundDeadAtDate") }, date);
        }
        Fate::Emigrated { day, .. } => gone("UV", day.date()),
        Fate::Removed { reason, day } => gone(reason, day.date()),
        Fate::OldNumber { day } => gone("GN", day.date()),
    }
}

fn registration(say: &mut Vec<Edit>, life: &Life, random: &mut Random) {
    if life.is_old_number() {
        return;
    }
    if life.protected_registration {
        // Registered in the municipality: the file holds no place finer than that.
        say.tell(LOCALITY.county, life.home.county_code());
        say.tell(LOCALITY.municipality, life.home.municipality_code());
        say.tell(LOCALITY.kind, "FB");
        forwarding(say);
        return;
    }
    let kind = match life.fate {
        Fate::Emigrated { .. } => "UV",
        Fate::Removed { reason: "OB", .. } => "OB",
        _ => "FB",
    };
    locality(say, &LOCALITY, &life.home, life.since, kind, random);
    if let Fate::Emigrated { day, country } = life.fate {
        abroad(say, day, country, random);
        return;
    }
    if life.fate != Fate::Living {
        return;
    }
    address(say, &life.home, random);
    keys(say, &life.home, life.since);
    if random.chance(150) {
        let box_number = random.between(10, 999);
        let elsewhere = Home::within(life.home.municipality(), random);
        post_box(say, SPECIAL, box_number, &elsewhere);
        if random.chance(3_000) {
            say.tell(SPECIAL[0], "BOUTREDNING AB");
        }
    }
    history(say, life, random);
}

/// A locality, with a parish or a district by what there was on the day of registration.
fn locality(
    say: &mut impl Say,
    fields: &LocalityFields,
    home: &Home,
    since: Day,
    kind: &str,
    random: &mut Random,
) {
    say.day(fields.since, since);
    say.tell(fields.county, home.county_code());
    say.tell(fields.municipality, home.municipality_code());
    if since < DISTRICTS {
        say.tell(fields.parish, home.parish().0);
    }
    say.tell(fields.property, &home.property());
    if random.chance(100) {
        say.tell(
            fields.fictitious,
            itoa::Buffer::new().format(random.between(1, 9)),
        );
    }
    say.tell(fields.kind, kind);
}

/// Where Skatteverket forwards mail to somebody with a protected registration.
fn forwarding(say: &mut Vec<Edit>) {
    say.tell(SPECIAL[1], "SKATTEVERKET FÖRMEDLINGSUPPDRAG");
    say.tell(SPECIAL[2], "BOX 2820");
    say.tell(SPECIAL[3], "40320");
    say.tell(SPECIAL[4], "GÖTEBORG");
}

fn post_box(say: &mut impl Say, fields: [Field; 5], number: i32, home: &Home) {
    say.tell(fields[2], &format!("BOX {number}"));
    say.tell(fields[3], home.postal_code());
    say.tell(fields[4], home.city());
}

fn address(say: &mut Vec<Edit>, home: &Home, random: &mut Random) {
    let care_of = random.chance(250).then(|| {
        let name = SOURCE.surnames.pick(random).to_uppercase();
        format!("C/O {name}")
    });
    say.address(RESIDENTIAL, care_of.as_deref(), home);
    if random.chance(50) {
        say.tell(
            RESIDENTIAL[1],
            random.pick(&["VÅRDHEMMET EKEN", "STUDENTBOSTADEN", "GÅRD 2"]),
        );
    }
}

/// The keys of a home, the same for all who live there.
fn keys(say: &mut Vec<Edit>, home: &Home, since: Day) {
    say.tell(
        const { Field::at("addressInformation/district/districtCode") },
        home.district(),
    );
    let mut random = Random::new(home.key);
    say.tell(
        const { Field::at("addressInformation/UUID/propertyId") },
        &random.uuid(),
    );
    say.tell(
        const { Field::at("addressInformation/UUID/addressPlaceId") },
        &random.uuid(),
    );
    if home.has_apartment() {
        say.tell(
            const { Field::at("addressInformation/UUID/apartmentId") },
            &random.uuid(),
        );
    }
    if since < KEYS_UNTIL && random.chance(600) {
        let mut digits =
            |width: i32| (random.next() % 10_u64.pow(width.unsigned_abs())).to_string();
        let (property, place, apartment) = (digits(9), digits(14), digits(14));
        say.tell(
            const { Field::at("addressInformation/nationalKeys/propertyId") },
            &property,
        );
        say.tell(
            const { Field::at("addressInformation/nationalKeys/addressPlaceId") },
            &place,
        );
        if home.has_apartment() {
            say.tell(
                const { Field::at("addressInformation/nationalKeys/apartmentId") },
                &apartment,
            );
        }
    }
}

/// A new home, as a move tells it.
pub(super) fn new_home(say: &mut Vec<Edit>, home: &Home, since: Day) {
    say.day(LOCALITY.since, since);
    say.tell(LOCALITY.county, home.county_code());
    say.tell(LOCALITY.municipality, home.municipality_code());
    say.push(Edit::Clear(LOCALITY.parish));
    say.tell(LOCALITY.property, &home.property());
    say.push(Edit::Clear(LOCALITY.fictitious));
    keys(say, home, since);
    if !home.has_apartment() {
        say.push(Edit::Clear(Field::at(
            "addressInformation/UUID/apartmentId",
        )));
    }
}

fn history(say: &mut Vec<Edit>, life: &Life, random: &mut Random) {
    for (home, since) in &life.earlier {
        let mut entry = Group::new(HISTORICAL_LOCALITY);
        locality(&mut entry, &HISTORICAL, home, *since, "FB", random);
        say.push(Edit::Entry(entry));
    }
    if let Some((home, _)) = life.earlier.first() {
        let care_of = random.chance(500).then_some("C/O FASTIGHETSKONTORET");
        say.address(HISTORICAL_ADDRESS, care_of, home);
        if random.chance(200) {
            say.tell(HISTORICAL_ADDRESS[1], "STUDENTBOSTADEN");
        }
    }
}

/// The address of somebody who has emigrated.
pub(super) fn abroad(say: &mut Vec<Edit>, day: Day, country: &str, random: &mut Random) {
    let number = random.between(1, 99);
    let street = random.pick(&[
        "MAIN STREET",
        "HAUPTSTRASSE",
        "RUE DU LAC",
        "STORGATA",
        "CALLE MAYOR",
    ]);
    say.tell(
        const { Field::at("addressInformation/addressAbroad/postalAddress1") },
        &format!("{number} {street}"),
    );
    let code = random.between(1_000, 99_999);
    say.tell(
        const { Field::at("addressInformation/addressAbroad/postalAddress2") },
        &format!("{code} PROVSTAD"),
    );
    if random.chance(3_000) {
        say.tell(
            const { Field::at("addressInformation/addressAbroad/postalAddress3") },
            "NORTH DISTRICT",
        );
    }
    say.tell(
        const { Field::at("addressInformation/addressAbroad/countryCode") },
        country::name(country),
    );
    say.day(
        const { Field::at("addressInformation/addressAbroad/addressAbroadDate") },
        day,
    );
    if random.chance(5_000) {
        say.day(
            const { Field::at("addressInformation/addressAbroad/votingDate") },
            day.plus_years(10),
        );
    }
}

fn civil(say: &mut Vec<Edit>, life: &Life) {
    if life.is_old_number() {
        return;
    }
    let (code, since) = life.civil;
    say.tell(CIVIL_CODE, code);
    if let Some(since) = since {
        say.day(CIVIL_DATE, since);
    }
}

fn coordination(say: &mut Vec<Edit>, life: &Life, random: &mut Random) {
    let Some(told) = &life.coordination else {
        return;
    };
    say.tell(const { Field::at("identityLevel") }, told.level);
    say.day(const { Field::at("identityLevelDate") }, told.level_date);
    say.tell(
        const { Field::at("personalIdentityStatus/identityStatus") },
        told.status,
    );
    say.day(
        const { Field::at("personalIdentityStatus/identityStatusDate") },
        told.status_date,
    );
    if let Some(cause) = told.cause {
        say.tell(
            const { Field::at("personalIdentityStatus/identityStatusCause") },
            cause,
        );
    }
    say.date(
        const { Field::at("coOrdinationNumberData/allocationDate") },
        told.allocated,
    );
    if let Some(day) = told.transfer {
        say.day(
            const { Field::at("coOrdinationNumberData/preliminaryTransferDate") },
            day,
        );
    }
    if let Some(day) = told.renewed {
        say.day(
            const { Field::at("coOrdinationNumberData/renewalDate") },
            day,
        );
    }
    if let Some(date) = told.deceased {
        say.date(
            const { Field::at("coOrdinationNumberData/deceasedDate") },
            date,
        );
    }
    let care_of = random.chance(1_500).then_some("C/O MIGRATIONSVERKET");
    if random.chance(7_000) {
        say.address(SPECIAL, care_of, &life.home);
    }
}

fn immigration(say: &mut Vec<Edit>, life: &Life, random: &mut Random) {
    let Origin::Abroad {
        country, arrived, ..
    } = life.origin
    else {
        return;
    };
    if life.is_snr() {
        return;
    }
    say.day(const { Field::at("immigration/immigrationDate") }, arrived);
    if country.kind == CountryKind::Union && random.chance(4_000) {
        say.truth(const { Field::at("immigration/rightOfResidence") }, true);
    }
    if country.kind == CountryKind::Nordic {
        let mut entry = Group::new(const { Field::at("immigration/immigrationIdentity") });
        entry.tell(
            const { Field::at("immigration/immigrationIdentity/personalIdentityNumber") },
            &nordic_number(country.code, life, random),
        );
        entry.tell(
            const { Field::at("immigration/immigrationIdentity/country") },
            country.code,
        );
        say.push(Edit::Entry(entry));
    }
}

/// A number in the form of another Nordic country that belongs to nobody: no month has a day 99.
fn nordic_number(country: &str, life: &Life, random: &mut Random) -> String {
    let (year, month, _) = life.birth.civil();
    let date = format!("99{month:02}{:02}", year % 100);
    let serial = random.between(0, 999);
    match country {
        "FI" => format!("{date}-{serial:03}X"),
        "NO" => format!("{date}{serial:03}00"),
        "FO" => format!("{date}{serial:03}"),
        _ => format!("{date}{serial:03}0"),
    }
}

pub(super) fn citizenship(country: &str, since: Option<Day>, status: &str, attested: bool) -> Edit {
    let mut entry = Group::new(const { Field::at("citizenship") });
    entry.tell(
        const { Field::at("citizenship/citizenshipCountryCode") },
        country,
    );
    if let Some(since) = since {
        entry.day(const { Field::at("citizenship/citizenshipDate") }, since);
    }
    if attested {
        entry.truth(
            const { Field::at("citizenship/citizenshipCountryCode/attested") },
            true,
        );
    }
    entry.tell(const { Field::at("citizenship/status") }, status);
    Edit::Entry(entry)
}

fn references(say: &mut Vec<Edit>, lives: &[Life], life: &Life) {
    for &other in &life.references {
        let mut entry = Group::new(const { Field::at("referredPersonalIdentities") });
        entry.identity(
            const { Field::at("referredPersonalIdentities/referredPersonalIdentity") },
            lives[other].identity,
        );
        entry.tell(
            const { Field::at("referredPersonalIdentities/referredPersonalIdentityStatus") },
            "NY",
        );
        say.push(Edit::Entry(entry));
    }
}

const RELATIONSHIP: Field = Field::at("relationship");
const DIED_REASON: Field = Field::at("relationship/deregistration/deregistrationReasonCode");
const DIED_DATE: Field = Field::at("relationship/deregistration/deregistrationDate");

/// What is told of one relation.
pub(super) struct Relation {
    pub(super) to: usize,
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    pub(super) since: Option<Day>,
    pub(super) until: Option<Day>,
}

/// A relation to somebody in the register.
pub(super) fn relation(lives: &[Life], told: &Relation) -> Edit {
    let other = &lives[told.to];
    let mut entry = Group::new(RELATIONSHIP);
    entry.identity(
        const { Field::at("relationship/relationshipId/personalIdentity") },
        other.identity,
    );
    entry.tell(
        const { Field::at("relationship/relationshipType") },
        told.kind,
    );
    if let Some(since) = told.since {
        entry.day(
            const { Field::at("relationship/relationshipFromDate") },
            since,
        );
    }
    if let Some(until) = told.until {
        entry.day(
            const { Field::at("relationship/relationshipToDate") },
            until,
        );
    }
    if let Fate::Dead { date, found } = other.fate {
        entry.tell(DIED_REASON, "AV");
        let field = if found {
            const { Field::at("relationship/deregistration/foundDeadAtDate") }
        } else {
            DIED_DATE
        };
        entry.date(field, date);
    }
    entry.tell(const { Field::at("relationship/status") }, told.status);
    Edit::Entry(entry)
}

/// What a child's record calls a parent. Of two women, the one who did not give birth is parent.
pub(super) const fn parent_kind(male: bool, order: usize) -> &'static str {
    match (male, order) {
        (true, _) => "FA",
        (false, 0) => "MO",
        (false, _) => "F",
    }
}

fn relations(say: &mut Vec<Edit>, lives: &[Life], at: usize) {
    let life = &lives[at];
    // Relatives of somebody with a new number got the relation anew.
    let status = |to: usize| {
        let renewed = lives[to]
            .references
            .iter()
            .any(|&old| lives[old].is_old_number());
        if renewed { "PB" } else { "NY" }
    };
    let mut tell = |to: usize, kind: &'static str, since: Option<Day>| {
        let told = Relation {
            to,
            kind,
            status: status(to),
            since,
            until: None,
        };
        say.push(relation(lives, &told));
    };
    if let Some(partner) = life.partner {
        tell(partner.with, partner.kind, Some(partner.since));
    }
    for &child in &life.children {
        tell(child, "B", None);
    }
    for (order, parent) in life.parents.iter().enumerate() {
        if let Parent::Registered(to) = parent {
            tell(*to, parent_kind(lives[*to].male, order), None);
        }
    }
    for (kind, others) in [("V", &life.guardians), ("VF", &life.wards)] {
        for &to in others {
            let child = if kind == "V" { life } else { &lives[to] };
            let grown = child.birth.plus_years(18);
            let over = grown <= TODAY;
            let told = Relation {
                to,
                kind,
                status: if over { "AS" } else { status(to) },
                since: Some(child.birth),
                until: over.then_some(grown),
            };
            say.push(relation(lives, &told));
        }
    }
    for parent in &life.parents {
        if let Parent::Unregistered { birth, male, name } = parent {
            let mut entry = Group::new(RELATIONSHIP);
            entry.day(
                const { Field::at("relationship/relationshipId/dateOfBirth") },
                *birth,
            );
            entry.tell(
                const { Field::at("relationship/relationshipType") },
                if *male { "FA" } else { "MO" },
            );
            entry.tell(
                const { Field::at("relationship/name/givenName") },
                &name.given(),
            );
            if let Some(middle) = name.middle {
                entry.tell(const { Field::at("relationship/name/middleName") }, middle);
            }
            entry.tell(
                const { Field::at("relationship/name/surname") },
                &name.surname.written(),
            );
            entry.tell(const { Field::at("relationship/status") }, "NY");
            say.push(Edit::Entry(entry));
        }
    }
}
