//! A small vault that the tests start from, the people and services around it, and the chain they see.
//!
//! Wallets `hot-ltc`, `warm-ltc`, `cold-ltc` and `hot-eth`; clients `shop` and `exchange`; operators alice, bob and carol
//! (treasury), carol and dave (security), and erin, who is in no group.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeSet;

use custodyd_chain::{
    Address, Amount, Asset, Coin, FeeCaps, FeeQuote, Network, OutPoint, Plan, PublicKey,
    RawTransaction, Signature, Txid,
};
use custodyd_policy::{OperatorId, Timestamp, WalletId, WithdrawalId};
use custodyd_vault::{
    APPROVAL_DOMAIN, ChainPosition, Command, Decide, Decision, Ed25519Signature, Event, ExportId,
    FreezeScope, Genesis, JournalKey, KeyId, Recorded, Rejection, RequestWithdrawal, Statement,
    TransactionId, Vault, WalletKey, WalletSpec, Withdrawal,
};
use ed25519_dalek::Signer as _;
use k256::ecdsa::signature::hazmat::PrehashSigner as _;

pub(crate) const HOUR: u64 = 3_600_000;
pub(crate) const DAY: u64 = 24 * HOUR;
/// Wednesday 2026-03-04, 10:00 UTC.
pub(crate) const START: u64 = 1_772_618_400_000;
pub(crate) const CLIENTS: [&str; 2] = ["shop", "exchange"];
pub(crate) const OPERATORS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
pub(crate) const WALLETS: [&str; 4] = ["hot-ltc", "warm-ltc", "cold-ltc", "hot-eth"];
/// In the address book.
pub(crate) const KNOWN: &str = "rltc1qqyqszqgpqyqszqgpqyqszqgpqyqszqgpjt8zj4";
/// Seen for the first time.
pub(crate) const NEW: &str = "rltc1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszr0p8er";
pub(crate) const BLOCKED: &str = "rltc1qqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrzlqxnz";
pub(crate) const ETH_NEW: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

pub(crate) const POLICY: &str = r#"
version = 1
[groups]
treasury = ["alice", "bob", "carol"]
security = ["carol", "dave"]
[approvals]
expire_after = "24h"
[governance]
unfreeze = [{ group = "treasury", quorum = 2 }]
[tiers]
warm = { group = "treasury", quorum = 2, hold = "1h" }
cold = { group = "treasury", quorum = 2 }

[[rules]]
id = "hot-ltc-small"
effect = "allow"
when = { tier = ["hot"], destination = ["known", "new"], amount = { at_most = "1 LTC" } }
[[rules]]
id = "hot-ltc-medium"
effect = "allow"
when = { tier = ["hot"], destination = ["known", "new"], amount = { above = "1 LTC", at_most = "5 LTC" } }
require = [{ group = "treasury", quorum = 2 }, { group = "security", quorum = 1 }]
[[rules]]
id = "hot-eth"
effect = "allow"
when = { tier = ["hot"], destination = ["known", "new"], amount = { at_most = "5 ETH" } }
[[rules]]
id = "warm"
effect = "allow"
when = { tier = ["warm"], destination = ["known", "own"] }
[[rules]]
id = "cold"
effect = "allow"
when = { tier = ["cold"], destination = ["known", "own"] }

[[limits]]
id = "hot-ltc-daily"
per = "wallet"
max_amount = "8 LTC"
window = "24h"
on_breach = "deny"
when = { tier = ["hot"] }
[[limits]]
id = "eth-hourly"
per = "wallet"
max_amount = "3 ETH"
window = "1h"
on_breach = "hold"
[[limits]]
id = "client-hourly"
per = "client"
max_count = 6
window = "1h"
on_breach = "hold"
"#;

pub(crate) fn ltc() -> Network {
    "litecoin-regtest".parse().unwrap()
}

pub(crate) fn eth() -> Network {
    "eip155:31337".parse().unwrap()
}

pub(crate) fn wallet(name: &str) -> WalletId {
    name.parse().unwrap()
}

pub(crate) fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

pub(crate) fn scope(name: &str) -> FreezeScope {
    FreezeScope::Wallet(wallet(name))
}

/// The wallet's secp256k1 key.
pub(crate) fn secret(name: &str) -> k256::ecdsa::SigningKey {
    let number = WALLETS.iter().position(|w| *w == name).unwrap();
    k256::ecdsa::SigningKey::from_slice(&[u8::try_from(number).unwrap() + 1; 32]).unwrap()
}

pub(crate) fn public(name: &str) -> PublicKey {
    let key = secret(name);
    PublicKey::from_sec1(key.verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

/// The wallet's first address, as a client would write it.
pub(crate) fn own_address(name: &str) -> String {
    let network = if name.ends_with("eth") { eth() } else { ltc() };
    let address = Address::from_public_key(network, &public(name));
    address.as_str().to_owned()
}

pub(crate) fn key_id(name: &str) -> KeyId {
    let number = WALLETS.iter().position(|w| *w == name).unwrap();
    KeyId::from_bytes([u8::try_from(number).unwrap() + 0x10; 16])
}

/// An operator's Ed25519 key; `credential` tells several of one person apart.
pub(crate) fn ed25519(name: &str, credential: u8) -> ed25519_dalek::SigningKey {
    let mut seed = [credential; 32];
    name.bytes().zip(&mut seed).for_each(|(b, s)| *s = b);
    ed25519_dalek::SigningKey::from_bytes(&seed)
}

pub(crate) fn genesis() -> Genesis {
    let wallet_spec = |name: &str| {
        let network = if name.ends_with("eth") { eth() } else { ltc() };
        let tier = serde_json::from_value(name.split('-').next().unwrap().into()).unwrap();
        let key = match name {
            "cold-ltc" => WalletKey::Offline(public(name)),
            online => WalletKey::Online(key_id(online)),
        };
        let absolute = amount(if name.ends_with("eth") {
            "0.01 ETH"
        } else {
            "0.01 LTC"
        });
        let fee_caps = FeeCaps {
            absolute,
            relative_bp: 1_000,
        };
        let spec = WalletSpec {
            tier,
            network,
            fee_caps,
            confirmations: 2,
            key,
        };
        (wallet(name), spec)
    };
    Genesis {
        vault: "main".parse().unwrap(),
        policy: POLICY.to_owned(),
        journal_key: JournalKey {
            key: KeyId::from_bytes([0xee; 16]),
            public_key: "02".repeat(33),
        },
        // Alice holds two credentials and is one person.
        operators: OPERATORS
            .iter()
            .map(|name| {
                let count = if *name == "alice" { 2 } else { 1 };
                let keys = (0..count)
                    .map(|n| ed25519(name, n).verifying_key().into())
                    .collect();
                (name.parse().unwrap(), keys)
            })
            .collect(),
        clients: CLIENTS
            .iter()
            .map(|name| {
                (
                    name.parse().unwrap(),
                    ed25519(name, 9).verifying_key().into(),
                )
            })
            .collect(),
        wallets: WALLETS.into_iter().map(wallet_spec).collect(),
        address_book: [("mint".to_owned(), Address::parse(ltc(), KNOWN).unwrap())].into(),
        blocked: [Address::parse(ltc(), BLOCKED).unwrap()].into(),
    }
}

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
        let first = Recorded {
            seq: 1,
            at: Timestamp::from_ms(START),
            event: Event::VaultCreated {
                genesis: Box::new(genesis()),
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
            world.take(Command::KeyMade { key, public_key }).unwrap();
        }
        world
    }

    /// The same, with coins, a balance, and fee quotes.
    pub(crate) fn funded() -> Self {
        let mut world = Self::new();
        for name in ["hot-ltc", "warm-ltc", "cold-ltc"] {
            world.observe_coins(name, &[1, 2, 3, 4]).unwrap();
        }
        world.observe_account("10", 0).unwrap();
        world.quote_fees();
        world
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
            id: format!("wd_{}", hex(&id)).parse().unwrap(),
            client: client.parse().unwrap(),
            vault: "main".parse().unwrap(),
            idempotency_key: key.to_owned(),
            body_digest: format!("{value} to {to}"),
            asset,
            amount: number.to_owned(),
            destination: to.to_owned(),
            reference: String::new(),
            wallet: None,
            evidence: serde_json::json!({ "signed": "request" }),
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
        signature: Ed25519Signature,
    ) -> Result<Vec<Event>, Rejection> {
        let operator: OperatorId = statement.operator.clone();
        let evidence = serde_json::json!({ "signed": "decision" });
        self.take(Command::Decide(Box::new(Decide {
            operator,
            statement,
            signature,
            evidence,
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
            evidence: serde_json::json!({}),
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
            evidence: serde_json::json!({}),
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
            evidence: serde_json::json!({}),
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
            evidence: serde_json::json!({}),
        })
    }

    pub(crate) fn withdrawal(&self, id: &WithdrawalId) -> &Withdrawal {
        &self.vault.withdrawals()[id]
    }

    pub(crate) fn state(&self, id: &WithdrawalId) -> &'static str {
        self.vault.withdrawal_state_name(self.withdrawal(id))
    }
}

pub(crate) fn sign_statement(statement: &Statement, credential: u8) -> Ed25519Signature {
    let key = ed25519(statement.operator.as_str(), credential);
    Ed25519Signature(key.sign(&statement.challenge()).to_bytes())
}

/// A plan signed with the wallet's key and assembled: verified signatures, independent decoding, consensus.
pub(crate) fn signed(plan: &Plan, wallet: &str) -> RawTransaction {
    let key = secret(wallet);
    let signatures: Vec<Signature> = plan
        .signing_requests()
        .unwrap()
        .iter()
        .map(|request| {
            let signature: k256::ecdsa::Signature =
                key.sign_prehash(request.digest.as_bytes()).unwrap();
            Signature::from_hsm(&signature.to_bytes()).unwrap()
        })
        .collect();
    plan.assemble(&signatures).unwrap()
}

pub(crate) fn coin(name: &str, number: u8) -> Coin {
    let place = WALLETS.iter().position(|w| *w == name).unwrap();
    let txid: Txid = format!("{:02x}{:02x}{:060}", place + 1, number, 0)
        .parse()
        .unwrap();
    let txid_and_index = OutPoint { txid, vout: 0 };
    Coin {
        outpoint: txid_and_index,
        amount: amount(&format!("{number} LTC")),
        public_key: public(name),
    }
}

pub(crate) fn included(height: u64, confirmations: u32) -> ChainPosition {
    ChainPosition::Included {
        height,
        confirmations,
        succeeded: true,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
