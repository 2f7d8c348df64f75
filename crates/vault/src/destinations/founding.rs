//! The address book as a genesis has it.

use std::collections::BTreeSet;
use std::fmt;

use custodyd_chain::Address;
use custodyd_policy::{Tag, Timestamp};
use serde::de::{self, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use super::Entry;

/// An entry of a genesis's address book: the address alone, or `{ address, tags }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FoundingEntry {
    /// No tags.
    Plain(Address),
    /// With tags.
    Tagged(TaggedAddress),
}

/// An address, and what policy may know it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaggedAddress {
    /// Where.
    pub address: Address,
    /// Its tags.
    pub tags: BTreeSet<Tag>,
}

impl FoundingEntry {
    /// Where.
    pub fn address(&self) -> &Address {
        match self {
            Self::Plain(address) => address,
            Self::Tagged(tagged) => &tagged.address,
        }
    }

    /// Whether it says what policy may know it by.
    pub fn is_tagged(&self) -> bool {
        matches!(self, Self::Tagged(_))
    }

    /// Its tags.
    pub fn tags(&self) -> BTreeSet<Tag> {
        match self {
            Self::Plain(_) => BTreeSet::new(),
            Self::Tagged(tagged) => tagged.tags.clone(),
        }
    }

    /// As the vault keeps it from its first event on.
    pub(crate) fn found(&self, name: &str, at: Timestamp) -> Entry {
        Entry {
            name: name.to_owned(),
            tags: self.tags(),
            added_at: at,
            founding: true,
        }
    }
}

impl From<Address> for FoundingEntry {
    fn from(address: Address) -> Self {
        Self::Plain(address)
    }
}

/// By hand, so that a wrong address is refused for what is wrong with it; an untagged enum would only say that nothing fits.
impl<'de> Deserialize<'de> for FoundingEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> de::Visitor<'de> for Written {
            type Value = FoundingEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, or { address, tags }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<FoundingEntry, E> {
                text.parse().map(FoundingEntry::Plain).map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<FoundingEntry, A::Error> {
                TaggedAddress::deserialize(MapAccessDeserializer::new(map))
                    .map(FoundingEntry::Tagged)
            }
        }
        deserializer.deserialize_any(Written)
    }
}
