//! Whom a client believes to be the daemon, and the certificate that it shows.
//!
//! Without an authority of its own, it believes those that this machine does. With one, that alone: a public authority that
//! issues for the daemon's name is a stranger then.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use zeroize::Zeroizing;

use crate::secret_file::{self, SecretFileError};

/// Many authorities fit, bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The files of a client's certificate (mTLS), PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Papers {
    /// The certificate, with those above it that the daemon doesn't know.
    pub certificate: PathBuf,
    /// Its private key, which nobody but its owner may read: PKCS#8, SEC 1 or PKCS#1.
    pub key: PathBuf,
}

/// What a client's connections are secured with.
#[derive(Debug, Clone)]
pub struct Tls {
    configuration: ClientConfig,
    /// Whether files were named, which are for nothing over plain http.
    told: bool,
}

/// Certificates that can't be used. Never holds key material.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of certificates can't be read.
    #[error("{path}: {fault}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        fault: std::io::Error,
    },
    /// It holds something else, or more than any should.
    #[error("{0} holds no certificate in PEM")]
    NoCertificate(PathBuf),
    /// One of the authorities is no certificate by X.509.
    #[error("{path}: {fault}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: rustls::Error,
    },
    /// The key's file is not read.
    #[error(transparent)]
    Key(#[from] SecretFileError),
    /// The key's file holds none that is known, several, or one under a password.
    #[error("key file {0} does not hold one private key in PEM that needs no password")]
    NoKey(PathBuf),
    /// The key belongs to another certificate.
    #[error("{key} is not the key of {certificate}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate is none by X.509.
    #[error("{path}: {fault}")]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong with it.
        fault: rustls::Error,
    },
    /// This machine has no authorities of its own, or they can't be read.
    #[error("the authorities of this machine can't be used: {0}")]
    Machine(rustls::Error),
    /// Certificates were named for an address without TLS.
    #[error("{0} is plain http, where certificates are neither checked nor shown; use https")]
    PlainHttp(String),
}

impl Tls {
    /// Believes the authorities in the file `authorities`, else those of this machine, and shows `papers` to who asks.
    ///
    /// # Errors
    /// Names the file and what is wrong with it, never what stands in it.
    pub fn load(authorities: Option<&Path>, papers: Option<&Papers>) -> Result<Self, TlsError> {
        let provider: Arc<CryptoProvider> = Arc::new(default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Machine)?;
        let builder = match authorities {
            Some(path) => builder.with_root_certificates(roots(path)?),
            None => builder
                .with_platform_verifier()
                .map_err(TlsError::Machine)?,
        };
        let mut configuration = match papers {
            Some(papers) => {
                let shown = SingleCertAndKey::from(certified(papers)?);
                builder.with_client_cert_resolver(Arc::new(shown))
            }
            None => builder.with_no_client_auth(),
        };
        configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            configuration,
            told: authorities.is_some() || papers.is_some(),
        })
    }

    /// Whether certificates were named.
    pub(crate) fn is_told(&self) -> bool {
        self.told
    }

    pub(crate) fn configuration(&self) -> ClientConfig {
        self.configuration.clone()
    }
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        roots.add(authority).map_err(|fault| TlsError::Authority {
            path: path.to_owned(),
            fault,
        })?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = || TlsError::NoCertificate(path.to_owned());
    let mut pem = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut pem))
        .map_err(|fault| TlsError::Read {
            path: path.to_owned(),
            fault,
        })?;
    if u64::try_from(pem.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(none());
    }
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(none)
}

/// The certificate and its key, which fit each other.
fn certified(papers: &Papers) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&papers.certificate)?;
    let no_key = || TlsError::NoKey(papers.key.clone());
    let pem = secret_file::read(&papers.key)?;
    let mut found = PrivateKeyDer::pem_slice_iter(&pem);
    let (Some(Ok(key)), None) = (found.next().map(|k| k.map(Zeroizing::new)), found.next()) else {
        return Err(no_key());
    };
    let key = any_supported_type(&key).map_err(|_| no_key())?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(TlsError::Mismatch {
                certificate: papers.certificate.clone(),
                key: papers.key.clone(),
            })
        }
        Err(fault) => Err(TlsError::Unusable {
            path: papers.certificate.clone(),
            fault,
        }),
    }
}
