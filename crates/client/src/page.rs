//! Lists with cursors, and the queries that ask for them.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Asks for the next page; absent on the last one.
    #[serde(default)]
    pub next: Option<String>,
}

/// A path with a query of those parameters that have a value. Names are plain; values are percent-encoded (RFC 3986 §2.1).
#[must_use]
pub fn with_query(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let mut target = path.to_owned();
    let mut separator = '?';
    for (name, value) in parameters {
        let Some(value) = value else { continue };
        target.push(separator);
        target.push_str(name);
        target.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                target.push(char::from(byte));
            } else {
                write!(target, "%{byte:02X}").expect("a String takes all that is written");
            }
        }
        separator = '&';
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_only_what_is_given_percent_encoded() {
        assert_eq!(with_query("/v1/x", &[("state", None)]), "/v1/x");
        assert_eq!(
            with_query(
                "/v1/x",
                &[
                    ("state", Some("final".to_owned())),
                    ("a", None),
                    ("cursor", Some("a/b+c=~é".to_owned()))
                ]
            ),
            "/v1/x?state=final&cursor=a%2Fb%2Bc%3D~%C3%A9"
        );
    }
}
