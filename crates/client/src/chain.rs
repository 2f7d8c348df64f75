//! The journal as the daemon gives it, checked here: each row's hash, its place after the one before, and the journal key's
//! signature over the last. docs/ARCHITECTURE.md, "The journal", has the formats.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const ROW_DOMAIN: &[u8] = b"custodyd/journal/v1\n";
const HEAD_DOMAIN: &[u8] = b"custodyd/head/v1\n";

/// A row as `GET /v1/journal` has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalRow {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was decided, Unix milliseconds.
    pub at: u64,
    /// The event's name.
    pub kind: String,
    /// The event.
    pub event: Value,
    /// The hash of the row before, hex.
    pub prev_hash: String,
    /// Its own, hex.
    pub hash: String,
}

/// The last signed head, as `GET /v1/journal/checkpoint` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The journal's vault.
    pub vault: String,
    /// The row that it covers, with all before it.
    pub seq: u64,
    /// When it was signed, Unix milliseconds.
    pub at: u64,
    /// That row's hash, hex.
    pub hash: String,
    /// P-256, r ‖ s, hex.
    pub signature: String,
    /// The key that the daemon says it is of, compressed SEC1, hex. To be compared with one that came another way.
    pub journal_key: String,
}

/// A journal that contradicts itself, or its signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// A row's hash is not that of what the row says.
    #[error("row {0} of the journal does not have the hash of what it says")]
    Hash(u64),
    /// A row does not come after the one before it.
    #[error("row {seq} of the journal does not follow row {after}")]
    Gap {
        /// The row.
        seq: u64,
        /// The one before.
        after: u64,
    },
    /// The rows don't lead to what was signed.
    #[error("the journal's rows do not lead to the signed checkpoint at row {0}")]
    Checkpoint(u64),
    /// A text that is no key.
    #[error("{0:?} is not a journal key: a compressed P-256 point, 66 hex digits")]
    Key(String),
    /// The checkpoint is not signed by that key.
    #[error("the checkpoint at row {seq} is not signed by the journal key {key}")]
    Signature {
        /// The row.
        seq: u64,
        /// The key, hex.
        key: String,
    },
}

/// Rows that follow one another.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    vault: &'a str,
    last: Option<(u64, String)>,
}

impl<'a> Chain<'a> {
    /// A chain in the journal of this vault, from the first row that is taken.
    #[must_use]
    pub fn of(vault: &'a str) -> Self {
        Self { vault, last: None }
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// `Hash` for a row that was altered, `Gap` for one that does not follow.
    pub fn take(&mut self, row: &JournalRow) -> Result<(), ChainFault> {
        if let Some((after, hash)) = &self.last
            && (after.checked_add(1) != Some(row.seq) || *hash != row.prev_hash)
        {
            return Err(ChainFault::Gap {
                seq: row.seq,
                after: *after,
            });
        }
        if row_hash(self.vault, row).as_deref() != Some(&row.hash) {
            return Err(ChainFault::Hash(row.seq));
        }
        self.last = Some((row.seq, row.hash.clone()));
        Ok(())
    }

    /// Whether the rows taken end in the one that the checkpoint is about.
    ///
    /// # Errors
    /// `Checkpoint` if they don't.
    pub fn ends_in(&self, checkpoint: &Checkpoint) -> Result<(), ChainFault> {
        let end = (checkpoint.seq, checkpoint.hash.as_str());
        let reached = self.last.as_ref().map(|(seq, hash)| (*seq, hash.as_str()));
        if reached == Some(end) && checkpoint.vault == self.vault {
            return Ok(());
        }
        Err(ChainFault::Checkpoint(checkpoint.seq))
    }
}

impl Checkpoint {
    /// Whether this key signed it. Take the key from where the vault was made (`custodyd init` prints it), not from the
    /// checkpoint: whoever forges the one forges the other.
    ///
    /// # Errors
    /// `Key` for a text that is none, `Signature` if it did not sign.
    pub fn verify(&self, key: &str) -> Result<(), ChainFault> {
        let verifying = hex::decode(key)
            .ok()
            .and_then(|point| VerifyingKey::from_sec1_bytes(&point).ok())
            .ok_or_else(|| ChainFault::Key(key.chars().take(140).collect()))?;
        let signed = json!({
            "at": self.at, "hash": self.hash, "seq": self.seq, "vault": self.vault,
        });
        let holds = || {
            let signature = hex::decode(&self.signature).ok()?;
            let signature = Signature::from_slice(&signature).ok()?;
            let digest = digest(&[
                HEAD_DOMAIN,
                &serde_json_canonicalizer::to_vec(&signed).ok()?,
            ]);
            verifying.verify_prehash(&digest, &signature).ok()
        };
        holds().ok_or_else(|| ChainFault::Signature {
            seq: self.seq,
            key: key.to_owned(),
        })
    }
}

fn row_hash(vault: &str, row: &JournalRow) -> Option<String> {
    let text = serde_json_canonicalizer::to_vec(&json!({
        "at": row.at, "event": row.event, "kind": row.kind, "seq": row.seq, "vault": vault,
    }));
    let before = hex::decode(&row.prev_hash).ok()?;
    Some(hex::encode(digest(&[ROW_DOMAIN, &before, &text.ok()?])))
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;
    use p256::ecdsa::signature::hazmat::PrehashSigner as _;

    use super::*;

    fn rows() -> Vec<JournalRow> {
        let mut before = "0".repeat(64);
        let row = |seq: u64| {
            let mut row = JournalRow {
                seq,
                at: 1_000 + seq,
                kind: "expired".to_owned(),
                event: json!({"type": "expired", "b": [1, null], "a": "é"}),
                prev_hash: before.clone(),
                hash: String::new(),
            };
            row.hash = row_hash("main", &row).unwrap();
            before.clone_from(&row.hash);
            row
        };
        (1..=3).map(row).collect()
    }

    fn follow(rows: &[JournalRow]) -> Result<Chain<'static>, ChainFault> {
        let mut chain = Chain::of("main");
        for row in rows {
            chain.take(row)?;
        }
        Ok(chain)
    }

    #[test]
    fn a_row_that_was_altered_taken_out_or_moved_is_found() {
        let good = rows();
        follow(&good).unwrap();
        // From the middle on is a chain too.
        follow(&good[1..]).unwrap();
        let altered = |change: fn(&mut JournalRow)| {
            let mut rows = rows();
            change(&mut rows[1]);
            follow(&rows).unwrap_err()
        };
        assert_eq!(altered(|row| row.at += 1), ChainFault::Hash(2));
        assert_eq!(altered(|row| row.kind.push('x')), ChainFault::Hash(2));
        assert_eq!(
            altered(|row| row.event["a"] = json!("e")),
            ChainFault::Hash(2)
        );
        let gap = ChainFault::Gap { seq: 3, after: 1 };
        assert_eq!(
            follow(&[good[0].clone(), good[2].clone()]).unwrap_err(),
            gap
        );
        let gap = |row: &mut JournalRow| {
            row.prev_hash = "1".repeat(64);
            row.hash = row_hash("main", row).unwrap();
        };
        assert_eq!(altered(gap), ChainFault::Gap { seq: 2, after: 1 });
        let mut other = Chain::of("other");
        assert_eq!(other.take(&good[0]), Err(ChainFault::Hash(1)));
    }

    #[test]
    fn a_checkpoint_holds_under_the_key_that_signed_it_alone() {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let text =
            |key: &SigningKey| hex::encode(key.verifying_key().to_encoded_point(true).as_bytes());
        let last = rows().pop().unwrap();
        // The text that is signed, by hand.
        let signed = format!(
            "custodyd/head/v1\n{{\"at\":9,\"hash\":\"{}\",\"seq\":3,\"vault\":\"main\"}}",
            last.hash
        );
        let signature: Signature = key.sign_prehash(&Sha256::digest(signed)).unwrap();
        let checkpoint = Checkpoint {
            vault: "main".to_owned(),
            seq: 3,
            at: 9,
            hash: last.hash,
            signature: hex::encode(signature.to_bytes()),
            journal_key: text(&key),
        };
        checkpoint.verify(&text(&key)).unwrap();
        follow(&rows()).unwrap().ends_in(&checkpoint).unwrap();
        let short = follow(&rows()[..2]).unwrap();
        assert_eq!(short.ends_in(&checkpoint), Err(ChainFault::Checkpoint(3)));
        let other = text(&SigningKey::from_slice(&[8; 32]).unwrap());
        assert!(matches!(
            checkpoint.verify(&other),
            Err(ChainFault::Signature { .. })
        ));
        assert!(matches!(checkpoint.verify("00"), Err(ChainFault::Key(_))));
        let moved = Checkpoint {
            at: 10,
            ..checkpoint
        };
        assert!(moved.verify(&text(&key)).is_err());
    }
}
