//! A withdrawal: what is asked for, and the daemon's document about it.

use custodyd_chain::{Address, AddressError, Amount, AmountError, Asset, Network};
use custodyd_policy::{
    OperatorId, PolicyHash, Requirement, Tier, Timestamp, VaultId, WalletId, WithdrawalId,
};
use custodyd_vault::{Decision, StatedEffects};
use serde::{Deserialize, Serialize};

use crate::state::State;

/// What a client asks for. The texts go to the daemon as they are: it is the one to judge them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewWithdrawal {
    /// The vault that pays.
    pub vault: String,
    /// `BTC`, `LTC` or `ETH`.
    pub asset: String,
    /// A decimal number in the asset's unit.
    pub amount: String,
    /// An address on the asset's network.
    pub destination: String,
    /// The caller's own reference.
    pub reference: String,
    /// The wallet that pays; routed if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wallet: Option<String>,
}

/// The daemon's document about one withdrawal.
#[derive(Debug, Clone, Deserialize)]
pub struct Withdrawal {
    /// Its id.
    pub id: WithdrawalId,
    /// Its vault.
    pub vault: VaultId,
    /// The wallet that pays.
    pub wallet: WalletId,
    /// That wallet's tier.
    pub tier: Tier,
    /// What is paid, and where.
    #[serde(flatten)]
    pub payout: Payout,
    /// Who asked.
    pub client: String,
    /// The client's reference.
    #[serde(default)]
    pub reference: String,
    /// Where it is.
    pub state: State,
    /// More about that, for people.
    #[serde(default)]
    pub state_detail: Option<String>,
    /// Approvals that policy asks for.
    #[serde(default)]
    pub requirements: Vec<Requirement>,
    /// Decisions so far.
    #[serde(default)]
    pub approvals: Vec<Given>,
    /// What policy said.
    #[serde(default)]
    pub verdict: Option<VerdictView>,
    /// The transaction that pays it.
    #[serde(default)]
    pub transaction: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What the daemon proposes to sign, while it can be decided on.
    #[serde(default)]
    pub statement: Option<ProposedStatement>,
}

/// An amount to a destination, read once: an address of that network, an amount of its asset.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PayoutText")]
pub struct Payout {
    /// On which network.
    pub network: Network,
    /// Where.
    pub destination: Address,
    /// How much arrives.
    pub amount: Amount,
}

/// A payout as the daemon writes it.
#[derive(Deserialize)]
struct PayoutText {
    asset: Asset,
    amount: String,
    network: Network,
    destination: String,
}

/// A payout that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum PayoutError {
    #[error("amount {0:?}: {1}")]
    Amount(String, AmountError),
    #[error("destination {0:?}: {1}")]
    Destination(String, AddressError),
    #[error("{0} is not what {1} pays in")]
    Asset(Asset, Network),
}

impl TryFrom<PayoutText> for Payout {
    type Error = PayoutError;

    fn try_from(text: PayoutText) -> Result<Self, PayoutError> {
        if text.asset != text.network.asset() {
            return Err(PayoutError::Asset(text.asset, text.network));
        }
        let amount = Amount::parse(text.asset, &text.amount)
            .map_err(|fault| PayoutError::Amount(text.amount.clone(), fault))?;
        let destination = Address::parse(text.network, &text.destination)
            .map_err(|fault| PayoutError::Destination(text.destination.clone(), fault))?;
        Ok(Self {
            network: text.network,
            destination,
            amount,
        })
    }
}

/// A decision that was given.
#[derive(Debug, Clone, Deserialize)]
pub struct Given {
    /// By whom.
    pub operator: OperatorId,
    /// Which.
    pub decision: Decision,
    /// When.
    pub at: Timestamp,
}

/// Policy's verdict, for people.
#[derive(Debug, Clone, Deserialize)]
pub struct VerdictView {
    /// `allow`, `deny` or `hold_for_limit`.
    pub outcome: String,
    /// The verdict in a sentence.
    #[serde(default)]
    pub summary: String,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Under which policy.
    pub policy: PolicyHash,
}

/// One reason of a verdict.
#[derive(Debug, Clone, Deserialize)]
pub struct Reason {
    /// Its stable code.
    pub code: String,
    /// Its sentence.
    pub text: String,
}

/// The statement without what the operator adds: decision, expiry, nonce, name. Anything more in it is refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedStatement {
    /// The domain.
    pub domain: String,
    /// The vault.
    pub vault: VaultId,
    /// The withdrawal.
    pub withdrawal: WithdrawalId,
    /// Its effects.
    pub effects: StatedEffects,
    /// The policy in force.
    pub policy: PolicyHash,
}
