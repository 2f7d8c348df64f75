//! An HSM whose random numbers repeat: the second payment is not sent, and what can be saved is.

use custodyd_faultshim::{Control, Function, Injection, Rules, library};
use serde_json::Value;

use crate::house::{House, LONG, Plan, ask, house, id_of, mine, show, until_state, withdraw};

/// A house whose token is reached through the shim from now on.
async fn behind_the_shim() -> (House, Control) {
    let mut house = house(Plan {
        ethereum: false,
        ..Plan::default()
    })
    .await;
    let control = Control::in_folder(house.folder());
    control.set(&Rules::none()).unwrap();
    house.daemon.terminate(LONG).unwrap();
    put_before_token(&house, &control);
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    (house, control)
}

fn put_before_token(house: &House, control: &Control) {
    let real = house.hsm.token().unwrap().module().unwrap();
    let variables: String = control
        .environment(&real)
        .iter()
        .map(|(name, value)| format!("{name} = \"{}\", ", value.to_str().unwrap()))
        .collect();
    let text = std::fs::read_to_string(house.daemon.config()).unwrap();
    let module = format!(
        "module = \"{}\"\nenvironment = {{ {variables}",
        library().unwrap().display()
    );
    let text = text.replacen("environment = {", &module, 1);
    assert!(text.contains("FAULTSHIM_RULES"));
    std::fs::write(house.daemon.config(), text).unwrap();
}

/// Where nobody of the house is.
const SOMEWHERE: &str = "rltc1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszr0p8er";

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_with_a_used_nonce_is_not_sent_and_its_wallet_is_frozen() {
    let (house, control) = behind_the_shim().await;
    // Keys made from now on sign in the shim, all with one nonce each; the journal's and the first ones go on as before.
    control
        .set(
            &Rules::none()
                .emulate(0)
                .every(Function::Sign, Injection::RepeatedNonce),
        )
        .unwrap();
    let operator = house.client_as("operator/alice").unwrap();
    let key: Value = operator
        .post_empty("/v1/wallets/hot-ltc/addresses")
        .await
        .unwrap();
    let address = address_of(&house, id_of(&key)).await;
    let node = house.litecoind.as_ref().unwrap();
    for _ in 0..2 {
        node.pay(&address, "2").unwrap();
    }
    node.mine(1).unwrap();
    house
        .until("see the deposits", LONG, async || {
            let wallet: Value = operator.get("/v1/wallets/hot-ltc").await.unwrap();
            wallet["balance"] == "4"
        })
        .await
        .unwrap();

    let client = house.client_as("client/exchange").unwrap();
    let first = withdraw(&client, "first", &ask("LTC", "0.5", SOMEWHERE)).await;
    until_state(&house, &client, id_of(&first), "broadcast").await;
    let second = withdraw(&client, "second", &ask("LTC", "0.5", SOMEWHERE)).await;
    house
        .until("freeze the wallet", LONG, async || {
            let wallet: Value = operator.get("/v1/wallets/hot-ltc").await.unwrap();
            wallet["state"] == "frozen"
        })
        .await
        .unwrap();
    let wallet: Value = operator.get("/v1/wallets/hot-ltc").await.unwrap();
    let why = wallet["state_detail"].as_str().unwrap();
    assert!(why.contains("one nonce"), "{why}");

    let ready = house.daemon.get("/readyz").unwrap();
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("key 0"), "{}", ready.body);
    let metrics = house.daemon.get("/metrics").unwrap().body;
    assert!(
        metrics.contains("custodyd_nonce_reuse_total 1"),
        "{metrics}"
    );
    let log = house.daemon.log().unwrap();
    let told = |line: &str| {
        line.contains("ERROR") && line.contains("one nonce") && line.contains("hot-ltc")
    };
    assert!(log.lines().any(told), "{log}");

    // The first is paid, the second is not, and stays so.
    mine(&house, 2);
    until_state(&house, &client, id_of(&first), "final").await;
    let second = show(&client, id_of(&second)).await;
    assert_eq!(second["state"], "planned");
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
}

/// The new key's address, once it is made: the wallet's last.
async fn address_of(house: &House, key: &str) -> String {
    assert!(key.starts_with("key_"), "{key}");
    let operator = house.client_as("operator/alice").unwrap();
    let addresses = async || -> Vec<Value> {
        let wallet: Value = operator.get("/v1/wallets/hot-ltc").await.unwrap();
        wallet["addresses"].as_array().unwrap().clone()
    };
    house
        .until("make the key", LONG, async || addresses().await.len() == 2)
        .await
        .unwrap();
    addresses().await[1].as_str().unwrap().to_owned()
}
