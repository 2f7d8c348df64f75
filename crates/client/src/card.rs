//! An operator whose key stays on a smart card.

use custodyd_hsm::{Card, CardKey, PinSource};
use custodyd_httpsig::{Algorithm, Principal, Signer, SigningFault};
use custodyd_vault::{Credential, P256Key, RawSignature};
use sha2::{Digest as _, Sha256};

use crate::identity::{Identity, IdentityError, Key};

impl Identity {
    /// The principal with a P-256 key on a card, which is unlocked with its PIN and asked for each signature.
    ///
    /// # Errors
    /// `Pin` and `Card` say what is missing; a wrong PIN is offered once.
    pub fn on_card(
        principal: Principal,
        wanted: &CardKey,
        pin: &PinSource,
    ) -> Result<Self, IdentityError> {
        let card = Card::open(wanted, &pin.read()?)?;
        let public = format!("p256:{}", card.public_point());
        let public = P256Key::parse(&public).map_err(|_| {
            IdentityError::Card(custodyd_hsm::CardError::NotP256(wanted.label.clone()))
        })?;
        Ok(Self::new(principal, OnCard { card, public }))
    }
}

#[derive(Debug)]
struct OnCard {
    card: Card,
    public: P256Key,
}

impl OnCard {
    fn sign_digest(&self, digest: &[u8; 32]) -> Result<[u8; 64], SigningFault> {
        let signature = self.card.sign(digest);
        signature.map_err(|fault| SigningFault(fault.to_string()))
    }
}

impl Signer for OnCard {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EcdsaP256Sha256
    }

    fn sign(&self, base: &[u8]) -> Result<[u8; 64], SigningFault> {
        self.sign_digest(&Sha256::digest(base).into())
    }
}

impl Key for OnCard {
    fn credential(&self) -> Credential {
        Credential::P256(self.public)
    }

    fn sign_challenge(&self, challenge: &[u8; 32]) -> Result<RawSignature, SigningFault> {
        self.sign_digest(challenge).map(RawSignature)
    }
}
