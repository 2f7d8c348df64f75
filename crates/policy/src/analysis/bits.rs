//! A set of atoms of one axis, each by its number. Two sets that are combined are of the same axis.

/// A subset of the atoms `0..len` of an axis.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

const WORD: usize = 64;

fn place(atom: usize) -> (usize, u64) {
    let shift = u32::try_from(atom % WORD).unwrap_or_default();
    (atom / WORD, 1_u64.rotate_left(shift))
}

impl Bits {
    /// The atoms below `len` for which this holds.
    pub(crate) fn of(len: usize, mut holds: impl FnMut(usize) -> bool) -> Self {
        let mut words = vec![0_u64; len.div_ceil(WORD)];
        for atom in (0..len).filter(|atom| holds(*atom)) {
            let (word, bit) = place(atom);
            if let Some(word) = words.get_mut(word) {
                *word |= bit;
            }
        }
        Self { words }
    }

    /// All atoms below `len`.
    pub(crate) fn full(len: usize) -> Self {
        Self::of(len, |_| true)
    }

    pub(crate) fn contains(&self, atom: usize) -> bool {
        let (word, bit) = place(atom);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    fn zip<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (u64, u64)> + 'a {
        self.words.iter().copied().zip(other.words.iter().copied())
    }

    pub(crate) fn is_subset(&self, of: &Self) -> bool {
        self.zip(of).all(|(a, b)| a & !b == 0)
    }

    pub(crate) fn is_disjoint(&self, from: &Self) -> bool {
        self.zip(from).all(|(a, b)| a & b == 0)
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        let words = self.zip(other).map(|(a, b)| a & b).collect();
        Self { words }
    }

    pub(crate) fn without(&self, other: &Self) -> Self {
        let words = self.zip(other).map(|(a, b)| a & !b).collect();
        Self { words }
    }

    /// The atoms in it, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let atoms = self.words.len().saturating_mul(WORD);
        (0..atoms).filter(|atom| self.contains(*atom))
    }

    pub(crate) fn first(&self) -> Option<usize> {
        self.iter().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_more_than_a_word_behave_as_sets() {
        let even = Bits::of(130, |atom| atom % 2 == 0);
        let three = Bits::of(130, |atom| atom % 3 == 0);
        assert_eq!(even.and(&three), Bits::of(130, |atom| atom % 6 == 0));
        assert_eq!(even.without(&three).first(), Some(2));
        assert!(even.and(&three).is_subset(&even) && !even.is_subset(&three));
        assert!(even.is_disjoint(&Bits::full(130).without(&even)));
    }
}
