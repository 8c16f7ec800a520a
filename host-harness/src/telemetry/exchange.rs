//! The events of requests and of the outbound calls for them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body::Frame;

use super::{Capture, LogEntry, Trap, Usage};
use crate::message::body::{BodyError, End, Observer, Passed};
use crate::message::client_fault::ClientFault;
use crate::message::error_code::ErrorCode;
use crate::message::framing::content_length;

/// An event of a request; see [`Harness::events`](crate::Harness::events).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The request arrived.
    Started(Box<Exchange>),
    /// The component sent the head of its response.
    Answered(Box<Exchange>),
    /// The component wrote output.
    Wrote(LogEntry),
    /// An outbound call ended.
    Called(Box<OutboundCall>),
    /// The component trapped, returned no response, or exceeded its time limit.
    Trapped(Trap),
    /// The response was sent or dropped, and the component has finished its work.
    Finished(Box<Exchange>),
}

/// A request to a component.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// The number of the request, counted from 1.
    pub request: u64,
    /// When the request arrived.
    pub started: SystemTime,
    /// The method of the request.
    pub method: Method,
    /// The URI of the request, with scheme and authority.
    pub uri: Uri,
    /// The headers of the request.
    pub request_headers: HeaderMap,
    /// The body of the request, if bodies are captured.
    pub request_body: Capture,
    /// The number of the request that this one repeats, if the inspector sent it again.
    pub resent: Option<u64>,
    /// The status of the response, if it was sent.
    pub status: Option<StatusCode>,
    /// The headers of the response.
    pub response_headers: HeaderMap,
    /// The body of the response, if bodies are captured.
    pub response_body: Capture,
    /// The time from the arrival of the request to the head of the response.
    pub head_after: Option<Duration>,
    /// The time from the arrival of the request to the end of the response body, once it has ended. The component may
    /// go on working after it.
    pub end_after: Option<Duration>,
    /// The time from the arrival of the request to this event.
    pub duration: Duration,
    /// The number of body bytes that were sent to the client.
    pub response_bytes: u64,
    /// The end of the response body, once it has ended.
    pub end: Option<BodyEnd>,
    /// The time that the components computed, without waiting.
    pub busy: Duration,
    /// The number of outbound calls.
    pub calls: u32,
    /// The sum of the durations of the finished outbound calls, even of calls that ran at the same time.
    pub calls_took: Duration,
    /// The resources that the components used for this request together. Only components that have finished count.
    pub usage: Option<Usage>,
    /// The reason why a component trapped, returned no response or exceeded its time limit, if one did.
    pub trap: Option<String>,
    /// The fault of the client that ended the request early, if there was one.
    pub client_fault: Option<ClientFault>,
}

/// An outbound call of a component.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboundCall {
    /// The number of the client request that the component worked on, counted from 1.
    pub request: u64,
    /// The method of the call.
    pub method: Method,
    /// The whole URL of the call.
    pub uri: Uri,
    /// The request headers of the call.
    pub headers: HeaderMap,
    /// The number of body bytes that were sent.
    pub request_bytes: u64,
    /// The request body of the call. It is present only in [`Event::Called`], and only if bodies are captured.
    pub body: Capture,
    /// The status of the response, or the reason why there was none.
    pub status: Result<StatusCode, String>,
    /// The error code that the component got. `None` if there was a response, or if the component gave up the call.
    pub error: Option<Arc<ErrorCode>>,
    /// The headers of the response.
    pub response_headers: HeaderMap,
    /// The body of the response, present under the same conditions as `body`.
    pub response_body: Capture,
    /// The number of bytes of the response body that were read.
    pub response_bytes: u64,
    /// The end of the response body, if there was a response.
    pub end: Option<BodyEnd>,
    /// The time between the arrival of the request and the start of the call.
    pub after: Duration,
    /// The time from the start of the call to the end of the response.
    pub duration: Duration,
}

impl Exchange {
    /// The approximate number of bytes in the contents of variable length, such as headers and bodies.
    pub(crate) fn kept_bytes(&self) -> usize {
        uri_bytes(&self.uri)
            + fields_bytes(&self.request_headers)
            + self.request_body.kept_bytes()
            + fields_bytes(&self.response_headers)
            + self.response_body.kept_bytes()
            + self.trap.as_ref().map_or(0, String::len)
    }
}

impl OutboundCall {
    /// The approximate number of bytes in the contents of variable length, such as headers and bodies.
    pub(crate) fn kept_bytes(&self) -> usize {
        uri_bytes(&self.uri)
            + fields_bytes(&self.headers)
            + self.body.kept_bytes()
            + fields_bytes(&self.response_headers)
            + self.response_body.kept_bytes()
            + self.status.as_ref().err().map_or(0, String::len)
    }
}

fn uri_bytes(uri: &Uri) -> usize {
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    authority + uri.path_and_query().map_or(0, |path| path.as_str().len())
}

fn fields_bytes(fields: &HeaderMap) -> usize {
    // Counts the overhead of each header, because it is as large as a short header itself.
    let each = size_of::<HeaderName>() + size_of::<HeaderValue>();
    fields.iter().map(|(name, value)| name.as_str().len() + value.len() + each).sum()
}

/// The end of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// The body was read to its end.
    Whole,
    /// The body broke off, for this reason.
    Broken(String),
    /// The reader dropped the body before its end.
    GivenUp,
}

impl fmt::Display for BodyEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole"),
            Self::Broken(reason) => write!(f, "broken off: {reason}"),
            Self::GivenUp => f.write_str("given up by its reader"),
        }
    }
}

/// Counts the bytes of a body while they pass.
pub(super) struct Count(pub(super) Arc<AtomicU64>);

impl Observer for Count {
    fn frame(&mut self, _: &Frame<Bytes>, passed: Passed) -> Result<(), BodyError> {
        self.0.store(passed.bytes, Ordering::Relaxed);
        Ok(())
    }

    fn end(self, _: u64, _: End<'_>) {}
}

/// Calls a function with the number of bytes and the end of a body.
pub(super) struct AtEnd<F>(pub(super) F);

impl<F: FnOnce(u64, BodyEnd) + Send + Unpin + 'static> Observer for AtEnd<F> {
    fn end(self, bytes: u64, end: End<'_>) {
        (self.0)(
            bytes,
            match end {
                End::Whole => BodyEnd::Whole,
                End::Broken(error) => BodyEnd::Broken(error.to_string()),
                End::GivenUp => BodyEnd::GivenUp,
            },
        );
    }
}

/// Returns the declared length of a response body.
pub(crate) fn declared_bytes(method: &Method, headers: &HeaderMap) -> Option<u64> {
    if method == Method::HEAD { Some(0) } else { content_length(headers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_weighs_what_is_in_its_url_and_its_fields() {
        let mut call = OutboundCall {
            request: 1,
            method: Method::GET,
            uri: Uri::from_static("/"),
            headers: HeaderMap::new(),
            request_bytes: 0,
            body: Capture::default(),
            status: Ok(StatusCode::OK),
            error: None,
            response_headers: HeaderMap::new(),
            response_body: Capture::default(),
            response_bytes: 0,
            end: None,
            after: Duration::ZERO,
            duration: Duration::ZERO,
        };
        assert_eq!(call.kept_bytes(), 1);
        call.uri = format!("http://a.test/{}", "x".repeat(1000)).parse().unwrap();
        call.headers.insert("x-sent", HeaderValue::try_from("x".repeat(2000)).unwrap());
        call.response_headers.insert("x-got", HeaderValue::try_from("x".repeat(3000)).unwrap());
        (0..10).for_each(|_| _ = call.response_headers.append("x-many", HeaderValue::from_static("")));
        call.status = Err("x".repeat(4000));
        assert!((10_000..11_500).contains(&call.kept_bytes()), "{}", call.kept_bytes());
    }
}
