//! Outbound calls.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response};

use super::bindings::wasi::http::types as wasi;
use super::clock::Sleep;
use super::heads::WorldHeads;
use super::incoming::ArrivingBody;
use super::outgoing::{Message, Rest};
use super::{abi, convert, exchange};
use crate::sys::abi::head;
use crate::sys::body::{self, MessageBody, Origin};
use crate::sys::executor::{self, Until};
use crate::sys::http::{request, response, target};
use crate::sys::log::Chain;
use crate::sys::outbound::{self, Kind, Timeouts};

/// The failure of a request body, shared with the code that waits for the response.
type UploadError = Arc<Mutex<Option<body::Error>>>;

/// Sends a request; the returned future waits for the response.
pub(super) fn send<B: MessageBody>(request: Box<Request<B>>, timeouts: &Timeouts) -> OutboundExchange<B> {
    OutboundExchange::start(request, |request| {
        let (outgoing, rest) = outgoing(request, convert::options(timeouts)?)?;
        let upload_error = rest.map(upload_beside);
        let deadline = timeouts.total.map(Sleep::new);
        Ok(PendingCall { response: abi::OutboundCall::with_server(outgoing), deadline, upload_error })
    })
}

/// Passes a request to the next handler.
pub(super) fn pass_on<B: MessageBody>(request: Box<Request<B>>) -> OutboundExchange<B> {
    OutboundExchange::start(request, |request| {
        let (outgoing, rest) = outgoing(request, None)?;
        if request.uri().path_and_query().is_some_and(|path| target::is_asterisk(request.method(), path)) {
            // `write_target` writes an empty path where the host refuses `*`. The next handler may get this request
            // without a network in between, and hosts show it an empty path as `/`. A missing path is accepted
            // everywhere.
            let _ = outgoing.set_path_with_query(None);
        }
        let upload_error = rest.map(upload_beside);
        Ok(PendingCall { response: abi::OutboundCall::with_next(outgoing), deadline: None, upload_error })
    })
}

/// A request in flight. Implements `Future` by hand to stay small, because futures are moved.
pub(super) struct OutboundExchange<B> {
    request: Box<Request<B>>,
    /// The error is taken by the first poll.
    waiting: Result<PendingCall, Option<outbound::Error>>,
}

impl<B: MessageBody> OutboundExchange<B> {
    fn start(
        mut request: Box<Request<B>>,
        start: impl FnOnce(&mut Request<B>) -> Result<PendingCall, outbound::Error>,
    ) -> Self {
        let waiting = start(&mut request).map_err(Some);
        Self { request, waiting }
    }
}

impl<B: MessageBody> Future for OutboundExchange<B> {
    type Output = Result<Box<Response<B>>, outbound::Error>;

    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let is_head = *self.request.method() == Method::HEAD;
        let response = match &mut self.waiting {
            Ok(waiting) => ready!(waiting.poll(is_head, cx)),
            Err(error) => {
                Err(error.take().unwrap_or_else(|| outbound::Error::new(Kind::Host, "the response was taken before")))
            }
        };
        Poll::Ready(response.map_err(|error| error.with_target(self.request.method(), self.request.uri())))
    }
}

/// An outbound call between its request and the head of its response.
struct PendingCall {
    response: abi::OutboundCall,
    deadline: Option<Sleep>,
    upload_error: Option<UploadError>,
}

impl PendingCall {
    fn poll<B: MessageBody>(
        &mut self,
        is_head: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Box<Response<B>>, outbound::Error>> {
        let head = match (Pin::new(&mut self.response).poll(cx), &mut self.deadline) {
            (Poll::Ready(head), _) => head.map_err(refused),
            (Poll::Pending, Some(deadline)) => {
                ready!(Pin::new(deadline).poll(cx));
                Err(outbound::Error::new(Kind::Timeout, "no response in time"))
            }
            (Poll::Pending, None) => return Poll::Pending,
        };
        let cause = self.upload_error.take().and_then(|failure| take(&failure));
        Poll::Ready(match (head, cause) {
            (Ok(response), cause) => {
                cause.as_ref().map(log_failure);
                receive(response, is_head, self.deadline.take())
            }
            (Err(_), Some(cause)) => {
                Err(outbound::Error::new(Kind::Body, "the request body failed").with_source(cause))
            }
            (Err(error), None) => Err(error),
        })
    }
}

/// Makes a request in the host. Returns it with the unwritten rest of its body.
fn outgoing<B: MessageBody>(
    request: &mut Request<B>,
    options: Option<wasi::RequestOptions>,
) -> Result<(wasi::Request, Option<Rest>), outbound::Error> {
    let invalid = |reason: String| outbound::Error::new(Kind::Request, reason);
    let body = mem::take(request.body_mut());
    let fields = wasi::Fields::new();
    let framing = request::write_headers(&fields, request, body.known()).map_err(invalid)?;
    let Message { data, ended, rest } =
        if framing.has_body { Message::new(body.into_outgoing(), framing.declared) } else { Message::empty() };
    // The second value is a future that reports a failed transmission. It is not needed: the response reports the
    // failure too, and writers learn of it from their stream.
    let (outgoing, _) = wasi::Request::new(fields, data, ended, options);
    request::write_target(&outgoing, request.method(), request.uri()).map_err(invalid)?;
    Ok((outgoing, rest))
}

/// Sends the rest of a request in the background.
fn upload_beside(rest: Rest) -> UploadError {
    let failure = UploadError::default();
    let report = Arc::clone(&failure);
    // A body in memory is sent to its end, because a handler that has received the response assumes that the whole
    // request has been sent. A body that streams ends with the exchange, because its source ends then too.
    let is_at_hand = rest.is_at_hand();
    let upload = async move {
        if let Err(error) = rest.write().await
            && !error.is_closed()
        {
            if Arc::strong_count(&report) == 1 {
                // No code waits for this error any more: the response has arrived, or its future has been dropped.
                log_failure(&error);
            }
            *report.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    };
    executor::spawn(Box::pin(upload), if is_at_hand { Until::ItEnds } else { Until::ResponseEnds });
    failure
}

#[cold]
fn log_failure(error: &body::Error) {
    exchange::log(&format!("the request body was cut: {}", Chain(error)));
}

fn take(failure: &UploadError) -> Option<body::Error> {
    failure.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn receive<B: MessageBody>(
    incoming: wasi::Response,
    is_head: bool,
    deadline: Option<Sleep>,
) -> Result<Box<Response<B>>, outbound::Error> {
    let invalid = |reason: String| outbound::Error::new(Kind::Protocol, format!("the response is not valid: {reason}"));
    let status = response::status(incoming.get_status_code()).map_err(invalid)?;
    let mut response = Box::new(Response::new(B::default()));
    *response.status_mut() = status;
    let declared = head::append_to::<WorldHeads>(response.headers_mut(), &incoming.get_headers()).map_err(invalid)?;
    let length = response::body_length(status, is_head, declared.length);
    let body = wasi::Response::consume_body(incoming, abi::say_ok());
    *response.body_mut() = B::incoming(ArrivingBody::new(body, length, deadline), Origin::Response);
    Ok(response)
}

fn refused(code: wasi::ErrorCode) -> outbound::Error {
    let (kind, message) = convert::error_from_wasi(code);
    outbound::Error::new(kind, message)
}
