//! Mutual TLS: every caller shows a certificate of an authority that we trust, and is known by the
//! HSA-id in it.
//!
//! The files are looked at while the service runs. New ones take the old ones' place when they are
//! good as a whole; else the old stay in force. Every set is a generation, with sessions of its own,
//! so that nothing resumes from one into another; and a connection that was let in under an older
//! generation is judged again at its next request.

pub mod failure;
pub mod material;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::HandshakeKind;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::peer::Certified;
use super::readiness::Readiness;
use crate::access::hsa::HsaId;
use crate::base::told::Told;
use failure::{Failure, Handshakes};
use material::{BadFile, Files, Material, Stat, seconds_until};

/// Whether somebody is known by this name.
pub type Known = Arc<dyn Fn(&HsaId) -> bool + Send + Sync>;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How soon the end of the service is seen.
const PAUSE: Duration = Duration::from_millis(50);

/// How long before it expires a certificate or a list is warned of, and how often.
const WARN_SECONDS: i64 = 30 * DAY_SECONDS;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// TLS as it is now.
pub struct Tls {
    files: Files,
    known: Known,
    material: ArcSwap<Material>,
    seen: Mutex<Seen>,
    refused: AtomicU64,
    /// What became of handshakes.
    pub handshakes: Handshakes,
}

/// What was last found in the files.
struct Seen {
    stats: Vec<Option<Stat>>,
    settled: bool,
    found: Found,
}

#[derive(PartialEq, Eq)]
enum Found {
    Contents(u64),
    Unreadable(String),
}

/// What a look at the files has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Nothing new.
    Same,
    /// New material is in force.
    Taken,
    /// There is something new, but it cannot be used: the old stays in force.
    Refused,
}

impl Tls {
    /// Reads the files. Whether a caller is known is asked of `known`.
    pub fn open(files: Files, known: Known) -> Result<Self, BadFile> {
        let (now, stats) = (SystemTime::now(), files.stats());
        let contents = files.read()?;
        let material = Material::of(&files, &contents, &known, 1)?;
        Ok(Self {
            seen: Mutex::new(Seen::new(now, stats, Found::Contents(contents.digest()))),
            material: ArcSwap::from_pointee(material),
            files,
            known,
            refused: AtomicU64::default(),
            handshakes: Handshakes::default(),
        })
    }

    /// Looks whether the files have changed. Whether a set is too old is judged at each handshake, not
    /// here: a new list beside an expired one must not wait for it.
    pub fn look(&self) -> Looked {
        let mut seen = self.seen.lock();
        let (now, stats) = (SystemTime::now(), self.files.stats());
        if seen.settled && seen.stats == stats {
            return Looked::Same;
        }
        let contents = self.files.read();
        let found = match &contents {
            Ok(contents) => Found::Contents(contents.digest()),
            Err(error) => Found::Unreadable(error.to_string()),
        };
        let same = found == seen.found;
        *seen = Seen::new(now, stats, found);
        if same {
            return Looked::Same;
        }
        let generation = self.generation() + 1;
        let material = contents
            .and_then(|contents| Material::of(&self.files, &contents, &self.known, generation));
        match material {
            Ok(material) => {
                self.material.store(Arc::new(material));
                tracing::info!(generation, "new certificates are in force");
                Looked::Taken
            }
            Err(error) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                tracing::error!(error = %Told(&error), "new certificates are refused; the old stay in force");
                Looked::Refused
            }
        }
    }

    /// Looks now and then until the node goes down, and warns of what expires.
    pub fn watch(self: &Arc<Self>, readiness: Readiness) -> io::Result<JoinHandle<()>> {
        let tls = Arc::clone(self);
        let watch = move || {
            let mut warned = None;
            while !readiness.is_draining() {
                let new = tls.look() == Looked::Taken;
                let day = Duration::from_secs(DAY_SECONDS.unsigned_abs());
                if new || warned.is_none_or(|at: Instant| at.elapsed() >= day) {
                    tls.warn();
                    warned = Some(Instant::now());
                }
                let until = Instant::now() + LOOK;
                while Instant::now() < until && !readiness.is_draining() {
                    std::thread::sleep(PAUSE);
                }
            }
        };
        std::thread::Builder::new()
            .name("tls-files".to_owned())
            .spawn(watch)
    }

    fn warn(&self) {
        let certificate = self.certificate_seconds();
        if certificate < WARN_SECONDS {
            let days = certificate.div_euclid(DAY_SECONDS);
            tracing::warn!(
                days,
                "the server's certificate expires soon, or has expired"
            );
        }
        // Lists live for days: only those that have expired are worth a line.
        if self.revocation_list_seconds().is_some_and(|left| left < 0) {
            tracing::warn!("a revocation list has expired");
        }
    }

    /// The generation of the material in force: 1, and one more each time new files are taken.
    pub fn generation(&self) -> u64 {
        self.material.load().generation
    }

    /// How many times new files were refused.
    pub fn files_refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Seconds until the server's certificate expires; negative when it has.
    pub fn certificate_seconds(&self) -> i64 {
        seconds_until(self.material.load().certificate_until)
    }

    /// Seconds until the first revocation list expires; negative when it has.
    pub fn revocation_list_seconds(&self) -> Option<i64> {
        self.material.load().lists_until.map(seconds_until)
    }

    /// Shakes hands, and says who it was with, or why not, with the connection while it is open.
    pub(super) async fn shake(
        &self,
        stream: TcpStream,
        within: Duration,
    ) -> Result<(TlsStream<TcpStream>, Certified), (Failure, Option<TcpStream>)> {
        let mut material = self.material.load_full();
        let accept = TlsAcceptor::from(Arc::clone(&material.config)).accept(stream);
        let stream = tokio::time::timeout(within, accept.into_fallible())
            .await
            .map_err(|_| (Failure::Timeout, None))?
            .map_err(|(error, stream)| (Failure::of(&error), Some(stream)))?;
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default().to_vec();
        // rustls believes a resumed session what was true when it began.
        if session.handshake_kind() == Some(HandshakeKind::Resumed) {
            material = self.material.load_full();
            material.verify(&chain).map_err(|failure| (failure, None))?;
        }
        match Certified::new(chain, material.generation) {
            Some(certified) => Ok((stream, certified)),
            None => Err((Failure::NoHsaId, None)),
        }
    }

    /// Judges again who was let in under an older generation.
    pub(super) fn judge_again(&self, certified: &Certified) -> Result<(), Failure> {
        let material = self.material.load();
        if certified.generation() == material.generation {
            return Ok(());
        }
        material.verify(certified.chain())?;
        certified.verified_under(material.generation);
        Ok(())
    }
}

impl Seen {
    fn new(now: SystemTime, stats: Vec<Option<Stat>>, found: Found) -> Self {
        let settled = stats.iter().flatten().all(|stat| stat.is_settled(now));
        Self {
            stats,
            settled,
            found,
        }
    }
}
