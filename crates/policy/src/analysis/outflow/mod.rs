//! The most that can leave: what any so many operators and clients can have paid to external destinations within any
//! window of a length, when nobody else approves anything.
//!
//! **What is counted.** A request counts when it is admitted, because limits count it then. What needs approval waits at
//! most `expire_after` for it, and then the hold; so what leaves in the window may have been admitted that much earlier,
//! and this time is added. Fees are not counted, nor what a daemon that stood still pays late. Funds are assumed to be
//! there.
//!
//! **Upper bound.** Regions of requests that the colluding people can approve among themselves; for each, the windows of
//! limits that it counts towards and that deny, hold, or ask for approvals that they can't give. A limit per destination
//! does not bind somebody who has many addresses, and one per wallet binds for each wallet of the world. A set of windows
//! such that each region counts towards one of them bounds the sum; the cheapest is looked for.
//!
//! **Lower bound.** Requests that `evaluate` admits one after the other, for those colluding people.

mod attack;
mod cells;
mod coalition;
mod cover;
mod worth;

use custodyd_chain::U256;

use crate::analysis::claim::Outflow;
use crate::analysis::outflow::cells::Cell;
use crate::analysis::outflow::coalition::Coalition;
use crate::analysis::outflow::cover::Pass;
use crate::analysis::outflow::worth::Worth;
use crate::analysis::prove::{Answer, Counterexample, TooMuch};
use crate::analysis::space::Space;
use crate::analysis::world::World;
use crate::duration::Span;
use crate::policy::Policy;

/// What some colluding people can have paid.
struct Bounded {
    coalition: Coalition,
    cells: Vec<Cell>,
    /// The windows that bound it; nothing, if none do.
    passes: Option<Vec<Pass>>,
}

impl Bounded {
    /// The bound; nothing, if there is none.
    fn total(&self) -> Option<U256> {
        let passes = self.passes.as_ref()?.iter();
        passes
            .map(|pass| pass.total)
            .try_fold(U256::ZERO, U256::checked_add)
    }
}

/// Answers a claim about what leaves.
///
/// # Errors
/// There is more to look at than is looked at.
pub(super) fn prove(policy: &Policy, world: &World, claim: &Outflow) -> Result<Answer, TooMuch> {
    let space = Space::new(&[policy], &[], world);
    let worth = Worth {
        bound: claim.at_most,
        space: &space,
    };
    let payable = cells::payable(policy, &space, claim.at_most.asset())?;
    let mut bounded = Vec::new();
    for coalition in coalition::all(policy, &space, claim.operators, claim.clients)? {
        let cells = cells::cells(policy, &space, &payable, &coalition, claim.at_most);
        let passes = cover::cover(policy, &worth, &cells, claim.window_ms);
        bounded.push(Bounded {
            coalition,
            cells,
            passes,
        });
    }
    // The worst first: no bound at all, then the highest.
    bounded.sort_by_key(|one| std::cmp::Reverse(one.total().unwrap_or(U256::MAX)));
    let claimed = worth.claimed();
    let Some(worst) = bounded.first() else {
        return Ok(Answer::True {
            argument: vec!["nobody colludes, so nothing is paid".to_owned()],
        });
    };
    if worst.total().is_some_and(|total| total <= claimed) {
        return Ok(Answer::True {
            argument: argument(policy, &worth, worst, claim, payable.len(), bounded.len()),
        });
    }
    let mut reached = U256::ZERO;
    let above = bounded
        .iter()
        .filter(|one| one.total().is_none_or(|total| total > claimed));
    for one in above {
        let haul = attack::attack(policy, &worth, &one.cells, claim.window_ms, claimed);
        if haul.total > claimed {
            let shows = format!(
                "{} can have {} paid within {}, which is above {}",
                who(&one.coalition),
                worth.show(haul.total),
                Span(claim.window_ms),
                claim.at_most
            );
            return Ok(Answer::False {
                counterexample: Counterexample {
                    shows,
                    steps: haul.steps,
                },
            });
        }
        reached = reached.max(haul.total);
    }
    let mut why = vec![format!(
        "at most {} can leave, and requests were found that come to {}; the claim lies between",
        worst
            .total()
            .map_or_else(|| "any amount".to_owned(), |total| worth.show(total)),
        worth.show(reached)
    )];
    why.extend(argument(
        policy,
        &worth,
        worst,
        claim,
        payable.len(),
        bounded.len(),
    ));
    Ok(Answer::Undecided { why })
}

fn who(coalition: &Coalition) -> String {
    let operators = coalition.operators.iter().map(ToString::to_string);
    let clients = coalition
        .clients
        .iter()
        .map(|client| format!("client {client}"));
    let names: Vec<String> = operators.chain(clients).collect();
    if names.is_empty() {
        return "nobody".to_owned();
    }
    names.join(", ")
}

/// Why no more can leave than the worst case, a line each.
fn argument(
    policy: &Policy,
    worth: &Worth<'_>,
    worst: &Bounded,
    claim: &Outflow,
    regions: usize,
    choices: usize,
) -> Vec<String> {
    let mut lines = vec![format!(
        "{choices} choices of colluding people were compared, over {regions} regions of allowed external requests; the worst is {}",
        who(&worst.coalition)
    )];
    match &worst.passes {
        Some(passes) if worst.cells.is_empty() && passes.is_empty() => {
            lines.push("they can have nothing paid: whatever is allowed asks for people who do not collude".to_owned());
        }
        Some(passes) => {
            lines.push(
                "whatever they can have paid counts towards one of these windows:".to_owned(),
            );
            lines.extend(passes.iter().map(|pass| told(policy, worth, pass, claim)));
            if let Some(total) = worst.total() {
                lines.push(format!("together at most {}", worth.show(total)));
            }
        }
        None => lines.push(
            "some of what they can have paid counts towards no limit that bounds it".to_owned(),
        ),
    }
    lines.push(
        "counted at admission, with the time that approvals and holds may take added; fees are not counted, and funds are assumed to be there"
            .to_owned(),
    );
    lines
}

fn told(policy: &Policy, worth: &Worth<'_>, pass: &Pass, claim: &Outflow) -> String {
    let Some(limit) = policy.0.limits.get(pass.window.limit) else {
        return String::new();
    };
    let waits = pass.lasts_ms.saturating_sub(claim.window_ms);
    let waits = match waits {
        0 => String::new(),
        waits => format!(" and {} of waiting", Span(waits)),
    };
    format!(
        "- limit \"{}\" on {}: {} in {}, {} times in {}{waits}: {}",
        limit.id,
        pass.window.key,
        limit.max,
        Span(limit.window_ms),
        pass.times,
        Span(claim.window_ms),
        worth.show(pass.total)
    )
}
