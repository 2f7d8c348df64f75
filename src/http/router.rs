//! Every route of the API, and what all of them share.

use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension, Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use tokio::time::timeout;
use tracing::{Instrument as _, Span, field};
use utoipa::OpenApi as _;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt as _},
    routes,
};

use super::{
    AppState, Limits,
    access::{Read, Refusals},
    addresses::AddressRates,
    bucket::Rate,
    cold,
    comparison::Comparisons,
    enrolments, events, freeze, health, hsm, journal,
    meters::Meters,
    openapi,
    peer::{Peer, Unnamed, Visit},
    policy, prices, proposals, transactions, wallets, withdrawals,
};
use crate::{console, problem::Problem, telemetry::trail};

/// A client's own id for its request.
const THEIR_ID: &str = "x-request-id";
/// A year of TLS only, for browsers (RFC 6797).
const HSTS: &str = "max-age=31536000";

/// The API.
pub fn router(state: AppState) -> Router {
    within(state, &Limits::default())
}

/// The API within these limits.
pub(super) fn within(state: AppState, limits: &Limits) -> Router {
    let rate = Rate::per_second(limits.per_second, limits.burst);
    let bounds = Arc::new(Bounds {
        began: Instant::now(),
        patience: limits.request_patience,
        rates: AddressRates::new(rate),
        unnamed: AddressRates::new(rate),
        refusals: Refusals::new(),
        meters: Meters::default(),
    });
    let imports = Extension(cold::bundles());
    let proposing = Extension(proposals::incoming());
    let comparing = Extension(Comparisons::default());
    let (router, document) = OpenApiRouter::with_openapi(openapi::Api::openapi())
        .routes(routes!(withdrawals::create, withdrawals::list))
        .routes(routes!(withdrawals::simulate))
        .routes(routes!(withdrawals::show))
        .routes(routes!(withdrawals::approve))
        .routes(routes!(withdrawals::reject))
        .routes(routes!(withdrawals::cancel))
        .routes(routes!(withdrawals::outcome))
        .routes(routes!(wallets::list))
        .routes(routes!(wallets::show))
        .routes(routes!(wallets::add_address))
        .routes(routes!(wallets::addresses))
        .routes(routes!(transactions::show))
        .routes(routes!(cold::export))
        .routes(routes!(cold::show))
        .routes(routes!(cold::bundle))
        .routes(routes!(cold::import).layer(imports))
        .routes(routes!(enrolments::create))
        .routes(routes!(freeze::freeze))
        .routes(routes!(freeze::unfreeze))
        .routes(routes!(proposals::create).layer(proposing))
        .routes(routes!(proposals::list))
        .routes(routes!(proposals::show).layer(comparing))
        .routes(routes!(proposals::approve))
        .routes(routes!(proposals::veto))
        .routes(routes!(prices::set))
        .routes(routes!(policy::policy))
        .routes(routes!(policy::limits))
        .routes(routes!(events::events))
        .routes(routes!(journal::rows))
        .routes(routes!(journal::checkpoint))
        .routes(routes!(hsm::tokens))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .split_for_parts();
    let document = openapi::text(document);
    let description = axum::routing::get(move || openapi::serve(document.clone()));
    router
        .route("/openapi.json", description)
        .merge(console::router(&state))
        .fallback(|| async { Problem::not_found("no such path; see /openapi.json") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                405,
                "method",
                "Not that method",
                "see /openapi.json for the methods of this path",
            )
        })
        .layer(from_fn_with_state(bounds, around))
        .with_state(state)
}

/// What bounds each request.
struct Bounds {
    began: Instant,
    patience: Duration,
    rates: AddressRates,
    /// Of proxies, for requests of which they don't name the origin. Apart, so that strangers who have them refused don't use up
    /// what a proxy asks for itself, such as whether this is healthy.
    unnamed: AddressRates,
    refusals: Refusals,
    meters: Meters,
}

/// Around each request: an id that every line logged on its behalf carries, a rate and a time limit, a wall against panics, headers
/// that every answer has, a measurement. One layer for all there is around, since each copies every route that it is put around, for
/// each request; and one future, since each has room for the request.
async fn around(State(bounds): State<Arc<Bounds>>, request: Request, next: Next) -> Response {
    let id = trail::fresh();
    let span = span(&id, &request);
    let asked = Asked::of(&request);
    let refused = span.in_scope(|| bounds.refuse(asked.address, &request).err());
    let response = match refused {
        Some(problem) => problem.into_response(),
        None => {
            let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
            let answering = trail::under(id.clone(), timeout(bounds.patience, answering));
            match answering.instrument(span.clone()).await {
                Ok(Ok(response)) => response,
                Ok(Err(_panic)) => {
                    tracing::error!(parent: &span, request = %id, route = asked.route, "a handler panicked");
                    Problem::internal().into_response()
                }
                Err(_) => too_slow().into_response(),
            }
        }
    };
    span.in_scope(|| bounds.answered(&id, asked, response))
}

fn span(id: &str, request: &Request) -> Span {
    let span = tracing::error_span!("http", request = id, client_request = field::Empty);
    let theirs = request.headers().get(THEIR_ID);
    if let Some(theirs) = theirs.and_then(|value| trail::well_formed(value.to_str().ok()?)) {
        span.record("client_request", theirs);
    }
    span
}

/// What of a request is needed when it is answered.
struct Asked {
    began: Instant,
    method: &'static str,
    route: String,
    read: Option<Read>,
    visit: Option<Visit>,
    address: Option<IpAddr>,
    secure: bool,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        let route = extensions
            .get::<MatchedPath>()
            .map_or("unmatched".to_owned(), |p| p.as_str().to_owned());
        let target = request.uri().path_and_query().map_or("", |t| t.as_str());
        let peer = extensions.get::<Peer>();
        Self {
            began: Instant::now(),
            method: known(request.method()),
            read: Read::of(request.method(), &route, target),
            route,
            visit: extensions.get::<Visit>().cloned(),
            address: peer.map(|peer| peer.address),
            secure: peer.is_some_and(|peer| peer.secure),
        }
    }
}

impl Bounds {
    /// Refuses what no handler needs to see.
    fn refuse(&self, address: Option<IpAddr>, request: &Request) -> Result<(), Problem> {
        let unnamed = request.extensions().get::<Unnamed>();
        let rates = unnamed.map_or(&self.rates, |_| &self.unnamed);
        if let Some(address) = address
            && let Err(empty) = rates.take(address, self.began.elapsed())
        {
            metrics::counter!("custodyd_edge_refused_total", "why" => "address_rate").increment(1);
            return Err(empty.problem("this address's"));
        }
        if let Some(Unnamed(problem)) = unnamed {
            return Err(problem.clone());
        }
        // RFC 9112 §6.1: two framings are two readings. The digest is signed, so the length is known before the first byte.
        if request.headers().contains_key(header::TRANSFER_ENCODING) {
            return Err(Problem::new(
                411,
                "length",
                "A length is needed",
                "send Content-Length and no Transfer-Encoding",
            ));
        }
        Ok(())
    }

    /// What every answer has, and what is written down of it.
    fn answered(&self, id: &str, asked: Asked, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        // The console's own files may be kept: their names change with them.
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        if asked.secure {
            let value = HeaderValue::from_static(HSTS);
            headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
        }
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert("x-request-id", id);
        }
        let (status, route, method) = (response.status(), asked.route, asked.method);
        if let Some(address) = asked.address {
            match (asked.read, &asked.visit) {
                (Some(read), Some(visit)) if visit.speaker().is_some() => {
                    read.answered(id, &route, visit, address, status);
                }
                (_, visit) => {
                    let (visit, now) = (visit.as_ref(), self.began.elapsed());
                    let refusals = &self.refusals;
                    refusals.refused(id, &route, visit, address, status, now);
                }
            }
        }
        tracing::debug!(request = %id, method, route, status = status.as_u16(), "answered");
        let elapsed = asked.began.elapsed();
        self.meters.note(method, &route, status, elapsed);
        response
    }
}

fn too_slow() -> Problem {
    Problem::new(
        408,
        "timeout",
        "The request took too long",
        "a withdrawal is repeated safely under its idempotency key",
    )
}

/// A method's name in logs and metrics. A client may make up any, and each would be a new time series.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::HEAD => "HEAD",
        _ => "other",
    }
}
