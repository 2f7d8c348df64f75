//! A withdrawal: what is asked for, and the daemon's document about it.

use custodyd_chain::{Address, Amount, Asset, Network};
use custodyd_policy::{
    ClientId, OperatorId, PolicyHash, Requirement, Tier, Timestamp, VaultId, WalletId, WithdrawalId,
};
use custodyd_vault::{Decision, StatedEffects};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state::State;

/// What a client asks for. The texts go to the daemon as they are: it is the one to judge them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewWithdrawal {
    /// The vault; the daemon's only one if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
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
    /// What is paid.
    pub asset: Asset,
    /// How much arrives.
    pub amount: Amount,
    /// Where.
    pub destination: Address,
    /// On which network.
    pub network: Network,
    /// Who asked.
    pub client: ClientId,
    /// The client's reference.
    #[serde(default)]
    pub reference: String,
    /// Where it is.
    pub state: State,
    /// More about that, for people.
    #[serde(default)]
    pub state_detail: Value,
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
    /// What happens.
    pub outcome: Value,
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
