//! A bounded map in which what was used longest ago makes room.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// At most `capacity` values, each found by its key in constant and aged in logarithmic time.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    capacity: usize,
    /// Counts uses; a use a nanosecond would take 584 years to wrap around.
    clock: u64,
    values: HashMap<K, (u64, V)>,
    /// Keys by their last use.
    uses: BTreeMap<u64, K>,
}

impl<K: Copy + Eq + Hash, V> Lru<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            clock: 0,
            values: HashMap::new(),
            uses: BTreeMap::new(),
        }
    }

    /// The value, now the one used last.
    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        let (used, value) = self.values.get_mut(key)?;
        self.uses.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.uses.insert(self.clock, *key);
        Some(value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (used, value) = self.values.remove(key)?;
        self.uses.remove(&used);
        Some(value)
    }

    /// Takes out the value used longest ago, if one more would be too many.
    pub(crate) fn make_room(&mut self) -> Option<V> {
        if self.values.len() < self.capacity {
            return None;
        }
        let (_, key) = self.uses.pop_first()?;
        self.values.remove(&key).map(|(_, value)| value)
    }

    /// Puts a value in. The caller has made room, and holds no other value of this key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.clock += 1;
        self.uses.insert(self.clock, key);
        self.values.insert(key, (self.clock, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let mut cache = Lru::new(3);
        for number in 0..3 {
            assert_eq!(cache.make_room(), None);
            cache.insert(number, number * 10);
        }
        assert_eq!(cache.get(&0), Some(&0));
        assert_eq!(cache.make_room(), Some(10));
        cache.insert(3, 30);
        assert_eq!(cache.make_room(), Some(20));
        assert_eq!(cache.get(&1), None);
        assert_eq!(cache.get(&0), Some(&0));
        assert_eq!(cache.get(&3), Some(&30));
    }

    #[test]
    fn it_never_holds_more_than_it_may_and_what_is_removed_leaves_no_trace() {
        let mut cache = Lru::new(8);
        for number in 0_u32..1000 {
            if number % 3 == 0 {
                cache.remove(&(number / 2));
            }
            cache.get(&(number.wrapping_mul(7) % 11));
            cache.make_room();
            cache.insert(number, number);
            assert!(cache.values.len() <= 8);
            assert_eq!(cache.values.len(), cache.uses.len());
        }
    }
}
