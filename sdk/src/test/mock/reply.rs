//! Replies of a mock.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{IntoResponse, Request, Response, time};

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
    delay: Duration,
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
            delay: Duration::ZERO,
        }
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
            response
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
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Here, World as _};
    use crate::test::{block_on, pause};

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
}
