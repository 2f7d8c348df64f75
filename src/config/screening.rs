//! `[screening]`: who is asked about payouts that the policy wants screened.

use std::{path::Path, time::Duration};

use custodyd_hsm::PinSource;
use reqwest::Url;
use serde::Deserialize;

use super::{ConfigError, webhooks};

/// `[screening]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreeningConfig {
    /// `https://`; `http://` only on this machine, since nothing but the connection says who answers.
    pub url: String,
    /// Where the secrets are that requests are signed with, as those of `[[webhooks]]`. Unsigned without one.
    #[serde(default)]
    pub secrets: Vec<PinSource>,
    /// Longest wait for an answer, milliseconds. The policy's deadline counts too: the shorter of both.
    #[serde(default = "default_deadline_ms")]
    pub deadline_ms: u64,
}

const fn default_deadline_ms() -> u64 {
    10_000
}

impl ScreeningConfig {
    /// Makes paths relative to the configuration's folder, and refuses what can't be meant.
    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), ConfigError> {
        if self.secrets.len() > webhooks::MOST_SECRETS {
            return Err(ConfigError::Range(format!(
                "screening.secrets must name at most {} places",
                webhooks::MOST_SECRETS
            )));
        }
        webhooks::place_in(folder, &mut self.secrets);
        self.parsed_url()?;
        self.deadline().map(drop)
    }

    /// Where to ask.
    ///
    /// # Errors
    /// Not a URL, not HTTPS, or with a credential in it. Whoever can change the answer decides.
    pub fn parsed_url(&self) -> Result<Url, ConfigError> {
        webhooks::parsed_url(&self.url)
            .map_err(|why| ConfigError::Range(format!("screening.url {why}")))
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
