//! What somebody asked for, once it is read, and who took it back.

use custodyd_chain::{Address, Amount};
use custodyd_policy::{ClientId, Initiator, WalletId};
use serde::{Deserialize, Serialize};

use crate::{OperatorSignature, Statement};

/// An accepted request for a payout, parsed once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Who asked.
    pub initiator: Initiator,
    /// Under which key of theirs.
    pub idempotency_key: String,
    /// SHA-256 of the body, hex.
    pub body_digest: String,
    /// Where and to whom.
    pub destination: Address,
    /// What arrives there.
    pub amount: Amount,
    /// The client's reference.
    pub reference: String,
    /// The wallet the client named, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet: Option<WalletId>,
}

/// Who took a withdrawal back.
#[expect(
    clippy::large_enum_variant,
    reason = "one lives as long as its event; none is kept in the state"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CancelledBy {
    /// The client that asked.
    Client(ClientId),
    /// An operator, with what they signed.
    Operator {
        /// What they signed.
        statement: Statement,
        /// Their signature.
        signature: OperatorSignature,
    },
}
