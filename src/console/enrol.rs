//! Enrolment: somebody who was invited makes a passkey here, and the invitation's key signs for it.
//!
//! The secret is in the link's fragment, which browsers send to nobody; the page's script posts it. It is used for one
//! signature, over the same request that custodyctl would send, and wiped.

use std::time::Duration;

use askama::Template;
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{Html, IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use custodyd_httpsig::{SignedRequest, UnsignedRequest, sign};
use custodyd_passkey::{CredentialId, Registration};
use custodyd_policy::{OperatorId, Timestamp, VaultId};
use custodyd_vault::{Credential, Ed25519Key, Rejection};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    assets,
    begun::random,
    posted::{Caller, Posted},
};
use crate::{
    directory::Speaker,
    http::AppState,
    intake::{Submission, Submitted},
    problem::Problem,
    request::{EnrolmentBody, Intent},
    stored_request::StoredRequest,
    telemetry::console,
};

/// How long a passkey may take to be made.
pub(super) const LIFE: Duration = Duration::from_secs(300);
/// Enrolments that are under way at a time.
pub(super) const MOST_OPEN: usize = 1_024;
/// Where credentials are brought.
const TARGET: &str = "/v1/enrolments";

/// An enrolment under way.
#[derive(Debug)]
pub(super) struct Enrolling {
    invitation: Ed25519Key,
    challenge: [u8; 32],
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct EnrolPage<'a> {
    vault: &'a VaultId,
    style: String,
    scripts: [String; 2],
}

/// `GET /console/enrol`: the same page for everybody; its script reads the link.
pub(super) async fn page(State(state): State<AppState>) -> Response {
    let page = EnrolPage {
        vault: state.standing.vault(),
        style: assets::href("console.css"),
        scripts: ["passkey.js", "enrol.js"].map(assets::href),
    };
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page for enrolling could not be rendered");
            Problem::internal().into_response()
        }
    }
}

/// The invitation's private half: 32 bytes, base64url without padding. Nothing prints it.
struct Secret(Zeroizing<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Secret {
    fn key(&self) -> Result<SigningKey, Problem> {
        let mut seed = Zeroizing::new([0_u8; 32]);
        // 43 characters are 32 bytes and two spare bits; the decoder needs room for 33.
        let mut room = Zeroizing::new([0_u8; 33]);
        let length = URL_SAFE_NO_PAD.decode_slice(self.0.as_bytes(), room.as_mut());
        match (length, room.first_chunk::<32>()) {
            (Ok(32), Some(bytes)) => seed.copy_from_slice(bytes),
            _ => {
                return Err(Problem::malformed(
                    "this is no invitation: the link is not whole",
                ));
            }
        }
        Ok(SigningKey::from_bytes(&seed))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Whose invitation this is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartBody {
    secret: Secret,
}

/// What the browser needs to have a passkey made.
#[derive(Debug, Serialize)]
struct Started<'a> {
    nonce: String,
    operator: &'a OperatorId,
    vault: &'a VaultId,
    until: Timestamp,
    rp_id: &'a str,
    #[serde(with = "super::base64url")]
    challenge: [u8; 32],
    /// The name under which authenticators keep this person's passkeys.
    #[serde(with = "super::base64url")]
    user: [u8; 32],
    /// Authenticators that hold one already.
    exclude: Vec<CredentialId>,
}

/// `POST /console/enrol/start`
pub(super) async fn start(
    State(state): State<AppState>,
    caller: Caller,
    Posted(body): Posted<StartBody>,
) -> Result<Response, Problem> {
    let now = state.clock.now();
    state.console.throttle.attempt(caller.address(), now)?;
    let invitation: Ed25519Key = body.secret.key()?.verifying_key().into();
    let in_force = state.standing.now();
    let directory = &in_force.directory;
    let operator = directory
        .invited(&invitation)
        .ok_or(Rejection::NotInvited)?;
    let until = until(&state, invitation).await?;
    if until <= now {
        return Err(Rejection::NotInvited.into());
    }
    let console = directory.console().ok_or_else(Problem::internal)?;
    let challenge = random::<32>()?;
    let enrolling = Enrolling {
        invitation,
        challenge,
    };
    let (nonce, _) = state.console.enrolments.begin(enrolling, now)?;
    let vault = state.standing.vault();
    let started = Started {
        nonce,
        operator,
        vault,
        until,
        rp_id: console.id(),
        challenge,
        user: Sha256::digest(format!("custodyd/user/v1\n{vault}\n{operator}")).into(),
        exclude: directory.passkeys(operator).map(|p| p.id.clone()).collect(),
    };
    Ok(Json(started).into_response())
}

async fn until(state: &AppState, invitation: Ed25519Key) -> Result<Timestamp, Problem> {
    let inquiries = state.vault.as_ref();
    let inquiries =
        inquiries.ok_or_else(|| Problem::unavailable("the engine does not run in this process"))?;
    let asked = inquiries.ask(move |vault, _| {
        let invited = vault.invitations().get(&invitation);
        invited.map(|invited| invited.until)
    });
    asked.await?.ok_or_else(|| Rejection::NotInvited.into())
}

/// The passkey that was made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnrolBody {
    nonce: String,
    secret: Secret,
    registration: Registration,
}

/// `POST /console/enrol`
pub(super) async fn enrol(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Posted(body): Posted<EnrolBody>,
) -> Result<Response, Problem> {
    let now = state.clock.now();
    state.console.throttle.attempt(caller.address(), now)?;
    let key = body.secret.key()?;
    let invitation: Ed25519Key = key.verifying_key().into();
    let begun = state.console.enrolments.finish(&body.nonce, now);
    let (_, enrolling) = begun
        .filter(|(_, enrolling)| enrolling.invitation == invitation)
        .ok_or_else(|| {
            Problem::unauthenticated(
                "the enrolment took too long, or was finished before; begin again",
            )
        })?;
    let in_force = state.standing.now();
    let operator = in_force
        .directory
        .invited(&invitation)
        .ok_or(Rejection::NotInvited)?;
    caller.admit(&state, &Speaker::Invitation(invitation))?;
    let console = in_force.directory.console().ok_or_else(Problem::internal)?;
    let passkey = body
        .registration
        .verify(console, &enrolling.challenge)
        .map_err(|fault| {
            Problem::new(
                422,
                "registration",
                "The passkey is not acceptable",
                fault.to_string(),
            )
        })?;
    let brought = EnrolmentBody {
        operator: operator.clone(),
        credential: Credential::Passkey(passkey),
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default().to_ascii_lowercase();
    let signed = signed(&brought, &host, &key, now)?;
    drop((key, body.secret));
    let answer = submit(&state, signed, now).await;
    let taken = answer
        .as_ref()
        .is_ok_and(|answer| answer.status().is_success());
    console::enrolment(taken);
    answer
}

/// The request that brings the credential, signed with the invitation's key.
fn signed(
    brought: &EnrolmentBody,
    authority: &str,
    key: &SigningKey,
    now: Timestamp,
) -> Result<SignedRequest, Problem> {
    let body = serde_json::to_vec(brought).map_err(|_| Problem::internal())?;
    let unsigned = UnsignedRequest {
        method: "POST",
        authority,
        target: TARGET,
        content_type: Some("application/json"),
        idempotency_key: None,
        body: &body,
    };
    let keyid = format!("invitation/{}", hex::encode(key.verifying_key().as_bytes()));
    let nonce = hex::encode(random::<16>()?);
    let headers = sign(&unsigned, &keyid, &nonce, now.as_seconds(), key);
    let headers = headers.map_err(|e| Problem::malformed(e.to_string()))?;
    Ok(headers.attach(&unsigned))
}

/// The way of every signed request: verified as if it came over HTTP, then stored.
async fn submit(
    state: &AppState,
    request: SignedRequest,
    now: Timestamp,
) -> Result<Response, Problem> {
    let in_force = state.standing.now();
    let directory = &in_force.directory;
    let authenticated = directory.authenticate(&request, now.as_seconds(), state.max_skew_s)?;
    let submission = Submission {
        intent: Intent::read((&request).into())?,
        speaker: authenticated.speaker,
        nonce: authenticated.verified.nonce,
        request: StoredRequest::Signed(request),
        key: Some(authenticated.key),
    };
    let vault = state.standing.vault().as_str();
    let submitted = state.intake.submit(vault, submission).await?;
    match submitted {
        Submitted::Answered(outcome) => Ok(super::acts::answer(outcome.status, outcome.body)),
        Submitted::Pending(_) => Err(Problem::unavailable(
            "the passkey was handed in and not answered yet; try to sign in with it in a moment",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_is_not_whole_is_no_invitation() {
        let read = |text: &str| Secret(Zeroizing::new(text.to_owned())).key();
        let whole = URL_SAFE_NO_PAD.encode([7; 32]);
        assert_eq!(read(&whole).unwrap(), SigningKey::from_bytes(&[7; 32]));
        let wrong = [
            String::new(),
            whole.chars().skip(1).collect(),
            format!("{whole}A"),
            format!("{whole}="),
            whole.replace('c', "+"),
        ];
        for wrong in wrong {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
        assert_eq!(format!("{:?}", Secret(Zeroizing::new(whole))), "Secret");
    }
}
