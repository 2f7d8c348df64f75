//! One endpoint: reads the feed, delivers, and keeps on record what it still owes. Everything it must not forget is derived from
//! its tables, so that going on after a crash is the same as going on: what was under way is delivered again, under the same id.

use std::{collections::BTreeMap, time::Duration};

use custodyd_policy::Timestamp;
use tokio::{sync::watch, task::JoinSet};

use super::{
    Courier, Parts,
    deliver::DeliveryFault,
    lanes::{Due, Lanes},
    pause_ms,
    send::{Done, Outcome, lane, send},
};
use crate::{
    feed::Audience,
    store::{DeliveryRow, EndpointRow, Owed, Settled, StoreError},
};

/// Deliveries in memory at most. While so many wait, no more is read: the feed is where the others wait.
const WINDOW: usize = 4_096;
/// Rows read at once.
const PAGE: u32 = 512;
/// How often the place in the feed is written while all goes well. What comes after it is delivered twice after a crash.
const SAVE_MS: u64 = 250;
/// How often it is looked whether somebody asked for something again.
const LOOK_MS: u64 = 1_000;
/// Wait after the database did not answer.
const SETBACK: Duration = Duration::from_secs(1);
/// An event that waits so long, in seconds, is trouble that a person should know of.
const LATE_S: u64 = 60;
/// Characters of a fault that are kept.
const MOST_FAULT: usize = 200;

/// An endpoint at work.
pub(super) struct Endpoint {
    parts: Parts,
    courier: Courier,
    audience: Audience,
    give_up_ms: u64,
    lanes: Lanes,
    /// Up to here the feed was read.
    read: u64,
    /// Up to here rows that are due were read.
    loaded: u64,
    row: EndpointRow,
    /// What the table must learn of, by event.
    unsaved: BTreeMap<u64, Change>,
    /// It said that it wants no more, and the table doesn't know yet.
    just_disabled: bool,
    saved_ms: u64,
    looked_ms: u64,
}

/// What becomes of a row.
enum Change {
    Keep(DeliveryRow),
    /// There is none any more of what was owed since this time.
    Forget(u64),
}

impl Endpoint {
    /// Goes on where the tables say. One that is new hears what comes from now on.
    pub(super) async fn open(
        parts: Parts,
        courier: Courier,
        audience: Audience,
        give_up: Duration,
    ) -> Result<Self, StoreError> {
        let (vault, id) = (&parts.vault, courier.id());
        parts
            .store
            .begin_endpoint(vault, id, parts.feed.last())
            .await?;
        let row = look(&parts, id).await?;
        Ok(Self {
            read: row.taken,
            loaded: 0,
            lanes: Lanes::default(),
            unsaved: BTreeMap::new(),
            just_disabled: false,
            saved_ms: 0,
            looked_ms: 0,
            give_up_ms: u64::try_from(give_up.as_millis()).unwrap_or(u64::MAX),
            parts,
            courier,
            audience,
            row,
        })
    }

    /// Delivers until `stop` says so or the feed ends.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut latest = self.parts.feed.watch();
        let mut sends = JoinSet::new();
        while !*stop.borrow() {
            latest.borrow_and_update();
            if let Err(error) = self.step(&mut sends).await {
                tracing::warn!(endpoint = self.courier.id(), %error, "webhooks wait for the database");
                tokio::time::sleep(SETBACK).await;
                continue;
            }
            let pause = self.pause();
            tokio::select! {
                _ = stop.changed() => {}
                changed = latest.changed() => if changed.is_err() { break },
                Some(done) = sends.join_next() => {
                    self.settle(done);
                    while let Some(done) = sends.try_join_next() {
                        self.settle(done);
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
        // What is under way now is delivered again by the next process, under the same id.
        if let Err(error) = self.save().await {
            tracing::warn!(endpoint = self.courier.id(), %error, "the last deliveries are not on record");
        }
    }

    async fn step(&mut self, sends: &mut JoinSet<Done>) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        if now.as_ms().saturating_sub(self.looked_ms) >= LOOK_MS {
            self.look_again(now).await?;
        }
        if self.row.disabled_ms == 0 {
            self.fill(now).await?;
            while let Some((lane, due)) = self.lanes.next(now.as_ms()) {
                sends.spawn(send(self.parts.clone(), self.courier.clone(), lane, due));
            }
        }
        self.save_in_time(now).await
    }

    /// How long nothing happens by itself.
    fn pause(&self) -> Duration {
        let now_ms = self.parts.clock.now().as_ms();
        let next = self.lanes.wakes_at().filter(|_| self.row.disabled_ms == 0);
        let next = next.map_or(LOOK_MS, |at| at.saturating_sub(now_ms).min(LOOK_MS));
        let unsaved = self.place() != self.row.taken || !self.unsaved.is_empty();
        let save = if unsaved { SAVE_MS } else { LOOK_MS };
        Duration::from_millis(next.min(save).max(1))
    }

    /// Whether somebody asked for something again, or let it go on.
    async fn look_again(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let row = look(&self.parts, self.courier.id()).await?;
        if row.replays != self.row.replays {
            // From the tables anew, which first must know all that is known here.
            self.save().await?;
            self.lanes.keep_under_way();
            (self.loaded, self.read) = (0, self.row.taken);
        }
        self.row.replays = row.replays;
        if !self.just_disabled {
            self.row.disabled_ms = row.disabled_ms;
        }
        self.looked_ms = now.as_ms();
        self.measure(now);
        Ok(())
    }

    fn measure(&self, now: Timestamp) {
        let id = self.courier.id().to_owned();
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let pending = u64::try_from(self.lanes.len()).unwrap_or(u64::MAX);
        let since = self.lanes.oldest_since().unwrap_or(now.as_ms());
        let oldest_s = now.as_ms().saturating_sub(since) / 1_000;
        metrics::gauge!("custodyd_webhook_pending", "endpoint" => id.clone()).set(small(pending));
        metrics::gauge!("custodyd_webhook_oldest_seconds", "endpoint" => id.clone())
            .set(small(oldest_s));
        metrics::gauge!("custodyd_webhook_disabled", "endpoint" => id.clone())
            .set(u32::from(self.row.disabled_ms != 0));
        let trouble = if self.row.disabled_ms != 0 {
            Some("the endpoint wanted no more (HTTP 410)".to_owned())
        } else if oldest_s >= LATE_S {
            Some("events wait for an endpoint that does not take them".to_owned())
        } else {
            None
        };
        self.parts
            .pulse
            .note_trouble(&format!("webhooks:{id}"), trouble);
    }

    /// Reads what is due: first what the table has, then what the feed has.
    async fn fill(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let (vault, id) = (self.parts.vault.clone(), self.courier.id().to_owned());
        while self.lanes.len() < WINDOW && self.loaded < u64::MAX {
            let store = &self.parts.store;
            let rows = store
                .deliveries(&vault, &id, Owed::Due, self.loaded, PAGE)
                .await?;
            self.loaded = rows.last().map_or(u64::MAX, |row| row.seq);
            for row in rows {
                let due = Due {
                    seq: row.seq,
                    failures: u32::try_from(row.failures).unwrap_or(u32::MAX),
                    since_ms: row.since_ms,
                    next_ms: row.next_ms,
                    kept: true,
                    fault: row.fault,
                };
                self.lanes.push(&row.lane, due);
            }
        }
        while self.lanes.len() < WINDOW {
            let store = &self.parts.store;
            let rows = self
                .parts
                .feed
                .after(store, &vault, self.read, PAGE)
                .await?;
            let Some(last) = rows.last() else { break };
            self.read = last.seq;
            for row in rows.iter().filter(|row| self.audience.hears(row)) {
                let due = Due {
                    seq: row.seq,
                    failures: 0,
                    since_ms: now.as_ms(),
                    next_ms: 0,
                    kept: false,
                    fault: None,
                };
                self.lanes.push(lane(row), due);
            }
        }
        Ok(())
    }

    fn settle(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let Ok(Done { lane, due, outcome }) = done else {
            // Only at the end of the process: tasks are never aborted and don't panic.
            return;
        };
        // As it is owed now: it may have been asked for again since it left.
        let due = self.lanes.under_way(&lane).cloned().unwrap_or(due);
        let now_ms = self.parts.clock.now().as_ms();
        let label = match &outcome {
            Outcome::Arrived => "delivered",
            Outcome::Pruned => "pruned",
            Outcome::Unread(_) => "unread",
            Outcome::Failed(fault) => fault.outcome(),
        };
        self.count(label);
        let id = self.courier.id().to_owned();
        match outcome {
            Outcome::Arrived => {
                let due = self.lanes.delivered(&lane);
                self.forget(due);
            }
            Outcome::Pruned => {
                tracing::warn!(
                    endpoint = id,
                    event = due.seq,
                    "an event was not delivered before it was pruned"
                );
                let due = self.lanes.dropped(&lane, false);
                self.forget(due);
            }
            Outcome::Unread(error) => {
                self.lanes
                    .failed(&lane, now_ms.saturating_add(1_000), error.to_string());
            }
            Outcome::Failed(fault) => {
                if matches!(fault, DeliveryFault::Gone) && self.row.disabled_ms == 0 {
                    tracing::error!(
                        endpoint = id,
                        "the endpoint wants no more (HTTP 410) and is told nothing until somebody enables it"
                    );
                    (self.row.disabled_ms, self.just_disabled) = (now_ms.max(1), true);
                }
                tracing::info!(endpoint = id, event = due.seq, failures = due.failures, %fault, "not delivered");
                let text: String = fault.to_string().chars().take(MOST_FAULT).collect();
                if now_ms.saturating_sub(due.since_ms) >= self.give_up_ms {
                    self.give_up(&lane, &due, text);
                } else {
                    let pause = pause_ms(due.failures.saturating_add(1), (self.parts.chance)());
                    self.lanes.failed(&lane, now_ms.saturating_add(pause), text);
                }
            }
        }
    }

    fn give_up(&mut self, lane: &str, due: &Due, fault: String) {
        let id = self.courier.id();
        tracing::error!(
            endpoint = id,
            event = due.seq,
            "given up; `custodyd webhooks replay` tries it again"
        );
        self.count("given_up");
        self.lanes.dropped(lane, true);
        let row = DeliveryRow {
            seq: due.seq,
            lane: lane.to_owned(),
            owed: Owed::GivenUp,
            failures: u64::from(due.failures).saturating_add(1),
            since_ms: due.since_ms,
            next_ms: 0,
            fault: Some(fault),
        };
        self.unsaved.insert(row.seq, Change::Keep(row));
    }

    /// There is nothing left to do about it. Most were never on record.
    fn forget(&mut self, due: Option<Due>) {
        if let Some(due) = due.filter(|due| due.kept || due.failures > 0) {
            self.unsaved.insert(due.seq, Change::Forget(due.since_ms));
        }
    }

    fn count(&self, outcome: &'static str) {
        let id = self.courier.id().to_owned();
        metrics::counter!("custodyd_webhook_deliveries_total", "endpoint" => id, "outcome" => outcome)
            .increment(1);
    }

    /// Up to where nothing is owed that the table has no row of.
    fn place(&self) -> u64 {
        let oldest = self.lanes.oldest_unkept();
        oldest.map_or(self.read, |seq| self.read.min(seq.saturating_sub(1)))
    }

    async fn save_in_time(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if now.as_ms().saturating_sub(self.saved_ms) < SAVE_MS {
            return Ok(());
        }
        self.saved_ms = now.as_ms();
        self.save().await
    }

    /// Writes what became of deliveries, and how far all of that is. Nothing is forgotten here before it is written.
    async fn save(&mut self) -> Result<(), StoreError> {
        for (lane, due) in self.lanes.take_for_keeping() {
            let row = DeliveryRow {
                seq: due.seq,
                lane,
                owed: Owed::Due,
                failures: due.failures.into(),
                since_ms: due.since_ms,
                next_ms: due.next_ms,
                fault: due.fault,
            };
            self.unsaved.insert(row.seq, Change::Keep(row));
        }
        let (vault, store) = (&self.parts.vault, &self.parts.store);
        let id = self.courier.id();
        if self.just_disabled {
            store
                .disable_endpoint(vault, id, self.row.disabled_ms)
                .await?;
            self.just_disabled = false;
        }
        let place = self.place();
        let mut settled = Settled {
            taken: (place > self.row.taken).then_some(place),
            ..Settled::default()
        };
        for (seq, change) in &self.unsaved {
            match change {
                Change::Keep(row) => settled.kept.push(row.clone()),
                Change::Forget(since_ms) => settled.delivered.push((*seq, *since_ms)),
            }
        }
        if settled != Settled::default() {
            store.settle_deliveries(vault, id, &settled).await?;
            self.unsaved.clear();
            self.row.taken = self.row.taken.max(place);
        }
        Ok(())
    }
}

async fn look(parts: &Parts, id: &str) -> Result<EndpointRow, StoreError> {
    let rows = parts.store.endpoints(&parts.vault).await?;
    let row = rows.into_iter().find(|row| row.endpoint == id);
    Ok(row.unwrap_or_else(|| EndpointRow {
        endpoint: id.to_owned(),
        taken: 0,
        replays: 0,
        disabled_ms: 0,
    }))
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
