//! A key as its token describes it, and proof that the token has its private half.

use std::collections::BTreeMap;

use custodyd_hsm::{Curve, Flag, KeyId, KeyReport, PublicPoint, TokenInfo};
use serde::{Deserialize, Serialize};

use super::seal::{CeremonyError, signed, tagged};

/// What a key signs to show that it is there.
const TAG: &str = "custodyd/attest/v1\n";

/// A token as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// Its name in the configuration.
    pub name: String,
    /// Its label.
    pub label: String,
    /// Its serial number.
    pub serial: String,
    /// Its model.
    pub model: String,
    /// Its maker.
    pub manufacturer: String,
    /// Its firmware's version.
    pub firmware: String,
}

impl TokenEntry {
    /// What a token said of itself, under the name that the configuration gives it.
    #[must_use]
    pub fn new(name: &str, info: TokenInfo) -> Self {
        Self {
            name: name.to_owned(),
            label: info.label,
            serial: info.serial,
            model: info.model,
            manufacturer: info.manufacturer,
            firmware: info.firmware,
        }
    }
}

/// A key pair, as one token describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// CKA_ID.
    pub id: KeyId,
    /// The wallet it belongs to, `journal`, or `nobody`.
    pub owner: String,
    /// CKA_LABEL.
    pub label: String,
    /// The curve.
    pub curve: Curve,
    /// The public half.
    pub public_key: PublicPoint,
    /// The private half's attributes by their CKA_ names; one that the module doesn't know is absent.
    pub attributes: BTreeMap<String, bool>,
    /// The token's name in the configuration.
    pub token: String,
}

impl KeyEntry {
    /// What a token reports of a key.
    #[must_use]
    pub fn new(report: &KeyReport, owner: &str, token: &str) -> Self {
        let value = |flag: Flag| {
            let value = report.attributes.get(flag)?;
            Some((flag.name().to_owned(), value))
        };
        Self {
            id: report.id,
            owner: owner.to_owned(),
            label: report.label.clone(),
            curve: report.curve,
            public_key: report.public,
            attributes: Flag::ALL.into_iter().filter_map(value).collect(),
            token: token.to_owned(),
        }
    }

    /// Attributes that a signing key must have otherwise, each as `CKA_NAME is true`. Those that the module doesn't know are
    /// not among them.
    #[must_use]
    pub fn misses(&self) -> Vec<String> {
        let miss = |flag: Flag| {
            let found = *self.attributes.get(flag.name())?;
            let wrong = flag.required()? != found;
            wrong.then(|| format!("{} is {found}", flag.name()))
        };
        Flag::ALL.into_iter().filter_map(miss).collect()
    }
}

/// A key and its signature over a challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The key.
    pub key: KeyEntry,
    /// r ‖ s over [`Proof::digest`], hex (of an Ed25519 key R ‖ S over its 32 bytes as a message); none of a key that custodyd doesn't sign with, since it is not as a key must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

#[derive(Serialize)]
struct Preimage<'a> {
    challenge: &'a str,
    vault: &'a str,
    key: &'a KeyEntry,
}

impl Proof {
    /// What a key signs: SHA-256 of a tag and canonical JSON of challenge, vault and the key's own entry, so that the proof
    /// holds for this entry alone.
    ///
    /// # Errors
    /// The entry has no canonical form.
    pub fn digest(challenge: &str, vault: &str, key: &KeyEntry) -> Result<[u8; 32], CeremonyError> {
        let preimage = Preimage {
            challenge,
            vault,
            key,
        };
        Ok(tagged(TAG, &preimage)?)
    }

    /// Whether the key made its signature over this challenge, or is one that must not sign.
    ///
    /// # Errors
    /// [`CeremonyError::Proof`], naming it.
    pub fn verify(&self, challenge: &str, vault: &str) -> Result<(), CeremonyError> {
        let key = &self.key;
        let holds = match &self.signature {
            Some(signature) => {
                let digest = Self::digest(challenge, vault, key)?;
                signed(key.curve, &key.public_key, &digest, signature)
            }
            None => !key.misses().is_empty(),
        };
        if holds {
            return Ok(());
        }
        let KeyEntry { id, token, .. } = key;
        Err(CeremonyError::Proof(id.to_string(), token.clone()))
    }
}
