//! What a ceremony signs must not hand out the nonce of a payment or a head a second time: that would be the private key.

use custodyd::store::{Origin, SignaturePointRow};
use custodyd_hsm::PublicPoint;

use super::{super::Failure, Known};

/// The nonce of a signature that is about to be written to a file.
pub(super) fn row(key: &PublicPoint, digest: [u8; 32], signature: &[u8; 64]) -> SignaturePointRow {
    let r = signature.first_chunk::<32>();
    SignaturePointRow {
        key: key.to_string(),
        r: *r.expect("64 bytes begin with 32"),
        digest,
        origin: Origin::unstored("this file"),
    }
}

/// Refuses signatures of which one has a nonce that is on record, or that another of them has.
pub(super) async fn refuse_used(
    known: &Known,
    points: &[SignaturePointRow],
) -> Result<(), Failure> {
    let asked: Vec<_> = points.iter().collect();
    let vault = known.vault.id().as_str();
    let stored = known.store.known_points(vault, &asked).await?;
    match used(points, &stored) {
        None => Ok(()),
        Some((point, earlier)) => Err(format!(
            "key {} used one nonce for {} and for {}, which is thrown away: freeze the vault and stop signing with this HSM",
            point.key, earlier.origin, point.origin
        )
        .into()),
    }
}

/// The first with a used nonce, and what used it.
fn used<'a>(
    points: &'a [SignaturePointRow],
    stored: &'a [SignaturePointRow],
) -> Option<(&'a SignaturePointRow, &'a SignaturePointRow)> {
    points.iter().enumerate().find_map(|(number, point)| {
        let mut before = points.iter().take(number).chain(stored);
        let again = |earlier: &&SignaturePointRow| {
            earlier.key == point.key && earlier.r == point.r && earlier.digest != point.digest
        };
        before.find(again).map(|earlier| (point, earlier))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(key: u8, r: u8, digest: u8) -> SignaturePointRow {
        let key = PublicPoint::try_from(format!("02{}", hex::encode([key; 32]))).unwrap();
        let mut signature = [r; 64];
        signature[32..].fill(9);
        row(&key, [digest; 32], &signature)
    }

    #[test]
    fn a_nonce_is_used_if_its_key_signed_something_else_with_it() {
        let stored = [point(1, 1, 1), point(2, 2, 2)];
        let fresh = [point(1, 2, 3), point(2, 1, 3), point(1, 1, 1)];
        assert_eq!(
            used(&fresh, &stored),
            None,
            "others' nonces, and the same signature"
        );
        let late = [point(1, 3, 3), point(1, 1, 3)];
        assert_eq!(used(&late, &stored), Some((&late[1], &stored[0])));
        let among = [point(1, 4, 4), point(1, 4, 5)];
        assert_eq!(used(&among, &stored), Some((&among[1], &among[0])));
    }
}
