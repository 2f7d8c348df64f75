//! Who agrees to a proposal, and when it takes effect.

use std::collections::BTreeSet;

use custodyd_policy::{ChangeKind, Timestamp};
use custodyd_vault::{APPROVAL_DOMAIN, GovernanceDecision, ProposalEnd, ProposalState, Rejection};

use crate::{
    add_frank, block,
    common::{DAY, HOUR, KNOWN, NEW, World, governed_but, set_policy, sign_governance},
    frank, key,
};

#[test]
fn a_change_takes_the_quorum_of_its_kind_and_then_its_delay() {
    let mut world = World::governed();
    let id = world.propose("erin", &[add_frank()]).unwrap();
    assert_eq!(
        world.proposal(&id).kinds,
        BTreeSet::from([ChangeKind::Operators])
    );
    world.agree("alice", &id).unwrap();
    world.agree("bob", &id).unwrap();
    // Two of treasury are not one of treasury and one of security.
    assert_eq!(world.proposal(&id).state_name(), "voting");
    world.agree("dave", &id).unwrap();
    let until = Timestamp::from_ms(world.now + HOUR);
    assert_eq!(world.proposal(&id).state, ProposalState::Delaying { until });
    world.wait(HOUR - 1);
    assert!(!world.vault.operators().contains_key(&frank()));
    world.wait(1);
    assert_eq!(world.proposal(&id).state, ProposalState::Enacted);
    assert_eq!(world.vault.operators()[&frank()], [key("frank", 0)]);
}

#[test]
fn changes_of_several_kinds_take_the_quorums_and_the_longest_delay_of_all_of_them() {
    let mut world = World::governed();
    let limit = governed_but("max_count = 6", "max_count = 9").replace(
        "treasury = [\"alice\", \"bob\", \"carol\"]",
        "treasury = [\"alice\", \"bob\", \"carol\", \"frank\"]",
    );
    let id = world
        .propose("erin", &[set_policy(&limit), add_frank()])
        .unwrap();
    let proposal = world.proposal(&id);
    let kinds = [
        ChangeKind::Limits,
        ChangeKind::Groups,
        ChangeKind::Operators,
    ];
    assert_eq!(proposal.kinds, BTreeSet::from(kinds));
    let texts: Vec<String> = proposal
        .requirements
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(texts, ["1 of security", "2 of treasury"]);
    assert_eq!(proposal.delay_ms, 2 * HOUR);
}

#[test]
fn whoever_proposes_does_not_approve_and_nobody_counts_twice() {
    let mut world = World::governed();
    let id = world.propose("alice", &[block(NEW)]).unwrap();
    let alice = || "alice".parse().unwrap();
    assert_eq!(
        world.agree("alice", &id),
        Err(Rejection::OwnProposal(alice()))
    );
    world.agree("bob", &id).unwrap();
    let again = world.agree("bob", &id);
    assert_eq!(
        again,
        Err(Rejection::ApprovedAlready("bob".parse().unwrap()))
    );
    let outsider = world.agree("dave", &id);
    assert_eq!(outsider, Err(Rejection::NotAsked("dave".parse().unwrap())));
    world.agree("carol", &id).unwrap();
    // A delay of nothing: in force with the next step.
    world.advance();
    assert_eq!(world.proposal(&id).state_name(), "enacted");

    // Two credentials are one person.
    let id = world.propose("dave", &[block(KNOWN)]).unwrap();
    world.agree("alice", &id).unwrap();
    let statement = world.governance_statement("alice", &id, GovernanceDecision::Approve);
    let signature = sign_governance(&statement, 1);
    let again = world.submit_to_council(statement, signature);
    assert_eq!(again, Err(Rejection::ApprovedAlready(alice())));
}

#[test]
fn anyone_who_is_asked_may_veto_until_it_takes_effect() {
    let mut world = World::governed();
    let id = world.pass(&[add_frank()]);
    let outsider = world.veto("erin", &id);
    assert_eq!(outsider, Err(Rejection::NotAsked("erin".parse().unwrap())));
    // Bob was asked and had not decided.
    world.veto("bob", &id).unwrap();
    assert_eq!(world.proposal(&id).state_name(), "vetoed");
    world.wait(DAY);
    assert!(!world.vault.operators().contains_key(&frank()));
    let late = world.agree("bob", &id);
    assert_eq!(late, Err(Rejection::ProposalNotNow("vetoed", "approved")));

    let id = world.enact(&[add_frank()]);
    let late = world.veto("bob", &id);
    assert_eq!(late, Err(Rejection::ProposalNotNow("enacted", "vetoed")));
}

#[test]
fn whoever_proposed_it_may_take_it_back() {
    let mut world = World::governed();
    let id = world.propose("erin", &[add_frank()]).unwrap();
    world.veto("erin", &id).unwrap();
    assert_eq!(world.proposal(&id).state, ProposalState::Withdrawn);
}

#[test]
fn voting_ends_when_approvals_expire() {
    let mut world = World::governed();
    let id = world.propose("dave", &[block(NEW)]).unwrap();
    world.agree("alice", &id).unwrap();
    world.now += DAY;
    let late = world.agree("bob", &id);
    assert_eq!(late, Err(Rejection::ProposalNotNow("expired", "approved")));
    world.advance();
    let ended = ProposalState::Ended(ProposalEnd::Expired);
    assert_eq!(world.proposal(&id).state, ended);
}

#[test]
fn an_approval_is_over_exactly_these_changes_under_the_policy_in_force() {
    let mut world = World::governed();
    let id = world.propose("dave", &[block(NEW)]).unwrap();
    let right = world.governance_statement("alice", &id, GovernanceDecision::Approve);
    type Flaw = fn(&mut custodyd_vault::GovernanceStatement);
    let flaws: [(&str, Flaw); 6] = [
        ("domain", |s| s.domain = APPROVAL_DOMAIN.to_owned()),
        ("vault", |s| s.vault = "other".parse().unwrap()),
        ("changes", |s| s.changes = "0".repeat(64)),
        ("policy", |s| s.policy = custodyd_policy::PolicyHash::of("")),
        ("nonce", |s| s.nonce = "no".to_owned()),
        ("expiry", |s| s.expires_at = Timestamp::from_ms(u64::MAX)),
    ];
    for (field, flaw) in flaws {
        let mut wrong = right.clone();
        flaw(&mut wrong);
        let signature = sign_governance(&wrong, 0);
        assert_eq!(
            world.submit_to_council(wrong.clone(), signature),
            Err(Rejection::ProposalStatementDiffers(field))
        );
        // Nor does a good signature make another statement good.
        let signature = sign_governance(&right, 0);
        assert!(world.submit_to_council(wrong, signature).is_err());
    }
    let mut old = right.clone();
    old.expires_at = Timestamp::from_ms(world.now);
    let signature = sign_governance(&old, 0);
    let expired = world.submit_to_council(old.clone(), signature);
    assert_eq!(expired, Err(Rejection::StatementExpired(old.expires_at)));
    let mut signature = sign_governance(&right, 0);
    signature.0[40] ^= 1;
    assert_eq!(
        world.submit_to_council(right.clone(), signature),
        Err(Rejection::StatementSignature("alice".parse().unwrap()))
    );
    // A veto's signature approves nothing.
    let veto = world.governance_statement("alice", &id, GovernanceDecision::Veto);
    let signature = sign_governance(&veto, 0);
    assert!(world.submit_to_council(right.clone(), signature).is_err());
    let signature = sign_governance(&right, 0);
    world.submit_to_council(right, signature).unwrap();
}
