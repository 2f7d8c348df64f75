//! Sending a Bitcoin-family transaction, and sorting a node's reasons not to take it.

use custodyd_chain::{RawTransaction, Txid};
use serde_json::json;

use super::CoreNode;
use crate::nodes::{
    Accepted, NodeError,
    rpc::{Call, Fault, malformed},
};

/// RPC_VERIFY_ALREADY_IN_CHAIN, `src/rpc/protocol.h`.
const ALREADY_IN_CHAIN: i64 = -27;
/// RPC_VERIFY_REJECTED: consensus or the mempool's policy.
const REJECTED: i64 = -26;
/// RPC_VERIFY_ERROR: the inputs aren't there, or the fee is above the node's own limit.
const VERIFY_ERROR: i64 = -25;
/// RPC_DESERIALIZATION_ERROR.
const UNDECODABLE: i64 = -22;

/// The transaction itself is there already (`src/validation.cpp`).
const KNOWN: [&str; 3] = [
    "txn-already-in-mempool",
    "txn-already-known",
    "txn-same-nonwitness-data-in-mempool",
];
/// Depends on the mempool, its rivals in it or the height, and so may pass later.
const FOR_NOW: [&str; 9] = [
    "mempool min fee not met",
    "min relay fee not met",
    "mempool full",
    "too-long-mempool-chain",
    "txn-mempool-conflict",
    "insufficient fee",
    "too many potential replacements",
    "non-final",
    "non-BIP68-final",
];

impl CoreNode {
    /// Sends a transaction to the mempool. Sending it twice is harmless: what is in the mempool is offered to the node's peers
    /// again, what is in a block is [`Accepted::AlreadyKnown`].
    ///
    /// # Errors
    /// [`NodeError::Refused`], [`NodeError::RefusedForNow`], [`NodeError::Spent`], and those of any call, after which it may or may
    /// not have been sent.
    pub async fn broadcast(&self, transaction: &RawTransaction) -> Result<Accepted, NodeError> {
        self.of_our_network(transaction)?;
        let reply = self
            .node
            .ask(Call::new(
                "sendrawtransaction",
                json!([transaction.to_hex()]),
            ))
            .await?;
        match &reply.outcome {
            Err(fault) => sorted(fault, transaction, reply.method),
            Ok(_) => {
                let txid: Txid = reply.read()?;
                if txid.to_string() != transaction.txid() {
                    return Err(malformed(
                        reply.method,
                        format!("{txid} for {}", transaction.txid()),
                    ));
                }
                Ok(Accepted::Taken)
            }
        }
    }
}

fn sorted(
    fault: &Fault,
    transaction: &RawTransaction,
    method: &'static str,
) -> Result<Accepted, NodeError> {
    let says = |reasons: &[&str]| reasons.iter().any(|reason| fault.message.contains(reason));
    let (txid, reason) = (transaction.txid().to_owned(), fault.reason());
    match fault.code {
        ALREADY_IN_CHAIN => Ok(Accepted::AlreadyKnown),
        REJECTED if says(&KNOWN) => Ok(Accepted::AlreadyKnown),
        REJECTED if says(&FOR_NOW) => Err(NodeError::RefusedForNow { txid, reason }),
        VERIFY_ERROR | REJECTED
            if says(&["missingorspent", "Missing inputs", "missing-inputs"]) =>
        {
            Err(NodeError::Spent { txid, reason })
        }
        VERIFY_ERROR | REJECTED | UNDECODABLE => Err(NodeError::Refused { txid, reason }),
        _ => Err(fault.error(method)),
    }
}
