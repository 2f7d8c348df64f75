//! What commands take: payouts, scopes, prices, and what is decided on.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use custodyd_chain::{Address, Asset};
use custodyd_client::State;
use custodyd_policy::{ClientId, FiatError, Price, WalletId, WithdrawalId, parse_duration};
use custodyd_vault::ProposalId;
use serde::Serialize;

/// What is frozen: one of these, or the whole vault.
#[derive(Debug, Args, Serialize)]
#[group(multiple = false)]
pub(crate) struct FreezeScope {
    /// Only this wallet
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wallet: Option<WalletId>,
    /// Every wallet that holds this asset
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asset: Option<Asset>,
    /// Whatever this client asks for
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<ClientId>,
    /// Whatever would go to this address, with its network: litecoin:ltc1q…
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination: Option<Address>,
}

/// A payout to judge without effect.
#[derive(Debug, Args)]
pub(crate) struct Simulation {
    /// BTC, LTC or ETH
    #[arg(long)]
    pub(crate) asset: String,
    /// How much, as a decimal number in the asset's unit
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) amount: String,
    /// The destination address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: String,
    /// The wallet to pay from; routed if left out
    #[arg(long)]
    pub(crate) wallet: Option<String>,
    /// As if this client asked; for operators
    #[arg(long)]
    pub(crate) client: Option<ClientId>,
    /// The vault; the daemon's only one if left out
    #[arg(long, env = "CUSTODYD_VAULT")]
    pub(crate) vault: Option<String>,
}

pub(super) fn priced(text: &str) -> Result<(Asset, Price), String> {
    let (asset, price) = text
        .split_once('=')
        .ok_or_else(|| "write an asset and its price, such as BTC=64000.50".to_owned())?;
    let asset = asset
        .parse()
        .map_err(|_| format!("{asset:?} is no asset"))?;
    let price = price
        .parse()
        .map_err(|fault: FiatError| fault.to_string())?;
    Ok((asset, price))
}

/// What is decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A payout.
    Withdrawal(WithdrawalId),
    /// A change of the vault.
    Proposal(ProposalId),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("pr_") {
            let id = text.parse().map(Self::Proposal);
            return id.map_err(|fault: custodyd_vault::IdError| fault.to_string());
        }
        let id = text.parse().map(Self::Withdrawal);
        id.map_err(|fault: custodyd_policy::IdError| fault.to_string())
    }
}

/// A payout to ask for. The daemon judges the texts.
#[derive(Debug, Args)]
pub(crate) struct Order {
    /// BTC, LTC or ETH
    #[arg(long)]
    pub(crate) asset: String,
    /// How much, as a decimal number in the asset's unit
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) amount: String,
    /// The destination address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: String,
    /// Your own reference
    #[arg(long)]
    pub(crate) reference: String,
    /// The wallet to pay from; routed if left out
    #[arg(long)]
    pub(crate) wallet: Option<String>,
    /// The vault; the daemon's only one if left out
    #[arg(long, env = "CUSTODYD_VAULT")]
    pub(crate) vault: Option<String>,
    /// Repeating with the same key never pays twice; a fresh one if left out
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Only ask what policy would say; changes nothing
    #[arg(long, conflicts_with_all = ["wait", "idempotency_key"])]
    pub(crate) simulate: bool,
    /// Wait until it is in this state, or past it
    #[arg(long, value_name = "STATE")]
    pub(crate) wait: Option<State>,
    /// Give up waiting after this time
    #[arg(long, default_value = "10m", value_parser = parse_duration, value_name = "TIME", requires = "wait")]
    pub(crate) timeout: u64,
}

/// What to export.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// All that wait in this wallet
    #[arg(
        long,
        conflicts_with = "withdrawal",
        required_unless_present = "withdrawal"
    )]
    pub(crate) wallet: Option<WalletId>,
    /// Exactly these withdrawals
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub(crate) withdrawal: Vec<WithdrawalId>,
    /// The folder to make; it must not exist
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}
