//! Outermost around each request: its id, which every line that is logged on its behalf carries.

use axum::{extract::Request, middleware::Next, response::Response};
use tracing::{Instrument as _, field};

use crate::telemetry::trail;

/// A client's own id for its request.
const THEIRS: &str = "x-request-id";

#[derive(Debug, Clone)]
struct TrailId(String);

/// The id of the request at hand.
pub(super) fn id_of(request: &Request) -> String {
    let id = request.extensions().get::<TrailId>();
    id.map_or_else(trail::fresh, |id| id.0.clone())
}

pub(super) async fn follow(mut request: Request, next: Next) -> Response {
    let id = trail::fresh();
    request.extensions_mut().insert(TrailId(id.clone()));
    let theirs = request.headers().get(THEIRS);
    let theirs = theirs.and_then(|value| trail::well_formed(value.to_str().ok()?));
    let span = tracing::error_span!("http", request = id, client_request = field::Empty);
    if let Some(theirs) = theirs {
        span.record("client_request", theirs);
    }
    trail::under(id, next.run(request)).instrument(span).await
}
