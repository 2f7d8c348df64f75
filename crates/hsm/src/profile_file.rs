//! A profile as it stands in its file: sections, defaults, unknown keys refused.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::pin::{PinForm, PinSource};
use crate::profile::SessionMode;
use crate::quirks::Quirks;
use crate::template::Templates;
use crate::wrapping::Wrapping;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) module: Module,
    pub(crate) token: Token,
    #[serde(default)]
    pub(crate) login: Login,
    #[serde(default)]
    pub(crate) sessions: Sessions,
    #[serde(default)]
    pub(crate) timeouts: Timeouts,
    #[serde(default)]
    pub(crate) retry: Retry,
    #[serde(default)]
    pub(crate) template: Templates,
    #[serde(default)]
    pub(crate) wrapping: Wrapping,
    #[serde(default)]
    pub(crate) quirks: Quirks,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Module {
    pub(crate) path: PathBuf,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) inherit: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    pub(crate) label: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) slot: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Login {
    pub(crate) pin: PinForm,
    pub(crate) pin_source: Option<PinSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sessions {
    pub(crate) mode: SessionMode,
    pub(crate) max: u64,
    pub(crate) idle: bool,
    pub(crate) idle_timeout_s: Option<u64>,
    pub(crate) queue: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            mode: SessionMode::ReadWrite,
            max: 64,
            idle: true,
            idle_timeout_s: None,
            queue: 1024,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Timeouts {
    pub(crate) open_ms: u64,
    pub(crate) call_ms: u64,
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
pub(crate) struct Retry {
    pub(crate) attempts: u64,
    pub(crate) back_off_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            back_off_ms: 20,
        }
    }
}
