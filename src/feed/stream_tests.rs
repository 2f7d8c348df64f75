//! Followers of a feed that has no engine behind it.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;

use super::*;
use crate::feed::Announcer;

struct Bed {
    store: Store,
    announcer: Announcer,
    still: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
}

fn row(seq: u64, client: &str, kind: &str) -> FeedRow {
    FeedRow {
        seq,
        journal_seq: seq,
        at_ms: 1_700_000_000_000,
        kind: kind.to_owned(),
        subject: format!("wd_{seq}"),
        withdrawal: Some(format!("wd_{seq}")),
        client: Some(client.to_owned()),
        document: format!(r#"{{"id":"wd_{seq}"}}"#),
    }
}

impl Bed {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("a.db").display());
        Self {
            store: Store::open(&url).await.unwrap(),
            announcer: Announcer::new(0),
            still: Arc::new(AtomicBool::new(true)),
            _folder: folder,
        }
    }

    async fn follow(
        &self,
        pace: Pace,
        audience: Audience,
        after: Option<u64>,
    ) -> Result<Frames, Refusal> {
        let still = Arc::clone(&self.still);
        let follower = Follower {
            name: "client/shop".to_owned(),
            audience,
            still: Box::new(move || still.load(Ordering::Relaxed)),
        };
        let feed = self.announcer.feed();
        follow_at(pace, &feed, &self.store, "main", follower, after).await
    }

    fn tell(&self, seqs: std::ops::RangeInclusive<u64>) {
        let rows = seqs.map(|seq| row(seq, "shop", "withdrawal.final"));
        self.announcer.announce(rows.collect());
    }
}

fn pace(patience_ms: u64, heartbeat_ms: u64) -> Pace {
    Pace {
        patience: Duration::from_millis(patience_ms),
        heartbeat: Duration::from_millis(heartbeat_ms),
        longest: Duration::from_secs(60),
    }
}

/// Ids of the next events.
async fn ids(frames: &mut Frames, count: usize) -> Vec<u64> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let frame = frames.next().await.expect("the stream goes on");
        if let Some(rest) = frame.strip_prefix("event: ") {
            let id = rest.lines().nth(1).unwrap().strip_prefix("id: ").unwrap();
            ids.push(id.parse().unwrap());
        }
    }
    ids
}

#[tokio::test]
async fn a_follower_hears_what_is_committed_and_those_close_behind_need_no_database() {
    let bed = Bed::new().await;
    let mut frames = bed.follow(PACE, Audience::default(), None).await.unwrap();
    bed.store.close().await;
    bed.tell(1..=3);
    assert_eq!(ids(&mut frames, 3).await, [1, 2, 3]);
    bed.tell(4..=4);
    assert_eq!(ids(&mut frames, 1).await, [4]);
    // The engine ends, and with it the stream.
    drop(bed.announcer);
    assert_eq!(frames.next().await, None);
}

#[tokio::test]
async fn a_frame_is_the_events_type_id_and_envelope() {
    let bed = Bed::new().await;
    let mut frames = bed.follow(PACE, Audience::default(), None).await.unwrap();
    bed.tell(1..=1);
    assert_eq!(frames.next().await.unwrap(), "retry: 1000\n\n");
    assert_eq!(
        frames.next().await.unwrap(),
        "event: withdrawal.final\nid: 1\ndata: {\"type\":\"withdrawal.final\",\"timestamp\":\"2023-11-14T22:13:20Z\",\
         \"vault\":\"main\",\"seq\":1,\"data\":{\"id\":\"wd_1\"}}\n\n"
    );
}

#[tokio::test]
async fn a_heartbeat_says_where_to_come_back_to_even_past_events_of_others() {
    let bed = Bed::new().await;
    let mut frames = bed
        .follow(pace(1_000, 20), Audience::client("other"), None)
        .await
        .unwrap();
    bed.tell(1..=7);
    loop {
        let frame = frames.next().await.unwrap();
        assert!(!frame.contains("data:"), "{frame}");
        if frame == ": so far\nid: 7\n\n" {
            break;
        }
    }
}

#[tokio::test]
async fn who_does_not_read_is_cut_off_and_gives_the_place_back() {
    let bed = Bed::new().await;
    let mut frames = bed
        .follow(pace(20, 1_000), Audience::default(), None)
        .await
        .unwrap();
    bed.tell(1..=500);
    let feed = bed.announcer.feed();
    while !feed.seats.0.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut queued = 0;
    while frames.next().await.is_some() {
        queued += 1;
    }
    assert_eq!(queued, QUEUE);
}

#[tokio::test]
async fn who_may_no_longer_hear_hears_nothing_more() {
    let bed = Bed::new().await;
    let mut frames = bed.follow(PACE, Audience::default(), None).await.unwrap();
    bed.tell(1..=1);
    assert_eq!(ids(&mut frames, 1).await, [1]);
    bed.still.store(false, Ordering::Relaxed);
    bed.tell(2..=2);
    assert_eq!(frames.next().await, None);
}

#[tokio::test]
async fn one_name_has_so_many_streams_and_not_one_more() {
    let bed = Bed::new().await;
    let mut open = Vec::new();
    for _ in 0..MOST_OF_ONE {
        open.push(bed.follow(PACE, Audience::default(), None).await.unwrap());
    }
    let refused = bed
        .follow(PACE, Audience::default(), None)
        .await
        .unwrap_err();
    assert!(matches!(refused, Refusal::Full(_)), "{refused}");
    open.pop();
    while bed.follow(PACE, Audience::default(), None).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn an_audience_is_whose_events_and_which_types() {
    let hears = |clients: &[&str], types: &[&str], row: &FeedRow| {
        let own = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
        let audience = Audience {
            clients: own(clients),
            types: own(types),
        };
        audience.hears(row)
    };
    let shop = row(1, "shop", "withdrawal.final");
    let mut freeze = row(2, "shop", "freeze.set");
    freeze.client = None;
    assert!(hears(&[], &[], &shop) && hears(&[], &[], &freeze));
    assert!(hears(&["desk", "shop"], &[], &shop) && !hears(&["desk"], &[], &shop));
    assert!(
        !hears(&["shop"], &[], &freeze),
        "nobody's event is no client's"
    );
    assert!(hears(&[], &["withdrawal.*"], &shop) && !hears(&[], &["withdrawal.*"], &freeze));
    assert!(hears(&[], &["freeze.set", "withdrawal.final"], &shop));
    assert!(!hears(&[], &["withdrawal.fin"], &shop));
}
