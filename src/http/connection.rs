//! Connections: accepted, counted, made secure, and each request on its way with what is known of its peer. HTTP/1.1 only;
//! limits on everything that comes from outside.
//!
//! What hyper refuses before there is a request (a head that can't be read, is too large or has too many fields) it
//! answers itself: 400 or 431 without a body, and the connection ends. Everything later is a problem document.

use std::{convert::Infallible, io, net::IpAddr, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tower::ServiceExt as _;

use super::{
    AppState, Limits,
    certificate::Certificate,
    entrance::Entrance,
    peer::{Peer, Unnamed, Visit},
    places::{Place, Places},
    router,
    serving::Serving,
    stall::Stalling,
    tls::Tls,
};

/// Bytes of a request's head.
const HEAD_LIMIT: usize = 32 * 1024;
/// Headers of a request.
const MOST_HEADERS: usize = 64;
/// Time for open requests to end when the daemon stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often samples are drained into histograms; nothing else does it when nobody reads /metrics.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves the API until `stop` says so, then lets open requests end.
///
/// # Errors
/// The listener's.
pub async fn serve(
    entrance: Entrance,
    state: AppState,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut upkeep = JoinSet::new();
    upkeep.spawn(keep_metrics_small(state.metrics.clone()));
    if let Some(tls) = &entrance.tls {
        upkeep.spawn(Arc::clone(tls).follow(stop.clone()));
    }
    let limits = &entrance.limits;
    let places = Places::new(limits.connections, limits.connections_per_address);
    let router = router::within(state, limits);
    let entrance = Arc::new(entrance);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok((stream, address)) => (stream, address.ip().to_canonical()),
            // Out of file descriptors, or the peer went away: wait a little rather than spin.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let own = (!entrance.proxies.trusts(address)).then_some(address);
        let Some(counted) = places.count(own) else {
            metrics::counter!("custodyd_edge_refused_total", "why" => "connections").increment(1);
            tracing::debug!(%address, "too many connections of one address");
            continue;
        };
        let place = tokio::select! {
            () = stopped(&mut stop) => break,
            place = places.seat(counted) => place,
        };
        let conversation = Conversation {
            router: router.clone(),
            entrance: Arc::clone(&entrance),
            stop: stop.clone(),
            address,
        };
        connections.spawn(conversation.hold(stream, place));
        while connections.try_join_next().is_some() {}
    }
    let _ = timeout(FAREWELL, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    Ok(())
}

/// One connection, and what its requests need.
struct Conversation {
    router: axum::Router,
    entrance: Arc<Entrance>,
    stop: watch::Receiver<bool>,
    address: IpAddr,
}

impl Conversation {
    /// Until it ends, is over its time, or has to leave to make room.
    async fn hold(self, stream: TcpStream, place: Place) {
        let _ = stream.set_nodelay(true);
        let seat = place.seat();
        let entrance = Arc::clone(&self.entrance);
        let talk = async {
            match &entrance.tls {
                None => self.talk(stream, None, &place).await,
                Some(tls) => self.talk_securely(tls, stream, &place).await,
            }
        };
        tokio::select! {
            () = talk => {}
            () = seat.asked_to_leave() => {
                metrics::counter!("custodyd_edge_refused_total", "why" => "places").increment(1);
            }
        }
    }

    async fn talk_securely(self, tls: &Tls, stream: TcpStream, place: &Place) {
        let patience = self.entrance.limits.handshake_patience;
        let stream = match timeout(patience, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                metrics::counter!("custodyd_edge_refused_total", "why" => "handshake").increment(1);
                return tracing::debug!(address = %self.address, %error, "no TLS came about");
            }
            Err(_) => return tracing::debug!(address = %self.address, "a slow handshake"),
        };
        let shown = stream.get_ref().1.peer_certificates();
        let certificate = shown.and_then(|chain| chain.first()).map(Certificate::read);
        match certificate.transpose() {
            Ok(certificate) => {
                let certificate = certificate.map(Arc::new);
                self.talk(stream, certificate, place).await;
            }
            Err(error) => {
                tracing::debug!(address = %self.address, %error, "a certificate that can't be read");
            }
        }
    }

    async fn talk<S>(self, stream: S, certificate: Option<Arc<Certificate>>, place: &Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            router,
            entrance,
            mut stop,
            address,
        } = self;
        let limits: Limits = entrance.limits.clone();
        let seat = place.seat();
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let (router, seat) = (router.clone(), Arc::clone(&seat));
            let (peer, unnamed) = entrance.peer(address, certificate.clone(), request.headers());
            async move {
                let serving = Serving::of(Arc::clone(&seat));
                let mut request: Request = request.map(Body::new);
                let extensions = request.extensions_mut();
                extensions.insert::<Peer>(peer);
                extensions.insert(Visit::new(Some(seat)));
                if let Some(unnamed) = unnamed {
                    extensions.insert::<Unnamed>(unnamed);
                }
                let Ok(response) = router.oneshot(request).await;
                Ok::<_, Infallible>(response.map(|body| serving.until_sent(body)))
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_patience)
            .max_buf_size(HEAD_LIMIT)
            .max_headers(MOST_HEADERS)
            .keep_alive(true)
            .serve_connection(
                TokioIo::new(Stalling::new(stream, limits.write_patience)),
                service,
            );
        tokio::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return trace(ended),
            () = stopped(&mut stop) => {}
            () = tokio::time::sleep(limits.longest_connection) => {}
        }
        connection.as_mut().graceful_shutdown();
        if let Ok(ended) = timeout(limits.request_patience, connection).await {
            trace(ended);
        }
    }
}

fn trace(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

async fn keep_metrics_small(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}

/// Until the daemon stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await.map(|_| ()));
}
