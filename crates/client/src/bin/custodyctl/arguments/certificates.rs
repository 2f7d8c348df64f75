//! Whom to believe, and what to show: a private authority, and a certificate of one's own.

use std::path::PathBuf;

use clap::Args;
use custodyd_client::{ClientError, Papers, Tls};

use crate::failure::Failure;
use crate::session::missing;

/// Certificates for https, PEM.
#[derive(Debug, Args)]
pub(crate) struct CertificateOptions {
    /// File with the authorities that may issue the daemon's certificate (PEM); no others count then. This machine's if left out
    #[arg(long, global = true, env = "CUSTODYD_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// File with a certificate to show to a daemon that asks for one (PEM, with those above it)
    #[arg(long, global = true, env = "CUSTODYD_CERT", value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// File with the private key of --cert (PEM, mode 0600)
    #[arg(long, global = true, env = "CUSTODYD_CERT_KEY", value_name = "FILE")]
    pub(crate) cert_key: Option<PathBuf>,
}

impl CertificateOptions {
    /// Reads the files that are named.
    pub(crate) fn load(self) -> Result<Tls, Failure> {
        let papers = match (self.cert, self.cert_key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(Papers { certificate, key }),
            (Some(_), None) => return Err(missing("--cert-key", "CUSTODYD_CERT_KEY")),
            (None, Some(_)) => return Err(missing("--cert", "CUSTODYD_CERT")),
        };
        let tls = Tls::load(self.ca.as_deref(), papers.as_ref());
        Ok(tls.map_err(ClientError::from)?)
    }
}
