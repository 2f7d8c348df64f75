//! Prefix sums that can be appended to and changed in the middle, each in logarithmic time: a binary indexed tree
//! (P. Fenwick, "A new data structure for cumulative frequency tables", 1994).

use custodyd_chain::U256;

/// An amount in base units and a number of withdrawals, summed together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) weight: U256,
    pub(crate) count: u64,
}

impl Total {
    /// Saturating: a sum that does not fit 256 bits is above every limit, which is the safe side. Amounts are
    /// below 2^127, so it would take 2^129 of them.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            weight: self.weight.saturating_add(other.weight),
            count: self.count.saturating_add(other.count),
        }
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            weight: self.weight.saturating_sub(other.weight),
            count: self.count.saturating_sub(other.count),
        }
    }
}

/// The tree. Node `i`, counted from 1, holds the sum of the `lowest_bit(i)` items that end with item `i`.
#[derive(Debug, Clone, Default)]
pub(crate) struct PrefixSums {
    nodes: Vec<Total>,
}

impl PrefixSums {
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    fn node(&self, index: usize) -> Total {
        index
            .checked_sub(1)
            .and_then(|at| self.nodes.get(at))
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn push(&mut self, item: Total) {
        let index = self.nodes.len().saturating_add(1);
        let first = index.saturating_sub(lowest_bit(index));
        let mut sum = item;
        let mut child = index.saturating_sub(1);
        while child > first {
            sum = sum.plus(self.node(child));
            child = child.saturating_sub(lowest_bit(child));
        }
        self.nodes.push(sum);
    }

    /// Takes `item` away from the item at `position`, counted from 0.
    pub(crate) fn subtract(&mut self, position: usize, item: Total) {
        let mut index = position.saturating_add(1);
        while let Some(node) = index.checked_sub(1).and_then(|at| self.nodes.get_mut(at)) {
            *node = node.minus(item);
            index = index.saturating_add(lowest_bit(index));
        }
    }

    /// The sum of the first `count` items.
    pub(crate) fn prefix(&self, count: usize) -> Total {
        let mut sum = Total::default();
        let mut index = count.min(self.nodes.len());
        while index > 0 {
            sum = sum.plus(self.node(index));
            index = index.saturating_sub(lowest_bit(index));
        }
        sum
    }

    /// The smallest number of first items whose weights sum to at least `weight`, if all together do.
    pub(crate) fn first_reaching(&self, weight: U256) -> Option<usize> {
        let mut taken = 0_usize;
        let mut left = weight;
        // The largest power of two not above the length, then each smaller one: the digits of the answer.
        let mut step = match self.nodes.len().checked_ilog2() {
            Some(bit) => 1_usize.checked_shl(bit).unwrap_or(0),
            None => 0,
        };
        while step > 0 {
            let next = taken.saturating_add(step);
            if next <= self.nodes.len()
                && let Some(rest) = left.checked_sub(self.node(next).weight)
                && !rest.is_zero()
            {
                taken = next;
                left = rest;
            }
            step >>= 1;
        }
        if left.is_zero() {
            return Some(taken);
        }
        let reached = taken.saturating_add(1);
        (reached <= self.nodes.len()).then_some(reached)
    }
}

/// The value of the lowest bit that is set.
const fn lowest_bit(index: usize) -> usize {
    index & index.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(weight: u64) -> Total {
        Total {
            weight: U256::from(weight),
            count: u64::from(weight > 0),
        }
    }

    proptest! {
        #[test]
        fn sums_agree_with_a_plain_list(
            items in prop::collection::vec(0u64..5, 0..70),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let mut list = items.clone();
            let mut sums = PrefixSums::default();
            for item in &items {
                sums.push(total(*item));
            }
            for index in removed {
                if !list.is_empty() {
                    let at = index.index(list.len());
                    sums.subtract(at, total(list[at]));
                    list[at] = 0;
                }
            }
            for count in 0..=list.len() {
                let sum: u64 = list[..count].iter().sum();
                let some = list[..count].iter().filter(|item| **item > 0).count() as u64;
                prop_assert_eq!(sums.prefix(count), Total { weight: U256::from(sum), count: some });
            }
            let all: u64 = list.iter().sum();
            for weight in 0..=all + 1 {
                let expected = (0..=list.len()).find(|count| list[..*count].iter().sum::<u64>() >= weight);
                prop_assert_eq!(sums.first_reaching(U256::from(weight)), expected);
            }
        }
    }
}
