//! The cold tier: transactions leave planned and come back signed, exactly those.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::RawTransaction;
use custodyd_policy::{Timestamp, WalletId, WithdrawalId};

use crate::{
    Event, Evidence, ExportId, ExportState, Rejection, TransactionId, TransactionState, Vault,
    Withdrawal, decide::plan::Draft, effect::FEE_QUOTE_MAX_AGE_MS,
};

impl Vault {
    pub(super) fn decide_export(
        &self,
        id: &ExportId,
        wallet: Option<&WalletId>,
        only: &BTreeSet<WithdrawalId>,
        by: &str,
        evidence: &Evidence,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        if self.exports.contains_key(id) {
            return Err(Rejection::Taken(id.to_string()));
        }
        let waiting = self.export_candidates(wallet, only)?;
        let mut drafts: BTreeMap<&WalletId, Draft> = BTreeMap::new();
        let mut events = Vec::new();
        let mut obstacles = Vec::new();
        let mut transactions = Vec::new();
        for withdrawal in waiting {
            let paying = self
                .wallets
                .get(&withdrawal.wallet)
                .ok_or_else(|| Rejection::UnknownWallet(withdrawal.wallet.clone()))?;
            let fresh = self
                .quote_age(paying.network, now)
                .is_some_and(|age| age <= FEE_QUOTE_MAX_AGE_MS);
            let Some((quote, _)) = self.fees.get(&paying.network).filter(|_| fresh) else {
                obstacles.push(format!("no fresh fee quote for {}", paying.network));
                continue;
            };
            let draft = drafts.entry(&paying.id).or_default();
            match self.plan_event(paying, withdrawal, quote, Some(id), draft, now) {
                Event::PlanningBlocked { id, reason, .. } => {
                    obstacles.push(format!("{id}: {reason}"))
                }
                event => {
                    transactions.push(TransactionId::of_attempt(&withdrawal.id, 0));
                    events.push(event);
                }
            }
        }
        if transactions.is_empty() {
            let why = if obstacles.is_empty() {
                String::new()
            } else {
                format!(": {}", obstacles.join("; "))
            };
            return Err(Rejection::NothingToExport(why));
        }
        let (export, by) = (id.clone(), by.to_owned());
        events.push(Event::ColdExportRequested {
            export,
            transactions,
            by,
            evidence: evidence.clone(),
        });
        Ok(events)
    }

    fn export_candidates(
        &self,
        wallet: Option<&WalletId>,
        only: &BTreeSet<WithdrawalId>,
    ) -> Result<Vec<&Withdrawal>, Rejection> {
        let waiting: BTreeMap<&WithdrawalId, &Withdrawal> =
            self.awaiting_export().map(|w| (&w.id, w)).collect();
        for id in only {
            let withdrawal = self.known_withdrawal(id)?;
            if !waiting.contains_key(id) {
                return Err(Rejection::NotNow(
                    self.withdrawal_state_name(withdrawal),
                    "exported",
                ));
            }
        }
        if let Some(id) = wallet {
            self.wallets
                .get(id)
                .ok_or_else(|| Rejection::UnknownWallet(id.clone()))?;
        }
        let mut chosen: Vec<_> = waiting
            .into_values()
            .filter(|w| {
                wallet.is_none_or(|id| w.wallet == *id) && (only.is_empty() || only.contains(&w.id))
            })
            .collect();
        if let Some(scope) = chosen.iter().find_map(|w| self.freeze_of(&w.wallet)) {
            return Err(Rejection::Frozen(scope));
        }
        // What is frozen alone doesn't hold up the rest, unless it was asked for by name.
        let alone = |w: &&Withdrawal| self.withdrawal_freeze(w).map(|(scope, _)| scope);
        if let Some(scope) = chosen.iter().find_map(alone).filter(|_| !only.is_empty()) {
            return Err(Rejection::Frozen(self.name_of(scope)));
        }
        chosen.retain(|w| alone(w).is_none());
        chosen.sort_by_key(|w| w.seq);
        Ok(chosen)
    }

    pub(super) fn decide_built(
        &self,
        id: &ExportId,
        manifest_sha256: &str,
    ) -> Result<Vec<Event>, Rejection> {
        let export = self
            .exports
            .get(id)
            .ok_or_else(|| Rejection::UnknownExport(id.clone()))?;
        if export.state != ExportState::Requested {
            return Ok(Vec::new());
        }
        Ok(vec![Event::ColdExportBuilt {
            export: id.clone(),
            manifest_sha256: manifest_sha256.to_owned(),
        }])
    }

    pub(super) fn decide_import(
        &self,
        id: &ExportId,
        signed: &[(TransactionId, RawTransaction)],
        by: &str,
        evidence: &Evidence,
    ) -> Result<Vec<Event>, Rejection> {
        let export = self
            .exports
            .get(id)
            .ok_or_else(|| Rejection::UnknownExport(id.clone()))?;
        match export.state {
            ExportState::Built => {}
            ExportState::Imported => return Err(Rejection::ImportedAlready(id.clone())),
            ExportState::Requested => {
                return Err(Rejection::ImportDiffers("it has not left yet".to_owned()));
            }
        }
        let brought: BTreeMap<_, _> = signed.iter().map(|(id, raw)| (id, raw)).collect();
        if brought.len() != signed.len() {
            return Err(Rejection::ImportDiffers(
                "a transaction came twice".to_owned(),
            ));
        }
        if let Some(extra) = brought.keys().find(|id| !export.transactions.contains(id)) {
            return Err(Rejection::ImportDiffers(format!(
                "{extra} was not exported"
            )));
        }
        let mut events = Vec::new();
        for transaction in &export.transactions {
            let raw = brought.get(transaction).ok_or_else(|| {
                Rejection::ImportDiffers(format!("{transaction} did not come back"))
            })?;
            let entry = self.known_transaction(transaction)?;
            if entry.state != TransactionState::Planned {
                return Err(Rejection::TransactionState(
                    transaction.clone(),
                    entry.state_name(),
                    "a signature",
                ));
            }
            if let Some(key) = self.compromised_signer(&entry.plan) {
                return Err(Rejection::KeyCompromised(key));
            }
            // Verified on its way here; once more, since nobody else looks before it is broadcast.
            let raw = entry
                .plan
                .accept(raw.bytes())
                .map_err(|e| Rejection::ImportDiffers(format!("{transaction}: {e}")))?;
            let transaction = transaction.clone();
            events.push(Event::TransactionSigned {
                transaction,
                raw,
                signatures: 0,
            });
        }
        events.push(Event::ColdImported {
            export: id.clone(),
            by: by.to_owned(),
            evidence: evidence.clone(),
        });
        Ok(events)
    }
}
