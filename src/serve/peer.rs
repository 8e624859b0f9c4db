//! Who is at the other end of a connection.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::pki_types::CertificateDer;
use x509_parser::oid_registry::OID_X509_SERIALNUMBER;
use x509_parser::parse_x509_certificate;

use crate::access::hsa::HsaId;

/// Who is at the other end.
#[derive(Debug)]
pub enum Peer {
    /// Somebody on this machine, by loopback: a browser too, whatever page it has loaded.
    Local,
    /// Somebody on this machine, by the unix socket.
    Socket,
    /// Who showed a certificate.
    Certified(Certified),
}

/// Who showed a certificate, and held its key.
pub struct Certified {
    hsa: HsaId,
    chain: Vec<CertificateDer<'static>>,
    /// Under which material the chain was last found good.
    generation: AtomicU64,
}

impl Peer {
    /// The HSA-id of who showed a certificate.
    pub const fn hsa(&self) -> Option<&HsaId> {
        match self {
            Self::Local | Self::Socket => None,
            Self::Certified(certified) => Some(&certified.hsa),
        }
    }
}

impl Certified {
    /// Whose chain was found good under a generation; nothing when its certificate names nobody.
    pub(super) fn new(chain: Vec<CertificateDer<'static>>, generation: u64) -> Option<Self> {
        Some(Self {
            hsa: hsa_id(chain.first()?)?,
            chain,
            generation: AtomicU64::new(generation),
        })
    }

    /// Whose certificate it is.
    pub const fn hsa(&self) -> &HsaId {
        &self.hsa
    }

    /// The certificates shown, the caller's own first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The generation of the material under which the chain was last found good.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Notes that the chain is good under a newer generation too.
    pub(super) fn verified_under(&self, generation: u64) {
        self.generation.fetch_max(generation, Ordering::AcqRel);
    }
}

/// The chain stays out of logs.
impl fmt::Debug for Certified {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let generation = self.generation();
        write!(out, "Certified({}, generation {generation})", self.hsa)
    }
}

/// The HSA-id in a certificate: its subject's `serialNumber`. Nothing when there is none, or more than
/// one, so that nobody has to guess whose it is.
pub fn hsa_id(certificate: &CertificateDer<'_>) -> Option<HsaId> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let mut named = certificate.subject().iter_by_oid(&OID_X509_SERIALNUMBER);
    let value = named.next()?.as_str().ok()?;
    match named.next() {
        None => HsaId::parse(value).ok(),
        Some(_) => None,
    }
}
