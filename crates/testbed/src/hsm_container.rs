//! A network HSM for tests: SoftHSM behind p11-kit's server in a container of its own, with a network of its own that can be cut.
//!
//! The image is `tests/fixtures/softhsm`. Two containers that share a token folder are two HSMs of one cluster: SoftHSM reads a
//! token's files again when another process has changed them, so a key that one makes is on the other at once. It has no
//! replication of its own, and copying folders would lose keys made in between. SoftHSM fails now and then when several
//! processes start on one folder at a time, so the second container is started when the first has answered.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use testcontainers::{
    Container, ContainerRequest, CopyTargetOptions, GenericImage, ImageExt,
    core::{Mount, WaitFor},
    runners::SyncRunner,
};

use crate::{
    TestbedError,
    engine::{self, Network},
    parts,
    relay::Relay,
    scratch,
};

/// Where the fixture listens inside of its container.
const PORT: u16 = 2345;
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How a process on this machine reaches the HSM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Over the engine's network, which [`HsmContainer::cut`] can cut. The engine must be this machine's own.
    Network,
    /// Over a socket in a folder that container and machine share.
    MountedSocket,
}

/// A running (or killed, or paused, or cut off) HSM. The container is removed when this is dropped or this process dies.
#[derive(Debug)]
pub struct HsmContainer {
    label: String,
    reach: Reach,
    /// `None` only while it is dropped.
    container: Option<Container<GenericImage>>,
    /// For [`Reach::Network`]. Dropped after the container.
    line: Option<Line>,
    /// The PINs' files, and the socket's folder.
    folder: tempfile::TempDir,
}

/// What leads from this machine to the container.
#[derive(Debug)]
struct Line {
    network: Network,
    relay: Relay,
}

impl HsmContainer {
    /// Starts an HSM with a new token of this label and random PINs, and waits until it takes connections.
    ///
    /// # Errors
    /// [`TestbedError::Missing`] without an engine or the image; or what the engine says.
    pub fn start(label: &str, reach: Reach) -> Result<Self, TestbedError> {
        let pins = [scratch::random_hex(8)?, scratch::random_hex(8)?];
        Self::launch(label, reach, &pins, None)
    }

    /// Starts two HSMs that hold the same token: what one generates, the other has.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn pair(label: &str, reach: Reach) -> Result<[Self; 2], TestbedError> {
        let first = Self::start(label, reach)?;
        let second = first.twin()?;
        Ok([first, second])
    }

    /// Starts one more HSM that holds the same token. Either may be killed and dropped before the other.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn twin(&self) -> Result<Self, TestbedError> {
        let pins = [read(&self.pin_file())?, read(&self.so_pin_file())?];
        Self::launch(&self.label, self.reach, &pins, Some(self.id().to_owned()))
    }

    fn launch(
        label: &str,
        reach: Reach,
        [pin, so_pin]: &[String; 2],
        token_of: Option<String>,
    ) -> Result<Self, TestbedError> {
        engine::require()?;
        let folder = scratch::folder("hsm")?;
        scratch::write_secret(folder.path(), "pin", pin)?;
        scratch::write_secret(folder.path(), "so-pin", so_pin)?;
        let mut request: ContainerRequest<GenericImage> =
            GenericImage::new(engine::IMAGE, &engine::image_tag())
                .with_wait_for(WaitFor::message_on_stdout(format!("serving {label}")))
                .with_startup_timeout(READY_WITHIN)
                .with_label(engine::OWNER_LABEL, engine::owner()?)
                .with_env_var("TOKEN_LABEL", label);
        for (name, secret) in [("pin", pin), ("so-pin", so_pin)] {
            let target = CopyTargetOptions::new(format!("/run/secrets/{name}")).with_mode(0o600);
            request = request.with_copy_to(target, secret.as_bytes().to_vec());
        }
        let network = match reach {
            Reach::Network => Some(Network::create()?),
            Reach::MountedSocket => None,
        };
        if let Some(network) = &network {
            request = request.with_network(network.name());
        } else {
            let shared = folder.path().join("socket");
            fs::create_dir(&shared).map_err(TestbedError::io(shared.display().to_string()))?;
            let mount = Mount::bind_mount(shared.display().to_string(), "/socket");
            request = request.with_mount(mount);
        }
        if let Some(first) = token_of {
            // /tokens of the other; a mount of one's own comes before the other's at the same place.
            request = request.with_host_config_modifier(move |host| {
                host.volumes_from = Some(vec![first.clone()]);
            });
        }
        let container = apart(|| request.start()).map_err(|error| {
            TestbedError::unexpected("the container engine", &error.to_string())
        })?;
        let mut hsm = Self {
            label: label.to_owned(),
            reach,
            container: Some(container),
            line: None,
            folder,
        };
        if let Some(network) = network {
            let relay = Relay::start(&hsm.socket(), hsm.address(&network)?)?;
            hsm.line = Some(Line { network, relay });
        }
        Ok(hsm)
    }

    /// The token's label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The container's id.
    pub fn id(&self) -> &str {
        self.container.as_ref().map_or("", Container::id)
    }

    /// The file with the user's PIN, without a line end.
    pub fn pin_file(&self) -> PathBuf {
        self.folder.path().join("pin")
    }

    /// The module to load: p11-kit's client.
    pub fn module(&self) -> Result<PathBuf, TestbedError> {
        parts::p11_kit_client_module()
    }

    /// The environment that a process needs to reach the HSM. It stays the same through [`Self::restart`].
    pub fn environment(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(
            "P11_KIT_SERVER_ADDRESS".into(),
            format!("unix:path={}", self.socket().display()),
        )])
    }

    /// `docker kill`: it is gone at once, and its connections with it.
    pub fn kill(&self) -> Result<(), TestbedError> {
        self.ask(&["kill"])
    }

    /// `docker pause`: connections stand and new ones are taken, and nothing answers until [`Self::resume`].
    pub fn pause(&self) -> Result<(), TestbedError> {
        self.ask(&["pause"])
    }

    /// Goes on after [`Self::pause`], with what was asked meanwhile.
    pub fn resume(&self) -> Result<(), TestbedError> {
        self.ask(&["unpause"])
    }

    /// `docker network disconnect`: what is sent is lost and nothing comes back, not even that a connection is over. A new
    /// connection fails when the kernel has given up finding the HSM, after seconds.
    ///
    /// # Errors
    /// [`TestbedError::Unexpected`] for an HSM that is reached over a mounted socket: there is no network to cut.
    pub fn cut(&self) -> Result<(), TestbedError> {
        let line = self.line()?;
        self.ask(&["network", "disconnect", line.network.name()])
    }

    /// Puts the HSM back on its network. Mostly under the address that it had, and then connections from before go on.
    ///
    /// # Errors
    /// As [`Self::cut`].
    pub fn mend(&self) -> Result<(), TestbedError> {
        let line = self.line()?;
        self.ask(&["network", "connect", line.network.name()])?;
        line.relay.aim(self.address(&line.network)?);
        Ok(())
    }

    /// Starts it again after [`Self::kill`], with its token as it was. One that runs is killed first.
    pub fn restart(&self) -> Result<(), TestbedError> {
        if engine::docker(&["inspect", "--format", "{{.State.Running}}", self.id()])? == "true" {
            self.kill()?;
        }
        self.ask(&["start"])?;
        if let Some(line) = &self.line {
            line.relay.aim(self.address(&line.network)?);
        }
        self.until_it_listens()
    }

    /// A command of `docker`'s about this container.
    fn ask(&self, command: &[&str]) -> Result<(), TestbedError> {
        let mut words = command.to_vec();
        words.push(self.id());
        engine::docker(&words).map(drop)
    }

    fn socket(&self) -> PathBuf {
        match self.reach {
            Reach::Network => self.folder.path().join("socket"),
            Reach::MountedSocket => self.folder.path().join("socket/hsm"),
        }
    }

    fn so_pin_file(&self) -> PathBuf {
        self.folder.path().join("so-pin")
    }

    fn line(&self) -> Result<&Line, TestbedError> {
        self.line.as_ref().ok_or_else(|| {
            TestbedError::unexpected("an HSM behind a mounted socket", "no network leads here")
        })
    }

    /// Where the engine has it now.
    fn address(&self, network: &Network) -> Result<SocketAddr, TestbedError> {
        let format = format!(
            "{{{{(index .NetworkSettings.Networks \"{}\").IPAddress}}}}",
            network.name()
        );
        let said = engine::docker(&["inspect", "--format", &format, self.id()])?;
        let address: Ipv4Addr = said
            .parse()
            .map_err(|_| TestbedError::unexpected("docker inspect", &said))?;
        Ok((address, PORT).into())
    }

    /// The socket of the last time is there after a kill, so only a connection that is taken counts.
    fn until_it_listens(&self) -> Result<(), TestbedError> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let listens = match &self.line {
                Some(line) => {
                    TcpStream::connect_timeout(&self.address(&line.network)?, READY_WITHIN).is_ok()
                }
                None => UnixStream::connect(self.socket()).is_ok(),
            };
            if listens {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(TestbedError::TooSlow {
                    part: format!("the HSM {}", self.label),
                    what: "take connections",
                    waited: READY_WITHIN,
                    tail: engine::docker(&["logs", "--tail", "20", self.id()])?,
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for HsmContainer {
    fn drop(&mut self) {
        let container = self.container.take();
        apart(move || drop(container));
    }
}

/// Runs on a thread of its own: testcontainers blocks on a runtime of its own, which is refused on a thread of another one.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let running = scope.spawn(work);
        running
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn read(file: &Path) -> Result<String, TestbedError> {
    fs::read_to_string(file).map_err(TestbedError::io(file.display().to_string()))
}
