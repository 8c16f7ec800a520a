//! Mocks: expected outbound calls and their replies.

mod call;
mod file;
mod reply;
mod times;

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};

pub use call::Call;
pub use reply::Reply;
pub use times::Times;

use super::Outbound;
use super::difference::Difference;
use crate::message::body::Body;
use crate::message::body::code_of;
use crate::message::error_code::ErrorCode;
use crate::message::timeouts::Timeouts;
use crate::{Error, show};

/// Responds to each call with the reply to the first expected call that matches; see [`Outbound::mock`].
///
/// An unexpected call fails inside the component with an `internal-error`. [`verify`](Self::verify) reports unexpected
/// and missing calls. Dropping the mock verifies the calls as well.
///
/// # Examples
///
/// ```no_run
/// use wayside_harness::mock::{Call, Reply};
/// use wayside_harness::{ErrorCode, Harness, Outbound};
///
/// # async fn example() -> Result<(), wayside_harness::Error> {
/// let mock = Outbound::mock()
///     .reply(Call::get("http://api.test/users/*"), Reply::json([("name", "Ada")]))
///     .reply(Call::post("http://api.test/users").header("x-key", "secret").times(2), Reply::ok().status(201))
///     .reply(Call::get("http://down.test/").times(..), Reply::fail(ErrorCode::ConnectionRefused));
/// let app = Harness::build("examples/client").env("UPSTREAM", "http://api.test").outbound(&mock).await?;
/// // … requests …
/// app.idle().await;
/// mock.verify();
/// # Ok(()) }
/// ```
#[must_use = "a mock answers once it is given to `HarnessBuilder::outbound`"]
pub struct Mock {
    state: Arc<Mutex<Expectations>>,
    /// Whether dropping the mock calls [`verify`](Self::verify).
    verifies: bool,
}

#[derive(Default)]
struct Expectations {
    expectations: Vec<Expectation>,
    in_order: bool,
    /// If the order matters, the index of the expected call that came last.
    position: usize,
    unexpected: Vec<String>,
}

struct Expectation {
    call: Call,
    reply: Reply,
    count: usize,
}

/// How many unexpected calls are kept.
const KEPT: usize = 100;

impl Mock {
    pub(super) fn new() -> Self {
        Self { state: Arc::default(), verifies: true }
    }

    /// Reads a mock from a TOML file; see [`Outbound::mock_file`].
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is invalid; the error names line and column.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        file::read(path.as_ref())
    }

    /// Expects a call, and responds with a reply: a text, a status, an error code, or a [`Reply`].
    pub fn reply(self, call: Call, reply: impl Into<Reply>) -> Self {
        self.lock().expectations.push(Expectation { call, reply: reply.into(), count: 0 });
        self
    }

    /// Expects the calls in the order of their declaration, each once unless [`Call::times`] says otherwise. By default,
    /// any order is accepted, and each call is expected once or more.
    pub fn in_order(self) -> Self {
        self.lock().in_order = true;
        self
    }

    /// Checks that every expected call came as often as declared, and no other call.
    ///
    /// A component may make further calls after its response. Wait for their end with
    /// [`Harness::idle`](crate::Harness::idle) first.
    ///
    /// # Panics
    ///
    /// Panics with the missing and the unexpected calls, if there are any.
    #[track_caller]
    pub fn verify(&self) {
        let unmet = self.lock().unmet();
        if !unmet.is_empty() {
            panic!("the outbound calls were not as the mock expects:\n{unmet}");
        }
    }

    /// Turns off the verification when the mock is dropped.
    pub(super) fn unverified(mut self) -> Self {
        self.verifies = false;
        self
    }

    fn lock(&self) -> MutexGuard<'_, Expectations> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<Expectations>) -> MutexGuard<'_, Expectations> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Mock {
    fn drop(&mut self) {
        // A test that panics fails anyway, and its first panic message must stay visible.
        if self.verifies && !std::thread::panicking() {
            self.verify();
        }
    }
}

impl From<&Mock> for Outbound {
    fn from(mock: &Mock) -> Self {
        let state = Arc::clone(&mock.state);
        Self::from_fn(move |request| answer(Arc::clone(&state), request))
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().expectations.iter().map(|expectation| &expectation.call)).finish()
    }
}

async fn answer(state: Arc<Mutex<Expectations>>, mut request: Request<Body>) -> Result<Response<Body>, ErrorCode> {
    let timeouts = request.extensions_mut().remove::<Timeouts>().unwrap_or_default();
    let (parts, body) = request.into_parts();
    let body = if lock(&state).needs_body() {
        body.bytes().await.map_err(|error| code_of(&error))?
    } else {
        // No expectation needs the body, so the reply need not wait for it. A server would read it, though.
        tokio::spawn(body.drain());
        Bytes::new()
    };
    let request = Request::from_parts(parts, body);
    let reply = lock(&state).choose(&request);
    match reply {
        Ok(reply) => reply.send(request, timeouts).await,
        Err(unexpected) => {
            tracing::error!("{unexpected}");
            let line = unexpected.lines().next().unwrap_or_default().to_owned();
            Err(ErrorCode::InternalError(Some(line)))
        }
    }
}

impl Expectations {
    fn needs_body(&self) -> bool {
        self.expectations.iter().any(|expectation| expectation.call.needs_body() || expectation.reply.needs_body())
    }

    /// Returns the reply to a request, or the description of the mismatch.
    fn choose(&mut self, request: &Request<Bytes>) -> Result<Reply, String> {
        let chosen = if self.in_order { self.next_in_order(request) } else { self.first_that_fits(request) };
        match chosen {
            Some(index) => {
                let expectation = &mut self.expectations[index];
                expectation.count += 1;
                Ok(expectation.reply.clone())
            }
            None => {
                let unexpected = self.describe_unexpected(request);
                if self.unexpected.len() < KEPT {
                    self.unexpected.push(unexpected.clone());
                }
                Err(unexpected)
            }
        }
    }

    /// Returns how often a call is expected: if the test has not set it, once in order, and once or more otherwise.
    fn times(&self, call: &Call) -> Times {
        call.times.unwrap_or_else(|| if self.in_order { 1.into() } else { Times::default() })
    }

    fn takes(&self, Expectation { call, count, .. }: &Expectation, request: &Request<Bytes>) -> bool {
        self.times(call).allows_another(*count) && call.difference(request).is_empty()
    }

    fn first_that_fits(&self, request: &Request<Bytes>) -> Option<usize> {
        self.expectations.iter().position(|expectation| self.takes(expectation, request))
    }

    fn next_in_order(&mut self, request: &Request<Bytes>) -> Option<usize> {
        let mut position = self.position;
        while let Some(expectation) = self.expectations.get(position) {
            if self.takes(expectation, request) {
                self.position = position;
                return Some(position);
            }
            if !self.times(&expectation.call).reached(expectation.count) {
                return None;
            }
            position += 1;
        }
        None
    }

    fn describe_unexpected(&self, request: &Request<Bytes>) -> String {
        let mut text =
            format!("no expected call matches {} {}", request.method(), show::line(&show::url(request.uri())));
        // If the order matters, leaves out expected calls that can no longer match.
        let from = if self.in_order { self.position.min(self.expectations.len()) } else { 0 };
        let nearest = self.expectations.iter().enumerate().skip(from);
        let nearest = nearest.map(|(index, expectation)| (index, expectation, expectation.call.difference(request)));
        // A call that can still come is nearer than one that cannot, unless the latter matches exactly.
        let nearest = nearest.min_by_key(|(_, Expectation { call, count, .. }, difference)| {
            let is_over = !difference.is_empty() && !self.times(call).allows_another(*count);
            (is_over, Difference::distance(difference))
        });
        let Some((index, Expectation { call, count, .. }, difference)) = nearest else {
            text.push_str("\n  the mock expects no further calls");
            return text;
        };
        // Writing to a `String` never fails.
        let _ = write!(text, "\n  nearest is number {}, {call}:", index + 1);
        if difference.is_empty() {
            let times = self.times(call);
            let _ = if times.allows_another(*count) {
                write!(text, "\n    it matches, but an earlier call is expected first")
            } else {
                write!(text, "\n    it matches, but has come as often as expected: {times}")
            };
        }
        difference.lines.iter().for_each(|line| text.push_str(&format!("\n    {line}")));
        text
    }

    fn unmet(&self) -> String {
        let mut text = String::new();
        for (index, Expectation { call, count, .. }) in self.expectations.iter().enumerate() {
            let times = self.times(call);
            if !times.reached(*count) {
                let came = match count {
                    0 => "never came".to_owned(),
                    1 => "came once".to_owned(),
                    count => format!("came {count} times"),
                };
                let _ = writeln!(text, "number {}, {call}: expected {times}, {came}", index + 1);
            }
        }
        self.unexpected.iter().for_each(|unexpected| text.push_str(&format!("{unexpected}\n")));
        text
    }
}
