//! What an id in a path looks like: one table, so that every route of a kind says the same.

use utoipa::openapi::{
    RefOr, Schema,
    path::{Operation, Parameter},
};

/// By the path's beginning: the pattern of `{id}`, and an example.
const IDS: [(&str, &str, &str); 6] = [
    (
        "/v1/withdrawals/",
        "^wd_[0-9a-f]{32}$",
        "wd_019b8c1f7a2e7c3d9f00112233445566",
    ),
    (
        "/v1/proposals/",
        "^pr_[0-9a-f]{32}$",
        "pr_019b8c1f7a2e7c3d9f00112233445566",
    ),
    (
        "/v1/transactions/",
        "^tx_[0-9a-f]{32}$",
        "tx_5e1c8c1f7a2e7c3d9f00112233445566",
    ),
    (
        "/v1/cold/exports/",
        "^ex_[0-9a-f]{32}$",
        "ex_019b8c1f7a2e7c3d9f00112233445566",
    ),
    (
        "/v1/requests/",
        "^[0-9a-f]{32}$",
        "019b8c1f7a2e7c3d9f00112233445566",
    ),
    ("/v1/wallets/", "^[a-z0-9-]{1,64}$", "hot-ltc"),
];

/// Says of `{id}` what it looks like.
pub(super) fn describe(path: &str, operation: &mut Operation) {
    let Some((_, pattern, example)) = IDS.iter().find(|(begin, ..)| path.starts_with(begin)) else {
        return;
    };
    let parameters = operation.parameters.iter_mut().flatten();
    for parameter in parameters {
        if let RefOr::T(parameter) = parameter
            && parameter.name == "id"
        {
            shape(parameter, pattern, example);
        }
    }
}

fn shape(parameter: &mut Parameter, pattern: &str, example: &str) {
    if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema {
        schema.pattern = Some(pattern.to_owned());
        schema.examples = vec![example.into()];
    }
}
