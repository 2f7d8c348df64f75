//! The treasury with a past: bars, both plots, what is on its way between own wallets, and limits in use.

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;

use crate::{
    bed::{House, Plan, ask, fund_hot_and_warm, house, quick_policy, sql, until_final},
    stage::Stage,
};

/// One sample a series and ten minutes.
const SAMPLE_MS: u64 = 600_000;
const HOUR_MS: u64 = 3_600_000;
const WEEK_HOURS: u64 = 168;
/// Base units of a hundredth LTC.
const HUNDREDTH: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn the_treasury_draws_what_tiers_held_and_paid_and_lists_a_refill_on_its_way() {
    let plan = Plan {
        ethereum: false,
        policy: Some(quick_policy()),
        ..Plan::default()
    };
    let (house, mut stage) = house(plan).await;
    fund_hot_and_warm(&house).await;
    let outside = house.litecoind.as_ref().unwrap().outside_address().unwrap();
    let paid = ask(&house, "k1", "LTC", "0.85", &outside, None).await;
    until_final(&house, &paid).await;
    let hot = house.address_of("hot-ltc").await.unwrap();
    let refill = ask(&house, "k2", "LTC", "30", &hot, Some("warm-ltc")).await;
    remember_a_week(&house);

    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    stage.open_page("alice", "/console/treasury");
    assert_eq!(stage.count("alice", "#holding-LTC .tier"), 2);
    for (plot, drawn) in [
        ("balances-ltc", ".lines path"),
        ("outflow-ltc", ".columns rect"),
    ] {
        let figure = format!(".plot:has(#{plot}-title)");
        assert!(
            stage.count("alice", &format!("{figure} {drawn}")) >= 2,
            "{plot}"
        );
        // The same in words, for who doesn't see it.
        stage.press("alice", &format!("{figure} summary"));
        assert!(rows(&mut stage, &figure) >= 7, "{plot}");
        stage.press("alice", &format!("{figure} summary"));
    }
    let moves = stage.text("alice", "#moves tbody tr");
    for named in ["warm-ltc", "hot-ltc", "30 LTC", "awaiting approval"] {
        assert!(moves.contains(named), "{named}: {moves}");
    }
    assert!(stage.count("alice", &format!("#moves a[href$=\"{refill}\"]")) == 1);
    assert!(stage.count("alice", "#limits .gauges li") >= 2);
    stage.look("alice", "treasury-with-a-past");
    if let Ok(folder) = std::env::var("CUSTODYD_README_IMAGES") {
        let file = format!("{folder}/treasury.png");
        let picture = json!({ "file": file, "width": 1280, "height": 840, "layout": 1640 });
        stage.tell("alice", "picture", picture);
    }
    for span in ["day", "month", "year"] {
        stage.open_page("alice", &format!("/console/treasury?span={span}"));
        stage.look("alice", &format!("treasury-{span}"));
    }
}

fn rows(stage: &mut Stage, figure: &str) -> u64 {
    stage.count("alice", &format!("{figure} tbody tr:visible"))
}

/// A week of samples, as a daemon that ran so long would have taken them.
fn remember_a_week(house: &House) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_millis()).unwrap() / SAMPLE_MS * SAMPLE_MS;
    let mut outflow = 0;
    let mut statements = String::from("BEGIN;");
    // From before what the plots show of a week.
    for ago in (1..=WEEK_HOURS / 4 + 3).rev().map(|step| step * 4) {
        let at = now - ago * HOUR_MS;
        // Payouts empty the hot wallet, and every other day it is refilled from the warm one.
        let hot = 2_200 + (ago % 48) * 95;
        let warm = 10_500 + (ago / 48) * 4_500;
        let busy = if ago % 24 < 12 { 190 } else { 45 };
        outflow += (busy + ago % 20 * 3) * HUNDREDTH;
        for (series, units) in [
            ("wallet/hot-ltc", hot * HUNDREDTH),
            ("wallet/warm-ltc", warm * HUNDREDTH),
            ("outflow/LTC", outflow),
        ] {
            let row = format!("('main', '{series}', {at}, '{units}')");
            write!(statements, "INSERT OR REPLACE INTO samples VALUES {row};").unwrap();
        }
    }
    // What is counted now goes on from there.
    outflow += 85 * HUNDREDTH;
    let later = format!("series = 'outflow/LTC' AND at_ms > {}", now - 4 * HOUR_MS);
    write!(
        statements,
        "UPDATE samples SET units = '{outflow}' WHERE {later};COMMIT;"
    )
    .unwrap();
    sql(house, &statements);
}
