//! Conditions as clauses of a space.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Asset, U256};

use crate::analysis::axes::{
    GOAL, INITIATOR, SOURCE, Span256, TIME, VALUE, Value, amount_axis, fee_axis,
};
use crate::analysis::bits::Bits;
use crate::analysis::prices;
use crate::analysis::region::{Clause, Test};
use crate::analysis::space::Space;
use crate::condition::When;
use crate::facts::Flag;
use crate::fiat::Currency;
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
                    && [&when.amount, &when.fee]
                        .into_iter()
                        .flatten()
                        .all(|range| range.asset == of)
                    && has(when.tier.as_ref(), &source.tier)
                    && has(when.wallet.as_ref(), &source.wallet)
                    && has(when.asset.as_ref(), &of)
                    && has(when.chain.as_ref(), &source.network)
                    && has(when.call.as_ref(), &source.call)
            }),
        );
        let goes_to = |tier| {
            when.destination_tier.as_ref().is_none_or(|tiers| {
                let tier: Option<_> = tier;
                tier.is_some_and(|tier| tiers.contains(&tier))
            })
        };
        draft.narrow(
            GOAL,
            self.goals(|goal| has(when.destination.as_ref(), &goal.class) && goes_to(goal.tier)),
        );
        let initiators = &self.axes.initiators;
        let asked = |atom: usize| {
            initiators.get(atom).is_some_and(|initiator| {
                has(when.initiator.as_ref(), initiator)
                    && when.client.as_ref().is_none_or(|clients| {
                        initiator
                            .client()
                            .is_some_and(|client| clients.contains(client))
                    })
            })
        };
        draft.narrow(INITIATOR, Bits::of(initiators.len(), asked));
        if let Some(range) = &when.amount {
            let atoms = units(
                self.axes.amounts_of(range.asset),
                range.above,
                range.at_most,
            );
            draft.narrow(amount_axis(range.asset), atoms);
        }
        if let Some(range) = &when.fee {
            let atoms = units(self.axes.fees_of(range.asset), range.above, range.at_most);
            draft.narrow(fee_axis(range.asset), atoms);
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
        let clauses = |drafts: Vec<Draft>| {
            drafts
                .into_iter()
                .filter_map(|draft| self.clause(draft))
                .collect()
        };
        match &when.fiat {
            None => Compiled {
                holds: clauses(vec![draft]),
                faults: Vec::new(),
            },
            Some(range) => Compiled {
                holds: clauses(self.worth(&draft, range.currency, range.above, range.at_most)),
                faults: clauses(vec![self.without_price(&draft, range.currency)]),
            },
        }
    }

    /// The parts of a draft in which the value is inside the bounds: by the amount for each asset with a price, by the
    /// value for the others.
    fn worth(
        &self,
        draft: &Draft,
        currency: Currency,
        above: Option<u128>,
        at_most: Option<u128>,
    ) -> Vec<Draft> {
        let mut parts = Vec::new();
        let prices = self
            .world
            .prices
            .iter()
            .filter(|(known, _)| *known == currency);
        for (asset, price) in prices.flat_map(|(_, prices)| prices) {
            let most =
                |cents: Option<u128>| cents.and_then(|cents| prices::units(*price, *asset, cents));
            let mut part = draft.clone();
            part.narrow(
                SOURCE,
                self.sources(|source| source.network.asset() == *asset),
            );
            let spans = self.axes.amounts_of(*asset);
            part.narrow(
                amount_axis(*asset),
                units(spans, most(above), most(at_most)),
            );
            parts.push(part);
        }
        let mut part = draft.clone();
        part.narrow(
            SOURCE,
            self.sources(|source| !self.is_priced(source.network.asset())),
        );
        part.narrow(
            VALUE,
            self.values(|value| match value {
                Value::Cents(of, least, most) => {
                    *of == currency
                        && above.is_none_or(|above| *least > above)
                        && at_most.is_none_or(|at_most| *most <= at_most)
                }
                Value::Unknown => false,
            }),
        );
        parts.push(part);
        parts
    }

    /// The part of a draft in which no value in this currency is known.
    fn without_price(&self, draft: &Draft, currency: Currency) -> Draft {
        let mut part = draft.clone();
        let in_currency = self
            .world
            .prices
            .as_ref()
            .is_some_and(|(known, _)| *known == currency);
        part.narrow(
            SOURCE,
            self.sources(|source| !(in_currency && self.is_priced(source.network.asset()))),
        );
        part.narrow(
            VALUE,
            self.values(|value| !matches!(value, Value::Cents(of, ..) if *of == currency)),
        );
        part
    }

    fn values(&self, holds: impl Fn(&Value) -> bool) -> Bits {
        let values = &self.axes.values;
        Bits::of(values.len(), |atom| values.get(atom).is_some_and(&holds))
    }

    /// What counts towards a limit, and what it can't count.
    pub(crate) fn compile_limit(&self, limit: &Limit) -> Compiled {
        let mut compiled = self.compile(&limit.when, limit.asset);
        if let Measure::Fiat(max) = limit.max {
            let whole = Draft::default();
            let faults = self.without_price(&whole, max.currency);
            for clause in &compiled.holds {
                let narrowed = faults
                    .narrowed
                    .iter()
                    .try_fold(clause.clone(), |clause, (axis, atoms)| {
                        clause.narrowed(*axis, atoms)
                    });
                compiled
                    .faults
                    .extend(narrowed.map(|clause| self.plain(clause)));
            }
        }
        compiled
    }

    /// What is above a limit's maximum all by itself.
    pub(crate) fn oversize(&self, limit: &Limit) -> Vec<Clause> {
        let above = match limit.max {
            Measure::Count(_) => return Vec::new(),
            Measure::Amount(max) => {
                let spans = self.axes.amounts_of(max.asset());
                let mut draft = Draft::default();
                draft.narrow(
                    amount_axis(max.asset()),
                    units(spans, Some(max.units()), None),
                );
                vec![draft]
            }
            Measure::Fiat(max) => {
                self.worth(&Draft::default(), max.currency, Some(max.cents), None)
            }
        };
        let mut found = Vec::new();
        for clause in self.compile_limit(limit).holds {
            for draft in &above {
                let narrowed = draft
                    .narrowed
                    .iter()
                    .try_fold(clause.clone(), |clause, (axis, atoms)| {
                        clause.narrowed(*axis, atoms)
                    });
                found.extend(narrowed.map(|clause| self.plain(clause)));
            }
        }
        found
    }

    /// A clause without the tests that always hold.
    pub(crate) fn plain(&self, clause: Clause) -> Clause {
        let lengths = self.axes.lengths();
        let tests = clause.0.into_iter().filter(|test| match test {
            Test::In(axis, atoms) => {
                lengths
                    .get(*axis)
                    .map(|length| Bits::full(*length))
                    .as_ref()
                    != Some(atoms)
            }
            Test::Any(_) => true,
        });
        Clause(tests.collect())
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

#[cfg(test)]
mod tests;
