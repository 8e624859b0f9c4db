//! The configuration: one tree, read once. Defaults, then the file, then the environment
//! (`PU_LISTEN`, `PU_LIMITS__BODY_BYTES`), then flags. Unknown keys are refused.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde::{Deserialize, Serialize};

use super::logging::{self, LevelError};
use crate::access::alarms::Thresholds;
use crate::access::audit::push::Push;
use crate::access::gate::{Gate, GateError};
use crate::access::hsa::{HsaId, NotAnHsaId};
use crate::access::usage::Allowance;
use crate::base::lasting::Lasting;
use crate::base::limits;
use crate::person::format::{FormatError, FormatRow};
use crate::person::identity::Formats;
use crate::person::view::ProtectionRules;
use crate::serve::anchors::Pushing;
use crate::serve::leaving::Room;
use crate::serve::listen::Listening;
use crate::serve::tls::material::{ExpiredLists, Files, UnknownConsumers};
use crate::store::log::segments::Keeping;
use crate::wire::contract::LOGICAL_ADDRESS_NATIONAL;
use crate::wire::rest::Offered;

/// Everything an operator may set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen. Plain HTTP: loopback only.
    pub listen: SocketAddr,
    /// Host names under which the plain address is asked, beside `localhost` and the address itself.
    pub hosts: Vec<String>,
    /// A unix socket to listen on beside.
    pub listen_unix: Option<PathBuf>,
    /// Whether root may serve.
    pub as_root: bool,
    /// Threads that serve; 0 for one per core.
    pub threads: usize,
    /// The service's logical address, which requests must carry.
    pub logical_address: String,
    /// Further logical addresses that it answers to.
    pub other_logical_addresses: Vec<String>,
    /// Whether the snapshot is checked in full before the first answer.
    pub verify_on_start: bool,
    /// Who may ask.
    pub access: Access,
    /// The record of disclosures.
    pub audit: Audit,
    /// Mutual TLS.
    pub tls: TlsFiles,
    /// What protection hides.
    pub protection: ProtectionRules,
    /// Searches.
    pub search: Search,
    /// The REST interface.
    pub rest: Rest,
    /// From when on patterns of calls are alarms.
    pub alarms: Thresholds,
    /// The log of changes.
    pub changes: Changes,
    /// Snapshots.
    pub snapshots: Snapshots,
    /// Skatteverket's files.
    pub feed: Feed,
    /// How the service ends.
    pub shutdown: Shutdown,
    /// Ceilings.
    pub limits: Limits,
    /// The log.
    pub log: Log,
    /// Identity formats beside the built-in ones.
    pub identity_formats: Vec<FormatRow>,
}

/// `[access]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// The file of consumers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumers: Option<PathBuf>,
    /// The HSA-id that connections without a certificate count as: those from this machine, such as
    /// a proxy's. Without it, they may ask for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_consumer: Option<String>,
    /// Whether everybody on this machine may ask for everything: for trying out.
    pub open: bool,
    /// Whether a new file of consumers may shut out more than half of those in force.
    pub allow_fewer: bool,
}

/// `[audit]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Its folder; `audit` in the data folder when it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Milliseconds after which what was written is flushed to the disk; 0 for before each answer.
    pub sync_milliseconds: u64,
    /// A program and its arguments that get the ends of chains on standard input, after each is written
    /// into the log: to keep them in a second place.
    pub anchor_command: Vec<String>,
    /// Whether nothing is disclosed while that fails.
    pub anchor_required: bool,
    /// Whether disclosures are recorded. Only where `access.open` is set, they may not be.
    pub record: bool,
}

/// `[tls]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsFiles {
    /// Where to listen with mutual TLS; nowhere when it is not given.
    pub listen: Option<SocketAddr>,
    /// The server's certificate with the authorities between it and its root (PEM).
    pub certificate: Option<PathBuf>,
    /// Its private key (PEM), which only its owner may read.
    pub key: Option<PathBuf>,
    /// The authorities whose certificates callers may show (PEM).
    pub client_authorities: Vec<PathBuf>,
    /// Revocation lists (PEM or DER). When any are given, every authority needs one.
    pub revocation_lists: Vec<PathBuf>,
    /// Whether callers are refused when a revocation list is too old: `refuse` or `accept`.
    pub expired_revocation_lists: ExpiredLists,
    /// When unknown callers are refused: `fault`, by an answer, or `handshake`.
    pub unknown_consumers: UnknownConsumers,
}

/// `[search]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// Whether REST callers may ask how a search went.
    pub explain: bool,
}

/// `[rest]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rest {
    /// Whether callers may see who changed a person, and when.
    pub history: bool,
    /// Whether callers may follow the changes.
    pub changes: bool,
    /// Whether callers may have reserve identities issued.
    pub reserve_identities: bool,
}

/// `[changes]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Changes {
    /// Bytes of one file of the log.
    pub segment_bytes: u64,
    /// Bytes of the log that are kept when snapshots hold its changes: the change trail.
    pub keep_bytes: u64,
}

/// `[snapshots]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Snapshots {
    /// Snapshots kept: the newest, and those to go back to.
    pub keep: usize,
    /// Changed records after which a new snapshot is made.
    pub changes: usize,
}

/// `[feed]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Feed {
    /// The folder in which files are looked for while serving; `inbox` in the data folder when it is
    /// not given.
    pub inbox: Option<PathBuf>,
}

/// `[shutdown]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// Seconds for which `/readyz` says that the node will close before it does.
    pub announce_seconds: u64,
}

/// `[limits]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of one request body.
    pub body_bytes: usize,
    /// Open connections per thread.
    pub connections_per_thread: usize,
    /// Open connections per remote address; 0 for no limit.
    pub connections_per_address: usize,
    /// Seconds after which a connection is ended in an orderly way.
    pub connection_seconds: u64,
    /// Seconds for a TLS handshake.
    pub handshake_seconds: u64,
    /// TLS handshakes begun per second and thread.
    pub handshakes_per_second: NonZeroU32,
    /// Seconds for the head of a request.
    pub header_seconds: u64,
    /// Seconds for the body of a request.
    pub body_seconds: u64,
    /// Seconds an answer may take, the time for its body and for following not counted.
    pub answer_seconds: u64,
    /// Milliseconds that anything may wait for its turn on a serving thread.
    pub patience_milliseconds: u64,
    /// Calls a second of a consumer whose own limits are not given.
    pub consumer_requests_per_second: u32,
    /// Calls of such a consumer at one moment, after a rest.
    pub consumer_burst: u32,
    /// Calls of such a consumer that are answered at once.
    pub consumer_concurrent: u32,
    /// Processor time a minute of such a consumer.
    pub consumer_cpu: Lasting,
    /// Bytes of answers that may wait to leave on one connection before its next call waits.
    pub connection_answer_bytes: u64,
    /// The same of one consumer, before its next call is sent away.
    pub consumer_answer_bytes: u64,
    /// The same in the process.
    pub answer_bytes: u64,
    /// How long answers may wait without moving before their connection is ended.
    pub stalled: Lasting,
    /// Seconds a shutdown waits for open requests.
    pub drain_seconds: u64,
    /// Wide searches at once; 0 for one per core.
    pub wide_searches: usize,
    /// Wide searches that may wait; more are sent away.
    pub waiting_searches: usize,
    /// Identities that care may link with one another.
    pub linked_identities: usize,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `json`, one object a line, or `text`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, or a filter such as `pu=debug`.
    pub level: String,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For machines.
    #[default]
    Json,
    /// For people.
    Text,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("snapshots"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            hosts: Vec::new(),
            listen_unix: None,
            as_root: false,
            threads: 0,
            logical_address: LOGICAL_ADDRESS_NATIONAL.to_owned(),
            other_logical_addresses: Vec::new(),
            verify_on_start: true,
            access: Access::default(),
            audit: Audit::default(),
            tls: TlsFiles::default(),
            protection: ProtectionRules::default(),
            search: Search::default(),
            rest: Rest::default(),
            alarms: Thresholds::default(),
            changes: Changes::default(),
            snapshots: Snapshots::default(),
            feed: Feed::default(),
            shutdown: Shutdown::default(),
            limits: Limits::default(),
            log: Log::default(),
            identity_formats: Vec::new(),
        }
    }
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            history: false,
            changes: true,
            reserve_identities: false,
        }
    }
}

impl Rest {
    /// What is served only where the operator says so.
    pub const fn offered(self) -> Offered {
        Offered {
            history: self.history,
            changes: self.changes,
            reserve_identities: self.reserve_identities,
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            folder: None,
            file_bytes: limits::AUDIT_FILE_BYTES,
            sync_milliseconds: limits::AUDIT_SYNC_MILLISECONDS,
            anchor_command: Vec::new(),
            anchor_required: false,
            record: true,
        }
    }
}

impl TlsFiles {
    /// The files, when TLS is asked for.
    pub fn files(&self) -> Result<Option<Files>, ConfigError> {
        if self.listen.is_none() {
            return Ok(None);
        }
        let given =
            |path: &Option<PathBuf>, name| path.clone().ok_or(ConfigError::TlsWithout(name));
        if self.client_authorities.is_empty() {
            return Err(ConfigError::TlsWithout("client_authorities"));
        }
        Ok(Some(Files {
            certificate: given(&self.certificate, "certificate")?,
            key: given(&self.key, "key")?,
            client_authorities: self.client_authorities.clone(),
            revocation_lists: self.revocation_lists.clone(),
            expired_revocation_lists: self.expired_revocation_lists,
            unknown_consumers: self.unknown_consumers,
        }))
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            segment_bytes: limits::SEGMENT_BYTES,
            keep_bytes: limits::LOG_KEPT_BYTES,
        }
    }
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            keep: limits::SNAPSHOTS_KEPT,
            changes: limits::CHANGES_PER_SNAPSHOT,
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        let announce_seconds = limits::ANNOUNCE_SECONDS;
        Self { announce_seconds }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: limits::BODY_BYTES,
            connections_per_thread: limits::CONNECTIONS_PER_THREAD,
            connections_per_address: limits::CONNECTIONS_PER_ADDRESS,
            connection_seconds: limits::CONNECTION_SECONDS,
            handshake_seconds: limits::HANDSHAKE_SECONDS,
            handshakes_per_second: NonZeroU32::new(limits::HANDSHAKES_PER_SECOND)
                .unwrap_or(NonZeroU32::MIN),
            header_seconds: limits::HEADER_SECONDS,
            body_seconds: limits::BODY_SECONDS,
            answer_seconds: limits::ANSWER_SECONDS,
            patience_milliseconds: limits::PATIENCE_MILLISECONDS,
            consumer_requests_per_second: limits::CONSUMER_REQUESTS_PER_SECOND,
            consumer_burst: limits::CONSUMER_BURST,
            consumer_concurrent: limits::CONSUMER_CONCURRENT,
            consumer_cpu: Lasting(Duration::from_secs(limits::CONSUMER_CPU_SECONDS)),
            connection_answer_bytes: limits::CONNECTION_ANSWER_BYTES,
            consumer_answer_bytes: limits::CONSUMER_ANSWER_BYTES,
            answer_bytes: limits::ANSWER_BYTES,
            stalled: Lasting(Duration::from_secs(limits::STALLED_SECONDS)),
            drain_seconds: limits::DRAIN_SECONDS,
            wide_searches: 0,
            waiting_searches: limits::WAITING_SEARCHES,
            linked_identities: limits::LINKED_IDENTITIES,
        }
    }
}

impl Limits {
    /// Whether those of answers let something through.
    fn check(&self) -> Result<(), ConfigError> {
        let limits = [
            ("connection_answer_bytes", self.connection_answer_bytes),
            ("consumer_answer_bytes", self.consumer_answer_bytes),
            ("answer_bytes", self.answer_bytes),
        ];
        match limits.iter().find(|(_, limit)| *limit == 0) {
            Some((name, _)) => Err(ConfigError::Zero(name)),
            None => Ok(()),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            level: "info".to_owned(),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key or value is wrong.
    #[error("configuration: {0}")]
    Wrong(Box<figment::Error>),
    /// TLS is asked for without something it needs.
    #[error("configuration: tls.listen is given, but not tls.{0}")]
    TlsWithout(&'static str),
    /// An identity format is wrong.
    #[error("configuration: {0}")]
    Format(#[from] FormatError),
    /// Nobody would be let in.
    #[error(
        "nobody may come in: name the file of consumers in access.consumers, or set access.open \
         to let everybody on this machine ask for everything"
    )]
    NobodyMayComeIn,
    /// Both a file of consumers and an open gate.
    #[error("access.open and access.consumers cannot both be given")]
    OpenAndGuarded,
    /// An open gate to other machines.
    #[error("access.open is for this machine only: it cannot be combined with tls.listen")]
    OpenToOthers,
    /// No audit behind a guarded gate.
    #[error("audit.record can be false only where access.open is true")]
    NotRecorded,
    /// Anchors that must be pushed, and nothing to push them.
    #[error("audit.anchor_required is given, but not audit.anchor_command")]
    NoAnchorCommand,
    /// Not an HSA-id.
    #[error("access.local_consumer: {0}")]
    LocalConsumer(NotAnHsaId),
    /// Limits that let nothing through.
    #[error(
        "limits.consumer_requests_per_second, consumer_burst, consumer_concurrent and consumer_cpu \
         must be more than zero, the first at most {max}", max = Allowance::MOST_PER_SECOND
    )]
    Allowance,
    /// A limit that lets nothing through.
    #[error("limits.{0} must be more than zero")]
    Zero(&'static str),
    /// The consumers cannot be read.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// A level of logging that does not exist.
    #[error("configuration: {0}")]
    Level(#[from] LevelError),
}

impl Config {
    /// Reads the configuration: defaults, `file`, environment.
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
                path: path.to_path_buf(),
                source,
            })?;
            figment = figment.merge(Toml::string(&text));
        }
        let config: Self = figment
            .merge(Env::prefixed("PU_").split("__"))
            .extract()
            .map_err(|error| ConfigError::Wrong(Box::new(error)))?;
        config.formats()?;
        config.tls.files()?;
        config.limits.check()?;
        logging::filter(&config.log.level)?;
        if config.audit.anchor_required && config.audit.anchor_command.is_empty() {
            return Err(ConfigError::NoAnchorCommand);
        }
        Ok(config)
    }

    /// The identity formats in use.
    pub fn formats(&self) -> Result<Formats, ConfigError> {
        Ok(Formats::with(&self.identity_formats)?)
    }

    /// Every logical address that the service answers to, its own first.
    pub fn logical_addresses(&self) -> Vec<String> {
        let own = std::iter::once(&self.logical_address);
        own.chain(&self.other_logical_addresses).cloned().collect()
    }

    /// Who may come in.
    pub fn gate(&self) -> Result<Gate, ConfigError> {
        let Access {
            consumers,
            local_consumer,
            open,
            allow_fewer,
        } = &self.access;
        match (consumers, open) {
            (Some(_), true) => Err(ConfigError::OpenAndGuarded),
            (None, false) => Err(ConfigError::NobodyMayComeIn),
            (None, true) if self.tls.listen.is_some() => Err(ConfigError::OpenToOthers),
            (None, true) => Ok(Gate::open()),
            (Some(_), false) if !self.audit.record => Err(ConfigError::NotRecorded),
            (Some(file), false) => {
                let local = local_consumer.as_deref().map(HsaId::parse).transpose();
                let local = local.map_err(ConfigError::LocalConsumer)?;
                let allowance = Allowance {
                    requests_per_second: self.limits.consumer_requests_per_second,
                    burst: self.limits.consumer_burst,
                    concurrent: self.limits.consumer_concurrent,
                    cpu: self.limits.consumer_cpu.0,
                };
                if !allowance.is_sound() {
                    return Err(ConfigError::Allowance);
                }
                Ok(Gate::guarded(file, local, allowance, *allow_fewer)?)
            }
        }
    }

    /// The folder of the audit.
    pub fn audit_folder(&self) -> PathBuf {
        let folder = self.audit.folder.clone();
        folder.unwrap_or_else(|| self.data.join("audit"))
    }

    /// How the log keeps its files.
    pub const fn keeping(&self) -> Keeping {
        Keeping {
            segment_bytes: self.changes.segment_bytes,
            keep_bytes: self.changes.keep_bytes,
        }
    }

    /// What brings anchors to a second place.
    pub fn pushing(&self) -> Pushing {
        let command = self.audit.anchor_command.clone();
        let push = Push {
            command,
            patience: limits::ANCHOR_PATIENCE,
        };
        let push = (!self.audit.anchor_command.is_empty()).then_some(push);
        Pushing::new(push, self.audit.anchor_required)
    }

    /// The folder in which files are looked for while serving.
    pub fn inbox(&self) -> PathBuf {
        let inbox = self.feed.inbox.clone();
        inbox.unwrap_or_else(|| self.data.join("inbox"))
    }

    /// How many bytes of answers may wait to leave.
    pub const fn room(&self) -> Room {
        Room {
            connection: self.limits.connection_answer_bytes,
            consumer: self.limits.consumer_answer_bytes,
            process: self.limits.answer_bytes,
            patience: self.limits.stalled.0,
        }
    }

    /// How to listen.
    pub fn listening(&self) -> Listening {
        Listening {
            address: self.listen,
            tls: self.tls.listen,
            unix: self.listen_unix.clone(),
            threads: self.threads,
            connections_per_thread: self.limits.connections_per_thread,
            connections_per_address: self.limits.connections_per_address,
            connection_seconds: self.limits.connection_seconds,
            handshake_seconds: self.limits.handshake_seconds,
            handshakes_per_second: self.limits.handshakes_per_second,
            header_seconds: self.limits.header_seconds,
            patience: Duration::from_millis(self.limits.patience_milliseconds),
            announce: Duration::from_secs(self.shutdown.announce_seconds),
            drain_seconds: self.limits.drain_seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pu.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(Some(&path))
    }

    #[test]
    fn a_file_changes_what_it_names() {
        let config = read("listen = \"127.0.0.1:9000\"\n[limits]\nbody_bytes = 4096\n").unwrap();
        assert_eq!(config.listen.port(), 9000);
        assert_eq!(
            config.limits,
            Limits {
                body_bytes: 4096,
                ..Limits::default()
            }
        );
        assert_eq!(config.logical_address, LOGICAL_ADDRESS_NATIONAL);
        let rule = read("[protection]\npopulation_record = \"profile-1\"\n").unwrap();
        assert_eq!(
            rule.protection.population_record,
            crate::person::view::PopulationRecordRule::Profile1
        );
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_refused_by_name() {
        for (text, named) in [
            ("lissen = \"x\"", "lissen"),
            ("[limits]\nbody = 1", "body"),
            ("[limits]\nconsumer_cpu = 20", "consumer_cpu"),
            ("[limits]\nanswer_bytes = 0", "answer_bytes"),
            ("listen = \"nowhere\"", "listen"),
            (
                "[protection]\npopulation_record = \"all\"",
                "population_record",
            ),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn a_format_that_takes_a_built_in_number_is_refused() {
        let text = "[[identity_formats]]\nnumber = 1\nroot = \"1.2\"\nshort_name = \"X\"\nname = \"x\"\npattern = \"[0-9]{3}\"\n";
        assert!(matches!(read(text), Err(ConfigError::Format(_))));
    }

    #[test]
    fn tls_wants_its_files() {
        let listen = "[tls]\nlisten = \"0.0.0.0:8443\"\n";
        let missing = read(listen).unwrap_err().to_string();
        assert!(missing.contains("tls.client_authorities"), "{missing}");
        let more = listen.to_owned() + "client_authorities = [\"ca.pem\"]\n";
        let missing = read(&more).unwrap_err().to_string();
        assert!(missing.contains("tls.certificate"), "{missing}");
        let whole = more + "certificate = \"c\"\nkey = \"k\"\nunknown_consumers = \"handshake\"\n";
        let config = read(&whole).unwrap();
        let files = config.tls.files().unwrap().unwrap();
        assert_eq!(files.unknown_consumers, UnknownConsumers::Handshake);
        let printed = toml::to_string_pretty(&config).unwrap();
        assert_eq!(read(&printed).unwrap(), config);
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let config = Config::default();
        let printed = toml::to_string_pretty(&config).unwrap();
        assert_eq!(read(&printed).unwrap(), config);
    }
}
