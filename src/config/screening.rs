//! `[screening]`: who is asked about payouts that the policy wants screened.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use reqwest::Url;
use serde::Deserialize;

use super::ConfigError;

/// `[screening]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreeningConfig {
    /// `https://`; `http://` only on this machine, since nothing but the connection says who answers.
    pub url: String,
    /// A file with the secret that requests are signed with, `whsec_` and base64 (Standard Webhooks). Unsigned without it.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Longest wait for an answer, milliseconds. The policy's deadline counts too: the shorter of both.
    #[serde(default = "default_deadline_ms")]
    pub deadline_ms: u64,
}

const fn default_deadline_ms() -> u64 {
    10_000
}

impl ScreeningConfig {
    /// Where to ask.
    ///
    /// # Errors
    /// Not a URL, not HTTPS, or with a credential in it.
    pub fn parsed_url(&self) -> Result<Url, ConfigError> {
        let refused = |why: &str| ConfigError::Range(format!("screening.url {why}"));
        let url = Url::parse(&self.url).map_err(|e| refused(&format!("is no URL: {e}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("must not hold a credential"));
        }
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_matches(['[', ']']);
        let here = host == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        match url.scheme() {
            "https" => Ok(url),
            "http" if here => Ok(url),
            _ => Err(refused(
                "must be https://, or http:// to a loopback address: whoever can change the answer decides",
            )),
        }
    }

    /// Longest wait for an answer.
    ///
    /// # Errors
    /// Nothing, or longer than any policy allows.
    pub fn deadline(&self) -> Result<Duration, ConfigError> {
        if (1..=600_000).contains(&self.deadline_ms) {
            Ok(Duration::from_millis(self.deadline_ms))
        } else {
            Err(ConfigError::Range(
                "screening.deadline_ms must be 1 to 600000".to_owned(),
            ))
        }
    }
}
