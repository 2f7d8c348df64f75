//! What the journal holds about a payout: every entry, in order, with who did it; and each signature, verified again.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_policy::{OperatorId, Timestamp};
use custodyd_vault::{
    CancelledBy, Credential, Event, OperatorSignature, Statement, Vault, Withdrawal,
};

use crate::{
    console::words::{Moment, spoken},
    journal::JournalRow,
    store::{Store, StoreError},
};

/// Commits that are looked into at most, of each thing that it is about. What is left out are the oldest.
const MOST_COMMITS: u32 = 64;
/// Entries of one commit that are read at most.
const MOST_ROWS: u32 = 4_000;

/// What the journal holds about one payout.
#[derive(Debug, Default)]
pub(super) struct Trail {
    pub(super) entries: Vec<Line>,
    pub(super) statements: Vec<Signed>,
    /// Whether there may be more than is shown.
    pub(super) cut: bool,
}

/// One entry.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) seq: u64,
    pub(super) kind: String,
    pub(super) what: String,
    pub(super) who: Option<String>,
    pub(super) at: Moment,
    /// `good`, `bad` or nothing: how a timeline marks it.
    pub(super) mark: &'static str,
}

/// A statement that a person signed.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) operator: String,
    pub(super) decision: String,
    /// The 32 bytes that were signed, hex.
    pub(super) digest: String,
    pub(super) credential: &'static str,
    /// Whether it verifies with a credential that the person has today.
    pub(super) verified: bool,
    pub(super) seq: u64,
    pub(super) at: Moment,
}

/// What is needed of the vault to read a trail, taken out of it at once.
#[derive(Debug)]
pub(super) struct Reader {
    subjects: Vec<String>,
    to: u64,
    /// Everybody's, for a statement may stand in the journal whose vote doesn't count any more.
    credentials: BTreeMap<OperatorId, Vec<Credential>>,
    party: Option<custodyd_passkey::RelyingParty>,
    now: Timestamp,
}

impl Reader {
    pub(super) fn of(vault: &Vault, withdrawal: &Withdrawal, now: Timestamp) -> Self {
        let transaction = withdrawal.transaction();
        let export = transaction
            .and_then(|id| vault.transactions().get(id))
            .and_then(|transaction| transaction.export.as_ref());
        let id = withdrawal.id.to_string();
        let others = [
            transaction.map(ToString::to_string),
            export.map(ToString::to_string),
        ];
        Self {
            subjects: [id]
                .into_iter()
                .chain(others.into_iter().flatten())
                .collect(),
            to: vault.seq(),
            credentials: vault.operators().clone(),
            party: vault.console().cloned(),
            now,
        }
    }

    /// Reads the trail from the journal, commit by commit.
    pub(super) async fn read(&self, store: &Store, vault: &str) -> Result<Trail, StoreError> {
        let mut trail = Trail::default();
        let mut heads = BTreeSet::new();
        for subject in &self.subjects {
            let commits = store.commits_about(vault, subject, self.to, MOST_COMMITS);
            let commits = commits.await?;
            trail.cut |= u32::try_from(commits.len()).is_ok_and(|found| found >= MOST_COMMITS);
            heads.extend(commits);
        }
        for head in heads {
            let before = store.head_before(vault, head).await?;
            let after = before.map_or(0, |before| before.seq);
            let count = u32::try_from(head.saturating_sub(after)).unwrap_or(MOST_ROWS);
            trail.cut |= count > MOST_ROWS;
            let rows = store.journal(vault, after, count.min(MOST_ROWS)).await?;
            for row in rows.iter().filter(|row| self.is_about(row)) {
                self.take(row, &mut trail);
            }
        }
        Ok(trail)
    }

    /// The same of rows that were read already.
    #[cfg(test)]
    pub(super) fn of_rows(&self, rows: impl Iterator<Item = JournalRow>) -> Trail {
        let mut trail = Trail::default();
        for row in rows.filter(|row| self.is_about(row)) {
            self.take(&row, &mut trail);
        }
        trail
    }

    /// Every id stands in an event in quotes, and in no other form.
    fn is_about(&self, row: &JournalRow) -> bool {
        let named = |subject: &String| row.event.contains(&format!("\"{subject}\""));
        row.seq <= self.to && self.subjects.iter().any(named)
    }

    fn take(&self, row: &JournalRow, trail: &mut Trail) {
        let at = Moment::of(Timestamp::from_ms(row.at_ms), self.now);
        let event: Option<Event> = serde_json::from_str(&row.event).ok();
        let (what, who, mark) = match &event {
            Some(event) => told(event),
            None => (spoken(&row.kind), None, ""),
        };
        if let Some((statement, signature)) = event.as_ref().and_then(statement) {
            trail
                .statements
                .push(self.signed(statement, signature, row.seq, at.clone()));
        }
        trail.entries.push(Line {
            seq: row.seq,
            kind: spoken(&row.kind),
            what,
            who,
            at,
            mark,
        });
    }

    fn signed(
        &self,
        statement: &Statement,
        signature: &OperatorSignature,
        seq: u64,
        at: Moment,
    ) -> Signed {
        let challenge = statement.challenge();
        let credentials = self.credentials.get(&statement.operator);
        let good = credentials.and_then(|credentials| {
            credentials
                .iter()
                .find(|one| one.signed(self.party.as_ref(), &challenge, signature))
        });
        Signed {
            operator: statement.operator.to_string(),
            decision: statement.decision.to_string(),
            digest: hex::encode(challenge),
            credential: match (good, signature) {
                (Some(Credential::Ed25519(_)), _) => "Ed25519 key",
                (Some(Credential::P256(_)), _) => "smart card (P-256)",
                (_, OperatorSignature::Passkey(_)) => "passkey",
                (_, OperatorSignature::Raw(_)) => "key",
            },
            verified: good.is_some(),
            seq,
            at,
        }
    }
}

fn statement(event: &Event) -> Option<(&Statement, &OperatorSignature)> {
    match event {
        Event::Approved {
            statement,
            signature,
            ..
        }
        | Event::Rejected {
            statement,
            signature,
            ..
        }
        | Event::Cancelled {
            by:
                CancelledBy::Operator {
                    statement,
                    signature,
                },
            ..
        } => Some((statement, signature)),
        _ => None,
    }
}

/// What happened, who did it, and how it is marked.
fn told(event: &Event) -> (String, Option<String>, &'static str) {
    let plain = |what: &str| (what.to_owned(), None, "");
    let good = |what: &str| (what.to_owned(), None, "good");
    let bad = |what: String| (what, None, "bad");
    match event {
        Event::WithdrawalRequested { request, .. } => (
            "requested".to_owned(),
            Some(request.initiator.to_string()),
            "",
        ),
        Event::WithdrawalJudged { verdict, .. } => {
            let mark = match verdict.outcome {
                custodyd_policy::Outcome::Deny => "bad",
                _ => "",
            };
            (format!("judged: {}", verdict.outcome), None, mark)
        }
        Event::Approved { statement, .. } => (
            "approved".to_owned(),
            Some(statement.operator.to_string()),
            "good",
        ),
        Event::Rejected { statement, .. } => (
            "rejected".to_owned(),
            Some(statement.operator.to_string()),
            "bad",
        ),
        Event::Cancelled { by, .. } => {
            let who = match by {
                CancelledBy::Client(client) => format!("client/{client}"),
                CancelledBy::Operator { statement, .. } => statement.operator.to_string(),
            };
            ("cancelled".to_owned(), Some(who), "bad")
        }
        Event::Expired { .. } => bad("expired: nobody completed the quorum in time".to_owned()),
        Event::HoldEnded { .. } => plain("hold over"),
        Event::PlanningBlocked { reason, .. } => bad(format!("could not be planned: {reason}")),
        Event::ScreeningPassed { .. } => good("screened, nothing speaks against it"),
        Event::ScreeningRefused { reason, .. } => bad(format!("screening refused it: {reason}")),
        Event::TransactionPlanned { .. } => plain("transaction planned"),
        Event::TransactionSigned { signatures, .. } => {
            let by = match signatures {
                0 => "signed on the air-gapped machine".to_owned(),
                1 => "signed in the HSM".to_owned(),
                n => format!("signed in the HSM, {n} signatures"),
            };
            (by, None, "good")
        }
        Event::TransactionBroadcast { .. } => plain("sent; a node took it"),
        Event::TransactionIncluded {
            height, succeeded, ..
        } => match succeeded {
            true => good(&format!("in block {height}")),
            false => bad(format!("in block {height}, where it failed")),
        },
        Event::TransactionReorged { .. } => bad("its block left the best chain; sent again".into()),
        Event::TransactionFinal { confirmations, .. } => {
            good(&format!("final after {confirmations} confirmations"))
        }
        Event::TransactionConflicted { .. } => {
            bad("another transaction took what it spends; the wallet is frozen".to_owned())
        }
        Event::ColdExportRequested { by, .. } => {
            ("export asked for".to_owned(), Some(by.clone()), "")
        }
        Event::ColdExportBuilt { .. } => plain("bundle ready to be fetched"),
        Event::ColdImported { by, .. } => ("came back signed".to_owned(), Some(by.clone()), "good"),
        other => plain(&spoken(other.kind())),
    }
}
