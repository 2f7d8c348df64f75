//! `[hsm]`: the tokens that hold the vault's keys, and how they are reached.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use custodyd_hsm::{Hsm, KeyId, PinSource, Profile, Selector, Token};
use secrecy::SecretString;
use serde::Deserialize;

use super::ConfigError;

/// Tokens that may stand behind one vault.
const MOST_TOKENS: usize = 16;

/// `[hsm]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HsmConfig {
    /// Longest wait for a signature, milliseconds.
    #[serde(default = "default_deadline_ms")]
    pub deadline_ms: u64,
    /// Where the vendor's library runs.
    #[serde(default)]
    pub isolation: Isolation,
    /// CKA_ID of the key that the security officer trusted, for wallets whose addresses are wrapped. Keys that were wrapped
    /// under another one name it themselves.
    #[serde(default)]
    pub wrapping_key: Option<KeyId>,
    /// One or more tokens that hold the same keys.
    pub tokens: Vec<TokenConfig>,
}

/// Where a PKCS#11 library runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In a worker process of each token's own: it may hang or crash and takes nothing along.
    #[default]
    Process,
    /// In the daemon itself.
    None,
}

/// `[[hsm.tokens]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// How logs and metrics call it.
    pub name: String,
    /// The profile of the HSM's model: one of hsm-config/.
    pub profile: PathBuf,
    /// The token's label, instead of the profile's selector.
    #[serde(default)]
    pub token: Option<String>,
    /// The module, instead of the profile's: a spy for debugging, or another place.
    #[serde(default)]
    pub module: Option<PathBuf>,
    /// Variables that the module reads, beside the profile's.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Where the PIN is, unless the profile says so.
    #[serde(default)]
    pub pin: Option<PinSource>,
    /// Threads with a session each.
    #[serde(default = "default_workers")]
    pub workers: usize,
}

const fn default_workers() -> usize {
    4
}

const fn default_deadline_ms() -> u64 {
    10_000
}

impl HsmConfig {
    /// Makes paths relative to the configuration's folder, and refuses what can't be meant.
    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), ConfigError> {
        let range = |what: &str| Err(ConfigError::Range(what.to_owned()));
        if !(1..=MOST_TOKENS).contains(&self.tokens.len()) {
            return range("[[hsm.tokens]] must stand there 1 to 16 times");
        }
        if !(100..=600_000).contains(&self.deadline_ms) {
            return range("hsm.deadline_ms must be 100 to 600000");
        }
        let mut names = BTreeSet::new();
        for token in &mut self.tokens {
            let named = (1..=32).contains(&token.name.len())
                && token
                    .name
                    .bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
            if !named || !names.insert(token.name.clone()) {
                return range(
                    "each of hsm.tokens needs a name of its own: 1 to 32 of a-z, 0-9 and -",
                );
            }
            if !(1..=1024).contains(&token.workers) {
                return range("workers of hsm.tokens must be 1 to 1024");
            }
            token.profile = folder.join(&token.profile);
            if let Some(module) = &mut token.module {
                *module = folder.join(&*module);
            }
            token.pin = token.pin.take().map(|source| source.relative_to(folder));
        }
        Ok(())
    }

    /// Opens the tokens.
    ///
    /// # Errors
    /// A profile, a PIN or the HSM.
    pub fn open(&self) -> Result<Arc<dyn Hsm>, Box<dyn std::error::Error + Send + Sync>> {
        let [token] = self.tokens.as_slice() else {
            return Err("several tokens".into());
        };
        Ok(Arc::new(
            Token::open(&token.profile()?, token.read_pin()?, token.workers)?.named(&token.name),
        ))
    }

    /// What this process's environment must hold before a library is loaded into it; nothing when libraries run elsewhere.
    ///
    /// # Errors
    /// A profile can't be read.
    pub fn missing_environment(&self) -> Result<Vec<(String, String)>, ConfigError> {
        let mut missing = Vec::new();
        for token in &self.tokens {
            missing.extend(token.profile()?.missing_environment());
        }
        Ok(missing)
    }
}

impl TokenConfig {
    /// The HSM's profile with what this configuration changes about it.
    ///
    /// # Errors
    /// The profile can't be read.
    pub fn profile(&self) -> Result<Profile, ConfigError> {
        let path = &self.profile;
        let mut profile = Profile::load(path).map_err(|source| ConfigError::Profile {
            path: path.clone(),
            source,
        })?;
        if let Some(label) = &self.token {
            profile = profile.with_selector(Selector::Label(label.clone()));
        }
        if let Some(module) = &self.module {
            profile = profile.with_module(module);
        }
        for (variable, value) in &self.environment {
            profile = profile.with_environment(variable, value);
        }
        Ok(profile)
    }

    /// The PIN, from where this configuration or else the profile says it is.
    ///
    /// # Errors
    /// Neither says it, or it can't be read. Says where, never what.
    pub fn read_pin(&self) -> Result<SecretString, ConfigError> {
        let source = match &self.pin {
            Some(source) => Some(source.clone()),
            None => self.profile()?.pin_source,
        };
        let source = source.ok_or_else(|| ConfigError::NoPin(self.name.clone()))?;
        Ok(source.read()?)
    }
}
