//! The daemon's other documents, read once. What is for people only stays text; members that this version doesn't know are
//! left aside.

use custodyd_chain::{Network, PublicKey};
use custodyd_policy::{Tier, VaultId, WalletId, WithdrawalId};
use custodyd_vault::{Credential, ExportId, KeyId, TransactionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::withdrawal::VerdictView;

/// A wallet.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Wallet {
    /// Its name.
    pub id: WalletId,
    /// Its vault.
    pub vault: VaultId,
    /// How it may sign.
    pub tier: Tier,
    /// Where it lives.
    pub network: Network,
    /// `provisioning`, `active` or `frozen`.
    pub state: String,
    /// Why it is frozen.
    pub state_detail: Option<String>,
    /// Confirmed on the chain: a decimal number in the asset's unit.
    pub balance: String,
    /// Not held back for transactions: likewise.
    pub available: String,
    /// Its first addresses, 100 at most.
    pub addresses: Vec<String>,
    /// How many it has.
    pub address_count: u64,
    /// Depth at which a payout of it is final.
    pub confirmations: u32,
}

/// A key of a wallet, and its address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WalletKey {
    /// Its id.
    pub id: KeyId,
    /// The wallet it belongs to.
    pub wallet: WalletId,
    /// `requested`, `made` or `compromised`.
    pub state: String,
    /// Its public half, once made.
    pub public_key: Option<PublicKey>,
    /// Its address, once made.
    pub address: Option<String>,
}

/// A transaction.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Transaction {
    /// Its id here.
    pub id: TransactionId,
    /// The chain's own id, once signed.
    pub txid: Option<String>,
    /// The wallet that pays.
    pub wallet: WalletId,
    /// Where it lives.
    pub network: Network,
    /// `planned`, `awaiting_cold_signature`, `signed`, `broadcast`, `confirmed`, `final` or `conflicted`.
    pub state: String,
    /// The withdrawals it pays.
    pub withdrawals: Vec<WithdrawalId>,
    /// The signed bytes, hex.
    pub raw: Option<String>,
    /// The block it is in.
    pub height: Option<u64>,
    /// Blocks from its own to the best one.
    pub confirmations: u32,
    /// Depth at which it is final.
    pub final_at: u32,
    /// The export it left in, for a cold wallet.
    pub export: Option<ExportId>,
}

/// A cold export.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ColdExport {
    /// Its id.
    pub id: ExportId,
    /// `requested`, `built` or `imported`.
    pub state: String,
    /// The transactions in it.
    pub transactions: Vec<TransactionId>,
    /// SHA-256 of its manifest, hex, once built.
    pub manifest_sha256: Option<String>,
}

/// What policy would answer.
#[derive(Debug, Clone, Deserialize)]
pub struct Simulated {
    /// The wallet that would pay.
    pub wallet: WalletId,
    /// What the destination is taken for.
    pub destination_class: String,
    /// The verdict.
    pub verdict: VerdictView,
    /// What was judged.
    pub facts: Value,
    /// Every rule and limit with each of its conditions.
    pub explanation: Value,
}

/// The policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PolicyText {
    /// Its TOML.
    pub source: String,
    /// SHA-256 of it, hex.
    pub hash: String,
}

/// How much of a limit is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LimitUse {
    /// Which.
    pub limit: String,
    /// What it is kept for, such as `wallet hot-ltc`.
    pub scope: String,
    /// Its window, milliseconds.
    pub window_ms: u64,
    /// What is used, with its unit.
    pub used: String,
    /// What may be used, with its unit.
    pub max: String,
    /// When room comes back, Unix milliseconds.
    pub frees_at: Option<u64>,
}

/// Whether the daemon is ready.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Readiness {
    /// `ready` or `not ready`.
    pub status: String,
    /// Parts that don't work.
    #[serde(default)]
    pub trouble: Vec<String>,
    /// Parts that don't work while others do their work.
    #[serde(default)]
    pub degraded: Vec<String>,
}

/// The credential that somebody who was invited brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Who was invited.
    pub operator: custodyd_policy::OperatorId,
    /// What they will sign with.
    pub credential: Credential,
}
