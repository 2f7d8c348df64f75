//! An engine on its own database, and a token in software that can be made to repeat its nonces.

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
use custodyd_policy::Tier;
use custodyd_vault::{
    Command, Ed25519Key, Event, Genesis, JournalKey, KeyId, Recorded, RequestWithdrawal,
    TransactionId, TransactionState, Vault, WalletKey, WalletSpec,
};

use crate::{
    clock::Clock,
    engine::{Engine, Parts, rebuild},
    journal::{Entry, GENESIS, HeadRow, head_digest},
    signer::Signer,
    store::{Batch, Store},
};

pub(super) const WALLET: [u8; 32] = [3; 32];
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
pub(super) struct Stuck {
    pub(super) drawn: AtomicU64,
    pub(super) wallets: AtomicBool,
    pub(super) journal: AtomicBool,
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

pub(super) fn sign(secret: &[u8; 32], digest: &[u8; 32], k: u64) -> Signature {
    Signature::from_hsm(&sign_with!(k256, secret, digest, k)).unwrap()
}

pub(super) fn sign_p256(digest: &[u8; 32], k: u64) -> [u8; 64] {
    sign_with!(p256, &JOURNAL, digest, k)
}

pub(super) fn public(secret: &[u8; 32]) -> PublicKey {
    let key = k256::ecdsa::SigningKey::from_slice(secret).unwrap();
    PublicKey::from_sec1(key.verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

pub(super) fn journal_point() -> Vec<u8> {
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
            .map(|(name, seed)| (name.parse().unwrap(), vec![credential(seed).into()]))
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
        console: None,
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
        taken: Vec::new(),
        outcomes: Vec::new(),
        points: Vec::new(),
        feed: Vec::new(),
    };
    store.commit(&batch).await.unwrap();
}

pub(super) struct Bench {
    pub(super) engine: Engine,
    pub(super) hsm: Arc<Stuck>,
    pub(super) folder: tempfile::TempDir,
    asked: u8,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hsm = Arc::new(Stuck::default());
        let url = format!("sqlite:{}", folder.path().join("custodyd.db").display());
        let store = Store::open(&url).await.unwrap();
        begin(&store, &hsm).await;
        let parts = Parts {
            alerts: Default::default(),
            store,
            signer: Signer::new(hsm.clone(), Duration::from_secs(5)),
            nodes: BTreeMap::new(),
            screener: None,
            clock: Clock::system(),
            lobby: Default::default(),
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

    pub(super) async fn tell(&mut self, command: Command) {
        self.engine.step(&mut [], vec![command]).await.unwrap();
    }

    /// A wallet with ten ether, and a fee quote.
    pub(super) async fn funded() -> Self {
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

    pub(super) async fn ask(&mut self) -> TransactionId {
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
            evidence: "".into(),
        };
        self.tell(Command::RequestWithdrawal(Box::new(request)))
            .await;
        TransactionId::of_attempt(&id, 0)
    }

    /// Takes in what effects report until the vault is as asked for.
    pub(super) async fn until(&mut self, done: impl Fn(&Vault) -> bool) {
        let wait = async {
            while !done(self.engine.vault()) {
                let finished = self.engine.done.recv().await.unwrap();
                let results = self.engine.settle(std::iter::once(finished));
                self.engine.step(&mut [], results).await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait)
            .await
            .expect("in time");
    }

    pub(super) fn state(&self, id: &TransactionId) -> TransactionState {
        self.engine.vault().transactions()[id].state
    }

    pub(super) fn trouble(&self) -> Vec<String> {
        self.engine.parts.pulse.trouble().into_keys().collect()
    }
}
