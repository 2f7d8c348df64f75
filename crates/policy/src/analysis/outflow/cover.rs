//! An upper bound: windows such that whatever can be paid counts towards one of them. What leaves is then at most the
//! sum of what they let pass.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::U256;

use crate::analysis::outflow::cells::{Cell, Window};
use crate::analysis::outflow::worth::Worth;
use crate::policy::Policy;

/// What one window lets pass while the claim's window lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pass {
    pub(super) window: Window,
    /// How long it takes until all that leaves in the claim's window was admitted, in milliseconds.
    pub(super) lasts_ms: u64,
    /// How often the limit's window fits into that, rounded up.
    pub(super) times: u64,
    /// In the claim's unit.
    pub(super) total: U256,
}

/// The cheapest cover that was found; nothing where some requests are counted by no window that bounds them.
pub(super) fn cover(
    policy: &Policy,
    worth: &Worth<'_>,
    cells: &[Cell],
    window_ms: u64,
) -> Option<Vec<Pass>> {
    let mut passes: BTreeMap<&Window, Pass> = BTreeMap::new();
    for window in cells.iter().flat_map(|cell| &cell.windows) {
        if !passes.contains_key(window)
            && let Some(pass) = pass(policy, worth, cells, window, window_ms)
        {
            passes.insert(window, pass);
        }
    }
    let mut wanted: BTreeSet<Vec<&Pass>> = BTreeSet::new();
    for cell in cells {
        let counts: Vec<&Pass> = cell
            .windows
            .iter()
            .filter_map(|window| passes.get(window))
            .collect();
        if counts.is_empty() {
            return None;
        }
        wanted.insert(counts);
    }
    // Few choices first; and what counts wherever another does is met with that.
    let mut wanted: Vec<Vec<&Pass>> = wanted.into_iter().collect();
    wanted.sort_by_key(Vec::len);
    let mut search = Search {
        best: None,
        left: 200_000,
    };
    search.choose(&wanted, &mut Vec::new(), U256::ZERO);
    let best = search.best.map(|(_, passes)| passes);
    best.map(|passes| passes.into_iter().cloned().collect())
}

impl PartialOrd for Pass {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pass {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.total, &self.window).cmp(&(other.total, &other.window))
    }
}

struct Search<'a> {
    best: Option<(U256, Vec<&'a Pass>)>,
    /// Steps that may still be made. Whatever is found when there are none is a cover all the same.
    left: u32,
}

impl<'a> Search<'a> {
    fn choose(&mut self, wanted: &[Vec<&'a Pass>], chosen: &mut Vec<&'a Pass>, cost: U256) {
        if self.best.as_ref().is_some_and(|(best, _)| cost >= *best) {
            return;
        }
        let met = |passes: &Vec<&Pass>| passes.iter().any(|pass| chosen.contains(pass));
        let Some(next) = wanted.iter().find(|passes| !met(passes)) else {
            self.best = Some((cost, chosen.clone()));
            return;
        };
        let mut choices = next.clone();
        choices.sort();
        for pass in choices {
            let fewer = self.left.checked_sub(1);
            if fewer.is_none() && self.best.is_some() {
                return;
            }
            self.left = fewer.unwrap_or(0);
            chosen.push(pass);
            self.choose(wanted, chosen, cost.saturating_add(pass.total));
            chosen.pop();
        }
    }
}

/// What a window lets pass; nothing, if its measure says nothing about the claim's unit.
///
/// What leaves in the claim's window was admitted between its begin less the longest wait and its end less the shortest.
/// A limit's window lets its maximum pass, so that many of them as it takes to cover this time.
fn pass(
    policy: &Policy,
    worth: &Worth<'_>,
    cells: &[Cell],
    window: &Window,
    window_ms: u64,
) -> Option<Pass> {
    let limit = policy.0.limits.get(window.limit)?;
    let of: Vec<&Cell> = cells
        .iter()
        .filter(|cell| cell.windows.contains(window))
        .collect();
    let longest = of.iter().map(|cell| cell.longest_wait_ms).max()?;
    let shortest = of.iter().map(|cell| cell.shortest_wait_ms).min()?;
    let lasts_ms = window_ms.saturating_add(longest).saturating_sub(shortest);
    let times = lasts_ms.div_ceil(limit.window_ms);
    let once = worth.of_limit(limit, &of)?;
    Some(Pass {
        window: window.clone(),
        lasts_ms,
        times,
        total: once.checked_mul(U256::from(times))?,
    })
}
