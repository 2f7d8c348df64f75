//! Signing in: a passkey's word over a challenge that says so, and a session for it. It lets one look.
//!
//! Nothing here tells whether a name is known: an unknown one is offered passkeys that nobody has, and its assertion is checked
//! like any other, against a key that nobody has.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
    time::Duration,
};

use askama::Template;
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse as _, Redirect, Response},
};
use custodyd_passkey::{Assertion, CredentialId, Passkey, PasskeyKey};
use custodyd_policy::{OperatorId, Timestamp, VaultId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    assets,
    posted::{Caller, Posted},
    session::{COOKIE, Token},
    viewer::{Viewer, session},
};
use crate::{
    directory::{Directory, Speaker, Sworn},
    http::AppState,
    problem::Problem,
    telemetry::console::{Login, login},
};

/// The domain that keeps a sign-in from being taken for an act, and an act for a sign-in.
pub const LOGIN_DOMAIN: &str = "custodyd/login/v1";
/// How long a challenge is good.
pub(super) const LIFE: Duration = Duration::from_secs(120);
/// Challenges that are open at a time.
pub(super) const MOST_OPEN: usize = 16_384;
/// Longest name that is asked for.
const LONGEST_NAME: usize = 64;

/// What a passkey signs to sign in.
#[derive(Debug, Serialize)]
struct LoginStatement<'a> {
    domain: &'a str,
    vault: &'a VaultId,
    nonce: &'a str,
    expires_at: Timestamp,
}

impl LoginStatement<'_> {
    fn challenge(&self) -> [u8; 32] {
        let canonical = serde_json_canonicalizer::to_vec(self)
            .expect("it holds strings and a small integer, which RFC 8785 can write");
        Sha256::digest(canonical).into()
    }
}

fn challenge(vault: &VaultId, nonce: &str, expires_at: Timestamp) -> [u8; 32] {
    let statement = LoginStatement {
        domain: LOGIN_DOMAIN,
        vault,
        nonce,
        expires_at,
    };
    statement.challenge()
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    vault: &'a VaultId,
    style: String,
    scripts: [String; 2],
}

/// `GET /console/login`
pub(super) async fn page(
    State(state): State<AppState>,
    viewer: Result<Viewer, Response>,
) -> Response {
    if viewer.is_ok() {
        return Redirect::to("/console/queue").into_response();
    }
    let page = LoginPage {
        vault: state.standing.vault(),
        style: assets::href("console.css"),
        scripts: ["passkey.js", "login.js"].map(assets::href),
    };
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page for signing in could not be rendered");
            Problem::internal().into_response()
        }
    }
}

/// `GET /console/session`: who is signed in. For a page that another site's link led to: the first request came without the
/// cookie, this one comes with it.
pub(super) async fn who(viewer: Viewer) -> Response {
    Json(serde_json::json!({ "operator": viewer.operator })).into_response()
}

/// Who wants to sign in; anybody with a passkey that knows its own name, if it isn't said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OptionsBody {
    #[serde(default)]
    operator: Option<String>,
}

/// What the browser needs to ask a passkey.
#[derive(Debug, Serialize)]
struct Options<'a> {
    nonce: String,
    #[serde(with = "super::base64url")]
    challenge: [u8; 32],
    rp_id: &'a str,
    credentials: Vec<CredentialId>,
}

/// `POST /console/login/options`
pub(super) async fn options(
    State(state): State<AppState>,
    caller: Caller,
    Posted(body): Posted<OptionsBody>,
) -> Result<Response, Problem> {
    let now = state.clock.now();
    let address = caller.address();
    state.console.throttle.attempt(address, now)?;
    let in_force = state.standing.now();
    let console = in_force.directory.console().ok_or_else(Problem::internal)?;
    let credentials = match &body.operator {
        None => Vec::new(),
        Some(name) if name.len() > LONGEST_NAME => {
            return Err(Problem::malformed("no operator has such a long name"));
        }
        Some(name) => offered(&in_force.directory, name),
    };
    let (nonce, until) = state.console.logins.begin(body.operator, now)?;
    let options = Options {
        challenge: challenge(state.standing.vault(), &nonce, until),
        nonce,
        rp_id: console.id(),
        credentials,
    };
    Ok(Json(options).into_response())
}

/// The passkeys of whoever has this name, or some that nobody has: the same ones each time.
fn offered(directory: &Directory, name: &str) -> Vec<CredentialId> {
    static DECOYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let operator: Option<OperatorId> = name.parse().ok();
    let own: Vec<CredentialId> = operator
        .map(|operator| {
            directory
                .passkeys(&operator)
                .map(|passkey| passkey.id.clone())
                .collect()
        })
        .unwrap_or_default();
    if !own.is_empty() {
        return own;
    }
    let word = |n: u8, of: u8| DECOYS.hash_one((name, n, of)).to_be_bytes();
    let decoy = |n| {
        // Lengths that authenticators give ids: 16, 32, 48 or 64 bytes.
        let [pick, ..] = word(n, 0);
        let words = 2_u8.saturating_mul(pick % 4 + 1);
        CredentialId::new((1..=words).flat_map(|of| word(n, of)).collect())
    };
    let [count, ..] = word(0, 0);
    (1..=count % 2 + 1).filter_map(decoy).collect()
}

/// What comes back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginBody {
    nonce: String,
    assertion: Assertion,
}

/// `POST /console/login`
pub(super) async fn sign_in(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Posted(body): Posted<LoginBody>,
) -> Result<Response, Problem> {
    let now = state.clock.now();
    let throttle = &state.console.throttle;
    let address = caller.address();
    throttle.attempt(address, now)?;
    let in_force = state.standing.now();
    let begun = state.console.logins.finish(&body.nonce, now);
    // Who was asked for, known or not; the passkey itself where it was to know.
    let claimed = begun.as_ref().and_then(|(_, asked)| asked.clone());
    let claimed = claimed.unwrap_or_else(|| body.assertion.credential.to_string());
    let begun = begun.map(|(until, _)| until);
    let sworn = match verify(&state, &in_force.directory, &body, begun).await {
        Ok(sworn) => sworn,
        Err(problem) => {
            if problem.status < 500 {
                let credential = &body.assertion.credential;
                tracing::warn!(%credential, %address, detail = problem.detail, "a sign-in failed");
                throttle.failed(claimed, now)?;
            }
            return Err(problem);
        }
    };
    caller.admit(&state, &Speaker::Operator(sworn.operator.clone()))?;
    login(Login::Taken);
    // A new token for a new session, whatever the browser had before.
    if let Some((former, _)) = session(&headers, &state) {
        state.console.sessions.close(&former);
    }
    let token = state.console.sessions.open(&sworn, now)?;
    tracing::info!(operator = %sworn.operator, %address, "signed in to the console");
    let mut response = Json(serde_json::json!({ "operator": sworn.operator })).into_response();
    set_cookie(&mut response, &token);
    Ok(response)
}

async fn verify(
    state: &AppState,
    directory: &Directory,
    body: &LoginBody,
    begun: Option<Timestamp>,
) -> Result<Sworn, Problem> {
    let until = begun.ok_or_else(|| {
        Problem::unauthenticated("the sign-in took too long, or was finished before; begin again")
    })?;
    let challenge = challenge(state.standing.vault(), &body.nonce, until);
    let sworn = match directory.owner(&body.assertion.credential) {
        Some((operator, _)) => directory.swear(operator, &challenge, &body.assertion)?,
        None => return Err(stranger(directory, &challenge, &body.assertion)),
    };
    let console = &state.console;
    console
        .check_counter(state, &sworn, "/console/login")
        .await?;
    Ok(sworn)
}

/// What an assertion of an unknown passkey is told: the same as a known one's that doesn't hold, after the same work.
fn stranger(directory: &Directory, challenge: &[u8; 32], assertion: &Assertion) -> Problem {
    static NOBODY: LazyLock<p256::ecdsa::VerifyingKey> = LazyLock::new(|| {
        let key = p256::ecdsa::SigningKey::from_bytes(&[1; 32].into());
        *key.expect("1 and more is a scalar of P-256")
            .verifying_key()
    });
    let nobody = Passkey {
        id: assertion.credential.clone(),
        key: PasskeyKey::Es256(*NOBODY),
    };
    let console = directory.console();
    let fault = console.and_then(|console| assertion.verify(&nobody, console, challenge).err());
    let fault = fault.unwrap_or(custodyd_passkey::AssertionFault::Signature);
    Problem::unauthenticated(fault.to_string())
}

/// `POST /console/logout`: the session ends here, and the browser forgets its token.
pub(super) async fn sign_out(State(state): State<AppState>, headers: HeaderMap) -> Response {
    if let Some((token, _)) = session(&headers, &state) {
        state.console.sessions.close(&token);
    }
    let mut response = Redirect::to("/console/login").into_response();
    let gone = format!("{COOKIE}=; {ATTRIBUTES}; Max-Age=0");
    if let Ok(gone) = HeaderValue::from_str(&gone) {
        response.headers_mut().insert(header::SET_COOKIE, gone);
    }
    response
}

/// Sent over TLS (and to localhost) only, shown to no script, and with no other site's requests.
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";

/// Gives the browser its session's token.
pub(super) fn set_cookie(response: &mut Response, token: &Token) {
    let cookie = format!("{COOKIE}={}; {ATTRIBUTES}", token.as_str());
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}
