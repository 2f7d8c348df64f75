//! What the shim is told: which calls fail and how, whose manners it takes on, and whether it signs itself.

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::function::Function;

/// All instructions, as they stand in the rules file (TOML). Without any the shim only forwards and counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Whose manners the module takes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manner: Option<Manner>,
    /// Sessions allowed at a time, told in the token's info; one more gets CKR_SESSION_COUNT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<u64>,
    /// A session that was idle for so long is lost; milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// Keys that the shim signs with itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emulate: Option<Emulation>,
    /// CKA_WRAP_WITH_TRUSTED of new private keys is dropped: a module that takes it and doesn't heed it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_wrap_with_trusted: bool,
    /// Faults. The first rule that matches a call decides; calls are counted from the moment the file is read.
    #[serde(rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Rule>,
}

/// Private keys made from now on can secretly be read by the shim, which signs with them in a time of its choice. They
/// look as their maker asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Emulation {
    /// Time that a signature takes, asleep; microseconds.
    pub sign_delay_us: u64,
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The function. A C_Sign that only asks for a signature's length is not a call in this sense.
    pub function: Function,
    /// Calls that pass first.
    #[serde(default)]
    pub skip: u64,
    /// Calls that are hit then; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// What happens to them.
    pub inject: Injection,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Injection {
    /// Returns this and does nothing. C_CloseSession closes nevertheless: a session that the fault itself left open
    /// would hide one that the caller leaks.
    Code(Code),
    /// Works after so many milliseconds.
    DelayMs(u64),
    /// Works at once and comes back after so many milliseconds.
    LateMs(u64),
    /// Doesn't come back until the rules change, and works then.
    Hang,
    /// Ends the process by SIGSEGV.
    Crash,
    /// The call's session is closed under the caller, who gets CKR_SESSION_HANDLE_INVALID.
    LostSession,
    /// The token is logged out under the caller, who gets CKR_USER_NOT_LOGGED_IN.
    LostLogin,
    /// C_Sign: one bit of r is flipped.
    WrongSignature,
    /// C_Sign: s is in the upper half of the group order.
    HighS,
    /// C_Sign with an emulated key: each signature of a key has the same nonce, and so the same r.
    RepeatedNonce,
    /// C_Sign with an emulated key: so many leading bits of the nonce are zero, 128 at most.
    BiasedNonce(u32),
}

/// A vendor's manners; `manner.rs` says what each does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "vendors' names")]
pub enum Manner {
    CloudHsm,
    YubiHsm2,
    Luna,
    NShield,
    Utimaco,
}

impl Rules {
    /// Only forwards and counts.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// With a vendor's manners.
    #[must_use]
    pub fn manner(mut self, manner: Manner) -> Self {
        self.manner = Some(manner);
        self
    }

    /// Signs itself, in `sign_delay_us` microseconds each.
    #[must_use]
    pub fn emulate(mut self, sign_delay_us: u64) -> Self {
        self.emulate = Some(Emulation { sign_delay_us });
        self
    }

    /// Allows so many sessions.
    #[must_use]
    pub fn max_sessions(mut self, count: u64) -> Self {
        self.max_sessions = Some(count);
        self
    }

    /// Forgets a session that was idle for so long; milliseconds.
    #[must_use]
    pub fn idle_ms(mut self, limit: u64) -> Self {
        self.idle_ms = Some(limit);
        self
    }

    /// Lets every key be wrapped under any other.
    #[must_use]
    pub fn ignore_wrap_with_trusted(mut self) -> Self {
        self.ignore_wrap_with_trusted = true;
        self
    }

    /// Hits every call.
    #[must_use]
    pub fn every(self, function: Function, inject: Injection) -> Self {
        self.rule(function, 0, None, inject)
    }

    /// Hits the next `times` calls.
    #[must_use]
    pub fn next(self, times: u64, function: Function, inject: Injection) -> Self {
        self.rule(function, 0, Some(times), inject)
    }

    /// Hits the `number`-th call, from 1.
    #[must_use]
    pub fn nth(self, number: u64, function: Function, inject: Injection) -> Self {
        self.rule(function, number.saturating_sub(1), Some(1), inject)
    }

    fn rule(
        mut self,
        function: Function,
        skip: u64,
        times: Option<u64>,
        inject: Injection,
    ) -> Self {
        self.faults.push(Rule {
            function,
            skip,
            times,
            inject,
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_back_as_they_were_written() {
        let device = Code::named("CKR_DEVICE_ERROR").unwrap();
        let rules = Rules::none()
            .manner(Manner::CloudHsm)
            .emulate(5000)
            .max_sessions(32)
            .idle_ms(300)
            .ignore_wrap_with_trusted()
            .nth(3, Function::Sign, Injection::Code(device))
            .next(2, Function::Login, Injection::LateMs(40))
            .every(Function::SignInit, Injection::Hang)
            .every(Function::Sign, Injection::BiasedNonce(8));
        let text = toml::to_string(&rules).unwrap();
        assert_eq!(toml::from_str::<Rules>(&text), Ok(rules), "{text}");
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in [
            "manor = 'cloudhsm'",
            "manner = 'clowdhsm'",
            "[[rule]]\nfunction = 'C_What'\ninject = 'hang'",
            "[[rule]]\nfunction = 'C_Sign'\ninject = 'hung'",
            "[[rule]]\nfunction = 'C_Sign'\ninject = { code = 'CKR_WHAT' }",
        ] {
            assert!(toml::from_str::<Rules>(text).is_err(), "{text}");
        }
    }
}
