//! Incoming bodies.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::SizeHint;

use super::bindings::wasi::http::types as wasi;
use super::bindings::wasi::io::streams::{InputStream, StreamError};
use super::heads::WorldHeads;
use super::poll::Ready;
use super::{convert, lists};
use crate::sys::abi::head;
use crate::sys::body::{Error, IncomingBody};
use crate::sys::http::length::{Received, Stage};

/// The size of a read in bytes.
const READ_BYTES: u64 = 64 * 1024;

/// The body of an incoming request or of a response from an upstream.
pub struct ArrivingBody {
    state: BodyState,
    received: Received,
    /// The deadline of the outbound call whose response has this body.
    deadline: Option<Ready>,
    /// The response to which the body belongs. Some hosts end the exchange when the response is dropped, so it lives
    /// as long as the body.
    _response: Option<wasi::IncomingResponse>,
}

enum BodyState {
    Unread(wasi::IncomingBody),
    Data(Data),
    /// All data has been read; the trailers have not been requested.
    Read(wasi::IncomingBody),
    Trailers(Trailers),
    /// The end of the body is known and has not been returned.
    Ended(Result<Option<wasi::Trailers>, Error>),
    Done,
}

/// The fields are dropped in this order. Each is a child of the next one, and the host traps if a parent is dropped
/// before its child.
struct Data {
    ready: Option<Ready>,
    stream: InputStream,
    body: wasi::IncomingBody,
}

/// The fields are dropped in this order. `ready` is a child of `future`, and the host traps if a parent is dropped
/// before its child.
struct Trailers {
    ready: Option<Ready>,
    future: wasi::FutureTrailers,
}

impl ArrivingBody {
    pub(super) fn new(body: wasi::IncomingBody, declared: Option<u64>) -> Self {
        Self { state: BodyState::Unread(body), received: Received::new(declared), deadline: None, _response: None }
    }

    pub(super) fn of_response(
        body: wasi::IncomingBody,
        declared: Option<u64>,
        response: wasi::IncomingResponse,
        deadline: Option<Ready>,
    ) -> Self {
        Self { state: BodyState::Unread(body), received: Received::new(declared), deadline, _response: Some(response) }
    }

    /// Repeats an operation on the stream of the body until the operation returns a value or the stream ends.
    ///
    /// The operation returns the number of bytes that it took from the stream, and a value for the caller.
    pub(super) fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&InputStream) -> Result<Option<(u64, T)>, StreamError>,
    ) -> Poll<Option<Result<T, Error>>> {
        let Some(data) = self.open() else {
            return Poll::Ready(None);
        };
        loop {
            match operation(&data.stream) {
                Ok(Some((count, value))) => {
                    self.received.count(count);
                    return Poll::Ready(Some(Ok(value)));
                }
                Ok(None) => {
                    let ready = data.ready.get_or_insert_with(|| Ready::new(data.stream.subscribe()));
                    if ready.poll(cx).is_pending() {
                        match &self.deadline {
                            Some(deadline) => ready!(deadline.poll(cx)),
                            None => return Poll::Pending,
                        }
                        self.state = BodyState::Done;
                        return Poll::Ready(Some(Err(Error::timed_out(self.received.bytes))));
                    }
                }
                Err(error) => return Poll::Ready(self.end(error)),
            }
        }
    }

    /// Polls for the trailers as host resources, after all data has been read.
    ///
    /// Blocks the thread until the trailers arrive if `may_block` is true.
    pub(super) fn poll_fields(
        &mut self,
        may_block: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<wasi::Trailers>, Error>> {
        self.ask_for_trailers();
        let BodyState::Trailers(trailers) = &mut self.state else {
            if let BodyState::Ended(_) = self.state
                && let BodyState::Ended(ended) = std::mem::replace(&mut self.state, BodyState::Done)
            {
                return Poll::Ready(ended);
            }
            return Poll::Ready(Ok(None));
        };
        let result = loop {
            match trailers.future.get() {
                Some(result) => break result,
                None if may_block => trailers.future.subscribe().block(),
                None => {
                    let ready = trailers.ready.get_or_insert_with(|| Ready::new(trailers.future.subscribe()));
                    ready!(ready.poll(cx));
                }
            }
        };
        let trailers = self.received_trailers(result);
        self.state = BodyState::Done;
        Poll::Ready(trailers)
    }

    /// Whether the body has ended without trailers. Asks the host without waiting.
    ///
    /// The host gives such a body to a request without content. When this request is sent on, it must not get framing
    /// headers (RFC 9112, section 6.3).
    pub(super) fn is_over(&mut self) -> bool {
        if let Some(data) = self.open() {
            // A read of zero bytes tells whether the stream is closed, and takes nothing.
            let Err(error) = data.stream.read(0) else { return false };
            if let Some(Err(error)) = self.end::<()>(error) {
                self.state = BodyState::Ended(Err(error));
            }
        }
        self.ask_for_trailers();
        let BodyState::Trailers(trailers) = &self.state else { return matches!(self.state, BodyState::Done) };
        if !trailers.future.subscribe().ready() {
            return false;
        }
        let Some(result) = trailers.future.get() else { return false };
        let trailers = self.received_trailers(result);
        let is_over = matches!(trailers, Ok(None));
        self.state = if is_over { BodyState::Done } else { BodyState::Ended(trailers) };
        is_over
    }

    /// Requests the trailers, if all data has been read or the stream of the data has never been opened.
    fn ask_for_trailers(&mut self) {
        if let BodyState::Read(_) | BodyState::Unread(_) = self.state
            && let BodyState::Read(body) | BodyState::Unread(body) = std::mem::replace(&mut self.state, BodyState::Done)
        {
            self.state = BodyState::Trailers(Trailers { ready: None, future: wasi::IncomingBody::finish(body) });
        }
    }

    fn received_trailers(
        &self,
        result: Result<Result<Option<wasi::Trailers>, wasi::ErrorCode>, ()>,
    ) -> Result<Option<wasi::Trailers>, Error> {
        match result {
            // The outer error means that the trailers were taken before, which the state excludes.
            Err(()) => Ok(None),
            Ok(Ok(fields)) => Ok(fields),
            Ok(Err(code)) => {
                let (_, message) = convert::error_from_wasi(code);
                Err(self.broken_off(message))
            }
        }
    }

    /// Drops the wakers of earlier readers. A waker may own anything, so it must not be dropped while `EXCHANGE` is
    /// borrowed.
    pub(super) fn forget_wakers(&self) {
        let ready = match &self.state {
            BodyState::Data(data) => data.ready.as_ref(),
            BodyState::Trailers(trailers) => trailers.ready.as_ref(),
            _ => None,
        };
        ready.into_iter().chain(&self.deadline).for_each(Ready::forget_waker);
    }

    /// Whether the body must be read before a deadline.
    pub(super) fn has_deadline(&self) -> bool {
        self.deadline.is_some()
    }

    fn broken_off(&self, reason: String) -> Error {
        Error::broken_off(self.received.bytes, self.received.declared, reason)
    }

    fn open(&mut self) -> Option<&mut Data> {
        if let BodyState::Unread(_) = self.state {
            let BodyState::Unread(body) = std::mem::replace(&mut self.state, BodyState::Done) else {
                return None;
            };
            // This fails only if the stream was taken before, which cannot be: the body has one owner, and its state
            // was `Unread`.
            let stream = body.stream().ok()?;
            self.state = BodyState::Data(Data { ready: None, stream, body });
        }
        match &mut self.state {
            BodyState::Data(data) => Some(data),
            _ => None,
        }
    }

    /// Handles the end of the stream. An end before the declared length is an error.
    fn end<T>(&mut self, error: StreamError) -> Option<Result<T, Error>> {
        let BodyState::Data(Data { ready, stream, body }) = std::mem::replace(&mut self.state, BodyState::Done) else {
            return None;
        };
        drop(ready);
        drop(stream);
        match error {
            StreamError::LastOperationFailed(error) => {
                // The trailers are not requested: the host would report that there are none, as if the body were
                // complete.
                Some(Err(self.broken_off(error.to_debug_string())))
            }
            StreamError::Closed if !self.received.may_end() => Some(Err(self.broken_off(String::new()))),
            StreamError::Closed => {
                self.state = BodyState::Read(body);
                None
            }
        }
    }
}

impl IncomingBody for ArrivingBody {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        self.poll_with(cx, |stream| {
            let bytes = lists(|| stream.read(READ_BYTES))?;
            Ok((!bytes.is_empty()).then(|| (bytes.len() as u64, Bytes::from(bytes))))
        })
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, Error>> {
        let fields = ready!(self.poll_fields(false, cx))?;
        let trailers = fields.map(|fields| head::headers::<WorldHeads>(&fields)).transpose();
        Poll::Ready(trailers.map_err(|error| self.broken_off(format!("its trailers are not valid: {error}"))))
    }

    fn size_hint(&self) -> SizeHint {
        self.received.size_hint(match &self.state {
            BodyState::Unread(_) | BodyState::Data(_) => Stage::Data,
            BodyState::Read(_) | BodyState::Trailers(_) | BodyState::Ended(_) => Stage::Ending,
            BodyState::Done => Stage::Done,
        })
    }
}
