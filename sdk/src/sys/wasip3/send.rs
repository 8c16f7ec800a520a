//! Outbound calls.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http::{Method, StatusCode};

use super::bindings::wasi::http::types as wasi;
use super::clock::{self, Sleep};
use super::imports::HeadsOfWorld;
use super::incoming::IncomingBody;
use super::outgoing::{Message, Rest};
use super::{abi, convert, exchange};
use crate::body;
use crate::client::{Error, Kind, Timeouts};
use crate::sys::abi::head;
use crate::sys::http::{framing, headers, target};
use crate::{Body, Request, Response, error, task};

/// Why the upload failed, told to whoever waits for the response.
type UploadError = Arc<Mutex<Option<body::Error>>>;

/// Sends a request, and waits for its response where the future is polled.
pub(super) fn send(request: Box<Request>, timeouts: &Timeouts) -> OutboundExchange {
    OutboundExchange::start(request, |request| {
        let (outgoing, rest) = outgoing(request, options(timeouts)?)?;
        let upload_error = rest.map(upload_beside);
        let deadline = timeouts.total.map(Sleep::new);
        Ok(Waiting { response: abi::OutboundCall::with_server(outgoing), deadline, upload_error })
    })
}

/// Passes a request on to the handler behind this one.
pub(super) fn pass_on(request: Box<Request>) -> OutboundExchange {
    OutboundExchange::start(request, |request| {
        let (outgoing, rest) = outgoing(request, None)?;
        if request.uri().path_and_query().is_some_and(|path| target::is_asterisk(request.method(), path)) {
            // The handler behind this one may get the path without the host in between, and hosts show an empty one as `/`.
            // A host takes none in any case.
            let _ = outgoing.set_path_with_query(None);
        }
        let upload_error = rest.map(upload_beside);
        Ok(Waiting { response: abi::OutboundCall::with_next(outgoing), deadline: None, upload_error })
    })
}

/// A request on its way. It is no `async fn`, because futures are moved about, and this is the smallest that it can be.
pub(super) struct OutboundExchange {
    request: Box<Request>,
    /// Or why there is nothing to wait for, until it has been told.
    waiting: Result<Waiting, Option<Error>>,
}

impl OutboundExchange {
    fn start(mut request: Box<Request>, start: impl FnOnce(&mut Request) -> Result<Waiting, Error>) -> Self {
        let waiting = start(&mut request).map_err(Some);
        Self { request, waiting }
    }
}

impl Future for OutboundExchange {
    type Output = Result<Box<Response>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let is_head = *self.request.method() == Method::HEAD;
        let response = match &mut self.waiting {
            Ok(waiting) => ready!(waiting.poll(is_head, cx)),
            Err(error) => Err(error.take().unwrap_or_else(|| Error::new(Kind::Host, "the response was taken before"))),
        };
        Poll::Ready(response.map_err(|error| error.with_target(self.request.method(), self.request.uri())))
    }
}

/// What is going on between a request and the head of its response.
struct Waiting {
    response: abi::OutboundCall,
    deadline: Option<Sleep>,
    upload_error: Option<UploadError>,
}

impl Waiting {
    fn poll(&mut self, is_head: bool, cx: &mut Context<'_>) -> Poll<Result<Box<Response>, Error>> {
        let head = match (Pin::new(&mut self.response).poll(cx), &mut self.deadline) {
            (Poll::Ready(head), _) => head.map_err(refused),
            (Poll::Pending, Some(deadline)) => {
                ready!(Pin::new(deadline).poll(cx));
                Err(Error::new(Kind::Timeout, "no response in time"))
            }
            (Poll::Pending, None) => return Poll::Pending,
        };
        let cause = self.upload_error.take().and_then(|failure| take(&failure));
        Poll::Ready(match (head, cause) {
            (Ok(response), cause) => {
                cause.as_ref().map(log_failure);
                receive(response, is_head, self.deadline.take())
            }
            (Err(_), Some(cause)) => Err(Error::new(Kind::Body, "the request body failed").with_source(cause)),
            (Err(error), None) => Err(error),
        })
    }
}

/// The limits that the host keeps.
fn options(timeouts: &Timeouts) -> Result<Option<wasi::RequestOptions>, Error> {
    if timeouts.connect.is_none() && timeouts.first_byte.is_none() && timeouts.between_bytes.is_none() {
        return Ok(None);
    }
    let options = wasi::RequestOptions::new();
    let unsupported = |_| Error::new(Kind::Unsupported, "the host cannot keep the time limits of the request");
    options.set_connect_timeout(timeouts.connect.map(clock::nanos)).map_err(unsupported)?;
    options.set_first_byte_timeout(timeouts.first_byte.map(clock::nanos)).map_err(unsupported)?;
    options.set_between_bytes_timeout(timeouts.between_bytes.map(clock::nanos)).map_err(unsupported)?;
    Ok(Some(options))
}

/// Makes a request, and what remains to be written of it.
fn outgoing(
    request: &mut Request,
    options: Option<wasi::RequestOptions>,
) -> Result<(wasi::Request, Option<Rest>), Error> {
    let body = mem::take(request.body_mut());
    let known = body.known();
    let (body, trailers) = body.into_outgoing();
    let invalid = |reason: String| Error::new(Kind::Request, reason);
    let (fields, set_length) = convert::headers_into_wasi(request.headers()).map_err(invalid)?;
    let framing = framing::of_request(request.method(), set_length, known).map_err(invalid)?;
    headers::set_length(&fields, framing.header).map_err(invalid)?;
    let Message { data, ended, rest } =
        if framing.has_body { Message::new(body, trailers, framing.declared) } else { Message::empty() };
    // How the sending went, the response tells, and writers learn from their stream.
    let (outgoing, _) = wasi::Request::new(fields, data, ended, options);
    set_target(&outgoing, request)?;
    Ok((outgoing, rest))
}

fn set_target(outgoing: &wasi::Request, request: &Request) -> Result<(), Error> {
    let refused = |what: &str, value: &dyn std::fmt::Display| {
        Error::new(Kind::Request, format!("the host refused the {what} `{value}`"))
    };
    let (method, uri) = (request.method(), request.uri());
    if *method != Method::GET && outgoing.set_method(&convert::method_into_wasi(method)).is_err() {
        return Err(refused("method", method));
    }
    if let Some(scheme) = uri.scheme()
        && outgoing.set_scheme(Some(&convert::scheme_into_wasi(scheme))).is_err()
    {
        return Err(refused("scheme", scheme));
    }
    if let Some(authority) = uri.authority()
        && outgoing.set_authority(Some(authority.as_str())).is_err()
    {
        return Err(refused("authority", authority));
    }
    if let Some(path) = uri.path_and_query()
        && outgoing.set_path_with_query(Some(path.as_str())).is_err()
        && !(target::is_asterisk(method, path) && outgoing.set_path_with_query(Some("")).is_ok())
    {
        return Err(refused("path", path));
    }
    Ok(())
}

/// Sends what remains of a request beside whatever the handler does.
fn upload_beside(rest: Rest) -> UploadError {
    let failure = UploadError::default();
    let report = Arc::clone(&failure);
    // Bytes at hand need nobody any more, and a handler that has its answer takes them for sent. What streams ends with
    // the exchange, as what it comes from does.
    let is_at_hand = rest.is_at_hand();
    let upload = async move {
        if let Err(error) = rest.write().await
            && !error.is_closed()
        {
            if Arc::strong_count(&report) == 1 {
                // The response has come, or nobody waits for it.
                log_failure(&error);
            }
            *report.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    };
    if is_at_hand {
        task::run_on(upload)
    } else {
        task::run_beside(upload)
    }
    failure
}

#[cold]
fn log_failure(error: &body::Error) {
    exchange::log(&format!("the request body was cut: {}", error::Chain(error)));
}

fn take(failure: &UploadError) -> Option<body::Error> {
    failure.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn receive(incoming: wasi::Response, is_head: bool, deadline: Option<Sleep>) -> Result<Box<Response>, Error> {
    let invalid = |reason: String| Error::new(Kind::Protocol, format!("the response is not valid: {reason}"));
    let status = StatusCode::from_u16(incoming.get_status_code()).map_err(|error| invalid(error.to_string()))?;
    let mut response = Box::new(Response::new(Body::empty()));
    *response.status_mut() = status;
    let told = head::append_to::<HeadsOfWorld>(response.headers_mut(), &incoming.get_headers()).map_err(invalid)?;
    // What these declare is the length of another response (RFC 9110, section 8.6).
    let bodiless = is_head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let declared = if bodiless { Some(0) } else { told.length };
    let body = wasi::Response::consume_body(incoming, abi::say_ok());
    *response.body_mut() = Body::incoming(IncomingBody::new(body, declared, deadline)).of_a_response();
    Ok(response)
}

fn refused(code: wasi::ErrorCode) -> Error {
    let (kind, message) = convert::error_from_wasi(code);
    Error::new(kind, message)
}
