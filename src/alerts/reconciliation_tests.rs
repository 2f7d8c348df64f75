//! From what the engine records, and from how the vault stands, to alerts: of coins and nonces that somebody else took, and of
//! payouts that are counted.

use custodyd_chain::OutPoint;
use custodyd_policy::{Timestamp, WithdrawalId};
use custodyd_vault::{ChainPosition, Event, TransactionId};

use super::{Detector, Fact, Kind, Phase, Thresholds, VaultSight, coins::explained};
use crate::{
    journal::{Entry, GENESIS, HeadRow},
    store::{Batch, Projection, Store},
};

#[allow(clippy::duplicate_mod, reason = "the vault's own test world")]
#[path = "../../crates/vault/tests/common/mod.rs"]
#[allow(unreachable_pub)]
mod common;
use common::{BLOCKED, KNOWN, NEW, World, coin, included, ltc, wallet};

fn detector() -> Detector {
    Detector::new(Thresholds {
        limit: 2.0,
        limit_clear: 2.0,
        denials: 2,
        new_destinations: 2,
        window_ms: 60_000,
        patience_ms: 0,
        calm_ms: 0,
        quiet_ms: 60_000,
    })
}

/// What the events since then tell, each seen with the vault before it as the engine does.
fn facts_since(world: &World, seq: u64) -> Vec<Fact> {
    let mut vault = custodyd_vault::Vault::create(&world.journal[0]).unwrap();
    let mut facts = Vec::new();
    for recorded in &world.journal[1..] {
        if recorded.seq > seq {
            facts.extend(Fact::of_event(&recorded.event, &vault));
        }
        vault.apply(recorded).unwrap();
    }
    facts
}

/// What is told of this when it happens twice, if it is counted.
fn burst(fact: fn(WithdrawalId) -> Fact) -> Vec<(Kind, Phase)> {
    let mut detector = detector();
    for number in 0..2 {
        let noted = detector.note(
            &fact(WithdrawalId::from_bytes([number; 16])),
            Timestamp::from_ms(1),
        );
        assert_eq!(noted, None, "one by itself is nothing");
    }
    let told = detector.tick(Timestamp::from_ms(2)).into_iter();
    told.map(|alert| (alert.kind, alert.phase)).collect()
}

#[test]
fn denials_and_payouts_to_new_destinations_are_facts_that_are_counted() {
    let mut world = World::funded();
    let before = world.vault.seq();
    world.request("0.5 LTC", KNOWN).unwrap();
    assert_eq!(facts_since(&world, before), []);
    let new = world.request("0.5 LTC", NEW).unwrap();
    let blocked = world.request("0.5 LTC", BLOCKED).unwrap();
    let both = world.request("7 LTC", NEW).unwrap();
    assert_eq!(
        facts_since(&world, before),
        [
            Fact::NewDestination(new),
            Fact::Denied(blocked),
            Fact::Denied(both),
            Fact::NewDestination(both),
        ]
    );
    let refused = Event::ScreeningRefused {
        id: new,
        reason: "a list".to_owned(),
    };
    let facts = Fact::of_event(&refused, &world.vault);
    assert_eq!(facts, [Fact::Denied(new)]);
    let firing = Phase::Firing;
    assert_eq!(burst(Fact::Denied), [(Kind::DenialBurst, firing)]);
    let newcomers = burst(Fact::NewDestination);
    assert_eq!(newcomers, [(Kind::NewDestinations, firing)]);
}

#[test]
fn coins_that_a_node_no_longer_shows_are_a_fact_and_coins_that_came_are_none() {
    let mut world = World::funded();
    let before = world.vault.seq();
    world.observe_coins("hot-ltc", &[1, 2, 3, 4, 5]).unwrap();
    assert_eq!(facts_since(&world, before), []);
    world.observe_coins("hot-ltc", &[1, 3, 5, 6]).unwrap();
    let mut outpoints = vec![outpoint(2), outpoint(4)];
    outpoints.sort();
    let [
        Fact::CoinsGone {
            wallet: whose,
            network,
            outpoints: gone,
        },
    ] = &facts_since(&world, before)[..]
    else {
        panic!("{:?}", facts_since(&world, before));
    };
    assert_eq!((whose, *network), (&wallet("hot-ltc"), ltc()));
    let mut gone = gone.clone();
    gone.sort();
    assert_eq!(gone, outpoints);
}

#[test]
fn a_strangers_transaction_that_took_what_ours_spends_is_told_at_once() {
    let mut world = World::funded();
    let id = world.request("0.5 LTC", KNOWN).unwrap();
    let transaction = world.sent(&id);
    let before = world.vault.seq();
    world.see(&transaction, ChainPosition::Conflicted).unwrap();
    let fact = Fact::Conflicted {
        transaction: transaction.clone(),
        wallet: wallet("hot-ltc"),
    };
    assert_eq!(facts_since(&world, before), std::slice::from_ref(&fact));
    let alert = detector().note(&fact, Timestamp::from_ms(1)).unwrap();
    assert_eq!(
        (alert.kind, alert.subject.as_str()),
        (Kind::Reconciliation, "hot-ltc")
    );
    assert!(
        alert.summary.contains(transaction.as_str()),
        "{}",
        alert.summary
    );
}

#[test]
fn a_nonce_ahead_of_all_that_was_signed_here_holds_until_it_is_explained() {
    let mut world = World::funded();
    let sight = |world: &World| VaultSight::of(&world.vault, Timestamp::from_ms(world.now));
    let ahead = |world: &World| {
        let of_nonces = sight(world).conditions.into_iter();
        let of_nonces = of_nonces.filter(|c| c.kind == Kind::Reconciliation);
        of_nonces.map(|c| (c.subject, c.what)).collect::<Vec<_>>()
    };
    assert_eq!(ahead(&world), []);
    // One of ours, sent and counted by the chain.
    let id = world.request("1 ETH", common::ETH_NEW).unwrap();
    let transaction: TransactionId = world.sent(&id);
    assert_eq!(ahead(&world), [], "sent, and not counted yet");
    world.see(&transaction, included(10, 1)).unwrap();
    world.observe_account("8", 1).unwrap();
    assert_eq!(ahead(&world), []);
    // And two that nobody here made.
    let mut detector = detector();
    assert_eq!(
        detector.see_vault(&sight(&world), Timestamp::from_ms(1)),
        []
    );
    world.observe_account("6", 3).unwrap();
    let [(subject, what)] = &ahead(&world)[..] else {
        panic!("{:?}", ahead(&world));
    };
    assert_eq!(subject, "hot-eth nonce");
    assert!(what.contains("counts 2 transactions"), "{what}");
    let told = detector.see_vault(&sight(&world), Timestamp::from_ms(2));
    let [alert] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        (alert.kind, alert.phase),
        (Kind::Reconciliation, Phase::Firing)
    );
    assert_eq!(
        detector.see_vault(&sight(&world), Timestamp::from_ms(3)),
        []
    );
    // A node that lied, or a block that is gone.
    world.observe_account("8", 1).unwrap();
    let over = detector.see_vault(&sight(&world), Timestamp::from_ms(4));
    assert_eq!(over[0].phase, Phase::Resolved);
}

fn outpoint(number: u8) -> OutPoint {
    coin("hot-ltc", number).outpoint
}

/// A store in which these outputs are held for transactions.
async fn holding(folder: &tempfile::TempDir, numbers: &[u8]) -> Store {
    let url = format!("sqlite:{}", folder.path().join("custodyd.db").display());
    let store = Store::open(&url).await.unwrap();
    let entry = Entry {
        vault: "main",
        seq: 1,
        at_ms: 1,
        kind: "test",
        prev_hash: GENESIS,
    };
    let row = entry.seal(&serde_json::json!({})).unwrap();
    let held = numbers.iter().map(|number| Projection::ReserveOutpoint {
        network: ltc().to_string(),
        outpoint: outpoint(*number).to_string(),
        transaction: format!("tx_{number:032x}"),
    });
    let batch = Batch {
        vault: "main".to_owned(),
        previous: None,
        // What its head is signed with is not the store's business.
        head: HeadRow {
            vault: "main".to_owned(),
            seq: row.seq,
            at_ms: row.at_ms,
            hash: row.hash,
            signature: vec![1; 64],
        },
        rows: vec![row],
        projections: held.collect(),
        taken: Vec::new(),
        outcomes: Vec::new(),
        points: Vec::new(),
        feed: Vec::new(),
    };
    store.commit(&batch).await.unwrap();
    store
}

#[tokio::test]
async fn coins_that_our_transactions_spend_are_explained_and_all_others_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = holding(&folder, &[1, 2]).await;
    let gone = |numbers: &[u8]| Fact::CoinsGone {
        wallet: wallet("hot-ltc"),
        network: ltc(),
        outpoints: numbers.iter().map(|number| outpoint(*number)).collect(),
    };
    let mut detector = detector();
    assert_eq!(detector.note(&gone(&[3]), Timestamp::from_ms(1)), None);
    assert_eq!(explained(&store, gone(&[1, 2])).await, Ok(None));
    let unexplained = Fact::CoinsUnexplained {
        wallet: wallet("hot-ltc"),
        many: 2,
        example: outpoint(3),
    };
    let found = explained(&store, gone(&[1, 3, 2, 4])).await;
    assert_eq!(found, Ok(Some(unexplained.clone())));
    // Of the same name on another network, nothing here takes it.
    let mut elsewhere = gone(&[1]);
    if let Fact::CoinsGone { network, .. } = &mut elsewhere {
        *network = "bitcoin-regtest".parse().unwrap();
    }
    assert!(explained(&store, elsewhere).await.unwrap().is_some());
    let alert = detector.note(&unexplained, Timestamp::from_ms(2)).unwrap();
    assert_eq!(
        (alert.kind, alert.subject.as_str()),
        (Kind::Reconciliation, "hot-ltc")
    );
    for part in ["2 coins", &outpoint(3).to_string()] {
        assert!(alert.summary.contains(part), "{}", alert.summary);
    }
    // Whatever else happened is passed on as it is.
    let other = Fact::Denied(WithdrawalId::from_bytes([1; 16]));
    assert_eq!(explained(&store, other.clone()).await, Ok(Some(other)));

    // A database that doesn't answer forgets nothing.
    store.close().await;
    let asked = gone(&[3]);
    assert_eq!(explained(&store, asked.clone()).await, Err(asked));
}
