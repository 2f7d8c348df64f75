//! A SoftHSM token behind a socket: a network HSM that can be cut off, paused and killed while its client lives on.
//!
//! `p11-kit server` holds SoftHSM in a process of its own and serves it to p11-kit's client module.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::{Child, Signal, SoftToken, TestbedError, child::Spec, parts, scratch};

const READY_WITHIN: Duration = Duration::from_secs(10);

/// A `p11-kit server` in front of a [`SoftToken`].
#[derive(Debug)]
pub struct RemoteToken {
    server: Child,
    token: SoftToken,
    folder: tempfile::TempDir,
}

impl RemoteToken {
    /// Serves the token on a socket of its own.
    pub fn serve(token: SoftToken) -> Result<Self, TestbedError> {
        let folder = scratch::folder("p11-kit")?;
        let server = launch(&token, folder.path().join("socket"))?;
        Ok(Self {
            server,
            token,
            folder,
        })
    }

    /// The token that is served.
    pub fn token(&self) -> &SoftToken {
        &self.token
    }

    /// The module to load: p11-kit's client.
    pub fn module(&self) -> Result<PathBuf, TestbedError> {
        parts::p11_kit_client_module()
    }

    /// The environment that a process needs to reach the token.
    pub fn environment(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(
            "P11_KIT_SERVER_ADDRESS".into(),
            format!("unix:path={}", self.socket().display()),
        )])
    }

    /// Stops answering and keeps its connections: calls hang until [`Self::resume`].
    pub fn pause(&mut self) -> Result<(), TestbedError> {
        self.signal_all(Signal::STOP)
    }

    /// Goes on after [`Self::pause`].
    pub fn resume(&mut self) -> Result<(), TestbedError> {
        self.signal_all(Signal::CONT)
    }

    /// `kill -9` on the server and on what serves its connections.
    pub fn kill(&mut self) -> Result<(), TestbedError> {
        self.signal_all(Signal::KILL)?;
        self.server.kill().map(drop)
    }

    /// Serves the same token on the same socket again.
    pub fn restart(&mut self) -> Result<(), TestbedError> {
        self.kill()?;
        let socket = self.socket();
        let _ = std::fs::remove_file(&socket);
        self.server = launch(&self.token, socket)?;
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The server forks one process for each connection: they are found through the server and get the signal first.
    fn signal_all(&mut self, signal: Signal) -> Result<(), TestbedError> {
        self.server.signal_children(signal)?;
        self.server.signal(signal)
    }
}

impl Drop for RemoteToken {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn launch(token: &SoftToken, socket: PathBuf) -> Result<Child, TestbedError> {
    let log = socket.with_file_name("p11-kit.log");
    let mut server = Child::start(
        &Spec {
            name: "p11-kit server",
            program: &parts::program_in_path("p11-kit", "p11-kit")?,
            user: None,
            log: &log,
            farewell: None,
        },
        [
            "server".into(),
            "--foreground".into(),
            "--provider".into(),
            token.module()?.into_os_string(),
            "--name".into(),
            socket.clone().into_os_string(),
            format!("pkcs11:token={}", token.label()).into(),
        ],
        token.environment(),
    )?;
    server.wait_until("open its socket", READY_WITHIN, || socket.exists())?;
    Ok(server)
}
