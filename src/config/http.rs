//! `[http]`: where the API listens, within which limits, behind which proxies, and with which certificate.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{ConfigError, Network, clients::MOST_PER_SECOND};

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Longest wait for the engine's answer before 202, milliseconds.
    #[serde(default = "default_patience_ms")]
    pub patience_ms: u64,
    /// How far a request's `created` may be off, seconds.
    #[serde(default = "default_max_skew_s")]
    pub max_skew_s: u64,
    /// TLS; plain HTTP without it.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// What one address, and all of them, may take up.
    #[serde(default)]
    pub limits: HttpLimits,
    /// Proxies whose word on a request's origin counts.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
    /// The header in which they give it. The other one is never read: a proxy that sets one passes the other on as it came.
    #[serde(default)]
    pub forwarded: ForwardedHeader,
}

/// In which header a proxy says for whom it asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, with `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// `[http.limits]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpLimits {
    /// Connections at a time; never more than half of the file descriptors that the process may have.
    pub connections: NonZeroU32,
    /// Connections of one address at a time. Of IPv6, a /64 counts as one address.
    pub connections_per_address: NonZeroU32,
    /// Requests of one address a second, in the long run, whoever signed them.
    pub per_second: NonZeroU32,
    /// Requests of one address at once.
    pub burst: NonZeroU32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            connections: number(4_096),
            connections_per_address: number(512),
            per_second: number(10_000),
            burst: number(20_000),
        }
    }
}

/// `[http.tls]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate and those above it, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM, that nobody but its owner may read.
    pub key: PathBuf,
    /// The oldest version that is spoken.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// Who may issue clients' certificates, PEM. Without it nobody is asked for one.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Certificates that were revoked, PEM.
    #[serde(default)]
    pub client_crl: Option<PathBuf>,
    /// Whether whoever connects must have one.
    #[serde(default)]
    pub client_auth: ClientAuth,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    /// RFC 5246.
    #[serde(rename = "1.2")]
    V1_2,
    /// RFC 8446.
    #[default]
    #[serde(rename = "1.3")]
    V1_3,
}

/// Whether a client shows a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// It must: without one there is no connection.
    #[default]
    Required,
    /// It may, and is held to it then.
    Optional,
}

const fn default_patience_ms() -> u64 {
    10_000
}

const fn default_max_skew_s() -> u64 {
    300
}

impl Http {
    /// Whether clients' certificates are looked at.
    pub(super) fn reads_certificates(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())
    }

    /// Makes paths relative to the configuration's folder, and refuses what can't be meant.
    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), ConfigError> {
        let refused = |why: &str| Err(ConfigError::Range(format!("http.{why}")));
        if !(1..=3_600).contains(&self.max_skew_s) {
            return refused("max_skew_s must be 1 to 3600");
        }
        let limits = &self.limits;
        if [limits.per_second, limits.burst]
            .iter()
            .any(|count| count.get() > MOST_PER_SECOND)
        {
            return refused("limits: per_second and burst are 1 to 1000000");
        }
        if self.reads_certificates() && !self.trusted_proxies.is_empty() {
            // The certificate would be the proxy's, and its word on whose request it is no proof.
            return refused("tls.client_ca and http.trusted_proxies exclude each other");
        }
        if let Some(tls) = &mut self.tls {
            if tls.client_ca.is_none() && tls.client_crl.is_some() {
                return refused("tls.client_crl means nothing without client_ca");
            }
            if tls.client_ca.is_none() && tls.client_auth == ClientAuth::Optional {
                return refused("tls.client_auth means nothing without client_ca");
            }
            tls.certificate = folder.join(&tls.certificate);
            tls.key = folder.join(&tls.key);
            for path in [&mut tls.client_ca, &mut tls.client_crl] {
                *path = path.take().map(|path| folder.join(path));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Http, String> {
        let mut http: Http = toml::from_str(&format!("listen = \"127.0.0.1:0\"\n{text}"))
            .map_err(|e| e.message().to_owned())?;
        http.resolve(Path::new("/etc/custodyd"))
            .map_err(|e| e.to_string())?;
        Ok(http)
    }

    #[test]
    fn tls_is_1_3_and_nobody_is_asked_for_a_certificate_unless_stated() {
        let http = read("tls = { certificate = \"a.pem\", key = \"/b.pem\" }").unwrap();
        let tls = http.tls.unwrap();
        assert_eq!(tls.min_version, TlsVersion::V1_3);
        assert_eq!(tls.certificate, Path::new("/etc/custodyd/a.pem"));
        assert_eq!(tls.key, Path::new("/b.pem"));
        assert_eq!(tls.client_ca, None);
        assert!(read("").unwrap().tls.is_none());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (text, says) in [
            ("max_skew_s = 0", "max_skew_s"),
            ("limits = { per_second = 0 }", "nonzero"),
            ("limits = { burst = 1000001 }", "1 to 1000000"),
            ("limits = { requests = 1 }", "unknown field"),
            ("trusted_proxies = [\"10.0.0.1/8\"]", "10.0.0.0/8"),
            ("forwarded = \"x-real-ip\"", "unknown variant"),
            (
                "tls = { certificate = \"a\", key = \"b\", min_version = \"1.1\" }",
                "unknown variant",
            ),
            (
                "tls = { certificate = \"a\", key = \"b\", client_auth = \"optional\" }",
                "client_ca",
            ),
            (
                "tls = { certificate = \"a\", key = \"b\", client_crl = \"c\" }",
                "client_ca",
            ),
            (
                "trusted_proxies = [\"10.0.0.1\"]\ntls = { certificate = \"a\", key = \"b\", client_ca = \"c\" }",
                "exclude each other",
            ),
        ] {
            let fault = read(text).unwrap_err();
            assert!(fault.contains(says), "{text}: {fault}");
        }
    }
}
