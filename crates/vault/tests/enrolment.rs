//! Credentials that people bring by invitation, and passkeys that may have been copied.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use common::{DAY, HOUR, START, World, ed25519, sign_governance};
use custodyd_passkey::{CredentialId, Passkey, PasskeyKey, RelyingParty};
use custodyd_policy::Timestamp;
use custodyd_vault::{
    Change, Command, Credential, Ed25519Key, Event, GovernanceDecision, Recorded, Rejection, Vault,
};

fn console() -> RelyingParty {
    let origins = ["https://custody.example".to_owned()].into();
    RelyingParty::new("custody.example".to_owned(), origins).unwrap()
}

fn invitation(seed: u8) -> Ed25519Key {
    ed25519_dalek::SigningKey::from_bytes(&[seed; 32])
        .verifying_key()
        .into()
}

/// A passkey: its name and its key, each by a byte.
fn passkey(id: u8, key: u8) -> Credential {
    let key = p256::ecdsa::SigningKey::from_slice(&[key; 32]).unwrap();
    Credential::Passkey(Passkey {
        id: CredentialId::new(vec![id; 16]).unwrap(),
        key: PasskeyKey::Es256(*key.verifying_key()),
    })
}

fn invite(operator: &str, seed: u8, until: u64) -> Change {
    Change::Invite {
        operator: operator.parse().unwrap(),
        invitation: invitation(seed),
        until: Timestamp::from_ms(until),
    }
}

/// A vault that can be changed and has a console.
fn world() -> World {
    let mut world = World::governed();
    let console = console();
    world.enact(&[Change::SetConsole { console }]);
    world
}

fn enrol(
    world: &mut World,
    operator: &str,
    credential: Credential,
    seed: u8,
) -> Result<Vec<Event>, Rejection> {
    world.take(Command::Enrol(Box::new(custodyd_vault::Enrol {
        operator: operator.parse().unwrap(),
        credential,
        invitation: invitation(seed),
        evidence: "the signed request".into(),
    })))
}

fn held(world: &World, operator: &str) -> Vec<Credential> {
    let held = world.vault.operator(&operator.parse().unwrap());
    held.unwrap_or_default().to_vec()
}

#[track_caller]
fn refused(answer: Result<Vec<Event>, Rejection>, code: &str) {
    assert_eq!(answer.unwrap_err().code(), code);
}

/// What the journal comes to is what the vault is.
fn replays(world: &World) {
    let mut vault = Vault::create(&world.journal[0]).unwrap();
    for recorded in &world.journal[1..] {
        vault.apply(recorded).unwrap();
    }
    assert_eq!(vault.operators(), world.vault.operators());
    assert_eq!(vault.invitations(), world.vault.invitations());
    assert_eq!(vault.console(), world.vault.console());
}

#[test]
fn an_invitation_lets_one_person_bring_one_credential() {
    let mut world = world();
    world.enact(&[invite("alice", 1, START + 10 * DAY)]);
    let before = held(&world, "alice");
    refused(enrol(&mut world, "bob", passkey(1, 1), 1), "not-invited");
    refused(enrol(&mut world, "alice", passkey(1, 1), 2), "not-invited");
    assert_eq!(held(&world, "alice"), before);

    enrol(&mut world, "alice", passkey(1, 1), 1).unwrap();
    let after: Vec<_> = before.into_iter().chain([passkey(1, 1)]).collect();
    assert_eq!(held(&world, "alice"), after);
    assert!(world.vault.invitations().is_empty());
    refused(enrol(&mut world, "alice", passkey(2, 2), 1), "not-invited");
    replays(&world);
}

#[test]
fn somebody_new_is_an_operator_once_they_brought_a_credential() {
    let mut world = world();
    world.enact(&[invite("frank", 1, START + 10 * DAY)]);
    assert_eq!(world.vault.operator(&"frank".parse().unwrap()), None);
    enrol(&mut world, "frank", passkey(1, 1), 1).unwrap();
    assert_eq!(held(&world, "frank"), [passkey(1, 1)]);
    replays(&world);
}

#[test]
fn an_invitation_is_over_at_its_time_and_when_it_is_taken_back() {
    let mut world = world();
    let until = world.now + 5 * HOUR;
    world.enact(&[invite("alice", 1, until), invite("alice", 2, until + DAY)]);
    world.now = until;
    refused(enrol(&mut world, "alice", passkey(1, 1), 1), "not-invited");
    world.enact(&[Change::Uninvite {
        invitation: invitation(2),
    }]);
    refused(enrol(&mut world, "alice", passkey(1, 1), 2), "not-invited");
    world.now = until - 1;
    enrol(&mut world, "alice", passkey(1, 1), 1).unwrap();
}

#[test]
fn who_is_removed_does_not_come_back_by_an_old_invitation() {
    let mut world = world();
    let until = START + 10 * DAY;
    world.enact(&[invite("erin", 1, until), invite("alice", 2, until)]);
    world.enact(&[Change::RemoveOperator {
        id: "erin".parse().unwrap(),
    }]);
    refused(enrol(&mut world, "erin", passkey(1, 1), 1), "not-invited");
    // Nobody else's is void.
    enrol(&mut world, "alice", passkey(1, 1), 2).unwrap();
    replays(&world);
}

#[test]
fn a_credential_that_is_somebodys_already_is_refused_and_the_invitation_stays() {
    let mut world = world();
    let until = START + 10 * DAY;
    world.enact(&[invite("alice", 1, until), invite("bob", 2, until)]);
    enrol(&mut world, "bob", passkey(1, 1), 2).unwrap();
    for (what, taken) in [
        ("the same", passkey(1, 1)),
        ("the same name", passkey(1, 2)),
        ("the same key", passkey(2, 1)),
        ("bob's key", ed25519("bob", 0).verifying_key().into()),
        ("alice's own", ed25519("alice", 0).verifying_key().into()),
        ("a client's", ed25519("shop", 9).verifying_key().into()),
        ("the invitation itself", invitation(1).into()),
    ] {
        let code = enrol(&mut world, "alice", taken, 1).unwrap_err().code();
        assert_eq!(code, "taken", "{what}");
    }
    enrol(&mut world, "alice", passkey(3, 3), 1).unwrap();
}

#[test]
fn an_invitation_can_not_be_anybodys_key_and_needs_an_end() {
    let mut world = world();
    let own = ed25519("alice", 0).verifying_key();
    let of_alice = Change::Invite {
        operator: "alice".parse().unwrap(),
        invitation: own.into(),
        until: Timestamp::from_ms(START + DAY),
    };
    let endless = invite("alice", 1, u64::MAX);
    let twice = invite("bob", 2, START + DAY);
    for wrong in [vec![of_alice], vec![endless], vec![twice.clone(), twice]] {
        let refusal = world.propose("dave", &wrong).unwrap_err();
        assert!(matches!(refusal, Rejection::Change { .. }), "{refusal}");
    }
}

#[test]
fn a_passkey_needs_a_console_and_a_key_does_not() {
    let mut world = World::governed();
    world.enact(&[invite("alice", 1, START + 10 * DAY)]);
    refused(enrol(&mut world, "alice", passkey(1, 1), 1), "no-console");
    let key = ed25519("alice", 7).verifying_key();
    enrol(&mut world, "alice", key.into(), 1).unwrap();
}

#[test]
fn nobody_has_more_credentials_than_can_be_watched() {
    let mut world = world();
    for round in 0..4 {
        let invitations: Vec<_> = (0..4)
            .map(|n| invite("alice", round * 4 + n + 1, START + 30 * DAY))
            .collect();
        world.enact(&invitations);
    }
    // Two from genesis, fourteen more.
    for n in 1..=14 {
        enrol(&mut world, "alice", passkey(n, n), n).unwrap();
    }
    refused(enrol(&mut world, "alice", passkey(15, 15), 15), "no-room");
}

#[test]
fn a_credential_that_was_brought_decides_and_a_revoked_one_no_longer() {
    let mut world = world();
    let brought = ed25519("bob", 7).verifying_key();
    world.enact(&[invite("bob", 1, START + 10 * DAY)]);
    enrol(&mut world, "bob", brought.into(), 1).unwrap();
    let client = Change::AddClient {
        id: "feed".parse().unwrap(),
        key: ed25519("feed", 9).verifying_key().into(),
        scopes: [custodyd_vault::Scope::Prices].into(),
    };
    let vote = |world: &mut World, id: &_| {
        let statement = world.governance_statement("bob", id, GovernanceDecision::Approve);
        let signature = sign_governance(&statement, 7);
        world.submit_to_council(statement, signature)
    };
    let first = world
        .propose("dave", std::slice::from_ref(&client))
        .unwrap();
    vote(&mut world, &first).unwrap();
    world.veto("dave", &first).unwrap();
    world.enact(&[Change::RevokeCredential {
        operator: "bob".parse().unwrap(),
        credential: brought.into(),
    }]);
    let second = world.propose("dave", &[client]).unwrap();
    refused(vote(&mut world, &second), "statement-signature");
}

#[test]
fn a_counter_that_does_not_grow_tells_of_a_copy() {
    let mut world = world();
    let id = CredentialId::new(vec![1; 16]).unwrap();
    let mut count = |counter| {
        world.take(Command::CountPasskey {
            operator: "alice".parse().unwrap(),
            credential: id.clone(),
            counter,
        })
    };
    // An authenticator that keeps none.
    assert_eq!(count(0).unwrap(), []);
    assert_eq!(count(0).unwrap(), []);
    assert_eq!(count(5).unwrap().len(), 1);
    for copied in [5, 4, 1, 0] {
        let refusal = count(copied).unwrap_err();
        assert_eq!(refusal.code(), "passkey-copied", "{copied}");
    }
    assert_eq!(count(6).unwrap().len(), 1);
    assert_eq!(count(u32::MAX).unwrap().len(), 1);
    assert_eq!(count(0).unwrap_err().code(), "passkey-copied");
    assert_eq!(world.vault.passkey_counter(&id), u32::MAX);
    replays(&world);
}

#[test]
fn a_journal_in_which_somebody_came_in_uninvited_can_not_be_replayed() {
    let mut world = world();
    world.enact(&[invite("alice", 1, START + 10 * DAY)]);
    let enrolled = |operator: &str, credential, seed| Event::Enrolled {
        operator: operator.parse().unwrap(),
        credential,
        invitation: invitation(seed),
        evidence: "".into(),
    };
    let counted = |counter| Event::PasskeyCounted {
        operator: "alice".parse().unwrap(),
        credential: CredentialId::new(vec![1; 16]).unwrap(),
        counter,
    };
    for (what, event, at) in [
        ("another", enrolled("bob", passkey(1, 1), 1), world.now),
        ("unknown", enrolled("alice", passkey(1, 1), 2), world.now),
        (
            "late",
            enrolled("alice", passkey(1, 1), 1),
            START + 10 * DAY,
        ),
        (
            "taken",
            enrolled("alice", ed25519("bob", 0).verifying_key().into(), 1),
            world.now,
        ),
        ("a counter of none", counted(0), world.now),
    ] {
        let (seq, at) = (world.vault.seq() + 1, Timestamp::from_ms(at));
        let recorded = Recorded { seq, at, event };
        assert!(world.vault.clone().apply(&recorded).is_err(), "{what}");
    }
}
