//! Making the documents from the vault's state.

use custodyd_policy::{Initiator, Timestamp};
use custodyd_vault::{
    APPROVAL_DOMAIN, ExportId, ExportState, KeyId, Screened, TransactionId, TransactionState,
    Vault, WithdrawalState,
};

use super::{
    ApprovalView, ExportView, KeyView, StatementTemplate, TransactionView, VerdictView, WalletView,
    WithdrawalView,
};

fn ms(at: Timestamp) -> u64 {
    at.as_ms()
}

/// The document of a withdrawal.
pub fn withdrawal(vault: &Vault, id: &custodyd_policy::WithdrawalId) -> Option<WithdrawalView> {
    let withdrawal = vault.withdrawals().get(id)?;
    let request = &withdrawal.request;
    let tier = vault
        .wallets()
        .get(&withdrawal.wallet)
        .map(|w| w.tier.to_string())
        .unwrap_or_default();
    let state_detail = match &withdrawal.state {
        WithdrawalState::AwaitingApproval { expires_at } => {
            Some(format!("approvals are taken until {expires_at}"))
        }
        WithdrawalState::Holding { until } => {
            Some(format!("held until {until}; any operator may cancel"))
        }
        WithdrawalState::HoldingForLimit { until } => {
            Some(format!("a limit is used up; judged again at {until}"))
        }
        WithdrawalState::Approved { blocked } => blocked.clone(),
        WithdrawalState::Doubted { reason, until, .. } => {
            Some(format!("{reason}; looked at again at {until}"))
        }
        WithdrawalState::Screening { until } => {
            Some(format!("screened; denied without an answer by {until}"))
        }
        WithdrawalState::Denied => match &withdrawal.screened {
            Some(Screened::Refused { reason, .. }) => Some(reason.clone()),
            _ => None,
        },
        WithdrawalState::Failed(reason) => Some(reason.clone()),
        _ => None,
    };
    Some(WithdrawalView {
        id: id.to_string(),
        vault: vault.id().to_string(),
        wallet: withdrawal.wallet.to_string(),
        tier,
        asset: request.amount.asset().to_string(),
        amount: request.amount.to_decimal(),
        network: request.destination.network().to_string(),
        destination: request.destination.as_str().to_owned(),
        destination_class: withdrawal.class.to_string(),
        client: account(&request.initiator),
        reference: request.reference.clone(),
        state: vault.withdrawal_state_name(withdrawal).to_owned(),
        state_detail,
        requirements: withdrawal.requirements().to_vec(),
        approvals: withdrawal
            .votes
            .iter()
            .map(|(operator, vote)| ApprovalView {
                operator: operator.to_string(),
                decision: vote.decision,
                at: ms(vote.at),
            })
            .collect(),
        verdict: withdrawal.verdict.as_deref().map(VerdictView::from),
        transaction: withdrawal.transaction().map(ToString::to_string),
        created_at: ms(withdrawal.created_at),
        updated_at: ms(withdrawal.updated_at),
        statement: StatementTemplate {
            domain: APPROVAL_DOMAIN.to_owned(),
            vault: vault.id().to_string(),
            withdrawal: id.to_string(),
            effects: vault.stated_effects(withdrawal),
            // Not simply the one in force: that changes under withdrawals that nobody touches any more.
            policy: withdrawal
                .verdict
                .as_ref()
                .map_or_else(|| vault.policy().hash(), |verdict| verdict.policy)
                .to_string(),
        },
    })
}

/// The document of a transaction.
pub fn transaction(vault: &Vault, id: &TransactionId) -> Option<TransactionView> {
    let transaction = vault.transactions().get(id)?;
    let final_at = transaction.confirmations;
    let (height, confirmations) = match transaction.state {
        TransactionState::Included { height, .. } => (Some(height), 1),
        TransactionState::Final { height, .. } => (Some(height), final_at),
        _ => (None, 0),
    };
    Some(TransactionView {
        id: id.to_string(),
        txid: transaction.raw.as_ref().map(|raw| raw.txid().to_owned()),
        wallet: transaction.wallet.to_string(),
        network: transaction.plan.network().to_string(),
        state: transaction.state_name().to_owned(),
        withdrawals: transaction
            .withdrawals
            .iter()
            .map(ToString::to_string)
            .collect(),
        effects: transaction.plan.effects(),
        raw: transaction.raw.as_ref().map(|raw| hex::encode(raw.bytes())),
        height,
        confirmations,
        final_at,
        export: transaction.export.as_ref().map(ToString::to_string),
        signatures: transaction.signatures,
        created_at: ms(transaction.created_at),
        updated_at: ms(transaction.updated_at),
    })
}

/// Addresses in a wallet's document at most: it is written anew whenever the wallet changes.
const SHOWN_ADDRESSES: usize = 100;

/// The document of a wallet.
pub fn wallet(vault: &Vault, id: &custodyd_policy::WalletId) -> Option<WalletView> {
    let wallet = vault.wallets().get(id)?;
    let freeze = vault.wallet_freeze(wallet).map(|(_, freeze)| freeze);
    let state = match (freeze, wallet.is_active()) {
        (Some(_), _) => "frozen",
        (None, true) => "active",
        (None, false) => "provisioning",
    };
    let (balance, available) = vault.balances(wallet);
    Some(WalletView {
        id: id.to_string(),
        vault: vault.id().to_string(),
        tier: wallet.tier.to_string(),
        network: wallet.network.to_string(),
        asset: wallet.network.asset().to_string(),
        state: state.to_owned(),
        state_detail: freeze.map(|f| f.reason.clone()),
        balance: balance.to_decimal(),
        available: available.to_decimal(),
        addresses: wallet
            .addresses()
            .take(SHOWN_ADDRESSES)
            .map(|a| a.as_str().to_owned())
            .collect(),
        address_count: wallet.address_count(),
        confirmations: wallet.confirmations,
    })
}

/// The document of a key.
pub fn key(vault: &Vault, id: &KeyId) -> Option<KeyView> {
    let wallet = vault.wallets().get(vault.wallet_of_key(id)?)?;
    let slot = wallet.key(id)?;
    Some(KeyView {
        id: id.to_string(),
        wallet: wallet.id.to_string(),
        state: match slot.public_key {
            Some(public) if vault.compromised().contains_key(&public) => "compromised",
            Some(_) => "made",
            None => "requested",
        }
        .to_owned(),
        public_key: slot.public_key.map(|k| hex::encode(k.to_bytes())),
        address: slot.public_key.map(|k| {
            custodyd_chain::Address::from_public_key(wallet.network, &k)
                .as_str()
                .to_owned()
        }),
    })
}

/// The document of an export.
pub fn export(vault: &Vault, id: &ExportId) -> Option<ExportView> {
    let export = vault.exports().get(id)?;
    let state = match export.state {
        ExportState::Requested => "requested",
        ExportState::Built => "built",
        ExportState::Imported => "imported",
    };
    Some(ExportView {
        id: id.to_string(),
        state: state.to_owned(),
        transactions: export
            .transactions
            .iter()
            .map(ToString::to_string)
            .collect(),
        manifest_sha256: export.manifest_sha256.clone(),
        created_at: ms(export.created_at),
    })
}

/// Who asked, as documents and rows have it: a client by its id, an operator as `operator/` and theirs.
fn account(initiator: &Initiator) -> String {
    match initiator {
        Initiator::Client(id) => id.to_string(),
        Initiator::Operator(_) => initiator.to_string(),
    }
}
