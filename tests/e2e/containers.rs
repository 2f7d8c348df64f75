//! A vault whose keys are in network HSMs. These need a container engine, and are left out loudly where there is none.

mod payments;
mod sight;

use custodyd_testbed::{HsmContainer, HsmPlan, TestbedError};

use crate::house::{
    House, LONG, Plan, SOMEBODY, ask, fund_ether, house, id_of, until_state, withdraw,
};
use payments::Payments;

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_on_a_network_hsm_pays_before_and_after_the_hsm_was_killed() {
    let mut house = house(Plan {
        litecoin: false,
        hsm: HsmPlan::Containers(1),
        ..Plan::default()
    })
    .await;
    fund_ether(&house).await;
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&client, "k1", &ask("ETH", "0.01", SOMEBODY)).await;
    until_state(&house, &client, id_of(&asked), "broadcast").await;

    let [hsm] = house.hsm.containers() else {
        panic!("one HSM was asked for");
    };
    hsm.kill().unwrap();
    hsm.restart().unwrap();
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    let asked = withdraw(&client, "k2", &ask("ETH", "0.02", SOMEBODY)).await;
    until_state(&house, &client, id_of(&asked), "broadcast").await;
}

/// What is done to an HSM, and how it is undone.
struct Outage {
    what: &'static str,
    /// Which of the two, from 0.
    hsm: usize,
    blow: fn(&HsmContainer) -> Result<(), TestbedError>,
    undo: fn(&HsmContainer) -> Result<(), TestbedError>,
}

const OUTAGES: [Outage; 3] = [
    Outage {
        what: "killed",
        hsm: 0,
        blow: HsmContainer::kill,
        undo: HsmContainer::restart,
    },
    Outage {
        what: "paused",
        hsm: 1,
        blow: HsmContainer::pause,
        undo: HsmContainer::resume,
    },
    Outage {
        what: "cut off",
        hsm: 0,
        blow: HsmContainer::cut,
        undo: HsmContainer::mend,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_withdrawals_are_paid_once_each_while_hsms_are_killed_paused_and_cut_off() {
    let house = house(Plan {
        litecoin: false,
        hsm: HsmPlan::Containers(2),
        policy: Some(payments::policy()),
        ..Plan::default()
    })
    .await;
    let daemon = house.daemon.pid();
    let mut payments = Payments::begin(&house).await;
    payments.ask(10);
    payments.until_broadcast().await;
    for outage in &OUTAGES {
        suffer(&house, &mut payments, outage).await;
    }
    assert_eq!(payments.asked(), 1_000);
    payments.until_all_are_final_and_none_failed().await;
    payments.check_on_chain().await;
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
    assert_eq!(house.daemon.pid(), daemon);
    assert_eq!(house.daemon.get("/healthz").unwrap().status, 200);
}

/// An HSM fails while withdrawals are on their way, others are asked for while it is out, and more while it comes back.
async fn suffer(house: &House, payments: &mut Payments<'_>, outage: &Outage) {
    let token = format!("hsm-{}", outage.hsm + 1);
    let hsm = &house.hsm.containers()[outage.hsm];
    payments.ask(150);
    payments.until_answered(30).await;
    let began = std::time::Instant::now();
    (outage.blow)(hsm).unwrap();
    sight::until_out(house, &token).await;
    let noticed = began.elapsed();
    payments.ask(100);
    payments.until_broadcast().await;
    sight::until_out(house, &token).await;

    payments.ask(80);
    (outage.undo)(hsm).unwrap();
    let undone = std::time::Instant::now();
    sight::until_back(house, &token).await;
    println!(
        "{token} {}: seen to be out after {noticed:?}, back {:?} after that was undone",
        outage.what,
        undone.elapsed()
    );
    payments.until_broadcast().await;
}
