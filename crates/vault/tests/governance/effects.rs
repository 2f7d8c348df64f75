//! What an enacted change does to payouts, people, clients, destinations and wallets.

use custodyd_chain::Address;
use custodyd_policy::{Outcome, Timestamp};
use custodyd_vault::{
    Change, Credential, Decision, Effect, ProposalEnd, ProposalState, Rejection, Scope,
};

use crate::{
    add_frank, block,
    common::{self, BLOCKED, DAY, HOUR, KNOWN, NEW, World, ed25519, governed_but, set_policy},
    key,
};

#[test]
fn another_policy_voids_approvals_and_judges_what_is_not_planned_anew() {
    let mut world = World::governed();
    let waiting = world.request("2 LTC", KNOWN).unwrap();
    world.approve(&["alice"], &waiting);
    let allowed = world.request("0.5 LTC", NEW).unwrap();
    let other = world.propose("erin", &[add_frank()]).unwrap();
    world.agree("alice", &other).unwrap();
    world.freeze(common::scope("hot-ltc"), "erin").unwrap();
    world.unfreeze(common::scope("hot-ltc"), "alice").unwrap();

    let stricter = governed_but(
        "destination = [\"known\", \"new\"], amount = { at_most = \"1 LTC\" }",
        "destination = [\"known\"], amount = { at_most = \"1 LTC\" }",
    );
    world.enact(&[set_policy(&stricter)]);
    let in_force = world.vault.policy().hash();
    assert_eq!(world.vault.policy().source(), stricter);
    let stale = ProposalEnd::Stale { policy: in_force };
    assert_eq!(world.proposal(&other).state, ProposalState::Ended(stale));
    // What was allowed to a new destination is no longer.
    assert_eq!(world.state(&allowed), "denied");
    let withdrawal = world.withdrawal(&waiting);
    assert!(
        withdrawal.votes.is_empty(),
        "an approval from before counts"
    );
    assert_eq!(withdrawal.verdict.as_ref().unwrap().policy, in_force);
    assert_eq!(world.state(&waiting), "awaiting_approval");
    // Bob alone doesn't lift the freeze, whoever voted before.
    world.unfreeze(common::scope("hot-ltc"), "bob").unwrap();
    assert!(world.vault.is_frozen(&common::wallet("hot-ltc")));

    world.approve(&["bob", "carol"], &waiting);
    assert_eq!(world.state(&waiting), "awaiting_approval");
    world.approve(&["alice"], &waiting);
    assert_eq!(world.state(&waiting), "approved");
}

#[test]
fn a_statement_from_before_the_change_is_refused() {
    let mut world = World::governed();
    let id = world.request("2 LTC", KNOWN).unwrap();
    let mut before = world.statement("alice", &id, Decision::Approve);
    before.expires_at = Timestamp::from_ms(world.now + DAY);
    world.enact(&[set_policy(&governed_but("max_count = 6", "max_count = 7"))]);
    assert_eq!(
        world.submit(before),
        Err(Rejection::StatementDiffers("policy"))
    );
}

#[test]
fn a_planned_payout_goes_on_under_the_policy_that_judged_it() {
    let mut world = World::governed();
    let id = world.request_from("cold-ltc", "2 LTC", KNOWN).unwrap();
    world.approve(&["alice", "bob"], &id);
    let export = world.export(1).unwrap();
    world.built(&export).unwrap();
    let planned = world.vault.exports()[&export].transactions[0].clone();
    // Alice leaves the group that approved it, and the cold tier asks for other people.
    let other = governed_but(
        "cold = { group = \"treasury\", quorum = 2 }",
        "cold = { group = \"security\", quorum = 2 }",
    );
    world.enact(&[set_policy(&other)]);
    assert!(world.vault.may_sign(&planned));
    assert_eq!(world.state(&id), "awaiting_cold_signature");
    let signed = world.signed_export(&export);
    world.import(&export, signed).unwrap();
    assert_eq!(world.state(&id), "signed");
}

#[test]
fn what_was_admitted_counts_towards_the_limits_of_the_next_policy() {
    let mut world = World::governed();
    let paid = world.request("3 LTC", KNOWN).unwrap();
    world.approve(&["alice", "bob", "dave"], &paid);
    world.sent(&paid);
    let tighter = governed_but("max_amount = \"8 LTC\"", "max_amount = \"4 LTC\"");
    world.enact(&[set_policy(&tighter)]);
    let within = world.request_from("hot-ltc", "1 LTC", KNOWN).unwrap();
    assert_ne!(world.state(&within), "denied");
    let beyond = world.request_from("hot-ltc", "0.1 LTC", KNOWN).unwrap();
    assert_eq!(world.state(&beyond), "denied");
}

#[test]
fn what_is_judged_anew_takes_its_place_in_the_limits_in_order() {
    let mut world = World::governed();
    world.freeze(common::scope("hot-ltc"), "erin").unwrap();
    world.unfreeze(common::scope("hot-ltc"), "alice").unwrap();
    world.unfreeze(common::scope("hot-ltc"), "bob").unwrap();
    let first = world.request_from("hot-ltc", "3 LTC", KNOWN).unwrap();
    let second = world.request_from("hot-ltc", "3 LTC", KNOWN).unwrap();
    let tighter = governed_but("max_amount = \"8 LTC\"", "max_amount = \"4 LTC\"");
    world.enact(&[set_policy(&tighter)]);
    assert_eq!(world.state(&first), "awaiting_approval");
    assert_eq!(world.state(&second), "denied");
}

#[test]
fn whoever_is_removed_has_no_open_votes_left() {
    let mut world = World::governed();
    let awaiting = world.request("2 LTC", KNOWN).unwrap();
    world.approve(&["bob"], &awaiting);
    let held = world.request_from("cold-ltc", "1 LTC", KNOWN).unwrap();
    world.approve(&["alice", "bob"], &held);
    assert_eq!(world.state(&held), "approved");
    world.freeze(common::scope("hot-ltc"), "erin").unwrap();
    world.unfreeze(common::scope("hot-ltc"), "bob").unwrap();
    let policy = governed_but("max_count = 6", "max_count = 7");
    let delayed = world.propose("dave", &[set_policy(&policy)]).unwrap();
    let own = world.propose("bob", &[block(NEW)]).unwrap();
    let removal = Change::RemoveOperator {
        id: "bob".parse().unwrap(),
    };
    let removal = world.propose("erin", &[removal]).unwrap();
    for operator in ["alice", "dave"] {
        world.agree(operator, &removal).unwrap();
    }
    world.wait(HOUR / 2);
    // With bob's approval it passes, an hour before its own delay ends.
    world.agree("alice", &delayed).unwrap();
    world.agree("bob", &delayed).unwrap();
    assert_eq!(world.proposal(&delayed).state_name(), "delaying");
    world.wait(HOUR / 2);
    assert_eq!(world.proposal(&removal).state_name(), "enacted");

    assert!(world.withdrawal(&awaiting).votes.is_empty());
    assert_eq!(world.state(&held), "awaiting_approval");
    assert_eq!(world.withdrawal(&held).votes.len(), 1);
    assert!(world.vault.frozen().values().all(|f| f.votes.is_empty()));
    assert_eq!(world.proposal(&delayed).state_name(), "voting");
    let gone = ProposalState::Ended(ProposalEnd::ProposerRemoved);
    assert_eq!(world.proposal(&own).state, gone);
    assert!(matches!(
        world.agree("bob", &delayed),
        Err(Rejection::UnknownPrincipal(_))
    ));
    world.agree("carol", &delayed).unwrap();
    assert_eq!(world.proposal(&delayed).state_name(), "delaying");
}

#[test]
fn a_revoked_credential_voids_what_its_owner_may_not_have_signed() {
    let mut world = World::governed();
    let id = world.request("2 LTC", KNOWN).unwrap();
    world.approve(&["alice"], &id);
    let revoke = Change::RevokeCredential {
        operator: "alice".parse().unwrap(),
        credential: key("alice", 0),
    };
    world.enact(&[revoke]);
    assert!(world.withdrawal(&id).votes.is_empty());
    let statement = world.statement("alice", &id, Decision::Approve);
    assert_eq!(
        world.submit(statement.clone()),
        Err(Rejection::StatementSignature("alice".parse().unwrap()))
    );
    let signature = common::sign_statement(&statement, 1);
    world.submit_signed(statement, signature).unwrap();
}

#[test]
fn what_can_no_longer_be_done_when_its_time_comes_is_refused_as_a_whole() {
    let mut world = World::governed();
    let first = world.pass(&[add_frank()]);
    let second = world.pass(&[block(NEW), add_frank()]);
    world.wait(HOUR);
    assert_eq!(world.proposal(&first).state_name(), "enacted");
    let ProposalState::Ended(ProposalEnd::Refused { reason }) = &world.proposal(&second).state
    else {
        panic!("{:?}", world.proposal(&second).state);
    };
    assert_eq!(reason, "change 2: operator frank exists already");
    let new = Address::parse(common::ltc(), NEW).unwrap();
    assert!(
        !world.vault.block_list().contains(&new),
        "half of it applied"
    );
}

#[test]
fn what_was_approved_is_not_paid_to_a_destination_that_is_blocked_since() {
    let mut world = World::governed();
    let id = world.request_from("cold-ltc", "1 LTC", KNOWN).unwrap();
    world.approve(&["alice", "bob"], &id);
    assert_eq!(world.state(&id), "approved");
    world.enact(&[block(KNOWN)]);
    assert_eq!(world.state(&id), "denied");

    let blocked = Address::parse(common::ltc(), BLOCKED).unwrap();
    let unblock = Change::Unblock {
        addresses: [blocked.clone()].into(),
    };
    world.enact(&[unblock]);
    assert!(!world.vault.block_list().contains(&blocked));
}

#[test]
fn a_client_comes_with_scopes_and_signs_with_another_key_from_then_on() {
    let mut world = World::governed();
    let (feed, shop) = ("feed".parse().unwrap(), "shop".parse().unwrap());
    assert_eq!(
        world.vault.client(&shop).unwrap().scopes,
        Scope::default_set()
    );
    let changes = [
        Change::AddClient {
            id: "feed".parse().unwrap(),
            key: ed25519("feed", 9).verifying_key().into(),
            scopes: [Scope::Prices].into(),
        },
        Change::RotateClientKey {
            id: "shop".parse().unwrap(),
            key: ed25519("shop", 8).verifying_key().into(),
        },
        Change::SetClientScopes {
            id: "shop".parse().unwrap(),
            scopes: [Scope::Read].into(),
        },
        Change::RemoveClient {
            id: "exchange".parse().unwrap(),
        },
    ];
    world.enact(&changes);
    assert!(world.vault.client(&feed).unwrap().may(Scope::Prices));
    let shop = world.vault.client(&shop).unwrap();
    assert_eq!(Credential::from(shop.key), key("shop", 8));
    assert!(!shop.may(Scope::Withdraw));
    assert_eq!(world.vault.clients().len(), 2);
}

#[test]
fn a_destination_is_known_once_its_cool_off_is_over() {
    let mut world = World::governed();
    let address = Address::parse(common::ltc(), NEW).unwrap();
    let add = Change::AddDestination {
        address: address.clone(),
        name: "miner".to_owned(),
        tags: ["payroll".parse().unwrap()].into(),
    };
    world.enact(&[add]);
    let class = |world: &World| {
        let now = Timestamp::from_ms(world.now);
        world.vault.classify(&address, now).to_string()
    };
    assert_eq!(class(&world), "new");
    world.wait(DAY);
    assert_eq!(class(&world), "known");
    world.enact(&[Change::RemoveDestination {
        address: address.clone(),
    }]);
    assert_eq!(class(&world), "new");
}

#[test]
fn an_online_wallet_that_is_added_has_its_key_made_and_pays() {
    let mut world = World::governed();
    let spec = Change::AddWallet {
        id: "hot-2".parse().unwrap(),
        tier: serde_json::from_value("hot".into()).unwrap(),
        network: common::ltc(),
        fee_caps: world.vault.wallets()[&common::wallet("hot-ltc")].fee_caps,
        confirmations: 3,
        public_key: None,
        addresses: Default::default(),
    };
    world.enact(&[spec]);
    let wallet = &world.vault.wallets()[&common::wallet("hot-2")];
    let key = wallet.keys()[0].id.clone().unwrap();
    assert!(!wallet.is_active());
    let effects = world.vault.pending_effects(Timestamp::from_ms(world.now));
    assert!(effects.contains(&Effect::MakeKey(key.clone())));
    let made = k256::ecdsa::SigningKey::from_slice(&[0x77; 32]).unwrap();
    let point = made.verifying_key().to_encoded_point(true);
    let public = custodyd_chain::PublicKey::from_sec1(point.as_bytes()).unwrap();
    world.take(common::made(key, public)).unwrap();
    let id = world.request_from("hot-2", "0.5 LTC", KNOWN).unwrap();
    assert_eq!(world.state(&id), "approved");
}

#[test]
fn a_retiring_wallet_pays_own_wallets_only_until_it_is_empty() {
    let mut world = World::governed();
    world.enact(&[Change::RetireWallet {
        id: "warm-ltc".parse().unwrap(),
    }]);
    let status = |world: &World| {
        let wallet = &world.vault.wallets()[&common::wallet("warm-ltc")];
        world.vault.wallet_status(wallet).to_string()
    };
    assert_eq!(status(&world), "draining");
    let retiring = || Rejection::Retiring("warm-ltc".parse().unwrap());
    assert_eq!(
        world.request_from("warm-ltc", "1 LTC", KNOWN),
        Err(retiring())
    );
    let to_it = common::own_address("warm-ltc");
    assert_eq!(
        world.request_from("cold-ltc", "1 LTC", &to_it),
        Err(retiring())
    );
    let out = common::own_address("cold-ltc");
    let id = world.request_from("warm-ltc", "1 LTC", &out).unwrap();
    let verdict = world.withdrawal(&id).verdict.clone().unwrap();
    assert!(matches!(verdict.outcome, Outcome::Allow { .. }));
    world.observe_coins("warm-ltc", &[]).unwrap();
    assert_eq!(status(&world), "draining", "a payout of it is open");
    world.vote("alice", &id, Decision::Cancel).unwrap();
    assert_eq!(status(&world), "retired");
    // Whatever arrives there after all is seen.
    world.observe_coins("warm-ltc", &[1]).unwrap();
    assert_eq!(status(&world), "draining");
}

#[test]
fn other_fee_caps_count_for_what_is_planned_from_then_on() {
    let mut world = World::governed();
    let id = world.request_from("cold-ltc", "2 LTC", KNOWN).unwrap();
    world.approve(&["alice", "bob"], &id);
    let export = world.export(1).unwrap();
    let planned = world.vault.exports()[&export].transactions[0].clone();
    let mut caps = world.vault.wallets()[&common::wallet("cold-ltc")].fee_caps;
    caps.absolute = common::amount("0.00000001 LTC");
    world.enact(&[Change::SetWallet {
        id: "cold-ltc".parse().unwrap(),
        fee_caps: Some(caps),
        confirmations: Some(9),
    }]);
    assert!(world.vault.may_sign(&planned));
    let wallet = &world.vault.wallets()[&common::wallet("cold-ltc")];
    assert_eq!((wallet.fee_caps, wallet.confirmations), (caps, 9));
    world.quote_fees();
    let next = world.request_from("cold-ltc", "1 LTC", KNOWN).unwrap();
    world.approve(&["alice", "bob"], &next);
    assert!(world.export(2).is_err(), "planned above the caps in force");
}
