//! Anvil: accounts, fees, sending one and many, inclusion, reorganisation and rivals.

use custodyd::nodes::{Accepted, EvmWatch, Node, NodeError};
use custodyd_chain::{FeeQuote, Network, RawTransaction};
use custodyd_testbed::{Anvil, AnvilOptions, Mining};
use custodyd_vault::ChainPosition;

use crate::fixture::{Key, anvil_config, ethereum};

const ONE_ETH: &str = "0xde0b6b3a7640000";

fn by_hand() -> Anvil {
    Anvil::start_with(AnvilOptions {
        mining: Mining::Manual,
        ..AnvilOptions::default()
    })
    .unwrap()
}

fn funded(anvil: &Anvil, seed: u8) -> (Key, Network) {
    let network = anvil_config(anvil).network;
    let key = Key::new(seed);
    anvil.fund(key.address(network).as_str(), ONE_ETH).unwrap();
    (key, network)
}

#[tokio::test]
async fn an_account_is_seen_at_one_block() {
    let anvil = by_hand();
    let node = ethereum(&anvil_config(&anvil));
    node.check().await.unwrap();
    let (key, network) = funded(&anvil, 21);
    anvil.mine(3).unwrap();
    let before = node.account(&key.address(network)).await.unwrap();
    assert_eq!(
        (before.balance, before.nonce, before.height),
        ("1 ETH".parse().unwrap(), 0, 3)
    );

    node.broadcast(&key.pay(network, 0, 5)).await.unwrap();
    assert_eq!(
        node.account(&key.address(network)).await.unwrap(),
        before,
        "what is pending hasn't happened"
    );
    anvil.mine(1).unwrap();
    let after = node.account(&key.address(network)).await.unwrap();
    assert_eq!((after.nonce, after.height), (1, 4));
    assert!(after.balance.cmp_same(&before.balance).unwrap().is_lt());
}

#[tokio::test]
async fn a_tip_is_bid_within_bounds_or_not_at_all() {
    const GWEI: u64 = 1_000_000_000;
    let anvil = by_hand();
    let mut config = anvil_config(&anvil);
    let quoted = |config| async move { ethereum(&config).fee_quote().await };
    let FeeQuote::Evm {
        base_fee_per_gas: base,
        priority_fee_per_gas: tip,
    } = quoted(config.clone()).await.unwrap()
    else {
        panic!("a quote of another family");
    };
    assert_eq!((base, tip), (u128::from(GWEI), u128::from(GWEI)));
    for (min, max, tip) in [(2 * GWEI, 9 * GWEI, 2 * GWEI), (1, GWEI + 7, 7)] {
        (config.fee.min, config.fee.max, config.fee.fallback) = (min, max, None);
        let quote = FeeQuote::Evm {
            base_fee_per_gas: base,
            priority_fee_per_gas: tip.into(),
        };
        assert_eq!(quoted(config.clone()).await.unwrap(), quote);
    }
    (config.fee.min, config.fee.max) = (10, GWEI + 9);
    let above = quoted(config).await.unwrap_err();
    assert!(
        matches!(above, NodeError::FeeAboveMaximum { .. }) && above.is_transient(),
        "{above}"
    );
}

#[tokio::test]
async fn a_payment_is_pending_then_included_then_undone_by_a_reorganisation() {
    let anvil = by_hand();
    let node = ethereum(&anvil_config(&anvil));
    let (key, network) = funded(&anvil, 22);
    let from = key.address(network);
    let paid = key.pay(network, 0, 7);
    assert_eq!(
        node.position(&paid, &from, 0).await.unwrap(),
        ChainPosition::Unknown
    );
    assert_eq!(node.broadcast(&paid).await.unwrap(), Accepted::Taken);
    assert_eq!(node.broadcast(&paid).await.unwrap(), Accepted::AlreadyKnown);
    assert_eq!(
        node.position(&paid, &from, 0).await.unwrap(),
        ChainPosition::Pending
    );

    let snapshot = anvil.snapshot().unwrap();
    anvil.mine(3).unwrap();
    let included = ChainPosition::Included {
        height: 1,
        confirmations: 3,
        succeeded: true,
    };
    assert_eq!(node.position(&paid, &from, 0).await.unwrap(), included);
    assert_eq!(
        node.broadcast(&paid).await.unwrap(),
        Accepted::AlreadyKnown,
        "its nonce is used by itself"
    );

    anvil.revert(&snapshot).unwrap();
    let undone = node.position(&paid, &from, 0).await.unwrap();
    assert!(
        matches!(undone, ChainPosition::Unknown | ChainPosition::Pending),
        "{undone:?}"
    );
    node.broadcast(&paid).await.unwrap();
    anvil.mine(1).unwrap();
    let again = ChainPosition::Included {
        height: 1,
        confirmations: 1,
        succeeded: true,
    };
    assert_eq!(node.position(&paid, &from, 0).await.unwrap(), again);
}

#[tokio::test]
async fn a_payment_is_conflicted_when_its_nonce_is_used_deep_enough_by_another() {
    let anvil = by_hand();
    let node = ethereum(&anvil_config(&anvil));
    let (key, network) = funded(&anvil, 23);
    let from = key.address(network);
    let (ours, rival) = (key.pay(network, 0, 1), key.pay(network, 0, 2));
    node.broadcast(&rival).await.unwrap();
    anvil.mine(1).unwrap();
    assert_eq!(
        node.position(&ours, &from, 0).await.unwrap(),
        ChainPosition::Unknown
    );
    let spent = node.broadcast(&ours).await.unwrap_err();
    assert!(matches!(spent, NodeError::Spent { .. }), "{spent}");
    anvil.mine(1).unwrap();
    assert_eq!(
        node.position(&ours, &from, 0).await.unwrap(),
        ChainPosition::Conflicted
    );
    let rival = node.position(&rival, &from, 0).await.unwrap();
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
}

#[tokio::test]
async fn a_burst_is_sent_and_found_in_a_few_requests() {
    let anvil = by_hand();
    let node = ethereum(&anvil_config(&anvil));
    let (key, network) = funded(&anvil, 24);
    let from = key.address(network);
    let burst: Vec<RawTransaction> = (0..600).map(|nonce| key.pay(network, nonce, 1)).collect();
    let sent = node
        .broadcast_many(&burst.iter().collect::<Vec<_>>())
        .await
        .unwrap();
    assert!(
        sent.iter()
            .all(|outcome| matches!(outcome, Ok(Accepted::Taken))),
        "{sent:?}"
    );
    anvil.mine(1).unwrap();
    let watched: Vec<EvmWatch<'_>> = (0..)
        .zip(&burst)
        .map(|(nonce, transaction)| EvmWatch {
            transaction,
            from: &from,
            nonce,
        })
        .collect();
    let positions = node.positions(&watched).await.unwrap();
    let included = ChainPosition::Included {
        height: 1,
        confirmations: 1,
        succeeded: true,
    };
    assert_eq!(positions, vec![included; 600]);
}

#[tokio::test]
async fn one_refusal_in_a_burst_is_that_ones_alone() {
    let anvil = by_hand();
    let node = ethereum(&anvil_config(&anvil));
    let (key, network) = funded(&anvil, 25);
    let poor = Key::new(26);
    let sent = node
        .broadcast_many(&[
            &key.pay(network, 0, 1),
            &poor.pay(network, 0, 1),
            &key.pay(network, 1, 1),
        ])
        .await
        .unwrap();
    assert!(matches!(sent[0], Ok(Accepted::Taken)), "{sent:?}");
    assert!(
        matches!(sent[1], Err(NodeError::RefusedForNow { .. })),
        "{sent:?}"
    );
    assert!(matches!(sent[2], Ok(Accepted::Taken)), "{sent:?}");
}

#[tokio::test]
async fn another_chain_id_is_the_wrong_chain_and_gets_nothing_of_ours() {
    let anvil = by_hand();
    let (key, network) = funded(&anvil, 27);
    let mut config = anvil_config(&anvil);
    config.network = "eip155:1".parse().unwrap();
    let node = Node::new(&config).unwrap();
    let wrong = node.check().await.unwrap_err();
    assert!(
        matches!(&wrong, NodeError::WrongChain { found, .. } if found == "eip155:31337"),
        "{wrong}"
    );
    let foreign = node.broadcast(&key.pay(network, 0, 1)).await.unwrap_err();
    assert!(
        matches!(foreign, NodeError::ForeignNetwork { .. }),
        "{foreign}"
    );
}
