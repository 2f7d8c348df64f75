//! What may be asked of an HSM, as values: the same words whether a token is served in this process, by a worker process
//! of its own, or by several tokens together.

use serde::{Deserialize, Serialize};

use crate::canary::Drawn;
use crate::error::HsmError;
use crate::key::{Curve, KeyId, KeyReport, PublicPoint};
use crate::slot::TokenInfo;

/// Which private key signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyRef {
    /// A token object, found by its CKA_ID.
    Resident(KeyId),
    /// A key that lies wrapped outside of the token and is unwrapped on use.
    Wrapped(Box<WrappedKey>),
}

impl KeyRef {
    /// The key's id.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        match self {
            Self::Resident(id) => id,
            Self::Wrapped(key) => &key.id,
        }
    }
}

impl From<KeyId> for KeyRef {
    fn from(id: KeyId) -> Self {
        Self::Resident(id)
    }
}

/// A key pair whose private half left the HSM encrypted under a wrapping key that can't leave it. Only an HSM that holds
/// the wrapping key can use it; what is in here may be stored anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// Its id, as CKA_ID of a token object would be.
    pub id: KeyId,
    /// CKA_ID of the wrapping key.
    pub wrapping_key: KeyId,
    /// The curve.
    pub curve: Curve,
    /// The public half.
    pub public: PublicPoint,
    /// What C_WrapKey gave: the private key in PKCS#8, encrypted.
    pub blob: Vec<u8>,
}

/// Something to do on a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// CKM_ECDSA over a digest of 32 bytes. Answered by [`Response::Signature`], low-S on secp256k1 and verified.
    Sign {
        /// By which key.
        key: KeyRef,
        /// The curve that the caller believes it lies on.
        curve: Curve,
        /// What is signed.
        digest: [u8; 32],
    },
    /// CKM_EDDSA over a message, by an Ed25519 key. Answered by [`Response::Signature`], verified.
    SignMessage {
        /// By which key.
        key: KeyRef,
        /// What is signed: [`Request::MOST_MESSAGE`] bytes at most.
        message: Vec<u8>,
    },
    /// Makes a key pair with this id, or finds the one that exists. Answered by [`Response::Public`].
    Generate {
        /// CKA_ID.
        id: KeyId,
        /// CKA_LABEL.
        label: String,
        /// The curve.
        curve: Curve,
    },
    /// The key pair with this id. Answered by [`Response::Found`].
    Find(KeyId),
    /// All key pairs with an id of ours. Answered by [`Response::Listed`].
    List,
    /// Refuses a key that is missing, could leave the token, or may do more than sign. Answered by [`Response::Done`].
    Check(KeyId),
    /// Makes a key pair and wraps it. Answered by [`Response::Wrapped`] once it was unwrapped again and signed; each
    /// repetition makes another key.
    GenerateWrapped {
        /// The new key's id.
        id: KeyId,
        /// CKA_ID of the wrapping key.
        wrapping_key: KeyId,
        /// The curve.
        curve: Curve,
    },
    /// Refuses a wrapped key that this token can't unwrap, or that is not of its public half. Answered by
    /// [`Response::Done`].
    CheckWrapped(Box<WrappedKey>),
    /// Refuses a wrapping key that is missing, could leave, could decrypt or isn't trusted, and a token on which the trust
    /// means nothing. Answered by [`Response::Done`].
    CheckWrapping(KeyId),
    /// Gives the nonces of a few signatures by a throwaway key of known value. Answered by [`Response::Canary`].
    Canary {
        /// Number of the first signature: two of one number sign the same.
        first: u32,
        /// How many, 1 to 32; others are brought into that range.
        samples: u32,
    },
    /// A logged-in session that answers. Answered by [`Response::Alive`].
    Probe,
}

impl Request {
    /// The longest message that is signed, in bytes: what fits a token's memory and a worker process's frame.
    pub const MOST_MESSAGE: usize = 64 * 1024;

    /// Refuses what no token is asked, whichever it is.
    ///
    /// # Errors
    /// [`HsmError::DigestRefused`], [`HsmError::TooLong`], [`HsmError::WrappedKeyRefused`].
    pub(crate) fn admissible(&self) -> Result<(), HsmError> {
        // Unwrapping states CKK_EC, which an Ed25519 key is not (it is CKK_EC_EDWARDS), and no chain asks for one yet.
        if let Some((id, Curve::Ed25519)) = self.wrapped() {
            return Err(HsmError::WrappedKeyRefused {
                key: *id,
                reason: "Ed25519 keys are not wrapped".to_owned(),
            });
        }
        match self {
            Self::Sign { key, curve, .. } if *curve == Curve::Ed25519 => {
                Err(HsmError::DigestRefused { key: *key.id() })
            }
            Self::SignMessage { message, .. } if message.len() > Self::MOST_MESSAGE => {
                Err(HsmError::TooLong {
                    operation: self.operation().into(),
                    bytes: message.len(),
                    most: Self::MOST_MESSAGE,
                })
            }
            _ => Ok(()),
        }
    }

    /// The wrapped key that this is about.
    const fn wrapped(&self) -> Option<(&KeyId, Curve)> {
        match self {
            Self::GenerateWrapped { id, curve, .. } => Some((id, *curve)),
            Self::Sign { key, .. } | Self::SignMessage { key, .. } => match key {
                KeyRef::Wrapped(key) => Some((&key.id, key.curve)),
                KeyRef::Resident(_) => None,
            },
            Self::CheckWrapped(key) => Some((&key.id, key.curve)),
            _ => None,
        }
    }

    /// What is being done, for errors and logs.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::Sign { .. } => "signing",
            Self::SignMessage { .. } => "signing a message",
            Self::Generate { .. } => "generating a key",
            Self::Find(_) => "finding a key",
            Self::List => "listing keys",
            Self::Check(_) => "checking a key",
            Self::GenerateWrapped { .. } => "generating a wrapped key",
            Self::CheckWrapped(_) => "checking a wrapped key",
            Self::CheckWrapping(_) => "checking a wrapping key",
            Self::Canary { .. } => "testing nonces",
            Self::Probe => "probing the token",
        }
    }

    /// The key on the token that it takes: a resident one, or the wrapping key.
    pub(crate) fn token_key(&self) -> Option<&KeyId> {
        match self {
            Self::Sign {
                key: KeyRef::Resident(id),
                ..
            }
            | Self::SignMessage {
                key: KeyRef::Resident(id),
                ..
            }
            | Self::Generate { id, .. }
            | Self::Find(id)
            | Self::Check(id)
            | Self::CheckWrapping(id)
            | Self::GenerateWrapped {
                wrapping_key: id, ..
            } => Some(id),
            Self::Sign {
                key: KeyRef::Wrapped(key),
                ..
            }
            | Self::SignMessage {
                key: KeyRef::Wrapped(key),
                ..
            }
            | Self::CheckWrapped(key) => Some(&key.wrapping_key),
            Self::List | Self::Canary { .. } | Self::Probe => None,
        }
    }

    /// Slow by nature, or another key each time: not to be asked of a second token while the first may still answer, before half
    /// of the time is gone. Then one wrapped key too many, which nobody hears of, is better than none.
    pub(crate) const fn is_slow(&self) -> bool {
        matches!(
            self,
            Self::GenerateWrapped { .. } | Self::CheckWrapping(_) | Self::Canary { .. }
        )
    }
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// r‖s, or R‖S of Ed25519: 64 bytes.
    Signature(#[serde(with = "signature_bytes")] [u8; 64]),
    /// A public half.
    Public(PublicPoint),
    /// A key pair, if it is there.
    Found(Option<KeyReport>),
    /// Key pairs, ordered by id.
    Listed(Vec<KeyReport>),
    /// A new key, wrapped.
    Wrapped(Box<WrappedKey>),
    /// Nonces of a test.
    Canary(Drawn),
    /// Nothing more to say.
    Done,
    /// The token, as it describes itself now.
    Alive(TokenInfo),
}

impl Response {
    /// What to say when an answer is of another kind than its question: a worker process of another build, or a bug.
    pub(crate) fn out_of_place(&self) -> HsmError {
        HsmError::Panicked {
            operation: match self {
                Self::Signature(_) => "a signature nobody asked for",
                Self::Public(_) => "a public key nobody asked for",
                Self::Found(_) => "a key nobody asked for",
                Self::Listed(_) => "keys nobody asked for",
                Self::Wrapped(_) => "a wrapped key nobody asked for",
                Self::Canary(_) => "nonces nobody asked for",
                Self::Done => "an answer without content",
                Self::Alive(_) => "a sign of life nobody asked for",
            }
            .into(),
        }
    }
}

/// Called once with the answer.
pub type Reply = Box<dyn FnOnce(Result<Response, HsmError>) + Send>;

/// serde has no arrays of 64.
mod signature_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 64], s: S) -> Result<S::Ok, S::Error> {
        let (r, rest) = bytes.split_at(32);
        (
            <[u8; 32]>::try_from(r).map_err(serde::ser::Error::custom)?,
            <[u8; 32]>::try_from(rest).map_err(serde::ser::Error::custom)?,
        )
            .serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; 64], D::Error> {
        let (r, s) = <([u8; 32], [u8; 32])>::deserialize(d)?;
        <[u8; 64]>::try_from([r, s].concat()).map_err(|_| D::Error::custom("not 64 bytes"))
    }
}
