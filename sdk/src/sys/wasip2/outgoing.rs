//! Outgoing bodies.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::Body;

use super::bindings::wasi::http::types as wasi;
use super::bindings::wasi::io::streams::{OutputStream, StreamError};
use super::convert;
use super::incoming::ArrivingBody;
use super::poll::Ready;
use crate::sys::body::{Error, Outgoing, OutgoingData};
use crate::sys::http::length::Remaining;

/// The most bytes that one splice moves.
const SPLICE_BYTES: u64 = 1024 * 1024;

/// Writes a body. Dropping it without [`finish`](Writer::finish) breaks the message off.
///
/// The fields are dropped in this order. Each is a child of the next one, and the host traps if a parent is dropped
/// before its child.
pub(super) struct Writer {
    ready: Option<Ready>,
    stream: OutputStream,
    body: wasi::OutgoingBody,
}

/// The place of a writer: a variable, or a global where the panic hook finds it.
///
/// User code never runs inside `with`.
pub(super) trait Slot {
    /// Fails if the writer is gone.
    fn with<R>(&mut self, operation: impl FnOnce(&mut Writer) -> R) -> Result<R, Error>;

    fn take(self) -> Option<Writer>;

    /// Whether the writer may block the thread, because no other future can run.
    ///
    /// Blocking avoids a return to the executor for each piece, which would be most of the cost of a long body.
    fn may_block(&self) -> bool;
}

impl Slot for Writer {
    fn with<R>(&mut self, operation: impl FnOnce(&mut Writer) -> R) -> Result<R, Error> {
        Ok(operation(self))
    }

    fn take(self) -> Option<Writer> {
        Some(self)
    }

    fn may_block(&self) -> bool {
        false
    }
}

impl Writer {
    /// Returns `None` if the host returns no stream for the body. This happens only if the stream was taken before.
    pub(super) fn new(body: wasi::OutgoingBody) -> Option<Self> {
        let stream = body.write().ok()?;
        Some(Self { ready: None, stream, body })
    }

    /// Writes as much as the host accepts at once; the rest stays in `bytes`.
    #[expect(clippy::indexing_slicing, reason = "the count is at most the length")]
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

    /// Writes everything, and blocks the thread meanwhile.
    pub(super) fn write_all(&self, bytes: &mut Bytes) -> Result<(), Error> {
        let ready = self.stream.subscribe();
        while !bytes.is_empty() {
            ready.block();
            self.write_now(bytes)?;
        }
        Ok(())
    }

    fn poll_write(&mut self, bytes: &mut Bytes, may_block: bool, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            self.write_now(bytes)?;
            if bytes.is_empty() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_ready(may_block, cx));
        }
    }

    /// Moves the rest of an incoming body to this writer, inside the host.
    fn poll_splice(
        &mut self,
        incoming: &mut ArrivingBody,
        left: &mut Remaining,
        may_block: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let splice = if may_block { OutputStream::blocking_splice } else { OutputStream::splice };
        loop {
            let mut blocked = false;
            let limit = left.limit(SPLICE_BYTES);
            let moved = incoming.poll_with(cx, |input| match splice(&self.stream, input, limit) {
                Ok(0) => {
                    blocked = self.is_blocked();
                    // If the output is blocked, a value ends `poll_with`, which would wait for the input. The output
                    // is waited for below.
                    Ok(blocked.then_some((0, 0)))
                }
                Ok(count) => Ok(Some((count, count))),
                Err(error) => Err(error),
            });
            match ready!(moved) {
                Some(Ok(_)) if blocked => ready!(self.poll_ready(may_block, cx)),
                Some(Ok(count)) => left.count(count)?,
                // The host does not say which of the two streams failed, so `is_open` asks the output first.
                Some(Err(error)) => return Poll::Ready(self.is_open().and(Err(error))),
                None => return Poll::Ready(self.is_open()),
            }
        }
    }

    fn is_blocked(&self) -> bool {
        matches!(self.stream.check_write(), Ok(0))
    }

    fn is_open(&self) -> Result<(), Error> {
        self.stream.check_write().map(drop).map_err(write_error)
    }

    fn poll_ready(&mut self, may_block: bool, cx: &mut Context<'_>) -> Poll<()> {
        let ready = self.ready.get_or_insert_with(|| Ready::new(self.stream.subscribe()));
        if may_block {
            ready.block();
            return Poll::Ready(());
        }
        ready.poll(cx)
    }

    /// Sends buffered data to the peer.
    fn flush(&self) -> Result<(), Error> {
        self.stream.flush().map_err(write_error)
    }

    /// Writes a few bytes without yielding: for the panic hook, where other futures cannot run.
    ///
    /// The host accepts at most 4096 bytes.
    pub(super) fn write_blocking(&self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.blocking_write_and_flush(bytes).map_err(write_error)
    }

    /// Ends a message of bytes normally. If the host refuses, the error does not contain the host's reason. A refusal
    /// is unlikely, because the length was checked before, and the messages for all reasons would make up a tenth of
    /// a small component.
    pub(super) fn finish_plainly(self) -> Result<(), Error> {
        let Self { ready, stream, body } = self;
        drop(ready);
        drop(stream);
        wasi::OutgoingBody::finish(body, None).map_err(|_| Error::rejected("it may not end there".to_owned()))
    }

    /// Ends the message normally.
    pub(super) fn finish(self, trailers: Option<wasi::Fields>) -> Result<(), Error> {
        let Self { ready, stream, body } = self;
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
/// On an error the writer is dropped, which breaks the message off.
pub(super) async fn write(slot: impl Slot, body: Outgoing, declared: Option<u64>) -> Result<(), Error> {
    let Outgoing { data, trailers } = body;
    let mut output = Output { slot, left: Remaining::new(declared), last: Bytes::new() };
    let trailers = match data {
        OutgoingData::Bytes(bytes) => {
            output.left.count(bytes.len() as u64)?;
            output.last = bytes;
            trailers
        }
        OutgoingData::Incoming(mut incoming) => {
            output.splice(&mut incoming).await?;
            // The trailers of an incoming body pass through as host resources. If the user adds trailers, the body
            // becomes a `Stream` and does not get here.
            let may_block = output.may_block_for(&incoming);
            let received = poll_fn(|cx| incoming.poll_fields(may_block, cx)).await?;
            return output.finish_with(received);
        }
        OutgoingData::Stream(mut body) => {
            let received = output.stream(body.as_mut()).await?;
            received.or(trailers)
        }
    };
    output.finish(trailers).await
}

struct Output<S> {
    slot: S,
    left: Remaining,
    /// The next piece. The piece that completes the declared length is written after the body has ended normally,
    /// because peers take its last byte for the end of the message.
    last: Bytes,
}

impl<S: Slot> Output<S> {
    fn may_block_for(&self, incoming: &ArrivingBody) -> bool {
        self.slot.may_block() && !incoming.has_deadline()
    }

    async fn splice(&mut self, incoming: &mut ArrivingBody) -> Result<(), Error> {
        let may_block = self.may_block_for(incoming);
        let Self { slot, left, .. } = self;
        incoming.forget_wakers();
        poll_fn(|cx| slot.with(|writer| writer.poll_splice(incoming, left, may_block, cx))?).await
    }

    /// Writes a body piece by piece, and flushes the output whenever the next piece is not ready. Returns the
    /// trailers of the body.
    async fn stream<B>(&mut self, mut body: Pin<&mut B>) -> Result<Option<Box<HeaderMap>>, Error>
    where
        B: Body<Data = Bytes, Error = Error> + ?Sized,
    {
        let Self { slot, left, last } = self;
        let mut trailers = None;
        let mut flushed = false;
        poll_fn(|cx| {
            loop {
                if !last.is_empty() && !left.is_complete() {
                    let may_block = slot.may_block();
                    ready!(slot.with(|writer| writer.poll_write(last, may_block, cx))?)?;
                    flushed = false;
                }
                match body.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(frame)) => match frame?.into_data() {
                        Ok(data) if data.is_empty() => {}
                        Ok(data) => {
                            left.count(data.len() as u64)?;
                            *last = data;
                        }
                        Err(frame) => trailers = frame.into_trailers().ok().map(Box::new),
                    },
                    Poll::Ready(None) => return Poll::Ready(Ok(trailers.take())),
                    Poll::Pending => {
                        if !flushed {
                            flushed = true;
                            slot.with(|writer| writer.flush())??;
                        }
                        return Poll::Pending;
                    }
                }
            }
        })
        .await
    }

    async fn finish(mut self, trailers: Option<Box<HeaderMap>>) -> Result<(), Error> {
        let trailers = trailers.map(|trailers| convert::headers_into_wasi(&trailers)).transpose();
        let trailers = trailers.map_err(Error::trailers)?.map(|(fields, _)| fields);
        if !self.last.is_empty() {
            let Self { slot, last, .. } = &mut self;
            let may_block = slot.may_block();
            poll_fn(|cx| slot.with(|writer| writer.poll_write(last, may_block, cx))?).await?;
        }
        self.finish_with(trailers)
    }

    fn finish_with(self, trailers: Option<wasi::Fields>) -> Result<(), Error> {
        self.left.finish()?;
        self.slot.take().ok_or_else(Error::closed)?.finish(trailers)
    }
}

fn write_error(error: StreamError) -> Error {
    match error {
        StreamError::Closed => Error::closed(),
        StreamError::LastOperationFailed(error) => Error::rejected(error.to_debug_string()),
    }
}
