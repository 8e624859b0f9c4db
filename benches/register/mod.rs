//! The demo population as a register to measure on, built once per version of the record.

#![allow(dead_code, reason = "each benchmark uses a part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pu::base::time::Moment;
use pu::feed::file;
use pu::feed::generate::{base_day, demo_population};
use pu::feed::read::{Encoding, Navet, Read};
use pu::feed::write::{Header, Writer};
use pu::person::field::schema_hash;
use pu::person::identity::{Formats, Identity, IdentityType};
use pu::person::record::RecordRef;
use pu::person::schema::Core;
use pu::person::view::{Grant, Profile, ProtectionRules};
use pu::query::lookup::{Follow, lookup};
use pu::register::import::Import;
use pu::register::post::Post;
use pu::store::layout::FORMAT_VERSION;
use pu::store::snapshot::Snapshot;
use pu::store::state::{State, open_newest};
use pu::wire::contract::{LOGICAL_ADDRESS_NATIONAL, core_namespace, find};
use pu::wire::render::{Buffer, RecordWriter};
use pu::wire::soap::{Call, Scratch, Soap};

pub const LOGICAL_ADDRESS: &str = LOGICAL_ADDRESS_NATIONAL;

/// Persons that are asked for at most.
const MOST_IDENTITIES: u64 = 2_000_000;

/// A register with everything compiled.
pub struct Bench {
    pub state: State,
    pub soap: Soap,
    formats: Formats,
    grant: Grant,
    writer: RecordWriter,
    identities: Vec<Identity>,
}

/// A kind of request.
pub struct Asked {
    pub major: u8,
    pub profile: &'static str,
    pub count: usize,
}

/// Where the register lies, below the target folder.
pub fn folder() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    target.join(format!(
        "bench-register-{FORMAT_VERSION}-{:016x}",
        schema_hash()
    ))
}

/// Builds the register, if it is not there, and gives its folder.
pub fn build() -> PathBuf {
    let folder = folder();
    if folder.is_dir() {
        return folder;
    }
    let formats = Formats::standard();
    let parent = folder.parent().unwrap();
    std::fs::create_dir_all(parent).unwrap();
    let part = tempfile::tempdir_in(parent).unwrap();
    let at = Moment::parse("2025-01-07T06:00:00").unwrap();
    let mut run = Import::new(part.path(), None, &formats, at, |_| true).unwrap();
    let population = demo_population(&formats, 1);
    for post in population.posts() {
        run.post(&post).unwrap();
    }
    for person in population.exchange(&formats) {
        run.exchanged(person).unwrap();
    }
    // The days after, each with a moment of its own.
    for (day, posts) in population.changes() {
        run.set_moment(Moment::parse(&format!("{day}T06:00:00")).unwrap());
        for post in &posts {
            run.post(post).unwrap();
        }
    }
    // Settling chains must not touch everybody who is linked on the last of them.
    run.set_moment(at);
    run.finish(|_| {}).unwrap();
    std::fs::rename(part.keep(), &folder).unwrap();
    folder
}

impl Bench {
    pub fn open() -> Self {
        Self::over(&build())
    }

    /// Over the newest snapshot of a folder; of a large one, every so manieth person is asked for.
    pub fn over(folder: &Path) -> Self {
        let formats = Formats::standard();
        let snapshot = open_newest(folder, &formats).unwrap().unwrap();
        // As it is while serving.
        snapshot.verify(|_, _| {}).unwrap();
        let step = snapshot.len() / MOST_IDENTITIES + 1;
        let identities = (0..snapshot.len())
            .step_by(step as usize)
            .map(|at| RecordRef::open(snapshot.record(at).unwrap().unwrap()).unwrap())
            .filter(|record| record.identity().kind() == IdentityType::Pnr)
            .filter(|record| !record.shield().is_on())
            .map(RecordRef::identity)
            .collect();
        let rule = ProtectionRules::STANDARD;
        Self {
            state: State::of_snapshot(Arc::new(snapshot)).unwrap(),
            soap: Soap::compile(&formats, &[LOGICAL_ADDRESS.to_owned()], rule),
            grant: Grant::restricted(Profile::P3, rule),
            writer: RecordWriter::compile(Core::V5, &formats),
            formats,
            identities,
        }
    }

    pub fn identities(&self) -> Vec<Identity> {
        self.identities.clone()
    }

    pub fn snapshot(&self) -> &Snapshot {
        self.state.snapshot()
    }

    pub fn answer(&self, asked: &Asked, request: &str, scratch: &mut Scratch) -> usize {
        let endpoint = find("GetPersonsForProfile", asked.major).unwrap();
        let service = &self.soap.services()[(asked.major - 3) as usize];
        debug_assert_eq!(service.endpoint.path(), endpoint.path());
        let call = Call {
            body: request.as_bytes(),
            charset: Some("UTF-8"),
            soap_action: None,
        };
        self.soap
            .answer(service, &self.state, call, scratch)
            .unwrap();
        scratch.answer().len()
    }

    pub fn look_up(&self, identity: Identity) -> bool {
        lookup(&self.state, identity, &self.grant, Follow::MainIdentity)
            .unwrap()
            .is_some()
    }

    pub fn find(&self, identity: Identity) -> Option<Identity> {
        let found = lookup(&self.state, identity, &self.grant, Follow::MainIdentity).unwrap();
        found.map(|view| view.identity())
    }

    pub fn render(&self, identity: Identity, out: &mut Buffer) -> usize {
        let found = lookup(&self.state, identity, &self.grant, Follow::MainIdentity).unwrap();
        out.clear();
        self.writer.write(&found.unwrap(), out).unwrap();
        out.written().len()
    }
}

/// A request as a client writes it, indented; the identities differ from turn to turn.
pub fn request(bench: &Bench, asked: &Asked, turn: usize) -> String {
    let major = asked.major;
    let core = core_namespace(Core::ALL[usize::from(major - 3)]);
    let ids: String = (0..asked.count)
        .map(|place| {
            let at = (turn * 5_003 + place * 7_919) % bench.identities.len();
            let identity = bench.identities[at];
            let root = bench.formats.root(identity).unwrap();
            let text = bench.formats.text(identity).unwrap();
            format!(
                "\n      <r:personId>\n        <p:root>{root}</p:root>\n        <p:extension>{}</p:extension>\n      </r:personId>",
                text.as_str()
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope\n    xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"\n    xmlns:itr=\"urn:riv:itintegration:registry:1\"\n    xmlns:r=\"urn:riv:strategicresourcemanagement:persons:person:GetPersonsForProfileResponder:{major}\"\n    xmlns:p=\"{core}\">\n  <soapenv:Header>\n    <itr:LogicalAddress>{LOGICAL_ADDRESS}</itr:LogicalAddress>\n  </soapenv:Header>\n  <soapenv:Body>\n    <r:GetPersonsForProfile>{ids}\n      <r:profile>{}</r:profile>\n      <r:ignoreReferredIdentity>false</r:ignoreReferredIdentity>\n    </r:GetPersonsForProfile>\n  </soapenv:Body>\n</soapenv:Envelope>",
        asked.profile
    )
}

/// Posts of the demo population.
pub fn posts(count: usize) -> Vec<Post> {
    demo_population(&Formats::standard(), 1)
        .posts()
        .take(count)
        .collect()
}

/// Posts as a Navet text file.
pub fn navet_file(posts: &[Post]) -> PathBuf {
    let formats = Formats::standard();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench.txt");
    let header = Header {
        encoding: Encoding::Latin1,
        order_id: "00000236-FO01-0002".to_owned(),
        effectuated: base_day(),
        posts: posts.len() as u64,
    };
    let mut writer = Writer::new(Vec::new(), Navet::Text, header, &formats).unwrap();
    posts.iter().for_each(|post| writer.write(post).unwrap());
    std::fs::write(&path, writer.finish().unwrap()).unwrap();
    path
}

/// Reads a Navet file as an import does.
pub fn read_posts(path: &Path, formats: &Formats, mut apply: impl FnMut(Post)) {
    let options = file::Options::default();
    let summary = file::inspect(path, &options).unwrap();
    for read in file::read(path, &summary, formats, &options).unwrap() {
        match read.unwrap() {
            Read::Post(understood) => apply(understood.post),
            Read::Rejected(rejected) => panic!("{}", rejected.reason),
        }
    }
}
