//! What a caller sees when the HSM fails: one enum, sorted into three classes, each with what to do about it.
//!
//! No variant holds a PIN, and none holds text that a module composed.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::key::{Curve, KeyId, PublicPoint};

/// A name of this program's or of the specification's; owned where the error came from a worker process.
pub type Name = Cow<'static, str>;

/// What the caller should make of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// The same call may succeed later: wait and try again.
    Retryable,
    /// Trying again changes nothing and a person must look: a key, token or module is not what it was.
    Fatal,
    /// The profile, PIN, token or key does not fit: correct the configuration.
    Misconfigured,
}

/// A failure of the HSM, its module or its configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum HsmError {
    /// The module's file can't be loaded.
    #[error("PKCS#11 module {path} cannot be loaded: {reason}")]
    ModuleMissing {
        /// Path as configured.
        path: PathBuf,
        /// What the system's loader said.
        reason: String,
    },
    /// The process lacks environment variables that the profile asks for; a module reads them when it is loaded.
    #[error("the profile's environment is not set: {}", .0.join(", "))]
    EnvironmentMissing(Vec<String>),
    /// No token answers to the selector.
    #[error("no token with {selector}; present: {}", list(.present))]
    TokenMissing {
        /// The profile's selector.
        selector: String,
        /// Labels of the tokens that are present.
        present: Vec<String>,
    },
    /// Several tokens answer to the selector.
    #[error("{count} tokens with {selector}")]
    TokenAmbiguous {
        /// The profile's selector.
        selector: String,
        /// How many.
        count: usize,
    },
    /// The token lacks a mechanism that every key needs, or that this one does.
    #[error("token {token:?} lacks {mechanism}")]
    MechanismMissing {
        /// The token's label.
        token: String,
        /// CKM_ name.
        mechanism: Name,
    },
    /// More sessions are asked for than the profile or token allows.
    #[error(
        "{workers} workers need a session each, beside an idle one unless sessions.idle is false, but {allowed} are allowed"
    )]
    TooManyWorkers {
        /// Workers asked for.
        workers: usize,
        /// Sessions allowed.
        allowed: usize,
    },
    /// The PIN hasn't the form that the profile names. The PIN itself is not shown.
    #[error("the PIN does not have the form {form}")]
    PinForm {
        /// `pin` or `user:password`.
        form: Name,
    },
    /// The token refused the PIN. It is not tried again, since a few refusals lock the token.
    #[error("token {token:?} refused the PIN ({code}); it will not be tried again")]
    PinRefused {
        /// The token's label.
        token: String,
        /// CKR_ name.
        code: Name,
    },
    /// The token is locked, or its next wrong PIN would lock it.
    #[error("token {token:?} {state}")]
    PinLocked {
        /// The token's label.
        token: String,
        /// `has locked its PIN` or `has one PIN attempt left`.
        state: Name,
    },
    /// A key's attribute is not what a signing key must have.
    #[error("key {key} is refused: {attribute} is {}, must be {required}", found.map_or("unknown to the module".to_owned(), |v| v.to_string()))]
    KeyRefused {
        /// The key.
        key: KeyId,
        /// CKA_ name.
        attribute: Name,
        /// What the token said; none if it doesn't know the attribute.
        found: Option<bool>,
        /// What it must be.
        required: bool,
    },
    /// Two or more keys bear one id.
    #[error("{count} {class} keys have the id {key}")]
    KeyDuplicated {
        /// The id.
        key: KeyId,
        /// `private` or `public`.
        class: Name,
        /// How many.
        count: usize,
    },
    /// The key lies on another curve than the caller believes.
    #[error("key {key} is on {found}, not on {wanted}")]
    CurveMismatch {
        /// The key.
        key: KeyId,
        /// The caller's curve.
        wanted: Curve,
        /// The key's curve.
        found: Curve,
    },
    /// A digest was to be signed on Ed25519, which hashes the message itself: the signature would be over another message.
    #[error("key {key} is to sign a digest, but ed25519 signs messages")]
    DigestRefused {
        /// The key.
        key: KeyId,
    },
    /// CKA_EC_PARAMS or CKA_EC_POINT can't be understood.
    #[error("key {key} has a {attribute} that cannot be read: {value}")]
    KeyUnreadable {
        /// The key.
        key: KeyId,
        /// CKA_ name.
        attribute: Name,
        /// Hexadecimal, shortened; public by nature.
        value: String,
    },
    /// No private key with this id is on the token.
    #[error("key {key} is not on token {token:?}")]
    KeyMissing {
        /// The id.
        key: KeyId,
        /// The token's label.
        token: String,
    },
    /// The key with this id has another public point than it had earlier in this process.
    #[error("key {key} changed: its public point was {was} and is {now}")]
    KeyChanged {
        /// The id.
        key: KeyId,
        /// The point seen first.
        was: PublicPoint,
        /// The point seen now.
        now: PublicPoint,
    },
    /// Two tokens that should hold the same keys hold different ones under one id.
    #[error("key {key} is {point} on token {token:?}, but {expected} on {other:?}")]
    KeyDiffers {
        /// The key.
        key: KeyId,
        /// The token that must not sign with it.
        token: String,
        /// The point there.
        point: PublicPoint,
        /// The token on which it was seen first.
        other: String,
        /// The point there.
        expected: PublicPoint,
    },
    /// A new key is not on as many tokens as it must be before it is used.
    #[error("key {key} is not yet on {}", .tokens.join(", "))]
    KeyNotReplicated {
        /// The key.
        key: KeyId,
        /// Tokens that lack it, by name.
        tokens: Vec<String>,
    },
    /// Every token is needed, and some are out.
    #[error("{operation} needs every token; out: {}", .tokens.join(", "))]
    TokensAway {
        /// What was asked for.
        operation: Name,
        /// Their names.
        tokens: Vec<String>,
    },
    /// The token could not be opened yet.
    #[error("token {token:?} is not open: {reason}")]
    NotOpen {
        /// Its name.
        token: String,
        /// The last attempt's error.
        reason: String,
    },
    /// Keys can't be wrapped, or not safely, on this token.
    #[error("token {token:?} can have no wrapped keys: {reason}")]
    WrappingRefused {
        /// The token's label.
        token: String,
        /// What stands against it.
        reason: Name,
    },
    /// A wrapped key is not what the wrapping key made, or not of this public half.
    #[error("wrapped key {key} is refused: {reason}")]
    WrappedKeyRefused {
        /// The key.
        key: KeyId,
        /// Why.
        reason: String,
    },
    /// Two sessions in a row gave a signature that doesn't verify.
    #[error("key {key} gave signatures that do not verify, on two sessions")]
    BadSignature {
        /// The key.
        key: KeyId,
    },
    /// A known vector does not verify in this program: the program or the machine is broken.
    #[error("self-check failed: {0}")]
    SelfCheck(Name),
    /// A call did not come back within its deadline. It may still be running inside the module.
    #[error("{operation} did not finish within {} ms", limit.as_millis())]
    Deadline {
        /// What was asked for.
        operation: Name,
        /// The limit.
        limit: Duration,
    },
    /// As many calls wait as the profile allows.
    #[error("{capacity} calls are waiting for the HSM already")]
    QueueFull {
        /// The queue's length.
        capacity: usize,
    },
    /// The same key is being generated by another call.
    #[error("key {key} is being generated by another call")]
    GenerationRunning {
        /// The id.
        key: KeyId,
    },
    /// A PKCS#11 function failed with a code that our retries did not cure.
    #[error("{function} failed with {code}")]
    Call {
        /// C_ name.
        function: String,
        /// CKR_ name, or the number of a vendor's own code.
        code: String,
        /// By the table in `return_code`.
        class: Class,
    },
    /// The module hangs in a call that can't be interrupted.
    #[error("module {path} hangs in {operation}")]
    ModuleStuck {
        /// Path as configured.
        path: PathBuf,
        /// What it hangs in.
        operation: Name,
    },
    /// The operation panicked inside the worker.
    #[error("{operation} panicked")]
    Panicked {
        /// What was asked for.
        operation: Name,
    },
    /// The system gave no thread.
    #[error("no thread could be started: {0}")]
    NoThread(String),
    /// The token's worker process ended before it answered. Whatever it may have signed reached nobody.
    #[error("the worker process of token {token:?} was lost: {how}")]
    WorkerLost {
        /// The token's name in the configuration.
        token: String,
        /// How it ended, or why it was ended.
        how: String,
    },
    /// The token's worker process is being started again.
    #[error("token {token:?} is away: {reason}")]
    Away {
        /// The token's name in the configuration.
        token: String,
        /// Why it is away.
        reason: String,
    },
    /// No worker process can be started.
    #[error("no worker process {program} could be started: {reason}")]
    NoWorker {
        /// The program.
        program: PathBuf,
        /// What the system said, or what is wrong with what was started.
        reason: String,
    },
    /// A request or an answer longer than what is taken in at a time.
    #[error("{operation} takes {bytes} bytes; {most} are the most")]
    TooLong {
        /// What was asked for.
        operation: Name,
        /// Its length.
        bytes: usize,
        /// What is allowed.
        most: usize,
    },
    /// The token was dropped while the call waited.
    #[error("the token is closed")]
    Closed,
}

impl HsmError {
    /// What the caller should make of it.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::ModuleMissing { .. }
            | Self::EnvironmentMissing(_)
            | Self::TokenMissing { .. }
            | Self::TokenAmbiguous { .. }
            | Self::MechanismMissing { .. }
            | Self::TooManyWorkers { .. }
            | Self::PinForm { .. }
            | Self::PinRefused { .. }
            | Self::PinLocked { .. }
            | Self::KeyRefused { .. }
            | Self::KeyDuplicated { .. }
            | Self::CurveMismatch { .. }
            | Self::DigestRefused { .. }
            | Self::KeyUnreadable { .. }
            | Self::WrappingRefused { .. }
            | Self::NoWorker { .. } => Class::Misconfigured,
            Self::KeyMissing { .. }
            | Self::KeyChanged { .. }
            | Self::KeyDiffers { .. }
            | Self::WrappedKeyRefused { .. }
            | Self::BadSignature { .. }
            | Self::SelfCheck(_)
            | Self::ModuleStuck { .. }
            | Self::Panicked { .. }
            | Self::TooLong { .. }
            | Self::Closed => Class::Fatal,
            Self::Deadline { .. }
            | Self::QueueFull { .. }
            | Self::GenerationRunning { .. }
            | Self::KeyNotReplicated { .. }
            | Self::TokensAway { .. }
            | Self::NotOpen { .. }
            | Self::WorkerLost { .. }
            | Self::Away { .. }
            | Self::NoThread(_) => Class::Retryable,
            Self::Call { class, .. } => *class,
        }
    }

    /// One sentence for whoever reads the log: what to do now.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::ModuleMissing { .. } => {
                "install the vendor's library or correct module.path in the profile"
            }
            Self::EnvironmentMissing(_) => "set these variables before the process starts",
            Self::TokenMissing { .. } => {
                "correct the profile's token selector, or initialise the token"
            }
            Self::TokenAmbiguous { .. } => "select the token by its serial number",
            Self::MechanismMissing { .. } => {
                "use a token with this mechanism, or allow it on this one"
            }
            Self::TooManyWorkers { .. } => {
                "lower the number of workers or raise sessions.max in the profile"
            }
            Self::PinForm { .. } => "write the PIN in the form that login.pin names",
            Self::PinRefused { .. } => "correct the PIN, then restart",
            Self::PinLocked { .. } => {
                "have the security officer reset the PIN, or log in once by hand with the right one"
            }
            Self::KeyRefused { .. } => {
                "do not use this key: make a new one in the HSM and move the funds"
            }
            Self::KeyDuplicated { .. } => {
                "find out which of the keys is the real one and give the other another id"
            }
            Self::CurveMismatch { .. } => "correct the key's id in the wallet",
            Self::DigestRefused { .. } => "ask for the message itself to be signed",
            Self::KeyUnreadable { .. } => {
                "the key is on a curve that is not supported, or the module encodes it in an unknown way"
            }
            Self::KeyMissing { .. } => {
                "check that this is the right token; restore the key from its backup"
            }
            Self::KeyChanged { .. } => "stop and investigate: somebody replaced the key",
            Self::KeyDiffers { .. } => {
                "find out which of the tokens is wrong and take it out of the configuration"
            }
            Self::KeyNotReplicated { .. } => {
                "wait for the HSM to copy it, or copy it by the vendor's means; then try again"
            }
            Self::TokensAway { .. } => {
                "bring these tokens back, or take them out of the configuration"
            }
            Self::NotOpen { .. } => "look at the HSM and its network; it is tried again",
            Self::WrappingRefused { .. } => "keep this wallet's keys on the token",
            Self::WrappedKeyRefused { .. } => {
                "verify the journal, and that this token holds the wrapping key of the ceremony"
            }
            Self::BadSignature { .. } => "stop using this token and call its vendor",
            Self::SelfCheck(_) => {
                "do not sign on this machine: test its memory and reinstall the program"
            }
            Self::Deadline { .. } => {
                "try again; if it lasts, look at the HSM's load and its network"
            }
            Self::QueueFull { .. } => "send less, or add workers or HSMs",
            Self::GenerationRunning { .. } => "wait for the other call",
            Self::Call {
                class: Class::Retryable,
                ..
            } => "try again; if it lasts, look at the HSM",
            Self::Call {
                class: Class::Misconfigured,
                ..
            } => "compare the profile with what the token supports",
            Self::Call {
                class: Class::Fatal,
                ..
            } => "look the code up in the vendor's manual",
            Self::ModuleStuck { .. } => "restart the process, and find out why the token is gone",
            Self::Panicked { .. } => "report this as a bug",
            Self::NoThread(_) => "raise the limit of threads or free memory",
            Self::WorkerLost { .. } => {
                "ask again, nothing left the process; if it lasts, look at the vendor's library"
            }
            Self::Away { .. } => "try again; it is being restarted",
            Self::NoWorker { .. } => {
                "see that the program may be executed, and the limits of processes and memory"
            }
            Self::TooLong { .. } => "ask for less at a time",
            Self::Closed => "open the token again",
        }
    }
}

fn list(labels: &[String]) -> String {
    if labels.is_empty() {
        return "none".to_owned();
    }
    labels.join(", ")
}
