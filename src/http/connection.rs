//! Connections: how many, how long, how large. HTTP/1.1 only; limits on everything that comes from outside.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request, response::IntoResponse as _};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tower::ServiceExt as _;

use super::{AppState, router};
use crate::problem::Problem;

/// Connections at a time.
const MOST_CONNECTIONS: usize = 4_096;
/// Time for a request's head to arrive.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Time for a whole request, body and answer.
const REQUEST_PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a request's head.
const HEAD_LIMIT: usize = 32 * 1024;
/// Headers of a request.
const MOST_HEADERS: usize = 64;
/// Time for open requests to end when the daemon stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves the API until `stop` says so, then lets open requests end.
///
/// # Errors
/// The listener's.
pub async fn serve(
    state: AppState,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let router = router(state);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            break;
        };
        tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (router, stop) = (router.clone(), stop.clone());
                    connections.spawn(async move {
                        converse(stream, router, stop).await;
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

async fn converse(stream: TcpStream, router: axum::Router, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let request: Request = request.map(Body::new);
            let answered = tokio::time::timeout(REQUEST_PATIENCE, router.oneshot(request)).await;
            Ok::<_, Infallible>(match answered {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_) => {
                    Problem::new(408, "timeout", "The request took too long", "send it again")
                        .into_response()
                }
            })
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_LIMIT)
        .max_headers(MOST_HEADERS)
        .keep_alive(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended badly");
            }
        }
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Until the daemon stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await.map(|_| ()));
}
