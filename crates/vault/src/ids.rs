//! Identities of what a vault owns. They are handed in (random or time-ordered), never made here.

use std::{fmt, str::FromStr};

use custodyd_policy::{WalletId, WithdrawalId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A text that is not an identity of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not {1}")]
pub struct IdError(pub String, pub &'static str);

fn is_lower_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The identity with these 16 bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(format!(concat!($prefix, "{}"), hex::encode(bytes)))
            }

            /// Its text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                match text.strip_prefix($prefix) {
                    Some(hex) if is_lower_hex(hex, 32) => Ok(Self(text.to_owned())),
                    _ => Err(IdError(text.chars().take(80).collect(), $what)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

prefixed_id!(
    /// A transaction of the vault: `tx_` and 32 hex digits. Not the chain's txid, which is only known once signed.
    TransactionId, "tx_", "a transaction id (tx_ and 32 lowercase hex digits)"
);
prefixed_id!(
    /// A cold export: `ex_` and 32 hex digits.
    ExportId, "ex_", "an export id (ex_ and 32 lowercase hex digits)"
);
prefixed_id!(
    /// A proposal: `pr_` and 32 hex digits.
    ProposalId, "pr_", "a proposal id (pr_ and 32 lowercase hex digits)"
);
prefixed_id!(
    /// A key pair of an HSM: `key_` and the 32 hex digits of its CKA_ID.
    KeyId, "key_", "a key id (key_ and 32 lowercase hex digits)"
);

impl TransactionId {
    /// The id of a withdrawal's `attempt`-th transaction: derived, so that planning needs no randomness and the same
    /// plan can't exist under two ids.
    pub fn of_attempt(withdrawal: &WithdrawalId, attempt: u32) -> Self {
        let hash = Sha256::new()
            .chain_update("custodyd/transaction/v1\n")
            .chain_update(withdrawal.as_bytes())
            .chain_update(attempt.to_be_bytes())
            .finalize();
        let mut id = [0; 16];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self::from_bytes(id)
    }
}

impl KeyId {
    /// The id of the first key of a wallet that a proposal adds: derived, since the proposal's id is fresh already and
    /// whoever approves it approves the key's place with it.
    pub fn of_wallet(proposal: &ProposalId, wallet: &WalletId) -> Self {
        let hash = Sha256::new()
            .chain_update("custodyd/wallet-key/v1\n")
            .chain_update(proposal.as_str())
            .chain_update("\n")
            .chain_update(wallet.as_str())
            .finalize();
        let mut id = [0; 16];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self::from_bytes(id)
    }

    /// The CKA_ID under which the key lies on its token (PKCS#11 3.0 §4.6.3).
    pub fn cka_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        hex::decode_to_slice(self.0.strip_prefix("key_").unwrap_or_default(), &mut id)
            .expect("a KeyId is key_ and 32 hex digits, checked when it was made");
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_prefix_and_thirty_two_lowercase_hex_digits() {
        let id = TransactionId::from_bytes([0xab; 16]);
        assert_eq!(id.as_str().parse::<TransactionId>().unwrap(), id);
        for wrong in [
            "",
            "tx_",
            "tx_../../etc/passwd",
            "ex_abababababababababababababababab",
            "tx_ABABABABABABABABABABABABABABABAB",
        ] {
            assert!(wrong.parse::<TransactionId>().is_err(), "{wrong}");
        }
        assert_eq!(KeyId::from_bytes([7; 16]).cka_id(), [7; 16]);
    }
}
