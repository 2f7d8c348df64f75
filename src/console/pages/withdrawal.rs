//! One payout in full: what happened to it, what its transaction does as its raw bytes tell it, why policy says what it says,
//! who signed what, and where in the journal that stands.

use askama::Template;
use axum::response::Response;
use custodyd_chain::{Coin, Effects, Plan};
use custodyd_policy::{Explanation, OperatorId, Timestamp, WithdrawalId};
use custodyd_vault::{Transaction, Vault};

use super::{
    Fault, Frame, Section, page,
    payout::{Payout, name_of},
    trail::{Reader, Trail},
};
use crate::{
    console::{
        copies::{self, Difference},
        words::{Figure, Grouped, in_fours, spoken},
    },
    http::AppState,
    store::WithdrawalRow,
};

/// Rules and limits without a part in the verdict that are shown.
const MOST_OTHERS: usize = 100;

#[derive(Template)]
#[template(path = "withdrawal.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) p: Payout,
    pub(super) trail: Trail,
    /// What is still to come, in order.
    pub(super) ahead: Vec<&'static str>,
    pub(super) sent: Option<Sent>,
    pub(super) policy: Option<Explained>,
    /// Where the database's copy says something else than the engine knows.
    pub(super) altered: Vec<Difference>,
}

/// The transaction that pays it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) txid: Option<String>,
    pub(super) raw: Option<String>,
    /// What the bytes say, or what is wrong with them; before there are any, the plan.
    pub(super) effects: Result<Shown, String>,
    pub(super) confirmations: Option<u32>,
    pub(super) final_at: u32,
    pub(super) others: Vec<String>,
}

/// Effects as a table.
#[derive(Debug)]
pub(super) struct Shown {
    /// Read from the signed bytes; else from the plan.
    pub(super) from_bytes: bool,
    pub(super) payments: Vec<Paid>,
    pub(super) inputs: Vec<String>,
    pub(super) fee: Figure,
    pub(super) account: Option<Grouped>,
    pub(super) nonce: Option<u64>,
}

/// One output.
#[derive(Debug)]
pub(super) struct Paid {
    pub(super) to: Grouped,
    pub(super) amount: Figure,
    /// Whose it is.
    pub(super) whose: String,
    /// Whether it is this payout.
    pub(super) this: bool,
}

/// Every rule and limit of the policy in force.
#[derive(Debug)]
pub(super) struct Explained {
    pub(super) rows: Vec<Judged>,
    pub(super) more: usize,
}

/// How one rule or limit sees it.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) does: String,
    pub(super) matched: bool,
    /// Each condition with what it saw, and whether it holds.
    pub(super) saw: Vec<(String, bool)>,
}

/// All that is read of the vault for the page.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) payout: Payout,
    pub(super) reader: Reader,
    /// The payout's row as it would have to be stored.
    row: Option<WithdrawalRow>,
    transaction: Option<(String, Transaction)>,
    names: Vec<Option<String>>,
    destination: String,
    pub(super) explanation: Option<Explanation>,
}

impl Read {
    pub(super) fn of(
        vault: &Vault,
        id: &WithdrawalId,
        viewer: &OperatorId,
        now: Timestamp,
    ) -> Option<Self> {
        let withdrawal = vault.withdrawals().get(id)?;
        let transaction = withdrawal
            .transaction()
            .and_then(|id| Some((id.to_string(), vault.transactions().get(id)?.clone())));
        // All outputs in their order, change included.
        let payments = transaction.as_ref().map(|(_, t)| t.plan.effects().payments);
        let in_force = vault.policy().hash();
        let explained = withdrawal
            .verdict
            .as_ref()
            .filter(|verdict| verdict.policy == in_force && withdrawal.transaction().is_none());
        Some(Self {
            payout: Payout::of(vault, withdrawal, viewer, now),
            reader: Reader::of(vault, withdrawal, now),
            row: copies::known(vault, id),
            names: payments
                .unwrap_or_default()
                .iter()
                .map(|payment| name_of(vault, &payment.to))
                .collect(),
            transaction,
            destination: withdrawal.request.destination.as_str().to_owned(),
            explanation: explained
                .and(withdrawal.facts.as_deref())
                .map(|facts| vault.explain(facts)),
        })
    }
}

/// `GET /console/withdrawals/{id}`.
///
/// # Errors
/// There is none; engine or database don't answer.
pub async fn show(state: &AppState, operator: &OperatorId, id: &str) -> Result<Response, Fault> {
    let missing = || Fault::missing("There is no such withdrawal.");
    let id: WithdrawalId = id.parse().map_err(|_| missing())?;
    let vault = state.standing.vault().as_str();
    let viewer = operator.clone();
    let question = move |vault: &Vault, now| Read::of(vault, &id, &viewer, now);
    let (frame, read) = Frame::with(state, operator, Section::Withdrawals, question).await?;
    let read = read.ok_or_else(missing)?;
    let stored = copies::stored(state, &id).await?;
    let suspect = !copies::differences(read.row.as_ref(), &stored).is_empty();
    let altered = copies::altered(state, suspect.then_some(id).into_iter().collect()).await?;
    let altered = altered.into_values().flatten().collect();
    let trail = read.reader.read(&state.store, vault).await?;
    let depth = |id: &str| state.pulse.as_ref()?.confirmations(id);
    page(&Page::of(frame, read, trail, depth, altered))
}

impl Page {
    pub(super) fn of(
        frame: Frame,
        read: Read,
        trail: Trail,
        depth: impl Fn(&str) -> Option<u32>,
        altered: Vec<Difference>,
    ) -> Self {
        let p = match altered.is_empty() {
            true => read.payout.clone(),
            false => read.payout.clone().altered(),
        };
        Self {
            frame,
            trail,
            ahead: ahead(read.payout.state_name, &read.payout.tier),
            sent: Sent::of(&read, depth),
            policy: read.explanation.as_ref().map(Explained::from),
            p,
            altered,
        }
    }
}

impl Sent {
    pub(super) fn of(read: &Read, depth: impl Fn(&str) -> Option<u32>) -> Option<Self> {
        let (id, transaction) = read.transaction.as_ref()?;
        let decoded = match &transaction.raw {
            // Read again by code that had no part in building it, from the bytes that are sent.
            Some(raw) => {
                custodyd_chain::decode(raw.network(), raw.bytes(), coins(&transaction.plan))
                    .map_err(|error| error.to_string())
            }
            None => Ok(transaction.plan.effects()),
        };
        let payout = &read.payout.id;
        let others = transaction.withdrawals.iter().map(ToString::to_string);
        Some(Self {
            id: id.clone(),
            state: spoken(transaction.state_name()),
            txid: transaction.raw.as_ref().map(|raw| raw.txid().to_owned()),
            raw: transaction.raw.as_ref().map(|raw| raw.to_hex()),
            effects: decoded.map(|effects| Shown::of(&effects, transaction.raw.is_some(), read)),
            confirmations: depth(id),
            final_at: transaction.confirmations,
            others: others.filter(|other| other != payout).collect(),
        })
    }
}

/// The coins that a plan spends; an account's plan spends none.
fn coins(plan: &Plan) -> &[Coin] {
    match plan {
        Plan::Bitcoin(plan) => &plan.inputs,
        Plan::Evm(_) => &[],
    }
}

impl Shown {
    fn of(effects: &Effects, from_bytes: bool, read: &Read) -> Self {
        let names = read.names.iter().map(Option::as_deref);
        let names = names.chain(std::iter::repeat(None));
        let amount = read.payout.amount.text();
        let paid = effects.payments.iter().zip(names).map(|(payment, name)| {
            let this =
                payment.to.as_str() == read.destination && payment.amount.to_string() == amount;
            Paid {
                to: in_fours(payment.to.as_str()),
                amount: Figure::from(&payment.amount),
                whose: match (this, name) {
                    (true, _) => "this withdrawal".to_owned(),
                    (false, Some(name)) => name.to_owned(),
                    (false, None) => "another payout".to_owned(),
                },
                this,
            }
        });
        Self {
            from_bytes,
            payments: paid.collect(),
            inputs: effects.inputs.iter().map(ToString::to_string).collect(),
            fee: Figure::from(&effects.fee),
            account: effects.account.as_ref().map(|a| in_fours(a.as_str())),
            nonce: effects.nonce,
        }
    }
}

impl From<&Explanation> for Explained {
    fn from(explanation: &Explanation) -> Self {
        let saw = |conditions: &[custodyd_policy::ConditionTrace]| {
            let told = conditions.iter().map(|one| (one.to_string(), one.holds));
            told.collect::<Vec<_>>()
        };
        let rules = explanation.rules.iter().map(|rule| Judged {
            kind: "rule",
            id: rule.rule.to_string(),
            does: rule.effect.to_string(),
            matched: rule.matched,
            saw: saw(&rule.conditions),
        });
        let limits = explanation.limits.iter().map(|limit| Judged {
            kind: "limit",
            id: limit.limit.to_string(),
            does: limit
                .check
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            matched: limit.applies,
            saw: saw(&limit.conditions),
        });
        let (mut rows, others): (Vec<_>, Vec<_>) = rules.chain(limits).partition(|row| row.matched);
        let more = others.len().saturating_sub(MOST_OTHERS);
        rows.extend(others.into_iter().take(MOST_OTHERS));
        Self { rows, more }
    }
}

/// What a payout in this state has before it, if all goes well.
fn ahead(state: &str, tier: &str) -> Vec<&'static str> {
    let steps = [
        ("awaiting_approval", "approved by those who are asked"),
        ("approved", "transaction planned"),
        (
            "planned",
            match tier {
                "cold" => "signed on the air-gapped machine",
                _ => "signed in the HSM",
            },
        ),
        ("signed", "sent to a node"),
        ("broadcast", "in a block"),
        ("confirmed", "final"),
    ];
    let state = match state {
        "screening" => "awaiting_approval",
        "holding" => "approved",
        "awaiting_cold_signature" => "planned",
        other => other,
    };
    let from = steps.iter().position(|(name, _)| *name == state);
    let from = from.unwrap_or(steps.len());
    steps.iter().skip(from).map(|(_, step)| *step).collect()
}
