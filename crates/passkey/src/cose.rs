//! A public key as authenticators write it: a COSE_Key (RFC 9052 §7, RFC 9053) with the members that WebAuthn Level 2 §6.5.1.1
//! wants, each once and none besides.

use minicbor::Decoder;

use crate::{PasskeyKey, RegistrationFault};

const KTY: i64 = 1;
const ALG: i64 = 3;
const CRV: i64 = -1;
const X: i64 = -2;
const Y: i64 = -3;

const ES256: i64 = -7;
const EDDSA: i64 = -8;

#[derive(Default)]
struct Members<'a> {
    kty: Option<i64>,
    alg: Option<i64>,
    crv: Option<i64>,
    x: Option<&'a [u8]>,
    y: Option<&'a [u8]>,
}

/// Reads one key, and leaves the decoder behind it.
pub(crate) fn key(from: &mut Decoder<'_>) -> Result<PasskeyKey, RegistrationFault> {
    let members = Members::read(from)?;
    let missing = |what| RegistrationFault::Key(what);
    let is = |kty, crv| (members.kty, members.crv) == (Some(kty), Some(crv));
    match members.alg.ok_or(missing("it names no algorithm"))? {
        ES256 if is(2, 1) => {
            let point = members.x.zip(members.y);
            let (x, y) = point.ok_or(missing("its point is not there"))?;
            es256(x, y).ok_or(missing("its point is not on P-256"))
        }
        EDDSA if is(1, 6) && members.y.is_none() => {
            let x = members.x.ok_or(missing("its point is not there"))?;
            ed25519(x).ok_or(missing("its point is none of Ed25519's, or a weak one"))
        }
        ES256 | EDDSA => Err(missing("its curve is not its algorithm's")),
        other => Err(RegistrationFault::Algorithm(other)),
    }
}

impl<'a> Members<'a> {
    fn read(from: &mut Decoder<'a>) -> Result<Self, RegistrationFault> {
        let unread = |_| RegistrationFault::Key("it is no COSE key");
        let count = from.map().map_err(unread)?;
        let mut members = Self::default();
        for _ in 0..count.ok_or(RegistrationFault::Key("its length is not told"))? {
            let again = match from.i64().map_err(unread)? {
                KTY => members.kty.replace(from.i64().map_err(unread)?).is_some(),
                ALG => members.alg.replace(from.i64().map_err(unread)?).is_some(),
                CRV => members.crv.replace(from.i64().map_err(unread)?).is_some(),
                X => members.x.replace(from.bytes().map_err(unread)?).is_some(),
                Y => members.y.replace(from.bytes().map_err(unread)?).is_some(),
                _ => return Err(RegistrationFault::Key("it has a member that none has")),
            };
            if again {
                return Err(RegistrationFault::Key("it has a member twice"));
            }
        }
        Ok(members)
    }
}

fn es256(x: &[u8], y: &[u8]) -> Option<PasskeyKey> {
    let (x, y): (&[u8; 32], &[u8; 32]) = (x.try_into().ok()?, y.try_into().ok()?);
    let point = p256::EncodedPoint::from_affine_coordinates(x.into(), y.into(), false);
    let key = p256::ecdsa::VerifyingKey::from_encoded_point(&point).ok()?;
    Some(PasskeyKey::Es256(key))
}

fn ed25519(x: &[u8]) -> Option<PasskeyKey> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(x.try_into().ok()?).ok()?;
    // Anyone can sign for a point of small order.
    (!key.is_weak()).then_some(PasskeyKey::Ed25519(key))
}
