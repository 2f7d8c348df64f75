//! What a passkey said once and may not be taken for twice, where no inbox remembers it: the nonces of downloads, and the
//! counters of sign-ins.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use custodyd_passkey::CredentialId;
use custodyd_policy::Timestamp;
use custodyd_vault::Rejection;

use super::Console;
use crate::{directory::Sworn, http::AppState, problem::Problem};

/// Downloads that are remembered: at fifteen minutes each, eleven a second.
const MOST: usize = 10_000;

/// Nonces of downloads, until their statements expire.
#[derive(Debug, Default)]
pub(super) struct Spent(Mutex<Nonces>);

#[derive(Debug, Default)]
struct Nonces {
    known: HashSet<String>,
    by_expiry: BTreeSet<(Timestamp, String)>,
}

impl Spent {
    /// Takes a verified nonce, once.
    ///
    /// # Errors
    /// 409 if it came before, 429 if more come than can be kept.
    pub(super) fn take(
        &self,
        nonce: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((expiry, _)) = nonces.by_expiry.first()
            && *expiry <= now
            && let Some((_, nonce)) = nonces.by_expiry.pop_first()
        {
            nonces.known.remove(&nonce);
        }
        if nonces.known.contains(nonce) {
            return Err(Problem::replayed(
                "begin again: a passkey's word is good once",
            ));
        }
        if nonces.known.len() >= MOST {
            return Err(Problem::new(
                429,
                "too-many-reads",
                "Too many reads",
                "slow down",
            ));
        }
        nonces.known.insert(nonce.to_owned());
        nonces.by_expiry.insert((until, nonce.to_owned()));
        Ok(())
    }
}

/// The last counter of each passkey that was seen here. The vault keeps those of acts; sign-ins count too, and are in no
/// journal.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<HashMap<CredentialId, u32>>);

impl Counters {
    /// Takes a counter that is greater than the last one, here and in the vault; an authenticator that keeps none always says 0.
    fn take(&self, sworn: &Sworn, in_vault: u32) -> Result<(), Rejection> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = seen.get(&sworn.credential).copied().unwrap_or(0);
        let last = here.max(in_vault);
        if sworn.counter <= last && (sworn.counter, last) != (0, 0) {
            return Err(Rejection::PasskeyCopied {
                operator: sworn.operator.clone(),
                counter: sworn.counter,
                last,
            });
        }
        seen.insert(sworn.credential.clone(), sworn.counter);
        Ok(())
    }
}

impl Console {
    /// Refuses a passkey whose counter doesn't grow, and tells of it: there may be a copy of it (WebAuthn Level 2 §6.1.1).
    /// `target` is what its word was for.
    ///
    /// # Errors
    /// 403 `passkey-copied`; 503 if the engine doesn't answer.
    pub(super) async fn check_counter(
        &self,
        state: &AppState,
        sworn: &Sworn,
        target: &str,
    ) -> Result<(), Problem> {
        let in_vault = match &state.vault {
            Some(inquiries) => {
                let credential = sworn.credential.clone();
                let asked = inquiries.ask(move |vault, _| vault.passkey_counter(&credential));
                asked.await?
            }
            None => 0,
        };
        self.counters.take(sworn, in_vault).map_err(|copied| {
            tracing::error!(operator = %sworn.operator, credential = %sworn.credential, %copied, "refused");
            metrics::counter!("custodyd_console_copied_passkeys_total").increment(1);
            state.monitoring.told(copied.into(), &sworn.operator, target)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn a_download_is_taken_once_until_its_statement_has_expired() {
        let spent = Spent::default();
        let status = |now| spent.take("n", at(100), at(now)).map_err(|p| p.status);
        assert_eq!(status(0), Ok(()));
        assert_eq!(status(99), Err(409));
        assert_eq!(status(100), Ok(()));
        assert_eq!(spent.0.lock().unwrap().known.len(), 1);
    }

    #[test]
    fn a_counter_has_to_grow_unless_the_authenticator_keeps_none() {
        let counters = Counters::default();
        let take = |counter, in_vault| {
            let sworn = Sworn {
                operator: "alice".parse().unwrap(),
                credential: CredentialId::new(vec![1]).unwrap(),
                counter,
            };
            counters.take(&sworn, in_vault).is_ok()
        };
        assert!(take(0, 0) && take(0, 0));
        assert!(!take(3, 5) && !take(5, 5));
        assert!(take(6, 5));
        assert!(!take(6, 5) && !take(0, 0));
        assert!(take(7, 5));
    }
}
