//! Non-interference: two registers that differ in nothing but what is hidden of protected persons
//! answer every restricted question alike, at every door, and find the answer in the same steps. Both
//! live the same life: persons become protected, hidden things change, chains are linked and taken
//! apart, snapshots are made.
//!
//! Short unless told: `PU_TEST_NONINTERFERENCE_SECONDS` says for how long worlds are made, each of its
//! own seed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use pu::base::lasting::Lasting;
use pu::base::time::Moment;
use pu::cli::config::Access;
use pu::feed::generate::synthetic_population;
use pu::person::edit::Person;
use pu::person::field::Field;
use pu::person::identity::Formats;
use pu::person::json;
use pu::person::record::RecordRef;
use pu::person::schema::{Kind, Level};
use pu::person::value::Value;
use pu::person::view::{
    Grant, HouseholdRule, PopulationRecordRule, Profile, ProtectionRules, Shield,
};
use pu::query::search::{Question, SearchError, search};
use pu::register::import::Import;
use pu::store::commit::Draft;
use pu::store::entry::Origin;
use pu::store::state::{State, open_newest};
use pu::wire::contract::{Operation, find};
use tempfile::TempDir;

use crate::access::{everything, row};
use crate::support::{Answer, Client, Service, WRITTEN, path, persons};
use crate::updates::{actor, id, message};

/// Persons of one world, beside those that use every field.
const PERSONS: usize = 90;
/// Worlds when no time is told.
const WORLDS: u64 = 3;
/// What happens and is asked in one world.
const STEPS: usize = 150;

const ATTACKER: &str = "SE5560000001-PRIV";
const PROTECTED_PERSON: Field = Field::at("protectedPersonIndicator");
const PROTECTED_POPULATION_RECORD: Field = Field::at("protectedPopulationRecord");
const COUNTY: Field = Field::at("populationRegistrationLocality/countyCode");
/// What decides which of a person's identities is the main one. That is shown of everybody, so these
/// are the same in both registers.
const CHAIN: [Field; 4] = [
    Field::at("linkedIdentity"),
    Field::at("referredPersonalIdentities"),
    Field::at("personalIdentityStatus"),
    Field::at("deregistration"),
];

static THIS_YEAR: LazyLock<String> = LazyLock::new(|| {
    let now = Moment::now().timestamp.written();
    String::from_utf8(now[..4].to_vec()).unwrap()
});

static FORMATS: LazyLock<Formats> = LazyLock::new(Formats::standard);

/// Invented persons, and those that use every field.
static PEOPLE: LazyLock<(Vec<Person>, Vec<Person>)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let at = Moment::parse(WRITTEN).unwrap();
    let mut import = Import::new(folder.path(), None, &FORMATS, at, |_| true).unwrap();
    for settlers in synthetic_population(&FORMATS, 1_500, 5) {
        for post in settlers.settle().posts() {
            import.post(&post).unwrap();
        }
    }
    import.finish(|_| {}).unwrap().unwrap();
    let snapshot = open_newest(folder.path(), &FORMATS).unwrap().unwrap();
    let invented = snapshot
        .records()
        .map(|record| Person::from_record(RecordRef::open(record.unwrap()).unwrap()).unwrap());
    let full = persons()
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| json::read(line.as_bytes(), &FORMATS).unwrap());
    (invented.collect(), full.collect())
});

/// Numbers that are the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// A person as each of the two registers has them.
#[derive(Clone)]
struct Pair([Person; 2]);

/// The highest level that restricted contracts show of somebody under a protection.
fn ceiling(shield: Shield, rules: ProtectionRules) -> Level {
    match rules.population_record {
        PopulationRecordRule::NameAndNumber if shield.has_population_record() => Level::Always,
        _ => Level::P1,
    }
}

/// Gives a person what somebody else has at every field above a level.
fn replace_above(person: &mut Person, other: &Person, level: Level, group: Field) {
    for field in group.children() {
        if field.info().level == Level::Internal || CHAIN.contains(&field) {
            continue;
        }
        if field.info().level > level {
            person.clear(field);
            person.copy_from(other, field);
        } else if field.kind() == Kind::Group && !field.repeats() {
            replace_above(person, other, level, field);
        }
    }
}

fn protect(person: &mut Person, random: &mut Random) {
    let kind = random.below(3);
    person.set(PROTECTED_PERSON, Value::Boolean(kind != 1));
    person.set(PROTECTED_POPULATION_RECORD, Value::Boolean(kind != 0));
}

fn unprotect(person: &mut Person) {
    person.set(PROTECTED_PERSON, Value::Boolean(false));
    person.set(PROTECTED_POPULATION_RECORD, Value::Boolean(false));
}

/// Two registers, served, and what is known of them.
struct World {
    rules: ProtectionRules,
    pairs: Vec<Pair>,
    /// Places of those who lived in the open elsewhere in each: they stay protected, for what was open
    /// before is no secret of somebody who is open again.
    apart: BTreeSet<usize>,
    services: [Service; 2],
    clients: [Client; 2],
    random: Random,
    /// Answers, and those among them that are no refusal.
    answers: [usize; 2],
    /// What happened and was asked, for who reads a failure.
    told: String,
}

fn rules(random: &mut Random) -> ProtectionRules {
    ProtectionRules {
        population_record: *random.of(&[
            PopulationRecordRule::NameAndNumber,
            PopulationRecordRule::NameAndNumber,
            PopulationRecordRule::Profile1,
        ]),
        // A mask that follows the protected relative's home tells by its nature whether the home is
        // one; where nothing follows, masks are tried in this process.
        household: HouseholdRule::Show,
    }
}

/// Serves a register to somebody who may see protected persons whole, if only by other contracts, or
/// to somebody who may not.
fn serve(folder: TempDir, rules: ProtectionRules, sees_protected: bool) -> Service {
    let file = folder.path().join("consumers.toml");
    let audit = folder.path().join("audit");
    // Every right that a private care provider can have, and none to protected persons.
    let category = "private-care-provider";
    std::fs::write(&file, row(ATTACKER, category, &everything(category))).unwrap();
    Service::over(folder, |config| {
        if !sees_protected {
            config.access = Access {
                allow_fewer: false,
                consumers: Some(file),
                local_consumer: Some(ATTACKER.to_owned()),
                open: false,
            };
            config.audit.folder = Some(audit);
            config.limits.consumer_requests_per_second = 1_000_000;
            config.limits.consumer_burst = 1_000_000;
            config.limits.consumer_cpu = Lasting::try_from("60s".to_owned()).unwrap();
        }
        config.protection = rules;
        config.rest.history = true;
        config.search.explain = true;
        config.rest.changes = true;
    })
}

fn register(people: impl Iterator<Item = Person>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = Moment::parse(WRITTEN).unwrap();
    let mut import = Import::new(folder.path(), None, &FORMATS, at, |_| true).unwrap();
    for person in people {
        import.exchanged(person).unwrap();
    }
    import.finish(|_| {}).unwrap().unwrap();
    folder
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let rules = rules(&mut random);
        let (invented, full) = &*PEOPLE;
        let from = random.below(invented.len() - PERSONS);
        let mut people = invented[from..from + PERSONS].to_vec();
        people.extend(full.iter().cloned());
        let mut pairs = Vec::new();
        for mut person in people {
            if random.one_in(3) {
                protect(&mut person, &mut random);
            }
            person.shares_protected_home = random.one_in(8);
            let mut pair = Pair([person.clone(), person]);
            let shield = pair.0[0].shield();
            if shield.is_on() {
                hide(&mut pair, ceiling(shield, rules), &mut random);
            } else if random.one_in(6) {
                // Open when the snapshot is made, each with a home of its own; hidden before anything
                // is asked.
                move_apart(&mut pair, &mut random);
            }
            pairs.push(pair);
        }
        let folders = [0, 1].map(|side| register(pairs.iter().map(|pair| pair.0[side].clone())));
        let sees_protected = random.one_in(3);
        let services = folders.map(|folder| serve(folder, rules, sees_protected));
        let clients = [0, 1].map(|side| services[side].connect());
        let mut world = Self {
            rules,
            pairs,
            apart: BTreeSet::new(),
            services,
            clients,
            random,
            answers: [0; 2],
            told: format!("seed {seed}, {rules:?}, sees protected: {sees_protected}\n"),
        };
        world.hide_those_apart();
        world
    }

    /// Protects whoever is open and not the same in both.
    fn hide_those_apart(&mut self) {
        for at in 0..self.pairs.len() {
            let [one, other] = &self.pairs[at].0;
            let open = !one.shield().is_on();
            if !open || one == other {
                continue;
            }
            self.apart.insert(at);
            if self.rules.population_record == PopulationRecordRule::Profile1 {
                let kinds = self.random.next();
                for side in 0..2 {
                    protect(&mut self.pairs[at].0[side], &mut Random(kinds));
                }
                self.commit(&[at]);
                continue;
            }
            // Moves in the open, under sekretess and at last hidden whole, through counties that are
            // others in each.
            for (person, population) in [(false, false), (true, false), (true, false), (true, true)]
            {
                for side in 0..2 {
                    let one = &mut self.pairs[at].0[side];
                    let donor = self.random.of(&PEOPLE.0);
                    one.copy_from(donor, Field::at("populationRegistrationLocality"));
                    one.set(PROTECTED_PERSON, Value::Boolean(person));
                    one.set(PROTECTED_POPULATION_RECORD, Value::Boolean(population));
                }
                self.commit(&[at]);
            }
        }
    }

    /// Commits the pairs at some places, as one change in each register.
    fn commit(&mut self, places: &[usize]) {
        for side in 0..2 {
            let records: Vec<Vec<u8>> = places
                .iter()
                .map(|&at| self.pairs[at].0[side].to_record().unwrap())
                .collect();
            let work = move |draft: &mut Draft| {
                draft
                    .commit(Origin::by("test"), records, Vec::new())
                    .unwrap()
            };
            self.services[side].app.live.committer.wait(work).unwrap();
        }
    }

    fn states(&self) -> [std::sync::Arc<State>; 2] {
        [0, 1].map(|side| std::sync::Arc::clone(&self.services[side].app.store.pin()))
    }

    /// Reads a pair back: links and updates changed it.
    fn read_back(&mut self, at: usize) {
        let identity = self.pairs[at].0[0].identity();
        let states = self.states();
        for (side, state) in states.iter().enumerate() {
            let record = state.record(identity).unwrap().unwrap();
            self.pairs[at].0[side] = Person::from_record(record).unwrap();
        }
    }

    fn somebody(&mut self) -> usize {
        self.random.below(self.pairs.len())
    }

    fn happen(&mut self) {
        let at = self.somebody();
        self.read_back(at);
        let shield = self.pairs[at].0[0].own_shield();
        let inherited = self.pairs[at].0[0].inherited;
        match self.random.below(6) {
            0 => self.compact(),
            1 if !shield.with(inherited).is_on() => {
                let _ = writeln!(self.told, "protect {at}");
                let mut kinds = Random(self.random.next());
                let (seed, _) = (kinds.0, kinds.next());
                for side in 0..2 {
                    protect(&mut self.pairs[at].0[side], &mut Random(seed));
                }
                self.commit(&[at]);
            }
            2 if shield.is_on() && !inherited.is_on() && !self.apart.contains(&at) => {
                // What was hidden is hidden no more, so it must be the same from now on.
                let _ = writeln!(self.told, "unprotect {at}");
                let mut person = self.pairs[at].0[0].clone();
                unprotect(&mut person);
                self.pairs[at] = Pair([person.clone(), person]);
                self.commit(&[at]);
            }
            _ if shield.with(inherited).is_on() => {
                let _ = writeln!(self.told, "move {at}");
                let level = ceiling(shield.with(inherited), self.rules);
                hide(&mut self.pairs[at], level, &mut self.random);
                self.commit(&[at]);
            }
            _ => {}
        }
    }

    fn compact(&mut self) {
        self.told.push_str("compact\n");
        if self.random.one_in(2) {
            for service in &self.services {
                let live = &service.app.live;
                live.committer.wait(Draft::freeze).unwrap();
            }
            self.ask();
        }
        for service in &self.services {
            service.app.live.compact().unwrap();
        }
    }

    /// A value that somebody has at a field in one of the registers.
    fn value(&mut self, field: Field) -> Option<String> {
        for _ in 0..30 {
            let at = self.somebody();
            let mut found = Vec::new();
            self.pairs[at].0[self.random.below(2)].each_value(&mut |here, value| {
                if here == field {
                    found.push(value.clone());
                }
            });
            // The two registers' clocks may be a second apart.
            let found = found
                .iter()
                .map(literal)
                .filter(|it| !it.starts_with(&*THIS_YEAR));
            let found: Vec<String> = found.collect();
            if !found.is_empty() {
                return Some(self.random.of(&found).clone());
            }
        }
        None
    }

    fn claim(&mut self) -> String {
        let searched: Vec<Field> = Field::all()
            .filter(|field| field.kind() != Kind::Group && field.info().level != Level::Internal)
            .collect();
        loop {
            let indexed = pu::person::keys::INDEXES.iter().flat_map(|row| row.fields);
            let indexed: Vec<Field> = indexed.copied().collect();
            let field = if self.random.one_in(4) {
                *self.random.of(&searched)
            } else {
                *self.random.of(&indexed)
            };
            let (Some(value), Some(other)) = (self.value(field), self.value(field)) else {
                continue;
            };
            let node = field.path().replace('/', ".");
            let half: String = value
                .chars()
                .take(value.chars().count().div_ceil(2))
                .collect();
            return match self.random.below(9) {
                0 => format!("NOT {node} = '{value}'"),
                1 => format!("{node} IN ('{value}', '{other}')"),
                2 => format!("{node} BETWEEN '{value}' AND '{other}'"),
                3 => format!("{node} >= '{value}'"),
                4 => format!("{node} LIKE '{half}%'"),
                5 => format!("{node} LIKE '%{half}%'"),
                6 => format!("{node} IS NULL"),
                _ => format!("{node} = '{value}'"),
            };
        }
    }

    fn query(&mut self) -> String {
        let (a, b, c) = (self.claim(), self.claim(), self.claim());
        let condition = match self.random.below(6) {
            0 | 1 => a,
            2 => format!("{a} AND {b}"),
            3 => format!("{a} OR {b}"),
            4 => format!("({a} OR {b}) AND {c}"),
            _ => format!("{a} AND ({b} OR NOT ({c}))"),
        };
        format!("FROM PersonRecord WHERE {condition}")
    }

    fn text(&mut self) -> String {
        const TOLD: [&str; 6] = [
            "name/givenName",
            "name/surname",
            "addressInformation/residentialAddress/city",
            "addressInformation/residentialAddress/postalAddress2",
            "addressInformation/residentialAddress/postalCode",
            "birth/dateOfBirth",
        ];
        let words = 1 + self.random.below(3);
        let mut text = String::new();
        for _ in 0..words {
            let field = Field::at(TOLD[self.random.below(TOLD.len())]);
            let field = Field::all()
                .find(|it| it.path() == field.path() && it.kind() != Kind::Group)
                .unwrap();
            if let Some(value) = self.value(field) {
                let first = value.split(' ').next().unwrap().to_owned();
                text.push_str(&first);
                text.push(' ');
            }
        }
        text
    }

    /// Asks both registers one thing, and holds the answers against each other.
    fn ask(&mut self) {
        match self.random.below(10) {
            0..=2 => self.search_inside(),
            3 | 4 => self.search_outside(),
            5 | 6 => self.read(),
            7 => self.follow(),
            8 => self.care(),
            _ => self.link(),
        }
    }

    /// A search in this process: hits, errors, and each step of the way.
    fn search_inside(&mut self) {
        let (language, text) = if self.random.one_in(4) {
            ("Text", self.text())
        } else {
            ("SimpleQL", self.query())
        };
        let _ = writeln!(self.told, "search {text}");
        let Ok(question) = Question::parse(language, &text, &FORMATS) else {
            return;
        };
        let profile = *self.random.of(&Profile::ALL);
        let household = *self.random.of(&[HouseholdRule::Show, HouseholdRule::Mask]);
        let rules = ProtectionRules {
            household,
            ..self.rules
        };
        let grant = Grant::restricted(profile, rules);
        let most = *self.random.of(&[1, 5, 500]);
        let states = self.states();
        let [one, other] = [0, 1].map(|side| trace(&states[side], &question, grant, most));
        self.assert_same(&timeless(&one), &timeless(&other));
    }

    /// Demands that two texts are the same; tells where they part.
    #[track_caller]
    fn assert_same(&self, one: &str, other: &str) {
        let same = one.chars().zip(other.chars());
        let same = same.take_while(|(one, other)| one == other).count();
        let from = same.saturating_sub(120);
        let near = |text: &str| text.chars().skip(from).take(240).collect::<String>();
        assert!(
            one == other,
            "{}\nnot the same behind {same} characters:\n  {}\n  {}",
            self.told,
            near(one),
            near(other)
        );
    }

    fn search_outside(&mut self) {
        let profile = self.random.of(&Profile::ALL).name();
        let door = self.random.below(6);
        if door == 0 {
            let text = encoded(&self.text());
            self.get(&format!(
                "/v1/search?text={text}&profile={profile}&explain=true"
            ));
        } else if door < 3 {
            let query = encoded(&self.query());
            self.get(&format!(
                "/v1/search?q={query}&profile={profile}&explain=true"
            ));
        } else {
            let major = *self.random.of(&[3, 4, 5]);
            let query = self.query().replace('<', "&lt;").replace('>', "&gt;");
            let inside = format!(
                "<r:query>{query}</r:query><r:queryLanguage>SimpleQL</r:queryLanguage>\
                 <r:profile>{profile}</r:profile>"
            );
            let contract = match door {
                3 => "SearchPersonsForProfileByOrder",
                _ => "SearchPersonsForProfile",
            };
            self.post(contract, major, &inside);
        }
    }

    fn read(&mut self) {
        let identity = self.identity();
        let profile = self.random.of(&Profile::ALL).name();
        match self.random.below(5) {
            0 => self.get(&format!("/v1/persons/{}?profile={profile}", identity.1)),
            1 => self.get(&format!("/v1/persons/{}/history", identity.1)),
            2 => {
                let other = self.identity();
                let asked = serde_json::json!({
                    "identities": [identity.1, other.1, identity.1],
                    "profile": profile
                });
                self.send("/v1/persons", "application/json", &asked.to_string());
            }
            _ => {
                let major = *self.random.of(&[3, 4, 5]);
                let other = self.identity();
                let ignore = self.random.one_in(2);
                let inside = format!(
                    "{}{}<r:profile>{profile}</r:profile>\
                     <r:ignoreReferredIdentity>{ignore}</r:ignoreReferredIdentity>",
                    named("personId", &identity),
                    named("personId", &other),
                );
                self.post("GetPersonsForProfile", major, &inside);
            }
        }
    }

    fn follow(&mut self) {
        let profile = self.random.of(&Profile::ALL).name();
        let newest = self.states()[0].sequence();
        let since = newest.saturating_sub(self.random.below(30) as u64);
        let county = match self.random.one_in(2).then(|| self.value(COUNTY)).flatten() {
            Some(county) => format!("&county={county}"),
            None => String::new(),
        };
        let limit = 1 + self.random.below(20);
        self.get(&format!(
            "/v1/changes?since={since}&limit={limit}&profile={profile}{county}"
        ));
    }

    /// Contact data, read and updated.
    fn care(&mut self) {
        let actor = actor();
        let identity = self.identity();
        let major = *self.random.of(&[3, 4]);
        let inside = named("personId", &identity);
        self.post("GetPersonContactInformation", major, &inside);
        let version = *self.random.of(&["20250107060000", "20200101000000"]);
        let inside = format!(
            "{actor}{inside}<r:versionToUpdate>{version}</r:versionToUpdate>\
             <r:contactInformation><p:contactType>email</p:contactType>\
             <p:value>a@example.org</p:value></r:contactInformation>"
        );
        self.post("UpdatePersonContactInformation", major, &inside);
        if self.random.one_in(3) {
            let major = *self.random.of(&[3, 4, 5]);
            let inside = format!(
                "{actor}{}<r:gender>2</r:gender>\
                 <r:administrativeInformation><p:categoryOfPerson>04</p:categoryOfPerson>\
                 </r:administrativeInformation>",
                named("personId", &identity)
            );
            self.post("UpdatePerson", major, &inside);
        }
    }

    fn link(&mut self) {
        let actor = actor();
        let (one, other) = (self.identity(), self.identity());
        let contract = *self
            .random
            .of(&["LinkPersonIdentity", "UnlinkPersonIdentity"]);
        let major = *self.random.of(&[3, 4, 5]);
        let Some(_) = find(contract, major) else {
            return;
        };
        let (from, to) = match contract {
            "LinkPersonIdentity" => ("fromIdentity", "toIdentity"),
            _ => ("unlinkFromIdentity", "unlinkIdentity"),
        };
        let inside = format!("{actor}{}{}", named(from, &one), named(to, &other));
        self.post(contract, major, &inside);
    }

    fn identity(&mut self) -> (String, String) {
        let at = self.somebody();
        let identity = self.pairs[at].0[0].identity();
        (
            FORMATS.root(identity).unwrap().to_owned(),
            FORMATS.text(identity).unwrap().as_str().to_owned(),
        )
    }

    fn get(&mut self, target: &str) {
        let _ = writeln!(self.told, "GET {target}");
        let [one, other] = &mut self.clients;
        let [one, other] = [one, other].map(|client| client.request("GET", target, &[], b""));
        self.compare(&one, &other);
    }

    fn post(&mut self, contract: &str, major: u8, inside: &str) {
        let endpoint = find(contract, major).unwrap();
        assert!(!endpoint.unrestricted && endpoint.operation != Operation::GetFiles);
        let message = message(contract, major, inside);
        let _ = writeln!(self.told, "{contract}/{major} {inside}");
        self.send(&path(contract, major), "text/xml; charset=UTF-8", &message);
    }

    fn send(&mut self, target: &str, content: &str, body: &str) {
        let headers = [("Content-Type", content)];
        let [one, other] = &mut self.clients;
        let [one, other] =
            [one, other].map(|client| client.post(target, &headers, body.as_bytes()));
        self.compare(&one, &other);
    }

    #[track_caller]
    fn compare(&mut self, one: &Answer, other: &Answer) {
        self.answers[0] += 1;
        self.answers[1] += usize::from(one.status == 200);
        let told = |answer: &Answer| {
            let headers = answer.headers.iter();
            let headers = headers.filter(|(name, _)| name != "date" && name != "content-length");
            let headers: Vec<_> = headers.collect();
            format!("{} {headers:?} {}", answer.status, timeless(&answer.body))
        };
        self.assert_same(&told(one), &told(other));
    }
}

fn named(element: &str, (root, extension): &(String, String)) -> String {
    id(element, (root, extension))
}

/// Gives each of two alike what is hidden of somebody else, or of nobody.
fn hide(pair: &mut Pair, level: Level, random: &mut Random) {
    let (invented, full) = &*PEOPLE;
    for person in &mut pair.0 {
        let donor = match random.below(5) {
            0 => Person::new(person.identity(), &FORMATS),
            1 => random.of(full).clone(),
            _ => random.of(invented).clone(),
        };
        replace_above(person, &donor, level, Field::RECORD);
    }
}

/// Lets two alike live in different places of one county.
fn move_apart(pair: &mut Pair, random: &mut Random) {
    let county = pair.0[0].text(COUNTY).map(str::to_owned);
    for person in &mut pair.0 {
        let donor = random.of(&PEOPLE.0);
        person.copy_from(donor, Field::at("addressInformation"));
        person.copy_from(donor, Field::at("populationRegistrationLocality"));
        person.clear(COUNTY);
        if let Some(county) = &county {
            person.set(COUNTY, Value::from(county.as_str()));
        }
    }
}

/// How a search went, all that can be told of it but the time.
fn trace(state: &State, question: &Question, grant: Grant, most: usize) -> String {
    let grant = &grant;
    let mut out = format!("wide: {}\n", question.is_wide(state, grant));
    match search(state, question, grant, most) {
        Ok(mut found) => {
            found.explanation.microseconds = 0;
            let _ = writeln!(out, "{:?}", found.explanation);
            for view in &found.hits {
                let mut text = Vec::new();
                json::write(view, &FORMATS, &mut text).unwrap();
                let _ = writeln!(out, "{}", String::from_utf8(text).unwrap());
            }
        }
        Err(SearchError::Damaged(_)) => panic!("damaged"),
        Err(error) => {
            let _ = writeln!(out, "{error:?}");
        }
    }
    out
}

/// A value as a query writes it.
fn literal(value: &Value) -> String {
    match value {
        Value::Text(text) => text.replace('\'', "''"),
        Value::Boolean(truth) => truth.to_string(),
        Value::Date(date) | Value::PartialDate(date) => date.to_string(),
        Value::DateTime(at) => String::from_utf8(at.written().to_vec()).unwrap(),
        Value::Timestamp(at) => String::from_utf8(at.written().to_vec()).unwrap(),
        Value::Identity(identity) => FORMATS.text(*identity).unwrap().as_str().to_owned(),
    }
}

/// A text without the moments of today, and without how long it took.
fn timeless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\"microseconds\":") {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        rest = after.trim_start_matches(|c: char| c != ',' && c != '}');
    }
    out.push_str(rest);
    for (digits, shape) in [(14, ""), (20, "-T:.+")] {
        out = without_moments(&out, digits, shape);
    }
    out
}

/// Takes out runs of so many characters, digits and those of a shape, that begin with this year.
fn without_moments(text: &str, least: usize, shape: &str) -> String {
    let is_part = |c: char| c.is_ascii_digit() || shape.contains(c);
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().chain(['\0']) {
        if is_part(c) {
            run.push(c);
            continue;
        }
        if run.len() >= least && run.starts_with(&*THIS_YEAR) {
            run.clear();
        }
        out.push_str(&run);
        run.clear();
        out.push(c);
    }
    out
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[test]
fn what_is_hidden_changes_no_answer_and_no_way_to_it() {
    let seconds = std::env::var("PU_TEST_NONINTERFERENCE_SECONDS").ok();
    let seconds = seconds.map(|it| Duration::from_secs(it.parse().unwrap()));
    let began = Instant::now();
    for seed in 1_u64.. {
        let is_over = match seconds {
            Some(seconds) => began.elapsed() > seconds,
            None => seed > WORLDS,
        };
        if is_over {
            break;
        }
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            if world.random.one_in(5) {
                world.happen();
            } else {
                world.ask();
            }
        }
        let [all, good] = world.answers;
        assert!(good * 2 > all, "{good} of {all} answers: nothing was asked");
    }
}
