//! The worlds that a handler can be built for: WASI 0.2, WASI 0.3 and native code. Each world has a folder.
//!
//! Every world implements [`World`]; the rest of the crate uses [`Here`], the world of the current target. Only this
//! file and `executor.rs` select code for one of the worlds by the target. Other files check at most whether the
//! target is WebAssembly, for example to leave test support out of components.

#[allow(dead_code, reason = "natively only tests use most of it")]
pub(crate) mod http;

#[allow(dead_code, reason = "natively no body comes from a host")]
pub(crate) mod body;
pub(crate) mod executor;
pub(crate) mod log;
pub(crate) mod outbound;
pub(crate) mod request;
mod respond;

use std::future::Future;
use std::time::Duration;

use ::http::{Request, Response};

use body::{IncomingBody, MessageBody};
use outbound::Timeouts;
use request::IncomingRequest;

pub use respond::HandlerResult;
pub(crate) use respond::{MoreHeaders, Responder};

#[cfg(all(target_os = "wasi", target_env = "p2", not(feature = "wasip3")))]
mod wasip2;
#[cfg(all(target_os = "wasi", target_env = "p2", not(feature = "wasip3")))]
pub use wasip2::ArrivingRequest;
#[cfg(all(target_os = "wasi", target_env = "p2", not(feature = "wasip3")))]
pub(crate) use wasip2::{ArrivingBody, Wasip2 as Here, export};

#[cfg(all(target_os = "wasi", any(target_env = "p3", all(target_env = "p2", feature = "wasip3"))))]
mod wasip3;
#[cfg(all(target_os = "wasi", any(target_env = "p3", all(target_env = "p2", feature = "wasip3"))))]
pub use wasip3::ArrivingRequest;
#[cfg(all(target_os = "wasi", any(target_env = "p3", all(target_env = "p2", feature = "wasip3"))))]
pub(crate) use wasip3::{ArrivingBody, Wasip3 as Here, export};

#[cfg(any(target_family = "wasm", test))]
#[allow(dead_code, reason = "each world uses a part of it")]
mod abi;
#[cfg(target_family = "wasm")]
mod panic_hook;

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
pub use native::ArrivingRequest;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::{
    ArrivingBody, Native as Here, Upstream, calls, error_code, export, outbound, set_outbound, timer,
};

#[cfg(all(target_family = "wasm", not(all(target_os = "wasi", any(target_env = "p2", target_env = "p3")))))]
compile_error!("wayside builds components: pass `--target wasm32-wasip2` to cargo");

/// The functions and types that each world provides to the rest of the crate.
pub(crate) trait World {
    /// An incoming request whose parts have not been read from the host.
    type IncomingRequest: IncomingRequest;
    /// The body of a message from the host.
    type IncomingBody: IncomingBody;
    /// A future that completes after a duration.
    type Sleep: Future<Output = ()> + Send + Unpin;

    /// Whether a thread other than the executor's can wake a future.
    const HAS_THREADS: bool;

    /// Returns the time since an arbitrary start, on a monotonic clock.
    fn now() -> Duration;

    /// Sends a request, and returns once the head of the response has arrived. The request body is then sent on in
    /// the background. Errors name the method and the URL of the request.
    ///
    /// The request and the response are boxed, because they move through several futures.
    fn send<B: MessageBody>(
        request: Box<Request<B>>,
        timeouts: Timeouts,
    ) -> impl Future<Output = Result<Box<Response<B>>, outbound::Error>> + Send;

    /// Passes a request of middleware to the next handler. Returns once the head of the response has arrived, as
    /// [`send`](World::send) does.
    fn pass_on<B: MessageBody>(
        request: Box<Request<B>>,
    ) -> impl Future<Output = Result<Box<Response<B>>, outbound::Error>> + Send;

    /// Starts a timer.
    fn sleep(duration: Duration) -> Self::Sleep;

    /// Writes a line about the current exchange to stderr.
    fn log(message: &str);

    /// Returns a function that makes the executor run again: it ends a [`park`](Blocking::park) of the current thread
    /// or, in WASI 0.3, makes the host call the current task back.
    fn unparker() -> impl Fn() + Send + Sync + 'static;
}
