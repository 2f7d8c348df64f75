//! The cold tier from the console: out as a bundle, signed by coldsign with another token, and back in.

use std::{collections::BTreeMap, path::Path};

use custodyd_airgap::from_parts;
use rqrr::PreparedImage;
use serde_json::json;

use crate::{
    bed::{House, LONG, Plan, approve, ask, house, quick_policy, show, sql, until_final},
    stage::Stage,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_payout_leaves_as_a_bundle_is_signed_elsewhere_and_comes_back_by_the_page() {
    let plan = Plan {
        cold: true,
        ethereum: false,
        policy: Some(quick_policy()),
        ..Plan::default()
    };
    let (house, mut stage) = house(plan).await;
    house.fund_litecoin("cold-ltc", &["30", "5"]).await.unwrap();
    let outside = house.litecoind.as_ref().unwrap().outside_address().unwrap();
    let id = ask(&house, "k1", "LTC", "25", &outside, Some("cold-ltc")).await;
    for who in ["operator/alice", "operator/bob"] {
        approve(&house, who, &id).await;
    }
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);

    stage.open_page("alice", "/console/cold");
    stage.wait("alice", &format!("#waiting-card a[href$=\"{id}\"]"));
    stage.look("alice", "cold-waiting");
    // A wallet that was chosen stays chosen, whatever else comes to wait: an empty choice would export every wallet's.
    let wallet = "#waiting-card select";
    let chosen = json!({ "at": wallet, "option": "cold-ltc" });
    stage.tell("alice", "choose", chosen);
    stage.press("alice", "h1");
    let other = ask(&house, "k2", "LTC", "2", &outside, Some("cold-ltc")).await;
    for who in ["operator/alice", "operator/bob"] {
        approve(&house, who, &other).await;
    }
    until_shown(&house, &mut stage).await;
    let chosen = stage.tell("alice", "value", json!({ "at": wallet }));
    assert_eq!(chosen, "cold-ltc");
    stage.press("alice", "#waiting-card input[type=checkbox]");
    stage.press("alice", "#waiting-card button");
    let download = "#out-list form[data-method=GET] button";
    stage.wait("alice", download);
    let code = stage.text("alice", "#out-list .code code");
    stage.look("alice", "cold-out");

    // A download is an act: signed, over this very bundle.
    let bundle = house.folder().join("stick/out.tar");
    let asked = json!({ "at": download, "file": bundle });
    let name = stage.tell("alice", "download", asked);
    let name = name.as_str().unwrap().to_owned();
    assert!(name.starts_with("ex_") && name.ends_with(".tar"), "{name}");
    let scanned = scan(&mut stage, &bundle);
    assert_eq!(
        from_parts(&scanned).unwrap(),
        std::fs::read(&bundle).unwrap()
    );
    stage.look("alice", "cold-codes");
    let bundle = bundle.display().to_string();
    let codes = house.folder().join("stick/out.ur").display().to_string();
    std::fs::write(&codes, scanned).unwrap();
    for carried in [&bundle, &codes] {
        let inspected = house.coldsign(&["inspect", carried]).unwrap();
        assert!(inspected.contains(&code), "{code}: {inspected}");
        let unspaced = inspected.replace(' ', "");
        assert!(unspaced.contains(&outside), "{outside}: {inspected}");
    }
    let back = house.folder().join("stick/back").display().to_string();
    house
        .coldsign(&["sign", &codes, "--out", &back, "--tar", "--yes"])
        .unwrap();

    // What left unsigned is not taken back.
    let input = "#import input[type=file]";
    stage.tell("alice", "upload", json!({ "at": input, "file": bundle }));
    stage.press("alice", "#import button");
    stage.wait("alice", ".answer.failed");
    assert_eq!(show(&house, &id).await["state"], "awaiting_cold_signature");
    // Its answer comes back as codes too.
    let signed = std::fs::read_to_string(format!("{back}.ur")).unwrap();
    stage.open_page("alice", "/console/cold");
    stage.press("alice", "[data-join] summary");
    stage.fill("alice", "[data-join] textarea", &signed);
    stage.press("alice", "[data-join] button");
    let put_together = stage.tell("alice", "waitText", json!({ "at": "[data-join] .counter" }));
    assert!(
        put_together.as_str().unwrap().contains("import them above"),
        "{put_together}"
    );
    stage.press("alice", "#import button");
    stage.wait("alice", ".answer.done");
    until_final(&house, &id).await;
    stage.open_page("alice", "/console/cold");
    stage.wait("alice", "#home-list table");
    stage.look("alice", "cold-home");
}

/// Waits until the page was made anew from everything that the journal holds by now.
async fn until_shown(house: &House, stage: &mut Stage) {
    let entries: u64 = sql(house, "SELECT max(seq) FROM journal;").parse().unwrap();
    house
        .until("show the newest entry", LONG, async || {
            let told = stage.text("alice", "#as-of");
            let (_, shown) = told.trim_end_matches('.').rsplit_once(' ').unwrap();
            shown.parse::<u64>().unwrap() >= entries
        })
        .await
        .unwrap();
}

/// Has the page show a bundle as codes, and scans as many of them as it takes: from the pixels, as a camera would.
fn scan(stage: &mut Stage, bundle: &Path) -> String {
    stage.press("alice", "#out-list details:has([data-codes]) > summary");
    let file = "[data-codes] input[type=file]";
    stage.tell("alice", "upload", json!({ "at": file, "file": bundle }));
    stage.wait("alice", "[data-codes] canvas");
    let mut seen = BTreeMap::new();
    // They follow each other by themselves.
    while seen.len() < 3 {
        let (counter, text) = shown(stage);
        seen.insert(counter, text);
    }
    stage.press("alice", "[data-codes] [data-pause]");
    let (held, _) = shown(stage);
    stage.settle("alice");
    assert_eq!(shown(stage).0, held);
    // One round more has all of them, and fewer will do.
    let (_, all) = held.rsplit_once(' ').unwrap();
    for _ in 0..all.parse::<usize>().unwrap() {
        stage.press("alice", "[data-codes] [data-next]");
        let (counter, text) = shown(stage);
        seen.insert(counter, text);
        let parts = seen.values().cloned().collect::<Vec<_>>().join("\n");
        if from_parts(&parts).is_ok() {
            return parts;
        }
    }
    panic!("{} codes don't make up the bundle", seen.len());
}

/// The code that is shown, read from its pixels, and which it is.
fn shown(stage: &mut Stage) -> (String, String) {
    let asked = json!({ "at": "[data-codes] canvas", "beside": "[data-codes] .counter" });
    let seen = stage.tell("alice", "pixels", asked);
    let side = |name: &str| usize::try_from(seen[name].as_u64().unwrap()).unwrap();
    let bits = seen["bits"].as_str().unwrap().as_bytes();
    let width = side("width");
    let light = |x: usize, y: usize| if bits[y * width + x] == b'1' { 0 } else { 255 };
    let mut image = PreparedImage::prepare_from_greyscale(width, side("height"), light);
    let found = image.detect_grids();
    assert_eq!(found.len(), 1, "{}", seen["beside"]);
    let (_, text) = found[0].decode().unwrap();
    (seen["beside"].as_str().unwrap().to_owned(), text)
}
