//! Bodies made from streams, and from bodies of other crates.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::Error;

pin_project! {
    pub(super) struct FromStream<S> {
        #[pin]
        stream: S,
    }
}

impl<S> FromStream<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream }
    }
}

impl<S, D, E> HttpBody for FromStream<S>
where
    S: futures_core::Stream<Item = Result<D, E>>,
    D: Into<Bytes>,
    E: Into<crate::Error>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let item = ready!(self.project().stream.poll_next(cx));
        Poll::Ready(item.map(|item| item.map(|data| Frame::data(data.into())).map_err(failed)))
    }
}

pin_project! {
    pub(super) struct FromHttpBody<B> {
        #[pin]
        body: B,
    }
}

impl<B> FromHttpBody<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body }
    }
}

impl<B> HttpBody for FromHttpBody<B>
where
    B: HttpBody,
    B::Data: Into<Bytes>,
    B::Error: Into<crate::Error>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(self.project().body.poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(Into::into)).map_err(failed)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn failed(error: impl Into<crate::Error>) -> Error {
    Error::source_failed(error.into().into_std())
}
