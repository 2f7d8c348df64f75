//! What readers see: documents made from the state, stored beside the journal, and rebuilt from it at will.

mod documents;
mod policy_diff;
mod proposal;
mod queue;
pub(crate) mod shape;

use std::fmt::{Display, Write as _};

use custodyd_chain::Effects;
use custodyd_policy::{LimitUsage, Requirement, Verdict};
use custodyd_vault::{Decision, StatedEffects};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use documents::{export, key, transaction, wallet, withdrawal};
pub use policy_diff::{ExampleView, LimitChangeView, PolicyDiffView, VerdictChangeView};
pub use proposal::{GivenView, GovernanceTemplate, ProposalView, proposal};
pub use queue::{QueuePlace, Risk, missing, queue_place};

/// A withdrawal, as the API gives it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WithdrawalView {
    /// `wd_…`
    pub id: String,
    /// The vault.
    pub vault: String,
    /// The wallet that pays.
    pub wallet: String,
    /// Its tier: `hot`, `warm` or `cold`.
    pub tier: String,
    /// `BTC`, `LTC` or `ETH`.
    pub asset: String,
    /// A decimal string in the asset's unit.
    pub amount: String,
    /// Where it is paid: `litecoin-regtest`, `eip155:1`, …
    pub network: String,
    /// The address.
    pub destination: String,
    /// What the destination was taken for: `known`, `new`, `own` or `blocked`.
    pub destination_class: String,
    /// Who asked.
    pub client: String,
    /// The client's reference.
    pub reference: String,
    /// `denied`, `screening`, `awaiting_approval`, `holding`, `approved`, `rejected`, `expired`, `cancelled`, `planned`,
    /// `awaiting_cold_signature`, `signed`, `broadcast`, `confirmed`, `final`, `conflicted` or `failed`.
    pub state: String,
    /// More about the state, for people.
    pub state_detail: Option<String>,
    /// Approvals that policy asks for.
    #[schema(value_type = Vec<shape::Requirement>)]
    pub requirements: Vec<Requirement>,
    /// Decisions so far.
    pub approvals: Vec<ApprovalView>,
    /// What policy said.
    pub verdict: Option<VerdictView>,
    /// The transaction that pays it: `tx_…`
    pub transaction: Option<String>,
    /// Unix milliseconds.
    pub created_at: u64,
    /// Unix milliseconds.
    pub updated_at: u64,
    /// What an operator signs, less decision, expiry, nonce and name.
    #[schema(value_type = shape::StatementTemplate)]
    pub statement: StatementTemplate,
}

/// The part of a statement that the vault fixes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatementTemplate {
    /// Always `custodyd/approval/v1`.
    pub domain: String,
    /// The vault.
    pub vault: String,
    /// The withdrawal.
    pub withdrawal: String,
    /// What it does.
    pub effects: StatedEffects,
    /// The policy in force, SHA-256 in hex.
    pub policy: String,
}

/// One person's decision.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApprovalView {
    /// Who.
    pub operator: String,
    /// `approve`, `reject` or `cancel`.
    #[schema(value_type = String)]
    pub decision: Decision,
    /// Unix milliseconds.
    pub at: u64,
}

/// What policy said, and why.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VerdictView {
    /// `allow`, `deny` or `hold_for_limit`.
    pub outcome: String,
    /// The verdict in a sentence.
    pub summary: String,
    /// The rules and limits that decided.
    pub reasons: Vec<ReasonView>,
    /// SHA-256 of the policy, hex.
    pub policy: String,
}

/// One reason.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReasonView {
    /// Stable, for programs.
    pub code: String,
    /// For people, with the numbers that were seen.
    pub text: String,
}

impl From<&Verdict> for VerdictView {
    fn from(verdict: &Verdict) -> Self {
        let outcome = match verdict.outcome {
            custodyd_policy::Outcome::Deny => "deny",
            custodyd_policy::Outcome::Allow { .. } => "allow",
            custodyd_policy::Outcome::HoldForLimit { .. } => "hold_for_limit",
        };
        Self {
            outcome: outcome.to_owned(),
            summary: sentence(&verdict.outcome),
            reasons: verdict
                .reasons
                .iter()
                .map(|r| ReasonView {
                    code: r.code().to_owned(),
                    text: sentence(r),
                })
                .collect(),
            policy: verdict.policy.to_string(),
        }
    }
}

/// A sentence as text, with room for an ordinary one: it is written in many small pieces.
fn sentence(words: &impl Display) -> String {
    let mut text = String::with_capacity(192);
    // A String takes all that is written.
    let _ = write!(text, "{words}");
    text
}

/// A transaction, as the API gives it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TransactionView {
    /// `tx_…`
    pub id: String,
    /// The chain's own id, once signed.
    pub txid: Option<String>,
    /// The wallet that pays.
    pub wallet: String,
    /// Where it lives.
    pub network: String,
    /// `planned`, `awaiting_cold_signature`, `signed`, `broadcast`, `confirmed`, `final` or `conflicted`.
    pub state: String,
    /// The withdrawals it pays.
    pub withdrawals: Vec<String>,
    /// What it does: payments (change included), inputs, fee, account and nonce.
    #[schema(value_type = shape::Effects)]
    pub effects: Effects,
    /// The signed bytes, hex.
    pub raw: Option<String>,
    /// The block it is in.
    pub height: Option<u64>,
    /// Blocks from its own to the best one, as last observed.
    pub confirmations: u32,
    /// Depth at which it is final.
    pub final_at: u32,
    /// The export it left in, for a cold wallet: `ex_…`
    pub export: Option<String>,
    /// HSM signatures of this daemon that it took.
    pub signatures: u32,
    /// Unix milliseconds.
    pub created_at: u64,
    /// Unix milliseconds.
    pub updated_at: u64,
}

/// A wallet, as the API gives it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WalletView {
    /// Its name.
    pub id: String,
    /// The vault.
    pub vault: String,
    /// `hot`, `warm` or `cold`.
    pub tier: String,
    /// Where it lives.
    pub network: String,
    /// `BTC`, `LTC` or `ETH`.
    pub asset: String,
    /// `provisioning`, `active` or `frozen`.
    pub state: String,
    /// Why it is frozen.
    pub state_detail: Option<String>,
    /// Confirmed on the chain, as last observed: a decimal string.
    pub balance: String,
    /// Not held back for transactions: a decimal string.
    pub available: String,
    /// Its first addresses, 100 at most; the very first takes change. `GET /v1/wallets/{id}/addresses` lists all.
    pub addresses: Vec<String>,
    /// How many it has.
    pub address_count: usize,
    /// Depth at which a payout of it is final.
    pub confirmations: u32,
}

/// A key, as stored.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// `key_` and the CKA_ID.
    pub id: String,
    /// The wallet it belongs to.
    pub wallet: String,
    /// `requested`, `made`, or `compromised`: it never signs again.
    pub state: String,
    /// Its public half, compressed, hex.
    pub public_key: Option<String>,
    /// Its address.
    pub address: Option<String>,
}

/// A cold export, as the API gives it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ExportView {
    /// `ex_…`
    pub id: String,
    /// `requested`, `built` or `imported`.
    pub state: String,
    /// The transactions in it.
    pub transactions: Vec<String>,
    /// SHA-256 of its manifest, hex.
    pub manifest_sha256: Option<String>,
    /// Unix milliseconds.
    pub created_at: u64,
}

/// How much of a limit is used, as the API gives it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LimitView {
    /// The limit's id in the policy.
    pub limit: String,
    /// What it is kept for, such as `wallet hot-ltc`.
    pub scope: String,
    /// The window's length in milliseconds.
    pub window_ms: u64,
    /// Used within the window that ends now.
    pub used: String,
    /// The most that may be used within any window.
    pub max: String,
    /// Withdrawals in the window.
    pub count: u64,
    /// When the oldest of them leaves the window, Unix milliseconds.
    pub frees_at: Option<u64>,
}

impl From<&LimitUsage> for LimitView {
    fn from(usage: &LimitUsage) -> Self {
        Self {
            limit: usage.limit.to_string(),
            scope: usage.key.clone(),
            window_ms: usage.window_ms,
            used: usage.used.to_string(),
            max: usage.max.to_string(),
            count: usage.count,
            frees_at: usage.frees_at.map(|at| at.as_ms()),
        }
    }
}
