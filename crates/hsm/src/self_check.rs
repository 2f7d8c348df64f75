//! Known answers, checked each time a token is opened: a program that can't tell a good signature from a bad one must
//! not sign.

use sha2::{Digest, Sha256};

use crate::ec;
use crate::error::HsmError;
use crate::key::Curve;
use crate::quirks::EcPointForm;
use crate::verify::{Signed, Verifier};

struct Vector {
    curve: Curve,
    name: &'static str,
    message: &'static [u8],
    point: &'static str,
    signature: &'static str,
}

/// secp256k1: the widely used RFC 6979 vector for the private key 1. P-256: RFC 6979 A.2.5, SHA-256, "sample"; its s
/// is in the upper half, which P-256 allows. Ed25519: RFC 8032 §7.1, TEST 2.
const VECTORS: [Vector; 3] = [
    Vector {
        curve: Curve::Secp256k1,
        name: "secp256k1 known answer",
        message: b"Satoshi Nakamoto",
        point: "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        signature: "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8\
                    2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
    },
    Vector {
        curve: Curve::P256,
        name: "P-256 known answer",
        message: b"sample",
        point: "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
        signature: "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                    f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    },
    Vector {
        curve: Curve::Ed25519,
        name: "Ed25519 known answer",
        message: &[0x72],
        point: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        signature: "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                    085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    },
];

/// The secp256k1 vector's s subtracted from the group order: the same signature in its high-S form.
const HIGH_S: &str = "dbbd3162d46e9f9bef7feb87c16dc13b4f6568a87f4e83f728e2443ba586675c";

/// Verifies the known answers, and that a wrong digest or message is refused and a high-S signature normalised.
///
/// # Errors
/// [`HsmError::SelfCheck`] naming the vector that failed.
pub fn self_check() -> Result<(), HsmError> {
    for vector in &VECTORS {
        let failed = || HsmError::SelfCheck(vector.name.into());
        let point = hex::decode(vector.point).map_err(|_| failed())?;
        let signature = hex::decode(vector.signature).map_err(|_| failed())?;
        let digest: [u8; 32] = Sha256::digest(vector.message).into();
        let mut wrong = vector.message.to_vec();
        for byte in &mut wrong {
            *byte ^= 0x01;
        }
        let wrong_digest: [u8; 32] = Sha256::digest(&wrong).into();
        let (signed, other) = match vector.curve {
            Curve::Ed25519 => (Signed::Message(vector.message), Signed::Message(&wrong)),
            _ => (Signed::Digest(&digest), Signed::Digest(&wrong_digest)),
        };

        let point = ec::decode_point(vector.curve, &point, EcPointForm::Raw).ok_or_else(failed)?;
        let verifier = Verifier::new(vector.curve, &point).ok_or_else(failed)?;
        let accepted = verifier.accept(signed, &signature).ok_or_else(failed)?;
        if accepted.as_slice() != signature {
            return Err(failed());
        }
        if vector.curve == Curve::Secp256k1 {
            let mut high = signature.clone();
            high.truncate(32);
            high.extend(hex::decode(HIGH_S).map_err(|_| failed())?);
            if verifier.accept(signed, &high) != Some(accepted) {
                return Err(failed());
            }
        }
        if verifier.accept(other, &signature).is_some() {
            return Err(failed());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_known_answers_hold() {
        assert_eq!(super::self_check(), Ok(()));
    }
}
