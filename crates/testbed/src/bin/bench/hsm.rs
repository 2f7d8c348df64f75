//! Signing alone: a bare C_Sign loop against the ways in which custodyd reaches a token, each in a process of its own with
//! the token's environment, in turns, so that all see the same machine.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use custodyd_faultshim::{Control, Rules};
use custodyd_hsm::{
    Curve, Hsm, Isolated, KeyId, Launch, Profile, RawKey, Selector, Token, raw_sign_rate_of,
};
use custodyd_testbed::{SoftToken, project};
use secrecy::SecretString;

use crate::{
    Failure,
    report::{Goal, Report},
};

/// Turns of each way; the median of their ratios counts. A virtual machine's cores are not equally fast from one second to the
/// next: turns are short, and each is held against the bare loops before and after it.
const TURNS: usize = 9;
const TURN: Duration = Duration::from_secs(1);
/// As many threads as the reference machine has cores.
const THREADS: usize = 2;
/// A token that takes 5 ms for a signature, as one across a network may, and allows 32 sessions: 6,400 signatures a second.
const SLOW_SIGNATURE: Duration = Duration::from_millis(5);
const SLOW_SESSIONS: u32 = 32;
const LABEL: &str = "bench";
const KEY: KeyId = KeyId::from_bytes([0xbe; 16]);

/// A way to have a digest signed.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// C_Sign in a loop, neither normalised nor verified.
    Raw,
    /// Worker threads in this process.
    Pool,
    /// Those in a worker process of custodyd's.
    Isolated,
    /// Worker threads in this process, on the slow token.
    Slow,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Pool => "pool",
            Self::Isolated => "isolated",
            Self::Slow => "slow",
        }
    }
}

/// `pool_vs_raw`, `isolated_vs_raw` and `latency_shim`.
pub(crate) fn measure(report: &mut Report) -> Result<(), Failure> {
    println!("signing alone: {THREADS} threads, {TURNS} turns of each way between bare loops");
    let token = SoftToken::init(LABEL)?;
    let (mut pool, mut isolated) = (Vec::new(), Vec::new());
    let mut before = in_a_process(&token, Way::Raw)?;
    for _ in 0..TURNS {
        for (way, ratios) in [(Way::Pool, &mut pool), (Way::Isolated, &mut isolated)] {
            let rate = in_a_process(&token, way)?;
            let after = in_a_process(&token, Way::Raw)?;
            ratios.push(rate / f64::midpoint(before, after));
            before = after;
        }
    }
    report.add("pool_vs_raw", median(pool), "ratio", Goal::AtLeast(0.9));
    report.add(
        "isolated_vs_raw",
        median(isolated),
        "ratio",
        Goal::AtLeast(0.75),
    );

    println!("a token that takes 5 ms a signature and allows {SLOW_SESSIONS} sessions");
    let mut slow = Vec::new();
    let most = f64::from(SLOW_SESSIONS) / SLOW_SIGNATURE.as_secs_f64();
    for _ in 0..TURNS {
        slow.push(in_a_process(&SoftToken::init(LABEL)?, Way::Slow)? / most);
    }
    report.add("latency_shim", median(slow), "ratio", Goal::AtLeast(0.95));
    Ok(())
}

fn in_a_process(token: &SoftToken, way: Way) -> Result<f64, Failure> {
    let folder = token.conf_path();
    let shim = Control::in_folder(folder.parent().unwrap_or(Path::new(".")));
    let emulated = u64::try_from(SLOW_SIGNATURE.as_micros())?;
    shim.set(
        &Rules::none()
            .emulate(emulated)
            .max_sessions(SLOW_SESSIONS.into()),
    )?;
    let output = Command::new(std::env::current_exe()?)
        .args(["--sign", way.name()])
        .arg(token.pin_file())
        .envs(token.environment())
        .envs(shim.environment(&token.module()?))
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} turn: {} {said}", way.name(), output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// What the process of one turn does: prints signatures a second.
pub(crate) fn turn(way: &str, pin_file: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(project().join("hsm-config/softhsm.toml"))?;
    let profile = Profile::load_str(&text)?.with_selector(Selector::Label(LABEL.to_owned()));
    let pin = || -> Result<SecretString, Failure> {
        Ok(SecretString::from(
            std::fs::read_to_string(pin_file)?.trim().to_owned(),
        ))
    };
    let open = |profile: &Profile, workers: usize| -> Result<Token, Failure> {
        let token = Token::open(profile, pin()?, workers)?;
        token.generate(&KEY, LABEL, Curve::Secp256k1)?;
        Ok(token)
    };
    let rate = match way {
        "raw" => {
            drop(open(&profile, 1)?);
            raw_sign_rate_of(&profile, pin()?, RawKey::Token(KEY), THREADS, TURN)?.per_second()
        }
        "pool" => per_second(Arc::new(open(&profile, THREADS)?), KEY, 4 * THREADS, TURN)?,
        "isolated" => {
            let isolated = Isolated::start(Launch {
                program: crate::program("custodyd"),
                arguments: ["hsm-worker", "--token", LABEL, "--log", "warn"]
                    .map(str::to_owned)
                    .into(),
                profile: with_this_environment(profile),
                pin: pin()?,
                workers: THREADS,
                name: LABEL.to_owned(),
            })?;
            isolated.generate(&KEY, LABEL, Curve::Secp256k1)?;
            per_second(Arc::new(isolated), KEY, 8 * THREADS, TURN)?
        }
        "slow" => {
            let workers = usize::try_from(SLOW_SESSIONS)?;
            let mut profile = profile.with_module(&custodyd_faultshim::library()?);
            (profile.max_sessions, profile.idle) = (workers, false);
            per_second(Arc::new(open(&profile, workers)?), KEY, 2 * workers, TURN)?
        }
        other => return Err(format!("no way called {other}").into()),
    };
    println!("{rate}");
    Ok(())
}

/// A worker process gets the profile's variables and not this process's.
fn with_this_environment(profile: Profile) -> Profile {
    let conf = std::env::var("SOFTHSM2_CONF").unwrap_or_default();
    profile.with_environment("SOFTHSM2_CONF", &conf)
}

/// Signatures a second when `window` requests are under way at any time, each answer asking for the next.
pub(crate) fn per_second(
    hsm: Arc<dyn Hsm>,
    key: KeyId,
    window: usize,
    duration: Duration,
) -> Result<f64, Failure> {
    let load = Arc::new(Load {
        hsm,
        key,
        signed: AtomicU64::new(0),
        asked: AtomicU64::new(0),
        over: AtomicBool::new(false),
        under_way: Mutex::new(window),
        idle: Condvar::new(),
        failure: Mutex::default(),
    });
    let start = Instant::now();
    for _ in 0..window {
        load.next();
    }
    std::thread::sleep(duration);
    let (signed, elapsed) = (load.signed.load(Ordering::Relaxed), start.elapsed());
    load.over.store(true, Ordering::Relaxed);
    let mut under_way = lock(&load.under_way);
    while *under_way > 0 {
        under_way = load
            .idle
            .wait(under_way)
            .unwrap_or_else(PoisonError::into_inner);
    }
    drop(under_way);
    // A worker that still holds its last answer would be the one to close the token, and can't wait for itself: the process
    // would end under it, which crashes SoftHSM.
    while Arc::strong_count(&load) > 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    if let Some(failure) = lock(&load.failure).take() {
        return Err(failure.into());
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let signed = signed as f64;
    Ok(signed / elapsed.as_secs_f64())
}

struct Load {
    hsm: Arc<dyn Hsm>,
    key: KeyId,
    signed: AtomicU64,
    asked: AtomicU64,
    over: AtomicBool,
    under_way: Mutex<usize>,
    idle: Condvar,
    failure: Mutex<Option<String>>,
}

impl Load {
    fn next(self: &Arc<Self>) {
        if self.over.load(Ordering::Relaxed) {
            return self.end();
        }
        let mut digest = [0x5a; 32];
        for (byte, number) in digest
            .iter_mut()
            .zip(self.asked.fetch_add(1, Ordering::Relaxed).to_le_bytes())
        {
            *byte = number;
        }
        let load = Arc::clone(self);
        let reply = Box::new(move |answer: Result<[u8; 64], _>| match answer {
            Ok(_) => {
                load.signed.fetch_add(1, Ordering::Relaxed);
                load.next();
            }
            Err(error) => load.fail(&error),
        });
        let asked = self.hsm.submit_sign(
            self.key.into(),
            Curve::Secp256k1,
            digest,
            Duration::from_secs(20),
            reply,
        );
        if let Err(error) = asked {
            self.fail(&error);
        }
    }

    fn fail(&self, error: &dyn std::fmt::Display) {
        lock(&self.failure).get_or_insert_with(|| error.to_string());
        self.end();
    }

    fn end(&self) {
        *lock(&self.under_way) -= 1;
        self.idle.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
