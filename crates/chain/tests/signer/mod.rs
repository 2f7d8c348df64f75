//! Keys made for tests, and a signer that behaves as an HSM does: 32 bytes in, r ‖ s out.
#![allow(dead_code, reason = "each test binary uses its own part")]

use custodyd_chain::{
    Address, Amount, Asset, BitcoinNetwork, Coin, Digest, FeeCaps, OutPoint, Payment, Plan,
    PublicKey, RawTransaction, Signature, Txid,
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
