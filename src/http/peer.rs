//! Who is at the other end: what the connection shows of them, and what came of one request of theirs. All of it lies in
//! the request's extensions.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use axum::http::Extensions;

use super::{AppState, certificate::Certificate, places::Seat};
use crate::{directory::Speaker, problem::Problem};

/// The other end of a request's connection, before anything is said about who signed.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address; behind a trusted proxy the one that the proxy named. IPv4 in the form of IPv6 stands here as IPv4.
    pub address: IpAddr,
    /// Whether what is said can't be read on the way: TLS here, or at the trusted proxy.
    pub secure: bool,
    /// The certificate that was verified in the handshake, if it showed one.
    pub certificate: Option<Arc<Certificate>>,
}

/// The proxy that was trusted to say for whom it asks said nothing that can be read: the refusal, which is answered where every
/// request is bounded and measured.
#[derive(Debug, Clone)]
pub(super) struct Unnamed(pub(super) Problem);

/// One request on its way through: whoever finds out who asks says so here, for the audit of reads and so that the connection
/// isn't given up in favour of strangers.
#[derive(Debug, Clone)]
pub struct Visit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    speaker: OnceLock<Speaker>,
    seat: Option<Arc<Seat>>,
}

impl Visit {
    pub(super) fn new(seat: Option<Arc<Seat>>) -> Self {
        Self(Arc::new(Inner {
            speaker: OnceLock::new(),
            seat,
        }))
    }

    /// It is this speaker's: verified, whether or not they are let in.
    pub fn is_by(&self, speaker: &Speaker) {
        if let Some(seat) = &self.0.seat {
            seat.keep();
        }
        // A second word on it changes nothing.
        let _ = self.0.speaker.set(speaker.clone());
    }

    /// Who it is, if anybody found out.
    #[must_use]
    pub fn speaker(&self) -> Option<&Speaker> {
        self.0.speaker.get()
    }
}

impl AppState {
    /// Lets in a speaker whose signature or session was verified, if they may come from where they come.
    ///
    /// # Errors
    /// [`Admission::admit`](super::Admission::admit)'s; a fault where the connection said nothing of its peer.
    pub(super) fn let_in(&self, speaker: &Speaker, extensions: &Extensions) -> Result<(), Problem> {
        let (Some(peer), Some(visit)) = (extensions.get::<Peer>(), extensions.get::<Visit>())
        else {
            tracing::error!("a request came past its connection");
            return Err(Problem::internal());
        };
        visit.is_by(speaker);
        self.admission.admit(speaker, peer)
    }
}
