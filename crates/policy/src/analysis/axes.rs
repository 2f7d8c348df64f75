//! The axes of the space of requests, and what one atom on each of them stands for.

use std::collections::BTreeSet;

use custodyd_chain::{Asset, Network, U256};

use crate::analysis::time::TimeAtom;
use crate::facts::{Call, DestinationClass, Flag, Initiator, Tier};
use crate::fiat::Currency;
use crate::ids::{Tag, WalletId};

/// What pays: wallet, tier, chain and call depend on each other, so they are one axis.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    pub(crate) wallet: WalletId,
    pub(crate) tier: Tier,
    pub(crate) network: Network,
    pub(crate) call: Call,
}

/// What is paid to, as far as the class says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Goal {
    pub(crate) class: DestinationClass,
    /// Of an own destination.
    pub(crate) tier: Option<Tier>,
    /// In the address book, and new all the same.
    pub(crate) cooling: bool,
}

impl Goal {
    /// Whether what is paid there leaves the vault.
    pub(crate) fn is_external(self) -> bool {
        matches!(self.class, DestinationClass::Known | DestinationClass::New)
    }

    /// The goals there are. A destination that cools off is new, and only own ones have a tier.
    pub(crate) fn all() -> Vec<Self> {
        let plain = |class| Self {
            class,
            tier: None,
            cooling: false,
        };
        let own = |tier| Self {
            tier: Some(tier),
            ..plain(DestinationClass::Own)
        };
        vec![
            plain(DestinationClass::New),
            Self {
                cooling: true,
                ..plain(DestinationClass::New)
            },
            plain(DestinationClass::Known),
            own(Tier::Hot),
            own(Tier::Warm),
            own(Tier::Cold),
            plain(DestinationClass::Blocked),
        ]
    }
}

/// Base units of an asset, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span256 {
    pub(crate) least: U256,
    pub(crate) most: U256,
}

/// A fiat value, both ends included, in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// No price is known, or a stale one.
    Unknown,
    /// So much of a currency.
    Cents(Currency, u128, u128),
}

/// What each axis is cut into. Every list has an atom.
#[derive(Debug, Clone)]
pub(crate) struct Axes {
    pub(crate) sources: Vec<Source>,
    pub(crate) goals: Vec<Goal>,
    pub(crate) initiators: Vec<Initiator>,
    /// For each asset, in the order of [`Asset::ALL`].
    pub(crate) amounts: Vec<Vec<Span256>>,
    pub(crate) fees: Vec<Vec<Span256>>,
    pub(crate) values: Vec<Value>,
    pub(crate) times: Vec<TimeAtom>,
    /// Each is raised (atom 1) or not (atom 0), and so is each tag.
    pub(crate) flags: Vec<Flag>,
    pub(crate) tags: Vec<Tag>,
    /// The wallet that stands for all that are not named; nothing, where the world names all.
    pub(crate) any_wallet: Option<WalletId>,
    /// The initiators that stand for all that are not named.
    pub(crate) any_initiators: BTreeSet<Initiator>,
}

pub(crate) const SOURCE: usize = 0;
pub(crate) const GOAL: usize = 1;
pub(crate) const INITIATOR: usize = 2;
pub(crate) const VALUE: usize = 3;
pub(crate) const TIME: usize = 4;
const AMOUNTS: usize = 5;
const FEES: usize = 8;
const FLAGS: usize = 11;

/// The number of an asset in [`Asset::ALL`].
fn position(asset: Asset) -> usize {
    match asset {
        Asset::Btc => 0,
        Asset::Ltc => 1,
        Asset::Eth => 2,
    }
}

pub(crate) fn amount_axis(asset: Asset) -> usize {
    AMOUNTS.saturating_add(position(asset))
}

pub(crate) fn fee_axis(asset: Asset) -> usize {
    FEES.saturating_add(position(asset))
}

impl Axes {
    pub(crate) fn flag_axis(&self, flag: Flag) -> Option<usize> {
        let number = self.flags.iter().position(|known| *known == flag)?;
        FLAGS.checked_add(number)
    }

    pub(crate) fn tag_axis(&self, tag: &Tag) -> Option<usize> {
        let number = self.tags.iter().position(|known| known == tag)?;
        FLAGS.checked_add(self.flags.len())?.checked_add(number)
    }

    pub(crate) fn amounts_of(&self, asset: Asset) -> &[Span256] {
        self.amounts.get(position(asset)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn fees_of(&self, asset: Asset) -> &[Span256] {
        self.fees.get(position(asset)).map_or(&[], Vec::as_slice)
    }

    /// How many atoms each axis has, in the order of their numbers.
    pub(crate) fn lengths(&self) -> Vec<usize> {
        let mut lengths = vec![
            self.sources.len(),
            self.goals.len(),
            self.initiators.len(),
            self.values.len(),
            self.times.len(),
        ];
        lengths.extend(self.amounts.iter().map(Vec::len));
        lengths.extend(self.fees.iter().map(Vec::len));
        lengths.extend(self.flags.iter().map(|_| 2));
        lengths.extend(self.tags.iter().map(|_| 2));
        lengths
    }
}

/// Intervals that begin at `first`, end at `last`, and are cut after each of these.
pub(crate) fn intervals(first: U256, last: U256, cuts: &BTreeSet<U256>) -> Vec<Span256> {
    let mut spans = Vec::new();
    let mut least = first;
    for cut in cuts.iter().filter(|cut| (first..last).contains(*cut)) {
        spans.push(Span256 { least, most: *cut });
        least = cut.saturating_add(U256::ONE);
    }
    spans.push(Span256 { least, most: last });
    spans
}
