//! What is outstanding, derived from the state: after a crash the same as before it.

use std::collections::BTreeSet;

use custodyd_chain::Network;
use custodyd_policy::{Tier, Timestamp, WithdrawalId};

use crate::{ExportId, ExportState, KeyId, TransactionId, TransactionState, Vault};

/// Fee quotes older than this are not planned with.
pub(crate) const FEE_QUOTE_MAX_AGE_MS: u64 = 120_000;
/// Fee quotes older than this are renewed while something waits for one.
const FEE_QUOTE_RENEW_MS: u64 = 30_000;

/// Something to be done outside of the vault. Its result comes back as a command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Have the HSM make a key (or find that it did).
    MakeKey(KeyId),
    /// Ask a node what a transaction costs.
    QuoteFee(Network),
    /// Have the HSM sign a plan.
    Sign(TransactionId),
    /// Send the stored bytes.
    Broadcast(TransactionId),
    /// Ask a node what became of it.
    Watch(TransactionId),
    /// Build the bundle of an export.
    BuildExport(ExportId),
    /// Ask somebody else whether anything speaks against a payout.
    Screen(WithdrawalId),
}

impl Vault {
    /// Everything outstanding.
    pub fn pending_effects(&self, now: Timestamp) -> Vec<Effect> {
        let mut effects: Vec<Effect> = self
            .keys_to_make
            .iter()
            .cloned()
            .map(Effect::MakeKey)
            .collect();
        effects.extend(self.quotes_wanted(now));
        effects.extend(self.open.iter().filter_map(|id| self.effect_of(id)));
        effects.extend(self.screening.iter().copied().map(Effect::Screen));
        effects.extend(
            self.exports_to_build
                .iter()
                .filter_map(|id| self.export_effect(id)),
        );
        effects
    }

    /// What is outstanding of one payout before anything is planned for it.
    pub fn withdrawal_effect(&self, id: &WithdrawalId) -> Option<Effect> {
        let screened = self.screening.contains(id);
        screened.then_some(Effect::Screen(*id))
    }

    /// What is outstanding of one transaction.
    pub fn effect_of(&self, id: &TransactionId) -> Option<Effect> {
        let transaction = self.transactions.get(id)?;
        let stopped = self.is_stopped(transaction);
        match transaction.state {
            TransactionState::Planned if transaction.export.is_none() && self.may_sign(id) => {
                Some(Effect::Sign(id.clone()))
            }
            TransactionState::Planned => None,
            TransactionState::Signed if stopped => None,
            TransactionState::Signed => Some(Effect::Broadcast(id.clone())),
            // The rival's block can be reorganised away too, and then this one may still be paid.
            TransactionState::Broadcast
            | TransactionState::Included { .. }
            | TransactionState::Conflicted => Some(Effect::Watch(id.clone())),
            TransactionState::Final { .. } => None,
        }
    }

    /// What is outstanding of one export. While a wallet of it is frozen nothing of it leaves to be signed.
    pub fn export_effect(&self, id: &ExportId) -> Option<Effect> {
        let export = self.exports.get(id)?;
        let may_leave = export.state == ExportState::Requested
            && export.transactions.iter().all(|id| self.may_sign(id));
        may_leave.then(|| Effect::BuildExport(id.clone()))
    }

    /// Networks on which something waits to be planned and the quote is missing or growing old.
    pub fn quotes_wanted(&self, now: Timestamp) -> Vec<Effect> {
        let doubted: BTreeSet<_> = self.doubted_due(now).map(|w| &w.wallet).collect();
        let mut wanted: Vec<Effect> = self
            .wallets
            .values()
            .filter(|w| {
                w.tier == Tier::Cold
                    || !w.ready.is_empty()
                    || !w.blocked.is_empty()
                    || doubted.contains(&w.id)
            })
            .filter(|w| {
                self.quote_age(w.network, now)
                    .is_none_or(|age| age > FEE_QUOTE_RENEW_MS)
            })
            .map(|w| Effect::QuoteFee(w.network))
            .collect();
        wanted.sort();
        wanted.dedup();
        wanted
    }

    pub(crate) fn quote_age(&self, network: Network, now: Timestamp) -> Option<u64> {
        self.fees
            .get(&network)
            .map(|(_, at)| now.saturating_ms_since(*at))
    }
}
