//! Balances and outflow over time, and payouts to own wallets that are on their way.

use std::collections::BTreeMap;

use custodyd_chain::{Asset, U256};
use custodyd_policy::Timestamp;

use super::TIERS;
use crate::{
    console::{
        pages::Fault,
        plot::{Plot, Step, Window},
        words::{Figure, Moment, spoken},
    },
    engine::Series,
    store::{Filter, SampleRow, Store},
    view::{WalletView, WithdrawalView},
};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// States of a payout that is on its way.
const UNDER_WAY: [&str; 9] = [
    "awaiting_approval",
    "holding",
    "screening",
    "approved",
    "planned",
    "awaiting_cold_signature",
    "signed",
    "broadcast",
    "confirmed",
];
/// The newest payouts of each state that are looked at for those to own wallets.
const LOOKED_AT: u32 = 100;
/// Wallets whose balances make up a plot.
const MOST_DRAWN: usize = 200;

/// How much time the plots show.
#[derive(Debug)]
pub(in crate::console::pages) struct Span {
    /// Its name in the page's address.
    pub(in crate::console::pages) name: &'static str,
    /// What it is called.
    pub(in crate::console::pages) title: &'static str,
    length_ms: u64,
}

/// The spans to choose from.
pub(in crate::console::pages) static SPANS: [Span; 4] = [
    Span {
        name: "day",
        title: "24 hours",
        length_ms: DAY_MS,
    },
    Span {
        name: "week",
        title: "7 days",
        length_ms: 7 * DAY_MS,
    },
    Span {
        name: "month",
        title: "30 days",
        length_ms: 30 * DAY_MS,
    },
    Span {
        name: "year",
        title: "1 year",
        length_ms: 365 * DAY_MS,
    },
];

impl Span {
    /// The span of that name; a week, if none is named.
    pub(in crate::console::pages) fn named(name: Option<&str>) -> Result<&'static Self, Fault> {
        let name = name.unwrap_or("week");
        let mut spans = SPANS.iter();
        spans
            .find(|span| span.name == name)
            .ok_or_else(|| Fault::malformed("There is no time of that name to show."))
    }

    /// That much time until `now`, and what the first column takes beyond it.
    pub(super) fn until(&self, now: Timestamp) -> Window {
        let window = Window {
            from_ms: now.as_ms().saturating_sub(self.length_ms),
            to_ms: now.as_ms(),
        };
        window.in_columns()
    }
}

/// A payout from one own wallet to another.
#[derive(Debug)]
pub(in crate::console::pages) struct Move {
    pub(in crate::console::pages) id: String,
    pub(in crate::console::pages) from: String,
    pub(in crate::console::pages) to: String,
    pub(in crate::console::pages) amount: Figure,
    pub(in crate::console::pages) state: String,
    pub(in crate::console::pages) at: Moment,
}

/// What each tier held, a line each; and what was paid to others, as it became final. Both begin where anything is known.
pub(super) async fn plots(
    store: &Store,
    vault: &str,
    asset: Asset,
    wallets: &[WalletView],
    window: Window,
) -> Result<(Plot, Plot), Fault> {
    let mut tiers = Vec::new();
    for tier in TIERS {
        let name = tier.to_string();
        let mut series = Vec::new();
        for wallet in wallets.iter().filter(|w| w.tier == name).take(MOST_DRAWN) {
            let id = wallet.id.parse().map_err(|_| Fault::internal())?;
            series.push(steps(store, vault, &Series::Wallet(id), window).await?);
        }
        if !series.is_empty() {
            tiers.push((name, summed(&series)));
        }
    }
    let total = steps(store, vault, &Series::Outflow(asset), window).await?;
    let firsts = tiers.iter().map(|(_, steps)| steps).chain([&total]);
    let first = firsts.filter_map(|steps| Some(steps.first()?.0)).min();
    let window = window.beginning(first);
    let key = asset.to_string().to_lowercase();
    let balances = Plot::lines(
        format!("balances-{key}"),
        format!("{asset} by tier"),
        asset,
        &tiers,
        window,
    );
    let outflow = Plot::columns(
        format!("outflow-{key}"),
        format!("{asset} paid to others"),
        asset,
        &total,
        window,
    );
    Ok((balances, outflow))
}

async fn steps(
    store: &Store,
    vault: &str,
    series: &Series,
    window: Window,
) -> Result<Vec<Step>, Fault> {
    let rows = store
        .samples(vault, &series.to_string(), window.from_ms)
        .await?;
    let step = |row: &SampleRow| Some((row.at_ms, row.units.parse::<U256>().ok()?));
    let steps: Option<Vec<Step>> = rows.iter().map(step).collect();
    steps.ok_or_else(Fault::internal)
}

/// The sum of series of steps: a step wherever one of them has one.
fn summed(series: &[Vec<Step>]) -> Vec<Step> {
    let mut changes: BTreeMap<u64, Vec<(usize, U256)>> = BTreeMap::new();
    for (place, steps) in series.iter().enumerate() {
        for (at, units) in steps {
            changes.entry(*at).or_default().push((place, *units));
        }
    }
    let mut current = vec![U256::ZERO; series.len()];
    let mut sums = Vec::with_capacity(changes.len());
    for (at, changed) in changes {
        for (place, units) in changed {
            if let Some(slot) = current.get_mut(place) {
                *slot = units;
            }
        }
        let sum = current
            .iter()
            .fold(U256::ZERO, |sum, units| sum.saturating_add(*units));
        sums.push((at, sum));
    }
    sums
}

/// Payouts to own wallets that are on their way, newest first.
pub(super) async fn moves(store: &Store, vault: &str, now: Timestamp) -> Result<Vec<Move>, Fault> {
    let mut views: Vec<WithdrawalView> = Vec::new();
    for state in UNDER_WAY {
        let filter = Filter {
            state: Some(state.to_owned()),
            ..Filter::default()
        };
        let listed = store.withdrawals(vault, &filter, None, LOOKED_AT).await?;
        for row in listed.rows {
            let view: WithdrawalView =
                serde_json::from_str(&row.document).map_err(|_| Fault::internal())?;
            if view.destination_class == "own" {
                views.push(view);
            }
        }
    }
    views.sort_by_key(|view| std::cmp::Reverse(view.created_at));
    let owner = owners(store, vault, &views).await?;
    let shown = views.into_iter().map(|view| Move {
        to: owner
            .get(&view.destination)
            .cloned()
            .unwrap_or_else(|| view.destination.clone()),
        amount: Figure::of(&view.amount, &view.asset),
        state: spoken(&view.state),
        at: Moment::of(Timestamp::from_ms(view.created_at), now),
        from: view.wallet,
        id: view.id,
    });
    Ok(shown.collect())
}

/// Which wallet each of the payouts goes to, by address.
async fn owners(
    store: &Store,
    vault: &str,
    views: &[WithdrawalView],
) -> Result<BTreeMap<String, String>, Fault> {
    let mut owners = BTreeMap::new();
    if views.is_empty() {
        return Ok(owners);
    }
    for row in store.wallets(vault, "", 200).await? {
        let view: WalletView =
            serde_json::from_str(&row.document).map_err(|_| Fault::internal())?;
        for address in view.addresses {
            owners.insert(address, view.id.clone());
        }
    }
    Ok(owners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_steps_wherever_one_of_its_series_does() {
        let units = |number: u64| U256::from(number);
        let series = [
            vec![(10, units(1)), (30, units(5))],
            vec![(20, units(2)), (30, units(0))],
        ];
        assert_eq!(
            summed(&series),
            [(10, units(1)), (20, units(3)), (30, units(5))]
        );
        assert!(summed(&[]).is_empty());
    }

    #[test]
    fn a_time_that_no_page_names_is_refused() {
        assert_eq!(Span::named(None).unwrap().name, "week");
        assert_eq!(Span::named(Some("year")).unwrap().title, "1 year");
        assert!(Span::named(Some("aeon")).is_err());
    }
}
