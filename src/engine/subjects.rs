//! What an event is about, by which the journal is searched.

use std::collections::BTreeSet;

use custodyd_policy::Initiator;
use custodyd_vault::{CancelledBy, Change, Event, FreezeScope, Recorded, Statement};

use crate::store::Projection;

/// What an event names: ids as they are, `wallet/…`, `client/…`, `operator/…`, and its `kind/…`.
pub fn subjects(event: &Event) -> BTreeSet<String> {
    let mut found = BTreeSet::from([format!("kind/{}", event.kind())]);
    let mut add = |subject: String| {
        found.insert(subject);
    };
    match event {
        Event::VaultCreated { genesis } => {
            for operator in genesis.operators.keys() {
                add(format!("operator/{operator}"));
            }
        }
        Event::KeyRequested {
            wallet, key, by, ..
        } => {
            add(format!("wallet/{wallet}"));
            add(key.to_string());
            add(by.clone());
        }
        Event::KeysRequested {
            wallet, keys, by, ..
        } => {
            add(format!("wallet/{wallet}"));
            for key in keys {
                add(key.to_string());
            }
            add(by.clone());
        }
        Event::KeyMade { key, .. } => add(key.to_string()),
        Event::KeyCompromised {
            wallet,
            earlier,
            transaction,
            ..
        } => {
            add(format!("wallet/{wallet}"));
            add(earlier.to_string());
            add(transaction.to_string());
        }
        Event::WithdrawalRequested { id, request, .. } => {
            add(id.to_string());
            add(initiator(&request.initiator));
        }
        Event::WithdrawalJudged { id, facts, .. } => {
            add(id.to_string());
            add(format!("wallet/{}", facts.wallet));
        }
        Event::Approved { statement, .. } | Event::Rejected { statement, .. } => {
            stated(statement, &mut add);
        }
        Event::Cancelled { id, by, .. } => {
            add(id.to_string());
            match by {
                CancelledBy::Client(client) => add(format!("client/{client}")),
                CancelledBy::Operator { statement, .. } => stated(statement, &mut add),
            }
        }
        Event::Expired { id }
        | Event::HoldEnded { id }
        | Event::PlanningBlocked { id, .. }
        | Event::ScreeningPassed { id }
        | Event::ScreeningRefused { id, .. } => add(id.to_string()),
        Event::PricesSet { client, .. } => add(format!("client/{client}")),
        Event::TransactionPlanned {
            transaction,
            wallet,
            withdrawals,
            export,
            ..
        } => {
            add(transaction.to_string());
            add(format!("wallet/{wallet}"));
            withdrawals.iter().for_each(|id| add(id.to_string()));
            export.iter().for_each(|id| add(id.to_string()));
        }
        Event::TransactionSigned { transaction, .. }
        | Event::TransactionBroadcast { transaction }
        | Event::TransactionIncluded { transaction, .. }
        | Event::TransactionReorged { transaction }
        | Event::TransactionFinal { transaction, .. }
        | Event::TransactionConflicted { transaction } => add(transaction.to_string()),
        Event::CoinsObserved { wallet, .. } | Event::AccountObserved { wallet, .. } => {
            add(format!("wallet/{wallet}"));
        }
        Event::FeeObserved { .. } | Event::RestoreAccepted { .. } => {}
        Event::Frozen {
            scope, operator, ..
        }
        | Event::UnfreezeVoted {
            scope, operator, ..
        } => {
            add(format!("operator/{operator}"));
            frozen(scope, &mut add);
        }
        Event::Unfrozen { scope } => frozen(scope, &mut add),
        Event::Enrolled { operator, .. } | Event::PasskeyCounted { operator, .. } => {
            add(format!("operator/{operator}"));
        }
        Event::Proposed {
            proposal,
            operator,
            changes,
            ..
        } => {
            add(proposal.to_string());
            add(format!("operator/{operator}"));
            changes.iter().filter_map(changed).for_each(&mut add);
        }
        Event::ProposalApproved { statement, .. } | Event::ProposalVetoed { statement, .. } => {
            add(statement.proposal.to_string());
            add(format!("operator/{}", statement.operator));
        }
        Event::ProposalPassed { proposal, .. }
        | Event::ProposalEnacted { proposal }
        | Event::ProposalEnded { proposal, .. } => add(proposal.to_string()),
        Event::ColdExportRequested {
            export,
            transactions,
            by,
            ..
        } => {
            add(export.to_string());
            add(by.clone());
            transactions.iter().for_each(|id| add(id.to_string()));
        }
        Event::ColdExportBuilt { export, .. } => add(export.to_string()),
        Event::ColdImported { export, by, .. } => {
            add(export.to_string());
            add(by.clone());
        }
    }
    found
}

fn initiator(initiator: &Initiator) -> String {
    match initiator {
        Initiator::Client(id) => format!("client/{id}"),
        Initiator::Operator(id) => format!("operator/{id}"),
    }
}

fn stated(statement: &Statement, add: &mut impl FnMut(String)) {
    add(statement.withdrawal.to_string());
    add(format!("operator/{}", statement.operator));
}

fn frozen(scope: &FreezeScope, add: &mut impl FnMut(String)) {
    match scope {
        FreezeScope::Wallet(id) => add(format!("wallet/{id}")),
        FreezeScope::Client(id) => add(format!("client/{id}")),
        FreezeScope::Vault | FreezeScope::Asset(_) | FreezeScope::Destination(_) => {}
    }
}

/// The person, client or wallet that a change is about.
fn changed(change: &Change) -> Option<String> {
    match change {
        Change::AddOperator { id, .. } | Change::RemoveOperator { id } => {
            Some(format!("operator/{id}"))
        }
        Change::AddCredential { operator, .. }
        | Change::RevokeCredential { operator, .. }
        | Change::Invite { operator, .. } => Some(format!("operator/{operator}")),
        Change::AddClient { id, .. }
        | Change::RemoveClient { id }
        | Change::SetClientScopes { id, .. }
        | Change::RotateClientKey { id, .. } => Some(format!("client/{id}")),
        Change::SetWallet { id, .. }
        | Change::AddWallet { id, .. }
        | Change::RetireWallet { id } => Some(format!("wallet/{id}")),
        _ => None,
    }
}

/// The index of a whole journal, as a walk over it finds it.
#[derive(Debug)]
pub(super) struct SubjectWalk {
    /// The heads to come, in order.
    heads: std::vec::IntoIter<u64>,
    head_seq: u64,
    found: BTreeSet<String>,
    rows: Vec<Projection>,
}

impl SubjectWalk {
    /// Of a journal with heads at these numbers, in order.
    pub(super) fn new(heads: Vec<u64>) -> Self {
        Self {
            heads: heads.into_iter(),
            head_seq: 0,
            found: BTreeSet::new(),
            rows: Vec::new(),
        }
    }

    /// Takes the next event in.
    pub(super) fn see(&mut self, recorded: &Recorded) {
        while self.head_seq < recorded.seq {
            self.close();
            // Past the last head nothing is committed, and the walk itself says so.
            self.head_seq = self.heads.next().unwrap_or(u64::MAX);
        }
        self.found.extend(subjects(&recorded.event));
    }

    /// The rows.
    pub(super) fn ended(mut self) -> Vec<Projection> {
        self.close();
        self.rows
    }

    fn close(&mut self) {
        let head_seq = self.head_seq;
        let found = std::mem::take(&mut self.found).into_iter();
        self.rows
            .extend(found.map(|subject| Projection::Subject { subject, head_seq }));
    }
}
