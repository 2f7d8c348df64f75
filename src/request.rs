//! What a signed request asks for. Read from the bytes that were signed, by the edge to refuse early and by the engine
//! again to act: method and target decide, never a column of the inbox.

mod prices;

use std::collections::BTreeSet;

use custodyd_chain::{Address, Asset};
use custodyd_policy::{ClientId, OperatorId, VaultId, WalletId, WithdrawalId};
use custodyd_vault::{
    Change, Credential, FreezeScope, GovernanceDecision, GovernanceStatement, OperatorSignature,
    ProposalId, Rejection, Scope, Statement,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use prices::{PriceList, PricesBody};

use crate::{problem::Problem, stored_request::Asking, view::shape};

/// Body of `POST /v1/withdrawals` and `/v1/withdrawals/simulate`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawalBody {
    /// The vault that pays.
    #[schema(value_type = String, pattern = "^[a-z0-9-]{1,64}$", example = "main")]
    pub vault: VaultId,
    /// `BTC`, `LTC` or `ETH`.
    #[schema(value_type = String, pattern = "^(BTC|LTC|ETH)$", example = "LTC")]
    pub asset: Asset,
    /// A decimal string in the asset's unit.
    #[schema(example = "0.25", pattern = "^[0-9]{1,30}([.][0-9]{1,18})?$")]
    pub amount: String,
    /// An address on the vault's network of that asset.
    #[schema(
        max_length = 200,
        example = "rltc1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszr0p8er"
    )]
    pub destination: String,
    /// The client's own reference, at most 140 characters.
    #[schema(max_length = 140, example = "order-7")]
    #[serde(default)]
    pub reference: String,
    /// The wallet to pay from; the lowest tier that may pay when absent.
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9-]{1,64}$")]
    #[serde(default)]
    pub wallet: Option<WalletId>,
}

/// Body of `POST /v1/withdrawals/{id}/approvals`, `/rejections` and, by an operator, `/cancellation`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    /// What was signed.
    #[schema(value_type = shape::Statement)]
    pub statement: Statement,
    /// Over the statement's challenge: 128 hex digits of a key, or a passkey's assertion as an object.
    #[schema(value_type = shape::OperatorSignature)]
    pub signature: OperatorSignature,
}

/// Body of `POST /v1/proposals`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalBody {
    /// The vault that would change.
    #[schema(value_type = String, pattern = "^[a-z0-9-]{1,64}$", example = "main")]
    pub vault: VaultId,
    /// What is to change, in this order, as a whole: 1 to 256 changes.
    #[schema(value_type = Vec<shape::Change>, min_items = 1, max_items = 256)]
    pub changes: Vec<Change>,
    /// Why, for people: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// Body of `POST /v1/proposals/{id}/approvals` and `/vetoes`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GovernanceBody {
    /// What was signed.
    #[schema(value_type = shape::GovernanceStatement)]
    pub statement: GovernanceStatement,
    /// Over the statement's challenge: 128 hex digits of a key, or a passkey's assertion as an object.
    #[schema(value_type = shape::OperatorSignature)]
    pub signature: OperatorSignature,
}

/// Body of `POST /v1/withdrawals/simulate`: a withdrawal, and for whom.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulationBody {
    /// The vault that would pay.
    #[schema(value_type = String, pattern = "^[a-z0-9-]{1,64}$", example = "main")]
    pub vault: VaultId,
    /// `BTC`, `LTC` or `ETH`.
    #[schema(value_type = String, pattern = "^(BTC|LTC|ETH)$", example = "LTC")]
    pub asset: Asset,
    /// A decimal string in the asset's unit.
    #[schema(example = "0.25", pattern = "^[0-9]{1,30}([.][0-9]{1,18})?$")]
    pub amount: String,
    /// An address on the vault's network of that asset.
    #[schema(
        max_length = 200,
        example = "rltc1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszr0p8er"
    )]
    pub destination: String,
    /// As for a withdrawal.
    #[schema(max_length = 140)]
    #[serde(default)]
    pub reference: String,
    /// The wallet to pay from; the lowest tier that may pay when absent.
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9-]{1,64}$")]
    #[serde(default)]
    pub wallet: Option<WalletId>,
    /// Operators only: as if this client asked. Without it the operator asks.
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9-]{1,64}$")]
    #[serde(default)]
    pub client: Option<ClientId>,
}

/// Body of `POST /v1/freeze` and `/v1/unfreeze`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeBody {
    /// One wallet. Without it and without any of the next three: the whole vault.
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9-]{1,64}$")]
    #[serde(default)]
    pub wallet: Option<WalletId>,
    /// Every wallet that holds this asset.
    #[schema(value_type = Option<String>, pattern = "^(BTC|LTC|ETH)$")]
    #[serde(default)]
    pub asset: Option<Asset>,
    /// Whatever this client asked for, and asks for.
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9-]{1,64}$")]
    #[serde(default)]
    pub client: Option<ClientId>,
    /// Whatever would go to this address, with its network: `litecoin:ltc1q…`.
    #[schema(value_type = Option<String>, max_length = 200)]
    #[serde(default)]
    pub destination: Option<Address>,
    /// Why; needed to freeze, at most 500 characters.
    #[schema(max_length = 500)]
    #[serde(default)]
    pub reason: String,
}

impl FreezeBody {
    /// What it is about.
    ///
    /// # Errors
    /// It names more than one thing.
    pub fn scope(&self) -> Result<FreezeScope, Problem> {
        let scopes = [
            self.wallet.clone().map(FreezeScope::Wallet),
            self.asset.map(FreezeScope::Asset),
            self.client.clone().map(FreezeScope::Client),
            self.destination.clone().map(FreezeScope::Destination),
        ];
        let mut named = scopes.into_iter().flatten();
        match (named.next(), named.next()) {
            (None, _) => Ok(FreezeScope::Vault),
            (Some(scope), None) => Ok(scope),
            (Some(_), Some(_)) => Err(Problem::malformed(
                "name one of wallet, asset, client and destination, or none for the whole vault",
            )),
        }
    }
}

/// Body of `POST /v1/cold/exports`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportBody {
    /// Only this cold wallet's withdrawals.
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9-]{1,64}$")]
    #[serde(default)]
    pub wallet: Option<WalletId>,
    /// Only these; all that wait when empty.
    #[schema(value_type = Vec<String>, max_items = 1_000)]
    #[serde(default)]
    pub withdrawals: BTreeSet<WithdrawalId>,
}

/// Body of `POST /v1/enrolments`, signed with the invitation's key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentBody {
    /// Who was invited.
    #[schema(value_type = String, pattern = "^[a-z0-9-]{1,64}$", example = "erin")]
    pub operator: OperatorId,
    /// The credential from then on: 64 hex digits, `p256:…` or `passkey:…`.
    #[schema(value_type = String, max_length = 1_024)]
    pub credential: Credential,
}

/// Addresses that one request may ask for.
pub const MOST_ADDRESSES: u32 = 1_000;

/// Body of `POST /v1/wallets/{id}/addresses`; without a body it is one address.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressesBody {
    /// How many: 1 to 1000.
    #[schema(minimum = 1, maximum = 1_000, example = 10)]
    pub count: u32,
}

/// What a signed request asks the engine to do.
#[derive(Debug, Clone)]
pub enum Intent {
    /// Pay.
    Withdraw(WithdrawalBody),
    /// Say what policy would answer.
    Simulate(SimulationBody),
    /// An operator's decision on a withdrawal.
    Decide(WithdrawalId, Box<DecisionBody>),
    /// An operator wants something changed.
    Propose(ProposalBody),
    /// An operator's decision on a proposal.
    DecideProposal(ProposalId, Box<GovernanceBody>),
    /// A client takes its request back.
    Cancel(WithdrawalId),
    /// Stop.
    Freeze(FreezeBody),
    /// Vote to go on.
    Unfreeze(FreezeBody),
    /// One more address.
    Address(WalletId),
    /// So many more addresses.
    Addresses(WalletId, u32),
    /// Prepare a bundle.
    Export(ExportBody),
    /// Somebody who was invited brings a credential.
    Enrol(EnrolmentBody),
    /// A bundle came back, as a .tar; it names its export itself.
    Import,
    /// What assets are worth.
    SetPrices(PricesBody),
    /// How much of each limit is used.
    Limits,
}

impl Intent {
    /// A name for the inbox's `kind` column, for people who look at it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Withdraw(_) => "withdraw",
            Self::Simulate(_) => "simulate",
            Self::Decide(..) => "decide",
            Self::Propose(_) => "propose",
            Self::DecideProposal(..) => "decide_proposal",
            Self::Cancel(_) => "cancel",
            Self::Freeze(_) => "freeze",
            Self::Unfreeze(_) => "unfreeze",
            Self::Address(_) | Self::Addresses(..) => "address",
            Self::Export(_) => "export",
            Self::Import => "import",
            Self::Enrol(_) => "enrol",
            Self::SetPrices(_) => "prices",
            Self::Limits => "limits",
        }
    }

    /// What a client needs for this: any one of these scopes. Nothing for what only operators do, which they are refused
    /// anyway.
    pub fn scopes(&self) -> &'static [Scope] {
        match self {
            Self::Withdraw(_) | Self::Simulate(_) | Self::Cancel(_) => &[Scope::Withdraw],
            Self::Address(_) | Self::Addresses(..) => &[Scope::Addresses],
            Self::SetPrices(_) => &[Scope::Prices],
            Self::Limits => &[Scope::Read, Scope::Withdraw],
            Self::Decide(..)
            | Self::Propose(_)
            | Self::DecideProposal(..)
            | Self::Freeze(_)
            | Self::Unfreeze(_)
            | Self::Export(_)
            | Self::Enrol(_)
            | Self::Import => &[],
        }
    }

    /// Reads a signed request strictly.
    ///
    /// # Errors
    /// A problem that names what can't be read. Whether the signature holds is checked elsewhere.
    pub fn read(request: Asking<'_>) -> Result<Self, Problem> {
        let path = request.target;
        let parts: Vec<&str> = path
            .strip_prefix("/v1/")
            .unwrap_or_default()
            .split('/')
            .collect();
        match (request.method, parts.as_slice()) {
            ("POST", ["withdrawals"]) => {
                check_idempotency_key(request.idempotency_key.unwrap_or_default())?;
                Ok(Self::Withdraw(json(request)?))
            }
            ("POST", ["withdrawals", "simulate"]) => Ok(Self::Simulate(json(request)?)),
            ("POST", ["withdrawals", id, verb @ ("approvals" | "rejections")]) => {
                let (id, body) = (parse(id)?, json::<DecisionBody>(request)?);
                let wanted = if *verb == "approvals" {
                    "approve"
                } else {
                    "reject"
                };
                decision(id, body, wanted)
            }
            ("POST", ["withdrawals", id, "cancellation"]) if request.body.is_empty() => {
                Ok(Self::Cancel(parse(id)?))
            }
            ("POST", ["withdrawals", id, "cancellation"]) => {
                decision(parse(id)?, json(request)?, "cancel")
            }
            ("POST", ["proposals"]) => Ok(Self::Propose(json(request)?)),
            ("POST", ["proposals", id, verb @ ("approvals" | "vetoes")]) => {
                let wanted = if *verb == "approvals" {
                    GovernanceDecision::Approve
                } else {
                    GovernanceDecision::Veto
                };
                proposal_decision(parse(id)?, json(request)?, wanted)
            }
            ("POST", ["enrolments"]) => Ok(Self::Enrol(json(request)?)),
            ("POST", ["freeze"]) => Ok(Self::Freeze(scoped(json(request)?)?)),
            ("POST", ["unfreeze"]) => Ok(Self::Unfreeze(scoped(json(request)?)?)),
            ("PUT", ["prices"]) => Ok(Self::SetPrices(json(request)?)),
            ("POST", ["wallets", id, "addresses"]) if request.body.is_empty() => {
                Ok(Self::Address(parse(id)?))
            }
            ("POST", ["wallets", id, "addresses"]) => {
                let AddressesBody { count } = json(request)?;
                if !(1..=MOST_ADDRESSES).contains(&count) {
                    return Err(Problem::malformed("count is 1 to 1000"));
                }
                Ok(Self::Addresses(parse(id)?, count))
            }
            ("POST", ["cold", "exports"]) => Ok(Self::Export(json(request)?)),
            ("POST", ["cold", "imports"]) => Ok(Self::Import),
            ("GET", ["limits"]) => Ok(Self::Limits),
            _ => Err(Problem::not_found(format!("{} {path}", request.method))),
        }
    }
}

/// Refuses an `Idempotency-Key` that the vault would refuse.
///
/// # Errors
/// 400 of the type that the vault's own refusal has.
pub fn check_idempotency_key(key: &str) -> Result<(), Problem> {
    if (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Rejection::IdempotencyKeyForm.into())
}

fn decision(id: WithdrawalId, body: DecisionBody, wanted: &str) -> Result<Intent, Problem> {
    if body.statement.withdrawal != id {
        return Err(Problem::malformed(format!(
            "the statement is about {}, not {id}",
            body.statement.withdrawal
        )));
    }
    if body.statement.decision.to_string() != wanted {
        return Err(Problem::malformed(format!(
            "the statement says {}, not {wanted}",
            body.statement.decision
        )));
    }
    Ok(Intent::Decide(id, Box::new(body)))
}

fn scoped(body: FreezeBody) -> Result<FreezeBody, Problem> {
    body.scope()?;
    Ok(body)
}

fn proposal_decision(
    id: ProposalId,
    body: GovernanceBody,
    wanted: GovernanceDecision,
) -> Result<Intent, Problem> {
    if body.statement.proposal != id {
        return Err(Problem::malformed(format!(
            "the statement is about {}, not {id}",
            body.statement.proposal
        )));
    }
    if body.statement.decision != wanted {
        return Err(Problem::malformed(format!(
            "the statement says {}, not {wanted}",
            body.statement.decision
        )));
    }
    Ok(Intent::DecideProposal(id, Box::new(body)))
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|e: T::Err| Problem::not_found(e.to_string()))
}

/// Reads a JSON body: one object, known fields, each once; serde_json bounds the depth at 128.
fn json<T: for<'de> Deserialize<'de>>(request: Asking<'_>) -> Result<T, Problem> {
    let is_json = request.content_type.is_some_and(|t| {
        t.split(';')
            .next()
            .is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json"))
    });
    if !is_json {
        return Err(Problem::new(
            415,
            "media-type",
            "Unsupported media type",
            "send application/json",
        ));
    }
    serde_json::from_slice(request.body).map_err(|e| Problem::malformed(e.to_string()))
}
