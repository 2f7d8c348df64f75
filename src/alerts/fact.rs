//! What happened that an alert may look at, taken from what the engine committed or refused. A fact names wallets, people and
//! ids, never a signature, a body or a secret.

use custodyd_chain::{Network, OutPoint};
use custodyd_policy::{DestinationClass, OperatorId, Outcome, WalletId, WithdrawalId};
use custodyd_vault::{Credential, Event, TransactionId, Vault};

use super::Kind;
use crate::{problem::Problem, store::InboxRow, stored_request::StoredRequest};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Policy or a screening denied a payout.
    Denied(WithdrawalId),
    /// Policy looked at a payout to an address in no book.
    NewDestination(WithdrawalId),
    /// A request was refused in a way that honest people and programs don't meet.
    Suspect {
        /// As what.
        kind: Kind,
        /// Who is said to speak.
        principal: String,
        /// What was asked for.
        target: String,
        /// Why it was refused.
        detail: String,
    },
    /// Somebody who was invited has a credential.
    Enrolled {
        /// Who.
        operator: OperatorId,
        /// Which.
        credential: Credential,
    },
    /// A node no longer shows these outputs.
    CoinsGone {
        /// Whose they were.
        wallet: WalletId,
        /// Where.
        network: Network,
        /// Which.
        outpoints: Vec<OutPoint>,
    },
    /// Of those, these are in no transaction of any vault here.
    CoinsUnexplained {
        /// Whose they were.
        wallet: WalletId,
        /// How many.
        many: usize,
        /// One of them.
        example: OutPoint,
    },
    /// A transaction that is not ours took what one of ours spends.
    Conflicted {
        /// Ours.
        transaction: TransactionId,
        /// Whose.
        wallet: WalletId,
    },
    /// A commit found that somebody else had written.
    JournalMoved(String),
    /// The database's copy of a payout isn't what the engine knows.
    RowAltered(WithdrawalId),
    /// The engine ended by itself.
    EngineEnded(String),
}

impl Fact {
    /// What an event tells; `vault` is as it was before.
    pub fn of_event(event: &Event, vault: &Vault) -> Vec<Self> {
        match event {
            Event::WithdrawalJudged { id, facts, verdict } => {
                let denied = (verdict.outcome == Outcome::Deny).then_some(Self::Denied(*id));
                let new =
                    (facts.class == DestinationClass::New).then_some(Self::NewDestination(*id));
                denied.into_iter().chain(new).collect()
            }
            Event::ScreeningRefused { id, .. } => vec![Self::Denied(*id)],
            Event::Enrolled {
                operator,
                credential,
                ..
            } => vec![Self::Enrolled {
                operator: operator.clone(),
                credential: credential.clone(),
            }],
            Event::CoinsObserved {
                wallet, removed, ..
            } if !removed.is_empty() => {
                let network = vault.wallets().get(wallet).map(|wallet| wallet.network);
                let gone = network.map(|network| Self::CoinsGone {
                    wallet: wallet.clone(),
                    network,
                    outpoints: removed.clone(),
                });
                gone.into_iter().collect()
            }
            Event::TransactionConflicted { transaction } => {
                let ours = vault.transactions().get(transaction);
                let fact = ours.map(|ours| Self::Conflicted {
                    transaction: transaction.clone(),
                    wallet: ours.wallet.clone(),
                });
                fact.into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// What the engine's refusal of a stored request tells; nothing, where anybody may be refused so.
    pub fn of_refusal(row: &InboxRow, problem: &Problem) -> Option<Self> {
        // The API lets nothing in that is not signed, so what is not signed here was changed on the way, or somebody's key
        // was taken away meanwhile.
        let forged = (problem.code() == "unauthenticated").then_some(Kind::RequestForged);
        let kind = forged.or_else(|| suspect(problem.code()))?;
        let target = match StoredRequest::parse(&row.request) {
            Ok(StoredRequest::Signed(request)) => request.target,
            Ok(StoredRequest::Passkey(request)) => request.target(),
            Err(_) => row.kind.clone(),
        };
        Some(Self::Suspect {
            kind,
            principal: row.principal.clone(),
            target,
            detail: problem.detail.clone(),
        })
    }

    /// What the console's refusal tells of something that never reached the engine; `operator` asked for `target`.
    pub fn of_answer(problem: &Problem, operator: &OperatorId, target: &str) -> Option<Self> {
        Some(Self::Suspect {
            kind: suspect(problem.code())?,
            principal: format!("operator/{operator}"),
            target: target.to_owned(),
            detail: problem.detail.clone(),
        })
    }
}

/// Refusals that tell of an attack or of a display that lies.
fn suspect(code: &str) -> Option<Kind> {
    match code {
        "statement-differs" | "act-differs" => Some(Kind::StatementMismatch),
        "passkey-copied" => Some(Kind::PasskeyCopied),
        _ => None,
    }
}
