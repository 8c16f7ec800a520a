//! The world of WASI 0.3: a component that exports `wasi:http/handler`.

mod abi;
mod clock;
mod convert;
mod exchange;
pub(crate) mod export;
mod imports;
mod incoming;
mod outgoing;
mod send;

#[path = "../bindings/wasip3.rs"]
#[rustfmt::skip]
#[expect(clippy::uninlined_format_args, clippy::allow_attributes_without_reason, missing_docs, unreachable_pub, reason = "generated code")]
#[allow(unsafe_code, reason = "generated code: the canonical ABI passes pointers")]
#[allow(clippy::panic, clippy::unwrap_used, reason = "generated code: it trusts the host to keep to the canonical ABI")]
pub mod bindings;

use std::future::Future;
use std::time::Duration;

use crate::client::Timeouts;
use crate::sys::abi::lists;
use crate::task::{Job, Root};
use crate::{Request, Response, client};

pub(crate) struct Wasip3;

impl super::World for Wasip3 {
    type IncomingRequest = exchange::IncomingRequest;
    type IncomingBody = incoming::IncomingBody;
    type Sleep = clock::Sleep;

    fn now() -> Duration {
        clock::now()
    }

    fn send(
        request: Box<Request>,
        timeouts: Timeouts,
    ) -> impl Future<Output = Result<Box<Response>, client::Error>> + Send {
        send::send(request, &timeouts)
    }

    fn pass_on(request: Box<Request>) -> impl Future<Output = Result<Box<Response>, client::Error>> + Send {
        send::pass_on(request)
    }

    fn sleep(span: Duration) -> clock::Sleep {
        clock::Sleep::new(span)
    }

    fn park() {
        // Nothing blocks in this world: the tasks of the component model wait in the host.
    }

    fn look() {
        // A task gives way to the host after each round (see `abi`).
    }

    fn root() -> impl Root {
        Job::new()
    }

    fn log(message: &str) {
        exchange::log(message);
    }

    const HAS_THREADS: bool = false;

    fn unparker() -> impl Fn() + Send + Sync + 'static {
        let waker = abi::waker();
        move || waker.wake_by_ref()
    }

    type Sending = exchange::Sending;
    const SENDING: Option<&'static exchange::Sending> = Some(&exchange::SENDING);
}
