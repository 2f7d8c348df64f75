//! coldsign.toml: whom to believe, which token signs, and how much. Unknown keys are refused; relative paths are
//! relative to the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use custodyd_airgap::{JournalKey, VaultName};
use custodyd_chain::{Address, Amount, Asset};
use custodyd_hsm::{PinSource, Profile, Selector};
use serde::Deserialize;

use crate::error::ColdsignError;
use crate::limits::{AssetCaps, Limits};

/// Longest configuration that is read, in bytes.
const MAX_BYTES: u64 = 65_536;

/// What the program uses.
#[derive(Debug)]
pub(crate) struct Config {
    /// The journal key of each vault, pinned at the ceremony.
    pub(crate) vaults: BTreeMap<VaultName, JournalKey>,
    /// The token.
    pub(crate) profile: Profile,
    /// Where its PIN is.
    pub(crate) pin: PinSource,
    /// What may be signed.
    pub(crate) limits: Limits,
    /// Where it is written down what was signed.
    pub(crate) signed_log: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    allow: Option<BTreeSet<Address>>,
    /// Empty until the vault is made: its genesis needs the key that `keygen` makes first.
    #[serde(default)]
    vaults: BTreeMap<VaultName, Vault>,
    hsm: Hsm,
    caps: BTreeMap<Asset, Caps>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vault {
    journal_key: JournalKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hsm {
    profile: PathBuf,
    pin_file: PathBuf,
    /// Label of the token, where it is not the profile's.
    token: Option<String>,
    /// Variables beside or instead of the profile's.
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Caps {
    transaction: Amount,
    bundle: Amount,
    fee: Amount,
}

impl Config {
    /// Reads the configuration and the token's profile.
    pub(crate) fn read(path: &Path) -> Result<Self, ColdsignError> {
        let text = read_text(path)?;
        let wrong = |reason: String| ColdsignError::Config {
            path: path.to_owned(),
            reason,
        };
        let file: File = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut caps = BTreeMap::new();
        for (
            asset,
            Caps {
                transaction,
                bundle,
                fee,
            },
        ) in file.caps
        {
            if let Some(other) = [transaction, bundle, fee]
                .iter()
                .find(|cap| cap.asset() != asset)
            {
                return Err(wrong(format!(
                    "[caps] {asset} holds an amount of another asset: {other}"
                )));
            }
            caps.insert(
                asset,
                AssetCaps {
                    transaction,
                    bundle,
                    fee,
                },
            );
        }
        Ok(Config {
            vaults: file
                .vaults
                .into_iter()
                .map(|(name, vault)| (name, vault.journal_key))
                .collect(),
            profile: profile(folder, &file.hsm)?,
            pin: PinSource::File(folder.join(&file.hsm.pin_file)),
            limits: Limits {
                caps,
                allow: file.allow,
            },
            signed_log: folder.join("signed.log"),
        })
    }

    /// The journal key of this vault.
    pub(crate) fn journal_key(&self, vault: &VaultName) -> Result<&JournalKey, ColdsignError> {
        self.vaults
            .get(vault)
            .ok_or_else(|| ColdsignError::UnknownVault(vault.clone()))
    }
}

fn profile(folder: &Path, hsm: &Hsm) -> Result<Profile, ColdsignError> {
    let path = folder.join(&hsm.profile);
    let mut profile = Profile::load(&path).map_err(|error| ColdsignError::Config {
        path,
        reason: error.to_string(),
    })?;
    if let Some(label) = &hsm.token {
        profile = profile.with_selector(Selector::Label(label.clone()));
    }
    for (variable, value) in &hsm.environment {
        profile = profile.with_environment(variable, value);
    }
    Ok(profile)
}

fn read_text(path: &Path) -> Result<String, ColdsignError> {
    let wrong = |reason: String| ColdsignError::Config {
        path: path.to_owned(),
        reason,
    };
    let length = fs::metadata(path)
        .map_err(|error| wrong(error.to_string()))?
        .len();
    if length > MAX_BYTES {
        return Err(wrong(format!(
            "{length} bytes are too long: {MAX_BYTES} at most"
        )));
    }
    fs::read_to_string(path).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNAL_KEY: &str = "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";

    fn read(config: &str) -> Result<Config, ColdsignError> {
        let folder = tempfile::tempdir().unwrap();
        let profile = "name = \"t\"\n[module]\npath = \"/m.so\"\n[token]\nlabel = \"a\"\n";
        fs::write(folder.path().join("hsm.toml"), profile).unwrap();
        fs::write(folder.path().join("coldsign.toml"), config).unwrap();
        Config::read(&folder.path().join("coldsign.toml"))
    }

    fn good() -> String {
        format!(
            "allow = [\"eip155:1:0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf\"]\n\
             [vaults.main]\njournal_key = \"{JOURNAL_KEY}\"\n\
             [hsm]\nprofile = \"hsm.toml\"\npin_file = \"pin\"\ntoken = \"b\"\nenvironment = {{ A = \"1\" }}\n\
             [caps]\nETH = {{ transaction = \"5 ETH\", bundle = \"10 ETH\", fee = \"0.01 ETH\" }}\n"
        )
    }

    #[test]
    fn a_configuration_is_read_with_its_profile() {
        let config = read(&good()).unwrap();
        assert!(config.journal_key(&"main".parse().unwrap()).is_ok());
        assert_eq!(config.profile.selector, Selector::Label("b".into()));
        assert_eq!(config.profile.environment["A"], "1");
        assert!(matches!(&config.pin, PinSource::File(path) if path.ends_with("pin")));
        let other = config.journal_key(&"other".parse().unwrap());
        assert!(matches!(other, Err(ColdsignError::UnknownVault(_))));
    }

    #[test]
    fn what_does_not_fit_is_refused_as_wrong_configuration() {
        for (from, to) in [
            ("[caps]", "[cap]"),
            ("fee =", "fees ="),
            ("\"5 ETH\"", "\"5 LTC\""),
            ("\"5 ETH\"", "5"),
            ("\"5 ETH\"", "\"5,0 ETH\""),
            ("ETH = {", "DOGE = {"),
            ("036b17", "046b17"),
            ("Bdf\"]", "BdF\"]"),
            ("hsm.toml", "nowhere.toml"),
            ("pin_file", "pin"),
            ("[vaults.main]", "[vaults.\"../x\"]"),
        ] {
            let edited = good().replace(from, to);
            assert_ne!(edited, good(), "{from}");
            let error = read(&edited).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{to}: {error}");
        }
        assert_eq!(read("").unwrap_err().exit_code(), 2);
    }
}
