//! One group commit: commands in, journal rows and projections out, all or nothing.

use std::{
    collections::{BTreeSet, HashSet},
    pin::pin,
    sync::Arc,
    time::Instant,
};

use custodyd_chain::PublicKey;
use custodyd_policy::Timestamp;
use custodyd_vault::{Command, Event, Recorded, Rejection, ReplayFault, Touch, Vault};
use tracing::Instrument as _;

use super::{
    Engine, projections,
    reply::{Documents, Reply},
    vetting::Nonces,
};
use crate::{
    alerts::Fact,
    directory::Directory,
    failpoint,
    feed::FeedRow,
    intake::Pending,
    journal::{CanonicalError, Entry, HeadError, HeadRow, JournalRow, head_digest},
    nonces::{NonceError, head_point},
    problem::Problem,
    signer::SignError,
    standing::InForce,
    store::{Batch, CommitError, Outcome, Rule, StoreError, Taken},
    telemetry::tally::Tally,
};

/// Advance steps in one batch at most; what is left comes with the next.
const MOST_STEPS: usize = 64;

/// Why a batch was not committed. Nothing of it has effect.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchError {
    #[error("the event doesn't follow on the state: {0}")]
    Fault(#[from] ReplayFault),
    #[error("the event has no canonical form: {0}")]
    Canonical(#[from] CanonicalError),
    #[error("a document can't be written: {0}")]
    Document(#[from] serde_json::Error),
    #[error("journal head: {0}")]
    Head(#[from] HeadError),
    #[error("journal signature: {0}")]
    Sign(#[from] SignError),
    #[error("{0}")]
    Commit(#[from] CommitError),
    #[error("nonces: {0}")]
    Nonce(#[from] NonceError),
    #[error("nonces on record: {0}")]
    Lookup(#[from] StoreError),
    #[error("nonces on record: {0}")]
    PointRow(String),
    #[error("journal key {0}")]
    JournalKeyNonce(String),
}

impl BatchError {
    /// Whether the same batch would fail in the same way again.
    pub(super) fn comes_again(&self) -> bool {
        match self {
            Self::Fault(_)
            | Self::Canonical(_)
            | Self::Document(_)
            | Self::Nonce(_)
            | Self::PointRow(_)
            | Self::JournalKeyNonce(_) => true,
            Self::Commit(e) => matches!(
                e,
                CommitError::Malformed(_) | CommitError::Constraint { .. }
            ),
            Self::Head(_) | Self::Sign(_) | Self::Lookup(_) => false,
        }
    }

    /// The journal key's own nonces repeat: there is no head that could be signed and shown.
    pub(super) fn journal_key_nonce(&self) -> Option<&str> {
        match self {
            Self::Commit(CommitError::Constraint {
                rule: Rule::JournalKeyNonce,
                what,
            })
            | Self::JournalKeyNonce(what) => Some(what),
            _ => None,
        }
    }
}

/// A batch under way.
#[derive(Debug, Default)]
pub(super) struct Draft {
    rows: Vec<JournalRow>,
    touched: BTreeSet<Touch>,
    feed: Vec<FeedRow>,
    replies: Vec<(String, Reply)>,
    /// Requests of which the inbox knows nothing yet.
    taken: Vec<Taken>,
    pub(super) nonces: Nonces,
    compromised: Vec<PublicKey>,
    enacted: bool,
    tally: Tally,
    facts: Vec<Fact>,
}

impl Draft {
    pub(super) fn reply(&mut self, inbox_id: String, reply: Reply) {
        self.replies.push((inbox_id, reply));
    }

    /// A request of the inbox has its answer.
    fn answered(&mut self, pending: &Pending, reply: Reply, recorded: bool) {
        let row = &pending.row;
        if pending.is_fresh() {
            // What came of a refused one, such as that a key is compromised, doesn't have the request as its evidence.
            let journaled = recorded && !matches!(reply, Reply::Problem(_));
            let row = Arc::clone(row);
            self.taken.push(Taken { row, journaled });
        }
        if let Reply::Problem(problem) = &reply {
            tracing::debug!(kind = row.kind, code = problem.code(), "refused");
            self.tally.refused(problem.code());
            self.facts.extend(Fact::of_refusal(row, problem));
        } else {
            tracing::debug!(kind = row.kind, "taken");
        }
        self.reply(row.id.clone(), reply);
    }
}

impl Engine {
    /// Decides and commits one batch.
    pub(super) async fn step(
        &mut self,
        inbox: &mut [Pending],
        results: Vec<Command>,
    ) -> Result<usize, BatchError> {
        let now = self.now();
        let mut draft = Draft::default();
        for command in self.vet(results, &mut draft).await? {
            match self.take(&command, now, &mut draft)? {
                Ok(_) => {}
                Err(rejection) => tracing::warn!(%rejection, "the result of an effect was refused"),
            }
        }
        for pending in inbox {
            let span = pending.span();
            let before = draft.rows.len();
            // It stays where it is made: to move it costs as much as some of the steps in it.
            let reply = {
                let answer = pin!(self.answer(pending, now, &mut draft));
                answer.instrument(span.clone()).await?
            };
            let recorded = draft.rows.len() > before;
            span.in_scope(|| draft.answered(pending, reply, recorded));
        }
        for _ in 0..MOST_STEPS {
            match self.take(&Command::Advance, now, &mut draft)? {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        self.commit(draft).await
    }

    /// Answers a request with a fault, and does nothing else.
    pub(super) async fn refuse(&mut self, inbox_id: String) -> Result<usize, BatchError> {
        let mut draft = Draft::default();
        draft.reply(inbox_id, Reply::Problem(Problem::internal()));
        self.commit(draft).await
    }

    /// Never before the last event: a clock that was set back must not reorder time.
    fn now(&self) -> Timestamp {
        self.parts
            .clock
            .now()
            .max(Timestamp::from_ms(self.head.at_ms))
    }

    /// Decides on one command and folds its events in. The outer error is a fault; the inner one a refusal.
    pub(super) fn take(
        &mut self,
        command: &Command,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<Result<usize, Rejection>, BatchError> {
        let events = match self.vault.decide(command, now) {
            Ok(events) => events,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let count = events.len();
        for event in events {
            self.record(event, now, draft)?;
        }
        Ok(Ok(count))
    }

    fn record(&mut self, event: Event, at: Timestamp, draft: &mut Draft) -> Result<(), BatchError> {
        draft.tally.note(&event, &self.vault);
        draft.facts.extend(Fact::of_event(&event, &self.vault));
        match &event {
            Event::TransactionSigned { raw, .. } => draft.nonces.keep(raw),
            Event::ColdExportBuilt { export, .. } => draft.nonces.keep_manifest(export),
            Event::KeyCompromised { public_key, .. } => draft.compromised.push(*public_key),
            _ => {}
        }
        let prev_hash = draft.rows.last().map_or(self.head.hash, |row| row.hash);
        let seq = self.vault.seq().saturating_add(1);
        let entry = Entry {
            vault: self.vault.id().as_str(),
            seq,
            at_ms: at.as_ms(),
            kind: event.kind(),
            prev_hash,
        };
        draft.rows.push(entry.seal(&event)?);
        let enacted = matches!(
            event,
            Event::ProposalEnacted { .. } | Event::Enrolled { .. }
        );
        let recorded = Recorded { seq, at, event };
        self.history.see(&self.vault, &recorded);
        let touched = self.vault.apply(&recorded)?;
        let told = self.teller.follow(&self.vault, &recorded, &touched, 0)?;
        draft.feed.extend(told);
        draft.touched.extend(touched);
        if enacted {
            // Whoever speaks later in this batch speaks under what it changed.
            self.directory = Directory::from(&self.vault);
            draft.enacted = true;
        }
        Ok(())
    }

    async fn commit(&mut self, draft: Draft) -> Result<usize, BatchError> {
        if draft.rows.is_empty() && draft.replies.is_empty() {
            return Ok(0);
        }
        let began = Instant::now();
        let head = match draft.rows.last() {
            Some(last) => self.sign_head(last).await?,
            None => self.head.clone(),
        };
        let kinds: BTreeSet<String> = draft.rows.iter().map(|row| row.kind.clone()).collect();
        let mut points = draft.nonces.kept;
        if !draft.rows.is_empty() {
            points.push(head_point(&self.vault.journal_key().public_key, &head)?);
        }
        let mut projections = projections(&self.vault, &draft.touched)?;
        let fresh: HashSet<&str> = draft
            .taken
            .iter()
            .map(|taken| taken.row.id.as_str())
            .collect();
        // Whoever waits for the answer to a fresh request is in memory; nobody was told to come for it.
        let (told, stored): (Vec<_>, Vec<_>) = draft
            .replies
            .into_iter()
            .partition(|(id, _)| fresh.contains(id.as_str()));
        let stored = outcomes(stored, &self.vault, Documents::none());
        projections.extend(self.history.take(&self.vault, head.seq));
        let batch = Arc::new(Batch {
            vault: self.vault.id().to_string(),
            previous: Some((self.head.seq, self.head.hash)),
            projections,
            rows: draft.rows,
            head,
            taken: draft.taken,
            outcomes: stored,
            points,
            feed: draft.feed,
        });
        kinds
            .iter()
            .for_each(|kind| failpoint::pass_for("committing", kind));
        self.parts.store.commit(Arc::clone(&batch)).await?;
        // The commit has ended, so this is the only one.
        let batch = Arc::unwrap_or_clone(batch);
        let took = began.elapsed();
        kinds
            .iter()
            .for_each(|kind| failpoint::pass_for("committed", kind));
        let events = batch.rows.len();
        self.head = batch.head;
        let answered = batch.outcomes.len().saturating_add(told.len());
        self.counters
            .committed(draft.tally, &self.head, answered, took);
        self.parts.alerts.see(draft.facts);
        if draft.enacted {
            self.standing.set(InForce::from(&self.vault));
        }
        self.anchored.send_replace(self.head.clone());
        self.announcer.announce(batch.feed);
        let told = outcomes(told, &self.vault, Documents::of(batch.projections));
        self.parts
            .lobby
            .deliver(batch.outcomes.into_iter().chain(told));
        draft.compromised.iter().for_each(|key| self.alarm(key));
        self.schedule(&draft.touched);
        Ok(events)
    }

    async fn sign_head(&self, last: &JournalRow) -> Result<HeadRow, BatchError> {
        let digest = head_digest(&last.vault, last.seq, last.at_ms, &last.hash)?;
        let signature = self
            .parts
            .signer
            .sign_journal(self.vault.journal_key(), digest)
            .await?;
        Ok(HeadRow::from_hsm(
            &last.vault,
            last.seq,
            last.at_ms,
            last.hash,
            &signature,
        )?)
    }
}

/// What is answered, with the vault as the commit leaves it.
fn outcomes(replies: Vec<(String, Reply)>, vault: &Vault, mut shown: Documents) -> Vec<Outcome> {
    replies
        .into_iter()
        .map(|(id, reply)| reply.into_outcome(id, vault, &mut shown))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{intake::sample, store::InboxRow};

    #[test]
    fn the_text_of_a_fresh_request_is_left_to_the_journal_only_where_it_is_evidence() {
        let row = Arc::new(InboxRow {
            id: "a".to_owned(),
            vault: "main".to_owned(),
            kind: "withdraw".to_owned(),
            principal: "client/shop".to_owned(),
            nonce: "0123456789abcdef".to_owned(),
            at_ms: 1,
            request: "{}".into(),
        });
        let taken = || Reply::Json(200, String::new());
        let refused = || Reply::Problem(Problem::internal());
        for (reply, recorded, journaled) in [
            (taken(), true, true),
            (taken(), false, false),
            (refused(), true, false),
            (refused(), false, false),
        ] {
            let mut draft = Draft::default();
            let pending = Pending::fresh(sample(&row).unwrap());
            draft.answered(&pending, reply, recorded);
            let row = Arc::clone(&row);
            assert_eq!(draft.taken, [Taken { row, journaled }]);
        }
        let mut draft = Draft::default();
        draft.answered(&InboxRow::clone(&row).into(), taken(), true);
        assert_eq!(draft.taken, [], "it is in the inbox");
        assert_eq!(draft.replies.len(), 1);
    }
}
