//! Names of things. An id is checked once, where it enters, and is of one kind from then on: a wallet's id cannot
//! be passed where a client's is meant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest id, in characters.
pub const MAX_ID_LENGTH: usize = 64;

/// An id that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not 1 to 64 characters of `a-z`, `0-9` and `-`.
    #[error(
        "{kind} id {found} is not 1 to {MAX_ID_LENGTH} characters of a-z, 0-9 and '-'; write for example \"hot-1\""
    )]
    Name {
        /// What kind of id was expected.
        kind: &'static str,
        /// The rejected text, shortened.
        found: Quoted,
    },
    /// Not `wd_` and 32 lowercase hexadecimal digits.
    #[error("withdrawal id {found} is not \"wd_\" and 32 lowercase hexadecimal digits")]
    Withdrawal {
        /// The rejected text, shortened.
        found: Quoted,
    },
}

/// Rejected input, escaped and cut to a length that is safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(String);

impl Quoted {
    const SHOWN: usize = 80;

    /// Keeps the first characters of `text`.
    pub fn new(text: &str) -> Self {
        Self(text.chars().take(Self::SHOWN).collect())
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Debug escapes NUL, line ends and direction overrides, so that a message stays one line.
        write!(f, "{:?}", self.0)
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_ID_LENGTH).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The id's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError::Name { kind: $kind, found: Quoted::new(text) })
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self.0)
            }
        }

        text_serde!($type);
    };
}

macro_rules! text_serde {
    ($type:ident) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a string")
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

name!(
    /// A vault: the unit of consistency, of policy and of sharding.
    VaultId, "vault"
);
name!(
    /// A wallet of a vault.
    WalletId, "wallet"
);
name!(
    /// A service that may ask for withdrawals.
    ClientId, "client"
);
name!(
    /// A person who may approve. One person has one id, however many credentials.
    OperatorId, "operator"
);
name!(
    /// A group of operators that a quorum is counted in.
    GroupId, "group"
);
name!(
    /// A rule of a policy.
    RuleId, "rule"
);
name!(
    /// A limit of a policy.
    LimitId, "limit"
);

name!(
    /// A label of an address book entry, such as `exchange`.
    Tag, "tag"
);
name!(
    /// An organisation that operators belong to.
    OrganisationId, "organisation"
);
name!(
    /// A list of holidays.
    CalendarId, "calendar"
);

/// A withdrawal: 16 bytes, written `wd_` and 32 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WithdrawalId([u8; 16]);

impl WithdrawalId {
    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for WithdrawalId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let refused = || IdError::Withdrawal {
            found: Quoted::new(text),
        };
        let digits = text.strip_prefix("wd_").ok_or_else(refused)?;
        if digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(refused());
        }
        let mut bytes = [0; 16];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| refused())?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for WithdrawalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"wd_00000000000000000000000000000000";
        let digits = text.get_mut(3..).ok_or(fmt::Error)?;
        hex::encode_to_slice(self.0, digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for WithdrawalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WithdrawalId({self})")
    }
}

text_serde!(WithdrawalId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_text_through_json() {
        let id: WalletId = serde_json::from_str("\"hot-ltc-1\"").unwrap();
        assert_eq!(id.as_str(), "hot-ltc-1");
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"hot-ltc-1\"");
    }

    #[test]
    fn a_name_outside_the_charset_is_refused() {
        let long = "a".repeat(65);
        for text in [
            "",
            "Hot",
            "a b",
            "a_b",
            "../x",
            "a\0",
            "ä",
            "а",
            "\u{202e}a",
            "'; drop",
            &long,
        ] {
            let refusal = text.parse::<VaultId>().unwrap_err().to_string();
            assert!(refusal.contains("vault id"), "{refusal}");
            assert!(!refusal.contains(['\0', '\n']), "{refusal:?}");
        }
        assert!("a".repeat(64).parse::<VaultId>().is_ok());
    }

    #[test]
    fn a_withdrawal_id_has_one_spelling() {
        let text = "wd_000102030405060708090a0b0c0d0e0f";
        let id: WithdrawalId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(id.as_bytes()[15], 15);
        for other in [
            "wd_000102030405060708090A0B0C0D0E0F",
            "000102030405060708090a0b0c0d0e0f",
            "wd_00",
            "wd_000102030405060708090a0b0c0d0e0f00",
            "wd_zz0102030405060708090a0b0c0d0e0f",
        ] {
            assert!(other.parse::<WithdrawalId>().is_err(), "{other}");
        }
    }

    #[test]
    fn an_id_that_is_not_a_string_is_refused() {
        assert!(serde_json::from_str::<ClientId>("7").is_err());
        assert!(serde_json::from_str::<ClientId>("[\"a\"]").is_err());
    }
}
