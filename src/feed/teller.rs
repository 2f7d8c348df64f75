//! From events to rows of the feed. Invariant: what comes out depends on the journal alone, so a replay gives the same rows
//! under the same numbers, and the audit can hold the stored ones against it.

use std::collections::BTreeMap;

use custodyd_policy::WithdrawalId;
use custodyd_vault::{Event, FreezeScope, ProposalId, Recorded, Touch, Vault};

use super::{
    document,
    notice::{About, Notice, acts, proposal_kind, withdrawal_kind},
};
use crate::store::FeedRow;

/// What was told so far: as much of it as the next event's rows depend on.
#[derive(Debug, Default)]
pub struct Teller {
    last: u64,
    withdrawals: BTreeMap<WithdrawalId, &'static str>,
    proposals: BTreeMap<ProposalId, &'static str>,
}

impl Teller {
    /// The number of the last row; 0 before the first.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The rows that tell of an event, with the vault after it and what it touched. Only those numbered above `after` are
    /// written out; the others are counted, which is much cheaper.
    ///
    /// # Errors
    /// A document that can't be written: a fault of the program.
    pub fn follow(
        &mut self,
        vault: &Vault,
        recorded: &Recorded,
        touched: &[Touch],
        after: u64,
    ) -> Result<Vec<FeedRow>, serde_json::Error> {
        let mut rows = Vec::new();
        for notice in self.notices(vault, recorded, touched) {
            self.last = self.last.saturating_add(1);
            if self.last > after {
                rows.push(document::row(vault, recorded, self.last, &notice)?);
            }
        }
        Ok(rows)
    }

    fn notices(&mut self, vault: &Vault, recorded: &Recorded, touched: &[Touch]) -> Vec<Notice> {
        let event = &recorded.event;
        let mut notices: Vec<Notice> = acts(event).into_iter().collect();
        for touch in touched {
            let notice = match touch {
                Touch::Withdrawal(id) => self.withdrawal(vault, event, id),
                Touch::Proposal(id) => self.proposal(vault, id),
                Touch::Transaction(id) => match event {
                    // Somebody else spent what the vault's transaction spends: it froze the wallet by itself.
                    Event::TransactionConflicted { .. } => {
                        vault.transactions().get(id).map(|transaction| {
                            let scope = FreezeScope::Wallet(transaction.wallet.clone());
                            Notice::new("freeze.set", About::Freeze(scope))
                        })
                    }
                    _ => None,
                },
                _ => None,
            };
            notices.extend(notice);
        }
        notices
    }

    fn withdrawal(&mut self, vault: &Vault, event: &Event, id: &WithdrawalId) -> Option<Notice> {
        let withdrawal = vault.withdrawals().get(id)?;
        let state = vault.withdrawal_state_name(withdrawal);
        let before = self.withdrawals.insert(*id, state);
        let kind = withdrawal_kind(event, state);
        (before != Some(state)).then(|| Notice::new(kind, About::Withdrawal(*id)))
    }

    fn proposal(&mut self, vault: &Vault, id: &ProposalId) -> Option<Notice> {
        let state = vault.proposals().get(id)?.state_name();
        let before = self.proposals.insert(id.clone(), state);
        let kind = proposal_kind(state, before.is_some());
        (before != Some(state)).then(|| Notice::new(kind, About::Proposal(id.clone())))
    }
}
