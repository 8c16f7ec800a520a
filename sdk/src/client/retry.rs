//! Sending a request again after a failure that may pass.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, header};

use super::request::copy;
use super::run::{Attempts, SendFuture, Terms};
use super::{Client, Error, Kind};
use crate::sys::outbound::is_transient;
use crate::sys::{Here, World};
use crate::time::{sleep, timeout};
use crate::{Request, Response, url};

/// When and how often a [`Client`] sends a request again; see [`ClientBuilder::retry`](super::ClientBuilder::retry).
///
/// A request is sent again after a failure for which [`Error::is_transient`] is true, and after a response with the
/// status 408, 425, 429, 500, 502, 503 or 504. The request must also meet these conditions:
///
/// - Its method is idempotent (GET, HEAD, OPTIONS, TRACE, PUT or DELETE; RFC 9110, section 9.2.2), or it is marked with
///   [`RequestBuilder::retryable`](super::RequestBuilder::retryable), or no connection to the server could be made.
/// - Its body is in memory, because a stream cannot be sent twice.
///
/// Before the second attempt, the client waits for 200 milliseconds, and before each further attempt twice as long, up
/// to 10 seconds. A random part of up to half of each wait is left out, so that many clients do not return at the same
/// moment. A `retry-after` header (RFC 9110, section 10.2.3) makes the wait longer. If it asks for more than the
/// longest wait, or if the wait would exceed the time limit of the client, the request is not sent again.
///
/// After the last attempt, its response or error is the result. The text of an error tells the number of attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    first_wait: Duration,
    longest_wait: Duration,
    attempt_timeout: Option<Duration>,
}

impl Retry {
    /// Sends a request at most `attempts` times, including the first attempt. 0 counts as 1.
    #[must_use]
    pub const fn new(attempts: u32) -> Self {
        Self {
            attempts,
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(10),
            attempt_timeout: None,
        }
    }

    /// Sets the wait before the second attempt (by default 200 milliseconds), and the longest wait (by default 10
    /// seconds).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use wayside::client::Retry;
    ///
    /// // Waits for at most 1, 2, 4, 8, 16, 30 and 30 seconds.
    /// let retry = Retry::new(8).backoff(Duration::from_secs(1), Duration::from_secs(30));
    /// # let _: Retry = retry;
    /// ```
    #[must_use]
    pub const fn backoff(mut self, first_wait: Duration, longest_wait: Duration) -> Self {
        self.first_wait = first_wait;
        self.longest_wait = longest_wait;
        self
    }

    /// Limits the time from the start of each attempt to its response head, including redirects. By default, only the
    /// [`timeout`](super::ClientBuilder::timeout) of the client applies, which includes all attempts.
    #[must_use]
    pub const fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    async fn send_repeatedly(
        &self,
        client: &Client,
        mut request: Box<Request>,
        terms: Terms,
    ) -> Result<Box<Response>, Error> {
        let Terms { fragment, total, is_retryable } = terms;
        let start = Here::now();
        let spent = || Here::now().saturating_sub(start);
        let first = Sent { method: request.method().clone(), url: url::shown_uri(request.uri()), is_retryable };
        let mut attempt = 1;
        loop {
            let next = if attempt < self.attempts { copy(&request) } else { None };
            let remaining = total.map(|total| total.saturating_sub(spent()));
            let result = self.attempt(client, request, fragment.clone(), remaining, &first).await;
            let result = result.map_err(|error| error.with_attempts(attempt));
            let (Some(next), Some(asked)) = (next, first.wait_asked_after(&result)) else { return result };
            let wait = self.wait(attempt).max(asked);
            if asked > self.longest_wait || total.is_some_and(|total| spent() + wait >= total) {
                return result;
            }
            drop(result);
            sleep(wait).await;
            request = next;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        client: &Client,
        request: Box<Request>,
        fragment: Option<Box<str>>,
        remaining: Option<Duration>,
        first: &Sent,
    ) -> Result<Box<Response>, Error> {
        let sending = client.follow(request, fragment, remaining);
        let Some(limit) = self.attempt_timeout else { return sending.await };
        timeout(limit, sending).await.unwrap_or_else(|_| {
            let message = format!("no response within {limit:?}, the time limit of an attempt");
            Err(Error::new(Kind::Timeout, message).with_url(&first.method, first.url.as_bytes()))
        })
    }

    /// Returns the wait after an attempt. A `retry-after` header, which can make the wait longer, is not considered here.
    fn wait(&self, attempt: u32) -> Duration {
        let doubled = 2u32.saturating_pow(attempt - 1);
        let longest = self.first_wait.saturating_mul(doubled).min(self.longest_wait);
        // The keys of a `RandomState` are random, so its hash of any value is too.
        let random = RandomState::new().hash_one(attempt) as u32;
        longest - longest.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
    }
}

impl Attempts for Retry {
    fn run<'a>(&'a self, client: &'a Client, request: Box<Request>, terms: Terms) -> SendFuture<'a> {
        Box::pin(self.send_repeatedly(client, request, terms))
    }
}

/// The request as the caller made it, before redirects.
struct Sent {
    method: Method,
    url: String,
    is_retryable: bool,
}

impl Sent {
    /// Returns the wait that the server asked for, or zero. Returns `None` if the request must not be sent again.
    fn wait_asked_after(&self, result: &Result<Box<Response>, Error>) -> Option<Duration> {
        let may_repeat = self.is_retryable || is_idempotent(&self.method);
        match result {
            Ok(response) if may_repeat && is_transient(response.status()) => {
                Some(retry_after(response.headers()).unwrap_or_default())
            }
            Err(error) if error.is_transient() && (may_repeat || self.was_not_received(error)) => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// Whether no server has received the request. After a redirect, one has.
    fn was_not_received(&self, error: &Error) -> bool {
        let is_first = error.url() == Some(&self.url) && error.method() == Some(&self.method);
        is_first && (error.is_connect() || error.is_dns())
    }
}

fn is_idempotent(method: &Method) -> bool {
    matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

/// Reads `retry-after`: a number of seconds, or a date. An invalid value is ignored.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(value).ok()?;
            Some(date.duration_since(SystemTime::now()).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::client::{ClientBuilder, ResponseExt as _};
    use crate::test::{self, block_on, pause};
    use crate::{Body, IntoResponse, StatusCode};

    /// The moments of the attempts, in milliseconds after the start.
    type Moments = Arc<Mutex<Vec<u128>>>;

    /// Responds with these statuses and `retry-after` headers in turn, and repeats the last one.
    fn upstream(answers: &[(u16, &'static str)]) -> (test::Outbound, Moments) {
        let (moments, start) = (Moments::default(), Here::now());
        let (seen, answers) = (Arc::clone(&moments), answers.to_vec());
        let outbound = test::outbound(move |_: Request| {
            let mut seen = seen.lock().unwrap();
            let (status, retry_after) = answers[seen.len().min(answers.len() - 1)];
            seen.push((Here::now() - start).as_millis());
            async move {
                let status = StatusCode::from_u16(status).unwrap();
                if retry_after.is_empty() {
                    status.into_response()
                } else {
                    (status, [("retry-after", retry_after)], "").into_response()
                }
            }
        });
        (outbound, moments)
    }

    fn moments(moments: &Moments) -> Vec<u128> {
        moments.lock().unwrap().clone()
    }

    fn client(retry: Retry) -> ClientBuilder {
        Client::builder().no_timeout().retry(retry)
    }

    fn get(client: ClientBuilder) -> Response {
        block_on(client.build().get("http://a.test/").send()).unwrap()
    }

    #[test]
    fn a_get_is_sent_again_until_it_succeeds() {
        let _paused = pause();
        let (_upstream, seen) = upstream(&[(503, ""), (429, ""), (200, "")]);
        assert_eq!(get(client(Retry::new(5))).status(), 200);
        assert_eq!(moments(&seen).len(), 3);
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_shortened_by_up_to_half() {
        let _paused = pause();
        let (_upstream, seen) = upstream(&[(500, "")]);
        let retry = Retry::new(6).backoff(Duration::from_millis(1000), Duration::from_millis(4000));
        assert_eq!(get(client(retry)).status(), 500);
        let waits: Vec<_> = moments(&seen).windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(waits.len(), 5, "{waits:?}");
        for (wait, longest) in waits.iter().zip([1000, 2000, 4000, 4000, 4000]) {
            assert!((longest / 2..=longest + 1).contains(wait), "{waits:?}");
        }
    }

    #[test]
    fn the_waits_of_two_clients_differ() {
        let waits: Vec<_> =
            (0..8).map(|_| Retry::new(2).backoff(Duration::from_secs(8), Duration::MAX).wait(1)).collect();
        assert!(waits.windows(2).any(|two| two[0] != two[1]), "{waits:?}");
    }

    #[test]
    fn retry_after_lengthens_the_wait_in_seconds_and_as_a_date() {
        let _paused = pause();
        let (_upstream, seen) = upstream(&[(503, "3"), (200, "")]);
        assert_eq!(get(client(Retry::new(2))).status(), 200);
        assert!((3000..3010).contains(&moments(&seen)[1]), "{seen:?}");

        let mut headers = HeaderMap::new();
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
        headers.insert("retry-after", date.parse().unwrap());
        let wait = retry_after(&headers).unwrap();
        assert!((3590..=3600).contains(&wait.as_secs()), "{wait:?}");
        headers.insert("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::ZERO));
        headers.insert("retry-after", "soon".parse().unwrap());
        assert_eq!(retry_after(&headers), None);
    }

    #[test]
    fn a_retry_after_beyond_the_longest_wait_ends_the_attempts() {
        let _paused = pause();
        let (_upstream, seen) = upstream(&[(503, "11")]);
        assert_eq!(get(client(Retry::new(5))).headers()["retry-after"], "11");
        assert_eq!(moments(&seen).len(), 1);
    }

    #[test]
    fn no_attempt_starts_after_the_time_limit_of_the_client() {
        let _paused = pause();
        let (_upstream, seen) = upstream(&[(503, "2")]);
        assert_eq!(get(client(Retry::new(9)).timeout(Duration::from_secs(5))).status(), 503);
        assert_eq!(moments(&seen).len(), 3);
    }

    #[test]
    fn only_idempotent_methods_and_marked_requests_are_sent_again() {
        for (method, marked, attempts) in [
            ("GET", false, 2),
            ("HEAD", false, 2),
            ("OPTIONS", false, 2),
            ("PUT", false, 2),
            ("DELETE", false, 2),
            ("POST", false, 1),
            ("PATCH", false, 1),
            ("POST", true, 2),
            ("PURGE", true, 2),
        ] {
            let _paused = pause();
            let (_upstream, seen) = upstream(&[(503, ""), (200, "")]);
            let request = client(Retry::new(3)).build().request(method.parse().unwrap(), "http://a.test/").body("x");
            let request = if marked { request.retryable() } else { request };
            block_on(request.send()).unwrap();
            assert_eq!(moments(&seen).len(), attempts, "{method}, marked: {marked}");
        }
    }

    #[test]
    fn each_attempt_sends_the_whole_request() {
        let _paused = pause();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&bodies);
        let _upstream = test::outbound(move |request: Request| {
            let seen = Arc::clone(&seen);
            async move {
                let key = request.headers()["x-key"].clone();
                let body = request.into_body().text().await.unwrap();
                seen.lock().unwrap().push((key, body));
                StatusCode::BAD_GATEWAY
            }
        });
        let request = client(Retry::new(3)).build().put("http://a.test/").header("x-key", "7").body("whole");
        let response = block_on(request.send()).unwrap();
        assert!(response.error_for_status().unwrap_err().is_transient());
        let sent = ("7".parse().unwrap(), "whole".to_owned());
        assert_eq!(*bodies.lock().unwrap(), [sent.clone(), sent.clone(), sent]);
    }

    #[test]
    fn a_streaming_body_is_sent_once() {
        let _paused = pause();
        let (_upstream, seen) = upstream(&[(503, "")]);
        let stream = futures_util::stream::iter([Ok::<_, crate::Error>("x")]);
        let request = client(Retry::new(3)).build().put("http://a.test/").body(Body::from_stream(stream));
        assert_eq!(block_on(request.send()).unwrap().status(), 503);
        assert_eq!(moments(&seen).len(), 1);
    }

    #[test]
    fn a_status_that_stays_is_not_tried_again() {
        for status in [200, 301, 400, 401, 404, 409, 501, 505] {
            let _paused = pause();
            let (_upstream, seen) = upstream(&[(status, "")]);
            assert_eq!(get(client(Retry::new(3))).status(), status);
            assert_eq!(moments(&seen).len(), 1, "{status}");
        }
    }

    #[test]
    fn an_attempt_that_hangs_is_given_up_and_the_error_counts_the_attempts() {
        let _paused = pause();
        let _upstream = test::outbound(async |_: Request| std::future::pending::<Response>().await);
        let client = client(Retry::new(3).attempt_timeout(Duration::from_secs(2))).build();
        let error = block_on(client.get("http://a.test/x").send()).unwrap_err();
        assert!(error.is_timeout());
        let expected = "GET http://a.test/x: no response within 2s, the time limit of an attempt (after 3 attempts)";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn without_retry_a_request_is_sent_once() {
        let (_upstream, seen) = upstream(&[(503, "")]);
        assert_eq!(get(Client::builder()).status(), 503);
        assert_eq!(moments(&seen).len(), 1);
    }
}
