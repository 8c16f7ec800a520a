//! Bodies whose first frame is read ahead.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{Body, BodyError};

/// A body whose first frame may have been read ahead. Readers still get it.
pub(crate) struct Begun {
    first: Option<Result<Frame<Bytes>, BodyError>>,
    rest: Body,
    /// Whether the body ended without a frame.
    is_over: bool,
}

impl Begun {
    pub(crate) fn new(body: Body) -> Self {
        Self { first: None, rest: body, is_over: false }
    }

    /// Waits for the first frame or the end.
    pub(crate) async fn begin(&mut self) {
        poll_fn(|cx| self.poll_begin(cx)).await;
    }

    pub(crate) fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.first.is_none() && !self.is_over {
            self.first = ready!(Pin::new(&mut self.rest).poll_frame(cx));
            self.is_over = self.first.is_none();
        }
        Poll::Ready(())
    }
}

impl HttpBody for Begun {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.first.take() {
            Some(frame) => Poll::Ready(Some(frame)),
            None if self.is_over => Poll::Ready(None),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_over {
            SizeHint::with_exact(0)
        } else if self.first.is_none() {
            self.rest.size_hint()
        } else {
            SizeHint::default()
        }
    }
}
