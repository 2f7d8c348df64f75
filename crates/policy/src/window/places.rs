//! The windows of every key: of each vault, wallet, client, destination and so on that something inside a window was
//! admitted for.

use std::collections::BTreeMap;
use std::fmt::Display;

use custodyd_chain::{Address, Asset, U256};

use crate::condition::Subject;
use crate::facts::{Initiator, Tier};
use crate::ids::{VaultId, WalletId};
use crate::instant::Timestamp;
use crate::limit::{Dimension, Limit};
use crate::window::series::Series;

/// Keys and their windows. When their number has doubled, those are dropped of which nothing is inside a window: there
/// are never more than 1,024, or than twice as many as were in use at the last sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    vaults: BTreeMap<VaultId, Windows>,
    wallets: BTreeMap<WalletId, Windows>,
    tiers: BTreeMap<Tier, Windows>,
    assets: BTreeMap<Asset, Windows>,
    initiators: BTreeMap<Initiator, Windows>,
    destinations: BTreeMap<Address, Windows>,
    sweep_at: usize,
}

/// The windows of one key, of each limit that counts it, in order of the limit's index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Windows(Vec<(usize, Series)>);

impl Windows {
    /// The window of the limit with this index, if anything was counted in it.
    pub(crate) fn of(&self, limit: usize) -> Option<&Series> {
        let position = self.0.binary_search_by_key(&limit, |(index, _)| *index);
        Some(&self.0.get(position.ok()?)?.1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(usize, Series)> {
        self.0.iter()
    }

    fn of_mut(&mut self, limit: usize, window_ms: u64) -> &mut Series {
        let position = match self.0.binary_search_by_key(&limit, |(index, _)| *index) {
            Ok(position) => position,
            Err(position) => {
                self.0.insert(position, (limit, Series::new(window_ms)));
                position
            }
        };
        let found = self.0.get_mut(position);
        &mut found.expect("it was found there, or put there").1
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        self.0.iter().all(|(_, series)| series.is_idle(now))
    }
}

impl Default for Places {
    fn default() -> Self {
        Self {
            vaults: BTreeMap::new(),
            wallets: BTreeMap::new(),
            tiers: BTreeMap::new(),
            assets: BTreeMap::new(),
            initiators: BTreeMap::new(),
            destinations: BTreeMap::new(),
            sweep_at: Self::FIRST_SWEEP,
        }
    }
}

impl Places {
    const FIRST_SWEEP: usize = 1_024;

    /// The windows that the subject counts towards in this dimension.
    pub(crate) fn get(&self, per: Dimension, subject: &Subject<'_>) -> Option<&Windows> {
        match per {
            Dimension::Vault => self.vaults.get(subject.vault),
            Dimension::Wallet => self.wallets.get(subject.wallet),
            Dimension::Tier => self.tiers.get(&subject.tier),
            Dimension::Asset => self.assets.get(&subject.amount.asset()),
            Dimension::Client => self.initiators.get(subject.initiator),
            Dimension::Destination => self.destinations.get(subject.destination),
        }
    }

    /// Counts the subject's `weight` at its `at` towards the limit with this index.
    pub(crate) fn count(
        &mut self,
        (index, limit): (usize, &Limit),
        subject: &Subject<'_>,
        weight: U256,
    ) {
        let windows = match limit.per {
            Dimension::Vault => of_key(&mut self.vaults, subject.vault),
            Dimension::Wallet => of_key(&mut self.wallets, subject.wallet),
            Dimension::Tier => of_key(&mut self.tiers, &subject.tier),
            Dimension::Asset => of_key(&mut self.assets, &subject.amount.asset()),
            Dimension::Client => of_key(&mut self.initiators, subject.initiator),
            Dimension::Destination => of_key(&mut self.destinations, subject.destination),
        };
        windows
            .of_mut(index, limit.window_ms)
            .push(subject.at, weight);
    }

    /// Takes back what [`count`](Self::count) counted.
    pub(crate) fn discount(
        &mut self,
        (index, limit): (usize, &Limit),
        subject: &Subject<'_>,
        weight: U256,
    ) {
        let windows = match limit.per {
            Dimension::Vault => self.vaults.get_mut(subject.vault),
            Dimension::Wallet => self.wallets.get_mut(subject.wallet),
            Dimension::Tier => self.tiers.get_mut(&subject.tier),
            Dimension::Asset => self.assets.get_mut(&subject.amount.asset()),
            Dimension::Client => self.initiators.get_mut(subject.initiator),
            Dimension::Destination => self.destinations.get_mut(subject.destination),
        };
        if let Some(windows) = windows {
            windows
                .of_mut(index, limit.window_ms)
                .remove(subject.at, weight);
        }
    }

    /// Each key with its windows; the key in words, such as `wallet hot-1`.
    pub(crate) fn each(&self, mut visit: impl FnMut(&dyn Display, &Windows)) {
        in_turn(&self.vaults, Dimension::Vault, &mut visit);
        in_turn(&self.wallets, Dimension::Wallet, &mut visit);
        in_turn(&self.tiers, Dimension::Tier, &mut visit);
        in_turn(&self.assets, Dimension::Asset, &mut visit);
        for (initiator, windows) in &self.initiators {
            match initiator {
                Initiator::Client(id) => visit(&format_args!("client {id}"), windows),
                Initiator::Operator(id) => visit(&format_args!("operator {id}"), windows),
            }
        }
        in_turn(&self.destinations, Dimension::Destination, &mut visit);
    }

    /// Drops keys of which nothing is inside a window at `now`, when there are many keys. Each key is looked at once
    /// for each time the number of keys doubled, so counting stays cheap.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        if self.len() < self.sweep_at {
            return;
        }
        self.vaults.retain(|_, windows| !windows.is_idle(now));
        self.wallets.retain(|_, windows| !windows.is_idle(now));
        self.tiers.retain(|_, windows| !windows.is_idle(now));
        self.assets.retain(|_, windows| !windows.is_idle(now));
        self.initiators.retain(|_, windows| !windows.is_idle(now));
        self.destinations.retain(|_, windows| !windows.is_idle(now));
        self.sweep_at = Self::FIRST_SWEEP.max(self.len().saturating_mul(2));
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        [
            self.vaults.len(),
            self.wallets.len(),
            self.tiers.len(),
            self.assets.len(),
            self.initiators.len(),
            self.destinations.len(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    /// The number of buckets of each window of each key.
    #[cfg(test)]
    pub(crate) fn bucket_counts(&self) -> Vec<usize> {
        let mut counts = Vec::new();
        self.each(|_, windows| counts.extend(windows.iter().map(|(_, s)| s.bucket_count())));
        counts
    }
}

/// The key's windows, new ones if it has none.
fn of_key<'a, K: Ord + Clone>(keys: &'a mut BTreeMap<K, Windows>, key: &K) -> &'a mut Windows {
    if !keys.contains_key(key) {
        keys.insert(key.clone(), Windows::default());
    }
    keys.get_mut(key).expect("it was there, or was put there")
}

fn in_turn<K: Display>(
    keys: &BTreeMap<K, Windows>,
    per: Dimension,
    visit: &mut impl FnMut(&dyn Display, &Windows),
) {
    for (key, windows) in keys {
        visit(&format_args!("{per} {key}"), windows);
    }
}
