//! How deep is what spent our inputs instead of our transaction?
//!
//! Our wallet on the node sees whatever spends a coin of ours, so it knows the rivals. A rival that has confirmations now is
//! evidence, whenever each answer was given: two transactions that share an input are never in one chain.

use std::collections::BTreeSet;

use custodyd_chain::{OutPoint, Txid};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use super::{
    BitcoinWatch, CoreNode, UNKNOWN_TRANSACTION,
    position::{WalletTransaction, get},
};
use crate::nodes::{NodeError, rpc::Call};

#[derive(Deserialize)]
struct BlockHeader {
    previousblockhash: String,
}

#[derive(Deserialize)]
struct Since {
    transactions: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    txid: Txid,
}

impl CoreNode {
    /// Most confirmations among these transactions, 0 if none has any.
    pub(super) async fn deepest_of(&self, rivals: &[Txid]) -> Result<i64, NodeError> {
        let calls: Vec<Call> = rivals.iter().map(|rival| get(&rival.to_string())).collect();
        let mut deepest = 0;
        for reply in self.wallet_batch(&calls).await? {
            let rival: Option<WalletTransaction> = reply.read_unless(UNKNOWN_TRANSACTION)?;
            deepest = rival.map_or(deepest, |rival| rival.confirmations.max(deepest));
        }
        Ok(deepest)
    }

    /// Confirmations of whatever spends an input of a transaction that the wallet has never seen; 0 if there is no evidence. The
    /// wallet is searched only when an input is spent in the chain.
    pub(super) async fn depth_of_rival(&self, watch: &BitcoinWatch<'_>) -> Result<i64, NodeError> {
        let calls: Vec<Call> = watch
            .inputs
            .iter()
            .map(|input| Call::new("gettxout", json!([input.txid, input.vout, false])))
            .collect();
        let replies = self.node.batch(&calls).await?;
        for (input, reply) in watch.inputs.iter().zip(replies) {
            let unspent: Option<IgnoredAny> = reply.read()?;
            if unspent.is_some() {
                continue;
            }
            if let Some((spender, depth)) = self.spender_of(input).await?
                && spender.to_string() != watch.transaction.txid()
            {
                return Ok(depth);
            }
        }
        Ok(0)
    }

    /// What spends a coin of ours, and its confirmations: looked for in all that the wallet has seen since the coin's own block.
    async fn spender_of(&self, coin: &OutPoint) -> Result<Option<(Txid, i64)>, NodeError> {
        let Some(block) = self.block_of(&coin.txid).await? else {
            return Ok(None);
        };
        // The listing starts after the block it names, and a coin may be spent in its own.
        let header: BlockHeader = self.node.call("getblockheader", json!([block])).await?;
        let since = self
            .wallet_call("listsinceblock", json!([header.previousblockhash, 1, true]))
            .await?;
        let txids: BTreeSet<Txid> = since
            .read::<Since>()?
            .transactions
            .into_iter()
            .map(|listed| listed.txid)
            .collect();
        let calls: Vec<Call> = txids
            .iter()
            .map(|txid| Call::new("gettransaction", json!([txid, true, true])))
            .collect();
        for (txid, reply) in txids.into_iter().zip(self.wallet_batch(&calls).await?) {
            let known: Option<WalletTransaction> = reply.read_unless(UNKNOWN_TRANSACTION)?;
            if let Some(spender) =
                known.filter(|known| known.confirmations > 0 && known.spends(coin))
            {
                return Ok(Some((txid, spender.confirmations)));
            }
        }
        Ok(None)
    }

    /// The block that a transaction of our wallet is in, if it is in one.
    async fn block_of(&self, txid: &Txid) -> Result<Option<String>, NodeError> {
        let Call { method, params } = get(&txid.to_string());
        let known: Option<WalletTransaction> = self
            .wallet_call(method, params)
            .await?
            .read_unless(UNKNOWN_TRANSACTION)?;
        Ok(known
            .filter(|known| known.confirmations > 0)
            .and_then(|known| known.blockhash))
    }
}
