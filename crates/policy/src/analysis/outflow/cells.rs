//! What colluding people can have paid: the regions of external requests that they can approve among themselves, and
//! the windows that each counts towards and that they can't get around.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use custodyd_chain::{Asset, U256};

use crate::analysis::axes::{GOAL, INITIATOR, SOURCE, VALUE, Value};
use crate::analysis::claim::Bound;
use crate::analysis::model::{Model, Role, Standing, TooManyRegions};
use crate::analysis::outflow::coalition::Coalition;
use crate::analysis::region::Region;
use crate::analysis::space::Space;
use crate::facts::{Initiator, Tier};
use crate::ids::{OperatorId, WalletId};
use crate::limit::{Breach, Dimension};
use crate::policy::Policy;
use crate::requirement::{Joined, Requirement};

/// A region of external requests that are allowed, and what that takes.
#[derive(Debug, Clone)]
pub(super) struct Payable {
    pub(super) region: Region,
    pub(super) requirements: Vec<Requirement>,
    pub(super) hold_ms: u64,
    pub(super) limits: Vec<usize>,
}

/// One window of a limit that keeps its sums apart: the limit's number, and what of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Window {
    pub(super) limit: usize,
    pub(super) key: Key,
}

/// What a limit counts apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Vault,
    Wallet(WalletId),
    Tier(Tier),
    Asset(Asset),
    Initiator(Initiator),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault => f.write_str("the vault"),
            Self::Wallet(id) => write!(f, "wallet {id}"),
            Self::Tier(tier) => write!(f, "tier {tier}"),
            Self::Asset(asset) => write!(f, "asset {asset}"),
            Self::Initiator(initiator) => initiator.fmt(f),
        }
    }
}

/// Requests that colluding people can have paid, from one wallet, asked for by one of them.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) region: Region,
    pub(super) initiator: Initiator,
    pub(super) approvers: BTreeSet<OperatorId>,
    pub(super) asset: Asset,
    /// The least and the most that one request may be of, in units.
    pub(super) least: U256,
    pub(super) most: U256,
    /// The most that one request may be worth, in hundredths, where no price says; `None` if nothing says.
    pub(super) cents: Option<u128>,
    pub(super) windows: BTreeSet<Window>,
    /// How long before it leaves a request may have been admitted, and how long it is at least.
    pub(super) longest_wait_ms: u64,
    pub(super) shortest_wait_ms: u64,
}

/// Every region of external requests that is allowed at all.
///
/// # Errors
/// There are too many regions.
pub(super) fn payable(
    policy: &Policy,
    space: &Space,
    asset: Option<Asset>,
) -> Result<Vec<Payable>, TooManyRegions> {
    let model = Model::new(policy, space)
        .with_empty_windows(space)
        .with_counts(space);
    let external = space.goals(|goal| goal.is_external());
    let sources = space.sources(|source| asset.is_none_or(|asset| asset == source.network.asset()));
    let everything = space.all();
    let start = everything
        .within(GOAL, &external)
        .and_then(|region| region.within(SOURCE, &sources));
    let mut found = Vec::new();
    let Some(start) = start else {
        return Ok(found);
    };
    model.walk(&start, &|_| true, &mut |leaf| {
        if let Standing::Allowed {
            requirements,
            hold_ms,
        } = leaf.standing
        {
            let limits = leaf.holds.iter().filter_map(|role| match role {
                Role::Count(number) => Some(*number),
                _ => None,
            });
            found.push(Payable {
                region: leaf.region.clone(),
                requirements,
                hold_ms,
                limits: limits.collect(),
            });
        }
        true
    })?;
    Ok(found)
}

/// What these people can have paid of it.
pub(super) fn cells(
    policy: &Policy,
    space: &Space,
    payable: &[Payable],
    coalition: &Coalition,
    bound: Bound,
) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut able: BTreeMap<(Vec<Requirement>, Initiator), bool> = BTreeMap::new();
    for one in payable {
        for (initiator, atom) in &coalition.initiators {
            let Some(region) = one.region.within(INITIATOR, atom) else {
                continue;
            };
            let approvers = coalition.approvers(initiator);
            let mut can = |requirements: Vec<Requirement>| {
                let known = able.entry((requirements, initiator.clone()));
                let (requirements, _) = known.key().clone();
                *known.or_insert_with(|| policy.satisfied(&requirements, &approvers).is_ok())
            };
            if !can(one.requirements.clone()) {
                continue;
            }
            for region in by_source(space, &region) {
                let mut windows = BTreeSet::new();
                for number in &one.limits {
                    let Some(limit) = policy.0.limits.get(*number) else {
                        continue;
                    };
                    if let Breach::Quorum(more) = &limit.on_breach {
                        let mut joined = Joined::default();
                        one.requirements.iter().for_each(|one| joined.add(one));
                        more.iter().for_each(|one| joined.add(one));
                        if can(joined.into_list()) {
                            continue;
                        }
                    }
                    let key = key(space, limit.per, &region, initiator);
                    windows.extend(key.map(|key| Window {
                        limit: *number,
                        key,
                    }));
                }
                cells.extend(cell(
                    policy, space, one, region, initiator, windows, &approvers, bound,
                ));
            }
        }
    }
    cells
}

/// A region's parts by what pays; without a world, by tier and chain only.
fn by_source(space: &Space, region: &Region) -> Vec<Region> {
    let mut parts = Vec::new();
    let mut seen = BTreeSet::new();
    for source in space.sources_of(region) {
        if seen.insert(source) {
            let atoms = space.sources(|other| other == source);
            parts.extend(region.within(SOURCE, &atoms));
        }
    }
    parts
}

/// What a limit counts a request towards; nothing, if the attacker can always find another.
fn key(space: &Space, per: Dimension, region: &Region, initiator: &Initiator) -> Option<Key> {
    let source = space.source(region)?;
    match per {
        Dimension::Vault => Some(Key::Vault),
        Dimension::Wallet if space.world.wallets.is_empty() => None,
        Dimension::Wallet => Some(Key::Wallet(source.wallet.clone())),
        Dimension::Tier => Some(Key::Tier(source.tier)),
        Dimension::Asset => Some(Key::Asset(source.network.asset())),
        Dimension::Client => Some(Key::Initiator(initiator.clone())),
        Dimension::Destination => None,
    }
}

#[allow(clippy::too_many_arguments)]
fn cell(
    policy: &Policy,
    space: &Space,
    of: &Payable,
    region: Region,
    initiator: &Initiator,
    windows: BTreeSet<Window>,
    approvers: &BTreeSet<OperatorId>,
    bound: Bound,
) -> Option<Cell> {
    let asset = space.source(&region)?.network.asset();
    let spans: Vec<_> = space.amounts_in(&region, asset).collect();
    let values = region.on(VALUE).iter();
    let values = values.filter_map(|atom| space.axes.values.get(atom));
    let cents = values.map(|value| match value {
        Value::Cents(of, _, most) if Some(*of) == bound.currency() => Some(*most),
        Value::Cents(..) | Value::Unknown => None,
    });
    let approval_ms = if of.requirements.is_empty() {
        0
    } else {
        policy.approval_ttl_ms()
    };
    Some(Cell {
        asset,
        least: spans.first()?.least,
        most: spans.last()?.most,
        cents: cents
            .collect::<Option<Vec<u128>>>()
            .and_then(|cents| cents.into_iter().max()),
        region,
        initiator: initiator.clone(),
        approvers: if of.requirements.is_empty() {
            BTreeSet::new()
        } else {
            approvers.clone()
        },
        windows,
        longest_wait_ms: approval_ms.saturating_add(of.hold_ms),
        shortest_wait_ms: of.hold_ms,
    })
}
