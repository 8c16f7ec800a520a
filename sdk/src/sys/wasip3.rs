//! The world of WASI 0.3: a component that exports `wasi:http/handler`.

mod abi;
mod clock;
mod convert;
mod exchange;
pub(crate) mod export;
mod heads;
mod incoming;
mod outgoing;
mod send;

#[rustfmt::skip]
#[expect(clippy::uninlined_format_args, clippy::allow_attributes_without_reason, missing_docs, unreachable_pub, reason = "generated code")]
#[allow(unsafe_code, reason = "generated code: the canonical ABI passes pointers")]
#[allow(clippy::panic, clippy::unwrap_used, reason = "generated code: it trusts the host to keep to the canonical ABI")]
pub mod bindings;

use std::future::Future;
use std::time::Duration;

use http::{Request, Response};

use super::abi::lists;
use super::body::MessageBody;
use super::outbound::{self, Timeouts};

pub use exchange::ArrivingRequest;
pub(crate) use incoming::ArrivingBody;

/// The world of WASI 0.3.
pub(crate) struct Wasip3;

impl super::World for Wasip3 {
    type IncomingRequest = ArrivingRequest;
    type IncomingBody = ArrivingBody;
    type Sleep = clock::Sleep;

    const HAS_THREADS: bool = false;

    fn now() -> Duration {
        clock::now()
    }

    fn send<B: MessageBody>(
        request: Box<Request<B>>,
        timeouts: Timeouts,
    ) -> impl Future<Output = Result<Box<Response<B>>, outbound::Error>> + Send {
        send::send(request, &timeouts)
    }

    fn pass_on<B: MessageBody>(
        request: Box<Request<B>>,
    ) -> impl Future<Output = Result<Box<Response<B>>, outbound::Error>> + Send {
        send::pass_on(request)
    }

    fn sleep(duration: Duration) -> clock::Sleep {
        clock::Sleep::new(duration)
    }

    fn log(message: &str) {
        exchange::log(message);
    }

    fn unparker() -> impl Fn() + Send + Sync + 'static {
        let waker = abi::waker();
        move || waker.wake_by_ref()
    }
}
