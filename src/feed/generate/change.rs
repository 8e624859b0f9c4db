//! What happens in the village in the days after the base file, as change posts: only what changed
//! is told, and relatives get posts of their own.

use std::collections::BTreeMap;

use super::day::Day;
use super::life::{Fate, Life, Origin, Parent, TODAY};
use super::name::Surname;
use super::random::Random;
use super::say::Say;
use super::total::{
    CASE_DATE, CASE_TYPE, CIVIL_CODE, CIVIL_DATE, DEREGISTRATION_DATE, DEREGISTRATION_REASON,
    PROTECTED_PERSON, RESIDENTIAL, Relation, SPECIAL, abroad, citizenship, name, new_home, post_id,
    relation,
};
use crate::base::time::PartialDate;
use crate::person::field::Field;
use crate::register::post::{Edit, Post};

/// The days of the change files, counted from the base file: there is none on a Sunday or on the
/// day after.
const DAYS: [i32; 5] = [1, 2, 3, 4, 7];

/// How much happens on each of the days.
pub(super) type Events = [usize; DAYS.len()];

/// The posts of each day's change file.
pub(super) fn days(
    lives: &mut [Life],
    first_post: u64,
    events: Events,
    random: &mut Random,
) -> Vec<(PartialDate, Vec<Post>)> {
    let mut households: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, life) in lives
        .iter()
        .enumerate()
        .filter(|(_, life)| life.is_registered())
    {
        households.entry(life.home.key).or_default().push(at);
    }
    let mut changing = Changing {
        touched: vec![false; lives.len()],
        lives,
        households,
        number: first_post,
        day: TODAY,
        posts: Vec::new(),
    };
    let mut days = Vec::new();
    for (after, events) in DAYS.into_iter().zip(events) {
        changing.day = TODAY.plus(after);
        for _ in 0..events {
            changing.event(random);
        }
        let posts = std::mem::take(&mut changing.posts);
        days.push((changing.day.date(), posts));
    }
    days
}

/// What may happen, beside births and new numbers: those would need numbers that nobody has.
#[derive(Clone, Copy)]
enum Event {
    Move,
    Rename,
    Die,
    Emigrate,
    Protect,
    Divorce,
    Naturalise,
    ForwardMail,
    StopMail,
    DropMiddleName,
}

const EVENTS: [(Event, usize); 10] = [
    (Event::Move, 45),
    (Event::Rename, 12),
    (Event::Die, 12),
    (Event::Emigrate, 6),
    (Event::Protect, 2),
    (Event::Divorce, 6),
    (Event::Naturalise, 7),
    (Event::ForwardMail, 5),
    (Event::StopMail, 2),
    (Event::DropMiddleName, 3),
];

struct Changing<'a> {
    lives: &'a mut [Life],
    /// Who lives at the same place, by the home's key.
    households: BTreeMap<u64, Vec<usize>>,
    /// To whom something has happened: once is enough to keep what is told consistent.
    touched: Vec<bool>,
    number: u64,
    day: Day,
    posts: Vec<Post>,
}

impl Changing<'_> {
    fn event(&mut self, random: &mut Random) {
        let event = random.pick_weighted(&EVENTS);
        let Some(at) = self.somebody(event, random) else {
            return;
        };
        match event {
            Event::Move => self.move_house(at, random),
            Event::Rename => self.rename(at, random),
            Event::Die => self.die(at),
            Event::Emigrate => self.emigrate(at, random),
            Event::Protect => self.protect(at),
            Event::Divorce => self.divorce(at),
            Event::Naturalise => self.naturalise(at),
            Event::ForwardMail => self.forward_mail(at, random),
            Event::StopMail => self.stop_mail(at),
            Event::DropMiddleName => self.drop_middle_name(at),
        }
    }

    /// Somebody who the event may happen to, in a household that nothing has happened to yet. Who
    /// is protected is left in peace, except that protection may end.
    fn somebody(&self, event: Event, random: &mut Random) -> Option<usize> {
        (0..500)
            .map(|_| random.below(self.lives.len()))
            .find(|&at| {
                let life = &self.lives[at];
                let free = |at: usize| !self.touched[at] && !self.lives[at].is_shielded();
                let fits = match event {
                    Event::Die => life.age() > 35,
                    Event::Emigrate => life.age() > 18,
                    Event::Divorce => life.partner.is_some_and(|partner| {
                        free(partner.with) && self.is_married(at) && self.is_married(partner.with)
                    }),
                    Event::Naturalise => {
                        matches!(life.origin, Origin::Abroad { .. })
                            && life.citizenships.iter().all(|(code, _)| *code != "SE")
                    }
                    Event::DropMiddleName => life.name.middle.is_some(),
                    _ => true,
                };
                fits && life.is_registered() && self.household(at).iter().all(|&it| free(it))
            })
    }

    fn is_married(&self, at: usize) -> bool {
        matches!(self.lives[at].civil.0, "G" | "RP") && self.lives[at].is_registered()
    }

    fn household(&self, at: usize) -> Vec<usize> {
        let key = self.lives[at].home.key;
        self.households.get(&key).cloned().unwrap_or_default()
    }

    /// Those whose records tell of this person.
    fn relatives(&self, at: usize) -> Vec<usize> {
        let life = &self.lives[at];
        let parents = life.parents.iter().filter_map(|parent| match parent {
            Parent::Registered(at) => Some(*at),
            Parent::Unregistered { .. } => None,
        });
        let mut all: Vec<usize> = parents
            .chain(life.partner.map(|it| it.with))
            .chain(life.children.iter().copied())
            .chain(life.guardians.iter().copied())
            .chain(life.wards.iter().copied())
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn post(&mut self, at: usize, case: &str, mut edits: Vec<Edit>) {
        self.touched[at] = true;
        edits.day(CASE_DATE, self.day);
        edits.tell(CASE_TYPE, case);
        self.posts.push(Post {
            subject: self.lives[at].identity,
            post_id: Some(post_id(self.number)),
            total: false,
            overtaken: false,
            edits,
        });
        self.number += 1;
    }

    fn move_house(&mut self, at: usize, random: &mut Random) {
        let home = self.lives[at].home.moved(random);
        let since = self.day.plus(-random.between(1, 6));
        for member in self.household(at) {
            let mut say = Vec::new();
            new_home(&mut say, &home, since);
            say.push(Edit::Clear(RESIDENTIAL[0]));
            say.push(Edit::Clear(RESIDENTIAL[1]));
            say.address(RESIDENTIAL, None, &home);
            let case = if member == at { "41H" } else { "41H,41R" };
            self.lives[member].home = home;
            self.post(member, case, say);
        }
    }

    fn rename(&mut self, at: usize, random: &mut Random) {
        self.lives[at].name.surname = Surname::new(random);
        self.tell_name(at, "21H");
    }

    fn drop_middle_name(&mut self, at: usize) {
        self.lives[at].name.middle = None;
        self.tell_name(at, "25H");
    }

    fn tell_name(&mut self, at: usize, case: &str) {
        let mut say = Vec::new();
        let life = &self.lives[at];
        if life.name.middle.is_none() {
            say.push(Edit::Clear(const { Field::at("name/middleName") }));
        }
        if life.name.notification().is_none() {
            say.push(Edit::Clear(const { Field::at("name/notificationName") }));
        }
        name(&mut say, life);
        self.post(at, case, say);
    }

    fn die(&mut self, at: usize) {
        let day = self.day.plus(-3);
        self.lives[at].fate = Fate::Dead {
            date: day.date(),
            found: false,
        };
        let mut say = Vec::new();
        say.tell(DEREGISTRATION_REASON, "AV");
        say.day(DEREGISTRATION_DATE, day);
        self.post(at, "66H", say);
        for relative in self.relatives(at) {
            let mut say = Vec::new();
            let widowed = self.lives[relative]
                .partner
                .is_some_and(|partner| partner.with == at);
            if widowed && self.lives[relative].is_registered() {
                let code = match self.lives[relative].civil.0 {
                    "RP" => "EP",
                    _ => "A",
                };
                self.lives[relative].civil = (code, Some(day));
                say.tell(CIVIL_CODE, code);
                say.day(CIVIL_DATE, day);
            }
            for (kind, since) in self.kinds(relative, at) {
                let told = Relation {
                    to: at,
                    kind,
                    status: "AV",
                    since,
                    until: matches!(kind, "V" | "VF").then_some(day),
                };
                say.push(relation(self.lives, &told));
            }
            self.post(relative, "66R", say);
        }
    }

    /// As what somebody's record tells of another.
    fn kinds(&self, of: usize, to: usize) -> Vec<(&'static str, Option<Day>)> {
        let (life, other) = (&self.lives[of], &self.lives[to]);
        let mut kinds = Vec::new();
        if let Some(partner) = life.partner.filter(|it| it.with == to) {
            kinds.push((partner.kind, Some(partner.since)));
        }
        if life.children.contains(&to) {
            kinds.push(("B", None));
        }
        if let Some(order) = life
            .parents
            .iter()
            .position(|parent| matches!(parent, Parent::Registered(at) if *at == to))
        {
            kinds.push((super::total::parent_kind(other.male, order), None));
        }
        if life.guardians.contains(&to) {
            kinds.push(("V", Some(life.birth)));
        }
        if life.wards.contains(&to) {
            kinds.push(("VF", Some(other.birth)));
        }
        kinds
    }

    fn emigrate(&mut self, at: usize, random: &mut Random) {
        let day = self.day.plus(-10);
        self.lives[at].fate = Fate::Emigrated { day, country: "NO" };
        let mut say = Vec::new();
        say.tell(DEREGISTRATION_REASON, "UV");
        say.day(DEREGISTRATION_DATE, day);
        say.tell(
            const { Field::at("populationRegistrationLocality/populationRegistrationType") },
            "UV",
        );
        say.push(Edit::Clear(Field::at(
            "addressInformation/residentialAddress",
        )));
        abroad(&mut say, day, "NO", random);
        self.post(at, "43H", say);
    }

    fn protect(&mut self, at: usize) {
        for member in self.household(at) {
            self.lives[member].protected = true;
            let mut say = Vec::new();
            say.truth(PROTECTED_PERSON, true);
            self.post(member, "3H", say);
        }
        // And somebody else's protection ends.
        let other = (0..self.lives.len()).find(|&other| {
            let life = &self.lives[other];
            life.protected
                && !life.protected_registration
                && !self.touched[other]
                && self.household(other).len() == 1
        });
        if let Some(other) = other {
            self.lives[other].protected = false;
            self.post(other, "303H", vec![Edit::Clear(PROTECTED_PERSON)]);
        }
    }

    fn divorce(&mut self, at: usize) {
        let Some(partner) = self.lives[at].partner else {
            return;
        };
        let day = self.day.plus(-2);
        for (of, to) in [(at, partner.with), (partner.with, at)] {
            let code = if partner.kind == "P" { "SP" } else { "S" };
            self.lives[of].civil = (code, Some(day));
            let mut say = Vec::new();
            say.tell(CIVIL_CODE, code);
            say.day(CIVIL_DATE, day);
            let told = Relation {
                to,
                kind: partner.kind,
                status: "AS",
                since: Some(partner.since),
                until: None,
            };
            say.push(relation(self.lives, &told));
            self.lives[of].partner = None;
            self.post(of, if of == at { "59H" } else { "59H,59R" }, say);
        }
    }

    fn naturalise(&mut self, at: usize) {
        let life = &self.lives[at];
        let day = self.day.plus(-1);
        let mut say: Vec<Edit> = life
            .citizenships
            .iter()
            .map(|(code, since)| citizenship(code, *since, "AS", false))
            .collect();
        say.push(citizenship("SE", Some(day), "NY", false));
        self.lives[at].citizenships = vec![("SE", Some(day))];
        self.post(at, "36H", say);
    }

    fn forward_mail(&mut self, at: usize, random: &mut Random) {
        let mut say = Vec::new();
        let home = self.lives[at].home.moved(random);
        say.address(SPECIAL, None, &home);
        self.post(at, "45H", say);
    }

    fn stop_mail(&mut self, at: usize) {
        let special = const { Field::at("addressInformation/specialPostalAddress") };
        self.post(at, "345H", vec![Edit::Clear(special)]);
    }
}
