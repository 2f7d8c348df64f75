//! The shapes of what documents hold from the pure crates, for the API's description alone: those crates describe nothing to
//! HTTP. tests/e2e/schemathesis.rs holds real documents against them.

use serde::Serialize;
use utoipa::ToSchema;

/// What would leave the vault.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatedEffects {
    /// `litecoin-regtest`, `eip155:1`, …
    #[schema(pattern = "^[a-z0-9:-]{1,64}$", example = "litecoin")]
    network: String,
    /// The wallet that pays.
    #[schema(pattern = "^[a-z0-9-]{1,64}$", example = "hot-ltc")]
    wallet: String,
    /// The address behind its network.
    #[schema(
        max_length = 200,
        example = "litecoin:ltc1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszk6nl2t"
    )]
    destination: String,
    /// With its unit.
    #[schema(max_length = 100, example = "5 LTC")]
    amount: String,
}

/// What an operator signs about a withdrawal (`custodyd/approval/v1`).
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement {
    /// Always `custodyd/approval/v1`.
    #[schema(example = "custodyd/approval/v1", max_length = 64)]
    domain: String,
    /// The vault.
    #[schema(pattern = "^[a-z0-9-]{1,64}$", example = "main")]
    vault: String,
    /// The withdrawal.
    #[schema(
        pattern = "^wd_[0-9a-f]{32}$",
        example = "wd_019b8c1f7a2e7c3d9f00112233445566"
    )]
    withdrawal: String,
    effects: StatedEffects,
    /// `approve`, `reject` or `cancel`, as the path has it.
    #[schema(pattern = "^(approve|reject|cancel)$", example = "approve")]
    decision: String,
    /// SHA-256 of the policy in force, hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    policy: String,
    /// When it stops being good, Unix milliseconds.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    expires_at: u64,
    /// Fresh for each statement.
    #[schema(
        pattern = "^[0-9a-f]{32}$",
        example = "00112233445566778899aabbccddeeff"
    )]
    nonce: String,
    /// Who decides.
    #[schema(pattern = "^[a-z0-9-]{1,64}$", example = "alice")]
    operator: String,
}

/// What of a statement the vault fixes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatementTemplate {
    /// Always `custodyd/approval/v1`.
    domain: String,
    vault: String,
    withdrawal: String,
    effects: StatedEffects,
    /// SHA-256 of the policy, hex.
    policy: String,
}

/// What an operator signs about a proposal (`custodyd/governance/v1`).
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GovernanceStatement {
    /// Always `custodyd/governance/v1`.
    #[schema(example = "custodyd/governance/v1", max_length = 64)]
    domain: String,
    /// The vault.
    #[schema(pattern = "^[a-z0-9-]{1,64}$", example = "main")]
    vault: String,
    /// The proposal.
    #[schema(
        pattern = "^pr_[0-9a-f]{32}$",
        example = "pr_019b8c1f7a2e7c3d9f00112233445566"
    )]
    proposal: String,
    /// SHA-256 over the changes' canonical JSON (RFC 8785), hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    changes: String,
    /// `approve` or `veto`, as the path has it.
    #[schema(pattern = "^(approve|veto)$", example = "approve")]
    decision: String,
    /// The policy that the proposal was made under, SHA-256 in hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    policy: String,
    /// When it stops being good, Unix milliseconds.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    expires_at: u64,
    /// Fresh for each statement.
    #[schema(
        pattern = "^[0-9a-f]{32}$",
        example = "00112233445566778899aabbccddeeff"
    )]
    nonce: String,
    /// Who decides.
    #[schema(pattern = "^[a-z0-9-]{1,64}$", example = "alice")]
    operator: String,
}

/// What of a governance statement the vault fixes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GovernanceTemplate {
    /// Always `custodyd/governance/v1`.
    domain: String,
    vault: String,
    proposal: String,
    /// SHA-256 over the changes' canonical JSON, hex.
    changes: String,
    /// SHA-256 of the policy, hex.
    policy: String,
}

/// A signature over a statement's challenge.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "the shape of a body, for the description")]
pub(crate) enum OperatorSignature {
    /// Of a key: Ed25519 over the challenge, or ECDSA over P-256, r ‖ s, with the challenge as the hash.
    Raw(RawSignature),
    /// Of a passkey.
    Passkey(Assertion),
}

/// 64 bytes in hex.
#[derive(Debug, Serialize, ToSchema)]
#[schema(pattern = "^[0-9a-f]{128}$")]
pub(crate) struct RawSignature(String);

/// A passkey's assertion (WebAuthn Level 2 §5.2.2); everything in base64url.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assertion {
    /// The credential's id.
    #[schema(pattern = "^[A-Za-z0-9_-]{2,683}$")]
    credential: String,
    #[schema(max_length = 2_048)]
    authenticator_data: String,
    #[schema(max_length = 4_096)]
    client_data: String,
    #[schema(max_length = 256)]
    signature: String,
}

/// One change of a vault. What else it holds depends on `change`; see docs/API.md.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "the shape of a body, for the description")]
pub(crate) struct Change {
    /// What kind of change: `set_policy`, `add_operator`, …
    #[schema(
        pattern = "^(set_policy|add_operator|remove_operator|add_credential|revoke_credential|invite|uninvite|set_console|add_client|remove_client|set_client_scopes|rotate_client_key|add_destination|remove_destination|block|unblock|set_wallet|add_wallet|retire_wallet)$",
        example = "remove_operator"
    )]
    change: String,
}

/// Approval by people: so many of a group, or several such.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(no_recursion)]
#[allow(dead_code, reason = "the shape of an answer, for the description")]
pub(crate) enum Requirement {
    /// So many of a group.
    Quorum {
        group: String,
        /// How many distinct people.
        quorum: u32,
        /// From how many organisations at least; left out for one.
        #[serde(default)]
        organisations: Option<u32>,
    },
    /// Any one of these.
    AnyOf { any_of: Vec<Requirement> },
    /// Each of these, by different people.
    AllOf { all_of: Vec<Requirement> },
}

/// What a transaction does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Effects {
    network: String,
    /// All outputs in their order, change included.
    payments: Vec<Payment>,
    /// All inputs in their order, `txid:index`; none for Ethereum.
    inputs: Vec<String>,
    /// The fee with its unit; for Ethereum the most that can be charged.
    #[schema(example = "0.00002 LTC")]
    fee: String,
    /// The paying account, for Ethereum.
    account: Option<String>,
    /// The account's nonce, for Ethereum.
    nonce: Option<u64>,
}

/// An amount to a destination.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Payment {
    /// The address behind its network.
    to: String,
    /// With its unit.
    amount: String,
}
