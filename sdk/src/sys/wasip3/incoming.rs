//! Incoming bodies.

use std::future::{Future as _, IntoFuture as _};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::SizeHint;
use wit_bindgen::rt::async_support::{FutureRead, FutureReader, StreamReader};

use super::abi::Source;
use super::bindings::wasi::http::types as wasi;
use super::clock::Sleep;
use super::convert;
use super::heads::WorldHeads;
use crate::sys::abi::head;
use crate::sys::body::{Error, IncomingBody};
use crate::sys::http::length::{Received, Stage};

/// The size of a read in bytes.
const READ_BYTES: usize = 64 * 1024;

/// The end of a body: its trailers if there are any, or an error.
pub(super) type Ended = Result<Option<wasi::Trailers>, wasi::ErrorCode>;

/// The body of an incoming request or of a response from an upstream.
pub struct ArrivingBody {
    state: BodyState,
    received: Received,
    /// The deadline of the outbound call whose response has this body.
    deadline: Option<Sleep>,
}

enum BodyState {
    Data(Source, FutureReader<Ended>),
    /// All data has been read. A body without a declared length may still turn out to be incomplete.
    Ending(Pin<Box<FutureRead<Ended>>>),
    Ended(Option<wasi::Trailers>),
    Done,
}

impl ArrivingBody {
    pub(super) fn new(
        (data, ended): (StreamReader<u8>, FutureReader<Ended>),
        declared: Option<u64>,
        deadline: Option<Sleep>,
    ) -> Self {
        Self { state: BodyState::Data(Source::new(data), ended), received: Received::new(declared), deadline }
    }

    /// Returns the stream of the host and the future of its end, so that the bytes need not pass through the
    /// component.
    ///
    /// Fails if the component has begun to read the body, or if the body must be read before a deadline.
    pub(super) fn into_parts(mut self: Box<Self>) -> Result<(StreamReader<u8>, FutureReader<Ended>), Box<Self>> {
        // The host keeps the rest of a partly read piece for the component that read it. This rest would be lost if
        // another reader took the stream over.
        if self.deadline.is_some() || self.received.bytes > 0 {
            return Err(self);
        }
        match mem::replace(&mut self.state, BodyState::Done) {
            BodyState::Data(source, ended) => match source.into_reader() {
                Ok(data) => return Ok((data, ended)),
                Err(source) => self.state = BodyState::Data(source, ended),
            },
            state => self.state = state,
        }
        Err(self)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            match &mut self.state {
                BodyState::Data(source, _) => {
                    if let Some(bytes) = ready!(source.poll_read(self.received.limit(READ_BYTES), cx)) {
                        self.received.count(bytes.len() as u64);
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    let BodyState::Data(_, ended) = mem::replace(&mut self.state, BodyState::Done) else {
                        return Poll::Ready(None);
                    };
                    self.state = BodyState::Ending(Box::pin(ended.into_future()));
                    if self.received.is_complete() {
                        return Poll::Ready(None);
                    }
                }
                // A body that has reached its declared length needs no confirmation of its end.
                BodyState::Ending(_) if self.received.is_complete() => return Poll::Ready(None),
                BodyState::Ending(_) => {
                    if let Err(error) = ready!(self.poll_end(cx)) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                BodyState::Ended(_) | BodyState::Done => return Poll::Ready(None),
            }
        }
    }

    /// Waits for the end of the body.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let BodyState::Ending(ended) = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        let ended = ready!(ended.as_mut().poll(cx));
        self.state = BodyState::Done;
        Poll::Ready(match ended {
            Err(code) => Err(self.broken_off(convert::error_from_wasi(code).1)),
            Ok(_) if !self.received.may_end() => Err(self.broken_off(String::new())),
            Ok(trailers) => {
                self.state = BodyState::Ended(trailers);
                Ok(())
            }
        })
    }

    /// Polls for the trailers as host resources, after all data has been read.
    pub(super) fn poll_fields(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<wasi::Trailers>, Error>> {
        ready!(self.poll_end(cx))?;
        match mem::replace(&mut self.state, BodyState::Done) {
            BodyState::Ended(trailers) => Poll::Ready(Ok(trailers)),
            _ => Poll::Ready(Ok(None)),
        }
    }

    fn broken_off(&self, reason: String) -> Error {
        Error::broken_off(self.received.bytes, self.received.declared, reason)
    }
}

impl IncomingBody for ArrivingBody {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let piece = self.poll_piece(cx);
        if piece.is_pending()
            && let Some(deadline) = &mut self.deadline
            && Pin::new(deadline).poll(cx).is_ready()
        {
            self.state = BodyState::Done;
            return Poll::Ready(Some(Err(Error::timed_out(self.received.bytes))));
        }
        piece
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, Error>> {
        let fields = ready!(self.poll_fields(cx))?;
        let trailers = fields.map(|fields| head::headers::<WorldHeads>(&fields)).transpose();
        Poll::Ready(trailers.map_err(|error| self.broken_off(format!("its trailers are not valid: {error}"))))
    }

    fn size_hint(&self) -> SizeHint {
        self.received.size_hint(match &self.state {
            BodyState::Data(..) => Stage::Data,
            BodyState::Ending(_) => Stage::Ending,
            BodyState::Ended(Some(_)) => Stage::Trailers,
            BodyState::Ended(None) | BodyState::Done => Stage::Done,
        })
    }
}
