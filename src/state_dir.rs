//! What is kept apart from the database, so that whoever can only write there is noticed: which key signs the journal, the
//! last head that was seen, and alerts on their way.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use custodyd_policy::VaultId;
use custodyd_vault::KeyId;
use serde::{Deserialize, Serialize};

use crate::journal::JournalKey;

/// Why the folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// The file system's.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not what init wrote.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another vault's.
    #[error("{path} is of vault {found}")]
    OtherVault {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: VaultId,
    },
    /// Not there.
    #[error("{0} is missing: run `custodyd init`, or put back the file that was pinned then")]
    Missing(PathBuf),
}

/// The journal's key, as pinned when the vault was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The vault.
    pub vault: VaultId,
    /// The key's CKA_ID.
    pub key: KeyId,
    /// Its public point, compressed SEC1 in hex; absent until the HSM made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// The folder of one vault.
#[derive(Debug, Clone)]
pub struct StateDir {
    folder: PathBuf,
    vault: VaultId,
}

impl StateDir {
    /// The folder at this path.
    pub fn new(folder: &Path, vault: &VaultId) -> Self {
        Self {
            folder: folder.to_owned(),
            vault: vault.clone(),
        }
    }

    /// Where the last head is kept.
    pub fn anchor(&self) -> PathBuf {
        self.folder.join(format!("{}.head.json", self.vault))
    }

    /// Where alerts are kept until they have arrived.
    pub fn alerts(&self) -> PathBuf {
        self.folder.join(format!("{}.alerts", self.vault))
    }

    fn pin_path(&self) -> PathBuf {
        self.folder.join(format!("{}.journal-key.toml", self.vault))
    }

    /// The pinned key, if it was pinned.
    ///
    /// # Errors
    /// The file can't be read or is another vault's.
    pub fn pin(&self) -> Result<Option<Pin>, StateDirError> {
        let path = self.pin_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StateDirError::Io { path, source }),
        };
        let pin: Pin = toml::from_str(&text).map_err(|e| StateDirError::Malformed {
            path: path.clone(),
            reason: e.to_string(),
        })?;
        if pin.vault == self.vault {
            Ok(Some(pin))
        } else {
            Err(StateDirError::OtherVault {
                path,
                found: pin.vault,
            })
        }
    }

    /// The pinned public key.
    ///
    /// # Errors
    /// It isn't there or isn't a P-256 point.
    pub fn journal_key(&self) -> Result<(KeyId, JournalKey), StateDirError> {
        let path = self.pin_path();
        let pin = self
            .pin()?
            .ok_or_else(|| StateDirError::Missing(path.clone()))?;
        let hex = pin
            .public_key
            .ok_or_else(|| StateDirError::Missing(path.clone()))?;
        let malformed = |reason: String| StateDirError::Malformed {
            path: path.clone(),
            reason,
        };
        let bytes = hex::decode(&hex).map_err(|e| malformed(e.to_string()))?;
        Ok((
            pin.key,
            JournalKey::from_sec1(&bytes).map_err(|e| malformed(e.to_string()))?,
        ))
    }

    /// Pins the key: written beside, synced, renamed over.
    ///
    /// # Errors
    /// The file system's.
    pub fn write_pin(&self, pin: &Pin) -> Result<(), StateDirError> {
        let path = self.pin_path();
        let fault = |source| StateDirError::Io {
            path: path.clone(),
            source,
        };
        let text = toml::to_string(pin).map_err(|e| StateDirError::Malformed {
            path: path.clone(),
            reason: e.to_string(),
        })?;
        fs::create_dir_all(&self.folder).map_err(fault)?;
        let beside = path.with_extension("new");
        let mut file = fs::File::create(&beside).map_err(fault)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(fault)?;
        fs::rename(&beside, &path).map_err(fault)?;
        fs::File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(fault)
    }
}
