//! Why callers are not let in, in few words: for counters and for the log, which gets no more of a
//! certificate than its HSA-id, and no more lines than it can take.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use rustls::{CertificateError, OtherError};

use crate::access::hsa::HsaId;
use crate::base::limits;

/// Why a caller is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No certificate was shown.
    #[error("no certificate")]
    NoCertificate,
    /// A certificate is no longer valid.
    #[error("the certificate has expired")]
    Expired,
    /// A certificate is not valid yet.
    #[error("the certificate is not valid yet")]
    NotValidYet,
    /// A certificate is revoked.
    #[error("the certificate is revoked")]
    Revoked,
    /// No revocation list in force tells of a certificate.
    #[error("no revocation list in force tells whether the certificate is revoked")]
    RevocationUnknown,
    /// No authority that we trust has issued the certificate.
    #[error("the certificate's issuer is not trusted")]
    UnknownIssuer,
    /// The certificate is not for callers.
    #[error("the certificate is not for callers")]
    WrongUsage,
    /// The certificate names nobody.
    #[error("the certificate has no HSA-id")]
    NoHsaId,
    /// Nobody with this name may call.
    #[error("{0} is no known consumer")]
    UnknownConsumer(HsaId),
    /// The caller will not have our certificate, or says otherwise that it stops.
    #[error("the caller broke the handshake off")]
    Rejected,
    /// No version or cipher in common.
    #[error("no version of TLS in common")]
    Incompatible,
    /// Something else than TLS.
    #[error("what was sent is not TLS")]
    NotTls,
    /// The caller hung up.
    #[error("the caller hung up")]
    HungUp,
    /// The caller was too slow.
    #[error("the handshake took too long")]
    Timeout,
    /// Something else.
    #[error("the handshake failed")]
    Other,
}

const NAMES: [&str; 15] = [
    "no_certificate",
    "expired",
    "not_valid_yet",
    "revoked",
    "revocation_unknown",
    "unknown_issuer",
    "wrong_usage",
    "no_hsa_id",
    "unknown_consumer",
    "rejected",
    "incompatible",
    "not_tls",
    "hung_up",
    "timeout",
    "other",
];

impl Failure {
    /// What rustls made of a handshake.
    pub(super) fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
        match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => Self::of_rustls(error),
            None => Self::HungUp,
        }
    }

    /// What rustls made of a handshake or a chain.
    pub(super) fn of_rustls(error: &rustls::Error) -> Self {
        use rustls::Error as E;
        match error {
            E::NoCertificatesPresented => Self::NoCertificate,
            E::InvalidCertificate(why) => Self::of_certificate(why),
            E::InvalidCertRevocationList(_) => Self::RevocationUnknown,
            E::AlertReceived(_) => Self::Rejected,
            E::PeerIncompatible(_) => Self::Incompatible,
            E::InvalidMessage(_) => Self::NotTls,
            _ => Self::Other,
        }
    }

    fn of_certificate(why: &CertificateError) -> Self {
        use CertificateError as E;
        match why {
            E::Expired | E::ExpiredContext { .. } => Self::Expired,
            E::NotValidYet | E::NotValidYetContext { .. } => Self::NotValidYet,
            E::Revoked => Self::Revoked,
            E::UnknownRevocationStatus
            | E::ExpiredRevocationList
            | E::ExpiredRevocationListContext { .. } => Self::RevocationUnknown,
            E::UnknownIssuer | E::BadSignature => Self::UnknownIssuer,
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => Self::WrongUsage,
            E::Other(OtherError(ours)) => ours
                .downcast_ref::<Self>()
                .cloned()
                .unwrap_or(Self::UnknownIssuer),
            _ => Self::Other,
        }
    }

    /// Its name in counters.
    pub fn name(&self) -> &'static str {
        NAMES[self.number()]
    }

    const fn number(&self) -> usize {
        match self {
            Self::NoCertificate => 0,
            Self::Expired => 1,
            Self::NotValidYet => 2,
            Self::Revoked => 3,
            Self::RevocationUnknown => 4,
            Self::UnknownIssuer => 5,
            Self::WrongUsage => 6,
            Self::NoHsaId => 7,
            Self::UnknownConsumer(_) => 8,
            Self::Rejected => 9,
            Self::Incompatible => 10,
            Self::NotTls => 11,
            Self::HungUp => 12,
            Self::Timeout => 13,
            Self::Other => 14,
        }
    }
}

/// A refusal of ours travels through rustls as a certificate error.
impl From<Failure> for rustls::Error {
    fn from(failure: Failure) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(std::sync::Arc::new(
            failure,
        ))))
    }
}

/// What became of handshakes, counted.
pub struct Handshakes {
    done: AtomicU64,
    failed: [AtomicU64; NAMES.len()],
    lost: AtomicU64,
    unlogged: AtomicU64,
    log: DefaultDirectRateLimiter,
}

impl Default for Handshakes {
    fn default() -> Self {
        let pace = NonZeroU32::new(limits::HANDSHAKES_LOGGED).unwrap_or(NonZeroU32::MIN);
        Self {
            done: AtomicU64::default(),
            failed: Default::default(),
            lost: AtomicU64::default(),
            unlogged: AtomicU64::default(),
            log: RateLimiter::direct(Quota::per_second(pace)),
        }
    }
}

impl Handshakes {
    /// Handshakes that were done.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Handshakes that failed, by reason.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.failed.iter().map(|it| it.load(Ordering::Relaxed));
        NAMES.into_iter().zip(counts)
    }

    /// Open connections whose certificates were no longer good when new files were read.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(in crate::serve) fn note_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a failed handshake, and logs it unless many are logged already.
    pub(in crate::serve) fn note_failed(&self, failure: &Failure, remote: SocketAddr) {
        if let Some(count) = self.failed.get(failure.number()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(unlogged) = self.line() {
            tracing::info!(%remote, reason = %failure, unlogged, "a handshake failed");
        }
    }

    /// Counts a connection that is lost, and logs it unless many are logged already.
    pub(in crate::serve) fn note_lost(&self, failure: &Failure, hsa: &HsaId) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        if let Some(unlogged) = self.line() {
            tracing::info!(%hsa, reason = %failure, unlogged, "an open connection is refused");
        }
    }

    /// Whether there is room for a line in the log, and how many there was no room for before.
    fn line(&self) -> Option<u64> {
        if self.log.check().is_ok() {
            return Some(self.unlogged.swap(0, Ordering::Relaxed));
        }
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_ours_comes_back_out_of_rustls() {
        let hsa = HsaId::parse("SE1").unwrap();
        for failure in [Failure::NoHsaId, Failure::UnknownConsumer(hsa)] {
            let error = rustls::Error::from(failure.clone());
            let error = io::Error::new(io::ErrorKind::InvalidData, error);
            assert_eq!(Failure::of(&error), failure);
        }
        assert_eq!(
            Failure::of(&io::ErrorKind::UnexpectedEof.into()),
            Failure::HungUp
        );
    }

    #[test]
    fn a_flood_of_failures_is_counted_in_full_and_logged_in_part() {
        let handshakes = Handshakes::default();
        let remote = SocketAddr::from(([127, 0, 0, 1], 1));
        for _ in 0..1_000 {
            handshakes.note_failed(&Failure::Timeout, remote);
        }
        let counted: Vec<_> = handshakes
            .failed()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(counted, [("timeout", 1_000)]);
        let unlogged = handshakes.unlogged.load(Ordering::Relaxed);
        assert!(unlogged > 900, "{unlogged}");
    }
}
