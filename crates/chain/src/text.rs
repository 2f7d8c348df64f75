//! Serde through text: a type that has `Display` and `FromStr` is a string in JSON, and numbers
//! beyond 2^53 are decimal strings. Also how a rejected input is quoted in an error.

/// Implements `Serialize` and `Deserialize` through `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

/// Longest part of a rejected input that an error repeats, in characters.
const QUOTED: usize = 100;

/// A rejected input as an error may show it: bounded, control and direction characters escaped.
pub(crate) fn quoted(input: &str) -> String {
    let mut shown: String = input.chars().take(QUOTED).collect();
    if input.chars().nth(QUOTED).is_some() {
        shown.push('…');
    }
    shown
        .chars()
        .flat_map(|c| {
            // Bidirectional controls would reorder the sentence the error stands in.
            if c.is_ascii_graphic() || c == ' ' || c == '…' {
                vec![c]
            } else {
                c.escape_unicode().collect()
            }
        })
        .collect()
}

/// `u128` as a decimal string: JSON numbers are exact only to 2^53 (RFC 8785, section 3.2.2.3).
pub(crate) mod decimal_u128 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u128, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits || (text.len() > 1 && text.starts_with('0')) {
            return Err(D::Error::custom(
                "expected a decimal string without sign or leading zeros",
            ));
        }
        text.parse().map_err(D::Error::custom)
    }
}
