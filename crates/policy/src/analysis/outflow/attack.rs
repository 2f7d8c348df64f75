//! A lower bound: requests that colluding people make one after the other, each of which `evaluate` admits, and all of
//! which leave within one window of the claim's length.

use std::collections::BTreeSet;

use custodyd_chain::U256;

use crate::analysis::outflow::cells::Cell;
use crate::analysis::outflow::worth::{Total, Worth};
use crate::analysis::prove::Step;
use crate::duration::HOUR_MS;
use crate::facts::Facts;
use crate::fiat::Fiat;
use crate::instant::Timestamp;
use crate::policy::Policy;
use crate::verdict::{Outcome, Verdict};
use crate::window::LimitBook;

/// What an attack came to.
pub(super) struct Haul {
    pub(super) steps: Vec<Step>,
    pub(super) total: U256,
}

/// The most requests of one attack, and the most verdicts that are asked for.
const MOST_STEPS: usize = 5_000;
const MOST_VERDICTS: u32 = 60_000;

/// The most that was found for these cells. Stops as soon as it is above `enough`.
pub(super) fn attack(
    policy: &Policy,
    worth: &Worth<'_>,
    cells: &[Cell],
    window_ms: u64,
    enough: U256,
) -> Haul {
    let mut best = Haul {
        steps: Vec::new(),
        total: U256::ZERO,
    };
    let mut verdicts = MOST_VERDICTS;
    let distinct = distinct(cells);
    for anchor in anchors(worth) {
        for order in orders(worth, &distinct) {
            let mut run = Run {
                policy,
                worth,
                book: LimitBook::default(),
                total: Total::default(),
                steps: Vec::new(),
                enough,
                verdicts: &mut verdicts,
            };
            run.all(&order, anchor, window_ms);
            let total = run.worth.of_total(&run.total);
            if total > best.total {
                best = Haul {
                    steps: run.steps,
                    total,
                };
            }
            if best.total > enough || verdicts == 0 {
                return best;
            }
        }
    }
    best
}

/// One cell of each kind: those that count alike, for as much, are as good as each other.
fn distinct(cells: &[Cell]) -> Vec<&Cell> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for cell in cells {
        let kind = (
            cell.windows.clone(),
            (cell.asset, cell.least, cell.most, cell.cents),
            (cell.longest_wait_ms, cell.shortest_wait_ms),
            cell.region.on(crate::analysis::axes::TIME).clone(),
        );
        if seen.insert(kind) {
            kept.push(cell);
        }
    }
    kept
}

/// Instants to begin the claim's window at: one of each set of hours.
fn anchors(worth: &Worth<'_>) -> Vec<Timestamp> {
    const MOST: usize = 12;
    // Far enough from 1970 for any wait before it.
    let times = worth.space.axes.times.iter();
    times.take(MOST).map(|atom| atom.at).collect()
}

/// Orders in which to fill the cells: the largest requests first; those that count towards the fewest windows first; and
/// both the other way round.
fn orders<'a>(worth: &Worth<'_>, cells: &[&'a Cell]) -> Vec<Vec<&'a Cell>> {
    let mut by_size = cells.to_vec();
    by_size.sort_by_key(|cell| std::cmp::Reverse(worth.of_cell(cell)));
    let mut by_windows = by_size.clone();
    by_windows.sort_by_key(|cell| cell.windows.len());
    let mut many_first = by_size.clone();
    many_first.sort_by_key(|cell| std::cmp::Reverse(cell.windows.len()));
    let mut small_first = by_size.clone();
    small_first.reverse();
    vec![by_windows, by_size, many_first, small_first]
}

struct Run<'a> {
    policy: &'a Policy,
    worth: &'a Worth<'a>,
    book: LimitBook,
    total: Total,
    steps: Vec<Step>,
    enough: U256,
    verdicts: &'a mut u32,
}

impl Run<'_> {
    /// At each instant, as much as there is room for.
    fn all(&mut self, cells: &[&Cell], anchor: Timestamp, window_ms: u64) {
        let Some(longest) = cells.iter().map(|cell| cell.longest_wait_ms).max() else {
            return;
        };
        // Times are counted from the earliest instant at which a request that leaves in the window can be made.
        let Some(from) = anchor.checked_sub_ms(longest) else {
            return;
        };
        for since in self.instants(cells, longest, window_ms) {
            let Some(at) = from.checked_add_ms(since) else {
                return;
            };
            for cell in cells {
                let first = longest.saturating_sub(cell.longest_wait_ms);
                let end = longest
                    .saturating_add(window_ms)
                    .saturating_sub(cell.shortest_wait_ms);
                if (first..end).contains(&since) {
                    self.fill(cell, at);
                }
                if self.is_enough() {
                    return;
                }
            }
        }
    }

    fn is_enough(&self) -> bool {
        self.worth.of_total(&self.total) > self.enough
    }

    /// The instants at which requests are made: where cells begin, and from there whenever a limit's window has passed.
    fn instants(&self, cells: &[&Cell], longest: u64, window_ms: u64) -> Vec<u64> {
        const MOST: usize = 400;
        let end = longest.saturating_add(window_ms);
        let mut instants = BTreeSet::new();
        for cell in cells {
            let first = longest.saturating_sub(cell.longest_wait_ms);
            instants.insert(first);
            // The last moment, for what has to wait.
            instants.insert(end.saturating_sub(cell.shortest_wait_ms).saturating_sub(1));
            for window in &cell.windows {
                let Some(limit) = self.policy.0.limits.get(window.limit) else {
                    continue;
                };
                let mut next = first;
                while next < end && instants.len() < MOST {
                    instants.insert(next);
                    next = next.saturating_add(limit.window_ms);
                }
            }
        }
        if !self.worth.space.hours.is_empty() {
            let mut next = 0;
            while next < end && instants.len() < MOST {
                instants.insert(next);
                next = next.saturating_add(HOUR_MS);
            }
        }
        instants.into_iter().filter(|at| *at < end).collect()
    }

    /// Requests of this cell, now, until there is no room or it is enough.
    fn fill(&mut self, cell: &Cell, at: Timestamp) {
        while self.steps.len() < MOST_STEPS && !self.is_enough() {
            let Some((facts, verdict)) = self.largest(cell, at) else {
                return;
            };
            self.book.reserve(self.policy, &facts);
            self.worth.add(&mut self.total, &facts);
            let asks = matches!(&verdict.outcome, Outcome::Allow { requirements, .. } if !requirements.is_empty());
            self.steps.push(Step {
                facts,
                approvers: if asks {
                    cell.approvers.clone()
                } else {
                    BTreeSet::new()
                },
                verdict,
            });
        }
    }

    /// The largest request of a cell that is admitted now. What a limit has room for it has for less, so amounts are
    /// halved between the least and the most.
    fn largest(&mut self, cell: &Cell, at: Timestamp) -> Option<(Facts, Verdict)> {
        let spans: Vec<_> = self
            .worth
            .space
            .amounts_in(&cell.region, cell.asset)
            .collect();
        for span in spans.iter().rev() {
            if let Some(found) = self.admitted(cell, at, span.most) {
                return Some(found);
            }
            let mut best = self.admitted(cell, at, span.least);
            let (mut within, mut above) = (span.least, span.most);
            while best.is_some() && above.checked_sub(within)? > U256::ONE {
                let middle = within
                    .checked_add(above.checked_sub(within)?.checked_div(U256::from(2_u8))?)?;
                match self.admitted(cell, at, middle) {
                    Some(found) => {
                        best = Some(found);
                        within = middle;
                    }
                    None => above = middle,
                }
            }
            if best.is_some() {
                return best;
            }
        }
        None
    }

    fn admitted(&mut self, cell: &Cell, at: Timestamp, units: U256) -> Option<(Facts, Verdict)> {
        *self.verdicts = self.verdicts.checked_sub(1)?;
        let serial = u64::try_from(self.steps.len()).ok()?.checked_add(1)?;
        let mut facts = self.worth.space.request_of(&cell.region, serial, units)?;
        facts.initiator = cell.initiator.clone();
        facts.at = at;
        if let (None, Some(cents), Some(fiat)) = (self.priced(&facts), cell.cents, facts.fiat) {
            facts.fiat = Some(Fiat { cents, ..fiat });
        }
        let verdict = self.policy.evaluate(&facts, &self.book);
        let Outcome::Allow { requirements, .. } = &verdict.outcome else {
            return None;
        };
        self.policy.satisfied(requirements, &cell.approvers).ok()?;
        Some((facts, verdict))
    }

    fn priced(&self, facts: &Facts) -> Option<()> {
        self.worth
            .space
            .is_priced(facts.amount.asset())
            .then_some(())
    }
}
