//! What exists beside a policy, where a claim says so: the wallets, the clients, and prices to reckon with.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Asset, Network};

use crate::facts::Tier;
use crate::fiat::{Currency, Price};
use crate::ids::{ClientId, WalletId};

/// A wallet that exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wallet {
    pub(crate) id: WalletId,
    pub(crate) tier: Tier,
    pub(crate) network: Network,
}

/// What is assumed to exist. Whatever is left out may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct World {
    /// All wallets of the vault; empty where nothing is assumed about them.
    pub(crate) wallets: Vec<Wallet>,
    /// All clients; empty where nothing is assumed about them.
    pub(crate) clients: BTreeSet<ClientId>,
    /// The currency and what a unit of each asset costs in it. An asset that is left out may cost anything.
    pub(crate) prices: Option<(Currency, BTreeMap<Asset, Price>)>,
}
