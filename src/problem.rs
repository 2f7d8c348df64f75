//! Refusals as RFC 9457 problem documents: a stable `type`, and a sentence that says what to do.

use custodyd_vault::Rejection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters of a detail.
const MOST_DETAIL: usize = 1_000;

/// A refusal, as it leaves over HTTP and as it lies in the outcome of an inbox row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:custodyd:problem:` and a stable code.
    #[serde(rename = "type")]
    #[schema(example = "urn:custodyd:problem:amount")]
    pub kind: String,
    /// The same for every problem of this type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time.
    pub detail: String,
    /// Seconds after which it may be asked again, as the header `Retry-After` says it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem with this code.
    pub fn new(status: u16, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:custodyd:problem:{code}"),
            title: title.to_owned(),
            status,
            detail: legible(&detail.into()),
            retry_after: None,
        }
    }

    /// More requests than `whose` limit grants; the next is taken after so many seconds.
    pub fn too_many(whose: &str, seconds: u32) -> Self {
        let detail = format!("{whose} limit is used up; again in {seconds} s");
        Self {
            retry_after: Some(seconds),
            ..Self::new(429, "too-many-requests", "Too many requests", detail)
        }
    }

    /// Its stable code: the last part of its type.
    pub fn code(&self) -> &str {
        self.kind.rsplit(':').next().unwrap_or_default()
    }

    /// The body or a field can't be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(400, "malformed", "The request can't be read", detail)
    }

    /// Whoever signed is not known, or the signature doesn't hold. Says nothing more to an attacker.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(
            401,
            "unauthenticated",
            "The request is not signed by anyone known here",
            detail,
        )
    }

    /// A signed request is taken once. `detail` says how to go on.
    pub fn replayed(detail: impl Into<String>) -> Self {
        Self::new(409, "replayed", "This very request came before", detail)
    }

    /// Known, but this is not theirs to do.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, "forbidden", "Not yours to do", detail)
    }

    /// No such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "not-found", "There is no such thing", detail)
    }

    /// A part that is needed doesn't answer; nothing was lost, try again.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(
            503,
            "unavailable",
            "A part of custodyd is not available",
            detail,
        )
    }

    /// A fault of the daemon; the log says more.
    pub fn internal() -> Self {
        Self::new(
            500,
            "internal",
            "A fault in custodyd",
            "the fault was logged; nothing was signed because of it",
        )
    }
}

/// Details repeat what was sent, and people read them in terminals: at most [`MOST_DETAIL`] characters, none of them
/// invisible, turning the text around or steering the terminal.
fn legible(detail: &str) -> String {
    let mut text = String::with_capacity(detail.len().min(MOST_DETAIL));
    for (at, c) in detail.chars().enumerate() {
        if at >= MOST_DETAIL {
            text.push('…');
            break;
        }
        match c {
            '"' | '\'' | '\\' => text.push(c),
            c => text.extend(c.escape_debug()),
        }
    }
    text
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let (status, title) = match &rejection {
            Rejection::OtherVault(_) => (404, "Another vault's"),
            Rejection::UnknownPrincipal(_) => (401, "Not known here"),
            Rejection::IdempotencyKeyReused(_) => (422, "Idempotency key reused"),
            Rejection::IdempotencyKeyForm => (400, "Idempotency key"),
            Rejection::ReferenceForm | Rejection::ReasonForm => (422, "Text not acceptable"),
            Rejection::NoWalletFor(_) | Rejection::WalletAsset(..) => (422, "No such wallet"),
            Rejection::Amount(_) | Rejection::ZeroAmount | Rejection::Dust(_) => {
                (422, "Amount not acceptable")
            }
            Rejection::Destination(_) | Rejection::ToItself(_) => {
                (422, "Destination not acceptable")
            }
            Rejection::Change { .. } | Rejection::Changes(_) => (422, "Change not possible"),
            Rejection::TooManyProposals { .. } => (429, "Too many open proposals"),
            Rejection::ProposalNotNow(..) | Rejection::ApprovedAlready(_) => {
                (409, "Not in this state")
            }
            Rejection::NotAsked(_) | Rejection::OwnProposal(_) => (403, "Not yours to decide"),
            Rejection::Retiring(_) => (422, "No such wallet"),
            Rejection::NotScoped(..) => (403, "Outside of the client's scopes"),
            Rejection::Prices(_) => (422, "Prices not acceptable"),
            Rejection::NothingToFreeze(_) => (422, "Nothing to freeze"),
            Rejection::ColdToHot => (422, "Path between tiers not allowed"),
            Rejection::Frozen(_) => (423, "Frozen"),
            Rejection::UnknownWallet(_)
            | Rejection::UnknownWithdrawal(_)
            | Rejection::UnknownTransaction(_)
            | Rejection::UnknownKey(_)
            | Rejection::UnknownProposal(_)
            | Rejection::UnknownExport(_) => (404, "There is no such thing"),
            Rejection::StatementDiffers(_)
            | Rejection::ProposalStatementDiffers(_)
            | Rejection::StatementExpired(_)
            | Rejection::VoteTooOld(_) => (409, "The statement is void"),
            Rejection::StatementSignature(_) | Rejection::StatementSender { .. } => {
                (403, "The statement is not signed by its operator")
            }
            Rejection::NotEligible(_) | Rejection::OtherClient(_) => (403, "Not yours to decide"),
            Rejection::AlreadyDecided(_)
            | Rejection::NotNow(..)
            | Rejection::KeyPlace(_)
            | Rejection::TransactionState(..) => (409, "Not in this state"),
            Rejection::NothingLost(_)
            | Rejection::NotFrozen(_)
            | Rejection::ImportedAlready(_)
            | Rejection::Taken(_) => (409, "Done already"),
            Rejection::SingleAddress(..) => (422, "No further address"),
            Rejection::KeyCompromised(_) => (409, "The key signs no more"),
            Rejection::ImportDiffers(_) => (422, "Not what was exported"),
            Rejection::NothingToExport(_) => (409, "Nothing to export"),
            Rejection::ActDiffers(_) => (409, "The statement is void"),
            Rejection::NotInvited => (403, "Not invited"),
            Rejection::NoConsole => (409, "No console"),
            Rejection::NoRoom(_) => (422, "No room"),
            Rejection::PasskeyCopied { .. } => (403, "The passkey may have been copied"),
            Rejection::Observation(..) => (422, "Observation not acceptable"),
        };
        Self::new(status, rejection.code(), title, rejection.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    #[test]
    fn a_detail_is_short_and_hides_nothing() {
        let problem = Problem::malformed("a\u{202e}b\0c\u{1b}[31m \"é\" \\");
        assert_eq!(problem.detail, r#"a\u{202e}b\0c\u{1b}[31m "é" \"#);
        let long = Problem::malformed("x".repeat(100_000));
        assert_eq!(long.detail.chars().count(), MOST_DETAIL + 1);
    }

    /// Every word that could be a code in these sources: lower case, between quotation marks, after `Problem::new(` or `=>`.
    fn codes(text: &str) -> BTreeSet<String> {
        let quoted = |text: &str| {
            let code = text.split('"').nth(1)?;
            let plain = |c: char| c.is_ascii_lowercase() || c == '-';
            (code.len() > 3 && code.chars().all(plain)).then(|| code.to_owned())
        };
        let made = text.split("Problem::new(").skip(1);
        made.filter_map(quoted).collect()
    }

    fn sources(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.extend(codes(&std::fs::read_to_string(&path).unwrap()));
            }
        }
    }

    #[test]
    fn every_code_is_explained_in_the_documentation() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut codes = BTreeSet::new();
        sources(&project.join("src"), &mut codes);
        let rejections = project.join("crates/vault/src/rejection.rs");
        let rejections = std::fs::read_to_string(rejections).unwrap();
        let arms = rejections.lines().filter(|line| line.contains("=> \""));
        codes.extend(arms.filter_map(|line| Some(line.split('"').nth(1)?.to_owned())));
        assert!(codes.len() > 60 && codes.contains("taken"), "{codes:?}");
        let page = std::fs::read_to_string(project.join("docs/API.md")).unwrap();
        codes.retain(|code| !page.contains(&format!("`{code}`")));
        assert!(codes.is_empty(), "not in docs/API.md: {codes:?}");
    }
}
