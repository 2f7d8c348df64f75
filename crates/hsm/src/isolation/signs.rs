//! What a worker's answers say of its health, counted by the thread that reads them; and what is made of it, once a
//! second.
//!
//! Three things go wrong: the process stops (it answers nothing at all), the library hangs (the process answers, no call
//! gets through), and the library has lost its token for good (every call fails at once). SoftHSM doesn't look again for
//! a token that was taken out, and p11-kit's client not for a server that was restarted: a fresh C_Initialize in a fresh
//! process cures both.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Class, HsmError};
use crate::request::Response;

/// Time between two looks.
const TICK: Duration = Duration::from_secs(1);

/// Time in which a process that runs answers a ping, on a machine with other things to do.
const SILENCE: Duration = Duration::from_secs(5);

/// Failures in a row, of calls or of probes, after which the library is believed to be lost.
const MOST_FAILURES: u64 = 3;

/// Counts of one worker's answers.
#[derive(Debug, Default)]
pub(super) struct Signs {
    frames: AtomicU64,
    good: AtomicU64,
    /// Calls that failed since the last good one.
    failed: AtomicU64,
    /// Probes that failed since the last good call or probe.
    unwell: AtomicU64,
    /// A probe is on its way.
    probing: AtomicBool,
    /// A probe got through to no session in its time.
    hangs: AtomicBool,
    /// The token refused the PIN, with this error.
    refused: OnceLock<HsmError>,
}

/// What one answer says.
enum Says<'a> {
    Good,
    /// Nothing about the token: it is about the key, the caller, or the load.
    Nothing,
    /// A fresh process may do better.
    Failed,
    /// The PIN is not to be offered again.
    Refused(&'a HsmError),
}

fn says(answer: &Result<Response, HsmError>) -> Says<'_> {
    match answer {
        Ok(_) => Says::Good,
        Err(error @ (HsmError::PinRefused { .. } | HsmError::PinLocked { .. })) => {
            Says::Refused(error)
        }
        Err(
            HsmError::Call {
                class: Class::Retryable | Class::Fatal,
                ..
            }
            | HsmError::TokenMissing { .. }
            | HsmError::TokenAmbiguous { .. }
            | HsmError::KeyMissing { .. }
            | HsmError::ModuleStuck { .. }
            | HsmError::Panicked { .. }
            | HsmError::NoThread(_),
        ) => Says::Failed,
        // Among them WrappedKeyRefused and WrappingRefused: a fresh process would say the same.
        Err(_) => Says::Nothing,
    }
}

impl Signs {
    /// Something came from the process.
    pub(super) fn heard(&self) {
        self.frames.fetch_add(1, Ordering::Relaxed);
    }

    /// A call was answered, or a probe. A probe that succeeds says nothing of signing: SoftHSM describes a token that is
    /// gone as it was.
    pub(super) fn answered(&self, probe: bool, answer: &Result<Response, HsmError>) {
        match says(answer) {
            Says::Good => {
                self.good.fetch_add(1, Ordering::Relaxed);
                self.unwell.store(0, Ordering::Relaxed);
                if !probe {
                    self.failed.store(0, Ordering::Relaxed);
                }
            }
            Says::Failed => {
                let count = if probe { &self.unwell } else { &self.failed };
                count.fetch_add(1, Ordering::Relaxed);
            }
            Says::Refused(error) => {
                let _ = self.refused.set(error.clone());
            }
            Says::Nothing => {}
        }
    }

    /// The vigil's own probe came back, or its time was up.
    pub(super) fn probed(&self, answer: &Result<Response, HsmError>) {
        if matches!(answer, Err(HsmError::Deadline { .. })) {
            self.hangs.store(true, Ordering::Relaxed);
        }
        self.probing.store(false, Ordering::Relaxed);
    }

    /// The vigil's own probe could not be sent.
    pub(super) fn not_probed(&self) {
        self.probing.store(false, Ordering::Relaxed);
    }

    /// Whether an answer was good since the worker started.
    pub(super) fn any_good(&self) -> bool {
        self.good.load(Ordering::Relaxed) > 0
    }
}

/// What to do after a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Ask the process for a sign of life.
    Ping,
    /// And the token for one.
    PingAndProbe,
    /// Replace the process, which is ill in this way.
    Replace(&'static str),
    /// End the process and start no other: whoever offers the PIN again may lock the token.
    PinRefused(HsmError),
}

/// The looks at one worker.
#[derive(Debug)]
pub(super) struct Vigil {
    /// When to look next.
    pub(super) next: Instant,
    tick: Duration,
    silence: Duration,
    frames: (u64, Instant),
    good: u64,
    good_when_probed: u64,
}

impl Vigil {
    /// A library that gives no good answer within `call_timeout` hangs.
    pub(super) fn new(now: Instant, call_timeout: Duration) -> Self {
        Self {
            next: now,
            tick: TICK.min(call_timeout),
            silence: SILENCE.min(call_timeout.max(TICK)),
            frames: (0, now),
            good: 0,
            good_when_probed: 0,
        }
    }

    pub(super) fn look(&mut self, now: Instant, signs: &Signs) -> Finding {
        // A machine that slept must not be taken for a worker that did.
        let overslept = now.saturating_duration_since(self.next) > self.tick;
        self.next = now + self.tick;
        let frames = signs.frames.load(Ordering::Relaxed);
        if frames != self.frames.0 || overslept {
            self.frames = (frames, now);
        }
        if let Some(error) = signs.refused.get() {
            return Finding::PinRefused(error.clone());
        }
        if now.saturating_duration_since(self.frames.1) >= self.silence {
            return Finding::Replace("its process does not answer");
        }
        let good = signs.good.load(Ordering::Relaxed);
        if signs.hangs.swap(false, Ordering::Relaxed) && good == self.good_when_probed {
            return Finding::Replace("the library hangs");
        }
        let failures = [&signs.failed, &signs.unwell].map(|count| count.load(Ordering::Relaxed));
        if failures.into_iter().any(|count| count >= MOST_FAILURES) {
            return Finding::Replace("every call fails");
        }
        let quiet = good == self.good;
        self.good = good;
        if quiet && !signs.probing.swap(true, Ordering::Relaxed) {
            self.good_when_probed = good;
            return Finding::PingAndProbe;
        }
        Finding::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyId;
    use crate::slot::TokenInfo;

    const CALL: Duration = Duration::from_secs(10);

    fn alive() -> Result<Response, HsmError> {
        Ok(Response::Alive(TokenInfo {
            label: String::new(),
            serial: String::new(),
            model: String::new(),
            manufacturer: String::new(),
            firmware: String::new(),
            slot: 0,
        }))
    }

    fn failure() -> Result<Response, HsmError> {
        Err(HsmError::Call {
            function: "C_Sign".into(),
            code: "CKR_DEVICE_ERROR".into(),
            class: Class::Retryable,
        })
    }

    fn late() -> Result<Response, HsmError> {
        Err(HsmError::Deadline {
            operation: "probing the token".into(),
            limit: CALL,
        })
    }

    /// The looks of `seconds`, with something heard before each.
    fn looks(vigil: &mut Vigil, signs: &Signs, seconds: u32) -> Vec<Finding> {
        (0..seconds)
            .map(|_| {
                signs.heard();
                vigil.look(vigil.next, signs)
            })
            .collect()
    }

    #[test]
    fn a_token_is_probed_only_while_nothing_else_shows_that_it_works() {
        let (signs, mut vigil) = (Signs::default(), Vigil::new(Instant::now(), CALL));
        assert_eq!(
            looks(&mut vigil, &signs, 2),
            [Finding::PingAndProbe, Finding::Ping]
        );
        signs.answered(true, &alive());
        signs.probed(&alive());
        assert_eq!(
            looks(&mut vigil, &signs, 2),
            [Finding::Ping, Finding::PingAndProbe]
        );
    }

    #[test]
    fn a_process_that_says_nothing_is_replaced_and_a_machine_that_slept_is_forgiven() {
        let (signs, mut vigil) = (Signs::default(), Vigil::new(Instant::now(), CALL));
        vigil.look(vigil.next + 20 * CALL, &signs);
        for _ in 0..4 {
            assert_ne!(
                vigil.look(vigil.next, &signs),
                Finding::Replace("its process does not answer")
            );
        }
        assert_eq!(
            vigil.look(vigil.next, &signs),
            Finding::Replace("its process does not answer")
        );
    }

    #[test]
    fn a_probe_that_no_session_answers_means_a_hang_unless_calls_get_through() {
        for (calls_get_through, replaced) in [(false, true), (true, false)] {
            let (signs, mut vigil) = (Signs::default(), Vigil::new(Instant::now(), CALL));
            assert_eq!(looks(&mut vigil, &signs, 1), [Finding::PingAndProbe]);
            if calls_get_through {
                signs.answered(false, &Ok(Response::Done));
            }
            signs.probed(&late());
            let found = looks(&mut vigil, &signs, 1);
            assert_eq!(
                found == [Finding::Replace("the library hangs")],
                replaced,
                "{found:?}"
            );
        }
    }

    #[test]
    fn three_failures_in_a_row_mean_a_lost_library_whatever_probes_say() {
        let (signs, mut vigil) = (Signs::default(), Vigil::new(Instant::now(), CALL));
        for _ in 0..2 {
            signs.answered(false, &failure());
        }
        signs.answered(false, &Ok(Response::Done));
        for _ in 0..2 {
            signs.answered(false, &failure());
            signs.answered(true, &alive());
        }
        assert_eq!(looks(&mut vigil, &signs, 1), [Finding::Ping]);
        signs.answered(false, &failure());
        assert_eq!(
            looks(&mut vigil, &signs, 1),
            [Finding::Replace("every call fails")]
        );
    }

    #[test]
    fn an_error_about_a_key_or_the_load_says_nothing_and_a_refused_pin_ends_it() {
        let (signs, mut vigil) = (Signs::default(), Vigil::new(Instant::now(), CALL));
        let wrapped_key_refused = HsmError::WrappedKeyRefused {
            key: KeyId::from_bytes([1; 16]),
            reason: "C_UnwrapKey answered CKR_WRAPPED_KEY_INVALID".to_owned(),
        };
        let wrapping_refused = HsmError::WrappingRefused {
            token: String::new(),
            reason: "for the test".into(),
        };
        for _ in 0..9 {
            signs.answered(false, &Err(HsmError::QueueFull { capacity: 7 }));
            signs.answered(false, &late());
            signs.answered(false, &Err(wrapped_key_refused.clone()));
            signs.answered(false, &Err(wrapping_refused.clone()));
        }
        assert_eq!(looks(&mut vigil, &signs, 1), [Finding::PingAndProbe]);
        let refused = HsmError::PinRefused {
            token: String::new(),
            code: "CKR_PIN_INCORRECT".into(),
        };
        signs.answered(false, &Err(refused.clone()));
        assert_eq!(looks(&mut vigil, &signs, 1), [Finding::PinRefused(refused)]);
    }
}
