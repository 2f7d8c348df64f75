//! custodyd.toml, read once and strictly. Secrets are named, never written here.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use custodyd_hsm::PinSource;
use custodyd_policy::{ClientId, VaultId};
use serde::Deserialize;

mod alerts;
mod clients;
mod console;
mod hsm;
mod http;
mod network;
mod screening;
mod webhooks;

pub use alerts::{AlertsConfig, MetricsConfig};
pub use clients::{ClientAccess, OperatorAccess};
pub use console::ConsoleConfig;
pub use hsm::{HsmConfig, Isolation, OpenError, TokenConfig};
pub use http::{ClientAuth, ForwardedHeader, Http, HttpLimits, TlsConfig, TlsVersion};
pub use network::{Network, NetworkError};
pub use screening::ScreeningConfig;
pub use webhooks::{FeedConfig, Recipient, WebhookConfig, parsed_url};

use crate::nodes::NodeConfig;

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, or a key that doesn't exist or doesn't fit.
    #[error("{path}: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// The PIN of an HSM can't be read.
    #[error(transparent)]
    Pin(#[from] custodyd_hsm::PinError),
    /// Nothing says where a token's PIN is.
    #[error("token {0} has no pin, and its profile no pin_source")]
    NoPin(String),
    /// The HSM's profile.
    #[error("{path}: {source}")]
    Profile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: custodyd_hsm::ProfileError,
    },
    /// A number out of range.
    #[error("{0}")]
    Range(String),
}

/// The whole configuration. Paths are relative to the file's folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The vault this daemon serves.
    pub vault: VaultId,
    /// Where the journal's public key and the anchor are kept, apart from the database.
    pub state_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// The HSM.
    pub hsm: HsmConfig,
    /// The API.
    pub http: Http,
    /// From where clients may come, and how fast.
    #[serde(default)]
    pub clients: BTreeMap<ClientId, ClientAccess>,
    /// From where operators may come.
    #[serde(default)]
    pub operators: OperatorAccess,
    /// The engine.
    #[serde(default)]
    pub engine: EngineConfig,
    /// What is logged, and how.
    #[serde(default)]
    pub log: Log,
    /// What `/metrics` shows.
    #[serde(default)]
    pub metrics: MetricsConfig,
    /// Who is told without asking.
    #[serde(default)]
    pub alerts: AlertsConfig,
    /// One for each network of the vault's wallets.
    #[serde(default)]
    pub nodes: Vec<NodeConfig>,
    /// The console.
    #[serde(default)]
    pub console: ConsoleConfig,
    /// Who is asked about payouts that the policy wants screened.
    #[serde(default)]
    pub screening: Option<ScreeningConfig>,
    /// How long events are kept to be told.
    #[serde(default)]
    pub feed: FeedConfig,
    /// Who is told of events.
    #[serde(default)]
    pub webhooks: Vec<WebhookConfig>,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite:path/to/file.db` or `postgres://…`
    pub url: String,
}

/// `[engine]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    /// How often nodes are asked, milliseconds.
    #[serde(default = "default_poll_ms")]
    pub poll_ms: u64,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A filter such as `info` or `info,custodyd=debug`; the variable CUSTODYD_LOG goes before it.
    #[serde(default = "default_filter")]
    pub filter: String,
    /// A JSON object a line instead of text.
    #[serde(default)]
    pub json: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: default_filter(),
            json: false,
        }
    }
}

impl Log {
    /// The filter in force.
    pub fn filter(&self) -> String {
        std::env::var("CUSTODYD_LOG").unwrap_or_else(|_| self.filter.clone())
    }
}

fn default_filter() -> String {
    "info".to_owned()
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            poll_ms: default_poll_ms(),
        }
    }
}

const fn default_poll_ms() -> u64 {
    2_000
}

/// Reads a file, naming it when that fails.
///
/// # Errors
/// The file can't be read.
pub fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Line and message. The library's own text would show the whole line, on which somebody may have written a PIN or a
/// database's password.
fn reason(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let message = error.message();
    match before {
        Some(before) => format!(
            "line {}: {message}",
            before.matches('\n').count().saturating_add(1)
        ),
        None => message.to_owned(),
    }
}

impl Config {
    /// Reads the configuration at `path`.
    ///
    /// # Errors
    /// Names file, line and key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let mut config: Self = toml::from_str(&text).map_err(|e| ConfigError::Syntax {
            path: path.to_owned(),
            reason: reason(&text, &e),
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.state_dir = folder.join(&config.state_dir);
        config.hsm.resolve(folder)?;
        if let Some(file) = config.database.url.strip_prefix("sqlite:")
            && !file.starts_with('/')
        {
            config.database.url = format!("sqlite:{}", folder.join(file).display());
        }
        if let Some(screening) = &mut config.screening {
            screening.resolve(folder)?;
        }
        config.feed.check()?;
        config.alerts.resolve(folder)?;
        webhooks::resolve(&mut config.webhooks, folder)?;
        config.console.check()?;
        if !(10..=60_000).contains(&config.engine.poll_ms) {
            return Err(ConfigError::Range(
                "engine.poll_ms must be 10 to 60000".to_owned(),
            ));
        }
        config.http.resolve(folder)?;
        let certificates = config.http.reads_certificates();
        for (id, access) in &config.clients {
            access.check(id, certificates)?;
        }
        config.operators.check(certificates)?;
        Ok(config)
    }

    /// Whose messages are signed with which secrets, by what the configuration calls them.
    pub fn webhook_secrets(&self) -> impl Iterator<Item = (String, &[PinSource])> {
        let webhooks = self.webhooks.iter();
        let webhooks = webhooks.map(|w| (format!("webhook {}", w.id), w.secrets.as_slice()));
        let alerts = ("alerts".to_owned(), self.alerts.secrets.as_slice());
        let screening = self.screening.iter();
        let screening = screening.map(|s| ("screening".to_owned(), s.secrets.as_slice()));
        let all = webhooks.chain([alerts]).chain(screening);
        all.filter(|(_, secrets)| !secrets.is_empty())
    }

    /// How often nodes are asked.
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.engine.poll_ms)
    }
}
