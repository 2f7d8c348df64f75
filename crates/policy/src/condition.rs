//! When a rule or limit applies. All conditions that are given must hold; one that is not given holds always.

use std::collections::BTreeSet;

use custodyd_chain::{Address, Amount, Asset, U256};

use crate::facts::{DestinationClass, Facts, Tier};
use crate::hours::Hours;
use crate::ids::{ClientId, VaultId, WalletId};
use crate::instant::Timestamp;
use crate::reason::Observation;

/// What conditions look at: a withdrawal now being judged, or one from the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject<'a> {
    pub(crate) vault: &'a VaultId,
    pub(crate) wallet: &'a WalletId,
    pub(crate) tier: Tier,
    pub(crate) amount: Amount,
    pub(crate) destination: &'a Address,
    pub(crate) class: DestinationClass,
    pub(crate) client: &'a ClientId,
    pub(crate) at: Timestamp,
}

impl<'a> Subject<'a> {
    /// The withdrawal as it stands at `at`.
    pub(crate) fn of(facts: &'a Facts, at: Timestamp) -> Self {
        Self {
            vault: &facts.vault,
            wallet: &facts.wallet,
            tier: facts.tier,
            amount: facts.amount,
            destination: &facts.destination,
            class: facts.class,
            client: &facts.client,
            at,
        }
    }
}

/// The conditions of a rule or limit; parsed, so that no list is empty and no range holds nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) tier: Option<BTreeSet<Tier>>,
    pub(crate) wallet: Option<BTreeSet<WalletId>>,
    pub(crate) asset: Option<BTreeSet<Asset>>,
    pub(crate) client: Option<BTreeSet<ClientId>>,
    pub(crate) destination: Option<BTreeSet<DestinationClass>>,
    pub(crate) amount: Option<AmountRange>,
    pub(crate) hours: Option<Hours>,
}

impl When {
    /// Whether every condition holds. Allocates nothing.
    pub(crate) fn matches(&self, subject: &Subject<'_>) -> bool {
        holds(self.tier.as_ref(), &subject.tier)
            && holds(self.asset.as_ref(), &subject.amount.asset())
            && holds(self.destination.as_ref(), &subject.class)
            && self
                .amount
                .as_ref()
                .is_none_or(|range| range.contains(&subject.amount))
            && holds(self.wallet.as_ref(), subject.wallet)
            && holds(self.client.as_ref(), subject.client)
            && self
                .hours
                .as_ref()
                .is_none_or(|hours| hours.contains(subject.at))
    }

    /// What the conditions saw in a subject that they match.
    pub(crate) fn observe(&self, subject: &Subject<'_>) -> Vec<Observation> {
        let mut seen = Vec::new();
        list(&mut seen, "tier", self.tier.as_ref(), &subject.tier);
        list(
            &mut seen,
            "asset",
            self.asset.as_ref(),
            &subject.amount.asset(),
        );
        list(
            &mut seen,
            "destination",
            self.destination.as_ref(),
            &subject.class,
        );
        if let Some(range) = &self.amount {
            seen.push(Observation {
                field: "amount".to_owned(),
                saw: subject.amount.to_string(),
                wanted: range.to_string(),
            });
        }
        list(&mut seen, "wallet", self.wallet.as_ref(), subject.wallet);
        list(&mut seen, "client", self.client.as_ref(), subject.client);
        if let Some(hours) = &self.hours {
            seen.push(Observation {
                field: "time".to_owned(),
                saw: hours.describe(subject.at),
                wanted: hours.to_string(),
            });
        }
        seen
    }
}

fn holds<T: Ord>(allowed: Option<&BTreeSet<T>>, value: &T) -> bool {
    allowed.is_none_or(|set| set.contains(value))
}

fn list<T: Ord + std::fmt::Display>(
    seen: &mut Vec<Observation>,
    field: &str,
    allowed: Option<&BTreeSet<T>>,
    value: &T,
) {
    /// A list of a hundred wallets is not repeated in every verdict.
    const SHOWN: usize = 3;
    let Some(allowed) = allowed else { return };
    let wanted = if allowed.len() == 1 {
        value.to_string()
    } else {
        let mut names: Vec<_> = allowed.iter().take(SHOWN).map(T::to_string).collect();
        if allowed.len() > SHOWN {
            names.push(format!("{} more", allowed.len().saturating_sub(SHOWN)));
        }
        format!("one of {}", names.join(", "))
    };
    seen.push(Observation {
        field: field.to_owned(),
        saw: value.to_string(),
        wanted,
    });
}

/// Amounts of one asset above a bound, up to another; an amount of another asset is outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AmountRange {
    pub(crate) asset: Asset,
    /// In base units, not included.
    pub(crate) above: Option<U256>,
    /// In base units, included.
    pub(crate) at_most: Option<U256>,
    /// As written, for people.
    pub(crate) text: String,
}

impl AmountRange {
    fn contains(&self, amount: &Amount) -> bool {
        amount.asset() == self.asset
            && self.above.is_none_or(|above| amount.units() > above)
            && self.at_most.is_none_or(|at_most| amount.units() <= at_most)
    }
}

impl std::fmt::Display for AmountRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
