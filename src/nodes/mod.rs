//! Chain nodes: Core JSON-RPC for the Bitcoin family, Ethereum JSON-RPC for EVM chains.
//!
//! A node is asked, never trusted with a decision: what it says of coins, accounts, fees and positions becomes a command that
//! the vault judges. What this layer keeps:
//!
//! - amounts are read digit by digit from the node's own text, never through a float;
//! - an answer is bounded in time (`timeout_ms`) and in size (32 MiB), and anything unexpected in it is an error;
//! - a transaction is called [conflicted](custodyd_vault::ChainPosition::Conflicted) only on positive evidence that a rival is
//!   `conflict_depth` blocks deep; in doubt it is unknown, which costs nothing but another look;
//! - no credential is ever printed, and none is kept in memory longer than a request.
//!
//! TLS to a node uses rustls' process-wide provider: the program installs `aws_lc_rs` before it makes a [`Node`]. Plain HTTP to
//! a node on the same machine is the norm.

mod config;
mod core;
mod decimal;
mod error;
mod ethereum;
mod rpc;

use std::sync::Arc;

use custodyd_chain::{FeeQuote, Network, RawTransaction};

pub use config::{FeeBounds, NodeAuth, NodeConfig};
pub use core::{BitcoinWatch, CoreNode, KeyBirth};
pub use error::NodeError;
pub use ethereum::{AccountView, EthereumNode, EvmWatch};

/// What a node did with a transaction that was sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is in the node's mempool. Core says the same for what was there before.
    Taken,
    /// The node had it already, in its mempool or in a block.
    AlreadyKnown,
}

/// A node of either family.
#[derive(Debug, Clone)]
pub enum Node {
    /// Bitcoin or Litecoin Core.
    Core(Arc<CoreNode>),
    /// Any execution client.
    Ethereum(Arc<EthereumNode>),
}

impl Node {
    /// A client for the configured node. Nothing is sent yet: see [`Node::check`].
    ///
    /// # Errors
    /// [`NodeError::Misconfigured`].
    pub fn new(config: &NodeConfig) -> Result<Self, NodeError> {
        config.check()?;
        Ok(match config.network {
            Network::Bitcoin(network) => Node::Core(Arc::new(CoreNode::new(network, config)?)),
            Network::Evm(chain) => Node::Ethereum(Arc::new(EthereumNode::new(chain, config)?)),
        })
    }

    /// The network it is configured for.
    #[must_use]
    pub fn network(&self) -> Network {
        match self {
            Node::Core(node) => node.network(),
            Node::Ethereum(node) => node.network(),
        }
    }

    /// Is it there, on the right chain, and caught up?
    ///
    /// # Errors
    /// [`NodeError::WrongChain`], [`NodeError::Syncing`], and those of any call.
    pub async fn check(&self) -> Result<(), NodeError> {
        match self {
            Node::Core(node) => node.check().await,
            Node::Ethereum(node) => node.check().await,
        }
    }

    /// Height of its best block.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn tip(&self) -> Result<u64, NodeError> {
        match self {
            Node::Core(node) => node.tip().await,
            Node::Ethereum(node) => node.tip().await,
        }
    }

    /// What fees cost now, within the configured bounds.
    ///
    /// # Errors
    /// [`NodeError::NoFeeEstimate`], [`NodeError::FeeAboveMaximum`], and those of any call.
    pub async fn fee_quote(&self) -> Result<FeeQuote, NodeError> {
        match self {
            Node::Core(node) => node.fee_quote().await,
            Node::Ethereum(node) => node.fee_quote().await,
        }
    }

    /// Sends a transaction. Sending it twice is harmless.
    ///
    /// # Errors
    /// [`NodeError::Refused`], [`NodeError::RefusedForNow`], [`NodeError::Spent`], and those of any call.
    pub async fn broadcast(&self, transaction: &RawTransaction) -> Result<Accepted, NodeError> {
        match self {
            Node::Core(node) => node.broadcast(transaction).await,
            Node::Ethereum(node) => node.broadcast(transaction).await,
        }
    }
}

/// A transaction or address of one network is never shown to a node of another.
fn of_network(found: Network, expected: Network) -> Result<(), NodeError> {
    if found == expected {
        Ok(())
    } else {
        Err(NodeError::ForeignNetwork { expected, found })
    }
}
