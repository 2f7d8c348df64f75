//! Each event that came of a request, held against what that request asks for: a genuine signature under other content is
//! refused here. The request is read as the engine reads it, and the vault's own checks are made as of the recorded time.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Address, Amount};
use custodyd_policy::{Timestamp, WithdrawalId};
use custodyd_vault::{
    CancelledBy, Decision, Event, FreezeScope, GovernanceDecision, GovernanceStatement,
    OperatorSignature, Request, Statement, TransactionId, Vault,
};
use sha2::{Digest as _, Sha256};

use crate::{
    cold,
    directory::Speaker,
    request::{DecisionBody, ExportBody, FreezeBody, GovernanceBody, Intent, WithdrawalBody},
    stored_request::StoredRequest,
};

/// A request that an event holds as its evidence: verified, and read.
pub(super) struct Heard {
    pub(super) speaker: Speaker,
    pub(super) request: StoredRequest,
    pub(super) intent: Intent,
}

/// Whether the event is what the request asks for, and was for its speaker to ask when it was recorded.
///
/// # Errors
/// What differs, for people.
pub(super) fn check(
    state: &Vault,
    at: Timestamp,
    event: &Event,
    heard: &Heard,
) -> Result<(), String> {
    match (event, &heard.intent) {
        (Event::WithdrawalRequested { request, .. }, Intent::Withdraw(body)) => {
            check_withdrawal(state, request, body, heard)
        }
        (
            Event::Approved {
                statement,
                signature,
                ..
            },
            Intent::Decide(_, body),
        ) => check_decision(state, at, Decision::Approve, (statement, signature), body),
        (
            Event::Rejected {
                statement,
                signature,
                ..
            },
            Intent::Decide(_, body),
        ) => check_decision(state, at, Decision::Reject, (statement, signature), body),
        (Event::Cancelled { id, by, .. }, intent) => check_cancelled(state, at, id, by, intent),
        (
            Event::PricesSet {
                currency,
                as_of,
                prices,
                ..
            },
            Intent::SetPrices(body),
        ) => {
            let asked: BTreeMap<_, _> = body.prices.0.iter().copied().collect();
            first_of([
                (body.currency != *currency, "currency"),
                (body.as_of != *as_of, "time"),
                (
                    asked != *prices || body.prices.0.len() != prices.len(),
                    "prices",
                ),
            ])
        }
        (
            Event::Enrolled {
                operator,
                credential,
                ..
            },
            Intent::Enrol(body),
        ) => first_of([
            (body.operator != *operator, "operator"),
            (body.credential != *credential, "credential"),
        ]),
        (
            Event::Proposed {
                changes, reason, ..
            },
            Intent::Propose(body),
        ) => first_of([
            (body.vault != *state.id(), "vault"),
            (body.changes != *changes, "changes"),
            (body.reason != *reason, "reason"),
        ]),
        (
            Event::ProposalApproved {
                statement,
                signature,
                ..
            },
            Intent::DecideProposal(_, body),
        ) => {
            let wanted = GovernanceDecision::Approve;
            check_vote(state, at, wanted, (statement, signature), body)
        }
        (
            Event::ProposalVetoed {
                statement,
                signature,
                ..
            },
            Intent::DecideProposal(_, body),
        ) => {
            let wanted = GovernanceDecision::Veto;
            check_vote(state, at, wanted, (statement, signature), body)
        }
        (
            Event::KeyRequested { wallet, .. },
            Intent::Address(asked) | Intent::Addresses(asked, _),
        ) => first_of([(asked != wallet, "wallet")]),
        (Event::KeysRequested { wallet, keys, .. }, Intent::Addresses(asked, count)) => {
            let many = u32::try_from(keys.len()).is_ok_and(|many| many == *count);
            first_of([(asked != wallet, "wallet"), (!many, "count")])
        }
        (Event::Frozen { scope, reason, .. }, Intent::Freeze(body)) => {
            check_scope(scope, body)?;
            first_of([(body.reason != *reason, "reason")])
        }
        (
            Event::UnfreezeVoted {
                scope, operator, ..
            },
            Intent::Unfreeze(body),
        ) => {
            check_scope(scope, body)?;
            let vote = state.check_unfreeze(scope, operator, heard.request.signed_at());
            vote.map(drop).map_err(|refused| refused.to_string())
        }
        (Event::ColdExportRequested { transactions, .. }, Intent::Export(body)) => {
            check_operator(&heard.speaker)?;
            check_export(state, transactions, body)
        }
        (Event::ColdImported { export, .. }, Intent::Import) => {
            check_operator(&heard.speaker)?;
            let asked = cold::export_of(heard.request.body()).map_err(|problem| problem.detail)?;
            first_of([(asked != *export, "export")])
        }
        (_, intent) => Err(other_kind(intent)),
    }
}

fn check_withdrawal(
    state: &Vault,
    recorded: &Request,
    body: &WithdrawalBody,
    heard: &Heard,
) -> Result<(), String> {
    let asset = recorded.amount.asset();
    let network = recorded.destination.network();
    let amount = Amount::parse(body.asset, &body.amount).map_err(|e| e.to_string())?;
    let destination = Address::parse(network, &body.destination).map_err(|e| e.to_string())?;
    let digest = hex::encode(Sha256::digest(heard.request.body()));
    let key = heard.request.idempotency_key();
    first_of([
        (body.vault != *state.id(), "vault"),
        (body.asset != asset, "asset"),
        (amount != recorded.amount, "amount"),
        (
            !state.wallets().values().any(|w| w.network == network),
            "network",
        ),
        (destination != recorded.destination, "destination"),
        (body.reference != recorded.reference, "reference"),
        (body.wallet != recorded.wallet, "wallet"),
        (
            key != Some(recorded.idempotency_key.as_str()),
            "idempotency key",
        ),
        (digest != recorded.body_digest, "body's digest"),
    ])
}

fn check_decision(
    state: &Vault,
    at: Timestamp,
    wanted: Decision,
    (statement, signature): (&Statement, &OperatorSignature),
    body: &DecisionBody,
) -> Result<(), String> {
    first_of([
        (statement.decision != wanted, "decision"),
        (body.statement != *statement, "statement"),
        (body.signature != *signature, "statement's signature"),
    ])?;
    let operator = &statement.operator;
    state
        .check_statement(operator, statement, signature, at)
        .and_then(|withdrawal| match wanted {
            Decision::Approve | Decision::Reject => state.check_eligible(withdrawal, operator),
            Decision::Cancel => Ok(()),
        })
        .map_err(|refused| refused.to_string())
}

fn check_cancelled(
    state: &Vault,
    at: Timestamp,
    id: &WithdrawalId,
    by: &CancelledBy,
    intent: &Intent,
) -> Result<(), String> {
    match (by, intent) {
        (CancelledBy::Client(client), Intent::Cancel(asked)) => {
            let withdrawal = state.withdrawals().get(id);
            let initiator = withdrawal.and_then(|w| w.request.initiator.client());
            first_of([
                (asked != id, "withdrawal"),
                (initiator != Some(client), "client"),
            ])
        }
        (
            CancelledBy::Operator {
                statement,
                signature,
            },
            Intent::Decide(_, body),
        ) => {
            first_of([(statement.withdrawal != *id, "withdrawal")])?;
            check_decision(state, at, Decision::Cancel, (statement, signature), body)
        }
        (_, intent) => Err(other_kind(intent)),
    }
}

fn check_vote(
    state: &Vault,
    at: Timestamp,
    wanted: GovernanceDecision,
    (statement, signature): (&GovernanceStatement, &OperatorSignature),
    body: &GovernanceBody,
) -> Result<(), String> {
    first_of([
        (statement.decision != wanted, "decision"),
        (body.statement != *statement, "statement"),
        (body.signature != *signature, "statement's signature"),
    ])?;
    let operator = &statement.operator;
    state
        .check_governance_statement(operator, statement, signature, at)
        .and_then(|proposal| state.check_asked(proposal, wanted, operator))
        .map_err(|refused| refused.to_string())
}

fn check_scope(recorded: &FreezeScope, body: &FreezeBody) -> Result<(), String> {
    let asked = body.scope().map_err(|problem| problem.detail)?;
    first_of([(asked != *recorded, "scope")])
}

/// What an export holds was planned just before, from what the request lets in; not all of it need have been possible.
fn check_export(
    state: &Vault,
    transactions: &[TransactionId],
    body: &ExportBody,
) -> Result<(), String> {
    for id in transactions {
        let planned = state.transactions().get(id);
        let planned = planned.ok_or_else(|| format!("{id} does not exist"))?;
        let paid: BTreeSet<WithdrawalId> = planned.withdrawals.iter().copied().collect();
        let named = &body.withdrawals;
        let wallet = body.wallet.as_ref();
        first_of([
            (wallet.is_some_and(|w| *w != planned.wallet), "wallet"),
            (!named.is_empty() && !paid.is_subset(named), "withdrawals"),
        ])?;
    }
    Ok(())
}

fn check_operator(speaker: &Speaker) -> Result<(), String> {
    match speaker {
        Speaker::Operator(_) => Ok(()),
        other => Err(format!("{other} may not ask for this")),
    }
}

/// The first member that is not as it was asked for.
fn first_of<const N: usize>(members: [(bool, &str); N]) -> Result<(), String> {
    match members.into_iter().find(|(differs, _)| *differs) {
        Some((_, member)) => Err(format!("not as the request has it: {member}")),
        None => Ok(()),
    }
}

fn other_kind(intent: &Intent) -> String {
    format!("the request asks for something else: {}", intent.kind())
}
