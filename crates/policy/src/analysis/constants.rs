//! The constants that conditions name, collected, and the axes that they cut.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Asset, BitcoinNetwork, EvmChainId, Family, Network, U256};

use crate::analysis::axes::{Axes, Goal, Source, Value, intervals};
use crate::analysis::prices;
use crate::analysis::time;
use crate::analysis::world::World;
use crate::condition::When;
use crate::facts::{Call, Flag, Initiator, Tier};
use crate::fiat::Currency;
use crate::hours::Hours;
use crate::ids::{ClientId, OperatorId, Tag, WalletId};
use crate::reason::Measure;

/// What is named anywhere.
#[derive(Default)]
pub(super) struct Constants {
    wallets: BTreeSet<WalletId>,
    networks: BTreeSet<Network>,
    calls: BTreeSet<Call>,
    initiators: BTreeSet<Initiator>,
    flags: BTreeSet<Flag>,
    tags: BTreeSet<Tag>,
    /// Units at which an interval of amounts, or of fees, ends.
    amounts: BTreeMap<Asset, BTreeSet<U256>>,
    fees: BTreeMap<Asset, BTreeSet<U256>>,
    values: BTreeMap<Currency, BTreeSet<u128>>,
    pub(super) hours: Vec<Hours>,
}

impl Constants {
    pub(super) fn when(&mut self, when: &When) {
        self.wallets.extend(when.wallet.iter().flatten().cloned());
        self.networks.extend(when.chain.iter().flatten().copied());
        self.calls.extend(when.call.iter().flatten().copied());
        self.flags.extend(when.flag.iter().flatten().copied());
        self.tags.extend(when.tag.iter().flatten().cloned());
        self.initiators
            .extend(when.initiator.iter().flatten().cloned());
        let clients = when.client.iter().flatten().cloned();
        self.initiators.extend(clients.map(Initiator::Client));
        if let Some(range) = &when.amount {
            let cuts = self.amounts.entry(range.asset).or_default();
            cuts.extend(range.above.iter().chain(&range.at_most));
        }
        if let Some(range) = &when.fee {
            let cuts = self.fees.entry(range.asset).or_default();
            cuts.extend(range.above.iter().chain(&range.at_most));
        }
        if let Some(range) = &when.fiat {
            let cuts = self.values.entry(range.currency).or_default();
            cuts.extend(range.above.iter().chain(&range.at_most));
        }
        if let Some(hours) = &when.hours
            && !self.hours.contains(hours)
        {
            self.hours.push(hours.clone());
        }
    }

    /// A single withdrawal above a limit's maximum is another than one below it.
    pub(super) fn maximum(&mut self, max: Measure) {
        match max {
            Measure::Amount(max) => {
                let cuts = self.amounts.entry(max.asset()).or_default();
                cuts.insert(max.units());
            }
            Measure::Fiat(max) => {
                let cuts = self.values.entry(max.currency).or_default();
                cuts.insert(max.cents);
            }
            Measure::Count(_) => {}
        }
    }

    pub(super) fn axes(&mut self, world: &World) -> Axes {
        // Where a price is assumed, a value is an amount.
        if let Some((currency, known)) = &world.prices
            && let Some(cuts) = self.values.get(currency)
        {
            for (asset, price) in known {
                let units = cuts
                    .iter()
                    .filter_map(|cents| prices::units(*price, *asset, *cents));
                self.amounts.entry(*asset).or_default().extend(units);
            }
        }
        let none = BTreeSet::new();
        let cut = |from: U256, cuts: &BTreeMap<Asset, BTreeSet<U256>>| {
            let of = |asset: Asset| intervals(from, asset.cap(), cuts.get(&asset).unwrap_or(&none));
            Asset::ALL.into_iter().map(of).collect()
        };
        let known = self.flags.iter().filter(|flag| **flag != Flag::CoolingOff);
        let cools = self.flags.contains(&Flag::CoolingOff);
        let goals = Goal::all()
            .into_iter()
            .filter(|goal| cools || !goal.cooling);
        Axes {
            sources: self.sources(world),
            goals: goals.collect(),
            initiators: self.initiators(world),
            amounts: cut(U256::ONE, &self.amounts),
            fees: cut(U256::ZERO, &self.fees),
            values: self.value_atoms(),
            times: time::atoms(&self.hours),
            flags: known.copied().collect(),
            tags: self.tags.iter().cloned().collect(),
            any_wallet: world.wallets.is_empty().then(|| self.any_wallet()),
            any_initiators: [self.any_operator()]
                .into_iter()
                .chain(world.clients.is_empty().then(|| self.any_client()))
                .collect(),
        }
    }

    fn any_wallet(&self) -> WalletId {
        unused("wallet", |id| self.wallets.contains(id))
    }

    fn any_client(&self) -> Initiator {
        let in_use = |id: &ClientId| self.initiators.contains(&Initiator::Client(id.clone()));
        Initiator::Client(unused("client", in_use))
    }

    fn any_operator(&self) -> Initiator {
        let in_use = |id: &OperatorId| self.initiators.contains(&Initiator::Operator(id.clone()));
        Initiator::Operator(unused("operator", in_use))
    }

    fn sources(&self, world: &World) -> Vec<Source> {
        let mut places: Vec<(WalletId, Tier, Network)> = Vec::new();
        if world.wallets.is_empty() {
            let mut wallets: Vec<WalletId> = self.wallets.iter().cloned().collect();
            wallets.push(self.any_wallet());
            for tier in [Tier::Hot, Tier::Warm, Tier::Cold] {
                for network in self.networks() {
                    places.extend(wallets.iter().map(|wallet| (wallet.clone(), tier, network)));
                }
            }
        } else {
            let all = world.wallets.iter();
            places.extend(all.map(|wallet| (wallet.id.clone(), wallet.tier, wallet.network)));
        }
        let mut sources = Vec::new();
        for (wallet, tier, network) in places {
            for call in self.calls(network) {
                let wallet = wallet.clone();
                sources.push(Source {
                    wallet,
                    tier,
                    network,
                    call,
                });
            }
        }
        sources
    }

    /// The networks that are named, and of each asset one that is not.
    fn networks(&self) -> Vec<Network> {
        use BitcoinNetwork::{
            Bitcoin, BitcoinRegtest, BitcoinTestnet, Litecoin, LitecoinRegtest, LitecoinTestnet,
        };
        let bitcoin = [Bitcoin, BitcoinTestnet, BitcoinRegtest].map(Network::Bitcoin);
        let litecoin = [Litecoin, LitecoinTestnet, LitecoinRegtest].map(Network::Bitcoin);
        let chains = (1..=u64::MAX).filter_map(|id| EvmChainId::new(id).ok());
        let mut ethereum = chains.map(Network::Evm);
        let mut networks: Vec<Network> = self.networks.iter().copied().collect();
        let is_other = |network: &Network| !self.networks.contains(network);
        networks.extend(bitcoin.into_iter().find(is_other));
        networks.extend(litecoin.into_iter().find(is_other));
        networks.extend(ethereum.find(is_other));
        networks
    }

    /// The calls that are named, and one that is not, where there are calls at all.
    fn calls(&self, network: Network) -> Vec<Call> {
        if network.family() != Family::Evm {
            return vec![Call::Native];
        }
        let other = Call::ALL
            .into_iter()
            .find(|call| !self.calls.contains(call));
        self.calls.iter().copied().chain(other).collect()
    }

    fn initiators(&self, world: &World) -> Vec<Initiator> {
        let is_client = |initiator: &&Initiator| initiator.client().is_some();
        let mut initiators: Vec<Initiator> = if world.clients.is_empty() {
            let named = self.initiators.iter().filter(is_client).cloned();
            named.chain([self.any_client()]).collect()
        } else {
            world
                .clients
                .iter()
                .cloned()
                .map(Initiator::Client)
                .collect()
        };
        let operators = self.initiators.iter().filter(|one| !is_client(one));
        initiators.extend(operators.cloned());
        initiators.push(self.any_operator());
        initiators
    }

    fn value_atoms(&self) -> Vec<Value> {
        let mut atoms = vec![Value::Unknown];
        for (currency, cuts) in &self.values {
            let mut least = 0_u128;
            for cut in cuts.iter().filter(|cut| **cut < u128::MAX) {
                atoms.push(Value::Cents(*currency, least, *cut));
                least = cut.saturating_add(1);
            }
            atoms.push(Value::Cents(*currency, least, u128::MAX));
        }
        atoms
    }
}

/// An id of this kind that is not in use.
fn unused<T: std::str::FromStr>(kind: &str, in_use: impl Fn(&T) -> bool) -> T
where
    T::Err: std::fmt::Debug,
{
    let names = (0_u64..).map(|serial| match serial {
        0 => format!("any-{kind}"),
        serial => format!("any-{kind}-{serial}"),
    });
    let mut ids = names.map(|name| {
        name.parse::<T>()
            .expect("letters, digits and hyphens are an id")
    });
    ids.find(|id| !in_use(id))
        .expect("a policy names finitely many ids")
}
