//! Looking.

use custodyd_policy::{WalletId, WithdrawalId};
use custodyd_vault::{ExportId, ProposalId, TransactionId};
use serde::Deserialize;

use super::Filter;
use crate::chain::{Checkpoint, JournalRow};
use crate::client::Client;
use crate::document::{
    ColdExport, LimitUse, PolicyText, Readiness, Transaction, Wallet, WalletKey,
};
use crate::error::ClientError;
use crate::page::with_query;
use crate::pages::Pages;
use crate::proposal::Proposal;
use crate::withdrawal::Withdrawal;

#[derive(Deserialize)]
struct Rows {
    rows: Vec<JournalRow>,
}

#[derive(Deserialize)]
struct Limits {
    limits: Vec<LimitUse>,
}

/// Each fails as [`Client::get`] does.
#[allow(clippy::missing_errors_doc, reason = "said once, for all of them")]
impl Client {
    /// A withdrawal. A client sees its own, an operator all.
    pub async fn withdrawal(&self, id: &WithdrawalId) -> Result<Withdrawal, ClientError> {
        self.get(&format!("/v1/withdrawals/{id}")).await
    }

    /// Withdrawals, newest first.
    #[must_use]
    pub fn withdrawals(&self, filter: &Filter) -> Pages<'_, Withdrawal> {
        let parameters = vec![
            ("state", filter.state.map(|state| state.to_string())),
            ("client", filter.client.as_ref().map(ToString::to_string)),
        ];
        Pages::new(self, "/v1/withdrawals", parameters)
    }

    /// A transaction.
    pub async fn transaction(&self, id: &TransactionId) -> Result<Transaction, ClientError> {
        self.get(&format!("/v1/transactions/{id}")).await
    }

    /// All wallets, in order of name.
    #[must_use]
    pub fn wallets(&self) -> Pages<'_, Wallet> {
        Pages::new(self, "/v1/wallets", Vec::new())
    }

    /// A wallet.
    pub async fn wallet(&self, id: &WalletId) -> Result<Wallet, ClientError> {
        self.get(&format!("/v1/wallets/{id}")).await
    }

    /// A wallet's keys and their addresses.
    #[must_use]
    pub fn addresses(&self, wallet: &WalletId) -> Pages<'_, WalletKey> {
        Pages::new(self, &format!("/v1/wallets/{wallet}/addresses"), Vec::new())
    }

    /// A cold export. Operators only, as all that follows but policy and limits.
    pub async fn cold_export(&self, id: &ExportId) -> Result<ColdExport, ClientError> {
        self.get(&format!("/v1/cold/exports/{id}")).await
    }

    /// Its bundle, a tar; refused with 409 as long as it is not built.
    pub async fn bundle(&self, id: &ExportId) -> Result<Vec<u8>, ClientError> {
        self.get_bytes(&format!("/v1/cold/exports/{id}/bundle"))
            .await
    }

    /// A proposal.
    pub async fn proposal(&self, id: &ProposalId) -> Result<Proposal, ClientError> {
        self.get(&format!("/v1/proposals/{id}")).await
    }

    /// Proposals, newest first, in this state or in any.
    #[must_use]
    pub fn proposals(&self, state: Option<&str>) -> Pages<'_, Proposal> {
        let parameters = vec![("state", state.map(str::to_owned))];
        Pages::new(self, "/v1/proposals", parameters)
    }

    /// Rows of the journal after one, at most so many (1 to 200).
    pub async fn journal(&self, after: u64, limit: u64) -> Result<Vec<JournalRow>, ClientError> {
        let parameters = [
            ("after", Some(after.to_string())),
            ("limit", Some(limit.to_string())),
        ];
        let rows: Rows = self.get(&with_query("/v1/journal", &parameters)).await?;
        Ok(rows.rows)
    }

    /// The journal's last signed head.
    pub async fn checkpoint(&self) -> Result<Checkpoint, ClientError> {
        self.get("/v1/journal/checkpoint").await
    }

    /// The policy in force.
    pub async fn policy(&self) -> Result<PolicyText, ClientError> {
        self.get("/v1/policy").await
    }

    /// How much of each limit is used.
    pub async fn limits(&self) -> Result<Vec<LimitUse>, ClientError> {
        let limits: Limits = self.get("/v1/limits").await?;
        Ok(limits.limits)
    }

    /// Whether the daemon is ready; refused with 503 if it is not.
    pub async fn ready(&self) -> Result<Readiness, ClientError> {
        self.get("/readyz").await
    }
}
