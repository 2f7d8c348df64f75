//! A vendor profile: one TOML file per HSM model, resolved into what the crate uses.
//!
//! Unknown keys are refused. The PIN is never part of it; where it lies may be.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::pin::{PinForm, PinSource};
use crate::profile_file::File;
use crate::quirks::Quirks;
use crate::template::Templates;
use crate::wrapping::Wrapping;

/// Longest profile, in bytes.
const MAX_BYTES: usize = 65_536;

/// A profile that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The file can't be read.
    #[error("{0}")]
    Read(String),
    /// Longer than 64 KiB.
    #[error("a profile of {0} bytes is too long: 65536 at most")]
    TooLong(usize),
    /// TOML or its shape; the message names line and key.
    #[error("{0}")]
    Syntax(String),
    /// Not exactly one way to select the token.
    #[error("[token] must hold exactly one of label, serial and slot")]
    Selector,
    /// A number out of its range.
    #[error("{key} = {value} is out of range: {low} to {high}")]
    Range {
        /// The key.
        key: &'static str,
        /// What stands there.
        value: u64,
        /// Least.
        low: u64,
        /// Most.
        high: u64,
    },
}

/// Which token to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// By the label given at initialisation.
    Label(String),
    /// By serial number.
    Serial(String),
    /// By slot id. SoftHSM's change when a token is initialised.
    Slot(u64),
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(f, "label {label:?}"),
            Self::Serial(serial) => write!(f, "serial number {serial:?}"),
            Self::Slot(slot) => write!(f, "slot {slot}"),
        }
    }
}

/// How sessions are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionMode {
    /// CKF_RW_SESSION set. CloudHSM fails without it, and no key can be generated without it.
    #[default]
    ReadWrite,
    /// For a token on which keys are only used.
    ReadOnly,
}

/// A profile. Fields that a deployment changes have `with_` methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// A name for logs.
    pub name: String,
    /// The PKCS#11 library.
    pub module: PathBuf,
    /// Environment variables that the library reads when it is loaded.
    pub environment: BTreeMap<String, String>,
    /// The token.
    pub selector: Selector,
    /// The PIN's form.
    pub pin: PinForm,
    /// Where the PIN is, unless the deployment's own configuration says so.
    pub pin_source: Option<PinSource>,
    /// Read-write or read-only.
    pub mode: SessionMode,
    /// Sessions this process may hold, the idle one included.
    pub max_sessions: usize,
    /// Whether a session that nobody uses keeps the login while workers replace theirs.
    pub idle: bool,
    /// A session unused for longer is replaced before it is used, since the module will have closed it.
    pub idle_timeout: Option<Duration>,
    /// Calls that may wait for a worker.
    pub queue: usize,
    /// Time for loading, finding the token and logging in.
    pub open_timeout: Duration,
    /// Time for a call that brings no deadline of its own.
    pub call_timeout: Duration,
    /// Attempts at a call, the first included.
    pub attempts: u32,
    /// Pause before the second attempt; it grows with each.
    pub back_off: Duration,
    /// What is added to the attributes of new keys.
    pub templates: Templates,
    /// Whether and how keys can be wrapped.
    pub wrapping: Wrapping,
    /// The module's manners.
    pub quirks: Quirks,
}

impl Profile {
    /// Reads the profile in a file. A PIN's file that it names is relative to its folder.
    ///
    /// # Errors
    /// [`ProfileError`] naming the line or key; the caller names the file.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let mut text = String::new();
        let limit = u64::try_from(MAX_BYTES).map_or(u64::MAX, |limit| limit.saturating_add(1));
        std::fs::File::open(path)
            .and_then(|file| file.take(limit).read_to_string(&mut text))
            .map_err(|error| ProfileError::Read(error.to_string()))?;
        let mut profile = Self::load_str(&text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        profile.pin_source = profile.pin_source.map(|source| source.relative_to(folder));
        Ok(profile)
    }

    /// Reads a profile.
    ///
    /// # Errors
    /// [`ProfileError`] naming the line or key.
    pub fn load_str(text: &str) -> Result<Self, ProfileError> {
        if text.len() > MAX_BYTES {
            return Err(ProfileError::TooLong(text.len()));
        }
        let file: File =
            toml::from_str(text).map_err(|error| ProfileError::Syntax(reason(text, &error)))?;
        let selector = match (file.token.label, file.token.serial, file.token.slot) {
            (Some(label), None, None) => Selector::Label(label),
            (None, Some(serial), None) => Selector::Serial(serial),
            (None, None, Some(slot)) => Selector::Slot(slot),
            _ => return Err(ProfileError::Selector),
        };
        let _: usize = in_range(
            "wrapping.cache",
            u64::try_from(file.wrapping.cache).unwrap_or(u64::MAX),
            1,
            65_536,
        )?;
        Ok(Self {
            name: file.name,
            module: file.module.path,
            environment: file.module.environment,
            selector,
            pin: file.login.pin,
            pin_source: file.login.pin_source,
            mode: file.sessions.mode,
            max_sessions: in_range("sessions.max", file.sessions.max, 2, 65_536)?,
            idle: file.sessions.idle,
            idle_timeout: file
                .sessions
                .idle_timeout_s
                .map(|seconds| in_range("sessions.idle_timeout_s", seconds, 1, 86_400))
                .transpose()?
                .map(Duration::from_secs),
            queue: in_range("sessions.queue", file.sessions.queue, 1, 1_048_576)?,
            open_timeout: millis("timeouts.open_ms", file.timeouts.open_ms)?,
            call_timeout: millis("timeouts.call_ms", file.timeouts.call_ms)?,
            attempts: in_range("retry.attempts", file.retry.attempts, 1, 20)?,
            back_off: Duration::from_millis(in_range(
                "retry.back_off_ms",
                file.retry.back_off_ms,
                0,
                10_000,
            )?),
            templates: file.template,
            wrapping: file.wrapping,
            quirks: file.quirks,
        })
    }

    /// The same with another library, as a spy or a test puts itself in front of it.
    #[must_use]
    pub fn with_module(mut self, path: &Path) -> Self {
        self.module = path.to_path_buf();
        self
    }

    /// The same with another token.
    #[must_use]
    pub fn with_selector(mut self, selector: Selector) -> Self {
        self.selector = selector;
        self
    }

    /// Sessions that keep nothing but the login.
    pub(crate) const fn idle_sessions(&self) -> usize {
        if self.idle { 1 } else { 0 }
    }

    /// The same with one more environment variable.
    #[must_use]
    pub fn with_environment(mut self, variable: &str, value: &str) -> Self {
        self.environment
            .insert(variable.to_owned(), value.to_owned());
        self
    }

    /// The variables that the profile asks for and this process doesn't have at that value.
    ///
    /// A library reads them with getenv when it is initialised, and a running process can't change its environment
    /// safely. So a program that gets a non-empty answer executes itself once with these variables added, before it
    /// starts any thread; [`crate::Token::open`] refuses to go on without them.
    #[must_use]
    pub fn missing_environment(&self) -> Vec<(String, String)> {
        self.environment
            .iter()
            .filter(|(variable, value)| std::env::var(variable).as_ref() != Ok(*value))
            .map(|(variable, value)| (variable.clone(), value.clone()))
            .collect()
    }
}

/// Line and message. The library's own text would show the whole line, on which somebody may have written a PIN.
fn reason(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let message = error.message();
    match before {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message.to_owned(),
    }
}

fn in_range<T: TryFrom<u64>>(
    key: &'static str,
    value: u64,
    low: u64,
    high: u64,
) -> Result<T, ProfileError> {
    let error = ProfileError::Range {
        key,
        value,
        low,
        high,
    };
    if !(low..=high).contains(&value) {
        return Err(error);
    }
    T::try_from(value).map_err(|_| error)
}

fn millis(key: &'static str, value: u64) -> Result<Duration, ProfileError> {
    in_range(key, value, 10, 600_000).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quirks::EcPointForm;

    const SOFTHSM: &str = include_str!("../../../hsm-config/softhsm.toml");
    const LEAST: &str = "name = 'x'\n[module]\npath = '/x.so'\n[token]\nlabel = 'y'\n";

    /// Every file of hsm-config, as it is shipped.
    fn shipped() -> BTreeMap<String, Profile> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hsm-config");
        let profiles: BTreeMap<_, _> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let profile = Profile::load(&path)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
                assert_eq!(profile.name, stem, "a profile is named as its file");
                (stem, profile)
            })
            .collect();
        profiles
    }

    #[test]
    fn the_shipped_profiles_are_read() {
        let profiles = shipped();
        let names: Vec<&str> = profiles.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "cloudhsm",
                "luna",
                "nshield",
                "p11-kit-remote",
                "softhsm",
                "utimaco",
                "yubihsm2"
            ]
        );
        let (softhsm, cloudhsm) = (&profiles["softhsm"], &profiles["cloudhsm"]);
        assert_eq!(softhsm.quirks.ec_point, EcPointForm::Der);
        assert_eq!(
            (softhsm.pin, cloudhsm.pin),
            (PinForm::Pin, PinForm::UserPassword)
        );
        assert!(cloudhsm.quirks.attributes_one_by_one && cloudhsm.quirks.public_key_is_private);
        for (name, profile) in &profiles {
            assert_eq!(profile.mode, SessionMode::ReadWrite, "{name}");
            // Only SoftHSM's wrapping was tried; a profile that claims it untried would risk keys.
            assert_eq!(profile.wrapping.supported, name == "softhsm", "{name}");
            assert_eq!(
                profile.pin_source, None,
                "{name}: where the PIN is, a deployment says"
            );
        }
        let yubihsm = &profiles["yubihsm2"];
        assert!(!yubihsm.idle && yubihsm.max_sessions <= 16);
        assert!(yubihsm.idle_timeout.unwrap() < Duration::from_secs(30));
    }

    #[test]
    fn a_profile_says_where_the_pin_is_relative_to_its_own_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.toml");
        let with = |source: &str| {
            std::fs::write(&path, format!("{LEAST}[login]\npin_source = {source}\n")).unwrap();
            Profile::load(&path).map(|profile| profile.pin_source.unwrap())
        };
        for (source, read) in [
            (
                "{ file = 'pin' }",
                PinSource::File(folder.path().join("pin")),
            ),
            ("{ file = '/run/pin' }", PinSource::File("/run/pin".into())),
            ("{ env = 'PIN' }", PinSource::Env("PIN".into())),
            (
                "{ credential = 'pin' }",
                PinSource::Credential("pin".into()),
            ),
            (
                "{ command = ['/bin/pass', 'show', 'hsm'] }",
                PinSource::Command(["/bin/pass", "show", "hsm"].map(str::to_owned).into()),
            ),
        ] {
            assert_eq!(with(source), Ok(read));
        }
        for source in [
            "{ file = 'a', env = 'B' }",
            "{ pin = '1234' }",
            "'1234'",
            "{}",
        ] {
            assert!(with(source).is_err(), "{source}");
        }
        assert!(matches!(
            Profile::load(&folder.path().join("nowhere.toml")),
            Err(ProfileError::Read(_))
        ));
    }

    #[test]
    fn what_the_soft_profile_states_are_the_defaults() {
        let mut least = Profile::load_str(LEAST).unwrap();
        let stated = Profile::load_str(SOFTHSM).unwrap();
        least.name.clone_from(&stated.name);
        least.module.clone_from(&stated.module);
        least.selector = stated.selector.clone();
        least.quirks.ec_point = stated.quirks.ec_point;
        least.wrapping.supported = stated.wrapping.supported;
        assert_eq!(least, stated);
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_refused_by_name() {
        for (more, named) in [
            ("pin = 'secret'", "pin"),
            ("[sessions]\nmaximum = 3", "maximum"),
            ("[login]\npin = 'user'", "user:password"),
            ("[sessions]\nmax = 1", "sessions.max"),
            ("[sessions]\nidle_timeout_s = 0", "sessions.idle_timeout_s"),
            ("[timeouts]\ncall_ms = 0", "timeouts.call_ms"),
            ("[wrapping]\ncache = 0", "wrapping.cache"),
            (
                "[template.private]\nCKA_EXTRACTABLE = true",
                "CKA_EXTRACTABLE",
            ),
            ("[template.private]\nCKA_SENSITIVE = false", "CKA_SENSITIVE"),
            ("[template.private]\nCKA_TOKEN = false", "CKA_TOKEN"),
            ("[template.public]\nCKA_TOKEN = false", "CKA_TOKEN"),
            ("[template.secret]\nCKA_TOKEN = true", "secret"),
            ("[wrapping]\nmechanism = 'rsa'", "aes-key-wrap-pad"),
            ("[retry]\nattempts = 0", "retry.attempts"),
            ("[quirks]\nec_point = 'odd'", "odd"),
            (
                "[quirks]\nretry_codes = ['CKR_PIN_INCORRECT']",
                "CKR_PIN_INCORRECT",
            ),
            ("[quirks]\nretry_codes = ['CKR_WHAT']", "CKR_WHAT"),
            (
                "[quirks]\nunsupported_attributes = ['CKA_EXTRACTABLE']",
                "CKA_EXTRACTABLE",
            ),
            (
                "[quirks]\nunsupported_attributes = ['CKA_VALUE']",
                "CKA_VALUE",
            ),
        ] {
            let error = Profile::load_str(&format!("{LEAST}{more}\n"))
                .unwrap_err()
                .to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_pin_that_somebody_wrote_into_a_profile_is_not_repeated() {
        for line in [
            "pin = '9-secret-7'",
            "pin_source = '9-secret-7'",
            "pin_source = { pin = '9-secret-7' }",
            "pin_source = { env = ['9-secret-7'] }",
            "pin = 9-secret-7",
            "pin_value = '9-secret-7'",
        ] {
            let error = Profile::load_str(&format!("{LEAST}[login]\n{line}\n")).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("line 7: "), "{shown}");
            assert!(!shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn a_token_is_selected_in_exactly_one_way() {
        for token in ["", "label = 'y'\nslot = 0"] {
            let text = format!("name = 'x'\n[module]\npath = '/x.so'\n[token]\n{token}\n");
            assert_eq!(Profile::load_str(&text), Err(ProfileError::Selector));
        }
        assert_eq!(
            Profile::load_str(&" ".repeat(65537)),
            Err(ProfileError::TooLong(65537))
        );
        assert!(matches!(
            Profile::load_str(""),
            Err(ProfileError::Syntax(_))
        ));
    }
}
