//! A document signed by the journal key.

use custodyd_hsm::{Curve, PublicPoint, verifies};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use crate::journal::{CanonicalError, canonical_json};

/// Bytes of a file that is read back at most: 100,000 wrapped keys and room.
const MOST_BYTES: usize = 256 << 20;

/// Why a document of a ceremony is not believed.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    /// It has no canonical form.
    #[error("the document has no canonical form: {0}")]
    Canonical(#[from] CanonicalError),
    /// Not a document of this kind.
    #[error("this is no such document: {0}")]
    Malformed(String),
    /// More than anybody would write.
    #[error("a document of {0} bytes is not read")]
    TooLong(usize),
    /// Another vault's journal key signed it, or nobody's.
    #[error("it is signed with journal key {found}, not with {expected}")]
    OtherKey {
        /// Whose it should be, compressed, hex.
        expected: String,
        /// Whose it says it is.
        found: String,
    },
    /// It was changed after it was signed, or was never signed.
    #[error("the journal key did not sign this: it was changed, or made by somebody else")]
    Signature,
    /// A report made for another occasion.
    #[error("it answers the challenge {found}, not {expected}: an old report, or another's")]
    Challenge {
        /// What was asked.
        expected: String,
        /// What it answers.
        found: String,
    },
    /// A key that didn't sign the challenge.
    #[error("key {0} on token {1} did not prove that it is there: its signature does not verify")]
    Proof(String, String),
}

/// A document with the journal key's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed<T> {
    /// What is signed.
    pub document: T,
    /// The journal key's compressed point.
    pub journal_key: PublicPoint,
    /// r ‖ s over [`tagged`] of the document, hex.
    pub signature: String,
}

/// A kind of document, with a tag that is no other's.
pub trait Document: Serialize + DeserializeOwned {
    /// What its hash begins with; ends with a line feed, which canonical JSON never holds.
    const TAG: &'static str;
}

impl<T: Document> Sealed<T> {
    /// Signs a document.
    ///
    /// # Errors
    /// It has no canonical form, or `sign` fails.
    pub fn new<E: From<CeremonyError>>(
        document: T,
        journal_key: PublicPoint,
        sign: impl FnOnce([u8; 32]) -> Result<[u8; 64], E>,
    ) -> Result<Self, E> {
        let digest = tagged(T::TAG, &document).map_err(CeremonyError::from)?;
        let signature = hex::encode(sign(digest)?);
        Ok(Self {
            document,
            journal_key,
            signature,
        })
    }

    /// Its text, for a file.
    ///
    /// # Errors
    /// It has none.
    pub fn to_text(&self) -> Result<String, CeremonyError> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|e| CeremonyError::Malformed(e.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    /// Reads a file and believes it only if this key signed it.
    ///
    /// # Errors
    /// Says whether it is another kind of file, another key's, or changed.
    pub fn open(bytes: &[u8], journal_key: &PublicPoint) -> Result<T, CeremonyError> {
        if bytes.len() > MOST_BYTES {
            return Err(CeremonyError::TooLong(bytes.len()));
        }
        let sealed: Self =
            serde_json::from_slice(bytes).map_err(|e| CeremonyError::Malformed(e.to_string()))?;
        if sealed.journal_key != *journal_key {
            return Err(CeremonyError::OtherKey {
                expected: journal_key.to_string(),
                found: sealed.journal_key.to_string(),
            });
        }
        let digest = tagged(T::TAG, &sealed.document)?;
        if signed(Curve::P256, journal_key, &digest, &sealed.signature) {
            Ok(sealed.document)
        } else {
            Err(CeremonyError::Signature)
        }
    }
}

/// SHA-256 of the tag and the canonical JSON.
pub(super) fn tagged(tag: &str, document: &impl Serialize) -> Result<[u8; 32], CanonicalError> {
    let hash = Sha256::new_with_prefix(tag.as_bytes()).chain_update(canonical_json(document)?);
    Ok(hash.finalize().into())
}

/// Whether the signature, in hex, is this key's.
pub(super) fn signed(
    curve: Curve,
    public: &PublicPoint,
    digest: &[u8; 32],
    signature: &str,
) -> bool {
    let mut bytes = [0; 64];
    hex::decode_to_slice(signature, &mut bytes).is_ok() && verifies(curve, public, digest, &bytes)
}
