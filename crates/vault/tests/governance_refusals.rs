//! What can't be changed, and why: each refusal says so in words that a person can act on, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::{
    BLOCKED, KNOWN, NEW, World, amount, ed25519, governed, governed_but, ltc, set_policy,
};
use custodyd_chain::{Address, FeeCaps};
use custodyd_policy::Tier;
use custodyd_vault::{
    Addresses, Change, Ed25519Key, MAX_CHANGES, ProposalId, Propose, Rejection, Scope,
};

fn key(name: &str, credential: u8) -> Ed25519Key {
    ed25519(name, credential).verifying_key().into()
}

fn refused(world: &mut World, changes: &[Change]) -> String {
    let journal = world.journal.len();
    let rejection = world.propose("erin", changes).unwrap_err();
    assert_eq!(world.journal.len(), journal, "a refusal left something");
    assert_eq!(rejection.code(), "change", "{rejection}");
    rejection.to_string()
}

fn address(text: &str) -> Address {
    Address::parse(ltc(), text).unwrap()
}

fn remove(id: &str) -> Change {
    Change::RemoveOperator {
        id: id.parse().unwrap(),
    }
}

fn add_operator(id: &str, credentials: &[Ed25519Key]) -> Change {
    Change::AddOperator {
        id: id.parse().unwrap(),
        credentials: credentials.iter().copied().map(Into::into).collect(),
    }
}

fn add_client(id: &str, key: Ed25519Key, scopes: &[Scope]) -> Change {
    Change::AddClient {
        id: id.parse().unwrap(),
        key,
        scopes: scopes.iter().copied().collect(),
    }
}

fn destination(to: &str, name: &str) -> Change {
    Change::AddDestination {
        address: address(to),
        name: name.to_owned(),
        tags: Default::default(),
    }
}

fn caps(cap: &str) -> FeeCaps {
    FeeCaps {
        absolute: amount(cap),
        relative_bp: 100,
    }
}

fn add_wallet(id: &str, tier: Tier, cap: &str, confirmations: u32) -> Change {
    Change::AddWallet {
        id: id.parse().unwrap(),
        tier,
        network: ltc(),
        fee_caps: caps(cap),
        confirmations,
        public_key: None,
        addresses: Addresses::Token,
    }
}

#[test]
fn a_policy_that_would_lock_everybody_out_is_refused_with_the_reason() {
    let mut world = World::governed();
    let treasury = "treasury = [\"alice\", \"bob\", \"carol\"]";
    let cases = [
        // Ivan is no operator, and one of treasury is not two.
        (
            governed_but(treasury, "treasury = [\"alice\", \"ivan\", \"judy\"]"),
            "change 1: rule \"hot-ltc-medium\" asks for",
        ),
        (
            governed_but(
                "unfreeze = [{ group = \"treasury\", quorum = 2 }]",
                "unfreeze = [{ group = \"ghosts\", quorum = 1 }]",
            )
            .replace(
                treasury,
                "treasury = [\"alice\", \"bob\", \"carol\"]\nghosts = [\"ivan\"]",
            ),
            "governance.unfreeze asks for 1 of ghosts, which the operators who would be left can't give",
        ),
        (
            governed_but(
                "[governance.changes]\ndefault",
                "[governance.changes]\nlimits",
            ),
            "nobody could change rules any more",
        ),
        (
            governed_but(
                "groups = { require = [{ group = \"treasury\", quorum = 2 }], delay = \"2h\" }",
                "",
            )
            .replace("default =", "rules ="),
            "nobody could change groups any more",
        ),
    ];
    for (policy, reason) in cases {
        let said = refused(&mut world, &[set_policy(&policy)]);
        let reason = reason.trim_start_matches("change 1: ");
        assert!(said.contains(reason), "{said}\nhas not\n{reason}");
    }
}

#[test]
fn whoever_has_to_propose_is_not_counted_among_those_who_approve() {
    let mut world = World::governed();
    // All five of a group of five can approve, and then nobody is left to propose.
    let everyone = governed_but(
        "groups = { require = [{ group = \"treasury\", quorum = 2 }], delay = \"2h\" }",
        "groups = { require = [{ group = \"all\", quorum = 5 }], delay = \"2h\" }",
    )
    .replace(
        "[approvals]",
        "all = [\"alice\", \"bob\", \"carol\", \"dave\", \"erin\"]\n[approvals]",
    );
    let said = refused(&mut world, &[set_policy(&everyone)]);
    assert_eq!(
        said,
        "governance.changes.groups asks for 5 of all, which the operators who would be left can't give, where whoever \
         proposes doesn't count"
    );
    let four = everyone.replace("group = \"all\", quorum = 5", "group = \"all\", quorum = 4");
    world.propose("erin", &[set_policy(&four)]).unwrap();
}

#[test]
fn a_floor_is_never_lowered_and_a_policy_stays_above_it() {
    let mut world = World::with(|genesis| {
        genesis.policy = governed_but(
            "[governance.changes]",
            "[governance.floor]\npeople = 2\ndelay = \"1h\"\n[governance.changes]",
        )
        .replace("quorum = 2 }] }", "quorum = 2 }], delay = \"1h\" }");
    });
    let in_force = world.vault.policy().source().to_owned();
    let lower = in_force.replace("people = 2\ndelay = \"1h\"", "people = 1\ndelay = \"30m\"");
    assert_eq!(
        refused(&mut world, &[set_policy(&lower)]),
        "change 1: the new policy's floor is 1 people and a delay of 30m, below the floor in force of 2 people and 1h"
    );
    let below = in_force.replace("quorum = 2 }], delay = \"1h\" }", "quorum = 2 }] }");
    let said = refused(&mut world, &[set_policy(&below)]);
    assert!(
        said.starts_with("change 1: the policy is not usable: line"),
        "{said}"
    );
    let none = in_force.replace("[governance.floor]\npeople = 2\ndelay = \"1h\"\n", "");
    assert!(refused(&mut world, &[set_policy(&none)]).contains("below the floor in force"));
}

#[test]
fn the_last_ones_of_a_quorum_are_not_removed() {
    let mut world = World::governed();
    // Dave may go, and so may any one of treasury; not two of them, nor all of security.
    world.propose("erin", &[remove("dave")]).unwrap();
    world.propose("erin", &[remove("bob")]).unwrap();
    let said = refused(&mut world, &[remove("alice"), remove("bob")]);
    assert!(said.contains("2 of treasury"), "{said}");
    let said = refused(&mut world, &[remove("carol"), remove("dave")]);
    assert!(said.contains("1 of security"), "{said}");
}

#[test]
fn each_change_that_can_not_be_made_says_why() {
    let mut world = World::governed();
    let wallet = |id: &str| id.parse().unwrap();
    let cases: Vec<(Change, &str)> = vec![
        (set_policy("version = 1"), "the policy is not usable: "),
        (set_policy(&governed()), "that policy is in force already"),
        (
            add_operator("alice", &[key("alice", 7)]),
            "operator alice exists already",
        ),
        (
            add_operator("frank", &[]),
            "operator frank needs at least one credential",
        ),
        (
            add_operator("frank", &[key("shop", 9)]),
            "belongs to client shop already",
        ),
        (
            add_operator("frank", &[key("frank", 0), key("frank", 0)]),
            "belongs to operator frank already",
        ),
        (remove("frank"), "there is no operator frank"),
        (
            Change::AddCredential {
                operator: "bob".parse().unwrap(),
                credential: key("alice", 1).into(),
            },
            "belongs to operator alice already",
        ),
        (
            Change::RevokeCredential {
                operator: "bob".parse().unwrap(),
                credential: key("bob", 0).into(),
            },
            "operator bob needs at least one credential; to take the last one away, remove the operator",
        ),
        (
            Change::RevokeCredential {
                operator: "bob".parse().unwrap(),
                credential: key("alice", 0).into(),
            },
            "operator bob has no credential",
        ),
        (
            add_client("shop", key("new", 0), &[Scope::Read]),
            "client shop exists already",
        ),
        (
            add_client("feed", key("alice", 0), &[Scope::Read]),
            "belongs to operator alice already",
        ),
        (
            add_client("feed", key("feed", 0), &[]),
            "client feed needs at least one scope",
        ),
        (
            Change::RemoveClient {
                id: "feed".parse().unwrap(),
            },
            "there is no client feed",
        ),
        (
            Change::SetClientScopes {
                id: "feed".parse().unwrap(),
                scopes: [Scope::Read].into(),
            },
            "there is no client feed",
        ),
        (
            Change::RotateClientKey {
                id: "shop".parse().unwrap(),
                key: key("exchange", 9),
            },
            "belongs to client exchange already",
        ),
        (
            destination(KNOWN, "another"),
            "is in the address book already",
        ),
        (
            destination(NEW, "mint"),
            "a destination of the name \"mint\" is in the address book already",
        ),
        (
            destination(NEW, "\u{202e}tnim"),
            "a destination's name is 1 to 64 characters",
        ),
        (
            Change::AddDestination {
                address: Address::parse(
                    "bitcoin".parse().unwrap(),
                    "1BoatSLRHtKNngkdXEeobR76b53LETtpyT",
                )
                .unwrap(),
                name: "boat".to_owned(),
                tags: Default::default(),
            },
            "is on a network that no wallet of this vault uses",
        ),
        (
            Change::RemoveDestination {
                address: address(NEW),
            },
            "is not in the address book",
        ),
        (
            Change::Block {
                addresses: Default::default(),
            },
            "a change of the block list names 1 to 10000 addresses, this one 0",
        ),
        (
            Change::Unblock {
                addresses: [address(BLOCKED), address(NEW)].into(),
            },
            "is not blocked",
        ),
        (
            Change::SetWallet {
                id: wallet("lost"),
                fee_caps: None,
                confirmations: Some(1),
            },
            "there is no wallet lost",
        ),
        (
            Change::SetWallet {
                id: wallet("hot-ltc"),
                fee_caps: None,
                confirmations: None,
            },
            "nothing of wallet hot-ltc would change",
        ),
        (
            Change::SetWallet {
                id: wallet("hot-ltc"),
                fee_caps: Some(caps("1 ETH")),
                confirmations: None,
            },
            "the fee cap 1 ETH is not in the wallet's asset",
        ),
        (
            Change::SetWallet {
                id: wallet("hot-ltc"),
                fee_caps: None,
                confirmations: Some(0),
            },
            "confirmations must be at least 1",
        ),
        (
            add_wallet("hot-ltc", Tier::Hot, "0.1 LTC", 1),
            "wallet hot-ltc exists already",
        ),
        (
            add_wallet("vault-2", Tier::Cold, "0.1 LTC", 1),
            "a cold wallet needs its key offline",
        ),
        (
            add_wallet("hot-2", Tier::Hot, "0.1 LTC", 0),
            "confirmations must be at least 1",
        ),
        (
            add_wallet("hot-2", Tier::Hot, "0.1 ETH", 1),
            "is not in the wallet's asset",
        ),
        (
            Change::RetireWallet { id: wallet("lost") },
            "there is no wallet lost",
        ),
    ];
    for (change, reason) in cases {
        let said = refused(&mut world, std::slice::from_ref(&change));
        assert!(said.contains(reason), "{change:?}: {said}");
        assert!(said.starts_with("change 1: "), "{said}");
    }
}

#[test]
fn the_key_of_a_wallet_is_no_other_wallets() {
    let mut world = World::governed();
    let taken = world.vault.wallets()[&common::wallet("cold-ltc")].primary_key();
    let add = Change::AddWallet {
        id: "vault-2".parse().unwrap(),
        tier: Tier::Cold,
        network: ltc(),
        fee_caps: caps("0.1 LTC"),
        confirmations: 1,
        public_key: taken,
        addresses: Addresses::Token,
    };
    let said = refused(&mut world, &[add]);
    assert!(said.contains("wallets share the key of vault-2"), "{said}");
}

#[test]
fn changes_are_looked_at_in_their_order_and_together() {
    let mut world = World::governed();
    let said = refused(
        &mut world,
        &[destination(NEW, "miner"), destination(BLOCKED, "miner")],
    );
    assert!(
        said.starts_with("change 2: a destination of the name"),
        "{said}"
    );
    assert_eq!(
        refused(&mut world, &[]),
        "a proposal has 1 to 256 changes, this one has 0"
    );
    let many: Vec<Change> = (0..=MAX_CHANGES)
        .map(|n| add_operator(&format!("op{n}"), &[]))
        .collect();
    let said = refused(&mut world, &many);
    assert_eq!(said, "a proposal has 1 to 256 changes, this one has 257");
    // What goes and comes in one proposal is there in the end.
    let renamed = [
        Change::RemoveDestination {
            address: address(KNOWN),
        },
        destination(KNOWN, "mint"),
    ];
    world.propose("erin", &renamed).unwrap();
}

#[test]
fn a_kind_that_the_policy_entrusts_to_nobody_is_not_changed() {
    let mut world = World::with(|genesis| {
        genesis.policy = governed().replace("default =", "rules =");
    });
    let said = refused(&mut world, &[destination(NEW, "miner")]);
    assert!(
        said.starts_with("the policy in force lets nobody change address-book"),
        "{said}"
    );
}

#[test]
fn a_proposal_that_nobody_but_its_proposer_could_complete_is_refused() {
    let mut world = World::with(|genesis| {
        genesis.policy = governed_but(
            "groups = { require = [{ group = \"treasury\", quorum = 2 }]",
            "groups = { require = [{ group = \"security\", quorum = 2 }]",
        );
    });
    let policy = world.vault.policy().source().to_owned();
    let other = policy.replace("security = [\"carol\"", "security = [\"alice\", \"carol\"");
    world.propose("erin", &[set_policy(&other)]).unwrap();
    let rejection = world.propose("dave", &[set_policy(&other)]).unwrap_err();
    assert!(
        rejection
            .to_string()
            .starts_with("this proposal asks for 2 of security"),
        "{rejection}"
    );
}

#[test]
fn nobody_alone_fills_the_table() {
    let mut world = World::governed();
    let change = || [destination(NEW, "miner")];
    for _ in 0..8 {
        world.propose("erin", &change()).unwrap();
    }
    let full = world.propose("erin", &change()).unwrap_err();
    assert_eq!(full.code(), "too-many-proposals");
    let first = world.vault.proposals().keys().next().unwrap().clone();
    for operator in ["alice", "bob", "carol", "dave"] {
        for _ in 0..8 {
            world.propose(operator, &change()).unwrap();
        }
    }
    world.veto("erin", &first).unwrap();
    world.propose("erin", &change()).unwrap();
}

#[test]
fn a_proposal_is_made_by_an_operator_of_this_vault_with_a_reason_and_a_fresh_id() {
    let mut world = World::governed();
    let right = Propose {
        id: ProposalId::from_bytes([1; 16]),
        operator: "erin".parse().unwrap(),
        vault: "main".parse().unwrap(),
        changes: vec![destination(NEW, "miner")],
        reason: "a new miner".to_owned(),
        evidence: "".into(),
    };
    type Flaw = fn(&mut Propose);
    let flaws: [(&str, Flaw); 4] = [
        ("unknown-principal", |p| {
            p.operator = "mallory".parse().unwrap()
        }),
        ("other-vault", |p| p.vault = "other".parse().unwrap()),
        ("reason", |p| p.reason = " ".to_owned()),
        ("reason", |p| p.reason = "a\u{202e}b".to_owned()),
    ];
    let mut propose = |p: Propose| world.take(custodyd_vault::Command::Propose(Box::new(p)));
    for (code, flaw) in flaws {
        let mut wrong = right.clone();
        flaw(&mut wrong);
        assert_eq!(propose(wrong).unwrap_err().code(), code);
    }
    propose(right.clone()).unwrap();
    assert!(matches!(propose(right), Err(Rejection::Taken(_))));
}
