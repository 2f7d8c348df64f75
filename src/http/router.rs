//! Every route of the API, and what all of them share.

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    AppState, cold, freeze, health, journal, openapi, policy, transactions, wallets, withdrawals,
};
use crate::problem::Problem;

/// The API.
pub fn router(state: AppState) -> Router {
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
        .routes(routes!(transactions::show))
        .routes(routes!(cold::export))
        .routes(routes!(cold::show))
        .routes(routes!(cold::bundle))
        .routes(routes!(cold::import))
        .routes(routes!(freeze::freeze))
        .routes(routes!(freeze::unfreeze))
        .routes(routes!(policy::policy))
        .routes(routes!(policy::limits))
        .routes(routes!(journal::rows))
        .routes(routes!(journal::checkpoint))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .split_for_parts();
    let document = openapi::text(document);
    router
        .route(
            "/openapi.json",
            axum::routing::get(move || openapi::serve(document.clone())),
        )
        .fallback(|| async { Problem::not_found("no such path; see /openapi.json") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                405,
                "method",
                "Not that method",
                "see /openapi.json for the methods of this path",
            )
        })
        .layer(from_fn(around))
        .with_state(state)
}

/// Around each request: an id, a measurement, headers that every answer has, and a wall against panics.
async fn around(request: Request, next: Next) -> Response {
    let began = std::time::Instant::now();
    let id = uuid::Uuid::now_v7().simple().to_string();
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched".to_owned(), |p| p.as_str().to_owned());
    let answered = std::panic::AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .await;
    let mut response = answered.unwrap_or_else(|_| {
        tracing::error!(request = %id, route, "a handler panicked");
        Problem::internal().into_response()
    });
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    measure(&method, &route, response.status(), began.elapsed());
    tracing::debug!(request = %id, %method, route, status = response.status().as_u16(), "answered");
    response
}

fn measure(method: &Method, route: &str, status: StatusCode, elapsed: std::time::Duration) {
    let labels = [
        ("method", method.as_str().to_owned()),
        ("route", route.to_owned()),
        ("status", status.as_str().to_owned()),
    ];
    metrics::counter!("custodyd_http_requests_total", &labels).increment(1);
    metrics::histogram!("custodyd_http_seconds", "route" => route.to_owned()).record(elapsed);
}
