//! What a process boundary costs: signatures a second of one SoftHSM token, by a bare C_Sign loop, by a token in this
//! process, by a worker process, and through p11-kit. Medians of several short runs that take turns; see docs/adr/0015.
//!
//! Beside the rate stands the processor time that a signature takes in all processes together: on a machine that does
//! other things too, a way with more threads gets more of it, and only this second number can be compared.
//!
//! `cargo run --release --package custodyd-hsm --example isolation [ROUNDS]`
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement, by hand"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use custodyd_hsm::{
    Curve, Hsm, Isolated, KeyId, Launch, Profile, RawKey, Token, raw_sign_rate_of, serve_worker,
};

const PIN: &str = "1234";
const RUN: Duration = Duration::from_secs(2);
const KEY: KeyId = KeyId::from_bytes([7; 16]);

/// Calls that wait at a time: enough that no worker waits for one.
const DEPTH: u64 = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker"] => serve_worker().unwrap(),
        ["measure", how, threads] => println!("{}", measure(how, threads.parse().unwrap())),
        [] => compare(5),
        [rounds] => compare(rounds.parse().unwrap()),
        _ => eprintln!("isolation [ROUNDS]"),
    }
}

/// Each way in a process of its own, in turn.
fn compare(rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let environment = token(folder.path());
    let server = serve(folder.path(), &environment);
    let ways = ["raw", "token", "isolated", "p11-kit raw", "p11-kit token"];
    let mut rates: BTreeMap<(&str, usize), Vec<f64>> = BTreeMap::new();
    let mut costs: BTreeMap<(&str, usize), Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds {
        for threads in [2, 4] {
            for way in ways {
                let used = || cpu_of_children("self") + cpu_of_children(&server.0.id().to_string());
                let before = used();
                let output = Command::new(std::env::current_exe().unwrap())
                    .args(["measure", way, &threads.to_string()])
                    .envs(environment.clone())
                    .stderr(Stdio::inherit())
                    .output()
                    .unwrap();
                let rate = String::from_utf8(output.stdout).unwrap();
                let rate: f64 = rate.trim().parse().unwrap();
                rates.entry((way, threads)).or_default().push(rate);
                // p11-kit's server collects the process of a connection a moment after its client is gone.
                std::thread::sleep(Duration::from_millis(200));
                let cost = (used() - before) / (rate * RUN.as_secs_f64());
                costs.entry((way, threads)).or_default().push(cost);
            }
        }
    }
    for threads in [2, 4] {
        let (raw, raw_cost) = (
            median(&rates[&("raw", threads)]),
            median(&costs[&("raw", threads)]),
        );
        for way in ways {
            let (rate, cost) = (
                median(&rates[&(way, threads)]),
                median(&costs[&(way, threads)]),
            );
            println!(
                "{threads} threads  {way:<14} {rate:6.0}/s  {:.2}   {:4.0} µs  {:.2}",
                rate / raw,
                cost * 1e6,
                raw_cost / cost
            );
        }
    }
}

fn median(all: &[f64]) -> f64 {
    let mut all = all.to_vec();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Processor seconds of the children that a process has collected, and of theirs (proc(5), cutime and cstime in ticks of
/// 10 ms).
fn cpu_of_children(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
    (ticks(13) + ticks(14)) / 100.0
}

fn measure(how: &str, threads: usize) -> f64 {
    let profile = include_str!("../../../hsm-config/softhsm.toml");
    let mut profile = Profile::load_str(profile)
        .unwrap()
        .with_environment("SOFTHSM2_CONF", &std::env::var("SOFTHSM2_CONF").unwrap());
    if how.starts_with("p11-kit") {
        profile = profile.with_module(&client());
    }
    let hsm: Arc<dyn Hsm> = match how {
        "raw" | "p11-kit raw" => {
            // The same key in the same place as for the others: a token object's file is looked at with each use.
            Token::open(&profile, PIN.into(), 1)
                .unwrap()
                .generate(&KEY, "bench", Curve::Secp256k1)
                .unwrap();
            let rate =
                raw_sign_rate_of(&profile, PIN.into(), RawKey::Token(KEY), threads, RUN).unwrap();
            return rate.per_second();
        }
        "token" | "p11-kit token" => Arc::new(Token::open(&profile, PIN.into(), threads).unwrap()),
        _ => Arc::new(
            Isolated::start(Launch {
                program: std::env::current_exe().unwrap(),
                arguments: vec!["worker".to_owned()],
                profile,
                pin: PIN.into(),
                workers: threads,
                name: "bench".to_owned(),
            })
            .unwrap(),
        ),
    };
    hsm.generate(&KEY, "bench", Curve::Secp256k1).unwrap();
    let done = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + RUN;
    for _ in 0..DEPTH {
        ask(&hsm, &done, end);
    }
    let begun = Instant::now();
    std::thread::sleep(RUN);
    let count = done.load(Ordering::Relaxed);
    // A worker process is collected, and its time counted, only when nobody waits for it any more.
    while Arc::strong_count(&hsm) > 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let count = count as f64;
    count / begun.elapsed().as_secs_f64()
}

/// Signs, and again when that is done, until the time is up.
fn ask(hsm: &Arc<dyn Hsm>, done: &Arc<AtomicU64>, end: Instant) {
    let (next, counted) = (Arc::clone(hsm), Arc::clone(done));
    let reply = Box::new(move |result: Result<[u8; 64], _>| {
        result.unwrap();
        counted.fetch_add(1, Ordering::Relaxed);
        if Instant::now() < end {
            ask(&next, &counted, end);
        }
    });
    let limit = Duration::from_secs(10);
    hsm.submit_sign(KEY.into(), Curve::Secp256k1, [7; 32], limit, reply)
        .unwrap();
}

fn token(folder: &Path) -> BTreeMap<&'static str, String> {
    std::fs::create_dir(folder.join("tokens")).unwrap();
    let configuration = folder.join("softhsm2.conf");
    let tokens = folder.join("tokens");
    std::fs::write(
        &configuration,
        format!("directories.tokendir = {}\n", tokens.display()),
    )
    .unwrap();
    let environment = BTreeMap::from([
        ("SOFTHSM2_CONF", configuration.display().to_string()),
        (
            "P11_KIT_SERVER_ADDRESS",
            format!("unix:path={}", folder.join("socket").display()),
        ),
    ]);
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "custodyd"])
        .args(["--pin", PIN, "--so-pin", PIN])
        .envs(environment.clone())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    environment
}

/// `p11-kit server` in front of the token, killed at the end.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(folder: &Path, environment: &BTreeMap<&'static str, String>) -> Server {
    let socket = folder.join("socket");
    let server = Command::new("p11-kit")
        .args(["server", "--foreground", "--provider"])
        .arg("/usr/lib/softhsm/libsofthsm2.so")
        .arg("--name")
        .arg(&socket)
        .arg("pkcs11:token=custodyd")
        .envs(environment.clone())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    Server(server)
}

fn client() -> PathBuf {
    ["x86_64", "aarch64"]
        .map(|machine| format!("/usr/lib/{machine}-linux-gnu/pkcs11/p11-kit-client.so"))
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .expect("p11-kit is installed")
}
