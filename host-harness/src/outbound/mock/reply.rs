//! Replies of a mock.

use std::fmt;
use std::iter::{once, repeat};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;
use tokio::time::{sleep, timeout};

use crate::message::body::Body;
use crate::message::error_code::ErrorCode;
use crate::message::framing::is_final;
use crate::message::timeouts::Timeouts;
use crate::outbound::cut_body::Ending;
use crate::outbound::json::Json;

/// The reply of a [`Mock`](super::Mock): a response or an error, immediate or delayed, complete or cut.
///
/// A reply is converted from a text, from bytes, from a status or from an error code, or made by the functions here.
/// The response declares the `content-length` of its body, unless it has trailers.
///
/// The time limits of a component apply as on the network. A call whose head comes later than the first-byte limit
/// fails with `HTTP-response-timeout`. A body that stalls for longer than the between-bytes limit fails with
/// `connection-read-timeout`.
#[derive(Clone)]
pub struct Reply {
    outcome: Outcome,
    delay: Duration,
    /// The number of bytes of the body before its abnormal end, and the kind of this end.
    ending: Option<(u64, Ending)>,
}

#[derive(Clone)]
enum Outcome {
    MockResponse(Box<MockResponse>),
    Error(Arc<ErrorCode>),
    /// The head never comes.
    Silence,
    Function(Arc<dyn Fn(Request<Bytes>) -> Reply + Send + Sync>),
}

#[derive(Clone, Debug, Default)]
struct MockResponse {
    status: StatusCode,
    headers: HeaderMap,
    /// The `content-type`, unless `headers` contains one.
    media_type: Option<HeaderValue>,
    body: Bytes,
    /// If not empty, the body in pieces, in place of `body`.
    pieces: Vec<Bytes>,
    /// The wait before each piece but the first.
    pause: Duration,
    trailers: HeaderMap,
}

impl Reply {
    /// Responds with 200 and an empty body.
    #[must_use]
    pub fn ok() -> Self {
        Self::of(Outcome::MockResponse(Box::default()))
    }

    /// Responds with 200 and a JSON document. Its `content-type` is `application/json`, unless [`header`](Self::header)
    /// sets another.
    ///
    /// # Panics
    ///
    /// Panics if the value cannot be serialized, for example a map with keys that are not strings.
    #[must_use]
    pub fn json(body: impl Serialize) -> Self {
        match serde_json::to_vec(&body) {
            Ok(body) => Self::of_json(body),
            Err(error) => panic!("the body of the reply is no JSON: {error}"),
        }
    }

    pub(super) fn document(body: &Json) -> Self {
        Self::of_json(body.to_string().into())
    }

    fn of_json(body: Vec<u8>) -> Self {
        let mut reply = Self::from(body);
        reply.answer().media_type = Some(HeaderValue::from_static("application/json"));
        reply
    }

    /// Fails with an error code, for example a refused connection.
    #[must_use]
    pub fn fail(code: ErrorCode) -> Self {
        Self::of(Outcome::Error(Arc::new(code)))
    }

    /// Never responds. The call fails at the first-byte limit of the component, if it sets one.
    #[must_use]
    pub fn silence() -> Self {
        Self::of(Outcome::Silence)
    }

    /// Responds with the result of a function.
    pub fn from_fn<F, R>(reply: F) -> Self
    where
        F: Fn(Request<Bytes>) -> R + Send + Sync + 'static,
        R: Into<Self>,
    {
        Self::of(Outcome::Function(Arc::new(move |request| reply(request).into())))
    }

    fn of(outcome: Outcome) -> Self {
        Self { outcome, delay: Duration::ZERO, ending: None }
    }

    /// Sets the status.
    ///
    /// # Panics
    ///
    /// Panics if the status is not from 200 to 599, or if this reply is not a response.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        match StatusCode::from_u16(status) {
            Ok(status) if is_final(status) => self.answer().status = status,
            _ => panic!("`{status}` is not a status of a response; use 200 to 599"),
        }
        self
    }

    /// Adds a header. Earlier headers of the same name stay, and all are sent in order.
    ///
    /// # Panics
    ///
    /// Panics if HTTP does not allow the name or the value, or if this reply is not a response.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = field(name, value.as_ref());
        self.answer().headers.append(name, value);
        self
    }

    /// Adds a trailer.
    ///
    /// # Panics
    ///
    /// Panics if HTTP does not allow the name or the value, or if this reply is not a response.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = field(name, value.as_ref());
        self.answer().trailers.append(name, value);
        self
    }

    /// Sets the body.
    ///
    /// # Panics
    ///
    /// Panics if this reply is not a response.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.answer().body = body.into();
        self
    }

    /// Sets the body to pieces, which are sent one by one: for example the events of a stream. The response declares no
    /// length, as usual for a body that a server produces while it is sent.
    ///
    /// # Panics
    ///
    /// Panics if this reply is not a response.
    #[must_use]
    pub fn pieces<I>(mut self, pieces: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Bytes>,
    {
        self.answer().pieces = pieces.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the time to wait before each [piece](Self::pieces) but the first.
    ///
    /// # Panics
    ///
    /// Panics if this reply is not a response.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.answer().pause = pause;
        self
    }

    /// Sets the time to wait before the reply.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Closes the connection after `bytes` bytes of the body, although the `content-length` declares the whole body.
    #[must_use]
    pub fn truncate_after(mut self, bytes: u64) -> Self {
        self.ending = Some((bytes, Ending::Truncated));
        self
    }

    /// Resets the connection after `bytes` bytes of the body.
    #[must_use]
    pub fn reset_after(mut self, bytes: u64) -> Self {
        self.ending = Some((bytes, Ending::Reset));
        self
    }

    /// Stalls after `bytes` bytes of the body. The body fails at the between-bytes limit of the component, if it sets
    /// one.
    #[must_use]
    pub fn stall_after(mut self, bytes: u64) -> Self {
        self.ending = Some((bytes, Ending::Stalled(None)));
        self
    }

    fn answer(&mut self) -> &mut MockResponse {
        match &mut self.outcome {
            Outcome::MockResponse(answer) => answer,
            _ => panic!("a reply that is no response has no status, no fields and no body"),
        }
    }

    /// Whether the reply needs the request body.
    pub(super) fn needs_body(&self) -> bool {
        matches!(self.outcome, Outcome::Function(_))
    }

    /// Sends the reply, or fails at the component's time limit for the head.
    pub(super) async fn send(self, request: Request<Bytes>, timeouts: Timeouts) -> Result<Response<Body>, ErrorCode> {
        let sent = self.carry_out(request, timeouts);
        match timeouts.first_byte {
            Some(limit) => timeout(limit, sent).await.unwrap_or(Err(ErrorCode::HttpResponseTimeout)),
            None => sent.await,
        }
    }

    async fn carry_out(self, request: Request<Bytes>, timeouts: Timeouts) -> Result<Response<Body>, ErrorCode> {
        if !self.delay.is_zero() {
            sleep(self.delay).await;
        }
        match self.outcome {
            Outcome::MockResponse(answer) => {
                let response = answer.into_response(request.method() == Method::HEAD);
                Ok(match self.ending {
                    Some((bytes, ending)) => response.map(|body| ending.after(bytes, body, timeouts)),
                    None => response,
                })
            }
            Outcome::Error(code) => Err((*code).clone()),
            Outcome::Silence => std::future::pending().await,
            Outcome::Function(function) => {
                let reply = function(request.clone());
                Box::pin(reply.carry_out(request, timeouts)).await
            }
        }
    }
}

impl MockResponse {
    fn into_response(mut self, is_head: bool) -> Response<Body> {
        if let Some(media_type) = self.media_type {
            self.headers.entry(header::CONTENT_TYPE).or_insert(media_type);
        }
        let has_body =
            !matches!(self.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
        if has_body && self.trailers.is_empty() && self.pieces.is_empty() {
            self.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| self.body.len().into());
        }
        let body = match (has_body && !is_head, self.pieces.is_empty()) {
            (false, _) => Body::empty(),
            (true, true) => Body::from(self.body),
            (true, false) => {
                let waits = once(Duration::ZERO).chain(repeat(self.pause));
                Body::in_pieces(waits.zip(self.pieces).collect())
            }
        };
        let body = if self.trailers.is_empty() { body } else { body.with_trailers(self.trailers) };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

fn field(name: &str, value: &[u8]) -> (HeaderName, HeaderValue) {
    match (name.parse(), HeaderValue::from_bytes(value)) {
        (Ok(name), Ok(value)) => (name, value),
        _ => panic!("HTTP allows no field `{name}: {}`", String::from_utf8_lossy(value)),
    }
}

impl From<Bytes> for Reply {
    fn from(body: Bytes) -> Self {
        Self::ok().body(body)
    }
}

impl From<&'static str> for Reply {
    fn from(body: &'static str) -> Self {
        Self::ok().body(body)
    }
}

impl From<String> for Reply {
    fn from(body: String) -> Self {
        Self::ok().body(body)
    }
}

impl From<Vec<u8>> for Reply {
    fn from(body: Vec<u8>) -> Self {
        Self::ok().body(body)
    }
}

impl From<StatusCode> for Reply {
    fn from(status: StatusCode) -> Self {
        Self::of(Outcome::MockResponse(Box::new(MockResponse { status, ..MockResponse::default() })))
    }
}

impl From<ErrorCode> for Reply {
    fn from(code: ErrorCode) -> Self {
        Self::fail(code)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Reply");
        match &self.outcome {
            Outcome::MockResponse(answer) => debug.field("answer", answer),
            Outcome::Error(code) => debug.field("error", code),
            Outcome::Silence => debug.field("silence", &true),
            Outcome::Function(_) => debug.field("function", &true),
        };
        debug.field("delay", &self.delay).field("ending", &self.ending).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn headers(reply: Reply, name: &str) -> Vec<HeaderValue> {
        let response = reply.send(Request::new(Bytes::new()), Timeouts::default()).await.unwrap();
        response.headers().get_all(name).iter().cloned().collect()
    }

    #[tokio::test]
    async fn every_header_of_the_same_name_is_sent() {
        let reply = Reply::ok().header("set-cookie", "a=1").header("set-cookie", "b=2");
        assert_eq!(headers(reply, "set-cookie").await, ["a=1", "b=2"]);
    }

    #[tokio::test]
    async fn a_content_type_replaces_that_of_json() {
        assert_eq!(headers(Reply::json(1), "content-type").await, ["application/json"]);
        let reply = Reply::json(1).header("content-type", "application/hal+json");
        assert_eq!(headers(reply, "content-type").await, ["application/hal+json"]);
    }
}
