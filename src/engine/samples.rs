//! What wallets hold and what was paid in all, over time: from the journal's events to rows of `samples`.
//!
//! A series gets a row for the ten minutes in which one of its events happened, with the value at their end as far as the
//! journal goes. So a commit overwrites the row that the commit before it wrote, and a replay finds the same rows.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Amount, Asset};
use custodyd_policy::{DestinationClass, WalletId};
use custodyd_vault::{Event, Recorded, TransactionId, TransactionState, Vault};

use crate::store::{Projection, SAMPLE_MS, samples_since};

/// Something whose value is drawn over time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Series {
    /// What a wallet holds on the chain.
    Wallet(WalletId),
    /// All of an asset that was paid to others than the vault itself and is final.
    Outflow(Asset),
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wallet(id) => write!(f, "wallet/{id}"),
            Self::Outflow(asset) => write!(f, "outflow/{asset}"),
        }
    }
}

/// Keeps the totals, and what has moved since the last row was made.
#[derive(Debug, Default)]
pub(super) struct Samples {
    paid: BTreeMap<Asset, Amount>,
    moved: BTreeSet<Series>,
    began_ms: u64,
}

impl Samples {
    /// Takes an event in; `before` is the vault before it. Gives the rows of the ten minutes that ended with the event
    /// before, if this one is of later ones.
    pub(super) fn see(&mut self, before: &Vault, recorded: &Recorded) -> Vec<Projection> {
        let began_ms = bucket(recorded.at.as_ms());
        let ended = if began_ms == self.began_ms {
            Vec::new()
        } else {
            self.take(before)
        };
        self.began_ms = began_ms;
        match &recorded.event {
            Event::CoinsObserved { wallet, .. } | Event::AccountObserved { wallet, .. } => {
                self.moved.insert(Series::Wallet(wallet.clone()));
            }
            Event::TransactionFinal { transaction, .. } => self.paid(before, transaction),
            _ => {}
        }
        ended
    }

    /// The rows of what has moved, with the values that it has now.
    pub(super) fn take(&mut self, vault: &Vault) -> Vec<Projection> {
        let moved = std::mem::take(&mut self.moved);
        let rows = moved.into_iter().filter_map(|series| {
            let amount = match &series {
                Series::Wallet(id) => vault.balances(vault.wallets().get(id)?).0,
                Series::Outflow(asset) => *self.paid.get(asset)?,
            };
            Some(Projection::Sample {
                series: series.to_string(),
                at_ms: self.began_ms,
                units: amount.units().to_string(),
            })
        });
        rows.collect()
    }

    fn paid(&mut self, before: &Vault, id: &TransactionId) {
        let Some(transaction) = before.transactions().get(id) else {
            return;
        };
        if !matches!(
            transaction.state,
            TransactionState::Included {
                succeeded: true,
                ..
            }
        ) {
            return;
        }
        let payouts = transaction.withdrawals.iter();
        for withdrawal in payouts.filter_map(|id| before.withdrawals().get(id)) {
            if withdrawal.class == DestinationClass::Own {
                continue;
            }
            let amount = withdrawal.request.amount;
            let asset = amount.asset();
            let total = self.paid.entry(asset).or_insert(Amount::zero(asset));
            // More than can exist has been paid in all: the total then stands still.
            *total = total.checked_add(&amount).unwrap_or(*total);
            self.moved.insert(Series::Outflow(asset));
        }
    }
}

fn bucket(at_ms: u64) -> u64 {
    at_ms.saturating_sub(at_ms.checked_rem(SAMPLE_MS).unwrap_or_default())
}

/// The rows of a whole journal, as a walk over it finds them.
#[derive(Debug, Default)]
pub(super) struct SampleWalk {
    samples: Samples,
    rows: Vec<Projection>,
}

impl SampleWalk {
    /// Takes the next event in; the first one has no vault before it.
    pub(super) fn see(&mut self, before: Option<&Vault>, recorded: &Recorded) {
        if let Some(before) = before {
            self.rows.extend(self.samples.see(before, recorded));
        }
    }

    /// The rows that count, the journal ending with this vault and a head of `now_ms`; and the totals to go on from.
    pub(super) fn ended(mut self, vault: &Vault, now_ms: u64) -> (Vec<Projection>, Samples) {
        self.rows.extend(self.samples.take(vault));
        let since = samples_since(now_ms);
        self.rows
            .retain(|row| !matches!(row, Projection::Sample { at_ms, .. } if *at_ms < since));
        (self.rows, self.samples)
    }
}
