//! For whom passkeys sign: the console, by the name and the origins under which browsers know it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::PartyFault;

/// Origins at most.
const MOST_ORIGINS: usize = 8;
/// Longest host name (RFC 1035 §2.3.4).
const LONGEST_HOST: usize = 253;

/// A relying party (WebAuthn Level 2 §4). Valid by construction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct RelyingParty {
    id: String,
    origins: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    id: String,
    origins: BTreeSet<String>,
}

impl RelyingParty {
    /// A relying party: its id is a host's name, its origins are where pages may ask from, each at that host or below it.
    ///
    /// # Errors
    /// Names the part that no browser would take.
    pub fn new(id: String, origins: BTreeSet<String>) -> Result<Self, PartyFault> {
        if !is_host(&id) {
            return Err(PartyFault::Id(id));
        }
        if !(1..=MOST_ORIGINS).contains(&origins.len()) {
            return Err(PartyFault::Origins(origins.len()));
        }
        for origin in &origins {
            let host = host_of(origin).ok_or_else(|| PartyFault::Origin(origin.clone()))?;
            let below = host
                .strip_suffix(id.as_str())
                .is_some_and(|above| above.is_empty() || above.ends_with('.'));
            if !below {
                let origin = origin.clone();
                return Err(PartyFault::Foreign { origin, id });
            }
        }
        Ok(Self { id, origins })
    }

    /// Its id: a host's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where pages may ask from.
    #[must_use]
    pub fn origins(&self) -> &BTreeSet<String> {
        &self.origins
    }

    /// What authenticators write of it.
    pub(crate) fn id_hash(&self) -> [u8; 32] {
        Sha256::digest(&self.id).into()
    }
}

impl TryFrom<Unchecked> for RelyingParty {
    type Error = PartyFault;

    fn try_from(unchecked: Unchecked) -> Result<Self, PartyFault> {
        Self::new(unchecked.id, unchecked.origins)
    }
}

impl From<RelyingParty> for Unchecked {
    fn from(party: RelyingParty) -> Self {
        Self {
            id: party.id,
            origins: party.origins,
        }
    }
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    text.len() <= LONGEST_HOST && text.split('.').all(label)
}

/// The host of an origin as a browser writes it: no path, no default port, lower case.
fn host_of(origin: &str) -> Option<&str> {
    let (authority, default, local) = match origin.split_once("://")? {
        ("https", rest) => (rest, "443", false),
        ("http", rest) => (rest, "80", true),
        _ => return None,
    };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let port_fits = port.is_none_or(|port| {
        port != default
            && port
                .parse::<u16>()
                .is_ok_and(|n| n > 0 && n.to_string() == port)
    });
    (is_host(host) && port_fits && (!local || host == "localhost")).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(id: &str, origins: &[&str]) -> Result<RelyingParty, PartyFault> {
        let origins = origins.iter().map(|o| (*o).to_owned()).collect();
        RelyingParty::new(id.to_owned(), origins)
    }

    #[test]
    fn a_console_is_at_its_own_host_or_below_it_over_https() {
        for (id, origin) in [
            ("example.com", "https://example.com"),
            ("example.com", "https://custody.example.com:8443"),
            ("localhost", "http://localhost:8080"),
        ] {
            assert!(party(id, &[origin]).is_ok(), "{origin}");
        }
        for (id, origin) in [
            ("example.com", "http://example.com"),
            ("example.com", "https://badexample.com"),
            ("example.com", "https://example.com.evil.org"),
            ("example.com", "https://example.com/"),
            ("example.com", "https://example.com:443"),
            ("example.com", "https://example.com:08"),
            ("example.com", "https://Example.com"),
            ("example.com", "https://evil@example.com"),
            ("example.com", "null"),
            ("Example.com", "https://Example.com"),
            ("", "https://"),
            ("127.0.0.1", "http://127.0.0.1:80"),
        ] {
            assert!(party(id, &[origin]).is_err(), "{origin}");
        }
        assert_eq!(party("example.com", &[]), Err(PartyFault::Origins(0)));
    }

    #[test]
    fn what_is_read_from_json_is_checked_too() {
        let read = serde_json::from_str::<RelyingParty>;
        assert!(read(r#"{"id":"localhost","origins":["http://localhost"]}"#).is_ok());
        assert!(read(r#"{"id":"localhost","origins":["http://evil"]}"#).is_err());
        assert!(read(r#"{"id":"localhost","origins":["http://localhost"],"x":1}"#).is_err());
    }
}
