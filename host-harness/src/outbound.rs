//! Outbound calls of components, and the services that respond to them.

mod address;
mod cassette;
mod cut_body;
pub(crate) mod difference;
mod faults;
pub(crate) mod framed;
pub(crate) mod json;
mod learn;
pub mod mock;
mod network;
mod permitted;
mod policy;
mod rule;
mod toml_file;
mod upload;
mod url;

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, ready};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body as _;
use tower_service::Service;

use crate::Error;
use crate::message::body::Body;
use crate::message::error_code::ErrorCode;
use cassette::Pace;
use mock::Mock;
use network::Network;
use policy::Policy;
use upload::RequestBodyEnd;

pub use cassette::Redaction;
pub use faults::Fault;
pub use rule::Rule;
pub(crate) use upload::shown;

type OutboundFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, ErrorCode>> + Send>>;
type Handler = dyn Fn(Request<Body>) -> OutboundFuture + Send + Sync;

/// Responds to the outbound calls of a component: a [`Service`] over requests with absolute URIs.
///
/// By default every call is denied.
#[derive(Clone)]
pub struct Outbound(Arc<Handler>);

impl Outbound {
    /// Denies every call.
    #[must_use]
    pub fn deny() -> Self {
        Self::allow(Vec::new())
    }

    /// Sends the calls that a rule allows over the network, and denies the others.
    ///
    /// A denied call fails inside the component. The host's log names the rule that would have allowed it.
    #[must_use]
    pub fn allow(rules: impl IntoIterator<Item = Rule>) -> Self {
        let policy = Policy::new(rules);
        let network = Network::new(Some(policy.clone()));
        Self::from_handler(move |request| match policy.check(request.uri()) {
            Ok(()) => Box::pin(network.clone().send(request)),
            Err(denied) => {
                tracing::warn!("{denied}");
                Box::pin(ready(Err(ErrorCode::HttpRequestDenied)))
            }
        })
    }

    /// Sends every call over the network, to any address.
    ///
    /// A component can then reach everything that this machine can, including its local services. Use it for trusted
    /// components, and for [`learn`](Self::learn).
    #[must_use]
    pub fn allow_all() -> Self {
        let network = Network::new(None);
        Self::from_handler(move |request| Box::pin(network.clone().send(request)))
    }

    /// Passes calls to another service, and writes the rules that would have allowed them to a file: a sorted list with
    /// one line per server.
    ///
    /// An existing file is overwritten. The file is replaced atomically for each new rule. [`Rule`] parses each line.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn learn(path: impl AsRef<Path>, inner: impl Into<Self>) -> Result<Self, Error> {
        learn::learn(path.as_ref(), inner.into())
    }

    /// Makes a mock without expected calls; [`Mock::reply`] adds them.
    pub fn mock() -> Mock {
        Mock::new()
    }

    /// Responds to calls as a TOML file says, and fails unexpected calls; see [`Mock`].
    ///
    /// Does not check that every expected call is made; a mock that [`Mock::from_file`] makes from the same file does.
    ///
    /// ```toml
    /// [[call]]
    /// method = "POST"                     # any, if missing
    /// url = "http://api.test/users/*"     # `*` stands for any text
    /// query = { page = "2" }
    /// fields = ["x-key: secret"]
    /// json = '{"name": "Ada"}'            # or a table, or `body`, or `body-base64`
    /// times = "1..=3"                     # or a number, or "any"
    ///
    /// [call.reply]
    /// status = 201                        # 200, if missing
    /// fields = ["content-type: text/plain"]
    /// body = "made"                       # or `json`, or `body-base64`, or `pieces = ["a", "b"]` with `pause-ms`
    /// trailers = ["x-sum: 7"]
    /// delay-ms = 50
    /// truncate-after = 2                  # or `reset-after`, or `stall-after`
    ///
    /// [[call]]
    /// url = "http://down.test/"
    /// reply = { error = "connection-refused" }
    /// ```
    ///
    /// [`Call::new`](mock::Call::new) describes how URLs are compared, and [`Call::json`](mock::Call::json) how JSON
    /// is. If `json` is a table, dates in the table become strings, and the numbers `nan` and `inf` are errors.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is invalid; the error names line and column.
    pub fn mock_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self::from(&Mock::from_file(path)?.unverified()))
    }

    /// Passes calls to another service, and records them in a cassette: a TOML file that you can read and edit.
    ///
    /// A call is written when it ends, or within a second after its end once the file exceeds 1 MiB. The file lists
    /// calls in the order of their start. An existing file is overwritten, and each write replaces the file atomically.
    /// Bodies stream through; a body over 16 MiB is not recorded. [`Redaction::default`] lists the secrets that are
    /// left out; [`record_with`](Self::record_with) changes this list. To record the calls of several harnesses, clone
    /// the service: two recorders of the same file would overwrite each other's calls.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn record(path: impl AsRef<Path>, inner: impl Into<Self>) -> Result<Self, Error> {
        Self::record_with(path, inner, Redaction::default())
    }

    /// Records like [`record`](Self::record), with another redaction.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn record_with(path: impl AsRef<Path>, inner: impl Into<Self>, redaction: Redaction) -> Result<Self, Error> {
        cassette::record(path.as_ref(), inner.into(), redaction)
    }

    /// Responds to calls from a cassette of [`record`](Self::record), without a network.
    ///
    /// A call must equal one in the cassette: method, URL, headers, body and trailers, byte for byte, except for
    /// redacted values. Equal calls get their responses in the order of the cassette, each once; the order of different
    /// calls does not matter. A streamed body comes in the pieces of the recording, without pauses; see
    /// [`replay_with_pauses`](Self::replay_with_pauses). Any other call fails inside the component with an
    /// `internal-error`, and the host's log shows the most similar recorded call and the differences.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is not a cassette; the error names line and column.
    pub fn replay(path: impl AsRef<Path>) -> Result<Self, Error> {
        cassette::replay(path.as_ref(), Pace::Immediate)
    }

    /// Responds like [`replay`](Self::replay), and waits before each piece of a body as long as the server did in the
    /// recording. Bodies with a declared length have one piece.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is not a cassette; the error names line and column.
    pub fn replay_with_pauses(path: impl AsRef<Path>) -> Result<Self, Error> {
        cassette::replay(path.as_ref(), Pace::Recorded)
    }

    /// Passes calls to another service, and makes a share of them fail: `rate` is from 0 for none to 1 for all. Each
    /// failure is one of the `kinds`, for example [`Fault::ALL`].
    ///
    /// The seed and the number of a call decide whether the call fails, how, and where in the response body: the same
    /// seed gives the same faults. They may differ between versions of this crate.
    ///
    /// # Panics
    ///
    /// Panics if the rate is not from 0 to 1.
    #[must_use]
    pub fn faults(inner: impl Into<Self>, rate: f64, seed: u64, kinds: impl IntoIterator<Item = Fault>) -> Self {
        assert!((0.0..=1.0).contains(&rate), "the rate of faults is from 0 to 1, and not {rate}");
        faults::faults(inner.into(), rate, seed, kinds.into_iter().collect())
    }

    /// Responds to every call with a function.
    pub fn from_fn<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response<Body>, ErrorCode>> + Send + 'static,
    {
        Self::from_handler(move |request| Box::pin(answer(request)))
    }

    /// Responds to every call with a service. An error that is not an [`ErrorCode`] becomes `internal-error`.
    pub fn from_service<S>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Future: Send> + Clone + Send + Sync + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self::from_fn(move |request| {
            let mut service = service.clone();
            async move {
                std::future::poll_fn(|cx| service.poll_ready(cx)).await.map_err(code)?;
                service.call(request).await.map_err(code)
            }
        })
    }

    fn from_handler(handler: impl Fn(Request<Body>) -> OutboundFuture + Send + Sync + 'static) -> Self {
        Self(Arc::new(handler))
    }
}

fn code(error: impl Into<Box<dyn StdError + Send + Sync>>) -> ErrorCode {
    match error.into().downcast::<ErrorCode>() {
        Ok(code) => *code,
        Err(error) => ErrorCode::InternalError(Some(error.to_string())),
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self::deny()
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for Outbound {
    type Response = Response<Body>;
    type Error = ErrorCode;
    type Future = OutboundFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ErrorCode>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> OutboundFuture {
        if let Err(code) = upload::check_url(request.uri()) {
            return Box::pin(ready(Err(code)));
        }
        if request.body().is_end_stream() {
            return (self.0)(request);
        }
        let upload = RequestBodyEnd::default();
        let answer = (self.0)(upload.watch(request));
        Box::pin(async move { upload.answer(answer.await) })
    }
}
