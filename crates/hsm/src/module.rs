//! The loaded PKCS#11 library: one context per process and library, initialised once, never finalised.
//!
//! PKCS#11 allows one C_Initialize per process, and modules crash when they are loaded or unloaded while used
//! (SoftHSM issues 576, 635, 780). So contexts live in a registry until the process ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::slot::Slot;

use crate::error::HsmError;
use crate::fault::Fault;
use crate::profile::Profile;

type Loaded = Arc<Mutex<Option<Arc<Module>>>>;

static REGISTRY: Mutex<BTreeMap<PathBuf, Loaded>> = Mutex::new(BTreeMap::new());

/// A library that is loaded and initialised.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) context: Pkcs11,
    path: PathBuf,
    /// Whether the last C_GetSlotList that was given up has come back. Until then it may be spinning, and asking again
    /// would burn another core.
    given_up: Mutex<Option<Arc<AtomicBool>>>,
}

impl Module {
    /// The library of this profile, loaded now or earlier.
    pub(crate) fn load(profile: &Profile) -> Result<Arc<Self>, HsmError> {
        let missing: Vec<String> = profile
            .missing_environment()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !missing.is_empty() {
            return Err(HsmError::EnvironmentMissing(missing));
        }
        // Debian reaches one library by two paths.
        let path = profile
            .module
            .canonicalize()
            .map_err(|error| missing_module(&profile.module, &error.to_string()))?;
        let entry = {
            let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(registry.entry(path.clone()).or_default())
        };
        // Held while loading, so that one library is never initialised from two threads; other libraries don't wait.
        let mut slot = entry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = slot.as_ref() {
            return Ok(Arc::clone(module));
        }
        let module = Arc::new(Self {
            context: initialised(&path)?,
            path,
            given_up: Mutex::default(),
        });
        *slot = Some(Arc::clone(&module));
        Ok(module)
    }

    /// Slots with a token. On a thread of its own: through p11-kit the listing can spin for ever when the token is
    /// away.
    pub(crate) fn slots(&self, limit: Duration) -> Result<Vec<Slot>, Fault> {
        const OPERATION: &str = "C_GetSlotList";
        let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        if given_up
            .as_ref()
            .is_some_and(|back| !back.load(Ordering::Acquire))
        {
            return Err(HsmError::ModuleStuck {
                path: self.path.clone(),
                operation: OPERATION.into(),
            }
            .into());
        }
        let context = self.context.clone();
        let back = Arc::new(AtomicBool::new(false));
        *given_up = Some(Arc::clone(&back));
        let listed = bounded(OPERATION, limit, move || {
            let slots = context.get_slots_with_token();
            back.store(true, Ordering::Release);
            slots
        });
        Ok(listed??)
    }
}

fn initialised(path: &Path) -> Result<Pkcs11, HsmError> {
    let context = Pkcs11::new(path).map_err(|error| missing_module(path, &error.to_string()))?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, Function::Initialize)) => {
            Ok(context)
        }
        Err(error) => Err(Fault::from(error).into_error(&[])),
    }
}

fn missing_module(path: &Path, reason: &str) -> HsmError {
    HsmError::ModuleMissing {
        path: path.to_path_buf(),
        reason: reason.to_owned(),
    }
}

/// Runs `work` on a thread and waits `limit` for it. A thread that doesn't come back is left behind.
pub(crate) fn bounded<T: Send + 'static>(
    operation: &'static str,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HsmError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("hsm-bounded".to_owned())
        .spawn(move || {
            // Nobody listens any more when the deadline has passed.
            let _ = sender.send(work());
        })
        .map_err(|error| HsmError::NoThread(error.to_string()))?;
    receiver.recv_timeout(limit).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => HsmError::Deadline {
            operation: operation.into(),
            limit,
        },
        mpsc::RecvTimeoutError::Disconnected => HsmError::Panicked {
            operation: operation.into(),
        },
    })
}
