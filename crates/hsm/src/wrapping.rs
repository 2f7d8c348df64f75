//! Whether, and how, a module wraps keys under one that can't leave it.

use std::fmt;

use cryptoki::mechanism::{Mechanism, MechanismType};
use serde::Deserialize;

/// `[wrapping]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wrapping {
    /// Whether the module can make session keys with CKA_WRAP_WITH_TRUSTED and wrap them under a key that the security
    /// officer marked CKA_TRUSTED. Without it wrapped keys are refused.
    pub supported: bool,
    /// With which mechanism.
    pub mechanism: WrapMechanism,
    /// Unwrapped keys that each session keeps; the one used longest ago makes room.
    pub cache: usize,
}

impl Default for Wrapping {
    fn default() -> Self {
        Self {
            supported: false,
            mechanism: WrapMechanism::default(),
            cache: 1024,
        }
    }
}

/// A mechanism for wrapping private keys under an AES key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WrapMechanism {
    /// CKM_AES_KEY_WRAP (RFC 3394): the wrapped text must be a multiple of 8 bytes.
    AesKeyWrap,
    /// CKM_AES_KEY_WRAP_PAD (RFC 5649): any length.
    #[default]
    AesKeyWrapPad,
}

impl WrapMechanism {
    /// The mechanism's name in the specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesKeyWrap => "CKM_AES_KEY_WRAP",
            Self::AesKeyWrapPad => "CKM_AES_KEY_WRAP_PAD",
        }
    }

    pub(crate) const fn kind(self) -> MechanismType {
        match self {
            Self::AesKeyWrap => MechanismType::AES_KEY_WRAP,
            Self::AesKeyWrapPad => MechanismType::AES_KEY_WRAP_PAD,
        }
    }

    pub(crate) const fn mechanism(self) -> Mechanism<'static> {
        match self {
            Self::AesKeyWrap => Mechanism::AesKeyWrap,
            Self::AesKeyWrapPad => Mechanism::AesKeyWrapPad,
        }
    }
}

impl fmt::Display for WrapMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
