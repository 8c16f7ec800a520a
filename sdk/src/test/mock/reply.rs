//! Replies of a mock.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::reply_body::{Ending, Pieces};
use crate::test::ErrorCode;
use crate::{Body, IntoResponse, Request, Response, time};

type Function = Arc<dyn Fn(Request<Bytes>) -> Response + Send + Sync>;

/// The reply to an expected call of a [`Mock`](super::Mock). Text, bytes, a status and a function of the request
/// convert to a reply.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use wayside::StatusCode;
/// use wayside::test::{Call, Mock, Reply};
///
/// let mock = Mock::new()
///     .reply(Call::get("http://a.test/text"), "a text")
///     .reply(Call::get("http://a.test/gone"), StatusCode::GONE)
///     .reply(Call::get("http://a.test/slow"), Reply::from("late").status(201).delay(Duration::from_secs(5)))
///     .reply(Call::post("http://a.test/echo"), Reply::from_fn(|request| request.into_body()));
/// # drop(mock.unverified());
/// ```
#[derive(Clone)]
pub struct Reply {
    function: Function,
    status: Option<StatusCode>,
    headers: HeaderMap,
    trailers: HeaderMap,
    delay: Duration,
    body: Option<MockBody>,
    /// The wait before each piece of the body but the first.
    pause: Duration,
    /// The number of bytes of the body before its abnormal end, and the kind of this end.
    ending: Option<(u64, Ending)>,
}

#[derive(Clone, Debug)]
enum MockBody {
    Whole(Bytes),
    Pieces(Vec<Bytes>),
}

impl Reply {
    /// Creates an empty reply with status 200.
    #[must_use]
    pub fn ok() -> Self {
        Self::from_fn(|_| ())
    }

    /// Creates a reply from a function of the request.
    #[must_use]
    pub fn from_fn<F, R>(reply: F) -> Self
    where
        F: Fn(Request<Bytes>) -> R + Send + Sync + 'static,
        R: IntoResponse,
    {
        Self {
            function: Arc::new(move |request| reply(request).into_response()),
            status: None,
            headers: HeaderMap::new(),
            trailers: HeaderMap::new(),
            delay: Duration::ZERO,
            body: None,
            pause: Duration::ZERO,
            ending: None,
        }
    }

    /// Fails with an error code, for example a refused connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::client;
    /// use wayside::test::{self, Call, ErrorCode, Mock, Reply};
    ///
    /// let _upstream = test::outbound(Mock::new().reply(Call::any(), Reply::fail(ErrorCode::DestinationNotFound)));
    /// assert!(test::block_on(client::get("http://a.test/")).unwrap_err().is_dns());
    /// ```
    #[must_use]
    pub fn fail(code: ErrorCode) -> Self {
        Self::from_fn(move |_| code.clone())
    }

    /// Never responds. The call fails at the time limit of the client.
    #[must_use]
    pub fn silence() -> Self {
        Self::ok().delay(Duration::MAX)
    }

    /// Creates a reply with a JSON document and its media type. Needs the feature `json`.
    ///
    /// # Panics
    ///
    /// Panics if the value cannot be serialized, for example a map with keys that are not strings.
    #[cfg(feature = "json")]
    #[must_use]
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn json(value: impl serde::Serialize) -> Self {
        match serde_json::to_vec(&value) {
            Ok(bytes) => Self::from_fn(move |_| bytes.clone()).header("content-type", "application/json"),
            Err(error) => panic!("the reply cannot be written as JSON: {error}"),
        }
    }

    /// Sets the status.
    ///
    /// # Panics
    ///
    /// Panics if the status is not from 200 to 599.
    #[must_use]
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn status(mut self, status: u16) -> Self {
        match StatusCode::from_u16(status) {
            Ok(valid) if (200..600).contains(&status) => self.status = Some(valid),
            _ => panic!("`{status}` is not a status of a response; use 200 to 599"),
        }
        self
    }

    /// Adds a header to the response. The new header replaces headers of the same name that come with the body, such
    /// as `content-type`, but no headers from earlier calls of this method.
    ///
    /// # Panics
    ///
    /// Panics if the name or the value is not valid.
    #[must_use]
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => self.headers.append(name, value),
            _ => panic!("`{name}: {value}` is not a valid header"),
        };
        self
    }

    /// Adds a trailer. The response then declares no length.
    ///
    /// # Panics
    ///
    /// Panics if the name or the value is not valid.
    #[must_use]
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => self.trailers.append(name, value),
            _ => panic!("`{name}: {value}` is not a valid trailer"),
        };
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(MockBody::Whole(body.into()));
        self
    }

    /// Sets the body to pieces, which are sent one by one: for example the events of a stream. The response declares no
    /// length.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use std::time::Duration;
    /// use wayside::client;
    /// use wayside::test::{self, Call, Mock, Reply};
    ///
    /// let reply = Reply::ok().pieces(["data: one\n\n", "data: two\n\n"]).pause(Duration::from_secs(1));
    /// let _upstream = test::outbound(Mock::new().reply(Call::get("http://a.test/"), reply));
    /// let _paused = test::pause();
    /// let mut events = client::get("http://a.test/").await?.into_body().events();
    /// assert_eq!(events.next().await.unwrap()?.data, "one");
    /// assert_eq!(events.next().await.unwrap()?.data, "two");
    /// # Ok::<(), wayside::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn pieces<I>(mut self, pieces: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Bytes>,
    {
        self.body = Some(MockBody::Pieces(pieces.into_iter().map(Into::into).collect()));
        self
    }

    /// Sets the time to wait before each [piece](Self::pieces) but the first.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Closes the connection after `bytes` bytes of the body, before its end.
    #[must_use]
    pub fn truncate_after(mut self, bytes: u64) -> Self {
        self.ending = Some((bytes, Ending::BrokenOff("the server closed the connection")));
        self
    }

    /// Resets the connection after `bytes` bytes of the body.
    #[must_use]
    pub fn reset_after(mut self, bytes: u64) -> Self {
        self.ending = Some((bytes, Ending::BrokenOff("the server reset the connection")));
        self
    }

    /// Stalls after `bytes` bytes of the body.
    #[must_use]
    pub fn stall_after(mut self, bytes: u64) -> Self {
        self.ending = Some((bytes, Ending::Stalled));
        self
    }

    /// Delays the response. [`pause`](crate::test::pause) stops the clock that measures the delay.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(super) fn send(self, request: Request<Bytes>) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move {
            if !self.delay.is_zero() {
                time::sleep(self.delay).await;
            }
            let mut response = (self.headers, (self.function)(request)).into_response();
            if let Some(status) = self.status {
                *response.status_mut() = status;
            }
            match self.body {
                None => {}
                Some(MockBody::Whole(bytes)) => *response.body_mut() = bytes.into(),
                Some(MockBody::Pieces(pieces)) => {
                    *response.body_mut() = Body::from_stream(Pieces::new(pieces, self.pause))
                }
            }
            if let Some((bytes, ending)) = self.ending {
                response = response.map(|body| ending.after(bytes, body));
            }
            if self.trailers.is_empty() { response } else { response.map(|body| body.with_trailers(self.trailers)) }
        })
    }
}

impl<F, R> From<F> for Reply
where
    F: Fn(Request<Bytes>) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    fn from(reply: F) -> Self {
        Self::from_fn(reply)
    }
}

impl From<&'static str> for Reply {
    fn from(text: &'static str) -> Self {
        Self::from_fn(move |_| text)
    }
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self::from_fn(move |_| text.clone())
    }
}

impl From<Bytes> for Reply {
    fn from(bytes: Bytes) -> Self {
        Self::from_fn(move |_| bytes.clone())
    }
}

impl From<StatusCode> for Reply {
    fn from(status: StatusCode) -> Self {
        Self::from_fn(move |_| status)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("delay", &self.delay)
            .field("body", &self.body)
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client;
    use crate::sys::{Here, World as _};
    use crate::test::{self, Call, Mock, block_on, pause};

    fn sent(reply: Reply) -> (u16, HeaderMap, String) {
        let request = Request::post("http://a.test/").body(Bytes::from("body")).unwrap();
        let (head, body) = block_on(reply.send(request)).into_parts();
        (head.status.as_u16(), head.headers, block_on(body.text()).unwrap())
    }

    #[test]
    fn text_status_and_function_are_replies() {
        for (reply, status, body) in [
            (Reply::from("text"), 200, "text"),
            (String::from("text").into(), 200, "text"),
            (StatusCode::GONE.into(), 410, ""),
            ((|request: Request<Bytes>| request.into_body()).into(), 200, "body"),
            (Reply::ok().status(204), 204, ""),
        ] {
            let (found, _, text) = sent(reply);
            assert_eq!((found, text.as_str()), (status, body));
        }
    }

    #[test]
    fn headers_are_added_and_replace_those_of_the_body() {
        let (_, headers, _) =
            sent(Reply::from("x").header("content-type", "text/css").header("a", "1").header("a", "2"));
        assert_eq!(headers.get_all("content-type").iter().collect::<Vec<_>>(), ["text/css"]);
        assert_eq!(headers.get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn a_delay_passes_on_the_clock_of_the_test() {
        let _paused = pause();
        let start = Here::now();
        assert_eq!(sent(Reply::from("late").delay(Duration::from_secs(60))).2, "late");
        assert_eq!(Here::now() - start, Duration::from_secs(60));
    }

    #[test]
    fn a_failure_is_the_error_that_a_component_gets() {
        let _upstream = test::outbound(Mock::new().reply(Call::any(), Reply::fail(ErrorCode::ConnectionRefused)));
        let error = block_on(client::get("http://a.test/x")).unwrap_err();
        assert!(error.is_connect());
        assert_eq!(error.to_string(), "GET http://a.test/x: the connection was refused");
    }

    #[test]
    fn silence_ends_at_the_time_limit_of_the_client() {
        let _paused = pause();
        let _upstream = test::outbound(Mock::new().reply(Call::any(), Reply::silence()));
        assert!(block_on(client::get("http://a.test/")).unwrap_err().is_timeout());
    }

    fn response(reply: Reply) -> Response {
        let _upstream = test::outbound(Mock::new().reply(Call::any(), reply));
        block_on(client::get("http://a.test/")).unwrap()
    }

    #[test]
    fn pieces_arrive_one_by_one_with_a_pause_between_them() {
        let _paused = pause();
        let start = Here::now();
        let mut body = response(Reply::ok().pieces(["a", "b", "c"]).pause(Duration::from_secs(2))).into_body();
        for (piece, moment) in [("a", 0), ("b", 2), ("c", 4)] {
            assert_eq!(block_on(body.next_chunk()).unwrap().unwrap(), piece);
            assert_eq!((Here::now() - start).as_secs(), moment);
        }
        assert!(block_on(body.next_chunk()).is_none());
    }

    #[test]
    fn a_cut_body_is_incomplete_at_every_point() {
        for (bytes, arrived) in [(0, ""), (2, "he"), (4, "hell"), (5, "hello"), (9, "hello")] {
            for reply in [Reply::from("hello").truncate_after(bytes), Reply::from("hello").reset_after(bytes)] {
                let mut body = response(reply).into_body();
                let mut read = Vec::new();
                let error = block_on(async {
                    loop {
                        match body.next_chunk().await.expect("the body has no normal end") {
                            Ok(chunk) => read.extend_from_slice(&chunk),
                            Err(error) => return error,
                        }
                    }
                });
                assert!(error.is_incomplete(), "{error}");
                assert_eq!(String::from_utf8_lossy(&read), arrived);
            }
        }
    }

    #[test]
    fn a_stalled_body_gives_what_it_has_and_then_nothing() {
        let _paused = pause();
        let mut body = response(Reply::from("hello").stall_after(2)).into_body();
        assert_eq!(block_on(body.next_chunk()).unwrap().unwrap(), "he");
        let stalled = time::timeout(Duration::from_secs(9), body.next_chunk());
        assert!(block_on(stalled).is_err());
    }

    #[test]
    fn trailers_follow_the_body() {
        let mut body = response(Reply::ok().pieces(["a"]).trailer("x-sum", "1")).into_body();
        assert_eq!(block_on(body.trailers()).unwrap().unwrap()["x-sum"], "1");
    }
}
