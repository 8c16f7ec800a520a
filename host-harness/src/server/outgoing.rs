//! The body of a response to the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::flush::HeldBody;
use super::streams::Stream;
use super::transfer::Transfer;
use crate::message::body::BodyError;
use crate::message::client_fault::ClientFault;

/// The largest part of a body that hyper gets at once for HTTP/2. hyper requests the next part when the client has room
/// for it, so the server sees the client's progress in steps of about this size.
const PART_BYTES: usize = 32 * 1024;

/// A response body that observes how fast the client reads.
pub(super) struct ResponseBody {
    body: HeldBody,
    transfer: Arc<Transfer>,
    http2: Option<Http2>,
}

struct Http2 {
    stream: Arc<Stream>,
    /// The unsent rest of a frame that is larger than `PART_BYTES`.
    rest: Bytes,
    /// The wait for the end of the request body. It starts when the response body has ended, and delays the end of the
    /// response.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl ResponseBody {
    pub(super) fn new(body: HeldBody, transfer: Arc<Transfer>, stream: Option<Arc<Stream>>) -> Self {
        let http2 = stream.map(|stream| {
            stream.begin(&transfer.client);
            Http2 { stream, rest: Bytes::new(), end: None }
        });
        Self { body, transfer, http2 }
    }
}

impl Http2 {
    /// Returns the first part of a frame, and keeps the rest.
    fn split(&mut self, mut data: Bytes) -> Frame<Bytes> {
        if data.len() > PART_BYTES {
            self.rest = data.split_off(PART_BYTES);
        }
        Frame::data(data)
    }

    fn poll_frame(
        &mut self,
        body: &mut HeldBody,
        transfer: &Arc<Transfer>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(self.split(rest))));
        }
        if self.end.is_none() {
            if let Some(frame) = ready!(Pin::new(body).poll_frame(cx)) {
                return Poll::Ready(Some(frame.map(|frame| match frame.into_data() {
                    Ok(data) => self.split(data),
                    Err(frame) => frame,
                })));
            }
            let transfer = Arc::clone(transfer);
            self.end = Some(Box::pin(async move { transfer.settle(true).await }));
        }
        if let Some(end) = &mut self.end {
            ready!(end.as_mut().poll(cx));
        }
        Poll::Ready(None)
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(http2) = &mut this.http2 else { return Pin::new(&mut this.body).poll_frame(cx) };
        let polled = http2.poll_frame(&mut this.body, &this.transfer, cx);
        http2.stream.polled(polled.is_ready());
        polled
    }

    fn is_end_stream(&self) -> bool {
        let is_held = self.http2.as_ref().is_some_and(|http2| !http2.rest.is_empty() || !self.transfer.is_settled());
        !is_held && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.http2.as_ref().map_or(0, |http2| http2.rest.len() as u64);
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.transfer.activity.is_stalled() {
            self.transfer.client.blame(ClientFault::StoppedReading(self.transfer.limit));
        }
        self.transfer.answered().happen();
    }
}
