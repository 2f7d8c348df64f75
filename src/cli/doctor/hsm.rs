//! `custodyd doctor --hsm`: a profile against the live token, a line for each finding, non-zero on any miss.

use std::path::Path;

use custodyd_hsm::{Finding, Outcome, PinError, PinSource, Profile, ProfileError, examine};
use secrecy::SecretString;

use super::Options;
use crate::cli::{Failure, terminal};

pub(in crate::cli) fn run(
    options: &Options,
    profile: Result<Profile, ProfileError>,
) -> Result<(), Failure> {
    let path = options.hsm.as_deref().unwrap_or(Path::new(""));
    let profile = match profile {
        Ok(profile) => profile,
        Err(error) => {
            return miss("profile", format!("{}: {error}", path.display()));
        }
    };
    line("profile", format!("{}, {}", path.display(), profile.name));
    let pin = match pin(options, &profile) {
        Ok(pin) => pin,
        Err(error) => return miss("PIN", error.to_string()),
    };
    let examination = examine(&profile, pin, &mut |finding| println!("{finding}"));
    verdict(examination.misses())
}

/// The PIN, from the first that says where it is: the command line, the profile, whoever sits at the terminal.
fn pin(options: &Options, profile: &Profile) -> Result<SecretString, Failure> {
    let given = options.pin_file.clone().map(PinSource::File);
    let read = |source: PinSource| source.read().map_err(|error: PinError| error.into());
    match given.or_else(|| profile.pin_source.clone()) {
        Some(source) => read(source),
        None if terminal::present() => Ok(terminal::secret(&format!(
            "PIN for {}: ",
            profile.selector
        ))?),
        None => Err(
            "nobody says where it is: give --pin-file FILE, or pin_source in the profile's [login]"
                .into(),
        ),
    }
}

fn line(part: &str, text: String) {
    print(part, Outcome::Good, text);
}

fn miss(part: &str, text: String) -> Result<(), Failure> {
    print(part, Outcome::Miss, text);
    verdict(1)
}

fn print(part: &str, outcome: Outcome, text: String) {
    let part = part.to_owned();
    println!(
        "{}",
        Finding {
            part,
            outcome,
            text
        }
    );
}

fn verdict(misses: usize) -> Result<(), Failure> {
    match misses {
        0 => Ok(()),
        _ => Err(
            format!("{misses} of these lines say FAIL: the profile does not fit this token").into(),
        ),
    }
}
