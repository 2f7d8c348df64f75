//! What waits, counted by what waits.

use custodyd::store::OpenWithdrawals;
use custodyd_chain::OutPoint;

use crate::bed::Bed;
use crate::writer::{Writer, answer, request, reserve_outpoint, withdrawal};

/// When the writer's row of this number was written.
const fn written(seq: u64) -> u64 {
    1_700_000_000_000 + seq
}

pub(crate) async fn what_waits_is_counted_with_its_oldest_and_nothing_else(bed: Bed) {
    let store = bed.open().await;
    let nothing = store.backlog("main").await.unwrap();
    assert_eq!((nothing.inbox, nothing.inbox_oldest_ms), (0, None));
    assert!(
        nothing
            .withdrawals
            .iter()
            .all(|open| open.many == 0 && open.oldest_ms.is_none())
    );

    let requests: Vec<_> = (1..=4).map(request).collect();
    store.inbox_put(requests.clone()).await.unwrap();
    let mut writer = Writer::new("main");
    let states = [
        "final",
        "awaiting_approval",
        "denied",
        "awaiting_approval",
        "signed",
        "cancelled",
    ];
    let projections = (1..).zip(states).map(|(n, state)| withdrawal(n, state));
    let mut batch = writer.with(6, projections.collect());
    batch.outcomes = vec![answer(1)];
    writer.commit(&store, &batch).await;
    let mut other = Writer::new("other");
    let theirs = other.with(1, vec![withdrawal(99, "awaiting_approval")]);
    other.commit(&store, &theirs).await;

    let backlog = store.backlog("main").await.unwrap();
    let oldest = Some(requests[1].at_ms);
    assert_eq!((backlog.inbox, backlog.inbox_oldest_ms), (3, oldest));
    let waiting: Vec<_> = backlog
        .withdrawals
        .iter()
        .filter(|open| open.many > 0)
        .collect();
    let open = |state, many, seq| OpenWithdrawals {
        state,
        many,
        oldest_ms: Some(written(seq)),
    };
    assert_eq!(
        waiting,
        [&open("awaiting_approval", 2, 2), &open("signed", 1, 5)]
    );
}

pub(crate) async fn outputs_that_no_transaction_took_are_told_from_those_that_one_did(bed: Bed) {
    let store = bed.open().await;
    let outpoint = |n: u32| -> OutPoint { format!("{}:{n}", "ab".repeat(32)).parse().unwrap() };
    let mut writer = Writer::new("main");
    let taken = [1, 3].map(|n| reserve_outpoint(&outpoint(n).to_string(), "tx_1"));
    let batch = writer.with(1, taken.to_vec());
    writer.commit(&store, &batch).await;
    let asked: Vec<_> = (0..90).map(outpoint).collect();
    let free = store.unreserved("litecoin-regtest", &asked).await.unwrap();
    let expected: Vec<_> = (0..90)
        .filter(|n| *n != 1 && *n != 3)
        .map(outpoint)
        .collect();
    assert_eq!(free, expected);
    // The same output of another network is another one.
    let elsewhere = store.unreserved("bitcoin", &asked[..2]).await.unwrap();
    assert_eq!(elsewhere, asked[..2]);
    assert!(store.unreserved("bitcoin", &[]).await.unwrap().is_empty());
}
