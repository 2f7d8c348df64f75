//! Heads: the journal key's signature over the last row of a commit. Invariant: one head has one
//! valid encoding (low-S), so an edited signature never passes for the one that was made.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::canonical::{CanonicalError, canonical_json};

const DOMAIN: &[u8] = b"custodyd/head/v1\n";

/// The signed head of a vault's journal after one commit, as it is stored. All are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRow {
    /// The vault that the journal belongs to.
    pub vault: String,
    /// The sequence number of the last row that this head covers.
    pub seq: u64,
    /// When the head was signed, in Unix milliseconds.
    pub at_ms: u64,
    /// The hash of that last row.
    pub hash: [u8; 32],
    /// P-256 signature `r || s`, 64 bytes, low-S, by the journal key over [`head_digest`].
    pub signature: Vec<u8>,
}

/// Why a head or a journal key is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// Not a point of P-256 in SEC 1 encoding.
    #[error("journal key {0} is not a P-256 point in SEC 1 encoding")]
    Key(String),
    /// Not 64 bytes of `r || s` within the group order.
    #[error("head at seq {seq}: signature {signature} is not a P-256 signature of 64 bytes")]
    Malformed {
        /// The head's sequence number.
        seq: u64,
        /// The rejected bytes in hex.
        signature: String,
    },
    /// The second, mirrored encoding of a signature.
    #[error("head at seq {seq}: signature {signature} is not in low-S form")]
    HighS {
        /// The head's sequence number.
        seq: u64,
        /// The rejected bytes in hex.
        signature: String,
    },
    /// The key did not sign this vault, seq, time and hash.
    #[error("head at seq {seq}: the journal key did not sign this vault, seq, at_ms and hash")]
    Mismatch {
        /// The head's sequence number.
        seq: u64,
    },
    /// A number that cannot be signed exactly.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

/// The public half of the key that signs heads; its private half is in the HSM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalKey(VerifyingKey);

impl JournalKey {
    /// Reads a P-256 point, compressed (33 bytes) or not (65 bytes).
    ///
    /// # Errors
    /// [`HeadError::Key`] with the rejected bytes.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, HeadError> {
        VerifyingKey::from_sec1_bytes(bytes)
            .map(Self)
            .map_err(|_| HeadError::Key(hex::encode(bytes)))
    }

    /// Whether this key made the signature, in either of its encodings, over these 32 bytes.
    #[must_use]
    pub fn made(&self, signature: &[u8; 64], digest: &[u8; 32]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_prehash(digest, &signature).is_ok())
    }

    /// The point, compressed, 33 bytes.
    #[must_use]
    pub fn to_sec1(&self) -> Vec<u8> {
        self.0.to_encoded_point(true).as_bytes().to_vec()
    }
}

/// The 32 bytes that the journal key signs.
///
/// # Errors
/// When `seq` or `at_ms` is beyond what canonical JSON keeps exact.
pub fn head_digest(
    vault: &str,
    seq: u64,
    at_ms: u64,
    hash: &[u8; 32],
) -> Result<[u8; 32], CanonicalError> {
    let text = canonical_json(&json!({
        "vault": vault, "seq": seq, "at": at_ms, "hash": hex::encode(hash),
    }))?;
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    hasher.update(text);
    Ok(hasher.finalize().into())
}

impl HeadRow {
    /// A head from what the HSM returned for [`head_digest`], brought into low-S form.
    ///
    /// # Errors
    /// [`HeadError::Malformed`] when `signature` is no P-256 signature.
    pub fn from_hsm(
        vault: &str,
        seq: u64,
        at_ms: u64,
        hash: [u8; 32],
        signature: &[u8; 64],
    ) -> Result<Self, HeadError> {
        let parsed = parse(seq, signature)?;
        let low = parsed.normalize_s().unwrap_or(parsed);
        Ok(Self {
            vault: vault.to_owned(),
            seq,
            at_ms,
            hash,
            signature: low.to_bytes().to_vec(),
        })
    }

    /// Whether `key` signed this head.
    ///
    /// # Errors
    /// Says whether the signature is malformed, in its high-S form, or of something else.
    pub fn verify(&self, key: &JournalKey) -> Result<(), HeadError> {
        let signature = parse(self.seq, &self.signature)?;
        if signature.normalize_s().is_some() {
            return Err(HeadError::HighS {
                seq: self.seq,
                signature: hex::encode(&self.signature),
            });
        }
        let digest = head_digest(&self.vault, self.seq, self.at_ms, &self.hash)?;
        key.0
            .verify_prehash(&digest, &signature)
            .map_err(|_| HeadError::Mismatch { seq: self.seq })
    }
}

fn parse(seq: u64, bytes: &[u8]) -> Result<Signature, HeadError> {
    Signature::from_slice(bytes).map_err(|_| HeadError::Malformed {
        seq,
        signature: hex::encode(bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::SigningKey;
    use p256::ecdsa::signature::hazmat::PrehashSigner;

    fn signed() -> (HeadRow, JournalKey) {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let digest = head_digest("main", 9, 5, &[1; 32]).unwrap();
        let signature: Signature = key.sign_prehash(&digest).unwrap();
        let head = HeadRow::from_hsm("main", 9, 5, [1; 32], &signature.to_bytes().into()).unwrap();
        let point = key.verifying_key().to_encoded_point(true);
        (head, JournalKey::from_sec1(point.as_bytes()).unwrap())
    }

    #[test]
    fn both_encodings_of_a_signature_become_the_low_one_and_only_that_one_verifies() {
        let (head, key) = signed();
        head.verify(&key).unwrap();

        let low = Signature::from_slice(&head.signature).unwrap();
        let (r, s) = low.split_scalars();
        let high = Signature::from_scalars(r, -s).unwrap();
        let mirrored = HeadRow {
            signature: high.to_bytes().to_vec(),
            ..head.clone()
        };
        assert!(matches!(
            mirrored.verify(&key),
            Err(HeadError::HighS { seq: 9, .. })
        ));
        let again = HeadRow::from_hsm("main", 9, 5, [1; 32], &high.to_bytes().into()).unwrap();
        assert_eq!(again, head);
    }

    #[test]
    fn another_key_and_a_short_signature_are_told_apart() {
        let (head, key) = signed();
        let other = SigningKey::from_slice(&[8; 32]).unwrap();
        let other = other.verifying_key().to_encoded_point(false);
        let other = JournalKey::from_sec1(other.as_bytes()).unwrap();
        assert!(matches!(
            head.verify(&other),
            Err(HeadError::Mismatch { seq: 9 })
        ));
        let short = HeadRow {
            signature: vec![1; 63],
            ..head
        };
        assert!(matches!(
            short.verify(&key),
            Err(HeadError::Malformed { seq: 9, .. })
        ));
        assert!(matches!(JournalKey::from_sec1(&[]), Err(HeadError::Key(_))));
    }
}
