//! The audit of the edge, under the log target `custodyd::access`: who read what of what is confidential, never what stood in
//! it; and who was refused.
//!
//! Invariant: a read's line is written before its answer leaves. Why it is a log and no table: docs/adr/0021. Refusals are
//! anybody's to cause, so only so many are written; how many were left out is.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::{Method, StatusCode};

use super::{
    bucket::{Bucket, Rate},
    peer::Visit,
};
use crate::directory::Speaker;

/// Routes whose answers are confidential, beside every page of the console.
const CONFIDENTIAL: [&str; 17] = [
    "/v1/cold/exports/{id}",
    "/v1/cold/exports/{id}/bundle",
    "/v1/events",
    "/v1/hsm",
    "/v1/journal",
    "/v1/journal/checkpoint",
    "/v1/limits",
    "/v1/policy",
    "/v1/proposals",
    "/v1/proposals/{id}",
    "/v1/requests/{id}",
    "/v1/transactions/{id}",
    "/v1/wallets",
    "/v1/wallets/{id}",
    "/v1/wallets/{id}/addresses",
    "/v1/withdrawals",
    "/v1/withdrawals/{id}",
];

/// Those of them where a client meets only what is its own.
const OWN: [&str; 4] = [
    "/v1/limits",
    "/v1/requests/{id}",
    "/v1/withdrawals",
    "/v1/withdrawals/{id}",
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

    /// Writes down that it was answered, if anybody was let in at all: strangers read nothing, and a client's own is no secret
    /// from it.
    pub(super) fn answered(
        &self,
        request: &str,
        route: &str,
        visit: &Visit,
        address: IpAddr,
        status: StatusCode,
    ) {
        if let Some(speaker) = visit.speaker()
            && !(OWN.contains(&route) && matches!(speaker, Speaker::Client(_)))
        {
            tracing::info!(
                target: "custodyd::access", request, %speaker, %address, route, subject = self.target,
                status = status.as_u16(), "read"
            );
        }
    }
}

/// Refused requests that are written down: a hundred a second.
#[derive(Debug)]
pub(super) struct Refusals(Mutex<(Bucket, u64)>);

impl Refusals {
    const RATE: Rate = Rate::per_second(
        NonZeroU32::MIN.saturating_add(99),
        NonZeroU32::MIN.saturating_add(199),
    );

    pub(super) fn new() -> Self {
        Self(Mutex::new((Bucket::full(Self::RATE, Duration::ZERO), 0)))
    }

    /// Writes down a request that was refused for who asked, from where or how fast. `now` is time since any fixed moment.
    pub(super) fn refused(
        &self,
        request: &str,
        route: &str,
        visit: Option<&Visit>,
        address: IpAddr,
        status: StatusCode,
        now: Duration,
    ) {
        if !matches!(status.as_u16(), 401 | 403 | 429) {
            return;
        }
        let Some(left_out) = self.take(now) else {
            return;
        };
        let speaker = visit.and_then(Visit::speaker).map(tracing::field::display);
        tracing::info!(
            target: "custodyd::access", request, speaker, %address, route, status = status.as_u16(), left_out,
            "refused"
        );
    }

    /// How many were left out since the last one that was written, if one more may be.
    fn take(&self, now: Duration) -> Option<u64> {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (bucket, left_out) = &mut *refusals;
        if bucket.take(Self::RATE, now).is_err() {
            *left_out = left_out.saturating_add(1);
            return None;
        }
        Some(std::mem::take(left_out))
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

    #[test]
    fn a_flood_of_refusals_is_counted_where_it_is_not_written() {
        let refusals = Refusals::new();
        let written = (0..1_000).filter(|_| refusals.take(Duration::ZERO).is_some());
        assert_eq!(written.count(), 200);
        let later = Duration::from_millis(10);
        assert_eq!(refusals.take(later), Some(800));
        assert_eq!(refusals.take(later), None);
        assert_eq!(refusals.take(Duration::from_secs(10)), Some(1));
    }
}
