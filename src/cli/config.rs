//! The configuration: one tree, read once. Defaults, then the file, then the environment
//! (`PU_LISTEN`, `PU_LIMITS__BODY_BYTES`), then flags. Unknown keys are refused.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::logging::{self, LevelError};
use super::settings::{self, Mistakes, Written};
use crate::access::alarms::Thresholds;
use crate::access::audit::push::{Push, Pusher};
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
use crate::serve::sandbox::Sandbox;
use crate::serve::tls::material::{ExpiredLists, Files, UnknownConsumers};
use crate::store::log::segments::Keeping;
use crate::wire::contract::LOGICAL_ADDRESS_NATIONAL;
use crate::wire::rest::Offered;

/// Everything an operator may set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Whether the service shuts itself in, so that whoever takes it over finds neither other files nor
    /// other programs.
    pub sandbox: Sandbox,
    /// Threads that serve; 0 for one per core.
    pub threads: usize,
    /// Whether answers are compressed for those who take them so, and requests may be.
    pub compression: bool,
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// The file of consumers.
    pub consumers: Option<PathBuf>,
    /// The HSA-id that connections without a certificate count as: those from this machine, such as
    /// a proxy's. Without it, they may ask for nothing.
    pub local_consumer: Option<String>,
    /// Whether everybody on this machine may ask for everything: for trying out.
    pub open: bool,
    /// Whether a new file of consumers may shut out more than half of those in force.
    pub allow_fewer: bool,
}

/// `[audit]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Its folder; `audit` in the data folder when it is not given.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// Whether REST callers may ask how a search went.
    pub explain: bool,
}

/// `[rest]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Changes {
    /// Bytes of one file of the log.
    pub segment_bytes: u64,
    /// Bytes of the log that are kept when snapshots hold its changes: the change trail.
    pub keep_bytes: u64,
    /// Hours that the clock may be ahead of the time that has passed since the last change, before
    /// changes are refused until an operator agrees; 0: any.
    pub most_jump_hours: u32,
}

/// `[snapshots]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Snapshots {
    /// Snapshots kept: the newest, and those to go back to.
    pub keep: usize,
    /// Changed records after which a new snapshot is made.
    pub changes: usize,
    /// Hours between two times that the newest is read through; 0 for never.
    pub scrub_hours: u32,
}

/// `[feed]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Feed {
    /// The folder in which files are looked for while serving; `inbox` in the data folder when it is
    /// not given.
    pub inbox: Option<PathBuf>,
}

/// `[shutdown]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// Seconds for which `/readyz` says that the node will close before it does.
    pub announce_seconds: u64,
}

/// `[limits]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Seconds a connection may be without requests before it is ended.
    pub idle_seconds: u64,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `json`, one object a line, or `text`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, or a filter such as `pu=debug`.
    pub level: String,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
            sandbox: Sandbox::default(),
            threads: 0,
            compression: true,
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
            most_jump_hours: limits::MOST_JUMP_HOURS,
        }
    }
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            keep: limits::SNAPSHOTS_KEPT,
            changes: limits::CHANGES_PER_SNAPSHOT,
            scrub_hours: limits::SCRUB_HOURS,
        }
    }
}

impl Snapshots {
    /// How long between two times that the newest snapshot is read through; `None` for never.
    pub fn scrub_every(&self) -> Option<Duration> {
        (self.scrub_hours > 0).then(|| Duration::from_secs(u64::from(self.scrub_hours) * 3_600))
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
            idle_seconds: limits::IDLE_SECONDS,
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
    /// Those that let nothing through.
    fn check(&self) -> Vec<ConfigError> {
        let limits = [
            ("connection_answer_bytes", self.connection_answer_bytes),
            ("consumer_answer_bytes", self.consumer_answer_bytes),
            ("answer_bytes", self.answer_bytes),
            ("idle_seconds", self.idle_seconds),
        ];
        let zero = limits.iter().filter(|(_, limit)| *limit == 0);
        zero.map(|(name, _)| ConfigError::Zero(name)).collect()
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

/// Why a configuration cannot be used: a rule that settings break together.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// TLS is asked for without something it needs.
    #[error("tls.listen is given, but not tls.{0}")]
    TlsWithout(&'static str),
    /// An identity format is wrong.
    #[error("identity_formats: {0}")]
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

impl ConfigError {
    /// The setting whose line is told.
    pub const fn setting(&self) -> &'static str {
        match self {
            Self::TlsWithout(_) | Self::OpenToOthers => "tls.listen",
            Self::Format(_) => "identity_formats",
            Self::NobodyMayComeIn => "access",
            Self::Level(_) => "log.level",
            Self::OpenAndGuarded => "access.open",
            Self::NotRecorded => "audit.record",
            Self::NoAnchorCommand => "audit.anchor_required",
            Self::LocalConsumer(_) => "access.local_consumer",
            Self::Allowance | Self::Zero(_) => "limits",
            Self::Gate(_) => "access.consumers",
        }
    }
}

impl Config {
    /// Reads the configuration: defaults, `file`, environment. Answers also where its settings stand.
    pub fn read(file: Option<&Path>) -> Result<(Self, Written), Mistakes> {
        let (config, written) = settings::read(file)?;
        let broken = config.broken();
        if broken.is_empty() {
            return Ok((config, written));
        }
        Err(Mistakes(
            broken.iter().map(|it| written.mistake(it)).collect(),
        ))
    }

    /// The rules that are broken for every command.
    fn broken(&self) -> Vec<ConfigError> {
        let mut broken = Vec::new();
        broken.extend(self.formats().err());
        broken.extend(self.tls.files().err());
        broken.extend(self.limits.check());
        let level = logging::filter(&self.log.level).err();
        broken.extend(level.map(ConfigError::Level));
        if self.audit.anchor_required && self.audit.anchor_command.is_empty() {
            broken.push(ConfigError::NoAnchorCommand);
        }
        broken
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

    /// The rules about who may come in that are broken.
    pub fn broken_gate(&self) -> Vec<ConfigError> {
        let Access {
            consumers,
            local_consumer,
            open,
            allow_fewer: _,
        } = &self.access;
        let mut broken = Vec::new();
        let mut rule = |is_broken: bool, error: ConfigError| {
            if is_broken {
                broken.push(error);
            }
        };
        let is_guarded = consumers.is_some();
        rule(is_guarded && *open, ConfigError::OpenAndGuarded);
        rule(!is_guarded && !open, ConfigError::NobodyMayComeIn);
        rule(
            *open && self.tls.listen.is_some(),
            ConfigError::OpenToOthers,
        );
        rule(!open && !self.audit.record, ConfigError::NotRecorded);
        rule(
            is_guarded && !self.allowance().is_sound(),
            ConfigError::Allowance,
        );
        let local = local_consumer.as_deref().filter(|_| is_guarded);
        let local = local.map(HsaId::parse).transpose();
        broken.extend(local.err().map(ConfigError::LocalConsumer));
        broken
    }

    /// What a consumer may use whose row does not tell.
    pub fn allowance(&self) -> Allowance {
        Allowance {
            requests_per_second: self.limits.consumer_requests_per_second,
            burst: self.limits.consumer_burst,
            concurrent: self.limits.consumer_concurrent,
            cpu: self.limits.consumer_cpu.0,
        }
    }

    /// Who may come in.
    pub fn gate(&self) -> Result<Gate, ConfigError> {
        if let Some(broken) = self.broken_gate().into_iter().next() {
            return Err(broken);
        }
        let Some(file) = &self.access.consumers else {
            return Ok(Gate::open());
        };
        let local = self.access.local_consumer.as_deref().map(HsaId::parse);
        let local = local.transpose().map_err(ConfigError::LocalConsumer)?;
        let allow_fewer = self.access.allow_fewer;
        Ok(Gate::guarded(file, local, self.allowance(), allow_fewer)?)
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

    /// The command that brings anchors to a second place, when there is one.
    pub fn push(&self) -> Option<Push> {
        let command = self.audit.anchor_command.clone();
        (!command.is_empty()).then_some(Push {
            command,
            patience: limits::ANCHOR_PATIENCE,
        })
    }

    /// What brings anchors to a second place.
    pub fn pushing(&self, pusher: Option<Pusher>) -> Pushing {
        Pushing::new(pusher, self.audit.anchor_required)
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
            idle_seconds: self.limits.idle_seconds,
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

    fn read(text: &str) -> Result<Config, Mistakes> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pu.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(Some(&path)).map(|(config, _)| config)
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
        let message = read(text).unwrap_err().to_string();
        assert!(
            message.contains("pu.toml, line 1: identity_formats"),
            "{message}"
        );
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
        assert_eq!(read(&settings::print(&config)).unwrap(), config);
    }

    #[test]
    fn every_setting_is_printed_and_can_be_read_again() {
        let config = Config::default();
        let printed = settings::print(&config);
        assert_eq!(read(&printed).unwrap(), config);
        for line in [
            "data = \"snapshots\" # default",
            "# listen_unix is not set",
            "# folder is not set",
            "consumer_cpu = \"20s\" # default",
            "identity_formats = [] # default",
        ] {
            assert!(printed.lines().any(|it| it == line), "{line}: {printed}");
        }
        let set = "data = \"a # b\"\n[access]\nopen = true\n[[identity_formats]]\nnumber = 64\nroot = \"1.2.752.999.1\"\nshort_name = \"RX\"\nname = \"Region\"\npattern = \"[0-9]{8}RX[0-9]{2}\"\n";
        let config = read(set).unwrap();
        let printed = settings::print(&config);
        assert!(printed.contains("data = \"a # b\"\n") && printed.contains("open = true\n"));
        assert_eq!(read(&printed).unwrap(), config);
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_their_lines_and_what_is_meant() {
        let text = "lissen = \"x\"\nthreads = \"two\"\n\n[limits]\nbody_byte = 1\nanswer_bytes = \"1\"\n\
                    [protecton]\nhousehold = \"mask\"\n[protection]\nhousehold = \"hide\"\n[tls]\nhousehold = 1\n[[identity_formats]]\nnummer = 3\n";
        let told = read(text).unwrap_err().to_string();
        for mistake in [
            "line 1: there is no setting lissen: is listen meant?",
            "line 2: threads takes a whole number, zero or more",
            "line 5: there is no setting limits.body_byte: is limits.body_bytes meant?",
            "line 6: limits.answer_bytes takes a whole number, zero or more",
            "line 7: there is no setting protecton: is protection meant?",
            "line 10: protection.household takes one of show, mask",
            "line 12: there is no setting tls.household: is protection.household meant?",
            "line 13: identity_formats: there is no setting nummer: is number meant?",
        ] {
            assert!(
                told.contains(&format!("pu.toml, {mistake}")),
                "{mistake}\n{told}"
            );
        }
        assert!(!told.contains("default.") && !told.contains('`'), "{told}");
        // Rules that settings break together stand where the first of them does.
        let told = read("\n[audit]\nanchor_required = true\n[limits]\nanswer_bytes = 0\n");
        let told = told.unwrap_err().to_string();
        assert!(told.contains("line 3: audit.anchor_required"), "{told}");
        assert!(told.contains("line 4: limits.answer_bytes"), "{told}");
    }
}
