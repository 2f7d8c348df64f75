//! A payout as people see it before they decide: what leaves, where to, why they are asked, who decided already. Read from
//! the engine's own state, never from a table: what somebody changed in the database isn't shown to whoever approves.

use custodyd_chain::Address;
use custodyd_policy::{
    Facts, Flag, Initiator, OperatorId, Reason, Shortfall, Timestamp, may_approve,
};
use custodyd_vault::{Decision, Screened, Vault, Withdrawal, WithdrawalState};

use crate::{
    console::words::{Figure, Grouped, LookAlike, Moment, in_fours, lasting, spoken},
    view::{Risk, missing},
};

/// One payout.
#[derive(Debug, Clone)]
pub(super) struct Payout {
    /// `wd_…`
    pub id: String,
    /// What it is in a word: `awaiting approval`, `final`.
    pub state: String,
    /// The state as the API names it.
    pub state_name: &'static str,
    /// More about the state.
    pub state_detail: Option<String>,
    /// How much arrives.
    pub amount: Figure,
    /// What that is worth; now if a fresh price is known, else when it was judged.
    pub fiat: Option<Figure>,
    /// Where it is paid.
    pub network: String,
    /// The wallet that pays.
    pub wallet: String,
    /// That wallet's tier.
    pub tier: String,
    /// To whom.
    pub to: Destination,
    /// Who asked.
    pub asked_by: String,
    /// What they called it.
    pub reference: String,
    /// When.
    pub asked_at: Moment,
    /// What policy said, in a sentence.
    pub verdict: Option<String>,
    /// Why.
    pub why: Vec<Why>,
    /// Who decided what so far.
    pub given: Vec<Given>,
    /// Seats that are still empty.
    pub missing: Vec<Seat>,
    /// What happens by itself, and when.
    pub due: Option<Due>,
    /// How long it is held after the last approval.
    pub hold: Option<String>,
    /// What others say who were asked about it.
    pub screened: Option<String>,
    /// What is compared between screens.
    pub code: String,
    /// The policy that judged it, SHA-256 in hex.
    pub policy: String,
    /// How much it asks for a second look.
    pub risk: Risk,
    /// Whether the viewer may approve or reject it now.
    pub may_vote: bool,
    /// Whether any operator may take it back now.
    pub may_cancel: bool,
    /// What freeze stops it.
    pub frozen: Option<String>,
    /// Whether the database's copy of it says something else, so that nothing can be decided.
    pub altered: bool,
}

/// Where a payout goes, and what the vault takes that for.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    /// The address, whole, in groups of four.
    pub address: Grouped,
    /// `known`, `new`, `own` or `blocked`.
    pub class: &'static str,
    /// Its name in the address book, or the wallet that it is an address of.
    pub name: Option<String>,
    /// Its labels in the address book.
    pub tags: Vec<String>,
    /// What asks for a second look, in words.
    pub flags: Vec<&'static str>,
    /// The address that it could be taken for, beside it.
    pub look_alike: Option<Resembled>,
}

/// The address that a destination could be taken for.
#[derive(Debug, Clone)]
pub(super) struct Resembled {
    /// Both, letter by letter.
    pub letters: LookAlike,
    /// What the other one is called.
    pub name: Option<String>,
}

/// One reason of the verdict.
#[derive(Debug, Clone)]
pub(super) struct Why {
    /// `deny`, `ask`, `within` or `allow`: how it weighs.
    pub weight: &'static str,
    /// The sentence, with the figures that were seen.
    pub text: String,
}

/// One decision.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// Who.
    pub operator: String,
    /// `approved`, `rejected` or `cancelled`.
    pub decision: &'static str,
    /// When.
    pub at: Moment,
}

/// Approvals of one group that are still missing.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    /// `1 of 2 from treasury`.
    pub text: String,
    /// Who could give them.
    pub who: String,
}

/// What happens by itself.
#[derive(Debug, Clone)]
pub(super) struct Due {
    /// `expires`, `leaves its hold`, …
    pub what: &'static str,
    /// When.
    pub at: Moment,
    /// Less than an hour is left.
    pub soon: bool,
}

/// Less than this is soon.
const SOON_MS: u64 = 3_600_000;
/// Reasons that the queue shows of a payout.
const MOST_REASONS: usize = 5;

impl Payout {
    /// A payout as `viewer` sees it at `now`.
    pub(super) fn of(
        vault: &Vault,
        withdrawal: &Withdrawal,
        viewer: &OperatorId,
        now: Timestamp,
    ) -> Self {
        let request = &withdrawal.request;
        let facts = withdrawal.facts.as_deref();
        let state_name = vault.withdrawal_state_name(withdrawal);
        let wallet = vault.wallets().get(&withdrawal.wallet);
        let value = vault.policy().fiat();
        let value = value.and_then(|terms| terms.value_of(vault.prices(), &request.amount, now));
        let verdict = withdrawal.verdict.as_ref();
        Self {
            id: withdrawal.id.to_string(),
            state: spoken(state_name),
            state_name,
            state_detail: state_detail(withdrawal),
            amount: Figure::from(&request.amount),
            fiat: value
                .or(facts.and_then(|facts| facts.fiat))
                .as_ref()
                .map(Figure::from),
            network: request.destination.network().to_string(),
            wallet: withdrawal.wallet.to_string(),
            tier: wallet.map(|w| w.tier.to_string()).unwrap_or_default(),
            to: Destination::of(vault, withdrawal, now),
            asked_by: request.initiator.to_string(),
            reference: request.reference.clone(),
            asked_at: Moment::of(withdrawal.created_at, now),
            verdict: verdict.map(|verdict| verdict.outcome.to_string()),
            why: verdict.map(|v| why(&v.reasons)).unwrap_or_default(),
            given: withdrawal
                .votes
                .iter()
                .map(|(operator, vote)| Given {
                    operator: operator.to_string(),
                    decision: decided(vote.decision),
                    at: Moment::of(vote.at, now),
                })
                .collect(),
            missing: seats(vault, withdrawal),
            due: due(withdrawal, now),
            hold: (withdrawal.hold_ms() > 0).then(|| lasting(withdrawal.hold_ms())),
            screened: withdrawal.screened.as_ref().map(|screened| match screened {
                Screened::Passed { .. } => "screened; nothing speaks against it".to_owned(),
                Screened::Refused { reason, .. } => format!("screening refused it: {reason}"),
            }),
            code: vault.code(withdrawal),
            policy: verdict
                .map_or_else(|| vault.policy().hash(), |v| v.policy)
                .to_string(),
            risk: Risk::of(withdrawal),
            may_vote: may_vote(vault, withdrawal, viewer),
            may_cancel: withdrawal.state.is_cancellable(),
            frozen: frozen(vault, withdrawal),
            altered: false,
        }
    }
}

impl Payout {
    /// The same, whose row in the database was altered: every decision would be refused, so none is offered.
    pub(super) fn altered(self) -> Self {
        Self {
            altered: true,
            may_vote: false,
            may_cancel: false,
            ..self
        }
    }

    /// As many reasons as a place in the queue has room for; those that weigh most come first.
    pub(super) fn first_reasons(&self) -> impl Iterator<Item = &Why> {
        self.why.iter().take(MOST_REASONS)
    }

    /// How many reasons it has besides.
    pub(super) fn more_reasons(&self) -> usize {
        self.why.len().saturating_sub(MOST_REASONS)
    }
}

impl Destination {
    fn of(vault: &Vault, withdrawal: &Withdrawal, now: Timestamp) -> Self {
        let address = &withdrawal.request.destination;
        let facts = withdrawal.facts.as_deref();
        let flags = facts.map(|facts| facts.flags.clone()).unwrap_or_default();
        let tags = facts.map(|facts| facts.tags.clone()).unwrap_or_default();
        // What came up since it was judged is shown as well as what was judged.
        let resembled = facts
            .and_then(|facts: &Facts| facts.resembles.clone())
            .or_else(|| vault.resembled(address, now));
        Self {
            address: in_fours(address.as_str()),
            class: withdrawal.class.as_str(),
            name: name_of(vault, address),
            tags: tags.iter().map(ToString::to_string).collect(),
            flags: flags.iter().map(|flag| flagged(*flag)).collect(),
            look_alike: resembled.map(|other| Resembled {
                letters: LookAlike::of(address, &other),
                name: name_of(vault, &other),
            }),
        }
    }
}

/// What an address is called: its entry in the address book, or the wallet that it belongs to.
pub(super) fn name_of(vault: &Vault, address: &Address) -> Option<String> {
    match vault.address_book().get(address) {
        Some(entry) => Some(entry.name.clone()),
        None => vault
            .owner(address)
            .map(|wallet| format!("wallet {wallet}")),
    }
}

fn flagged(flag: Flag) -> &'static str {
    match flag {
        Flag::FirstSeen => "never paid before",
        Flag::LookAlike => "looks like another address",
        Flag::CoolingOff => "in the address book, still cooling off",
        Flag::ProbeThenDrain => "a small payment went there shortly before",
    }
}

/// What weighs most comes first.
fn why(reasons: &[Reason]) -> Vec<Why> {
    let weight = |reason: &Reason| match reason {
        Reason::RuleDenied { .. }
        | Reason::NoRuleAllows
        | Reason::DestinationBlocked { .. }
        | Reason::ApprovalsImpossible { .. }
        | Reason::EvaluationFailed { .. } => (0, "deny"),
        Reason::LimitExceeded { .. } => (1, "ask"),
        Reason::RuleRequired { .. } | Reason::TierFloor { .. } => (2, "ask"),
        Reason::RuleAllowed { require, .. } if !require.is_empty() => (2, "ask"),
        Reason::LimitWithin { .. } => (3, "within"),
        Reason::RuleAllowed { .. } => (4, "allow"),
    };
    let mut told: Vec<_> = reasons.iter().map(|r| (weight(r), r.to_string())).collect();
    told.sort_by_key(|((order, _), _)| *order);
    let why = |((_, weight), text)| Why { weight, text };
    told.into_iter().map(why).collect()
}

fn decided(decision: Decision) -> &'static str {
    match decision {
        Decision::Approve => "approved",
        Decision::Reject => "rejected",
        Decision::Cancel => "cancelled",
    }
}

fn seats(vault: &Vault, withdrawal: &Withdrawal) -> Vec<Seat> {
    let seat = |short: Shortfall| {
        let who: Vec<&str> = short.eligible.iter().map(OperatorId::as_str).collect();
        Seat {
            text: short.to_string(),
            who: who.join(", "),
        }
    };
    let missing = missing(vault, withdrawal).unwrap_or_default();
    missing.into_iter().map(seat).collect()
}

fn may_vote(vault: &Vault, withdrawal: &Withdrawal, viewer: &OperatorId) -> bool {
    matches!(withdrawal.state, WithdrawalState::AwaitingApproval { .. })
        && !withdrawal.votes.contains_key(viewer)
        && withdrawal.request.initiator != Initiator::Operator(viewer.clone())
        && may_approve(vault.policy().groups(), withdrawal.requirements(), viewer)
}

fn due(withdrawal: &Withdrawal, now: Timestamp) -> Option<Due> {
    let at = withdrawal.due()?;
    let what = match withdrawal.state {
        WithdrawalState::AwaitingApproval { .. } => "expires",
        WithdrawalState::Holding { .. } => "leaves its hold",
        WithdrawalState::HoldingForLimit { .. } => "is judged again",
        WithdrawalState::Screening { .. } => "is denied without an answer",
        _ => "is looked at again",
    };
    Some(Due {
        what,
        at: Moment::of(at, now),
        soon: at.saturating_ms_since(now) < SOON_MS,
    })
}

fn state_detail(withdrawal: &Withdrawal) -> Option<String> {
    match &withdrawal.state {
        WithdrawalState::Holding { .. } => Some("any operator may cancel".to_owned()),
        WithdrawalState::HoldingForLimit { .. } => Some("a limit is used up".to_owned()),
        WithdrawalState::Approved { blocked } => blocked.clone(),
        WithdrawalState::Doubted { reason, .. } => Some(reason.clone()),
        WithdrawalState::Failed(reason) => Some(reason.clone()),
        _ => None,
    }
}

/// What stops it: its wallet's freeze, or its own.
fn frozen(vault: &Vault, withdrawal: &Withdrawal) -> Option<String> {
    let wallet = vault.wallets().get(&withdrawal.wallet);
    let of_wallet = wallet.and_then(|wallet| vault.wallet_freeze(wallet));
    let (scope, freeze) = vault.withdrawal_freeze(withdrawal).or(of_wallet)?;
    Some(format!(
        "{}: {}",
        super::freeze::scope_name(scope),
        freeze.reason
    ))
}
