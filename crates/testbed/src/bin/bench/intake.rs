//! Intake: signed requests that need people's approval, until each is durable and answered. Nothing is signed with a wallet's
//! key; what is measured is HTTP, the client's signature, policy, the journal and its heads.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use custodyd_client::Identity;
use custodyd_testbed::House;
use ed25519_dalek::Signer as _;

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
/// Verifications of the yardstick after each measurement.
const VERIFICATIONS: u32 = 5_000;
/// Above what the policy of the load lets go by itself.
const AMOUNT: &str = "2";

/// Turns of a comparison, and requests of each: many short ones, since what disturbs the machine lasts for seconds.
const TURNS: usize = 31;
const REQUESTS_OF_A_TURN: usize = 4_000;

pub(crate) async fn measure(report: &mut Report) -> Result<(), Failure> {
    println!("intake: {ROUNDS} × {REQUESTS} signed withdrawals that wait for two approvals");
    let daemon = Loaded::start(program("custodyd")).await?;
    let count = f64::from(u32::try_from(REQUESTS)?);
    let (mut costs, mut rates, mut yardsticks) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let (spent, elapsed) = daemon.take(&format!("intake-{round}"), REQUESTS).await?;
        println!(
            "  answered after {elapsed:.2} s; {spent:.2} s of the daemon's and its HSM worker's CPU"
        );
        costs.push(spent * 1e6 / count);
        rates.push(count / elapsed);
        yardsticks.push(verification_us()?);
    }
    let (cost, yardstick) = (median(costs), median(yardsticks));
    report.add("intake_cpu_us", cost, "µs", Goal::AtMost(150.0));
    report.add("verify_strict_us", yardstick, "µs", Goal::None);
    report.add("intake_vs_verify", cost / yardstick, "", Goal::None);
    report.add("intake_per_s", median(rates), "1/s", Goal::AtLeast(3_000.0));
    Ok(())
}

/// What this machine takes for one strict Ed25519 verification with every core at it, microseconds: a yardstick of the same minutes,
/// with nothing of custodyd in it. All at once, since cores that are two threads of one are half as fast when both are busy, as they
/// are under the load.
fn verification_us() -> Result<f64, Failure> {
    let cores = std::thread::available_parallelism()?.get();
    let each: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|_| scope.spawn(|| one_verification_us().map_err(|e| e.to_string())))
            .collect();
        let all = threads.into_iter().map(|thread| match thread.join() {
            Ok(us) => us,
            Err(_) => Err("a verification panicked".to_owned()),
        });
        all.collect::<Result<_, String>>()
    })?;
    Ok(each.iter().sum::<f64>() / f64::from(u32::try_from(each.len())?))
}

fn one_verification_us() -> Result<f64, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| e.to_string())?;
    let key = ed25519_dalek::SigningKey::from_bytes(&seed);
    let text = [0x5a; 256];
    let signature = key.sign(&text);
    let public = key.verifying_key();
    let began = Instant::now();
    for _ in 0..VERIFICATIONS {
        std::hint::black_box(&public).verify_strict(&text, &signature)?;
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(VERIFICATIONS))
}

/// This build and another one's `custodyd` in turns, in the same minutes: a single number says as much about the machine as about
/// the build.
pub(crate) async fn compare(other: PathBuf) -> Result<(), Failure> {
    println!(
        "intake: this build and {} in {TURNS} turns",
        other.display()
    );
    let (ours, theirs) = (
        Loaded::start(program("custodyd")).await?,
        Loaded::start(other).await?,
    );
    let count = f64::from(u32::try_from(REQUESTS_OF_A_TURN)?);
    let (mut our_costs, mut their_costs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 1..=TURNS {
        let series = format!("turn-{turn}");
        // Whoever goes second finds warmer caches, so they change places.
        let (one, two) = if turn % 2 == 0 {
            (&ours, &theirs)
        } else {
            (&theirs, &ours)
        };
        let (first, _) = one.take(&series, REQUESTS_OF_A_TURN).await?;
        let (second, _) = two.take(&series, REQUESTS_OF_A_TURN).await?;
        let (our, their) = if turn % 2 == 0 {
            (first, second)
        } else {
            (second, first)
        };
        our_costs.push(our * 1e6 / count);
        their_costs.push(their * 1e6 / count);
        ratios.push(our / their);
    }
    println!(
        "  median of ours {:.1} µs, of theirs {:.1} µs; median ratio {:.3}",
        median(our_costs),
        median(their_costs),
        median(ratios)
    );
    Ok(())
}

/// A house whose daemon is asked for withdrawals.
struct Loaded {
    house: House,
    identity: Identity,
}

impl Loaded {
    async fn start(custodyd: PathBuf) -> Result<Self, Failure> {
        let house = load::house(custodyd).await?;
        load::prepare(&house).await?;
        let identity = Identity::load(
            "client/exchange".parse()?,
            &house.key_file("client/exchange"),
        )?;
        load::answered(&house, &identity, "warm", AMOUNT, WARM_UP).await?;
        Ok(Self { house, identity })
    }

    /// CPU and time that so many requests take, seconds. Signing them comes before the clock and costs the daemon nothing but what it
    /// does by itself.
    async fn take(&self, series: &str, count: usize) -> Result<(f64, f64), Failure> {
        let cpu = cpu_seconds(self.house.daemon.pid())?;
        let elapsed = load::answered(&self.house, &self.identity, series, AMOUNT, count).await?;
        let spent = cpu_seconds(self.house.daemon.pid())? - cpu;
        Ok((spent, elapsed.as_secs_f64()))
    }
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
