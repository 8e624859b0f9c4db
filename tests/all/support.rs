//! A register of a few persons, served in this process, and a client that sends bytes as told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use pu::base::time::Moment;
use pu::cli::config::{Access, Config};
use pu::cli::serve::begin;
use pu::person::identity::{Formats, Identity};
use pu::person::json;
use pu::person::view::ProtectionRules;
use pu::register::change::Change;
use pu::register::import::{Applied, Import};
use pu::register::nrid::Issuer;
use pu::register::refusal::Refusal;
use pu::register::wish::{Rules, Wish, perform};
use pu::serve::App;
use pu::serve::listen::Running;
use pu::serve::readiness::Phase;
use pu::store::overlay::Overlay;
use pu::store::state::{State, open_newest};
use pu::wire::contract::LOGICAL_ADDRESS_NATIONAL;
use pu::wire::fault::Trouble;
use pu::wire::soap::{Call, Scratch, Soap};
use pu::wire::task::Task;
use tempfile::TempDir;

use crate::evidence;

/// When everything in a test register was written.
pub const WRITTEN: &str = "2025-01-07T06:00:00.000+01:00";

/// The persons that together use every field; one JSON object a line.
pub fn persons() -> &'static str {
    let file = include_str!("../fixtures/persons/all.ndjson");
    let from = file.find('\n').unwrap() + 1;
    &file[from..file.rfind("{\"end\"").unwrap()]
}

/// A register in a folder of its own.
pub fn register(persons: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let formats = Formats::standard();
    let at = Moment::parse(WRITTEN).unwrap();
    let mut import = Import::new(folder.path(), None, &formats, at, |_| true).unwrap();
    for line in persons.lines().filter(|line| !line.trim().is_empty()) {
        let person =
            json::read(line.as_bytes(), &formats).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(import.exchanged(person).unwrap(), Applied::Changed);
    }
    import.finish(|_| {}).unwrap().unwrap();
    folder
}

/// A service over a register, on a port of its own.
pub struct Service {
    pub address: SocketAddr,
    pub tls: Option<SocketAddr>,
    pub app: Arc<App>,
    running: Option<Running>,
    _folder: TempDir,
}

impl Service {
    /// Serves the persons that use every field.
    pub fn start() -> Self {
        Self::over(register(persons()), |_| {})
    }

    /// Serves a register with a changed configuration.
    pub fn over(folder: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            data: folder.path().to_path_buf(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            threads: 2,
            access: Access {
                open: true,
                ..Access::default()
            },
            ..Config::default()
        };
        config.shutdown.announce_seconds = 0;
        change(&mut config);
        evidence::gather();
        let (app, running) = begin(&config).unwrap_or_else(|error| panic!("{error}"));
        while app.readiness.phase() == Phase::Verifying {
            std::thread::sleep(Duration::from_millis(1));
        }
        Self {
            address: running.address,
            tls: running.tls,
            app,
            running: Some(running),
            _folder: folder,
        }
    }

    /// A connection that stays open from call to call.
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Stops in an orderly way.
    pub fn stop(mut self) {
        self.running.take().unwrap().stop();
    }

    /// One POST of a SOAP body on a connection of its own.
    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.connect()
            .post(path, &[("Content-Type", "text/xml; charset=UTF-8")], body)
    }

    /// One GET on a connection of its own.
    pub fn get(&self, path: &str) -> Answer {
        self.connect().request("GET", path, &[], b"")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.app.metrics.observe(&self.app);
            evidence::add("metrics", &self.app.metrics.render(&self.app));
            running.stop();
        }
    }
}

/// An HTTP/1.1 connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(it, _)| it == name)
            .map(|(_, value)| value.as_str())
    }

    /// The fault's code and text; panics when it is no fault.
    pub fn fault(&self) -> (String, String) {
        let between = |open: &str, close: &str| {
            let from = self
                .body
                .find(open)
                .unwrap_or_else(|| panic!("no {open}: {}", self.body));
            let rest = &self.body[from + open.len()..];
            rest[..rest.find(close).unwrap()].to_owned()
        };
        assert_eq!(self.status, 500, "{}", self.body);
        let code = between("<faultcode>soapenv:", "</faultcode>");
        (code, between("<faultstring>", "</faultstring>"))
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("somebody listens")
    }

    /// A connection, where somebody listens.
    pub fn try_connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Some(Self {
            stream: BufReader::new(stream),
        })
    }

    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.request("POST", path, headers, body)
    }

    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        self.send(head.as_bytes());
        self.send(body);
        self.receive().expect("an answer")
    }

    /// Sends bytes as they are. A peer that has hung up already is no error here.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// The next answer; `None` when the peer hangs up.
    pub fn receive(&mut self) -> Option<Answer> {
        let (mut answer, body) = self.receive_bytes()?;
        answer.body = String::from_utf8(body).unwrap();
        if answer.status >= 400 {
            evidence::add("refusal", &answer.body);
        }
        Some(answer)
    }

    /// The head of the next answer, and its bytes, for those that may be packed.
    pub fn receive_bytes(&mut self) -> Option<(Answer, Vec<u8>)> {
        let answer = self.receive_head()?;
        let length = answer.header("content-length");
        let mut body = vec![0; length.map_or(0, |value| value.parse().unwrap())];
        self.stream.read_exact(&mut body).ok()?;
        Some((answer, body))
    }

    /// The head of the next answer, for those that have no body.
    pub fn receive_head(&mut self) -> Option<Answer> {
        let mut line = String::new();
        self.stream
            .read_line(&mut line)
            .ok()
            .filter(|&read| read > 0)?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        Some(Answer {
            status,
            headers,
            body: String::new(),
        })
    }
}

/// The path of an endpoint.
pub fn path(contract: &str, major: u8) -> String {
    format!("/vp/strategicresourcemanagement/persons/person/{contract}/{major}/rivtabp21")
}

/// A GetPersonsForProfile request.
#[derive(Clone)]
pub struct Ask<'a> {
    pub contract: &'a str,
    pub major: u8,
    pub identities: Vec<(&'a str, String)>,
    pub profile: &'a str,
    pub ignore: bool,
}

pub const PNR: &str = "1.2.752.129.2.1.3.1";
pub const SNR: &str = "1.2.752.129.2.1.3.3";
pub const NRID: &str = "1.2.752.74.9.1";

impl<'a> Ask<'a> {
    pub fn new(major: u8, profile: &'a str, identities: &[(&'a str, &str)]) -> Self {
        Self {
            contract: "GetPersonsForProfile",
            major,
            identities: identities
                .iter()
                .map(|(root, it)| (*root, (*it).to_owned()))
                .collect(),
            profile,
            ignore: false,
        }
    }

    pub fn unrestricted(mut self) -> Self {
        self.contract = "GetPersonsForProfileUnrestricted";
        self
    }

    pub fn ignoring(mut self) -> Self {
        self.ignore = true;
        self
    }

    pub fn path(&self) -> String {
        path(self.contract, self.major)
    }

    pub fn message(&self) -> String {
        let (contract, major) = (self.contract, self.major);
        let ids: String = self
            .identities
            .iter()
            .map(|(root, extension)| {
                format!(
                    "<r:personId><p:root>{root}</p:root><p:extension>{extension}</p:extension></r:personId>"
                )
            })
            .collect();
        format!(
            "<r:{contract} xmlns:r=\"urn:riv:strategicresourcemanagement:persons:person:{contract}Responder:{major}\" xmlns:p=\"urn:riv:strategicresourcemanagement:persons:person:{major}\">{ids}<r:profile>{}</r:profile><r:ignoreReferredIdentity>{}</r:ignoreReferredIdentity></r:{contract}>",
            self.profile, self.ignore
        )
    }

    pub fn envelope(&self) -> String {
        envelope(&self.message())
    }

    pub fn send(&self, service: &Service) -> Answer {
        service.post(&self.path(), self.envelope().as_bytes())
    }
}

/// A message in an envelope to the national service.
pub fn envelope(message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:itr=\"urn:riv:itintegration:registry:1\"><soapenv:Header><itr:LogicalAddress>SE165565594230-1000</itr:LogicalAddress></soapenv:Header><soapenv:Body>{message}</soapenv:Body></soapenv:Envelope>"
    )
}

/// A register that is changed in this process, one wish at a time, without a service around it.
pub struct Care {
    pub formats: Formats,
    pub issuer: Issuer,
    pub at: Moment,
    pub state: State,
    /// Whether those who change it may see protected persons whole.
    pub sees_protected: bool,
    soap: Soap,
    records: BTreeMap<Identity, Box<[u8]>>,
    _folder: TempDir,
}

impl Care {
    /// Over the persons that use every field.
    pub fn start() -> Self {
        let folder = register(persons());
        let formats = Formats::standard();
        let snapshot = open_newest(folder.path(), &formats).unwrap().unwrap();
        let rule = ProtectionRules::STANDARD;
        Self {
            issuer: Issuer::default(),
            sees_protected: false,
            at: Moment::parse("2025-02-03T04:05:06").unwrap(),
            state: State::of_snapshot(Arc::new(snapshot)).unwrap(),
            soap: Soap::compile(&formats, &[LOGICAL_ADDRESS_NATIONAL.to_owned()], rule),
            formats,
            records: BTreeMap::new(),
            _folder: folder,
        }
    }

    /// Performs a wish; a state with its change takes the old one's place.
    pub fn perform(&mut self, wish: &Wish) -> Result<Change, Refusal> {
        let change = perform(
            wish,
            &self.state,
            Rules::standard(&self.formats),
            &mut self.issuer,
            &self.at,
        )?;
        for person in &change.persons {
            let record = person.to_record().unwrap().into_boxed_slice();
            self.records.insert(person.identity(), record);
        }
        let overlay = Overlay::of(self.records.values().cloned()).unwrap();
        let (snapshot, next) = (Arc::clone(self.state.snapshot()), self.state.sequence() + 1);
        self.state = State::with_overlay(snapshot, overlay, next).unwrap();
        Ok(change)
    }

    /// The answer to a request's bytes, or why there is none.
    pub fn send(
        &mut self,
        contract: &str,
        major: u8,
        body: &[u8],
        charset: Option<&str>,
    ) -> Result<String, Trouble> {
        let call = Call {
            body,
            charset,
            soap_action: None,
        };
        let mut scratch = Scratch::default();
        let path = path(contract, major);
        let (task, _) = self
            .soap
            .read(self.soap.find(&path).unwrap(), call, &mut scratch)?;
        let outcome = match &task {
            Task::Change(wish) => {
                let wish = Wish::clone(wish).of_who_sees_protected(self.sees_protected);
                Some(self.perform(&wish).map(|change| change.subject))
            }
            _ => None,
        };
        let (soap, state) = (&self.soap, &self.state);
        let service = soap.find(&path).unwrap();
        if let Some(outcome) = outcome {
            soap.tell_change(service, state, &outcome, &mut scratch)?;
        } else {
            soap.perform(service, state, &task, &mut scratch)?;
        }
        Ok(String::from_utf8(scratch.answer().to_vec()).unwrap())
    }
}
