//! What gauges say of a vault: read on the engine's task, so only what is cheap there, and written afterwards.

use std::collections::BTreeMap;

use custodyd_chain::{Asset, FeeQuote, Network};
use custodyd_policy::{LimitUsage, Measure, Timestamp, WalletId};
use custodyd_vault::{FreezeScope, Funds, ProposalState, Vault, Wallet};

use super::page::Page;
use crate::store::Backlog;

/// What `custodyd_freezes` counts apart.
const SCOPES: [&str; 5] = ["vault", "wallet", "asset", "client", "destination"];
/// Thousandths of a second in one.
const MS: f64 = 1_000.0;

/// A vault, as gauges show it.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    now: Timestamp,
    /// The largest share that any key uses of each limit, 1.0 for all of it.
    pub limits: BTreeMap<String, f64>,
    freezes: BTreeMap<&'static str, u64>,
    compromised: usize,
    proposals: BTreeMap<&'static str, u64>,
    oldest_proposal: Option<Timestamp>,
    fees: Vec<(Network, FeeQuote, Timestamp)>,
    prices: Vec<(Asset, Timestamp)>,
    wallets: Vec<WalletReading>,
}

#[derive(Debug, Clone)]
struct WalletReading {
    id: WalletId,
    asset: Asset,
    balance: String,
    available: String,
    nonces_ahead: Option<u64>,
}

impl Reading {
    /// Reads a vault.
    pub fn of(vault: &Vault, now: Timestamp) -> Self {
        let mut reading = Self {
            now,
            compromised: vault.compromised().len(),
            ..Self::default()
        };
        for usage in vault.limit_usage(now) {
            let share = reading.limits.entry(usage.limit.to_string()).or_default();
            *share = share.max(used_share(&usage));
        }
        for scope in vault.frozen().keys() {
            count(&mut reading.freezes, scope_word(scope));
        }
        for proposal in vault.open_proposals() {
            let delaying = matches!(proposal.state, ProposalState::Delaying { .. });
            let state = if delaying { "delaying" } else { "voting" };
            count(&mut reading.proposals, state);
            let oldest = reading.oldest_proposal.unwrap_or(proposal.created_at);
            reading.oldest_proposal = Some(oldest.min(proposal.created_at));
        }
        for wallet in vault.wallets().values() {
            reading.read_wallet(vault, wallet);
        }
        reading
    }

    fn read_wallet(&mut self, vault: &Vault, wallet: &Wallet) {
        let (network, asset) = (wallet.network, wallet.network.asset());
        if let Some((quote, at)) = vault.fee_quote(network)
            && !self.fees.iter().any(|(known, ..)| *known == network)
        {
            self.fees.push((network, *quote, at));
        }
        if let Some((.., at)) = vault.prices().of(asset)
            && !self.prices.iter().any(|(known, _)| *known == asset)
        {
            self.prices.push((asset, at));
        }
        let (balance, available) = vault.balances(wallet);
        self.wallets.push(WalletReading {
            id: wallet.id.clone(),
            asset,
            balance: balance.to_decimal(),
            available: available.to_decimal(),
            nonces_ahead: nonces_ahead(wallet),
        });
    }

    /// Writes it; amounts only if `balances`.
    pub fn write(&self, page: &mut Page, balances: bool) {
        for (limit, share) in &self.limits {
            page.gauge("custodyd_limit_use_ratio", &[("limit", limit)], share);
        }
        for scope in SCOPES {
            let many = self.freezes.get(scope).copied().unwrap_or_default();
            page.gauge("custodyd_freezes", &[("scope", scope)], many);
        }
        page.gauge("custodyd_keys_compromised", &[], self.compromised);
        for state in ["voting", "delaying"] {
            let many = self.proposals.get(state).copied().unwrap_or_default();
            page.gauge("custodyd_proposals_open", &[("state", state)], many);
        }
        let age = self.oldest_proposal.map_or(0.0, |at| self.age(at));
        page.gauge("custodyd_proposals_oldest_seconds", &[], age);
        self.write_markets(page);
        for wallet in &self.wallets {
            if let Some(ahead) = wallet.nonces_ahead {
                let labels = [("wallet", wallet.id.as_str())];
                page.gauge("custodyd_wallet_nonces_ahead", &labels, ahead);
            }
        }
        if !balances {
            return;
        }
        type Column = fn(&WalletReading) -> &String;
        let columns: [(&str, Column); 2] = [
            ("custodyd_wallet_balance", |wallet| &wallet.balance),
            ("custodyd_wallet_available", |wallet| &wallet.available),
        ];
        for (metric, value) in columns {
            for wallet in &self.wallets {
                let asset = wallet.asset.to_string();
                let labels = [("wallet", wallet.id.as_str()), ("asset", asset.as_str())];
                page.gauge(metric, &labels, value(wallet));
            }
        }
    }

    fn write_markets(&self, page: &mut Page) {
        for (network, quote, _) in &self.fees {
            let network = network.to_string();
            let parts: &[(&str, u128)] = match quote {
                FeeQuote::Bitcoin { sat_per_kvb } => &[("rate", u128::from(*sat_per_kvb))],
                FeeQuote::Evm {
                    base_fee_per_gas,
                    priority_fee_per_gas,
                } => &[
                    ("base_fee", *base_fee_per_gas),
                    ("tip", *priority_fee_per_gas),
                ],
            };
            for (part, value) in parts {
                let labels = [("network", network.as_str()), ("part", *part)];
                page.gauge("custodyd_fee_rate", &labels, value);
            }
        }
        for (network, _, at) in &self.fees {
            let labels = [("network", network.to_string())];
            let labels = labels
                .each_ref()
                .map(|(name, value)| (*name, value.as_str()));
            page.gauge("custodyd_fee_quote_age_seconds", &labels, self.age(*at));
        }
        for (asset, at) in &self.prices {
            let labels = [("asset", asset.ticker())];
            page.gauge("custodyd_price_age_seconds", &labels, self.age(*at));
        }
    }

    fn age(&self, at: Timestamp) -> f64 {
        self.now.saturating_ms_since(at) as f64 / MS
    }
}

/// Writes what the tables say of requests and withdrawals that wait.
pub fn write_backlog(page: &mut Page, backlog: &Backlog, now: Timestamp) {
    let age = |at_ms: Option<u64>| {
        let at = at_ms.map(Timestamp::from_ms);
        at.map_or(0.0, |at| now.saturating_ms_since(at) as f64 / MS)
    };
    page.gauge("custodyd_inbox_requests", &[], backlog.inbox);
    let oldest = age(backlog.inbox_oldest_ms);
    page.gauge("custodyd_inbox_oldest_seconds", &[], oldest);
    for open in &backlog.withdrawals {
        let labels = [("state", open.state)];
        page.gauge("custodyd_withdrawals_open", &labels, open.many);
    }
    for open in &backlog.withdrawals {
        let labels = [("state", open.state)];
        let oldest = age(open.oldest_ms);
        page.gauge("custodyd_withdrawals_oldest_seconds", &labels, oldest);
    }
}

/// How much of a limit one key uses, 1.0 for all of it.
pub fn used_share(usage: &LimitUsage) -> f64 {
    let units = |measure: &Measure| match measure {
        Measure::Count(count) => *count as f64,
        // Base units of a U256 as digits: a float keeps the 17 that matter here.
        Measure::Amount(amount) => amount.units().to_string().parse().unwrap_or(f64::MAX),
        Measure::Fiat(fiat) => fiat.cents as f64,
    };
    let (used, max) = (units(&usage.used), units(&usage.max));
    if max > 0.0 { used / max } else { 1.0 }
}

/// Nonces that the chain counts and that this vault never used. Nothing for wallets of coins, before the first look, and for
/// a key from outside, which may have signed before it came here.
pub fn nonces_ahead(wallet: &Wallet) -> Option<u64> {
    let Funds::Account(account) = &wallet.funds else {
        return None;
    };
    let made_here = wallet.keys().first().is_some_and(|key| key.id.is_some());
    if account.balance.is_none() || !made_here {
        return None;
    }
    let ours = match account.reserved.last_key_value() {
        Some((last, _)) => last.saturating_add(1),
        None => 0,
    };
    Some(account.nonce.saturating_sub(ours))
}

/// What kind of thing is frozen.
pub fn scope_word(scope: &FreezeScope) -> &'static str {
    match scope {
        FreezeScope::Vault => "vault",
        FreezeScope::Wallet(_) => "wallet",
        FreezeScope::Asset(_) => "asset",
        FreezeScope::Client(_) => "client",
        FreezeScope::Destination(_) => "destination",
    }
}

fn count(counts: &mut BTreeMap<&'static str, u64>, word: &'static str) {
    let count = counts.entry(word).or_default();
    *count = count.saturating_add(1);
}
