//! Asking for something.

use std::collections::BTreeSet;
use std::time::Duration;

use custodyd_policy::{WalletId, WithdrawalId};
use custodyd_vault::{Decision, FreezeScope, GovernanceDecision};
use serde::Serialize;
use serde_json::{Value, json};

use super::Retries;
use crate::client::Client;
use crate::decision::SignedDecision;
use crate::document::{ColdExport, Enrolment, Simulated, Wallet, WalletKey};
use crate::error::ClientError;
use crate::page::Page;
use crate::proposal::{NewProposal, Proposal, SignedGovernance};
use crate::withdrawal::{NewWithdrawal, Withdrawal};

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Which cold withdrawals to export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColdSelection {
    /// Those of this wallet.
    Wallet(WalletId),
    /// These; all that wait where there are none.
    Withdrawals(BTreeSet<WithdrawalId>),
}

/// Each fails as [`Client::post`] does.
#[allow(clippy::missing_errors_doc, reason = "said once, for all of them")]
impl Client {
    /// Asks for a payout under an idempotency key, and again where it is unknown whether it was taken: however often it is
    /// sent, it is paid once. A denial is an answer, too: look at the state.
    pub async fn withdraw(
        &self,
        idempotency_key: &str,
        asked: &NewWithdrawal,
        retries: Retries,
    ) -> Result<Withdrawal, ClientError> {
        let mut pause = Duration::from_millis(retries.pause_ms);
        for _ in 1..retries.attempts {
            match self.withdraw_once(idempotency_key, asked).await {
                Err(fault) if fault.is_unknown() => tokio::time::sleep(pause).await,
                settled => return settled,
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        self.withdraw_once(idempotency_key, asked).await
    }

    async fn withdraw_once(
        &self,
        idempotency_key: &str,
        asked: &NewWithdrawal,
    ) -> Result<Withdrawal, ClientError> {
        self.post_idempotent("/v1/withdrawals", idempotency_key, asked)
            .await
    }

    /// What policy would say to a payout; changes nothing.
    pub async fn simulate(&self, asked: &NewWithdrawal) -> Result<Simulated, ClientError> {
        self.post("/v1/withdrawals/simulate", asked).await
    }

    /// A client takes its own withdrawal back, as long as nothing is planned.
    pub async fn cancel(&self, id: &WithdrawalId) -> Result<Withdrawal, ClientError> {
        self.post_empty(&format!("/v1/withdrawals/{id}/cancellation"))
            .await
    }

    /// Brings an operator's signed decision.
    pub async fn decide(&self, signed: &SignedDecision) -> Result<Withdrawal, ClientError> {
        let id = &signed.statement.withdrawal;
        let verb = match signed.statement.decision {
            Decision::Approve => "approvals",
            Decision::Reject => "rejections",
            Decision::Cancel => "cancellation",
        };
        self.post(&format!("/v1/withdrawals/{id}/{verb}"), signed)
            .await
    }

    /// One more receiving address of a wallet; it is there once the HSM made its key.
    pub async fn add_address(&self, wallet: &WalletId) -> Result<WalletKey, ClientError> {
        self.post_empty(&format!("/v1/wallets/{wallet}/addresses"))
            .await
    }

    /// As many more as that, 1 to 1000.
    pub async fn add_addresses(
        &self,
        wallet: &WalletId,
        count: u32,
    ) -> Result<Vec<WalletKey>, ClientError> {
        let body = json!({ "count": count });
        let page: Page<WalletKey> = self
            .post(&format!("/v1/wallets/{wallet}/addresses"), &body)
            .await?;
        Ok(page.items)
    }

    /// Asks for a bundle of cold transactions.
    pub async fn export(&self, what: &ColdSelection) -> Result<ColdExport, ClientError> {
        self.post("/v1/cold/exports", what).await
    }

    /// Brings a bundle back, a tar, that the air-gapped signer signed.
    pub async fn import(&self, bundle: Vec<u8>) -> Result<ColdExport, ClientError> {
        self.post_bytes("/v1/cold/imports", "application/x-tar", bundle)
            .await
    }

    /// Stops what is named at once; gives all wallets.
    pub async fn freeze(
        &self,
        scope: &FreezeScope,
        reason: &str,
    ) -> Result<Vec<Wallet>, ClientError> {
        let body = frozen(scope, Some(reason));
        let page: Page<Wallet> = self.post("/v1/freeze", &body).await?;
        Ok(page.items)
    }

    /// Votes to let it go on; gives all wallets.
    pub async fn unfreeze(&self, scope: &FreezeScope) -> Result<Vec<Wallet>, ClientError> {
        let page: Page<Wallet> = self.post("/v1/unfreeze", &frozen(scope, None)).await?;
        Ok(page.items)
    }

    /// Proposes changes of the vault.
    pub async fn propose(&self, asked: &NewProposal) -> Result<Proposal, ClientError> {
        self.post("/v1/proposals", asked).await
    }

    /// Brings an operator's signed vote on a proposal.
    pub async fn vote(&self, signed: &SignedGovernance) -> Result<Proposal, ClientError> {
        let id = &signed.statement.proposal;
        let verb = match signed.statement.decision {
            GovernanceDecision::Approve => "approvals",
            GovernanceDecision::Veto => "vetoes",
        };
        self.post(&format!("/v1/proposals/{id}/{verb}"), signed)
            .await
    }

    /// Brings the credential that an invited operator will sign with; the identity is the invitation's.
    pub async fn enrol(&self, enrolment: &Enrolment) -> Result<Enrolment, ClientError> {
        self.post("/v1/enrolments", enrolment).await
    }
}

fn frozen(scope: &FreezeScope, reason: Option<&str>) -> Value {
    let mut body = match scope {
        FreezeScope::Vault => json!({}),
        FreezeScope::Wallet(wallet) => json!({ "wallet": wallet }),
        FreezeScope::Asset(asset) => json!({ "asset": asset }),
        FreezeScope::Client(client) => json!({ "client": client }),
        FreezeScope::Destination(address) => json!({ "destination": address }),
    };
    if let (Some(members), Some(reason)) = (body.as_object_mut(), reason) {
        members.insert("reason".to_owned(), reason.into());
    }
    body
}
