//! The boolean attributes of a private key: which are asked for at generation, and which a key must have to be used.
//!
//! One table for both, so that what is demanded is exactly what was set (PKCS#11 3.0 §4.9, table 27).

use std::collections::BTreeMap;

use cryptoki::object::{Attribute, AttributeType};
use serde::{Deserialize, Serialize};

/// A boolean attribute of a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Flag {
    /// CKA_TOKEN: lives on the token, not in a session.
    Token,
    /// CKA_PRIVATE: invisible without a login.
    Private,
    /// CKA_SENSITIVE: its value can't be read in the clear.
    Sensitive,
    /// CKA_EXTRACTABLE: can be wrapped and taken away.
    Extractable,
    /// CKA_ALWAYS_SENSITIVE: was sensitive since it was made.
    AlwaysSensitive,
    /// CKA_NEVER_EXTRACTABLE: could never be taken away since it was made.
    NeverExtractable,
    /// CKA_LOCAL: made inside this token, not brought in.
    Local,
    /// CKA_SIGN.
    Sign,
    /// CKA_SIGN_RECOVER.
    SignRecover,
    /// CKA_DECRYPT.
    Decrypt,
    /// CKA_UNWRAP.
    Unwrap,
    /// CKA_DERIVE.
    Derive,
    /// CKA_MODIFIABLE: its attributes can still be changed. Reported, not required: CloudHSM fixes it to true.
    Modifiable,
}

impl Flag {
    /// Every flag, in the order in which they are read and judged.
    pub const ALL: [Self; 13] = [
        Self::Token,
        Self::Private,
        Self::Sensitive,
        Self::Extractable,
        Self::AlwaysSensitive,
        Self::NeverExtractable,
        Self::Local,
        Self::Sign,
        Self::SignRecover,
        Self::Decrypt,
        Self::Unwrap,
        Self::Derive,
        Self::Modifiable,
    ];

    /// The attribute's name in the specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "CKA_TOKEN",
            Self::Private => "CKA_PRIVATE",
            Self::Sensitive => "CKA_SENSITIVE",
            Self::Extractable => "CKA_EXTRACTABLE",
            Self::AlwaysSensitive => "CKA_ALWAYS_SENSITIVE",
            Self::NeverExtractable => "CKA_NEVER_EXTRACTABLE",
            Self::Local => "CKA_LOCAL",
            Self::Sign => "CKA_SIGN",
            Self::SignRecover => "CKA_SIGN_RECOVER",
            Self::Decrypt => "CKA_DECRYPT",
            Self::Unwrap => "CKA_UNWRAP",
            Self::Derive => "CKA_DERIVE",
            Self::Modifiable => "CKA_MODIFIABLE",
        }
    }

    /// The value a signing key must have, if it matters.
    #[must_use]
    pub const fn required(self) -> Option<bool> {
        match self {
            Self::Token
            | Self::Private
            | Self::Sensitive
            | Self::AlwaysSensitive
            | Self::NeverExtractable
            | Self::Local
            | Self::Sign => Some(true),
            Self::Extractable | Self::SignRecover | Self::Decrypt | Self::Unwrap | Self::Derive => {
                Some(false)
            }
            Self::Modifiable => None,
        }
    }

    /// Whether a profile may say that its module lacks this attribute. Whatever decides if a key can leave may not be
    /// waived.
    #[must_use]
    pub const fn may_be_unsupported(self) -> bool {
        matches!(
            self,
            Self::SignRecover | Self::Decrypt | Self::Unwrap | Self::Derive | Self::Modifiable
        )
    }

    /// The value asked for in the template of a new key; none where only the token may set it.
    pub(crate) const fn generated(self) -> Option<bool> {
        match self {
            Self::AlwaysSensitive | Self::NeverExtractable | Self::Local => None,
            Self::Modifiable => Some(false),
            other => other.required(),
        }
    }

    pub(crate) const fn kind(self) -> AttributeType {
        match self {
            Self::Token => AttributeType::Token,
            Self::Private => AttributeType::Private,
            Self::Sensitive => AttributeType::Sensitive,
            Self::Extractable => AttributeType::Extractable,
            Self::AlwaysSensitive => AttributeType::AlwaysSensitive,
            Self::NeverExtractable => AttributeType::NeverExtractable,
            Self::Local => AttributeType::Local,
            Self::Sign => AttributeType::Sign,
            Self::SignRecover => AttributeType::SignRecover,
            Self::Decrypt => AttributeType::Decrypt,
            Self::Unwrap => AttributeType::Unwrap,
            Self::Derive => AttributeType::Derive,
            Self::Modifiable => AttributeType::Modifiable,
        }
    }

    pub(crate) const fn attribute(self, value: bool) -> Attribute {
        match self {
            Self::Token => Attribute::Token(value),
            Self::Private => Attribute::Private(value),
            Self::Sensitive => Attribute::Sensitive(value),
            Self::Extractable => Attribute::Extractable(value),
            Self::AlwaysSensitive => Attribute::AlwaysSensitive(value),
            Self::NeverExtractable => Attribute::NeverExtractable(value),
            Self::Local => Attribute::Local(value),
            Self::Sign => Attribute::Sign(value),
            Self::SignRecover => Attribute::SignRecover(value),
            Self::Decrypt => Attribute::Decrypt(value),
            Self::Unwrap => Attribute::Unwrap(value),
            Self::Derive => Attribute::Derive(value),
            Self::Modifiable => Attribute::Modifiable(value),
        }
    }

    /// The flag and value that an attribute read from the token holds, if it is one of ours.
    pub(crate) const fn read(attribute: &Attribute) -> Option<(Self, bool)> {
        Some(match attribute {
            Attribute::Token(value) => (Self::Token, *value),
            Attribute::Private(value) => (Self::Private, *value),
            Attribute::Sensitive(value) => (Self::Sensitive, *value),
            Attribute::Extractable(value) => (Self::Extractable, *value),
            Attribute::AlwaysSensitive(value) => (Self::AlwaysSensitive, *value),
            Attribute::NeverExtractable(value) => (Self::NeverExtractable, *value),
            Attribute::Local(value) => (Self::Local, *value),
            Attribute::Sign(value) => (Self::Sign, *value),
            Attribute::SignRecover(value) => (Self::SignRecover, *value),
            Attribute::Decrypt(value) => (Self::Decrypt, *value),
            Attribute::Unwrap(value) => (Self::Unwrap, *value),
            Attribute::Derive(value) => (Self::Derive, *value),
            Attribute::Modifiable(value) => (Self::Modifiable, *value),
            _ => return None,
        })
    }
}

/// The flags of one private key as the token reported them. A flag the module doesn't know is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttributes(BTreeMap<Flag, bool>);

impl KeyAttributes {
    pub(crate) fn read(attributes: &[Attribute]) -> Self {
        Self(attributes.iter().filter_map(Flag::read).collect())
    }

    /// The value of one flag; none where the module doesn't know it.
    #[must_use]
    pub fn get(&self, flag: Flag) -> Option<bool> {
        self.0.get(&flag).copied()
    }

    /// The first flag that isn't as a signing key must have it, leaving out those that the profile calls unsupported.
    #[must_use]
    pub fn first_miss(&self, unsupported: &[Flag]) -> Option<Flag> {
        Flag::ALL
            .into_iter()
            .find(|flag| match (flag.required(), self.get(*flag)) {
                (None, _) => false,
                (Some(_), None) => !unsupported.contains(flag),
                (Some(required), Some(found)) => required != found,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> KeyAttributes {
        KeyAttributes(
            Flag::ALL
                .into_iter()
                .filter_map(|flag| Some((flag, flag.required()?)))
                .collect(),
        )
    }

    #[test]
    fn each_required_flag_is_missed_when_it_is_wrong_or_absent() {
        assert_eq!(good().first_miss(&[]), None);
        for flag in Flag::ALL
            .into_iter()
            .filter(|flag| flag.required().is_some())
        {
            let mut wrong = good();
            wrong.0.insert(flag, !flag.required().unwrap());
            assert_eq!(wrong.first_miss(&[]), Some(flag));
            assert_eq!(
                wrong.first_miss(&Flag::ALL),
                Some(flag),
                "a wrong value is never waived"
            );
            let mut absent = good();
            absent.0.remove(&flag);
            assert_eq!(absent.first_miss(&[]), Some(flag));
        }
    }

    #[test]
    fn what_decides_if_a_key_can_leave_cannot_be_waived() {
        for flag in [
            Flag::Token,
            Flag::Private,
            Flag::Sensitive,
            Flag::Extractable,
            Flag::AlwaysSensitive,
            Flag::NeverExtractable,
            Flag::Local,
            Flag::Sign,
        ] {
            assert!(!flag.may_be_unsupported(), "{}", flag.name());
        }
    }
}
