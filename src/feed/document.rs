//! What is told of a subject: what an outsider who may hear of it may know, and no more. Field names are stable; a field that has no
//! value is left out.

use custodyd_policy::{Initiator, Outcome, Timestamp, WithdrawalId};
use custodyd_vault::{
    ExportId, FreezeScope, KeyId, ProposalId, Recorded, TransactionState, Vault, WithdrawalState,
};
use serde::Serialize;

use super::notice::{About, Notice};
use crate::{json, store::FeedRow, view};

/// A row of the feed as it is sent: the body of a webhook, the data of a stream's event.
pub fn envelope(vault: &str, row: &FeedRow) -> String {
    // Vault and type are names of ours, without anything to escape.
    format!(
        r#"{{"type":"{}","timestamp":"{}","vault":"{vault}","seq":{},"data":{}}}"#,
        row.kind,
        Timestamp::from_ms(row.at_ms),
        row.seq,
        row.document
    )
}

#[derive(Serialize)]
struct WithdrawalNews<'a> {
    id: String,
    state: &'static str,
    client: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    reference: &'a str,
    wallet: &'a str,
    asset: String,
    amount: String,
    network: String,
    destination: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
}

#[derive(Serialize)]
struct ProposalNews<'a> {
    id: String,
    state: &'static str,
    proposer: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
}

#[derive(Serialize)]
struct FreezeNews<'a> {
    scope: &'a FreezeScope,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
}

#[derive(Serialize)]
struct ExportNews {
    id: String,
    state: String,
    transactions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest_sha256: Option<String>,
}

#[derive(Serialize)]
struct KeyNews {
    id: String,
    wallet: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

#[derive(Serialize)]
struct OperatorNews<'a> {
    id: &'a str,
}

/// Bytes of an ordinary document.
const ROOM: usize = 384;

/// The row that tells of a notice.
pub(super) fn row(
    vault: &Vault,
    recorded: &Recorded,
    seq: u64,
    notice: &Notice,
) -> Result<FeedRow, serde_json::Error> {
    let by = notice.by.as_ref().map(|operator| operator.as_str());
    let document = match &notice.about {
        About::Withdrawal(id) => json::text(&withdrawal(vault, id, by), ROOM),
        About::Proposal(id) => json::text(&proposal(vault, id, by), ROOM),
        About::Freeze(scope) => json::text(&freeze(vault, scope, by), ROOM),
        About::Export(id) => json::text(&export(vault, id), ROOM),
        About::Key(id) => json::text(&key(vault, id), ROOM),
        About::Operator(id) => json::text(&OperatorNews { id: id.as_str() }, ROOM),
    }?;
    let withdrawal = match &notice.about {
        About::Withdrawal(id) => Some(id),
        _ => None,
    };
    let client = withdrawal
        .and_then(|id| vault.withdrawals().get(id))
        .and_then(|withdrawal| withdrawal.request.initiator.client());
    Ok(FeedRow {
        seq,
        journal_seq: recorded.seq,
        at_ms: recorded.at.as_ms(),
        kind: notice.kind.to_owned(),
        subject: subject(&notice.about),
        withdrawal: withdrawal.map(ToString::to_string),
        client: client.map(ToString::to_string),
        document,
    })
}

fn subject(about: &About) -> String {
    match about {
        About::Withdrawal(id) => id.to_string(),
        About::Proposal(id) => id.to_string(),
        About::Export(id) => id.to_string(),
        About::Key(id) => id.to_string(),
        About::Operator(id) => format!("operator {id}"),
        About::Freeze(FreezeScope::Vault) => "freeze of the vault".to_owned(),
        About::Freeze(FreezeScope::Wallet(id)) => format!("freeze of wallet {id}"),
        About::Freeze(FreezeScope::Asset(asset)) => format!("freeze of asset {asset}"),
        About::Freeze(FreezeScope::Client(id)) => format!("freeze of client {id}"),
        About::Freeze(FreezeScope::Destination(address)) => {
            format!("freeze of destination {}", address.as_str())
        }
    }
}

fn withdrawal<'a>(
    vault: &'a Vault,
    id: &WithdrawalId,
    operator: Option<&'a str>,
) -> Option<WithdrawalNews<'a>> {
    let withdrawal = vault.withdrawals().get(id)?;
    let request = &withdrawal.request;
    let transaction = withdrawal
        .transaction()
        .and_then(|id| vault.transactions().get(id));
    let height = transaction.and_then(|transaction| match transaction.state {
        TransactionState::Included { height, .. } | TransactionState::Final { height, .. } => {
            Some(height)
        }
        _ => None,
    });
    let verdict = withdrawal.verdict.as_ref();
    let reasons = match (&withdrawal.state, verdict.map(|v| &v.outcome)) {
        (WithdrawalState::Failed(_), _) => vec!["failed-on-chain"],
        (WithdrawalState::Denied, Some(Outcome::Deny)) => verdict
            .map(|verdict| verdict.reasons.iter().map(|r| r.code()).collect())
            .unwrap_or_default(),
        (WithdrawalState::Denied, _) => vec!["screening"],
        _ => Vec::new(),
    };
    Some(WithdrawalNews {
        id: id.to_string(),
        state: vault.withdrawal_state_name(withdrawal),
        client: match &request.initiator {
            Initiator::Client(id) => id.to_string(),
            operator => operator.to_string(),
        },
        reference: &request.reference,
        wallet: withdrawal.wallet.as_str(),
        asset: request.amount.asset().to_string(),
        amount: request.amount.to_decimal(),
        network: request.destination.network().to_string(),
        destination: request.destination.as_str(),
        transaction: withdrawal.transaction().map(ToString::to_string),
        txid: transaction.and_then(|t| t.raw.as_ref().map(|raw| raw.txid())),
        height,
        reasons,
        until: withdrawal.due().map(|at| at.as_ms()),
        operator,
    })
}

fn proposal<'a>(
    vault: &'a Vault,
    id: &ProposalId,
    operator: Option<&'a str>,
) -> Option<ProposalNews<'a>> {
    let proposal = vault.proposals().get(id)?;
    Some(ProposalNews {
        id: id.to_string(),
        state: proposal.state_name(),
        proposer: proposal.by.as_str(),
        reason: &proposal.reason,
        operator,
    })
}

/// A lifted freeze has no reason any more.
fn freeze<'a>(
    vault: &'a Vault,
    scope: &'a FreezeScope,
    operator: Option<&'a str>,
) -> FreezeNews<'a> {
    FreezeNews {
        scope,
        reason: vault.frozen().get(scope).map(|f| f.reason.as_str()),
        operator,
    }
}

fn export(vault: &Vault, id: &ExportId) -> Option<ExportNews> {
    let view = view::export(vault, id)?;
    Some(ExportNews {
        id: view.id,
        state: view.state,
        transactions: view.transactions,
        manifest_sha256: view.manifest_sha256,
    })
}

fn key(vault: &Vault, id: &KeyId) -> Option<KeyNews> {
    let view = view::key(vault, id)?;
    Some(KeyNews {
        id: view.id,
        wallet: view.wallet,
        address: view.address,
    })
}
