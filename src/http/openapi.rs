//! The API's description (OpenAPI 3.1), generated from the handlers.
//!
//! What all operations have in common is said once, here and in the three modules below, and put into each of them.

mod answers;
mod ids;
mod inputs;

use axum::{body::Bytes, http::StatusCode, response::Response};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        path::{HttpMethod, Operation},
        security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme},
    },
};

use super::{reply, withdrawals::PendingView};
use crate::problem::Problem;

/// What the description says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "custodyd",
        description = "Withdrawals, approvals, wallets, the cold path and the journal of a custodyd vault. \
            Every request under /v1 is signed under HTTP Message Signatures (RFC 9421): label `sig1`, \
            components \"@method\" \"@authority\" \"@path\" and, where there is one, \"@query\"; with a body also \
            \"content-digest\" and \"content-type\"; \"idempotency-key\" where sent; parameters created, keyid \
            (`client/<id>`, `operator/<id>` or `invitation/<key>`), nonce, alg (\"ed25519\", for smart cards of operators \
            \"ecdsa-p256-sha256\"). Errors are RFC 9457 problem documents."
    ),
    components(schemas(Problem, PendingView)),
    modifiers(&Signatures)
)]
pub(super) struct Api;

struct Signatures;

impl Modify for Signatures {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        let schemes = [
            (
                "Signature-Input",
                "What is covered, and the parameters (RFC 9421 §4.1): sig1=(\"@method\" \"@authority\" \"@path\" …)\
                 ;created=…;keyid=\"client/…\";nonce=\"…\";alg=\"ed25519\". At most 512 bytes, in canonical form.",
            ),
            (
                "Signature",
                "The signature over the signature base (RFC 9421 §4.2): sig1=:<base64 of 64 bytes>:",
            ),
        ];
        for (header, what) in schemes {
            let value = ApiKeyValue::with_description(header, what);
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
        let operations = [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Put, &mut item.put),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                complete(path, &method, operation);
            }
        }
    }
    document
        .to_json()
        .unwrap_or_else(|_| "{}".to_owned())
        .into()
}

fn complete(path: &str, method: &HttpMethod, operation: &mut Operation) {
    name_by_subject(operation);
    if path.starts_with("/v1/") {
        ids::describe(path, operation);
        inputs::describe(operation);
        let write = *method != HttpMethod::Get;
        let kind = answers::Kind {
            write,
            judged: write || path.starts_with("/v1/requests/"),
            names: path.contains("{id}"),
        };
        answers::describe(kind, operation);
    }
}

/// An operation's id is unique: its handler's name, which says too little, behind its subject.
fn name_by_subject(operation: &mut Operation) {
    if let (Some(tags), Some(handler)) = (&operation.tags, &operation.operation_id)
        && let Some(subject) = tags.first()
    {
        operation.operation_id = Some(format!("{subject}_{handler}"));
    }
}

/// `GET /openapi.json`
pub(super) async fn serve(document: Bytes) -> Response {
    reply::typed(StatusCode::OK, "application/json", document)
}
