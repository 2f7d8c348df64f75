//! Transactions that spend the same coin. Calling one conflicted ends it for ever, so the evidence must be deep and real.

use custodyd::nodes::{BitcoinWatch, CoreNode, KeyBirth, NodeError};
use custodyd_chain::{Coin, RawTransaction};
use custodyd_testbed::Litecoind;
use custodyd_vault::ChainPosition;

use crate::fixture::{Key, LTC, core, litecoin_config};
use std::sync::Arc;

struct Stage {
    litecoind: Litecoind,
    node: Arc<CoreNode>,
    coin: Coin,
    ours: RawTransaction,
    rival: RawTransaction,
}

/// A coin with two transactions that spend it; two blocks make a conflict.
async fn stage(seed: u8) -> Stage {
    let litecoind = Litecoind::start().unwrap();
    let node = core(&litecoin_config(&litecoind));
    let key = Key::new(seed);
    node.watch(&[key.public()], KeyBirth::Now).await.unwrap();
    litecoind.fund(key.address(LTC).as_str(), "1").unwrap();
    let coin = node.coins(&[key.public()]).await.unwrap().remove(0);
    let outside = litecoind.outside_address().unwrap();
    let ours = key.spend(&coin, &outside, "0.001");
    let rival = key.spend(&coin, &outside, "0.002");
    Stage {
        litecoind,
        node,
        coin,
        ours,
        rival,
    }
}

impl Stage {
    async fn position(&self, of: &RawTransaction) -> ChainPosition {
        self.node.position(of, &[self.coin.outpoint]).await.unwrap()
    }

    /// A block with this transaction, whatever the mempool thinks of it; gives back the block's hash.
    fn mine(&self, transaction: &RawTransaction) -> String {
        let address = self.litecoind.outside_address().unwrap();
        let only = format!("[\"{}\"]", transaction.to_hex());
        let made = self
            .litecoind
            .cli(&["generateblock", &address, &only])
            .unwrap();
        made["hash"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_payment_is_conflicted_only_when_its_rival_is_deep_enough() {
    let stage = stage(11).await;
    stage.node.broadcast(&stage.ours).await.unwrap();
    let block = stage.mine(&stage.rival);
    assert_eq!(stage.position(&stage.ours).await, ChainPosition::Unknown);
    let spent = stage.node.broadcast(&stage.ours).await.unwrap_err();
    assert!(matches!(spent, NodeError::Spent { .. }), "{spent}");

    stage.litecoind.mine(1).unwrap();
    assert_eq!(stage.position(&stage.ours).await, ChainPosition::Conflicted);
    let rival = stage.position(&stage.rival).await;
    assert!(
        matches!(
            rival,
            ChainPosition::Included {
                confirmations: 2,
                ..
            }
        ),
        "{rival:?}"
    );

    // The rival's branch is left for one without it: what was true is no longer said.
    stage.litecoind.invalidate(&block).unwrap();
    for _ in 0..3 {
        stage.litecoind.mine_empty().unwrap();
    }
    assert_eq!(stage.position(&stage.ours).await, ChainPosition::Unknown);
}

#[tokio::test]
async fn a_payment_that_was_never_sent_is_conflicted_by_what_spent_its_input() {
    let stage = stage(12).await;
    stage.mine(&stage.rival);
    assert_eq!(stage.position(&stage.ours).await, ChainPosition::Unknown);
    stage.litecoind.mine(1).unwrap();
    assert_eq!(stage.position(&stage.ours).await, ChainPosition::Conflicted);
}

#[tokio::test]
async fn an_input_whose_own_payment_was_reorganised_away_proves_nothing() {
    let stage = stage(13).await;
    stage.litecoind.reorganise(1).unwrap();
    stage.litecoind.mine_empty().unwrap();
    assert_eq!(stage.position(&stage.ours).await, ChainPosition::Unknown);
}

#[tokio::test]
async fn hundreds_are_looked_for_at_once() {
    let stage = stage(14).await;
    stage.node.broadcast(&stage.rival).await.unwrap();
    let inputs = [stage.coin.outpoint];
    let watched: Vec<BitcoinWatch<'_>> = (0..600)
        .map(|_| BitcoinWatch {
            transaction: &stage.rival,
            inputs: &inputs,
        })
        .collect();
    let positions = stage.node.positions(&watched).await.unwrap();
    assert_eq!(positions, vec![ChainPosition::Pending; 600]);
}
