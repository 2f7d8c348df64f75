//! Which delivery goes next. Pure: time is passed in. Invariant: of one lane at most one delivery is under way, and always the
//! oldest, so that what happens to one withdrawal is told in order; other lanes go on meanwhile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Deliveries under way at a time.
const PARALLEL: usize = 8;
/// Failures in a row after which the recipient itself seems down: from then on one at a time finds out.
const DOWN: u32 = 8;

/// Something to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    /// The event's number in the feed.
    pub(super) seq: u64,
    pub(super) failures: u32,
    /// Since when it is due.
    pub(super) since_ms: u64,
    /// When it may be tried.
    pub(super) next_ms: u64,
    /// Whether the database has a row of it.
    pub(super) kept: bool,
    /// Why it failed last.
    pub(super) fault: Option<String>,
}

impl Due {
    /// Becomes what the database was asked for since, if this is it; says whether it is. The feed, read anew, asks for nothing.
    fn take_over(&mut self, other: Due) -> bool {
        let newer = other.kept && other.since_ms > self.since_ms;
        if newer {
            *self = other;
        }
        newer
    }
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Due>,
    under_way: bool,
    /// What is under way was asked for again since it left: that it arrives is not the end of it.
    asked_again: bool,
}

/// Everything that one recipient is owed, as far as it is in memory.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<String, Lane>,
    /// Lanes of which nothing is under way, by when their first may be tried.
    waiting: BTreeSet<(u64, u64, String)>,
    under_way: usize,
    count: usize,
    failed_in_a_row: u32,
}

impl Lanes {
    /// How many deliveries there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds one. What comes into a lane is newer than what is there, unless somebody asked for it again.
    pub(super) fn push(&mut self, name: &str, due: Due) {
        let lane = self.lanes.entry(name.to_owned()).or_default();
        let before = first(lane, name);
        if let Some(at) = lane.queue.iter().position(|other| other.seq == due.seq) {
            let newer = lane
                .queue
                .get_mut(at)
                .is_some_and(|other| other.take_over(due));
            lane.asked_again |= newer && lane.under_way && at == 0;
        } else {
            // What is under way stays the first until its outcome is known.
            let least = usize::from(lane.under_way);
            let older = lane.queue.iter().rposition(|other| other.seq < due.seq);
            let place = older.map_or(0, |older| older.saturating_add(1)).max(least);
            lane.queue.insert(place, due);
            self.count = self.count.saturating_add(1);
        }
        self.queue_again(name, before);
    }

    /// The next one that may be tried now; it is under way from here on.
    pub(super) fn next(&mut self, now_ms: u64) -> Option<(String, Due)> {
        if self.is_busy() {
            return None;
        }
        let place = self.waiting.first().filter(|(next, ..)| *next <= now_ms)?;
        let place = place.clone();
        self.waiting.remove(&place);
        let (_, _, name) = place;
        let lane = self.lanes.get_mut(&name)?;
        let due = lane.queue.front()?.clone();
        lane.under_way = true;
        self.under_way = self.under_way.saturating_add(1);
        Some((name, due))
    }

    /// When something may be tried; nothing while something else must end first.
    pub(super) fn wakes_at(&self) -> Option<u64> {
        let first = self.waiting.first().filter(|_| !self.is_busy());
        first.map(|(next, ..)| *next)
    }

    fn is_busy(&self) -> bool {
        let down = self.failed_in_a_row >= DOWN;
        self.under_way >= if down { 1 } else { PARALLEL }
    }

    /// Forgets everything but what is under way.
    pub(super) fn keep_under_way(&mut self) {
        self.waiting.clear();
        self.lanes.retain(|_, lane| {
            lane.queue.truncate(1);
            lane.under_way
        });
        self.count = self.under_way;
    }

    /// What is under way in a lane, as it is owed now.
    pub(super) fn under_way(&self, name: &str) -> Option<&Due> {
        let lane = self.lanes.get(name).filter(|lane| lane.under_way)?;
        lane.queue.front()
    }

    /// It arrived. Gives it back, unless it was asked for again meanwhile: then it is still owed.
    pub(super) fn delivered(&mut self, name: &str) -> Option<Due> {
        let was_down = self.failed_in_a_row >= DOWN;
        self.failed_in_a_row = 0;
        let again = self.lanes.get(name).is_some_and(|lane| lane.asked_again);
        let due = self.end(name, |queue| (!again).then(|| queue.pop_front()).flatten());
        if was_down {
            self.hurry();
        }
        due
    }

    /// There is nothing to deliver any more, or it was tried for too long. Gives it back; what came after it goes on.
    pub(super) fn dropped(&mut self, name: &str, failed: bool) -> Option<Due> {
        if failed {
            self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        }
        self.end(name, VecDeque::pop_front)
    }

    /// It failed, and is tried again at this time. Everything in its lane must be kept from here on: it may take long.
    pub(super) fn failed(&mut self, name: &str, next_ms: u64, fault: String) {
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        self.end(name, |queue| {
            if let Some(due) = queue.front_mut() {
                due.failures = due.failures.saturating_add(1);
                due.next_ms = next_ms;
                due.fault = Some(fault);
                due.kept = false;
            }
            None
        });
    }

    /// What the database must have a row of and has not: all that waits behind something that failed. They count as kept
    /// from here on.
    pub(super) fn take_for_keeping(&mut self) -> Vec<(String, Due)> {
        let mut unkept = Vec::new();
        for (name, lane) in &mut self.lanes {
            if lane.queue.front().is_none_or(|first| first.failures == 0) {
                continue;
            }
            for due in lane.queue.iter_mut().filter(|due| !due.kept) {
                due.kept = true;
                unkept.push((name.clone(), due.clone()));
            }
        }
        unkept
    }

    /// The oldest that the database has no row of.
    pub(super) fn oldest_unkept(&self) -> Option<u64> {
        let all = self.lanes.values().flat_map(|lane| &lane.queue);
        all.filter(|due| !due.kept).map(|due| due.seq).min()
    }

    /// Since when the one that waits longest is due.
    pub(super) fn oldest_since(&self) -> Option<u64> {
        let all = self.lanes.values().flat_map(|lane| &lane.queue);
        all.map(|due| due.since_ms).min()
    }

    /// The recipient is back: nothing waits for its own time any more.
    fn hurry(&mut self) {
        self.waiting.clear();
        for (name, lane) in &mut self.lanes {
            if let Some(first) = lane.queue.front_mut().filter(|_| !lane.under_way) {
                first.next_ms = 0;
                self.waiting.insert((0, first.seq, name.clone()));
            }
        }
    }

    fn end(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut VecDeque<Due>) -> Option<Due>,
    ) -> Option<Due> {
        let lane = self.lanes.get_mut(name).filter(|lane| lane.under_way)?;
        (lane.under_way, lane.asked_again) = (false, false);
        self.under_way = self.under_way.saturating_sub(1);
        let gone = change(&mut lane.queue);
        self.count = self.count.saturating_sub(usize::from(gone.is_some()));
        self.queue_again(name, None);
        gone
    }

    /// Puts a lane among those that wait, at the place that its first has now.
    fn queue_again(&mut self, name: &str, before: Option<(u64, u64, String)>) {
        if let Some(before) = before {
            self.waiting.remove(&before);
        }
        let Some(lane) = self.lanes.get(name) else {
            return;
        };
        if let Some(place) = first(lane, name) {
            self.waiting.insert(place);
        } else if lane.queue.is_empty() {
            self.lanes.remove(name);
        }
    }
}

/// The place of a lane among those that wait, if nothing of it is under way.
fn first(lane: &Lane, name: &str) -> Option<(u64, u64, String)> {
    let first = lane.queue.front().filter(|_| !lane.under_way)?;
    Some((first.next_ms, first.seq, name.to_owned()))
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
