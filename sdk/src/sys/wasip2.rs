//! The world of WASI 0.2: a component that exports `wasi:http/incoming-handler`.

mod convert;
mod exchange;
pub(crate) mod export;
mod heads;
mod incoming;
mod outgoing;
mod poll;
mod root;
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
use super::executor::blocking::{Blocking, Root};
use super::outbound::{self, Kind, Timeouts};

pub use exchange::ArrivingRequest;
pub(crate) use incoming::ArrivingBody;

/// The world of WASI 0.2.
pub(crate) struct Wasip2;

impl super::World for Wasip2 {
    type IncomingRequest = ArrivingRequest;
    type IncomingBody = ArrivingBody;
    type Sleep = poll::Sleep;

    const HAS_THREADS: bool = false;

    fn now() -> Duration {
        poll::now()
    }

    fn send<B: MessageBody>(
        request: Box<Request<B>>,
        timeouts: Timeouts,
    ) -> impl Future<Output = Result<Box<Response<B>>, outbound::Error>> + Send {
        send::send(request, &timeouts)
    }

    async fn pass_on<B: MessageBody>(_: Box<Request<B>>) -> Result<Box<Response<B>>, outbound::Error> {
        // Never called: `http_middleware` does not compile in this world.
        Err(outbound::Error::new(Kind::Unsupported, "there is no middleware in WASI 0.2"))
    }

    fn sleep(duration: Duration) -> poll::Sleep {
        poll::Sleep::new(duration)
    }

    fn log(message: &str) {
        exchange::log(message);
    }

    fn unparker() -> impl Fn() + Send + Sync + 'static {
        // Nothing to do: only the single thread of the instance wakes futures, and a thread that wakes a future is
        // not parked.
        || ()
    }
}

impl Blocking for Wasip2 {
    type Beside = exchange::SendBeside;
    const BESIDE: exchange::SendBeside = exchange::SendBeside(exchange::send_body);

    fn park() {
        poll::park();
    }

    fn look() {
        poll::look();
    }

    fn root() -> impl Root {
        root::TheOnly::new()
    }
}
