//! Cold transactions leave once, with their quorum, and come back exactly as they left.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use common::{KNOWN, World, scope};
use custodyd_policy::WithdrawalId;
use custodyd_vault::{Command, Effect, ExportState, FreezeScope, Rejection};

fn cold() -> (World, [WithdrawalId; 2]) {
    let mut world = World::funded();
    let ids = [(); 2].map(|()| {
        let id = world.request_from("cold-ltc", "1 LTC", KNOWN).unwrap();
        world.approve(&["alice", "bob"], &id);
        id
    });
    (world, ids)
}

#[test]
fn a_cold_payout_waits_for_its_export_and_comes_back_signed() {
    let (mut world, ids) = cold();
    world.advance();
    assert_eq!(ids.map(|id| world.state(&id)), ["approved", "approved"]);
    let export = world.export(1).unwrap();
    assert_eq!(world.state(&ids[0]), "awaiting_cold_signature");
    let effect = Effect::BuildExport(export.clone());
    assert_eq!(world.vault.export_effect(&export), Some(effect));
    let signed = world.signed_export(&export);
    assert!(matches!(
        world.import(&export, signed.clone()),
        Err(Rejection::ImportDiffers(_))
    ));
    world.built(&export).unwrap();
    world.import(&export, signed.clone()).unwrap();
    assert_eq!(ids.map(|id| world.state(&id)), ["signed", "signed"]);
    assert_eq!(
        world.import(&export, signed),
        Err(Rejection::ImportedAlready(export))
    );
}

#[test]
fn only_exactly_what_was_exported_comes_back() {
    let (mut world, _) = cold();
    let export = world.export(1).unwrap();
    world.built(&export).unwrap();
    let good = world.signed_export(&export);
    let fewer = good[..1].to_vec();
    let twice = [good.clone(), good[..1].to_vec()].concat();
    let swapped = vec![
        (good[0].0.clone(), good[1].1.clone()),
        (good[1].0.clone(), good[0].1.clone()),
    ];
    let mut foreign = good.clone();
    foreign[0].0 = custodyd_vault::TransactionId::from_bytes([1; 16]);
    let seq = world.vault.seq();
    for wrong in [Vec::new(), fewer, twice, swapped, foreign] {
        let refusal = world.import(&export, wrong).unwrap_err();
        assert_eq!(refusal.code(), "import-differs");
    }
    assert_eq!(world.vault.seq(), seq);
    let other = custodyd_vault::ExportId::from_bytes([2; 16]);
    assert_eq!(
        world.import(&other, good.clone()).unwrap_err().code(),
        "unknown-export"
    );
    world.import(&export, good).unwrap();
    assert_eq!(world.vault.exports()[&export].state, ExportState::Imported);
}

#[test]
fn what_left_in_one_export_does_not_leave_in_another() {
    let (mut world, ids) = cold();
    world.export(1).unwrap();
    assert_eq!(world.export(2).unwrap_err().code(), "nothing-to-export");
    let again = Command::ExportCold {
        id: custodyd_vault::ExportId::from_bytes([3; 16]),
        wallet: None,
        withdrawals: [ids[0]].into(),
        by: "operator/alice".to_owned(),
        evidence: "".into(),
    };
    assert_eq!(world.take(again).unwrap_err().code(), "not-now");
}

#[test]
fn a_frozen_cold_wallet_neither_exports_nor_builds() {
    let (mut world, _) = cold();
    let export = world.export(1).unwrap();
    world.freeze(scope("cold-ltc"), "dave").unwrap();
    assert_eq!(world.vault.export_effect(&export), None);
    assert_eq!(world.vault.exports()[&export].state, ExportState::Requested);
    for operator in ["alice", "bob"] {
        world.unfreeze(scope("cold-ltc"), operator).unwrap();
    }
    assert!(world.vault.export_effect(&export).is_some());
}

#[test]
fn a_frozen_cold_wallet_starts_no_export() {
    let (mut world, _) = cold();
    world.freeze(FreezeScope::Vault, "dave").unwrap();
    assert_eq!(world.export(1).unwrap_err().code(), "frozen");
}

#[test]
fn a_cold_payout_without_its_quorum_is_not_exported() {
    let mut world = World::funded();
    let id = world.request_from("cold-ltc", "1 LTC", KNOWN).unwrap();
    world.approve(&["alice"], &id);
    assert_eq!(world.export(1).unwrap_err().code(), "nothing-to-export");
}
