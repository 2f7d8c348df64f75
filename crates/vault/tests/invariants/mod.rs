//! What must hold after every step, told from the journal by models that are too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Amount, Asset, OutPoint, Plan, PublicKey};
use custodyd_policy::{
    LimitUsage, Measure, OperatorId, Outcome, Tier, Timestamp, WalletId, WithdrawalId,
};
use custodyd_vault::{
    Decision, Effect, Event, FreezeScope, OperatorSignature, Recorded, Statement, Transaction,
    TransactionId, Vault, WithdrawalState,
};

use crate::common::{DAY, HOUR, World, ed25519, own_address};

/// What counts towards a limit.
#[derive(Debug, Clone)]
struct Admission {
    at: u64,
    wallet: WalletId,
    client: String,
    amount: Amount,
}

/// Watches a world from outside: it reads the journal and keeps its own books.
pub(crate) struct Witness {
    replica: Vault,
    read: usize,
    accepted: BTreeSet<WithdrawalId>,
    admitted: BTreeMap<WithdrawalId, Admission>,
    judged_at: BTreeMap<WithdrawalId, u64>,
    approvals: BTreeMap<WithdrawalId, BTreeMap<OperatorId, u64>>,
    frozen: BTreeSet<FreezeScope>,
    raws: BTreeMap<TransactionId, String>,
    compromised: BTreeSet<PublicKey>,
}

impl Witness {
    pub(crate) fn new(world: &World) -> Self {
        let mut witness = Self {
            replica: Vault::create(&world.journal[0]).unwrap(),
            read: 1,
            accepted: BTreeSet::new(),
            admitted: BTreeMap::new(),
            judged_at: BTreeMap::new(),
            approvals: BTreeMap::new(),
            frozen: BTreeSet::new(),
            raws: BTreeMap::new(),
            compromised: BTreeSet::new(),
        };
        witness.check(world);
        witness
    }

    /// Reads what is new in the journal, then judges the state.
    pub(crate) fn check(&mut self, world: &World) {
        for recorded in &world.journal[self.read..] {
            self.read_event(world, recorded);
            // As from the database: through its JSON form.
            let event = serde_json::to_string(&recorded.event).unwrap();
            let event: Event = serde_json::from_str(&event).unwrap();
            assert_eq!(event, recorded.event);
            let (seq, at) = (recorded.seq, recorded.at);
            self.replica.apply(&Recorded { seq, at, event }).unwrap();
        }
        self.read = world.journal.len();
        assert_same(&self.replica, world);
        self.nothing_is_lost(world);
        self.nothing_is_spent_twice(world);
        self.every_plan_pays_what_was_approved(world);
        self.no_limit_is_exceeded(world);
        self.nothing_frozen_goes_on(world);
        let due = world.vault.withdrawals().values().filter_map(|w| w.due());
        assert_eq!(world.vault.due(), due.min());
    }

    pub(crate) fn check_replay_from_the_first_event(&self, world: &World) {
        let mut replayed = Vault::create(&world.journal[0]).unwrap();
        for recorded in &world.journal[1..] {
            replayed.apply(recorded).unwrap();
        }
        assert_same(&replayed, world);
    }

    fn read_event(&mut self, world: &World, recorded: &Recorded) {
        let at = recorded.at.as_ms();
        match &recorded.event {
            Event::WithdrawalRequested { id, .. } => assert!(self.accepted.insert(*id)),
            Event::WithdrawalJudged { id, facts, verdict } => {
                if matches!(verdict.outcome, Outcome::Allow { .. }) {
                    let request = &world.withdrawal(id).request;
                    let admission = Admission {
                        at,
                        wallet: facts.wallet.clone(),
                        client: request.initiator.client().unwrap().to_string(),
                        amount: request.amount,
                    };
                    assert!(self.admitted.insert(*id, admission).is_none());
                    self.judged_at.insert(*id, at);
                }
            }
            Event::Approved {
                statement,
                signature,
                ..
            } => {
                self.statement_holds(world, statement, signature, at);
                let by = self.approvals.entry(statement.withdrawal).or_default();
                assert_eq!(statement.decision, Decision::Approve);
                assert!(by.insert(statement.operator.clone(), at).is_none());
            }
            Event::Rejected { statement, .. } => drop(self.admitted.remove(&statement.withdrawal)),
            Event::Cancelled { id, .. } | Event::Expired { id } => drop(self.admitted.remove(id)),
            Event::TransactionPlanned {
                wallet,
                withdrawals,
                plan,
                ..
            } => {
                assert!(!self.is_frozen(wallet), "planned while frozen");
                assert!(self.compromised.is_disjoint(&plan.signers()));
                withdrawals
                    .iter()
                    .for_each(|id| self.was_approved(world, id, at));
            }
            Event::TransactionSigned {
                transaction, raw, ..
            } => {
                let signers = world.vault.transactions()[transaction].plan.signers();
                assert!(self.compromised.is_disjoint(&signers));
                let before = self.raws.insert(transaction.clone(), raw.to_hex());
                assert!(before.is_none(), "signed twice");
            }
            Event::TransactionConflicted { transaction } => {
                let wallet = world.vault.transactions()[transaction].wallet.clone();
                self.frozen.insert(FreezeScope::Wallet(wallet));
            }
            Event::KeyCompromised {
                wallet, public_key, ..
            } => {
                assert!(self.compromised.insert(*public_key), "told twice");
                self.frozen.insert(FreezeScope::Wallet(wallet.clone()));
            }
            Event::Frozen { scope, .. } => drop(self.frozen.insert(scope.clone())),
            Event::Unfrozen { scope } => assert!(self.frozen.remove(scope)),
            _ => {}
        }
    }

    /// An approval is signed by that person, over exactly what would happen, in time.
    fn statement_holds(
        &self,
        world: &World,
        statement: &Statement,
        signature: &OperatorSignature,
        at: u64,
    ) {
        let withdrawal = world.withdrawal(&statement.withdrawal);
        let keys = [0, 1].map(|n| {
            ed25519(statement.operator.as_str(), n)
                .verifying_key()
                .into()
        });
        assert!(statement.is_signed_by(&keys, None, signature));
        assert_eq!(statement.effects.amount, withdrawal.request.amount);
        assert_eq!(
            statement.effects.destination,
            withdrawal.request.destination
        );
        assert_eq!(statement.effects.wallet, withdrawal.wallet);
        assert_eq!(statement.policy, world.vault.policy().hash());
        assert!(statement.expires_at > Timestamp::from_ms(at));
        assert!(at < self.judged_at[&statement.withdrawal] + DAY);
    }

    /// The people that the verdict asks for approved, each once, and the hold time passed after the last.
    fn was_approved(&self, world: &World, id: &WithdrawalId, at: u64) {
        let withdrawal = world.withdrawal(id);
        let nobody = BTreeMap::new();
        let by = self.approvals.get(id).unwrap_or(&nobody);
        let asked = withdrawal.requirements().iter();
        let quorums: Vec<_> = asked.flat_map(|r| r.quorums()).collect();
        let seats: u32 = quorums.iter().map(|q| q.quorum).sum();
        assert!(by.len() >= usize::try_from(seats).unwrap());
        for requirement in quorums {
            let members = &world.vault.policy().groups()[&requirement.group];
            let fit = by.keys().filter(|who| members.contains(*who)).count();
            assert!(fit >= usize::try_from(requirement.quorum).unwrap());
        }
        let last = by.values().max().copied().unwrap_or(self.judged_at[id]);
        assert!(at >= last + withdrawal.hold_ms());
        let tier = world.vault.wallets()[&withdrawal.wallet].tier;
        if tier != Tier::Hot {
            assert!(by.len() >= 2, "{tier} paid without people");
        }
        if tier == Tier::Warm {
            assert!(at >= last + HOUR);
        }
        if tier == Tier::Cold {
            let to = withdrawal.request.destination.as_str();
            assert_ne!(to, own_address("hot-ltc"), "cold paid hot");
        }
    }

    fn nothing_is_lost(&self, world: &World) {
        let kept: BTreeSet<_> = world.vault.withdrawals().keys().copied().collect();
        assert_eq!(kept, self.accepted);
        for withdrawal in world.vault.withdrawals().values() {
            assert_ne!(withdrawal.state, WithdrawalState::Received);
            assert!(!world.vault.withdrawal_state_name(withdrawal).is_empty());
            if let Some(id) = withdrawal.transaction() {
                assert!(
                    world.vault.transactions()[id]
                        .withdrawals
                        .contains(&withdrawal.id)
                );
            }
        }
        for (id, raw) in &self.raws {
            let kept = world.vault.transactions()[id].raw.as_ref().unwrap();
            assert_eq!(kept.to_hex(), *raw, "signed bytes were exchanged");
        }
    }

    fn nothing_is_spent_twice(&self, world: &World) {
        let (mut paid, mut outpoints, mut nonces) = (
            BTreeSet::new(),
            BTreeSet::<OutPoint>::new(),
            BTreeSet::new(),
        );
        for transaction in world.vault.transactions().values() {
            for id in &transaction.withdrawals {
                assert!(paid.insert(*id), "{id} is paid twice");
            }
            match &transaction.plan {
                Plan::Bitcoin(plan) => {
                    for coin in &plan.inputs {
                        assert!(outpoints.insert(coin.outpoint), "{} twice", coin.outpoint);
                    }
                }
                Plan::Evm(plan) => {
                    assert!(nonces.insert((plan.chain_id, plan.from, plan.nonce)));
                }
            }
        }
    }

    fn every_plan_pays_what_was_approved(&self, world: &World) {
        for transaction in world.vault.transactions().values() {
            let [id] = transaction.withdrawals.as_slice() else {
                panic!("one payout each, here");
            };
            let withdrawal = world.withdrawal(id);
            assert_eq!(withdrawal.wallet, transaction.wallet);
            let [payment] = &transaction.plan.payments()[..] else {
                panic!("one payment each, here");
            };
            assert_eq!(payment.to, withdrawal.request.destination);
            assert_eq!(payment.amount, withdrawal.request.amount);
            conserves(world, transaction);
        }
    }

    fn no_limit_is_exceeded(&self, world: &World) {
        let ltc = |a: &Admission| a.wallet.as_str() == "hot-ltc";
        let eth = |a: &Admission| a.wallet.as_str() == "hot-eth";
        self.sum_holds(DAY, ltc, "8 LTC");
        self.sum_holds(HOUR, eth, "3 ETH");
        for client in ["shop", "exchange"] {
            let of_client = |a: &Admission| a.client == client;
            for (count, _) in self.windows(HOUR, of_client) {
                assert!(count <= 6, "{client}: {count} in an hour");
            }
        }
        for usage in world.vault.limit_usage(Timestamp::from_ms(world.now)) {
            let key = usage.key.clone();
            let within = |window: u64| -> Vec<&Admission> {
                self.admitted
                    .values()
                    .filter(|a| a.at + window > world.now)
                    .filter(|a| match usage.limit.as_str() {
                        "hot-ltc-daily" => key == "wallet hot-ltc" && ltc(a),
                        "eth-hourly" => key == "wallet hot-eth" && eth(a),
                        _ => key == format!("client {}", a.client),
                    })
                    .collect()
            };
            // What leaves the window does so at most a 512th of it late.
            let late = usage.window_ms + usage.window_ms.div_ceil(512) - 1;
            usage_is(&usage, &within(usage.window_ms), &within(late));
        }
    }

    fn sum_holds(&self, window: u64, of: impl Fn(&Admission) -> bool, most: &str) {
        let most: Amount = most.parse().unwrap();
        for (_, amounts) in self.windows(window, of) {
            let sum = Amount::sum(most.asset(), amounts.iter()).unwrap();
            assert!(sum.cmp_same(&most).unwrap().is_le(), "{sum} of {most}");
        }
    }

    /// Each window that ends with an admission: the fullest ones there are.
    fn windows(&self, length: u64, of: impl Fn(&Admission) -> bool) -> Vec<(usize, Vec<Amount>)> {
        let all: Vec<&Admission> = self.admitted.values().filter(|a| of(a)).collect();
        all.iter()
            .map(|end| {
                let inside = all
                    .iter()
                    .filter(|a| a.at <= end.at && a.at + length > end.at);
                let amounts: Vec<Amount> = inside.map(|a| a.amount).collect();
                (amounts.len(), amounts)
            })
            .collect()
    }

    fn is_frozen(&self, wallet: &WalletId) -> bool {
        self.frozen.contains(&FreezeScope::Vault)
            || self.frozen.contains(&FreezeScope::Wallet(wallet.clone()))
    }

    fn nothing_frozen_goes_on(&self, world: &World) {
        let scopes: BTreeSet<_> = world.vault.frozen().keys().cloned().collect();
        assert_eq!(scopes, self.frozen);
        let effects = world.vault.pending_effects(Timestamp::from_ms(world.now));
        for effect in &effects {
            let ids = match effect {
                Effect::Sign(id) | Effect::Broadcast(id) => vec![id.clone()],
                Effect::BuildExport(id) => world.vault.exports()[id].transactions.clone(),
                _ => continue,
            };
            for id in ids {
                let wallet = &world.vault.transactions()[&id].wallet;
                assert!(!self.is_frozen(wallet), "{effect:?} while frozen");
            }
        }
        for (id, transaction) in world.vault.transactions() {
            let signers = transaction.plan.signers();
            if self.is_frozen(&transaction.wallet) || !self.compromised.is_disjoint(&signers) {
                assert!(!world.vault.may_sign(id));
            }
        }
    }
}

fn assert_same(replica: &Vault, world: &World) {
    assert_eq!(format!("{replica:?}"), format!("{:?}", world.vault));
}

fn usage_is(usage: &LimitUsage, least: &[&Admission], most: &[&Admission]) {
    let counts = least.len() as u64..=most.len() as u64;
    assert!(counts.contains(&usage.count), "{usage:?}");
    if let Measure::Amount(used) = usage.used {
        let sum = |of: &[&Admission]| Amount::sum(used.asset(), of.iter().map(|a| &a.amount));
        assert!(sum(least).unwrap().cmp_same(&used).unwrap().is_le());
        assert!(used.cmp_same(&sum(most).unwrap()).unwrap().is_le());
    }
}

/// Inputs are the wallet's own and come to payments, change and fee; change comes home; the fee keeps its caps.
fn conserves(world: &World, transaction: &Transaction) {
    let wallet = &world.vault.wallets()[&transaction.wallet];
    let fee = transaction.plan.fee();
    assert!(fee.cmp_same(&wallet.fee_caps.absolute).unwrap().is_le());
    match &transaction.plan {
        Plan::Bitcoin(plan) => {
            let own: Vec<_> = wallet.addresses().collect();
            assert!(
                plan.inputs
                    .iter()
                    .all(|c| Some(c.public_key) == wallet.primary_key())
            );
            assert!(plan.change.iter().all(|c| own.contains(&c.to)));
            let into = Amount::sum(Asset::Ltc, plan.inputs.iter().map(|c| &c.amount)).unwrap();
            let paid = plan.payments.iter().chain(&plan.change).map(|p| &p.amount);
            let out = Amount::sum(Asset::Ltc, paid.chain([&plan.fee])).unwrap();
            assert_eq!(into, out);
        }
        Plan::Evm(plan) => {
            assert_eq!(Some(plan.from), wallet.primary_key());
            assert_eq!(plan.chain_id.get(), 31_337);
        }
    }
}
