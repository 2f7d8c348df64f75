//! TLS at the listener: rustls over aws-lc, certificates from files that may change while the daemon runs.
//!
//! Invariant: a certificate that can't be used never takes the place of one that can. What was read stays in use, and the log
//! says what is wrong.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
    version::{TLS12, TLS13},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::expiry::Ends;
use crate::config::{ClientAuth, TlsConfig, TlsVersion};

/// How often files are looked at: a new certificate is in use that much later, a signal is faster.
const LOOK: Duration = Duration::from_secs(10);
/// Bytes of one file.
const MOST_BYTES: u64 = 1024 * 1024;

/// Why TLS can't be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may read the key.
    #[error("{path} has mode {mode:03o} and can be read by others; chmod 600 it")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// No PEM, or none of what is wanted in it.
    #[error("{path} holds no {what} in PEM")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Certificate and key don't fit each other, or the library knows one of them not.
    #[error("{path}: {source}")]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Nobody's certificate could be verified with these.
    #[error("{path}: {source}")]
    Verifier {
        /// The file of `client_ca`.
        path: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
}

/// The listener's TLS.
#[derive(Debug)]
pub struct Tls {
    files: TlsConfig,
    now: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads certificates and key.
    ///
    /// # Errors
    /// Names the file and what is wrong with it, never what stands in it.
    pub fn open(files: &TlsConfig) -> Result<Self, TlsError> {
        let (now, ends) = configuration(files)?;
        ends.show();
        Ok(Self {
            files: files.clone(),
            now: RwLock::new(now),
        })
    }

    /// What handshakes are made with from here on.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&now))
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// As [`Tls::open`]; what was in use stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let (read, ends) = configuration(&self.files)?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = read;
        ends.show();
        Ok(())
    }

    /// Reads the files again at each SIGHUP, and when they changed, until the daemon stops.
    pub(super) async fn follow(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::warn!(%error, "SIGHUP can't be heard; certificates are read again when they change");
                return;
            }
        };
        let mut seen = marks(&self.files);
        loop {
            let asked = tokio::select! {
                stopped = stop.wait_for(|stop| *stop) => return drop(stopped.map(|_| ())),
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let marks = marks(&self.files);
            if !asked && marks == seen {
                continue;
            }
            seen = marks;
            match self.reload() {
                Ok(()) => tracing::info!("certificates were read again"),
                Err(error) => {
                    tracing::error!(%error, "the certificates can't be used; those before stay");
                }
            }
        }
    }
}

/// What tells a changed file: its inode, length and time of change. None where there is no file.
fn marks(files: &TlsConfig) -> Vec<Option<(u64, u64, i64, i64)>> {
    let always = [&files.certificate, &files.key].into_iter();
    let paths = always.chain(&files.client_ca).chain(&files.client_crl);
    paths
        .map(|path| {
            let about = fs::metadata(path).ok()?;
            Some((about.ino(), about.len(), about.mtime(), about.mtime_nsec()))
        })
        .collect()
}

/// What handshakes are made with, and until when that is good.
fn configuration(files: &TlsConfig) -> Result<(Arc<ServerConfig>, Ends), TlsError> {
    let mut ends = Ends::default();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[_] = match files.min_version {
        TlsVersion::V1_3 => &[&TLS13],
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
    };
    let unusable = |source| TlsError::Unusable {
        path: files.certificate.clone(),
        source,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(unusable)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = |source| TlsError::Verifier {
                path: path.clone(),
                source,
            };
            let mut roots = RootCertStore::empty();
            let authorities = certificates(path)?;
            ends.note_certificates("client_ca", &authorities);
            for authority in authorities {
                let unusable = |source| TlsError::Unusable {
                    path: path.clone(),
                    source,
                };
                roots.add(authority).map_err(unusable)?;
            }
            let lists = revoked(files.client_crl.as_deref())?;
            if files.client_crl.is_some() {
                ends.note_lists("client_crl", &lists);
            }
            let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .with_crls(lists)
                // A list that is out of date says nothing of what was revoked since.
                .enforce_revocation_expiration();
            let clients = match files.client_auth {
                ClientAuth::Required => clients,
                ClientAuth::Optional => clients.allow_unauthenticated(),
            };
            builder.with_client_cert_verifier(clients.build().map_err(verifier)?)
        }
    };
    let chain = certificates(&files.certificate)?;
    ends.note_certificates("certificate", &chain);
    let mut configuration = builder
        .with_single_cert(chain, key(&files.key)?)
        .map_err(unusable)?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    if files.client_ca.is_some() {
        // A session that is resumed brings along the client's certificate as it was verified once: it may have expired since, or
        // stand on the list. So each handshake is a full one.
        configuration.session_storage = Arc::new(NoServerSessionStorage {});
        configuration.send_tls13_tickets = 0;
    }
    Ok((Arc::new(configuration), ends))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path, false)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| TlsError::Pem {
            path: path.to_owned(),
            what: "certificate",
        })
}

fn revoked(path: Option<&Path>) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    let text = read(path, false)?;
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&text).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| TlsError::Pem {
            path: path.to_owned(),
            what: "revocation list",
        })
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path, true)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::Pem {
        path: path.to_owned(),
        what: "private key",
    })
}

/// A file's bytes; `private` is one that nobody but its owner may read.
fn read(path: &Path, private: bool) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let fault = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(fault)?;
    // Of the file that was opened, not of one that took its name since.
    let mode = file.metadata().map_err(fault)?.permissions().mode() & 0o777;
    if private && mode & 0o077 != 0 {
        return Err(TlsError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    // Enough at once, so that no copy of a key stays behind where the buffer grew.
    let length = file.metadata().map_err(fault)?.len().min(MOST_BYTES);
    let capacity = usize::try_from(length).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity.saturating_add(1)));
    file.take(MOST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(fault)?;
    Ok(bytes)
}
