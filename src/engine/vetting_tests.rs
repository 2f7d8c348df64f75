//! The engine on a signer whose nonces repeat: a token in software, since no real one can be made to do this here.

mod bench;
mod manifests;

use std::{collections::BTreeMap, sync::atomic::Ordering::SeqCst};

use bench::{Bench, WALLET, journal_point, public, sign, sign_p256};
use custodyd_chain::Amount;
use custodyd_policy::Timestamp;
use custodyd_vault::{Command, FreezeScope, TransactionId, TransactionState, Vault};

use super::{Engine, EngineError};
use crate::nonces;

fn signed(id: &TransactionId) -> impl Fn(&Vault) -> bool {
    move |vault| vault.transactions()[id].state != TransactionState::Planned
}

#[tokio::test]
async fn a_signature_with_a_used_nonce_is_thrown_away_and_its_key_given_up() {
    let mut bench = Bench::funded().await;
    bench.hsm.wallets.store(true, SeqCst);
    let first = bench.ask().await;
    bench.until(signed(&first)).await;
    let second = bench.ask().await;
    bench.until(|vault| !vault.compromised().is_empty()).await;

    let key = public(&WALLET);
    let compromise = bench.engine.vault().compromised()[&key].clone();
    assert_eq!(
        (&compromise.earlier, &compromise.transaction),
        (&first, &second)
    );
    assert_eq!(bench.state(&second), TransactionState::Planned);
    let frozen = FreezeScope::Wallet("hot-eth".parse().unwrap());
    assert!(bench.engine.vault().frozen().contains_key(&frozen));
    let part = format!("key {key}");
    assert!(bench.trouble().contains(&part), "{:?}", bench.trouble());

    // The second signature is nowhere: beside the first it would be the private key.
    let s_of = |id: &TransactionId| {
        let plan = &bench.engine.vault().transactions()[id].plan;
        let digest = plan.signing_requests().unwrap()[0].digest;
        hex::encode(&sign(&WALLET, digest.as_bytes(), 7).to_bytes()[32..])
    };
    let store = &bench.engine.parts.store;
    let rows = store.journal("main", 0, 1_000).await.unwrap();
    let journal: String = rows.into_iter().map(|row| row.event).collect();
    assert!(journal.contains(&s_of(&first)) && !journal.contains(&s_of(&second)));
}

#[tokio::test]
async fn unfreezing_its_wallet_does_not_let_a_compromised_key_sign() {
    let mut bench = Bench::funded().await;
    bench.hsm.wallets.store(true, SeqCst);
    let first = bench.ask().await;
    bench.until(signed(&first)).await;
    let second = bench.ask().await;
    bench.until(|vault| !vault.compromised().is_empty()).await;
    bench.hsm.wallets.store(false, SeqCst);
    for operator in ["alice", "bob"] {
        let scope = FreezeScope::Wallet("hot-eth".parse().unwrap());
        let vote = Command::Unfreeze {
            scope,
            operator: operator.parse().unwrap(),
            signed_at: Timestamp::from_ms(u64::MAX / 2),
            evidence: "".into(),
        };
        bench.tell(vote).await;
    }
    bench.engine.sweep();
    assert!(bench.engine.vault().frozen().is_empty());
    assert!(!bench.engine.vault().may_sign(&second));
    let part = format!("key {}", public(&WALLET));
    assert!(!bench.trouble().contains(&part), "a quorum knows of it");

    let Bench { engine, folder, .. } = bench;
    let again = Engine::open(engine.parts.clone(), "main").await.unwrap();
    assert_eq!(again.vault().compromised(), engine.vault().compromised());
    assert_eq!(again.vault().effect_of(&second), None);
    drop(folder);
}

#[tokio::test]
async fn two_signatures_with_one_nonce_in_one_batch_are_told_apart_too() {
    let mut bench = Bench::funded().await;
    let (first, second) = (bench.ask().await, bench.ask().await);
    // Both come at once; whatever the engine's own attempts gave is not taken in.
    let results: Vec<Command> = [&first, &second]
        .map(|id| {
            let plan = &bench.engine.vault().transactions()[id].plan;
            let digest = plan.signing_requests().unwrap()[0].digest;
            let raw = plan
                .assemble(&[sign(&WALLET, digest.as_bytes(), 11)])
                .unwrap();
            Command::Signed {
                transaction: id.clone(),
                raw,
                signatures: 1,
            }
        })
        .into();
    bench.engine.step(&mut [], results).await.unwrap();
    assert_eq!(bench.state(&first), TransactionState::Signed);
    assert_eq!(bench.state(&second), TransactionState::Planned);
    assert!(
        bench
            .engine
            .vault()
            .compromised()
            .contains_key(&public(&WALLET))
    );
}

#[tokio::test]
async fn of_a_transaction_signed_twice_in_one_batch_only_what_the_journal_holds_is_on_record() {
    let mut bench = Bench::funded().await;
    let id = bench.ask().await;
    let signed = |nonce| {
        let plan = &bench.engine.vault().transactions()[&id].plan;
        let digest = plan.signing_requests().unwrap()[0].digest;
        let signature = sign(&WALLET, digest.as_bytes(), nonce);
        Command::Signed {
            transaction: id.clone(),
            raw: plan.assemble(&[signature]).unwrap(),
            signatures: 1,
        }
    };
    let results = vec![signed(11), signed(12)];
    bench.engine.step(&mut [], results).await.unwrap();
    assert_eq!(bench.state(&id), TransactionState::Signed);
    let store = bench.engine.parts.store.clone();
    let explained = nonces::of_journal(&store, "main", bench.engine.vault());
    let stored = store.all_points("main").await.unwrap();
    assert_eq!(stored, explained.await.unwrap());
}

#[tokio::test]
async fn the_index_is_what_the_journal_explains_and_is_made_for_a_journal_without_one() {
    let mut bench = Bench::funded().await;
    let (store, vault) = (bench.engine.parts.store.clone(), "main");
    // The first head was committed without its nonce.
    let heads = store.heads(vault, 0, 1_000).await.unwrap();
    let points = store.all_points(vault).await.unwrap();
    assert_eq!(points.len(), heads.len());
    for _ in 0..3 {
        let id = bench.ask().await;
        bench.until(signed(&id)).await;
    }
    let stored = store.all_points(vault).await.unwrap();
    let explained = nonces::of_journal(&store, vault, bench.engine.vault())
        .await
        .unwrap();
    assert_eq!(stored, explained);
    let ours = public(&WALLET).to_string();
    assert_eq!(stored.iter().filter(|row| row.key == ours).count(), 3);
}

#[tokio::test]
async fn the_engine_stops_when_the_journal_key_repeats_a_nonce() {
    let mut bench = Bench::funded().await;
    bench.hsm.journal.store(true, SeqCst);
    bench.ask().await;
    let before = bench.engine.head.seq;
    let command = Command::ObserveAccount {
        wallet: "hot-eth".parse().unwrap(),
        balance: "9 ETH".parse::<Amount>().unwrap(),
        nonce: 0,
        height: 2,
    };
    let error = bench.engine.step(&mut [], vec![command]).await.unwrap_err();
    let stopped = bench.engine.recover(&error).await.unwrap_err();
    let EngineError::JournalKey(what) = &stopped else {
        panic!("{stopped}");
    };
    assert!(what.contains(&hex::encode(journal_point())), "{what}");
    let kept = bench.engine.parts.store.last_head("main").await.unwrap();
    assert_eq!(kept.unwrap().seq, before);
}
