//! A cold export's manifest is signed by the journal key too: a nonce that a head has used stops the engine.

use custodyd_airgap::{Bundle, ExportItem, export_bundle};
use custodyd_vault::{Effect, ExportId};

use super::*;
use crate::{
    cold::manifest_sha256,
    engine::{
        jobs::Job,
        perform::{Done, EffectError},
    },
};

fn export() -> ExportId {
    "ex_00112233445566778899aabbccddeeff".parse().unwrap()
}

/// A bundle of one transaction, whose manifest was signed with this nonce.
async fn bundle(bench: &mut Bench, nonce: u64) -> Bundle {
    let id = bench.ask().await;
    let item = ExportItem {
        transaction: id.as_str().parse().unwrap(),
        wallet: "hot-eth".parse().unwrap(),
        plan: bench.engine.vault().transactions()[&id].plan.clone(),
        keys: [public(&WALLET)].into(),
        previous: BTreeMap::new(),
    };
    let unsigned = export_bundle(
        "main".parse().unwrap(),
        export().as_str().parse().unwrap(),
        1,
        hex::encode(journal_point()).parse().unwrap(),
        &[item],
    )
    .unwrap();
    let signature = sign_p256(&unsigned.digest(), nonce);
    unsigned.signed(signature).unwrap()
}

async fn built(bench: &mut Bench, nonce: u64) -> Command {
    let bundle = bundle(bench, nonce).await;
    let store = &bench.engine.parts.store;
    let (export, tar) = (export(), bundle.to_tar());
    let put = store.put_bundle("main", export.as_str(), &tar);
    put.await.unwrap();
    Command::ExportBuilt {
        export,
        manifest_sha256: manifest_sha256(&bundle),
    }
}

#[tokio::test]
async fn a_manifest_with_the_nonce_of_a_head_stops_the_engine() {
    let mut bench = Bench::funded().await;
    // The nonce of the very first head.
    let command = built(&mut bench, 100).await;
    let step = bench.engine.step(&mut [], vec![command]).await;
    let stopped = bench.engine.recover(&step.unwrap_err()).await.unwrap_err();
    let EngineError::JournalKey(what) = &stopped else {
        panic!("{stopped}");
    };
    for named in [&hex::encode(journal_point()), "head 1", export().as_str()] {
        assert!(what.contains(named), "{named}: {what}");
    }
}

#[tokio::test]
async fn a_manifest_that_the_vault_does_not_take_leaves_nothing_on_record() {
    let mut bench = Bench::funded().await;
    let command = built(&mut bench, 1).await;
    let store = bench.engine.parts.store.clone();
    let before = store.all_points("main").await.unwrap();
    bench.tell(command).await;
    assert_eq!(store.all_points("main").await.unwrap(), before);
}

#[tokio::test]
async fn a_manifest_thrown_away_for_its_nonce_stops_the_engine_too() {
    let mut bench = Bench::funded().await;
    let done = Done {
        job: Job::Effect(Effect::BuildExport(export())),
        part: "cold".to_owned(),
        result: Err(EffectError::JournalKeyNonce("for the test".to_owned())),
        tip: None,
    };
    let results = bench.engine.settle(std::iter::once(done));
    let stopped = bench.engine.turn(results).await.unwrap_err();
    assert!(matches!(stopped, EngineError::JournalKey(_)), "{stopped}");
}
