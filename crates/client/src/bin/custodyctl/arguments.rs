//! The command line.

mod certificates;
mod evidence;
mod options;
mod signer;

use std::path::PathBuf;

pub(crate) use certificates::CertificateOptions;
use clap::{Args, Parser, Subcommand};
use custodyd_chain::Asset;
use custodyd_client::State;
use custodyd_policy::{Currency, Price, WalletId, WithdrawalId, parse_duration};
use custodyd_vault::{ProposalId, TransactionId};
pub(crate) use evidence::Evidence;
use options::priced;
pub(crate) use options::{Export, FreezeScope, Order, Simulation, Subject};

pub(crate) use signer::SignerOptions;

use crate::propose::Propose;

/// custodyd's client
#[derive(Debug, Parser)]
#[command(name = "custodyctl", version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which daemon, as whom, and how answers are shown.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// The daemon, such as https://custody.example or http://127.0.0.1:8480
    #[arg(long, global = true, env = "CUSTODYD_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) signer: SignerOptions,
    #[command(flatten)]
    pub(crate) certificates: CertificateOptions,
    /// Print the daemon's JSON as it is
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Allow plain http to another machine
    #[arg(long, global = true)]
    pub(crate) insecure_http: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an Ed25519 key file and print its public key, which the daemon is told
    Keygen {
        /// The file to make; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Ask for a payout
    Withdraw(Order),
    /// Show a withdrawal, with policy's verdict and who decided
    Show { id: WithdrawalId },
    /// List withdrawals
    List {
        /// Only those in this state
        #[arg(long)]
        state: Option<State>,
    },
    /// Follow a withdrawal to its end
    Watch {
        id: WithdrawalId,
        /// Give up after this time
        #[arg(long, default_value = "24h", value_parser = parse_duration, value_name = "TIME")]
        timeout: u64,
    },
    /// Approve a withdrawal or a proposal: shows exactly what it does, asks, and signs that
    Approve {
        /// wd_… or pr_…
        id: Subject,
        /// Don't ask
        #[arg(long)]
        yes: bool,
        /// How long the approval is good for
        #[arg(long, default_value = "24h", value_parser = parse_duration, value_name = "TIME")]
        valid_for: u64,
    },
    /// What a withdrawal would do, from the client's signed request in the journal, and the code to compare with the console's
    Statement {
        id: WithdrawalId,
        #[command(flatten)]
        evidence: Evidence,
    },
    /// Bring the credential that you will sign with, as somebody who was invited: --as operator/<you>, and a key file or a card
    Enrol {
        /// File with the invitation's link; - reads it from standard input
        #[arg(long, value_name = "FILE")]
        invitation: PathBuf,
    },
    /// End a proposal, or reject a withdrawal, for good
    Veto {
        /// pr_… or wd_…
        id: Subject,
        /// How long the signed statement is good for
        #[arg(long, default_value = "24h", value_parser = parse_duration, value_name = "TIME")]
        valid_for: u64,
    },
    /// Propose a change of the vault; others approve it
    Propose(Propose),
    /// List proposals
    Proposals {
        /// Only those in this state, such as voting
        #[arg(long)]
        state: Option<String>,
    },
    /// Show a proposal, and what a policy in it would change
    Proposal { id: ProposalId },
    /// The genesis ceremony
    Genesis {
        #[command(subcommand)]
        command: GenesisCommand,
    },
    /// Reject a withdrawal for good
    Reject {
        id: WithdrawalId,
        /// How long the signed statement is good for
        #[arg(long, default_value = "24h", value_parser = parse_duration, value_name = "TIME")]
        valid_for: u64,
    },
    /// Take a withdrawal back before it is signed
    Cancel {
        id: WithdrawalId,
        /// How long an operator's signed statement is good for
        #[arg(long, default_value = "24h", value_parser = parse_duration, value_name = "TIME")]
        valid_for: u64,
    },
    /// Wallets, their balances and addresses
    Wallets,
    /// One more receiving address of a wallet
    Address { wallet: WalletId },
    /// A transaction: effects, raw bytes, confirmations
    Tx { id: TransactionId },
    /// Stop at once: the whole vault, or what is named
    Freeze {
        #[command(flatten)]
        scope: FreezeScope,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Vote to let what is frozen go on
    Unfreeze {
        #[command(flatten)]
        scope: FreezeScope,
    },
    /// Ask what policy would say to a payout, and why: every rule and limit; changes nothing
    Simulate(Simulation),
    /// What assets are worth
    Prices {
        #[command(subcommand)]
        command: PricesCommand,
    },
    /// Fetch a bundle of cold transactions for the air-gapped signer
    Export(Export),
    /// Bring back a bundle that the air-gapped signer signed
    Import {
        /// The folder, or a tar of it
        bundle: PathBuf,
    },
    /// The policy in force
    Policy,
    /// How much of each limit is used
    Limits,
    /// The journal
    Journal {
        /// Only what came after this sequence number
        #[arg(long, value_name = "SEQ")]
        after: Option<u64>,
    },
    /// The HSM's tokens: which one is out, and what each did
    Hsm,
    /// Whether the daemon lives, and is ready
    Health,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PricesCommand {
    /// Say what one unit of each asset costs now; as a client with the scope prices
    Set {
        /// Such as BTC=64000.50
        #[arg(required = true, value_parser = priced)]
        prices: Vec<(Asset, Price)>,
        /// The policy's currency
        #[arg(long, default_value = "USD")]
        currency: Currency,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum GenesisCommand {
    /// Sign what a vault begins with, as one of its first operators; needs no daemon
    Sign {
        /// The genesis file; signatures gather beside it
        genesis: PathBuf,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use custodyd_httpsig::Principal;

    use super::*;

    const ID: &str = "wd_00112233445566778899aabbccddeeff";

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("custodyctl").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_withdrawal_is_read_as_it_is_written() {
        let arguments = parse(
            "withdraw --asset LTC --amount 1.5 --to rltc1q --reference order-7 --wait final \
             --timeout 5m --url http://127.0.0.1:1 --as client/exchange --json",
        )
        .unwrap();
        assert!(arguments.connection.json);
        assert_eq!(
            arguments.connection.signer.principal,
            Some(Principal::Client("exchange".to_owned()))
        );
        let Command::Withdraw(order) = arguments.command else {
            panic!("another command");
        };
        assert_eq!(order.amount, "1.5");
        assert_eq!(order.wait, Some(State::Final));
        assert_eq!(order.timeout, 300_000);
        assert!(!order.simulate);
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in ["--as operator/alice wallets", "wallets --as operator/alice"] {
            assert_eq!(
                parse(line).unwrap().connection.signer.principal,
                Some(Principal::Operator("alice".to_owned()))
            );
        }
    }

    #[test]
    fn several_withdrawals_can_be_exported() {
        let arguments = parse(&format!("export --withdrawal {ID} {ID} --out bundle")).unwrap();
        let Command::Export(export) = arguments.command else {
            panic!("another command");
        };
        assert_eq!(export.withdrawal.len(), 2);
    }

    #[test]
    fn what_is_not_an_id_or_a_state_is_refused_here() {
        for line in [
            "",
            "show",
            "show wd_1",
            "show ../wallets",
            "show wd_00112233445566778899AABBCCDDEEFF",
            "approve wd_00112233445566778899aabbccddeeff --valid-for 1",
            "tx 00",
            "address Hot/LTC",
            "list --state done",
            "journal --after -1",
            "wallets --as alice",
            "approve pr_1",
            "veto",
            "proposal wd_00112233445566778899aabbccddeeff",
            "propose",
            "propose add-operator erin",
            "propose add-operator erin 00",
            "propose set-scopes shop admin",
            "propose add-destination ltc1q --name x",
            "propose set-wallet hot --fee-cap 1",
            "genesis sign",
            "freeze --reason r --wallet hot --asset BTC",
            "freeze --reason r --asset DOGE",
            "freeze --reason r --destination ltc1q",
            "prices set",
            "prices set BTC",
            "prices set BTC=-1",
            "prices set BTC=1 --currency usd",
            "simulate --asset LTC --amount 1",
            "freeze",
            "export --out bundle",
            "export --wallet cold --withdrawal wd_00112233445566778899aabbccddeeff --out b",
            "withdraw --asset LTC --amount 1 --to a",
            "withdraw --asset LTC --amount 1 --to a --reference r --simulate --wait final",
            "wallets --unknown",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
