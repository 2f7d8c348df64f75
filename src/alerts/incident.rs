//! Facts that are told by themselves, in words for people.

use super::{Fact, Kind};

/// As what a fact is told by itself, of what, and in which words.
pub(super) fn incident(fact: &Fact) -> Option<(Kind, String, String)> {
    Some(match fact {
        Fact::Suspect {
            kind,
            principal,
            target,
            detail,
        } => {
            let what = format!("{principal} asked for {target}, and it was refused: {detail}");
            (*kind, format!("{principal} {target}"), what)
        }
        // Each credential is one of its own: a second one within minutes is the one to look at.
        Fact::Enrolled {
            operator,
            credential,
        } => (
            Kind::CredentialEnrolled,
            format!("{operator} {credential}"),
            format!("operator {operator} enrolled a credential by an invitation: {credential}"),
        ),
        Fact::CoinsUnexplained {
            wallet,
            many,
            example,
        } => (
            Kind::Reconciliation,
            wallet.to_string(),
            format!(
                "wallet {wallet}: {many} coins are gone that no transaction of this daemon spends, such as {example}: \
                 somebody else spent them, or the block that paid them is gone"
            ),
        ),
        Fact::Conflicted {
            transaction,
            wallet,
        } => (
            Kind::Reconciliation,
            wallet.to_string(),
            format!(
                "wallet {wallet}: a transaction that is not this vault's took the inputs or the nonce of {transaction}"
            ),
        ),
        Fact::JournalMoved(what) => (
            Kind::JournalFault,
            "commit".to_owned(),
            format!("somebody else writes to this vault's journal: {what}"),
        ),
        Fact::RowAltered(id) => (
            Kind::JournalFault,
            format!("withdrawal {id}"),
            format!(
                "the database's copy of withdrawal {id} differs from what the engine knows: somebody else writes to the database"
            ),
        ),
        Fact::EngineEnded(what) => (
            Kind::JournalFault,
            "engine".to_owned(),
            format!("the engine ended, and the daemon with it: {what}"),
        ),
        Fact::Denied(_) | Fact::NewDestination(_) | Fact::CoinsGone { .. } => return None,
    })
}
