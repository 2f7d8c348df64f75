//! CKA_EC_PARAMS and CKA_EC_POINT in every form that modules are known to use.
//!
//! The specification asks for a DER OBJECT IDENTIFIER and a DER OCTET STRING around the SEC1 point (PKCS#11 3.0
//! §2.3.3). In the field the curve also comes as a PrintableString, and the point raw, compressed, or in a BIT STRING.
//! The forms of a point differ in length, so none can be taken for another. An Ed25519 key has 32 bytes (RFC 8032 §5.1.2)
//! and comes in the same wrappings.

use crate::key::{Curve, PublicPoint};
use crate::quirks::{EcParamsForm, EcPointForm};
use crate::verify::Verifier;

/// 1.3.132.0.10, SEC 2.
const SECP256K1_OID: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];
/// 1.2.840.10045.3.1.7, RFC 5480.
const P256_OID: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// 1.3.101.112, RFC 8410.
const ED25519_OID: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
/// 1.3.6.1.4.1.11591.15.1, edwards25519 before RFC 8410 had another; only read.
const EDWARDS25519_OID: &[u8] = &[
    0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01,
];

const PRINTABLE_STRING: u8 = 0x13;

/// CKA_EC_PARAMS to ask for a key on this curve.
pub(crate) fn encode_params(curve: Curve, form: EcParamsForm) -> Vec<u8> {
    match (form, curve) {
        (EcParamsForm::Oid, Curve::Secp256k1) => SECP256K1_OID.to_vec(),
        (EcParamsForm::Oid, Curve::P256) => P256_OID.to_vec(),
        (EcParamsForm::Oid, Curve::Ed25519) => ED25519_OID.to_vec(),
        (EcParamsForm::Name, Curve::Secp256k1) => printable(b"secp256k1", 9),
        (EcParamsForm::Name, Curve::P256) => printable(b"secp256r1", 9),
        (EcParamsForm::Name, Curve::Ed25519) => printable(b"edwards25519", 12),
    }
}

fn printable(name: &[u8], length: u8) -> Vec<u8> {
    let mut encoded = vec![PRINTABLE_STRING, length];
    encoded.extend_from_slice(name);
    encoded
}

/// The curve that CKA_EC_PARAMS names, if it is one of ours.
pub(crate) fn decode_params(params: &[u8]) -> Option<Curve> {
    if params == SECP256K1_OID {
        return Some(Curve::Secp256k1);
    }
    if params == P256_OID {
        return Some(Curve::P256);
    }
    if params == ED25519_OID || params == EDWARDS25519_OID {
        return Some(Curve::Ed25519);
    }
    match params {
        [PRINTABLE_STRING, length, name @ ..] if usize::from(*length) == name.len() => match name {
            b"secp256k1" => Some(Curve::Secp256k1),
            b"secp256r1" | b"prime256v1" | b"P-256" => Some(Curve::P256),
            b"edwards25519" => Some(Curve::Ed25519),
            _ => None,
        },
        _ => None,
    }
}

/// The point in CKA_EC_POINT, checked to lie on the curve.
pub(crate) fn decode_point(curve: Curve, value: &[u8], form: EcPointForm) -> Option<PublicPoint> {
    if curve == Curve::Ed25519 {
        return decode_ed25519(value, form);
    }
    let sec1 = match value {
        [0x04, 0x41, point @ ..] if point.len() == 65 => wrapped(form, point)?,
        [0x04, 0x21, point @ ..] if point.len() == 33 => wrapped(form, point)?,
        [0x03, 0x42, 0x00, point @ ..] if point.len() == 65 => wrapped(form, point)?,
        [0x03, 0x22, 0x00, point @ ..] if point.len() == 33 => wrapped(form, point)?,
        point if matches!(point.len(), 33 | 65) && form != EcPointForm::Der => point,
        _ => return None,
    };
    let compressed = match curve {
        Curve::Secp256k1 => secp256k1::PublicKey::from_slice(sec1).ok()?.serialize(),
        Curve::P256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(sec1).ok()?;
            key.to_encoded_point(true).as_bytes().try_into().ok()?
        }
        Curve::Ed25519 => return None,
    };
    Some(PublicPoint::from_checked(compressed))
}

fn decode_ed25519(value: &[u8], form: EcPointForm) -> Option<PublicPoint> {
    let encoded = match value {
        [0x04, 0x20, key @ ..] if key.len() == 32 => wrapped(form, key)?,
        [0x03, 0x21, 0x00, key @ ..] if key.len() == 32 => wrapped(form, key)?,
        key if form != EcPointForm::Der => key,
        _ => return None,
    };
    let point = PublicPoint::from_checked_ed25519(encoded.try_into().ok()?);
    Verifier::new(Curve::Ed25519, &point).map(|_| point)
}

fn wrapped(form: EcPointForm, point: &[u8]) -> Option<&[u8]> {
    (form != EcPointForm::Raw).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    const G: &str = "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
    const G_COMPRESSED: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    fn point(text: &str, form: EcPointForm) -> Option<String> {
        decode_point(Curve::Secp256k1, &hex::decode(text).unwrap(), form)
            .map(|point| point.to_string())
    }

    #[test]
    fn a_point_is_read_wrapped_or_raw_compressed_or_not() {
        for text in [
            G.to_owned(),
            G_COMPRESSED.to_owned(),
            format!("0441{G}"),
            format!("0421{G_COMPRESSED}"),
            format!("034200{G}"),
            format!("032200{G_COMPRESSED}"),
        ] {
            assert_eq!(
                point(&text, EcPointForm::Any).as_deref(),
                Some(G_COMPRESSED),
                "{text}"
            );
        }
    }

    #[test]
    fn a_profile_that_names_one_form_refuses_the_other() {
        assert_eq!(point(G, EcPointForm::Der), None);
        assert_eq!(point(&format!("0441{G}"), EcPointForm::Raw), None);
    }

    #[test]
    fn an_ed25519_key_is_read_raw_or_in_an_octet_or_bit_string_and_never_as_another_curves() {
        const KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let read = |text: &str, form| {
            let value = hex::decode(text).unwrap();
            decode_point(Curve::Ed25519, &value, form).map(|point| point.to_string())
        };
        let wrapped = [format!("0420{KEY}"), format!("032100{KEY}")];
        for text in wrapped.iter().map(String::as_str).chain([KEY]) {
            assert_eq!(read(text, EcPointForm::Any).as_deref(), Some(KEY), "{text}");
            assert_eq!(point(text, EcPointForm::Any), None, "{text}");
        }
        assert_eq!(read(KEY, EcPointForm::Der), None);
        assert_eq!(read(&wrapped[0], EcPointForm::Raw), None);
        for text in [
            String::new(),
            format!("{KEY}00"),
            format!("0421{KEY}"),
            format!("0420{KEY}00"),
            format!("032101{KEY}"),
            G_COMPRESSED.to_owned(),
            format!("02{}", "00".repeat(31)),
        ] {
            assert_eq!(read(&text, EcPointForm::Any), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_point_of_the_curve_is_refused() {
        let off_curve = format!("{}b9", &G[..128]);
        for text in [
            String::new(),
            "04".to_owned(),
            format!("0442{G}"),
            format!("0441{G}00"),
            format!("05{}", &G[2..]),
            off_curve,
            "00".repeat(33),
        ] {
            assert_eq!(point(&text, EcPointForm::Any), None, "{text}");
        }
        assert_eq!(
            decode_point(Curve::P256, &hex::decode(G).unwrap(), EcPointForm::Any),
            None
        );
    }

    #[test]
    fn a_curve_is_read_as_oid_or_printable_string() {
        for curve in [Curve::Secp256k1, Curve::P256, Curve::Ed25519] {
            for form in [EcParamsForm::Oid, EcParamsForm::Name] {
                assert_eq!(decode_params(&encode_params(curve, form)), Some(curve));
            }
        }
        assert_eq!(decode_params(b"\x13\x0aprime256v1"), Some(Curve::P256));
        assert_eq!(decode_params(b"\x13\x05P-256"), Some(Curve::P256));
        assert_eq!(decode_params(EDWARDS25519_OID), Some(Curve::Ed25519));
        for bad in [
            &b""[..],
            b"\x06\x05\x2b\x81\x04\x00\x22",
            // X25519 and Ed448.
            b"\x06\x03\x2b\x65\x6e",
            b"\x06\x03\x2b\x65\x71",
            b"\x13\x06P-256",
            b"\x0c\x05P-256",
        ] {
            assert_eq!(decode_params(bad), None);
        }
    }
}
