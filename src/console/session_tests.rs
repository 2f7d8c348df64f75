//! Sessions by a clock that only the test moves.

use std::{collections::BTreeMap, time::Duration};

use custodyd_passkey::{CredentialId, Passkey, PasskeyKey};
use custodyd_policy::Timestamp;

use super::session::{Lifetime, Session, Sessions, Token, token_in};
use crate::directory::{Directory, Sworn};

const MINUTE: u64 = 60_000;
const LIFETIME: Lifetime = Lifetime {
    idle: Duration::from_secs(15 * 60),
    absolute: Duration::from_secs(8 * 3_600),
    rotation: Duration::from_secs(5 * 60),
};

fn at(ms: u64) -> Timestamp {
    Timestamp::from_ms(1_800_000_000_000 + ms)
}

fn id(byte: u8) -> CredentialId {
    CredentialId::new(vec![byte; 16]).unwrap()
}

/// A vault's directory in which alice has the passkeys of these bytes.
fn directory(passkeys: &[u8]) -> Directory {
    let passkey = |byte: &u8| {
        let key = p256::ecdsa::SigningKey::from_bytes(&[*byte; 32].into()).unwrap();
        let key = PasskeyKey::Es256(*key.verifying_key());
        custodyd_vault::Credential::Passkey(Passkey { id: id(*byte), key })
    };
    let operators = [(
        "alice".parse().unwrap(),
        passkeys.iter().map(passkey).collect(),
    )];
    Directory::new("main".parse().unwrap(), BTreeMap::new(), operators.into())
}

fn sworn(byte: u8) -> Sworn {
    Sworn {
        operator: "alice".parse().unwrap(),
        credential: id(byte),
        counter: 1,
    }
}

struct Desk {
    sessions: Sessions,
    directory: Directory,
}

impl Desk {
    fn new() -> Self {
        Self {
            sessions: Sessions::new(LIFETIME),
            directory: directory(&[1, 2]),
        }
    }

    fn open(&self, ms: u64) -> Token {
        self.sessions.open(&sworn(1), at(ms)).unwrap()
    }

    fn find(&self, token: &str, ms: u64) -> Option<Session> {
        self.sessions.find(token, &self.directory, true, at(ms))
    }

    fn rotate(&self, token: &str, ms: u64) -> Option<Token> {
        self.sessions.rotate(token, at(ms)).unwrap()
    }
}

#[test]
fn a_session_ends_when_it_is_idle_too_long_and_after_so_long_in_all() {
    let desk = Desk::new();
    let idle = desk.open(0);
    assert!(desk.find(&idle, 15 * MINUTE - 1).is_some());
    assert!(desk.find(&idle, 30 * MINUTE - 1).is_none());
    // Once ended it stays so, whatever the clock says.
    assert!(desk.find(&idle, 0).is_none());
    let busy = desk.open(0);
    for minute in (0..480).step_by(10) {
        assert!(desk.find(&busy, minute * MINUTE).is_some(), "{minute}");
    }
    assert!(desk.find(&busy, 480 * MINUTE).is_none());
}

#[test]
fn a_page_that_looks_for_itself_keeps_no_session_alive() {
    let desk = Desk::new();
    let token = desk.open(0);
    let live = |ms| desk.sessions.find(&token, &desk.directory, false, at(ms));
    assert!(live(14 * MINUTE).is_some());
    assert!(live(15 * MINUTE).is_none());
}

#[test]
fn a_session_ends_with_the_passkey_that_began_it() {
    let mut desk = Desk::new();
    let token = desk.open(0);
    assert!(desk.find(&token, 1).is_some());
    desk.directory = directory(&[2]);
    assert!(desk.find(&token, 2).is_none());
    desk.directory = directory(&[1, 2]);
    assert!(desk.find(&token, 3).is_none());
}

#[test]
fn a_token_is_exchanged_in_time_and_the_former_one_is_good_a_moment_longer() {
    let desk = Desk::new();
    let first = desk.open(0);
    assert!(desk.rotate(&first, 5 * MINUTE - 1).is_none());
    let second = desk.rotate(&first, 5 * MINUTE).unwrap();
    // Two requests were on their way with the first: one exchanges it, the other is served.
    assert!(desk.find(&first, 5 * MINUTE).is_some());
    assert!(desk.rotate(&first, 5 * MINUTE).is_none());
    assert!(desk.find(&second, 5 * MINUTE + 1).is_some());
    assert!(desk.find(&first, 5 * MINUTE + 10_000).is_some());
    assert!(desk.find(&second, 6 * MINUTE).is_some());
}

#[test]
fn a_token_that_comes_back_after_it_was_exchanged_ends_the_session_for_thief_and_owner() {
    let desk = Desk::new();
    let first = desk.open(0);
    let second = desk.rotate(&first, 5 * MINUTE).unwrap();
    assert!(desk.find(&second, 5 * MINUTE).is_some());
    assert!(desk.find(&first, 6 * MINUTE).is_none());
    assert!(desk.find(&second, 6 * MINUTE).is_none());
}

#[test]
fn an_answer_that_got_lost_signs_nobody_out() {
    let desk = Desk::new();
    let first = desk.open(0);
    let lost = desk.rotate(&first, 5 * MINUTE).unwrap();
    assert!(desk.find(&first, 9 * MINUTE).is_some());
    let second = desk.rotate(&first, 10 * MINUTE).unwrap();
    assert!(desk.find(&lost, 10 * MINUTE).is_none());
    assert!(desk.find(&first, 10 * MINUTE).is_some());
    assert!(desk.find(&second, 10 * MINUTE).is_some());
    let third = desk.rotate(&second, 15 * MINUTE).unwrap();
    assert!(desk.find(&third, 15 * MINUTE).is_some());
    assert!(
        desk.find(&first, 15 * MINUTE).is_none(),
        "two exchanges ago"
    );
    assert!(desk.find(&second, 15 * MINUTE).is_some());
}

#[test]
fn an_operator_has_so_many_sessions_and_the_idlest_gives_way() {
    let desk = Desk::new();
    let tokens: Vec<Token> = (0..8).map(|n| desk.open(n)).collect();
    assert!(desk.find(&tokens[0], 100).is_some());
    let ninth = desk.open(200);
    assert!(desk.find(&tokens[1], 201).is_none());
    for token in tokens.iter().skip(2).chain([&tokens[0], &ninth]) {
        assert!(desk.find(token, 202).is_some());
    }
    desk.sessions.close(&ninth);
    assert!(desk.find(&ninth, 203).is_none());
}

#[test]
fn a_cookie_is_read_once_and_whole() {
    let token = "A".repeat(43);
    let read = |cookies: &str| token_in(cookies).map(|token| token.to_string());
    assert_eq!(
        read(&format!("a=b; __Host-custodyd={token}")),
        Some(token.clone())
    );
    for wrong in [
        format!("__Host-custodyd={token}; __Host-custodyd={token}"),
        format!("__Host-custodyd={token}A"),
        format!("custodyd={token}"),
        format!("x__Host-custodyd={token}"),
        String::new(),
    ] {
        assert_eq!(read(&wrong), None, "{wrong}");
    }
}

#[test]
fn a_stream_asks_for_its_session_and_not_for_the_token_that_it_began_with() {
    let mut desk = Desk::new();
    let first = desk.open(0);
    let found = desk.find(&first, 0).unwrap();
    let lives = |desk: &Desk, ms| desk.sessions.still_lives(&found, &desk.directory, at(ms));
    let second = desk.rotate(&first, 5 * MINUTE).unwrap();
    desk.find(&second, 5 * MINUTE).unwrap();
    assert!(lives(&desk, 6 * MINUTE));
    assert!(desk.find(&second, 6 * MINUTE).is_some());
    // Asking keeps nothing alive.
    assert!(lives(&desk, 21 * MINUTE - 1) && !lives(&desk, 21 * MINUTE));
    desk.directory = directory(&[2]);
    assert!(!lives(&desk, 6 * MINUTE));
    desk.directory = directory(&[1, 2]);
    desk.sessions.close(&second);
    assert!(!lives(&desk, 6 * MINUTE));
}

#[test]
fn who_answers_each_exchange_with_the_former_token_ends_the_session() {
    let desk = Desk::new();
    let kept = desk.open(0);
    for minute in [5, 10] {
        assert!(desk.rotate(&kept, minute * MINUTE).is_some());
        assert!(desk.find(&kept, minute * MINUTE).is_some());
    }
    assert!(desk.rotate(&kept, 15 * MINUTE).is_none());
    assert!(desk.find(&kept, 15 * MINUTE).is_none());
}
