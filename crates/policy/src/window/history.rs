//! What was admitted, kept independent of any policy for as long as the longest window a policy may name, so that a
//! change of policy forgets nothing. Names are stored once and referred to by number.

use std::collections::{BTreeMap, VecDeque};

use custodyd_chain::Address;

use crate::condition::Subject;
use crate::duration::MAX_DURATION_MS;
use crate::facts::{Facts, Initiator};
use crate::ids::{VaultId, WalletId, WithdrawalId};
use crate::instant::Timestamp;
use crate::limit::Dimension;

#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// `None` where an admission was released. The first has the sequence `first`.
    records: VecDeque<Option<Admission>>,
    first: u64,
    by_withdrawal: BTreeMap<WithdrawalId, u64>,
    names: Names,
    now: Timestamp,
    forgotten: usize,
}

#[derive(Debug, Clone, Default)]
struct Names {
    vaults: Interned<VaultId>,
    wallets: Interned<WalletId>,
    initiators: Interned<Initiator>,
    destinations: Interned<Address>,
}

/// One admission: what was judged, at the instant it counts from, and the numbers of its names.
#[derive(Debug, Clone)]
struct Admission {
    facts: Facts,
    vault: u32,
    wallet: u32,
    initiator: u32,
    destination: u32,
}

impl History {
    /// The latest instant at which anything was admitted. Time does not go back behind it.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Records an admission, at its own time or at the latest known, whichever is later. Its sequence; `None` if
    /// this withdrawal is recorded already.
    pub(crate) fn record(&mut self, facts: &Facts) -> Option<u64> {
        if self.by_withdrawal.contains_key(&facts.withdrawal) {
            return None;
        }
        self.now = self.now.max(facts.at);
        self.forget_old();
        let sequence = self
            .first
            .saturating_add(u64::try_from(self.records.len()).unwrap_or(u64::MAX));
        let admission = Admission {
            facts: Facts {
                at: self.now,
                ..facts.clone()
            },
            vault: self.names.vaults.number(&facts.vault),
            wallet: self.names.wallets.number(&facts.wallet),
            initiator: self.names.initiators.number(&facts.initiator),
            destination: self.names.destinations.number(&facts.destination),
        };
        self.records.push_back(Some(admission));
        self.by_withdrawal.insert(facts.withdrawal, sequence);
        Some(sequence)
    }

    /// The sequence of a withdrawal's admission.
    pub(crate) fn sequence(&self, withdrawal: &WithdrawalId) -> Option<u64> {
        self.by_withdrawal.get(withdrawal).copied()
    }

    /// Takes an admission out, if it is there.
    pub(crate) fn release(&mut self, withdrawal: &WithdrawalId) {
        let removed = self.by_withdrawal.remove(withdrawal);
        let position = removed.and_then(|sequence| self.position(sequence));
        if let Some(record) = position.and_then(|at| self.records.get_mut(at)) {
            *record = None;
        }
    }

    fn position(&self, sequence: u64) -> Option<usize> {
        usize::try_from(sequence.checked_sub(self.first)?).ok()
    }

    /// The admission with this sequence, as conditions see it.
    pub(crate) fn subject(&self, sequence: u64) -> Option<Subject<'_>> {
        let record = self.records.get(self.position(sequence)?)?;
        Some(record.as_ref()?.subject())
    }

    /// Everything still admitted, oldest first.
    pub(crate) fn admissions(&self) -> impl Iterator<Item = (u64, WithdrawalId, Subject<'_>)> {
        (self.first..)
            .zip(&self.records)
            .filter_map(|(sequence, record)| {
                let admission = record.as_ref()?;
                let withdrawal = admission.facts.withdrawal;
                Some((sequence, withdrawal, admission.subject()))
            })
    }

    /// The number that stands for what the subject counts towards; `None` if nothing was ever admitted there.
    pub(crate) fn key(&self, per: Dimension, subject: &Subject<'_>) -> Option<u32> {
        match per {
            Dimension::Vault => self.names.vaults.find(subject.vault),
            Dimension::Wallet => self.names.wallets.find(subject.wallet),
            Dimension::Client => self.names.initiators.find(subject.initiator),
            Dimension::Destination => self.names.destinations.find(subject.destination),
            Dimension::Tier => Some(subject.tier as u32),
            Dimension::Asset => Some(subject.amount.asset() as u32),
        }
    }

    /// Whether so much was forgotten that the names are worth collecting anew.
    pub(crate) fn is_sparse(&self) -> bool {
        const WORTH_IT: usize = 1_024;
        self.forgotten > WORTH_IT.max(self.records.len())
    }

    /// Drops names that nothing refers to any more. Numbers change: whoever kept some must ask again.
    pub(crate) fn collect_names(&mut self) {
        let mut names = Names::default();
        for admission in self.records.iter_mut().flatten() {
            let facts = &admission.facts;
            admission.vault = names.vaults.number(&facts.vault);
            admission.wallet = names.wallets.number(&facts.wallet);
            admission.initiator = names.initiators.number(&facts.initiator);
            admission.destination = names.destinations.number(&facts.destination);
        }
        self.names = names;
        self.forgotten = 0;
    }

    /// Drops what no window can reach: admissions as old as the longest window a policy may name.
    fn forget_old(&mut self) {
        while let Some(front) = self.records.front() {
            let reachable = front.as_ref().is_some_and(|admission| {
                admission
                    .facts
                    .at
                    .checked_add_ms(MAX_DURATION_MS)
                    .is_none_or(|end| end > self.now)
            });
            if reachable {
                return;
            }
            if let Some(admission) = self.records.pop_front().flatten() {
                self.by_withdrawal.remove(&admission.facts.withdrawal);
            }
            self.first = self.first.saturating_add(1);
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }
}

impl Admission {
    fn subject(&self) -> Subject<'_> {
        Subject::of(&self.facts, self.facts.at)
    }
}

/// Names and their numbers, both ways.
#[derive(Debug, Clone)]
struct Interned<T> {
    numbers: BTreeMap<T, u32>,
    names: Vec<T>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self {
            numbers: BTreeMap::new(),
            names: Vec::new(),
        }
    }
}

impl<T: Ord + Clone> Interned<T> {
    /// The name's number, a new one if it has none.
    fn number(&mut self, name: &T) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).expect("2^32 names do not fit in memory");
        self.numbers.insert(name.clone(), number);
        self.names.push(name.clone());
        number
    }

    fn find(&self, name: &T) -> Option<u32> {
        self.numbers.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::DAY_MS;

    fn facts(serial: u64, destination: u64, at: u64) -> Facts {
        let account = format!("\"eip155:1:0x{destination:040x}\"");
        Facts {
            withdrawal: WithdrawalId::from_bytes(u128::from(serial).to_be_bytes()),
            vault: "main".parse().unwrap(),
            wallet: "hot".parse().unwrap(),
            tier: crate::facts::Tier::Hot,
            amount: "1 ETH".parse().unwrap(),
            fiat: None,
            fee: "0.001 ETH".parse().unwrap(),
            destination_tier: None,
            tags: Default::default(),
            flags: Default::default(),
            resembles: None,
            call: Default::default(),
            destination: serde_json::from_str(&account).unwrap(),
            class: crate::facts::DestinationClass::New,
            initiator: "client/exchange".parse().unwrap(),
            at: Timestamp::from_ms(at),
        }
    }

    #[test]
    fn an_admission_is_kept_for_as_long_as_any_window_could_reach_it() {
        let mut history = History::default();
        let first = facts(1, 1, 0);
        assert_eq!(history.record(&first), Some(0));
        history.record(&facts(2, 1, 366 * DAY_MS - 1));
        assert_eq!(history.admissions().count(), 2);
        history.record(&facts(3, 1, 366 * DAY_MS));
        assert_eq!(history.sequence(&first.withdrawal), None);
        assert_eq!(history.subject(0), None);
        let left: Vec<_> = history
            .admissions()
            .map(|(sequence, ..)| sequence)
            .collect();
        assert_eq!(left, [1, 2]);
        // Too late to release it; nothing else is touched.
        history.release(&first.withdrawal);
        assert_eq!(history.admissions().count(), 2);
    }

    #[test]
    fn names_of_forgotten_admissions_are_collected_and_the_others_stay() {
        let mut history = History::default();
        for serial in 1..=3_000 {
            history.record(&facts(serial, serial, serial * DAY_MS));
        }
        assert_eq!(history.admissions().count(), 366);
        assert!(history.is_sparse());
        let key = |history: &History, of: &Facts| {
            history.key(Dimension::Destination, &Subject::of(of, of.at))
        };
        let (old, new) = (facts(0, 1, 0), facts(0, 2_999, 0));
        assert!(key(&history, &old).is_some());
        let before: Vec<_> = history
            .admissions()
            .map(|(_, withdrawal, s)| (withdrawal, s.destination.clone(), s.at))
            .collect();
        history.collect_names();
        assert!(!history.is_sparse());
        assert_eq!(key(&history, &old), None);
        assert!(key(&history, &new).is_some());
        let after: Vec<_> = history
            .admissions()
            .map(|(_, withdrawal, s)| (withdrawal, s.destination.clone(), s.at))
            .collect();
        assert_eq!(before, after);
    }
}
