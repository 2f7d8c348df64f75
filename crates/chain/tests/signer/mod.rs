//! Keys and plans made for tests, and a signer that behaves as an HSM does: 32 bytes in, r ‖ s out.
#![allow(dead_code, reason = "each test binary uses its own part")]

use custodyd_chain::{
    Address, Amount, Asset, BitcoinNetwork, BitcoinPlan, Coin, Digest, EvmChainId, EvmPlan,
    FeeCaps, OutPoint, Payment, Plan, PublicKey, RawTransaction, Signature, Txid, U256,
};
use k256::ecdsa::SigningKey;
use k256::ecdsa::signature::hazmat::PrehashSigner;

/// The key whose private scalar is made of this byte.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from_sec1(key.verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

/// r ‖ s as it comes, high or low.
pub(crate) fn sign(key: &SigningKey, digest: &Digest) -> Signature {
    let signature: k256::ecdsa::Signature = key.sign_prehash(digest.as_bytes()).unwrap();
    Signature::from_hsm(&signature.to_bytes()).unwrap()
}

/// Signs every request of a plan with whichever of `keys` it asks for.
pub(crate) fn sign_plan(plan: &Plan, keys: &[SigningKey]) -> Vec<Signature> {
    plan.signing_requests()
        .unwrap()
        .iter()
        .map(|request| {
            let key = keys
                .iter()
                .find(|key| public(key) == request.public_key)
                .unwrap();
            sign(key, &request.digest)
        })
        .collect()
}

pub(crate) fn assemble(plan: &Plan, keys: &[SigningKey]) -> RawTransaction {
    plan.assemble(&sign_plan(plan, keys)).unwrap()
}

/// An outpoint that no other number gives.
pub(crate) fn outpoint(number: u32) -> OutPoint {
    let txid: Txid = format!(
        "{:064x}",
        u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    )
    .parse()
    .unwrap();
    OutPoint {
        txid,
        vout: number % 7,
    }
}

pub(crate) fn coin(network: BitcoinNetwork, number: u32, units: u64, key: &SigningKey) -> Coin {
    let amount = Amount::from_u64(network.params().asset, units).unwrap();
    Coin {
        outpoint: outpoint(number),
        amount,
        public_key: public(key),
    }
}

/// The P2WPKH address of `key(seed)`.
pub(crate) fn wallet(network: BitcoinNetwork, seed: u8) -> Address {
    Address::from_public_key(network.into(), &public(&key(seed)))
}

pub(crate) fn payment(to: &Address, units: u64) -> Payment {
    let amount = Amount::from_u64(to.network().asset(), units).unwrap();
    Payment {
        to: to.clone(),
        amount,
    }
}

/// Caps that nothing in these tests reaches.
pub(crate) fn no_caps(asset: Asset) -> FeeCaps {
    FeeCaps {
        absolute: Amount::from_units(asset, asset.cap()).unwrap(),
        relative_bp: u32::MAX,
    }
}

/// Where most of these tests pay.
pub(crate) const LTC: BitcoinNetwork = BitcoinNetwork::LitecoinRegtest;

pub(crate) fn select(
    network: BitcoinNetwork,
    coins: &[Coin],
    payments: &[Payment],
    change: &Address,
) -> BitcoinPlan {
    let caps = no_caps(network.params().asset);
    BitcoinPlan::select(network, coins, payments, change, 10_000, &caps).unwrap()
}

/// Three coins of two keys; pays one foreign address and gets change.
pub(crate) fn bitcoin_example() -> (BitcoinPlan, [SigningKey; 2]) {
    let keys = [key(1), key(2)];
    let coins = [
        coin(LTC, 1, 400_000, &keys[0]),
        coin(LTC, 2, 300_000, &keys[1]),
        coin(LTC, 3, 200_000, &keys[0]),
    ];
    let plan = select(
        LTC,
        &coins,
        &[payment(&wallet(LTC, 9), 650_000)],
        &wallet(LTC, 1),
    );
    assert!(plan.inputs.len() > 1 && plan.change.is_some());
    (plan, keys)
}

pub(crate) fn chain(id: u64) -> EvmChainId {
    EvmChainId::new(id).unwrap()
}

pub(crate) fn wei(units: u128) -> Amount {
    Amount::from_units(Asset::Eth, U256::from(units)).unwrap()
}

pub(crate) fn pay(id: u64, units: u128) -> Payment {
    let to = Address::parse(
        chain(id).into(),
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    )
    .unwrap();
    Payment {
        to,
        amount: wei(units),
    }
}

pub(crate) fn evm_example() -> (EvmPlan, SigningKey) {
    let key = key(3);
    let caps = no_caps(Asset::Eth);
    let plan = EvmPlan::new(
        chain(31_337),
        public(&key),
        7,
        pay(31_337, 10_u128.pow(18)),
        10_u128.pow(9),
        5,
        &caps,
    );
    (plan.unwrap(), key)
}
