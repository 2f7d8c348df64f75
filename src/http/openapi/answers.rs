//! What any operation may answer beside its own: each refusal by its status, and 202 for what is not judged yet.

use utoipa::openapi::{
    Content, Ref, RefOr, Response, ResponseBuilder, Schema, path::Operation, schema::OneOf,
};

/// What an operation takes and does, as far as refusals go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// It is decided by the engine.
    pub(super) write: bool,
    /// It gives what the engine decided.
    pub(super) judged: bool,
    /// Its path has an id.
    pub(super) names: bool,
}

/// Refusals of every signed operation.
const ALWAYS: [(&str, &str); 12] = [
    (
        "400",
        "the request, a header, a parameter or the body can't be read",
    ),
    ("401", "not signed by anyone known here"),
    (
        "403",
        "outside of the client's scopes, for others than the signer, or from an address that is not let in",
    ),
    (
        "408",
        "the request took too long; a write may have been taken",
    ),
    (
        "409",
        "this very request came before, or not possible in this state",
    ),
    ("411", "Content-Length is missing"),
    ("413", "the body is too large"),
    ("414", "the target is too long"),
    ("429", "too many requests; Retry-After says when to go on"),
    ("431", "the head is too large"),
    (
        "500",
        "a fault of custodyd; nothing was signed because of it",
    ),
    ("503", "a part does not answer; try again after Retry-After"),
];
/// Of those that name something.
const NAMING: (&str, &str) = ("404", "no such thing, or not the caller's");
/// Of those that bring a body which is judged.
const JUDGED: [(&str, &str); 4] = [
    NAMING,
    ("415", "another media type than the one described"),
    (
        "422",
        "read, but not acceptable; the problem's type and detail say why",
    ),
    (
        "423",
        "the vault is frozen, or a wallet that might have paid",
    ),
];

/// Puts each status in the place of `4XX` and `5XX`, in the media type of RFC 9457.
pub(super) fn describe(kind: Kind, operation: &mut Operation) {
    let answers = &mut operation.responses.responses;
    answers.remove("4XX");
    answers.remove("5XX");
    for (status, answer) in answers.iter_mut() {
        if let RefOr::T(own) = answer
            && status.starts_with(['4', '5'])
        {
            *answer = RefOr::T(problem(&own.description));
        }
    }
    let mut refusals = ALWAYS.to_vec();
    if kind.judged {
        refusals.extend(JUDGED);
    } else if kind.names {
        refusals.push(NAMING);
    }
    for (status, why) in refusals {
        answers
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(problem(why)));
    }
    if kind.write {
        may_be_pending(operation);
    }
}

fn problem(why: &str) -> Response {
    let schema = Ref::from_schema_name("Problem");
    ResponseBuilder::new()
        .description(why)
        .content("application/problem+json", Content::new(Some(schema)))
        .build()
}

/// A write that is stored but not answered in time gets 202 and the request's id.
fn may_be_pending(operation: &mut Operation) {
    let pending = Ref::from_schema_name("PendingView");
    let answer = operation.responses.responses.entry("202".to_owned());
    let answer = answer.or_insert_with(|| {
        let stored = "stored, not answered yet: ask at Location";
        RefOr::T(ResponseBuilder::new().description(stored).build())
    });
    let RefOr::T(answer) = answer else { return };
    let content = answer.content.entry("application/json".to_owned());
    let RefOr::T(content) = content.or_insert_with(|| RefOr::T(Content::default())) else {
        return;
    };
    content.schema = Some(match content.schema.take() {
        None => pending.into(),
        Some(RefOr::Ref(own)) if own.ref_location == pending.ref_location => pending.into(),
        Some(own) => {
            let mut either = OneOf::new();
            either.items = vec![own, pending.into()];
            RefOr::T(Schema::OneOf(either))
        }
    });
}
