//! Signatures as Standard Webhooks has them (https://www.standardwebhooks.com, specification 1.0): over `id.timestamp.body`,
//! `v1` by HMAC-SHA256, `v1a` by Ed25519. A header may carry several, separated by spaces.

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use custodyd_hsm::{PinError, PinSource};
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Why a secret can't be used. Names the place, never holds what was read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] PinError),
    /// It has no form that is known.
    #[error(
        "{0} holds neither whsec_ and the base64 of 24 to 64 bytes nor whsk_ and that of an Ed25519 key"
    )]
    Form(PinSource),
    /// It was not read: the thread that should have is gone.
    #[error("the secret was not read")]
    Interrupted,
}

/// The keys of one recipient.
pub(crate) struct Secrets(Vec<Key>);

enum Key {
    Hmac(SecretSlice<u8>),
    Ed25519(Box<SigningKey>),
}

impl Secrets {
    /// Reads them. For each message anew, so that one can be exchanged without a restart.
    pub(crate) async fn read(places: &[PinSource]) -> Result<Self, SecretError> {
        let places = places.to_vec();
        let reading = tokio::task::spawn_blocking(move || {
            let keys = places
                .iter()
                .map(|place| key(&place.read()?).ok_or_else(|| SecretError::Form(place.clone())));
            keys.collect::<Result<_, SecretError>>().map(Self)
        });
        reading.await.unwrap_or(Err(SecretError::Interrupted))
    }

    /// The value of `webhook-signature`.
    pub(crate) fn sign(&self, id: &str, at_s: u64, body: &str) -> String {
        let signed = format!("{id}.{at_s}.{body}");
        let signatures: Vec<String> = self.0.iter().map(|key| key.sign(&signed)).collect();
        signatures.join(" ")
    }
}

impl Key {
    fn sign(&self, text: &str) -> String {
        match self {
            Self::Hmac(secret) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret())
                    .expect("HMAC takes a key of any length (RFC 2104)");
                mac.update(text.as_bytes());
                format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
            }
            Self::Ed25519(key) => {
                let signature = key.sign(text.as_bytes()).to_bytes();
                format!("v1a,{}", STANDARD.encode(signature))
            }
        }
    }
}

/// With or without padding: the reference libraries take both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn key(text: &SecretString) -> Option<Key> {
    let text = text.expose_secret().trim();
    let decoded = |encoded: &str| BASE64.decode(encoded).map(Zeroizing::new).ok();
    if let Some(encoded) = text.strip_prefix("whsk_") {
        let bytes = decoded(encoded)?;
        // A seed, or seed and public key as libsodium keeps them.
        let key = match bytes.len() {
            32 => SigningKey::from_bytes(bytes.as_slice().try_into().ok()?),
            64 => SigningKey::from_keypair_bytes(bytes.as_slice().try_into().ok()?).ok()?,
            _ => return None,
        };
        return Some(Key::Ed25519(Box::new(key)));
    }
    let bytes = decoded(text.strip_prefix("whsec_")?)?;
    let fits = (24..=64).contains(&bytes.len());
    fits.then(|| Key::Hmac(SecretSlice::from(bytes.to_vec())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn secrets(texts: &[&str]) -> Option<Secrets> {
        let keys = texts.iter().map(|text| key(&SecretString::from(*text)));
        keys.collect::<Option<_>>().map(Secrets)
    }

    /// From the reference libraries' own tests (github.com/standard-webhooks/standard-webhooks).
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: u64 = 1_614_265_330;
    const BODY: &str = r#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_published_vector_is_signed_as_published() {
        let secrets = secrets(&[SECRET]).unwrap();
        assert_eq!(secrets.sign(ID, AT, BODY), SIGNATURE);
    }

    #[test]
    fn each_secret_gives_a_signature_and_an_ed25519_key_one_that_its_public_half_verifies() {
        let key = SigningKey::from_bytes(&[7; 32]);
        for bytes in [key.to_bytes().to_vec(), key.to_keypair_bytes().to_vec()] {
            let private = format!("whsk_{}", STANDARD.encode(bytes));
            let both = secrets(&[SECRET, &private]).unwrap();
            let header = both.sign(ID, AT, BODY);
            let (first, second) = header.split_once(' ').unwrap();
            assert_eq!(first, SIGNATURE);
            let signature = STANDARD
                .decode(second.strip_prefix("v1a,").unwrap())
                .unwrap();
            let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
            let signed = format!("{ID}.{AT}.{BODY}");
            key.verifying_key()
                .verify_strict(signed.as_bytes(), &signature)
                .unwrap();
        }
    }

    #[tokio::test]
    async fn a_secret_of_another_form_or_that_others_can_read_is_refused_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let place = PinSource::File(file.clone());
        let read = async |text: &str, mode: u32| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            Secrets::read(std::slice::from_ref(&place)).await.map(drop)
        };
        read(SECRET, 0o600).await.unwrap();
        for (text, mode) in [
            (SECRET, 0o644),
            ("sesame", 0o600),
            ("whsec_sesame", 0o600),
            ("whsk_c2VzYW1l", 0o600),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0o600),
            ("", 0o600),
        ] {
            let refused = read(text, mode).await.unwrap_err().to_string();
            assert!(refused.contains("secret"), "{refused}");
            assert!(
                !refused.contains("sesame") && !refused.contains("MfKQ"),
                "{refused}"
            );
        }
    }
}
