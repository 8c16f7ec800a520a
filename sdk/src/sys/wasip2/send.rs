//! Outbound calls.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Method, StatusCode};

use super::bindings::wasi::http::outgoing_handler;
use super::bindings::wasi::http::types as wasi;
use super::imports::HeadsOfWorld;
use super::incoming::IncomingBody;
use super::outgoing::{self, Writer};
use super::poll::{self, Ready};
use super::{convert, exchange};
use crate::body::{self, Outgoing};
use crate::client::{Error, Kind, Timeouts};
use crate::sys::abi::head;
use crate::sys::http::framing::{self, Framing, Known};
use crate::sys::http::{headers, target};
use crate::{Body, Request, Response, error, task};

/// Sends a request, and waits for its response where the future is polled.
pub(super) fn send(mut request: Box<Request>, timeouts: &Timeouts) -> OutboundExchange {
    let waiting = Waiting::start(&mut request, timeouts).map_err(Some);
    OutboundExchange { request, waiting }
}

/// A request on its way. It is no `async fn`, because futures are moved about, and this is the smallest that it can be.
pub(super) struct OutboundExchange {
    request: Box<Request>,
    /// Or why there is nothing to wait for, until it has been told.
    waiting: Result<Waiting, Option<Error>>,
}

impl Future for OutboundExchange {
    type Output = Result<Box<Response>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.waiting {
            Ok(waiting) => ready!(waiting.poll(cx)),
            Err(error) => Err(error.take().unwrap_or_else(|| Error::new(Kind::Host, "the response was taken before"))),
        };
        Poll::Ready(response.map_err(|error| error.with_target(self.request.method(), self.request.uri())))
    }
}

/// What is going on between a request and the head of its response.
struct Waiting {
    upload: Upload,
    response: Pending,
    deadline: Option<Ready>,
    is_head: bool,
}

impl Waiting {
    fn start(request: &mut Request, timeouts: &Timeouts) -> Result<Self, Error> {
        let body = mem::take(request.body_mut());
        let mut known = body.known();
        let (mut outgoing, trailers) = body.into_outgoing();
        if let (Outgoing::Incoming(incoming), Known { length: None, has_trailers: false }) = (&mut outgoing, known) {
            known.length = incoming.is_over().then_some(0);
        }
        let options = options(timeouts)?;
        let Head { request, framing, is_head } = head(request, known)?;
        let writer = if framing.has_body {
            let writer = request.body().ok().and_then(Writer::new);
            Some(writer.ok_or_else(|| Error::new(Kind::Host, "the host refused a body for the request"))?)
        } else {
            None
        };
        let response = outgoing_handler::handle(request, options).map_err(refused)?;
        let upload = match writer {
            Some(writer) => start_upload(writer, outgoing, trailers, framing.declared)?,
            None => Upload::done(),
        };
        let deadline = timeouts.total.map(poll::after);
        Ok(Self { upload, response: Pending { ready: None, response }, deadline, is_head })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Box<Response>, Error>> {
        self.upload.poll(cx);
        let head = match (self.response.poll(cx), &self.deadline) {
            (Poll::Ready(head), _) => head,
            (Poll::Pending, Some(deadline)) => {
                ready!(deadline.poll(cx));
                Err(Error::new(Kind::Timeout, "no response in time"))
            }
            (Poll::Pending, None) => return Poll::Pending,
        };
        Poll::Ready(match head {
            Ok(response) => receive(response, self.is_head, self.deadline.take()),
            Err(error) => match self.upload.failure.take() {
                Some(cause) => Err(Error::new(Kind::Body, "the request body failed").with_source(cause)),
                None => Err(error),
            },
        })
    }
}

/// The limits that the host keeps.
fn options(timeouts: &Timeouts) -> Result<Option<wasi::RequestOptions>, Error> {
    if timeouts.connect.is_none() && timeouts.first_byte.is_none() && timeouts.between_bytes.is_none() {
        return Ok(None);
    }
    let options = wasi::RequestOptions::new();
    let unsupported = |()| Error::new(Kind::Unsupported, "the host cannot keep the time limits of the request");
    options.set_connect_timeout(timeouts.connect.map(poll::nanos)).map_err(unsupported)?;
    options.set_first_byte_timeout(timeouts.first_byte.map(poll::nanos)).map_err(unsupported)?;
    options.set_between_bytes_timeout(timeouts.between_bytes.map(poll::nanos)).map_err(unsupported)?;
    Ok(Some(options))
}

struct Head {
    request: wasi::OutgoingRequest,
    framing: Framing,
    is_head: bool,
}

/// Makes the request without its body.
fn head(request: &Request, body: Known) -> Result<Head, Error> {
    let invalid = |reason: String| Error::new(Kind::Request, reason);
    let (fields, set_length) = convert::headers_into_wasi(request.headers()).map_err(invalid)?;
    let framing = framing::of_request(request.method(), set_length, body).map_err(invalid)?;
    headers::set_length(&fields, framing.header).map_err(invalid)?;
    let outgoing = wasi::OutgoingRequest::new(fields);
    let method = request.method();
    if *method != Method::GET && outgoing.set_method(&convert::method_into_wasi(method)).is_err() {
        return Err(invalid(format!("the host refused the method `{method}`")));
    }
    let uri = request.uri();
    if let Some(scheme) = uri.scheme()
        && outgoing.set_scheme(Some(&convert::scheme_into_wasi(scheme))).is_err()
    {
        return Err(invalid(format!("the host refused the scheme `{scheme}`")));
    }
    if let Some(authority) = uri.authority()
        && outgoing.set_authority(Some(authority.as_str())).is_err()
    {
        return Err(invalid(format!("the host refused the authority `{authority}`")));
    }
    if let Some(path) = uri.path_and_query()
        && outgoing.set_path_with_query(Some(path.as_str())).is_err()
        && !(target::is_asterisk(method, path) && outgoing.set_path_with_query(Some("")).is_ok())
    {
        return Err(invalid(format!("the host refused the path `{path}`")));
    }
    Ok(Head { request: outgoing, framing, is_head: *method == Method::HEAD })
}

/// Sends the body: at once if the host takes it at once, else beside whatever the handler does.
fn start_upload(
    writer: Writer,
    mut body: Outgoing,
    trailers: Option<Box<HeaderMap>>,
    declared: Option<u64>,
) -> Result<Upload, Error> {
    if let Outgoing::Bytes(bytes) = &mut body {
        let length = bytes.len() as u64;
        let sent = writer.write_now(bytes);
        if sent.is_err() {
            // The server may have answered already, and does not want the rest.
            return Ok(Upload::done());
        }
        if bytes.is_empty() {
            let trailers = trailers.map(|trailers| convert::headers_into_wasi(&trailers)).transpose();
            let trailers = trailers.map_err(|reason| Error::new(Kind::Request, reason))?;
            return match writer.finish(trailers.map(|(fields, _)| fields)) {
                Ok(()) => Ok(Upload::done()),
                Err(error) => Err(Error::new(Kind::Body, "the request body failed").with_source(error)),
            };
        }
        let sent = length - bytes.len() as u64;
        let left = declared.map(|declared| declared.saturating_sub(sent));
        return Ok(Upload::new(writer, body, trailers, left));
    }
    Ok(Upload::new(writer, body, trailers, declared))
}

type Writing = Pin<Box<dyn Future<Output = Result<(), body::Error>> + Send>>;

/// The body of a request on its way, which goes on beside the handler when nobody waits for the response any more.
struct Upload {
    writing: Option<Writing>,
    /// Bytes at hand need nobody any more, and a handler that has its answer takes them for sent. What streams ends with
    /// the exchange, as what it comes from does.
    is_at_hand: bool,
    failure: Option<body::Error>,
}

impl Upload {
    fn new(writer: Writer, body: Outgoing, trailers: Option<Box<HeaderMap>>, declared: Option<u64>) -> Self {
        let is_at_hand = matches!(body, Outgoing::Bytes(_));
        let writing = Box::pin(outgoing::write(writer, body, trailers, declared));
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
            // A server that wants no more of it may have answered.
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
        if self.is_at_hand { task::run_on(rest) } else { task::run_beside(rest) }
    }
}

/// Logs the failure of a body whose response has come, or is not waited for.
#[cold]
fn log_failure(error: &body::Error) {
    exchange::log(&format!("the request body was cut: {}", error::Chain(error)));
}

/// A response that has yet to arrive.
///
/// Fields are dropped from the first to the last, and the first is a child of the second: another order traps.
struct Pending {
    ready: Option<Ready>,
    response: wasi::FutureIncomingResponse,
}

impl Pending {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<wasi::IncomingResponse, Error>> {
        loop {
            match self.response.get() {
                Some(Ok(response)) => return Poll::Ready(response.map_err(refused)),
                Some(Err(())) => return Poll::Ready(Err(Error::new(Kind::Host, "the response was taken before"))),
                None => {
                    let ready = self.ready.get_or_insert_with(|| Ready::new(self.response.subscribe()));
                    ready!(ready.poll(cx));
                }
            }
        }
    }
}

fn receive(incoming: wasi::IncomingResponse, is_head: bool, deadline: Option<Ready>) -> Result<Box<Response>, Error> {
    let invalid = |reason: String| Error::new(Kind::Protocol, format!("the response is not valid: {reason}"));
    let status = StatusCode::from_u16(incoming.status()).map_err(|error| invalid(error.to_string()))?;
    let mut response = Box::new(Response::new(Body::empty()));
    *response.status_mut() = status;
    let told = head::append_to::<HeadsOfWorld>(response.headers_mut(), &incoming.headers()).map_err(invalid)?;
    // What these declare is the length of another response (RFC 9110, section 8.6).
    let bodiless = is_head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let declared = if bodiless { Some(0) } else { told.length };
    let body = incoming.consume().map_err(|()| Error::new(Kind::Host, "the response has no body to take"))?;
    *response.body_mut() =
        Body::incoming(IncomingBody::of_response(body, declared, incoming, deadline)).of_a_response();
    Ok(response)
}

fn refused(code: wasi::ErrorCode) -> Error {
    let (kind, message) = convert::error_from_wasi(code);
    Error::new(kind, message)
}
