//! What a worker process and its host say to each other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::error::HsmError;
use crate::profile::{Profile, ProfileError, Selector};
use crate::request::{Request, Response};
use crate::slot::TokenInfo;

/// The first frame each way, as text. A worker of another build is told apart before anything secret is sent to it.
pub(super) const HELLO: &str = concat!("custodyd hsm worker ", env!("CARGO_PKG_VERSION"), ", 2");

/// Longest hello that is read.
pub(super) const MOST_HELLO: usize = 64;

/// Longest PIN, in bytes. It follows [`Open`] in a frame of its own, so that it passes through no buffer but its own.
pub(super) const MOST_PIN: usize = 1024;

/// The second frame to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Open {
    profile: SentProfile,
    pub(super) workers: usize,
}

/// A profile as its file has it, and what was changed about it since.
#[derive(Debug, Serialize, Deserialize)]
struct SentProfile {
    text: String,
    module: PathBuf,
    environment: BTreeMap<String, String>,
    selector: Selector,
}

impl Open {
    pub(super) fn new(profile: &Profile, workers: usize) -> Self {
        let profile = SentProfile {
            text: profile.text.clone(),
            module: profile.module.clone(),
            environment: profile.environment.clone(),
            selector: profile.selector.clone(),
        };
        Self { profile, workers }
    }

    pub(super) fn profile(self) -> Result<Profile, ProfileError> {
        let sent = self.profile;
        let mut profile = Profile::load_str(&sent.text)?;
        profile.module = sent.module;
        profile.environment = sent.environment;
        profile.selector = sent.selector;
        Ok(profile)
    }
}

/// The second frame from a worker: the token is open, or why not.
pub(super) type Opened = Result<TokenInfo, HsmError>;

/// Every further frame to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// To be answered by [`FromWorker::Answer`] with the same number, in any order.
    Ask {
        number: u64,
        limit: Duration,
        request: Request,
    },
    /// To be answered at once.
    Ping,
}

/// Every further frame from a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    Answer {
        number: u64,
        answer: Result<Response, HsmError>,
    },
    /// It runs, and has done this much.
    Pong(Counters),
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::frame;
    use super::*;
    use crate::error::Class;
    use crate::key::{Curve, KeyId};
    use crate::request::KeyRef;

    #[test]
    fn a_profile_arrives_with_what_was_changed_about_it() {
        let sent = Profile::load_str(include_str!("../../../../hsm-config/cloudhsm.toml"))
            .unwrap()
            .with_module(Path::new("/elsewhere.so"))
            .with_selector(Selector::Slot(7))
            .with_environment("A", "b");
        let bytes = frame::frame(&Open::new(&sent, 3), frame::MOST_TO_WORKER).unwrap();
        let open: Open = frame::next(
            &mut bytes.as_slice(),
            frame::MOST_TO_WORKER,
            &mut Vec::new(),
        )
        .unwrap()
        .unwrap();
        assert_eq!(open.workers, 3);
        assert_eq!(open.profile().unwrap(), sent);
    }

    #[test]
    fn requests_and_answers_arrive_as_they_were_sent() {
        let request = Request::Sign {
            key: KeyRef::Resident(KeyId::from_bytes([7; 16])),
            curve: Curve::Secp256k1,
            digest: [9; 32],
        };
        let message = Request::SignMessage {
            key: KeyRef::Resident(KeyId::from_bytes([7; 16])),
            message: vec![9; Request::MOST_MESSAGE],
        };
        let generate = Request::Generate {
            id: KeyId::from_bytes([7; 16]),
            label: "hot".into(),
            curve: Curve::Ed25519,
        };
        for request in [request, message, generate] {
            let bytes = frame::frame(&request, frame::MOST_TO_WORKER).unwrap();
            let (mut from, mut buffer) = (bytes.as_slice(), Vec::new());
            let read = frame::next(&mut from, frame::MOST_TO_WORKER, &mut buffer).unwrap();
            assert_eq!(read, Some(request));
        }
        let ed25519 = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        for answer in [
            Ok(Response::Signature([3; 64])),
            Ok(Response::Public(ed25519.to_owned().try_into().unwrap())),
            Err(HsmError::Call {
                function: "C_Sign".into(),
                code: "CKR_DEVICE_ERROR".into(),
                class: Class::Retryable,
            }),
            Err(HsmError::Deadline {
                operation: "signing".into(),
                limit: Duration::from_millis(7),
            }),
        ] {
            let bytes = postcard::to_stdvec(&answer).unwrap();
            let read: Result<Response, HsmError> = frame::message(&bytes).unwrap();
            assert_eq!(read, answer);
        }
    }
}
