//! What can go wrong between custodyd and a node. Never an amount of trust: each variant says what to do next by
//! [`NodeError::is_transient`], and none carries a credential.

use std::path::PathBuf;

use custodyd_chain::{Network, PublicKey};

/// Codes of JSON-RPC 2.0 and Core for calls that will fail the same way again.
const NEVER_RIGHT: [i64; 5] = [-32700, -32600, -32601, -32602, -8];

/// A failed call, or an answer that must not be used.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration can't be right.
    #[error("the node of {network} is misconfigured: {what}")]
    Misconfigured {
        /// Whose.
        network: Network,
        /// What to write instead.
        what: String,
    },
    /// A file with a password, cookie or token can't be read.
    #[error("cannot read the node's credential from {}: {why}", path.display())]
    Credential {
        /// Which file.
        path: PathBuf,
        /// Why, without its contents.
        why: String,
    },
    /// Nobody answers there.
    #[error("cannot reach the node at {url}: {source}")]
    Unreachable {
        /// Scheme, host and port only.
        url: String,
        /// The transport's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer in time. What was asked may still have happened.
    #[error("the node at {url} did not answer within {timeout_ms} ms")]
    Timeout {
        /// Scheme, host and port only.
        url: String,
        /// How long was waited, milliseconds.
        timeout_ms: u64,
    },
    /// The node refuses our credential or our address.
    #[error("the node at {url} refused our credential (HTTP {status})")]
    Unauthorized {
        /// Scheme, host and port only.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// An HTTP error without a JSON-RPC answer: overload, a proxy, a wrong path.
    #[error("the node at {url} answered HTTP {status}")]
    Http {
        /// Scheme, host and port only.
        url: String,
        /// The status.
        status: u16,
    },
    /// The node answered a call with an error.
    #[error("{method} failed with {code}: {message}")]
    Rpc {
        /// The method.
        method: &'static str,
        /// Its code.
        code: i64,
        /// Its message, shortened.
        message: String,
    },
    /// The answer isn't what the method gives.
    #[error("the answer to {method} cannot be used: {why}")]
    Malformed {
        /// The method.
        method: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The node will not take this transaction, now or later.
    #[error("the node refused {txid}: {reason}")]
    Refused {
        /// Which.
        txid: String,
        /// The node's words.
        reason: String,
    },
    /// The node doesn't take this transaction now: its mempool, its fees or its rivals may change.
    #[error("the node does not take {txid} now: {reason}")]
    RefusedForNow {
        /// Which.
        txid: String,
        /// The node's words.
        reason: String,
    },
    /// An input or the nonce is used already or not there yet. Whether by this very transaction, its position tells.
    #[error("the node does not have what {txid} spends: {reason}")]
    Spent {
        /// Which.
        txid: String,
        /// The node's words.
        reason: String,
    },
    /// The node is on another chain than the configured one.
    #[error("the node at {url} is not on {expected} but on {found}")]
    WrongChain {
        /// Scheme, host and port only.
        url: String,
        /// Configured.
        expected: Network,
        /// What the node calls its chain.
        found: String,
    },
    /// A transaction or address of another network was handed in.
    #[error("something of {found} was meant for a node of {expected}")]
    ForeignNetwork {
        /// The node's.
        expected: Network,
        /// What was handed in.
        found: Network,
    },
    /// The node hasn't caught up with its chain: what it says of coins and nonces is old.
    #[error("the node at {url} is still catching up with its chain")]
    Syncing {
        /// Scheme, host and port only.
        url: String,
    },
    /// The node's wallet looks through old blocks: what it says of coins is incomplete.
    #[error("the node's wallet {wallet} is rescanning the chain")]
    Rescanning {
        /// Its name.
        wallet: String,
    },
    /// The node's wallet doesn't watch this key (any more): call `watch` first.
    #[error("the node's wallet {wallet} does not watch {key}")]
    NotWatched {
        /// Its name.
        wallet: String,
        /// The first such key.
        key: Box<PublicKey>,
    },
    /// The node has no estimate, and none is configured to fall back to.
    #[error("the node of {network} has no fee estimate, and no fallback is configured")]
    NoFeeEstimate {
        /// Whose.
        network: Network,
    },
    /// Fees are above what we are willing to pay.
    #[error(
        "a fee of {needed} on {network} is above the configured maximum of {max} (sat/kvB or wei per gas)"
    )]
    FeeAboveMaximum {
        /// Whose.
        network: Network,
        /// Least that would do.
        needed: u128,
        /// The bound.
        max: u64,
    },
}

impl NodeError {
    /// May the same call succeed later, with nothing changed on our side?
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::RefusedForNow { .. }
            | Self::Spent { .. }
            | Self::Syncing { .. }
            | Self::Rescanning { .. }
            | Self::NotWatched { .. }
            | Self::NoFeeEstimate { .. }
            | Self::FeeAboveMaximum { .. } => true,
            Self::Http { status, .. } => *status == 429 || *status >= 500,
            Self::Rpc { code, .. } => !NEVER_RIGHT.contains(code),
            Self::Misconfigured { .. }
            | Self::Credential { .. }
            | Self::Unauthorized { .. }
            | Self::Malformed { .. }
            | Self::Refused { .. }
            | Self::WrongChain { .. }
            | Self::ForeignNetwork { .. } => false,
        }
    }
}
