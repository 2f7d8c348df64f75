//! The published vectors of tests/vectors, each as its file describes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::base::signature_base;
use crate::digest::{self, content_digest};
use crate::{Algorithm, Parameters, PublicKey, SignedRequest, Signer as _, SigningKey};

const BASES: [&str; 7] = [
    include_str!("../tests/vectors/b21_minimal.json"),
    include_str!("../tests/vectors/b23_full.json"),
    include_str!("../tests/vectors/b24_response.json"),
    include_str!("../tests/vectors/b25_hmac.json"),
    include_str!("../tests/vectors/b26_ed25519.json"),
    include_str!("../tests/vectors/b3_proxy.json"),
    include_str!("../tests/vectors/b4_transformation.json"),
];
const REQUESTS: [&str; 2] = [
    include_str!("../tests/vectors/stock_ed25519.json"),
    include_str!("../tests/vectors/stock_p256.json"),
];

#[derive(Deserialize)]
struct Base {
    source: String,
    components: Vec<(String, String)>,
    signature_params: String,
    signature_base: Vec<String>,
    key: Option<Key>,
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Key {
    algorithm: String,
    public: String,
    private: String,
}

#[derive(Deserialize)]
struct Request {
    source: String,
    key: Key,
    request: SignedRequest,
}

#[derive(Deserialize)]
struct Digest {
    source: String,
    body: String,
    content_digest: String,
}

#[derive(Deserialize)]
struct Refused {
    source: String,
    signature_input: String,
    refusal: String,
}

impl Base {
    fn all() -> impl Iterator<Item = Self> {
        BASES
            .into_iter()
            .map(|text| serde_json::from_str(text).unwrap())
    }

    fn computed(&self) -> String {
        let components = self.components.iter();
        let components = components.map(|(name, value)| (name.as_str(), value.as_str()));
        signature_base(components, &self.signature_params)
    }

    /// The published signature and its key, where there are ones of a kind that this crate has.
    fn signed(&self) -> Option<(&Key, [u8; 64])> {
        let signature = STANDARD.decode(self.signature.as_ref()?).unwrap();
        Some((self.key.as_ref()?, signature.try_into().unwrap()))
    }
}

impl Key {
    fn public(&self) -> PublicKey {
        match Algorithm::from_name(&self.algorithm).unwrap() {
            Algorithm::Ed25519 => crate::VerifyingKey::from_bytes(&bytes(&self.public))
                .unwrap()
                .into(),
            Algorithm::EcdsaP256Sha256 => {
                let point: [u8; 33] = bytes(&self.public);
                p256::ecdsa::VerifyingKey::from_sec1_bytes(&point)
                    .unwrap()
                    .into()
            }
        }
    }

    fn sign(&self, base: &[u8]) -> [u8; 64] {
        let secret: [u8; 32] = bytes(&self.private);
        match Algorithm::from_name(&self.algorithm).unwrap() {
            Algorithm::Ed25519 => SigningKey::from_bytes(&secret).sign(base).unwrap(),
            Algorithm::EcdsaP256Sha256 => p256::ecdsa::SigningKey::from_slice(&secret)
                .unwrap()
                .sign(base)
                .unwrap(),
        }
    }
}

/// Hex of a known length.
fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    assert_eq!(hex.len(), N * 2);
    let byte = |at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap();
    std::array::from_fn(byte)
}

#[test]
fn the_signature_bases_of_rfc_9421_are_reproduced() {
    for vector in Base::all() {
        assert_eq!(
            vector.computed(),
            vector.signature_base.join("\n"),
            "{}",
            vector.source
        );
    }
}

#[test]
fn the_published_signatures_verify_and_no_other_do() {
    let mut algorithms = Vec::new();
    for vector in Base::all() {
        let Some((key, signature)) = vector.signed() else {
            continue;
        };
        let (base, public) = (vector.computed(), key.public());
        assert!(
            public.verifies(base.as_bytes(), &signature),
            "{}",
            vector.source
        );
        let other = base.replacen(": ", ":  ", 1);
        assert!(
            !public.verifies(other.as_bytes(), &signature),
            "{}",
            vector.source
        );
        for at in 0..64 {
            let mut spoilt = signature;
            spoilt[at] ^= 1;
            assert!(
                !public.verifies(base.as_bytes(), &spoilt),
                "{}: {at}",
                vector.source
            );
        }
        algorithms.push(public.algorithm());
    }
    for algorithm in Algorithm::ALL {
        let count = algorithms
            .iter()
            .filter(|known| **known == algorithm)
            .count();
        assert_eq!(count, 2, "{algorithm}");
    }
}

#[test]
fn the_published_keys_sign_and_ed25519_gives_the_published_bytes() {
    for vector in Base::all() {
        let Some((key, published)) = vector.signed() else {
            continue;
        };
        let base = vector.computed();
        let made = key.sign(base.as_bytes());
        assert!(
            key.public().verifies(base.as_bytes(), &made),
            "{}",
            vector.source
        );
        // Ed25519 is deterministic (RFC 8032 §5.1.6).
        if key.public().algorithm() == Algorithm::Ed25519 {
            assert_eq!(made, published, "{}", vector.source);
        }
    }
}

#[test]
fn requests_that_a_stock_library_signed_verify() {
    for text in REQUESTS {
        let vector: Request = serde_json::from_str(text).unwrap();
        let key = vector.key.public();
        let verified = vector.request.verify(&key, 1_800_000_000, 0);
        assert_eq!(
            verified.map(|v| v.created),
            Ok(1_800_000_000),
            "{}",
            vector.source
        );
        assert_eq!(
            vector.request.parameters().unwrap().algorithm,
            key.algorithm()
        );
    }
}

#[test]
fn the_examples_of_rfc_9421_that_leave_the_profile_are_refused() {
    let all = include_str!("../tests/vectors/rfc_examples.json");
    let all: Vec<Refused> = serde_json::from_str(all).unwrap();
    for vector in all {
        let refusal = Parameters::parse(&vector.signature_input).unwrap_err();
        assert_eq!(refusal.to_string(), vector.refusal, "{}", vector.source);
    }
}

#[test]
fn the_digests_of_rfc_9530_and_rfc_9421_are_reproduced() {
    let all = include_str!("../tests/vectors/digests.json");
    let all: Vec<Digest> = serde_json::from_str(all).unwrap();
    assert_eq!(all.len(), 3);
    for Digest {
        source,
        body,
        content_digest: field,
    } in all
    {
        assert_eq!(content_digest(body.as_bytes()), field, "{source}");
        assert_eq!(digest::check(&field, body.as_bytes()), Ok(()), "{source}");
    }
}
