//! Litecoin Core: coins, sending, confirmations, fees, and every way in which it can't be reached.

use custodyd::nodes::{Accepted, KeyBirth, Node, NodeAuth, NodeError};
use custodyd_chain::FeeQuote;
use custodyd_testbed::Litecoind;
use custodyd_vault::ChainPosition;

use crate::fixture::{Key, LTC, config, core, litecoin_config, ltc, secret_file};

#[tokio::test]
async fn coins_of_a_watched_key_are_seen_exactly() {
    let litecoind = Litecoind::start().unwrap();
    let node = core(&litecoin_config(&litecoind));
    node.check().await.unwrap();
    let (key, other) = (Key::new(1), Key::new(2));
    node.watch(&[key.public()], KeyBirth::Now).await.unwrap();
    assert_eq!(node.coins(&[key.public()]).await.unwrap(), []);

    let address = key.address(LTC);
    litecoind.fund(address.as_str(), "0.1").unwrap();
    litecoind.fund(address.as_str(), "0.00100001").unwrap();
    litecoind.pay(address.as_str(), "3").unwrap();
    node.watch(&[key.public()], KeyBirth::Now).await.unwrap();

    let coins = node.coins(&[key.public()]).await.unwrap();
    let mut amounts: Vec<String> = coins.iter().map(|coin| coin.amount.to_string()).collect();
    amounts.sort();
    assert_eq!(
        amounts,
        ["0.00100001 LTC", "0.1 LTC"],
        "what is unconfirmed isn't ours to spend"
    );
    assert!(coins.iter().all(|coin| coin.public_key == key.public()));
    let bytes = node
        .previous_transaction(&coins[0].outpoint.txid)
        .await
        .unwrap();
    assert!(bytes.len() > 100);

    let unwatched = node
        .coins(&[key.public(), other.public()])
        .await
        .unwrap_err();
    assert!(
        matches!(&unwatched, NodeError::NotWatched { key, .. } if **key == other.public()),
        "{unwatched}"
    );
}

#[tokio::test]
async fn a_key_that_was_paid_before_it_was_watched_is_found_from_its_birth_on() {
    let litecoind = Litecoind::start().unwrap();
    let key = Key::new(3);
    litecoind.fund(key.address(LTC).as_str(), "2.5").unwrap();
    let node = core(&litecoin_config(&litecoind));
    node.watch(&[key.public()], KeyBirth::At(0)).await.unwrap();
    assert_eq!(
        node.coins(&[key.public()]).await.unwrap()[0].amount,
        ltc("2.5")
    );

    let again = core(&litecoin_config(&litecoind));
    again.watch(&[key.public()], KeyBirth::At(0)).await.unwrap();
    assert_eq!(again.coins(&[key.public()]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_payment_is_pending_then_included_then_reorganised_then_included_again() {
    let litecoind = Litecoind::start().unwrap();
    let node = core(&litecoin_config(&litecoind));
    let key = Key::new(4);
    node.watch(&[key.public()], KeyBirth::Now).await.unwrap();
    litecoind.fund(key.address(LTC).as_str(), "1").unwrap();
    let coin = node.coins(&[key.public()]).await.unwrap().remove(0);
    let paid = key.spend(&coin, &litecoind.outside_address().unwrap(), "0.001");
    let inputs = [coin.outpoint];
    assert_eq!(
        node.position(&paid, &inputs).await.unwrap(),
        ChainPosition::Unknown
    );

    assert_eq!(node.broadcast(&paid).await.unwrap(), Accepted::Taken);
    assert_eq!(node.broadcast(&paid).await.unwrap(), Accepted::Taken);
    assert_eq!(
        node.position(&paid, &inputs).await.unwrap(),
        ChainPosition::Pending
    );

    let block = litecoind.mine(2).unwrap().remove(0);
    let height = litecoind.height().unwrap() - 1;
    let included = ChainPosition::Included {
        height,
        confirmations: 2,
        succeeded: true,
    };
    assert_eq!(node.position(&paid, &inputs).await.unwrap(), included);
    assert_eq!(node.tip().await.unwrap(), height + 1);
    assert_eq!(node.broadcast(&paid).await.unwrap(), Accepted::AlreadyKnown);

    litecoind.invalidate(&block).unwrap();
    assert_eq!(
        node.position(&paid, &inputs).await.unwrap(),
        ChainPosition::Pending
    );
    litecoind.mine_empty().unwrap();
    litecoind.mine(1).unwrap();
    let again = ChainPosition::Included {
        height: height + 1,
        confirmations: 1,
        succeeded: true,
    };
    assert_eq!(node.position(&paid, &inputs).await.unwrap(), again);
}

#[tokio::test]
async fn what_breaks_the_mempools_rules_is_refused_with_the_nodes_reason() {
    let litecoind = Litecoind::start().unwrap();
    let node = core(&litecoin_config(&litecoind));
    let key = Key::new(5);
    node.watch(&[key.public()], KeyBirth::Now).await.unwrap();
    litecoind.fund(key.address(LTC).as_str(), "1").unwrap();
    let coin = node.coins(&[key.public()]).await.unwrap().remove(0);
    let outside = litecoind.outside_address().unwrap();

    let cheap = node
        .broadcast(&key.spend(&coin, &outside, "0.00000001"))
        .await
        .unwrap_err();
    assert!(
        matches!(cheap, NodeError::RefusedForNow { .. }) && cheap.is_transient(),
        "{cheap}"
    );
    let dear = node
        .broadcast(&key.spend(&coin, &outside, "0.9"))
        .await
        .unwrap_err();
    assert!(
        matches!(dear, NodeError::Refused { .. }) && !dear.is_transient(),
        "{dear}"
    );

    let mut imagined = coin.clone();
    imagined.outpoint.vout = 77;
    let gone = node
        .broadcast(&key.spend(&imagined, &outside, "0.001"))
        .await
        .unwrap_err();
    assert!(matches!(gone, NodeError::Spent { .. }), "{gone}");
}

#[tokio::test]
async fn a_fee_is_bid_within_bounds_or_not_at_all() {
    let litecoind = Litecoind::start().unwrap();
    let mut config = litecoin_config(&litecoind);
    config.fee.max = 5_000;
    let quoted = |config| async move { core(&config).fee_quote().await };

    // regtest has no estimate; its mempool takes nothing below 1,000 litoshis per 1,000 bytes.
    assert_eq!(
        quoted(config.clone()).await.unwrap(),
        FeeQuote::Bitcoin { sat_per_kvb: 2_000 }
    );
    config.fee.min = 10;
    config.fee.fallback = Some(10);
    assert_eq!(
        quoted(config.clone()).await.unwrap(),
        FeeQuote::Bitcoin { sat_per_kvb: 1_000 }
    );
    config.fee.fallback = None;
    let none = quoted(config.clone()).await.unwrap_err();
    assert!(matches!(none, NodeError::NoFeeEstimate { .. }), "{none}");
    config.fee.max = 999;
    let above = quoted(config).await.unwrap_err();
    assert!(
        matches!(
            above,
            NodeError::FeeAboveMaximum {
                needed: 1_000,
                max: 999,
                ..
            }
        ),
        "{above}"
    );
}

#[tokio::test]
async fn a_node_that_is_down_is_unreachable_and_found_again_with_its_new_cookie() {
    let mut litecoind = Litecoind::start().unwrap();
    let config = litecoin_config(&litecoind);
    let node = core(&config);
    let key = Key::new(6);
    node.watch(&[key.public()], KeyBirth::Now).await.unwrap();
    litecoind.fund(key.address(LTC).as_str(), "1").unwrap();

    litecoind.stop().unwrap();
    let down = node.coins(&[key.public()]).await.unwrap_err();
    assert!(
        matches!(&down, NodeError::Unreachable { url, .. } if *url == config.url),
        "{down}"
    );
    assert!(down.is_transient());
    assert!(down.to_string().contains("refused"), "{down}");

    litecoind.restart().unwrap();
    assert_eq!(node.coins(&[key.public()]).await.unwrap().len(), 1);
    litecoind.cli(&["unloadwallet", "custodyd"]).unwrap();
    assert_eq!(node.coins(&[key.public()]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_wallet_with_private_keys_is_not_touched() {
    let litecoind = Litecoind::start().unwrap();
    let mut config = litecoin_config(&litecoind);
    config.wallet = Some("miner".to_owned());
    let refused = core(&config)
        .watch(&[Key::new(7).public()], KeyBirth::Now)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, NodeError::Misconfigured { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("private keys"), "{refused}");
}

#[tokio::test]
async fn a_wrong_password_is_unauthorized_and_never_printed() {
    let litecoind = Litecoind::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = secret_file(&folder, "hunter2\n");
    let auth = NodeAuth::Password {
        user: "custodyd".to_owned(),
        file,
    };
    let node = core(&config(LTC, litecoind.rpc_url(), Some(auth)));
    let refused = node.check().await.unwrap_err();
    assert!(
        matches!(refused, NodeError::Unauthorized { status: 401, .. }),
        "{refused}"
    );
    assert!(!format!("{refused} {refused:?} {node:?}").contains("hunter2"));
    assert!(!refused.is_transient());
}

#[tokio::test]
async fn a_node_of_another_chain_is_told_by_its_genesis() {
    let litecoind = Litecoind::start().unwrap();
    for (other, transient) in [
        ("litecoin", false),
        ("bitcoin-regtest", false),
        ("litecoin-testnet", false),
    ] {
        let mut config = litecoin_config(&litecoind);
        config.network = other.parse().unwrap();
        let wrong = Node::new(&config).unwrap().check().await.unwrap_err();
        assert!(matches!(wrong, NodeError::WrongChain { .. }), "{wrong}");
        assert!(wrong.to_string().contains("530827f38f93b43e"), "{wrong}");
        assert_eq!(wrong.is_transient(), transient);
    }
}
