//! The second line: what the database itself refuses, and how reservations end within a batch.

use custodyd::store::{Batch, CommitError, Outcome, Projection, Rule, Store};

use crate::bed::Bed;
use crate::writer::{
    Writer, answer, release_nonce, release_outpoint, request, reserve_nonce, reserve_outpoint,
    withdrawal,
};

/// All that a reader can see of the vault.
async fn seen(store: &Store) -> impl PartialEq + std::fmt::Debug {
    (
        store.journal("main", 0, 1000).await.unwrap(),
        store.heads("main", 0, 1000).await.unwrap(),
        store.projections_dump("main").await.unwrap(),
        store.inbox_pending("main", 1000).await.unwrap(),
        store.reservations("main").await.unwrap(),
    )
}

pub(crate) async fn a_constraint_broken_in_the_middle_writes_nothing_and_names_the_row(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    store.inbox_put([request(1), request(2)]).await.unwrap();
    let mut first = writer.with(
        1,
        vec![
            withdrawal(1, "received"),
            reserve_outpoint("aa:0", "tx_1"),
            reserve_nonce(7, "tx_1"),
        ],
    );
    first.outcomes = vec![answer(1)];
    writer.commit(&store, &first).await;

    // Around each offender stands a batch that would write to every table.
    let around = || {
        let mut projections: Vec<_> = (100..170).map(|n| withdrawal(n, "received")).collect();
        projections.push(reserve_outpoint("bb:1", "tx_2"));
        projections.push(reserve_nonce(8, "tx_2"));
        projections.push(release_nonce(7));
        let mut batch = writer.with(40, projections);
        batch.outcomes = vec![answer(2)];
        batch
    };
    let mut same_key = withdrawal(2, "received");
    if let Projection::Withdrawal {
        client,
        idempotency_key,
        ..
    } = &mut same_key
    {
        *client = "client-1".into();
        *idempotency_key = "key-1".into();
    }
    let mut created_again = withdrawal(1, "received");
    if let Projection::Withdrawal { created_seq, .. } = &mut created_again {
        *created_seq = 30;
    }
    type Offence = Box<dyn Fn(&mut Batch)>;
    let offend = |projection: Projection| -> Offence {
        Box::new(move |batch| batch.projections.insert(35, projection.clone()))
    };
    let outcome = |inbox_id: &'static str| -> Offence {
        Box::new(move |batch| {
            batch.outcomes.push(Outcome {
                inbox_id: inbox_id.into(),
                ..answer(0)
            });
        })
    };
    let cases: [(Rule, &str, Offence); 9] = [
        (Rule::IdempotencyKey, "client-1", offend(same_key)),
        (
            Rule::IdempotencyKey,
            "is there already",
            offend(created_again),
        ),
        (
            Rule::Outpoint,
            "held by tx_1",
            offend(reserve_outpoint("aa:0", "tx_3")),
        ),
        (
            Rule::Outpoint,
            "in one batch",
            offend(reserve_outpoint("bb:1", "tx_3")),
        ),
        (Rule::Nonce, "nonce 7", offend(reserve_nonce(7, "tx_3"))),
        (
            Rule::Nonce,
            "in one batch",
            offend(reserve_nonce(8, "tx_3")),
        ),
        (Rule::Outcome, "in_1", outcome("in_1")),
        (Rule::Outcome, "in_404", outcome("in_404")),
        (Rule::Outcome, "twice", outcome("in_2")),
    ];
    let before = seen(&store).await;
    for (expected, named, offend) in cases {
        let mut batch = around();
        if expected == Rule::Nonce && named == "nonce 7" {
            batch.projections.retain(|other| *other != release_nonce(7));
        }
        offend(&mut batch);
        match store.commit(&batch).await {
            Err(CommitError::Constraint { rule, what }) => {
                assert_eq!(rule, expected, "{what}");
                assert!(what.contains(named), "{what} does not name {named}");
            }
            other => panic!("{expected:?} {named}: {other:?}"),
        }
        assert_eq!(seen(&store).await, before, "{expected:?} {named}");
    }
    let good = around();
    writer.commit(&store, &good).await;
    writer.verify(&store).await;
}

pub(crate) async fn a_document_is_upserted_and_its_last_change_stays(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    let wallet = |state: &str| Projection::Wallet {
        id: "hot-ltc".into(),
        tier: "hot".into(),
        asset: "LTC".into(),
        state: state.into(),
        document: format!("{{\"state\":\"{state}\"}}"),
    };
    let transaction = |txid: Option<&str>, state: &str| Projection::Transaction {
        id: "tx_1".into(),
        txid: txid.map(Into::into),
        wallet: "hot-ltc".into(),
        network: "litecoin-regtest".into(),
        state: state.into(),
        document: "{}".into(),
    };
    let batch = writer.with(
        2,
        vec![
            withdrawal(1, "received"),
            wallet("provisioning"),
            transaction(None, "planned"),
            withdrawal(1, "approved"),
        ],
    );
    writer.commit(&store, &batch).await;
    let stored = store.withdrawal("main", &id(1)).await.unwrap().unwrap();
    assert_eq!(stored.state, "approved");
    let stored = store.transaction("main", "tx_1").await.unwrap().unwrap();
    assert_eq!((stored.txid, stored.state.as_str()), (None, "planned"));

    let batch = writer.with(
        1,
        vec![
            withdrawal(1, "signed"),
            withdrawal(2, "received"),
            wallet("active"),
            transaction(Some("ff"), "signed"),
        ],
    );
    writer.commit(&store, &batch).await;
    let stored = store.withdrawal("main", &id(1)).await.unwrap().unwrap();
    assert_eq!(Projection::from(stored), withdrawal(1, "signed"));
    let stored = store
        .withdrawal_by_key("client-1", "key-1")
        .await
        .unwrap()
        .unwrap();
    assert_eq!((stored.vault.as_str(), stored.id), ("main", id(1)));
    let stored = store.wallet("main", "hot-ltc").await.unwrap().unwrap();
    assert_eq!(Projection::from(stored), wallet("active"));
    let stored = store.transaction("main", "tx_1").await.unwrap().unwrap();
    assert_eq!(Projection::from(stored), transaction(Some("ff"), "signed"));
    assert_eq!(store.withdrawal("main", "wd_").await.unwrap(), None);
    assert_eq!(store.wallet("other", "hot-ltc").await.unwrap(), None);
}

fn id(number: u64) -> String {
    format!("wd_{number:032x}")
}

pub(crate) async fn a_reservation_moves_within_a_batch_and_its_last_word_counts(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    let first = writer.with(
        1,
        vec![reserve_outpoint("aa:0", "tx_1"), reserve_nonce(1, "tx_1")],
    );
    writer.commit(&store, &first).await;
    let second = writer.with(
        1,
        vec![
            release_outpoint("aa:0"),
            reserve_outpoint("aa:0", "tx_2"),
            reserve_outpoint("bb:0", "tx_2"),
            release_outpoint("bb:0"),
            reserve_outpoint("cc:0", "tx_2"),
            release_outpoint("cc:0"),
            reserve_outpoint("cc:0", "tx_3"),
            release_nonce(1),
            reserve_nonce(1, "tx_2"),
            release_nonce(1),
            reserve_nonce(2, "tx_2"),
        ],
    );
    writer.commit(&store, &second).await;
    let held = store.projections_dump("main").await.unwrap();
    assert_eq!(
        held,
        [
            reserve_outpoint("aa:0", "tx_2"),
            reserve_outpoint("cc:0", "tx_3"),
            reserve_nonce(2, "tx_2"),
        ]
    );
    let third = writer.with(
        1,
        vec![
            release_outpoint("aa:0"),
            release_outpoint("cc:0"),
            release_nonce(2),
        ],
    );
    writer.commit(&store, &third).await;
    assert_eq!(
        store.reservations("main").await.unwrap(),
        custodyd::store::Reservations::default()
    );
}

pub(crate) async fn another_vault_cannot_take_or_free_a_reservation(bed: Bed) {
    let store = bed.open().await;
    let (mut main, mut other) = (Writer::new("main"), Writer::new("other"));
    let first = main.with(
        1,
        vec![reserve_outpoint("aa:0", "tx_1"), reserve_nonce(1, "tx_1")],
    );
    main.commit(&store, &first).await;
    let held = store.reservations("main").await.unwrap();
    for wanted in [reserve_outpoint("aa:0", "tx_9"), reserve_nonce(1, "tx_9")] {
        assert!(matches!(
            store.commit(&other.with(1, vec![wanted])).await,
            Err(CommitError::Constraint { .. })
        ));
    }
    let freeing = other.with(1, vec![release_outpoint("aa:0"), release_nonce(1)]);
    other.commit(&store, &freeing).await;
    assert_eq!(store.reservations("main").await.unwrap(), held);
    assert_eq!(store.vaults().await.unwrap(), ["main", "other"]);
}

pub(crate) async fn a_sequence_number_is_written_once_even_if_the_compared_row_was_set_back(
    bed: Bed,
) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    let first = writer.batch(1);
    writer.commit(&store, &first).await;
    let second = writer.batch(2);
    writer.commit(&store, &second).await;

    let hash = bed.blob(&first.head.hash);
    bed.sql(&format!(
        "UPDATE vaults SET head_seq = 1, head_hash = {hash}"
    ))
    .await;
    let mut misled = Writer::new("main");
    misled.moved_by(&first);
    let again = misled.with(1, vec![withdrawal(9, "received")]);
    match store.commit(&again).await {
        Err(CommitError::Constraint { rule, what }) => {
            assert_eq!(rule, Rule::Sequence);
            assert!(what.contains("seq 2"), "{what}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.withdrawal("main", &id(9)).await.unwrap(), None);
    assert_eq!(store.last_head("main").await.unwrap(), Some(second.head));
}
