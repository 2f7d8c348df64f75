//! Intake: signed requests that need people's approval, until each is durable and answered. Nothing is signed with a wallet's
//! key; what is measured is HTTP, the client's signature, policy, the journal and its heads.

use std::path::Path;

use custodyd_client::Identity;
use custodyd_testbed::{House, Plan, Programs};

use crate::{
    Failure, load, program,
    report::{Goal, Report},
};

/// Requests of one measurement.
const REQUESTS: usize = 20_000;
/// Measurements, of which the median counts: the machine's speed changes by a tenth from one to the next.
const ROUNDS: usize = 3;
/// Requests before it, so that pages, statements and branches are warm.
const WARM_UP: usize = 2_000;
/// Above what the policy of the load lets go by itself.
const AMOUNT: &str = "2";

pub(crate) async fn measure(report: &mut Report) -> Result<(), Failure> {
    println!("intake: {ROUNDS} × {REQUESTS} signed withdrawals that wait for two approvals");
    let programs = Programs {
        custodyd: program("custodyd"),
        coldsign: None,
    };
    let plan = Plan {
        litecoin: false,
        poll_ms: 2_000,
        policy: Some(load::policy()),
        extra_config: "[log]\nfilter = \"warn\"\n".to_owned(),
        ..Plan::default()
    };
    let house = House::build(programs, plan).await?;
    load::prepare(&house).await?;
    let identity = Identity::load(
        "client/exchange".parse()?,
        &house.key_file("client/exchange"),
    )?;
    load::answered(&house, &identity, "warm", AMOUNT, WARM_UP).await?;
    let count = f64::from(u32::try_from(REQUESTS)?);
    let (mut costs, mut rates) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let cpu = cpu_seconds(house.daemon.pid())?;
        let elapsed = load::answered(
            &house,
            &identity,
            &format!("intake-{round}"),
            AMOUNT,
            REQUESTS,
        )
        .await?;
        // Signing the requests comes before the clock and costs the daemon nothing but what it does by itself.
        let spent = cpu_seconds(house.daemon.pid())? - cpu;
        println!(
            "  answered after {:.2} s; {:.2} s of the daemon's and its HSM worker's CPU",
            elapsed.as_secs_f64(),
            spent
        );
        costs.push(spent * 1e6 / count);
        rates.push(count / elapsed.as_secs_f64());
    }
    report.add("intake_cpu_us", median(costs), "µs", Goal::AtMost(150.0));
    report.add("intake_per_s", median(rates), "1/s", Goal::AtLeast(3_000.0));
    Ok(())
}

/// The middle one of an odd number.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}

/// CPU time of a process and of its HSM workers so far, seconds (proc(5): utime and stime, in ticks of 10 ms).
fn cpu_seconds(pid: u32) -> Result<f64, Failure> {
    let ticks = |path: &Path| -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(path)?;
        // The name in parentheses may hold spaces.
        let (_, rest) = stat.rsplit_once(')').ok_or("no name in stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |at: usize| -> Result<f64, Failure> {
            Ok(fields.get(at).ok_or("stat is short")?.parse()?)
        };
        Ok(field(11)? + field(12)?)
    };
    let mut whole = ticks(Path::new(&format!("/proc/{pid}/stat")))? / 100.0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let children = std::fs::read_to_string(task?.path().join("children"))?;
        for child in children.split_whitespace() {
            whole += cpu_seconds(child.parse()?)?;
        }
    }
    Ok(whole)
}
