//! Sets of requests: a region is a product of sets of atoms, one for each axis; a clause is the conjunction that a
//! rule's or limit's conditions are. A region is split only where a clause that still matters is open in it.

use crate::analysis::bits::Bits;

/// A set of requests: of each axis, the atoms that are still possible. Never empty on any axis.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Region(Vec<Bits>);

/// Whether a clause holds in all of a region, in none of it, or in a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    Holds,
    Fails,
    /// The number of the first test that is open.
    Open(usize),
}

impl Region {
    pub(crate) fn new(axes: Vec<Bits>) -> Self {
        Self(axes)
    }

    /// The atoms that are possible on an axis.
    pub(crate) fn on(&self, axis: usize) -> &Bits {
        self.0
            .get(axis)
            .expect("axes are numbered by the space that made the region")
    }

    /// The part of it with these atoms on this axis.
    pub(crate) fn within(&self, axis: usize, atoms: &Bits) -> Option<Self> {
        let both = self.on(axis).and(atoms);
        if both.is_empty() {
            return None;
        }
        let mut part = self.clone();
        if let Some(place) = part.0.get_mut(axis) {
            *place = both;
        }
        Some(part)
    }
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Test {
    /// The atom on this axis is one of these.
    In(usize, Bits),
    /// It is so on any of these axes: a destination has several tags.
    Any(Vec<(usize, Bits)>),
}

impl Test {
    fn judge(&self, region: &Region) -> Option<bool> {
        let on = |axis: &usize, atoms: &Bits| {
            let possible = region.on(*axis);
            match (possible.is_subset(atoms), possible.is_disjoint(atoms)) {
                (true, _) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
            }
        };
        match self {
            Self::In(axis, atoms) => on(axis, atoms),
            Self::Any(tests) => {
                let mut answers = tests.iter().map(|(axis, atoms)| on(axis, atoms));
                let is_open = answers.clone().any(|answer| answer.is_none());
                let holds = answers.any(|answer| answer == Some(true));
                (holds || !is_open).then_some(holds)
            }
        }
    }

    /// The parts of a region in which it holds and in which it does not. It is open there.
    fn split(&self, region: &Region) -> Vec<Region> {
        let (axis, atoms) = match self {
            Self::In(axis, atoms) => (*axis, atoms),
            Self::Any(tests) => {
                let open = tests.iter().find(|(axis, atoms)| {
                    let possible = region.on(*axis);
                    !possible.is_subset(atoms) && !possible.is_disjoint(atoms)
                });
                let Some((axis, atoms)) = open else {
                    return vec![region.clone()];
                };
                (*axis, atoms)
            }
        };
        let outside = region.on(axis).without(atoms);
        let parts = [region.within(axis, atoms), region.within(axis, &outside)];
        parts.into_iter().flatten().collect()
    }
}

/// Conditions that must all hold, in order of axis.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Clause(pub(crate) Vec<Test>);

impl Clause {
    pub(crate) fn judge(&self, region: &Region) -> Truth {
        let mut open = None;
        for (number, test) in self.0.iter().enumerate() {
            match test.judge(region) {
                Some(true) => {}
                Some(false) => return Truth::Fails,
                None => open = open.or(Some(number)),
            }
        }
        open.map_or(Truth::Holds, Truth::Open)
    }

    /// Whether it holds somewhere in a region, as far as each test by itself says.
    pub(crate) fn may_hold(&self, region: &Region) -> bool {
        self.judge(region) != Truth::Fails
    }

    /// The parts that a region falls into by a test that is open in it.
    pub(crate) fn split(&self, region: &Region, test: usize) -> Vec<Region> {
        self.0
            .get(test)
            .map_or_else(|| vec![region.clone()], |test| test.split(region))
    }

    /// The parts of a region in which it holds.
    pub(crate) fn parts(&self, region: &Region) -> Vec<Region> {
        let (mut found, mut left) = (Vec::new(), vec![region.clone()]);
        while let Some(region) = left.pop() {
            match self.judge(&region) {
                Truth::Holds => found.push(region),
                Truth::Fails => {}
                Truth::Open(test) => left.extend(self.split(&region, test)),
            }
        }
        found
    }

    /// The clause with one more test; nothing, if no atom is left on that axis.
    pub(crate) fn narrowed(&self, axis: usize, atoms: &Bits) -> Option<Self> {
        let mut tests = self.0.clone();
        let before = tests.iter_mut().find_map(|test| match test {
            Test::In(on, before) if *on == axis => Some(before),
            Test::In(..) | Test::Any(_) => None,
        });
        let left = match before {
            Some(before) => {
                *before = before.and(atoms);
                before.clone()
            }
            None => {
                tests.push(Test::In(axis, atoms.clone()));
                tests.sort();
                atoms.clone()
            }
        };
        (!left.is_empty()).then_some(Self(tests))
    }

    /// Whether whatever meets `other` meets this too, as far as each condition by itself says.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.0.iter().all(|wanted| {
            other.0.iter().any(|given| match (wanted, given) {
                (Test::In(a, wide), Test::In(b, narrow)) => a == b && narrow.is_subset(wide),
                (Test::Any(wide), Test::Any(narrow)) => narrow.iter().all(|(b, narrow)| {
                    let has = |(a, wide): &(usize, Bits)| a == b && narrow.is_subset(wide);
                    wide.iter().any(has)
                }),
                (Test::In(..), Test::Any(_)) | (Test::Any(_), Test::In(..)) => false,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(atoms: &[usize]) -> Bits {
        Bits::of(4, |atom| atoms.contains(&atom))
    }

    fn within(axis: usize, atoms: &[usize]) -> Clause {
        Clause(vec![Test::In(axis, bits(atoms))])
    }

    fn any(tests: &[(usize, &[usize])]) -> Clause {
        let tests = tests.iter();
        Clause(vec![Test::Any(
            tests.map(|(axis, atoms)| (*axis, bits(atoms))).collect(),
        )])
    }

    #[test]
    fn a_clause_covers_what_is_within_it_on_the_same_axis() {
        assert!(within(0, &[0, 1]).covers(&within(0, &[0])));
        assert!(!within(0, &[0]).covers(&within(0, &[0, 1])));
        assert!(!within(0, &[0, 1]).covers(&within(1, &[0])));
        assert!(Clause(Vec::new()).covers(&within(0, &[0])));
        assert!(!within(0, &[0]).covers(&Clause(Vec::new())));
    }

    #[test]
    fn alternatives_cover_fewer_or_narrower_ones_of_the_same_axes() {
        let wide = any(&[(0, &[0, 1]), (1, &[0])]);
        assert!(wide.covers(&wide));
        assert!(wide.covers(&any(&[(0, &[1])])));
        assert!(!wide.covers(&any(&[(0, &[1, 2])])));
        assert!(!wide.covers(&any(&[(2, &[0])])));
        assert!(!any(&[(0, &[1])]).covers(&wide));
        assert!(!wide.covers(&within(0, &[0])));
    }

    #[test]
    fn a_clause_narrowed_on_an_axis_it_tests_has_still_one_test_of_it() {
        let clause = within(0, &[0, 1]);
        assert_eq!(clause.narrowed(0, &bits(&[1, 2])), Some(within(0, &[1])));
        assert_eq!(clause.narrowed(0, &bits(&[2])), None);
        let both = clause.narrowed(1, &bits(&[3])).unwrap();
        assert_eq!(both.0.len(), 2);
    }

    #[test]
    fn a_clause_may_hold_unless_it_fails_everywhere() {
        let region = Region::new(vec![bits(&[0, 1])]);
        assert!(within(0, &[0, 1]).may_hold(&region));
        assert!(within(0, &[1, 2]).may_hold(&region));
        assert!(!within(0, &[2]).may_hold(&region));
    }
}
