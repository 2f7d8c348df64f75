//! Crashes: of the program (kill -9) and of the PostgreSQL server.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use custodyd::store::{CommitError, Projection, Store};

use crate::bed::Bed;
use crate::writer::{Writer, reserve_outpoint, withdrawal};

const DATABASE: &str = "CUSTODYD_TEST_DATABASE";

/// A batch whose rows, documents and reservations can be counted against each other.
fn batch(writer: &Writer) -> custodyd::store::Batch {
    let from = writer.previous.map_or(0, |(seq, _)| seq) + 1;
    let mut projections = Vec::new();
    for number in from..from + 20 {
        projections.push(withdrawal(number, "received"));
        projections.push(reserve_outpoint(&format!("{number}:0"), "tx_1"));
    }
    writer.with(20, projections)
}

/// Run by [`kill_9_between_and_within_commits_leaves_a_whole_chain`] in a process of its own.
#[tokio::test]
#[ignore = "the half of another test that gets killed"]
async fn commits_until_it_is_killed() {
    let url = std::env::var(DATABASE).unwrap();
    let store = Store::open(&url).await.unwrap();
    let mut writer = Writer::resumed("main", &store).await;
    loop {
        let batch = batch(&writer);
        writer.commit(&store, &batch).await;
        println!("\ncommitted {}", batch.head.seq);
    }
}

pub(crate) async fn kill_9_between_and_within_commits_leaves_a_whole_chain(bed: Bed) {
    let mut seq = 0;
    for round in 0..6_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::commits_until_it_is_killed"])
            .args(["--ignored", "--nocapture"])
            .env(DATABASE, &bed.url)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = 0;
        for _ in 0..3 + round {
            acknowledged = lines
                .by_ref()
                .find_map(|line| line.unwrap().strip_prefix("committed ")?.parse().ok())
                .expect("the child commits");
        }
        // At another moment of the next commit each time.
        std::thread::sleep(Duration::from_micros(700 * round));
        child.kill().unwrap();
        child.wait().unwrap();

        let store = bed.open().await;
        settled(&store).await;
        let writer = Writer::resumed("main", &store).await;
        writer.verify(&store).await;
        let (stored, _) = writer.previous.unwrap();
        assert!(stored >= acknowledged, "{stored} lost {acknowledged}");
        assert!(stored > seq);
        assert_eq!(stored % 20, 0, "half a batch");
        seq = stored;
        let dump = store.projections_dump("main").await.unwrap();
        let withdrawals = dump
            .iter()
            .filter(|projection| matches!(projection, Projection::Withdrawal { .. }))
            .count();
        assert_eq!(withdrawals as u64, stored);
        assert_eq!(dump.len() as u64, 2 * stored);
        store.close().await;
    }
}

/// A PostgreSQL server may still be at the killed client's COMMIT: a commit that conflicts shows it.
async fn settled(store: &Store) {
    let mut before = store.last_head("main").await.unwrap();
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = store.last_head("main").await.unwrap();
        if now == before {
            return;
        }
        before = now;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_under_commits_costs_none_that_was_acknowledged() {
    let mut bed = Bed::postgres();
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    for round in 0..2_u64 {
        let first = batch(&writer);
        writer.commit(&store, &first).await;
        let busy = {
            let store = store.clone();
            let mut writer = Writer::resumed("main", &store).await;
            tokio::spawn(async move {
                loop {
                    let batch = batch(&writer);
                    match store.commit(&batch).await {
                        Ok(()) => writer.moved_by(&batch),
                        Err(error) => return (writer, error),
                    }
                }
            })
        };
        tokio::time::sleep(Duration::from_millis(100 + 7 * round)).await;
        let postgres = bed.postgres.as_mut().unwrap();
        postgres.kill().unwrap();
        let (last, error) = busy.await.unwrap();
        assert!(
            matches!(error, CommitError::Unavailable(_) | CommitError::Unknown(_)),
            "{error}"
        );
        bed.postgres.as_mut().unwrap().restart().unwrap();

        // The same store goes on by itself, from what the database says.
        writer = Writer::resumed("main", &store).await;
        writer.verify(&store).await;
        let (stored, acknowledged) = (writer.previous.unwrap().0, last.previous.unwrap().0);
        let unknown = matches!(error, CommitError::Unknown(_));
        assert!(
            stored == acknowledged || (unknown && stored == acknowledged + 20),
            "{stored} {acknowledged} {error}"
        );
    }
}
