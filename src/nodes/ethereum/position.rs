//! Where an Ethereum transaction is. Its hash alone never decides: the account's nonce does.
//!
//! Three requests however many transactions: the tip; then receipts, pending transactions and old nonces; then, for what
//! has a receipt, whether its block is still on the best chain, and for what seems conflicted, whether it is still unknown. The
//! tip is asked first, so a count of confirmations is never too high; evidence of a rival is older than the last look for ours, so
//! our own transaction is never taken for its rival.

use std::collections::BTreeMap;

use custodyd_chain::{Address, RawTransaction};
use custodyd_vault::ChainPosition;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Block, EthereumNode, Hash, Quantity};
use crate::nodes::{
    NodeError, of_network,
    rpc::{Call, Reply, malformed},
};

/// A transaction to look for, with the nonce it uses.
#[derive(Debug, Clone, Copy)]
pub struct EvmWatch<'a> {
    /// It.
    pub transaction: &'a RawTransaction,
    /// The paying account.
    pub from: &'a Address,
    /// Its nonce.
    pub nonce: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    transaction_hash: Hash,
    block_hash: Hash,
    block_number: Quantity,
    /// 1 or 0 since Byzantium (EIP-658).
    status: Quantity,
}

/// What the second request told.
enum Lead {
    /// In a block, which may be off the best chain by now.
    Receipt {
        block: Hash,
        height: u64,
        succeeded: bool,
    },
    Known(ChainPosition),
    /// Unknown, with its nonce used deep enough.
    Outrun,
}

impl EthereumNode {
    /// Where one transaction is.
    ///
    /// # Errors
    /// [`NodeError::ForeignNetwork`], and those of any call.
    pub async fn position(
        &self,
        transaction: &RawTransaction,
        from: &Address,
        nonce: u64,
    ) -> Result<ChainPosition, NodeError> {
        let mut positions = self
            .positions(&[EvmWatch {
                transaction,
                from,
                nonce,
            }])
            .await?;
        positions
            .pop()
            .ok_or_else(|| malformed("eth_getTransactionReceipt", "no answer".to_owned()))
    }

    /// Where each of many is, in their order.
    ///
    /// # Errors
    /// [`NodeError::ForeignNetwork`], and those of any call.
    pub async fn positions(
        &self,
        watched: &[EvmWatch<'_>],
    ) -> Result<Vec<ChainPosition>, NodeError> {
        let tip = self.tip().await?;
        let leads = self.leads(watched, tip).await?;
        let mut second_look = BTreeMap::new();
        for (index, (watch, lead)) in watched.iter().zip(&leads).enumerate() {
            let call = match lead {
                Lead::Receipt { height, .. } => Call::new(
                    "eth_getBlockByNumber",
                    json!([format!("{height:#x}"), false]),
                ),
                Lead::Outrun => Call::new(
                    "eth_getTransactionByHash",
                    json!([watch.transaction.txid()]),
                ),
                Lead::Known(_) => continue,
            };
            second_look.insert(index, call);
        }
        let calls: Vec<Call> = second_look.values().cloned().collect();
        let replies = self.node.batch(&calls).await?;
        let mut replies: BTreeMap<usize, Reply> = second_look.into_keys().zip(replies).collect();
        leads
            .into_iter()
            .enumerate()
            .map(|(index, lead)| concluded(lead, replies.remove(&index).as_ref(), tip))
            .collect()
    }

    async fn leads(&self, watched: &[EvmWatch<'_>], tip: u64) -> Result<Vec<Lead>, NodeError> {
        // State so many blocks deep: what it counts has at least `conflict_depth` confirmations. A chain that is shorter holds no
        // evidence.
        let deep = tip.checked_sub(u64::from(self.conflict_depth.saturating_sub(1)));
        let mut calls = Vec::with_capacity(watched.len().saturating_mul(3));
        for EvmWatch {
            transaction, from, ..
        } in watched
        {
            self.of_our_network(transaction)?;
            of_network(from.network(), self.network())?;
            calls.push(Call::new(
                "eth_getTransactionReceipt",
                json!([transaction.txid()]),
            ));
            calls.push(Call::new(
                "eth_getTransactionByHash",
                json!([transaction.txid()]),
            ));
            calls.extend(deep.map(|height| {
                Call::new(
                    "eth_getTransactionCount",
                    json!([from.as_str(), format!("{height:#x}")]),
                )
            }));
        }
        let replies = self.node.batch(&calls).await?;
        let each = if deep.is_some() { 3 } else { 2 };
        watched
            .iter()
            .zip(replies.chunks(each))
            .map(|(watch, replies)| lead(watch, replies))
            .collect()
    }
}

fn lead(watch: &EvmWatch<'_>, replies: &[Reply]) -> Result<Lead, NodeError> {
    let [receipt, by_hash, deep_nonce @ ..] = replies else {
        return Err(malformed(
            "eth_getTransactionReceipt",
            "too few answers".to_owned(),
        ));
    };
    if let Some(receipt) = receipt.read::<Option<Receipt>>()? {
        if !receipt.transaction_hash.is(watch.transaction.txid()) {
            return Err(malformed(
                "eth_getTransactionReceipt",
                "it is another transaction's".to_owned(),
            ));
        }
        let height = receipt.block_number.to_u64("eth_getTransactionReceipt")?;
        let succeeded = match receipt.status.to_u64("eth_getTransactionReceipt")? {
            0 => false,
            1 => true,
            other => {
                return Err(malformed(
                    "eth_getTransactionReceipt",
                    format!("status {other}"),
                ));
            }
        };
        return Ok(Lead::Receipt {
            block: receipt.block_hash,
            height,
            succeeded,
        });
    }
    if !by_hash.read::<Value>()?.is_null() {
        return Ok(Lead::Known(ChainPosition::Pending));
    }
    // A node may have dropped a state that old; then there is no evidence either.
    let used = match deep_nonce {
        [reply] if reply.outcome.is_ok() => reply.read::<Quantity>()?.to_u64(reply.method)?,
        _ => 0,
    };
    Ok(if used > watch.nonce {
        Lead::Outrun
    } else {
        Lead::Known(ChainPosition::Unknown)
    })
}

fn concluded(
    lead: Lead,
    second_look: Option<&Reply>,
    tip: u64,
) -> Result<ChainPosition, NodeError> {
    let second_look =
        || second_look.ok_or_else(|| malformed("eth_getBlockByNumber", "no answer".to_owned()));
    Ok(match lead {
        Lead::Known(position) => position,
        Lead::Outrun if second_look()?.read::<Value>()?.is_null() => ChainPosition::Conflicted,
        Lead::Outrun => ChainPosition::Pending,
        Lead::Receipt {
            block,
            height,
            succeeded,
        } => {
            let canonical: Option<Block> = second_look()?.read()?;
            if canonical.is_none_or(|canonical| canonical.hash != block) {
                return Ok(ChainPosition::Unknown);
            }
            let confirmations =
                u32::try_from(tip.saturating_sub(height).saturating_add(1)).unwrap_or(u32::MAX);
            ChainPosition::Included {
                height,
                confirmations,
                succeeded,
            }
        }
    })
}
