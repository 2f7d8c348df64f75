//! What the console's own scripts send: one JSON object of known members, within a limit; and from where.

use std::net::IpAddr;

use axum::{
    body::{Body, HttpBody as _},
    extract::{FromRequest, FromRequestParts, Request},
    http::request::Parts,
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::{
    http::{AppState, Peer},
    problem::Problem,
};

/// Largest body of most requests, bytes.
const LIMIT: usize = 32 * 1024;

/// A JSON body. Its bytes are wiped once it is read: some hold an invitation's secret.
#[derive(Debug)]
pub(super) struct Posted<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Posted<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &AppState) -> Result<Self, Problem> {
        let body = read(request.into_body(), LIMIT).await?;
        json(&body).map(Self)
    }
}

/// A body of at most `limit` bytes. What says that it is larger is refused before any of it is read.
pub(super) async fn read(body: Body, limit: usize) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let too_large = || {
        let detail = format!("at most {limit} bytes");
        Problem::new(413, "too-large", "The body is too large", detail)
    };
    if usize::try_from(body.size_hint().lower()).is_ok_and(|length| length > limit) {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(Zeroizing::new(body.to_bytes().into())),
        Err(e) if e.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::malformed("the body broke off")),
    }
}

/// Reads a JSON body. A fault is named by its place, not by what stands there: that may be a secret.
pub(super) fn json<'de, T: serde::Deserialize<'de>>(body: &'de [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|e| {
        let (line, column) = (e.line(), e.column());
        let what = format!("{:?} fault at line {line}, column {column}", e.classify());
        Problem::malformed(what.to_lowercase())
    })
}

/// The address that a request is from, where the connection says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address(pub(super) Option<IpAddr>);

impl FromRequestParts<AppState> for Address {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self(
            parts.extensions.get::<Peer>().map(|peer| peer.address),
        ))
    }
}
