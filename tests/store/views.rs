//! What reads return.

use custodyd::store::{
    BundlePut, Cursor, Filter, Projection, QueueCount, QueueFor, QueueSpot, StoreError,
};

use crate::bed::Bed;
use crate::writer::{Writer, reserve_nonce, reserve_outpoint, withdrawal};

pub(crate) async fn withdrawals_are_paged_newest_first_and_filtered(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    let mut projections: Vec<_> = (0..50)
        .map(|n| withdrawal(n, if n % 5 == 0 { "denied" } else { "final" }))
        .collect();
    // Two that were created by one event.
    if let Projection::Withdrawal { created_seq, .. } = &mut projections[31] {
        *created_seq = 30;
    }
    let batch = writer.with(50, projections);
    writer.commit(&store, &batch).await;
    let mut other = Writer::new("other");
    let batch = other.with(1, vec![withdrawal(99, "final")]);
    other.commit(&store, &batch).await;

    let list = async |filter: Filter, limit: u32| {
        let mut ids = Vec::new();
        let mut cursor: Option<Cursor> = None;
        loop {
            let page = store
                .withdrawals("main", &filter, cursor.as_ref(), limit)
                .await
                .unwrap();
            assert!(page.rows.len() <= limit as usize);
            ids.extend(page.rows.into_iter().map(|row| row.id));
            // What the caller sends back is text.
            cursor = page.next.map(|next| next.to_string().parse().unwrap());
            if cursor.is_none() {
                return ids;
            }
        }
    };
    let id = |number: u64| format!("wd_{number:032x}");
    let all: Vec<String> = (0..50).rev().map(id).collect();
    for limit in [1, 7, 50, 1000] {
        assert_eq!(list(Filter::default(), limit).await, all, "limit {limit}");
    }
    let state = Some("denied".to_owned());
    let client = Some("client-1".to_owned());
    let denied = |n: &u64| n.is_multiple_of(5);
    let expected: Vec<String> = (0..50).rev().filter(denied).map(id).collect();
    let by_state = Filter {
        state: state.clone(),
        ..Filter::default()
    };
    assert_eq!(list(by_state, 3).await, expected);
    let expected: Vec<String> = (0..50).rev().filter(|n| n % 3 == 1).map(id).collect();
    let by_client = Filter {
        client: client.clone(),
        ..Filter::default()
    };
    assert_eq!(list(by_client, 4).await, expected);
    let both = (0..50).rev().filter(|n| n % 5 == 0 && n % 3 == 1);
    let expected: Vec<String> = both.map(id).collect();
    let by_both = Filter {
        state,
        client,
        wallet: None,
    };
    assert_eq!(list(by_both.clone(), 2).await, expected);
    let wallet = Some("wallet-1".to_owned());
    let expected: Vec<String> = (0..50).rev().filter(|n| n % 2 == 1).map(id).collect();
    let by_wallet = Filter {
        wallet: wallet.clone(),
        ..Filter::default()
    };
    assert_eq!(list(by_wallet, 9).await, expected);
    let all = (0..50)
        .rev()
        .filter(|n| n % 5 == 0 && n % 3 == 1 && n % 2 == 1);
    let expected: Vec<String> = all.map(id).collect();
    let by_all = Filter { wallet, ..by_both };
    assert_eq!(list(by_all, 1).await, expected);
}

pub(crate) async fn the_queue_of_each_is_what_asks_them_riskiest_and_oldest_first(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    let waiting = |n| withdrawal(n, if n < 40 { "awaiting_approval" } else { "final" });
    let batch = writer.with(50, (0..50).map(waiting).collect());
    writer.commit(&store, &batch).await;
    let read = async |part: QueueFor, limit: u32| {
        let mut ids = Vec::new();
        let mut after: Option<QueueSpot> = None;
        loop {
            let spots = store
                .queue("main", "operator-1", part, after.as_ref(), limit)
                .await
                .unwrap();
            assert!(spots.len() <= limit as usize);
            ids.extend(spots.iter().map(|spot| spot.id.clone()));
            after = spots.last().cloned();
            if after.is_none() {
                return ids;
            }
        }
    };
    // The lower rank comes first, and even numbers have it.
    let in_order = |asked: fn(&u64) -> bool| -> Vec<String> {
        let of_rank = |rank| (0..40).filter(move |n| n % 2 == rank).filter(asked);
        let numbers = of_rank(0).chain(of_rank(1));
        numbers.map(|number| format!("wd_{number:032x}")).collect()
    };
    let (mine, others) = (in_order(|n| n % 3 == 1), in_order(|n| n % 3 != 1));
    for limit in [1, 7, 100] {
        assert_eq!(read(QueueFor::Them, limit).await, mine, "limit {limit}");
        assert_eq!(read(QueueFor::Others, limit).await, others, "limit {limit}");
    }
    let count = store.queue_count("main", "operator-1").await.unwrap();
    assert_eq!(
        count,
        QueueCount {
            all: 40,
            theirs: 13
        }
    );
    // Part of a name is nobody's name.
    let stranger = store.queue_count("main", "operator").await.unwrap();
    assert_eq!(stranger, QueueCount { all: 40, theirs: 0 });
    // What is decided waits no longer.
    let batch = writer.with(1, vec![withdrawal(1, "rejected")]);
    writer.commit(&store, &batch).await;
    let left = store.queue_count("main", "operator-1").await.unwrap();
    assert_eq!(
        left,
        QueueCount {
            all: 39,
            theirs: 12
        }
    );
}

fn proposal(number: u64, state: &str) -> Projection {
    Projection::Proposal {
        id: format!("pr_{number:032x}"),
        state: state.into(),
        created_seq: number,
        document: format!("{{\"number\":{number}}}"),
    }
}

pub(crate) async fn proposals_are_paged_newest_first_by_state_and_follow_their_changes(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    let state = |n: u64| {
        if n.is_multiple_of(3) {
            "voting"
        } else {
            "enacted"
        }
    };
    let first = writer.with(1, (0..20).map(|n| proposal(n, "voting")).collect());
    writer.commit(&store, &first).await;
    let later = writer.with(1, (0..20).map(|n| proposal(n, state(n))).collect());
    writer.commit(&store, &later).await;
    for wanted in [None, Some("voting"), Some("enacted")] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.proposals("main", wanted, cursor.as_ref(), 3).await;
            let page = page.unwrap();
            seen.extend(page.rows.into_iter().map(|row| row.created_seq));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let expected = (0..20)
            .rev()
            .filter(|n| wanted.is_none_or(|s| s == state(*n)));
        assert_eq!(seen, expected.collect::<Vec<_>>(), "{wanted:?}");
    }
    let id = format!("pr_{:032x}", 4);
    let row = store.proposal("main", &id).await.unwrap().unwrap();
    assert_eq!(
        (row.state.as_str(), row.document.as_str()),
        ("enacted", "{\"number\":4}")
    );
    assert_eq!(store.proposal("other", &id).await.unwrap(), None);
}

pub(crate) async fn the_dump_is_what_was_committed(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    let mut projections: Vec<_> = (0..1200).map(|n| withdrawal(n, "final")).collect();
    for n in 0..1100 {
        projections.push(Projection::Transaction {
            id: format!("tx_{n:032x}"),
            txid: (n % 2 == 0).then(|| format!("{n:064x}")),
            wallet: "hot-ltc".into(),
            network: "litecoin-regtest".into(),
            state: "final".into(),
            document: "{}".into(),
        });
    }
    projections.push(Projection::Wallet {
        id: "hot-ltc".into(),
        tier: "hot".into(),
        asset: "LTC".into(),
        state: "active".into(),
        document: "{\"balance\":\"1\"}".into(),
    });
    projections.push(Projection::Key {
        id: "00ff".into(),
        wallet: "hot-ltc".into(),
        state: "active".into(),
        document: "{}".into(),
    });
    projections.push(Projection::Export {
        id: "ex_1".into(),
        state: "exported".into(),
        document: "{}".into(),
    });
    projections.extend((0..1050).map(|n| proposal(n, "voting")));
    projections.push(reserve_outpoint("aa:0", "tx_1"));
    projections.push(reserve_nonce(i64::MAX as u64, "tx_1"));
    let batch = writer.with(1, projections.clone());
    writer.commit(&store, &batch).await;
    projections.sort();
    assert_eq!(store.projections_dump("main").await.unwrap(), projections);
    assert!(store.projections_dump("other").await.unwrap().is_empty());
    assert_eq!(store.keys("main", "", 9).await.unwrap().len(), 1);
    assert_eq!(store.exports("main", "ex_1", 9).await.unwrap(), []);
    let export = store.export("main", "ex_1").await.unwrap().unwrap();
    assert_eq!(export.state, "exported");
    let wallets = store.wallets("main", "", 9).await.unwrap();
    assert_eq!(wallets[0].document, "{\"balance\":\"1\"}");
    let page = store.transactions("main", "", 10).await.unwrap();
    assert_eq!(
        (page.len(), page[9].id.clone()),
        (10, format!("tx_{:032x}", 9))
    );

    bed.sql("UPDATE withdrawals SET created_seq = -4 WHERE created_seq = 7")
        .await;
    let error = store.projections_dump("main").await.unwrap_err();
    let named = format!("wd_{:032x}", 7);
    assert!(
        matches!(&error, StoreError::Row { key, column: "created_seq", .. } if *key == named),
        "{error}"
    );
}

pub(crate) async fn the_first_bundle_of_an_export_stays(bed: Bed) {
    let store = bed.open().await;
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    assert_eq!(store.bundle("main", "ex_1").await.unwrap(), None);
    let put = store.put_bundle("main", "ex_1", &bytes).await.unwrap();
    assert_eq!(put, BundlePut::Stored);
    let put = store.put_bundle("main", "ex_1", b"later").await.unwrap();
    assert_eq!(put, BundlePut::Kept);
    assert_eq!(
        store.bundle("main", "ex_1").await.unwrap(),
        Some(bytes.clone())
    );
    assert_eq!(store.bundle("other", "ex_1").await.unwrap(), None);
    let huge = vec![0; 64 * 1024 * 1024 + 1];
    assert!(matches!(
        store.put_bundle("main", "ex_2", &huge).await,
        Err(StoreError::Unstorable { .. })
    ));
}
