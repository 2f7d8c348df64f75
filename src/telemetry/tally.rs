//! What a batch will have done, counted while it is put together and told once it is committed. A batch that is given up
//! counts nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use custodyd_policy::{Outcome, Verdict};
use custodyd_vault::{Event, TransactionId, TransactionState, Vault};
use metrics::{counter, gauge, histogram};

use crate::journal::HeadRow;

/// How withdrawals end.
pub(super) const OUTCOMES: [&str; 6] = [
    "paid",
    "failed",
    "denied",
    "rejected",
    "expired",
    "cancelled",
];
/// What verdicts say.
pub(super) const VERDICTS: [&str; 4] = ["allow", "ask", "hold", "deny"];
/// Ids of rules and limits that are told apart. A policy has some dozens; one that comes after it may have others.
const MOST_SUBJECTS: usize = 256;
/// What stands for an id beyond those.
const OTHER: &str = "other";

/// A series of a counter: its metric, and its labels' values in the catalogue's order.
type Series = (&'static str, &'static str, String);

/// Counts of one batch.
#[derive(Debug, Default)]
pub struct Tally {
    counts: BTreeMap<Series, u64>,
    events: BTreeMap<&'static str, u64>,
    refused: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts an event; `vault` is as it was before.
    pub fn note(&mut self, event: &Event, vault: &Vault) {
        let count = self.events.entry(event.kind()).or_default();
        *count = count.saturating_add(1);
        match event {
            Event::WithdrawalJudged { verdict, .. } => self.judged(verdict),
            Event::ScreeningRefused { .. } => self.ended("denied", 1),
            Event::Rejected { .. } => {
                self.add("custodyd_approvals_total", "reject", String::new(), 1);
                self.ended("rejected", 1);
            }
            Event::Approved { .. } => {
                self.add("custodyd_approvals_total", "approve", String::new(), 1);
            }
            Event::Cancelled { .. } => self.ended("cancelled", 1),
            Event::Expired { .. } => self.ended("expired", 1),
            Event::TransactionFinal { transaction, .. } => self.finalised(transaction, vault),
            _ => {}
        }
    }

    /// Counts a stored request that was refused, by the problem's code.
    pub fn refused(&mut self, code: &str) {
        let count = self.refused.entry(code.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    fn judged(&mut self, verdict: &Verdict) {
        let outcome = match &verdict.outcome {
            Outcome::Deny => "deny",
            Outcome::HoldForLimit { .. } => "hold",
            Outcome::Allow {
                requirements,
                hold_ms,
            } if requirements.is_empty() && *hold_ms == 0 => "allow",
            Outcome::Allow { .. } => "ask",
        };
        self.add("custodyd_verdicts_total", outcome, String::new(), 1);
        if outcome == "deny" {
            self.ended("denied", 1);
        }
        for reason in &verdict.reasons {
            let subject = reason.subject().unwrap_or_default().to_owned();
            let metric = "custodyd_verdict_reasons_total";
            self.add(metric, reason.code(), subject, 1);
        }
    }

    fn finalised(&mut self, id: &TransactionId, vault: &Vault) {
        let Some(transaction) = vault.transactions().get(id) else {
            return;
        };
        let paid = matches!(
            transaction.state,
            TransactionState::Included {
                succeeded: true,
                ..
            }
        );
        let outcome = if paid { "paid" } else { "failed" };
        let payouts = u64::try_from(transaction.withdrawals.len()).unwrap_or(u64::MAX);
        self.ended(outcome, payouts);
    }

    fn ended(&mut self, outcome: &'static str, many: u64) {
        let metric = "custodyd_withdrawals_ended_total";
        self.add(metric, outcome, String::new(), many);
    }

    fn add(&mut self, metric: &'static str, first: &'static str, second: String, many: u64) {
        let count = self.counts.entry((metric, first, second)).or_default();
        *count = count.saturating_add(many);
    }
}

/// Tells what was committed. It remembers which ids it told apart.
#[derive(Debug, Default)]
pub struct Counters {
    subjects: BTreeSet<String>,
}

impl Counters {
    /// A batch is in the journal. `requests` were answered by it, and committing took `took`.
    pub fn committed(&mut self, tally: Tally, head: &HeadRow, requests: usize, took: Duration) {
        let events: u64 = tally.events.values().sum();
        for (kind, count) in tally.events {
            counter!("custodyd_journal_events_total", "kind" => kind).increment(count);
        }
        for (code, count) in tally.refused {
            counter!("custodyd_requests_refused_total", "code" => code).increment(count);
        }
        for ((metric, first, second), count) in tally.counts {
            match metric {
                "custodyd_verdict_reasons_total" => {
                    let subject = self.bounded(second);
                    counter!(metric, "code" => first, "subject" => subject).increment(count);
                }
                "custodyd_verdicts_total" | "custodyd_withdrawals_ended_total" => {
                    counter!(metric, "outcome" => first).increment(count);
                }
                _ => counter!(metric, "decision" => first).increment(count),
            }
        }
        counter!("custodyd_commits_total").increment(1);
        histogram!("custodyd_batch_requests").record(requests as f64);
        histogram!("custodyd_batch_events").record(events as f64);
        histogram!("custodyd_commit_seconds").record(took);
        stands_at(head);
    }

    fn bounded(&mut self, subject: String) -> String {
        if self.subjects.contains(&subject) {
            return subject;
        }
        if self.subjects.len() >= MOST_SUBJECTS {
            return OTHER.to_owned();
        }
        self.subjects.insert(subject.clone());
        subject
    }
}

/// The journal ends here.
pub fn stands_at(head: &HeadRow) {
    gauge!("custodyd_journal_seq").set(head.seq as f64);
    gauge!("custodyd_journal_head_timestamp_seconds").set((head.at_ms / 1_000) as f64);
}

/// The anchor names this event.
pub fn anchored_at(seq: u64) {
    gauge!("custodyd_anchor_seq").set(seq as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_beyond_the_bound_are_one_series() {
        let mut counters = Counters::default();
        for number in 0..MOST_SUBJECTS {
            let id = format!("rule-{number}");
            assert_eq!(counters.bounded(id.clone()), id);
        }
        assert_eq!(counters.bounded("one-more".to_owned()), OTHER);
        assert_eq!(counters.bounded("rule-7".to_owned()), "rule-7");
    }
}
