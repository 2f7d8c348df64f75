//! `make bench`: measures, prints a table, and writes target/bench.json. Ratios are taken in one run on one machine; a
//! timing is never a test's assertion, so a missed goal is shown and not failed. `--only PART` measures one part; `--against PATH`
//! compares what a request costs with another build's custodyd.

#![allow(
    clippy::indexing_slicing,
    reason = "JSON values only, where a missing key is null and no panic"
)]

#[path = "bench/console.rs"]
mod console;
#[path = "bench/failover.rs"]
mod failover;
#[path = "bench/hsm.rs"]
mod hsm;
#[path = "bench/intake.rs"]
mod intake;
#[path = "bench/load.rs"]
mod load;
#[path = "bench/policy.rs"]
mod policy;
#[path = "bench/prove.rs"]
mod prove;
#[path = "bench/report.rs"]
mod report;
#[path = "bench/waiting.rs"]
mod waiting;
#[path = "bench/wrapped.rs"]
mod wrapped;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use custodyd_hsm::{Profile, raw_sign_rate};
use custodyd_testbed::{House, Signal, project};
use report::{Goal, Report};
use secrecy::SecretString;

/// What can be measured alone, in order.
const PARTS: [&str; 8] = [
    "policy", "prove", "hsm", "failover", "wrapped", "intake", "console", "house",
];

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Withdrawals signed through the whole path.
const WITHDRAWALS: usize = 8_000;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, way, pin_file] = arguments.as_slice()
        && flag == "--sign"
    {
        return hsm::turn(way, Path::new(pin_file));
    }
    if let [flag, step @ ..] = arguments.as_slice()
        && flag == "--wrapped"
    {
        return wrapped::step(step);
    }
    if let Some(pin_file) = std::env::args().skip_while(|a| a != "--raw-sign").nth(1) {
        return raw_sign(Path::new(&pin_file));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    if let [flag, other] = arguments.as_slice()
        && flag == "--against"
    {
        return runtime.block_on(intake::compare(other.into()));
    }
    runtime.block_on(measure(chosen(&arguments)?))
}

/// The part to measure alone, if one is named.
fn chosen(arguments: &[String]) -> Result<Option<&'static str>, Failure> {
    let part = match arguments {
        [] => return Ok(None),
        [flag, part] if flag == "--only" => part,
        _ => {
            return Err(format!(
                "bench [--only PART | --against CUSTODYD]; the parts are {}",
                PARTS.join(", ")
            )
            .into());
        }
    };
    let known = PARTS.into_iter().find(|known| known == part);
    let unknown = || format!("there is no {part:?}; the parts are {}", PARTS.join(", "));
    Ok(Some(known.ok_or_else(unknown)?))
}

/// Measures everything, and writes it down; or one part, which is only shown.
async fn measure(only: Option<&'static str>) -> Result<(), Failure> {
    let mut report = Report::default();
    for part in PARTS {
        if only.is_some_and(|only| only != part) {
            continue;
        }
        match part {
            "policy" => policy::measure(&mut report)?,
            "prove" => prove::measure(&mut report)?,
            "hsm" => hsm::measure(&mut report)?,
            "failover" => failover::measure(&mut report)?,
            "wrapped" => wrapped::measure(&mut report)?,
            "intake" => intake::measure(&mut report).await?,
            "console" => console::measure(&mut report).await?,
            _ => measure_house(&mut report).await?,
        }
    }
    report.print();
    match only {
        None => report.write(&project().join("target/bench.json")),
        Some(_) => Ok(()),
    }
}

async fn measure_house(report: &mut Report) -> Result<(), Failure> {
    println!("house: Anvil, SoftHSM, custodyd (release)");
    let mut house = load::house(program("custodyd")).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let resting = rss_mib(house.daemon.pid())?;
    report.add("idle_rss_mib", resting, "MiB", Goal::Below(60.0));

    println!("C_Sign alone: two threads on the same token, 5 s");
    let before = raw_rate(&house)?;
    load::prepare(&house).await?;
    println!(
        "the whole path: {WITHDRAWALS} signed withdrawals, the node at work on the same cores"
    );
    let with_node = load::signed_per_second(&house, "live", WITHDRAWALS).await?;
    load::check_on_chain(&house, WITHDRAWALS).await?;
    println!("the same with the node paused: from the request to the verified raw transaction");
    pause_node(&mut house, true)?;
    let through = load::signed_per_second(&house, "paused", WITHDRAWALS).await?;
    pause_node(&mut house, false)?;
    load::check_on_chain(&house, 2 * WITHDRAWALS).await?;
    println!("C_Sign alone, again");
    let raw = f64::midpoint(before, raw_rate(&house)?);
    report.add("raw_c_sign_per_s", raw, "1/s", Goal::None);
    report.add("eth_signed_per_s", through, "1/s", Goal::None);
    let ratio = through / raw;
    report.add("eth_signed_vs_raw", ratio, "ratio", Goal::AtLeast(0.3));
    report.add("eth_sent_vs_raw", with_node / raw, "ratio", Goal::None);
    report.add(
        "busy_rss_mib",
        rss_mib(house.daemon.pid())?,
        "MiB",
        Goal::None,
    );
    Ok(())
}

/// A node elsewhere costs this machine nothing; here it would share the two cores that are measured.
fn pause_node(house: &mut House, pause: bool) -> Result<(), Failure> {
    let node = house.anvil.as_mut().ok_or("the house has no Anvil")?;
    let signal = if pause { Signal::STOP } else { Signal::CONT };
    Ok(node.process().signal(signal)?)
}

/// A program of the same build.
fn program(name: &str) -> PathBuf {
    std::env::current_exe().map_or_else(|_| PathBuf::from(name), |own| own.with_file_name(name))
}

/// The rate of a bare C_Sign loop on two threads, in a process of its own with the token's environment.
fn raw_rate(house: &House) -> Result<f64, Failure> {
    let token = house.hsm.token()?;
    let output = Command::new(std::env::current_exe()?)
        .arg("--raw-sign")
        .arg(token.pin_file())
        .envs(token.environment())
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn raw_sign(pin_file: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(project().join("hsm-config/softhsm.toml"))?;
    let pin = SecretString::from(std::fs::read_to_string(pin_file)?.trim().to_owned());
    let rate = raw_sign_rate(&Profile::load_str(&text)?, pin, 2, Duration::from_secs(5))?;
    println!("{}", rate.per_second());
    Ok(())
}

/// Resident memory of a process and of its HSM workers, in MiB (proc(5), VmRSS).
fn rss_mib(pid: u32) -> Result<f64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("no VmRSS")?
        .parse()?;
    let mut whole = kib / 1024.0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let children = std::fs::read_to_string(task?.path().join("children"))?;
        for child in children.split_whitespace() {
            whole += rss_mib(child.parse()?)?;
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_part_is_refused_with_those_that_are_before_anything_is_measured() {
        let chosen = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            chosen(&words).map_err(|refused| refused.to_string())
        };
        assert_eq!(chosen(""), Ok(None));
        for part in PARTS {
            assert_eq!(chosen(&format!("--only {part}")), Ok(Some(part)));
        }
        for line in [
            "--only unknown",
            "--only Intake",
            "--only",
            "intake",
            "--only hsm prove",
        ] {
            let refused = chosen(line).unwrap_err();
            assert!(refused.contains(&PARTS.join(", ")), "{line}: {refused}");
        }
    }
}
