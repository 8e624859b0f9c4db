//! Mutual TLS with what `pu certs dev` wrote: a caller's certificate and key, and the authority that
//! the service's certificate is held against.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error("{path} cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PemError,
    },
    /// The library refuses.
    #[error(transparent)]
    Refused(#[from] rustls::Error),
}

/// A caller out of a folder of certificates: `ca.pem`, `NAME.pem` and `NAME-key.pem`. Sessions are
/// resumed, as client libraries do.
pub fn caller(folder: &Path, name: &str) -> Result<Arc<ClientConfig>, TlsError> {
    let file = |file: String| {
        let path = folder.join(file);
        let failed = path.clone();
        (path, |source| TlsError::File {
            path: failed,
            source,
        })
    };
    let (path, failed) = file("ca.pem".to_owned());
    let authority = CertificateDer::from_pem_file(path).map_err(failed)?;
    let (path, failed) = file(format!("{name}.pem"));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let chain = chain.map_err(failed)?;
    let (path, failed) = file(format!("{name}-key.pem"));
    let key = PrivateKeyDer::from_pem_file(path).map_err(failed)?;
    let mut roots = RootCertStore::empty();
    roots.add(authority)?;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    Ok(Arc::new(config))
}
