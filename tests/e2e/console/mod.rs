//! The console on the real daemon: people enrol passkeys by invitation and decide with them. Browsers come in tests/console.

mod approvals;
mod enrolment;
mod forged;
mod told;

use std::time::Duration;

use custodyd_testbed::{ConsoleAnswer, ConsoleUser, Deed, House, base64url};
use custodyd_vault::Change;
use ed25519_dalek::SigningKey;
use serde_json::Value;

use crate::governance::{enact, governed_house, governed_policy};

/// A house with ether whose changes take seconds.
async fn console_house() -> House {
    governed_house(governed_policy()).await
}

/// Somebody at the house's console.
fn visitor(house: &House) -> ConsoleUser {
    let url = house.daemon.url();
    ConsoleUser::new(&url, &url.replace("127.0.0.1", "localhost")).unwrap()
}

/// An invitation's private half.
pub(crate) fn secret(seed: u8) -> [u8; 32] {
    [seed; 32]
}

/// The change that invites `operator`, for `life`.
fn invite(operator: &str, seed: u8, life: Duration) -> Change {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let until = now.unwrap() + life;
    Change::Invite {
        operator: operator.parse().unwrap(),
        invitation: SigningKey::from_bytes(&secret(seed)).verifying_key().into(),
        until: custodyd_policy::Timestamp::from_ms(until.as_millis().try_into().unwrap()),
    }
}

const AN_HOUR: Duration = Duration::from_secs(3_600);

/// These people, each with a passkey and signed in.
pub(crate) async fn enrolled<const N: usize>(
    house: &House,
    names: [&str; N],
    seed: u8,
) -> [ConsoleUser; N] {
    let invitations = (seed..)
        .zip(names)
        .map(|(seed, name)| invite(name, seed, AN_HOUR));
    enact(house, invitations.collect()).await;
    let mut users = names.map(|_| visitor(house));
    for (seed, user) in (seed..).zip(&mut users) {
        let answer = user.enrol(&base64url(&secret(seed))).await.unwrap();
        assert_eq!(answer.status, 201, "{:?}", answer.json());
        let answer = user.sign_in().await.unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.json());
    }
    users
}

/// The approval of a withdrawal, as its page asks for it.
async fn approve(user: &mut ConsoleUser, id: &str) -> ConsoleAnswer {
    let target = format!("/v1/withdrawals/{id}/approvals");
    user.act(&Deed::decision("approval", &target))
        .await
        .unwrap()
}

async fn stated(user: &mut ConsoleUser, deed: &Deed<'_>) -> Value {
    let answer = user.prepare(deed).await.unwrap();
    assert_eq!(answer.status, 200, "{:?}", answer.json());
    answer.json()
}

#[track_caller]
fn refuses(what: &str, answer: &ConsoleAnswer, status: u16, code: &str) {
    let got = (answer.status, answer.problem());
    assert_eq!(
        (got.0, got.1.as_str()),
        (status, code),
        "{what}: {:?}",
        answer.json()
    );
}
