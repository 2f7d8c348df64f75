//! Two acts on governance: the limit that was in the way is raised by a proposal, and a client is stopped and let go on.

use std::time::{Duration, Instant};

use custodyd_testbed::project;
use serde_json::Value;

use crate::{
    Failure,
    scene::Scene,
    story::{Outcome, SOMEBODY, ask, chapter, text},
};

/// Longest wait for a proposal whose delay is seconds.
const ENACTED_WITHIN: Duration = Duration::from_secs(60);
const DAILY: &str = "id = \"hot-ltc-daily\"\nper = \"wallet\"\nmax_amount = ";
/// What is asked for before and after the limit is raised.
pub(crate) const TOO_MUCH: &str = "7";

/// The project's policy with a day's limit that the story reaches, and with changes of limits and of operators that
/// take seconds.
pub(crate) fn policy() -> Result<String, Failure> {
    let whole = std::fs::read_to_string(project().join("policies/default.toml"))?;
    let quick = ["limits", "operators"]
        .map(|kind| format!("{kind} = {{ require = [{{ group = \"treasury\", quorum = 2 }}], delay = \"3s\" }}\n"))
        .concat();
    [
        (format!("{DAILY}\"20 LTC\""), format!("{DAILY}\"12 LTC\"")),
        (
            "people = 2, delay = \"10m\"".to_owned(),
            "people = 2, delay = \"3s\"".to_owned(),
        ),
        (
            "\naddress-book = ".to_owned(),
            format!("\n{quick}address-book = "),
        ),
    ]
    .into_iter()
    .try_fold(whole, |policy, (from, to)| {
        let one = policy.matches(&from).count() == 1;
        one.then(|| policy.replace(&from, &to))
            .ok_or_else(|| format!("policies/default.toml has not exactly one {from:?}").into())
    })
}

/// An operator proposes, two approve, the delay passes, and what was denied goes through.
pub(crate) async fn raise_the_limit(
    scene: &Scene<'_>,
    number: u32,
    to: &str,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Failure> {
    chapter(
        number,
        "The limit is too low: it is changed by a proposal, and by nothing else",
    );
    let file = scene.path("raised.toml");
    let raised = policy()?.replace(&format!("{DAILY}\"12 LTC\""), &format!("{DAILY}\"20 LTC\""));
    std::fs::write(&file, raised)?;
    let reason = ["--reason", "more for the weekend"];
    let made = scene.ctl(
        "operator/dave",
        &[&["propose", "set-policy", &file][..], &reason].concat(),
    )?;
    let id = text(&made["id"]);
    println!("    {id} {}; what the others see:", text(&made["state"]));
    scene.excerpt("operator/alice", &["proposal", &id], |line| {
        !line.starts_with("  for example") && !line.starts_with("    ")
    })?;
    for who in ["operator/alice", "operator/bob"] {
        let document = scene.ctl(who, &["approve", &id, "--yes"])?;
        println!(
            "    {who} signed exactly these changes; now {}",
            text(&document["state"])
        );
    }
    println!("    for 3 s (a day, in policies/default.toml) anyone who was asked may still veto");
    let began = Instant::now();
    let alice = scene.house.client_as("operator/alice")?;
    loop {
        let proposal: Value = alice.get(&format!("/v1/proposals/{id}")).await?;
        if proposal["state"] == "enacted" {
            break;
        }
        if began.elapsed() > ENACTED_WITHIN {
            return Err(format!("{id} was not enacted: {proposal}").into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("    enacted; the same withdrawal again:");
    let payout = ask(scene, "LTC", TOO_MUCH, to, &["--wallet", "hot-ltc"])?;
    for who in ["operator/alice", "operator/bob"] {
        let document = scene.ctl(who, &["approve", &payout, "--yes"])?;
        println!("    {who} approved; now {}", text(&document["state"]));
    }
    scene.until(&payout, "broadcast", false).await?;
    outcomes.push(Outcome::new("limit raised", payout, "final"));
    Ok(())
}

/// One operator stops a client at once; going on takes three people.
pub(crate) async fn freeze(
    scene: &Scene<'_>,
    number: u32,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Failure> {
    chapter(
        number,
        "Something is odd: any operator freezes at once, a quorum lifts it",
    );
    scene.ctl(
        "operator/carol",
        &["freeze", "--client", "exchange", "--reason", "odd payouts"],
    )?;
    println!("    nothing that this client asks for goes on, from this moment");
    let small = [
        "withdraw",
        "--asset",
        "ETH",
        "--amount",
        "0.1",
        "--to",
        SOMEBODY,
        "--reference",
        "demo",
    ];
    scene.refused("client/exchange", &small)?;
    for who in ["operator/alice", "operator/bob", "operator/carol"] {
        scene.ctl(who, &["unfreeze", "--client", "exchange"])?;
    }
    println!("    two of treasury and one of security: lifted");
    let id = ask(scene, "ETH", "0.1", SOMEBODY, &[])?;
    scene.until(&id, "broadcast", false).await?;
    outcomes.push(Outcome::new("after the freeze", id, "final"));
    Ok(())
}
