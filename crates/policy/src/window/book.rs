//! The book of what was admitted: how much of a limit is used at an instant, never too little, and too much by at most
//! what one 512th of the window admitted.
//!
//! It keeps sums, not a history. For each limit and each key of which something is inside the window there are at most
//! 513 buckets; for each reservation that is neither released nor settled there are its facts; and there is nothing
//! else. So memory is bounded by what is inside the windows and by what is open, and a verdict costs the same after
//! ten years as on the first day. When another policy comes into force, the caller hands in what was admitted.
//!
//! Time never goes back: an admission that claims to be earlier than the last is counted at the last's time, so a
//! window that was full stays full. Replaying the same calls gives an equal book.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::condition::Subject;
use crate::facts::Facts;
use crate::ids::WithdrawalId;
use crate::instant::Timestamp;
use crate::limit::Dimension;
use crate::policy::Policy;
use crate::window::places::Places;
use crate::window::standing::Standing;
use crate::window::usage::LimitUsage;

/// What is inside the windows of one policy's limits. A new book is empty, and takes the policy of the first
/// reservation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitBook {
    now: Timestamp,
    /// Reservations that may yet be released, as they were counted: `at` is when.
    open: BTreeMap<WithdrawalId, Arc<Facts>>,
    sums: Option<Sums>,
}

impl LimitBook {
    /// A book for this policy of what was admitted before, in order of admission. All of it counts as settled; to
    /// keep reservations open, [`adopt`](Self::adopt) the policy in the book they were made in.
    pub fn for_policy<F: Borrow<Facts>>(
        policy: &Policy,
        admissions: impl IntoIterator<Item = F>,
    ) -> Self {
        let mut book = Self::default();
        book.adopt(policy, admissions);
        book
    }

    /// Counts a withdrawal as admitted, from its `at` on, or from the latest admission's if that is later: the answer
    /// says from when. It does not ask whether there is room. One that has an open reservation is not counted twice:
    /// it is from now on counted as these facts say, which is a later time and never an earlier one.
    ///
    /// In a book of another policy it counts towards that policy's limits; verdicts under `policy` stay denied until
    /// the book is rebuilt for it.
    pub fn reserve(&mut self, policy: &Policy, facts: impl Into<Arc<Facts>>) -> Timestamp {
        let mut counted: Arc<Facts> = facts.into();
        self.release(&counted.withdrawal);
        self.now = self.now.max(counted.at);
        if counted.at != self.now {
            Arc::make_mut(&mut counted).at = self.now;
        }
        let sums = self.sums.get_or_insert_with(|| Sums::empty(policy));
        sums.count(&counted);
        self.open.insert(counted.withdrawal, counted);
        self.now
    }

    /// Takes a withdrawal out of every window, because it will not be paid unless it is admitted anew. Nothing
    /// happens if it has no open reservation.
    pub fn release(&mut self, withdrawal: &WithdrawalId) {
        if let Some(counted) = self.open.remove(withdrawal)
            && let Some(sums) = &mut self.sums
        {
            sums.discount(&counted);
        }
    }

    /// Notes that a withdrawal is paid, or can't be taken back any more: it is forgotten, and what it counts stays
    /// until it leaves the windows.
    pub fn settle(&mut self, withdrawal: &WithdrawalId) {
        self.open.remove(withdrawal);
    }

    /// Counts anew, for the limits of another policy. `admissions` are what was admitted and not released in the last
    /// 366 days, the longest window a policy may name, in order of admission and with the instants that `reserve`
    /// answered as their `at`. Nothing is forgotten: an open reservation that is not among them is counted as well,
    /// from the latest admission on.
    pub fn adopt<F: Borrow<Facts>>(
        &mut self,
        policy: &Policy,
        admissions: impl IntoIterator<Item = F>,
    ) {
        let mut sums = Sums::empty(policy);
        let mut missing: BTreeSet<WithdrawalId> = self.open.keys().copied().collect();
        let mut latest = Timestamp::default();
        for admission in admissions {
            let mut counted = admission.borrow().clone();
            latest = latest.max(counted.at);
            counted.at = latest;
            sums.count(&counted);
            if let Some(open) = self.open.get_mut(&counted.withdrawal) {
                missing.remove(&counted.withdrawal);
                *open = Arc::new(counted);
            }
        }
        self.now = self.now.max(latest);
        for withdrawal in &missing {
            if let Some(open) = self.open.get_mut(withdrawal) {
                Arc::make_mut(open).at = self.now;
                sums.count(open);
            }
        }
        self.sums = Some(sums);
    }

    /// How much of each limit is used at `at`, under the policy that this book is kept for, or under `policy` if it
    /// is new: an entry for each key that uses any, in order of limit and key, and one with nothing used for a limit
    /// that no key uses.
    pub fn usage(&self, policy: &Policy, at: Timestamp) -> Vec<LimitUsage> {
        let at = self.clamp(at);
        match &self.sums {
            Some(sums) => LimitUsage::of_all(&sums.policy.0.limits, Some(&sums.places), at),
            None => LimitUsage::of_all(&policy.0.limits, None, at),
        }
    }

    /// The instant at which a verdict asked for at `at` is given: not before the last admission.
    pub(crate) fn clamp(&self, at: Timestamp) -> Timestamp {
        at.max(self.now)
    }

    /// Where the subject stands in the windows of the policy's limits; `None` if the book is another policy's. A
    /// withdrawal that is admitted already does not stand in its own way: `own` is its id.
    pub(crate) fn standing<'a>(
        &'a self,
        policy: &Policy,
        subject: &Subject<'_>,
        own: &WithdrawalId,
    ) -> Option<Standing<'a>> {
        let Some(sums) = &self.sums else {
            return Some(Standing::default());
        };
        if sums.policy.hash() != policy.hash() {
            return None;
        }
        let own = self.open.get(own).map(|facts| Subject::of(facts, facts.at));
        let windows = Dimension::ALL.map(|per| sums.places.get(per, subject));
        Some(Standing { windows, own })
    }
}

/// The windows of one policy's limits.
#[derive(Debug, Clone)]
struct Sums {
    policy: Policy,
    places: Places,
}

impl PartialEq for Sums {
    fn eq(&self, other: &Self) -> bool {
        self.policy.hash() == other.policy.hash() && self.places == other.places
    }
}

impl Eq for Sums {}

impl Sums {
    fn empty(policy: &Policy) -> Self {
        Self {
            policy: policy.clone(),
            places: Places::default(),
        }
    }

    /// Adds an admission to each limit it counts towards.
    fn count(&mut self, facts: &Facts) {
        let subject = Subject::of(facts, facts.at);
        for (index, limit) in self.policy.limits_on(&subject) {
            let weight = limit.weight(&subject);
            self.places.count((index, limit), &subject, weight);
        }
        self.places.sweep(subject.at);
    }

    /// Takes an admission out of each limit it counts towards.
    fn discount(&mut self, facts: &Facts) {
        let subject = Subject::of(facts, facts.at);
        for (index, limit) in self.policy.limits_on(&subject) {
            let weight = limit.weight(&subject);
            self.places.discount((index, limit), &subject, weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::{DAY_MS, HOUR_MS, SECOND_MS};
    use crate::reason::{Fault, Reason};
    use crate::verdict::Outcome;

    const POLICY: &str = r#"
version = 1
[groups]
treasury = ["alice"]
[governance]
unfreeze = [{ group = "treasury", quorum = 1 }]
[[rules]]
id = "hot"
effect = "allow"
when = { tier = ["hot"] }
[[limits]]
id = "destination"
per = "destination"
max_count = 1
window = "1h"
on_breach = "deny"
[[limits]]
id = "yearly"
per = "vault"
max_amount = "1000 ETH"
window = "366d"
on_breach = "deny"
"#;

    fn id(serial: u64) -> WithdrawalId {
        WithdrawalId::from_bytes(u128::from(serial).to_be_bytes())
    }

    fn facts(serial: u64, at: u64) -> Facts {
        let facts = serde_json::json!({
            "withdrawal": format!("wd_{serial:032x}"), "vault": "main", "wallet": "hot", "tier": "hot",
            "amount": "1 ETH", "destination": format!("eip155:1:0x{serial:040x}"), "class": "new",
            "initiator": "client/exchange", "fee": "0.001 ETH", "at": at,
        });
        serde_json::from_value(facts).unwrap()
    }

    #[test]
    fn memory_is_that_of_the_windows_and_of_what_is_open_over_years_of_new_destinations() {
        let policy = Policy::parse(POLICY).unwrap();
        let mut book = LimitBook::default();
        // One an hour for three years, each settled after a day.
        for serial in 1..=26_280 {
            let asked = facts(serial, serial * HOUR_MS);
            book.reserve(&policy, &asked);
            book.settle(&id(serial.saturating_sub(24)));
            assert!(book.open.len() <= 24);
            if serial % 500 == 0 {
                let counts = book.sums.as_ref().unwrap().places.bucket_counts();
                assert!(counts.iter().all(|buckets| *buckets <= 513));
                // A bucket for each destination that was not swept yet, and 513 for the vault.
                let all: usize = counts.iter().sum();
                assert!(all <= 1_024 + 513, "{all} buckets");
            }
        }
        let usage = book.usage(&policy, Timestamp::from_ms(26_280 * HOUR_MS));
        let counts: Vec<_> = usage.iter().map(|u| u.count).collect();
        let hours_of_366_days = 366 * 24;
        let granule_in_hours = 366 * 24 / 512 + 1;
        assert_eq!(counts[0], 1);
        assert!((hours_of_366_days..=hours_of_366_days + granule_in_hours).contains(&counts[1]));
    }

    #[test]
    fn replaying_the_same_calls_gives_an_equal_book() {
        let policy = Policy::parse(POLICY).unwrap();
        let replayed = || {
            let mut book = LimitBook::default();
            for serial in 1..=3_000 {
                book.reserve(&policy, facts(serial, serial * SECOND_MS));
                match serial % 3 {
                    0 => book.release(&id(serial - 2)),
                    1 => book.settle(&id(serial - 1)),
                    _ => {}
                }
            }
            book
        };
        let book = replayed();
        assert_eq!(book, replayed());
        let mut other = book.clone();
        other.settle(&id(3_000));
        assert_ne!(book, other);
    }

    #[test]
    fn books_are_equal_only_with_the_same_sums_under_the_same_policy() {
        let policy = Policy::parse(POLICY).unwrap();
        let other = Policy::parse(&format!("# Another text.{POLICY}")).unwrap();
        // Nothing is open, and the last admission was at the same time.
        let settled = |policy: &Policy, amount: &str| {
            let mut admitted = facts(1, 1_000);
            admitted.amount = amount.parse().unwrap();
            let mut book = LimitBook::default();
            book.reserve(policy, &admitted);
            book.settle(&id(1));
            book
        };
        let book = settled(&policy, "1 ETH");
        assert_eq!(book, settled(&policy, "1 ETH"));
        assert_ne!(book, settled(&policy, "2 ETH"));
        assert_ne!(book, settled(&other, "1 ETH"));
    }

    #[test]
    fn what_is_settled_still_counts_and_is_not_released() {
        let policy = Policy::parse(POLICY).unwrap();
        let mut book = LimitBook::default();
        book.reserve(&policy, facts(1, 1_000));
        book.settle(&id(1));
        book.release(&id(1));
        assert_eq!(book.usage(&policy, Timestamp::from_ms(2_000))[1].count, 1);
    }

    #[test]
    fn a_second_admission_moves_the_first_and_never_to_an_earlier_time() {
        let policy = Policy::parse(POLICY).unwrap();
        let mut book = LimitBook::default();
        assert_eq!(book.reserve(&policy, facts(1, 1_000)).as_ms(), 1_000);
        assert_eq!(book.reserve(&policy, facts(1, 5_000)).as_ms(), 5_000);
        assert_eq!(book.reserve(&policy, facts(1, 2_000)).as_ms(), 5_000);
        let usage = book.usage(&policy, Timestamp::from_ms(2_000));
        assert_eq!(usage[0].count, 1);
        assert_eq!(
            usage[0].resets_at,
            Some(Timestamp::from_ms(5_000 + HOUR_MS))
        );
    }

    #[test]
    fn another_policy_denies_until_the_book_is_rebuilt_for_it_and_then_nothing_is_forgotten() {
        let policy = Policy::parse(POLICY).unwrap();
        let next = Policy::parse(&POLICY.replace("1h", "2h")).unwrap();
        let mut book = LimitBook::default();
        let mut settled = facts(1, 1_000);
        settled.at = book.reserve(&policy, &settled);
        book.settle(&settled.withdrawal);
        book.reserve(&policy, facts(2, 2_000));
        let again = Facts {
            withdrawal: id(3),
            at: Timestamp::from_ms(HOUR_MS + 5_000),
            ..facts(1, 0)
        };
        let refused = next.evaluate(&again, &book);
        assert_eq!(refused.outcome, Outcome::Deny);
        assert!(refused.reasons.contains(&Reason::EvaluationFailed {
            fault: Fault::OtherBook
        }));
        // Counting for it does not change that, and does not get lost.
        book.reserve(&next, facts(4, 3_000));
        assert_eq!(next.evaluate(&again, &book).outcome, Outcome::Deny);
        // The open ones are not handed in; they are counted all the same.
        book.adopt(&next, [&settled]);
        let counted = book.usage(&next, Timestamp::from_ms(3_000));
        assert_eq!(counted.last().map(|u| u.count), Some(3));
        // Under the shorter window the first destination would be free by then.
        assert_eq!(next.evaluate(&again, &book).outcome, Outcome::Deny);
        book.release(&id(2));
        book.release(&id(4));
        let left = book.usage(&next, Timestamp::from_ms(3_000));
        assert_eq!(left.last().map(|u| u.count), Some(1));
    }

    #[test]
    fn admissions_handed_in_never_go_back_in_time() {
        let policy = Policy::parse(POLICY).unwrap();
        let book = LimitBook::for_policy(&policy, [facts(1, DAY_MS), facts(2, 1_000)]);
        let usage = book.usage(&policy, Timestamp::from_ms(DAY_MS));
        assert_eq!(usage.len(), 3);
        assert!(
            usage
                .iter()
                .take(2)
                .all(|u| u.resets_at == Some(Timestamp::from_ms(DAY_MS + HOUR_MS)))
        );
    }
}
