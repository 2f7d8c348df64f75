use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY};
use ed25519_dalek::{SigningKey, VerifyingKey};
use proptest::prelude::*;
use sha2::{Digest as _, Sha512};

use super::*;
use crate::PreparedKey;

/// The order of the group, little-endian (RFC 8032 §5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn strictly(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    key.verify_strict(message, &signature).is_ok()
}

fn loosely(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    key.verify(message, &signature).is_ok()
}

fn challenge(r: &CompressedEdwardsY, key: &VerifyingKey, message: &[u8]) -> Scalar {
    let mut hash = Sha512::new();
    hash.update(r.as_bytes());
    hash.update(key.as_bytes());
    hash.update(message);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn joined(r: &CompressedEdwardsY, s: &Scalar) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(r.as_bytes());
    signature[32..].copy_from_slice(s.as_bytes());
    signature
}

/// Signatures that hold by the equation and must not be taken: R, or the key, or both, of small order.
#[test]
fn what_holds_with_points_of_small_order_is_refused_as_dalek_refuses_it() {
    let secret = SigningKey::from_bytes(&[7; 32]).to_scalar();
    let honest = EdwardsPoint::mul_base(&secret);
    let (mut held, mut ordinary) = (0, 0);
    for twist in EIGHT_TORSION {
        for (point, own) in [(honest + twist, secret), (twist, Scalar::ZERO)] {
            let key = VerifyingKey::from_bytes(&point.compress().to_bytes()).unwrap();
            let prepared = PreparedKey::new(key.into());
            for number in 0_u8..64 {
                let message = [number; 20];
                for r in EIGHT_TORSION {
                    let r = r.compress();
                    let s = challenge(&r, &key, &message) * own;
                    let signature = joined(&r, &s);
                    held += usize::from(loosely(&key, &message, &signature));
                    assert!(!verifies_strictly(&key, &message, &signature));
                    assert!(!prepared.verifies(&message, &signature));
                    assert!(!strictly(&key, &message, &signature));
                }
                // An ordinary R under a key of small or mixed order.
                let nonce = Scalar::from(u64::from(number) + 9);
                let r = EdwardsPoint::mul_base(&nonce).compress();
                let s = nonce + challenge(&r, &key, &message) * own;
                let signature = joined(&r, &s);
                let taken = strictly(&key, &message, &signature);
                assert_eq!(verifies_strictly(&key, &message, &signature), taken);
                assert_eq!(prepared.verifies(&message, &signature), taken);
                ordinary += usize::from(taken);
            }
        }
    }
    assert!(held > 500, "{held} held by the equation");
    assert!(ordinary >= 64, "{ordinary} are in order");
}

proptest! {
    #[test]
    fn whatever_else_is_taken_or_refused_as_dalek_does(
        seed in any::<[u8; 32]>(),
        message in prop::collection::vec(any::<u8>(), 0..40),
        flipped in prop::option::of(0_usize..512),
        noise in prop::option::of(any::<[u8; 32]>()),
    ) {
        let key = SigningKey::from_bytes(&seed);
        let mut signature = ed25519_dalek::Signer::sign(&key, &message).to_bytes();
        if let Some(bit) = flipped {
            signature[bit / 8] ^= 1 << (bit % 8);
        }
        if let Some(noise) = noise {
            signature[..32].copy_from_slice(&noise);
        }
        let key = key.verifying_key();
        let taken = verifies_strictly(&key, &message, &signature);
        prop_assert_eq!(taken, strictly(&key, &message, &signature));
        let prepared = PreparedKey::new(key.into());
        prop_assert_eq!(taken, prepared.verifies(&message, &signature));
        // The same s, a multiple of the group's order higher.
        let mut high = signature;
        let mut carry = 0_u16;
        for (byte, add) in high[32..].iter_mut().zip(ORDER) {
            carry += u16::from(*byte) + u16::from(add);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        prop_assert!(!prepared.verifies(&message, &high));
        prop_assert!(!strictly(&key, &message, &high));
        prop_assert_eq!(taken, flipped.is_none() && noise.is_none());
    }
}
