//! A passkey of the tests' own, and what it signs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use custodyd_passkey::{Assertion, CredentialId, Passkey, PasskeyKey, Registration, RelyingParty};
use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};

pub(crate) const ID: [u8; 20] = [0xc1; 20];
pub(crate) const CHALLENGE: [u8; 32] = [0x5a; 32];

/// Flags: user present, user verified.
pub(crate) const VERIFIED: u8 = 0b101;
pub(crate) const NEW: u8 = 0b0100_0000;

pub(crate) fn party() -> RelyingParty {
    let origins = ["https://custody.example", "https://custody.example:8443"];
    let origins = origins.into_iter().map(str::to_owned).collect();
    RelyingParty::new("custody.example".to_owned(), origins).unwrap()
}

#[derive(Debug, Clone)]
pub(crate) enum Secret {
    Es256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl Secret {
    pub(crate) fn both() -> [Self; 2] {
        [
            Self::Es256(p256::ecdsa::SigningKey::from_bytes(&[7; 32].into()).unwrap()),
            Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[7; 32])),
        ]
    }

    pub(crate) fn passkey(&self) -> Passkey {
        Passkey {
            id: CredentialId::new(ID.to_vec()).unwrap(),
            key: match self {
                Self::Es256(key) => PasskeyKey::Es256(*key.verifying_key()),
                Self::Ed25519(key) => PasskeyKey::Ed25519(key.verifying_key()),
            },
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
        }
    }

    /// The key as authenticators write it (RFC 9053 §7).
    pub(crate) fn cose(&self) -> Vec<u8> {
        match self {
            Self::Es256(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                let (x, y) = (point.x().unwrap(), point.y().unwrap());
                let head = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
                [&head[..], x, &[0x22, 0x58, 0x20], y].concat()
            }
            Self::Ed25519(key) => {
                let head = [0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20];
                [&head[..], key.verifying_key().as_bytes()].concat()
            }
        }
    }
}

/// What a browser writes, and what an authenticator writes; each may be spoilt before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) client_data: String,
    pub(crate) rp_id: String,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
    pub(crate) rest: Vec<u8>,
}

impl Said {
    pub(crate) fn of(kind: &str) -> Self {
        let challenge = URL_SAFE_NO_PAD.encode(CHALLENGE);
        Self {
            client_data: format!(
                r#"{{"type":"{kind}","challenge":"{challenge}","origin":"https://custody.example","crossOrigin":false}}"#
            ),
            rp_id: "custody.example".to_owned(),
            flags: VERIFIED,
            counter: 9,
            rest: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, before: &str, after: &str) -> Self {
        assert!(self.client_data.contains(before), "{before}");
        self.client_data = self.client_data.replace(before, after);
        self
    }

    fn authenticator_data(&self) -> Vec<u8> {
        let hash = Sha256::digest(&self.rp_id);
        [
            &hash[..],
            &[self.flags],
            &self.counter.to_be_bytes(),
            &self.rest,
        ]
        .concat()
    }

    pub(crate) fn signed(&self, by: &Secret) -> Assertion {
        let authenticator_data = self.authenticator_data();
        let hash = Sha256::digest(&self.client_data);
        Assertion {
            credential: by.passkey().id,
            signature: by.sign(&[&authenticator_data[..], &hash].concat()),
            authenticator_data,
            client_data: self.client_data.clone().into_bytes(),
        }
    }

    /// As a registration, attested by nobody.
    pub(crate) fn registered(&self) -> Registration {
        self.attested(b"\x63fmt\x64none\x67attStmt\xa0")
    }

    /// As a registration with these members before the authenticator data.
    pub(crate) fn attested(&self, before: &[u8]) -> Registration {
        let data = self.authenticator_data();
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        Registration {
            client_data: self.client_data.clone().into_bytes(),
            attestation: [&[0xa3], before, b"\x68authData\x59", &length, &data].concat(),
        }
    }
}

/// What an authenticator says of a new credential.
pub(crate) fn new_credential(id: &[u8], cose: &[u8]) -> Vec<u8> {
    let length = u16::try_from(id.len()).unwrap().to_be_bytes();
    [&[0xaa; 16][..], &length, id, cose].concat()
}
