//! The commands of `custodyd`. Each prints what it did for a person and ends with one clear line when it can't.

mod doctor;
mod hsm_worker;
mod init;
mod journal;
mod keys;
mod policy;
mod serve;
mod terminal;
mod webhooks;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use custodyd::config::{Config, Isolation};

/// An error on its way to the last line of standard error.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A custody and wallet-signing daemon over PKCS#11 HSMs.
#[derive(Debug, Parser)]
#[command(name = "custodyd", version, about)]
pub(crate) struct Arguments {
    /// The configuration file.
    #[arg(long, global = true, default_value = "custodyd.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a vault: journal key, database, first event.
    Init {
        /// The genesis file.
        #[arg(long)]
        genesis: PathBuf,
    },
    /// Run the daemon.
    Serve {
        /// What this process does. `all` is everything in one process.
        #[arg(long, default_value = "all", value_parser = ["all"])]
        role: String,
    },
    /// Check configuration, HSM, database and nodes, or one HSM profile, and say what is wrong.
    Doctor(doctor::Options),
    /// Bring the database's tables up to date.
    Migrate,
    /// Policies.
    Policy {
        #[command(subcommand)]
        command: policy::Command,
    },
    /// The journal.
    Journal {
        #[command(subcommand)]
        command: journal::Command,
    },
    /// Keys in the HSM.
    Keys {
        #[command(subcommand)]
        command: keys::Command,
    },
    /// Who is told of events, and telling them again.
    Webhooks {
        #[command(subcommand)]
        command: webhooks::Command,
    },
    /// Be the process in which an HSM's library runs. The other commands start it.
    #[command(hide = true)]
    HsmWorker(hsm_worker::Options),
}

impl Arguments {
    /// What to do instead of everything else, if this process is to be an HSM's worker.
    pub(crate) fn hsm_worker(&self) -> Option<&hsm_worker::Options> {
        match &self.command {
            Command::HsmWorker(options) => Some(options),
            _ => None,
        }
    }

    /// The configuration, for commands that need an HSM's environment before anything else runs.
    pub(crate) fn hsm_config(&self) -> Option<Result<Config, Failure>> {
        match &self.command {
            // A profile is checked without a configuration.
            Command::Doctor(options) if options.profile().is_some() => None,
            Command::Keys { command } if !command.needs_hsm() => None,
            Command::Keys { command } if command.is_an_officers() => {
                // The officer logs in to the slot itself, which no worker process does.
                let config = Config::load(&self.config).map_err(Failure::from);
                Some(config.map(|mut config| {
                    config.hsm.isolation = Isolation::None;
                    config
                }))
            }
            Command::Init { .. }
            | Command::Serve { .. }
            | Command::Doctor(_)
            | Command::Keys { .. } => Some(Config::load(&self.config).map_err(Failure::from)),
            Command::Migrate
            | Command::Policy { .. }
            | Command::Journal { .. }
            | Command::Webhooks { .. }
            | Command::HsmWorker(_) => None,
        }
    }

    /// What this process's environment must hold before the library of a profile that is checked is loaded into it. A
    /// profile that can't be read asks for nothing: the check says why.
    pub(crate) fn profile_environment(&self) -> Vec<(String, String)> {
        match &self.command {
            Command::Doctor(options) => match options.profile() {
                Some(Ok(profile)) => profile.missing_environment(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// Runs the command.
    pub(crate) async fn run(self, config: Option<Config>) -> Result<(), Failure> {
        let load = || match config {
            Some(config) => Ok(config),
            None => Config::load(&self.config),
        };
        match self.command {
            Command::Init { genesis } => init::run(load()?, &genesis).await,
            Command::Serve { .. } => serve::run(load()?).await,
            Command::Doctor(options) => match options.profile() {
                Some(profile) => doctor::hsm::run(&options, profile),
                None => doctor::run(load()?).await,
            },
            Command::Migrate => {
                custodyd::store::Store::open(&load()?.database.url).await?;
                println!("the database is up to date");
                Ok(())
            }
            Command::Policy { command } if command.needs_config() => {
                policy::run_on(&load()?, command).await
            }
            Command::Policy { command } => policy::run(command),
            Command::Journal { command } => journal::run(load()?, command).await,
            Command::Webhooks { command } => webhooks::run(load()?, command).await,
            Command::Keys { command } => keys::run(command, load).await,
            Command::HsmWorker(options) => options.run(),
        }
    }
}
