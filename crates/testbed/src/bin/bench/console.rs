//! The console under load: the queue while 10,000 payouts wait, the way of an approval that a passkey signed, and lists of
//! 100,000.

use std::time::{Duration, Instant};

use custodyd_client::Identity;
use custodyd_testbed::{ConsoleUser, Deed, House, Plan, Programs};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    Failure, load, program,
    report::{Goal, Report},
    waiting,
};

/// Payouts that wait.
const PENDING: usize = 10_000;
/// Payouts when lists are read.
const LISTED: usize = 100_000;
/// Lists as people open them: all, some, and somewhere in the middle.
const LISTS: [&str; 7] = [
    "/console/queue",
    "/console/withdrawals",
    "/console/withdrawals?state=awaiting_approval&client=exchange&wallet=hot-eth",
    "/console/withdrawals?state=final",
    "/console/withdrawals?after=100000.wd_0",
    "/console/journal?by=client/exchange",
    "/console/journal?kind=withdrawal_judged&before=100000",
];
/// Readings of a page, on a connection that is open as a browser's is.
const READINGS: usize = 100;
/// Approvals that are timed.
const APPROVALS: usize = 200;
/// Above what the policy of the load lets go by itself: two of treasury are asked.
const AMOUNT: &str = "2";

pub(crate) async fn measure(report: &mut Report) -> Result<(), Failure> {
    println!(
        "console: the queue with {PENDING} payouts that wait, {APPROVALS} approvals by passkey"
    );
    let house = house().await?;
    let invited = house.invite(&["alice"]).await?;
    let url = house.daemon.url();
    let mut alice = ConsoleUser::new(&url, &house.console())?;
    for invitation in &invited {
        accepted(alice.enrol(&invitation.secret()).await?.status)?;
    }
    accepted(alice.sign_in().await?.status)?;

    let identity = Identity::load(
        "client/exchange".parse()?,
        &house.key_file("client/exchange"),
    )?;
    waiting::first_page(&house, AMOUNT).await?;
    load::answered(&house, &identity, "console", AMOUNT, PENDING).await?;

    let (mut firsts, bytes) = readings(&house, &alice, "/console/queue").await?;
    let (median, worst) = spread(&mut firsts)?;
    println!(
        "  the queue's first byte after {median:.1} ms, after {worst:.1} ms at the 99th percentile"
    );
    report.add("queue_first_byte_ms", median, "ms", Goal::AtMost(50.0));
    report.add("queue_kb", bytes / 1e3, "kB", Goal::AtMost(100.0));

    let mut trips = approvals(&house, &mut alice).await?;
    let (median, worst) = spread(&mut trips)?;
    println!("  an approval takes {median:.1} ms, {worst:.1} ms at the 99th percentile");
    report.add("approval_ms", median, "ms", Goal::AtMost(100.0));
    report.add("approval_p99_ms", worst, "ms", Goal::None);

    load::answered(&house, &identity, "more", AMOUNT, LISTED - PENDING).await?;
    let slowest = lists(&house, &alice).await?;
    report.add("list_first_byte_ms", slowest, "ms", Goal::AtMost(50.0));
    Ok(())
}

/// A house whose operators can be invited, with ether that nobody is going to get.
async fn house() -> Result<House, Failure> {
    let programs = Programs {
        custodyd: program("custodyd"),
        coldsign: None,
    };
    let changes = "[governance.changes]\n\
                   default = { require = [{ group = \"treasury\", quorum = 2 }], delay = \"1s\" }\n[tiers]";
    let plan = Plan {
        litecoin: false,
        poll_ms: 2_000,
        policy: Some(load::policy().replace("[tiers]", changes) + waiting::POLICY),
        extra_config: "[log]\nfilter = \"warn\"\n".to_owned(),
        ..Plan::default()
    };
    let house = House::build(programs, plan).await?;
    load::prepare(&house).await?;
    Ok(house)
}

/// The slowest list's first byte, milliseconds, median.
async fn lists(house: &House, user: &ConsoleUser) -> Result<f64, Failure> {
    let mut slowest = 0.0_f64;
    for list in LISTS {
        let (mut firsts, bytes) = readings(house, user, list).await?;
        let (median, worst) = spread(&mut firsts)?;
        println!(
            "  of {LISTED}: {list} {median:.1} ms, {worst:.1} ms at the 99th percentile, {:.1} kB",
            bytes / 1e3
        );
        slowest = slowest.max(median);
    }
    Ok(slowest)
}

/// Opens a page again and again: milliseconds from the request to the first byte of the answer, and the page's bytes.
async fn readings(
    house: &House,
    user: &ConsoleUser,
    page: &str,
) -> Result<(Vec<f64>, f64), Failure> {
    let address = house.daemon.url();
    let address = address.trim_start_matches("http://");
    let host = house.console();
    let host = host.trim_start_matches("http://");
    let cookie = user.cookie.as_deref().ok_or("nobody is signed in")?;
    let request = format!(
        "GET {page} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\naccept: text/html\r\nsec-fetch-mode: navigate\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut firsts = Vec::new();
    let mut bytes = 0;
    for _ in 0..READINGS {
        let began = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let mut answer = vec![stream.read_u8().await?];
        firsts.push(milliseconds(began.elapsed()));
        bytes = rest(&mut stream, &mut answer).await?;
    }
    Ok((firsts, f64::from(u32::try_from(bytes)?)))
}

/// Reads an answer to its end, and gives its body's length.
async fn rest(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<usize, Failure> {
    loop {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(head) = end.and_then(|end| answer.get(..end)) {
            let head = String::from_utf8_lossy(head).to_ascii_lowercase();
            let mut lines = head.lines();
            let status = lines.next().unwrap_or_default();
            if !status.contains(" 200") {
                return Err(format!("the console answered {status}").into());
            }
            let length = lines.find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.ok_or("no content-length")?.trim().parse()?;
            let whole = head.len().saturating_add(4).saturating_add(length);
            if answer.len() >= whole {
                return Ok(length);
            }
        }
        if stream.read_buf(answer).await? == 0 {
            return Err("the connection ended".into());
        }
    }
}

/// Approves one after the other: milliseconds of asking for the statement and of handing in what the passkey signed. The
/// authenticator's own time is not counted.
async fn approvals(house: &House, user: &mut ConsoleUser) -> Result<Vec<f64>, Failure> {
    let client = house.client_as("operator/alice")?;
    let path = format!("/v1/withdrawals?state=awaiting_approval&limit={APPROVALS}");
    let page: Value = client.get(&path).await?;
    let waiting = page["items"].as_array().ok_or("no list of withdrawals")?;
    let mut trips = Vec::new();
    for withdrawal in waiting.iter().take(APPROVALS) {
        let id = withdrawal["id"].as_str().ok_or("a withdrawal without id")?;
        let target = format!("/v1/withdrawals/{id}/approvals");
        let deed = Deed::decision("approval", &target);
        let began = Instant::now();
        let prepared = user.prepare(&deed).await?;
        let stated = began.elapsed();
        accepted(prepared.status)?;
        let act = user.signed(&prepared.json(), b"")?;
        let began = Instant::now();
        let answer = user.post("/console/acts", &act).await?;
        let answered = began.elapsed();
        accepted(answer.status)?;
        trips.push(milliseconds(stated.saturating_add(answered)));
    }
    if trips.len() < APPROVALS {
        return Err(format!("{} approvals instead of {APPROVALS}", trips.len()).into());
    }
    Ok(trips)
}

fn accepted(status: u16) -> Result<(), Failure> {
    if matches!(status, 200 | 201) {
        return Ok(());
    }
    Err(format!("the console answered {status}").into())
}

/// Median and 99th percentile.
fn spread(samples: &mut [f64]) -> Result<(f64, f64), Failure> {
    samples.sort_by(f64::total_cmp);
    let at = |share: usize| samples.get(samples.len().saturating_mul(share) / 100);
    match (at(50), at(99)) {
        (Some(median), Some(worst)) => Ok((*median, *worst)),
        _ => Err("nothing was measured".into()),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
