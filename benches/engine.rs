//! The engine without a network, by what users do: look up one person or five hundred, read a
//! request, import posts, open a register. Beside them, in the same run, what the machine can do at
//! best: copying the same bytes. Allocations are counted in `tests/allocations.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

mod register;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pu::base::time::Moment;
use pu::person::field::schema_hash;
use pu::person::identity::Formats;
use pu::register::import::Import;
use pu::store::snapshot::Snapshot;
use pu::wire::plan::Plan;
use pu::wire::render::Buffer;
use pu::wire::request::{self, Ignore, Names};
use pu::wire::soap::Scratch;

use register::{Asked, Bench, request};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn lookups(criterion: &mut Criterion) {
    let bench = Bench::open();
    let (mut out, mut scratch) = (Buffer::default(), Scratch::default());
    for (name, asked) in [
        (
            "get_person_p1",
            Asked {
                major: 5,
                profile: "P1",
                count: 1,
            },
        ),
        (
            "get_person_p3_v3",
            Asked {
                major: 3,
                profile: "P3",
                count: 1,
            },
        ),
        (
            "get_person_p3_v5",
            Asked {
                major: 5,
                profile: "P3",
                count: 1,
            },
        ),
        (
            "get_person_p5_v5",
            Asked {
                major: 5,
                profile: "P5",
                count: 1,
            },
        ),
        (
            "get_500_persons_p3_v5",
            Asked {
                major: 5,
                profile: "P3",
                count: 500,
            },
        ),
    ] {
        let requests: Vec<String> = (0..64).map(|turn| request(&bench, &asked, turn)).collect();
        let mut turn = 0;
        let mut answer = || {
            turn = (turn + 1) % requests.len();
            bench.answer(&asked, &requests[turn], &mut scratch)
        };
        let bytes = answer();
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function("answer", |b| b.iter(&mut answer));
        let mut first = || {
            scratch.forget_shapes();
            turn = (turn + 1) % requests.len();
            bench.answer(&asked, &requests[turn], &mut scratch)
        };
        group.bench_function("answer, shape not known", |b| b.iter(&mut first));
        let (from, mut to) = (vec![7_u8; bytes], vec![0_u8; bytes]);
        group.bench_function("memcpy of the answer", |b| {
            b.iter(|| to.copy_from_slice(black_box(&from)));
        });
        group.finish();
    }

    let mut group = criterion.benchmark_group("engine");
    let identities = bench.identities();
    let mut at = 0;
    let mut next = || {
        at = (at + 7_919) % identities.len();
        identities[at]
    };
    group.bench_function("lookup_p3", |b| b.iter(|| black_box(bench.look_up(next()))));
    group.bench_function("lookup_and_render_p3_v5", |b| {
        b.iter(|| bench.render(next(), &mut out));
    });
    group.finish();
}

fn parse_request(criterion: &mut Criterion) {
    let bench = Bench::open();
    let text = request(
        &bench,
        &Asked {
            major: 5,
            profile: "P3",
            count: 1,
        },
        0,
    );
    let endpoint = pu::wire::contract::find("GetPersonsForProfile", 5).unwrap();
    let plan = Plan::compile(endpoint.contract, endpoint.request, endpoint.core);
    let responder = endpoint.responder_namespace();
    let core = endpoint.core.map(pu::wire::contract::core_namespace);
    let names = Names {
        responder: &responder,
        core,
        extensions: false,
    };
    let addresses = [register::LOGICAL_ADDRESS.to_owned()];
    let mut group = criterion.benchmark_group("parse_request");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("decode and validate", |b| {
        b.iter(|| {
            let text = request::decode(black_box(text.as_bytes()), None).unwrap();
            request::read(&text, &plan, names, &addresses, &mut Ignore).unwrap();
        });
    });
    group.bench_function("quick-xml alone, nothing checked", |b| {
        b.iter(|| {
            let mut reader = quick_xml::Reader::from_str(black_box(&text));
            while reader.read_event().unwrap() != quick_xml::events::Event::Eof {}
        });
    });
    group.finish();
}

fn import_posts(criterion: &mut Criterion) {
    let formats = Formats::standard();
    let posts = register::posts(5_000);
    let file = register::navet_file(&posts);
    let mut group = criterion.benchmark_group("import_posts");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(posts.len() as u64));
    group.bench_function("parse, merge, snapshot", |b| {
        b.iter(|| {
            let folder = tempfile::tempdir().unwrap();
            let mut run =
                Import::new(folder.path(), None, &formats, Moment::now(), |_| true).unwrap();
            register::read_posts(&file, &formats, |post| {
                run.post(&post).unwrap();
            });
            run.finish(|_| {}).unwrap()
        });
    });
    group.bench_function("parse alone", |b| {
        b.iter(|| register::read_posts(&file, &formats, |post| drop(black_box(post))));
    });
    group.finish();
}

fn open_snapshot(criterion: &mut Criterion) {
    let bench = Bench::open();
    let path = bench.snapshot().path().to_path_buf();
    let mut group = criterion.benchmark_group("open_snapshot");
    group.bench_function("open", |b| {
        b.iter(|| Snapshot::open(&path, schema_hash()).unwrap());
    });
    group
        .sample_size(10)
        .throughput(Throughput::Bytes(bench.snapshot().file_bytes() as u64));
    group.bench_function("verify", |b| {
        b.iter(|| bench.snapshot().verify(|_, _| {}).unwrap());
    });
    group.finish();
}

criterion_group!(engine, lookups, parse_request, import_posts, open_snapshot);
criterion_main!(engine);
