//! The treasury: what each tier holds against what it should hold, how that went over time, what moves between own wallets, how
//! full the limits are, and whether nodes and tokens work.

mod flows;
mod health;

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    response::Response,
    routing::get,
};
use custodyd_chain::{Amount, Asset};
use custodyd_policy::{LimitUsage, Measure, OperatorId, Tier, TierTarget, Timestamp};
use custodyd_vault::Vault;

pub(super) use flows::{Move, Span};
pub(super) use health::{Part, Standing, Token};

use super::{Fault, Frame, Section, page};
use crate::{
    condition::Condition,
    console::{
        Viewer,
        plot::{Gauge, Plot, TierBar},
        words::{Figure, Moment, lasting},
    },
    http::AppState,
    store::Store,
    view::WalletView,
};

/// Wallets that are looked at.
const MOST_WALLETS: usize = 1_000;
/// Limits that are shown: those that are fullest.
const MOST_GAUGES: usize = 24;
const TIERS: [Tier; 3] = [Tier::Hot, Tier::Warm, Tier::Cold];

/// The treasury, under `/console`.
pub(super) fn router() -> Router<AppState> {
    type Asked = Query<BTreeMap<String, String>>;
    Router::new().route(
        "/treasury",
        get(
            |State(state): State<AppState>, viewer: Viewer, Query(query): Asked| async move {
                show(&state, &viewer.operator, &query).await
            },
        ),
    )
}

#[derive(Template)]
#[template(path = "treasury.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) span: &'static Span,
    pub(super) holdings: Vec<Holding>,
    pub(super) moves: Vec<Move>,
    pub(super) gauges: Vec<Gauge>,
    pub(super) more_gauges: usize,
    pub(super) parts: Vec<Part>,
    pub(super) tokens: Vec<Token>,
}

impl Page {
    fn spans(&self) -> &'static [Span] {
        &flows::SPANS
    }
}

/// All that the vault holds of one asset.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) asset: String,
    pub(super) total: Figure,
    pub(super) bars: Vec<TierBar>,
    pub(super) balances: Plot,
    pub(super) outflow: Plot,
    pub(super) wallets: Vec<Wallet>,
}

/// A wallet, in a table.
#[derive(Debug)]
pub(super) struct Wallet {
    pub(super) id: String,
    pub(super) tier: String,
    pub(super) network: String,
    pub(super) state: String,
    pub(super) detail: Option<String>,
    pub(super) balance: Figure,
    pub(super) available: Figure,
    pub(super) addresses: u64,
}

/// What is asked of the engine.
#[derive(Debug)]
struct Asked {
    targets: BTreeMap<(Asset, Tier), TierTarget>,
    usage: Vec<LimitUsage>,
    quotes: BTreeMap<String, Timestamp>,
    now: Timestamp,
}

impl Asked {
    fn of(vault: &Vault, now: Timestamp) -> Self {
        let networks: BTreeSet<_> = vault.wallets().values().map(|w| w.network).collect();
        let quoted = |network| Some((format!("{network}"), vault.fee_quote(network)?.1));
        Self {
            targets: vault.policy().treasury().clone(),
            usage: vault.limit_usage(now),
            quotes: networks.into_iter().filter_map(quoted).collect(),
            now,
        }
    }
}

/// `GET /console/treasury`.
///
/// # Errors
/// A query that the console doesn't write; engine or database don't answer.
pub async fn show(
    state: &AppState,
    operator: &OperatorId,
    query: &BTreeMap<String, String>,
) -> Result<Response, Fault> {
    let span = Span::named(query.get("span").map(String::as_str))?;
    let (frame, asked) = Frame::with(state, operator, Section::Treasury, Asked::of).await?;
    let vault = state.standing.vault().as_str();
    let wallets = wallets(&state.store, vault).await?;
    let mut by_asset: BTreeMap<Asset, Vec<WalletView>> = BTreeMap::new();
    for (asset, wallet) in wallets {
        by_asset.entry(asset).or_default().push(wallet);
    }
    let networks: BTreeSet<String> = by_asset
        .values()
        .flatten()
        .map(|wallet| wallet.network.clone())
        .collect();
    let mut holdings = Vec::new();
    for (asset, wallets) in by_asset {
        let window = span.until(asked.now);
        let drawn = flows::plots(&state.store, vault, asset, &wallets, window);
        let (balances, outflow) = drawn.await?;
        holdings.push(holding(asset, &wallets, &asked.targets, balances, outflow));
    }
    let (gauges, more_gauges) = gauges(asked.usage, asked.now);
    page(&Page {
        moves: flows::moves(&state.store, vault, asked.now).await?,
        parts: health::parts(
            Condition::read(state).await,
            &networks,
            &asked.quotes,
            asked.now,
        ),
        tokens: health::tokens(state),
        frame,
        span,
        holdings,
        gauges,
        more_gauges,
    })
}

async fn wallets(store: &Store, vault: &str) -> Result<Vec<(Asset, WalletView)>, Fault> {
    let (mut found, mut after) = (Vec::new(), String::new());
    while found.len() < MOST_WALLETS {
        let rows = store.wallets(vault, &after, 200).await?;
        let Some(last) = rows.last() else { break };
        after.clone_from(&last.id);
        for row in &rows {
            let view: WalletView =
                serde_json::from_str(&row.document).map_err(|_| Fault::internal())?;
            let asset = view.asset.parse().map_err(|_| Fault::internal())?;
            found.push((asset, view));
        }
    }
    Ok(found)
}

pub(super) fn holding(
    asset: Asset,
    wallets: &[WalletView],
    targets: &BTreeMap<(Asset, Tier), TierTarget>,
    balances: Plot,
    outflow: Plot,
) -> Holding {
    let read = |text: &str| Amount::parse(asset, text).unwrap_or(Amount::zero(asset));
    let sum = |tier: Option<Tier>, part: fn(&WalletView) -> &str| {
        let of_tier = |w: &&WalletView| tier.is_none_or(|tier| w.tier == tier.to_string());
        let amounts: Vec<Amount> = wallets
            .iter()
            .filter(of_tier)
            .map(|w| read(part(w)))
            .collect();
        Amount::sum(asset, &amounts).unwrap_or(Amount::zero(asset))
    };
    let tiers: Vec<(Tier, Amount, Amount)> = TIERS
        .into_iter()
        .filter(|tier| {
            targets.contains_key(&(asset, *tier))
                || wallets.iter().any(|wallet| wallet.tier == tier.to_string())
        })
        .map(|tier| {
            let balance = sum(Some(tier), |wallet| &wallet.balance);
            (tier, balance, sum(Some(tier), |wallet| &wallet.available))
        })
        .collect();
    let ceilings = tiers
        .iter()
        .filter_map(|(tier, ..)| targets.get(&(asset, *tier)));
    let scale = TierBar::scale(
        tiers
            .iter()
            .map(|(_, balance, _)| balance)
            .chain(ceilings.map(|target| &target.ceiling)),
    );
    let bar = |(tier, balance, available): &(Tier, Amount, Amount)| {
        let target = targets.get(&(asset, *tier));
        TierBar::of(*tier, balance, available, target, scale)
    };
    let line = |wallet: &WalletView| Wallet {
        id: wallet.id.clone(),
        tier: wallet.tier.clone(),
        network: wallet.network.clone(),
        state: wallet.state.clone(),
        detail: wallet.state_detail.clone(),
        balance: Figure::of(&wallet.balance, &wallet.asset),
        available: Figure::of(&wallet.available, &wallet.asset),
        addresses: u64::try_from(wallet.address_count).unwrap_or(u64::MAX),
    };
    Holding {
        asset: asset.to_string(),
        total: Figure::from(&sum(None, |wallet| &wallet.balance)),
        bars: tiers.iter().map(bar).collect(),
        balances,
        outflow,
        wallets: wallets.iter().map(line).collect(),
    }
}

/// The fullest limits, and how many are not shown.
pub(super) fn gauges(usage: Vec<LimitUsage>, now: Timestamp) -> (Vec<Gauge>, usize) {
    let mut gauges: Vec<Gauge> = usage.iter().map(|usage| gauge(usage, now)).collect();
    gauges.sort_by_key(|gauge| std::cmp::Reverse(gauge.percent));
    let more = gauges.len().saturating_sub(MOST_GAUGES);
    gauges.truncate(MOST_GAUGES);
    (gauges, more)
}

fn gauge(usage: &LimitUsage, now: Timestamp) -> Gauge {
    let units = |measure: &Measure| match measure {
        Measure::Count(count) => custodyd_chain::U256::from(*count),
        Measure::Amount(amount) => amount.units(),
        Measure::Fiat(fiat) => custodyd_chain::U256::from(fiat.cents),
    };
    let (percent, width, standing) = Gauge::fill(units(&usage.used), units(&usage.max));
    Gauge {
        limit: usage.limit.to_string(),
        scope: usage.key.clone(),
        window: lasting(usage.window_ms),
        used: usage.used.to_string(),
        max: usage.max.to_string(),
        percent,
        width,
        standing,
        frees: usage.frees_at.map(|at| Moment::of(at, now).apart),
    }
}
