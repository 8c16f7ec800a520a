//! One request from its arrival to the end of all that it set off, and what it called meanwhile.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{Capture, LogEntry, Trap, Usage};
use crate::message::body::Body;
use crate::message::body::BodyError;
use crate::message::client_fault::ClientFault;
use crate::message::error_code::ErrorCode;
use crate::message::framing::content_length;

/// Something that happened to a request; see [`Harness::events`](crate::Harness::events).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// It arrived.
    Started(Box<Exchange>),
    /// The component answered with the head of its response.
    Answered(Box<Exchange>),
    /// The component wrote something.
    Wrote(LogEntry),
    /// A call to somebody else came to its end.
    Called(Box<Call>),
    /// The instance ended badly.
    Trapped(Trap),
    /// The response has been sent or given up, and the component has nothing more to do.
    Finished(Box<Exchange>),
}

/// A request to a component and what became of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// The number of the request, counted from 1.
    pub request: u64,
    /// When it arrived.
    pub started: SystemTime,
    /// Its method.
    pub method: Method,
    /// Its URI, with scheme and authority.
    pub uri: Uri,
    /// Its fields.
    pub request_headers: HeaderMap,
    /// Its body, where bodies are captured.
    pub request_body: Capture,
    /// The number of the request that this one repeats, where the inspector sent it again.
    pub resent: Option<u64>,
    /// The status of the response, once there is one.
    pub status: Option<StatusCode>,
    /// The fields of the response.
    pub response_headers: HeaderMap,
    /// The body of the response, where bodies are captured.
    pub response_body: Capture,
    /// How long the head of the response took.
    pub head_after: Option<Duration>,
    /// How long it all took, as far as it has come.
    pub duration: Duration,
    /// How many bytes of body the client was sent.
    pub response_bytes: u64,
    /// How the body of the response ended, once it has.
    pub end: Option<BodyEnd>,
    /// How long the components were busy, waiting left out.
    pub busy: Duration,
    /// How many calls to others it made.
    pub calls: u32,
    /// How long its calls took that have come to their end, added up; calls at the same time count each for itself.
    pub calls_took: Duration,
    /// What its components took together, those that are done.
    pub usage: Option<Usage>,
    /// Why the instance ended, where it ended badly.
    pub trap: Option<String>,
    /// What the client did that ended the request early, where it did: no fault of the component.
    pub client_fault: Option<ClientFault>,
}

/// A call that a component made to somebody else.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// The number of the request that the component worked on, counted from 1.
    pub request: u64,
    /// The method of the call.
    pub method: Method,
    /// Its whole URL.
    pub uri: Uri,
    /// Its fields.
    pub headers: HeaderMap,
    /// How many bytes of body it sent, as far as they were taken.
    pub request_bytes: u64,
    /// Its body, where bodies are captured and the event of the call is at hand.
    pub body: Capture,
    /// The status of the answer, or why there was none.
    pub status: Result<StatusCode, String>,
    /// What the component was told where there was no answer; nothing where it gave the call up itself.
    pub error: Option<Arc<ErrorCode>>,
    /// The fields of the answer.
    pub response_headers: HeaderMap,
    /// The body of the answer, as that of the call.
    pub response_body: Capture,
    /// How many bytes of body the answer had, as far as they were read.
    pub response_bytes: u64,
    /// How the body of the answer ended, where there was one.
    pub end: Option<BodyEnd>,
    /// How long after the arrival of the request it began.
    pub after: Duration,
    /// How long it took until the end of the answer.
    pub duration: Duration,
}

impl Exchange {
    /// About how many bytes of it came from others, who may send many.
    pub(crate) fn kept_bytes(&self) -> usize {
        uri_bytes(&self.uri)
            + fields_bytes(&self.request_headers)
            + self.request_body.kept_bytes()
            + fields_bytes(&self.response_headers)
            + self.response_body.kept_bytes()
            + self.trap.as_ref().map_or(0, String::len)
    }
}

impl Call {
    /// About how many bytes of it came from others, who may send many.
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
    // Short ones take as much for being there as for what they say.
    let each = size_of::<HeaderName>() + size_of::<HeaderValue>();
    fields.iter().map(|(name, value)| name.as_str().len() + value.len() + each).sum()
}

/// How a body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// It was read to its end.
    Whole,
    /// It broke off, for the reason given.
    Broken(String),
    /// Nobody wanted the rest.
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

/// A body whose bytes are counted as they pass.
pub(super) struct Counted {
    body: Body,
    bytes: Arc<AtomicU64>,
}

impl Counted {
    pub(super) fn new(body: Body, bytes: Arc<AtomicU64>) -> Self {
        Self { body, bytes }
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.bytes.fetch_add(frame.data_ref().map_or(0, |data| data.len() as u64), Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body whose end somebody is told of: after how many bytes, and how.
pub(super) struct Watched<F: FnOnce(u64, BodyEnd)> {
    body: Body,
    bytes: u64,
    /// How many bytes its head says that there are; who has read them need not ask for the end.
    declared: Option<u64>,
    tell: Option<F>,
}

/// How many bytes the body of a response has by its head.
pub(crate) fn declared_bytes(method: &Method, headers: &HeaderMap) -> Option<u64> {
    if method == Method::HEAD { Some(0) } else { content_length(headers) }
}

impl<F: FnOnce(u64, BodyEnd)> Watched<F> {
    pub(super) fn new(body: Body, declared: Option<u64>, tell: F) -> Self {
        Self { body, bytes: 0, declared, tell: Some(tell) }
    }

    fn end(&mut self, end: BodyEnd) {
        if let Some(tell) = self.tell.take() {
            tell(self.bytes, end);
        }
    }
}

impl<F: FnOnce(u64, BodyEnd)> Drop for Watched<F> {
    fn drop(&mut self) {
        // An empty body, and one whose length is known, need not be read to their end to be whole.
        let whole =
            self.body.is_end_stream() || self.body.size_hint().exact() == Some(0) || self.declared == Some(self.bytes);
        let end = if whole { BodyEnd::Whole } else { BodyEnd::GivenUp };
        self.end(end);
    }
}

impl<F: FnOnce(u64, BodyEnd) + Unpin> HttpBody for Watched<F> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.end(BodyEnd::Whole),
            Some(Err(error)) => self.end(BodyEnd::Broken(error.to_string())),
            // Nothing follows trailers, so not every reader asks for more.
            Some(Ok(frame)) if frame.is_trailers() => self.end(BodyEnd::Whole),
            Some(Ok(frame)) => self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_weighs_what_is_in_its_url_and_its_fields() {
        let mut call = Call {
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
