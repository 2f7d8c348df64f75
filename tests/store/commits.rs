//! What a commit promises: whole or not at all, from exactly the head that its writer knew.

use std::time::Duration;

use custodyd::store::{BatchFault, CommitError, Outcome, Store};

use crate::bed::Bed;
use crate::writer::{Writer, answer, request, withdrawal};

pub(crate) async fn a_wide_batch_reads_back_whole_after_reopening(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    // 150 is 64 + 64 + 16 + 4 + 1 + 1: every width of statement.
    let wide = writer.with(150, (1..=150).map(|n| withdrawal(n, "received")).collect());
    writer.commit(&store, &wide).await;
    let narrow = writer.with(1, vec![withdrawal(151, "received")]);
    writer.commit(&store, &narrow).await;
    store.close().await;

    let store = bed.open().await;
    writer.verify(&store).await;
    let rows = store.journal("main", 0, 1000).await.unwrap();
    assert_eq!(rows, [wide.rows.clone(), narrow.rows.clone()].concat());
    let page = store.journal("main", 40, 7).await.unwrap();
    assert_eq!(page, wide.rows[40..47]);
    let heads = store.heads("main", 0, 10).await.unwrap();
    assert_eq!(heads, [wide.head.clone(), narrow.head.clone()]);
    assert_eq!(store.heads("main", 150, 10).await.unwrap(), heads[1..]);
    assert_eq!(
        store.last_head("main").await.unwrap().as_ref(),
        heads.last()
    );
    assert_eq!(store.last_head("other").await.unwrap(), None);
    assert_eq!(store.vaults().await.unwrap(), ["main"]);
    assert_eq!(store.projections_dump("main").await.unwrap().len(), 151);
}

pub(crate) async fn of_two_writers_at_one_head_exactly_one_wins(bed: Bed) {
    let (here, there) = (bed.open().await, bed.open().await);
    let mut writer = Writer::new("main");
    for round in 0..20_u64 {
        let left = writer.with(2, vec![withdrawal(2 * round, "received")]);
        let right = writer.with(3, vec![withdrawal(2 * round + 1, "received")]);
        let (one, other) = tokio::join!(here.commit(&left), there.commit(&right));
        let (winner, lost) = match (one, other) {
            (Ok(()), Err(lost)) => (left, lost),
            (Err(lost), Ok(())) => (right, lost),
            both => panic!("round {round}: {both:?}"),
        };
        assert!(
            matches!(&lost, CommitError::Conflict { vault, expected }
                if vault == "main" && *expected == winner.previous.map(|(seq, _)| seq)),
            "{lost}"
        );
        writer.moved_by(&winner);
    }
    writer.verify(&here).await;
    assert_eq!(here.projections_dump("main").await.unwrap().len(), 20);

    // A head of the right height and another hash is no match either.
    let (seq, mut hash) = writer.previous.unwrap();
    hash[0] ^= 1;
    let mut stranger = Writer::new("main");
    stranger.previous = Some((seq, hash));
    assert!(matches!(
        here.commit(&stranger.batch(1)).await,
        Err(CommitError::Conflict { .. })
    ));
}

pub(crate) async fn a_batch_that_contradicts_itself_is_refused(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    let first = writer.batch(1);
    writer.commit(&store, &first).await;
    let good = writer.with(3, vec![withdrawal(1, "received")]);

    let refused = async |edit: fn(&mut custodyd::store::Batch)| {
        let mut batch = good.clone();
        edit(&mut batch);
        match store.commit(&batch).await {
            Err(CommitError::Malformed(fault)) => fault,
            other => panic!("{other:?}"),
        }
    };
    let fault = refused(|batch| batch.rows[1].vault = "other".into()).await;
    assert!(matches!(fault, BatchFault::WrongVault { .. }), "{fault}");
    let fault = refused(|batch| batch.head.vault = "other".into()).await;
    assert!(matches!(fault, BatchFault::WrongVault { .. }), "{fault}");
    let fault = refused(|batch| drop(batch.rows.remove(1))).await;
    assert!(
        matches!(
            fault,
            BatchFault::Gap {
                expected: 3,
                found: 4
            }
        ),
        "{fault}"
    );
    let fault = refused(|batch| batch.rows[2].prev_hash[0] ^= 1).await;
    assert!(
        matches!(fault, BatchFault::BrokenLink { seq: 4 }),
        "{fault}"
    );
    let fault = refused(|batch| drop(batch.rows.pop())).await;
    assert!(matches!(fault, BatchFault::WrongHead { .. }), "{fault}");
    let fault = refused(|batch| {
        batch.previous = None;
        batch.rows.clear();
    })
    .await;
    assert!(matches!(fault, BatchFault::Empty(_)), "{fault}");
    let fault = refused(|batch| batch.rows[0].at_ms = u64::MAX).await;
    assert!(
        matches!(
            fault,
            BatchFault::Unstorable {
                column: "at_ms",
                ..
            }
        ),
        "{fault}"
    );
    let fault = refused(|batch| {
        batch.outcomes.push(Outcome {
            inbox_id: "in_\0".into(),
            status: 200,
            body: "{}".into(),
        });
    })
    .await;
    assert!(
        matches!(
            fault,
            BatchFault::Unstorable {
                column: "inbox_id",
                ..
            }
        ),
        "{fault}"
    );
    writer.verify(&store).await;
    writer.commit(&store, &good).await;
}

pub(crate) async fn outcomes_alone_leave_the_journal_as_it_is(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    let first = writer.batch(2);
    writer.commit(&store, &first).await;
    store.inbox_put([request(1), request(2)]).await.unwrap();

    let mut batch = writer.batch(0);
    batch.outcomes = vec![answer(1)];
    writer.commit(&store, &batch).await;
    assert_eq!(store.outcome("in_1").await.unwrap(), Some(answer(1)));
    assert_eq!(store.heads("main", 0, 9).await.unwrap(), [first.head]);
    writer.verify(&store).await;

    let mut late = writer.batch(0);
    late.outcomes = vec![answer(2)];
    let next = writer.batch(1);
    writer.commit(&store, &next).await;
    assert!(matches!(
        store.commit(&late).await,
        Err(CommitError::Conflict { .. })
    ));
    assert_eq!(store.outcome("in_2").await.unwrap(), None);
}

pub(crate) async fn a_commit_that_nobody_waits_for_still_lands(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    for round in 0..40_u64 {
        let batch = writer.with(5, vec![withdrawal(round, "received")]);
        let patience = Duration::from_micros(100 * round);
        match tokio::time::timeout(patience, store.commit(&batch)).await {
            Ok(committed) => committed.unwrap(),
            Err(_) => landed(&store, batch.head.seq).await,
        }
        writer.moved_by(&batch);
    }
    writer.verify(&store).await;
    assert_eq!(store.projections_dump("main").await.unwrap().len(), 40);
}

async fn landed(store: &Store, seq: u64) {
    for _ in 0..1000 {
        let head = store.last_head("main").await.unwrap();
        if head.is_some_and(|head| head.seq == seq) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the commit of seq {seq} was cut off with its future");
}
