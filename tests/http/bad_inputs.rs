//! Bad input over HTTP, item by item: each with the tests that send it over a real socket.
//!
//! The list is checked: a test that was renamed or taken away leaves its item without a proof, and fails here.

use std::{collections::BTreeSet, fs, path::Path};

use crate::edge::{ALICE, Asked, Edge, SHOP, WITHDRAWAL};

/// An item, and where it is sent: `file: test`.
const CATALOGUE: [(&str, &[&str]); 36] = [
    (
        "empty body",
        &["http/bodies.rs: an_empty_body_or_another_media_type_is_refused"],
    ),
    (
        "1 GB body",
        &["http/framing.rs: a_gigabyte_is_refused_before_it_is_read"],
    ),
    (
        "100,000-deep JSON",
        &[
            "http/bad_inputs.rs: json_is_read_to_a_depth_of_127_and_no_deeper_however_large_it_may_be",
            "http/framing.rs: a_body_just_over_the_limit_is_refused_and_one_just_below_is_read",
        ],
    ),
    ("duplicate keys", &[BODIES, E2E_BODIES]),
    ("unknown fields", &[BODIES, E2E_BODIES]),
    ("wrong types", &[BODIES, E2E_BODIES]),
    ("NaN", &[BODIES, E2E_BODIES]),
    ("amount as a JSON number", &[BODIES, E2E_BODIES]),
    ("1e18", &[E2E_BODIES]),
    ("negative", &[E2E_BODIES]),
    ("zero", &[E2E_BODIES]),
    ("2^64", &[E2E_AMOUNTS]),
    ("2^256", &[E2E_BODIES, E2E_AMOUNTS]),
    ("leading zeros", &[E2E_BODIES]),
    (
        "more decimals than the asset has",
        &[E2E_BODIES, E2E_AMOUNTS],
    ),
    ("comma decimal", &[E2E_BODIES]),
    ("NUL", &[BODIES, E2E_BODIES]),
    ("right-to-left override", &[BODIES, E2E_BODIES]),
    ("homoglyphs", &[BODIES, E2E_AMOUNTS]),
    ("lone surrogate", &[BODIES, E2E_BODIES]),
    (
        "path traversal in an id",
        &[
            "http/bodies.rs: what_is_no_id_names_nothing_wherever_it_stands",
            "http/bodies.rs: a_path_that_climbs_is_no_path",
        ],
    ),
    ("SQL in a label", &[E2E_AMOUNTS, E2E_BODIES]),
    (
        "empty or 10 KB idempotency key",
        &[
            "http/bodies.rs: an_idempotency_key_is_needed_short_and_printable",
            E2E_BODIES,
        ],
    ),
    ("the same key with another body", &[E2E_SIGNATURES]),
    (
        "a hundred simultaneous duplicates",
        &[
            "http/authentication.rs: of_a_hundred_copies_sent_at_once_one_is_stored",
            "e2e/main_job.rs: a_hundred_simultaneous_repetitions_pay_once",
        ],
    ),
    ("another vault's id", &[E2E_BODIES]),
    (
        "a replayed signed request",
        &[
            "http/authentication.rs: a_request_that_is_sent_again_is_refused",
            E2E_SIGNATURES,
        ],
    ),
    (
        "a signature over another path",
        &[
            "http/authentication.rs: a_signature_holds_for_nothing_else_than_was_signed",
            E2E_SIGNATURES,
        ],
    ),
    (
        "clock skew beyond the window",
        &[
            "http/authentication.rs: a_clock_off_by_more_than_the_window_is_refused_and_told_so",
            E2E_SIGNATURES,
        ],
    ),
    (
        "conflicting Content-Length and Transfer-Encoding",
        &[
            "http/framing.rs: a_body_framed_in_two_ways_is_refused_and_nothing_behind_it_is_a_request",
        ],
    ),
    (
        "slow head",
        &["http/patience.rs: a_head_that_drips_in_is_cut_off"],
    ),
    (
        "slow body",
        &["http/patience.rs: a_body_that_drips_in_is_given_up"],
    ),
    (
        "answers never read",
        &["http/crowd.rs: who_never_reads_an_answer_is_given_up"],
    ),
    (
        "10,000 idle connections",
        &[
            "http/crowd.rs: ten_thousand_idle_connections_of_many_addresses_keep_nobody_out",
            "e2e/edge_crowd.rs: withdrawals_go_on_while_ten_thousand_connections_idle",
        ],
    ),
    (
        "oversize head, headers, target",
        &["http/framing.rs: a_head_too_large_or_with_too_many_fields_is_refused"],
    ),
    (
        "many requests of one address or client",
        &[
            "http/origin.rs: an_address_that_asks_too_fast_is_held_back_whoever_signs_and_others_are_not",
            "http/origin.rs: a_client_that_asks_too_fast_is_told_when_to_come_again_and_nobody_else_waits",
        ],
    ),
];

const BODIES: &str =
    "http/bodies.rs: json_that_is_not_exactly_a_withdrawal_is_refused_and_nothing_is_stored";
const E2E_BODIES: &str =
    "e2e/bad_inputs.rs: malformed_requests_are_refused_by_type_and_change_nothing";
const E2E_SIGNATURES: &str =
    "e2e/bad_signatures.rs: signatures_framing_and_replays_are_judged_before_anything_else";
const E2E_AMOUNTS: &str =
    "e2e/edge_inputs.rs: numbers_labels_and_look_alikes_at_the_edge_of_what_is_possible";

/// The tests named as `file: test`, with a folder before the file, that are not there.
pub(crate) fn missing<'a>(named: impl IntoIterator<Item = &'a str>, folder: &Path) -> Vec<&'a str> {
    let stands = |named: &str| {
        let (file, test) = named.split_once(": ")?;
        let source = fs::read_to_string(folder.join(file)).ok()?;
        source.contains(&format!("fn {test}(")).then_some(())
    };
    named
        .into_iter()
        .filter(|named| stands(named).is_none())
        .collect()
}

#[test]
fn each_item_of_the_catalogue_names_tests_that_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let named = CATALOGUE
        .iter()
        .flat_map(|(_, tests)| tests.iter().copied());
    assert_eq!(missing(named, &folder), [""; 0]);
    let items: BTreeSet<&str> = CATALOGUE.iter().map(|(item, _)| *item).collect();
    assert_eq!(items.len(), CATALOGUE.len());
    assert!(CATALOGUE.iter().all(|(_, tests)| !tests.is_empty()));
}

#[test]
fn each_test_that_the_threats_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/THREATS.md")).unwrap();
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains(".rs`"));
    // `file`: `test`, or a file alone.
    let mut named = Vec::new();
    for row in rows {
        for shown in row.rsplit('|').nth(1).unwrap().split(';') {
            let shown = shown.trim().replace('`', "");
            match shown.split_once(": ") {
                Some(_) => named.push(shown),
                None => assert!(root.join(&shown).is_file(), "{shown}"),
            }
        }
    }
    assert!(named.len() > 40, "{}", named.len());
    assert_eq!(missing(named.iter().map(String::as_str), root), [""; 0]);
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[tokio::test]
async fn json_is_read_to_a_depth_of_127_and_no_deeper_however_large_it_may_be() {
    let edge = Edge::start().await;
    // A proposal may be a megabyte, in which a hundred thousand levels fit. Body, list and change are three of them.
    let said = async |levels: usize| {
        let deep = nested(levels - 3);
        let change = format!(r#"{{"x":{deep},"change":"block","addresses":[]}}"#);
        let body = format!(r#"{{"vault":"main","reason":"r","changes":[{change}]}}"#);
        let answer = edge.post(ALICE, "/v1/proposals", body.as_bytes()).await;
        let detail = answer.is_problem(400, "malformed");
        assert!(detail.chars().count() <= 1_001, "{detail}");
        detail
    };
    assert!(!said(127).await.contains("recursion limit"));
    for levels in [128, 1_000, 100_000] {
        let detail = said(levels).await;
        assert!(detail.contains("recursion limit"), "{levels}: {detail}");
    }
    assert!(edge.inbox().await.is_empty());
    assert_eq!(
        edge.post(SHOP, "/v1/withdrawals", WITHDRAWAL).await.status,
        202
    );
}

#[tokio::test]
async fn an_unsigned_flood_of_everything_oversize_leaves_the_next_request_alone() {
    let edge = Edge::start().await;
    let host = edge.authority();
    let large = [
        format!(
            "GET /{} HTTP/1.1\r\nhost: {host}\r\n\r\n",
            "a".repeat(100_000)
        ),
        format!(
            "GET / HTTP/1.1\r\nhost: {host}\r\nx: {}\r\n\r\n",
            "a".repeat(100_000)
        ),
        format!(
            "GET / HTTP/1.1\r\nhost: {host}\r\n{}\r\n",
            "x: y\r\n".repeat(10_000)
        ),
        format!("{} / HTTP/1.1\r\nhost: {host}\r\n\r\n", "A".repeat(100_000)),
        format!(
            "POST /v1/withdrawals HTTP/1.1\r\nhost: {host}\r\ncontent-length: 18446744073709551615\r\n\r\n"
        ),
        "\0".repeat(100_000),
    ];
    for request in large.iter().cycle().take(60) {
        let answer = crate::wire::raw_exchange(edge.address, request.as_bytes()).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(
            !text.starts_with("HTTP/1.1 2") && !text.starts_with("HTTP/1.1 5"),
            "{text}"
        );
    }
    let read = edge
        .send(&edge.signed(SHOP, &Asked::get("/v1/wallets")))
        .await;
    assert_eq!(read.status, 200);
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn an_answer_tells_no_version_and_what_it_is() {
    let edge = Edge::start().await;
    let answers = [
        edge.get(ALICE, "/v1/wallets").await,
        edge.get(ALICE, "/v1/nowhere").await,
        edge.post(ALICE, "/v1/freeze", b"{").await,
        edge.get(ALICE, "/healthz").await,
        edge.get(ALICE, "/metrics").await,
    ];
    for answer in answers {
        assert!(answer.header("content-type").is_some(), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        for telling in ["server", "x-powered-by", "via"] {
            assert_eq!(answer.header(telling), None);
        }
        let cors = |(name, _): &&(String, String)| name.starts_with("access-control");
        assert_eq!(answer.headers.iter().find(cors), None);
    }
}
