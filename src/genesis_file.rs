//! Reading a genesis file, its policy and its operators' signatures.

use std::path::{Path, PathBuf};

use custodyd_vault::{GenesisFile, GenesisSignatures};
use serde::de::DeserializeOwned;

use crate::config::{ConfigError, read};

/// What `custodyd init` begins a vault with.
#[derive(Debug, Clone)]
pub struct Ceremony {
    /// As people wrote it down.
    pub file: GenesisFile,
    /// The policy's text.
    pub policy: String,
    /// Who signed so far.
    pub signed: GenesisSignatures,
}

impl Ceremony {
    /// Reads all three. Nobody has signed while the file of signatures isn't there.
    ///
    /// # Errors
    /// Names the file and what is wrong in it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file: GenesisFile = parsed(path)?;
        let policy = read(&path.parent().unwrap_or(Path::new(".")).join(&file.policy))?;
        let signatures = signatures_of(path);
        let signed = if signatures.exists() {
            parsed(&signatures)?
        } else {
            GenesisSignatures::default()
        };
        Ok(Self {
            file,
            policy,
            signed,
        })
    }
}

/// Where the signatures of a genesis file are: `genesis.signatures.toml` beside `genesis.toml`.
pub fn signatures_of(genesis: &Path) -> PathBuf {
    genesis.with_extension("signatures.toml")
}

fn parsed<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    toml::from_str(&read(path)?).map_err(|e| ConfigError::Syntax {
        path: path.to_owned(),
        reason: e.to_string(),
    })
}
