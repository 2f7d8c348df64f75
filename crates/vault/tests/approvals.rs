//! People decide: which statements count, whose, how often, and until when.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use common::{DAY, HOUR, KNOWN, NEW, World, amount, sign_statement};
use custodyd_policy::{PolicyHash, Timestamp, WithdrawalId};
use custodyd_vault::{Decide, Decision, Rejection, Statement};

/// A medium payout: two of treasury and one of security.
fn waiting() -> (World, WithdrawalId) {
    let mut world = World::funded();
    let id = world.request("2 LTC", NEW).unwrap();
    assert_eq!(world.state(&id), "awaiting_approval");
    (world, id)
}

#[test]
fn what_waits_for_people_is_known_until_it_waits_no_more() {
    let (mut world, id) = waiting();
    let paid = world.request("0.5 LTC", KNOWN).unwrap();
    assert_ne!(world.state(&paid), "awaiting_approval");
    let awaiting = |world: &World| world.vault.awaiting_approval().clone();
    assert_eq!(awaiting(&world), [id].into());
    world.approve(&["alice", "bob"], &id);
    assert_eq!(awaiting(&world), [id].into());
    world.approve(&["dave"], &id);
    assert_ne!(world.state(&id), "awaiting_approval");
    assert!(awaiting(&world).is_empty());
}

fn refused(change: impl FnOnce(&mut Statement)) -> Rejection {
    let (mut world, id) = waiting();
    let mut statement = world.statement("alice", &id, Decision::Approve);
    change(&mut statement);
    let refusal = world.submit(statement).unwrap_err();
    assert!(world.withdrawal(&id).votes.is_empty());
    refusal
}

#[test]
fn a_statement_counts_only_if_it_says_exactly_what_would_happen() {
    let differs = Rejection::StatementDiffers;
    assert_eq!(
        refused(|s| s.domain = "other/v1".to_owned()),
        differs("domain")
    );
    assert_eq!(
        refused(|s| s.vault = "other".parse().unwrap()),
        differs("vault")
    );
    assert_eq!(
        refused(|s| s.effects.amount = amount("2.1 LTC")),
        differs("amount")
    );
    assert_eq!(
        refused(|s| s.effects.wallet = "warm-ltc".parse().unwrap()),
        differs("wallet")
    );
    assert_eq!(
        refused(|s| s.effects.network = common::eth()),
        differs("network")
    );
    let known = custodyd_chain::Address::parse(common::ltc(), KNOWN).unwrap();
    assert_eq!(
        refused(|s| s.effects.destination = known),
        differs("destination")
    );
    assert_eq!(refused(|s| s.nonce = "short".to_owned()), differs("nonce"));
    assert_eq!(refused(|s| s.nonce = "A".repeat(32)), differs("nonce"));
}

#[test]
fn a_statement_under_another_policy_is_void() {
    let refusal = refused(|s| s.policy = PolicyHash::of("version = 1"));
    assert_eq!(refusal, Rejection::StatementDiffers("policy"));
}

#[test]
fn a_statement_that_expired_is_void_to_the_millisecond() {
    let (mut world, id) = waiting();
    let mut statement = world.statement("alice", &id, Decision::Approve);
    statement.expires_at = Timestamp::from_ms(world.now);
    let refusal = world.submit(statement.clone()).unwrap_err();
    assert_eq!(refusal, Rejection::StatementExpired(statement.expires_at));
    statement.expires_at = Timestamp::from_ms(world.now + 1);
    world.submit(statement).unwrap();
}

#[test]
fn an_expiry_that_the_journal_cannot_write_is_refused() {
    let refusal = refused(|s| s.expires_at = Timestamp::from_ms(1 << 53));
    assert_eq!(refusal, Rejection::StatementDiffers("expiry"));
}

#[test]
fn another_withdrawals_statement_does_not_count() {
    let (mut world, first) = waiting();
    let second = world.request("2 LTC", KNOWN).unwrap();
    let mut statement = world.statement("alice", &first, Decision::Approve);
    let signature = sign_statement(&statement, 0);
    statement.withdrawal = second;
    let refusal = world
        .submit_signed(statement.clone(), signature)
        .unwrap_err();
    assert_eq!(refusal, Rejection::StatementDiffers("destination"));
    statement.effects = world.vault.stated_effects(world.withdrawal(&second));
    let refusal = world.submit_signed(statement, signature).unwrap_err();
    assert_eq!(
        refusal,
        Rejection::StatementSignature("alice".parse().unwrap())
    );
}

#[test]
fn nobody_signs_for_somebody_else() {
    let (mut world, id) = waiting();
    let statement = world.statement("alice", &id, Decision::Approve);
    let bobs = sign_statement(&world.statement("bob", &id, Decision::Approve), 0);
    assert!(matches!(
        world.submit_signed(statement.clone(), bobs),
        Err(Rejection::StatementSignature(_))
    ));
    let signature = sign_statement(&statement, 0);
    let sent_by_bob = Decide {
        operator: "bob".parse().unwrap(),
        statement,
        signature: signature.into(),
        evidence: "".into(),
    };
    let command = custodyd_vault::Command::Decide(Box::new(sent_by_bob));
    assert!(matches!(
        world.take(command),
        Err(Rejection::StatementSender { .. })
    ));
}

#[test]
fn a_changed_decision_breaks_the_signature() {
    let (mut world, id) = waiting();
    let mut statement = world.statement("alice", &id, Decision::Reject);
    let signature = sign_statement(&statement, 0);
    statement.decision = Decision::Approve;
    assert!(matches!(
        world.submit_signed(statement, signature),
        Err(Rejection::StatementSignature(_))
    ));
}

#[test]
fn a_credential_that_is_not_on_record_does_not_count() {
    let (mut world, id) = waiting();
    let statement = world.statement("alice", &id, Decision::Approve);
    let unknown = sign_statement(&statement, 7);
    assert!(matches!(
        world.submit_signed(statement, unknown),
        Err(Rejection::StatementSignature(_))
    ));
}

#[test]
fn one_person_with_two_credentials_counts_once() {
    let (mut world, id) = waiting();
    for credential in [0, 1] {
        let statement = world.statement("alice", &id, Decision::Approve);
        let signature = sign_statement(&statement, credential);
        let outcome = world.submit_signed(statement, signature);
        assert_eq!(outcome.is_ok(), credential == 0, "{outcome:?}");
    }
    assert_eq!(world.withdrawal(&id).approvers().len(), 1);
    assert_eq!(world.state(&id), "awaiting_approval");
}

#[test]
fn one_person_in_two_groups_fills_one_seat() {
    let (mut world, id) = waiting();
    world.approve(&["carol", "bob"], &id);
    assert_eq!(world.state(&id), "awaiting_approval");
    world.approve(&["dave"], &id);
    assert_eq!(world.state(&id), "approved");
}

#[test]
fn only_members_of_the_groups_asked_approve_or_reject() {
    let (mut world, id) = waiting();
    for decision in [Decision::Approve, Decision::Reject] {
        let refusal = world.vote("erin", &id, decision).unwrap_err();
        assert_eq!(refusal, Rejection::NotEligible("erin".parse().unwrap()));
    }
}

#[test]
fn a_client_is_nobody_who_approves() {
    let refusal = refused(|s| s.operator = "shop".parse().unwrap());
    assert!(
        matches!(refusal, Rejection::UnknownPrincipal(_)),
        "{refusal}"
    );
}

#[test]
fn one_rejection_ends_it_and_gives_the_limit_back() {
    let (mut world, id) = waiting();
    world.approve(&["alice", "bob"], &id);
    world.vote("dave", &id, Decision::Reject).unwrap();
    assert_eq!(world.state(&id), "rejected");
    let refusal = world.vote("carol", &id, Decision::Approve).unwrap_err();
    assert_eq!(refusal, Rejection::NotNow("rejected", "approved"));
    // 5 + 3 of 8 LTC: no trace of the 2.
    world.request("5 LTC", NEW).unwrap();
    let last = world.request("3 LTC", NEW).unwrap();
    assert_eq!(world.state(&last), "awaiting_approval");
}

#[test]
fn approvals_expire_and_give_the_limit_back() {
    let (mut world, id) = waiting();
    world.approve(&["alice", "bob"], &id);
    world.wait(DAY - 1);
    assert_eq!(world.state(&id), "awaiting_approval");
    world.wait(1);
    assert_eq!(world.state(&id), "expired");
    assert_eq!(world.vault.due(), None);
    let refusal = world.vote("dave", &id, Decision::Approve).unwrap_err();
    assert_eq!(refusal, Rejection::NotNow("expired", "approved"));
}

#[test]
fn the_last_approval_is_too_late_even_before_the_timer_ran() {
    let (mut world, id) = waiting();
    world.approve(&["alice", "bob"], &id);
    world.now += DAY;
    let refusal = world.vote("dave", &id, Decision::Approve).unwrap_err();
    assert_eq!(refusal, Rejection::NotNow("expired", "approved"));
    world.advance();
    assert_eq!(world.state(&id), "expired");
}

#[test]
fn what_nobody_is_asked_about_can_not_be_approved() {
    let mut world = World::funded();
    let id = world.request("1 LTC", NEW).unwrap();
    assert_eq!(world.state(&id), "approved");
    let refusal = world.vote("alice", &id, Decision::Approve).unwrap_err();
    assert_eq!(refusal, Rejection::NotNow("approved", "approved"));
}

#[test]
fn any_operator_cancels_during_the_hold_of_a_warm_payout() {
    let mut world = World::funded();
    let id = world.request_from("warm-ltc", "2 LTC", KNOWN).unwrap();
    world.approve(&["alice", "bob"], &id);
    assert_eq!(world.state(&id), "holding");
    world.wait(HOUR - 1);
    assert_eq!(world.state(&id), "holding");
    world.vote("erin", &id, Decision::Cancel).unwrap();
    assert_eq!(world.state(&id), "cancelled");
    assert_eq!(world.wait(HOUR), []);
}

#[test]
fn a_warm_payout_goes_only_after_its_quorum_and_its_hold() {
    let mut world = World::funded();
    let id = world.request_from("warm-ltc", "2 LTC", KNOWN).unwrap();
    world.approve(&["alice"], &id);
    world.wait(2 * HOUR);
    assert_eq!(world.state(&id), "awaiting_approval");
    world.approve(&["carol"], &id);
    world.quote_fees();
    world.wait(HOUR - 1);
    assert_eq!(world.state(&id), "holding");
    world.wait(1);
    world.planned(&id);
}

#[test]
fn who_approved_may_still_cancel_until_it_is_planned() {
    let mut world = World::new();
    let id = world.request("2 LTC", NEW).unwrap();
    world.approve(&["alice", "bob", "dave"], &id);
    assert_eq!(world.state(&id), "approved");
    world.vote("alice", &id, Decision::Cancel).unwrap();
    assert_eq!(world.state(&id), "cancelled");
}

#[test]
fn nothing_is_cancelled_once_it_is_planned() {
    let mut world = World::funded();
    let id = world.request("1 LTC", NEW).unwrap();
    world.planned(&id);
    let refusal = world.vote("alice", &id, Decision::Cancel).unwrap_err();
    assert_eq!(refusal, Rejection::NotNow("planned", "cancelled"));
    let by_client = custodyd_vault::Command::CancelByClient {
        id,
        client: "shop".parse().unwrap(),
        evidence: "".into(),
    };
    let refusal = world.take(by_client).unwrap_err();
    assert_eq!(refusal, Rejection::NotNow("planned", "cancelled"));
}

#[test]
fn a_client_cancels_its_own_requests_only() {
    let (mut world, id) = waiting();
    let mut cancel = |client: &str| {
        world.take(custodyd_vault::Command::CancelByClient {
            id,
            client: client.parse().unwrap(),
            evidence: "".into(),
        })
    };
    assert_eq!(cancel("exchange").unwrap_err(), Rejection::OtherClient(id));
    cancel("shop").unwrap();
    assert_eq!(world.state(&id), "cancelled");
}
