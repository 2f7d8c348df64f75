//! What stands between the network and the routes: limits, TLS, proxies that are believed.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use axum::http::HeaderMap;
use rustix::process::{Resource, getrlimit};

use super::{
    certificate::Certificate,
    forwarded::{Origin, Proxies},
    peer::{Peer, Unnamed},
    tls::{Tls, TlsError},
};
use crate::config::{Http, HttpLimits};

/// The way in of one listener. Its default is plain HTTP within the usual limits.
#[derive(Debug, Clone, Default)]
pub struct Entrance {
    /// What it grants.
    pub limits: Limits,
    /// TLS; plain HTTP without it.
    pub tls: Option<Arc<Tls>>,
    /// Who may speak for others.
    pub(super) proxies: Proxies,
}

/// What one listener grants to those who connect.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time. Of those that nobody was verified on, the longest quiet one gives way to a further one.
    pub connections: usize,
    /// Connections of one address at a time; further ones are closed.
    pub connections_per_address: usize,
    /// Requests of one address a second, in the long run.
    pub per_second: NonZeroU32,
    /// Requests of one address at once.
    pub burst: NonZeroU32,
    /// Time for a TLS handshake.
    pub handshake_patience: Duration,
    /// Time for a request's head to arrive, and for a quiet connection to stay.
    pub head_patience: Duration,
    /// Time for a whole request: its body, the engine, the answer.
    pub request_patience: Duration,
    /// Time for which the other end may take nothing of an answer.
    pub write_patience: Duration,
    /// Time after which a connection ends with the request it is at.
    pub longest_connection: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self::from(&HttpLimits::default())
    }
}

impl From<&HttpLimits> for Limits {
    /// Connections take at most half of the file descriptors that this process may have: database, HSM and nodes need
    /// the others.
    fn from(limits: &HttpLimits) -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let half = usize::try_from(descriptors / 2).unwrap_or(usize::MAX);
        let number = |count: NonZeroU32| usize::try_from(count.get()).unwrap_or(half);
        Self {
            connections: number(limits.connections).min(half).max(1),
            connections_per_address: number(limits.connections_per_address),
            per_second: limits.per_second,
            burst: limits.burst,
            handshake_patience: Duration::from_secs(10),
            head_patience: Duration::from_secs(10),
            request_patience: Duration::from_secs(60),
            write_patience: Duration::from_secs(30),
            longest_connection: Duration::from_secs(600),
        }
    }
}

impl Entrance {
    /// Plain HTTP within these limits, to whoever connects.
    #[must_use]
    pub fn within(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// As the configuration has it.
    ///
    /// # Errors
    /// The certificates' and key's.
    pub fn open(http: &Http) -> Result<Self, TlsError> {
        Ok(Self {
            limits: Limits::from(&http.limits),
            tls: http.tls.as_ref().map(Tls::open).transpose()?.map(Arc::new),
            proxies: Proxies::new(http.trusted_proxies.clone(), http.forwarded),
        })
    }

    /// Who is at the other end of a request: the proxy itself, and why, where a trusted one names nobody.
    pub(super) fn peer(
        &self,
        address: IpAddr,
        certificate: Option<Arc<Certificate>>,
        headers: &HeaderMap,
    ) -> (Peer, Option<Unnamed>) {
        let (origin, unnamed) = match self.proxies.origin(address, headers) {
            Ok(origin) => (origin, None),
            Err(problem) => (Origin::at(address), Some(Unnamed(problem))),
        };
        let peer = Peer {
            address: origin.address,
            secure: self.tls.is_some() || origin.secure,
            certificate,
        };
        (peer, unnamed)
    }
}
