//! What counts towards the limits: a withdrawal from its admission on. It is given back when it is refused for good, or
//! waits to be admitted anew; what was paid, or may have been, counts until it leaves the windows.

use std::sync::Arc;

use custodyd_policy::{Facts, MAX_DURATION_MS, Timestamp, WithdrawalId};

use super::ReplayFault;
use crate::{TransactionId, Vault};

impl Vault {
    /// Counts a withdrawal as admitted.
    pub(super) fn admit(
        &mut self,
        id: &WithdrawalId,
        facts: &Arc<Facts>,
    ) -> Result<(), ReplayFault> {
        let counted = self.limits.reserve(&self.policy, Arc::clone(facts));
        self.withdrawal_mut(id)?.admitted_at = Some(counted);
        Ok(())
    }

    /// Takes a withdrawal of which no transaction exists out of the limits.
    pub(super) fn give_back(&mut self, id: &WithdrawalId) -> Result<(), ReplayFault> {
        self.limits.release(id);
        self.withdrawal_mut(id)?.admitted_at = None;
        Ok(())
    }

    /// What a final transaction paid can't be given back any more. That goes for one that failed on its chain as well:
    /// the limits count what was let out of the vault's hands.
    pub(super) fn settle(&mut self, transaction: &TransactionId) -> Result<(), ReplayFault> {
        for withdrawal in self.transaction_mut(transaction)?.withdrawals.clone() {
            self.limits.settle(&withdrawal);
        }
        Ok(())
    }

    /// Counts everything that was admitted and not given back anew, for the limits of the policy that is in force now.
    pub(super) fn recount(&mut self) {
        let mut admitted: Vec<(Timestamp, u64, &Facts)> = self
            .withdrawals
            .values()
            .filter_map(|w| Some((w.admitted_at?, w.seq, w.facts.as_deref()?)))
            .collect();
        admitted.sort_unstable_by_key(|(at, seq, _)| (*at, *seq));
        let latest = admitted.last().map(|(at, _, _)| *at).unwrap_or_default();
        // No window of any policy reaches further back.
        let reachable = |at: &Timestamp| {
            at.checked_add_ms(MAX_DURATION_MS)
                .is_none_or(|end| end > latest)
        };
        let counted =
            admitted
                .into_iter()
                .filter(|(at, _, _)| reachable(at))
                .map(|(at, _, facts)| Facts {
                    at,
                    ..facts.clone()
                });
        self.limits.adopt(&self.policy, counted);
    }
}
