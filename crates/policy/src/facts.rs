//! What a verdict is given about: the effect of a withdrawal, as the vault knows it, never as a caller describes it.

use std::fmt;

use custodyd_chain::{Address, Amount};
use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, VaultId, WalletId, WithdrawalId};
use crate::instant::Timestamp;

/// How a wallet may sign, from the most to the least available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Online HSM; policy alone may let it sign.
    Hot,
    /// Online HSM; always a human quorum and a hold time.
    Warm,
    /// No key online; a quorum, then the air-gapped ceremony.
    Cold,
}

impl Tier {
    /// The tier's name in policies and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the vault knows of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DestinationClass {
    /// In the address book, its cool-off elapsed.
    Known,
    /// Neither in the address book for long enough, nor ours.
    New,
    /// A wallet of this vault.
    Own,
    /// On the block list. Always denied, whatever the rules say.
    Blocked,
}

impl DestinationClass {
    /// The class's name in policies and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::New => "new",
            Self::Own => "own",
            Self::Blocked => "blocked",
        }
    }
}

impl fmt::Display for DestinationClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One withdrawal at the instant it is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The withdrawal.
    pub withdrawal: WithdrawalId,
    /// The vault it leaves.
    pub vault: VaultId,
    /// The wallet it leaves.
    pub wallet: WalletId,
    /// The wallet's tier.
    pub tier: Tier,
    /// What is paid out, fee not counted.
    pub amount: Amount,
    /// To whom.
    pub destination: Address,
    /// What the vault knows of the destination.
    pub class: DestinationClass,
    /// Who asked.
    pub client: ClientId,
    /// When it is judged.
    pub at: Timestamp,
}
