//! The engine on a signer whose nonces repeat: a token in software, since no real one can be made to do this here.

mod manifests;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use custodyd_chain::{Amount, FeeCaps, FeeQuote, Network, PublicKey, Signature};
use custodyd_hsm::{Curve, Hsm, HsmError, MemberStatus, PublicPoint, Reply, Request, Response};
use custodyd_policy::{Tier, Timestamp};
use custodyd_vault::{
    Command, Ed25519Key, Event, FreezeScope, Genesis, JournalKey, KeyId, Recorded,
    RequestWithdrawal, TransactionId, TransactionState, Vault, WalletKey, WalletSpec,
};

use super::{Engine, EngineError, Parts, rebuild};
use crate::{
    clock::Clock,
    journal::{Entry, GENESIS, HeadRow, head_digest},
    nonces,
    signer::Signer,
    store::{Batch, Store},
};

const WALLET: [u8; 32] = [3; 32];
const COLD: [u8; 32] = [5; 32];
const JOURNAL: [u8; 32] = [9; 32];
const SOMEBODY: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const POLICY: &str = r#"
version = 1
[groups]
treasury = ["alice", "bob"]
[approvals]
expire_after = "24h"
[governance]
unfreeze = [{ group = "treasury", quorum = 2 }]
[tiers]
warm = { group = "treasury", quorum = 2, hold = "1h" }
cold = { group = "treasury", quorum = 2 }
[[rules]]
id = "hot"
effect = "allow"
when = { tier = ["hot"], destination = ["known", "new"] }
"#;

/// Signs with whatever key is asked for; with the same nonce again once it is stuck.
#[derive(Debug, Default)]
struct Stuck {
    drawn: AtomicU64,
    wallets: AtomicBool,
    journal: AtomicBool,
}

impl Stuck {
    fn nonce(&self, stuck: &AtomicBool) -> u64 {
        if stuck.load(SeqCst) {
            7
        } else {
            100 + self.drawn.fetch_add(1, SeqCst)
        }
    }
}

impl Hsm for Stuck {
    fn submit(&self, request: Request, _: Duration, reply: Reply) -> Result<(), HsmError> {
        let point = |hex: String| Response::Public(PublicPoint::try_from(hex).unwrap());
        reply(Ok(match request {
            Request::Generate { .. } => point(public(&WALLET).to_string()),
            Request::Sign {
                curve: Curve::P256,
                digest,
                ..
            } => Response::Signature(sign_p256(&digest, self.nonce(&self.journal))),
            Request::Sign { digest, .. } => {
                let signature = sign(&WALLET, &digest, self.nonce(&self.wallets));
                Response::Signature(signature.to_bytes())
            }
            other => panic!("{other:?}"),
        }));
        Ok(())
    }

    fn members(&self) -> Vec<MemberStatus> {
        Vec::new()
    }

    fn call_limit(&self) -> Duration {
        Duration::from_secs(5)
    }
}

/// ECDSA with a nonce of the caller's choice.
macro_rules! sign_with {
    ($curve:ident, $secret:expr, $digest:expr, $k:expr) => {{
        use $curve::elliptic_curve::{PrimeField as _, point::AffineCoordinates as _};
        let key = $curve::ecdsa::SigningKey::from_slice($secret).unwrap();
        let k = $curve::Scalar::from($k);
        let x = $curve::AffinePoint::from($curve::ProjectivePoint::GENERATOR * k).x();
        let r = $curve::Scalar::from_repr(x).unwrap();
        let z = $curve::Scalar::from_repr((*$digest).into()).unwrap();
        let s = k.invert().unwrap() * (z + r * **key.as_nonzero_scalar());
        <[u8; 64]>::try_from([r.to_bytes(), s.to_bytes()].concat()).unwrap()
    }};
}

fn sign(secret: &[u8; 32], digest: &[u8; 32], k: u64) -> Signature {
    Signature::from_hsm(&sign_with!(k256, secret, digest, k)).unwrap()
}

fn sign_p256(digest: &[u8; 32], k: u64) -> [u8; 64] {
    sign_with!(p256, &JOURNAL, digest, k)
}

fn public(secret: &[u8; 32]) -> PublicKey {
    let key = k256::ecdsa::SigningKey::from_slice(secret).unwrap();
    PublicKey::from_sec1(key.verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

fn journal_point() -> Vec<u8> {
    let key = p256::ecdsa::SigningKey::from_slice(&JOURNAL).unwrap();
    key.verifying_key()
        .to_encoded_point(true)
        .as_bytes()
        .to_vec()
}

fn ether() -> Network {
    "eip155:31337".parse().unwrap()
}

fn genesis() -> Genesis {
    let credential = |seed| -> Ed25519Key {
        ed25519_dalek::SigningKey::from_bytes(&[seed; 32])
            .verifying_key()
            .into()
    };
    let wallet = |tier, network: &str, key| WalletSpec {
        addresses: Default::default(),
        tier,
        network: network.parse().unwrap(),
        fee_caps: FeeCaps {
            absolute: if tier == Tier::Cold {
                "0.01 LTC"
            } else {
                "0.01 ETH"
            }
            .parse()
            .unwrap(),
            relative_bp: 1_000,
        },
        confirmations: 1,
        key,
    };
    let online = WalletKey::Online(KeyId::from_bytes([1; 16]));
    let signers = [("alice", 1), ("bob", 2)].map(|(name, seed)| {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        (name.parse().unwrap(), key)
    });
    let genesis = Genesis {
        vault: "main".parse().unwrap(),
        policy: POLICY.to_owned(),
        journal_key: JournalKey {
            key: KeyId::from_bytes([0xee; 16]),
            public_key: hex::encode(journal_point()),
        },
        operators: [("alice", 1), ("bob", 2)]
            .map(|(name, seed)| (name.parse().unwrap(), vec![credential(seed)]))
            .into(),
        clients: [("shop".parse().unwrap(), credential(3))].into(),
        wallets: [
            (
                "hot-eth".parse().unwrap(),
                wallet(Tier::Hot, "eip155:31337", online),
            ),
            (
                "cold-ltc".parse().unwrap(),
                wallet(
                    Tier::Cold,
                    "litecoin-regtest",
                    WalletKey::Offline(public(&COLD)),
                ),
            ),
        ]
        .into(),
        address_book: BTreeMap::new(),
        blocked: Default::default(),
        client_scopes: Default::default(),
        signatures: Default::default(),
    };
    genesis.signed_with(&signers.into())
}

/// A vault's first commit, as a version without the index of nonces made it.
async fn begin(store: &Store, hsm: &Stuck) {
    let event = Event::VaultCreated {
        genesis: Box::new(genesis()),
    };
    let at = Clock::system().now();
    let recorded = Recorded { seq: 1, at, event };
    let state = Vault::create(&recorded).unwrap();
    let entry = Entry {
        vault: "main",
        seq: 1,
        at_ms: at.as_ms(),
        kind: recorded.event.kind(),
        prev_hash: GENESIS,
    };
    let row = entry.seal(&recorded.event).unwrap();
    let digest = head_digest("main", 1, row.at_ms, &row.hash).unwrap();
    let signature = sign_p256(&digest, hsm.nonce(&hsm.journal));
    let head = HeadRow::from_hsm("main", 1, row.at_ms, row.hash, &signature).unwrap();
    let batch = Batch {
        vault: "main".to_owned(),
        previous: None,
        projections: rebuild(&state).unwrap(),
        rows: vec![row],
        head,
        outcomes: Vec::new(),
        points: Vec::new(),
    };
    store.commit(&batch).await.unwrap();
}

struct Bench {
    engine: Engine,
    hsm: Arc<Stuck>,
    folder: tempfile::TempDir,
    asked: u8,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hsm = Arc::new(Stuck::default());
        let url = format!("sqlite:{}", folder.path().join("custodyd.db").display());
        let store = Store::open(&url).await.unwrap();
        begin(&store, &hsm).await;
        let parts = Parts {
            store,
            signer: Signer::new(hsm.clone(), Duration::from_secs(5)),
            nodes: BTreeMap::new(),
            screener: None,
            clock: Clock::system(),
            answers: Default::default(),
            bell: Default::default(),
            pulse: Default::default(),
            poll: Duration::from_millis(100),
            anchor: folder.path().join("main.head.json"),
            journal_key: crate::journal::JournalKey::from_sec1(&journal_point()).unwrap(),
            wrapping_key: None,
        };
        let engine = Engine::open(parts, "main").await.unwrap();
        Self {
            engine,
            hsm,
            folder,
            asked: 0,
        }
    }

    async fn tell(&mut self, command: Command) {
        self.engine.step(Vec::new(), vec![command]).await.unwrap();
    }

    /// A wallet with ten ether, and a fee quote.
    async fn funded() -> Self {
        let mut bench = Self::new().await;
        bench.engine.sweep();
        bench
            .until(|vault| vault.wallets().values().all(|w| w.is_active()))
            .await;
        bench
            .tell(Command::ObserveAccount {
                wallet: "hot-eth".parse().unwrap(),
                balance: "10 ETH".parse::<Amount>().unwrap(),
                nonce: 0,
                height: 1,
            })
            .await;
        let quote = FeeQuote::Evm {
            base_fee_per_gas: 1_000_000_000,
            priority_fee_per_gas: 1_000_000_000,
        };
        let network = ether();
        bench.tell(Command::ObserveFee { network, quote }).await;
        bench
    }

    async fn ask(&mut self) -> TransactionId {
        self.asked += 1;
        let id = custodyd_policy::WithdrawalId::from_bytes([self.asked; 16]);
        let request = RequestWithdrawal {
            id,
            initiator: "client/shop".parse().unwrap(),
            vault: "main".parse().unwrap(),
            idempotency_key: self.asked.to_string(),
            body_digest: String::new(),
            asset: "ETH".parse().unwrap(),
            amount: "0.5".to_owned(),
            destination: SOMEBODY.to_owned(),
            reference: String::new(),
            wallet: None,
            evidence: String::new(),
        };
        self.tell(Command::RequestWithdrawal(Box::new(request)))
            .await;
        TransactionId::of_attempt(&id, 0)
    }

    /// Takes in what effects report until the vault is as asked for.
    async fn until(&mut self, done: impl Fn(&Vault) -> bool) {
        let wait = async {
            while !done(self.engine.vault()) {
                let finished = self.engine.done.recv().await.unwrap();
                let results = self.engine.settle(std::iter::once(finished));
                self.engine.step(Vec::new(), results).await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait)
            .await
            .expect("in time");
    }

    fn state(&self, id: &TransactionId) -> TransactionState {
        self.engine.vault().transactions()[id].state
    }

    fn trouble(&self) -> Vec<String> {
        self.engine.parts.pulse.trouble().into_keys().collect()
    }
}

fn signed(id: &TransactionId) -> impl Fn(&Vault) -> bool {
    move |vault| vault.transactions()[id].state != TransactionState::Planned
}

#[tokio::test]
async fn a_signature_with_a_used_nonce_is_thrown_away_and_its_key_given_up() {
    let mut bench = Bench::funded().await;
    bench.hsm.wallets.store(true, SeqCst);
    let first = bench.ask().await;
    bench.until(signed(&first)).await;
    let second = bench.ask().await;
    bench.until(|vault| !vault.compromised().is_empty()).await;

    let key = public(&WALLET);
    let compromise = bench.engine.vault().compromised()[&key].clone();
    assert_eq!(
        (&compromise.earlier, &compromise.transaction),
        (&first, &second)
    );
    assert_eq!(bench.state(&second), TransactionState::Planned);
    let frozen = FreezeScope::Wallet("hot-eth".parse().unwrap());
    assert!(bench.engine.vault().frozen().contains_key(&frozen));
    let part = format!("key {key}");
    assert!(bench.trouble().contains(&part), "{:?}", bench.trouble());

    // The second signature is nowhere: beside the first it would be the private key.
    let s_of = |id: &TransactionId| {
        let plan = &bench.engine.vault().transactions()[id].plan;
        let digest = plan.signing_requests().unwrap()[0].digest;
        hex::encode(&sign(&WALLET, digest.as_bytes(), 7).to_bytes()[32..])
    };
    let store = &bench.engine.parts.store;
    let rows = store.journal("main", 0, 1_000).await.unwrap();
    let journal: String = rows.into_iter().map(|row| row.event).collect();
    assert!(journal.contains(&s_of(&first)) && !journal.contains(&s_of(&second)));
}

#[tokio::test]
async fn unfreezing_its_wallet_does_not_let_a_compromised_key_sign() {
    let mut bench = Bench::funded().await;
    bench.hsm.wallets.store(true, SeqCst);
    let first = bench.ask().await;
    bench.until(signed(&first)).await;
    let second = bench.ask().await;
    bench.until(|vault| !vault.compromised().is_empty()).await;
    bench.hsm.wallets.store(false, SeqCst);
    for operator in ["alice", "bob"] {
        let scope = FreezeScope::Wallet("hot-eth".parse().unwrap());
        let vote = Command::Unfreeze {
            scope,
            operator: operator.parse().unwrap(),
            signed_at: Timestamp::from_ms(u64::MAX / 2),
            evidence: String::new(),
        };
        bench.tell(vote).await;
    }
    bench.engine.sweep();
    assert!(bench.engine.vault().frozen().is_empty());
    assert!(!bench.engine.vault().may_sign(&second));
    let part = format!("key {}", public(&WALLET));
    assert!(!bench.trouble().contains(&part), "a quorum knows of it");

    let Bench { engine, folder, .. } = bench;
    let again = Engine::open(engine.parts.clone(), "main").await.unwrap();
    assert_eq!(again.vault().compromised(), engine.vault().compromised());
    assert_eq!(again.vault().effect_of(&second), None);
    drop(folder);
}

#[tokio::test]
async fn two_signatures_with_one_nonce_in_one_batch_are_told_apart_too() {
    let mut bench = Bench::funded().await;
    let (first, second) = (bench.ask().await, bench.ask().await);
    // Both come at once; whatever the engine's own attempts gave is not taken in.
    let results: Vec<Command> = [&first, &second]
        .map(|id| {
            let plan = &bench.engine.vault().transactions()[id].plan;
            let digest = plan.signing_requests().unwrap()[0].digest;
            let raw = plan
                .assemble(&[sign(&WALLET, digest.as_bytes(), 11)])
                .unwrap();
            Command::Signed {
                transaction: id.clone(),
                raw,
                signatures: 1,
            }
        })
        .into();
    bench.engine.step(Vec::new(), results).await.unwrap();
    assert_eq!(bench.state(&first), TransactionState::Signed);
    assert_eq!(bench.state(&second), TransactionState::Planned);
    assert!(
        bench
            .engine
            .vault()
            .compromised()
            .contains_key(&public(&WALLET))
    );
}

#[tokio::test]
async fn of_a_transaction_signed_twice_in_one_batch_only_what_the_journal_holds_is_on_record() {
    let mut bench = Bench::funded().await;
    let id = bench.ask().await;
    let signed = |nonce| {
        let plan = &bench.engine.vault().transactions()[&id].plan;
        let digest = plan.signing_requests().unwrap()[0].digest;
        let signature = sign(&WALLET, digest.as_bytes(), nonce);
        Command::Signed {
            transaction: id.clone(),
            raw: plan.assemble(&[signature]).unwrap(),
            signatures: 1,
        }
    };
    let results = vec![signed(11), signed(12)];
    bench.engine.step(Vec::new(), results).await.unwrap();
    assert_eq!(bench.state(&id), TransactionState::Signed);
    let store = bench.engine.parts.store.clone();
    let explained = nonces::of_journal(&store, "main", bench.engine.vault());
    let stored = store.all_points("main").await.unwrap();
    assert_eq!(stored, explained.await.unwrap());
}

#[tokio::test]
async fn the_index_is_what_the_journal_explains_and_is_made_for_a_journal_without_one() {
    let mut bench = Bench::funded().await;
    let (store, vault) = (bench.engine.parts.store.clone(), "main");
    // The first head was committed without its nonce.
    let heads = store.heads(vault, 0, 1_000).await.unwrap();
    let points = store.all_points(vault).await.unwrap();
    assert_eq!(points.len(), heads.len());
    for _ in 0..3 {
        let id = bench.ask().await;
        bench.until(signed(&id)).await;
    }
    let stored = store.all_points(vault).await.unwrap();
    let explained = nonces::of_journal(&store, vault, bench.engine.vault())
        .await
        .unwrap();
    assert_eq!(stored, explained);
    let ours = public(&WALLET).to_string();
    assert_eq!(stored.iter().filter(|row| row.key == ours).count(), 3);
}

#[tokio::test]
async fn the_engine_stops_when_the_journal_key_repeats_a_nonce() {
    let mut bench = Bench::funded().await;
    bench.hsm.journal.store(true, SeqCst);
    bench.ask().await;
    let before = bench.engine.head.seq;
    let command = Command::ObserveAccount {
        wallet: "hot-eth".parse().unwrap(),
        balance: "9 ETH".parse::<Amount>().unwrap(),
        nonce: 0,
        height: 2,
    };
    let error = bench
        .engine
        .step(Vec::new(), vec![command])
        .await
        .unwrap_err();
    let stopped = bench.engine.recover(&error).await.unwrap_err();
    let EngineError::JournalKey(what) = &stopped else {
        panic!("{stopped}");
    };
    assert!(what.contains(&hex::encode(journal_point())), "{what}");
    let kept = bench.engine.parts.store.last_head("main").await.unwrap();
    assert_eq!(kept.unwrap().seq, before);
}
