//! Every route of the API, and what all of them share.

use std::time::{Duration, Instant};

use axum::{
    Extension, Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use utoipa::OpenApi as _;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt as _},
    routes,
};

use super::{
    AppState, Limits, cold, comparison::Comparisons, enrolments, freeze, health, hsm, journal,
    openapi, policy, prices, proposals, transactions, wallets, withdrawals,
};
use crate::{console, problem::Problem};

/// The API.
pub fn router(state: AppState) -> Router {
    within(state, Limits::default().request_patience)
}

/// The API, each request answered within `patience`.
pub(super) fn within(state: AppState, patience: Duration) -> Router {
    let imports = from_fn_with_state(cold::import_places(), cold::admit);
    let proposing = from_fn_with_state(proposals::places(), cold::admit);
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
        .layer(from_fn_with_state(patience, around))
        .with_state(state)
}

/// Around each request: an id, a time limit, a measurement, headers that every answer has, a wall against panics.
async fn around(State(patience): State<Duration>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = uuid::Uuid::now_v7().simple().to_string();
    let method = known(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched".to_owned(), |p| p.as_str().to_owned());
    let answering = std::panic::AssertUnwindSafe(answer(patience, request, next));
    let mut response = answering.catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(request = %id, route, "a handler panicked");
        Problem::internal().into_response()
    });
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // The console's own files may be kept: their names change with them.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    let status = response.status();
    tracing::debug!(request = %id, method, route, status = status.as_u16(), "answered");
    measure(method, route, status, began.elapsed());
    response
}

async fn answer(patience: Duration, request: Request, next: Next) -> Response {
    // RFC 9112 §6.1: two framings are two readings. The digest is signed, so the length is known before the first byte.
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Problem::new(
            411,
            "length",
            "A length is needed",
            "send Content-Length and no Transfer-Encoding",
        )
        .into_response();
    }
    let answered = tokio::time::timeout(patience, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        Problem::new(
            408,
            "timeout",
            "The request took too long",
            "a withdrawal is repeated safely under its idempotency key",
        )
        .into_response()
    })
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

fn measure(method: &'static str, route: String, status: StatusCode, elapsed: Duration) {
    let status = status.as_str().to_owned();
    metrics::counter!(
        "custodyd_http_requests_total",
        "method" => method, "route" => route.clone(), "status" => status
    )
    .increment(1);
    metrics::histogram!("custodyd_http_seconds", "route" => route).record(elapsed);
}
