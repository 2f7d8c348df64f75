//! Where the real parts are on this machine. `scripts/setup` puts them there.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::TestbedError;

/// SoftHSM's PKCS#11 module: Debian and Ubuntu link it here on every architecture.
pub const SOFTHSM_MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// OpenSC's spying module: it passes every call to the module named in `PKCS11SPY` and writes it down in the file named in
/// `PKCS11SPY_OUTPUT`.
pub fn pkcs11_spy_module() -> Result<PathBuf, TestbedError> {
    library(
        "OpenSC (pkcs11-spy.so)",
        &["pkcs11-spy.so", "pkcs11/pkcs11-spy.so"],
    )
}

/// p11-kit's client module: it speaks to the p11-kit server named in `P11_KIT_SERVER_ADDRESS`.
pub fn p11_kit_client_module() -> Result<PathBuf, TestbedError> {
    library("p11-kit (p11-kit-client.so)", &["pkcs11/p11-kit-client.so"])
}

/// Anvil itself, as npm unpacked it: the launcher beside it would leave a second process to kill.
pub(crate) fn anvil() -> Result<PathBuf, TestbedError> {
    let platform = if cfg!(target_arch = "aarch64") {
        "linux-arm64"
    } else {
        "linux-amd64"
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../node_modules/@foundry-rs")
        .join(format!("anvil-{platform}/bin/anvil"));
    existing("Anvil", path)
}

/// A program of PostgreSQL's. Debian keeps the server's outside of PATH, one folder for each version: the newest counts.
pub(crate) fn postgres(program: &'static str) -> Result<PathBuf, TestbedError> {
    let versions = Path::new("/usr/lib/postgresql");
    let newest = versions
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin").join(program))
        .filter(|path| path.exists())
        .max_by_key(|path| version_in(path));
    match newest {
        Some(path) => Ok(path),
        None => program_in_path("PostgreSQL", program),
    }
}

/// A program in PATH.
pub(crate) fn program_in_path(
    part: &'static str,
    program: &'static str,
) -> Result<PathBuf, TestbedError> {
    env::var_os("PATH")
        .iter()
        .flat_map(env::split_paths)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .ok_or_else(|| TestbedError::Missing {
            part,
            looked_for: format!("{program} in PATH"),
        })
}

/// SoftHSM's module, if it is there.
pub(crate) fn softhsm() -> Result<PathBuf, TestbedError> {
    existing("SoftHSM", PathBuf::from(SOFTHSM_MODULE))
}

fn version_in(path: &Path) -> u32 {
    path.iter()
        .filter_map(|part| part.to_str()?.parse().ok())
        .next()
        .unwrap_or(0)
}

fn library(part: &'static str, names: &[&str]) -> Result<PathBuf, TestbedError> {
    let folder = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    let candidates = names.iter().map(|name| Path::new(&folder).join(name));
    candidates
        .clone()
        .find(|path| path.exists())
        .ok_or_else(|| TestbedError::Missing {
            part,
            looked_for: candidates
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
        })
}

fn existing(part: &'static str, path: PathBuf) -> Result<PathBuf, TestbedError> {
    if path.exists() {
        Ok(path)
    } else {
        Err(TestbedError::Missing {
            part,
            looked_for: path.display().to_string(),
        })
    }
}
