//! Connections: how many, how long, how large. HTTP/1.1 only; limits on everything that comes from outside.
//!
//! What hyper refuses before there is a request (a head that can't be read, is too large or has too many fields) it
//! answers itself: 400 or 431 without a body, and the connection ends. Everything later is a problem document.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use rustix::process::{Resource, getrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tower::ServiceExt as _;

use super::{AppState, router};

/// Bytes of a request's head.
const HEAD_LIMIT: usize = 32 * 1024;
/// Headers of a request.
const MOST_HEADERS: usize = 64;
/// Time for open requests to end when the daemon stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often samples are drained into histograms; nothing else does it when nobody reads /metrics.
const UPKEEP: Duration = Duration::from_secs(5);

/// What one listener grants to those who connect.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time; further ones wait to be accepted.
    pub connections: usize,
    /// Time for a request's head to arrive, and for a quiet connection to stay.
    pub head_patience: Duration,
    /// Time for a whole request: its body, the engine, the answer.
    pub request_patience: Duration,
    /// Time after which a connection ends with the request it is at; it also ends who never reads an answer.
    pub longest_connection: Duration,
}

impl Default for Limits {
    /// Connections take at most half of the file descriptors that this process may have: database, HSM and nodes need
    /// the others.
    fn default() -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let half = usize::try_from(descriptors / 2).unwrap_or(usize::MAX);
        Self {
            connections: half.clamp(1, 4_096),
            head_patience: Duration::from_secs(10),
            request_patience: Duration::from_secs(60),
            longest_connection: Duration::from_secs(600),
        }
    }
}

/// Serves the API until `stop` says so, then lets open requests end.
///
/// # Errors
/// The listener's.
pub async fn serve(
    state: AppState,
    listener: TcpListener,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    serve_within(Limits::default(), state, listener, stop).await
}

/// Serves the API within these limits until `stop` says so, then lets open requests end.
///
/// # Errors
/// The listener's.
pub async fn serve_within(
    limits: Limits,
    state: AppState,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut upkeep = JoinSet::new();
    upkeep.spawn(keep_metrics_small(state.metrics.clone()));
    let router = router::within(state, limits.request_patience);
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = stopped(&mut stop) => break,
            (place, accepted) = next => match accepted {
                Ok((stream, _)) => {
                    let (router, stop, limits) = (router.clone(), stop.clone(), limits.clone());
                    connections.spawn(async move {
                        converse(stream, router, stop, limits).await;
                        drop(place);
                    });
                }
                // Out of file descriptors, or the peer went away: wait a little rather than spin.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
        while connections.try_join_next().is_some() {}
    }
    let _ = tokio::time::timeout(FAREWELL, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    Ok(())
}

async fn converse(
    stream: TcpStream,
    router: axum::Router,
    mut stop: watch::Receiver<bool>,
    limits: Limits,
) {
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let request: Request = request.map(Body::new);
            let Ok(response) = router.oneshot(request).await;
            Ok::<_, Infallible>(response)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_patience)
        .max_buf_size(HEAD_LIMIT)
        .max_headers(MOST_HEADERS)
        .keep_alive(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return trace(ended),
        () = stopped(&mut stop) => {}
        () = tokio::time::sleep(limits.longest_connection) => {}
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(ended) = tokio::time::timeout(limits.request_patience, connection).await {
        trace(ended);
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
