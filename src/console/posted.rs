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
    directory::Speaker,
    http::{AppState, Peer, Visit},
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

/// Who is at the other end of a request, as its connection shows it.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    peer: Peer,
    visit: Visit,
}

impl Caller {
    /// What the connection put beside a request.
    ///
    /// # Errors
    /// Without it nothing says where the request is from: nobody is let in.
    pub(super) fn of(parts: &Parts) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>().cloned();
        let visit = parts.extensions.get::<Visit>().cloned();
        let (Some(peer), Some(visit)) = (peer, visit) else {
            tracing::error!("a request came past its connection");
            return Err(Problem::internal());
        };
        Ok(Self { peer, visit })
    }

    /// Its address.
    pub(super) fn address(&self) -> IpAddr {
        self.peer.address
    }

    /// Lets in who was verified, if they may come from there.
    ///
    /// # Errors
    /// As [`Admission::admit`](crate::http::Admission::admit).
    pub(super) fn admit(&self, state: &AppState, speaker: &Speaker) -> Result<(), Problem> {
        self.visit.is_by(speaker);
        state.admission.admit(speaker, &self.peer)
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        Self::of(parts)
    }
}
