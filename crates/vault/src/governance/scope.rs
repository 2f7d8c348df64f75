//! What a client may do. Operators need no scope: what they do is decided by groups and quorums.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::Ed25519Key;

/// One thing that a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read everything that the API shows.
    Read,
    /// Ask for withdrawals, simulate them, and take its own back.
    Withdraw,
    /// Ask for receiving addresses.
    Addresses,
    /// Say what assets are worth.
    Prices,
}

impl Scope {
    /// All scopes, in their order.
    pub const ALL: [Self; 4] = [Self::Read, Self::Withdraw, Self::Addresses, Self::Prices];

    /// What a client of a genesis may do where that names nothing: all but setting prices, which moves what fiat limits
    /// allow.
    pub fn default_set() -> BTreeSet<Self> {
        [Self::Read, Self::Withdraw, Self::Addresses].into()
    }

    /// The scope's name in JSON and TOML.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Withdraw => "withdraw",
            Self::Addresses => "addresses",
            Self::Prices => "prices",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A service that may ask a vault for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its credential.
    pub key: Ed25519Key,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
}

impl Client {
    /// Whether it may do this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}
