//! The policy in force: its text, what each rule and limit decided lately, and what is odd about it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use askama::Template;
use axum::response::Response;
use custodyd_policy::{OperatorId, Policy, analysis::check};
use tokio::sync::Semaphore;

use super::{Rated, SourceLine, Tabs, page, tabs};
use crate::{
    console::pages::{Fault, Frame, Section},
    http::AppState,
    standing::PolicyDocument,
};

/// How long a page waits for what is odd.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is odd about a policy, in words, each with how bad it is; or why that can't be said.
pub(in crate::console::pages) type Checked = Result<Vec<(String, String)>, String>;

/// The policy that was checked last, by hash, and what was found.
type Last = Arc<Mutex<Option<(String, Checked)>>>;

/// Checks the policy in force, once for each policy: that takes seconds where there are many rules.
#[derive(Debug, Clone)]
pub struct Checks {
    place: Arc<Semaphore>,
    last: Last,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            place: Arc::new(Semaphore::new(1)),
            last: Arc::default(),
        }
    }
}

impl Checks {
    async fn of(&self, policy: &PolicyDocument) -> Checked {
        let made = tokio::time::timeout(PATIENCE, self.made(policy)).await;
        made.unwrap_or_else(|_| Err("checking takes a while; load the page again".to_owned()))
    }

    async fn made(&self, policy: &PolicyDocument) -> Checked {
        let stopped = |_| "the check did not come to an end".to_owned();
        let place = Arc::clone(&self.place).acquire_owned().await;
        let place = place.map_err(|_| stopped(()))?;
        if let Some(known) = self.known(policy) {
            return known;
        }
        let (last, policy) = (Arc::clone(&self.last), policy.clone());
        // It goes on when nobody waits any more, and the next who asks finds what came of it.
        let checking = tokio::task::spawn_blocking(move || {
            let found = checked(&policy.source);
            *last.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((policy.hash, found.clone()));
            drop(place);
            found
        });
        checking.await.map_err(|_| stopped(()))?
    }

    fn known(&self, policy: &PolicyDocument) -> Option<Checked> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let same = last.as_ref().filter(|(hash, _)| *hash == policy.hash);
        same.map(|(_, found)| found.clone())
    }
}

fn checked(source: &str) -> Checked {
    let policy = Policy::parse(source).map_err(|error| error.to_string())?;
    let findings = check(&policy).map_err(|error| error.to_string())?;
    let said = findings.iter().map(|finding| {
        let text = finding.to_string();
        let severity = finding.severity().to_string();
        let bare = text.strip_prefix(&format!("{severity}: ")).unwrap_or(&text);
        (severity.clone(), bare.to_owned())
    });
    Ok(said.collect())
}

#[derive(Template)]
#[template(path = "policy.html")]
pub(in crate::console::pages) struct Page {
    pub(in crate::console::pages) frame: Frame,
    pub(in crate::console::pages) tabs: Tabs,
    pub(in crate::console::pages) hash: String,
    pub(in crate::console::pages) lines: Vec<SourceLine>,
    pub(in crate::console::pages) withdrawals: u64,
    pub(in crate::console::pages) checked: Checked,
}

impl Page {
    /// Rules and limits that decided nothing lately.
    fn untouched(&self) -> usize {
        self.lines
            .iter()
            .filter(|line| line.hits == Some(0))
            .count()
    }
}

/// `GET /console/governance/policy`.
///
/// # Errors
/// Engine or database don't answer.
pub async fn show(state: &AppState, operator: &OperatorId) -> Result<Response, Fault> {
    let asked = Frame::with(state, operator, Section::Governance, |vault, _| {
        (Rated::of(vault), PolicyDocument::from(vault.policy()))
    });
    let (frame, (rated, in_force)) = asked.await?;
    page(&Page {
        tabs: tabs("/console/governance/policy"),
        frame,
        lines: rated.lines(&in_force.source),
        withdrawals: rated.withdrawals,
        checked: state.console.looks.checks.of(&in_force).await,
        hash: in_force.hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_policy_is_checked_once_and_what_is_odd_is_said_in_words() {
        let source = include_str!("../../../../policies/default.toml");
        let policy = Policy::parse(source).unwrap();
        let checks = Checks::default();
        let found = checks.made(&PolicyDocument::from(&policy)).await.unwrap();
        assert!(
            found
                .iter()
                .all(|(severity, text)| severity != "error" && !text.is_empty())
        );
        assert_eq!(
            checks.known(&PolicyDocument::from(&policy)),
            Some(Ok(found))
        );
        assert!(checked("version = 2").is_err());
    }
}
