//! Outbound calls.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response};

use super::bindings::wasi::http::outgoing_handler;
use super::bindings::wasi::http::types as wasi;
use super::heads::WorldHeads;
use super::incoming::ArrivingBody;
use super::outgoing::{self, Writer};
use super::poll::{self, Ready};
use super::{convert, exchange};
use crate::sys::abi::head;
use crate::sys::body::{self, MessageBody, Origin, Outgoing, OutgoingData};
use crate::sys::executor::{self, Until};
use crate::sys::http::framing::{Framing, Known};
use crate::sys::http::{request, response};
use crate::sys::log::Chain;
use crate::sys::outbound::{self, Kind, Timeouts};

/// Sends a request; the returned future waits for the response.
#[inline(never)]
pub(super) fn send<B: MessageBody>(mut request: Box<Request<B>>, timeouts: &Timeouts) -> OutboundExchange<B> {
    let waiting = PendingCall::start(&mut request, timeouts).map_err(Some);
    OutboundExchange { request, waiting }
}

/// A request in flight. Implements `Future` by hand to stay small, because futures are moved.
pub(super) struct OutboundExchange<B> {
    request: Box<Request<B>>,
    /// The error is taken by the first poll.
    waiting: Result<PendingCall, Option<outbound::Error>>,
}

impl<B: MessageBody> Future for OutboundExchange<B> {
    type Output = Result<Box<Response<B>>, outbound::Error>;

    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.waiting {
            Ok(waiting) => ready!(waiting.poll(cx)),
            Err(error) => Err(error.take().unwrap_or_else(taken_before)),
        };
        Poll::Ready(response.map_err(|error| error.with_target(self.request.method(), self.request.uri())))
    }
}

/// An outbound call between its request and the head of its response.
struct PendingCall {
    upload: Upload,
    response: Pending,
    deadline: Option<Ready>,
    is_head: bool,
}

impl PendingCall {
    fn start<B: MessageBody>(request: &mut Request<B>, timeouts: &Timeouts) -> Result<Self, outbound::Error> {
        let body = mem::take(request.body_mut());
        let mut known = body.known();
        let mut body = body.into_outgoing();
        if let (OutgoingData::Incoming(incoming), Known { length: None, has_trailers: false }) = (&mut body.data, known)
        {
            known.length = incoming.is_over().then_some(0);
        }
        let options = convert::options(timeouts)?;
        let (outgoing, framing) = head(request, known)?;
        let writer = if framing.has_body {
            let writer = outgoing.body().ok().and_then(Writer::new);
            Some(writer.ok_or_else(|| outbound::Error::new(Kind::Host, "the host refused a body for the request"))?)
        } else {
            None
        };
        let response = outgoing_handler::handle(outgoing, options).map_err(refused)?;
        let upload = match writer {
            Some(writer) => start_upload(writer, body, framing.declared)?,
            None => Upload::done(),
        };
        let deadline = timeouts.total.map(poll::after);
        let is_head = *request.method() == Method::HEAD;
        Ok(Self { upload, response: Pending { ready: None, response }, deadline, is_head })
    }

    fn poll<B: MessageBody>(&mut self, cx: &mut Context<'_>) -> Poll<Result<Box<Response<B>>, outbound::Error>> {
        self.upload.poll(cx);
        let head = match (self.response.poll(cx), &self.deadline) {
            (Poll::Ready(head), _) => head,
            (Poll::Pending, Some(deadline)) => {
                ready!(deadline.poll(cx));
                Err(outbound::Error::new(Kind::Timeout, "no response in time"))
            }
            (Poll::Pending, None) => return Poll::Pending,
        };
        Poll::Ready(match head {
            Ok(response) => receive(response, self.is_head, self.deadline.take()),
            Err(error) => match self.upload.failure.take() {
                Some(cause) => Err(body_failed(cause)),
                None => Err(error),
            },
        })
    }
}

/// Makes the request without its body.
fn head<B>(request: &Request<B>, body: Known) -> Result<(wasi::OutgoingRequest, Framing), outbound::Error> {
    let fields = wasi::Fields::new();
    let framing = request::write_headers(&fields, request, body).map_err(invalid)?;
    let outgoing = wasi::OutgoingRequest::new(fields);
    request::write_target(&outgoing, request.method(), request.uri()).map_err(invalid)?;
    Ok((outgoing, framing))
}

fn invalid(reason: String) -> outbound::Error {
    outbound::Error::new(Kind::Request, reason)
}

/// Starts to send the body. The part that the host does not accept at once is sent in the background.
fn start_upload(writer: Writer, mut body: Outgoing, declared: Option<u64>) -> Result<Upload, outbound::Error> {
    let OutgoingData::Bytes(bytes) = &mut body.data else { return Ok(Upload::new(writer, body, declared)) };
    let length = bytes.len() as u64;
    if writer.write_now(bytes).is_err() {
        // The call has not failed: the server may have responded already without reading the rest of the body.
        return Ok(Upload::done());
    }
    if !bytes.is_empty() {
        let sent = length - bytes.len() as u64;
        let left = declared.map(|declared| declared.saturating_sub(sent));
        return Ok(Upload::new(writer, body, left));
    }
    let trailers = body.trailers.map(|trailers| convert::headers_into_wasi(&trailers)).transpose();
    let trailers = trailers.map_err(invalid)?.map(|(fields, _)| fields);
    match writer.finish(trailers) {
        Ok(()) => Ok(Upload::done()),
        Err(error) => Err(body_failed(error)),
    }
}

fn body_failed(cause: body::Error) -> outbound::Error {
    outbound::Error::new(Kind::Body, "the request body failed").with_source(cause)
}

type Writing = Pin<Box<dyn Future<Output = Result<(), body::Error>> + Send>>;

/// A request body that is being sent. If this value is dropped before the end of the body, the rest is sent in the
/// background.
struct Upload {
    writing: Option<Writing>,
    /// Whether all bytes are in memory. Such a body is sent to its end, because a handler that has received the
    /// response assumes that the whole request has been sent. A body that streams ends with the exchange, because its
    /// source ends then too.
    is_at_hand: bool,
    failure: Option<body::Error>,
}

impl Upload {
    fn new(writer: Writer, body: Outgoing, declared: Option<u64>) -> Self {
        let is_at_hand = matches!(body.data, OutgoingData::Bytes(_));
        let writing = Box::pin(outgoing::write(writer, body, declared));
        Self { writing: Some(writing), is_at_hand, failure: None }
    }

    fn done() -> Self {
        Self { writing: None, is_at_hand: false, failure: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(writing) = &mut self.writing
            && let Poll::Ready(written) = writing.as_mut().poll(cx)
        {
            self.writing = None;
            // A closed stream is not an error: the server may have responded without reading the rest of the body.
            self.failure = written.err().filter(|error| !error.is_closed());
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(error) = self.failure.take() {
            log_failure(&error);
        }
        let Some(writing) = self.writing.take() else { return };
        let rest = async {
            if let Err(error) = writing.await
                && !error.is_closed()
            {
                log_failure(&error);
            }
        };
        let until = if self.is_at_hand { Until::ItEnds } else { Until::ResponseEnds };
        executor::spawn(Box::pin(rest), until);
    }
}

/// Logs the failure of a request body when no code waits for the response any more.
#[cold]
fn log_failure(error: &body::Error) {
    exchange::log(&format!("the request body was cut: {}", Chain(error)));
}

/// A response that has not arrived.
///
/// The fields are dropped in this order. `ready` is a child of `response`, and the host traps if a parent is dropped
/// before its child.
struct Pending {
    ready: Option<Ready>,
    response: wasi::FutureIncomingResponse,
}

impl Pending {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<wasi::IncomingResponse, outbound::Error>> {
        loop {
            match self.response.get() {
                Some(Ok(response)) => return Poll::Ready(response.map_err(refused)),
                Some(Err(())) => return Poll::Ready(Err(taken_before())),
                None => {
                    let ready = self.ready.get_or_insert_with(|| Ready::new(self.response.subscribe()));
                    ready!(ready.poll(cx));
                }
            }
        }
    }
}

fn receive<B: MessageBody>(
    incoming: wasi::IncomingResponse,
    is_head: bool,
    deadline: Option<Ready>,
) -> Result<Box<Response<B>>, outbound::Error> {
    let invalid = |reason: String| outbound::Error::new(Kind::Protocol, format!("the response is not valid: {reason}"));
    let status = response::status(incoming.status()).map_err(invalid)?;
    let mut response = Box::new(Response::new(B::default()));
    *response.status_mut() = status;
    let declared = head::append_to::<WorldHeads>(response.headers_mut(), &incoming.headers()).map_err(invalid)?;
    let length = response::body_length(status, is_head, declared.length);
    let body = incoming.consume().map_err(|()| outbound::Error::new(Kind::Host, "the response has no body to take"))?;
    *response.body_mut() = B::incoming(ArrivingBody::of_response(body, length, incoming, deadline), Origin::Response);
    Ok(response)
}

#[cold]
fn taken_before() -> outbound::Error {
    outbound::Error::new(Kind::Host, "the response was taken before")
}

fn refused(code: wasi::ErrorCode) -> outbound::Error {
    let (kind, message) = convert::error_from_wasi(code);
    outbound::Error::new(kind, message)
}
