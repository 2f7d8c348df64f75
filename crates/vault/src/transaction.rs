//! A transaction: the bytes that were reserved for, signed, sent and followed.

use custodyd_chain::{FeeCaps, Plan, RawTransaction};
use custodyd_policy::{Timestamp, WalletId, WithdrawalId};

use crate::ExportId;

/// How far it is. Nothing here ever goes back before `Signed`: a signature that exists can't be unmade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionState {
    /// Inputs or nonce reserved, plan durable, not signed.
    Planned,
    /// Signed; the bytes are durable.
    Signed,
    /// A node took it.
    Broadcast,
    /// In a block of the best chain.
    Included {
        /// Its height.
        height: u64,
        /// Whether it did what it said.
        succeeded: bool,
    },
    /// Deep enough.
    Final {
        /// Its block's height.
        height: u64,
        /// Whether it did what it said.
        succeeded: bool,
    },
    /// Something else, in a block, spent its inputs or nonce. That block can be reorganised away: it is still watched.
    Conflicted,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    /// The wallet that pays.
    pub wallet: WalletId,
    /// What it pays.
    pub withdrawals: Vec<WithdrawalId>,
    /// What is signed.
    pub plan: Plan,
    /// What it may cost in fees: the wallet's caps when it was planned.
    pub fee_caps: FeeCaps,
    /// Depth at which it is final: the wallet's setting when it was planned.
    pub confirmations: u32,
    /// The export it left in, for a cold wallet.
    pub export: Option<ExportId>,
    /// The signed bytes.
    pub raw: Option<RawTransaction>,
    /// HSM signatures of this daemon that it took.
    pub signatures: u32,
    /// How far it is.
    pub state: TransactionState,
    /// When it was planned.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Transaction {
    /// Its state's name; a withdrawal in it shows the same.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            TransactionState::Planned if self.export.is_some() => "awaiting_cold_signature",
            TransactionState::Planned => "planned",
            TransactionState::Signed => "signed",
            TransactionState::Broadcast => "broadcast",
            TransactionState::Included { .. } => "confirmed",
            TransactionState::Final { .. } => "final",
            TransactionState::Conflicted => "conflicted",
        }
    }
}
