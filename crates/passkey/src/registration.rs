//! A new passkey, as its browser hands it over, and whether it may be taken in.
//!
//! Who brings it has proved by other means that they may. So no statement about the authenticator's make is asked for, and none
//! is believed: what counts is that the key was made for this console, by a user who was verified, when it was asked for.

use minicbor::Decoder;
use serde::{Deserialize, Serialize};

use crate::{
    CredentialId, Passkey, RegistrationFault, RelyingParty, authenticator_data, base64url,
    client_data::{self, Ceremony},
    cose,
};

/// What `navigator.credentials.create` gives. All members are base64url without padding in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The browser's JSON, byte for byte.
    #[serde(with = "base64url")]
    pub client_data: Vec<u8>,
    /// CBOR: format, statement and authenticator data (WebAuthn Level 2 §6.5.4).
    #[serde(with = "base64url")]
    pub attestation: Vec<u8>,
}

impl Registration {
    /// The passkey that was made for `party` when it was asked for with `challenge`, with its user present and verified.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of WebAuthn Level 2 §7.1.
    pub fn verify(
        &self,
        party: &RelyingParty,
        challenge: &[u8; 32],
    ) -> Result<Passkey, RegistrationFault> {
        client_data::check(&self.client_data, Ceremony::Create, party, challenge)?;
        let data = authenticator_data_of(&self.attestation)?;
        let made = authenticator_data::attested(data, party)?;
        let mut rest = Decoder::new(made.rest);
        let key = cose::key(&mut rest)?;
        let after = made.rest.get(rest.position()..).unwrap_or_default();
        made.ends_with(after)?;
        let id = CredentialId::new(made.id.to_vec());
        let id = id.ok_or(RegistrationFault::Attestation(
            "the credential's id is empty or too long",
        ))?;
        Ok(Passkey { id, key })
    }
}

/// The authenticator data in an attestation object: a map of three members, of which the statement is empty, or the
/// credential's own signature (§8.2), which says nothing that the first assertion doesn't.
fn authenticator_data_of(object: &[u8]) -> Result<&[u8], RegistrationFault> {
    let unread =
        |_| RegistrationFault::Attestation("it is not the CBOR that the specification has");
    let mut from = Decoder::new(object);
    if from.map().map_err(unread)? != Some(3) {
        return Err(RegistrationFault::Attestation("it has not three members"));
    }
    let (mut format, mut statement, mut data) = (None, None, None);
    for _ in 0..3 {
        let again = match from.str().map_err(unread)? {
            "fmt" => format.replace(from.str().map_err(unread)?).is_some(),
            "attStmt" => statement.replace(members(&mut from)?).is_some(),
            "authData" => data.replace(from.bytes().map_err(unread)?).is_some(),
            _ => {
                return Err(RegistrationFault::Attestation(
                    "it has a member that none has",
                ));
            }
        };
        if again {
            return Err(RegistrationFault::Attestation("it has a member twice"));
        }
    }
    if from.position() != object.len() {
        return Err(RegistrationFault::Attestation("something comes after it"));
    }
    match (format, statement.as_deref()) {
        (Some("none"), Some([])) | (Some("packed"), Some(["alg", "sig"] | ["sig", "alg"])) => {}
        (format, _) => {
            let format = format.unwrap_or_default().chars().take(40).collect();
            return Err(RegistrationFault::Format(format));
        }
    }
    data.ok_or(RegistrationFault::Attestation(
        "it has no authenticator data",
    ))
}

/// Members of an attestation statement that is looked at.
const MOST_MEMBERS: u64 = 3;

/// The names of a statement's members. What they say is skipped.
fn members<'a>(from: &mut Decoder<'a>) -> Result<Vec<&'a str>, RegistrationFault> {
    let unread = |_| RegistrationFault::Attestation("its statement is no map");
    let count = from.map().map_err(unread)?;
    let count = count.filter(|count| *count <= MOST_MEMBERS);
    let count = count.ok_or(RegistrationFault::Attestation("its statement is too large"))?;
    (0..count)
        .map(|_| {
            let name = from.str().map_err(unread)?;
            from.skip().map_err(unread)?;
            Ok(name)
        })
        .collect()
}
