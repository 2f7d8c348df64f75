//! An authenticated request: rebuilt from exactly what came over the wire, verified, and not seen before.

use std::ops::Deref;

use axum::{
    body::{Body, HttpBody as _},
    extract::{FromRequest, Request},
    http::{HeaderMap, header::HOST, request::Parts},
    response::{IntoResponse as _, Response},
};
use custodyd_httpsig::{PublicKey, SignedRequest, Verified};
use custodyd_vault::Scope;

use super::{
    AppState,
    large::{Large, Place},
    reply,
};
use crate::{
    directory::{Authenticated, Speaker},
    intake::{Entered, Submission, Submitted},
    problem::Problem,
    request::{self, Intent},
    stored_request::StoredRequest,
};

/// Largest body of an ordinary request, bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// Longest target, bytes.
const TARGET_LIMIT: usize = 2_048;

/// A request whose signature holds. Behind a pointer, since each future that it passes through would have room for it.
#[derive(Debug)]
pub(super) struct Signed(Box<Said>);

/// What a request whose signature holds says.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) speaker: Speaker,
    key: PublicKey,
    pub(super) verified: Verified,
    pub(super) request: SignedRequest,
    /// The place of its body, where it may be large.
    place: Option<Box<Place>>,
}

impl Deref for Signed {
    type Target = Said;

    fn deref(&self) -> &Said {
        &self.0
    }
}

impl FromRequest<AppState> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let mut request = head(&parts)?;
        let (authenticated, place) = match parts.extensions.get::<Large>() {
            None => {
                request.body = read_body(body, BODY_LIMIT).await?;
                let now_s = state.clock.now().as_seconds();
                let in_force = state.standing.now();
                let directory = &in_force.directory;
                let known = directory.authenticate(&request, now_s, state.max_skew_s)?;
                admit(state, &known, &request, &parts)?;
                (known, None)
            }
            // Behind a pointer: other requests' futures need no room for it.
            Some(large) => {
                let reading = read_large(state, large, &mut request, &parts, body);
                let (known, place) = Box::pin(reading).await?;
                (known, Some(place))
            }
        };
        let Authenticated {
            speaker,
            key,
            verified,
        } = authenticated;
        // The inbox refuses a repeated write; a repeated read is refused here.
        if parts.method.is_safe() {
            let now_s = state.clock.now().as_seconds();
            state
                .replays
                .take(&speaker, &verified, now_s, state.max_skew_s)?;
        }
        Ok(Self(Box::new(Said {
            speaker,
            key,
            verified,
            request,
            place,
        })))
    }
}

/// Lets in whose signature holds, if they may come from there, as fast as this, and for this.
fn admit(
    state: &AppState,
    known: &Authenticated,
    request: &SignedRequest,
    parts: &Parts,
) -> Result<(), Problem> {
    state.let_in(&known.speaker, &parts.extensions)?;
    // Whoever was only invited may do one thing; what is open to all speakers is not open to them.
    if matches!(known.speaker, Speaker::Invitation(_)) && request.target != "/v1/enrolments" {
        return Err(Problem::forbidden("an invitation is for enrolling only"));
    }
    Ok(())
}

/// Reads a body that may be large: of whom it is and whether they may is asked first, of the head, which names the body's digest.
async fn read_large(
    state: &AppState,
    large: &Large,
    request: &mut SignedRequest,
    parts: &Parts,
    body: Body,
) -> Result<(Authenticated, Box<Place>), Problem> {
    check_length(&body, large.limit())?;
    let now_s = state.clock.now().as_seconds();
    let in_force = state.standing.now();
    let directory = &in_force.directory;
    let known = directory.authenticate_head(request, now_s, state.max_skew_s)?;
    drop(in_force);
    admit(state, &known, request, parts)?;
    for_operators(&known.speaker, large.whose())?;
    let place = large.place(&known.verified)?;
    request.body = read_body(body, large.limit()).await?;
    let checked = request.check_body();
    checked.map_err(|fault| Problem::unauthenticated(fault.to_string()))?;
    Ok((known, place))
}

/// All of a request but its body, each part in the one reading that it has.
fn head(parts: &Parts) -> Result<SignedRequest, Problem> {
    // RFC 9112 §3.2.2: another authority in the target would go before Host. Nobody who signs needs that.
    if parts.uri.authority().is_some() {
        return Err(Problem::malformed(
            "the request's target is a path, without scheme and host",
        ));
    }
    let target = parts.uri.path_and_query().map_or("/", |t| t.as_str());
    if target.len() > TARGET_LIMIT {
        return Err(Problem::new(
            414,
            "target",
            "The target is too long",
            format!("at most {TARGET_LIMIT} bytes"),
        ));
    }
    let one = |name| single(&parts.headers, name);
    let authority = one(HOST.as_str())?
        .ok_or_else(|| Problem::malformed("the Host header is missing"))?
        .to_ascii_lowercase();
    let unsigned =
        || Problem::unauthenticated("sign the request: Signature-Input and Signature (RFC 9421)");
    let signature_input = one("signature-input")?.ok_or_else(unsigned)?;
    let signature = one("signature")?.ok_or_else(unsigned)?;
    let idempotency_key = one("idempotency-key")?;
    if let Some(key) = &idempotency_key {
        request::check_idempotency_key(key)?;
    }
    Ok(SignedRequest {
        method: parts.method.as_str().to_owned(),
        authority,
        target: target.to_owned(),
        content_digest: one("content-digest")?,
        content_type: one("content-type")?,
        idempotency_key,
        signature_input,
        signature,
        body: Vec::new(),
    })
}

fn for_operators(speaker: &Speaker, what: &str) -> Result<(), Problem> {
    match speaker {
        Speaker::Operator(_) => Ok(()),
        Speaker::Client(_) | Speaker::Invitation(_) => {
            Err(Problem::forbidden(format!("{what} is for operators")))
        }
    }
}

impl Signed {
    /// Refuses a client what none of these scopes lets it see.
    pub(super) fn within(&self, state: &AppState, scopes: &[Scope]) -> Result<(), Problem> {
        let in_force = state.standing.now();
        in_force.directory.check_scope(&self.speaker, scopes)
    }

    /// Refuses clients what shows more than their own.
    pub(super) fn operators_only(&self, what: &str) -> Result<(), Problem> {
        for_operators(&self.speaker, what)
    }
}

async fn read_body(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    use http_body_util::{BodyExt as _, Limited};
    check_length(&body, limit)?;
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(e) if e.is::<http_body_util::LengthLimitError>() => Err(too_large(limit)),
        Err(_) => Err(Problem::malformed("the body broke off")),
    }
}

/// What says that it is too large is refused before any of it is read.
fn check_length(body: &Body, limit: usize) -> Result<(), Problem> {
    let length = usize::try_from(body.size_hint().lower());
    let fits = length.is_ok_and(|length| length <= limit);
    fits.then_some(()).ok_or_else(|| too_large(limit))
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("at most {limit} bytes");
    Problem::new(413, "too-large", "The body is too large", detail)
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
    pub(super) async fn submit(&self, mut signed: Signed) -> Response {
        // A large body is in memory until it is answered.
        let _place = signed.0.place.take();
        self.try_submit(signed).await.into_response()
    }

    async fn try_submit(&self, signed: Signed) -> Result<Response, Problem> {
        let entered = self.enter(signed)?;
        let submitted = self.intake.answer(entered).await?;
        Ok(match submitted {
            Submitted::Answered(outcome) => reply::raw(outcome.status, outcome.body),
            Submitted::Pending(id) => {
                let mut response = reply::pending(&id);
                if let Ok(location) = format!("/v1/requests/{id}").parse() {
                    response
                        .headers_mut()
                        .insert(axum::http::header::LOCATION, location);
                }
                response
            }
        })
    }

    fn enter(&self, signed: Signed) -> Result<Entered, Problem> {
        let said = *signed.0;
        let intent = Intent::read((&said.request).into())?;
        let submission = Submission {
            speaker: said.speaker,
            nonce: said.verified.nonce,
            request: StoredRequest::Signed(said.request),
            intent,
            key: Some(said.key),
        };
        self.intake
            .enter(self.standing.vault().as_str(), submission)
    }
}
