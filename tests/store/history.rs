//! Samples and the index of subjects: written with commits, read by time and by subject.

use custodyd::store::{Projection, SAMPLE_MS};

use crate::bed::Bed;
use crate::writer::Writer;

const NOW: u64 = 1_700_000_000_000 / SAMPLE_MS * SAMPLE_MS;

fn sample(series: &str, at_ms: u64, units: u64) -> Projection {
    Projection::Sample {
        series: series.into(),
        at_ms,
        units: units.to_string(),
    }
}

fn subject(subject: &str, head_seq: u64) -> Projection {
    Projection::Subject {
        subject: subject.into(),
        head_seq,
    }
}

pub(crate) async fn a_sample_is_overwritten_within_its_ten_minutes_and_goes_when_it_is_old(
    bed: Bed,
) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    let old = NOW - 401 * 24 * 3_600_000;
    for (at, units) in [(old, 1), (NOW - 2 * SAMPLE_MS, 2), (NOW, 3), (NOW, 4)] {
        let rows = vec![
            sample("wallet/hot", at, units),
            sample("wallet/cold", at, 7),
        ];
        let batch = writer.with(1, rows);
        writer.commit(&store, &batch).await;
    }
    let read = |since| {
        let store = store.clone();
        async move {
            let rows = store.samples("main", "wallet/hot", since).await.unwrap();
            let row = |row: custodyd::store::SampleRow| (row.at_ms, row.units);
            rows.into_iter().map(row).collect::<Vec<_>>()
        }
    };
    let both = [(NOW - 2 * SAMPLE_MS, "2".to_owned()), (NOW, "4".to_owned())];
    assert_eq!(read(0).await, both);
    assert_eq!(
        read(NOW - SAMPLE_MS).await,
        both,
        "the value before the time is part of it"
    );
    assert_eq!(read(NOW + 1).await, both[1..]);
    assert!(
        store
            .samples("other", "wallet/hot", 0)
            .await
            .unwrap()
            .is_empty()
    );
    let kept = store.projections_dump("main").await.unwrap();
    assert_eq!(kept.len(), 4, "{kept:?}");
}

pub(crate) async fn a_subject_leads_to_its_commits_and_a_time_to_its_entry(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    assert!(!store.has_subjects("main").await.unwrap());
    for commit in 1..=20_u64 {
        let head_seq = commit * 3;
        let mut rows = vec![subject("kind/approved", head_seq)];
        if commit.is_multiple_of(5) {
            rows.push(subject("wd_1", head_seq));
        }
        let batch = writer.with(3, rows);
        writer.commit(&store, &batch).await;
    }
    assert!(store.has_subjects("main").await.unwrap());
    let about = store.commits_about("main", "wd_1", 45, 2).await.unwrap();
    assert_eq!(about, [45, 30]);
    assert!(
        store
            .commits_about("other", "wd_1", 60, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.head_over("main", 31).await.unwrap().unwrap().seq, 33);
    assert_eq!(
        store.head_before("main", 33).await.unwrap().unwrap().seq,
        30
    );
    assert!(store.head_before("main", 3).await.unwrap().is_none());
    let back = store.journal_back("main", 33, 30, 9).await.unwrap();
    assert_eq!(
        back.iter().map(|row| row.seq).collect::<Vec<_>>(),
        [33, 32, 31]
    );
    for (at_ms, seq) in [
        (0, 1),
        (1_700_000_000_001, 1),
        (1_700_000_000_031, 31),
        (1_700_000_000_060, 60),
        (1_700_000_000_061, 61),
    ] {
        assert_eq!(store.seq_at("main", at_ms).await.unwrap(), seq, "{at_ms}");
    }
    assert_eq!(store.seq_at("other", 5).await.unwrap(), 1);
}
