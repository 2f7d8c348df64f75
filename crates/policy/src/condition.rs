//! When a rule or limit applies. All conditions that are given must hold; one that is not given holds always.

use std::collections::BTreeSet;

use custodyd_chain::{Address, Amount, Asset, Network, U256};

use crate::facts::{Call, DestinationClass, Facts, Flag, Initiator, Tier};
use crate::fiat::{Currency, Fiat};
use crate::hours::Hours;
use crate::ids::{ClientId, Tag, VaultId, WalletId};
use crate::instant::Timestamp;

/// What conditions look at: a withdrawal now being judged, or one from the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject<'a> {
    pub(crate) vault: &'a VaultId,
    pub(crate) wallet: &'a WalletId,
    pub(crate) tier: Tier,
    pub(crate) amount: Amount,
    pub(crate) fiat: Option<Fiat>,
    pub(crate) fee: Amount,
    pub(crate) destination: &'a Address,
    pub(crate) class: DestinationClass,
    pub(crate) destination_tier: Option<Tier>,
    pub(crate) tags: &'a BTreeSet<Tag>,
    pub(crate) flags: &'a BTreeSet<Flag>,
    pub(crate) call: Call,
    pub(crate) initiator: &'a Initiator,
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
            fiat: facts.fiat,
            fee: facts.fee,
            destination: &facts.destination,
            class: facts.class,
            destination_tier: facts.destination_tier,
            tags: &facts.tags,
            flags: &facts.flags,
            call: facts.call,
            initiator: &facts.initiator,
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
    pub(crate) chain: Option<BTreeSet<Network>>,
    /// Who asked, client or operator.
    pub(crate) initiator: Option<BTreeSet<Initiator>>,
    pub(crate) destination: Option<BTreeSet<DestinationClass>>,
    /// The tier of the wallet of ours that it goes to; never holds for anybody else's address.
    pub(crate) destination_tier: Option<BTreeSet<Tier>>,
    /// Holds if the address book gives the destination any of these.
    pub(crate) tag: Option<BTreeSet<Tag>>,
    /// Holds if any of these is raised.
    pub(crate) flag: Option<BTreeSet<Flag>>,
    pub(crate) call: Option<BTreeSet<Call>>,
    pub(crate) amount: Option<AmountRange>,
    /// What the amount is worth.
    pub(crate) fiat: Option<FiatRange>,
    /// What it may cost in fees.
    pub(crate) fee: Option<AmountRange>,
    pub(crate) hours: Option<Hours>,
}

/// Whether conditions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// All of them.
    Yes,
    /// One does not.
    No,
    /// It depends on what the amount is worth, and that is not known.
    Unpriced,
}

impl When {
    /// Whether every condition holds. Allocates nothing.
    pub(crate) fn matches(&self, subject: &Subject<'_>) -> Match {
        match &self.fiat {
            None if self.others_match(subject) => Match::Yes,
            Some(range) if self.others_match(subject) => match range.contains(subject.fiat) {
                Some(true) => Match::Yes,
                Some(false) => Match::No,
                None => Match::Unpriced,
            },
            _ => Match::No,
        }
    }

    /// Whether every condition but the one on the fiat value holds.
    fn others_match(&self, subject: &Subject<'_>) -> bool {
        holds(self.tier.as_ref(), &subject.tier)
            && holds(self.asset.as_ref(), &subject.amount.asset())
            && holds(self.destination.as_ref(), &subject.class)
            && holds(self.call.as_ref(), &subject.call)
            && self.destination_tier.as_ref().is_none_or(|tiers| {
                subject
                    .destination_tier
                    .is_some_and(|tier| tiers.contains(&tier))
            })
            && overlaps(self.flag.as_ref(), subject.flags)
            && overlaps(self.tag.as_ref(), subject.tags)
            && holds(self.chain.as_ref(), &subject.destination.network())
            && holds(self.initiator.as_ref(), subject.initiator)
            && self
                .amount
                .as_ref()
                .is_none_or(|range| range.contains(&subject.amount))
            && self
                .fee
                .as_ref()
                .is_none_or(|range| range.contains(&subject.fee))
            && holds(self.wallet.as_ref(), subject.wallet)
            && self.client.as_ref().is_none_or(|clients| {
                subject
                    .initiator
                    .client()
                    .is_some_and(|client| clients.contains(client))
            })
            && self
                .hours
                .as_ref()
                .is_none_or(|hours| hours.contains(subject.at))
    }
}

fn holds<T: Ord>(allowed: Option<&BTreeSet<T>>, value: &T) -> bool {
    allowed.is_none_or(|set| set.contains(value))
}

fn overlaps<T: Ord>(wanted: Option<&BTreeSet<T>>, values: &BTreeSet<T>) -> bool {
    wanted.is_none_or(|wanted| !wanted.is_disjoint(values))
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
    pub(crate) fn contains(&self, amount: &Amount) -> bool {
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

/// Values in one currency above a bound, up to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FiatRange {
    pub(crate) currency: Currency,
    /// In hundredths, not included.
    pub(crate) above: Option<u128>,
    /// In hundredths, included.
    pub(crate) at_most: Option<u128>,
    /// As written, for people.
    pub(crate) text: String,
}

impl FiatRange {
    /// Whether the value is inside; unknown without one in this currency.
    pub(crate) fn contains(&self, value: Option<Fiat>) -> Option<bool> {
        let cents = value.filter(|fiat| fiat.currency == self.currency)?.cents;
        let above = self.above.is_none_or(|above| cents > above);
        Some(above && self.at_most.is_none_or(|at_most| cents <= at_most))
    }
}

impl std::fmt::Display for FiatRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
