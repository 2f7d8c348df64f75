//! Conditions as clauses of a space.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Asset, U256};

use crate::analysis::axes::{GOAL, INITIATOR, SOURCE, Span256, TIME, amount_axis};
use crate::analysis::bits::Bits;
use crate::analysis::region::{Clause, Test};
use crate::analysis::space::Space;
use crate::condition::When;
use crate::facts::Flag;
use crate::limit::Limit;
use crate::reason::Measure;

/// Conditions in a space: they hold where one of `holds` does, and can't be judged where one of `faults` does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Compiled {
    pub(crate) holds: Vec<Clause>,
    pub(crate) faults: Vec<Clause>,
}

impl Space {
    /// These conditions; for this asset only, if one is given.
    pub(crate) fn compile(&self, when: &When, asset: Option<Asset>) -> Compiled {
        let mut draft = Draft::default();
        draft.narrow(
            SOURCE,
            self.sources(|source| {
                let of = source.network.asset();
                asset.is_none_or(|asset| asset == of)
                    && when.amount.as_ref().is_none_or(|range| range.asset == of)
                    && has(when.tier.as_ref(), &source.tier)
                    && has(when.wallet.as_ref(), &source.wallet)
                    && has(when.asset.as_ref(), &of)
                    && has(when.chain.as_ref(), &source.network)
                    && has(when.call.as_ref(), &source.call)
            }),
        );
        let goes_to = |tier| when.destination_tier.as_ref().is_none_or(|tiers| {
            let tier: Option<_> = tier;
            tier.is_some_and(|tier| tiers.contains(&tier))
        });
        draft.narrow(
            GOAL,
            self.goals(|goal| has(when.destination.as_ref(), &goal.class) && goes_to(goal.tier)),
        );
        let initiators = &self.axes.initiators;
        let asked = |atom: usize| initiators.get(atom).is_some_and(|initiator| {
            has(when.initiator.as_ref(), initiator)
                && when.client.as_ref().is_none_or(|clients| {
                    initiator.client().is_some_and(|client| clients.contains(client))
                })
        });
        draft.narrow(INITIATOR, Bits::of(initiators.len(), asked));
        if let Some(range) = &when.amount {
            let atoms = units(self.axes.amounts_of(range.asset), range.above, range.at_most);
            draft.narrow(amount_axis(range.asset), atoms);
        }
        if let Some(hours) = &when.hours {
            let number = self.hours.iter().position(|known| known == hours);
            let holds = |atom: usize| self.axes.times.get(atom)?.holds.get(number?).copied();
            let atoms = Bits::of(self.axes.times.len(), |atom| holds(atom).unwrap_or(false));
            draft.narrow(TIME, atoms);
        }
        if let Some(flags) = &when.flag {
            draft.any.push(self.raised(flags));
        }
        if let Some(tags) = &when.tag {
            let axes = tags.iter().filter_map(|tag| self.axes.tag_axis(tag));
            draft.any.push(axes.map(|axis| (axis, raised())).collect());
        }
        Compiled {
            holds: self.clause(draft).into_iter().collect(),
            faults: Vec::new(),
        }
    }

    /// What counts towards a limit.
    pub(crate) fn compile_limit(&self, limit: &Limit) -> Compiled {
        self.compile(&limit.when, limit.asset)
    }

    /// What is above a limit's maximum all by itself.
    pub(crate) fn oversize(&self, limit: &Limit) -> Vec<Clause> {
        let clauses = self.compile_limit(limit).holds.into_iter();
        match limit.max {
            Measure::Count(_) => Vec::new(),
            Measure::Amount(max) => {
                let spans = self.axes.amounts_of(max.asset());
                let above = units(spans, Some(max.units()), None);
                let axis = amount_axis(max.asset());
                clauses.filter_map(|clause| clause.narrowed(axis, &above)).collect()
            }
        }
    }

    fn raised(&self, flags: &BTreeSet<Flag>) -> Vec<(usize, Bits)> {
        let mut tests = Vec::new();
        for flag in flags {
            if *flag == Flag::CoolingOff {
                tests.push((GOAL, self.goals(|goal| goal.cooling)));
            } else if let Some(axis) = self.axes.flag_axis(*flag) {
                tests.push((axis, raised()));
            }
        }
        tests
    }

    /// The draft as a clause, without the tests that always hold; nothing if one of them never does.
    fn clause(&self, mut draft: Draft) -> Option<Clause> {
        for any in std::mem::take(&mut draft.any) {
            match any.as_slice() {
                // One alternative is no choice.
                [(axis, atoms)] => draft.narrow(*axis, atoms.clone()),
                _ => draft.any.push(any),
            }
        }
        let lengths = self.axes.lengths();
        let mut tests = Vec::new();
        for (axis, atoms) in draft.narrowed {
            if atoms.is_empty() {
                return None;
            }
            if lengths.get(axis).map(|length| Bits::full(*length)).as_ref() != Some(&atoms) {
                tests.push(Test::In(axis, atoms));
            }
        }
        for any in draft.any {
            if any.is_empty() {
                return None;
            }
            tests.push(Test::Any(any));
        }
        Some(Clause(tests))
    }
}

/// Conditions while they are gathered.
#[derive(Default, Clone)]
struct Draft {
    narrowed: BTreeMap<usize, Bits>,
    any: Vec<Vec<(usize, Bits)>>,
}

impl Draft {
    fn narrow(&mut self, axis: usize, atoms: Bits) {
        let both = match self.narrowed.get(&axis) {
            Some(before) => before.and(&atoms),
            None => atoms,
        };
        self.narrowed.insert(axis, both);
    }
}

fn raised() -> Bits {
    Bits::of(2, |atom| atom == 1)
}

fn has<T: Ord>(named: Option<&BTreeSet<T>>, value: &T) -> bool {
    named.is_none_or(|named| named.contains(value))
}

/// The intervals above a bound and up to another. Both are cuts, or lie outside.
fn units(spans: &[Span256], above: Option<U256>, at_most: Option<U256>) -> Bits {
    Bits::of(spans.len(), |atom| {
        spans.get(atom).is_some_and(|span| {
            above.is_none_or(|above| span.least > above)
                && at_most.is_none_or(|at_most| span.most <= at_most)
        })
    })
}
