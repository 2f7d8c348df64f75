//! The interface to an HSM, whatever stands behind it: [`Token`](crate::Token) in this process, a worker process, or
//! several tokens that hold the same keys.

use std::fmt::Debug;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::canary::{self, CanaryReport, Drawn};
use crate::counters::Counters;
use crate::error::HsmError;
use crate::key::{Curve, KeyId, KeyReport, PublicPoint};
use crate::request::{KeyRef, Reply, Request, Response, WrappedKey};
use crate::slot::TokenInfo;

/// Whether a token takes work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Health {
    /// It does.
    Up,
    /// It failed, and is tried with little until it has answered again.
    Recovering,
    /// It does not, and why.
    Out {
        /// The error that took it out.
        reason: String,
    },
}

/// One token, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// The name that the configuration gives it.
    pub name: String,
    /// What the token said of itself when it was last open; none before the first time.
    pub info: Option<TokenInfo>,
    /// Whether it takes work.
    pub health: Health,
    /// What it did.
    pub counters: Counters,
    /// Worker processes started after the first.
    pub restarts: u64,
    /// Keys that it was asked for lately and lacks, though another token may have them.
    pub missing_keys: u64,
}

/// An HSM that signs, with every call bounded in time.
pub trait Hsm: Debug + Send + Sync {
    /// Hands a request over and returns at once. `reply` is called once, within `limit` or soon after it, on a thread of
    /// the HSM's; it must be quick and must not block.
    ///
    /// # Errors
    /// [`HsmError::QueueFull`], [`HsmError::Closed`], or what is wrong with the request itself; `reply` is then not called.
    fn submit(&self, request: Request, limit: Duration, reply: Reply) -> Result<(), HsmError>;

    /// The tokens behind it, at least one.
    fn members(&self) -> Vec<MemberStatus>;

    /// The tokens behind it as an HSM each, in the order of [`Hsm::members`]; nothing where it is one token itself.
    fn each(&self) -> Vec<Arc<dyn Hsm>> {
        Vec::new()
    }

    /// Gives the token of this name no more work as long as this HSM lives, whatever it answers. Not the last one that is left,
    /// nor one that is a token itself: whether to go on with it is for a person to say. True if it gets none from now on.
    fn bar(&self, _name: &str, _reason: &str) -> bool {
        false
    }

    /// Time for a request that brings no limit of its own.
    fn call_limit(&self) -> Duration;

    /// Asks and waits.
    ///
    /// # Errors
    /// As the request's; [`HsmError::Deadline`] when time is up, though the token may still do it.
    fn ask(&self, request: Request, limit: Duration) -> Result<Response, HsmError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(
            request,
            limit,
            Box::new(move |answer| drop(sender.send(answer))),
        )?;
        receiver.recv().unwrap_or(Err(HsmError::Closed))
    }

    /// Signs a digest of 32 bytes and waits for it, at most `limit`. Returns r‖s, low-S on secp256k1, verified against
    /// the key's public point.
    ///
    /// # Errors
    /// [`HsmError::Deadline`] when time is up, though the token may still finish and the signature is then dropped;
    /// [`HsmError::QueueFull`]; [`HsmError::DigestRefused`] on [`Curve::Ed25519`], which signs messages; or what the token or
    /// the key's state calls for.
    fn sign(
        &self,
        id: &KeyId,
        curve: Curve,
        digest: [u8; 32],
        limit: Duration,
    ) -> Result<[u8; 64], HsmError> {
        let key = KeyRef::from(*id);
        match self.ask(Request::Sign { key, curve, digest }, limit)? {
            Response::Signature(signature) => Ok(signature),
            other => Err(other.out_of_place()),
        }
    }

    /// Signs a message with an Ed25519 key and waits for it, at most `limit`. Returns R‖S, verified against the key's public
    /// half. A key on another curve is refused with [`HsmError::CurveMismatch`].
    ///
    /// # Errors
    /// As [`Hsm::sign`]; [`HsmError::TooLong`] beyond [`Request::MOST_MESSAGE`] bytes, [`HsmError::MechanismMissing`] where
    /// the token lacks CKM_EDDSA.
    fn sign_message(
        &self,
        id: &KeyId,
        message: &[u8],
        limit: Duration,
    ) -> Result<[u8; 64], HsmError> {
        let (key, message) = (KeyRef::from(*id), message.to_vec());
        match self.ask(Request::SignMessage { key, message }, limit)? {
            Response::Signature(signature) => Ok(signature),
            other => Err(other.out_of_place()),
        }
    }

    /// As [`Hsm::sign`], with any kind of key and without waiting.
    ///
    /// # Errors
    /// As [`Hsm::submit`].
    fn submit_sign(
        &self,
        key: KeyRef,
        curve: Curve,
        digest: [u8; 32],
        limit: Duration,
        reply: Box<dyn FnOnce(Result<[u8; 64], HsmError>) + Send>,
    ) -> Result<(), HsmError> {
        let reply = |answer| {
            reply(match answer {
                Ok(Response::Signature(signature)) => Ok(signature),
                Ok(other) => Err(Response::out_of_place(&other)),
                Err(error) => Err(error),
            });
        };
        self.submit(Request::Sign { key, curve, digest }, limit, Box::new(reply))
    }

    /// Generates a key pair with this id, or returns the public point of the one that exists, after the same checks.
    ///
    /// # Errors
    /// [`HsmError::KeyRefused`] naming the attribute, [`HsmError::CurveMismatch`], [`HsmError::KeyDuplicated`],
    /// [`HsmError::GenerationRunning`], or a failure of the token. Safe to repeat.
    fn generate(&self, id: &KeyId, label: &str, curve: Curve) -> Result<PublicPoint, HsmError> {
        let (id, label) = (*id, label.to_owned());
        match self.ask(Request::Generate { id, label, curve }, self.call_limit())? {
            Response::Public(point) => Ok(point),
            other => Err(other.out_of_place()),
        }
    }

    /// The key pair with this id; none if it is not on the token. Its attributes are reported, not judged.
    ///
    /// # Errors
    /// [`HsmError::KeyDuplicated`], [`HsmError::KeyUnreadable`], [`HsmError::KeyChanged`], or a failure of the token.
    fn find(&self, id: &KeyId) -> Result<Option<KeyReport>, HsmError> {
        match self.ask(Request::Find(*id), self.call_limit())? {
            Response::Found(report) => Ok(report),
            other => Err(other.out_of_place()),
        }
    }

    /// All key pairs whose CKA_ID has 16 bytes, ordered by it.
    ///
    /// # Errors
    /// As [`Hsm::find`], for the first key that has one.
    fn list(&self) -> Result<Vec<KeyReport>, HsmError> {
        match self.ask(Request::List, self.call_limit())? {
            Response::Listed(reports) => Ok(reports),
            other => Err(other.out_of_place()),
        }
    }

    /// Refuses a key that is missing, could leave the token, was not made in it, or may do more than sign.
    ///
    /// # Errors
    /// [`HsmError::KeyRefused`] naming key and attribute, [`HsmError::KeyMissing`], or as [`Hsm::find`].
    fn check_attributes(&self, id: &KeyId) -> Result<(), HsmError> {
        match self.ask(Request::Check(*id), self.call_limit())? {
            Response::Done => Ok(()),
            other => Err(other.out_of_place()),
        }
    }

    /// Makes a key pair whose private half lies wrapped outside of the token. Each call makes another.
    ///
    /// # Errors
    /// [`HsmError::WrappingRefused`] where the token can't, [`HsmError::KeyMissing`] and [`HsmError::KeyRefused`] of the
    /// wrapping key, or a failure of the token.
    fn generate_wrapped(
        &self,
        id: &KeyId,
        wrapping_key: &KeyId,
        curve: Curve,
    ) -> Result<WrappedKey, HsmError> {
        let request = Request::GenerateWrapped {
            id: *id,
            wrapping_key: *wrapping_key,
            curve,
        };
        match self.ask(request, self.call_limit())? {
            Response::Wrapped(key) => Ok(*key),
            other => Err(other.out_of_place()),
        }
    }

    /// Refuses a wrapped key that the token can't unwrap, or that doesn't sign for its public half.
    ///
    /// # Errors
    /// [`HsmError::WrappedKeyRefused`], [`HsmError::BadSignature`], or as [`Hsm::generate_wrapped`].
    fn check_wrapped(&self, key: &WrappedKey) -> Result<(), HsmError> {
        let request = Request::CheckWrapped(Box::new(key.clone()));
        match self.ask(request, self.call_limit())? {
            Response::Done => Ok(()),
            other => Err(other.out_of_place()),
        }
    }

    /// Refuses a wrapping key that must not be used, and a token on which CKA_TRUSTED means nothing.
    ///
    /// # Errors
    /// As [`Hsm::generate_wrapped`].
    fn check_wrapping_key(&self, id: &KeyId) -> Result<(), HsmError> {
        match self.ask(Request::CheckWrapping(*id), self.call_limit())? {
            Response::Done => Ok(()),
            other => Err(other.out_of_place()),
        }
    }

    /// Has a throwaway key of known value sign on the token, computes the nonces of `samples` signatures, 1 to 4,096, and tests
    /// them for bias. Asks for 32 at a time, each behind the calls that wait already. Of several tokens ask [`Hsm::each`].
    ///
    /// # Errors
    /// [`HsmError::BadSignature`] if what comes back wasn't signed by that key, or a failure of the token.
    fn canary(&self, samples: u32) -> Result<CanaryReport, HsmError> {
        let (wanted, mut drawn) = (samples.clamp(1, canary::MOST_SAMPLES), Vec::new());
        let mut first = 0;
        while first < wanted {
            let samples = canary::PORTION.min(wanted - first);
            match self.ask(Request::Canary { first, samples }, self.call_limit())? {
                Response::Canary(Drawn::Nonces(nonces)) => drawn.extend(nonces),
                Response::Canary(Drawn::NotPossible(code)) => {
                    return Ok(CanaryReport::NotPossible { code });
                }
                other => return Err(other.out_of_place()),
            }
            first += samples;
        }
        Ok(canary::judge(&drawn))
    }

    /// Whether a logged-in session answers; gives the token's description of itself.
    ///
    /// # Errors
    /// What keeps it from answering.
    fn probe(&self, limit: Duration) -> Result<TokenInfo, HsmError> {
        match self.ask(Request::Probe, limit)? {
            Response::Alive(info) => Ok(info),
            other => Err(other.out_of_place()),
        }
    }
}
