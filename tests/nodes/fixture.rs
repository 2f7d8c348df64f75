//! Keys, signed transactions and node configurations for the tests beside this file.

use std::path::PathBuf;

use custodyd::nodes::{CoreNode, EthereumNode, FeeBounds, Node, NodeAuth, NodeConfig};
use custodyd_chain::{
    Address, Amount, BitcoinNetwork, BitcoinPlan, Coin, EvmPlan, FeeCaps, Network, Payment, Plan,
    PublicKey, RawTransaction, Signature,
};
use custodyd_testbed::{Anvil, Litecoind};
use k256::ecdsa::{SigningKey, signature::hazmat::PrehashSigner};
use std::sync::Arc;

pub(crate) const LTC: Network = Network::Bitcoin(BitcoinNetwork::LitecoinRegtest);

/// A key that signs as an HSM would: r‖s over 32 bytes.
pub(crate) struct Key(SigningKey);

impl Key {
    pub(crate) fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::from_sec1(&self.0.verifying_key().to_sec1_bytes()).unwrap()
    }

    pub(crate) fn address(&self, network: Network) -> Address {
        Address::from_public_key(network, &self.public())
    }

    pub(crate) fn sign(&self, plan: &Plan) -> RawTransaction {
        let signatures: Vec<Signature> = plan
            .signing_requests()
            .unwrap()
            .iter()
            .map(|request| {
                let signature: k256::ecdsa::Signature =
                    self.0.sign_prehash(request.digest.as_bytes()).unwrap();
                Signature::from_hsm(&signature.to_bytes()).unwrap()
            })
            .collect();
        plan.assemble(&signatures).unwrap()
    }

    /// All of `coin` less `fee` (decimal LTC) to `to`.
    pub(crate) fn spend(&self, coin: &Coin, to: &str, fee: &str) -> RawTransaction {
        let fee = ltc(fee);
        let payment = Payment {
            to: Address::parse(LTC, to).unwrap(),
            amount: coin.amount.checked_sub(&fee).unwrap(),
        };
        self.sign(&Plan::Bitcoin(BitcoinPlan {
            network: BitcoinNetwork::LitecoinRegtest,
            inputs: vec![coin.clone()],
            payments: vec![payment],
            change: None,
            fee,
            lock_time: 0,
        }))
    }

    /// So many millionths of an ether on Anvil's chain.
    pub(crate) fn pay(&self, network: Network, nonce: u64, millionths: u64) -> RawTransaction {
        let to = Address::parse(network, "0x00000000000000000000000000000000000a11ce").unwrap();
        let amount = Amount::from_u64(network.asset(), millionths * 1_000_000_000_000).unwrap();
        let caps = FeeCaps {
            absolute: "1 ETH".parse().unwrap(),
            relative_bp: u32::MAX,
        };
        let Network::Evm(chain) = network else {
            panic!("{network} is no EVM chain")
        };
        let payment = Payment { to, amount };
        let plan =
            EvmPlan::new(chain, self.public(), nonce, payment, GWEI * 10, GWEI, &caps).unwrap();
        self.sign(&Plan::Evm(plan))
    }
}

const GWEI: u128 = 1_000_000_000;

pub(crate) fn ltc(decimal: &str) -> Amount {
    format!("{decimal} LTC").parse().unwrap()
}

pub(crate) fn config(network: Network, url: String, auth: Option<NodeAuth>) -> NodeConfig {
    // What the program does once, when it starts.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let fee = FeeBounds {
        min: 1_000,
        max: 100_000_000_000,
        fallback: Some(2_000),
        target_blocks: 6,
    };
    NodeConfig {
        network,
        url,
        auth,
        wallet: None,
        fee,
        timeout_ms: 10_000,
        min_confirmations: 1,
        conflict_depth: Some(2),
    }
}

pub(crate) fn litecoin_config(litecoind: &Litecoind) -> NodeConfig {
    config(
        LTC,
        litecoind.rpc_url(),
        Some(NodeAuth::Cookie(litecoind.cookie_file())),
    )
}

pub(crate) fn anvil_config(anvil: &Anvil) -> NodeConfig {
    let network = format!("eip155:{}", anvil.chain_id()).parse().unwrap();
    config(network, anvil.rpc_url(), None)
}

pub(crate) fn core(config: &NodeConfig) -> Arc<CoreNode> {
    match Node::new(config).unwrap() {
        Node::Core(node) => node,
        Node::Ethereum(_) => panic!("{} is not of the Bitcoin family", config.network),
    }
}

pub(crate) fn ethereum(config: &NodeConfig) -> Arc<EthereumNode> {
    match Node::new(config).unwrap() {
        Node::Ethereum(node) => node,
        Node::Core(_) => panic!("{} is no EVM chain", config.network),
    }
}

/// A file with a secret in it, in a folder that lives as long as the test.
pub(crate) fn secret_file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("secret");
    std::fs::write(&path, text).unwrap();
    path
}
