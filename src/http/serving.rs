//! A request being served, until the last byte of its answer is on its way: then its connection is quiet again.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::places::Seat;

/// While this lives a request is being served.
#[derive(Debug)]
pub(super) struct Serving(Arc<Seat>);

/// An answer's body that ends the service when it is sent or given up.
#[derive(Debug)]
pub(super) struct Answering {
    body: Body,
    _serving: Serving,
}

impl Serving {
    pub(super) fn of(seat: Arc<Seat>) -> Self {
        Self(seat)
    }

    pub(super) fn until_sent(self, body: Body) -> Answering {
        Answering {
            body,
            _serving: self,
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.falls_quiet();
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
