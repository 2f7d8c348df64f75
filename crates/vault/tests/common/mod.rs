//! A small vault that the tests start from, the people and services around it, and the chain they see.
//!
//! Wallets `hot-ltc`, `warm-ltc`, `cold-ltc` and `hot-eth`; clients `shop` and `exchange`; operators alice, bob and carol
//! (treasury), carol and dave (security), and erin, who is in no group.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part"
)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod council;
mod world;

pub(crate) use council::{governed, governed_but, set_policy, sign_governance};
use custodyd_chain::{
    Address, Amount, Coin, FeeCaps, Network, OutPoint, Plan, PublicKey, RawTransaction, Signature,
    Txid,
};
use custodyd_policy::WalletId;
use custodyd_vault::{
    Addresses, ChainPosition, Command, FreezeScope, Genesis, JournalKey, KeyId, RawSignature,
    Statement, WalletKey, WalletSpec,
};
use ed25519_dalek::Signer as _;
use k256::ecdsa::signature::hazmat::PrehashSigner as _;
pub(crate) use world::World;

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

/// The HSM made a key and keeps it.
pub(crate) fn made(key: KeyId, public_key: PublicKey) -> Command {
    Command::KeyMade {
        key,
        public_key,
        wrapped: None,
    }
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
            addresses: Addresses::Token,
        };
        (wallet(name), spec)
    };
    let genesis = Genesis {
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
        address_book: [(
            "mint".to_owned(),
            Address::parse(ltc(), KNOWN).unwrap().into(),
        )]
        .into(),
        blocked: [Address::parse(ltc(), BLOCKED).unwrap()].into(),
        client_scopes: Default::default(),
        console: None,
        signatures: Default::default(),
    };
    signed_genesis(genesis)
}

/// The genesis signed by each of its operators, with their first credential.
pub(crate) fn signed_genesis(genesis: Genesis) -> Genesis {
    let keys = genesis
        .operators
        .keys()
        .map(|name| (name.clone(), ed25519(name.as_str(), 0)))
        .collect();
    genesis.signed_with(&keys)
}

pub(crate) fn sign_statement(statement: &Statement, credential: u8) -> RawSignature {
    let key = ed25519(statement.operator.as_str(), credential);
    RawSignature(key.sign(&statement.challenge()).to_bytes())
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
