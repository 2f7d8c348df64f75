//! A vendor profile: one TOML file per HSM model, resolved into what the crate uses.
//!
//! Unknown keys are refused. The PIN is never part of it; where it lies may be.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Variables that a worker process takes over from this one, where they are set here and not in `environment`.
    pub inherit: Vec<String>,
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
    /// As it was read: so it goes to a worker process, beside what the `with_` methods changed.
    pub(crate) text: String,
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
            inherit: file.module.inherit,
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
            text: text.to_owned(),
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

    /// What a worker process gets of this process's environment: where programs and homes are, how to read text, and what
    /// the profile says that its library reads. Nothing else: a secret of another program's may stand there.
    pub(crate) fn worker_environment(&self) -> impl Iterator<Item = (&str, std::ffi::OsString)> {
        const PLAIN: [&str; 9] = [
            "PATH",
            "HOME",
            "USER",
            "LANG",
            "LC_ALL",
            "TZ",
            "TMPDIR",
            "LD_LIBRARY_PATH",
            "XDG_RUNTIME_DIR",
        ];
        let inherited = self.inherit.iter().map(String::as_str);
        PLAIN
            .into_iter()
            .chain(inherited)
            .filter_map(|name| std::env::var_os(name).map(|value| (name, value)))
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
#[path = "profile_tests.rs"]
mod tests;
