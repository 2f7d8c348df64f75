//! `make demo`: the main job, told for a person to read, on a real Litecoin node, a real Ethereum node and real PKCS#11
//! tokens. Every line that starts with `$` is a command that is run as it stands.
//!
//! It ends with a link: whoever opens it makes a passkey and decides on a withdrawal that waits, in the console.
//!
//! With `DEMO_HSM=containers` the vault's keys are in two network HSMs, and more is told: each fails in turn.

#![allow(
    clippy::indexing_slicing,
    reason = "JSON values only, where a missing key is null and no panic"
)]

#[path = "demo/console.rs"]
mod console;
#[path = "demo/governance.rs"]
mod governance;
#[path = "demo/outage.rs"]
mod outage;
#[path = "demo/scene.rs"]
mod scene;
#[path = "demo/story.rs"]
mod story;

use std::{path::PathBuf, time::Duration};

use custodyd_testbed::{House, HsmPlan, Plan, Programs, project};
use indicatif::{ProgressBar, ProgressStyle};
use scene::Scene;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let hsm = hsm()?;
    let tokens = match hsm {
        HsmPlan::Soft => "two SoftHSM tokens",
        HsmPlan::Containers(_) => {
            "two HSMs in containers that hold the same keys, a SoftHSM token for the cold wallet"
        }
    };
    let folder = project().canonicalize()?.join(".demo");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    println!(
        "custodyd, the main job: a signed withdrawal request becomes a confirmed transaction."
    );
    println!(
        "Everything below is real: litecoind (regtest), Anvil, {tokens}, SQLite. Files: {}\n\
         The policy is policies/default.toml; a day's limit is lower, and a change of limits takes seconds.\n",
        folder.display()
    );

    let house = build(&folder, hsm).await?;
    let scene = Scene::new(&house, program("custodyctl"), program("coldsign"));
    let mut outcomes = story::tell(&scene).await?;
    if hsm != HsmPlan::Soft {
        outage::tell(&scene, &mut outcomes).await?;
    }
    story::close(&scene, &outcomes).await?;
    let waiting = console::invite(&scene, if hsm == HsmPlan::Soft { 8 } else { 10 }).await?;
    if std::env::var("DEMO_EXIT").is_ok_and(|value| value == "1") {
        return Ok(());
    }
    stay(&scene, waiting).await
}

/// What `DEMO_HSM` says.
fn hsm() -> Result<HsmPlan, Failure> {
    match std::env::var("DEMO_HSM").as_deref() {
        Err(_) | Ok("") => Ok(HsmPlan::Soft),
        Ok("containers") => Ok(HsmPlan::Containers(2)),
        Ok(other) => Err(format!("DEMO_HSM is {other:?}: unset, or \"containers\"").into()),
    }
}

async fn build(folder: &std::path::Path, hsm: HsmPlan) -> Result<House, Failure> {
    let spinner = ProgressBar::new_spinner();
    spinner.set_style(ProgressStyle::with_template("{spinner} {msg} ({elapsed})")?);
    spinner.enable_steady_tick(Duration::from_millis(120));
    let plan = Plan {
        cold: true,
        policy: Some(governance::policy()?),
        hsm,
        ..Plan::default()
    };
    let programs = Programs {
        custodyd: program("custodyd"),
        coldsign: Some(program("coldsign")),
    };
    let tell = |step: &str| {
        spinner.suspend(|| println!("  · {step}"));
        spinner.set_message(step.to_owned());
    };
    let house = House::build_in(folder, programs, plan, tell).await?;
    spinner.set_message("funding the wallets");
    spinner.suspend(|| println!("  · funding the wallets"));
    house.fund_litecoin("hot-ltc", &["8", "8", "8"]).await?;
    house.fund_litecoin("cold-ltc", &["30", "30"]).await?;
    house.fund_ethereum("hot-eth", "0x8ac7230489e80000").await?;
    spinner.finish_and_clear();
    Ok(house)
}

/// A program of the same build.
fn program(name: &str) -> PathBuf {
    std::env::current_exe().map_or_else(|_| PathBuf::from(name), |own| own.with_file_name(name))
}

/// Leaves the house standing, with a block every few seconds, until Ctrl-C.
async fn stay(scene: &Scene<'_>, mut waiting: console::Waiting) -> Result<(), Failure> {
    println!(
        "\ncustodyd keeps running, with a block every 5 s on both chains. In another terminal:\n"
    );
    println!(
        "  export CUSTODYD_URL={} CUSTODYD_AS=client/exchange",
        scene.house.daemon.url()
    );
    println!(
        "  export CUSTODYD_KEY={}",
        scene.house.key_file("client/exchange").display()
    );
    println!("  {} wallets", scene.custodyctl.display());
    println!(
        "  {} withdraw --asset LTC --amount 0.1 --to {} --reference mine --wait final",
        scene.custodyctl.display(),
        scene.litecoind()?.outside_address()?
    );
    outage::invite(scene);
    println!("\nCtrl-C ends it.");
    let mut blocks = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = blocks.tick() => {
                scene.mine(1)?;
                waiting.look(scene).await?;
            }
        }
    }
}
