//! `[alerts]`: who is told without asking, and from when on; `[metrics]`: what `/metrics` shows.

use std::{path::Path, time::Duration};

use custodyd_hsm::PinSource;
use serde::Deserialize;

use super::{
    ConfigError, Recipient,
    webhooks::{MOST_SECRETS, parsed_url, place_in},
};
use crate::alerts::Thresholds;

/// `[metrics]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Whether `/metrics` shows what wallets hold: it is not signed.
    #[serde(default)]
    pub balances: bool,
}

/// `[alerts]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertsConfig {
    /// Where alerts go: `https://`, or `http://` to a loopback address. To the log and the metrics alone without it.
    pub url: Option<String>,
    /// Where the secrets are that messages are signed with.
    pub secrets: Vec<PinSource>,
    /// Whether the URL's name may lead to a private address.
    pub allow_private: bool,
    /// Longest wait for an answer, milliseconds.
    pub timeout_ms: u64,
    /// How long an alert is tried before it is given up, seconds.
    pub give_up_s: u64,
    /// From how many percent on a limit is nearly used up.
    pub limit_percent: u8,
    /// Below how many it no longer is.
    pub limit_clear_percent: u8,
    /// Denied payouts within the window that are too many.
    pub denials: usize,
    /// Payouts to new destinations within the window that are too many.
    pub new_destinations: usize,
    /// The window of both, seconds.
    pub window_s: u64,
    /// How long a node or the HSM must be out to be told, seconds.
    pub patience_s: u64,
    /// How long it must be well again, seconds.
    pub calm_s: u64,
    /// How long an incident must not have been repeated to be told anew, seconds.
    pub quiet_s: u64,
    /// How often limits, freezes and wallets are looked at, seconds.
    pub every_s: u64,
    /// How often the whole journal is verified, seconds; 0 for never.
    pub audit_s: u64,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            url: None,
            secrets: Vec::new(),
            allow_private: false,
            timeout_ms: 10_000,
            give_up_s: 86_400,
            limit_percent: 90,
            limit_clear_percent: 80,
            denials: 20,
            new_destinations: 50,
            window_s: 600,
            patience_s: 30,
            calm_s: 30,
            quiet_s: 3_600,
            every_s: 10,
            audit_s: 3_600,
        }
    }
}

impl AlertsConfig {
    /// Makes paths relative to the configuration's folder, and refuses what can't be meant.
    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), ConfigError> {
        let refused = |what: &str| Err(ConfigError::Range(format!("alerts.{what}")));
        place_in(folder, &mut self.secrets);
        if self.url.is_some() != (1..=MOST_SECRETS).contains(&self.secrets.len()) {
            return refused(
                "secrets names 1 to 4 places where url is set, and none where it is not",
            );
        }
        if !(1..=60_000).contains(&self.timeout_ms) {
            return refused("timeout_ms must be 1 to 60000");
        }
        for (name, seconds) in [
            ("give_up_s", self.give_up_s),
            ("window_s", self.window_s),
            ("quiet_s", self.quiet_s),
        ] {
            if !(1..=2_592_000).contains(&seconds) {
                return refused(&format!("{name} must be 1 to 2592000"));
            }
        }
        if self.patience_s.max(self.calm_s) > 86_400 {
            return refused("patience_s and calm_s must be at most 86400");
        }
        if !(1..=3_600).contains(&self.every_s) {
            return refused("every_s must be 1 to 3600");
        }
        if self.audit_s > 2_592_000 {
            return refused("audit_s must be at most 2592000");
        }
        for (name, many) in [
            ("denials", self.denials),
            ("new_destinations", self.new_destinations),
        ] {
            if !(1..=10_000).contains(&many) {
                return refused(&format!("{name} must be 1 to 10000"));
            }
        }
        if self.limit_clear_percent == 0
            || self.limit_clear_percent > self.limit_percent
            || self.limit_percent > 100
        {
            return refused(
                "limit_percent must be at most 100, and limit_clear_percent 1 to limit_percent",
            );
        }
        self.recipient().map(drop)
    }

    /// What it takes to send to whom it names, if it names anybody.
    ///
    /// # Errors
    /// The URL can't be used. It is not repeated: some put a secret in one.
    pub fn recipient(&self) -> Result<Option<Recipient>, ConfigError> {
        let Some(url) = &self.url else {
            return Ok(None);
        };
        Ok(Some(Recipient {
            id: "alerts".to_owned(),
            url: parsed_url(url).map_err(|why| ConfigError::Range(format!("alerts.url {why}")))?,
            secrets: self.secrets.clone(),
            timeout: Duration::from_millis(self.timeout_ms),
            allow_private: self.allow_private,
        }))
    }

    /// From when on something is told.
    pub fn thresholds(&self) -> Thresholds {
        let ms = |seconds: u64| seconds.saturating_mul(1_000);
        Thresholds {
            limit: f64::from(self.limit_percent) / 100.0,
            limit_clear: f64::from(self.limit_clear_percent) / 100.0,
            denials: self.denials,
            new_destinations: self.new_destinations,
            window_ms: ms(self.window_s),
            patience_ms: ms(self.patience_s),
            calm_ms: ms(self.calm_s),
            quiet_ms: ms(self.quiet_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AlertsConfig, ConfigError> {
        let mut config: AlertsConfig = toml::from_str(text).unwrap();
        config.resolve(Path::new("/etc/custodyd")).map(|()| config)
    }

    #[test]
    fn without_a_webhook_nothing_else_need_be_written() {
        assert!(read("").unwrap().recipient().unwrap().is_none());
        let told = read("url = \"https://pager.example/x\"\nsecrets = [{ file = \"alerts.key\" }]");
        let secrets = told.unwrap().secrets;
        assert_eq!(
            secrets,
            [PinSource::File("/etc/custodyd/alerts.key".into())]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_a_url_is_not_repeated() {
        let secrets = "secrets = [{ file = \"alerts.key\" }]";
        for wrong in [
            "url = \"https://pager.example/sesame\"",
            secrets,
            &format!("url = \"http://pager.example/sesame\"\n{secrets}"),
            "limit_percent = 101",
            "limit_percent = 50",
            "limit_clear_percent = 0",
            "denials = 0",
            "every_s = 0",
            "window_s = 0",
        ] {
            let refused = read(wrong).unwrap_err().to_string();
            assert!(refused.starts_with("alerts."), "{refused}");
            assert!(!refused.contains("sesame"), "{refused}");
        }
    }
}
