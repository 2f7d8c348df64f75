//! custodyd itself, started from its binary as an operator would.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use crate::{Child, Response, Signal, TestbedError, child::Spec, local_http};

/// A daemon under observation. Its log grows over restarts.
#[derive(Debug)]
pub struct Daemon {
    process: Child,
    start: Start,
}

#[derive(Debug)]
struct Start {
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    listen: SocketAddr,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl Daemon {
    /// `custodyd serve --config <config>` with `environment` over the inherited one, without waiting for anything.
    ///
    /// `listen` is where the configuration says that it listens. The log is `custodyd.log` beside the configuration.
    pub fn spawn(
        binary: &Path,
        config: &Path,
        listen: SocketAddr,
        environment: BTreeMap<String, String>,
    ) -> Result<Self, TestbedError> {
        let arguments = ["serve", "--config", &config.display().to_string()].map(str::to_owned);
        Self::spawn_with(binary, config, listen, arguments.to_vec(), environment)
    }

    /// The same with other arguments, such as a role.
    pub fn spawn_with(
        binary: &Path,
        config: &Path,
        listen: SocketAddr,
        arguments: Vec<String>,
        environment: BTreeMap<String, String>,
    ) -> Result<Self, TestbedError> {
        let start = Start {
            binary: binary.to_owned(),
            config: config.to_owned(),
            log: config.with_file_name("custodyd.log"),
            listen,
            arguments,
            environment,
        };
        Ok(Self {
            process: start.launch()?,
            start,
        })
    }

    /// [`Self::spawn`], and waits up to `at_most` until `GET /readyz` answers 200.
    pub fn start(
        binary: &Path,
        config: &Path,
        listen: SocketAddr,
        environment: BTreeMap<String, String>,
        at_most: Duration,
    ) -> Result<Self, TestbedError> {
        let mut daemon = Self::spawn(binary, config, listen, environment)?;
        daemon.wait_ready(at_most)?;
        Ok(daemon)
    }

    /// Waits until `GET /readyz` answers 200. A daemon that ends instead is an error with the end of its log.
    pub fn wait_ready(&mut self, at_most: Duration) -> Result<(), TestbedError> {
        let listen = self.start.listen;
        self.process.wait_until("become ready", at_most, || {
            local_http::get(listen, "/readyz").is_ok_and(|answer| answer.status == 200)
        })
    }

    /// GET a path from it.
    pub fn get(&self, path: &str) -> Result<Response, TestbedError> {
        local_http::get(self.start.listen, path)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where it listens: `http://<address>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.start.listen)
    }

    /// Its configuration file.
    pub fn config(&self) -> &Path {
        &self.start.config
    }

    /// All that it has logged so far.
    pub fn log(&self) -> Result<String, TestbedError> {
        let log = self.process.log_file();
        fs::read_to_string(log).map_err(TestbedError::io(log.display().to_string()))
    }

    /// Sets an environment variable for the next [`Self::restart`]; `None` removes it.
    pub fn set_environment(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.start.environment.insert(name.into(), value.into()),
            None => self.start.environment.remove(name),
        };
    }

    /// `kill -9`.
    pub fn kill9(&mut self) -> Result<ExitStatus, TestbedError> {
        self.process.kill()
    }

    /// SIGTERM, as a service manager sends it, and waits for an orderly end.
    pub fn terminate(&mut self, at_most: Duration) -> Result<ExitStatus, TestbedError> {
        self.process.signal(Signal::TERM)?;
        self.process.wait(at_most)
    }

    /// Waits until it ends by itself, as a failpoint makes it.
    pub fn wait_exit(&mut self, at_most: Duration) -> Result<ExitStatus, TestbedError> {
        self.process.wait(at_most)
    }

    /// Starts it again with the same configuration, killing it first if it still runs. Doesn't wait until it's ready.
    pub fn restart(&mut self) -> Result<(), TestbedError> {
        self.process.kill()?;
        self.process = self.start.launch()?;
        Ok(())
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Child {
        &mut self.process
    }
}

impl Start {
    fn launch(&self) -> Result<Child, TestbedError> {
        Child::start(
            &Spec {
                name: "custodyd",
                program: &self.binary,
                user: None,
                log: &self.log,
                farewell: None,
            },
            &self.arguments,
            self.environment.clone(),
        )
    }
}
