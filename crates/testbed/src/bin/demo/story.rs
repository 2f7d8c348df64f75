//! The story: what is asked, what policy and people make of it, and what the chains say in the end.

use serde_json::{Value, json};

use crate::{Failure, governance, scene::Scene};

/// Somebody on Anvil (the second of its well-known development accounts).
pub(crate) const SOMEBODY: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// One chapter's end.
pub(crate) struct Outcome {
    what: &'static str,
    id: String,
    expected: &'static str,
}

impl Outcome {
    pub(crate) const fn new(what: &'static str, id: String, expected: &'static str) -> Self {
        Self { what, id, expected }
    }
}

/// Tells the seven chapters and gives how each must end.
pub(crate) async fn tell(scene: &Scene<'_>) -> Result<Vec<Outcome>, Failure> {
    let outside = || {
        scene
            .litecoind()
            .and_then(|node| Ok(node.outside_address()?))
    };
    let mut outcomes = Vec::new();

    chapter(
        1,
        "Small hot withdrawals: policy lets them through by itself",
    );
    let litecoin = ask(scene, "LTC", "0.5", &outside()?, &[])?;
    let ethereum = ask(scene, "ETH", "0.25", SOMEBODY, &[])?;
    for (what, id) in [("small Litecoin", litecoin), ("small Ethereum", ethereum)] {
        scene.until(&id, "broadcast", false).await?;
        println!("    {what}: planned, signed in the HSM, verified, broadcast");
        outcomes.push(Outcome {
            what,
            id,
            expected: "final",
        });
    }

    chapter(2, "A larger one: policy asks two people of treasury");
    let id = ask(scene, "LTC", "5", &outside()?, &[])?;
    for who in ["operator/alice", "operator/bob"] {
        let document = scene.ctl(who, &["approve", &id, "--yes"])?;
        println!(
            "    {who} signed the exact effects; now {}",
            text(&document["state"])
        );
    }
    scene.until(&id, "broadcast", false).await?;
    outcomes.push(Outcome {
        what: "two approvals",
        id,
        expected: "final",
    });

    chapter(3, "Above the hot wallet's ceiling: denied, with the reason");
    let id = ask(scene, "LTC", "21", &outside()?, &["--wallet", "hot-ltc"])?;
    outcomes.push(Outcome {
        what: "denied by a rule",
        id,
        expected: "denied",
    });

    chapter(
        4,
        "Within every rule, but over the day's velocity limit: denied, with the numbers",
    );
    let to = outside()?;
    let id = ask(
        scene,
        "LTC",
        governance::TOO_MUCH,
        &to,
        &["--wallet", "hot-ltc"],
    )?;
    outcomes.push(Outcome {
        what: "denied by a limit",
        id,
        expected: "denied",
    });

    governance::raise_the_limit(scene, 5, &to, &mut outcomes).await?;
    governance::freeze(scene, 6, &mut outcomes).await?;

    chapter(
        7,
        "From the cold wallet: out as a bundle, signed by coldsign with another token, and back",
    );
    let id = ask(scene, "LTC", "25", &outside()?, &[])?;
    for who in ["operator/alice", "operator/carol"] {
        let document = scene.ctl(who, &["approve", &id, "--yes"])?;
        println!("    {who} approved; now {}", text(&document["state"]));
    }
    let (bundle, signed) = (scene.path("stick/out"), scene.path("stick/back"));
    std::fs::create_dir_all(scene.path("stick"))?;
    scene.ctl(
        "operator/alice",
        &["export", "--wallet", "cold-ltc", "--out", &bundle],
    )?;
    println!("    the bundle goes to the air-gapped machine on a stick");
    scene.cold(&["inspect", &bundle])?;
    scene.cold(&["sign", &bundle, "--out", &signed, "--yes"])?;
    println!("    and comes back");
    scene.ctl("operator/alice", &["import", &signed])?;
    scene.until(&id, "broadcast", false).await?;
    outcomes.push(Outcome {
        what: "cold, by bundle",
        id,
        expected: "final",
    });
    Ok(outcomes)
}

/// Mines until everything is final, and has the nodes and the journal say the last word.
pub(crate) async fn close(scene: &Scene<'_>, outcomes: &[Outcome]) -> Result<(), Failure> {
    println!("\n— Blocks are mined; the nodes have the last word\n");
    println!(
        "  {:<18} {:<9} {:>6} of   transaction, as the node reports it",
        "withdrawal", "state", "blocks"
    );
    for Outcome { what, id, expected } in outcomes {
        let document = scene.until(id, expected, *expected == "final").await?;
        let Some(transaction) = document["transaction"].as_str() else {
            println!(
                "  {what:<18} {:<9} {:>6}      none: nothing was signed",
                text(&document["state"]),
                "-"
            );
            continue;
        };
        let (txid, confirmations) = on_chain(scene, transaction).await?;
        println!(
            "  {what:<18} {:<9} {confirmations:>6}      {txid}",
            text(&document["state"])
        );
    }
    println!("\n  $ custodyd journal verify");
    let (sound, printed) = scene.house.custodyd(&["journal", "verify"])?;
    for line in printed.lines() {
        println!("    {line}");
    }
    if sound {
        Ok(())
    } else {
        Err("the journal does not hold".into())
    }
}

/// What the node itself says of a transaction: its id and its confirmations.
async fn on_chain(scene: &Scene<'_>, transaction: &str) -> Result<(String, u64), Failure> {
    let client = scene.house.client_as("operator/alice")?;
    let document: Value = client
        .get(&format!("/v1/transactions/{transaction}"))
        .await?;
    let txid = text(&document["txid"]);
    if text(&document["network"]).starts_with("eip155") {
        let node = scene.anvil()?;
        let receipt = node.rpc("eth_getTransactionReceipt", &json!([txid]))?;
        let block = text(&receipt["blockNumber"]);
        let height = u64::from_str_radix(block.trim_start_matches("0x"), 16)?;
        if receipt["status"] != "0x1" || text(&receipt["transactionHash"]) != txid {
            return Err(format!("the node says otherwise of {txid}: {receipt}").into());
        }
        return Ok((
            txid,
            node.height()?.saturating_sub(height).saturating_add(1),
        ));
    }
    let node = scene.litecoind()?;
    let height = document["height"].as_u64().ok_or("no height")?;
    let block = node.block_hash(height)?;
    let seen = node.cli(&["getrawtransaction", &txid, "true", &block])?;
    Ok((
        text(&seen["txid"]),
        seen["confirmations"].as_u64().ok_or("not confirmed")?,
    ))
}

/// A client asks, and the verdict is shown.
pub(crate) fn ask(
    scene: &Scene<'_>,
    asset: &str,
    amount: &str,
    to: &str,
    more: &[&str],
) -> Result<String, Failure> {
    let mut arguments = vec![
        "withdraw",
        "--asset",
        asset,
        "--amount",
        amount,
        "--to",
        to,
        "--reference",
        "demo",
    ];
    arguments.extend(more);
    let document = scene.ctl("client/exchange", &arguments)?;
    println!("    {} {}", text(&document["id"]), text(&document["state"]));
    println!("    verdict: {}", text(&document["verdict"]["summary"]));
    for reason in document["verdict"]["reasons"]
        .as_array()
        .into_iter()
        .flatten()
    {
        println!("      - {}", text(&reason["text"]));
    }
    document["id"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("no withdrawal: {document}").into())
}

pub(crate) fn chapter(number: u32, title: &str) {
    println!("\n{number}. {title}\n");
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
