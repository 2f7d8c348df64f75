//! The API's description (OpenAPI 3.1), generated from the handlers.

use axum::{body::Bytes, http::StatusCode, response::Response};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        RefOr,
        path::Operation,
        security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme},
    },
};

use super::reply;
use crate::problem::Problem;

/// What the description says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "custodyd",
        description = "Withdrawals, approvals, wallets, the cold path and the journal of a custodyd vault. \
            Every request under /v1 is signed with Ed25519 under HTTP Message Signatures (RFC 9421): label `sig1`, \
            components \"@method\" \"@authority\" \"@path\" and, where there is one, \"@query\"; with a body also \
            \"content-digest\" and \"content-type\"; \"idempotency-key\" where sent; parameters created, keyid \
            (`client/<id>` or `operator/<id>`), nonce, alg=\"ed25519\". Errors are RFC 9457 problem documents."
    ),
    components(schemas(Problem)),
    modifiers(&Signatures)
)]
pub(super) struct Api;

struct Signatures;

impl Modify for Signatures {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        for header in ["Signature-Input", "Signature"] {
            let value = ApiKeyValue::with_description(header, "HTTP Message Signatures, RFC 9421");
            components.add_security_scheme(header, SecurityScheme::ApiKey(ApiKey::Header(value)));
        }
        let none: [&str; 0] = [];
        let both = SecurityRequirement::new("Signature-Input", none).add("Signature", none);
        document.security = Some(vec![both]);
    }
}

/// The description as it is served.
pub(super) fn text(mut document: utoipa::openapi::OpenApi) -> Bytes {
    for (path, item) in &mut document.paths.paths {
        for operation in [&mut item.get, &mut item.post, &mut item.put]
            .into_iter()
            .flatten()
        {
            name_by_subject(operation);
            if path.starts_with("/v1/") {
                describe_problems(operation);
            }
        }
    }
    document
        .to_json()
        .unwrap_or_else(|_| "{}".to_owned())
        .into()
}

/// An operation's id is unique: its handler's name, which says too little, behind its subject.
fn name_by_subject(operation: &mut Operation) {
    if let (Some(tags), Some(handler)) = (&operation.tags, &operation.operation_id)
        && let Some(subject) = tags.first()
    {
        operation.operation_id = Some(format!("{subject}_{handler}"));
    }
}

/// Every operation may fail, and says so in the media type of RFC 9457.
fn describe_problems(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for (status, response) in responses.iter_mut() {
        if status.starts_with(['4', '5'])
            && let RefOr::T(response) = response
            && let Some(content) = response.content.shift_remove("application/json")
        {
            response
                .content
                .insert("application/problem+json".to_owned(), content);
        }
    }
    if let Some(refused) = responses.get("4XX").cloned() {
        responses.entry("5XX".to_owned()).or_insert(refused);
    }
}

/// `GET /openapi.json`
pub(super) async fn serve(document: Bytes) -> Response {
    reply::typed(StatusCode::OK, "application/json", document)
}
