//! `custodyd journal accept-restore`: the one way on from a database that is behind its anchor.
//!
//! A restored copy has forgotten payments, and with them what its limits had given out. So the event that accepts it
//! freezes the vault: operators are told before anything is paid again. Safe to repeat after a crash.

use std::{collections::BTreeSet, time::Duration};

use custodyd::{
    clock::Clock,
    config::Config,
    engine::{Replayed, projections, replay_observed, subjects},
    failpoint,
    journal::{Anchor, AnchorError, Entry, HeadRow, head_digest},
    nonces::head_point,
    signer::Signer,
    state_dir::StateDir,
    store::{AuditError, Batch, Projection, Store},
};
use custodyd_policy::Timestamp;
use custodyd_vault::{Command, Event, Recorded};

use super::super::Failure;

pub(super) async fn run(config: &Config, store: &Store, reason: &str) -> Result<(), Failure> {
    let state_dir = StateDir::new(&config.state_dir, &config.vault);
    let (_, key) = state_dir.journal_key()?;
    let vault = config.vault.as_str();
    let mut anchor = Anchor::at(state_dir.anchor());
    let Some(seen) = anchor.read()? else {
        return Err("no anchor is kept for this vault, so nothing says what is lost".into());
    };
    // The copy must stand by itself; only then is it worth going on from.
    let mut last = None;
    let Replayed {
        vault: mut state,
        head,
        mut teller,
    } = replay_observed(store, vault, &key, None, |_, recorded| {
        last = Some(recorded.event.clone());
    })
    .await?;
    if let Some(Event::RestoreAccepted { last_seen, .. }) = last
        && last_seen == seen.seq
    {
        anchor.write(&head)?;
        println!("accepted before; the anchor is now at event {}", head.seq);
        return Ok(());
    }
    match store.check_anchor(vault, &anchor, &key).await {
        Err(AuditError::Anchor(AnchorError::Behind { .. })) => {}
        Err(fault) => return Err(fault.into()),
        Ok(()) => {
            return Err("the database is not behind its anchor: there is nothing to accept".into());
        }
    }

    let at = Clock::system().now().max(Timestamp::from_ms(head.at_ms));
    let command = Command::AcceptRestore {
        last_seen: seen.seq,
        reason: reason.to_owned(),
    };
    println!(
        "the database ends at event {} of {}; this machine knew of event {} of {}",
        head.seq,
        Timestamp::from_ms(head.at_ms),
        seen.seq,
        Timestamp::from_ms(seen.at_ms)
    );
    println!(
        "lost: events {} to {}, and every request, approval and payment in them",
        head.seq.saturating_add(1),
        seen.seq
    );
    let (mut rows, mut feed) = (Vec::new(), Vec::new());
    let (mut touched, mut about) = (BTreeSet::new(), BTreeSet::new());
    let mut prev_hash = head.hash;
    for event in state.decide(&command, at)? {
        let seq = state.seq().saturating_add(1);
        let entry = Entry {
            vault,
            seq,
            at_ms: at.as_ms(),
            kind: event.kind(),
            prev_hash,
        };
        let row = entry.seal(&event)?;
        prev_hash = row.hash;
        rows.push(row);
        about.append(&mut subjects(&event));
        let recorded = Recorded { seq, at, event };
        let now_touched = state.apply(&recorded)?;
        feed.extend(teller.follow(&state, &recorded, &now_touched, 0)?);
        touched.extend(now_touched);
    }
    let Some(newest) = rows.last() else {
        return Err("nothing came of it".into());
    };
    let signer = Signer::new(
        config.hsm.open(&config.log)?,
        Duration::from_millis(config.hsm.deadline_ms),
    );
    let digest = head_digest(vault, newest.seq, newest.at_ms, &newest.hash)?;
    let signature = signer.sign_journal(state.journal_key(), digest).await?;
    let new = HeadRow::from_hsm(vault, newest.seq, newest.at_ms, newest.hash, &signature)?;
    let mut rows_of_state = projections(&state, &touched)?;
    rows_of_state.extend(about.into_iter().map(|subject| Projection::Subject {
        subject,
        head_seq: new.seq,
    }));
    let batch = Batch {
        vault: vault.to_owned(),
        previous: Some((head.seq, head.hash)),
        projections: rows_of_state,
        points: vec![head_point(&state.journal_key().public_key, &new)?],
        rows,
        head: new.clone(),
        taken: Vec::new(),
        outcomes: Vec::new(),
        feed,
    };
    store.commit(&batch).await?;
    failpoint::pass("restore-accepted");
    anchor.write(&new)?;
    println!(
        "accepted as event {}: vault {vault} is frozen until the quorum of its policy unfreezes it",
        new.seq
    );
    println!(
        "before they do: compare the chain with the journal, for what was paid since may be asked for again"
    );
    Ok(())
}
