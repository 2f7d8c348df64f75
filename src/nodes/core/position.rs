//! Where a Bitcoin-family transaction is. Its id alone never decides: a rival that spends one of its inputs does, and only
//! once it is `conflict_depth` blocks deep.
//!
//! Core's own verdict, a negative number of confirmations, is not used: 0.21 keeps it after the rival's block has been
//! reorganised away. The evidence is in [`super::rival`].

use custodyd_chain::{OutPoint, RawTransaction, Txid};
use custodyd_vault::ChainPosition;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use super::{CoreNode, UNKNOWN_TRANSACTION};
use crate::nodes::{
    NodeError,
    rpc::{Call, Reply, malformed},
};

/// A transaction to look for, with what it spends.
#[derive(Debug, Clone, Copy)]
pub struct BitcoinWatch<'a> {
    /// It.
    pub transaction: &'a RawTransaction,
    /// Its inputs, coins of ours.
    pub inputs: &'a [OutPoint],
}

#[derive(Deserialize)]
pub(super) struct WalletTransaction {
    /// In the best chain when positive, zero otherwise; negative when Core believes in a rival.
    pub(super) confirmations: i64,
    blockheight: Option<u64>,
    pub(super) blockhash: Option<String>,
    #[serde(default)]
    walletconflicts: Vec<Txid>,
    /// Only when it was asked for.
    decoded: Option<Decoded>,
}

#[derive(Deserialize)]
struct Decoded {
    vin: Vec<Input>,
}

/// A coinbase has neither.
#[derive(Deserialize)]
struct Input {
    txid: Option<Txid>,
    vout: Option<u32>,
}

impl WalletTransaction {
    fn included(&self) -> Result<Option<ChainPosition>, NodeError> {
        if self.confirmations < 1 {
            return Ok(None);
        }
        let height = self
            .blockheight
            .ok_or_else(|| malformed("gettransaction", "confirmed without a height".to_owned()))?;
        let confirmations = u32::try_from(self.confirmations).unwrap_or(u32::MAX);
        Ok(Some(ChainPosition::Included {
            height,
            confirmations,
            succeeded: true,
        }))
    }

    pub(super) fn spends(&self, outpoint: &OutPoint) -> bool {
        self.decoded
            .iter()
            .flat_map(|decoded| &decoded.vin)
            .any(|input| input.txid == Some(outpoint.txid) && input.vout == Some(outpoint.vout))
    }
}

pub(super) fn get(txid: &str) -> Call {
    Call::new("gettransaction", json!([txid, true]))
}

impl CoreNode {
    /// Where one transaction is.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn position(
        &self,
        transaction: &RawTransaction,
        inputs: &[OutPoint],
    ) -> Result<ChainPosition, NodeError> {
        let mut positions = self
            .positions(&[BitcoinWatch {
                transaction,
                inputs,
            }])
            .await?;
        positions
            .pop()
            .ok_or_else(|| malformed("gettransaction", "no answer".to_owned()))
    }

    /// Where each of many is, in their order. Those in a block or in the mempool take one request together.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn positions(
        &self,
        watched: &[BitcoinWatch<'_>],
    ) -> Result<Vec<ChainPosition>, NodeError> {
        let mut calls = Vec::with_capacity(watched.len().saturating_mul(2));
        for BitcoinWatch { transaction, .. } in watched {
            self.of_our_network(transaction)?;
            calls.push(get(transaction.txid()));
            calls.push(Call::new("getmempoolentry", json!([transaction.txid()])));
        }
        let replies = self.wallet_batch(&calls).await?;
        let mut positions = Vec::with_capacity(watched.len());
        for (watch, replies) in watched.iter().zip(replies.chunks(2)) {
            let [ours, entry] = replies else {
                return Err(malformed("gettransaction", "too few answers".to_owned()));
            };
            positions.push(self.settle(watch, ours, entry).await?);
        }
        Ok(positions)
    }

    async fn settle(
        &self,
        watch: &BitcoinWatch<'_>,
        ours: &Reply,
        entry: &Reply,
    ) -> Result<ChainPosition, NodeError> {
        let ours = ours.read_unless::<WalletTransaction>(UNKNOWN_TRANSACTION)?;
        if let Some(included) = ours
            .as_ref()
            .map(WalletTransaction::included)
            .transpose()?
            .flatten()
        {
            return Ok(included);
        }
        if entry
            .read_unless::<IgnoredAny>(UNKNOWN_TRANSACTION)?
            .is_some()
        {
            return Ok(ChainPosition::Pending);
        }
        let outrun = match ours {
            Some(ours) => self.deepest_of(&ours.walletconflicts).await?,
            // Never in this node's mempool: a rival was there first, or it wasn't sent yet.
            None => self.depth_of_rival(watch).await?,
        };
        Ok(if outrun >= i64::from(self.conflict_depth) {
            ChainPosition::Conflicted
        } else {
            ChainPosition::Unknown
        })
    }
}
