//! What a verdict is given about: the effect of a withdrawal, as the vault knows it, never as a caller describes it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use custodyd_chain::{Address, Amount, EvmCall};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fiat::Fiat;
use crate::ids::{ClientId, OperatorId, Quoted, Tag, VaultId, WalletId, WithdrawalId};
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

/// Who asked for a withdrawal. In text `client/shop` or `operator/alice`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Initiator {
    /// A service.
    Client(ClientId),
    /// A person. They never approve their own request.
    Operator(OperatorId),
}

impl Initiator {
    /// The client, if it was one.
    pub fn client(&self) -> Option<&ClientId> {
        match self {
            Self::Client(id) => Some(id),
            Self::Operator(_) => None,
        }
    }

    /// The operator, if it was one.
    pub fn operator(&self) -> Option<&OperatorId> {
        match self {
            Self::Client(_) => None,
            Self::Operator(id) => Some(id),
        }
    }
}

/// Not an initiator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is neither \"client/\" nor \"operator/\" and an id")]
pub struct InitiatorError(Quoted);

impl FromStr for Initiator {
    type Err = InitiatorError;

    fn from_str(text: &str) -> Result<Self, InitiatorError> {
        let refused = || InitiatorError(Quoted::new(text));
        match text.split_once('/').ok_or_else(refused)? {
            ("client", id) => id.parse().map(Self::Client).map_err(|_| refused()),
            ("operator", id) => id.parse().map(Self::Operator).map_err(|_| refused()),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(id) => write!(f, "client/{id}"),
            Self::Operator(id) => write!(f, "operator/{id}"),
        }
    }
}

impl From<ClientId> for Initiator {
    fn from(id: ClientId) -> Self {
        Self::Client(id)
    }
}

impl Serialize for Initiator {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Initiator {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Something about a destination that asks for a second look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// Nothing was ever paid there.
    FirstSeen,
    /// It begins and ends like a known destination, and is another.
    LookAlike,
    /// In the address book, its cool-off not elapsed.
    CoolingOff,
    /// A small payment went there a short while ago, and this one is much larger.
    ProbeThenDrain,
}

impl Flag {
    /// All flags, in their order.
    pub const ALL: [Self; 4] = [
        Self::FirstSeen,
        Self::LookAlike,
        Self::CoolingOff,
        Self::ProbeThenDrain,
    ];

    /// The flag's name in policies and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstSeen => "first-seen",
            Self::LookAlike => "look-alike",
            Self::CoolingOff => "cooling-off",
            Self::ProbeThenDrain => "probe-then-drain",
        }
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a transaction calls on an EVM chain, decoded from its calldata.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// Nothing: the chain's own asset is paid. So does every payment outside of EVM chains.
    #[default]
    Native,
    /// ERC-20 `transfer(address,uint256)`.
    Erc20Transfer,
    /// ERC-20 `approve(address,uint256)`.
    Erc20Approve,
    /// ERC-20 `transferFrom(address,address,uint256)`.
    Erc20TransferFrom,
    /// Anything else.
    Unknown,
}

impl Call {
    /// All calls, in their order.
    pub const ALL: [Self; 5] = [
        Self::Native,
        Self::Erc20Transfer,
        Self::Erc20Approve,
        Self::Erc20TransferFrom,
        Self::Unknown,
    ];

    /// The call's name in policies and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Erc20Transfer => "erc20-transfer",
            Self::Erc20Approve => "erc20-approve",
            Self::Erc20TransferFrom => "erc20-transfer-from",
            Self::Unknown => "unknown",
        }
    }
}

impl From<&EvmCall> for Call {
    fn from(call: &EvmCall) -> Self {
        match call {
            EvmCall::Native => Self::Native,
            EvmCall::Erc20Transfer { .. } => Self::Erc20Transfer,
            EvmCall::Erc20Approve { .. } => Self::Erc20Approve,
            EvmCall::Erc20TransferFrom { .. } => Self::Erc20TransferFrom,
            EvmCall::Unknown => Self::Unknown,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<&Facts> for Arc<Facts> {
    fn from(facts: &Facts) -> Self {
        Self::new(facts.clone())
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
    /// What that is worth, rounded up; nothing where no fresh price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fiat: Option<Fiat>,
    /// What it may cost in fees at most, in the network's own asset.
    pub fee: Amount,
    /// To whom.
    pub destination: Address,
    /// What the vault knows of the destination.
    pub class: DestinationClass,
    /// The tier of the wallet it is an address of, if it is one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_tier: Option<Tier>,
    /// The labels of its entry in the address book.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<Tag>,
    /// What asks for a second look.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub flags: BTreeSet<Flag>,
    /// With [`Flag::LookAlike`]: the address that the destination could be taken for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resembles: Option<Address>,
    /// What is called.
    #[serde(default)]
    pub call: Call,
    /// Who asked.
    pub initiator: Initiator,
    /// When it is judged.
    pub at: Timestamp,
}
