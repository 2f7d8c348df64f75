//! What alerts are about.

/// How soon somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Money, keys or the journal may be at stake: at once, at any hour.
    Critical,
    /// Something doesn't work or will soon not: today.
    Warning,
    /// Somebody should know.
    Notice,
}

impl Severity {
    /// Its name in messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// What an alert is about. The names are stable.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A limit's window is nearly full.
    LimitNear,
    /// Many payouts were denied in a short time.
    DenialBurst,
    /// Many payouts to addresses that are in no book, in a short time.
    NewDestinations,
    /// A network's node doesn't answer as it should.
    NodeDown,
    /// A token of the HSM takes no work.
    HsmDown,
    /// The nonces of the HSM's last token are biased.
    HsmNonces,
    /// The database or the HSM lets nothing be committed.
    NotCommitting,
    /// The chain shows what the journal doesn't explain.
    Reconciliation,
    /// The journal doesn't verify, or somebody else wrote to it or to what is derived from it.
    JournalFault,
    /// Somebody signed something else than what the vault would do.
    StatementMismatch,
    /// A stored request is not signed by who is said to speak.
    RequestForged,
    /// A passkey's counter went back.
    PasskeyCopied,
    /// Somebody who was invited has a credential now.
    CredentialEnrolled,
    /// Something is frozen.
    Frozen,
    /// The vault goes on from an older copy of its database.
    RestoreAccepted,
    /// A key signed twice with one nonce.
    KeyCompromised,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::LimitNear,
        Self::DenialBurst,
        Self::NewDestinations,
        Self::NodeDown,
        Self::HsmDown,
        Self::HsmNonces,
        Self::NotCommitting,
        Self::Reconciliation,
        Self::JournalFault,
        Self::StatementMismatch,
        Self::RequestForged,
        Self::PasskeyCopied,
        Self::CredentialEnrolled,
        Self::Frozen,
        Self::RestoreAccepted,
        Self::KeyCompromised,
    ];

    /// Its name in messages, metrics and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::LimitNear => "limit_near",
            Self::DenialBurst => "denial_burst",
            Self::NewDestinations => "new_destinations",
            Self::NodeDown => "node_down",
            Self::HsmDown => "hsm_down",
            Self::HsmNonces => "hsm_nonces",
            Self::NotCommitting => "not_committing",
            Self::Reconciliation => "reconciliation",
            Self::JournalFault => "journal_fault",
            Self::StatementMismatch => "statement_mismatch",
            Self::RequestForged => "request_forged",
            Self::PasskeyCopied => "passkey_copied",
            Self::CredentialEnrolled => "credential_enrolled",
            Self::Frozen => "frozen",
            Self::RestoreAccepted => "restore_accepted",
            Self::KeyCompromised => "key_compromised",
        }
    }

    /// How soon somebody should look.
    pub const fn severity(self) -> Severity {
        match self {
            Self::HsmNonces
            | Self::Reconciliation
            | Self::JournalFault
            | Self::StatementMismatch
            | Self::RequestForged
            | Self::PasskeyCopied
            | Self::RestoreAccepted
            | Self::KeyCompromised => Severity::Critical,
            Self::LimitNear
            | Self::DenialBurst
            | Self::NewDestinations
            | Self::NodeDown
            | Self::HsmDown
            | Self::NotCommitting => Severity::Warning,
            Self::CredentialEnrolled | Self::Frozen => Severity::Notice,
        }
    }

    /// Whether a daemon that has just started sees soon whether it still holds. What the canary found holds until it looks
    /// again.
    pub(super) const fn is_seen_at_start(self) -> bool {
        !matches!(self, Self::HsmNonces)
    }

    /// Whether it is about a part that may hiccup: such a one must be out, or well again, for a while before it is told.
    pub(super) const fn may_flap(self) -> bool {
        matches!(self, Self::NodeDown | Self::HsmDown | Self::NotCommitting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_to_files_by_the_name_that_it_has_in_messages() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::json!(kind), kind.word());
        }
    }
}
