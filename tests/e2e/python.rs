//! The Python of scripts/setup, for the tests that run stock tools against the daemon.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use custodyd_testbed::project;

/// A program of that Python: `python`, `schemathesis`. It sees nothing of this process's environment, and no proxy.
pub(crate) fn program(name: &str) -> Command {
    let path: PathBuf = project().join(".tools/python/bin").join(name);
    assert!(
        path.exists(),
        "{} is missing: scripts/setup test",
        path.display()
    );
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "*")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    command
}
