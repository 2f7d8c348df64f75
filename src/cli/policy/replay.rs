//! `custodyd policy replay`: what another policy would have said to everything that was asked so far.
//!
//! Each recorded judgement is made again from its recorded facts, against limits that count what the other policy would
//! have admitted. What people then decided is taken as it was.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use custodyd::{
    config::Config, engine::replay_observed, journal::Anchor, state_dir::StateDir, store::Store,
};
use custodyd_policy::{LimitBook, Outcome, Policy, WithdrawalId};
use custodyd_vault::{CancelledBy, Event, Recorded, Vault};

use super::{Failure, parsed};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The policy to try.
    policy: PathBuf,
    /// Differences that are printed with both explanations; all are counted.
    #[arg(long, default_value_t = 20)]
    show: u64,
}

pub(super) async fn run(config: &Config, options: &Options) -> Result<(), Failure> {
    let policy = parsed(&options.policy)?;
    let state_dir = StateDir::new(&config.state_dir, &config.vault);
    let (_, key) = state_dir.journal_key()?;
    let store = Store::open(&config.database.url).await?;
    let anchor = Anchor::at(state_dir.anchor());
    let mut trial = Trial {
        book: LimitBook::for_policy::<custodyd_policy::Facts>(&policy, []),
        policy,
        show: options.show,
        judged: 0,
        differing: 0,
    };
    let vault = config.vault.as_str();
    replay_observed(&store, vault, &key, Some(&anchor), |before, recorded| {
        if let Some(before) = before {
            trial.see(before, recorded);
        }
    })
    .await?;
    let Trial {
        judged, differing, ..
    } = trial;
    if differing == 0 {
        println!("no change: all {judged} judgements would have been the same");
    } else {
        println!("{differing} of {judged} judgements would have been different");
    }
    Ok(())
}

struct Trial {
    policy: Policy,
    book: LimitBook,
    show: u64,
    judged: u64,
    differing: u64,
}

impl Trial {
    fn see(&mut self, before: &Vault, recorded: &Recorded) {
        match &recorded.event {
            Event::WithdrawalJudged { id, facts, verdict } => {
                // One that is judged again gives back what it had taken, as it did in the vault.
                self.book.release(id);
                let explained = self.policy.explain(facts, &self.book);
                self.judged = self.judged.saturating_add(1);
                if explained.verdict.outcome != verdict.outcome {
                    self.differing = self.differing.saturating_add(1);
                    if self.differing <= self.show {
                        println!("{id}, judged {} in event {}", recorded.at, recorded.seq);
                        println!("was: {}", before.explain(facts));
                        println!("would be: {explained}\n");
                    }
                }
                if matches!(explained.verdict.outcome, Outcome::Allow { .. }) {
                    self.book.reserve(&self.policy, Arc::clone(facts));
                }
            }
            Event::Expired { id } => self.book.release(id),
            Event::Rejected { statement, .. } => self.book.release(&statement.withdrawal),
            Event::Cancelled { id, by, .. } => self.book.release(match by {
                CancelledBy::Client(_) => id,
                CancelledBy::Operator { statement, .. } => &statement.withdrawal,
            }),
            Event::TransactionFinal { transaction, .. } => {
                let paid: Vec<WithdrawalId> = before
                    .transactions()
                    .get(transaction)
                    .map(|entry| entry.withdrawals.clone())
                    .unwrap_or_default();
                paid.iter().for_each(|id| self.book.settle(id));
            }
            _ => {}
        }
    }
}
