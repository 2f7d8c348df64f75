//! The canary: a token of two whose nonces are biased gets no more work, and everything shows which and why.

use std::fs;

use custodyd_client::Client;
use custodyd_faultshim::{Control, Function, Injection, Rules, library};
use serde_json::{Value, json};

use crate::house::{
    House, LONG, SOMEBODY, add_token, ask, copy_of_token, ethereum_house, pay, readyz,
};

/// A house on two tokens with the same keys, tested every ten seconds. The second, `copy`, is behind the shim.
async fn watched_house() -> (House, Control) {
    let mut house = ethereum_house().await;
    house.daemon.terminate(LONG).unwrap();
    let conf = copy_of_token(&house, "copy");
    let control = Control::in_folder(conf.parent().unwrap());
    let real = house.hsm.token().unwrap().module().unwrap();
    let shim = control
        .environment(&real)
        .map(|(name, value)| (name, value.into()));
    let [(module, to), (rules, at)]: [(_, std::path::PathBuf); 2] = shim;
    let variables = [
        ("SOFTHSM2_CONF", conf.as_path()),
        (module, &to),
        (rules, &at),
    ];
    add_token(&house, "copy", &library().unwrap(), &variables);
    let config = fs::read_to_string(house.daemon.config()).unwrap();
    let watched = config.replacen(
        "[[hsm.tokens]]",
        "[hsm]\ncanary_s = 10\n\n[[hsm.tokens]]",
        1,
    );
    fs::write(house.daemon.config(), watched).unwrap();
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    (house, control)
}

/// How often a token's nonces were found to be so.
fn verdicts(house: &House, token: &str, verdict: &str) -> u64 {
    let line = format!("custodyd_hsm_canary_total{{token=\"{token}\",verdict=\"{verdict}\"}} ");
    let metrics = house.daemon.get("/metrics").unwrap().body;
    let count = metrics.lines().find_map(|found| found.strip_prefix(&line));
    count.map_or(0, |count| count.parse().unwrap())
}

/// The second token, as an operator sees it.
async fn copy_of(operator: &Client) -> Value {
    let hsm: Value = operator.get("/v1/hsm").await.unwrap();
    hsm["tokens"][1].clone()
}

/// Nonces with eight leading zero bits, of keys that the shim signs with; the canary's is one.
fn biased() -> Rules {
    Rules::none()
        .emulate(0)
        .every(Function::Sign, Injection::BiasedNonce(8))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_biased_nonces_is_out_until_the_daemon_starts_again_and_the_other_signs() {
    let (mut house, control) = watched_house().await;
    let client = house.client_as("client/exchange").unwrap();
    let operator = house.client_as("operator/alice").unwrap();
    let ether = ask("ETH", "0.01", SOMEBODY);
    house
        .until("find both tokens sound", LONG, async || {
            ["soft", "copy"].map(|token| verdicts(&house, token, "sound") > 0) == [true; 2]
        })
        .await
        .unwrap();
    assert_eq!(
        readyz(&house),
        (200, json!({ "status": "ready", "trouble": [] }))
    );

    control.set(&biased()).unwrap();
    house
        .until("find the copy biased", LONG, async || {
            verdicts(&house, "copy", "biased") > 0
        })
        .await
        .unwrap();
    let degraded = json!({ "status": "ready", "trouble": [], "degraded": ["hsm:copy"] });
    assert_eq!(readyz(&house), (200, degraded.clone()));
    let copy = copy_of(&operator).await;
    assert_eq!(copy["health"], "out", "{copy}");
    let reason = copy["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("its nonces are biased: byte 0 is "),
        "{reason}"
    );
    let log = house.daemon.log().unwrap();
    let told = |line: &str| {
        line.contains("ERROR") && line.contains("copy") && line.contains("gets no more work")
    };
    assert!(log.lines().any(told), "{log}");

    // A good test proves nothing, and nothing is asked of it but tests.
    control.set(&Rules::none()).unwrap();
    let (before, tested) = (
        copy["signatures"].clone(),
        verdicts(&house, "copy", "sound"),
    );
    for number in 0..4 {
        pay(&house, &client, &format!("k{number}"), &ether).await;
    }
    house
        .until("test the copy again", LONG, async || {
            verdicts(&house, "copy", "sound") > tested
        })
        .await
        .unwrap();
    assert_eq!(readyz(&house), (200, degraded));
    assert_eq!(copy_of(&operator).await["signatures"], before);

    // By hand, for whoever wants to know before the daemon starts again.
    house.daemon.terminate(LONG).unwrap();
    let by_hand = ["keys", "canary", "--samples", "1024"];
    control.set(&biased()).unwrap();
    let (ok, printed) = house.custodyd(&by_hand).unwrap();
    let last = printed.lines().next_back().unwrap();
    assert!(!ok && last.contains("stop signing with copy"), "{printed}");
    assert!(printed.contains("soft  sound"), "{printed}");
    control.set(&Rules::none()).unwrap();
    let (ok, printed) = house.custodyd(&by_hand).unwrap();
    assert!(ok && printed.contains("copy  sound"), "{printed}");
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    assert_eq!(copy_of(&operator).await["health"], "up");
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
}
