//! Fail-over: two network HSMs in containers that hold one key, each behind a worker process of custodyd's own, as the
//! daemon has them; one is killed while four threads sign, and the longest wait for a signature counts.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use custodyd_hsm::{
    Curve, Fleet, FleetSettings, Health, Hsm, HsmError, Isolated, KeyId, Launch, Profile, Selector,
};
use custodyd_testbed::{HsmContainer, Reach, TestbedError, project};
use secrecy::SecretString;

use crate::{
    Failure, program,
    report::{Goal, Report},
};

/// Kills; the worst counts.
const KILLS: usize = 3;
const CALLERS: u8 = 4;
/// Threads with a session each, of each token.
const WORKERS: usize = 2;
/// Signing before each kill, so that nothing is done for the first time, and after the killed HSM was seen to be out.
const STRETCH: Duration = Duration::from_secs(1);
/// The time of one call, and for an HSM to be seen out or back.
const LIMIT: Duration = Duration::from_secs(60);
const LABEL: &str = "failover";
const KEY: KeyId = KeyId::from_bytes([0xfa; 16]);

/// `failover_s`, where there is a container engine.
pub(crate) fn measure(report: &mut Report) -> Result<(), Failure> {
    println!("fail-over: two HSMs in containers, one killed while {CALLERS} threads sign");
    let hsms = match HsmContainer::pair(LABEL, Reach::MountedSocket) {
        Err(missing @ TestbedError::Missing { .. }) => {
            println!("\n  NOTICE: the row failover_s is missing here. {missing}\n");
            return Ok(());
        }
        started => started?,
    };
    let members = hsms
        .iter()
        .zip(["hsm-1", "hsm-2"])
        .map(|(hsm, name)| Ok(Arc::new(isolated(hsm, name)?) as Arc<dyn Hsm>))
        .collect::<Result<_, Failure>>()?;
    let fleet = Fleet::new(members, FleetSettings::default())?;
    fleet.generate(&KEY, LABEL, Curve::Secp256k1)?;
    let mut worst = Duration::ZERO;
    for (hsm, seat) in hsms.iter().zip(0..).cycle().take(KILLS) {
        let longest = longest_wait(&fleet, seat, hsm)?;
        println!("  killed: {:.3} s", longest.as_secs_f64());
        worst = worst.max(longest);
        hsm.restart()?;
        until("back", || {
            fleet.members().iter().all(|m| m.health == Health::Up)
        })?;
    }
    report.add("failover_s", worst.as_secs_f64(), "s", Goal::AtMost(1.0));
    Ok(())
}

/// A token as the daemon opens it (`src/config/hsm.rs`).
fn isolated(hsm: &HsmContainer, name: &str) -> Result<Isolated, Failure> {
    let text = std::fs::read_to_string(project().join("hsm-config/p11-kit-remote.toml"))?;
    let mut profile = Profile::load_str(&text)?
        .with_module(&hsm.module()?)
        .with_selector(Selector::Label(LABEL.to_owned()));
    for (variable, value) in &hsm.environment() {
        profile = profile.with_environment(variable, value);
    }
    Ok(Isolated::start(Launch {
        program: program("custodyd"),
        arguments: ["hsm-worker", "--token", name, "--log", "off"]
            .map(str::to_owned)
            .to_vec(),
        profile,
        pin: pin(&hsm.pin_file())?,
        workers: WORKERS,
        name: name.to_owned(),
    })?)
}

fn pin(file: &Path) -> Result<SecretString, Failure> {
    Ok(SecretString::from(std::fs::read_to_string(file)?))
}

/// The longest that a caller waited for a signature that it got after the kill.
fn longest_wait(fleet: &Fleet, seat: usize, hsm: &HsmContainer) -> Result<Duration, Failure> {
    let (killed, over) = (&AtomicBool::new(false), &AtomicBool::new(false));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|number| scope.spawn(move || call(fleet, number, killed, over)))
            .collect();
        thread::sleep(STRETCH);
        killed.store(true, Ordering::Relaxed);
        let struck = hsm.kill().map_err(Failure::from).and_then(|()| {
            until("out", || {
                let members = fleet.members();
                let health = members.get(seat).map(|member| &member.health);
                matches!(health, Some(Health::Out { .. }))
            })
        });
        thread::sleep(STRETCH);
        over.store(true, Ordering::Relaxed);
        let mut longest = Duration::ZERO;
        for caller in callers {
            let waited = caller.join().map_err(|_| "a caller panicked")?;
            longest = longest.max(waited?);
        }
        struck.map(|()| longest)
    })
}

fn call(
    fleet: &Fleet,
    number: u8,
    killed: &AtomicBool,
    over: &AtomicBool,
) -> Result<Duration, HsmError> {
    let mut longest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        fleet.sign(&KEY, Curve::Secp256k1, [number; 32], LIMIT)?;
        if killed.load(Ordering::Relaxed) {
            longest = longest.max(start.elapsed());
        }
    }
    Ok(longest)
}

fn until(what: &str, mut seen: impl FnMut() -> bool) -> Result<(), Failure> {
    let start = Instant::now();
    while !seen() {
        if start.elapsed() > LIMIT {
            return Err(format!("the HSM was not seen {what} within {LIMIT:?}").into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
