//! custodyd.toml, read once and strictly. The only place that looks at the environment.
//!
//! Secrets are named, never written here: a file (mode 0600), an environment variable, or a systemd credential.

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use custodyd_policy::VaultId;
use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

mod hsm;

pub use hsm::{HsmConfig, Isolation, OpenError, TokenConfig};

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
    /// A secret that others can read.
    #[error("{0} can be read by others; chmod 600 it")]
    OpenSecret(PathBuf),
    /// A secret that isn't there.
    #[error("no secret in {0}")]
    NoSecret(String),
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
    /// The engine.
    #[serde(default)]
    pub engine: EngineConfig,
    /// What is logged, and how.
    #[serde(default)]
    pub log: Log,
    /// One for each network of the vault's wallets.
    #[serde(default)]
    pub nodes: Vec<NodeConfig>,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite:path/to/file.db` or `postgres://…`
    pub url: String,
}

/// Where a secret is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Secret {
    /// A file that only its owner can read; one line.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A systemd credential (`LoadCredential=`), by name.
    Credential(String),
}

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

const fn default_patience_ms() -> u64 {
    10_000
}

const fn default_max_skew_s() -> u64 {
    300
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

impl Config {
    /// Reads the configuration at `path`.
    ///
    /// # Errors
    /// Names file, line and key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let mut config: Self = toml::from_str(&text).map_err(|e| ConfigError::Syntax {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.state_dir = folder.join(&config.state_dir);
        config.hsm.resolve(folder)?;
        if let Some(file) = config.database.url.strip_prefix("sqlite:")
            && !file.starts_with('/')
        {
            config.database.url = format!("sqlite:{}", folder.join(file).display());
        }
        if !(10..=60_000).contains(&config.engine.poll_ms) {
            return Err(ConfigError::Range(
                "engine.poll_ms must be 10 to 60000".to_owned(),
            ));
        }
        if !(1..=3_600).contains(&config.http.max_skew_s) {
            return Err(ConfigError::Range(
                "http.max_skew_s must be 1 to 3600".to_owned(),
            ));
        }
        Ok(config)
    }

    /// How often nodes are asked.
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.engine.poll_ms)
    }
}

impl Secret {
    /// Reads the secret.
    ///
    /// # Errors
    /// It isn't there, or others can read it. Says where, never what.
    pub fn read(&self) -> Result<SecretString, ConfigError> {
        let text = match self {
            Self::File(path) => {
                let fault = |source| ConfigError::Read {
                    path: path.clone(),
                    source,
                };
                let mode = std::fs::metadata(path).map_err(fault)?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(ConfigError::OpenSecret(path.clone()));
                }
                Zeroizing::new(std::fs::read_to_string(path).map_err(fault)?)
            }
            Self::Env(name) => Zeroizing::new(
                std::env::var(name)
                    .map_err(|_| ConfigError::NoSecret(format!("environment variable {name}")))?,
            ),
            Self::Credential(name) => {
                let missing = || ConfigError::NoSecret(format!("systemd credential {name}"));
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(missing)?;
                let path =
                    Path::new(&folder).join(Path::new(name).file_name().ok_or_else(missing)?);
                Zeroizing::new(std::fs::read_to_string(&path).map_err(|_| missing())?)
            }
        };
        let line = text.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Err(ConfigError::NoSecret(format!("{self:?}")));
        }
        Ok(SecretString::from(line))
    }
}
