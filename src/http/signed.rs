//! An authenticated request: rebuilt from exactly what came over the wire, verified, and not seen before.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, Method, header::HOST},
    response::Response,
};
use custodyd_httpsig::{SignedRequest, Verified};

use super::{AppState, reply};
use crate::{directory::Speaker, intake::Submitted, problem::Problem, request::Intent};

/// Largest body of an ordinary request, bytes.
pub(super) const BODY_LIMIT: usize = 64 * 1024;
/// Largest returned bundle, bytes.
pub(super) const BUNDLE_LIMIT: usize = 16 * 1024 * 1024;
/// Longest target, bytes.
const TARGET_LIMIT: usize = 2_048;

/// A request whose signature holds.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) speaker: Speaker,
    pub(super) verified: Verified,
    pub(super) request: SignedRequest,
}

impl FromRequest<AppState> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |t| t.as_str());
        if target.len() > TARGET_LIMIT {
            return Err(Problem::new(
                414,
                "target",
                "The target is too long",
                format!("at most {TARGET_LIMIT} bytes"),
            ));
        }
        let target = target.to_owned();
        let one = |name| single(&parts.headers, name);
        let authority = one(HOST.as_str())?
            .or_else(|| parts.uri.authority().map(ToString::to_string))
            .ok_or_else(|| Problem::malformed("the Host header is missing"))?
            .to_ascii_lowercase();
        let unsigned = || {
            Problem::unauthenticated("sign the request: Signature-Input and Signature (RFC 9421)")
        };
        let signature_input = one("signature-input")?.ok_or_else(unsigned)?;
        let signature = one("signature")?.ok_or_else(unsigned)?;
        let limit = if target == "/v1/cold/imports" {
            BUNDLE_LIMIT
        } else {
            BODY_LIMIT
        };
        let request = SignedRequest {
            method: parts.method.as_str().to_owned(),
            authority,
            target,
            content_digest: one("content-digest")?,
            content_type: one("content-type")?,
            idempotency_key: one("idempotency-key")?,
            signature_input,
            signature,
            body: read_body(body, limit).await?.to_vec(),
        };
        let now_s = state.clock.now().as_seconds();
        let (speaker, verified) = state
            .directory
            .authenticate(&request, |key| request.verify(key, now_s, state.max_skew_s))?;
        // The inbox refuses a repeated write; a repeated read is refused here.
        if parts.method == Method::GET
            && !state
                .replays
                .is_new(&speaker.to_string(), &verified, now_s, state.max_skew_s)
        {
            return Err(Problem::new(
                409,
                "replayed",
                "This very request came before",
                "sign again with a fresh nonce",
            ));
        }
        Ok(Self {
            speaker,
            verified,
            request,
        })
    }
}

async fn read_body(body: axum::body::Body, limit: usize) -> Result<Bytes, Problem> {
    use http_body_util::{BodyExt as _, Limited};
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(e) if e.is::<http_body_util::LengthLimitError>() => Err(Problem::new(
            413,
            "too-large",
            "The body is too large",
            format!("at most {limit} bytes"),
        )),
        Err(_) => Err(Problem::malformed("the body broke off")),
    }
}

/// A header that may come once at most; what comes twice could be read in two ways.
fn single(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(Problem::malformed(format!(
                "the header {name} is not plain ASCII"
            ))),
        },
        (Some(_), Some(_)) => Err(Problem::malformed(format!("the header {name} came twice"))),
    }
}

impl AppState {
    /// Hands a write to the engine and waits for its answer.
    pub(super) async fn submit(&self, signed: Signed) -> Response {
        match self.try_submit(signed).await {
            Ok(response) => response,
            Err(problem) => axum::response::IntoResponse::into_response(problem),
        }
    }

    async fn try_submit(&self, signed: Signed) -> Result<Response, Problem> {
        let intent = Intent::read(&signed.request)?;
        let vault = self.directory.vault().as_str();
        let principal = signed.speaker.to_string();
        let submitted = self
            .intake
            .submit(
                vault,
                intent.kind(),
                &principal,
                &signed.verified.nonce,
                &signed.request,
            )
            .await?;
        Ok(match submitted {
            Submitted::Answered(outcome) => reply::raw(outcome.status, outcome.body),
            Submitted::Pending(id) => {
                let mut response = reply::raw(
                    202,
                    serde_json::json!({ "request": id, "status": "pending" }).to_string(),
                );
                if let Ok(location) = format!("/v1/requests/{id}").parse() {
                    response
                        .headers_mut()
                        .insert(axum::http::header::LOCATION, location);
                }
                response
            }
        })
    }
}

/// Nonces of reads, kept as long as their signatures would be taken.
#[derive(Debug, Default)]
pub struct Replays(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    by_expiry: BTreeMap<u64, Vec<(String, String)>>,
    nonces: BTreeSet<(String, String)>,
}

/// Nonces kept at most. Past it reads are refused until some expire, rather than taken twice.
const MOST_NONCES: usize = 200_000;

impl Replays {
    fn is_new(&self, principal: &str, verified: &Verified, now_s: u64, max_skew_s: u64) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let live = seen.by_expiry.split_off(&now_s);
        let expired = std::mem::replace(&mut seen.by_expiry, live);
        for nonce in expired.into_values().flatten() {
            seen.nonces.remove(&nonce);
        }
        let nonce = (principal.to_owned(), verified.nonce.clone());
        if seen.nonces.len() >= MOST_NONCES || !seen.nonces.insert(nonce.clone()) {
            return false;
        }
        let expiry = verified
            .created
            .saturating_add(max_skew_s)
            .saturating_add(1);
        seen.by_expiry.entry(expiry).or_default().push(nonce);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_new_once_until_its_signature_has_expired() {
        let replays = Replays::default();
        let verified = Verified {
            keyid: "client/a".into(),
            created: 100,
            nonce: "n".into(),
        };
        assert!(replays.is_new("client/a", &verified, 100, 300));
        assert!(!replays.is_new("client/a", &verified, 400, 300));
        assert!(replays.is_new("client/b", &verified, 400, 300));
        assert!(replays.is_new("client/a", &verified, 402, 300));
    }
}
