//! Bodies that are sent.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::Body as _;

use super::bindings::wasi::http::types as wasi;
use super::bindings::wasi::io::streams::{OutputStream, StreamError};
use super::convert;
use super::incoming::IncomingBody;
use super::poll::Ready;
use crate::Body;
use crate::body::{Error, Outgoing};
use crate::sys::IncomingBody as _;

/// How much one splice may move.
const SPLICE_BYTES: u64 = 1024 * 1024;

/// Writes a body. Dropped without [`finish`](Writer::finish), it breaks the message off.
///
/// Fields are dropped from the first to the last, and each is a child of the next: another order traps.
pub(super) struct Writer {
    ready: Option<Ready>,
    stream: OutputStream,
    body: wasi::OutgoingBody,
}

/// Where a writer is kept: by itself, or where a panic finds it.
///
/// Code of the user never runs inside `with`.
pub(super) trait Slot {
    /// Fails if the writer is gone.
    fn with<R>(&mut self, operation: impl FnOnce(&mut Writer) -> R) -> Result<R, Error>;

    fn take(self) -> Option<Writer>;
}

impl Slot for Writer {
    fn with<R>(&mut self, operation: impl FnOnce(&mut Writer) -> R) -> Result<R, Error> {
        Ok(operation(self))
    }

    fn take(self) -> Option<Writer> {
        Some(self)
    }
}

impl Writer {
    /// `None` if the host gives out no stream, which it does once for each body.
    pub(super) fn new(body: wasi::OutgoingBody) -> Option<Self> {
        let stream = body.write().ok()?;
        Some(Self { ready: None, stream, body })
    }

    /// Writes what the host takes at once; the rest stays in `bytes`.
    pub(super) fn write_now(&self, bytes: &mut Bytes) -> Result<(), Error> {
        while !bytes.is_empty() {
            let permit = self.stream.check_write().map_err(write_error)?;
            let count = bytes.len().min(usize::try_from(permit).unwrap_or(usize::MAX));
            if count == 0 {
                break;
            }
            self.stream.write(&bytes[..count]).map_err(write_error)?;
            bytes.advance(count);
        }
        Ok(())
    }

    pub(super) fn poll_write(&mut self, bytes: &mut Bytes, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            self.write_now(bytes)?;
            if bytes.is_empty() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_ready(cx));
        }
    }

    /// Moves the next bytes of an incoming body inside the host, at most `limit`; 0 at its end.
    fn poll_splice(
        &mut self,
        incoming: &mut IncomingBody,
        limit: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<u64, Error>> {
        loop {
            let mut blocked = false;
            let moved = incoming.poll_with(cx, |input| match self.stream.splice(input, limit) {
                Ok(0) => {
                    blocked = self.is_blocked();
                    // A blocked output is waited for below; the input has nothing to say about it.
                    Ok(blocked.then_some((0, 0)))
                }
                Ok(count) => Ok(Some((count, count))),
                Err(error) => Err(error),
            });
            match ready!(moved) {
                Some(Ok(_)) if blocked => ready!(self.poll_ready(cx)),
                Some(Ok(count)) => return Poll::Ready(Ok(count)),
                // The host does not say which of the two streams it means.
                Some(Err(error)) => return Poll::Ready(self.is_open().and(Err(error))),
                None => return Poll::Ready(self.is_open().map(|()| 0)),
            }
        }
    }

    fn is_blocked(&self) -> bool {
        matches!(self.stream.check_write(), Ok(0))
    }

    fn is_open(&self) -> Result<(), Error> {
        self.stream.check_write().map(drop).map_err(write_error)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.ready.get_or_insert_with(|| Ready::new(self.stream.subscribe())).poll(cx)
    }

    /// Makes what was written visible to the peer.
    fn flush(&self) -> Result<(), Error> {
        self.stream.flush().map_err(write_error)
    }

    /// Writes a few bytes without giving way to other futures: for the panic hook, where none can run.
    ///
    /// The host takes at most 4096 bytes.
    pub(super) fn write_blocking(&self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.blocking_write_and_flush(bytes).map_err(write_error)
    }

    /// Ends the message well.
    pub(super) fn finish(self, trailers: Option<&HeaderMap>) -> Result<(), Error> {
        let Self { ready, stream, body } = self;
        let trailers = trailers.map(convert::headers_into_wasi).transpose().map_err(Error::trailers)?;
        drop(ready);
        drop(stream);
        wasi::OutgoingBody::finish(body, trailers).map_err(|code| {
            let (_, message) = convert::error_from_wasi(code);
            Error::rejected(message)
        })
    }
}

/// Writes a whole body into the writer and ends the message.
///
/// On an error the writer is dropped, and with it the message is broken off.
pub(super) async fn write(
    slot: impl Slot,
    body: Outgoing,
    trailers: Option<Box<HeaderMap>>,
    declared: Option<u64>,
) -> Result<(), Error> {
    let mut output = Output { slot, left: declared };
    let trailers = match body {
        Outgoing::Bytes(bytes) => {
            output.write(bytes).await?;
            trailers
        }
        Outgoing::Incoming(mut incoming) => {
            output.splice(&mut incoming).await?;
            let received = poll_fn(|cx| incoming.poll_trailers(cx)).await?;
            trailers.or(received.map(Box::new))
        }
        Outgoing::Stream(mut body) => {
            let mut trailers = trailers;
            while let Some(frame) = output.next_frame(&mut body).await {
                match frame?.into_data() {
                    Ok(bytes) => output.write(bytes).await?,
                    Err(frame) => trailers = frame.into_trailers().ok().map(Box::new),
                }
            }
            trailers
        }
    };
    output.finish(trailers)
}

struct Output<S> {
    slot: S,
    /// What is left of the declared length.
    left: Option<u64>,
}

impl<S: Slot> Output<S> {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        self.count(bytes.len() as u64)?;
        poll_fn(|cx| self.slot.with(|writer| writer.poll_write(&mut bytes, cx))?).await
    }

    async fn splice(&mut self, incoming: &mut IncomingBody) -> Result<(), Error> {
        loop {
            // One byte over the declared length is enough to tell that there is more.
            let limit = self.left.map_or(SPLICE_BYTES, |left| SPLICE_BYTES.min(left.saturating_add(1)));
            let count = poll_fn(|cx| self.slot.with(|writer| writer.poll_splice(incoming, limit, cx))?).await?;
            if count == 0 {
                return Ok(());
            }
            self.count(count)?;
        }
    }

    /// Counts what is sent against the declared length; hosts would cut a longer body to it and let it pass for whole.
    fn count(&mut self, bytes: u64) -> Result<(), Error> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(bytes).ok_or_else(Error::longer_than_declared)?;
        }
        Ok(())
    }

    /// Fetches the next frame, and flushes what was written if it takes a while.
    async fn next_frame(&mut self, body: &mut Body) -> Option<Result<http_body::Frame<Bytes>, Error>> {
        let mut flushed = false;
        poll_fn(|cx| {
            let frame = Pin::new(&mut *body).poll_frame(cx);
            if frame.is_pending() && !flushed {
                flushed = true;
                if let Err(error) = self.slot.with(|writer| writer.flush()).and_then(|flushed| flushed) {
                    return Poll::Ready(Some(Err(error)));
                }
            }
            frame
        })
        .await
    }

    fn finish(self, trailers: Option<Box<HeaderMap>>) -> Result<(), Error> {
        if let Some(left @ 1..) = self.left {
            return Err(Error::shorter_than_declared(left));
        }
        self.slot.take().ok_or_else(Error::closed)?.finish(trailers.as_deref())
    }
}

fn write_error(error: StreamError) -> Error {
    match error {
        StreamError::Closed => Error::closed(),
        StreamError::LastOperationFailed(error) => Error::rejected(error.to_debug_string()),
    }
}
