//! Outbound calls.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use http::request::Parts;
use http::{Method, StatusCode};
use http_body::Body as _;

use super::bindings::wasi::http::types as wasi;
use super::clock::{self, Sleep};
use super::incoming::IncomingBody;
use super::outgoing::{Message, Rest};
use super::{abi, convert, head};
use crate::body::{self, Outgoing};
use crate::client::{Error, Kind, Timeouts};
use crate::{Body, Request, Response, task};

/// Why the upload failed, told to whoever waits for the response.
type UploadError = Arc<Mutex<Option<body::Error>>>;

pub(super) async fn send(request: Box<Request>, timeouts: Timeouts) -> Result<Box<Response>, Error> {
    let (request, body) = request.into_parts();
    let response = exchange(&request, body, &timeouts).await;
    response.map_err(|error| error.with_target(&request.method, &request.uri))
}

/// Passes a request on to the handler behind this one.
pub(super) async fn pass_on(request: Box<Request>) -> Result<Box<Response>, Error> {
    let (request, body) = request.into_parts();
    let (outgoing, rest) = outgoing(&request, body, None)?;
    let upload_error = rest.map(upload_beside);
    let response = abi::Exchange::with_next(outgoing).await;
    received(response.map_err(refused), &request.method, None, upload_error)
}

async fn exchange(request: &Parts, body: Body, timeouts: &Timeouts) -> Result<Box<Response>, Error> {
    let (outgoing, rest) = outgoing(request, body, options(timeouts)?)?;
    let upload_error = rest.map(upload_beside);
    let mut deadline = timeouts.total.map(Sleep::new);
    let mut response = abi::Exchange::with_server(outgoing);
    let head = poll_fn(|cx| {
        if let Poll::Ready(head) = Pin::new(&mut response).poll(cx) {
            return Poll::Ready(head.map_err(refused));
        }
        match &mut deadline {
            Some(deadline) => {
                Pin::new(deadline).poll(cx).map(|()| Err(Error::new(Kind::Timeout, "no response in time")))
            }
            None => Poll::Pending,
        }
    });
    received(head.await, &request.method, deadline, upload_error)
}

fn received(
    head: Result<wasi::Response, Error>,
    method: &Method,
    deadline: Option<Sleep>,
    upload_error: Option<UploadError>,
) -> Result<Box<Response>, Error> {
    match head {
        Ok(response) => receive(response, *method == Method::HEAD, deadline),
        Err(error) => match upload_error.and_then(|upload| take(&upload)) {
            Some(cause) => Err(Error::new(Kind::Body, "the request body failed").with_source(cause)),
            None => Err(error),
        },
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
    request: &Parts,
    body: Body,
    options: Option<wasi::RequestOptions>,
) -> Result<(wasi::Request, Option<Rest>), Error> {
    let length = body.size_hint().exact();
    let (body, trailers) = body.into_outgoing();
    let invalid = |reason: String| Error::new(Kind::Request, reason);
    let (fields, declared) = convert::headers_into_wasi(&request.headers).map_err(invalid)?;
    if let (Some(declared), Some(length)) = (declared, length)
        && declared != length
    {
        return Err(invalid(format!("content-length is set to {declared}, the body has {length} bytes")));
    }
    // The framing of trailers has no place for a length.
    let length = length.filter(|_| trailers.is_none());
    if let (None, Some(length)) = (declared, length)
        && (length > 0 || expects_body(&request.method))
    {
        convert::append_content_length(&fields, length).map_err(invalid)?;
    }
    let Message { data, ended, rest } = if is_empty(&body) && trailers.is_none() {
        Message::empty()
    } else {
        Message::new(body, trailers, declared.or(length))
    };
    // How the sending went, the response tells, and writers learn from their stream.
    let (outgoing, _) = wasi::Request::new(fields, data, ended, options);
    set_target(&outgoing, request)?;
    Ok((outgoing, rest))
}

fn set_target(outgoing: &wasi::Request, request: &Parts) -> Result<(), Error> {
    let refused = |what: &str, value: &dyn std::fmt::Display| {
        Error::new(Kind::Request, format!("the host refused the {what} `{value}`"))
    };
    let Parts { method, uri, .. } = request;
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
    {
        return Err(refused("path", path));
    }
    Ok(())
}

/// Whether a request of this method without a body says so (RFC 9110, section 8.6).
fn expects_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

fn is_empty(body: &Outgoing) -> bool {
    matches!(body, Outgoing::Bytes(bytes) if bytes.is_empty())
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

fn take(failure: &UploadError) -> Option<body::Error> {
    failure.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn receive(incoming: wasi::Response, is_head: bool, deadline: Option<Sleep>) -> Result<Box<Response>, Error> {
    let invalid = |reason: String| Error::new(Kind::Protocol, format!("the response is not valid: {reason}"));
    let status = StatusCode::from_u16(incoming.get_status_code()).map_err(|error| invalid(error.to_string()))?;
    let mut response = Box::new(Response::new(Body::empty()));
    *response.status_mut() = status;
    let told = head::append_to(response.headers_mut(), &incoming.get_headers()).map_err(invalid)?;
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
