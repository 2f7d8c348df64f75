//! `custodyctl`: withdrawals, approvals and the rest of custodyd's interface from the command line.
//!
//! Exit codes: 0 done; 1 refused, by the daemon or by the person asked; 2 wrong usage; 3 no answer.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod arguments;
mod cold;
mod decisions;
mod enrol;
mod failure;
mod genesis;
mod governance;
mod propose;
mod session;
mod statement;
mod text;
mod vault;
mod withdrawals;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use custodyd_client::KeyFile;

use crate::arguments::{Arguments, Command, GenesisCommand, PricesCommand, Subject};
use crate::failure::Failure;
use crate::session::Session;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("custodyctl: {}", text::one_line(&failure.to_string()));
            failure.exit_code()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    if let Command::Keygen { out } = &arguments.command {
        let public = KeyFile::generate(out).map_err(custodyd_client::ClientError::from)?;
        println!("{}", hex::encode(public.as_bytes()));
        return Ok(());
    }
    if let Command::Genesis {
        command: GenesisCommand::Sign { genesis, yes },
    } = &arguments.command
    {
        return genesis::sign(arguments.connection, genesis, *yes);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    let session = Session::open(arguments.connection, &arguments.command)?;
    runtime.block_on(dispatch(&session, arguments.command))
}

async fn dispatch(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        // Needs no daemon, so it was done before.
        Command::Keygen { .. } | Command::Genesis { .. } => Ok(()),
        Command::Withdraw(order) => withdrawals::withdraw(session, order).await,
        Command::Show { id } => withdrawals::show(session, &id).await,
        Command::List { state } => withdrawals::list(session, state).await,
        Command::Watch { id, timeout } => withdrawals::watch(session, &id, timeout).await,
        Command::Approve { id, yes, valid_for } => match id {
            Subject::Withdrawal(id) => decisions::approve(session, &id, yes, valid_for).await,
            Subject::Proposal(id) => governance::approve(session, &id, yes, valid_for).await,
        },
        Command::Veto { id, valid_for } => match id {
            Subject::Withdrawal(id) => decisions::reject(session, &id, valid_for).await,
            Subject::Proposal(id) => governance::veto(session, &id, valid_for).await,
        },
        Command::Statement { id, evidence } => statement::statement(session, &id, &evidence).await,
        Command::Enrol { invitation } => enrol::enrol(session, &invitation).await,
        Command::Propose(asked) => propose::propose(session, asked).await,
        Command::Proposals { state } => governance::list(session, state).await,
        Command::Proposal { id } => governance::show(session, &id).await,
        Command::Reject { id, valid_for } => decisions::reject(session, &id, valid_for).await,
        Command::Cancel { id, valid_for } => decisions::cancel(session, &id, valid_for).await,
        Command::Wallets => vault::wallets(session).await,
        Command::Address { wallet } => vault::address(session, &wallet).await,
        Command::Tx { id } => vault::transaction(session, &id).await,
        Command::Freeze { scope, reason } => vault::freeze(session, scope, reason).await,
        Command::Unfreeze { scope } => vault::unfreeze(session, scope).await,
        Command::Simulate(asked) => withdrawals::simulate(session, asked).await,
        Command::Prices {
            command: PricesCommand::Set { prices, currency },
        } => vault::set_prices(session, prices, currency).await,
        Command::Policy => vault::policy(session).await,
        Command::Limits => vault::limits(session).await,
        Command::Journal { after } => vault::journal(session, after).await,
        Command::Hsm => vault::hsm(session).await,
        Command::Health => vault::health(session).await,
        Command::Export(what) => cold::export(session, what).await,
        Command::Import { bundle } => cold::import(session, &bundle).await,
    }
}

/// Help and version go out as they are; an error is its first paragraph on one line.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Nothing can be done about a closed standard output.
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
    }
    let full = error.to_string();
    let first = full.split("\n\n").next().unwrap_or_default();
    let message = first.trim_start_matches("error: ").replace("\n  ", " ");
    eprintln!("custodyctl: {} (try --help)", text::one_line(&message));
    ExitCode::from(2)
}
