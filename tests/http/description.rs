//! /openapi.json says what is there, all of it, and no more; and logs say less than was sent.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    edge::{Asked, Edge, SHOP},
    page::Page,
    wire::{Answer, Request},
};

const OPERATIONS: [&str; 35] = [
    "get /healthz",
    "get /metrics",
    "get /readyz",
    "get /v1/cold/exports/{id}",
    "get /v1/cold/exports/{id}/bundle",
    "get /v1/events",
    "get /v1/hsm",
    "get /v1/journal",
    "get /v1/journal/checkpoint",
    "get /v1/limits",
    "get /v1/policy",
    "get /v1/proposals",
    "get /v1/proposals/{id}",
    "get /v1/requests/{id}",
    "get /v1/transactions/{id}",
    "get /v1/wallets",
    "get /v1/wallets/{id}",
    "get /v1/wallets/{id}/addresses",
    "get /v1/withdrawals",
    "get /v1/withdrawals/{id}",
    "post /v1/cold/exports",
    "post /v1/cold/imports",
    "post /v1/enrolments",
    "post /v1/freeze",
    "post /v1/proposals",
    "post /v1/proposals/{id}/approvals",
    "post /v1/proposals/{id}/vetoes",
    "post /v1/unfreeze",
    "post /v1/wallets/{id}/addresses",
    "post /v1/withdrawals",
    "post /v1/withdrawals/simulate",
    "post /v1/withdrawals/{id}/approvals",
    "post /v1/withdrawals/{id}/cancellation",
    "post /v1/withdrawals/{id}/rejections",
    "put /v1/prices",
];

async fn unsigned(edge: &Edge, method: &str, target: &str) -> Answer {
    let mut request = Request::new(method, target, b"");
    request.header("host", &edge.authority());
    edge.send(&request).await
}

async fn description(edge: &Edge) -> Value {
    unsigned(edge, "GET", "/openapi.json").await.json()
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation.get("responses").is_some() {
                found.push((method.clone(), path.clone(), operation.clone()));
            }
        }
    }
    found
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
            Value::String(target) if name == "$ref" => drop(found.insert(target.clone())),
            value => references(value, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Refusals that every signed operation may give.
const ALWAYS: [&str; 12] = [
    "400", "401", "403", "408", "409", "411", "413", "414", "429", "431", "500", "503",
];
/// And those of what is judged; a write may also be answered later.
const JUDGED: [&str; 5] = ["202", "404", "415", "422", "423"];

/// A refusal is a problem document; JSON has a shape.
fn describes_its_answer(what: &str, status: &str, answer: &Value) {
    let content = answer["content"].as_object().unwrap();
    assert_eq!(content.len(), 1, "{what}");
    let (media, body) = content.iter().next().unwrap();
    if status.starts_with(['4', '5']) {
        assert_eq!(media, "application/problem+json", "{what}");
        let problem = "#/components/schemas/Problem";
        assert_eq!(body["schema"]["$ref"], problem, "{what}");
    } else if media == "application/json" {
        let schema = &body["schema"];
        assert!(
            schema["$ref"].is_string() || schema["oneOf"].is_array(),
            "{what}: {schema}"
        );
    }
}

#[tokio::test]
async fn every_id_in_a_path_has_a_pattern_and_every_list_a_limit() {
    let edge = Edge::start().await;
    for (method, path, operation) in operations(&description(&edge).await) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let (what, schema) = (format!("{method} {path}"), &parameter["schema"]);
            match parameter["name"].as_str().unwrap() {
                "id" => {
                    let pattern = schema["pattern"].as_str().unwrap();
                    assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{what}");
                    assert!(!schema["examples"].as_array().unwrap().is_empty(), "{what}");
                }
                "limit" => {
                    assert_eq!(schema["minimum"].as_f64(), Some(1.0), "{what}");
                    assert_eq!(schema["maximum"].as_f64(), Some(200.0), "{what}");
                }
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn every_operation_is_described_with_its_parameters_and_problems() {
    let edge = Edge::start().await;
    let document = description(&edge).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["info"]["version"].is_string());
    let found = operations(&document);
    let names: BTreeSet<String> = found.iter().map(|(m, p, _)| format!("{m} {p}")).collect();
    let wanted: BTreeSet<String> = OPERATIONS.iter().map(ToString::to_string).collect();
    assert_eq!(names, wanted);

    let mut ids = BTreeSet::new();
    for (method, path, operation) in &found {
        let what = format!("{method} {path}");
        assert!(
            ids.insert(operation["operationId"].to_string()),
            "{what}: its id is taken"
        );
        assert_eq!(
            path.contains("{id}"),
            operation["parameters"].as_array().is_some_and(|all| all
                .iter()
                .any(|p| p["name"] == "id" && p["in"] == "path" && p["required"] == true)),
            "{what}: its id"
        );
        if !path.starts_with("/v1/") {
            assert_eq!(operation["security"], serde_json::json!([{}]), "{what}");
            continue;
        }
        assert!(
            operation.get("security").is_none(),
            "{what}: signed like all others"
        );
        let answers = operation["responses"].as_object().unwrap();
        let mut wanted = ALWAYS.to_vec();
        wanted.extend((method != "get").then_some(&JUDGED).into_iter().flatten());
        wanted.extend(path.contains("{id}").then_some("404"));
        for status in wanted {
            assert!(answers.contains_key(status), "{what}: {status}");
        }
        for (status, answer) in answers {
            assert!(
                status.bytes().all(|byte| byte.is_ascii_digit()),
                "{what}: {status}"
            );
            describes_its_answer(&format!("{what}: {status}"), status, answer);
        }
        assert!(
            answers.keys().any(|status| status.starts_with('2')),
            "{what}"
        );
    }
}

#[tokio::test]
async fn every_reference_of_the_description_leads_somewhere() {
    let edge = Edge::start().await;
    let document = description(&edge).await;
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/WithdrawalView"));
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some_and(Value::is_object),
            "{reference}"
        );
    }
    let schemes = document["components"]["securitySchemes"]
        .as_object()
        .unwrap();
    for name in document["security"][0].as_object().unwrap().keys() {
        assert!(schemes.contains_key(name), "{name}");
    }
    assert_eq!(schemes.len(), 2);
    let problem = &document["components"]["schemas"]["Problem"];
    assert_eq!(
        problem["required"],
        serde_json::json!(["type", "title", "status", "detail"])
    );
}

#[tokio::test]
async fn every_described_operation_of_v1_asks_for_a_signature() {
    let edge = Edge::start().await;
    for (method, path, _) in operations(&description(&edge).await) {
        let id = match path.split('/').nth(2) {
            Some("withdrawals") => format!("wd_{}", "0".repeat(32)),
            Some("proposals") => format!("pr_{}", "0".repeat(32)),
            Some("transactions") => format!("tx_{}", "0".repeat(32)),
            Some("cold") => format!("ex_{}", "0".repeat(32)),
            _ => "0".repeat(32),
        };
        let target = path.replace("{id}", &id);
        let answer = unsigned(&edge, &method.to_uppercase(), &target).await;
        if path.starts_with("/v1/") {
            answer.is_problem(401, "unauthenticated");
        } else {
            assert_eq!(answer.status, 200, "{path}");
        }
    }
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn the_fullest_log_holds_neither_body_nor_signature() {
    let page = Page::of_all_that_is_logged();
    let edge = Edge::start().await;
    let body = br#"{"vault":"main","asset":"LTC","amount":"0.5","destination":"MARKEDDESTINATION","reference":"MARKEDREFERENCE"}"#;
    let request = edge.signed(SHOP, &Asked::post("/v1/withdrawals", body));
    assert_eq!(edge.send(&request).await.status, 202);
    let wrong = br#"{"MARKEDFIELD":1}"#;
    assert_eq!(edge.post(SHOP, "/v1/withdrawals", wrong).await.status, 400);
    let log = page.text();
    assert!(
        log.contains("/v1/withdrawals") && log.contains("status=400"),
        "it is a log"
    );
    let signature = request.value("signature");
    for secret in [
        "MARKED",
        signature.trim_start_matches("sig1=:"),
        "bWFpbiIsImFzc2V0",
    ] {
        assert!(!log.contains(secret), "{secret}");
    }
}
