//! The operations that are counted, and the register they are performed on.

use std::path::Path;
use std::sync::Arc;

use pu::base::time::Moment;
use pu::feed::generate::synthetic_population;
use pu::person::edit::Person;
use pu::person::identity::{Formats, Identity, IdentityType};
use pu::person::record::RecordRef;
use pu::person::schema::Core;
use pu::person::view::{Grant, Profile, ProtectionRules};
use pu::query::lookup::{Follow, lookup};
use pu::query::search::{Question, search};
use pu::register::import::Import;
use pu::register::merge::{self, Outcome};
use pu::register::persons::Nobody;
use pu::register::post::Post;
use pu::store::state::{State, open_newest};
use pu::wire::contract::{LOGICAL_ADDRESS_NATIONAL, core_namespace, find};
use pu::wire::render::{Buffer, RecordWriter};
use pu::wire::soap::{Call, Scratch, Service, Soap};

use crate::Failure;
use crate::twins::{self, Twins};

/// People of the register.
const PERSONS: usize = 5_000;

/// Something that users wait for.
pub struct Operation {
    /// What it is called.
    pub name: &'static str,
    /// Turns that are counted: so many that what differs from start to start (some ten thousand
    /// instructions) does not show.
    pub turns: u64,
    /// One turn of it; each turn is about somebody else.
    pub perform: fn(&mut Prepared, usize) -> Result<(), Failure>,
}

const fn operation(
    name: &'static str,
    turns: u64,
    perform: fn(&mut Prepared, usize) -> Result<(), Failure>,
) -> Operation {
    Operation {
        name,
        turns,
        perform,
    }
}

/// All of them.
pub const OPERATIONS: &[Operation] = &[
    operation("look_up_person", 20_000, |on, turn| {
        let identity = on.identity(turn);
        let found = lookup(&on.state, identity, &on.grant, Follow::MainIdentity)?;
        found.map(drop).ok_or_else(|| "nobody was found".into())
    }),
    operation("render_person_p3_v5", 2_000, |on, turn| {
        let identity = on.identity(turn);
        let found = lookup(&on.state, identity, &on.grant, Follow::MainIdentity)?;
        on.out.clear();
        on.writer
            .write(&found.ok_or("nobody was found")?, &mut on.out)?;
        Ok(())
    }),
    operation("answer_known_request_p3_v5", 2_000, |on, turn| {
        let mut scratch = std::mem::take(&mut on.scratch);
        let answered = on.answer(&on.single[turn % on.single.len()], &mut scratch);
        on.scratch = scratch;
        answered
    }),
    operation("answer_new_request_p3_v5", 300, |on, turn| {
        on.answer(&on.single[turn % on.single.len()], &mut Scratch::default())
    }),
    operation("answer_500_persons_p3_v5", 20, |on, turn| {
        let mut scratch = std::mem::take(&mut on.scratch);
        let answered = on.answer(&on.many[turn % on.many.len()], &mut scratch);
        on.scratch = scratch;
        answered
    }),
    operation("search_name_and_county", 100, |on, turn| {
        let query = QUERIES[turn % QUERIES.len()];
        let question = Question::parse("SimpleQL", query, &on.formats)?;
        search(&on.state, &question, &on.grant, 500)?;
        Ok(())
    }),
    operation("guess_hidden_code_right", 300, |on, turn| {
        on.twins.ask(0, 0, turn)
    }),
    operation("guess_hidden_code_wrong", 300, |on, turn| {
        on.twins.ask(0, 1, turn)
    }),
    operation("guess_veiled_code_right", 300, |on, turn| {
        on.twins.ask(1, 0, turn)
    }),
    operation("guess_veiled_code_wrong", 300, |on, turn| {
        on.twins.ask(1, 1, turn)
    }),
    operation("apply_notification", 300, |on, turn| {
        let (post, person) = &on.posts[turn % on.posts.len()];
        match merge::apply(post, Some(person), &Nobody, &on.formats, &on.at) {
            Ok(Outcome::Applied(person)) => person.to_record().map(drop).map_err(Failure::from),
            Ok(Outcome::NotNewer | Outcome::Unchanged) => Err("nothing was changed".into()),
        }
    }),
];

/// Pairs that differ in what is hidden alone, and must cost the same: to some instructions in a
/// thousand, for the memory that a run happens to get.
pub const ALIKE: &[[&str; 2]] = &[
    ["guess_hidden_code_right", "guess_hidden_code_wrong"],
    ["guess_veiled_code_right", "guess_veiled_code_wrong"],
];

const QUERIES: [&str; 4] = [
    "FROM PersonRecord WHERE populationRegistrationLocality.countyCode = '01' AND name.surname LIKE 'and%'",
    "FROM PersonRecord WHERE populationRegistrationLocality.countyCode = '14' AND name.surname LIKE 'joh%'",
    "FROM PersonRecord WHERE populationRegistrationLocality.countyCode = '12' AND name.surname LIKE 'berg%'",
    "FROM PersonRecord WHERE populationRegistrationLocality.countyCode = '25' AND name.surname LIKE 'lind%'",
];

/// A register with everything compiled, and what is asked of it.
pub struct Prepared {
    state: State,
    soap: Soap,
    formats: Formats,
    grant: Grant,
    writer: RecordWriter,
    identities: Vec<Identity>,
    single: Vec<String>,
    many: Vec<String>,
    posts: Vec<(Post, Person)>,
    at: Moment,
    out: Buffer,
    scratch: Scratch,
    twins: Twins,
}

fn at() -> Result<Moment, Failure> {
    Moment::parse("2025-01-07T06:00:00").ok_or_else(|| "no moment".into())
}

/// Builds the register.
pub fn prepare(folder: &Path) -> Result<(), Failure> {
    let formats = Formats::standard();
    let mut run = Import::new(folder, None, &formats, at()?, |_| true)?;
    for settlers in synthetic_population(&formats, PERSONS, 1) {
        let village = settlers.settle();
        for post in village.posts() {
            run.post(&post)?;
        }
        for person in village.contact(&formats) {
            run.exchanged(person)?;
        }
    }
    run.finish(|_| {})?;
    twins::prepare(folder, &formats)
}

impl Prepared {
    /// Opens the register and gets everything ready.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let formats = Formats::standard();
        let snapshot = open_newest(folder, &formats)?.ok_or("there is no register")?;
        // As it is while serving.
        snapshot.verify(|_, _| {})?;
        let mut identities = Vec::new();
        for record in snapshot.records() {
            let record = RecordRef::open(record?)?;
            let identity = record.identity();
            if identity.kind() == IdentityType::Pnr && !record.shield().is_on() {
                identities.push(identity);
            }
        }
        let changes = synthetic_population(&formats, PERSONS, 1)
            .flat_map(|settlers| settlers.settle().changes())
            .flat_map(|(_, posts)| posts);
        let at = Moment::parse("2025-01-15T06:00:00").ok_or("no moment")?;
        let posts: Vec<(Post, Person)> = changes
            .filter_map(|post| {
                let is_it = |record: &[u8]| {
                    RecordRef::open(record).is_ok_and(|it| it.identity() == post.subject)
                };
                let record =
                    RecordRef::open(snapshot.find(post.subject.key(), is_it).ok()??).ok()?;
                let person = Person::from_record(record).ok()?;
                let applied = merge::apply(&post, Some(&person), &Nobody, &formats, &at);
                matches!(applied, Ok(Outcome::Applied(_))).then_some((post, person))
            })
            .collect();
        let rule = ProtectionRules::STANDARD;
        let mut prepared = Self {
            state: State::of_snapshot(Arc::new(snapshot))?,
            soap: Soap::compile(&formats, &[LOGICAL_ADDRESS_NATIONAL.to_owned()], rule),
            grant: Grant::restricted(Profile::P3, rule),
            writer: RecordWriter::compile(Core::V5, &formats),
            identities,
            single: Vec::new(),
            many: Vec::new(),
            posts,
            at,
            out: Buffer::default(),
            scratch: Scratch::default(),
            twins: Twins::open(folder, &formats)?,
            formats,
        };
        prepared.single = (0..100).map(|turn| prepared.request(turn, 1)).collect();
        prepared.many = (0..3).map(|turn| prepared.request(turn, 500)).collect();
        Ok(prepared)
    }

    fn identity(&self, turn: usize) -> Identity {
        self.identities[turn * 7_919 % self.identities.len()]
    }

    fn answer(&self, request: &str, scratch: &mut Scratch) -> Result<(), Failure> {
        let call = Call {
            body: request.as_bytes(),
            charset: Some("utf-8"),
            soap_action: None,
        };
        let answered = self
            .soap
            .answer(self.service()?, &self.state, call, scratch);
        answered.map_err(|_| Failure::from("a request was refused"))
    }

    fn service(&self) -> Result<&Service, Failure> {
        let endpoint = find("GetPersonsForProfile", 5).ok_or("no such contract")?;
        let service = self.soap.find(&endpoint.path());
        service.ok_or_else(|| "no such service".into())
    }

    fn request(&self, turn: usize, count: usize) -> String {
        let ids: String = (0..count)
            .map(|place| {
                let identity = self.identity(turn * 31 + place);
                let root = self.formats.root(identity).unwrap_or_default();
                let text = self.formats.text(identity);
                let text = text.as_ref().map_or("", |it| it.as_str());
                format!("<r:personId><p:root>{root}</p:root><p:extension>{text}</p:extension></r:personId>")
            })
            .collect();
        format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:a=\"urn:riv:itintegration:registry:1\" \
             xmlns:r=\"urn:riv:strategicresourcemanagement:persons:person:GetPersonsForProfileResponder:5\" \
             xmlns:p=\"{}\"><s:Header><a:LogicalAddress>{LOGICAL_ADDRESS_NATIONAL}</a:LogicalAddress></s:Header>\
             <s:Body><r:GetPersonsForProfile>{ids}<r:profile>P3</r:profile>\
             <r:ignoreReferredIdentity>false</r:ignoreReferredIdentity></r:GetPersonsForProfile></s:Body></s:Envelope>",
            core_namespace(Core::V5)
        )
    }
}
