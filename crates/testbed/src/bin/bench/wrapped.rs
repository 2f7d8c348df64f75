//! A signature by one of 100,000 wrapped keys that has to be unwrapped for it, against one by the same key right after.
//!
//! Making the keys takes minutes, so they and the token that alone can use them stay in target/bench-wrapped for the next
//! run. They are made by one process for each core, and used in another: custodyd doesn't make 100,000 keys before it signs either.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use custodyd_hsm::{
    KeyId, Profile, Selector, Token, WrappedKey, make_wrapped_keys, make_wrapping_key, wrapped_cost,
};
use custodyd_testbed::{SoftToken, project};
use secrecy::SecretString;

use crate::{
    Failure,
    report::{Goal, Report},
};

const KEYS: usize = 100_000;
/// Fewer keys, to try the bench itself.
const FEWER: &str = "CUSTODYD_BENCH_WRAPPED_KEYS";
/// Processes that make them.
const MAKERS: usize = 2;
/// A maker tells each time it has made so many.
const TOLD: usize = 5_000;
const LABEL: &str = "bench-wrapped";
const WRAPPING: KeyId = KeyId::from_bytes([0xbf; 16]);

/// `wrapped_cold_vs_warm`.
pub(crate) fn measure(report: &mut Report) -> Result<(), Failure> {
    let keys = match std::env::var(FEWER) {
        Ok(fewer) => fewer.parse()?,
        Err(_) => KEYS,
    };
    let place = Place(project().join(format!("target/{LABEL}/{keys}")));
    if !(0..MAKERS).all(|maker| place.part(maker).exists()) {
        make(&place, keys)?;
    }
    println!("wrapped keys: {keys}, each of a sample signs when it isn't unwrapped, and again");
    let output = place
        .process("cost", &[])?
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("the signatures could not be measured".into());
    }
    let text = String::from_utf8(output.stdout)?;
    let [ratio, cold, warm] = text.split_whitespace().collect::<Vec<_>>()[..] else {
        return Err(format!("not a measurement: {text}").into());
    };
    println!("wrapped keys: {cold} µs against {warm} µs, {ratio} times");
    let most = Goal::AtMost(5.0);
    report.add("wrapped_cold_vs_warm", ratio.parse()?, "ratio", most);
    report.add("wrapped_cold_us", cold.parse()?, "µs", Goal::None);
    report.add("wrapped_warm_us", warm.parse()?, "µs", Goal::None);
    Ok(())
}

/// Makes token and keys anew.
fn make(place: &Place, keys: usize) -> Result<(), Failure> {
    println!("wrapped keys: making {keys}, which takes minutes; they stay for the next run");
    if place.0.exists() {
        fs::remove_dir_all(&place.0)?;
    }
    fs::create_dir_all(&place.0)?;
    SoftToken::init_in(&place.0, LABEL)?;
    if !place.process("ceremony", &[])?.status()?.success() {
        return Err("the wrapping key could not be made".into());
    }
    let mut makers = Vec::new();
    for maker in 0..MAKERS {
        let numbers = [maker, keys * maker / MAKERS, keys * (maker + 1) / MAKERS];
        makers.push(place.process("make", &numbers)?.spawn()?);
    }
    let mut failed = false;
    for mut maker in makers {
        failed |= !maker.wait()?.success();
    }
    if failed {
        return Err("the wrapped keys could not be made".into());
    }
    Ok(())
}

/// What a process of this bench does: `ceremony`, `make` a part of the keys, or print what signatures `cost`.
pub(crate) fn step(arguments: &[String]) -> Result<(), Failure> {
    let [what, folder, numbers @ ..] = arguments else {
        return Err("--wrapped needs a step and a folder".into());
    };
    let (place, profile) = (Place(folder.into()), profile()?);
    let numbers: Vec<usize> = numbers
        .iter()
        .map(|number| number.parse())
        .collect::<Result<_, _>>()?;
    match (what.as_str(), numbers.as_slice()) {
        ("ceremony", []) => {
            make_wrapping_key(
                &profile,
                place.pin("pin")?,
                place.pin("so-pin")?,
                &WRAPPING,
                LABEL,
            )?;
        }
        ("make", &[maker, first, end]) => {
            let token = Token::open(&profile, place.pin("pin")?, 1)?;
            let told = |number: usize| {
                let made = number + 1 - first;
                if made.is_multiple_of(TOLD) {
                    println!("process {maker}: {made} of {}", end - first);
                }
            };
            let made = make_wrapped_keys(&token, &WRAPPING, first..end, 1, &told)?;
            // Whole or not at all: whoever finds it counts on it.
            let unfinished = place.0.join(format!("unfinished-{maker}"));
            fs::write(&unfinished, serde_json::to_vec(&made)?)?;
            fs::rename(unfinished, place.part(maker))?;
        }
        ("cost", []) => {
            let token = Token::open(&profile, place.pin("pin")?, 1)?;
            let mut keys: Vec<WrappedKey> = Vec::new();
            for maker in 0..MAKERS {
                let part = fs::read(place.part(maker))?;
                keys.extend(serde_json::from_slice::<Vec<WrappedKey>>(&part)?);
            }
            let cost = wrapped_cost(&token, &keys)?;
            let micros = |time: std::time::Duration| time.as_secs_f64() * 1e6;
            println!(
                "{} {} {}",
                cost.ratio(),
                micros(cost.cold),
                micros(cost.warm)
            );
        }
        _ => return Err(format!("no step {what} with {numbers:?}").into()),
    }
    Ok(())
}

fn profile() -> Result<Profile, Failure> {
    let text = fs::read_to_string(project().join("hsm-config/softhsm.toml"))?;
    Ok(Profile::load_str(&text)?.with_selector(Selector::Label(LABEL.to_owned())))
}

/// The folder of token and keys.
struct Place(PathBuf);

impl Place {
    fn part(&self, maker: usize) -> PathBuf {
        self.0.join(format!("keys-{maker}.json"))
    }

    fn pin(&self, file: &str) -> Result<SecretString, Failure> {
        let text = fs::read_to_string(self.0.join(file))?;
        Ok(SecretString::from(text.trim().to_owned()))
    }

    fn process(&self, what: &str, numbers: &[usize]) -> Result<Command, Failure> {
        let folder: &Path = &self.0;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["--wrapped", what])
            .arg(folder)
            .args(numbers.iter().map(ToString::to_string))
            .env("SOFTHSM2_CONF", folder.join("softhsm2.conf"));
        Ok(command)
    }
}
