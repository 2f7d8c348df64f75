//! What an operator may propose, one subcommand for each kind of change; and asking the daemon for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use custodyd_chain::{Address, Amount, FeeCaps, Network, PublicKey};
use custodyd_client::{ClientError, Endpoint, Invitation, NewProposal, Proposal};
use custodyd_passkey::RelyingParty;
use custodyd_policy::{ClientId, OperatorId, Tag, Tier, Timestamp, WalletId, parse_duration};
use custodyd_vault::{Change, Credential, Ed25519Key, Scope};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::governance;
use crate::session::Session;
use crate::text;
use crate::withdrawals::only_vault;

/// More than any policy or block list has, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// A proposal to make.
#[derive(Debug, Args)]
pub(crate) struct Propose {
    /// Why, for those who are asked
    #[arg(long, global = true)]
    pub(crate) reason: Option<String>,
    /// The vault; the daemon's only one if left out
    #[arg(long, global = true, env = "CUSTODYD_VAULT")]
    pub(crate) vault: Option<String>,
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// One more person who may approve
    AddOperator {
        id: OperatorId,
        /// Their public keys, as `custodyctl keygen` printed them
        #[arg(required = true)]
        keys: Vec<Credential>,
    },
    /// One person less
    RemoveOperator { id: OperatorId },
    /// One more key of a person
    AddKey {
        operator: OperatorId,
        key: Credential,
    },
    /// A key that no longer counts
    RevokeKey {
        operator: OperatorId,
        key: Credential,
    },
    /// Somebody may bring a credential of their own, once: prints the link, which is the secret, this one time
    Invite {
        /// As whom; a person who isn't there yet comes in with it
        operator: OperatorId,
        /// Until when: a time such as 2026-12-01T00:00:00Z, or from now, such as 3d
        #[arg(long, value_parser = until, value_name = "TIME")]
        until: Timestamp,
        /// The console's address, for the link; the daemon's if left out
        #[arg(long, value_name = "ORIGIN")]
        console: Option<String>,
    },
    /// An invitation that no longer counts
    Uninvite {
        /// Its public key, as the proposal shows it
        #[arg(value_parser = Ed25519Key::parse)]
        invitation: Ed25519Key,
    },
    /// The console that passkeys sign for from then on
    SetConsole {
        /// Its host name, which passkeys are bound to
        id: String,
        /// Where browsers reach it, such as https://custody.example
        #[arg(required = true)]
        origins: Vec<String>,
    },
    /// One more service
    AddClient {
        id: ClientId,
        #[arg(value_parser = Ed25519Key::parse)]
        key: Ed25519Key,
        /// What it may do: read, withdraw, addresses, prices
        #[arg(long, value_delimiter = ',', default_value = "read,withdraw,addresses", value_parser = scope)]
        scopes: Vec<Scope>,
    },
    /// One service less
    RemoveClient { id: ClientId },
    /// What a service may do, all of it
    SetScopes {
        id: ClientId,
        #[arg(required = true, value_parser = scope)]
        scopes: Vec<Scope>,
    },
    /// A service signs with another key
    RotateKey {
        id: ClientId,
        #[arg(value_parser = Ed25519Key::parse)]
        key: Ed25519Key,
    },
    /// One more known destination
    AddDestination {
        /// With its network: litecoin:ltc1q…, eip155:1:0x…
        address: Address,
        /// Its name in the address book
        #[arg(long)]
        name: String,
        /// What policy may know it by
        #[arg(long, value_delimiter = ',')]
        tags: Vec<Tag>,
    },
    /// A destination that is no longer known
    RemoveDestination { address: Address },
    /// Never pay what a file lists, an address with its network a line
    Block { file: PathBuf },
    /// Judge by the rules again what a file lists
    Unblock { file: PathBuf },
    /// Another policy
    SetPolicy { file: PathBuf },
    /// Other settings of a wallet
    SetWallet {
        id: WalletId,
        /// What a transaction may cost in fees at most, such as "0.01 LTC"; with --fee-basis-points
        #[arg(long, requires = "fee_basis_points")]
        fee_cap: Option<Amount>,
        /// The same relative to what is paid, in hundredths of a percent
        #[arg(long, requires = "fee_cap")]
        fee_basis_points: Option<u32>,
        /// Depth at which a payout is final
        #[arg(long)]
        confirmations: Option<u32>,
    },
    /// One more wallet
    AddWallet {
        id: WalletId,
        /// hot, warm or cold
        #[arg(long, value_parser = tier)]
        tier: Tier,
        #[arg(long)]
        network: Network,
        #[arg(long)]
        fee_cap: Amount,
        #[arg(long)]
        fee_basis_points: u32,
        #[arg(long)]
        confirmations: u32,
        /// A cold wallet's public key, as `coldsign keygen` printed it
        #[arg(long)]
        public_key: Option<PublicKey>,
        /// Keys of further addresses lie wrapped in the journal
        #[arg(long)]
        wrapped: bool,
    },
    /// A wallet that pays own wallets only, until it is empty
    RetireWallet { id: WalletId },
    /// Several changes at once, as a JSON array in a file
    Changes { file: PathBuf },
}

fn scope(text: &str) -> Result<Scope, String> {
    let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == text);
    found.ok_or_else(|| {
        let all = Scope::ALL.map(Scope::as_str).join(", ");
        format!("{text:?} is none of {all}")
    })
}

fn tier(text: &str) -> Result<Tier, String> {
    match text {
        "hot" => Ok(Tier::Hot),
        "warm" => Ok(Tier::Warm),
        "cold" => Ok(Tier::Cold),
        _ => Err(format!("{text:?} is none of hot, warm, cold")),
    }
}

impl What {
    /// The changes that this asks for.
    ///
    /// # Errors
    /// A file that can't be read, or holds something else.
    fn changes(self) -> Result<Vec<Change>, Failure> {
        Ok(vec![match self {
            Self::AddOperator { id, keys } => Change::AddOperator {
                id,
                credentials: keys,
            },
            Self::RemoveOperator { id } => Change::RemoveOperator { id },
            Self::AddKey { operator, key } => Change::AddCredential {
                operator,
                credential: key,
            },
            Self::RevokeKey { operator, key } => Change::RevokeCredential {
                operator,
                credential: key,
            },
            // Its key pair is made where the link is printed.
            Self::Invite { .. } => return Ok(Vec::new()),
            Self::Uninvite { invitation } => Change::Uninvite { invitation },
            Self::SetConsole { id, origins } => Change::SetConsole {
                console: RelyingParty::new(id, origins.into_iter().collect())
                    .map_err(|fault| Failure::Usage(fault.to_string()))?,
            },
            Self::AddClient { id, key, scopes } => Change::AddClient {
                id,
                key,
                scopes: scopes.into_iter().collect(),
            },
            Self::RemoveClient { id } => Change::RemoveClient { id },
            Self::SetScopes { id, scopes } => Change::SetClientScopes {
                id,
                scopes: scopes.into_iter().collect(),
            },
            Self::RotateKey { id, key } => Change::RotateClientKey { id, key },
            Self::AddDestination {
                address,
                name,
                tags,
            } => Change::AddDestination {
                address,
                name,
                tags: tags.into_iter().collect(),
            },
            Self::RemoveDestination { address } => Change::RemoveDestination { address },
            Self::Block { file } => Change::Block {
                addresses: addresses(&file)?,
            },
            Self::Unblock { file } => Change::Unblock {
                addresses: addresses(&file)?,
            },
            Self::SetPolicy { file } => Change::SetPolicy {
                source: read(&file)?,
            },
            Self::SetWallet {
                id,
                fee_cap,
                fee_basis_points,
                confirmations,
            } => Change::SetWallet {
                id,
                fee_caps: fee_cap
                    .zip(fee_basis_points)
                    .map(|(absolute, relative_bp)| FeeCaps {
                        absolute,
                        relative_bp,
                    }),
                confirmations,
            },
            Self::AddWallet {
                id,
                tier,
                network,
                fee_cap,
                fee_basis_points,
                confirmations,
                public_key,
                wrapped,
            } => Change::AddWallet {
                id,
                tier,
                network,
                fee_caps: FeeCaps {
                    absolute: fee_cap,
                    relative_bp: fee_basis_points,
                },
                confirmations,
                public_key,
                addresses: if wrapped {
                    custodyd_vault::Addresses::Wrapped
                } else {
                    custodyd_vault::Addresses::Token
                },
            },
            Self::RetireWallet { id } => Change::RetireWallet { id },
            Self::Changes { file } => {
                let text = read(&file)?;
                return serde_json::from_str(&text)
                    .map_err(|fault| Failure::Usage(format!("{}: {fault}", file.display())));
            }
        }])
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let wrong = |what: String| Failure::Usage(format!("{}: {what}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|fault| wrong(fault.to_string()))?;
    if metadata.len() > MAX_FILE {
        return Err(wrong(format!("longer than {MAX_FILE} bytes")));
    }
    std::fs::read_to_string(path).map_err(|fault| wrong(fault.to_string()))
}

/// A plain list: an address with its network a line, empty lines and what follows a `#` left out.
fn addresses(path: &Path) -> Result<BTreeSet<Address>, Failure> {
    let mut found = BTreeSet::new();
    for (number, line) in read(path)?.lines().enumerate() {
        let written = line.split('#').next().unwrap_or_default().trim();
        if written.is_empty() {
            continue;
        }
        let address = written.parse().map_err(|fault| {
            let number = number.saturating_add(1);
            Failure::Usage(format!(
                "{} line {number}: {fault}; write the network and the address, such as litecoin:ltc1q…",
                path.display()
            ))
        })?;
        found.insert(address);
    }
    Ok(found)
}

/// `propose`
pub(crate) async fn propose(session: &Session, asked: Propose) -> Result<(), Failure> {
    let reason = asked
        .reason
        .ok_or_else(|| Failure::Usage("--reason is missing: those who are asked read it".into()))?;
    let (changes, link) = match asked.what {
        What::Invite {
            operator,
            until,
            console,
        } => {
            let (change, link) = invite(session, operator, until, console)?;
            (vec![change], Some(link))
        }
        other => (other.changes()?, None),
    };
    let vault = match asked.vault {
        Some(vault) => vault,
        None => only_vault(session).await?,
    };
    // On standard error, so that standard output holds the answer alone.
    eprintln!("{}", text::changes("propose", &changes));
    let body = NewProposal {
        vault,
        changes,
        reason,
    };
    let answer: Value = session.client.post("/v1/proposals", &body).await?;
    let proposal: Proposal =
        serde_json::from_value(answer.clone()).map_err(|fault| ClientError::Answer {
            url: "/v1/proposals".to_owned(),
            reason: fault.to_string(),
        })?;
    session.print(&answer, |_| governance::shown(&proposal));
    if let Some(link) = link {
        // On standard error, away from documents that are kept. It is nowhere else.
        eprintln!(
            "\nthe invitation, for its owner alone; it is not shown again:\n{}",
            *link
        );
    }
    Ok(())
}

/// A new invitation: the change that makes it known, and its link.
fn invite(
    session: &Session,
    operator: OperatorId,
    until: Timestamp,
    console: Option<String>,
) -> Result<(Change, Zeroizing<String>), Failure> {
    let invitation = Invitation::generate().map_err(|fault| Failure::Usage(fault.to_string()))?;
    let console = match console {
        Some(origin) => Endpoint::parse(&origin, true).map_err(ClientError::from)?,
        None => session.endpoint.clone(),
    };
    let link = invitation.link(&console.origin());
    let change = Change::Invite {
        operator,
        invitation: invitation.public(),
        until,
    };
    Ok((change, link))
}

/// A time, or how long from now.
fn until(text: &str) -> Result<Timestamp, String> {
    let fault = match text.parse::<Timestamp>() {
        Ok(at) => return Ok(at),
        Err(fault) => fault.to_string(),
    };
    let ms = parse_duration(text).map_err(|_| fault)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let until = now
        .and_then(|now| u64::try_from(now.as_millis()).ok())
        .and_then(|now| now.checked_add(ms));
    until
        .map(Timestamp::from_ms)
        .ok_or_else(|| "beyond any clock".to_owned())
}
