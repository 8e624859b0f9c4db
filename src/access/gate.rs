//! Who is asking: the system a certificate names, or the one it speaks for. Holds the file of
//! consumers that is in force, and takes a new one when it is whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::consumers::{Consumer, Consumers, ConsumersError, Why};
use super::hsa::HsaId;
use super::usage::{Allowance, Fate, Turn, Usage};
use crate::base::limits;

/// What a header says, when it may be said several times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Claim<'h> {
    /// It is not there.
    #[default]
    None,
    /// One value.
    One(&'h str),
    /// Several values that differ, or one that is no text.
    Unclear,
}

impl<'h> Claim<'h> {
    /// What this and one more value say together; a value that is no text is `None`.
    #[must_use]
    pub fn and(self, value: Option<&'h str>) -> Self {
        match (self, value.map(str::trim)) {
            (Self::None, Some(value)) => Self::One(value),
            (Self::One(before), Some(value)) if before == value => self,
            _ => Self::Unclear,
        }
    }
}

/// The headers by which an intermediary names whom it speaks for.
#[derive(Clone, Copy, Default, Debug)]
pub struct Named<'h> {
    /// The consumer at the beginning of the chain (RIV-TA, rule 23).
    pub original: Claim<'h>,
    /// The system that called the platform.
    pub sender: Claim<'h>,
    /// The instance of the platform that vouches for the sender.
    pub instance: Claim<'h>,
}

impl Named<'_> {
    fn says_anything(&self) -> bool {
        self.original != Claim::None || self.sender != Claim::None
    }
}

/// A caller with rights.
pub struct Caller {
    /// Whose rights hold.
    pub consumer: Arc<Consumer>,
    /// The system that is connected, when it is another.
    pub via: Option<HsaId>,
}

impl Caller {
    /// The caller, without the right to what they ask for.
    pub fn denied(&self, why: Why) -> Denied {
        Denied {
            who: Some(self.consumer.hsa_id.clone()),
            via: self.via.clone(),
            why,
        }
    }
}

/// A call that is refused.
#[derive(Clone, Debug)]
pub struct Denied {
    /// Who asks, as far as it is known.
    pub who: Option<HsaId>,
    /// The system that is connected, when it is another.
    pub via: Option<HsaId>,
    /// Why.
    pub why: Why,
}

/// What became of a look at the file.
#[derive(Debug)]
pub enum Reload {
    /// It is as it was.
    Unchanged,
    /// A new one is in force, with so many consumers.
    InForce(usize),
    /// A new one is not whole: the old one stays.
    Refused(GateError),
}

/// Why there is no file of consumers to go by.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// It cannot be read.
    #[error("cannot read the consumers in {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not whole.
    #[error("the consumers in {path}: {error}")]
    Consumers {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<ConsumersError>,
    },
    /// It would shut out everybody, or most of those who are let in.
    #[error(
        "the consumers in {path}: {kept} of the {in_force} in force would be left; if that is meant, \
         set access.allow_fewer = true"
    )]
    Fewer {
        /// The file.
        path: PathBuf,
        /// How many of them are in it.
        kept: usize,
        /// How many are in force.
        in_force: usize,
    },
    /// It names nobody.
    #[error(
        "the consumers in {path}: there are none; if that is meant, set access.allow_fewer = true"
    )]
    Nobody {
        /// The file.
        path: PathBuf,
    },
}

/// What those without rights may do, all together.
const STRANGERS: Allowance = Allowance {
    requests_per_second: limits::STRANGERS_PER_SECOND,
    burst: limits::STRANGERS_PER_SECOND,
    concurrent: limits::STRANGERS_PER_SECOND,
    cpu: Duration::MAX,
};

/// The gate.
pub struct Gate {
    consumers: ArcSwap<Consumers>,
    /// Everybody's stand-in, when the gate is open.
    anyone: Option<Arc<Consumer>>,
    /// Whom connections count as that bear no name: those from this machine.
    local: Option<HsaId>,
    allowance: Allowance,
    /// Whether a file may shut out most of those who are let in.
    allow_fewer: bool,
    file: PathBuf,
    /// The text of the file as it was looked at last.
    looked_at: Mutex<String>,
    /// What those may do together who have no rights, so that refusing them stays cheap.
    strangers: Usage,
    /// Headers that name another consumer, from those who may not.
    pub headers_ignored: AtomicU64,
    /// Files that came into force after the first.
    pub reloads: AtomicU64,
    /// Files that were not whole, or would have shut out most consumers.
    pub refused_files: AtomicU64,
    /// Whether the file that is there is another than the one in force.
    is_refused: AtomicBool,
}

impl Gate {
    /// A gate that lets everybody in: for trying out, on this machine only.
    pub fn open() -> Self {
        Self::new(
            Consumers::default(),
            Some(Arc::new(Consumer::anyone())),
            None,
            Consumer::UNLIMITED,
            PathBuf::new(),
        )
    }

    /// A gate for the consumers of a file. `local` is whom connections without a certificate count
    /// as; `allowance` holds for those whose limits the file does not tell; with `allow_fewer`, a new
    /// file may shut out most of those who are let in.
    pub fn guarded(
        file: &Path,
        local: Option<HsaId>,
        allowance: Allowance,
        allow_fewer: bool,
    ) -> Result<Self, GateError> {
        let gate = Self {
            allow_fewer,
            ..Self::new(
                Consumers::default(),
                None,
                local,
                allowance,
                file.to_path_buf(),
            )
        };
        match gate.look() {
            Reload::Refused(error) => Err(error),
            Reload::InForce(_) | Reload::Unchanged => {
                gate.reloads.store(0, Ordering::Relaxed);
                Ok(gate)
            }
        }
    }

    fn new(
        consumers: Consumers,
        anyone: Option<Arc<Consumer>>,
        local: Option<HsaId>,
        allowance: Allowance,
        file: PathBuf,
    ) -> Self {
        Self {
            consumers: ArcSwap::from_pointee(consumers),
            anyone,
            local,
            allowance,
            allow_fewer: false,
            file,
            looked_at: Mutex::default(),
            strangers: Usage::new(STRANGERS),
            headers_ignored: AtomicU64::new(0),
            reloads: AtomicU64::new(0),
            refused_files: AtomicU64::new(0),
            is_refused: AtomicBool::new(false),
        }
    }

    /// Looks whether the file has changed, and puts it in force when it has, is whole, and does not shut
    /// out most of those who are let in. A file that is refused is told of once.
    pub fn look(&self) -> Reload {
        if self.anyone.is_some() {
            return Reload::Unchanged;
        }
        let reload = self.look_at_file();
        match reload {
            Reload::Unchanged => {}
            Reload::InForce(_) => self.is_refused.store(false, Ordering::Relaxed),
            Reload::Refused(_) => {
                self.refused_files.fetch_add(1, Ordering::Relaxed);
                self.is_refused.store(true, Ordering::Relaxed);
            }
        }
        reload
    }

    /// Whether the file that is there is another than the one in force.
    pub fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    fn look_at_file(&self) -> Reload {
        let mut looked_at = self.looked_at.lock();
        let path = self.file.clone();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) if text == *looked_at && !text.is_empty() => return Reload::Unchanged,
            Ok(text) => text,
            Err(source) => {
                let is_new = !looked_at.is_empty() || self.consumers.load().is_empty();
                looked_at.clear();
                if !is_new {
                    return Reload::Unchanged;
                }
                return Reload::Refused(GateError::File { path, source });
            }
        };
        let in_force = self.consumers.load_full();
        let read = Consumers::read(&text, self.allowance, &in_force);
        *looked_at = text;
        match read {
            Ok(consumers) => {
                if let Err(error) = self.lets_enough_in(&in_force, &consumers) {
                    return Reload::Refused(error);
                }
                let count = consumers.len();
                self.consumers.store(Arc::new(consumers));
                self.reloads.fetch_add(1, Ordering::Relaxed);
                Reload::InForce(count)
            }
            Err(error) => {
                let error = Box::new(error);
                Reload::Refused(GateError::Consumers { path, error })
            }
        }
    }

    /// Whether a new file keeps half of those who are let in, and somebody. A file that is being written,
    /// or was emptied by mistake, does not.
    fn lets_enough_in(&self, in_force: &Consumers, new: &Consumers) -> Result<(), GateError> {
        let path = self.file.clone();
        let kept = in_force.all().filter(|it| new.find(&it.hsa_id).is_some());
        let (kept, in_force) = (kept.count(), in_force.len());
        if self.allow_fewer || (kept * 2 >= in_force && !new.is_empty()) {
            return Ok(());
        }
        Err(if in_force == 0 {
            GateError::Nobody { path }
        } else {
            GateError::Fewer {
                path,
                kept,
                in_force,
            }
        })
    }

    /// Whether everybody is let in, and counts as one.
    pub const fn is_open(&self) -> bool {
        self.anyone.is_some()
    }

    /// Whether a system is in the file: as one with rights, or as one that speaks for others.
    pub fn knows(&self, hsa_id: &HsaId) -> bool {
        self.anyone.is_some() || self.consumers.load().find(hsa_id).is_some()
    }

    /// The consumers in force.
    pub fn consumers(&self) -> Arc<Consumers> {
        self.consumers.load_full()
    }

    /// Who is asking. `connected` is the system whose certificate was shown.
    pub fn caller(
        &self,
        connected: Option<&HsaId>,
        named: &Named<'_>,
        now: i64,
    ) -> Result<Caller, Denied> {
        if let Some(anyone) = &self.anyone {
            self.ignore_if(named.says_anything());
            let consumer = Arc::clone(anyone);
            return Ok(Caller {
                consumer,
                via: None,
            });
        }
        let denied = |who: Option<&HsaId>, via: Option<&HsaId>, why| Denied {
            who: who.cloned(),
            via: via.cloned(),
            why,
        };
        let peer = connected.or(self.local.as_ref());
        let peer = peer.ok_or_else(|| denied(None, None, Why::Nobody))?;
        let consumers = self.consumers.load();
        let connected = consumers.find(peer);
        let original = match connected {
            Some(platform) if platform.is_intermediary() => {
                let valid = platform.is_valid(now);
                valid.map_err(|why| denied(Some(peer), None, why))?;
                self.original(platform, named)
                    .map_err(|why| denied(None, Some(peer), why))?
            }
            _ => {
                self.ignore_if(named.says_anything());
                None
            }
        };
        let (who, via) = match &original {
            Some(original) => (original, Some(peer)),
            None => (peer, None),
        };
        let consumer = consumers.find(who);
        let consumer = consumer.ok_or_else(|| denied(Some(who), via, Why::Unknown))?;
        let valid = consumer.is_valid(now);
        valid.map_err(|why| denied(Some(who), via, why))?;
        Ok(Caller {
            consumer: Arc::clone(consumer),
            via: via.cloned(),
        })
    }

    /// Whom an intermediary speaks for; `None` when it names nobody.
    fn original(&self, platform: &Consumer, named: &Named<'_>) -> Result<Option<HsaId>, Why> {
        let name = match (named.original, named.sender, named.instance) {
            (Claim::Unclear, ..) | (Claim::None, Claim::Unclear, _) => return Err(Why::Ambiguous),
            (Claim::One(name), ..) => name,
            (Claim::None, Claim::One(name), Claim::One(instance))
                if platform.speaks_for(instance) =>
            {
                name
            }
            (Claim::None, sender, _) => {
                self.ignore_if(sender != Claim::None);
                return Ok(None);
            }
        };
        HsaId::parse(name).map(Some).map_err(|_| Why::Ambiguous)
    }

    fn ignore_if(&self, ignored: bool) {
        if ignored {
            self.headers_ignored.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a call of somebody without the right, and tells whether it is refused properly; when
    /// there are too many, it is only sent away.
    pub fn refuse(&self, denied: &Denied, now: i64) -> Option<Turn> {
        let consumers = self.consumers.load();
        let known = denied.who.as_ref().and_then(|who| consumers.find(who));
        let usage = known.map_or(&self.strangers, |it| &it.usage);
        let turn = usage.enter();
        let fate = match turn {
            Some(_) => Fate::Refused,
            None => Fate::Limited,
        };
        usage.count(fate, now);
        turn
    }

    /// What those without rights have done.
    pub const fn strangers(&self) -> &Usage {
        &self.strangers
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::super::consumers::tests::{FILE, NOON};
    use super::*;

    const REGION: &str = "SE2321000016-A1B2";
    const PLATFORM: &str = "SE5565594230-NTJP";

    fn id(text: &str) -> HsaId {
        HsaId::parse(text).unwrap()
    }

    struct Guarded {
        gate: Gate,
        file: tempfile::NamedTempFile,
    }

    fn guarded(local: Option<&str>) -> Guarded {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), FILE).unwrap();
        let allowance = Consumer::UNLIMITED;
        let gate = Gate::guarded(file.path(), local.map(id), allowance, false).unwrap();
        Guarded { gate, file }
    }

    /// Whose rights hold and by whom they came, or why none do.
    fn asks(
        gate: &Gate,
        connected: &str,
        named: &Named<'_>,
    ) -> Result<(String, Option<String>), Why> {
        let connected = (!connected.is_empty()).then(|| id(connected));
        match gate.caller(connected.as_ref(), named, NOON) {
            Ok(caller) => Ok((
                caller.consumer.hsa_id.to_string(),
                caller.via.map(|it| it.to_string()),
            )),
            Err(denied) => Err(denied.why),
        }
    }

    fn original(name: &str) -> Named<'_> {
        Named {
            original: Claim::One(name),
            ..Named::default()
        }
    }

    fn sender<'h>(name: &'h str, instance: &'h str) -> Named<'h> {
        Named {
            sender: Claim::One(name),
            instance: Claim::One(instance),
            ..Named::default()
        }
    }

    fn ignored(gate: &Gate) -> u64 {
        gate.headers_ignored.load(Ordering::Relaxed)
    }

    #[test]
    fn a_certificate_names_its_system_and_headers_do_not() {
        let Guarded { gate, .. } = guarded(None);
        let own = Ok((REGION.to_owned(), None));
        assert_eq!(asks(&gate, REGION, &Named::default()), own);
        assert_eq!(ignored(&gate), 0);
        for named in [original(PLATFORM), sender(PLATFORM, "PROD-1")] {
            assert_eq!(asks(&gate, REGION, &named), own);
        }
        assert_eq!(ignored(&gate), 2);
        let unknown = asks(&gate, "SE1-UNKNOWN", &original(REGION));
        assert_eq!(unknown, Err(Why::Unknown));
        assert_eq!(asks(&gate, "", &original(REGION)), Err(Why::Nobody));
        assert_eq!(ignored(&gate), 3);
    }

    #[test]
    fn an_intermediary_speaks_for_whom_it_names() {
        let Guarded { gate, .. } = guarded(None);
        let theirs = Ok((REGION.to_owned(), Some(PLATFORM.to_owned())));
        assert_eq!(
            asks(&gate, PLATFORM, &original(&REGION.to_lowercase())),
            theirs
        );
        assert_eq!(asks(&gate, PLATFORM, &sender(REGION, "PROD-1")), theirs);
        let both = Named {
            original: Claim::One(REGION),
            ..sender("SE5560000001-0001", "PROD-1")
        };
        assert_eq!(
            asks(&gate, PLATFORM, &both),
            theirs,
            "the beginning of the chain"
        );
        let own = Ok((PLATFORM.to_owned(), None));
        assert_eq!(asks(&gate, PLATFORM, &Named::default()), own);
        assert_eq!(ignored(&gate), 0);
        assert_eq!(
            asks(&gate, PLATFORM, &sender(REGION, "TEST-9")),
            own,
            "another instance"
        );
        assert_eq!(ignored(&gate), 1);
        for unclear in [
            Named {
                original: Claim::Unclear,
                ..Named::default()
            },
            original("two names"),
        ] {
            assert_eq!(asks(&gate, PLATFORM, &unclear), Err(Why::Ambiguous));
        }
        assert_eq!(asks(&gate, PLATFORM, &original("SE1-X")), Err(Why::Unknown));
    }

    #[test]
    fn rights_that_have_run_out_are_none() {
        let Guarded { gate, .. } = guarded(None);
        let clinic = asks(&gate, "SE5560000001-0001", &Named::default());
        assert_eq!(clinic, Err(Why::OutOfTime));
        let denied = gate.caller(Some(&id(PLATFORM)), &original(REGION), i64::MAX - 1);
        assert!(denied.is_err_and(|it| it.why == Why::OutOfTime));
    }

    #[test]
    fn a_connection_from_this_machine_counts_as_the_one_configured() {
        let Guarded { gate, .. } = guarded(Some(PLATFORM));
        let theirs = Ok((REGION.to_owned(), Some(PLATFORM.to_owned())));
        assert_eq!(asks(&gate, "", &original(REGION)), theirs);
    }

    #[test]
    fn a_file_that_is_not_whole_leaves_the_old_one_in_force() {
        let Guarded { gate, file } = guarded(None);
        assert!(matches!(gate.look(), Reload::Unchanged));
        std::fs::write(file.path(), FILE.replace("\"region\"", "\"county\"")).unwrap();
        assert!(matches!(gate.look(), Reload::Refused(_)));
        assert!(matches!(gate.look(), Reload::Unchanged), "told once");
        assert!(gate.knows(&id(REGION)));
        std::fs::remove_file(file.path()).unwrap();
        assert!(matches!(
            gate.look(),
            Reload::Refused(GateError::File { .. })
        ));
        assert!(matches!(gate.look(), Reload::Unchanged), "told once");
        assert!(gate.knows(&id(REGION)));
        std::fs::write(
            file.path(),
            FILE.replace("A1B2", "C3D4").replace("a1b2", "c3d4"),
        )
        .unwrap();
        assert!(matches!(gate.look(), Reload::InForce(3)));
        assert!(!gate.knows(&id(REGION)) && gate.knows(&id("SE2321000016-C3D4")));
        let missing = Gate::guarded(&file.path().with_extension("x"), None, STRANGERS, false);
        assert!(matches!(missing, Err(GateError::File { .. })));
    }

    #[test]
    fn a_file_that_would_shut_out_most_is_refused_unless_that_is_meant() {
        let Guarded { gate, file } = guarded(None);
        let rows: Vec<&str> = FILE.split_inclusive("[[consumer]]").collect();
        let one = format!("[[consumer]]{}", rows[1].trim_end_matches("[[consumer]]"));
        for fewer in ["", "# nobody\n", &one] {
            std::fs::write(file.path(), fewer).unwrap();
            let refused = gate.look();
            let kept = usize::from(fewer == one);
            assert!(
                matches!(&refused, Reload::Refused(GateError::Fewer { kept: it, in_force: 3, .. }) if *it == kept),
                "{refused:?}"
            );
            assert!(gate.is_refused() && gate.knows(&id(PLATFORM)));
        }
        assert_eq!(gate.refused_files.load(Ordering::Relaxed), 3);
        std::fs::write(file.path(), FILE).unwrap();
        assert!(matches!(gate.look(), Reload::InForce(3)));
        assert!(!gate.is_refused());

        let open = |allow_fewer| Gate::guarded(file.path(), None, STRANGERS, allow_fewer);
        let gate = open(true).unwrap();
        std::fs::write(file.path(), "").unwrap();
        assert!(matches!(gate.look(), Reload::InForce(0)));
        assert!(matches!(open(false), Err(GateError::Nobody { .. })));
        assert!(open(true).is_ok());
    }

    #[test]
    fn strangers_are_refused_so_many_times_a_second() {
        let Guarded { gate, .. } = guarded(None);
        let denied = Denied {
            who: Some(id("SE1-X")),
            via: None,
            why: Why::Unknown,
        };
        let told = (0..1_000)
            .filter(|_| gate.refuse(&denied, NOON).is_some())
            .count();
        assert!((1..500).contains(&told), "{told}");
        let limited = gate.strangers().by_fate(Fate::Limited);
        assert_eq!(usize::try_from(limited).unwrap() + told, 1_000);
    }

    #[test]
    fn an_open_gate_lets_everybody_in_and_believes_no_header() {
        let gate = Gate::open();
        let anyone = asks(&gate, "", &original(REGION)).unwrap();
        assert_eq!(anyone, ("ANYONE".to_owned(), None));
        assert_eq!(ignored(&gate), 1);
        assert!(matches!(gate.look(), Reload::Unchanged));
    }
}
