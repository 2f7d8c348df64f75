//! An engine that writes commit by commit, and a walk over the same journal, find the same rows.

use std::collections::BTreeMap;

use custodyd_policy::Timestamp;
use custodyd_vault::Event;

use super::*;
use crate::store::SAMPLE_MS;

#[allow(clippy::duplicate_mod, reason = "the vault's own test world")]
#[path = "../../crates/vault/tests/common/mod.rs"]
#[allow(unreachable_pub)]
mod common;
use common::{HOUR, KNOWN, World, included};

/// A vault in which payouts are asked for, paid and confirmed over some hours.
fn lived() -> World {
    let mut world = World::funded();
    for (round, value) in ["0.5 LTC", "0.25 LTC", "0.125 LTC"].into_iter().enumerate() {
        let id = world.request(value, KNOWN).unwrap();
        world.quote_fees();
        world.advance();
        let transaction = world.sent(&id);
        world.see(&transaction, included(10, 1)).unwrap();
        world.wait(HOUR / 3);
        world.see(&transaction, included(10, 60)).unwrap();
        let number = u8::try_from(round).unwrap() + 20;
        world
            .observe_coins("hot-ltc", &[1, 2, 3, 4, number])
            .unwrap();
        world.wait(HOUR / 3);
    }
    world
}

/// Rows as a table keeps them: of one place, the last written.
fn kept(rows: impl IntoIterator<Item = Projection>) -> BTreeMap<(String, u64), String> {
    rows.into_iter()
        .filter_map(|row| match row {
            Projection::Sample {
                series,
                at_ms,
                units,
            } => Some(((series, at_ms), units)),
            Projection::Subject { subject, head_seq } => Some(((subject, head_seq), String::new())),
            _ => None,
        })
        .collect()
}

#[test]
fn commits_and_a_walk_over_the_journal_make_the_same_samples_and_subjects() {
    let world = lived();
    let Event::VaultCreated { .. } = &world.journal[0].event else {
        panic!("a journal begins with its vault");
    };
    for size in [1, 3, 7] {
        let mut vault = Vault::create(&world.journal[0]).unwrap();
        let first = subjects(&world.journal[0].event).into_iter();
        let mut written: Vec<Projection> = first
            .map(|subject| Projection::Subject {
                subject,
                head_seq: 1,
            })
            .collect();
        let mut history = History::default();
        // Events of one commit are of one time.
        let mut heads = vec![1];
        for same_time in world.journal[1..].chunk_by(|a, b| a.at == b.at) {
            for commit in same_time.chunks(size) {
                for recorded in commit {
                    history.see(&vault, recorded);
                    vault.apply(recorded).unwrap();
                }
                let head = commit.last().unwrap().seq;
                heads.push(head);
                written.extend(history.take(&vault, head));
            }
        }
        let mut walk = HistoryWalk {
            samples: SampleWalk::default(),
            subjects: SubjectWalk::new(heads),
        };
        let mut before: Option<Vault> = None;
        for recorded in &world.journal {
            walk.see(before.as_ref(), recorded);
            match &mut before {
                None => before = Some(Vault::create(recorded).unwrap()),
                Some(vault) => drop(vault.apply(recorded).unwrap()),
            }
        }
        let walked = walk.ended(before.as_ref().unwrap(), world.now);
        assert_eq!(kept(walked), kept(written), "commits of {size}");
    }
}

#[test]
fn outflow_is_what_is_final_and_grows_by_exactly_what_was_paid() {
    let world = lived();
    let mut walk = SampleWalk::default();
    let mut vault = Vault::create(&world.journal[0]).unwrap();
    for recorded in &world.journal[1..] {
        walk.see(Some(&vault), recorded);
        vault.apply(recorded).unwrap();
    }
    let (rows, _) = walk.ended(&vault, world.now);
    let outflow: Vec<String> = kept(rows)
        .into_iter()
        .filter(|((series, _), _)| series == "outflow/LTC")
        .map(|((_, at_ms), units)| {
            assert_eq!(at_ms % SAMPLE_MS, 0);
            units
        })
        .collect();
    assert_eq!(outflow, ["50000000", "75000000", "87500000"]);
}

#[test]
fn what_is_too_old_to_be_kept_is_not_called_for() {
    let world = lived();
    let mut walk = SampleWalk::default();
    let mut vault = Vault::create(&world.journal[0]).unwrap();
    for recorded in &world.journal[1..] {
        walk.see(Some(&vault), recorded);
        vault.apply(recorded).unwrap();
    }
    let far = Timestamp::from_ms(world.now + 2 * crate::store::SAMPLES_KEPT_MS).as_ms();
    assert!(walk.ended(&vault, far).0.is_empty());
}
