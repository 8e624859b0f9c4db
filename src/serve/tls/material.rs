//! What TLS is served with: read from files and judged as a whole.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ServerSessionMemoryCache, VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use x509_parser::error::X509Error;
use x509_parser::{parse_x509_certificate, parse_x509_crl};
use xxhash_rust::xxh3::Xxh3;

use super::Known;
use super::failure::Failure;
use crate::base::limits;
use crate::serve::peer::hsa_id;

/// The files, and what is made of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The server's certificate and the authorities between it and its root, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM, which nobody else may read.
    pub key: PathBuf,
    /// The authorities whose certificates callers may show, in PEM.
    pub client_authorities: Vec<PathBuf>,
    /// Their revocation lists, in PEM or DER.
    pub revocation_lists: Vec<PathBuf>,
    /// What becomes of callers when a revocation list is too old.
    pub expired_revocation_lists: ExpiredLists,
    /// When callers are refused that nobody knows.
    pub unknown_consumers: UnknownConsumers,
}

/// What becomes of callers when a revocation list is too old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExpiredLists {
    /// They are refused.
    #[default]
    Refuse,
    /// The old list is used.
    Accept,
}

/// When callers are refused that nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnknownConsumers {
    /// At each request, by an answer that says so.
    Fault,
    /// In the handshake.
    #[default]
    Handshake,
}

/// A file that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct BadFile {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub why: Why,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// It cannot be read.
    #[error("cannot be read")]
    Unreadable(#[from] io::Error),
    /// It is larger than any such file is.
    #[error("is larger than {} bytes", limits::CERTIFICATE_FILE_BYTES)]
    TooLarge,
    /// Others than its owner may read the key.
    #[error("holds a private key that others than its owner may read: chmod 600")]
    OthersMayRead,
    /// It is no PEM.
    #[error("is not PEM: {0}")]
    NotPem(rustls::pki_types::pem::Error),
    /// It holds no certificate.
    #[error("holds no certificate")]
    NoCertificate,
    /// A certificate cannot be read.
    #[error("holds a certificate that cannot be read")]
    Certificate,
    /// It holds no key.
    #[error("holds no private key that can be used: {0}")]
    NoKey(rustls::pki_types::pem::Error),
    /// The key is not the certificate's, or of a kind that is not supported.
    #[error("cannot be used with its private key: {0}")]
    WrongKey(rustls::Error),
    /// It holds no revocation list.
    #[error("holds no revocation list")]
    NoList,
    /// A revocation list cannot be read.
    #[error("holds a revocation list that cannot be read")]
    List,
    /// A revocation list is not signed by the authority whose name it bears.
    #[error("holds a revocation list that its authority has not signed")]
    WrongSignature,
    /// The client authorities cannot be used.
    #[error("cannot be used: {0}")]
    Verifier(VerifierBuilderError),
}

/// What TLS is served with.
pub(super) struct Material {
    pub generation: u64,
    pub config: Arc<ServerConfig>,
    verifier: Arc<Verifier>,
    /// When the server's certificate expires, in seconds of Unix time.
    pub certificate_until: i64,
    /// When the first revocation list expires.
    pub lists_until: Option<i64>,
}

/// What the files held.
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Vec<Vec<u8>>,
    lists: Vec<Vec<u8>>,
}

/// What tells that a file may have changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    file: (u64, u64, u32),
    length: u64,
    written: (i64, i64),
    touched: (i64, i64),
}

impl Files {
    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let own = [&self.certificate, &self.key];
        let authorities = self.client_authorities.iter();
        own.into_iter()
            .chain(authorities)
            .chain(&self.revocation_lists)
    }

    /// What tells whether files have changed, without reading them.
    pub(super) fn stats(&self) -> Vec<Option<Stat>> {
        let stat = |path: &PathBuf| {
            let found = path.metadata().ok()?;
            Some(Stat {
                file: (found.dev(), found.ino(), found.mode()),
                length: found.len(),
                written: (found.mtime(), found.mtime_nsec()),
                touched: (found.ctime(), found.ctime_nsec()),
            })
        };
        self.paths().map(stat).collect()
    }

    /// Reads all files.
    pub(super) fn read(&self) -> Result<Contents, BadFile> {
        let all = |paths: &[PathBuf]| -> Result<Vec<_>, _> {
            paths.iter().map(|path| read(path, false)).collect()
        };
        Ok(Contents {
            certificate: read(&self.certificate, false)?,
            key: read(&self.key, true)?,
            authorities: all(&self.client_authorities)?,
            lists: all(&self.revocation_lists)?,
        })
    }
}

/// A look at the files from outside the service.
pub struct Looked {
    /// Files that cannot be used.
    pub bad: Vec<BadFile>,
    /// When the server's certificate expires, in seconds of Unix time.
    pub certificate_until: Option<i64>,
    /// When the first revocation list expires.
    pub lists_until: Option<i64>,
}

impl Files {
    /// Looks at every file, and at all of them together when each can be read.
    pub fn look(&self) -> Looked {
        let bad: Vec<BadFile> = self
            .paths()
            .filter_map(|path| read(path, *path == self.key).err())
            .collect();
        let material = if bad.is_empty() {
            let nobody: Known = Arc::new(|_| false);
            let contents = self.read();
            Some(contents.and_then(|contents| Material::of(self, &contents, &nobody, 0)))
        } else {
            None
        };
        match material {
            Some(Ok(material)) => Looked {
                bad,
                certificate_until: Some(material.certificate_until),
                lists_until: material.lists_until,
            },
            other => Looked {
                bad: bad.into_iter().chain(other.and_then(Result::err)).collect(),
                certificate_until: None,
                lists_until: None,
            },
        }
    }
}

impl Stat {
    /// Whether a file has been left alone for a second before `now`, so that a change after that has
    /// another time.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let limit = i64::try_from(now.as_secs()).unwrap_or(i64::MAX) - 1;
        self.written.0 < limit && self.touched.0 < limit
    }
}

fn read(path: &Path, secret: bool) -> Result<Vec<u8>, BadFile> {
    let inner = || {
        let file = File::open(path)?;
        if secret && file.metadata()?.mode() & 0o077 != 0 {
            return Err(Why::OthersMayRead);
        }
        let mut bytes = Vec::new();
        let most = limits::CERTIFICATE_FILE_BYTES;
        file.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(Why::TooLarge);
        }
        Ok(bytes)
    };
    inner().map_err(|why| bad(path, why))
}

fn bad(path: &Path, why: impl Into<Why>) -> BadFile {
    BadFile {
        path: path.to_path_buf(),
        why: why.into(),
    }
}

impl Contents {
    /// What tells contents apart.
    pub(super) fn digest(&self) -> u64 {
        let mut digest = Xxh3::new();
        let own = [&self.certificate, &self.key];
        for bytes in own.into_iter().chain(&self.authorities).chain(&self.lists) {
            digest.update(&bytes.len().to_le_bytes());
            digest.update(bytes);
        }
        digest.digest()
    }
}

/// The certificates of a PEM file, each of which can be read.
fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| bad(path, Why::NotPem(error)))?;
    if found.is_empty() {
        return Err(bad(path, Why::NoCertificate));
    }
    if found.iter().any(|it| parse_x509_certificate(it).is_err()) {
        return Err(bad(path, Why::Certificate));
    }
    Ok(found)
}

/// A revocation list with its times.
struct List {
    der: CertificateRevocationListDer<'static>,
    from: i64,
    until: Option<i64>,
}

/// The revocation lists of a file, signed by the authorities whose names they bear, as far as those
/// are known: authorities in between are only seen in the chains of callers.
fn lists(
    path: &Path,
    bytes: &[u8],
    authorities: &[CertificateDer<'_>],
) -> Result<Vec<List>, BadFile> {
    let found = if bytes.windows(10).any(|window| window == b"-----BEGIN") {
        let found: Result<Vec<_>, _> =
            CertificateRevocationListDer::pem_slice_iter(bytes).collect();
        found.map_err(|error| bad(path, Why::NotPem(error)))?
    } else if bytes.is_empty() {
        Vec::new()
    } else {
        vec![CertificateRevocationListDer::from(bytes.to_vec())]
    };
    if found.is_empty() {
        return Err(bad(path, Why::NoList));
    }
    let list = |der: CertificateRevocationListDer<'static>| {
        let (_, list) = parse_x509_crl(&der).map_err(|_| bad(path, Why::List))?;
        let signed: Vec<_> = authorities
            .iter()
            .filter_map(|authority| parse_x509_certificate(authority).ok())
            .filter(|(_, authority)| authority.subject() == list.issuer())
            .map(|(_, authority)| list.verify_signature(authority.public_key()))
            .collect();
        let good = |it: &Result<(), X509Error>| {
            matches!(it, Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm))
        };
        if !signed.is_empty() && !signed.iter().any(good) {
            return Err(bad(path, Why::WrongSignature));
        }
        let (from, until) = (list.last_update(), list.next_update());
        Ok(List {
            from: from.timestamp(),
            until: until.map(|until| until.timestamp()),
            der,
        })
    };
    found.into_iter().map(list).collect()
}

impl Material {
    /// Judges what the files held, as a whole.
    pub(super) fn of(
        files: &Files,
        contents: &Contents,
        known: &Known,
        generation: u64,
    ) -> Result<Self, BadFile> {
        let chain = certificates(&files.certificate, &contents.certificate)?;
        let until = |leaf: &CertificateDer<'_>| {
            let (_, leaf) = parse_x509_certificate(leaf).ok()?;
            Some(leaf.validity().not_after.timestamp())
        };
        let certificate_until = chain.first().and_then(until).unwrap_or_default();
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|error| bad(&files.key, Why::NoKey(error)))?;
        let (verifier, lists_until) = verifier(files, contents)?;
        let verifier = Arc::new(Verifier {
            chain: verifier,
            known: Arc::clone(known),
            unknown: files.unknown_consumers,
        });
        let wrong = |error| bad(&files.certificate, Why::WrongKey(error));
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(wrong)?
            .with_client_cert_verifier(Arc::clone(&verifier) as Arc<dyn ClientCertVerifier>)
            .with_single_cert(chain, key)
            .map_err(wrong)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = ServerSessionMemoryCache::new(limits::SESSIONS_KEPT);
        Ok(Self {
            generation,
            config: Arc::new(config),
            verifier,
            certificate_until,
            lists_until,
        })
    }

    /// Judges a caller's chain as the handshake does.
    pub(super) fn verify(&self, chain: &[CertificateDer<'_>]) -> Result<(), Failure> {
        let (leaf, between) = chain.split_first().ok_or(Failure::NoCertificate)?;
        let verified = self
            .verifier
            .verify_client_cert(leaf, between, UnixTime::now());
        verified.map(drop).map_err(|it| Failure::of_rustls(&it))
    }
}

/// What judges chains, and when the first of its lists expires.
fn verifier(
    files: &Files,
    contents: &Contents,
) -> Result<(Arc<dyn ClientCertVerifier>, Option<i64>), BadFile> {
    let mut roots = RootCertStore::empty();
    let mut authorities = Vec::new();
    for (path, pem) in files.client_authorities.iter().zip(&contents.authorities) {
        for authority in certificates(path, pem)? {
            let added = roots.add(authority.clone());
            added.map_err(|_| bad(path, Why::Certificate))?;
            authorities.push(authority);
        }
    }
    let roots = Arc::new(roots);
    let provider = Arc::new(default_provider());
    let build = |lists: &[List]| {
        let lists = lists.iter().map(|list| list.der.clone());
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .with_crls(lists);
        match files.expired_revocation_lists {
            ExpiredLists::Refuse => builder.enforce_revocation_expiration().build(),
            ExpiredLists::Accept => builder.build(),
        }
    };
    let mut all = Vec::new();
    for (path, bytes) in files.revocation_lists.iter().zip(&contents.lists) {
        let found = lists(path, bytes, &authorities)?;
        build(&found).map_err(|error| bad(path, Why::Verifier(error)))?;
        all.extend(found);
    }
    // Of two lists of one authority the first is used: it shall be the newer.
    all.sort_by_key(|list| std::cmp::Reverse(list.from));
    let until = all.iter().filter_map(|list| list.until).min();
    let path = files.client_authorities.first();
    let path = path.map_or_else(|| Path::new("client_authorities"), PathBuf::as_path);
    let verifier = build(&all).map_err(|error| bad(path, Why::Verifier(error)))?;
    Ok((verifier, until))
}

/// Whether a certificate says that it is for callers.
fn is_for_callers(leaf: &CertificateDer<'_>) -> bool {
    let Ok((_, leaf)) = parse_x509_certificate(leaf) else {
        return false;
    };
    let usage = leaf.extended_key_usage();
    usage.is_ok_and(|usage| usage.is_some_and(|usage| usage.value.client_auth))
}

/// Judges callers: the chain, that it names somebody, and whether that is somebody known.
struct Verifier {
    chain: Arc<dyn ClientCertVerifier>,
    known: Known,
    unknown: UnknownConsumers,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Verifier")
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.chain.verify_client_cert(leaf, between, now)?;
        // A certificate that does not say what it is for is for anything, to those who verify chains.
        if !is_for_callers(leaf) {
            return Err(Failure::WrongUsage.into());
        }
        let hsa = hsa_id(leaf).ok_or(Failure::NoHsaId)?;
        if self.unknown == UnknownConsumers::Handshake && !(self.known)(&hsa) {
            return Err(Failure::UnknownConsumer(hsa).into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Seconds from now.
pub(super) fn seconds_until(moment: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.as_ref().map_or(0, Duration::as_secs);
    moment.saturating_sub(i64::try_from(now).unwrap_or(i64::MAX))
}
