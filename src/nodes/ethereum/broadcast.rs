//! Sending Ethereum transactions, one or thousands, and sorting a node's reasons not to take them.
//!
//! Clients have one error code for most refusals (-32000) and words of their own; the words below are those of geth, Nethermind,
//! Besu, Erigon, reth and Anvil.

use custodyd_chain::RawTransaction;
use serde_json::{Value, json};

use super::EthereumNode;
use crate::nodes::{
    Accepted, NodeError,
    rpc::{Call, Fault, Reply, malformed},
};

const KNOWN: [&str; 5] = [
    "already known",
    "alreadyknown",
    "known transaction",
    "already imported",
    "already in mempool",
];
const NONCE_USED: [&str; 4] = [
    "nonce too low",
    "nonce_too_low",
    "oldnonce",
    "nonce is too low",
];
/// Depends on the balance, the fees or the rivals of the moment.
const FOR_NOW: [&str; 11] = [
    "underpriced",
    "insufficient funds",
    "insufficientfunds",
    "upfront cost exceeds account balance",
    "max fee per gas less than block base fee",
    "feetoolow",
    "nonce too high",
    "noncegap",
    "txpool is full",
    "limit exceeded",
    "exceeds the configured cap",
];
/// What refusals come as: server errors (EIP-1474) and invalid parameters. Other codes are about the call.
const REFUSALS: [i64; 5] = [-32000, -32003, -32010, -32602, -32603];

impl EthereumNode {
    /// Sends one transaction; sending it twice is harmless.
    ///
    /// # Errors
    /// [`NodeError::Refused`], [`NodeError::RefusedForNow`], [`NodeError::Spent`] when another transaction has used its nonce, and
    /// those of any call, after which it may or may not have been sent.
    pub async fn broadcast(&self, transaction: &RawTransaction) -> Result<Accepted, NodeError> {
        let mut sent = self.broadcast_many(&[transaction]).await?;
        sent.pop()
            .ok_or_else(|| malformed("eth_sendRawTransaction", "no answer".to_owned()))?
    }

    /// Sends many in as few requests as fit; an answer for each, in their order. Those of one account go in the order of their
    /// nonces.
    ///
    /// # Errors
    /// When a request failed as a whole: any of them may or may not have been sent, and sending all again is harmless.
    pub async fn broadcast_many(
        &self,
        transactions: &[&RawTransaction],
    ) -> Result<Vec<Result<Accepted, NodeError>>, NodeError> {
        let mut calls = Vec::with_capacity(transactions.len());
        for transaction in transactions {
            self.of_our_network(transaction)?;
            calls.push(Call::new(
                "eth_sendRawTransaction",
                json!([format!("0x{}", transaction.to_hex())]),
            ));
        }
        let replies = self.node.batch(&calls).await?;
        let mut outcomes: Vec<_> = replies
            .iter()
            .zip(transactions)
            .map(|(reply, transaction)| sorted(reply, transaction))
            .collect();
        self.settle_used_nonces(transactions, &mut outcomes).await?;
        Ok(outcomes)
    }

    /// A nonce is used either by a rival or by the very transaction: then the node has it.
    async fn settle_used_nonces(
        &self,
        transactions: &[&RawTransaction],
        outcomes: &mut [Result<Accepted, NodeError>],
    ) -> Result<(), NodeError> {
        let (mut doubtful, mut calls) = (Vec::new(), Vec::new());
        for (outcome, transaction) in outcomes.iter_mut().zip(transactions) {
            if matches!(outcome, Err(NodeError::Spent { .. })) {
                calls.push(Call::new(
                    "eth_getTransactionByHash",
                    json!([transaction.txid()]),
                ));
                doubtful.push(outcome);
            }
        }
        for (outcome, reply) in doubtful.into_iter().zip(self.node.batch(&calls).await?) {
            if !reply.read::<Value>()?.is_null() {
                *outcome = Ok(Accepted::AlreadyKnown);
            }
        }
        Ok(())
    }
}

fn sorted(reply: &Reply, transaction: &RawTransaction) -> Result<Accepted, NodeError> {
    match &reply.outcome {
        Err(fault) => refusal(fault, reply.method, transaction.txid()),
        Ok(_) if reply.read::<super::Hash>()?.is(transaction.txid()) => Ok(Accepted::Taken),
        Ok(_) => Err(malformed(
            reply.method,
            format!("another hash than {}", transaction.txid()),
        )),
    }
}

fn refusal(fault: &Fault, method: &'static str, txid: &str) -> Result<Accepted, NodeError> {
    let words = fault.message.to_lowercase();
    let says = |reasons: &[&str]| reasons.iter().any(|reason| words.contains(reason));
    let (txid, reason) = (txid.to_owned(), fault.reason());
    if says(&KNOWN) {
        Ok(Accepted::AlreadyKnown)
    } else if says(&NONCE_USED) {
        Err(NodeError::Spent { txid, reason })
    } else if says(&FOR_NOW) {
        Err(NodeError::RefusedForNow { txid, reason })
    } else if REFUSALS.contains(&fault.code) {
        Err(NodeError::Refused { txid, reason })
    } else {
        Err(fault.error(method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(code: i64, message: &str) -> Result<Accepted, NodeError> {
        refusal(
            &Fault {
                code,
                message: message.to_owned(),
            },
            "eth_sendRawTransaction",
            "0x01",
        )
    }

    #[test]
    fn every_clients_word_for_known_is_a_success() {
        for words in [
            "already known",
            "AlreadyKnown",
            "known transaction: 0x01",
            "Known transaction",
            "transaction already imported",
            "ALREADY_EXISTS: already known",
        ] {
            assert!(
                matches!(sort(-32000, words), Ok(Accepted::AlreadyKnown)),
                "{words}"
            );
        }
    }

    #[test]
    fn what_may_pass_later_is_told_from_what_never_will() {
        for words in [
            "nonce too low",
            "nonce too low: next nonce 5, tx nonce 4",
            "OldNonce",
            "NONCE_TOO_LOW",
        ] {
            assert!(
                matches!(sort(-32000, words), Err(NodeError::Spent { .. })),
                "{words}"
            );
        }
        for words in [
            "replacement transaction underpriced",
            "insufficient funds for gas * price + value",
            "txpool is full",
        ] {
            let error = sort(-32000, words).unwrap_err();
            assert!(
                matches!(error, NodeError::RefusedForNow { .. }) && error.is_transient(),
                "{words}"
            );
        }
        for words in [
            "invalid sender",
            "intrinsic gas too low",
            "invalid chain id for signer",
            "exceeds block gas limit",
        ] {
            let error = sort(-32000, words).unwrap_err();
            assert!(
                matches!(error, NodeError::Refused { .. }) && !error.is_transient(),
                "{words}"
            );
        }
        assert!(matches!(
            sort(-32601, "the method does not exist"),
            Err(NodeError::Rpc { .. })
        ));
    }
}
