//! The worlds: one folder for each ABI that a handler can be built for.
//!
//! [`World`] is the contract that each of them fulfils; the rest of the crate speaks to [`Here`], the world of the
//! target at hand. No other file of the crate asks for the target, but for one line in `lib.rs` that leaves the native test
//! support out of components.

#[allow(dead_code, reason = "natively only tests use most of it")]
pub(crate) mod http;

use std::future::Future;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::{HeaderMap, Method, Uri};
use bytes::Bytes;
use http_body::SizeHint;

use crate::client::Timeouts;
use crate::task::Root;
use crate::{Request, Response, body, client, error};

#[cfg(all(target_os = "wasi", target_env = "p2", not(feature = "wasip3")))]
mod wasip2;
#[cfg(all(target_os = "wasi", target_env = "p2", not(feature = "wasip3")))]
pub(crate) use wasip2::{Wasip2 as Here, export};

#[cfg(all(target_os = "wasi", any(target_env = "p3", all(target_env = "p2", feature = "wasip3"))))]
mod wasip3;
#[cfg(all(target_os = "wasi", any(target_env = "p3", all(target_env = "p2", feature = "wasip3"))))]
pub(crate) use wasip3::{Wasip3 as Here, export};

#[cfg(target_family = "wasm")]
mod abi;
#[cfg(target_family = "wasm")]
mod panic_hook;

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::export;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::{Arrived, Native as Here, outbound, set_outbound, timer};

#[cfg(all(target_family = "wasm", not(all(target_os = "wasi", any(target_env = "p2", target_env = "p3")))))]
compile_error!("wayside builds components: pass `--target wasm32-wasip2` to cargo");

/// What the crate needs of the place where it runs.
pub(crate) trait World {
    /// A request as it arrived, nothing of it read yet.
    type IncomingRequest: IncomingRequest;
    /// A body that is arriving.
    type IncomingBody: IncomingBody;
    /// Completes after a span of time.
    type Sleep: Future<Output = ()> + Send + Unpin;

    /// The time since some moment, on a clock that never goes back.
    fn now() -> Duration;

    /// Sends a request and answers at the head of its response, while the upload goes on. Errors name the request.
    ///
    /// Both are boxed, because every future on their way would be moved with them.
    fn send(
        request: Box<Request>,
        timeouts: Timeouts,
    ) -> impl Future<Output = Result<Box<Response>, client::Error>> + Send;

    /// Passes a request on to the handler behind this one, where the component is middleware. Answers like [`send`](World::send).
    fn pass_on(request: Box<Request>) -> impl Future<Output = Result<Box<Response>, client::Error>> + Send;

    /// Starts a timer.
    fn sleep(span: Duration) -> Self::Sleep;

    /// Waits until something that a future of this thread waits for has happened, and wakes that future.
    ///
    /// May return early. Panics where it is certain that nothing can happen any more.
    fn park();

    /// Wakes the futures of this thread whose events have happened, without waiting for any.
    ///
    /// The executor calls it between rounds while a future keeps waking itself.
    fn look();

    /// What wakes a future that runs to its end on this thread, and nothing else does meanwhile but what was spawned.
    fn root() -> impl Root;

    /// Writes a line about the exchange at hand for the operator.
    fn log(message: &str);

    /// Whether other threads than the executor's can bring on what a future waits for.
    const HAS_THREADS: bool;

    /// What ends a [`park`](World::park) of the current thread from elsewhere.
    fn unparker() -> impl Fn() + Send + Sync + 'static;

    /// How this world sends what is more than bytes with a media type.
    type Sending: 'static;

    /// Whoever makes such an answer hands it over with this, so that a component in which nobody does has no code for it.
    const SENDING: Option<&'static Self::Sending>;
}

/// How the world of the target at hand sends what is more than bytes with a media type.
pub(crate) type Sending = <Here as World>::Sending;

/// A request of which each part is fetched only when it is asked for.
pub(crate) trait IncomingRequest: Send {
    fn method(&self) -> Result<Method, error::Error>;
    /// With scheme and authority where the host tells them.
    fn uri(&self) -> Result<Uri, error::Error>;
    /// With the `host` field that hosts take out.
    fn headers(&self) -> Result<HeaderMap, error::Error>;
    fn into_body(self) -> body::Body;

    /// Fills in all but the body. A world that can fetch everything at once for less says how.
    ///
    /// It is filled in where it is, because all of it takes long to move.
    fn head<B>(&self, request: &mut Request<B>) -> Result<(), error::Error> {
        *request.method_mut() = self.method()?;
        *request.uri_mut() = self.uri()?;
        *request.headers_mut() = self.headers()?;
        Ok(())
    }
}

/// A body that is fetched piece by piece.
pub(crate) trait IncomingBody: Send {
    /// The next piece, never empty; `None` after the last.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, body::Error>>>;
    /// The trailers, once all data has been read.
    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, body::Error>>;
    fn size_hint(&self) -> SizeHint;
}
