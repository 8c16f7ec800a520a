//! Mocks: expected outbound calls and their replies.

mod call;
mod reply;
mod reply_body;
mod times;
mod url;

use std::fmt;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::StatusCode;

use super::Upstream;
use crate::{IntoResponse as _, Request, Response};

pub use call::Call;
pub use reply::Reply;
pub use times::Times;

/// Responds to expected outbound calls. The first expected call that matches determines the reply. If none matches, the
/// mock panics and lists the mismatches.
///
/// [`verify`](Self::verify) panics if a call came less often than expected. This check also runs when the last clone
/// of the mock is dropped. A mock in [`outbound`](super::outbound) is dropped once its guard has been dropped and the
/// tasks of [`wait_until`](crate::wait_until) have ended.
///
/// # Examples
///
/// ```
/// use wayside::{client, test};
/// use wayside::test::{Call, Mock};
///
/// let mock = Mock::new()
///     .reply(Call::get("http://api.example/users/*"), r#"{"name": "Ada"}"#)
///     .reply(Call::post("http://api.example/users").header("x-key", "secret").body("Grace").times(..), "made");
/// let _upstream = test::outbound(mock);
///
/// let user = test::block_on(async { client::get("http://api.example/users/7").await?.into_body().text().await.map_err(wayside::Error::from) });
/// # let user: Result<String, wayside::Error> = user;
/// assert_eq!(user.unwrap(), r#"{"name": "Ada"}"#);
/// ```
#[derive(Clone, Default)]
pub struct Mock {
    inner: Arc<MockState>,
}

#[derive(Default)]
struct MockState {
    expectations: Mutex<Expectations>,
}

#[derive(Default)]
struct Expectations {
    list: Vec<Expectation>,
    in_order: bool,
    /// The index in `list` of the expected call that matched last, if calls must come in order.
    position: usize,
    /// Whether the mock is dropped without verification, because verification has run or is turned off, or because an
    /// unexpected call has made the test fail.
    is_settled: bool,
}

struct Expectation {
    call: Call,
    reply: Reply,
    count: usize,
}

impl Mock {
    /// Creates a mock that expects no calls.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects a call and responds to it with a text, a status, a function of the request, or another [`Reply`].
    #[must_use]
    pub fn reply(self, call: Call, reply: impl Into<Reply>) -> Self {
        self.inner.lock().list.push(Expectation { call, reply: reply.into(), count: 0 });
        self
    }

    /// Expects the calls in the order of their declaration, each once unless [`Call::times`] says otherwise. By default,
    /// any order is accepted, and each call is expected once or more.
    #[must_use]
    pub fn in_order(self) -> Self {
        self.inner.lock().in_order = true;
        self
    }

    /// Turns off the verification that runs when the mock is dropped.
    #[must_use]
    pub fn unverified(self) -> Self {
        self.inner.lock().is_settled = true;
        self
    }

    /// Checks that each call came as often as expected.
    ///
    /// # Panics
    ///
    /// Panics with a line for each call that came less often than expected.
    #[track_caller]
    pub fn verify(&self) {
        let unmet = {
            let mut expectations = self.inner.lock();
            expectations.is_settled = true;
            expectations.unmet()
        };
        fail_if_unmet(&unmet);
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "this is how a test fails")]
fn fail_if_unmet(unmet: &str) {
    if !unmet.is_empty() {
        panic!("the outbound calls were not as the mock expects:\n{unmet}");
    }
}

impl MockState {
    fn lock(&self) -> MutexGuard<'_, Expectations> {
        self.expectations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MockState {
    fn drop(&mut self) {
        let expectations = self.lock();
        // There is nothing to verify, or the test already fails with another panic.
        if expectations.is_settled || std::thread::panicking() {
            return;
        }
        let unmet = expectations.unmet();
        drop(expectations);
        fail_if_unmet(&unmet);
    }
}

impl Expectations {
    /// Returns the reply to a request, or the description of the mismatch.
    fn choose(&mut self, request: &Request<Bytes>) -> Result<Reply, String> {
        let chosen = if self.in_order { self.next_in_order(request) } else { self.first_that_fits(request) };
        let chosen = chosen.and_then(|index| self.list.get_mut(index));
        match chosen {
            Some(expectation) => {
                expectation.count += 1;
                Ok(expectation.reply.clone())
            }
            None => {
                // The test fails with this message, so missing calls are not reported in addition.
                self.is_settled = true;
                Err(self.describe_unexpected(request))
            }
        }
    }

    /// Returns how often a call is expected: if the test has not set it, once in order, and once or more otherwise.
    fn times(&self, call: &Call) -> Times {
        call.times.unwrap_or_else(|| if self.in_order { 1.into() } else { Times::default() })
    }

    fn takes(&self, Expectation { call, count, .. }: &Expectation, request: &Request<Bytes>) -> bool {
        self.times(call).allows_another_after(*count) && call.mismatches(request).is_empty()
    }

    fn first_that_fits(&self, request: &Request<Bytes>) -> Option<usize> {
        self.list.iter().position(|expectation| self.takes(expectation, request))
    }

    fn next_in_order(&mut self, request: &Request<Bytes>) -> Option<usize> {
        for (index, expectation) in self.list.iter().enumerate().skip(self.position) {
            if self.takes(expectation, request) {
                self.position = index;
                return Some(index);
            }
            if !self.times(&expectation.call).is_reached_by(expectation.count) {
                return None;
            }
        }
        None
    }

    fn describe_unexpected(&self, request: &Request<Bytes>) -> String {
        let mut text = format!("no expected call matches {} {}:", request.method(), request.uri());
        for (number, Expectation { call, count, .. }) in self.list.iter().enumerate() {
            // Writing to a `String` never fails.
            let _ = write!(text, "\n  number {}, {call}:", number + 1);
            let mismatches = call.mismatches(request);
            mismatches.iter().for_each(|line| text.push_str(&format!("\n    {line}")));
            if mismatches.is_empty() {
                let _ = write!(text, "\n    it matches, but it is expected {}, and {}", self.times(call), came(*count));
            }
        }
        text
    }

    fn unmet(&self) -> String {
        let mut text = String::new();
        for (number, Expectation { call, count, .. }) in self.list.iter().enumerate() {
            let times = self.times(call);
            if !times.is_reached_by(*count) {
                let _ = writeln!(text, "number {}, {call}: expected {times}, {}", number + 1, came(*count));
            }
        }
        text
    }
}

fn came(count: usize) -> String {
    match count {
        0 => "never came".to_owned(),
        1 => "came once".to_owned(),
        count => format!("came {count} times"),
    }
}

impl Upstream for Mock {
    #[expect(clippy::panic, reason = "this is how a test fails")]
    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        let mock = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = match body.bytes().await {
                Ok(body) => body,
                // The request body has failed, so a real upstream would have received an incomplete request.
                Err(_) => return StatusCode::BAD_REQUEST.into_response(),
            };
            let request = Request::from_parts(parts, body);
            let chosen = mock.inner.lock().choose(&request);
            match chosen {
                Ok(reply) => reply.send(request).await,
                Err(unexpected) => panic!("{unexpected}"),
            }
        })
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.inner.lock().list.iter().map(|expectation| &expectation.call)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::{client, test};

    /// Returns the panic message of a function.
    fn panic_of(fails: impl FnOnce()) -> String {
        let panic = catch_unwind(AssertUnwindSafe(fails)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    }

    fn calls(mock: &Mock, urls: &[&str]) {
        let _upstream = test::outbound(mock.clone());
        for url in urls {
            assert!(test::block_on(client::get(*url)).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_url_fits_as_it_was_written_and_as_it_was_sent() {
        for expected in ["http://a.test/caf\u{e9} au lait", "http://a.test/caf%C3%A9%20au%20lait"] {
            calls(&Mock::new().reply(Call::get(expected), "here"), &["http://a.test/caf\u{e9} au lait"]);
        }
    }

    #[test]
    fn an_unexpected_call_panics_with_the_difference() {
        let mock = Mock::new().reply(Call::get("http://a.test/one"), "one");
        let text = panic_of(|| calls(&mock, &["http://a.test/two"]));
        assert!(text.contains("no expected call matches GET http://a.test/two"), "{text}");
        assert!(text.contains("URL: expected `http://a.test/one`, found `http://a.test/two`"), "{text}");
    }

    #[test]
    fn a_call_that_never_came_fails_the_test_when_the_mock_is_dropped() {
        let mock = Mock::new().reply(Call::get("http://a.test/one"), "one").reply(Call::any().times(..), "other");
        calls(&mock, &["http://a.test/two"]);
        let text = panic_of(|| drop(mock));
        assert_eq!(
            text,
            "the outbound calls were not as the mock expects:\nnumber 1, GET http://a.test/one: expected once or more, never came\n"
        );
    }

    #[test]
    fn verify_tells_once() {
        let mock = Mock::new().reply(Call::any().times(2), "one");
        calls(&mock, &["http://a.test/"]);
        assert!(panic_of(|| mock.verify()).contains("any call: expected 2 times, came once"));
        drop(mock);
    }

    #[test]
    fn a_call_that_came_often_enough_leaves_the_next_to_later_ones() {
        let mock = Mock::new().reply(Call::any().times(1), "first").reply(Call::any().times(1), "second");
        calls(&mock, &["http://a.test/", "http://a.test/"]);
        mock.verify();
        let text = panic_of(|| calls(&mock, &["http://a.test/"]));
        assert!(text.contains("it matches, but it is expected once, and came once"), "{text}");
    }

    #[test]
    fn calls_may_be_expected_in_order() {
        let mock = || Mock::new().reply(Call::get("*/one"), "").reply(Call::get("*/two"), "").in_order();
        calls(&mock(), &["http://a.test/one", "http://a.test/two"]);
        let text = panic_of(|| calls(&mock(), &["http://a.test/one", "http://a.test/one"]));
        assert!(text.contains("it matches, but it is expected once, and came once"), "{text}");
        let twice = Mock::new().reply(Call::get("*/one").times(1..), "").reply(Call::get("*/two"), "").in_order();
        calls(&twice, &["http://a.test/one", "http://a.test/one", "http://a.test/two"]);
        let text = panic_of(|| calls(&mock(), &["http://a.test/two"]));
        assert!(text.contains("no expected call matches GET http://a.test/two"), "{text}");
    }
}
