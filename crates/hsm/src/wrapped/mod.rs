//! Keys that lie encrypted outside of the token: made in it, wrapped under a key that can't leave it, unwrapped on use.
//!
//! So one wallet can own more addresses than a token holds keys. PKCS#11 wraps only what is extractable (3.0 §5.14.3),
//! so such a key is extractable for the moment between C_GenerateKeyPair and C_WrapKey, as an object of one session, and
//! CKA_WRAP_WITH_TRUSTED lets it out only under a key that the security officer marked CKA_TRUSTED. What is unwrapped
//! later is not extractable, and goes with its session.
//!
//! `ceremony` makes the wrapping key, `wrapping_key` checks it and the module's obedience, `generate` makes and wraps,
//! `unwrap` unwraps and proves, `cache` bounds what a session keeps,
//! `measure` tells what that saves.

mod cache;
mod ceremony;
mod generate;
mod measure;
mod unwrap;
mod wrapping_key;

use std::collections::HashMap;

use cryptoki::object::ObjectHandle;

pub use ceremony::make_wrapping_key;
pub use measure::{WrappedCost, make_wrapped_keys, wrapped_cost};

use crate::key::KeyId;
use crate::profile::Profile;
use cache::Lru;
use unwrap::Unwrapped;

/// What a session holds for wrapped keys. Every handle in it dies with the session.
pub(crate) struct Wrapped {
    /// Wrapping keys that were checked in this session.
    trusted: HashMap<KeyId, ObjectHandle>,
    keys: Lru<KeyId, Unwrapped>,
}

impl Wrapped {
    pub(crate) fn new(profile: &Profile) -> Self {
        Self {
            trusted: HashMap::new(),
            keys: Lru::new(profile.wrapping.cache),
        }
    }
}
