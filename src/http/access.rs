//! The audit of reads: who read what of what is confidential, under the log target `custodyd::access`, never what stood in it.
//!
//! Invariant: the line is written before the answer leaves. Why it is a log and no table: docs/adr/0021.

use std::net::IpAddr;

use axum::http::{Method, StatusCode};

use super::peer::Visit;
use crate::directory::Speaker;

/// Routes whose answers are confidential, beside every page of the console.
const CONFIDENTIAL: [&str; 14] = [
    "/v1/cold/exports/{id}",
    "/v1/cold/exports/{id}/bundle",
    "/v1/events",
    "/v1/hsm",
    "/v1/journal",
    "/v1/journal/checkpoint",
    "/v1/policy",
    "/v1/proposals",
    "/v1/proposals/{id}",
    "/v1/transactions/{id}",
    "/v1/wallets",
    "/v1/wallets/{id}",
    "/v1/wallets/{id}/addresses",
    "/v1/withdrawals",
];

/// Longest target that is written down, characters.
const MOST_TARGET: usize = 300;

/// A read of something confidential, as long as it is not answered.
#[derive(Debug)]
pub(super) struct Read {
    target: String,
}

impl Read {
    /// What a request would read, if that is confidential.
    pub(super) fn of(method: &Method, route: &str, target: &str) -> Option<Self> {
        let console = route.starts_with("/console") && !route.starts_with("/console/static");
        let confidential = console || CONFIDENTIAL.contains(&route);
        (confidential && method.is_safe()).then(|| Self {
            target: target.chars().take(MOST_TARGET).collect(),
        })
    }

    /// Writes down that it was answered, if anybody was let in at all: strangers read nothing. A client's list of withdrawals is
    /// its own.
    pub(super) fn answered(
        &self,
        request: &str,
        route: &str,
        visit: &Visit,
        address: IpAddr,
        status: StatusCode,
    ) {
        if let Some(speaker) = visit.speaker()
            && !(route == "/v1/withdrawals" && matches!(speaker, Speaker::Client(_)))
        {
            tracing::info!(
                target: "custodyd::access", request, %speaker, %address, route, subject = self.target,
                status = status.as_u16(), "read"
            );
        }
    }
}

/// Says at the start if nobody will see these lines.
pub fn warn_if_unheard() {
    if !tracing::enabled!(target: "custodyd::access", tracing::Level::INFO) {
        tracing::warn!("log.filter leaves out custodyd::access: reads are not audited");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_of_what_is_confidential_are_written_down_and_nothing_else() {
        let read = |method: &Method, route: &str| Read::of(method, route, "/x").is_some();
        for route in CONFIDENTIAL
            .into_iter()
            .chain(["/console/queue", "/console"])
        {
            assert!(read(&Method::GET, route), "{route}");
            assert!(!read(&Method::POST, route), "{route}");
        }
        for route in [
            "/healthz",
            "/openapi.json",
            "/console/static/{name}",
            "unmatched",
        ] {
            assert!(!read(&Method::GET, route), "{route}");
        }
        let long = Read::of(&Method::GET, "/v1/journal", &"é".repeat(1_000)).unwrap();
        assert_eq!(long.target.chars().count(), MOST_TARGET);
    }
}
