//! An operator's decision: the canonical statement is built here, from the document the operator saw, and signed.
//!
//! The invariant: what is signed says exactly what the document's own fields say. A document whose proposed statement
//! says anything else is refused, whichever of the two would be right.

use custodyd_httpsig::Principal;
use custodyd_policy::{OperatorId, PolicyHash, Timestamp};
use custodyd_vault::{APPROVAL_DOMAIN, Decision, RawSignature, StatedEffects, Statement};
use serde::Serialize;

use crate::client::{random_bytes, unix_ms};
use crate::error::ClientError;
use crate::identity::Identity;
use crate::withdrawal::{ProposedStatement, Withdrawal};

/// The body of an approval, a rejection or a cancellation.
#[derive(Debug, Clone, Serialize)]
pub struct SignedDecision {
    /// What was signed.
    pub statement: Statement,
    /// The operator's signature over its challenge.
    pub signature: RawSignature,
}

/// A decision that must not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// Services don't decide.
    #[error("{0} is not an operator: only operators decide on withdrawals")]
    NotOperator(Principal),
    /// The daemon proposes nothing to sign: it's over, or not judged yet.
    #[error("withdrawal {withdrawal} is {state}: there is nothing to decide")]
    NothingToDecide {
        /// Which.
        withdrawal: String,
        /// Its state.
        state: String,
    },
    /// The document contradicts itself.
    #[error(
        "refused to sign: the daemon's statement and its withdrawal {withdrawal} have a different {field}"
    )]
    Differs {
        /// Which withdrawal.
        withdrawal: String,
        /// Which part.
        field: &'static str,
    },
    /// The verdict is older than the policy.
    #[error(
        "withdrawal {0} was judged under another policy than the one in force: its verdict no longer counts"
    )]
    OtherPolicy(String),
    /// The time until it expires can't be added to the clock.
    #[error("{0} ms from now is beyond any clock")]
    Expiry(u64),
}

/// The effects that the document's own fields state, and the policy they were judged by.
///
/// # Errors
/// `Differs` if the daemon's proposed statement says anything else, `NothingToDecide` if there is none.
pub fn stated_effects(document: &Withdrawal) -> Result<(StatedEffects, PolicyHash), DecisionError> {
    let proposed = document
        .statement
        .as_ref()
        .ok_or_else(|| DecisionError::NothingToDecide {
            withdrawal: document.id.to_string(),
            state: document.state.to_string(),
        })?;
    match difference(document, proposed) {
        Some(field) => Err(DecisionError::Differs {
            withdrawal: document.id.to_string(),
            field,
        }),
        None => Ok((own_effects(document), proposed.policy)),
    }
}

/// States and signs a decision of `identity`, good for `valid_ms` milliseconds.
///
/// # Errors
/// As [`stated_effects`]; and `NotOperator` for a service's key.
pub fn sign_decision(
    document: &Withdrawal,
    decision: Decision,
    valid_ms: u64,
    identity: &Identity,
) -> Result<SignedDecision, ClientError> {
    let expires_at = unix_ms()?
        .checked_add(valid_ms)
        .ok_or(DecisionError::Expiry(valid_ms))?;
    let statement = state(
        document,
        decision,
        identity.principal(),
        Timestamp::from_ms(expires_at),
        hex::encode(random_bytes()?),
    )?;
    let signature = identity.key().sign_challenge(&statement.challenge())?;
    Ok(SignedDecision {
        statement,
        signature,
    })
}

fn state(
    document: &Withdrawal,
    decision: Decision,
    principal: &Principal,
    expires_at: Timestamp,
    nonce: String,
) -> Result<Statement, DecisionError> {
    let not_operator = || DecisionError::NotOperator(principal.clone());
    let Principal::Operator(name) = principal else {
        return Err(not_operator());
    };
    let operator: OperatorId = name.parse().map_err(|_| not_operator())?;
    let (effects, policy) = stated_effects(document)?;
    let judged_by = document.verdict.as_ref().map(|verdict| verdict.policy);
    // Who approves goes by the verdict shown. Rejecting or cancelling is right under any policy.
    if decision == Decision::Approve && judged_by.is_some_and(|judged_by| judged_by != policy) {
        return Err(DecisionError::OtherPolicy(document.id.to_string()));
    }
    Ok(Statement {
        domain: APPROVAL_DOMAIN.to_owned(),
        vault: document.vault.clone(),
        withdrawal: document.id,
        effects,
        decision,
        policy,
        expires_at,
        nonce,
        operator,
    })
}

fn own_effects(document: &Withdrawal) -> StatedEffects {
    let payout = document.payout.clone();
    StatedEffects {
        network: payout.network,
        wallet: document.wallet.clone(),
        destination: payout.destination,
        amount: payout.amount,
    }
}

/// The first part in which document and proposal differ.
fn difference(document: &Withdrawal, proposed: &ProposedStatement) -> Option<&'static str> {
    let own = own_effects(document);
    [
        (proposed.domain == APPROVAL_DOMAIN, "domain"),
        (proposed.vault == document.vault, "vault"),
        (proposed.withdrawal == document.id, "withdrawal id"),
        (proposed.effects.network == own.network, "network"),
        (proposed.effects.wallet == own.wallet, "wallet"),
        (
            proposed.effects.destination == own.destination,
            "destination",
        ),
        (proposed.effects.amount == own.amount, "amount"),
    ]
    .into_iter()
    .find_map(|(same, field)| (!same).then_some(field))
}
