//! What a proposed policy means beside the one in force. Comparing takes seconds where there are many rules, so it is done
//! away from the tasks that answer, one at a time, within bounds; who asks meanwhile is told so and asks again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use custodyd_policy::{Policy, analysis::diff_within};
use tokio::sync::Semaphore;

use crate::{standing::PolicyDocument, view::PolicyDiffView};

/// Regions of requests that are looked at: some seconds' work.
const MOST_REGIONS: u64 = 250_000;
/// How long an answer waits for a comparison.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of a comparison, or why nothing did.
pub(crate) type Compared = Result<Arc<PolicyDiffView>, String>;

/// The last comparison, and the place where one is made.
#[derive(Debug, Clone)]
pub(crate) struct Comparisons {
    place: Arc<Semaphore>,
    patience: Duration,
    last: Arc<Mutex<Option<Last>>>,
}

#[derive(Debug)]
struct Last {
    old_hash: String,
    new_source: String,
    compared: Compared,
}

impl Default for Comparisons {
    fn default() -> Self {
        Self {
            place: Arc::new(Semaphore::new(1)),
            patience: PATIENCE,
            last: Arc::default(),
        }
    }
}

impl Comparisons {
    /// Compares a policy with the one in force, or gives what came of it the last time.
    pub(crate) async fn compare(&self, in_force: &PolicyDocument, new_source: &str) -> Compared {
        let made = tokio::time::timeout(self.patience, self.made(in_force, new_source)).await;
        made.unwrap_or_else(|_| {
            Err("comparing takes a while; ask again, or run `custodyd policy diff`".to_owned())
        })
    }

    async fn made(&self, in_force: &PolicyDocument, new_source: &str) -> Compared {
        let stopped = |_| "the comparison did not come to an end".to_owned();
        let place = Arc::clone(&self.place).acquire_owned().await;
        let place = place.map_err(|_| stopped(()))?;
        if let Some(compared) = self.known(in_force, new_source) {
            return compared;
        }
        let (own, in_force, new_source) = (self.clone(), in_force.clone(), new_source.to_owned());
        // It goes on when nobody waits any more, and the next who asks finds what came of it.
        let comparing = tokio::task::spawn_blocking(move || {
            let compared = compared(&in_force.source, &new_source);
            let mut last = own.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(Last {
                old_hash: in_force.hash,
                new_source,
                compared: compared.clone(),
            });
            drop(place);
            compared
        });
        comparing.await.map_err(|_| stopped(()))?
    }

    fn known(&self, in_force: &PolicyDocument, new_source: &str) -> Option<Compared> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |last: &&Last| last.old_hash == in_force.hash && last.new_source == new_source;
        last.as_ref().filter(same).map(|last| last.compared.clone())
    }
}

fn compared(old: &str, new: &str) -> Compared {
    let parsed = |source| Policy::parse(source).map_err(|fault| fault.to_string());
    let difference = diff_within(&parsed(old)?, &parsed(new)?, MOST_REGIONS);
    match difference {
        Ok(difference) => Ok(Arc::new(PolicyDiffView::from(&difference))),
        Err(too_many) => Err(format!(
            "{too_many} here; `custodyd policy diff` looks at more"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = include_str!("../../policies/default.toml");

    fn in_force() -> PolicyDocument {
        PolicyDocument::from(&Policy::parse(POLICY).unwrap())
    }

    /// However slow the machine is.
    fn patient() -> Comparisons {
        Comparisons {
            patience: Duration::from_secs(600),
            ..Comparisons::default()
        }
    }

    #[tokio::test]
    async fn a_comparison_that_was_made_is_not_made_again() {
        let comparisons = patient();
        let raised = POLICY.replace("max_amount = \"20 ETH\"", "max_amount = \"25 ETH\"");
        let first = comparisons.compare(&in_force(), &raised).await.unwrap();
        assert_eq!(first.limits.len(), 2, "{first:?}");
        let again = comparisons.compare(&in_force(), &raised).await.unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let same = comparisons.compare(&in_force(), POLICY).await.unwrap();
        assert!(same.is_empty(), "{same:?}");
    }

    #[tokio::test]
    async fn what_can_not_be_read_is_said_and_leaves_room_for_the_next() {
        let comparisons = patient();
        let unknown = POLICY.replace("version = 1", "version = 2");
        let fault = comparisons.compare(&in_force(), &unknown).await;
        assert!(fault.unwrap_err().contains("version"));
        assert!(comparisons.compare(&in_force(), POLICY).await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_in_vain_finds_the_comparison_later() {
        let hasty = Comparisons {
            patience: Duration::ZERO,
            ..Comparisons::default()
        };
        let raised = POLICY.replace("max_amount = \"20 ETH\"", "max_amount = \"25 ETH\"");
        let in_vain = hasty.compare(&in_force(), &raised).await;
        assert!(in_vain.unwrap_err().contains("ask again"));
        let later = Comparisons {
            patience: Duration::from_secs(600),
            ..hasty
        };
        assert!(later.compare(&in_force(), &raised).await.is_ok());
    }
}
