//! A vault on two tokens with the same keys: one goes, and withdrawals go on.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use custodyd_testbed::{SOFTHSM_MODULE, p11_kit_client_module};
use serde_json::Value;

use crate::{
    house::{House, LONG, SOMEBODY, add_token, ask, copy_of_token, ethereum_house, pay, readyz},
    monitoring::pager::Pager,
};

/// A copy of the house's token, behind a p11-kit server of its own.
struct Copy {
    server: Child,
}

impl Copy {
    fn serve(folder: &Path, label: &str) -> Self {
        use std::os::unix::process::CommandExt as _;
        let socket = folder.join("socket");
        let _ = fs::remove_file(&socket);
        let server = Command::new("p11-kit")
            .args(["server", "--foreground", "--provider"])
            .arg(SOFTHSM_MODULE)
            .arg("--name")
            .arg(&socket)
            .arg(format!("pkcs11:token={label}"))
            .env("SOFTHSM2_CONF", folder.join("softhsm2.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let start = Instant::now();
        while !socket.exists() {
            assert!(start.elapsed() < LONG, "p11-kit server made no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { server }
    }

    fn signal(&self, signal: &str) {
        let group = format!("-{}", self.server.id());
        let sent = Command::new("kill").args([signal, "--", &group]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.signal("-KILL");
        let _ = self.server.wait();
    }
}

/// Copies the token once its keys are made, adds the copy to the configuration and starts the daemon again.
fn add_copy(house: &mut House) -> Copy {
    house.daemon.terminate(LONG).unwrap();
    let conf = copy_of_token(house, "copy");
    let folder = conf.parent().unwrap();
    let copy = Copy::serve(folder, house.hsm.token().unwrap().label());
    let address = format!("unix:path={}", folder.join("socket").display());
    let variables = [("P11_KIT_SERVER_ADDRESS", Path::new(&address))];
    let module = p11_kit_client_module().unwrap();
    add_token(house, "copy", &module, &variables);
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    copy
}

async fn pay_ether(house: &House, key: &str) {
    let client = house.client_as("client/exchange").unwrap();
    pay(house, &client, key, &ask("ETH", "0.01", SOMEBODY)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_tokens_one_may_hang_and_everything_shows_which() {
    let mut house = ethereum_house().await;
    let pager = Pager::start();
    let told = fs::read_to_string(house.daemon.config()).unwrap() + "\n" + &pager.config("");
    fs::write(house.daemon.config(), told).unwrap();
    let copy = add_copy(&mut house);
    pay_ether(&house, "k1").await;
    let operator = house.client_as("operator/alice").unwrap();
    // A worker process reports what it did from time to time.
    house
        .until("show both tokens at work", LONG, async || {
            let hsm: Value = operator.get("/v1/hsm").await.unwrap();
            let tokens = hsm["tokens"].as_array().unwrap();
            tokens.len() == 2
                && tokens.iter().all(|token| {
                    token["health"] == "up" && token["signatures"].as_u64().unwrap() > 0
                })
        })
        .await
        .unwrap();

    copy.signal("-STOP");
    pay_ether(&house, "k2").await;
    house
        .until("name the token that is out", LONG, async || {
            let (status, body) = readyz(&house);
            assert_eq!(status, 200, "{body}");
            body["degraded"] == serde_json::json!(["hsm:copy"])
        })
        .await
        .unwrap();
    let metrics = house.daemon.get("/metrics").unwrap().body;
    assert!(
        metrics.contains(r#"custodyd_hsm_up{token="copy"} 0"#),
        "{metrics}"
    );
    pay_ether(&house, "k3").await;
    let alert = pager.until(&house, "alert.firing", "hsm_down").await;
    assert_eq!(alert["subject"], "copy", "{alert}");

    copy.signal("-CONT");
    house
        .until("take the token back", LONG, async || {
            readyz(&house).1.get("degraded").is_none()
        })
        .await
        .unwrap();
    let over = pager.until(&house, "alert.resolved", "hsm_down").await;
    assert_eq!(over["subject"], "copy", "{over}");
    pay_ether(&house, "k4").await;
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
}
