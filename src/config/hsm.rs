//! `[hsm]`: the tokens that hold the vault's keys, and how they are reached.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use custodyd_hsm::{
    Fleet, FleetSettings, Hsm, HsmError, Isolated, KeyId, Launch, Opening, PinSource, Profile,
    Selector, Token,
};
use secrecy::SecretString;
use serde::Deserialize;

use super::{ConfigError, Log};

/// This very program, even when its file was replaced since it started: a worker process is of the same build as its
/// host (proc(5)).
const OWN_PROGRAM: &str = "/proc/self/exe";

/// The hidden command that makes it one (`src/cli/hsm_worker.rs`).
const WORKER_COMMAND: &str = "hsm-worker";

/// Tokens that may stand behind one vault.
const MOST_TOKENS: usize = 16;

/// `[hsm]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HsmConfig {
    /// Longest wait for a signature, milliseconds.
    #[serde(default = "default_deadline_ms")]
    pub deadline_ms: u64,
    /// Where the vendor's library runs.
    #[serde(default)]
    pub isolation: Isolation,
    /// With several tokens: how long one may leave a call unanswered before another is asked too, milliseconds. Grows with what
    /// the token usually takes.
    #[serde(default = "default_hedge_ms")]
    pub hedge_ms: u64,
    /// With several tokens: how many must show a new key before it is used; all that are up, where it isn't said.
    #[serde(default)]
    pub replicas: Option<usize>,
    /// CKA_ID of the key that the security officer trusted, for wallets whose addresses are wrapped. Keys that were wrapped
    /// under another one name it themselves.
    #[serde(default)]
    pub wrapping_key: Option<KeyId>,
    /// Seconds between two tests of each token's nonces; 0 for none.
    #[serde(default)]
    pub canary_s: u64,
    /// One or more tokens that hold the same keys.
    pub tokens: Vec<TokenConfig>,
}

/// Where a PKCS#11 library runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In a worker process of each token's own: it may hang or crash and takes nothing along.
    #[default]
    Process,
    /// In the daemon itself.
    None,
}

/// `[[hsm.tokens]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// How logs and metrics call it.
    pub name: String,
    /// The profile of the HSM's model: one of hsm-config/.
    pub profile: PathBuf,
    /// The token's label, instead of the profile's selector.
    #[serde(default)]
    pub token: Option<String>,
    /// The module, instead of the profile's: a spy for debugging, or another place.
    #[serde(default)]
    pub module: Option<PathBuf>,
    /// Variables that the module reads, beside the profile's.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Where the PIN is, unless the profile says so.
    #[serde(default)]
    pub pin: Option<PinSource>,
    /// Threads with a session each.
    #[serde(default = "default_workers")]
    pub workers: usize,
}

const fn default_workers() -> usize {
    4
}

const fn default_deadline_ms() -> u64 {
    10_000
}

const fn default_hedge_ms() -> u64 {
    300
}

/// Why a token can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It, or its library.
    #[error("token {token}: {source}")]
    Hsm {
        /// Its name.
        token: String,
        /// Why.
        source: HsmError,
    },
}

impl HsmConfig {
    /// Makes paths relative to the configuration's folder, and refuses what can't be meant.
    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), ConfigError> {
        let range = |what: &str| Err(ConfigError::Range(what.to_owned()));
        if !(1..=MOST_TOKENS).contains(&self.tokens.len()) {
            return range("[[hsm.tokens]] must stand there 1 to 16 times");
        }
        if !(100..=600_000).contains(&self.deadline_ms) {
            return range("hsm.deadline_ms must be 100 to 600000");
        }
        if !(10..=10_000).contains(&self.hedge_ms) {
            return range("hsm.hedge_ms must be 10 to 10000");
        }
        if let Some(replicas) = self.replicas
            && !(1..=self.tokens.len()).contains(&replicas)
        {
            return range("hsm.replicas must be 1 to the number of hsm.tokens");
        }
        if self.canary_s != 0 && !(10..=604_800).contains(&self.canary_s) {
            return range("hsm.canary_s must be 0 or 10 to 604800");
        }
        let mut names = BTreeSet::new();
        for token in &mut self.tokens {
            let named = (1..=32).contains(&token.name.len())
                && token
                    .name
                    .bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
            if !named || !names.insert(token.name.clone()) {
                return range(
                    "each of hsm.tokens needs a name of its own: 1 to 32 of a-z, 0-9 and -",
                );
            }
            if !(1..=1024).contains(&token.workers) {
                return range("workers of hsm.tokens must be 1 to 1024");
            }
            token.profile = folder.join(&token.profile);
            if let Some(module) = &mut token.module {
                *module = folder.join(&*module);
            }
            token.pin = token.pin.take().map(|source| source.relative_to(folder));
        }
        Ok(())
    }

    /// The same with one of its tokens alone: a ceremony has to do with each by itself.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn only(&self, name: &str) -> Result<Self, ConfigError> {
        let token = self.tokens.iter().find(|token| token.name == name);
        let token = token.ok_or_else(|| {
            ConfigError::Range(format!("no token of hsm.tokens is named {name:?}"))
        })?;
        Ok(Self {
            tokens: vec![token.clone()],
            ..self.clone()
        })
    }

    /// Opens the tokens. Of several, one that is away for now is opened as soon as it is there; at least one must be there.
    ///
    /// # Errors
    /// A profile, a PIN, or a token that can't be opened in a way that doesn't pass by itself.
    pub fn open(&self, log: &Log) -> Result<Arc<dyn Hsm>, OpenError> {
        if let [token] = self.tokens.as_slice() {
            return self.open_one(token, log);
        }
        let (mut members, mut faults): (Vec<Arc<dyn Hsm>>, Vec<OpenError>) = Default::default();
        for token in &self.tokens {
            match self.open_one(token, log) {
                Ok(hsm) => members.push(hsm),
                Err(OpenError::Hsm { source, .. }) if Opening::may_pass(&source) => {
                    tracing::warn!(token = token.name, error = %source, "the token is away");
                    members.push(Arc::new(self.open_later(token, log, source.clone())?));
                    faults.push(named(token)(source));
                }
                Err(error) => return Err(error),
            }
        }
        if faults.len() == members.len()
            && let Some(fault) = faults.pop()
        {
            return Err(fault);
        }
        let settings = FleetSettings {
            hedge: Duration::from_millis(self.hedge_ms),
            replicas: self.replicas,
            ..FleetSettings::default()
        };
        let fleet = Fleet::new(members, settings).map_err(|source| OpenError::Hsm {
            token: self.names(),
            source,
        })?;
        Ok(Arc::new(fleet))
    }

    /// Opens one token, where the isolation says.
    fn open_one(&self, token: &TokenConfig, log: &Log) -> Result<Arc<dyn Hsm>, OpenError> {
        let (profile, pin) = (token.profile()?, token.read_pin()?);
        Ok(match self.isolation {
            Isolation::Process => {
                let worker = Isolated::start(Launch {
                    program: OWN_PROGRAM.into(),
                    arguments: worker_arguments(&token.name, log),
                    profile,
                    pin,
                    workers: token.workers,
                    name: token.name.clone(),
                });
                Arc::new(worker.map_err(named(token))?)
            }
            Isolation::None => {
                let opened = Token::open(&profile, pin, token.workers).map_err(named(token))?;
                Arc::new(opened.named(&token.name))
            }
        })
    }

    fn open_later(
        &self,
        token: &TokenConfig,
        log: &Log,
        fault: HsmError,
    ) -> Result<Opening, OpenError> {
        let limit = token.profile()?.call_timeout;
        let (config, later, log) = (self.clone(), token.clone(), log.clone());
        let open = move || {
            config.open_one(&later, &log).map_err(|error| match error {
                OpenError::Hsm { source, .. } => source,
                // A file that was there at start: it may come back.
                OpenError::Config(error) => HsmError::NotOpen {
                    token: later.name.clone(),
                    reason: error.to_string(),
                },
            })
        };
        Opening::start(&token.name, fault, limit, open).map_err(named(token))
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.tokens.iter().map(|token| &*token.name).collect();
        names.join(", ")
    }

    /// What this process's environment must hold before a library is loaded into it; nothing when libraries run elsewhere.
    ///
    /// # Errors
    /// A profile can't be read.
    pub fn missing_environment(&self) -> Result<Vec<(String, String)>, ConfigError> {
        let mut missing = Vec::new();
        if self.isolation == Isolation::Process {
            return Ok(missing);
        }
        for token in &self.tokens {
            missing.extend(token.profile()?.missing_environment());
        }
        Ok(missing)
    }
}

/// The token's name is for whoever lists processes. All of it can be read by everybody on the machine.
fn worker_arguments(name: &str, log: &Log) -> Vec<String> {
    let filter = log.filter();
    let mut arguments = [WORKER_COMMAND, "--token", name, "--log", &filter]
        .map(str::to_owned)
        .to_vec();
    if log.json {
        arguments.push("--json".to_owned());
    }
    arguments
}

fn named(token: &TokenConfig) -> impl Fn(HsmError) -> OpenError {
    let token = token.name.clone();
    move |source| OpenError::Hsm {
        token: token.clone(),
        source,
    }
}

impl TokenConfig {
    /// The HSM's profile with what this configuration changes about it.
    ///
    /// # Errors
    /// The profile can't be read.
    pub fn profile(&self) -> Result<Profile, ConfigError> {
        let path = &self.profile;
        let mut profile = Profile::load(path).map_err(|source| ConfigError::Profile {
            path: path.clone(),
            source,
        })?;
        if let Some(label) = &self.token {
            profile = profile.with_selector(Selector::Label(label.clone()));
        }
        if let Some(module) = &self.module {
            profile = profile.with_module(module);
        }
        for (variable, value) in &self.environment {
            profile = profile.with_environment(variable, value);
        }
        Ok(profile)
    }

    /// The PIN, from where this configuration or else the profile says it is.
    ///
    /// # Errors
    /// Neither says it, or it can't be read. Says where, never what.
    pub fn read_pin(&self) -> Result<SecretString, ConfigError> {
        let source = match &self.pin {
            Some(source) => Some(source.clone()),
            None => self.profile()?.pin_source,
        };
        let source = source.ok_or_else(|| ConfigError::NoPin(self.name.clone()))?;
        Ok(source.read()?)
    }
}
