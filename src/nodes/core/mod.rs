//! Bitcoin and Litecoin Core. A watch-only wallet on the node holds our public keys, so that the node tells us of coins,
//! confirmations and rivals without an index of the whole chain.

mod broadcast;
mod fee;
mod position;
mod rival;
mod wallet;

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{BitcoinNetwork, Network, PublicKey, RawTransaction, Txid};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::{
    FeeBounds, NodeConfig, NodeError, of_network,
    rpc::{Call, Endpoint, malformed},
};

pub use position::BitcoinWatch;
pub use wallet::KeyBirth;

/// RPC_INVALID_ADDRESS_OR_KEY: no such transaction in the wallet or the mempool.
const UNKNOWN_TRANSACTION: i64 = -5;

/// A Core node and our wallet on it.
#[derive(Debug)]
pub struct CoreNode {
    network: BitcoinNetwork,
    node: Endpoint,
    /// The same node at `/wallet/<name>`, which answers calls about the chain too.
    wallet: Endpoint,
    wallet_name: String,
    fee: FeeBounds,
    min_confirmations: u32,
    conflict_depth: u32,
    /// What the wallet is known to watch; held while more is added.
    watched: Mutex<Watched>,
}

/// Keys that the wallet watches.
#[derive(Debug, Default)]
struct Watched {
    keys: BTreeSet<PublicKey>,
    /// By the script that pays them, hex as the node writes it: made once, not for each look at a hundred thousand.
    owners: BTreeMap<String, PublicKey>,
}

impl Watched {
    fn extend(&mut self, keys: Vec<PublicKey>) {
        let scripts = keys
            .iter()
            .map(|key| (hex::encode(key.p2wpkh_script()), *key));
        self.owners.extend(scripts);
        self.keys.extend(keys);
    }
}

#[derive(Deserialize)]
struct BlockchainInfo {
    chain: String,
    initialblockdownload: bool,
}

impl CoreNode {
    pub(super) fn new(network: BitcoinNetwork, config: &NodeConfig) -> Result<Self, NodeError> {
        let node = Endpoint::new(config)?;
        let wallet_name = config.wallet_name().to_owned();
        Ok(Self {
            network,
            wallet: node.at(&format!("/wallet/{wallet_name}")),
            node,
            wallet_name,
            fee: config.fee,
            min_confirmations: config.min_confirmations,
            conflict_depth: config.conflict_depth(),
            watched: Mutex::default(),
        })
    }

    /// Its network.
    #[must_use]
    pub fn network(&self) -> Network {
        self.network.into()
    }

    /// Chain name and genesis block are the network's, and it isn't downloading the chain for the first time.
    ///
    /// # Errors
    /// [`NodeError::WrongChain`], [`NodeError::Syncing`], and those of any call.
    pub async fn check(&self) -> Result<(), NodeError> {
        let calls = [
            Call::new("getblockchaininfo", json!([])),
            Call::new("getblockhash", json!([0])),
        ];
        let replies = self.node.batch(&calls).await?;
        let [info, genesis] = replies.as_slice() else {
            return Err(malformed("getblockchaininfo", "not two answers".to_owned()));
        };
        let info: BlockchainInfo = info.read()?;
        let genesis: Txid = genesis.read()?;
        let known = genesis_blocks(self.network);
        if !known.contains(&(info.chain.as_str(), genesis.to_string().as_str())) {
            return Err(NodeError::WrongChain {
                url: self.node.shown(),
                expected: self.network(),
                found: format!("{} with genesis {genesis}", info.chain.escape_debug()),
            });
        }
        // A regtest chain is as old as its last block.
        if info.initialblockdownload && info.chain != "regtest" {
            return Err(NodeError::Syncing {
                url: self.node.shown(),
            });
        }
        Ok(())
    }

    /// Height of the best block.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn tip(&self) -> Result<u64, NodeError> {
        self.node.call("getblockcount", json!([])).await
    }

    /// The bytes of a transaction that paid us, for a PSBT's non_witness_utxo (BIP-174). The id is as the node gave it: who puts
    /// the bytes to use checks that they hash to it.
    ///
    /// # Errors
    /// [`NodeError::Rpc`] with code -5 if neither our wallet, nor the mempool, nor a transaction index has it.
    pub async fn previous_transaction(&self, txid: &Txid) -> Result<Vec<u8>, NodeError> {
        #[derive(Deserialize)]
        struct Known {
            hex: String,
        }
        let ours = self
            .wallet_call("gettransaction", json!([txid, true]))
            .await?;
        let hex = match ours.read_unless::<Known>(UNKNOWN_TRANSACTION)? {
            Some(known) => known.hex,
            None => {
                self.node
                    .call("getrawtransaction", json!([txid, false]))
                    .await?
            }
        };
        hex::decode(hex).map_err(|error| malformed("gettransaction", error.to_string()))
    }

    fn of_our_network(&self, transaction: &RawTransaction) -> Result<(), NodeError> {
        of_network(transaction.network(), self.network())
    }
}

/// Core's name of a network and the hash of its first block: `chainparams.cpp` of Bitcoin Core and Litecoin Core.
const fn genesis_blocks(network: BitcoinNetwork) -> &'static [(&'static str, &'static str)] {
    match network {
        BitcoinNetwork::Bitcoin => &[(
            "main",
            "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
        )],
        BitcoinNetwork::BitcoinTestnet => &[
            (
                "test",
                "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943",
            ),
            (
                "testnet4",
                "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
            ),
        ],
        BitcoinNetwork::BitcoinRegtest => &[(
            "regtest",
            "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
        )],
        BitcoinNetwork::Litecoin => &[(
            "main",
            "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2",
        )],
        BitcoinNetwork::LitecoinTestnet => &[(
            "test",
            "4966625a4b2851d9fdee139e56211a0d88575f59ed816ff5e6a63deb4e3e29a0",
        )],
        BitcoinNetwork::LitecoinRegtest => &[(
            "regtest",
            "530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9",
        )],
    }
}
