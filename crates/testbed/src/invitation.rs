//! Invitations to the console: operators of the house propose and approve them, as its policy asks.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use custodyd_client::{Client, ClientError, NewProposal, Proposal, sign_governance};
use custodyd_policy::Timestamp;
use custodyd_vault::{Change, GovernanceDecision};
use ed25519_dalek::SigningKey;
use serde_json::Value;

use crate::{House, TestbedError, scratch};

/// How long an invitation is good.
const LIFE: Duration = Duration::from_secs(3_600);
/// How long a vote is good, milliseconds.
const VOTE_MS: u64 = 600_000;
/// Longest wait for a proposal whose delay is seconds.
const ENACTED_WITHIN: Duration = Duration::from_secs(60);
/// Who approves, in this order, as long as approvals are missing.
const APPROVERS: [&str; 3] = ["operator/alice", "operator/bob", "operator/carol"];

/// What somebody makes a passkey with, once. Whoever has it can.
#[derive(Clone)]
pub struct Invitation {
    operator: String,
    key: SigningKey,
}

impl Invitation {
    /// A new one for an operator.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn new(operator: &str) -> Result<Self, TestbedError> {
        Ok(Self {
            operator: operator.to_owned(),
            key: SigningKey::from_bytes(&scratch::random()?),
        })
    }

    /// Whose.
    #[must_use]
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// What a link holds after its `#`.
    #[must_use]
    pub fn secret(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key.as_bytes())
    }

    /// The change that makes it count.
    ///
    /// # Errors
    /// A name that no operator can have, or a clock before 1970.
    pub fn change(&self) -> Result<Change, TestbedError> {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_err(|e| fault(&e))?;
        let until = u64::try_from((now + LIFE).as_millis()).map_err(|e| fault(&e))?;
        Ok(Change::Invite {
            operator: self.operator.parse().map_err(|e| fault(&e))?,
            invitation: self.key.verifying_key().into(),
            until: Timestamp::from_ms(until),
        })
    }
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invitation")
            .field("operator", &self.operator)
            .finish_non_exhaustive()
    }
}

impl House {
    /// Where the console is, under the name that the vault knows it by.
    #[must_use]
    pub fn console(&self) -> String {
        self.daemon.url().replace("127.0.0.1", "localhost")
    }

    /// Invites these operators: Dave proposes it, and others approve until the policy is content and the delay is over.
    ///
    /// # Errors
    /// The daemon refuses, or the proposal isn't enacted within a minute.
    pub async fn invite(&self, operators: &[&str]) -> Result<Vec<Invitation>, TestbedError> {
        let invitations = operators.iter().map(|who| Invitation::new(who));
        let invitations = invitations.collect::<Result<Vec<_>, _>>()?;
        let changes = invitations.iter().map(Invitation::change);
        self.enact(changes.collect::<Result<_, _>>()?).await?;
        Ok(invitations)
    }

    /// Changes the vault: Dave proposes, others approve until the policy is content, and the delay passes. Gives the proposal's
    /// document.
    ///
    /// # Errors
    /// As [`House::invite`].
    pub async fn enact(&self, changes: Vec<Change>) -> Result<Value, TestbedError> {
        let dave = self.client_as("operator/dave")?;
        let body = NewProposal {
            vault: "main".to_owned(),
            changes,
            reason: "for the house".to_owned(),
        };
        let mut proposal: Value = answered(dave.post("/v1/proposals", &body).await)?;
        let id = proposal["id"].as_str().unwrap_or_default().to_owned();
        for approver in APPROVERS {
            if proposal["state"] != "voting" {
                break;
            }
            proposal = vote(&self.client_as(approver)?, &id).await?;
        }
        let path = format!("/v1/proposals/{id}");
        self.until("enact the proposal", ENACTED_WITHIN, async || {
            let now: Result<Value, _> = dave.get(&path).await;
            now.is_ok_and(|proposal| proposal["state"] == "enacted")
        })
        .await?;
        answered(dave.get(&path).await)
    }
}

async fn vote(client: &Client, id: &str) -> Result<Value, TestbedError> {
    let proposal: Proposal = answered(client.get(&format!("/v1/proposals/{id}")).await)?;
    let identity = client
        .identity()
        .ok_or_else(|| TestbedError::unexpected("client", "nobody speaks"))?;
    let signed = sign_governance(&proposal, GovernanceDecision::Approve, VOTE_MS, identity)
        .map_err(|e| fault(&e))?;
    answered(
        client
            .post(&format!("/v1/proposals/{id}/approvals"), &signed)
            .await,
    )
}

fn answered<T>(answer: Result<T, ClientError>) -> Result<T, TestbedError> {
    answer.map_err(|e| fault(&e))
}

fn fault(error: &dyn std::fmt::Display) -> TestbedError {
    TestbedError::unexpected("invitation", &error.to_string())
}
