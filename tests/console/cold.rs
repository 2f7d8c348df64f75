//! The cold tier from the console: out as a bundle, signed by coldsign with another token, and back in.

use serde_json::json;

use crate::bed::{Plan, approve, ask, house, quick_policy, show, until_final};

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_payout_leaves_as_a_bundle_is_signed_elsewhere_and_comes_back_by_the_page() {
    let plan = Plan {
        cold: true,
        ethereum: false,
        policy: Some(quick_policy()),
        ..Plan::default()
    };
    let (house, mut stage) = house(plan).await;
    house.fund_litecoin("cold-ltc", &["30"]).await.unwrap();
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
    let bundle = bundle.display().to_string();
    let inspected = house.coldsign(&["inspect", &bundle]).unwrap();
    assert!(inspected.contains(&code), "{code}: {inspected}");
    let unspaced = inspected.replace(' ', "");
    assert!(unspaced.contains(&outside), "{outside}: {inspected}");
    let back = house.folder().join("stick/back").display().to_string();
    house
        .coldsign(&["sign", &bundle, "--out", &back, "--tar", "--yes"])
        .unwrap();

    // What left unsigned is not taken back.
    let input = "#import input[type=file]";
    stage.tell("alice", "upload", json!({ "at": input, "file": bundle }));
    stage.press("alice", "#import button");
    stage.wait("alice", ".answer.failed");
    assert_eq!(show(&house, &id).await["state"], "awaiting_cold_signature");
    let signed = format!("{back}.tar");
    stage.tell("alice", "upload", json!({ "at": input, "file": signed }));
    stage.press("alice", "#import button");
    stage.wait("alice", ".answer.done");
    until_final(&house, &id).await;
    stage.open_page("alice", "/console/cold");
    stage.wait("alice", "#home-list table");
    stage.look("alice", "cold-home");
}
