//! A PostgreSQL server with a data folder and a port of its own.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{Child, Signal, TestbedError, child, child::Spec, parts, scratch};

const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long what is left of a killed server may keep a new one from starting.
const LINGERING: Duration = Duration::from_secs(10);
const USER: &str = "custodyd";

/// A running server, durable as in production (fsync and synchronous_commit on), that lets one user in by password.
#[derive(Debug)]
pub struct Postgres {
    server: Child,
    folder: tempfile::TempDir,
    port: u16,
    password: String,
}

impl Postgres {
    /// Makes a cluster and starts it. PostgreSQL refuses to run as root, which therefore becomes `postgres` for it.
    pub fn start() -> Result<Self, TestbedError> {
        let folder = scratch::folder("postgres")?;
        let password = scratch::random_hex(16)?;
        make_cluster(folder.path(), &password)?;
        let (server, port) = scratch::on_a_free_port(|port| launch(folder.path(), port))?;
        Ok(Self {
            server,
            folder,
            port,
            password,
        })
    }

    /// The URL of the cluster's first database.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes an empty database and gives back its URL. The name is a plain SQL identifier.
    pub fn create_database(&self, name: &str) -> Result<String, TestbedError> {
        self.psql("postgres", &format!("CREATE DATABASE \"{name}\""))?;
        Ok(self.url_of(name))
    }

    /// Runs SQL as the superuser, through the server's socket; gives back what psql prints, unaligned and without headings.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, TestbedError> {
        let mut command = child::as_user(server_user(), &[])?;
        command
            .arg(parts::postgres("psql")?)
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1", "--username", USER])
            .arg("--host")
            .arg(data_folder(self.folder.path()))
            .args(["--port", &self.port.to_string()])
            .args(["--dbname", database, "--command", sql]);
        child::run(command)
    }

    /// Stops it in order; clients are disconnected.
    pub fn stop(&mut self) -> Result<(), TestbedError> {
        self.server.signal(Signal::INT)?;
        self.server.wait(READY_WITHIN).map(drop)
    }

    /// As a power cut would: every connection breaks, and the next start recovers from the write-ahead log.
    pub fn kill(&mut self) -> Result<(), TestbedError> {
        self.server.kill().map(drop)
    }

    /// Starts it again on the same data and port, killing it first if it still runs.
    pub fn restart(&mut self) -> Result<(), TestbedError> {
        self.server.kill()?;
        let began = Instant::now();
        self.server = loop {
            match launch(self.folder.path(), self.port) {
                // The others of its processes end a moment after the first, and hold on to the data until then.
                Err(error)
                    if began.elapsed() < LINGERING
                        && error.to_string().contains("still in use") =>
                {
                    std::thread::sleep(Duration::from_millis(100));
                }
                launched => break launched?,
            }
        };
        Ok(())
    }

    /// Its first process.
    pub fn process(&mut self) -> &mut Child {
        &mut self.server
    }

    fn url_of(&self, database: &str) -> String {
        let Self { password, port, .. } = self;
        format!("postgres://{USER}:{password}@127.0.0.1:{port}/{database}")
    }
}

/// The user that the server runs as, when that isn't the current one.
fn server_user() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("postgres")
}

fn data_folder(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn make_cluster(folder: &Path, password: &str) -> Result<(), TestbedError> {
    let data = data_folder(folder);
    let password_file = scratch::write_secret(folder, "password", password)?;
    if let Some(user) = server_user() {
        let mut chown = Command::new("chown");
        chown
            .arg("--recursive")
            .arg(format!("{user}:{user}"))
            .arg(folder);
        child::run(chown)?;
    }
    let mut initdb = child::as_user(server_user(), &[])?;
    initdb
        .arg(parts::postgres("initdb")?)
        .arg("--pgdata")
        .arg(&data)
        .arg("--pwfile")
        .arg(&password_file)
        .args(["--username", USER, "--encoding", "UTF8", "--locale", "C"])
        // The socket lies in the data folder, which only the server's user can enter.
        .args(["--auth-local", "trust", "--auth-host", "scram-sha-256"])
        .arg("--no-sync");
    child::run(initdb).map(drop)
}

fn launch(folder: &Path, port: u16) -> Result<Child, TestbedError> {
    let data = data_folder(folder);
    let log = folder.join("postgres.log");
    let port = port.to_string();
    let mut server = Child::start(
        &Spec {
            name: "postgres",
            program: &parts::postgres("postgres")?,
            user: server_user(),
            log: &log,
            // "Immediate shutdown": its workers and its shared memory go with it.
            farewell: Some(Signal::QUIT),
        },
        [
            "-D".into(),
            data.clone(),
            "-h".into(),
            "127.0.0.1".into(),
            "-p".into(),
            port.clone().into(),
            "-k".into(),
            data.clone(),
        ],
        [],
    )?;
    let pg_isready = parts::postgres("pg_isready")?;
    server.wait_until("accept connections", READY_WITHIN, || {
        let mut command = Command::new(&pg_isready);
        command.args(["--quiet", "--host", "127.0.0.1", "--port", &port]);
        child::run(command).is_ok()
    })?;
    Ok(server)
}
