//! What one process holds: the real module, the rules in force, the shared counters, the sessions.
#![allow(unsafe_code, reason = "maps the shared counters")]

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::control::{self, MODULE, RULES};
use crate::counts::{Extra, LENGTH, NUMBERS};
use crate::emulated::Keys;
use crate::function::Function;
use crate::manner::{self, Manners};
use crate::real::Real;
use crate::rules::{Injection, Rules};
use crate::sessions::Sessions;

/// The shim of this process.
pub(crate) struct Shim {
    pub(crate) real: Real,
    pub(crate) counts: SharedCounts,
    pub(crate) sessions: Sessions,
    pub(crate) keys: Keys,
    rules: PathBuf,
    in_force: RwLock<Arc<InForce>>,
}

/// Rules as they were read, and how often each was met.
pub(crate) struct InForce {
    stamp: Option<Stamp>,
    pub(crate) rules: Rules,
    pub(crate) manners: &'static Manners,
    met: Vec<AtomicU64>,
    /// Signatures asked for, to throttle them.
    pub(crate) signatures: AtomicU64,
}

/// Tells one version of the rules file from the next: inode, time in nanoseconds, length.
type Stamp = (u64, i64, i64, u64);

/// The shim, loaded at the first call; none, with a line on standard error, if that can't be done.
pub(crate) fn get() -> Option<&'static Shim> {
    static SHIM: OnceLock<Option<Shim>> = OnceLock::new();
    SHIM.get_or_init(|| match Shim::load() {
        Ok(shim) => Some(shim),
        Err(reason) => {
            eprintln!("faultshim: {reason}");
            None
        }
    })
    .as_ref()
}

impl Shim {
    fn load() -> Result<Self, String> {
        let named = |variable: &str| {
            std::env::var_os(variable)
                .map(PathBuf::from)
                .ok_or_else(|| format!("{variable} is not set"))
        };
        let rules = named(RULES)?;
        let counts = SharedCounts::map(&rules).map_err(|error| error.to_string())?;
        counts.set(Extra::SessionsOpen, 0);
        Ok(Self {
            real: Real::load(&named(MODULE)?)?,
            counts,
            sessions: Sessions::default(),
            keys: Keys::default(),
            in_force: RwLock::new(Arc::new(InForce::read(&rules))),
            rules,
        })
    }

    /// The rules, read again if the file has changed.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        let stamp = stamp(&self.rules);
        {
            let known = self.in_force.read().unwrap_or_else(PoisonError::into_inner);
            if known.stamp == stamp {
                return Arc::clone(&known);
            }
        }
        let mut known = self
            .in_force
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if known.stamp != stamp {
            *known = Arc::new(InForce::read(&self.rules));
        }
        Arc::clone(&known)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec(), file.size()))
}

impl InForce {
    fn read(path: &Path) -> Self {
        // The stamp first: a file that is replaced meanwhile is then read once more.
        let stamp = stamp(path);
        let rules = match std::fs::read_to_string(path).map(|text| toml::from_str::<Rules>(&text)) {
            Ok(Ok(rules)) => rules,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Rules::none(),
            Ok(Err(error)) => unreadable(path, &error),
            Err(error) => unreadable(path, &error),
        };
        Self {
            stamp,
            manners: manner::of(rules.manner),
            met: rules.faults.iter().map(|_| AtomicU64::new(0)).collect(),
            signatures: AtomicU64::new(0),
            rules,
        }
    }

    /// Sessions allowed at a time, if there is a limit.
    pub(crate) fn max_sessions(&self) -> Option<u64> {
        self.rules.max_sessions.or(self.manners.max_sessions)
    }

    /// The fault that this call meets, if one does.
    pub(crate) fn fault(&self, function: Function) -> Option<Injection> {
        let mut hit = None;
        for (rule, met) in self.rules.faults.iter().zip(&self.met) {
            if rule.function != function {
                continue;
            }
            // Every rule counts every call of its function, so that two of them can hit the second and the fifth.
            let before = met.fetch_add(1, Ordering::Relaxed);
            let hits =
                before >= rule.skip && rule.times.is_none_or(|times| before - rule.skip < times);
            if hits && hit.is_none() {
                hit = Some(rule.inject);
            }
        }
        hit
    }
}

/// A test that runs on without its faults would prove nothing.
fn unreadable(path: &Path, error: &dyn std::error::Error) -> ! {
    eprintln!("faultshim: {}: {error}", path.display());
    std::process::abort()
}

/// The counters, shared with everybody who maps or reads the file.
pub(crate) struct SharedCounts(&'static [AtomicU64; NUMBERS]);

impl SharedCounts {
    fn map(rules: &Path) -> std::io::Result<Self> {
        let file = control::open_counts(rules, LENGTH as u64)?;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                LENGTH,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &file,
                0,
            )?
        };
        // SAFETY: the mapping is page-aligned, LENGTH bytes long, never unmapped, and only used as atomics.
        Ok(Self(unsafe { &*start.cast::<[AtomicU64; NUMBERS]>() }))
    }

    pub(crate) fn call(&self, function: Function) {
        self.add(function.index());
    }

    pub(crate) fn extra(&self, extra: Extra) {
        self.add(extra.index());
    }

    pub(crate) fn set(&self, extra: Extra, value: usize) {
        if let Some(counter) = self.0.get(extra.index()) {
            counter.store(value as u64, Ordering::Relaxed);
        }
    }

    fn add(&self, index: usize) {
        if let Some(counter) = self.0.get(index) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}
