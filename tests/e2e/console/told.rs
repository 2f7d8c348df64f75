//! What becomes of people's passkeys is told by webhook: a new one, and one that somebody copied.

use custodyd_testbed::{ConsoleUser, House, base64url};
use custodyd_vault::Credential;

use super::{approve, enrolled, refuses, secret, visitor};
use crate::{
    governance::{governed_house_with, governed_policy, verified},
    house::{LONG, SOMEBODY, ask, id_of, withdraw},
    monitoring::pager::Pager,
};

/// A house that tells a pager, and alice with her first passkey.
pub(super) async fn watched_console() -> (Pager, House, ConsoleUser) {
    let pager = Pager::start();
    let house = governed_house_with(governed_policy(), pager.config("")).await;
    let [alice] = enrolled(&house, ["alice"], 1).await;
    (pager, house, alice)
}

/// Waits until the pager was told so many of a kind, and gives what each was about, in order.
pub(super) async fn subjects(pager: &Pager, house: &House, kind: &str, many: usize) -> Vec<String> {
    let told = || pager.told("alert.firing", kind);
    let enough = async || told().len() >= many;
    house.until("tell of it", LONG, enough).await.unwrap();
    let subjects = told()
        .into_iter()
        .map(|alert| alert["subject"].as_str().unwrap().to_owned());
    subjects.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_enrolment_is_told_with_whose_it_is_and_which() {
    let (pager, house, first) = watched_console().await;
    let kind = "credential_enrolled";
    let alert = pager.until(&house, "alert.firing", kind).await;
    assert_eq!(alert["severity"], "notice", "{alert}");

    // A second one of the same person is told too; an invitation that is not good is not.
    let mut stranger = visitor(&house);
    let refused = stranger.enrol(&base64url(&secret(9))).await.unwrap();
    refuses("not invited", &refused, 403, "not-invited");
    let [second] = enrolled(&house, ["alice"], 2).await;
    // What `custodyctl propose revoke-key alice` takes.
    let named = |user: &ConsoleUser| {
        let credential = Credential::Passkey(user.passkey.public());
        format!("alice {credential}")
    };
    let told = subjects(&pager, &house, kind, 2).await;
    assert_eq!(told, [named(&first), named(&second)]);
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_whose_counter_goes_back_is_told_with_whose_it_is_and_what_for() {
    let (pager, house, mut alice) = watched_console().await;
    let client = house.client_as("client/exchange").unwrap();
    let first = withdraw(&client, "k1", &ask("ETH", "2", SOMEBODY)).await;
    let second = withdraw(&client, "k2", &ask("ETH", "3", SOMEBODY)).await;
    let mut copy = alice.clone();
    assert_eq!(approve(&mut alice, id_of(&first)).await.status, 200);
    assert!(pager.told("alert.firing", "passkey_copied").is_empty());

    let refused = approve(&mut copy, id_of(&second)).await;
    refuses("a copy", &refused, 403, "passkey-copied");
    let alert = pager.until(&house, "alert.firing", "passkey_copied").await;
    assert_eq!(alert["severity"], "critical", "{alert}");
    // At the way in as well, where it begins no session.
    copy.passkey.counter = 0;
    let refused = copy.sign_in().await.unwrap();
    refuses("a copy", &refused, 403, "passkey-copied");
    assert_eq!(
        subjects(&pager, &house, "passkey_copied", 2).await,
        [
            format!("operator/alice /v1/withdrawals/{}", id_of(&second)),
            "operator/alice /console/login".to_owned(),
        ]
    );
    verified(&house);
}
