//! What the browser says about the page that asked (WebAuthn Level 2 §5.8.1).

use serde::Deserialize;

use crate::{AssertionFault, RelyingParty, base64url};

/// Longest client data, bytes.
const LONGEST: usize = 4 * 1024;

/// Browsers may add members (§5.8.1 says so), so unknown ones are let through; a known one that comes twice is refused.
#[derive(Debug, Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<String>,
}

/// What a page asked an authenticator for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ceremony {
    /// A new credential.
    Create,
    /// An assertion.
    Get,
}

impl Ceremony {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// Holds client data against what was asked for and where.
pub(crate) fn check(
    json: &[u8],
    ceremony: Ceremony,
    party: &RelyingParty,
    challenge: &[u8; 32],
) -> Result<(), AssertionFault> {
    if json.len() > LONGEST {
        return Err(AssertionFault::ClientData("too long".to_owned()));
    }
    let read: ClientData = serde_json::from_slice(json)
        .map_err(|e| AssertionFault::ClientData(format!("{:?}", e.classify())))?;
    if read.kind != ceremony.as_str() {
        return Err(AssertionFault::Type(read.kind.chars().take(40).collect()));
    }
    if read.challenge != base64url::encode(challenge) {
        return Err(AssertionFault::Challenge);
    }
    if !party.origins().contains(&read.origin) {
        let origin = read.origin.chars().take(120).collect();
        return Err(AssertionFault::Origin(origin));
    }
    if read.cross_origin || read.top_origin.is_some() {
        return Err(AssertionFault::CrossOrigin);
    }
    Ok(())
}
