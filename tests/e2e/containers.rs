//! A vault whose keys are in network HSMs. These need a container engine, and are left out loudly where there is none.

use custodyd_testbed::HsmPlan;

use crate::house::{LONG, Plan, SOMEBODY, ask, house, until_state, withdraw};

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_on_a_network_hsm_pays_before_and_after_the_hsm_was_killed() {
    let mut house = house(Plan {
        litecoin: false,
        hsm: HsmPlan::Containers(1),
        ..Plan::default()
    })
    .await;
    house
        .fund_ethereum("hot-eth", "0x8ac7230489e80000")
        .await
        .unwrap();
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&client, "k1", &ask("ETH", "0.01", SOMEBODY)).await;
    until_state(&house, &client, asked["id"].as_str().unwrap(), "broadcast").await;

    let [hsm] = house.hsm.containers() else {
        panic!("one HSM was asked for");
    };
    hsm.kill().unwrap();
    hsm.restart().unwrap();
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    let asked = withdraw(&client, "k2", &ask("ETH", "0.02", SOMEBODY)).await;
    until_state(&house, &client, asked["id"].as_str().unwrap(), "broadcast").await;
}
