//! An authenticator in software: one passkey, its user, and the browser that it is asked through. Each part can be made to lie.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use custodyd_passkey::{Assertion, CredentialId, Passkey, PasskeyKey, Registration};
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{TestbedError, scratch::random};

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 4;
const ATTESTED_CREDENTIAL: u8 = 64;

/// A passkey of ES256 whose private half anybody may copy: `clone` makes the copy that counters are there to tell of.
#[derive(Debug, Clone)]
pub struct SoftPasskey {
    key: SigningKey,
    id: CredentialId,
    /// The console's name, as the authenticator was told it.
    pub rp_id: String,
    /// The page's origin, as the browser writes it.
    pub origin: String,
    /// Signatures so far; with `counts` off it always says 0.
    pub counter: u32,
    /// Whether it keeps a counter.
    pub counts: bool,
    /// Whether it asks its user for a finger or a PIN.
    pub verifies_user: bool,
}

impl SoftPasskey {
    /// A new one for a console.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn new(rp_id: &str, origin: &str) -> Result<Self, TestbedError> {
        let key = loop {
            // One in 2^32 is no scalar of P-256.
            if let Ok(key) = SigningKey::from_bytes(&random::<32>()?.into()) {
                break key;
            }
        };
        let id = CredentialId::new(random::<32>()?.to_vec());
        Ok(Self {
            key,
            id: id.ok_or_else(|| TestbedError::unexpected("a credential's id", "32 bytes"))?,
            rp_id: rp_id.to_owned(),
            origin: origin.to_owned(),
            counter: 0,
            counts: true,
            verifies_user: true,
        })
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> Passkey {
        Passkey {
            id: self.id.clone(),
            key: PasskeyKey::Es256(*self.key.verifying_key()),
        }
    }

    /// Its word on a challenge.
    pub fn assert(&mut self, challenge: &[u8]) -> Assertion {
        let client_data = self.client_data("webauthn.get", challenge);
        let authenticator_data = self.authenticator_data(0);
        let mut signed = authenticator_data.clone();
        signed.extend_from_slice(&Sha256::digest(&client_data));
        let signature: Signature = self.key.sign(&signed);
        Assertion {
            credential: self.id.clone(),
            authenticator_data,
            client_data,
            signature: signature.to_der().as_bytes().to_vec(),
        }
    }

    /// What it says when it is made.
    pub fn register(&mut self, challenge: &[u8]) -> Registration {
        let mut data = self.authenticator_data(ATTESTED_CREDENTIAL);
        data.extend_from_slice(&[0; 16]);
        let id = self.id.as_bytes();
        data.extend_from_slice(&u16::try_from(id.len()).unwrap_or(u16::MAX).to_be_bytes());
        data.extend_from_slice(id);
        let point = self.key.verifying_key().to_encoded_point(false);
        let (x, y) = (point.x().copied(), point.y().copied());
        let (x, y): ([u8; 32], [u8; 32]) =
            (x.unwrap_or_default().into(), y.unwrap_or_default().into());
        // {1: 2, 3: -7, -1: 1, -2: x, -3: y} (RFC 8949)
        data.extend_from_slice(&[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend_from_slice(&x);
        data.extend_from_slice(&[0x22, 0x58, 0x20]);
        data.extend_from_slice(&y);
        // {"fmt": "none", "attStmt": {}, "authData": data}
        let mut attestation = vec![0xa3];
        attestation.extend_from_slice(b"\x63fmt\x64none\x67attStmt\xa0\x68authData\x59");
        attestation.extend_from_slice(&u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
        attestation.extend_from_slice(&data);
        Registration {
            client_data: self.client_data("webauthn.create", challenge),
            attestation,
        }
    }

    fn client_data(&self, kind: &str, challenge: &[u8]) -> Vec<u8> {
        let data: Value = json!({
            "type": kind,
            "challenge": URL_SAFE_NO_PAD.encode(challenge),
            "origin": self.origin,
            "crossOrigin": false,
        });
        data.to_string().into_bytes()
    }

    fn authenticator_data(&mut self, more: u8) -> Vec<u8> {
        if self.counts {
            self.counter = self.counter.saturating_add(1);
        }
        let verified = if self.verifies_user { USER_VERIFIED } else { 0 };
        let mut data = Sha256::digest(&self.rp_id).to_vec();
        data.push(USER_PRESENT | verified | more);
        data.extend_from_slice(&(if self.counts { self.counter } else { 0 }).to_be_bytes());
        data
    }
}
