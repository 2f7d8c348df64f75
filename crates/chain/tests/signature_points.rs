//! The nonces of signed transactions, read back from their bytes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod signer;

use custodyd_chain::{NonceX, Plan, PublicKey, Signature, decode};
use k256::{
    AffinePoint, ProjectivePoint, Scalar,
    ecdsa::SigningKey,
    elliptic_curve::{PrimeField as _, point::AffineCoordinates as _},
};
use signer::{assemble, bitcoin_example, evm_example, public, sign_plan};

#[test]
fn every_signature_of_a_transaction_is_found_with_its_key_digest_and_r() {
    let (bitcoin, keys) = bitcoin_example();
    let (evm, key) = evm_example();
    for (plan, keys) in [
        (Plan::Bitcoin(bitcoin), keys.to_vec()),
        (Plan::Evm(evm), vec![key]),
    ] {
        let requests = plan.signing_requests().unwrap();
        let signatures = sign_plan(&plan, &keys);
        let raw = plan.assemble(&signatures).unwrap();
        let points = plan.signature_points(&raw).unwrap();
        assert_eq!(points.len(), requests.len());
        for (point, (request, signature)) in points.iter().zip(requests.iter().zip(&signatures)) {
            assert_eq!(point.public_key, request.public_key);
            assert_eq!(point.digest, request.digest);
            assert_eq!(point.nonce.as_bytes(), &signature.to_bytes()[..32]);
        }
    }
}

#[test]
fn one_nonce_gives_one_r_whatever_it_signs_and_whichever_half_s_lies_in() {
    let (plan, keys) = bitcoin_example();
    let requests = Plan::Bitcoin(plan.clone()).signing_requests().unwrap();
    let signatures: Vec<Signature> = requests
        .iter()
        .map(|request| {
            let key = keys.iter().find(|k| public(k) == request.public_key);
            sign_with_nonce(key.unwrap(), request.digest.as_bytes(), 7)
        })
        .collect();
    let plan = Plan::Bitcoin(plan);
    let raw = plan.assemble(&signatures).unwrap();
    let points = plan.signature_points(&raw).unwrap();
    let seven = ProjectivePoint::GENERATOR * Scalar::from(7_u64);
    let expected = NonceX::from_bytes(AffinePoint::from(seven).x().into());
    assert!(points.len() > 1 && points.iter().all(|point| point.nonce == expected));
    let text = expected.to_string();
    assert_eq!(text.parse::<NonceX>().unwrap(), expected);
    assert!(text.to_uppercase().parse::<NonceX>().is_err());
}

#[test]
fn points_are_read_only_from_a_transaction_that_spends_the_plans_coins() {
    let (plan, keys) = bitcoin_example();
    let raw = assemble(&Plan::Bitcoin(plan.clone()), &keys);
    let mut other = plan.clone();
    other.inputs.remove(0);
    assert!(Plan::Bitcoin(other).signature_points(&raw).is_err());
    let plan = Plan::Bitcoin(plan);
    assert_eq!(plan.signers(), keys.iter().map(public).collect());
    let signers: Vec<PublicKey> = plan.signers().into_iter().collect();
    assert_eq!(signers.len(), 2);
    assert!(decode(plan.network(), raw.bytes(), &[]).is_err());
}

/// What a signer gives whose random numbers repeat: the nonce is `k`.
fn sign_with_nonce(key: &SigningKey, digest: &[u8; 32], k: u64) -> Signature {
    let k = Scalar::from(k);
    let x = AffinePoint::from(ProjectivePoint::GENERATOR * k).x();
    let r = Scalar::from_repr(x).unwrap();
    let z = Scalar::from_repr((*digest).into()).unwrap();
    let s = k.invert().unwrap() * (z + r * **key.as_nonzero_scalar());
    let bytes = [r.to_bytes(), s.to_bytes()].concat();
    Signature::from_hsm(&bytes).unwrap()
}
