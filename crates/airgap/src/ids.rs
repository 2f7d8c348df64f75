//! Names that a bundle may hold. Each is checked when it is made, so no manifest can name a path, and no text in it
//! can play with a terminal.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest part of a refused name that an error repeats, in characters.
const QUOTED: usize = 80;

/// A text that is not a name of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct NameError {
    /// What was given, shortened.
    pub text: String,
    /// What it should have been.
    pub expected: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $holds:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Its text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let holds: fn(&str) -> bool = $holds;
                if holds(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(NameError { text: text.chars().take(QUOTED).collect(), expected: $expected })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn is_prefixed_hex(text: &str, prefix: &str) -> bool {
    let lower_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix(prefix)
        .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(lower_hex))
}

fn is_label(text: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_file_name(text: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.');
    (1..=80).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('.')
        && !text.contains("..")
}

name!(
    /// A transaction of the vault: `tx_` and 32 hexadecimal digits.
    TransactionId, |text| is_prefixed_hex(text, "tx_"), "a transaction id (tx_ and 32 lower-case hex digits)"
);
name!(
    /// A cold export: `ex_` and 32 hexadecimal digits.
    ExportId, |text| is_prefixed_hex(text, "ex_"), "an export id (ex_ and 32 lower-case hex digits)"
);
name!(
    /// A vault's name.
    VaultName, is_label, "a vault's name (1 to 64 of a-z, 0-9 and -)"
);
name!(
    /// A wallet's name.
    WalletName, is_label, "a wallet's name (1 to 64 of a-z, 0-9 and -)"
);
name!(
    /// A file of a bundle: a plain name, never a path, never hidden.
    FileName, is_file_name, "a file name of a bundle (1 to 80 of a-z, 0-9, _ and single dots)"
);

/// What a transaction's file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// BIP-174, unsigned on the way out and signed on the way back.
    Psbt,
    /// `0x02 ‖ rlp` of an unsigned EIP-1559 transaction, in hexadecimal.
    Unsigned,
    /// r ‖ s, in hexadecimal.
    Signature,
}

impl TransactionId {
    /// The file of this transaction.
    pub(crate) fn file(&self, kind: FileKind) -> FileName {
        let extension = match kind {
            FileKind::Psbt => "psbt",
            FileKind::Unsigned => "unsigned",
            FileKind::Signature => "signature",
        };
        FileName(format!("{self}.{extension}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_never_a_path_nor_hidden() {
        for bad in [
            "",
            ".",
            "..",
            "../manifest.json",
            "a/b",
            "a\\b",
            "/etc/passwd",
            ".hidden",
            "a..b",
            "UPPER",
            "nul\0",
            "tabs\t",
        ] {
            assert!(bad.parse::<FileName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(81).parse::<FileName>().is_err());
        assert!("manifest.json".parse::<FileName>().is_ok());
    }

    #[test]
    fn ids_and_labels_hold_nothing_that_a_terminal_interprets() {
        for bad in [
            "tx_",
            "tx_../../etc/passwd",
            "tx_ABABABABABABABABABABABABABABABAB",
            "\u{202e}",
        ] {
            assert!(bad.parse::<TransactionId>().is_err(), "{bad:?}");
            assert!(bad.parse::<WalletName>().is_err(), "{bad:?}");
        }
        let id: TransactionId = "tx_000102030405060708090a0b0c0d0e0f".parse().unwrap();
        assert_eq!(
            id.file(FileKind::Psbt).as_str(),
            "tx_000102030405060708090a0b0c0d0e0f.psbt"
        );
    }
}
