//! The feed's rows, and what webhook endpoints are owed.

use custodyd::{
    config::FeedConfig,
    feed::{Audience, prune_chunk},
    store::{CommitError, DeliveryRow, FeedRow, Owed, Settled},
    webhooks::{Which, replay},
};

use crate::bed::Bed;
use crate::writer::Writer;

const AT: u64 = 1_700_000_000_000;

fn row(seq: u64) -> FeedRow {
    FeedRow {
        seq,
        journal_seq: seq * 2,
        at_ms: AT + seq,
        kind: "withdrawal.final".into(),
        subject: format!("wd_{}", seq % 10),
        withdrawal: seq.is_multiple_of(2).then(|| format!("wd_{}", seq % 10)),
        client: seq.is_multiple_of(4).then(|| "shop".into()),
        document: format!("{{\"seq\":{seq}}}"),
    }
}

fn rows(range: std::ops::RangeInclusive<u64>) -> Vec<FeedRow> {
    range.map(row).collect()
}

fn due(seq: u64, failures: u64) -> DeliveryRow {
    DeliveryRow {
        seq,
        lane: format!("wd_{}", seq % 10),
        owed: Owed::Due,
        failures,
        since_ms: AT,
        next_ms: AT + failures,
        fault: (failures > 0).then(|| "HTTP 500".into()),
    }
}

pub(crate) async fn a_commit_and_what_it_tells_are_one(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    let mut batch = writer.batch(3);
    batch.feed = rows(1..=150);
    writer.commit(&store, &batch).await;
    assert_eq!(
        store.feed("main", 0, u64::MAX, 1_000).await.unwrap(),
        rows(1..=150)
    );
    assert_eq!(store.feed("other", 0, u64::MAX, 10).await.unwrap(), []);
    // A place is taken once; the batch that would take it again has no effect at all.
    let mut batch = writer.batch(1);
    batch.feed = rows(150..=151);
    let refused = store.commit(&batch).await.unwrap_err();
    assert!(
        matches!(refused, CommitError::Constraint { .. }),
        "{refused}"
    );
    assert_eq!(store.feed_last("main").await.unwrap(), 150);
    writer.verify(&store).await;
}

pub(crate) async fn the_feed_is_read_in_pages_and_mended_at_its_end(bed: Bed) {
    let store = bed.open().await;
    assert_eq!(store.feed_last("main").await.unwrap(), 0);
    assert_eq!(store.feed_first("main", 0).await.unwrap(), None);
    assert_eq!(store.feed_mend("main", 0, &rows(1..=20)).await.unwrap(), 0);
    assert_eq!(
        store.feed("main", 5, u64::MAX, 3).await.unwrap(),
        rows(6..=8)
    );
    assert_eq!(store.feed("main", 18, 19, 9).await.unwrap(), rows(19..=19));
    assert_eq!(
        store.feed_first("main", 7).await.unwrap(),
        Some((8, AT + 8))
    );
    // Five that the journal knows nothing of go, one that it tells comes.
    assert_eq!(
        store.feed_mend("main", 15, &rows(16..=16)).await.unwrap(),
        5
    );
    assert_eq!(store.feed_last("main").await.unwrap(), 16);
}

pub(crate) async fn the_oldest_events_are_pruned_and_the_newest_stay(bed: Bed) {
    let store = bed.open().await;
    store.feed_mend("main", 0, &rows(1..=3_500)).await.unwrap();
    let day_ms = 86_400_000;
    let bounds = |keep_days, keep_rows| FeedConfig {
        keep_days,
        keep_rows,
    };
    let prune = async |bounds: FeedConfig, now_ms| {
        prune_chunk(&bounds, &store, "main", now_ms).await.unwrap()
    };
    // Within both bounds nothing goes.
    assert!(!prune(bounds(1, 3_000), AT + day_ms).await);
    // Too many: a whole chunk goes, no more than what is too many.
    assert!(prune(bounds(1, 2_500), AT + day_ms).await);
    assert!(!prune(bounds(1, 2_500), AT + day_ms).await);
    assert_eq!(store.feed_first("main", 0).await.unwrap().unwrap().0, 1_001);
    // Too old: as long as all of a chunk is.
    assert!(!prune(bounds(1, 5_000), AT + day_ms + 2_000).await);
    assert!(prune(bounds(1, 5_000), AT + day_ms + 2_001).await);
    assert_eq!(store.feed_first("main", 0).await.unwrap().unwrap().0, 2_001);
    while prune(bounds(1, 5_000), AT + 9 * day_ms).await {}
    assert_eq!(store.feed_last("main").await.unwrap(), 3_500);
    assert!(store.feed_first("main", 0).await.unwrap().is_some());
}

pub(crate) async fn what_an_endpoint_is_owed_is_kept_until_it_is_delivered(bed: Bed) {
    let store = bed.open().await;
    store.begin_endpoint("main", "shop", 7).await.unwrap();
    let owed = async |owed| {
        store
            .deliveries("main", "shop", owed, 0, 100)
            .await
            .unwrap()
    };
    let kept = Settled {
        taken: Some(30),
        delivered: vec![],
        kept: (8..=30).map(|seq| due(seq, seq % 3)).collect(),
    };
    store
        .settle_deliveries("main", "shop", &kept)
        .await
        .unwrap();
    assert_eq!(owed(Owed::Due).await, kept.kept);
    assert_eq!(
        store
            .deliveries("main", "shop", Owed::Due, 10, 2)
            .await
            .unwrap(),
        kept.kept[3..5]
    );
    assert_eq!(
        store
            .deliveries("main", "desk", Owed::Due, 0, 9)
            .await
            .unwrap(),
        []
    );
    let given_up = DeliveryRow {
        owed: Owed::GivenUp,
        ..due(9, 12)
    };
    let settled = Settled {
        taken: None,
        delivered: (10..=30).map(|seq| (seq, AT)).collect(),
        kept: vec![due(8, 9), given_up.clone()],
    };
    store
        .settle_deliveries("main", "shop", &settled)
        .await
        .unwrap();
    assert_eq!(owed(Owed::Due).await, [due(8, 9)]);
    assert_eq!(owed(Owed::GivenUp).await, [given_up]);
    assert_eq!(store.endpoints("main").await.unwrap()[0].taken, 30);
    // Of events that are no longer kept nothing can be told again; what is due still finds that out itself.
    store.forget_deliveries("main", 20).await.unwrap();
    assert_eq!(owed(Owed::GivenUp).await, []);
    assert_eq!(owed(Owed::Due).await, [due(8, 9)]);
}

pub(crate) async fn an_endpoint_begins_once_and_is_told_again_what_somebody_asks_for(bed: Bed) {
    let store = bed.open().await;
    store.feed_mend("main", 0, &rows(1..=40)).await.unwrap();
    store.begin_endpoint("main", "shop", 30).await.unwrap();
    store.begin_endpoint("main", "shop", 99).await.unwrap();
    let endpoint = async || store.endpoints("main").await.unwrap().remove(0);
    assert_eq!((endpoint().await.taken, endpoint().await.replays), (30, 0));
    let again = async |which: Which, audience: Audience| {
        let count = replay(&store, "main", "shop", &audience, &which, AT)
            .await
            .unwrap();
        let owed = store
            .deliveries("main", "shop", Owed::Due, 0, 100)
            .await
            .unwrap();
        let seqs: Vec<u64> = owed.iter().map(|row| row.seq).collect();
        assert_eq!(count, seqs.len() as u64, "{which:?}");
        let settled = Settled {
            delivered: owed.iter().map(|row| (row.seq, row.since_ms)).collect(),
            ..Settled::default()
        };
        store
            .settle_deliveries("main", "shop", &settled)
            .await
            .unwrap();
        seqs
    };
    let all = Audience::default();
    let fours: Vec<u64> = (1..=10).map(|n| n * 4).collect();
    let about = Which::Withdrawal("wd_4".into());
    assert_eq!(again(Which::From(38), all.clone()).await, [38, 39, 40]);
    assert_eq!(again(Which::Since(AT + 39), all.clone()).await, [39, 40]);
    assert_eq!(again(about, all.clone()).await, [4, 14, 24, 34]);
    assert_eq!(again(Which::From(1), Audience::client("shop")).await, fours);
    assert_eq!(again(Which::GivenUp, all.clone()).await, [0; 0]);
    let given_up = DeliveryRow {
        owed: Owed::GivenUp,
        ..due(9, 12)
    };
    let settled = Settled {
        kept: vec![given_up],
        ..Settled::default()
    };
    store
        .settle_deliveries("main", "shop", &settled)
        .await
        .unwrap();
    assert_eq!(again(Which::GivenUp, all).await, [9]);
    assert_eq!(endpoint().await.replays, 5);
    // What a daemon says of a delivery from before does not undo what somebody asked for since.
    let which = Which::From(40);
    let asked = replay(&store, "main", "shop", &Audience::default(), &which, AT + 1).await;
    assert_eq!(asked.unwrap(), 1);
    let late = Settled {
        delivered: vec![(40, AT)],
        ..Settled::default()
    };
    let given_up = Settled {
        kept: vec![DeliveryRow {
            owed: Owed::GivenUp,
            ..due(40, 12)
        }],
        ..Settled::default()
    };
    for settled in [late, given_up] {
        store
            .settle_deliveries("main", "shop", &settled)
            .await
            .unwrap();
        let owed = store.deliveries("main", "shop", Owed::Due, 0, 9).await;
        assert_eq!(owed.unwrap().len(), 1);
    }
    store.disable_endpoint("main", "shop", AT).await.unwrap();
    assert_eq!(endpoint().await.disabled_ms, AT);
}
