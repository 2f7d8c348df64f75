//! A vault begins with what each of its operators signed, and with nothing else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use custodyd_policy::{OperatorId, Timestamp};
use custodyd_vault::{
    Event, Genesis, GenesisError, KeyId, Recorded, ReplayFault, Scope, Vault, WalletKey,
};

use common::{ed25519, genesis, governed_but, signed_genesis};

fn create(genesis: Genesis) -> Result<Vault, GenesisError> {
    let first = Recorded {
        seq: 1,
        at: Timestamp::from_ms(common::START),
        event: Event::VaultCreated {
            genesis: Box::new(genesis),
        },
    };
    Vault::create(&first).map_err(|fault| match fault {
        ReplayFault::Genesis(error) => error,
        other => panic!("{other}"),
    })
}

fn bob() -> OperatorId {
    "bob".parse().unwrap()
}

#[test]
fn every_operator_signs_and_nobody_else() {
    create(genesis()).unwrap();

    let mut missing = genesis();
    missing.signatures.remove(&bob());
    assert_eq!(create(missing).unwrap_err(), GenesisError::NotSigned(bob()));

    let mut wrong = genesis();
    wrong.signatures.get_mut(&bob()).unwrap().0[9] ^= 1;
    assert_eq!(create(wrong).unwrap_err(), GenesisError::Signature(bob()));

    let mut swapped = genesis();
    let alices = swapped.signatures[&"alice".parse().unwrap()];
    swapped.signatures.insert(bob(), alices);
    assert_eq!(create(swapped).unwrap_err(), GenesisError::Signature(bob()));

    let mut more = genesis();
    let stranger: OperatorId = "mallory".parse().unwrap();
    let signature = more.statement().sign(&ed25519("mallory", 0));
    more.signatures.insert(stranger.clone(), signature);
    assert_eq!(
        create(more).unwrap_err(),
        GenesisError::UnknownSigner(stranger)
    );
}

#[test]
fn any_credential_of_an_operator_signs_for_them() {
    let mut by_the_second = genesis();
    let signature = by_the_second.statement().sign(&ed25519("alice", 1));
    by_the_second
        .signatures
        .insert("alice".parse().unwrap(), signature);
    create(by_the_second).unwrap();
}

#[test]
fn whatever_was_written_down_is_signed() {
    type Flaw = fn(&mut Genesis);
    let flaws: [Flaw; 8] = [
        |g| g.policy.push_str("# looser\n"),
        |g| {
            drop(g.operators.insert(
                "mallory".parse().unwrap(),
                vec![ed25519("mallory", 0).verifying_key().into()],
            ))
        },
        |g| {
            assert!(
                g.clients
                    .insert(
                        "shop".parse().unwrap(),
                        ed25519("mallory", 9).verifying_key().into(),
                    )
                    .is_some()
            )
        },
        |g| {
            drop(
                g.client_scopes
                    .insert("shop".parse().unwrap(), Scope::ALL.into()),
            )
        },
        |g| g.wallets.values_mut().for_each(|w| w.confirmations += 1),
        |g| drop(g.wallets.pop_first()),
        |g| g.address_book.clear(),
        |g| g.blocked.clear(),
    ];
    for (number, flaw) in flaws.into_iter().enumerate() {
        let mut changed = genesis();
        flaw(&mut changed);
        assert_ne!(changed.statement(), genesis().statement(), "flaw {number}");
        assert!(create(changed).is_err(), "flaw {number}");
    }
}

#[test]
fn what_the_hsm_makes_after_the_ceremony_is_not() {
    let mut made = genesis();
    made.journal_key.key = KeyId::from_bytes([0x55; 16]);
    for spec in made.wallets.values_mut() {
        if let WalletKey::Online(key) = &mut spec.key {
            let mut id = key.cka_id();
            id[0] ^= 0xff;
            *key = KeyId::from_bytes(id);
        }
    }
    assert_eq!(made.statement(), genesis().statement());
    create(made).unwrap();
}

#[test]
fn a_vault_that_nobody_could_change_as_its_policy_says_does_not_begin() {
    let mut locked = genesis();
    locked.policy = governed_but(
        "groups = { require = [{ group = \"treasury\", quorum = 2 }]",
        "groups = { require = [{ group = \"everyone\", quorum = 5 }]",
    )
    .replace(
        "[approvals]",
        "everyone = [\"alice\", \"bob\", \"carol\", \"dave\", \"erin\"]\n[approvals]",
    );
    let error = create(signed_genesis(locked)).unwrap_err().to_string();
    assert!(
        error.starts_with("governance.changes.groups asks for 5 of everyone"),
        "{error}"
    );
}

#[test]
fn scopes_are_of_clients_that_are_there_and_name_something() {
    let mut stranger = genesis();
    let feed = "feed".parse().unwrap();
    stranger.client_scopes.insert(feed, [Scope::Prices].into());
    let error = create(signed_genesis(stranger)).unwrap_err();
    assert_eq!(error, GenesisError::UnknownClient("feed".parse().unwrap()));

    let mut nothing = genesis();
    let shop = || "shop".parse().unwrap();
    nothing.client_scopes.insert(shop(), Default::default());
    let error = create(signed_genesis(nothing)).unwrap_err();
    assert_eq!(error, GenesisError::NoScopes(shop()));

    let mut some = genesis();
    some.client_scopes.insert(shop(), [Scope::Prices].into());
    let vault = create(signed_genesis(some)).unwrap();
    assert!(vault.client(&shop()).unwrap().may(Scope::Prices));
    assert!(!vault.client(&shop()).unwrap().may(Scope::Withdraw));
    let exchange = "exchange".parse().unwrap();
    assert_eq!(
        vault.client(&exchange).unwrap().scopes,
        Scope::default_set()
    );
}
