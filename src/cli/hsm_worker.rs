//! `custodyd hsm-worker`: the process in which an HSM's library runs. The daemon starts it, and it ends with the daemon.

use clap::Args;
use custodyd::{config::Log, telemetry};
use custodyd_hsm::serve_worker;

use super::Failure;

/// What the host tells it besides what goes over the line between them. Nothing secret: everybody can read arguments.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The token's name, for whoever lists processes.
    #[arg(long)]
    token: String,
    /// The host's filter for logs, which go to the same place.
    #[arg(long, default_value = "info")]
    log: String,
    /// A JSON object a line instead of text.
    #[arg(long)]
    json: bool,
}

impl Options {
    /// Serves until the host is gone.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        telemetry::start_log(&Log {
            filter: self.log.clone(),
            json: self.json,
        })?;
        let _serving = tracing::info_span!("hsm-worker", token = self.token).entered();
        Ok(serve_worker()?)
    }
}
