//! What the tests of the console share: its name, alice's passkey, and people at it.

use std::sync::LazyLock;

use custodyd_passkey::RelyingParty;
use custodyd_testbed::{ConsoleUser, SoftPasskey};
use custodyd_vault::Credential;

use crate::edge::Edge;

/// What the console is called, wherever a test's listener is.
pub(crate) const ORIGIN: &str = "http://localhost:8080";
pub(crate) const HOST: &str = "localhost:8080";

static ALICES: LazyLock<SoftPasskey> =
    LazyLock::new(|| SoftPasskey::new("localhost", ORIGIN).unwrap());

pub(crate) fn alices_passkey() -> Credential {
    Credential::Passkey(ALICES.public())
}

pub(crate) fn party() -> RelyingParty {
    RelyingParty::new("localhost".to_owned(), [ORIGIN.to_owned()].into()).unwrap()
}

/// Somebody with a passkey that nobody knows.
pub(crate) fn stranger(edge: &Edge) -> ConsoleUser {
    ConsoleUser::new(&format!("http://{}", edge.address), ORIGIN).unwrap()
}

/// Alice, not signed in.
pub(crate) fn alice(edge: &Edge) -> ConsoleUser {
    let mut alice = stranger(edge);
    alice.passkey = ALICES.clone();
    alice
}

/// Alice, signed in.
pub(crate) async fn signed_in(edge: &Edge) -> ConsoleUser {
    let mut alice = alice(edge);
    let answer = alice.sign_in().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    alice
}
