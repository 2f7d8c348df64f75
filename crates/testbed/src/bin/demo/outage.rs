//! The act that is played with `DEMO_HSM=containers`: of two HSMs with the same keys one is killed, then the other paused.

use std::time::{Duration, Instant};

use custodyd_testbed::{HsmContainer, TestbedError};
use serde_json::Value;

use crate::{
    Failure,
    scene::Scene,
    story::{Outcome, SOMEBODY, ask, chapter, text},
};

/// A token that is out is probed with growing pauses, and its worker process started anew with growing pauses.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// An HSM fails, a withdrawal is asked for and becomes final, and the HSM comes back; then the same with the other.
pub(crate) async fn tell(scene: &Scene<'_>, outcomes: &mut Vec<Outcome>) -> Result<(), Failure> {
    let [first, second] = scene.house.hsm.containers() else {
        return Err("the house has no two HSMs".into());
    };
    chapter(8, "One of the two HSMs is killed: withdrawals go on");
    docker("kill", first, HsmContainer::kill)?;
    pays(scene, "HSM 1 killed", "0.1", outcomes).await?;
    until(scene, "hsm-1", "out").await?;
    show(scene)?;
    docker("start", first, HsmContainer::restart)?;
    until(scene, "hsm-1", "up").await?;

    chapter(9, "The other one is paused: it is there and never answers");
    docker("pause", second, HsmContainer::pause)?;
    pays(scene, "HSM 2 paused", "0.2", outcomes).await?;
    until(scene, "hsm-2", "out").await?;
    show(scene)?;
    docker("unpause", second, HsmContainer::resume)?;
    until(scene, "hsm-2", "up").await?;
    show(scene)
}

/// What to type to do the same by hand.
pub(crate) fn invite(scene: &Scene<'_>) {
    let [first, second] = scene.house.hsm.containers() else {
        return;
    };
    println!("\nTake one HSM out, then the other, withdraw meanwhile, and look at both:\n");
    for (name, hsm, out, back) in [
        ("hsm-1", first, "kill", "start"),
        ("hsm-2", second, "pause", "unpause"),
    ] {
        let id = short(hsm);
        println!("  docker {out} {id}   and   docker {back} {id}   # {name}");
    }
    println!(
        "  {} hsm --as operator/alice --key {}",
        scene.custodyctl.display(),
        scene.house.key_file("operator/alice").display()
    );
    println!(
        "  curl -s {}/metrics | grep custodyd_hsm_up",
        scene.house.daemon.url()
    );
}

fn docker(
    command: &str,
    hsm: &HsmContainer,
    act: fn(&HsmContainer) -> Result<(), TestbedError>,
) -> Result<(), Failure> {
    println!("  $ docker {command} {}", short(hsm));
    Ok(act(hsm)?)
}

/// As many digits of a container's id as `docker ps` shows.
fn short(hsm: &HsmContainer) -> &str {
    hsm.id().get(..12).unwrap_or_else(|| hsm.id())
}

async fn pays(
    scene: &Scene<'_>,
    what: &'static str,
    amount: &str,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Failure> {
    let began = Instant::now();
    let id = ask(scene, "ETH", amount, SOMEBODY, &[])?;
    scene.until(&id, "broadcast", false).await?;
    println!(
        "    signed by the HSM that is left and broadcast after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    scene.until(&id, "final", true).await?;
    println!("    final");
    outcomes.push(Outcome::new(what, id, "final"));
    Ok(())
}

/// Waits until the daemon says so of a token.
async fn until(scene: &Scene<'_>, token: &str, health: &str) -> Result<(), Failure> {
    let operator = scene.house.client_as("operator/alice")?;
    let began = Instant::now();
    loop {
        let answer: Value = operator.get("/v1/hsm").await?;
        let mut tokens = answer["tokens"].as_array().into_iter().flatten();
        if tokens.any(|each| each["name"] == token && each["health"] == health) {
            let waited = began.elapsed().as_secs_f64();
            println!("    {token} is {health} (seen after {waited:.1} s)");
            return Ok(());
        }
        if began.elapsed() > BACK_WITHIN {
            return Err(format!("{token} is not {health}: {answer}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What an operator, a probe and a monitor see.
fn show(scene: &Scene<'_>) -> Result<(), Failure> {
    scene.table("operator/alice", &["hsm"])?;
    let ready = scene.house.daemon.get("/readyz")?;
    println!("    /readyz: {} {}", ready.status, ready.body);
    for line in scene.house.daemon.get("/metrics")?.body.lines() {
        if line.starts_with("custodyd_hsm_up{") {
            println!("    /metrics: {line}");
        }
    }
    let trouble: Value = serde_json::from_str(&ready.body)?;
    if trouble["trouble"].as_array().is_some_and(Vec::is_empty) {
        return Ok(());
    }
    Err(format!("not ready: {}", text(&trouble)).into())
}
