//! What alerts see of a vault: read on the engine's task between two batches, from the state alone, so that it is seen again
//! after a restart.

use std::collections::BTreeMap;

use custodyd_policy::Timestamp;
use custodyd_vault::{FreezeScope, Vault};

use super::{Kind, detect::Condition};
use crate::telemetry::reading::{nonces_ahead, used_share};

/// What holds of a vault.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VaultSight {
    /// The largest share that any key uses of each limit, 1.0 for all of it.
    pub shares: BTreeMap<String, f64>,
    /// What else holds.
    pub conditions: Vec<Condition>,
    /// Assets without a price that is fresh enough for the policy; none, where it doesn't ask for prices.
    pub stale_prices: Vec<String>,
}

impl VaultSight {
    /// Looks at a vault.
    pub fn of(vault: &Vault, now: Timestamp) -> Self {
        let mut sight = Self::default();
        for usage in vault.limit_usage(now) {
            let share = sight.shares.entry(usage.limit.to_string()).or_default();
            *share = share.max(used_share(&usage));
        }
        sight.see_freezes(vault);
        for (key, compromise) in vault.compromised() {
            // Until a quorum knows of it and lifts the freeze; the key never signs again whatever they do.
            if vault.is_frozen(&compromise.wallet) {
                sight.see(
                    Kind::KeyCompromised,
                    key.to_string(),
                    format!(
                        "key {key} of wallet {} used one nonce for two signatures; the second was thrown away",
                        compromise.wallet
                    ),
                );
            }
        }
        for (id, wallet) in vault.wallets() {
            if let Some(ahead @ 1..) = nonces_ahead(wallet) {
                sight.see(
                    Kind::Reconciliation,
                    format!("{id} nonce"),
                    format!(
                        "wallet {id}: the chain counts {ahead} transactions that this vault did not make; somebody else signs \
                         with its key"
                    ),
                );
            }
        }
        sight.see_prices(vault, now);
        sight
    }

    fn see_freezes(&mut self, vault: &Vault) {
        let mut destinations = 0_usize;
        for (scope, freeze) in vault.frozen() {
            let (kind, subject) = match scope {
                // Nobody freezes the vault but operators and an accepted restore.
                FreezeScope::Vault if freeze.by.is_none() => (Kind::RestoreAccepted, String::new()),
                FreezeScope::Vault => (Kind::Frozen, "vault".to_owned()),
                FreezeScope::Wallet(wallet) => (Kind::Frozen, format!("wallet {wallet}")),
                FreezeScope::Asset(asset) => (Kind::Frozen, format!("asset {asset}")),
                FreezeScope::Client(client) => (Kind::Frozen, format!("client {client}")),
                FreezeScope::Destination(_) => {
                    destinations = destinations.saturating_add(1);
                    continue;
                }
            };
            let by = match &freeze.by {
                Some(operator) => format!("operator {operator}"),
                None => "the vault itself".to_owned(),
            };
            let what = format!("frozen by {by}: {}", freeze.reason);
            self.see(kind, subject, what);
        }
        if destinations > 0 {
            let what = format!("{destinations} destinations are frozen");
            self.see(Kind::Frozen, "destinations".to_owned(), what);
        }
    }

    fn see_prices(&mut self, vault: &Vault, now: Timestamp) {
        let Some(terms) = vault.policy().fiat() else {
            return;
        };
        let assets = vault.wallets().values().map(|w| w.network.asset());
        for asset in assets.collect::<std::collections::BTreeSet<_>>() {
            let fresh = vault.prices().of(asset).is_some_and(|(_, currency, at)| {
                currency == terms.currency && now.saturating_ms_since(at) <= terms.price_max_age_ms
            });
            if !fresh {
                self.stale_prices.push(asset.to_string());
            }
        }
    }

    fn see(&mut self, kind: Kind, subject: String, what: String) {
        self.conditions.push(Condition {
            kind,
            subject,
            what,
        });
    }
}
