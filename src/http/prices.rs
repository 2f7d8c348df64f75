//! `/v1/prices`: what assets are worth, for limits and rules in fiat.

use axum::{extract::State, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AppState, signed::Signed};
use crate::{problem::Problem, request::PricesBody};

/// A client with the scope `prices` says what assets are worth. Time never goes back, and a price that grows old is none.
#[utoipa::path(
    put, path = "/v1/prices", tag = "prices", request_body = PricesBody,
    responses((status = 200, body = PricesTaken), (status = "4XX", body = Problem))
)]
pub(super) async fn set(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}

/// What was taken.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "the shape of an answer, for the description")]
pub(super) struct PricesTaken {
    /// As it was sent.
    currency: String,
    /// As it was sent, Unix milliseconds.
    as_of: u64,
    /// As they were sent.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    prices: serde_json::Value,
}
