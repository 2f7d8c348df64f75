//! Ethereum execution clients, by the calls that every one of them has (execution-apis). Native transfers only.

mod broadcast;
mod position;
mod quantity;

use custodyd_chain::{Address, Amount, Asset, EvmChainId, FeeQuote, Network, RawTransaction, U256};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    FeeBounds, NodeConfig, NodeError, of_network,
    rpc::{Call, Endpoint, malformed},
};
use quantity::{Hash, Quantity};

pub use position::EvmWatch;

/// JSON-RPC 2.0: no such method.
const METHOD_NOT_FOUND: i64 = -32601;

/// An execution client.
#[derive(Debug)]
pub struct EthereumNode {
    chain: EvmChainId,
    node: Endpoint,
    fee: FeeBounds,
    conflict_depth: u32,
}

/// An account, all three at one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// What it has.
    pub balance: Amount,
    /// Count of its transactions in blocks: the next nonce the chain accepts.
    pub nonce: u64,
    /// The block.
    pub height: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeeHistory {
    base_fee_per_gas: Vec<Quantity>,
}

/// A block, as far as it is read.
#[derive(Deserialize)]
struct Block {
    hash: Hash,
}

impl EthereumNode {
    pub(super) fn new(chain: EvmChainId, config: &NodeConfig) -> Result<Self, NodeError> {
        let node = Endpoint::new(config)?;
        Ok(Self {
            chain,
            node,
            fee: config.fee,
            conflict_depth: config.conflict_depth(),
        })
    }

    /// Its network.
    #[must_use]
    pub fn network(&self) -> Network {
        self.chain.into()
    }

    /// The chain id is the network's, and the node has caught up.
    ///
    /// # Errors
    /// [`NodeError::WrongChain`], [`NodeError::Syncing`], and those of any call.
    pub async fn check(&self) -> Result<(), NodeError> {
        let calls = [
            Call::new("eth_chainId", json!([])),
            Call::new("eth_syncing", json!([])),
        ];
        let replies = self.node.batch(&calls).await?;
        let [chain, syncing] = replies.as_slice() else {
            return Err(malformed("eth_chainId", "not two answers".to_owned()));
        };
        let Quantity(chain) = chain.read()?;
        if chain != U256::from(self.chain.get()) {
            return Err(NodeError::WrongChain {
                url: self.node.shown(),
                expected: self.network(),
                found: format!("eip155:{chain}"),
            });
        }
        match syncing.read()? {
            Value::Bool(false) => Ok(()),
            _ => Err(NodeError::Syncing {
                url: self.node.shown(),
            }),
        }
    }

    /// Height of the best block.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn tip(&self) -> Result<u64, NodeError> {
        self.node
            .call::<Quantity>("eth_blockNumber", json!([]))
            .await?
            .to_u64("eth_blockNumber")
    }

    /// An account at the best block.
    ///
    /// # Errors
    /// [`NodeError::ForeignNetwork`], and those of any call.
    pub async fn account(&self, address: &Address) -> Result<AccountView, NodeError> {
        of_network(address.network(), self.network())?;
        let height = self.tip().await?;
        let at = json!([address.as_str(), format!("{height:#x}")]);
        let calls = [
            Call::new("eth_getBalance", at.clone()),
            Call::new("eth_getTransactionCount", at),
        ];
        let replies = self.node.batch(&calls).await?;
        let [balance, nonce] = replies.as_slice() else {
            return Err(malformed("eth_getBalance", "not two answers".to_owned()));
        };
        let Quantity(wei) = balance.read()?;
        let balance = Amount::from_units(Asset::Eth, wei)
            .map_err(|error| malformed("eth_getBalance", error.to_string()))?;
        let nonce = nonce
            .read::<Quantity>()?
            .to_u64("eth_getTransactionCount")?;
        Ok(AccountView {
            balance,
            nonce,
            height,
        })
    }

    /// The next block's base fee, and the node's tip within the configured bounds: not below the minimum, and together with the
    /// base fee not above the maximum.
    ///
    /// # Errors
    /// [`NodeError::FeeAboveMaximum`] if base fee and least tip are above the maximum; [`NodeError::NoFeeEstimate`].
    pub async fn fee_quote(&self) -> Result<FeeQuote, NodeError> {
        let calls = [
            Call::new("eth_feeHistory", json!(["0x1", "latest", []])),
            Call::new("eth_maxPriorityFeePerGas", json!([])),
        ];
        let replies = self.node.batch(&calls).await?;
        let [history, tip] = replies.as_slice() else {
            return Err(malformed("eth_feeHistory", "not two answers".to_owned()));
        };
        // The last entry is the block after the newest.
        let history: FeeHistory = history.read()?;
        let [_, next] = history.base_fee_per_gas.as_slice() else {
            return Err(malformed(
                "eth_feeHistory",
                "not the base fees of two blocks".to_owned(),
            ));
        };
        let base_fee_per_gas = next.to_u128("eth_feeHistory")?;
        let tip: Option<Quantity> = tip.read_unless(METHOD_NOT_FOUND)?;
        let tip = tip
            .map(|tip| tip.to_u128("eth_maxPriorityFeePerGas"))
            .transpose()?;
        let priority_fee_per_gas = self.tip_within_bounds(base_fee_per_gas, tip)?;
        Ok(FeeQuote::Evm {
            base_fee_per_gas,
            priority_fee_per_gas,
        })
    }

    fn tip_within_bounds(&self, base_fee: u128, tip: Option<u128>) -> Result<u128, NodeError> {
        let FeeBounds {
            min, max, fallback, ..
        } = self.fee;
        let network = self.network();
        let wanted = tip
            .or(fallback.map(u128::from))
            .ok_or(NodeError::NoFeeEstimate { network })?;
        let min = u128::from(min);
        match u128::from(max).checked_sub(base_fee) {
            Some(room) if room >= min => Ok(wanted.clamp(min, room)),
            _ => Err(NodeError::FeeAboveMaximum {
                network,
                needed: base_fee.saturating_add(min),
                max,
            }),
        }
    }

    fn of_our_network(&self, transaction: &RawTransaction) -> Result<(), NodeError> {
        of_network(transaction.network(), self.network())
    }
}
