//! Contact data: how to reach people, by addresses and numbers that belong to nobody.

use super::life::{Life, Parent, TODAY};
use super::random::Random;
use super::say::{Say, address_fields};
use super::source::SOURCE;
use crate::base::time::Timestamp;
use crate::person::edit::{Group, Person};
use crate::person::field::Field;
use crate::person::identity::Formats;
use crate::person::value::Value;

const CONTACT: Field = Field::at("contactInformation");
const CONTACT_PERSON: Field = Field::at("contactPerson");
const WAY: Field = Field::at("contactPerson/contactPersonContactInformation");
const ADDRESS: [Field; 5] = address_fields!("contactPerson/contactPersonAddress");

/// The OID under which actors of care are known.
pub(super) const HSA_ROOT: &str = "1.2.752.29.6.2.1";
const ORGANISATION_ROOT: &str = "1.2.752.29.6.10.1";

/// An actor and organisation that do not exist: no authority has an organisation number of nothing
/// but zeros.
const STAFF: &str = "SE000000000000-TEST1";
const ORGANISATION: &str = "SE000000000000-TEST";

/// The fields of one way to reach somebody.
struct WayFields {
    kind: Field,
    place: Field,
    value: Field,
    rank: Field,
    comment: Field,
    start: Field,
    end: Field,
    digital: Field,
}

macro_rules! way_fields {
    ($path:literal) => {
        WayFields {
            kind: Field::at(concat!($path, "/contactType")),
            place: Field::at(concat!($path, "/use")),
            value: Field::at(concat!($path, "/value")),
            rank: Field::at(concat!($path, "/rank")),
            comment: Field::at(concat!($path, "/comment")),
            start: Field::at(concat!($path, "/period/start")),
            end: Field::at(concat!($path, "/period/end")),
            digital: Field::at(concat!($path, "/digitalNotification")),
        }
    };
}

const OWN: WayFields = way_fields!("contactInformation");
const OF_ANOTHER: WayFields = way_fields!("contactPerson/contactPersonContactInformation");

/// Where an actor's fields are.
pub(super) struct ActorFields {
    root: Field,
    extension: Field,
    organisation_root: Field,
    organisation: Field,
    time: Field,
}

macro_rules! actor_fields {
    ($path:literal) => {
        ActorFields {
            root: Field::at(concat!($path, "/id/root")),
            extension: Field::at(concat!($path, "/id/extension")),
            organisation_root: Field::at(concat!($path, "/professional/organizationId/root")),
            organisation: Field::at(concat!($path, "/professional/organizationId/extension")),
            time: Field::at(concat!($path, "/updateTime")),
        }
    };
}

const CONTACT_ACTOR: ActorFields = actor_fields!("updatePersonContactInformationActor");
pub(super) const PERSON_ACTOR: ActorFields = actor_fields!("updatePersonActor");

/// A moment of the last two years.
pub(super) fn moment(random: &mut Random) -> Option<Timestamp> {
    let day = TODAY.plus(-random.between(1, 700)).date().number();
    let clock =
        random.between(7, 18) * 10_000 + random.between(0, 59) * 100 + random.between(0, 59);
    Timestamp::from_number(u64::from(day) * 1_000_000 + u64::from(clock.unsigned_abs()))
}

/// Somebody in care who made a change.
pub(super) fn staff(say: &mut impl Say, fields: &ActorFields, at: Option<Timestamp>) {
    say.tell(fields.root, HSA_ROOT);
    say.tell(fields.extension, STAFF);
    say.tell(fields.organisation_root, ORGANISATION_ROOT);
    say.tell(fields.organisation, ORGANISATION);
    if let Some(at) = at {
        say.put(fields.time, Value::Timestamp(at));
    }
}

/// A line of an exchange file that holds a person's contact data and nothing else that is not told
/// by the number.
pub(super) fn person(lives: &[Life], at: usize, formats: &Formats, mut random: Random) -> Person {
    let life = &lives[at];
    let random = &mut random;
    let mut person = Person::new(life.identity, formats);
    person.set(const { Field::at("testIndicator") }, Value::Boolean(true));
    let moment = moment(random);
    if let Some(at) = moment {
        person.set(const { Field::at("version") }, Value::Timestamp(at));
    }
    let own = ways(&life.name.plain(), &OWN, CONTACT, random);
    let digital = own
        .iter()
        .any(|way| way.value(OWN.digital).is_some_and(Value::is_true));
    for way in own {
        person.push(way);
    }
    let known = known_people(lives, life);
    for (order, (relation, other)) in known.iter().enumerate().take(2) {
        if random.chance(5_000) {
            let entry = contact_person(&lives[*other], relation, order + 1, random);
            person.push(entry);
        }
    }
    if random.chance(700) {
        // A friend is told by a name alone.
        let mut entry = Group::new(CONTACT_PERSON);
        entry.tell(
            const { Field::at("contactPerson/contactRelationshipType") },
            "113163005",
        );
        let sex = usize::from(random.chance(5_000));
        let name = SOURCE.called[sex].pick(random);
        entry.tell(const { Field::at("contactPerson/givenName") }, name);
        person.push(entry);
    }
    if digital && random.chance(3_000) {
        person.truth(const { Field::at("optoutPaperNotification") }, true);
    }
    if random.chance(7_000) {
        if let (Some(root), Some(text)) = (formats.root(life.identity), formats.text(life.identity))
        {
            person.tell(CONTACT_ACTOR.root, root);
            person.tell(CONTACT_ACTOR.extension, text.as_str());
            if let Some(at) = moment {
                person.put(CONTACT_ACTOR.time, Value::Timestamp(at));
            }
        }
    } else {
        staff(&mut *person, &CONTACT_ACTOR, moment);
    }
    person
}

/// Contact data of a reserve identity.
pub(super) fn of_reserve(person: &mut Person, plain: &str, random: &mut Random) {
    for way in ways(plain, &OWN, CONTACT, random) {
        person.push(way);
    }
    let moment = moment(random);
    staff(&mut **person, &CONTACT_ACTOR, moment);
}

/// Ways to reach somebody. Numbers are those that the Post and Telecom Authority keeps free for
/// films and books; mail goes to a domain that cannot exist.
fn ways(plain: &str, fields: &WayFields, group: Field, random: &mut Random) -> Vec<Group> {
    let mut ways = Vec::new();
    let mut add = |kind: &str, place: &str, value: &str, random: &mut Random| {
        let mut way = Group::new(group);
        way.tell(fields.kind, kind);
        way.tell(fields.place, place);
        way.tell(fields.value, value);
        way.tell(fields.rank, itoa::Buffer::new().format(ways.len() + 1));
        if random.chance(500) {
            way.tell(fields.comment, "Helst på eftermiddagen");
        }
        if random.chance(800) {
            let start = TODAY.plus(-random.between(30, 900));
            way.put(fields.start, Value::Date(start.date()));
            way.put(fields.end, Value::Date(start.plus(1_500).date()));
        }
        if matches!(kind, "email" | "sms") && random.chance(5_000) {
            way.truth(fields.digital, true);
        }
        ways.push(way);
    };
    let mobile = format!("+46701740{}", random.between(605, 699));
    add("phone", "mobile", &mobile, random);
    if random.chance(7_000) {
        add("email", "home", &format!("{plain}@example.com"), random);
    }
    if random.chance(3_000) {
        add("sms", "mobile", &mobile, random);
    }
    if random.chance(1_500) {
        let kind = random.pick_weighted(&[("phone", 7), ("fax", 1), ("pager", 1), ("other", 1)]);
        let number = format!("+468465004{:02}", random.between(0, 99));
        add(kind, "work", &number, random);
    }
    if random.chance(100) {
        add("url", "home", "https://example.com/hitta-mig", random);
    }
    ways
}

/// Relatives, and what they are by SNOMED CT.
fn known_people(lives: &[Life], life: &Life) -> Vec<(&'static str, usize)> {
    let by_sex = |at: usize, woman: &'static str, man: &'static str| {
        (if lives[at].male { man } else { woman }, at)
    };
    let partner = life
        .partner
        .map(|it| by_sex(it.with, "127850001", "127849001"));
    let parents = life.parents.iter().filter_map(|parent| match parent {
        Parent::Registered(at) => Some(by_sex(*at, "72705000", "66839005")),
        Parent::Unregistered { .. } => None,
    });
    let children = life.children.iter().map(|&at| ("67822003", at));
    partner
        .into_iter()
        .chain(parents)
        .chain(children)
        // A protected relative is nobody's contact person, and the dead and the young are none.
        .filter(|(_, at)| {
            let other = &lives[*at];
            other.is_registered() && !other.is_shielded() && other.age() >= 15
        })
        .collect()
}

fn contact_person(other: &Life, relation: &str, order: usize, random: &mut Random) -> Group {
    let mut entry = Group::new(CONTACT_PERSON);
    entry.tell(
        const { Field::at("contactPerson/contactRelationshipType") },
        relation,
    );
    entry.tell(
        const { Field::at("contactPerson/priorityOrder") },
        itoa::Buffer::new().format(order),
    );
    entry.tell(
        const { Field::at("contactPerson/givenName") },
        other.name.used(),
    );
    entry.tell(
        const { Field::at("contactPerson/surName") },
        &other.name.surname.written(),
    );
    if let Some(middle) = other.name.middle {
        entry.tell(const { Field::at("contactPerson/middleName") }, middle);
    }
    if random.chance(5_000) {
        let care_of = random.chance(500).then_some("C/O GRANNEN");
        entry.address(ADDRESS, care_of, &other.home);
        if random.chance(300) {
            entry.tell(ADDRESS[1], "GÅRD 2");
        }
    }
    for way in ways(&other.name.plain(), &OF_ANOTHER, WAY, random) {
        entry.push(way);
    }
    entry
}
