//! The whole path under load: signed requests over HTTP until each has a verified raw transaction in the journal.

use std::{
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use custodyd_client::Identity;
use custodyd_httpsig::{Principal, UnsignedRequest, sign};
use custodyd_testbed::{House, Plan, Programs};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::Failure;

/// The head of the benchmark's policies.
pub(crate) const HEAD: &str = r#"version = 1
[groups]
treasury = ["alice", "bob", "carol"]
[approvals]
expire_after = "24h"
[destinations]
cool_off = "24h"
[governance]
unfreeze = [{ group = "treasury", quorum = 2 }]
[tiers]
warm = { group = "treasury", quorum = 2, hold = "1h" }
cold = { group = "treasury", quorum = 2 }
"#;

/// Limits that every withdrawal is counted against and none reaches.
pub(crate) const LIMITS: &str = r#"
[[limits]]
id = "hot-eth-daily"
per = "wallet"
max_amount = "1000000 ETH"
window = "24h"
on_breach = "deny"
when = { tier = ["hot"] }
[[limits]]
id = "destination-daily"
per = "destination"
max_amount = "1000000 ETH"
window = "24h"
on_breach = "deny"
[[limits]]
id = "client-hourly"
per = "client"
max_count = 1000000
window = "1h"
on_breach = "hold"
"#;

/// The policy of the load: a hot Ethereum wallet that pays small amounts by itself.
pub(crate) fn policy() -> String {
    let rules = r#"
[[rules]]
id = "small"
effect = "allow"
when = { tier = ["hot"], amount = { at_most = "1 ETH" } }
[[rules]]
id = "large"
effect = "allow"
when = { tier = ["hot"], amount = { above = "1 ETH" } }
require = [{ group = "treasury", quorum = 2 }]
"#;
    format!("{HEAD}{rules}{LIMITS}")
}

/// A house for the load: Anvil, a SoftHSM, and this custodyd.
pub(crate) async fn house(custodyd: PathBuf) -> Result<House, Failure> {
    let programs = Programs {
        custodyd,
        coldsign: None,
    };
    let plan = Plan {
        litecoin: false,
        // custodyd's own default.
        poll_ms: 2_000,
        policy: Some(policy()),
        extra_config: "[log]\nfilter = \"warn\"\n".to_owned(),
        ..Plan::default()
    };
    Ok(House::build(programs, plan).await?)
}

/// Connections that ask at the same time. A daemon that may have 1,024 files open, as is usual, gives half of them to connections, and
/// asks the longest idle one to leave for whoever comes after those.
const CONNECTIONS: usize = 480;

/// Gets the house ready: funds, and one withdrawal before, so that a fee quote is there as it is in a running house.
pub(crate) async fn prepare(house: &House) -> Result<(), Failure> {
    house
        .fund_ethereum("hot-eth", "0x152d02c7e14af6800000")
        .await?;
    let client = house.client_as("client/exchange")?;
    let first = custodyd_client::NewWithdrawal {
        vault: "main".into(),
        asset: "ETH".into(),
        amount: "0.001".into(),
        destination: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8".into(),
        reference: "warm-up".into(),
        wallet: None,
    };
    let _: serde_json::Value = client
        .post_idempotent("/v1/withdrawals", "warm-up", &first)
        .await?;
    house
        .until(
            "sign the first withdrawal",
            std::time::Duration::from_secs(20),
            async || signed(house) >= 1,
        )
        .await?;
    Ok(())
}

/// Signed withdrawals a second, from the first request to the last verified transaction in the journal.
pub(crate) async fn signed_per_second(
    house: &House,
    series: &str,
    count: usize,
) -> Result<f64, Failure> {
    let before = signed(house);
    let identity = Identity::load(
        "client/exchange".parse()?,
        &house.key_file("client/exchange"),
    )?;
    let began = Instant::now();
    let answered = answered(house, &identity, series, "0.001", count).await?;
    let asked = began.elapsed() - answered;
    let wanted = u64::try_from(count)?.saturating_add(before);
    house
        .until(
            "sign every withdrawal",
            std::time::Duration::from_secs(120),
            async || signed(house) >= wanted,
        )
        .await?;
    let elapsed = began.elapsed() - asked;
    println!(
        "  answered after {:.2} s, all signed after {:.2} s",
        answered.as_secs_f64(),
        elapsed.as_secs_f64()
    );
    Ok(f64::from(u32::try_from(count)?) / elapsed.as_secs_f64())
}

/// Asks for so many withdrawals of an amount, and gives the time from the first request to the last answer. Signing the
/// requests comes before.
pub(crate) async fn answered(
    house: &House,
    identity: &Identity,
    series: &str,
    amount: &str,
    count: usize,
) -> Result<Duration, Failure> {
    let address: SocketAddr = house.daemon.url().trim_start_matches("http://").parse()?;
    let requests = requests(&address, identity, series, amount, count)?;
    // One thread asks, as somebody elsewhere would take none of the daemon's cores: more would push its threads about.
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(ask_all(address, requests))
    })
    .await?
}

async fn ask_all(address: SocketAddr, mut requests: Vec<Vec<u8>>) -> Result<Duration, Failure> {
    let per_connection = requests.len().div_ceil(CONNECTIONS).max(1);
    let mut asking = Vec::new();
    while !requests.is_empty() {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let rest = requests.len().saturating_sub(per_connection);
        asking.push((stream, requests.split_off(rest)));
    }
    let began = Instant::now();
    let asking: Vec<_> = asking
        .into_iter()
        .map(|(stream, requests)| tokio::spawn(ask(stream, requests)))
        .collect();
    for each in asking {
        each.await??;
    }
    Ok(began.elapsed())
}

/// Waits until the node took them all, mines them, and has the node count them.
pub(crate) async fn check_on_chain(house: &House, count: usize) -> Result<(), Failure> {
    let wanted = u64::try_from(count)?.saturating_add(1);
    let taken = async || events(house, "transaction_broadcast") >= wanted;
    house
        .until(
            "broadcast every withdrawal",
            std::time::Duration::from_secs(120),
            taken,
        )
        .await?;
    let node = house.anvil.as_ref().ok_or("the house has no Anvil")?;
    node.mine(40)?;
    let account = house.address_of("hot-eth").await?;
    let nonce = node.rpc(
        "eth_getTransactionCount",
        &serde_json::json!([account, "latest"]),
    )?;
    if nonce == format!("0x{wanted:x}") {
        println!("  the chain has all {wanted} of them");
        Ok(())
    } else {
        Err(format!("the chain has {nonce} transactions of {wanted}").into())
    }
}

/// Transactions whose verified bytes are in the journal.
fn signed(house: &House) -> u64 {
    events(house, "transaction_signed")
}

/// Events of a kind since the daemon started.
fn events(house: &House, kind: &str) -> u64 {
    let name = format!("custodyd_journal_events_total{{kind=\"{kind}\"}} ");
    let text = house
        .daemon
        .get("/metrics")
        .map(|answer| answer.body)
        .unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(&name))
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}

/// Requests as bytes, signed before the clock starts: the load generator shares the two cores with what it measures.
fn requests(
    address: &SocketAddr,
    identity: &Identity,
    series: &str,
    amount: &str,
    count: usize,
) -> Result<Vec<Vec<u8>>, Failure> {
    let authority = address.to_string();
    let created = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs();
    (0..count)
        .map(|n| {
            let body = format!(
                "{{\"vault\":\"main\",\"asset\":\"ETH\",\"amount\":\"{amount}\",\"destination\":\
                 \"0x70997970C51812dc3A010C7d01b50e0d17dc79C8\",\"reference\":\"bench {n}\"}}"
            );
            let key = format!("{series}-{n}");
            let unsigned = UnsignedRequest {
                method: "POST",
                authority: &authority,
                target: "/v1/withdrawals",
                content_type: Some("application/json"),
                idempotency_key: Some(&key),
                body: body.as_bytes(),
            };
            let principal: &Principal = identity.principal();
            let nonce = format!("benchmarknonce{series}{n:010}");
            let headers = sign(
                &unsigned,
                &principal.to_string(),
                &nonce,
                created,
                identity.key(),
            )?;
            let mut text = format!(
                "POST /v1/withdrawals HTTP/1.1\r\nhost: {authority}\r\ncontent-length: {}\r\n\
                 content-type: application/json\r\nidempotency-key: {key}\r\n",
                body.len()
            );
            for (name, value) in headers.fields() {
                if !["content-type", "idempotency-key"].contains(&name) {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
            }
            Ok(format!("{text}\r\n{body}").into_bytes())
        })
        .collect()
}

/// Sends requests one after the other on one connection; each must be accepted.
async fn ask(mut stream: TcpStream, requests: Vec<Vec<u8>>) -> Result<(), Failure> {
    let mut answer = Vec::with_capacity(8_192);
    for request in requests {
        stream.write_all(&request).await?;
        answer.clear();
        while !is_whole(&answer)? {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err("the daemon hung up".into());
            }
        }
        if !answer.starts_with(b"HTTP/1.1 201 ") {
            return Err(String::from_utf8_lossy(&answer).into_owned().into());
        }
    }
    Ok(())
}

/// Whether an answer has come with its whole body.
fn is_whole(answer: &[u8]) -> Result<bool, Failure> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(end) = answer.windows(END.len()).position(|four| four == END) else {
        return Ok(false);
    };
    let (head, body) = answer.split_at(end + END.len());
    let length = std::str::from_utf8(head)?
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, length)| length.trim().parse::<usize>())?;
    Ok(body.len() >= length)
}
