//! `[[webhooks]]`: who is told of events; and `[feed]`: how long events are kept to be told.

use std::{path::Path, time::Duration};

use custodyd_hsm::PinSource;
use custodyd_policy::ClientId;
use reqwest::Url;
use serde::Deserialize;

use super::ConfigError;

/// Endpoints at most: each has a task and up to eight connections of its own.
const MOST_ENDPOINTS: usize = 64;
/// Secrets of one endpoint at most: two while one is exchanged, of two kinds.
pub(super) const MOST_SECRETS: usize = 4;
/// Clients or types that an endpoint names at most.
const MOST_NAMES: usize = 256;

/// `[[webhooks]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// How tables, logs and metrics call it: 1 to 64 characters of a-z, 0-9 and '-'.
    pub id: String,
    /// `https://`; `http://` only to a loopback address.
    pub url: String,
    /// Where its secrets are, each `whsec_…` (HMAC) or `whsk_…` (Ed25519) as Standard Webhooks writes them. A message carries
    /// a signature of each, so that one can be exchanged without a gap.
    pub secrets: Vec<PinSource>,
    /// Only events of these clients' withdrawals; all events where it names none.
    #[serde(default)]
    pub clients: Vec<ClientId>,
    /// Only these types, such as `withdrawal.final` or `withdrawal.*`; all where it names none.
    #[serde(default)]
    pub types: Vec<String>,
    /// Longest wait for an answer, milliseconds.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// How long an event is tried before it is given up, seconds.
    #[serde(default = "default_give_up_s")]
    pub give_up_s: u64,
    /// Whether a name may lead to a private or loopback address.
    #[serde(default)]
    pub allow_private: bool,
}

const fn default_timeout_ms() -> u64 {
    10_000
}

/// Three days: a weekend.
const fn default_give_up_s() -> u64 {
    259_200
}

/// What it takes to send somebody signed messages.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// What the configuration calls it.
    pub id: String,
    /// Where.
    pub url: Url,
    /// Where its secrets are.
    pub secrets: Vec<PinSource>,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Whether a name may lead to a private or loopback address.
    pub allow_private: bool,
}

/// `[feed]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedConfig {
    /// Days after which an event is no longer kept.
    #[serde(default = "default_keep_days")]
    pub keep_days: u64,
    /// Events kept at most, the newest.
    #[serde(default = "default_keep_rows")]
    pub keep_rows: u64,
}

const fn default_keep_days() -> u64 {
    30
}

const fn default_keep_rows() -> u64 {
    1_000_000
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self {
            keep_days: default_keep_days(),
            keep_rows: default_keep_rows(),
        }
    }
}

impl FeedConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let range = |what: &str| Err(ConfigError::Range(what.to_owned()));
        if !(1..=3_650).contains(&self.keep_days) {
            return range("feed.keep_days must be 1 to 3650");
        }
        if !(1_000..=100_000_000).contains(&self.keep_rows) {
            return range("feed.keep_rows must be 1000 to 100000000");
        }
        Ok(())
    }
}

impl WebhookConfig {
    /// Makes paths relative to the configuration's folder, and refuses what can't be meant.
    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), ConfigError> {
        let id = self.id.clone();
        let refused = |what: String| Err(ConfigError::Range(format!("webhooks {id:?}: {what}")));
        if id.parse::<ClientId>().is_err() {
            return refused("an id is 1 to 64 characters of a-z, 0-9 and '-'".to_owned());
        }
        if !(1..=MOST_SECRETS).contains(&self.secrets.len()) {
            return refused(format!("secrets must name 1 to {MOST_SECRETS} places"));
        }
        place_in(folder, &mut self.secrets);
        if self.clients.len().max(self.types.len()) > MOST_NAMES {
            return refused(format!("at most {MOST_NAMES} clients and types"));
        }
        let word = |c: char| c.is_ascii_lowercase() || matches!(c, '.' | '_' | '*');
        if let Some(strange) = self.types.iter().find(|t| !t.chars().all(word)) {
            return refused(format!("there is no type {strange:?}"));
        }
        if !(1..=60_000).contains(&self.timeout_ms) {
            return refused("timeout_ms must be 1 to 60000".to_owned());
        }
        if !(1..=2_592_000).contains(&self.give_up_s) {
            return refused("give_up_s must be 1 to 2592000".to_owned());
        }
        self.recipient().map(drop)
    }

    /// What it takes to send to it.
    ///
    /// # Errors
    /// Its URL can't be used.
    pub fn recipient(&self) -> Result<Recipient, ConfigError> {
        Ok(Recipient {
            id: self.id.clone(),
            url: parsed_url(&self.url)
                .map_err(|why| ConfigError::Range(format!("webhooks {:?}: url {why}", self.id)))?,
            secrets: self.secrets.clone(),
            timeout: Duration::from_millis(self.timeout_ms),
            allow_private: self.allow_private,
        })
    }
}

/// Makes paths among places of secrets relative to the configuration's folder.
pub(super) fn place_in(folder: &Path, secrets: &mut Vec<PinSource>) {
    let places = std::mem::take(secrets).into_iter();
    *secrets = places.map(|place| place.relative_to(folder)).collect();
}

/// Refuses endpoints of one name.
pub(super) fn resolve(webhooks: &mut [WebhookConfig], folder: &Path) -> Result<(), ConfigError> {
    if webhooks.len() > MOST_ENDPOINTS {
        let why = format!("[[webhooks]] must stand there at most {MOST_ENDPOINTS} times");
        return Err(ConfigError::Range(why));
    }
    let mut ids = std::collections::BTreeSet::new();
    for webhook in webhooks {
        webhook.resolve(folder)?;
        if !ids.insert(webhook.id.clone()) {
            let why = format!("webhooks {:?} stands there twice", webhook.id);
            return Err(ConfigError::Range(why));
        }
    }
    Ok(())
}

/// An address that signed messages may be sent to. What is wrong is said without repeating it: some put a secret in a URL.
///
/// # Errors
/// Not a URL, not HTTPS, or with a credential in it.
pub fn parsed_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("is no URL: {e}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a credential".to_owned());
    }
    match url.scheme() {
        "https" if url.host_str().is_some() => Ok(url),
        "http" if crate::webhooks::names_this_machine(&url) => Ok(url),
        _ => Err("must be https://, or http:// to a loopback address".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(url: &str) -> WebhookConfig {
        let text = format!("id = \"shop\"\nurl = {url:?}\nsecrets = [{{ file = \"shop.key\" }}]");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn only_https_or_this_machine_is_sent_to_and_a_refused_url_is_not_repeated() {
        for url in [
            "https://shop.example/hooks",
            "http://127.0.0.1:9/x",
            "http://[::1]/",
        ] {
            webhook(url).resolve(Path::new("/etc")).unwrap();
        }
        for url in [
            "http://shop.example/sesame",
            "http://10.0.0.1/sesame",
            "https://user:sesame@shop.example/",
            "ftp://shop.example/sesame",
            "sesame",
        ] {
            let refused = webhook(url).resolve(Path::new("/etc")).unwrap_err();
            assert!(!refused.to_string().contains("sesame"), "{refused}");
        }
    }

    #[test]
    fn a_secret_is_named_by_place_relative_to_the_configuration() {
        let mut shop = webhook("https://shop.example/");
        shop.resolve(Path::new("/etc/custodyd")).unwrap();
        assert_eq!(
            shop.secrets,
            [PinSource::File("/etc/custodyd/shop.key".into())]
        );
        let written = "id = \"shop\"\nurl = \"https://a.example\"\nsecrets = [\"whsec_sesame\"]";
        let refused = toml::from_str::<WebhookConfig>(written).unwrap_err();
        assert!(!refused.message().contains("sesame"), "{refused}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let refuse = |change: fn(&mut WebhookConfig)| {
            let mut shop = webhook("https://shop.example/");
            change(&mut shop);
            shop.resolve(Path::new("/etc")).unwrap_err();
        };
        refuse(|w| w.id = "Shop".to_owned());
        refuse(|w| w.secrets.clear());
        refuse(|w| w.timeout_ms = 0);
        refuse(|w| w.give_up_s = 0);
        refuse(|w| w.types = vec!["withdrawal final".to_owned()]);
        let mut twice = [webhook("https://a.example/"), webhook("https://b.example/")];
        resolve(&mut twice, Path::new("/etc")).unwrap_err();
    }
}
