//! An invitation to become an operator: a key pair made from 32 random bytes. The vault knows the public half; whoever holds
//! the secret brings a credential with it, once.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use custodyd_httpsig::Principal;
use custodyd_vault::Ed25519Key;
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use crate::identity::Identity;

/// Where the console takes an invitation. The secret stands behind the number sign, which no browser sends.
const PLACE: &str = "/console/enrol#";

/// An invitation with its secret.
pub struct Invitation(SigningKey);

/// What is no invitation. Never holds what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// Making one needs randomness.
    #[error("no randomness")]
    Randomness,
    /// It is not the link, nor what stands behind its number sign.
    #[error("that is no invitation: the link, or the 43 characters behind its number sign")]
    Form,
}

impl Invitation {
    /// A new one.
    ///
    /// # Errors
    /// `Randomness` where the machine has none.
    pub fn generate() -> Result<Self, InvitationError> {
        let mut secret = Zeroizing::new([0_u8; 32]);
        getrandom::fill(secret.as_mut()).map_err(|_| InvitationError::Randomness)?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// The invitation in a link, or in what stands behind its number sign.
    ///
    /// # Errors
    /// `Form` for anything else.
    pub fn read(text: &str) -> Result<Self, InvitationError> {
        let text = text.trim();
        let secret = text.rsplit_once('#').map_or(text, |(_, secret)| secret);
        let mut bytes = Zeroizing::new([0_u8; 33]);
        let decoded = URL_SAFE_NO_PAD.decode_slice(secret, bytes.as_mut());
        let length = decoded.map_err(|_| InvitationError::Form)?;
        let secret = bytes
            .get(..length)
            .and_then(|secret| secret.try_into().ok());
        let secret: Zeroizing<[u8; 32]> =
            secret.map(Zeroizing::new).ok_or(InvitationError::Form)?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// The public half, which the vault is told.
    #[must_use]
    pub fn public(&self) -> Ed25519Key {
        self.0.verifying_key().into()
    }

    /// The link for the console at an origin, such as `https://custody.example`. It is the secret: show it once, to whom it is
    /// for.
    #[must_use]
    pub fn link(&self, origin: &str) -> Zeroizing<String> {
        let mut link = Zeroizing::new(String::with_capacity(128));
        link.push_str(origin.trim_end_matches('/'));
        link.push_str(PLACE);
        URL_SAFE_NO_PAD.encode_string(self.0.as_bytes(), &mut link);
        link
    }

    /// Who speaks with it.
    #[must_use]
    pub fn into_identity(self) -> Identity {
        let principal = Principal::Invitation(self.public().to_string());
        Identity::new(principal, self.0)
    }
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Invitation({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_the_same_in_its_link_and_alone() {
        let made = Invitation::generate().unwrap();
        let link = made.link("https://custody.example/");
        let secret = link
            .strip_prefix("https://custody.example/console/enrol#")
            .unwrap();
        assert_eq!(secret.len(), 43);
        for text in [link.as_str(), secret, &format!("{secret}\n")] {
            assert_eq!(Invitation::read(text).unwrap().public(), made.public());
        }
        assert!(!format!("{made:?}").contains(secret));
        for wrong in [
            "",
            "#",
            &secret[1..],
            &format!("{secret}A"),
            "https://custody.example",
        ] {
            assert_eq!(
                Invitation::read(wrong).unwrap_err(),
                InvitationError::Form,
                "{wrong}"
            );
        }
        let identity = made.into_identity();
        assert!(identity.principal().to_string().starts_with("invitation/"));
    }
}
