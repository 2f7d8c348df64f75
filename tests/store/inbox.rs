//! The inbox: durable, in order, each nonce once.

use std::{collections::HashSet, sync::Arc};

use custodyd::store::{
    Asked, Batch, CommitError, InboxPut, InboxRow, Outcome, Rule, StoreError, Taken,
};

use crate::bed::Bed;
use crate::writer::{Writer, answer, request};

pub(crate) async fn requests_come_out_in_the_order_in_which_they_went_in(bed: Bed) {
    let store = bed.open().await;
    // Ids and times that sort otherwise than they arrive.
    let numbers: Vec<u64> = (0..200).map(|n| (n * 73) % 200).collect();
    let rows: Vec<InboxRow> = numbers.iter().map(|n| request(*n)).collect();
    for part in rows.chunks(90) {
        let puts = store.inbox_put(part.to_vec()).await.unwrap();
        assert_eq!(puts, vec![InboxPut::Stored; part.len()]);
    }
    store.close().await;
    let store = bed.open().await;
    assert_eq!(store.inbox_pending("main", 1000).await.unwrap(), rows);
    assert_eq!(store.inbox_pending("main", 5).await.unwrap(), rows[..5]);
    assert!(store.inbox_pending("other", 5).await.unwrap().is_empty());
    assert!(
        store
            .inbox_put(Vec::<InboxRow>::new())
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn a_nonce_is_used_once_however_often_and_wherever_it_is_sent(bed: Bed) {
    let store = bed.open().await;
    let again = |id: &str, number: u64| InboxRow {
        id: id.into(),
        ..request(number)
    };
    let puts = store
        .inbox_put([request(1), again("in_1b", 1), request(2)])
        .await
        .unwrap();
    assert_eq!(
        puts,
        [InboxPut::Stored, InboxPut::Replayed, InboxPut::Stored]
    );

    let elsewhere = InboxRow {
        vault: "other".into(),
        ..again("in_2b", 2)
    };
    let operator = InboxRow {
        principal: "operator/alice".into(),
        ..again("in_2c", 2)
    };
    let rows = [elsewhere, again("in_1c", 1), operator.clone(), request(3)];
    let puts = store.inbox_put(rows.clone()).await.unwrap();
    assert_eq!(
        puts,
        [
            InboxPut::Replayed,
            InboxPut::Replayed,
            InboxPut::Stored,
            InboxPut::Stored
        ]
    );
    let pending = store.inbox_pending("main", 10).await.unwrap();
    assert_eq!(pending, [request(1), request(2), operator, request(3)]);

    // The very same row sent again is a replay, not a fault.
    assert_eq!(
        store.inbox_put([request(3)]).await.unwrap(),
        [InboxPut::Replayed]
    );
    // An id that is taken under another nonce is a fault, and nothing of its batch stays.
    let taken = again("in_3", 9);
    let error = store.inbox_put([request(8), taken]).await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Constraint {
                rule: Rule::InboxId,
                ..
            }
        ),
        "{error}"
    );
    let twice = [again("in_9", 9), again("in_9", 10)];
    assert!(store.inbox_put(twice.clone()).await.is_err());
    assert_eq!(store.inbox_pending("main", 10).await.unwrap(), pending);
    let nul = InboxRow {
        nonce: "a\0b".into(),
        ..request(11)
    };
    assert!(matches!(
        store.inbox_put([nul]).await,
        Err(StoreError::Unstorable {
            column: "nonce",
            ..
        })
    ));
}

pub(crate) async fn an_answered_request_is_no_longer_pending(bed: Bed) {
    let store = bed.open().await;
    let rows: Vec<InboxRow> = (0..100).map(request).collect();
    store.inbox_put(rows.clone()).await.unwrap();
    let mut writer = Writer::new("main");
    let mut batch = writer.batch(3);
    batch.outcomes = (0..70).map(answer).collect();
    writer.commit(&store, &batch).await;
    assert_eq!(store.inbox_pending("main", 1000).await.unwrap(), rows[70..]);
    assert_eq!(store.outcome("in_69").await.unwrap(), Some(answer(69)));
    assert_eq!(store.outcome("in_70").await.unwrap(), None);

    // An answer to another vault's request is refused.
    let mut other = Writer::new("other").batch(1);
    other.outcomes = vec![answer(70)];
    let error = store.commit(&other).await.unwrap_err().to_string();
    assert!(error.contains("in_70"), "{error}");
    assert_eq!(store.outcome("in_70").await.unwrap(), None);
}

pub(crate) async fn a_thousand_requests_from_many_sides_keep_one_order(bed: Bed) {
    let stores = [bed.open().await, bed.open().await];
    let mut sides = tokio::task::JoinSet::new();
    for side in 0..10_u64 {
        let store = stores[side as usize % 2].clone();
        sides.spawn(async move {
            for part in 0..10 {
                let from = side * 1000 + part * 10;
                // Each row is also sent by the neighbour, under an id of its own.
                let rows: Vec<InboxRow> = (from..from + 10).map(request).collect();
                let copies = rows.iter().map(|row| InboxRow {
                    id: format!("{}-copy", row.id),
                    ..row.clone()
                });
                let copies: Vec<InboxRow> = copies.collect();
                let (first, second) = tokio::join!(
                    store.inbox_put(rows.clone()),
                    store.inbox_put(copies.clone())
                );
                let puts = first.unwrap().into_iter().zip(second.unwrap());
                for (one, other) in puts {
                    assert_ne!(one, other, "one of two is stored");
                }
            }
        });
    }
    while let Some(side) = sides.join_next().await {
        side.unwrap();
    }
    let pending = stores[0].inbox_pending("main", 5000).await.unwrap();
    assert_eq!(pending.len(), 1000);
    for side in 0..10 {
        let numbers = pending.iter().map(|row| row.at_ms - 1_700_000_000_000);
        let mine: Vec<u64> = numbers.filter(|number| number / 1000 == side).collect();
        assert!(mine.is_sorted(), "side {side}: {mine:?}");
        assert_eq!(mine.len(), 100);
    }
    let positions = "SELECT COUNT(*) - COUNT(DISTINCT position) FROM inbox";
    assert_eq!(bed.number(positions).await, 0, "no position twice");
}

pub(crate) async fn what_a_commit_takes_in_is_answered_and_its_nonce_used(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    store.inbox_put([request(1)]).await.unwrap();
    let taken = |number: u64, journaled: bool| Taken {
        row: Arc::new(request(number)),
        journaled,
    };
    let batch = Batch {
        taken: vec![taken(2, true), taken(3, false)],
        outcomes: vec![answer(1)],
        ..writer.batch(2)
    };
    writer.commit(&store, &batch).await;

    assert!(store.inbox_pending("main", 9).await.unwrap().is_empty());
    assert!(store.inbox_waiting("main", 9).await.unwrap().is_empty());
    let asked = store.inbox_asked("main", &request(2).id).await.unwrap();
    let principal = request(2).principal;
    let answered = true;
    assert_eq!(
        asked,
        Some(Asked {
            principal,
            answered
        })
    );
    let kept: Option<Outcome> = store.outcome(&request(2).id).await.unwrap();
    assert_eq!(kept, None, "whoever waited has it");

    let rows = [1, 2, 3, 4].map(request);
    let used = store.used_nonces(&rows).await.unwrap();
    let of = |row: &InboxRow| (row.principal.clone(), row.nonce.clone());
    assert_eq!(used, rows[..3].iter().map(of).collect::<HashSet<_>>());
    assert!(store.used_nonces([]).await.unwrap().is_empty());
    let again = InboxRow {
        id: "in_2b".into(),
        ..request(2)
    };
    let puts = store.inbox_put([again.clone()]).await.unwrap();
    assert_eq!(puts, [InboxPut::Replayed]);

    // Taken in elsewhere meanwhile: nothing of the batch stays.
    let row = Arc::new(again);
    let journaled = true;
    let late = Batch {
        taken: vec![taken(5, true), Taken { row, journaled }],
        ..writer.batch(1)
    };
    let refused = store.commit(&late).await.unwrap_err();
    assert!(
        matches!(
            &refused,
            CommitError::Constraint {
                rule: Rule::InboxId,
                ..
            }
        ),
        "{refused}"
    );
    assert!(store.used_nonces(&[request(5)]).await.unwrap().is_empty());

    let elsewhere = Taken {
        row: Arc::new(InboxRow {
            vault: "other".into(),
            ..request(6)
        }),
        journaled: false,
    };
    let foreign = Batch {
        taken: vec![elsewhere],
        ..writer.batch(1)
    };
    let refused = store.commit(&foreign).await.unwrap_err();
    assert!(matches!(refused, CommitError::Malformed(_)), "{refused}");
    writer.verify(&store).await;
}
