//! Canonical JSON (RFC 8785) for whatever gets hashed. Invariant: two different values never have
//! the same text, and a text that we wrote reads back as the value that it came from.

use serde::Serialize;
use serde_json::Value;

use super::members::{check_number, ordered};
use crate::json;

/// The largest integer that canonical JSON keeps exact: RFC 8785 section 3.2.2.3 writes numbers as
/// IEEE 754 doubles, so 2^53 and 2^53 + 1 would share one text, and one hash.
pub(super) const MAX_EXACT: u64 = 9_007_199_254_740_991;

/// Bytes of an ordinary event.
const USUAL: usize = 1_536;

/// Why a value has no canonical text.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// The value does not serialise to JSON.
    #[error("not expressible as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A number that canonical JSON would round; it belongs in a string.
    #[error("number {0} is no integer within ±(2^53 − 1): write it as a string")]
    InexactNumber(String),
}

/// The canonical text of `value`.
///
/// # Errors
/// Refuses what is not JSON, fractions, and integers beyond ±(2^53 − 1), at any depth.
pub fn canonical_json(value: &(impl Serialize + ?Sized)) -> Result<String, CanonicalError> {
    match ordered(value, USUAL)? {
        Some(ordered) => Ok(ordered),
        None => slowly(&json::text(value, USUAL)?),
    }
}

/// An integer that canonical JSON keeps exact: its text is its digits.
pub(super) fn exact(number: u64) -> Result<u64, CanonicalError> {
    if number <= MAX_EXACT {
        Ok(number)
    } else {
        Err(CanonicalError::InexactNumber(number.to_string()))
    }
}

/// What [`ordered`] does not vouch for: whatever the canonicalizer makes of it, numbers checked.
fn slowly(text: &str) -> Result<String, CanonicalError> {
    let value: Value = serde_json::from_str(text)?;
    check_numbers(&value)?;
    Ok(serde_json_canonicalizer::to_string(&value)?)
}

/// Whether `text` is byte for byte what [`canonical_json`] would have written.
pub(super) fn is_canonical(text: &str) -> bool {
    serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|value| canonical_json(&value).ok())
        .is_some_and(|canonical| canonical == text)
}

/// Refuses numbers that canonical JSON would round, at any depth.
fn check_numbers(value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Number(number) => check_number(&number.to_string()),
        Value::Array(items) => items.iter().try_for_each(check_numbers),
        Value::Object(fields) => fields.values().try_for_each(check_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_and_white_space_is_gone() {
        let text = canonical_json(&json!({"b": [1, 2], "a": "\u{1}é\n"})).unwrap();
        assert_eq!(text, "{\"a\":\"\\u0001é\\n\",\"b\":[1,2]}");
        assert!(is_canonical(&text));
        assert!(!is_canonical("{\"b\":1,\"a\":2}"));
        assert!(!is_canonical("{ \"a\":2}"));
        assert!(!is_canonical("{\"a\":2"));
    }

    proptest! {
        /// Whichever way is taken, the text is the canonicalizer's.
        #[test]
        fn the_text_is_that_of_rfc_8785(value in any_json()) {
            let ours = canonical_json(&value).unwrap();
            prop_assert_eq!(&ours, &serde_json_canonicalizer::to_string(&value).unwrap());
            prop_assert_eq!(&ours, &slowly(&value.to_string()).unwrap());
            prop_assert_eq!(serde_json::from_str::<Value>(&ours).unwrap(), value);
        }
    }

    /// Strings with whatever may have to be escaped, keys that UTF-8 and UTF-16 order in two ways, integers to both ends.
    fn any_json() -> impl Strategy<Value = Value> {
        let exact = i64::try_from(MAX_EXACT).unwrap();
        let text = "([\\x00-\\x7f]|[é\u{2028}\u{7f}\u{e000}\u{ffff}\u{1f600}]){0,6}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-exact..=exact).prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(text, inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn a_number_that_would_be_rounded_is_refused() {
        assert_eq!(
            canonical_json(&MAX_EXACT).unwrap(),
            "9007199254740991".to_owned()
        );
        for value in [
            json!({"deep": [{"n": MAX_EXACT + 1}]}),
            json!(1.5),
            json!(i64::MIN),
            json!(u64::MAX),
        ] {
            assert!(
                matches!(
                    canonical_json(&value),
                    Err(CanonicalError::InexactNumber(_))
                ),
                "{value}"
            );
        }
    }
}
