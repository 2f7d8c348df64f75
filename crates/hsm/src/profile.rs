//! A vendor profile: one TOML file per HSM model, resolved into what the crate uses.
//!
//! Unknown keys are refused. The PIN is never part of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::quirks::Quirks;

/// A profile that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
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

/// The form of the PIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum PinForm {
    /// Any text.
    #[default]
    #[serde(rename = "pin")]
    Pin,
    /// A crypto user's name, a colon and the password.
    #[serde(rename = "user:password")]
    UserPassword,
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
    /// Read-write or read-only.
    pub mode: SessionMode,
    /// Sessions this process may hold, the idle one included.
    pub max_sessions: usize,
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
    /// The module's manners.
    pub quirks: Quirks,
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// [`ProfileError`] naming the line or key.
    pub fn load_str(text: &str) -> Result<Self, ProfileError> {
        if text.len() > 65536 {
            return Err(ProfileError::TooLong(text.len()));
        }
        let file: File =
            toml::from_str(text).map_err(|error| ProfileError::Syntax(error.to_string()))?;
        let selector = match (file.token.label, file.token.serial, file.token.slot) {
            (Some(label), None, None) => Selector::Label(label),
            (None, Some(serial), None) => Selector::Serial(serial),
            (None, None, Some(slot)) => Selector::Slot(slot),
            _ => return Err(ProfileError::Selector),
        };
        Ok(Self {
            name: file.name,
            module: file.module.path,
            environment: file.module.environment,
            selector,
            pin: file.login.pin,
            mode: file.sessions.mode,
            max_sessions: in_range("sessions.max", file.sessions.max, 2, 65_536)?,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    module: Module,
    token: Token,
    #[serde(default)]
    login: Login,
    #[serde(default)]
    sessions: Sessions,
    #[serde(default)]
    timeouts: Timeouts,
    #[serde(default)]
    retry: Retry,
    #[serde(default)]
    quirks: Quirks,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Module {
    path: PathBuf,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    label: Option<String>,
    serial: Option<String>,
    slot: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Login {
    pin: PinForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Sessions {
    mode: SessionMode,
    max: u64,
    queue: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            mode: SessionMode::ReadWrite,
            max: 64,
            queue: 1024,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Timeouts {
    open_ms: u64,
    call_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            open_ms: 30_000,
            call_ms: 10_000,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Retry {
    attempts: u64,
    back_off_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            back_off_ms: 20,
        }
    }
}
