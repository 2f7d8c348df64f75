//! A person's smart card: one P-256 key on a PIV or other PKCS#11 token, named by its label, behind the person's PIN.
//!
//! Unlike a vault's token it is used by hand, a few times a day: one session, no worker, no second attempt at anything. A PIN
//! is offered once, and not at all when it is the last that the card would take. What the card signs is verified here before
//! it is handed out.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use secrecy::SecretString;

use crate::ec;
use crate::key::{Curve, PublicPoint};
use crate::quirks::EcPointForm;
use crate::verify::verifies;

/// Which key of which card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardKey {
    /// The PKCS#11 module, such as OpenSC's.
    pub module: PathBuf,
    /// The card's label; the only card where it is left out.
    pub token: Option<String>,
    /// The key's label (CKA_LABEL), such as `PIV AUTH key`.
    pub label: String,
}

/// A card that can't be used. Never holds a PIN.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The module can't be loaded.
    #[error("PKCS#11 module {path} cannot be loaded: {reason}")]
    Module {
        /// Its path.
        path: PathBuf,
        /// What the system's loader said.
        reason: String,
    },
    /// No card, or not this one.
    #[error("no card {wanted}; present: {}", if .present.is_empty() { "none".to_owned() } else { .present.join(", ") })]
    NoCard {
        /// What was looked for.
        wanted: String,
        /// Labels of those that are there.
        present: Vec<String>,
    },
    /// Several cards fit.
    #[error("several cards {wanted}: {}; name one", .present.join(", "))]
    Ambiguous {
        /// What was looked for.
        wanted: String,
        /// Labels of those that are there.
        present: Vec<String>,
    },
    /// One more wrong PIN would lock the card.
    #[error(
        "the card {0} would lock at one more wrong PIN: enter the right one with its own tools first"
    )]
    LastAttempt(String),
    /// The PIN is locked.
    #[error("the PIN of the card {0} is locked")]
    Locked(String),
    /// No such key, or more than one.
    #[error("the card has {count} private keys with the label {label:?}; there must be one")]
    Key {
        /// The label.
        label: String,
        /// How many it has.
        count: usize,
    },
    /// A key of another kind, or one whose public half the card doesn't show.
    #[error("the key {0:?} is no P-256 key that the card shows the public half of")]
    NotP256(String),
    /// The card made a signature that is not its key's.
    #[error("the card's signature does not hold under its own key")]
    Unsound,
    /// A call failed.
    #[error("the card refused: {0}")]
    Call(String),
}

impl From<Error> for CardError {
    fn from(error: Error) -> Self {
        Self::Call(match error {
            Error::Pkcs11(code, function) => format!("{function:?} failed with {code:?}"),
            other => other.to_string(),
        })
    }
}

/// A card that is unlocked, as long as this lives.
pub struct Card {
    session: Mutex<Session>,
    key: ObjectHandle,
    public: PublicPoint,
}

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Card({})", self.public)
    }
}

impl Card {
    /// Opens a card with its PIN.
    ///
    /// # Errors
    /// Says which part is missing; a wrong PIN is `Call`, and is not offered again.
    pub fn open(wanted: &CardKey, pin: &SecretString) -> Result<Self, CardError> {
        let context = loaded(&wanted.module)?;
        let slot = find(&context, wanted)?;
        let session = context.open_ro_session(slot)?;
        session.login(UserType::User, Some(pin))?;
        let key = private_key(&session, &wanted.label)?;
        let public = public_half(&session, key)
            .ok()
            .flatten()
            .ok_or_else(|| CardError::NotP256(wanted.label.clone()))?;
        Ok(Self {
            session: Mutex::new(session),
            key,
            public,
        })
    }

    /// The key's public half.
    #[must_use]
    pub fn public_point(&self) -> PublicPoint {
        self.public
    }

    /// Signs a SHA-256 digest: r ‖ s, verified.
    ///
    /// # Errors
    /// `Call` where the card refuses, `Unsound` where its signature doesn't hold.
    pub fn sign(&self, digest: &[u8; 32]) -> Result<[u8; 64], CardError> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let raw = session.sign(&Mechanism::Ecdsa, self.key, digest)?;
        let signature: [u8; 64] = raw.try_into().map_err(|_| CardError::Unsound)?;
        if verifies(Curve::P256, &self.public, digest, &signature) {
            Ok(signature)
        } else {
            Err(CardError::Unsound)
        }
    }
}

fn loaded(path: &Path) -> Result<Pkcs11, CardError> {
    let context = Pkcs11::new(path).map_err(|error| CardError::Module {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    Ok(context)
}

/// The one card that is meant, if its PIN may be tried.
fn find(context: &Pkcs11, wanted: &CardKey) -> Result<Slot, CardError> {
    let (mut present, mut fitting) = (Vec::new(), Vec::new());
    for slot in context.get_slots_with_token()? {
        let token = context.get_token_info(slot)?;
        let label = token.label().to_owned();
        if !token.token_initialized() {
            continue;
        }
        if wanted.token.as_ref().is_none_or(|own| *own == label) {
            fitting.push((slot, token));
        }
        present.push(label);
    }
    let wanted = match &wanted.token {
        Some(label) => format!("with the label {label:?}"),
        None => "in a reader".to_owned(),
    };
    let count = fitting.len();
    let Some((slot, token)) = fitting.pop() else {
        return Err(CardError::NoCard { wanted, present });
    };
    if count > 1 {
        return Err(CardError::Ambiguous { wanted, present });
    }
    let label = token.label().to_owned();
    if token.user_pin_locked() {
        return Err(CardError::Locked(label));
    }
    if token.user_pin_final_try() {
        return Err(CardError::LastAttempt(label));
    }
    Ok(slot)
}

fn private_key(session: &Session, label: &str) -> Result<ObjectHandle, CardError> {
    let found = session.find_objects(&[
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Label(label.as_bytes().to_vec()),
    ])?;
    match found.as_slice() {
        [key] => Ok(*key),
        others => Err(CardError::Key {
            label: label.to_owned(),
            count: others.len(),
        }),
    }
}

/// The point of the public key beside a private one, if that is on P-256: cards pair them by CKA_ID.
fn public_half(session: &Session, key: ObjectHandle) -> Result<Option<PublicPoint>, CardError> {
    let id = session.get_attributes(key, &[AttributeType::Id])?;
    let Some(id @ Attribute::Id(_)) = id.into_iter().next() else {
        return Ok(None);
    };
    let beside = session.find_objects(&[Attribute::Class(ObjectClass::PUBLIC_KEY), id])?;
    let [public] = beside.as_slice() else {
        return Ok(None);
    };
    let attributes =
        session.get_attributes(*public, &[AttributeType::EcParams, AttributeType::EcPoint])?;
    let (mut curve, mut point) = (None, None);
    for attribute in attributes {
        match attribute {
            Attribute::EcParams(params) => curve = ec::decode_params(&params),
            Attribute::EcPoint(value) => {
                point = ec::decode_point(Curve::P256, &value, EcPointForm::Any);
            }
            _ => {}
        }
    }
    Ok(point.filter(|_| curve == Some(Curve::P256)))
}
