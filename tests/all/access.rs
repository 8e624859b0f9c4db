//! Who gets in and for what: consumers, their rights, those who speak for others, and what the audit
//! holds of it. The connections come from this machine, where a proxy's word is taken for whom it
//! speaks; certificates are tried in `handshake`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use pu::access::audit::OwnedEntry;
use pu::access::audit::search::{Search, Wanted};
use pu::access::audit::verify::{Known, verify};
use pu::access::gate::Reload;
use pu::cli::config::{Access, Config};
use pu::person::identity::Formats;
use pu::person::json;
use pu::serve::App;
use pu::store::entry::Origin;
use pu::wire::contract::{ENDPOINTS, Endpoint};
use tempfile::TempDir;

use crate::protection::secrets_in;
use crate::support::{Answer, Ask, PNR, Service, envelope, path, persons, register};
use crate::updates::{actor, id, message};

const PLATFORM: &str = "SE5565594230-NTJP";
const REGION: &str = "SE2321000016-REGI";
const BARE: &str = "SE2120000001-BARE";
const PERSON: &str = "197501079292";
const ORIGINAL: &str = "x-rivta-original-serviceconsumer-hsaid";
const ADDRESS: &str = "SE165565594230-1000";

/// Every category, with its HSA-id here.
const CATEGORIES: [(&str, &str); 5] = [
    ("region", REGION),
    ("municipality", "SE2120000142-MUNI"),
    ("private-care-provider", "SE5560000001-PRIV"),
    ("authority", "SE2021000001-AUTH"),
    ("agent", "SE5569999999-AGNT"),
];

/// One consumer of the file.
pub fn row(hsa_id: &str, category: &str, rest: &str) -> String {
    format!(
        "[[consumer]]\nhsa_id = \"{hsa_id}\"\nname = \"{category} {hsa_id}\"\ncategory = \"{category}\"\n\
         valid_from = 2020-01-01\nvalid_to = 2099-12-31\n{rest}\n"
    )
}

/// Every contract that a category can have, in every version.
pub fn everything(category: &str) -> String {
    let mut contracts: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let private = category == "private-care-provider";
    for endpoint in ENDPOINTS.iter().filter(|it| !(private && it.unrestricted)) {
        contracts
            .entry(endpoint.contract)
            .or_default()
            .push(endpoint.major);
    }
    let reason = if private {
        ""
    } else {
        "unrestricted_reason = \"a test of every right\"\n"
    };
    let lines: String = contracts
        .iter()
        .map(|(name, majors)| format!("{name} = {majors:?}\n"))
        .collect();
    format!(
        "logical_addresses = [\"{ADDRESS}\"]\n{reason}rest = [\"person\", \"persons\", \"search\", \"history\", \
         \"changes\", \"reserve-identities\"]\ncounties = [\"all\"]\n[consumer.contracts]\n{lines}"
    )
}

fn file() -> String {
    let mut file = row(
        PLATFORM,
        "authority",
        "intermediary = { instances = [\"TEST-1\"] }",
    );
    for (category, hsa_id) in CATEGORIES {
        file += &row(hsa_id, category, &everything(category));
    }
    file + &row(BARE, "municipality", "")
}

/// A service that lets in whom a file names, behind a proxy on this machine.
struct Guarded {
    service: Service,
    consumers: std::path::PathBuf,
    audit: std::path::PathBuf,
    _folder: TempDir,
}

impl Guarded {
    fn start(file: &str, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let consumers = folder.path().join("consumers.toml");
        std::fs::write(&consumers, file).unwrap();
        let audit = folder.path().join("audit");
        let service = Service::over(register(persons()), |config| {
            config.access = Access {
                allow_fewer: false,
                consumers: Some(consumers.clone()),
                local_consumer: Some(PLATFORM.to_owned()),
                open: false,
            };
            config.audit.folder = Some(audit.clone());
            config.rest.history = true;
            config.rest.reserve_identities = true;
            change(config);
        });
        Self {
            service,
            consumers,
            audit,
            _folder: folder,
        }
    }

    fn app(&self) -> &Arc<App> {
        &self.service.app
    }

    fn post(&self, headers: &[(&str, &str)], path: &str, body: &str) -> Answer {
        let mut all = vec![("Content-Type", "text/xml; charset=UTF-8")];
        all.extend_from_slice(headers);
        self.service.connect().post(path, &all, body.as_bytes())
    }

    fn get(&self, consumer: &str, path: &str) -> Answer {
        self.service
            .connect()
            .request("GET", path, &[(ORIGINAL, consumer)], b"")
    }

    /// Stops, so that everything is written, and reads the audit.
    fn entries(self) -> Vec<OwnedEntry> {
        self.service.stop();
        read(&self.audit)
    }
}

/// Everything in an audit, which must be intact.
fn read(folder: &Path) -> Vec<OwnedEntry> {
    let report = verify(folder, &Known::default()).unwrap();
    assert!(report.is_intact(), "{:?}", report.findings);
    let mut search = Search::begin(folder, Wanted::default()).unwrap();
    let entries = std::iter::from_fn(|| search.next_found().unwrap());
    entries.map(|found| found.entry).collect()
}

/// A request that is wrong in nothing but that it says too little: those who may call it are told so
/// by another fault than those who may not.
fn empty(endpoint: &Endpoint) -> String {
    let element = endpoint.element(pu::wire::contract::Message::Request);
    let namespace = endpoint.responder_namespace();
    envelope(&format!("<r:{element} xmlns:r=\"{namespace}\"/>"))
}

fn refusal(hsa_id: &str) -> String {
    format!("Obehörigt anrop för system {hsa_id}.")
}

#[test]
fn every_contract_is_open_to_whom_the_file_opens_it() {
    let guarded = Guarded::start(&file(), |config| {
        config.limits.consumer_burst = 10_000;
    });
    for endpoint in &ENDPOINTS {
        let path = path(endpoint.contract, endpoint.major);
        let name = format!("{}/{}", endpoint.contract, endpoint.major);
        for (category, hsa_id) in CATEGORIES {
            let answer = guarded.post(&[(ORIGINAL, hsa_id)], &path, &empty(endpoint));
            assert_eq!(answer.status, 500);
            let (code, text) = answer.fault();
            let is_closed = category == "private-care-provider" && endpoint.unrestricted;
            assert_eq!(
                text == refusal(hsa_id),
                is_closed,
                "{name} {category}: {text}"
            );
            assert!(!is_closed || code == "Client", "{name}");
        }
        // A moment's rest: refusals of one who may nothing are told so many times a second.
        for nobody in [BARE, "SE1-STRANGER"] {
            let (code, text) =
                retried(|| guarded.post(&[(ORIGINAL, nobody)], &path, &empty(endpoint)));
            assert_eq!((code.as_str(), text), ("Client", refusal(nobody)));
        }
    }
}

/// Asks until the answer is no longer that there were too many.
fn retried(ask: impl Fn() -> Answer) -> (String, String) {
    loop {
        let answer = ask();
        if answer.status != 429 {
            return answer.fault();
        }
        assert_eq!(answer.header("retry-after"), Some("1"));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn rest_is_open_to_whom_the_file_opens_it() {
    let guarded = Guarded::start(&file(), |_| {});
    let person = format!("/v1/persons/{PERSON}");
    for path in [
        person.as_str(),
        &format!("{person}/history"),
        "/v1/search?q=FROM%20PersonRecord%20WHERE%20name.surname%20%3D%20'x'",
        "/v1/changes",
    ] {
        assert_eq!(guarded.get(REGION, path).status, 200, "{path}");
        let refused = guarded.get(BARE, path);
        assert_eq!(refused.status, 403, "{path}");
        assert_eq!(
            refused.header("content-type"),
            Some("application/problem+json")
        );
        assert!(refused.body.contains("urn:pu:problem:not-allowed"));
        assert!(refused.body.contains(&refusal(BARE)), "{}", refused.body);
        assert!(!refused.body.contains(PERSON));
    }
    // What tells of nobody takes no right.
    assert_eq!(guarded.get(BARE, "/v1/openapi.json").status, 200);
    assert_eq!(guarded.get("SE1-X", "/healthz").status, 200);
}

#[test]
fn who_is_no_intermediary_speaks_for_nobody() {
    let guarded = Guarded::start(&file(), |config| {
        config.access.local_consumer = Some(BARE.to_owned());
    });
    let ask = Ask::new(5, "P1", &[(PNR, PERSON)]);
    for headers in [
        &[(ORIGINAL, REGION)][..],
        &[("x-rivta-originalserviceconsumer-hsaid", REGION)],
        &[("x-vp-sender-id", REGION), ("x-vp-instance-id", "TEST-1")],
    ] {
        let answer = guarded.post(headers, &ask.path(), &ask.envelope());
        assert_eq!(answer.fault().1, refusal(BARE));
    }
    let metrics = guarded.service.get("/metrics").body;
    assert!(
        metrics.contains("pu_named_consumers_ignored_total 3"),
        "{metrics}"
    );
    for entry in guarded.entries() {
        assert_eq!(entry.consumer.as_deref(), Some(BARE));
    }
}

#[test]
fn an_intermediary_that_names_nobody_has_its_own_rights_only() {
    let guarded = Guarded::start(&file(), |_| {});
    let ask = Ask::new(5, "P1", &[(PNR, PERSON)]);
    for (headers, who) in [
        (&[][..], Some(PLATFORM)),
        (&[("x-vp-sender-id", REGION)], Some(PLATFORM)),
        (
            &[("x-vp-sender-id", REGION), ("x-vp-instance-id", "OTHER")],
            Some(PLATFORM),
        ),
        (&[(ORIGINAL, REGION), (ORIGINAL, BARE)], None),
    ] {
        let answer = guarded.post(headers, &ask.path(), &ask.envelope());
        let expected = who.map_or(
            "Obehörigt anrop: inget system är angivet.".to_owned(),
            refusal,
        );
        assert_eq!(answer.fault().1, expected);
    }
    let sender = [("x-vp-sender-id", REGION), ("x-vp-instance-id", "TEST-1")];
    let answer = guarded.post(&sender, &ask.path(), &ask.envelope());
    assert_eq!(answer.status, 200);
}

#[test]
fn a_logical_address_takes_a_right_of_its_own() {
    let other = "SE2321000016-0002";
    let guarded = Guarded::start(&file(), |config| {
        config.other_logical_addresses = vec![other.to_owned()];
    });
    let ask = Ask::new(5, "P1", &[(PNR, PERSON)]);
    // The second time, the request is known by its shape.
    for _ in 0..2 {
        for (address, status) in [(ADDRESS, 200), (other, 500)] {
            let body = ask.envelope().replace(ADDRESS, address);
            let answer = guarded.post(&[(ORIGINAL, REGION)], &ask.path(), &body);
            assert_eq!(answer.status, status, "{}", answer.body);
            if status == 500 {
                assert_eq!(answer.fault().1, refusal(REGION));
                assert!(!answer.body.contains(PERSON));
            }
        }
    }
}

#[test]
fn the_correlation_id_comes_back_whatever_the_answer() {
    let guarded = Guarded::start(&file(), |_| {});
    let ask = Ask::new(5, "P1", &[(PNR, PERSON)]);
    let id = "5b3a0f0e-0c6e-4a53-a7d6-7a3e0d5b7a11";
    let name = "x-skltp-correlation-id";
    for (consumer, body) in [
        (REGION, ask.envelope()),
        (BARE, ask.envelope()),
        (REGION, "<".to_owned()),
    ] {
        let answer = guarded.post(&[(ORIGINAL, consumer), (name, id)], &ask.path(), &body);
        assert_eq!(answer.header(name), Some(id));
    }
    let long = "x".repeat(101);
    let answer = guarded.post(
        &[(ORIGINAL, REGION), (name, &long)],
        &ask.path(),
        &ask.envelope(),
    );
    assert_eq!((answer.status, answer.header(name)), (200, None));
    let ids: Vec<_> = guarded
        .entries()
        .into_iter()
        .map(|it| it.correlation)
        .collect();
    assert_eq!(ids.iter().filter(|it| it.as_deref() == Some(id)).count(), 3);
    assert_eq!(ids.iter().filter(|it| it.is_none()).count(), 1);
}

#[test]
fn a_consumer_over_its_limits_is_sent_away_and_others_are_not() {
    let limited = file().replacen(
        &format!("logical_addresses = [\"{ADDRESS}\"]"),
        &format!(
            "limits = {{ requests_per_second = 1, burst = 3 }}\nlogical_addresses = [\"{ADDRESS}\"]"
        ),
        1,
    );
    let guarded = Guarded::start(&limited, |_| {});
    let ask = Ask::new(5, "P1", &[(PNR, PERSON)]);
    let send = |consumer| guarded.post(&[(ORIGINAL, consumer)], &ask.path(), &ask.envelope());
    let answers: Vec<_> = (0..10).map(|_| send(REGION)).collect();
    let sent_away: Vec<_> = answers.iter().filter(|it| it.status == 429).collect();
    assert!((5..=7).contains(&sent_away.len()), "{}", sent_away.len());
    assert!(
        sent_away
            .iter()
            .all(|it| it.header("retry-after") == Some("1"))
    );
    assert_eq!(send(CATEGORIES[1].1).status, 200);
    let metrics = guarded.service.get("/metrics").body;
    let counted = format!(
        "pu_consumer_calls_total{{consumer=\"{REGION}\",fate=\"limited\"}} {}",
        sent_away.len()
    );
    assert!(metrics.contains(&counted), "{counted}");
    assert!(metrics.contains(&format!(
        "pu_consumer_calls_by_hour{{consumer=\"{REGION}\",hour="
    )));
}

/// A question is answered, paid for afterwards, and the next one has to wait.
#[test]
fn a_consumer_that_has_used_its_processor_time_is_sent_away_and_others_are_not() {
    let limited = file().replacen(
        &format!("logical_addresses = [\"{ADDRESS}\"]"),
        &format!("limits = {{ cpu = \"1us\" }}\nlogical_addresses = [\"{ADDRESS}\"]"),
        1,
    );
    let guarded = Guarded::start(&limited, |_| {});
    let ask = Ask::new(5, "P1", &[(PNR, PERSON)]);
    let send = |consumer| guarded.post(&[(ORIGINAL, consumer)], &ask.path(), &ask.envelope());
    assert_eq!(send(REGION).status, 200);
    let sent_away = send(REGION);
    assert_eq!(sent_away.status, 429);
    let after: u64 = sent_away.header("retry-after").unwrap().parse().unwrap();
    assert!(after > 1, "{after}");
    assert_eq!(send(CATEGORIES[1].1).status, 200);
    let metrics = guarded.service.get("/metrics").body;
    let used = format!("pu_consumer_cpu_microseconds_total{{consumer=\"{REGION}\"}} ");
    let used = metrics.split(&used).nth(1).unwrap();
    let used: u64 = used.lines().next().unwrap().parse().unwrap();
    assert!(used > 0);
}

#[test]
fn a_new_file_takes_rights_away_on_open_connections() {
    let guarded = Guarded::start(&file(), |_| {});
    let ask = Ask::new(5, "P1", &[(PNR, PERSON)]);
    let mut client = guarded.service.connect();
    let headers = [("Content-Type", "text/xml"), (ORIGINAL, REGION)];
    let mut send = || client.post(&ask.path(), &headers, ask.envelope().as_bytes());
    assert_eq!(send().status, 200);
    std::fs::write(
        &guarded.consumers,
        file().replace("category = \"region\"", "category = \"x\""),
    )
    .unwrap();
    assert!(matches!(guarded.app().gate.look(), Reload::Refused(_)));
    assert_eq!(
        send().status,
        200,
        "a file that is not whole changes nothing"
    );
    std::fs::write(
        &guarded.consumers,
        file().replace(REGION, "SE2321000016-NEW"),
    )
    .unwrap();
    assert!(matches!(guarded.app().gate.look(), Reload::InForce(7)));
    assert_eq!(send().fault().1, refusal(REGION));
}

#[test]
fn changes_are_told_of_the_counties_a_consumer_has() {
    let narrow = file().replacen("counties = [\"all\"]", "counties = [\"01\", \"14\"]", 1);
    let guarded = Guarded::start(&narrow, |_| {});
    assert_eq!(guarded.get(REGION, "/v1/changes").status, 200);
    assert_eq!(guarded.get(REGION, "/v1/changes?county=14").status, 200);
    let refused = guarded.get(REGION, "/v1/changes?county=12");
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains(&refusal(REGION)));
    let other = CATEGORIES[1].1;
    assert_eq!(guarded.get(other, "/v1/changes?county=12").status, 200);
}

#[test]
fn the_audit_tells_who_saw_whom() {
    let guarded = Guarded::start(&file(), |_| {});
    let formats = Formats::standard();
    let person = formats.guess(PERSON).unwrap();
    let missing = formats.guess("191212121212").unwrap();
    let ask = Ask::new(5, "P2", &[(PNR, PERSON), (PNR, "191212121212")]);
    let headers = [(ORIGINAL, REGION), ("x-skltp-correlation-id", "c-1")];
    assert_eq!(
        guarded.post(&headers, &ask.path(), &ask.envelope()).status,
        200
    );
    let open = Ask::new(4, "P1", &[(PNR, PERSON)]).unrestricted();
    assert_eq!(
        guarded
            .post(&headers[..1], &open.path(), &open.envelope())
            .status,
        200
    );
    let query = format!("FROM PersonRecord WHERE personalIdentity.extension = '{PERSON}'");
    let search = format!(
        "/v1/search?profile=P1&q={}",
        percent_encoding::utf8_percent_encode(&query, percent_encoding::NON_ALPHANUMERIC)
    );
    assert_eq!(guarded.get(REGION, &search).status, 200);
    assert_eq!(guarded.get(REGION, "/v1/persons/198401012391").status, 404);
    let entries = guarded.entries();
    let by = |service: &str, answer: &str| {
        let found = entries
            .iter()
            .find(|it| it.service == service && it.answer == answer);
        found.unwrap_or_else(|| panic!("{service} {answer}"))
    };
    let read = by("GetPersonsForProfile/5", "ok");
    assert_eq!(read.asked, [person, missing]);
    assert_eq!(read.shown, [person]);
    assert_eq!(read.consumer.as_deref(), Some(REGION));
    assert_eq!(read.via.as_deref(), Some(PLATFORM));
    assert_eq!(
        read.profile.map(pu::person::view::Profile::name),
        Some("P2")
    );
    assert_eq!(read.correlation.as_deref(), Some("c-1"));
    assert!(!read.unrestricted && read.query.is_none());
    assert!(by("GetPersonsForProfileUnrestricted/4", "ok").unrestricted);
    let found = by("rest/search", "ok");
    assert_eq!(found.query.as_deref(), Some(query.as_str()));
    assert_eq!(found.shown, [person]);
    let unknown = by("rest/person", "unknown-person");
    assert!(unknown.shown.is_empty());
    let in_vain = Formats::standard().guess("198401012391").unwrap();
    assert_eq!(unknown.asked, [in_vain], "who was asked for in vain");
}

/// A reserve identity with an address, linked to a protected person: who may not see it does not part
/// it from its protection, read it, and link it again.
#[test]
fn a_protected_identity_is_parted_by_who_may_see_it_and_stays_hidden() {
    const LOCAL: (&str, &str) = ("1.2.752.113.11.0.2.1.1.1", "19810829M071");
    let guarded = Guarded::start(&file(), |_| {});
    let [.., private, _, _] = CATEGORIES.map(|(_, hsa_id)| hsa_id);
    let unlink = |consumer: &str| {
        let contract = "UnlinkPersonIdentity";
        let inside = format!(
            "{}{}{}",
            actor(),
            id("unlinkFromIdentity", (PNR, PERSON)),
            id("unlinkIdentity", LOCAL)
        );
        let message = message(contract, 4, &inside);
        guarded.post(&[(ORIGINAL, consumer)], &path(contract, 4), &message)
    };
    let read = || {
        let ask = Ask::new(5, "P5", &[LOCAL]).ignoring();
        let answer = guarded.post(&[(ORIGINAL, private)], &ask.path(), &ask.envelope());
        assert_eq!(answer.status, 200);
        answer.body
    };
    let before = read();
    assert!(secrets_in(&before).is_empty());
    let refused = unlink(private).body;
    assert!(refused.contains("<p:resultCode>ERROR<"), "{refused}");
    assert_eq!(read(), before);
    let parted = unlink(REGION).body;
    assert!(parted.contains("<p:resultCode>OK<"), "{parted}");
    let alone = read();
    assert!(
        !alone.contains(PERSON) && secrets_in(&alone).is_empty(),
        "{alone}"
    );
    let entries = guarded.entries();
    let answers: Vec<&str> = entries
        .iter()
        .filter(|it| it.service == "UnlinkPersonIdentity/4")
        .map(|it| it.answer.as_str())
        .collect();
    assert_eq!(answers, ["not-granted", "ok"], "what the answers said");
}

#[test]
fn who_loses_the_right_while_waiting_is_told_nothing() {
    let guarded = Guarded::start(&file(), |config| config.access.allow_fewer = true);
    let newest = guarded.app().store.pin().sequence();
    std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| guarded.get(REGION, &format!("/v1/changes?since={newest}&wait=15")));
        while guarded.app().news.waiting() == 0 {
            std::thread::yield_now();
        }
        let without = row(
            PLATFORM,
            "authority",
            "intermediary = { instances = [\"TEST-1\"] }",
        );
        std::fs::write(&guarded.consumers, without).unwrap();
        assert!(matches!(guarded.app().gate.look(), Reload::InForce(1)));
        let person = json::read(
            persons().lines().nth(2).unwrap().as_bytes(),
            &Formats::standard(),
        );
        let record = person.unwrap().to_record().unwrap();
        let work = move |draft: &mut pu::store::commit::Draft| {
            draft
                .commit(Origin::default(), vec![record], Vec::new())
                .unwrap()
        };
        guarded.app().live.committer.wait(work).unwrap();
        let answer = waiting.join().unwrap();
        assert_eq!(answer.status, 403, "{}", answer.body);
        assert!(!answer.body.contains("personRecord"));
    });
}

#[test]
fn what_cannot_be_recorded_is_not_disclosed() {
    // Every entry begins a file, and there is no folder for it.
    let guarded = Guarded::start(&file(), |config| {
        config.audit.file_bytes = 1;
        config.threads = 1;
    });
    let ask = Ask::new(5, "P1", &[(PNR, PERSON)]);
    let send = || guarded.post(&[(ORIGINAL, REGION)], &ask.path(), &ask.envelope());
    assert_eq!(send().status, 200);
    let away = guarded.audit.with_extension("away");
    std::fs::rename(&guarded.audit, &away).unwrap();
    for _ in 0..3 {
        let answer = send();
        let (code, text) = answer.fault();
        assert_eq!(code, "Server");
        assert!(
            text.starts_with("Uppgifter lämnas inte ut just nu. Log-id: "),
            "{text}"
        );
        assert!(!answer.body.contains(PERSON));
        let problem = guarded.get(REGION, &format!("/v1/persons/{PERSON}"));
        assert_eq!(problem.status, 503);
        assert!(!problem.body.contains(PERSON));
    }
    assert!(
        guarded
            .service
            .get("/metrics")
            .body
            .contains("pu_audit_failing 1")
    );
    assert_eq!(guarded.service.get("/healthz").status, 200);
    std::fs::rename(&away, &guarded.audit).unwrap();
    assert_eq!(send().status, 200);
    assert!(
        guarded
            .service
            .get("/metrics")
            .body
            .contains("pu_audit_failing 0")
    );
    let shown = guarded
        .entries()
        .iter()
        .filter(|it| !it.shown.is_empty())
        .count();
    assert_eq!(shown, 2, "what was recorded is what was disclosed");
}
