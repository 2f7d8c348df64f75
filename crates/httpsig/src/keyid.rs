//! Who a key belongs to: `client/<id>`, `operator/<id>` or `invitation/<key>`, as `keyid` says it.

use std::fmt;
use std::str::FromStr;

use crate::error::HttpSigError;

/// The longest id, in characters.
const MAX_ID: usize = 64;

/// The owner of a key. The id is one to 64 characters of `a-z 0-9 -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// A service that asks for withdrawals.
    Client(String),
    /// A person who approves them.
    Operator(String),
    /// Somebody who was invited to become one; the id is the invitation's public key, 64 hex digits.
    Invitation(String),
}

impl Principal {
    /// The id without its kind.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Client(id) | Self::Operator(id) | Self::Invitation(id) => id,
        }
    }
}

impl FromStr for Principal {
    type Err = HttpSigError;

    fn from_str(keyid: &str) -> Result<Self, HttpSigError> {
        let parsed = match keyid.split_once('/') {
            Some(("client", id)) if is_id(id) => Some(Self::Client(id.to_owned())),
            Some(("operator", id)) if is_id(id) => Some(Self::Operator(id.to_owned())),
            Some(("invitation", id)) if is_key(id) => Some(Self::Invitation(id.to_owned())),
            _ => None,
        };
        parsed.ok_or_else(|| HttpSigError::Keyid(keyid.to_owned()))
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(id) => write!(f, "client/{id}"),
            Self::Operator(id) => write!(f, "operator/{id}"),
            Self::Invitation(id) => write!(f, "invitation/{id}"),
        }
    }
}

fn is_key(id: &str) -> bool {
    id.len() == 64
        && id
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'f' | b'0'..=b'9'))
}

fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len())
        && id
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyid_is_a_client_or_an_operator() {
        for keyid in ["client/exchange-api", "operator/alice", "operator/7"] {
            assert_eq!(keyid.parse::<Principal>().unwrap().to_string(), keyid);
        }
        let long = format!("client/{}", "a".repeat(65));
        for keyid in [
            "",
            "alice",
            "client/",
            "client/Alice",
            "client/a/b",
            "client/../x",
            "Client/a",
            "admin/alice",
            "client/аlice", // a Cyrillic first letter
            "client/a\0",
            long.as_str(),
        ] {
            assert_eq!(
                keyid.parse::<Principal>(),
                Err(HttpSigError::Keyid(keyid.to_owned()))
            );
        }
    }
}
