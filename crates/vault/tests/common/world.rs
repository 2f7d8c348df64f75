//! The vault under test, its journal and its clock, with a short name for each thing that can happen to it.

use std::collections::BTreeSet;

use custodyd_chain::{Asset, FeeQuote, RawTransaction};
use custodyd_policy::{OperatorId, Timestamp, WithdrawalId};
use custodyd_vault::{
    APPROVAL_DOMAIN, ChainPosition, Command, Decide, Decision, Event, ExportId, FreezeScope,
    Genesis, RawSignature, Recorded, Rejection, RequestWithdrawal, Statement, TransactionId, Vault,
    Withdrawal,
};

use super::{
    HOUR, START, amount, coin, eth, genesis, key_id, ltc, made, public, sign_statement, signed,
    signed_genesis, wallet,
};

/// A vault, its journal, and a clock that only the test moves.
pub(crate) struct World {
    pub(crate) vault: Vault,
    pub(crate) journal: Vec<Recorded>,
    pub(crate) now: u64,
    serial: u8,
}

impl World {
    /// The vault with its online keys made, and nothing else.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, from a genesis that differs.
    pub(crate) fn with(differ: impl FnOnce(&mut Genesis)) -> Self {
        let mut genesis = genesis();
        differ(&mut genesis);
        let genesis = signed_genesis(genesis);
        let first = Recorded {
            seq: 1,
            at: Timestamp::from_ms(START),
            event: Event::VaultCreated {
                genesis: Box::new(genesis),
            },
        };
        let vault = Vault::create(&first).unwrap();
        let mut world = Self {
            vault,
            journal: vec![first],
            now: START,
            serial: 0,
        };
        for name in ["hot-ltc", "warm-ltc", "hot-eth"] {
            let (key, public_key) = (key_id(name), public(name));
            world.take(made(key, public_key)).unwrap();
        }
        world
    }

    /// The same, with coins, a balance, and fee quotes.
    pub(crate) fn funded() -> Self {
        let mut world = Self::new();
        world.fund();
        world
    }

    /// Shows it coins, a balance, and fee quotes.
    pub(crate) fn fund(&mut self) {
        for name in ["hot-ltc", "warm-ltc", "cold-ltc"] {
            self.observe_coins(name, &[1, 2, 3, 4]).unwrap();
        }
        self.observe_account("10", 0).unwrap();
        self.quote_fees();
    }

    /// Decides, and folds what comes of it in, as the engine does.
    pub(crate) fn take(&mut self, command: Command) -> Result<Vec<Event>, Rejection> {
        let at = Timestamp::from_ms(self.now);
        let events = self.vault.decide(&command, at)?;
        for event in &events {
            let seq = self.vault.seq() + 1;
            let event = event.clone();
            let recorded = Recorded { seq, at, event };
            self.vault.apply(&recorded).expect("decided events follow");
            self.journal.push(recorded);
        }
        Ok(events)
    }

    /// Lets go on what can, in no more steps than the engine takes in a batch.
    pub(crate) fn advance(&mut self) -> Vec<Event> {
        let mut all = Vec::new();
        for _ in 0..64 {
            let events = self.take(Command::Advance).unwrap();
            if events.is_empty() {
                return all;
            }
            all.extend(events);
        }
        panic!("Advance doesn't come to an end");
    }

    pub(crate) fn wait(&mut self, ms: u64) -> Vec<Event> {
        self.now += ms;
        self.advance()
    }

    pub(crate) fn asked(
        &self,
        client: &str,
        key: &str,
        value: &str,
        to: &str,
    ) -> RequestWithdrawal {
        let (number, asset) = value.rsplit_once(' ').unwrap();
        let asset: Asset = asset.parse().unwrap();
        let mut id = [0xd0; 16];
        id[15] = self.serial;
        RequestWithdrawal {
            id: WithdrawalId::from_bytes(id),
            initiator: format!("client/{client}").parse().unwrap(),
            vault: "main".parse().unwrap(),
            idempotency_key: key.to_owned(),
            body_digest: format!("{value} to {to}"),
            asset,
            amount: number.to_owned(),
            destination: to.to_owned(),
            reference: String::new(),
            wallet: None,
            evidence: "the signed request".into(),
        }
    }

    pub(crate) fn ask(&mut self, asked: RequestWithdrawal) -> Result<WithdrawalId, Rejection> {
        let id = asked.id;
        self.serial += 1;
        self.take(Command::RequestWithdrawal(Box::new(asked)))?;
        Ok(id)
    }

    /// A request of the shop's, under a fresh key.
    pub(crate) fn request(&mut self, value: &str, to: &str) -> Result<WithdrawalId, Rejection> {
        let key = format!("key-{}", self.serial);
        self.ask(self.asked("shop", &key, value, to))
    }

    /// The same, from a wallet that the client names.
    pub(crate) fn request_from(
        &mut self,
        from: &str,
        value: &str,
        to: &str,
    ) -> Result<WithdrawalId, Rejection> {
        let key = format!("key-{}", self.serial);
        let mut asked = self.asked("shop", &key, value, to);
        asked.wallet = Some(wallet(from));
        self.ask(asked)
    }

    pub(crate) fn statement(
        &self,
        operator: &str,
        id: &WithdrawalId,
        decision: Decision,
    ) -> Statement {
        let withdrawal = &self.vault.withdrawals()[id];
        Statement {
            domain: APPROVAL_DOMAIN.to_owned(),
            vault: self.vault.id().clone(),
            withdrawal: *id,
            effects: self.vault.stated_effects(withdrawal),
            decision,
            policy: self.vault.policy().hash(),
            expires_at: Timestamp::from_ms(self.now + HOUR),
            nonce: "0123456789abcdef0123456789abcdef".to_owned(),
            operator: operator.parse().unwrap(),
        }
    }

    /// Sends a statement signed with the first credential of whom it names.
    pub(crate) fn submit(&mut self, statement: Statement) -> Result<Vec<Event>, Rejection> {
        let signature = sign_statement(&statement, 0);
        self.submit_signed(statement, signature)
    }

    pub(crate) fn submit_signed(
        &mut self,
        statement: Statement,
        signature: RawSignature,
    ) -> Result<Vec<Event>, Rejection> {
        let operator: OperatorId = statement.operator.clone();
        let evidence = "the signed request".to_owned();
        self.take(Command::Decide(Box::new(Decide {
            operator,
            statement,
            signature: signature.into(),
            evidence: evidence.into(),
        })))
    }

    pub(crate) fn vote(
        &mut self,
        operator: &str,
        id: &WithdrawalId,
        decision: Decision,
    ) -> Result<Vec<Event>, Rejection> {
        let statement = self.statement(operator, id, decision);
        self.submit(statement)
    }

    pub(crate) fn approve(&mut self, operators: &[&str], id: &WithdrawalId) {
        for operator in operators {
            self.vote(operator, id, Decision::Approve).unwrap();
        }
    }

    pub(crate) fn freeze(
        &mut self,
        scope: FreezeScope,
        operator: &str,
    ) -> Result<Vec<Event>, Rejection> {
        self.take(Command::Freeze {
            scope,
            reason: "something is odd".to_owned(),
            operator: operator.parse().unwrap(),
            evidence: "".into(),
        })
    }

    pub(crate) fn unfreeze(
        &mut self,
        scope: FreezeScope,
        operator: &str,
    ) -> Result<Vec<Event>, Rejection> {
        self.take(Command::Unfreeze {
            scope,
            operator: operator.parse().unwrap(),
            signed_at: Timestamp::from_ms(self.now),
            evidence: "".into(),
        })
    }

    /// Coins of the wallet, by number; each is worth its number in LTC.
    pub(crate) fn observe_coins(
        &mut self,
        name: &str,
        numbers: &[u8],
    ) -> Result<Vec<Event>, Rejection> {
        let coins = numbers.iter().map(|n| coin(name, *n)).collect();
        self.take(Command::ObserveCoins {
            wallet: wallet(name),
            coins,
        })
    }

    pub(crate) fn observe_account(
        &mut self,
        balance: &str,
        nonce: u64,
    ) -> Result<Vec<Event>, Rejection> {
        self.take(Command::ObserveAccount {
            wallet: wallet("hot-eth"),
            balance: amount(&format!("{balance} ETH")),
            nonce,
            height: 100 + nonce,
        })
    }

    pub(crate) fn quote_fees(&mut self) {
        let bitcoin = FeeQuote::Bitcoin {
            sat_per_kvb: 10_000,
        };
        let evm = FeeQuote::Evm {
            base_fee_per_gas: 1_000_000_000,
            priority_fee_per_gas: 1_000_000_000,
        };
        for (network, quote) in [(ltc(), bitcoin), (eth(), evm)] {
            self.take(Command::ObserveFee { network, quote }).unwrap();
        }
    }

    /// Plans what can be, and says which transaction pays the withdrawal.
    pub(crate) fn planned(&mut self, id: &WithdrawalId) -> TransactionId {
        self.quote_fees();
        self.advance();
        let withdrawal = self.withdrawal(id);
        let found = withdrawal.transaction().cloned();
        found.unwrap_or_else(|| panic!("not planned: {:?}", withdrawal.state))
    }

    /// Signs a plan with the keys of its wallet, for real.
    pub(crate) fn sign(&mut self, id: &TransactionId) -> Result<Vec<Event>, Rejection> {
        let transaction = &self.vault.transactions()[id];
        let raw = signed(&transaction.plan, transaction.wallet.as_str());
        self.take(Command::Signed {
            transaction: id.clone(),
            raw,
            signatures: 1,
        })
    }

    pub(crate) fn broadcast(&mut self, id: &TransactionId) -> Result<Vec<Event>, Rejection> {
        self.take(Command::Broadcast {
            transaction: id.clone(),
        })
    }

    /// From an approved withdrawal to a transaction that a node took.
    pub(crate) fn sent(&mut self, id: &WithdrawalId) -> TransactionId {
        let transaction = self.planned(id);
        self.sign(&transaction).unwrap();
        self.broadcast(&transaction).unwrap();
        transaction
    }

    pub(crate) fn see(
        &mut self,
        id: &TransactionId,
        position: ChainPosition,
    ) -> Result<Vec<Event>, Rejection> {
        self.take(Command::ObserveTransaction {
            transaction: id.clone(),
            position,
        })
    }

    pub(crate) fn export(&mut self, serial: u8) -> Result<ExportId, Rejection> {
        let id = ExportId::from_bytes([serial; 16]);
        self.take(Command::ExportCold {
            id: id.clone(),
            wallet: None,
            withdrawals: BTreeSet::new(),
            by: "operator/alice".to_owned(),
            evidence: "".into(),
        })?;
        Ok(id)
    }

    pub(crate) fn built(&mut self, export: &ExportId) -> Result<Vec<Event>, Rejection> {
        self.take(Command::ExportBuilt {
            export: export.clone(),
            manifest_sha256: "ab".repeat(32),
        })
    }

    /// Every transaction of an export, signed offline.
    pub(crate) fn signed_export(&self, export: &ExportId) -> Vec<(TransactionId, RawTransaction)> {
        let ids = &self.vault.exports()[export].transactions;
        ids.iter()
            .map(|id| {
                let transaction = &self.vault.transactions()[id];
                let raw = signed(&transaction.plan, transaction.wallet.as_str());
                (id.clone(), raw)
            })
            .collect()
    }

    pub(crate) fn import(
        &mut self,
        export: &ExportId,
        signed: Vec<(TransactionId, RawTransaction)>,
    ) -> Result<Vec<Event>, Rejection> {
        self.take(Command::ImportCold {
            export: export.clone(),
            signed,
            by: "operator/alice".to_owned(),
            evidence: "".into(),
        })
    }

    pub(crate) fn withdrawal(&self, id: &WithdrawalId) -> &Withdrawal {
        &self.vault.withdrawals()[id]
    }

    pub(crate) fn state(&self, id: &WithdrawalId) -> &'static str {
        self.vault.withdrawal_state_name(self.withdrawal(id))
    }
}
