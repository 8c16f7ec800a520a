//! The worlds: one folder for each ABI that a handler can be built for.
//!
//! Every world implements [`World`]; the rest of the crate uses [`Here`], the world of the current target. Only this file and
//! `executor.rs` ask for the target, apart from one line in `lib.rs` that leaves the native test support out of components.

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
pub(crate) use respond::Responder;

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
pub(crate) use native::{ArrivingBody, Native as Here, Upstream, calls, export, outbound, set_outbound, timer};

#[cfg(all(target_family = "wasm", not(all(target_os = "wasi", any(target_env = "p2", target_env = "p3")))))]
compile_error!("wayside builds components: pass `--target wasm32-wasip2` to cargo");

/// The services of a world.
pub(crate) trait World {
    /// A request, before anything of it is read.
    type IncomingRequest: IncomingRequest;
    /// The body of a message from the host.
    type IncomingBody: IncomingBody;
    /// Completes after a duration.
    type Sleep: Future<Output = ()> + Send + Unpin;

    /// Whether other threads than the executor's can wake a future.
    const HAS_THREADS: bool;

    /// The time on a monotonic clock, from an arbitrary start.
    fn now() -> Duration;

    /// Sends a request and returns at the head of its response, while the upload continues. Errors name the request.
    ///
    /// Both are boxed, because they move through several futures.
    fn send<B: MessageBody>(
        request: Box<Request<B>>,
        timeouts: Timeouts,
    ) -> impl Future<Output = Result<Box<Response<B>>, outbound::Error>> + Send;

    /// Passes a request to the next handler, if the component is middleware. Returns like [`send`](World::send).
    fn pass_on<B: MessageBody>(
        request: Box<Request<B>>,
    ) -> impl Future<Output = Result<Box<Response<B>>, outbound::Error>> + Send;

    /// Starts a timer.
    fn sleep(duration: Duration) -> Self::Sleep;

    /// Writes a line about the current exchange for the operator.
    fn log(message: &str);

    /// Returns a function that ends a [`park`](Blocking::park) of the current thread, or calls the current task back.
    fn unparker() -> impl Fn() + Send + Sync + 'static;
}
