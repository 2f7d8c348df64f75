//! docs/MONITORING.md, the alert rules, the dashboard and a running daemon name the same metrics.

use std::collections::{BTreeMap, BTreeSet};

use custodyd::telemetry::catalogue::{self, Metric, Shown};
use custodyd_testbed::project;
use serde_json::Value;

use crate::house::{LONG, Plan, SOMEBODY, ask, fund_ether, house, pay};

fn text(path: &str) -> String {
    std::fs::read_to_string(project().join(path)).unwrap()
}

/// A row of the table that the page has for this metric.
fn documented(metric: &Metric) -> String {
    let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
    let labels = if labels.is_empty() {
        "–".to_owned()
    } else {
        labels.join(", ")
    };
    format!(
        "| `{}` | {} | {labels} | {} |",
        metric.name,
        metric.kind.word(),
        metric.help
    )
}

#[test]
fn the_page_documents_every_metric_as_the_daemon_describes_it_and_no_other() {
    let page = text("docs/MONITORING.md");
    let rows: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `custodyd_"))
        .collect();
    let expected: BTreeSet<String> = catalogue::all().map(documented).collect();
    let missing: Vec<_> = expected
        .iter()
        .filter(|row| !rows.contains(row.as_str()))
        .collect();
    let strange: Vec<_> = rows
        .iter()
        .filter(|row| !expected.contains(**row))
        .collect();
    assert!(
        missing.is_empty() && strange.is_empty(),
        "missing: {missing:#?}\nunknown: {strange:#?}"
    );
}

/// The metrics of a scrape: name, kind, and the labels of each series.
fn scraped(page: &str) -> BTreeMap<String, (String, Vec<Vec<String>>)> {
    let mut found: BTreeMap<String, (String, Vec<Vec<String>>)> = BTreeMap::new();
    let mut current = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            current = name.to_owned();
            found.insert(current.clone(), (kind.to_owned(), Vec::new()));
        } else if !line.starts_with('#') && !line.is_empty() {
            assert!(line.starts_with(&current), "{line} under {current}");
            let labels = line.split_once('{').map_or("", |(_, rest)| rest);
            let names = labels
                .split("=\"")
                .filter_map(|part| part.rsplit([',', '{', '"']).next())
                .filter(|name| {
                    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                })
                .filter(|name| *name != "le")
                .map(str::to_owned);
            let series = if labels.is_empty() {
                Vec::new()
            } else {
                names.collect()
            };
            found.get_mut(&current).unwrap().1.push(series);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_daemon_shows_what_the_page_documents() {
    let house = house(Plan {
        litecoin: false,
        extra_config: "[metrics]\nbalances = true\n\n[alerts]\nevery_s = 1\naudit_s = 1".to_owned(),
        ..Plan::default()
    })
    .await;
    fund_ether(&house).await;
    let client = house.client_as("client/exchange").unwrap();
    pay(&house, &client, "k1", &ask("ETH", "0.25", SOMEBODY)).await;
    let sound = r#"custodyd_journal_audits_total{result="sound"}"#;
    let metrics = || house.daemon.get("/metrics").unwrap().body;
    house
        .until("verify its journal", LONG, async || {
            let page = metrics();
            let mut lines = page.lines().filter_map(|line| line.strip_prefix(sound));
            lines.any(|count| count.trim() != "0")
        })
        .await
        .unwrap();
    let page = metrics();
    let shown = scraped(&page);
    for (name, (kind, series)) in &shown {
        let metric = catalogue::find(name).unwrap_or_else(|| panic!("{name} is not documented"));
        assert_eq!(kind, metric.kind.word(), "{name}");
        let help = format!("# HELP {name} {}", metric.help);
        assert!(page.lines().any(|line| line == help), "{help}");
        for labels in series {
            let mut expected: Vec<&str> = metric.labels.to_vec();
            let mut labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            expected.sort_unstable();
            labels.sort_unstable();
            assert_eq!(labels, expected, "{name}");
        }
    }
    let absent: Vec<&str> = catalogue::all()
        .filter(|metric| metric.shown == Shown::Always && !shown.contains_key(metric.name))
        .map(|metric| metric.name)
        .collect();
    assert!(absent.is_empty(), "documented, and not shown: {absent:?}");

    for line in [
        r#"custodyd_withdrawals_ended_total{outcome="paid"} 1"#,
        r#"custodyd_withdrawals_open{state="awaiting_approval"} 0"#,
        r#"custodyd_verdicts_total{outcome="allow"} 1"#,
        r#"custodyd_limit_use_ratio{limit="hot-eth-daily"} 0.0125"#,
        r#"custodyd_node_up{network="eip155:31337"} 1"#,
        r#"custodyd_wallet_nonces_ahead{wallet="hot-eth"} 0"#,
        "custodyd_inbox_requests 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    // All the digits, though Prometheus keeps a float of them.
    let balance = "custodyd_wallet_balance{wallet=\"hot-eth\",asset=\"ETH\"} 9.7";
    assert!(page.contains(balance), "{page}");
    for name in ["alice", "exchange", SOMEBODY] {
        assert!(!page.contains(name), "{name}");
    }
}

/// Names of metrics in a query, with what a histogram adds to them taken off.
fn named(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("custodyd_"));
    ours.map(|word| {
        let stem = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| word.strip_suffix(suffix));
        match stem {
            Some(stem) if catalogue::find(stem).is_some() => stem.to_owned(),
            _ => word.to_owned(),
        }
    })
    .collect()
}

fn assert_known(what: &str, query: &str) {
    for name in named(query) {
        assert!(
            catalogue::find(&name).is_some(),
            "{what}: there is no {name}"
        );
    }
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_exist() {
    let rules = text("deploy/monitoring/alerts.yml");
    assert!(named(&rules).len() > 15);
    assert_known("alerts.yml", &rules);
    let dashboard: Value = serde_json::from_str(&text("deploy/monitoring/dashboard.json")).unwrap();
    let mut panels = 0;
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            assert!(!named(query).is_empty(), "{query}");
            assert_known("dashboard.json", query);
            panels += 1;
        }
    }
    assert!(panels > 20, "{panels}");
}

#[test]
fn every_alert_of_the_daemon_has_its_place_on_the_page() {
    let page = text("docs/MONITORING.md");
    for kind in custodyd::alerts::Kind::ALL {
        let row = format!("| `{}` | {} |", kind.word(), kind.severity().word());
        assert!(page.contains(&row), "{row}");
    }
}
