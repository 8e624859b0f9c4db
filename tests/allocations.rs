//! Allocations on the lookup path, counted: none in the engine, few and known around it. Counts do
//! not depend on the machine, so this is the gate that times cannot be.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::sync::Arc;

use allocation_counter::measure;
use pu::base::time::Moment;
use pu::person::identity::Formats;
use pu::person::json;
use pu::person::schema::Core;
use pu::person::view::{Grant, Profile, ProtectionRules};
use pu::query::lookup::{Follow, lookup};
use pu::register::import::Import;
use pu::store::overlay::Overlay;
use pu::store::state::{State, open_newest};
use pu::wire::contract::{LOGICAL_ADDRESS_NATIONAL, core_namespace};
use pu::wire::render::{Buffer, RecordWriter};
use pu::wire::soap::{Call, Scratch, Soap};

const PNR: &str = "1.2.752.129.2.1.3.1";
const FULL: &str = "198001022386";
const OLD: &str = "198402192382";

fn state(formats: &Formats) -> (tempfile::TempDir, State) {
    let folder = tempfile::tempdir().unwrap();
    let at = Moment::parse("2025-01-07T06:00:00").unwrap();
    let mut run = Import::new(folder.path(), None, formats, at, |_| true).unwrap();
    for line in include_str!("fixtures/persons/all.ndjson").lines() {
        if let Ok(person) = json::read(line.as_bytes(), formats) {
            run.exchanged(person).unwrap();
        }
    }
    run.finish(|_| {}).unwrap();
    let snapshot = open_newest(folder.path(), formats).unwrap().unwrap();
    assert_eq!(snapshot.len(), 14);
    (folder, State::of_snapshot(Arc::new(snapshot)).unwrap())
}

#[test]
fn looking_up_and_rendering_allocates_nothing() {
    let formats = Formats::standard();
    let (_folder, state) = state(&formats);
    looks_up_without_allocating(&state, &formats);
    // The same when everybody, and when every second, has changed since the snapshot.
    for step in [1, 2] {
        let records = state.snapshot().records().step_by(step);
        let overlay = Overlay::of(records.map(|it| it.unwrap().into())).unwrap();
        let changed = State::with_overlay(Arc::clone(state.snapshot()), overlay, 9).unwrap();
        looks_up_without_allocating(&changed, &formats);
    }
}

fn looks_up_without_allocating(state: &State, formats: &Formats) {
    let mut out = Buffer::default();
    for core in Core::ALL {
        let writer = RecordWriter::compile(core, formats);
        for profile in Profile::ALL {
            let grant = Grant::restricted(profile, ProtectionRules::STANDARD);
            for (value, follow) in [(FULL, Follow::MainIdentity), (OLD, Follow::MainIdentity)] {
                let identity = formats.parse(PNR, value).unwrap();
                let mut once = || {
                    out.clear();
                    let view = lookup(state, identity, &grant, follow).unwrap().unwrap();
                    writer.write(&view, &mut out).unwrap();
                };
                // The first time, the buffer grows and tables are made.
                once();
                assert_eq!(measure(once).count_total, 0, "{core:?} {profile:?}");
            }
        }
    }
}

#[test]
fn a_whole_request_allocates_as_little_as_before() {
    let formats = Formats::standard();
    let (_folder, state) = state(&formats);
    let rule = ProtectionRules::STANDARD;
    let soap = Soap::compile(&formats, &[LOGICAL_ADDRESS_NATIONAL.to_owned()], rule);
    let service = &soap.services()[2];
    let request = |count: usize| {
        let id = format!(
            "<r:personId><p:root>{PNR}</p:root><p:extension>{FULL}</p:extension></r:personId>"
        );
        let (responder, core) = (
            service.endpoint.responder_namespace(),
            core_namespace(Core::V5),
        );
        format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header><l:LogicalAddress xmlns:l=\"urn:riv:itintegration:registry:1\">{LOGICAL_ADDRESS_NATIONAL}</l:LogicalAddress></s:Header><s:Body><r:GetPersonsForProfile xmlns:r=\"{responder}\" xmlns:p=\"{core}\">{}<r:profile>P3</r:profile><r:ignoreReferredIdentity>false</r:ignoreReferredIdentity></r:GetPersonsForProfile></s:Body></s:Envelope>",
            id.repeat(count)
        )
    };
    let mut scratch = Scratch::default();
    let mut count = |request: &str| {
        let mut once = || {
            let call = Call {
                body: request.as_bytes(),
                charset: Some("UTF-8"),
                soap_action: None,
            };
            soap.answer(service, &state, call, &mut scratch).unwrap();
        };
        once();
        measure(once).count_total
    };
    let (one, many) = (count(&request(1)), count(&request(500)));
    assert!(one <= ONE_REQUEST, "{one} allocations for one identity");
    assert!(
        many <= ONE_REQUEST + 10,
        "{many} allocations for five hundred"
    );
}

/// Namespace bindings, the reader's stack of open elements, the list of identities.
const ONE_REQUEST: u64 = 12;
