//! Durability: what was acknowledged is there, whatever happens to the process; what was not is
//! there whole or not at all; and of many who change one person at once, one wins.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::Duration;

use pu::person::identity::Formats;
use pu::store::state;

use crate::program::Serving;
use crate::support::{Ask, Client, NRID, PNR, Service, envelope, path, persons, register};

const DOMAIN: &str = "urn:riv:strategicresourcemanagement:persons:person";
const XML: &[(&str, &str)] = &[("Content-Type", "text/xml; charset=UTF-8")];
const ACTOR: &str = "<r:actor><p:id><p:root>1.2.752.29.6.2.1</p:root><p:extension>SE2321000016-1HZ3</p:extension></p:id><p:professional><p:organizationId><p:root>oid:2.5.4.97</p:root><p:extension>556559-4230</p:extension></p:organizationId></p:professional></r:actor>";

/// Whose contact data is changed, and who is linked with whom.
const REACHED: &str = "201001012382";
const LINKED: (&str, &str) = ("00749852BZK0", "201001012382");

fn identity(element: &str, root: &str, extension: &str) -> String {
    format!(
        "<r:{element}><p:root>{root}</p:root><p:extension>{extension}</p:extension></r:{element}>"
    )
}

/// Sends a message of a contract with core 5; `None` when nobody answers.
fn send(client: &mut Client, contract: &str, major: u8, inside: &str) -> Option<String> {
    let message = envelope(&format!(
        "<r:{contract} xmlns:r=\"{DOMAIN}:{contract}Responder:{major}\" xmlns:p=\"{DOMAIN}:5\">{inside}</r:{contract}>"
    ));
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
        path(contract, major),
        message.len()
    );
    client.send(head.as_bytes());
    client.send(message.as_bytes());
    client.receive().map(|answer| answer.body)
}

fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(open)?;
    rest.split_once(close).map(|(inside, _)| inside)
}

fn is_ok(answer: &str) -> bool {
    answer.contains("<p:resultCode>OK</p:resultCode>")
}

/// The contact version and the number that is called.
fn contact(client: &mut Client, who: &str) -> Option<(String, usize)> {
    let wish = identity("personId", PNR, who);
    let answer = send(client, "GetPersonContactInformation", 4, &wish)?;
    let version = between(&answer, "<p:version>", "</p:version>")?.to_owned();
    let number = between(&answer, "<p:value>+4670", "</p:value>");
    Some((version, number.map_or(0, |it| it.parse().unwrap())))
}

fn update_contact(version: &str, number: usize) -> String {
    format!(
        "{ACTOR}{}<r:versionToUpdate>{version}</r:versionToUpdate><r:contactInformation><p:contactType>phone</p:contactType><p:value>+4670{number:07}</p:value></r:contactInformation>",
        identity("personId", PNR, REACHED)
    )
}

#[test]
fn of_many_who_change_one_person_at_once_one_wins_each_round() {
    const AT_ONCE: usize = 10;
    const ROUNDS: usize = 1_000;
    let service = Service::start();
    let before = service.app.store.pin().sequence();
    let (barrier, won) = (Barrier::new(AT_ONCE), AtomicUsize::new(0));
    let version = Mutex::new(contact(&mut service.connect(), REACHED).unwrap().0);
    std::thread::scope(|scope| {
        for place in 0..AT_ONCE {
            let (service, barrier, won, version) = (&service, &barrier, &won, &version);
            scope.spawn(move || {
                let mut client = service.connect();
                for round in 0..ROUNDS {
                    barrier.wait();
                    let mine = version.lock().unwrap().clone();
                    barrier.wait();
                    let wish = update_contact(&mine, round * AT_ONCE + place);
                    let answer =
                        send(&mut client, "UpdatePersonContactInformation", 4, &wish).unwrap();
                    if is_ok(&answer) {
                        won.fetch_add(1, Ordering::SeqCst);
                        let next = between(&answer, "<p:version>", "</p:version>").unwrap();
                        assert!(*next > *mine, "versions grow");
                        *version.lock().unwrap() = next.to_owned();
                    } else {
                        assert!(
                            answer.contains("<p:resultCode>ERROR</p:resultCode>"),
                            "{answer}"
                        );
                    }
                    barrier.wait();
                    assert_eq!(won.load(Ordering::SeqCst), round + 1, "one wins");
                    barrier.wait();
                }
            });
        }
    });
    let state = service.app.store.pin();
    assert_eq!(state.sequence() - before, ROUNDS as u64);
}

/// What workers have sent, and what they were told.
#[derive(Default)]
struct Told {
    /// The last number that was acknowledged, and the last that was sent.
    number: (usize, usize),
    issued: Vec<String>,
    asked: usize,
    /// Whether the two were linked when that was last acknowledged, and whether another answer was
    /// waited for.
    linked: (bool, bool),
}

impl Told {
    fn count(&mut self, client: &mut Client) -> Option<()> {
        let (version, stored) = contact(client, REACHED)?;
        let next = stored + 1;
        self.number.1 = next;
        let answer = send(
            client,
            "UpdatePersonContactInformation",
            4,
            &update_contact(&version, next),
        )?;
        // Linking moves the version as well, so that somebody else may have been first.
        if is_ok(&answer) {
            self.number.0 = next;
        }
        Some(())
    }

    fn issue(&mut self, client: &mut Client) -> Option<()> {
        self.asked += 1;
        let named = "<r:name><p:surname>Ny</p:surname></r:name>";
        let answer = send(client, "UpdatePerson", 5, &format!("{ACTOR}{named}"))?;
        assert!(is_ok(&answer), "{answer}");
        let issued = between(&answer, "<p:extension>", "</p:extension>").unwrap();
        self.issued.push(issued.to_owned());
        Some(())
    }

    fn link(&mut self, client: &mut Client) -> Option<()> {
        let (reserve, number) = LINKED;
        let wish = if self.linked.0 {
            let ends = identity("unlinkFromIdentity", PNR, number)
                + &identity("unlinkIdentity", NRID, reserve);
            ("UnlinkPersonIdentity", ends)
        } else {
            let ends =
                identity("fromIdentity", NRID, reserve) + &identity("toIdentity", PNR, number);
            ("LinkPersonIdentity", ends)
        };
        self.linked.1 = true;
        let answer = send(client, wish.0, 4, &format!("{ACTOR}{}", wish.1))?;
        assert!(is_ok(&answer), "{answer}");
        self.linked = (!self.linked.0, false);
        Some(())
    }

    /// Compares what a register that was started again holds with what was told.
    fn check(&mut self, client: &mut Client) {
        let (_, stored) = contact(client, REACHED).unwrap();
        let (told, sent) = self.number;
        assert!(
            (told..=sent.max(told)).contains(&stored),
            "{told} {stored} {sent}"
        );
        self.number.0 = stored;
        for issued in self.issued.chunks(400) {
            let ids: Vec<(&str, &str)> = issued.iter().map(|it| (NRID, it.as_str())).collect();
            let ask = Ask::new(5, "P1", &ids);
            let answer = client
                .post(&ask.path(), XML, ask.envelope().as_bytes())
                .body;
            assert_eq!(
                answer.matches("<p:personRecord>").count(),
                issued.len(),
                "an issued identity is missing"
            );
        }
        let unique: BTreeSet<&String> = self.issued.iter().collect();
        assert_eq!(
            unique.len(),
            self.issued.len(),
            "an identity was issued twice"
        );
        let (reserve, number) = LINKED;
        let ask = Ask::new(5, "P1", &[(NRID, reserve), (PNR, number)]).ignoring();
        let answer = client
            .post(&ask.path(), XML, ask.envelope().as_bytes())
            .body;
        let ends = answer.matches("<p:linkedIdentity>").count();
        assert!(
            ends == 0 || ends == 2,
            "one end of a link is missing: {answer}"
        );
        let linked = ends == 2;
        assert!(
            linked == self.linked.0 || self.linked.1,
            "{:?} {linked}",
            self.linked
        );
        self.linked = (linked, false);
    }
}

/// A number that looks random, the same each time.
fn random(seed: &mut u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// Rounds of killing: few here, hundreds in `tests/run faults`.
fn rounds() -> usize {
    std::env::var("PU_TEST_KILLS").map_or(12, |rounds| rounds.parse().unwrap())
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let folder = register(persons());
    let data = folder.path();
    // Small files and many snapshots, so that the end comes in the middle of everything.
    let small = "verify_on_start = false\n[changes]\nsegment_bytes = 40000\nkeep_bytes = 200000\n[snapshots]\nchanges = 25\n";
    let told: Vec<Mutex<Told>> = (0..3).map(|_| Mutex::default()).collect();
    let mut seed = 7;
    for round in 0..rounds() {
        let serving = Serving::start(data, small);
        let address = serving.address;
        check(&told, address);
        let stop = AtomicBool::new(false);
        let works: [fn(&mut Told, &mut Client) -> Option<()>; 3] =
            [Told::count, Told::issue, Told::link];
        std::thread::scope(|scope| {
            for (told, work) in told.iter().zip(works) {
                let stop = &stop;
                scope.spawn(move || {
                    let mut client = Client::connect(address);
                    let mut told = told.lock().unwrap();
                    while !stop.load(Ordering::SeqCst) && work(&mut told, &mut client).is_some() {}
                });
            }
            std::thread::sleep(Duration::from_millis(random(&mut seed) % 200));
            if round % 5 == 4 {
                stop.store(true, Ordering::SeqCst);
            }
            // SIGKILL.
            drop(serving);
        });
    }
    let serving = Serving::start(data, small);
    check(&told, serving.address);
    let answered: usize = told[1].lock().unwrap().issued.len();
    assert!(answered > rounds(), "it was under load: {answered}");
    let (status, _) = serving.stop();
    assert!(status.success());
    check_offline(data, &told);
}

fn check(told: &[Mutex<Told>], address: std::net::SocketAddr) {
    let mut client = Client::connect(address);
    let mut all = Told::default();
    for (place, told) in told.iter().enumerate() {
        let mut told = told.lock().unwrap();
        match place {
            0 => all.number = told.number,
            1 => all.issued = std::mem::take(&mut told.issued),
            _ => all.linked = told.linked,
        }
    }
    all.check(&mut client);
    told[0].lock().unwrap().number = all.number;
    told[1].lock().unwrap().issued = all.issued;
    told[2].lock().unwrap().linked = all.linked;
}

/// Identities that were issued are at most those that were asked for, and all that were told.
fn check_offline(data: &Path, told: &[Mutex<Told>]) {
    let formats = Formats::standard();
    let state = state::open(data, &formats).unwrap().unwrap();
    assert!(state.snapshot().sequence() > 50, "snapshots were made");
    let told = told[1].lock().unwrap();
    let there = |text: &String| {
        let identity = formats.guess(text).unwrap();
        state.record(identity).unwrap().is_some()
    };
    assert!(told.issued.iter().all(there));
    let new =
        state.persons() as usize - persons().lines().filter(|it| !it.trim().is_empty()).count();
    assert!(
        (told.issued.len()..=told.asked).contains(&new),
        "{new} of {}",
        told.asked
    );
}
