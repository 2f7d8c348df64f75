//! The container engine: what `docker` is asked to do, and what cleans up when the asking process is killed.
//!
//! Containers are started and removed by testcontainers. What it has no call for goes through the command that an operator
//! would type, such as `docker kill` and `docker network disconnect`.
//!
//! What is started is removed when its handle is dropped, which a killed test never does. So each process that starts
//! containers first starts a shell that reads a pipe of which this process has the other end, and removes the process's
//! containers and networks when the pipe closes, whatever closed it. `scripts/containers sweep` takes away what even that left.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{self, ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock},
};

use sha2::{Digest, Sha256};

use crate::{TestbedError, child, parts, scratch};

/// The label that names the owner of a container or network: `PID-RANDOM`, as `scripts/containers` reads it.
pub(crate) const OWNER_LABEL: &str = "custodyd.owner";

/// The image of the fixture, without its tag.
pub(crate) const IMAGE: &str = "custodyd-softhsm";

/// An engine that answers is asked; one that doesn't within this many seconds is given up.
const PATIENCE: &str = "60";

/// The tag of the fixture's image. It's the hash of what the image is made from, so that nobody tests an older one.
pub(crate) fn image_tag() -> String {
    let mut content = Sha256::new();
    content.update(include_bytes!("../../../tests/fixtures/softhsm/Dockerfile"));
    content.update(include_bytes!("../../../tests/fixtures/softhsm/serve"));
    let mut tag = hex::encode(content.finalize());
    tag.truncate(12);
    tag
}

/// Refuses to go on without an engine that answers and holds the fixture's image.
pub(crate) fn require() -> Result<(), TestbedError> {
    docker(&["version", "--format", "{{.Server.Version}}"]).map_err(|error| match error {
        missing @ TestbedError::Missing { .. } => missing,
        silent => TestbedError::Missing {
            part: "a container engine",
            looked_for: silent.to_string(),
        },
    })?;
    let image = format!("{IMAGE}:{}", image_tag());
    docker(&["image", "inspect", "--format", "{{.Id}}", &image])
        .map(drop)
        .map_err(|_| TestbedError::Missing {
            part: "the image of the tests' HSMs",
            looked_for: image,
        })
}

/// Runs a command of `docker`'s and gives back its standard output.
pub(crate) fn docker(arguments: &[&str]) -> Result<String, TestbedError> {
    let mut command = Command::new(parts::program_in_path("coreutils (timeout)", "timeout")?);
    command
        .arg(PATIENCE)
        .arg(parts::program_in_path("a container engine", "docker")?)
        .args(arguments);
    child::run(command)
}

/// This process's name as an owner of containers, once something watches over them.
pub(crate) fn owner() -> Result<String, TestbedError> {
    static WATCH: OnceLock<Mutex<Option<Watch>>> = OnceLock::new();
    let mut watch = WATCH
        .get_or_init(Mutex::default)
        .lock()
        .expect("nothing panics while it is held");
    if let Some(watch) = &*watch {
        return Ok(watch.owner.clone());
    }
    let owner = format!("{}-{}", process::id(), scratch::random_hex(4)?);
    *watch = Some(Watch {
        _pipe: start_watch(&owner).map_err(TestbedError::io("watching over containers"))?,
        owner: owner.clone(),
    });
    Ok(owner)
}

/// A bridge network that one container has to itself, so that nobody else is given its address while it is cut off.
#[derive(Debug)]
pub(crate) struct Network {
    name: String,
}

impl Network {
    pub(crate) fn create() -> Result<Self, TestbedError> {
        let owner = owner()?;
        let name = format!("custodyd-{owner}-{}", scratch::random_hex(4)?);
        let label = format!("{OWNER_LABEL}={owner}");
        docker(&["network", "create", "--label", &label, &name])?;
        Ok(Self { name })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Network {
    /// What can't be removed now is left to the watch.
    fn drop(&mut self) {
        let _ = docker(&["network", "rm", &self.name]);
    }
}

struct Watch {
    owner: String,
    /// Closed by the kernel when this process ends.
    _pipe: ChildStdin,
}

/// In a process group of its own, so that what kills the group of this process spares it.
fn start_watch(owner: &str) -> io::Result<ChildStdin> {
    const SCRIPT: &str = "cat >/dev/null; trap '' HUP
        docker ps --all --quiet --filter \"label=$1=$2\" | xargs --no-run-if-empty docker rm --force --volumes
        docker network ls --quiet --filter \"label=$1=$2\" | xargs --no-run-if-empty docker network rm";
    let mut watch = Command::new("sh")
        .args(["-c", SCRIPT, "custodyd-containers", OWNER_LABEL, owner])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    watch
        .stdin
        .take()
        .ok_or_else(|| io::Error::other("the watch has no standard input"))
}
