//! What a statement is checked against, and what it is filled in with.

use clap::Args;
use custodyd_policy::{OperatorId, Timestamp};
use custodyd_vault::{Decision, Ed25519Key};

/// Keys that came another way than the journal, and the parts of a statement that one person chose.
#[derive(Debug, Args)]
pub(crate) struct Evidence {
    /// The vault's journal key, as `custodyd init` printed it: 66 hex digits
    #[arg(long, env = "CUSTODYD_JOURNAL_KEY", value_name = "HEX")]
    pub(crate) journal_key: Option<String>,
    /// The public key of the client that asked: 64 hex digits
    #[arg(long, value_name = "HEX", value_parser = Ed25519Key::parse)]
    pub(crate) client_key: Option<Ed25519Key>,
    /// Compute the challenge that was signed, too: the nonce of the statement, 32 hex digits
    #[arg(long, value_name = "HEX", requires_all = ["operator", "expires_at"])]
    pub(crate) nonce: Option<String>,
    /// Who signed
    #[arg(long, value_name = "ID")]
    pub(crate) operator: Option<OperatorId>,
    /// What was decided: approve, reject or cancel
    #[arg(long, value_parser = decision)]
    pub(crate) decision: Option<Decision>,
    /// Until when the statement is good, such as 2026-12-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_at: Option<Timestamp>,
}

fn decision(text: &str) -> Result<Decision, String> {
    let all = [Decision::Approve, Decision::Reject, Decision::Cancel];
    let found = all.into_iter().find(|known| known.to_string() == text);
    found.ok_or_else(|| format!("{text:?} is none of approve, reject, cancel"))
}
