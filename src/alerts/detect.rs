//! From facts to alerts. Pure: time is passed in, and nothing is sent from here.
//!
//! Two kinds of things are told. A *condition* holds or doesn't: it is told once when it begins and once when it ended, with
//! a wait at both ends for parts that may hiccup, and two thresholds for a limit. An *incident* happened: it is told once,
//! and repetitions are silent until none came for a while.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_policy::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Fact, Kind, burst::Burst, incident::incident, sight::VaultSight};

/// Subjects that are remembered apart; all beyond are one.
const MOST_SUBJECTS: usize = 1_000;
/// Targets of one speaker that are remembered apart: whoever is refused a thousand times is one matter, and doesn't push out others.
const MOST_TARGETS: usize = 16;
/// The name of those beyond.
const OTHERS: &str = "others";

/// From when on something is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Share of a limit from which on it is nearly used up, 1.0 for all of it.
    pub limit: f64,
    /// Share below which it no longer is.
    pub limit_clear: f64,
    /// Denied payouts within the window.
    pub denials: usize,
    /// Payouts to new destinations within the window.
    pub new_destinations: usize,
    /// The window of both, milliseconds.
    pub window_ms: u64,
    /// How long a part must be out, milliseconds.
    pub patience_ms: u64,
    /// How long it must be well again, milliseconds.
    pub calm_ms: u64,
    /// How long an incident must not have been repeated to be told anew, milliseconds.
    pub quiet_ms: u64,
}

/// Something that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// As what it is told.
    pub kind: Kind,
    /// Of what: a network, a token, a limit, a wallet.
    pub subject: String,
    /// What is known, for people.
    pub what: String,
}

/// Whether an alert begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It holds, or happened.
    Firing,
    /// It no longer holds.
    Resolved,
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// About what.
    pub kind: Kind,
    /// Of what: a network, a token, a limit, a wallet; empty for the whole vault.
    pub subject: String,
    /// Whether it begins or ends.
    pub phase: Phase,
    /// Since when it holds, or when it happened.
    pub since: Timestamp,
    /// When this was seen.
    pub at: Timestamp,
    /// What is known, for people.
    pub summary: String,
}

/// A condition that was told to hold, as it is kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// As what.
    pub kind: Kind,
    /// Of what.
    pub subject: String,
    /// Since when it holds, Unix milliseconds.
    pub since_ms: u64,
    /// What was known, for people.
    pub what: String,
}

type Key = (Kind, String);

#[derive(Debug)]
struct Held {
    since: Timestamp,
    well_since: Option<Timestamp>,
    told: bool,
    what: String,
}

/// What was told, and what may have to be.
#[derive(Debug)]
pub struct Detector {
    thresholds: Thresholds,
    held: BTreeMap<Key, Held>,
    incidents: BTreeMap<Key, Timestamp>,
    denials: Burst,
    newcomers: Burst,
}

impl Detector {
    /// Nothing was told yet.
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            held: BTreeMap::new(),
            incidents: BTreeMap::new(),
            denials: Burst::new(thresholds.denials, thresholds.window_ms),
            newcomers: Burst::new(thresholds.new_destinations, thresholds.window_ms),
            thresholds,
        }
    }

    /// Goes on from what a process before this one told: what still holds is not told again, what doesn't is told to be over.
    pub fn go_on_from(&mut self, told: Vec<Told>) {
        let seen = told.into_iter().filter(|told| told.kind.is_seen_at_start());
        for told in seen.take(MOST_SUBJECTS) {
            let held = Held {
                since: Timestamp::from_ms(told.since_ms),
                well_since: None,
                told: true,
                what: told.what,
            };
            self.held.insert((told.kind, told.subject), held);
        }
    }

    /// What holds now and was told.
    pub fn told(&self) -> Vec<Told> {
        let told = self.held.iter().filter(|(_, held)| held.told);
        let told = told.map(|((kind, subject), held)| Told {
            kind: *kind,
            subject: subject.clone(),
            since_ms: held.since.as_ms(),
            what: held.what.clone(),
        });
        told.collect()
    }

    /// Something happened.
    pub fn note(&mut self, fact: &Fact, now: Timestamp) -> Option<Alert> {
        match fact {
            Fact::Denied(id) => self.denials.add(*id, now),
            Fact::NewDestination(id) => self.newcomers.add(*id, now),
            _ => {}
        }
        let (kind, subject, what) = incident(fact)?;
        self.happened(kind, subject, what, now)
    }

    /// Time passed.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Alert> {
        let quiet_ms = self.thresholds.quiet_ms;
        self.incidents
            .retain(|_, last| now.saturating_ms_since(*last) < quiet_ms);
        let mut conditions = Vec::new();
        for (kind, burst, what) in [
            (Kind::DenialBurst, &mut self.denials, "payouts were denied"),
            (
                Kind::NewDestinations,
                &mut self.newcomers,
                "payouts went to addresses that are in no book",
            ),
        ] {
            if let Some(count) = burst.holds(now) {
                let seconds = self.thresholds.window_ms / 1_000;
                conditions.push(Condition {
                    kind,
                    subject: String::new(),
                    what: format!("at least {count} {what} within {seconds} s"),
                });
            }
        }
        self.settle(&[Kind::DenialBurst, Kind::NewDestinations], conditions, now)
    }

    /// How parts are. What is not named works.
    pub fn see_parts(&mut self, conditions: Vec<Condition>, now: Timestamp) -> Vec<Alert> {
        let kinds = [
            Kind::NodeDown,
            Kind::HsmDown,
            Kind::HsmNonces,
            Kind::NotCommitting,
        ];
        self.settle(&kinds, conditions, now)
    }

    /// How the vault is.
    pub fn see_vault(&mut self, sight: &VaultSight, now: Timestamp) -> Vec<Alert> {
        let mut conditions = sight.conditions.clone();
        for (limit, share) in &sight.shares {
            let key = (Kind::LimitNear, limit.clone());
            let told = self.held.get(&key).is_some_and(|held| held.told);
            let bound = if told {
                self.thresholds.limit_clear
            } else {
                self.thresholds.limit
            };
            if *share >= bound {
                conditions.push(Condition {
                    kind: Kind::LimitNear,
                    subject: limit.clone(),
                    what: format!("{:.0} % of limit {limit} is used", share * 100.0),
                });
            }
        }
        let kinds = [
            Kind::LimitNear,
            Kind::Frozen,
            Kind::RestoreAccepted,
            Kind::KeyCompromised,
            Kind::Reconciliation,
        ];
        self.settle(&kinds, conditions, now)
    }

    /// What came of verifying the whole journal.
    pub fn see_audit(&mut self, fault: Option<String>, now: Timestamp) -> Vec<Alert> {
        let condition = fault.map(|what| Condition {
            kind: Kind::JournalFault,
            subject: "journal".to_owned(),
            what,
        });
        self.settle(&[Kind::JournalFault], condition.into_iter().collect(), now)
    }

    /// How many alerts of each kind hold now.
    pub fn active(&self) -> BTreeMap<Kind, usize> {
        let mut active: BTreeMap<Kind, usize> = Kind::ALL.map(|kind| (kind, 0)).into();
        let held = self.held.iter().filter(|(_, held)| held.told);
        for (kind, _) in held.map(|(key, _)| key).chain(self.incidents.keys()) {
            let count = active.entry(*kind).or_default();
            *count = count.saturating_add(1);
        }
        active
    }

    fn happened(
        &mut self,
        kind: Kind,
        subject: String,
        what: String,
        now: Timestamp,
    ) -> Option<Alert> {
        let mut key = (kind, subject);
        if !self.incidents.contains_key(&key) {
            if self.incidents.len() >= MOST_SUBJECTS {
                key.1 = OTHERS.to_owned();
            } else if let Some((speaker, _)) = key.1.split_once(" /")
                && self.targets_of(kind, speaker) >= MOST_TARGETS
            {
                key.1 = format!("{speaker} {OTHERS}");
            }
        }
        let repeated = self.incidents.insert(key.clone(), now).is_some();
        (!repeated).then_some(Alert {
            kind,
            subject: key.1,
            phase: Phase::Firing,
            since: now,
            at: now,
            summary: what,
        })
    }

    fn targets_of(&self, kind: Kind, speaker: &str) -> usize {
        let theirs = format!("{speaker} /");
        let from = self.incidents.range((kind, theirs.clone())..);
        from.take_while(|((of, subject), _)| *of == kind && subject.starts_with(&theirs))
            .count()
    }

    /// Compares what holds with what held, for these kinds.
    fn settle(&mut self, kinds: &[Kind], conditions: Vec<Condition>, now: Timestamp) -> Vec<Alert> {
        let mut alerts = Vec::new();
        let mut holding = BTreeSet::new();
        for Condition {
            kind,
            subject,
            what,
        } in conditions
        {
            let mut key = (kind, subject);
            if self.held.len() >= MOST_SUBJECTS && !self.held.contains_key(&key) {
                key.1 = OTHERS.to_owned();
            }
            let held = self.held.entry(key.clone()).or_insert(Held {
                since: now,
                well_since: None,
                told: false,
                what: String::new(),
            });
            (held.well_since, held.what) = (None, what);
            let patience = if kind.may_flap() {
                self.thresholds.patience_ms
            } else {
                0
            };
            if !held.told && now.saturating_ms_since(held.since) >= patience {
                held.told = true;
                alerts.push(alert(&key, held, Phase::Firing, now));
            }
            holding.insert(key);
        }
        let calm_ms = self.thresholds.calm_ms;
        self.held.retain(|key, held| {
            if !kinds.contains(&key.0) || holding.contains(key) {
                return true;
            }
            let well_since = *held.well_since.get_or_insert(now);
            let calm = if key.0.may_flap() { calm_ms } else { 0 };
            if held.told && now.saturating_ms_since(well_since) < calm {
                return true;
            }
            if held.told {
                alerts.push(alert(key, held, Phase::Resolved, now));
            }
            false
        });
        alerts
    }
}

fn alert(key: &Key, held: &Held, phase: Phase, at: Timestamp) -> Alert {
    Alert {
        kind: key.0,
        subject: key.1.clone(),
        phase,
        since: held.since,
        at,
        summary: held.what.clone(),
    }
}

#[cfg(test)]
#[path = "detect_tests.rs"]
mod tests;
