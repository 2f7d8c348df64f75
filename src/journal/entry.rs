//! One journal row and its seal. Invariant: `hash` covers every other column, so no column can be
//! edited without the hash, and no hash without the row after it.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::canonical::{CanonicalError, canonical_json, exact};

/// What the first row of a journal names as the hash before it.
pub const GENESIS: [u8; 32] = [0; 32];

/// The sequence number of the first row of a journal; it grows by one from row to row.
pub const FIRST_SEQ: u64 = 1;

const DOMAIN: &[u8] = b"custodyd/journal/v1\n";

/// One event in a vault's journal, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// The vault that the journal belongs to.
    pub vault: String,
    /// Position in the vault's journal, from [`FIRST_SEQ`].
    pub seq: u64,
    /// When the event was decided, in Unix milliseconds.
    pub at_ms: u64,
    /// The event's name.
    pub kind: String,
    /// The event, canonical JSON (RFC 8785).
    pub event: String,
    /// The hash of the row before, or [`GENESIS`].
    pub prev_hash: [u8; 32],
    /// SHA-256 over the domain, `prev_hash` and the canonical JSON of all other columns.
    pub hash: [u8; 32],
}

/// Where an event goes in the chain: everything of a row but the event and its hash.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The vault that the journal belongs to.
    pub vault: &'a str,
    /// Position in the vault's journal, from [`FIRST_SEQ`].
    pub seq: u64,
    /// When the event was decided, in Unix milliseconds.
    pub at_ms: u64,
    /// The event's name.
    pub kind: &'a str,
    /// The hash of the row before, or [`GENESIS`].
    pub prev_hash: [u8; 32],
}

impl Entry<'_> {
    /// The row that holds `event` at this place.
    ///
    /// # Errors
    /// When `event`, `seq` or `at_ms` has no canonical text (see [`canonical_json`]).
    pub fn seal(self, event: &impl Serialize) -> Result<JournalRow, CanonicalError> {
        let event = canonical_json(event)?;
        let hash = self.hash(&event)?;
        Ok(JournalRow {
            vault: self.vault.to_owned(),
            seq: self.seq,
            at_ms: self.at_ms,
            kind: self.kind.to_owned(),
            event,
            prev_hash: self.prev_hash,
            hash,
        })
    }

    /// Hashes `{"at","event","kind","seq","vault"}`, the keys in canonical order. `event` is spliced
    /// in as it is, so that a single byte of the stored text matters. No other split of the columns
    /// gives the same text: read from its end, an escaped string holds no bare quote.
    fn hash(&self, event: &str) -> Result<[u8; 32], CanonicalError> {
        let (kind, vault) = (string(self.kind)?, string(self.vault)?);
        let before = format!("{{\"at\":{},\"event\":", exact(self.at_ms)?);
        let seq = exact(self.seq)?;
        let after = format!(",\"kind\":{kind},\"seq\":{seq},\"vault\":{vault}}}");
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(self.prev_hash);
        for part in [before.as_str(), event, after.as_str()] {
            hasher.update(part);
        }
        Ok(hasher.finalize().into())
    }
}

/// A name's canonical text. All of ours are plain, and need no look for what has to be escaped.
fn string(name: &str) -> Result<String, CanonicalError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.bytes().all(plain) {
        return Ok(format!("\"{name}\""));
    }
    canonical_json(name)
}

impl JournalRow {
    /// The hash that the other columns call for.
    ///
    /// # Errors
    /// When `seq` or `at_ms` is beyond what canonical JSON keeps exact.
    pub fn computed_hash(&self) -> Result<[u8; 32], CanonicalError> {
        self.hash_after(self.prev_hash)
    }

    /// The hash that the other columns would call for after `prev_hash`.
    pub(super) fn hash_after(&self, prev_hash: [u8; 32]) -> Result<[u8; 32], CanonicalError> {
        Entry {
            vault: &self.vault,
            seq: self.seq,
            at_ms: self.at_ms,
            kind: &self.kind,
            prev_hash,
        }
        .hash(&self.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hash_is_that_of_the_canonical_json_of_the_row() {
        let row = Entry {
            vault: "main",
            seq: 1,
            at_ms: 1_700_000_000_000,
            kind: "withdrawal_received",
            prev_hash: GENESIS,
        }
        .seal(&json!({"z": "\"quoted\"", "a": {"amount": "1.5 LTC"}}))
        .unwrap();

        let whole = canonical_json(&json!({
            "vault": "main", "seq": 1, "at": 1_700_000_000_000_u64, "kind": "withdrawal_received",
            "event": {"a": {"amount": "1.5 LTC"}, "z": "\"quoted\""},
        }))
        .unwrap();
        let mut hasher = Sha256::new();
        hasher.update(b"custodyd/journal/v1\n");
        hasher.update([0_u8; 32]);
        hasher.update(whole);
        assert_eq!(row.hash, <[u8; 32]>::from(hasher.finalize()));
        assert_eq!(row.computed_hash().unwrap(), row.hash);
    }

    #[test]
    fn a_name_is_written_as_json_has_it() {
        for name in [
            "main",
            "hot-eth_2",
            "",
            "a\"b",
            "a\\",
            "a b",
            "é",
            "\n",
            "\u{1}",
        ] {
            assert_eq!(string(name).unwrap(), serde_json::to_string(name).unwrap());
        }
    }

    #[test]
    fn a_sequence_that_json_would_round_cannot_be_sealed() {
        let entry = Entry {
            vault: "main",
            seq: 1 << 53,
            at_ms: 0,
            kind: "x",
            prev_hash: GENESIS,
        };
        assert!(matches!(
            entry.seal(&json!({})),
            Err(CanonicalError::InexactNumber(_))
        ));
    }
}
