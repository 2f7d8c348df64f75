//! The book of what was admitted. It answers how much of a limit is used at an instant, exactly and in logarithmic
//! time, however much history there is.
//!
//! The history outlives policies; the sums are derived from it for one policy, and made anew when another is in
//! force. Time never goes back: an admission that claims to be earlier than the last is recorded at the last's time,
//! so a window that was full stays full.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use custodyd_chain::U256;
use serde::{Deserialize, Serialize};

use crate::condition::Subject;
use crate::facts::Facts;
use crate::ids::{LimitId, WithdrawalId};
use crate::instant::Timestamp;
use crate::limit::{Dimension, Limit};
use crate::policy::Policy;
use crate::reason::Measure;
use crate::verdict::PolicyHash;
use crate::window::history::History;
use crate::window::series::Series;

/// What was admitted in the last 366 days. Rebuilt by replaying admissions and releases.
#[derive(Debug, Clone, Default)]
pub struct LimitBook {
    history: History,
    sums: Option<Sums>,
}

/// Two books are equal if the same is admitted in them, whatever policy their sums are kept for.
impl PartialEq for LimitBook {
    fn eq(&self, other: &Self) -> bool {
        let admissions = |book: &Self| -> Vec<_> {
            let all = book.history.admissions();
            all.map(|(_, withdrawal, s)| {
                let place = (
                    s.vault.clone(),
                    s.wallet.clone(),
                    s.tier,
                    s.initiator.clone(),
                );
                (
                    withdrawal,
                    place,
                    s.amount,
                    s.destination.clone(),
                    s.class,
                    s.at,
                )
            })
            .collect()
        };
        self.history.now() == other.history.now() && admissions(self) == admissions(other)
    }
}

impl Eq for LimitBook {}

/// How much of a limit is used by one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitUsage {
    /// The limit.
    pub limit: LimitId,
    /// What it counts apart.
    pub per: Dimension,
    /// Which of them, such as `wallet hot-1`; `any wallet` where nothing is used by any.
    pub key: String,
    /// The window's length in milliseconds.
    pub window_ms: u64,
    /// Used within the window that ends now.
    pub used: Measure,
    /// The most that may be used within any window.
    pub max: Measure,
    /// How many withdrawals that is.
    pub count: u64,
    /// When the oldest of them leaves the window.
    pub frees_at: Option<Timestamp>,
    /// When the window is empty, if nothing else is admitted.
    pub resets_at: Option<Timestamp>,
}

impl LimitBook {
    /// Counts a withdrawal as admitted, from its `at` on, or from the latest admission's if that is later. Once for
    /// each withdrawal: doing it again changes nothing. It does not ask whether there is room.
    pub fn reserve(&mut self, policy: &Policy, facts: &Facts) {
        self.adopt(policy);
        let Some(sequence) = self.history.record(facts) else {
            return;
        };
        if self.history.is_sparse() {
            self.history.collect_names();
            self.sums = Some(Sums::of(policy, &self.history));
        } else if let Some(sums) = &mut self.sums {
            sums.count(&self.history, sequence);
        }
    }

    /// Takes a withdrawal out of every window, because it will never be paid. Nothing happens if it is not there.
    pub fn release(&mut self, withdrawal: &WithdrawalId) {
        if let Some(sequence) = self.history.sequence(withdrawal) {
            if let Some(sums) = &mut self.sums {
                sums.discount(&self.history, sequence);
            }
            self.history.release(withdrawal);
        }
    }

    /// Keeps the sums for this policy from now on. `reserve` does so too; doing it when a policy comes into force
    /// spares the verdicts until then from walking the history.
    pub fn adopt(&mut self, policy: &Policy) {
        if self.current(policy).is_none() {
            self.sums = Some(Sums::of(policy, &self.history));
        }
    }

    /// How much of each limit is used at `at`: an entry for each key that uses any, in order of limit and key, and
    /// one with nothing used for a limit that no key uses.
    pub fn usage(&self, policy: &Policy, at: Timestamp) -> Vec<LimitUsage> {
        let at = self.clamp(at);
        let derived;
        let sums = match self.current(policy) {
            Some(sums) => sums,
            None => {
                derived = Sums::of(policy, &self.history);
                &derived
            }
        };
        let mut used: Vec<Vec<LimitUsage>> = vec![Vec::new(); sums.limits.len()];
        for (place, series) in &sums.series {
            // The newest admission in the window says which key this is.
            let newest = series.newest(at).and_then(|n| self.history.subject(n));
            if let Some(subject) = newest
                && let Some(limit) = sums.limits.get(place.limit)
                && let Some(of_limit) = used.get_mut(place.limit)
            {
                let key = limit.per.describe(&subject);
                of_limit.push(LimitUsage::of(limit, key, Some(series), at));
            }
        }
        for (limit, of_limit) in sums.limits.iter().zip(&mut used) {
            of_limit.sort_by(|a, b| a.key.cmp(&b.key));
            if of_limit.is_empty() {
                let key = format!("any {}", limit.per);
                of_limit.push(LimitUsage::of(limit, key, None, at));
            }
        }
        used.into_iter().flatten().collect()
    }

    /// The instant at which a verdict asked for at `at` is given: not before the last admission.
    pub(crate) fn clamp(&self, at: Timestamp) -> Timestamp {
        at.max(self.history.now())
    }

    /// What the subject's key uses of the policy's limit with this index. A withdrawal that is admitted already
    /// does not stand in its own way: `own` is its id.
    pub(crate) fn used(
        &self,
        policy: &Policy,
        index: usize,
        subject: &Subject<'_>,
        own: &WithdrawalId,
    ) -> Used<'_> {
        let own = self.history.sequence(own);
        let limit = policy.0.limits.get(index);
        let Some((limit, key)) =
            limit.and_then(|limit| Some((limit, self.history.key(limit.per, subject)?)))
        else {
            return Used { series: None, own };
        };
        let series = match self.current(policy) {
            Some(sums) => {
                let kept = sums.series.get(&Place { limit: index, key });
                kept.map(Cow::Borrowed)
            }
            // Another policy is in force: what would this one say? Right, and slower.
            None => {
                let mut series = Series::new(limit.window_ms);
                for (sequence, _, past) in self.history.admissions() {
                    if limit.applies(&past) && self.history.key(limit.per, &past) == Some(key) {
                        series.push(past.at, sequence, limit.weight(&past));
                    }
                }
                Some(Cow::Owned(series))
            }
        };
        Used { series, own }
    }

    fn current(&self, policy: &Policy) -> Option<&Sums> {
        self.sums
            .as_ref()
            .filter(|sums| sums.policy == policy.hash())
    }
}

impl LimitUsage {
    fn of(limit: &Limit, key: String, series: Option<&Series>, at: Timestamp) -> Self {
        let total = series.map(|s| s.within(at)).unwrap_or_default();
        // More than can exist is shown as the limit itself: all of it is used.
        let used = limit.measure(total.weight).unwrap_or(limit.max);
        Self {
            limit: limit.id.clone(),
            per: limit.per,
            key,
            window_ms: limit.window_ms,
            used,
            max: limit.max,
            count: total.count,
            frees_at: series.and_then(|s| s.frees_at(at)),
            resets_at: series.and_then(|s| s.resets_at(at)),
        }
    }
}

/// What one key of one limit uses, the withdrawal in question left out.
pub(crate) struct Used<'a> {
    series: Option<Cow<'a, Series>>,
    own: Option<u64>,
}

impl Used<'_> {
    /// The weight in the window that ends at `t`.
    pub(crate) fn within(&self, t: Timestamp) -> U256 {
        let Some(series) = &self.series else {
            return U256::ZERO;
        };
        let own = self.own.map(|own| series.weight_of(own, t));
        series
            .within(t)
            .weight
            .saturating_sub(own.unwrap_or_default())
    }

    /// The first instant, not before `t`, at which `asked` more is at most `max`.
    pub(crate) fn fits_at(self, t: Timestamp, asked: U256, max: U256) -> Option<Timestamp> {
        let Some(mut series) = self.series else {
            return (asked <= max).then_some(t);
        };
        if let Some(own) = self.own.filter(|own| !series.weight_of(*own, t).is_zero()) {
            series.to_mut().remove(own);
        }
        series.fits_at(t, asked, max)
    }
}

/// The windows' sums for one policy.
#[derive(Debug, Clone)]
struct Sums {
    policy: PolicyHash,
    limits: Arc<[Limit]>,
    series: BTreeMap<Place, Series>,
    /// Idle series are dropped when there are this many.
    sweep_at: usize,
}

/// A key of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    limit: usize,
    key: u32,
}

impl Sums {
    const FIRST_SWEEP: usize = 1_024;

    fn of(policy: &Policy, history: &History) -> Self {
        let mut sums = Self {
            policy: policy.hash(),
            limits: Arc::clone(&policy.0.limits),
            series: BTreeMap::new(),
            sweep_at: Self::FIRST_SWEEP,
        };
        for (sequence, _, _) in history.admissions() {
            sums.count(history, sequence);
        }
        sums
    }

    /// Adds an admission to each limit it counts towards.
    fn count(&mut self, history: &History, sequence: u64) {
        let Some(subject) = history.subject(sequence) else {
            return;
        };
        for (index, limit) in self.limits.iter().enumerate() {
            if let Some(place) = place(history, index, limit, &subject) {
                self.series
                    .entry(place)
                    .or_insert_with(|| Series::new(limit.window_ms))
                    .push(subject.at, sequence, limit.weight(&subject));
            }
        }
        if self.series.len() >= self.sweep_at {
            self.series
                .retain(|_, series| series.newest(subject.at).is_some());
            self.sweep_at = Self::FIRST_SWEEP.max(self.series.len().saturating_mul(2));
        }
    }

    /// Takes an admission out of each limit it counts towards.
    fn discount(&mut self, history: &History, sequence: u64) {
        let Some(subject) = history.subject(sequence) else {
            return;
        };
        for (index, limit) in self.limits.iter().enumerate() {
            let place = place(history, index, limit, &subject);
            if let Some(series) = place.and_then(|place| self.series.get_mut(&place)) {
                series.remove(sequence);
            }
        }
    }
}

fn place(history: &History, index: usize, limit: &Limit, subject: &Subject<'_>) -> Option<Place> {
    if !limit.applies(subject) {
        return None;
    }
    let key = history.key(limit.per, subject)?;
    Some(Place { limit: index, key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::HOUR_MS;

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
"#;

    fn facts(serial: u64, at: u64) -> Facts {
        let facts = serde_json::json!({
            "withdrawal": format!("wd_{serial:032x}"), "vault": "main", "wallet": "hot", "tier": "hot",
            "amount": "1 ETH", "destination": format!("eip155:1:0x{serial:040x}"), "class": "new",
            "initiator": "client/exchange", "fee": "0.001 ETH", "at": at,
        });
        serde_json::from_value(facts).unwrap()
    }

    #[test]
    fn memory_follows_the_window_over_years_of_new_destinations() {
        let policy = Policy::parse(POLICY).unwrap();
        let mut book = LimitBook::default();
        // Four a day, for three years.
        for serial in 1..=4_380 {
            book.reserve(&policy, &facts(serial, serial * 6 * HOUR_MS));
            let series = book.sums.as_ref().unwrap().series.len();
            assert!(
                series <= Sums::FIRST_SWEEP,
                "{series} windows, and one in use"
            );
        }
        assert_eq!(book.history.admissions().count(), 366 * 4);
        let now = Timestamp::from_ms(4_380 * 6 * HOUR_MS);
        let usage = book.usage(&policy, now);
        assert_eq!(usage.len(), 1);
        assert_eq!(usage.first().map(|u| u.count), Some(1));
    }

    #[test]
    fn books_are_equal_by_what_is_admitted_not_by_how_it_came_about() {
        let policy = Policy::parse(POLICY).unwrap();
        let (mut one, mut other) = (LimitBook::default(), LimitBook::default());
        one.reserve(&policy, &facts(1, 5));
        one.reserve(&policy, &facts(2, 6));
        one.release(&facts(1, 5).withdrawal);
        other.reserve(&policy, &facts(2, 6));
        assert_eq!(one, other);
        other.reserve(&policy, &facts(3, 6));
        assert_ne!(one, other);
    }
}
