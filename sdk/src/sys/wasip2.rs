//! The world of WASI 0.2: a component that exports `wasi:http/incoming-handler`.

mod convert;
mod exchange;
pub(crate) mod export;
mod imports;
mod incoming;
mod outgoing;
mod poll;
mod root;
mod send;

#[path = "../bindings/wasip2.rs"]
#[rustfmt::skip]
#[expect(clippy::uninlined_format_args, clippy::allow_attributes_without_reason, missing_docs, unreachable_pub, reason = "generated code")]
#[allow(unsafe_code, reason = "generated code: the canonical ABI passes pointers")]
#[allow(clippy::panic, clippy::unwrap_used, reason = "generated code: it trusts the host to keep to the canonical ABI")]
pub mod bindings;

use std::future::Future;
use std::time::Duration;

use crate::client::Timeouts;
use crate::sys::abi::lists;
use crate::task::Root;
use crate::{Request, Response, client};

pub(crate) struct Wasip2;

impl super::World for Wasip2 {
    type IncomingRequest = exchange::IncomingRequest;
    type IncomingBody = incoming::IncomingBody;
    type Sleep = poll::Sleep;

    fn now() -> Duration {
        poll::now()
    }

    fn send(
        request: Box<Request>,
        timeouts: Timeouts,
    ) -> impl Future<Output = Result<Box<Response>, client::Error>> + Send {
        send::send(request, &timeouts)
    }

    async fn pass_on(_: Box<Request>) -> Result<Box<Response>, client::Error> {
        // The macro lets no middleware be built for this world.
        Err(client::Error::new(client::Kind::Unsupported, "there is no middleware in WASI 0.2"))
    }

    fn sleep(span: Duration) -> poll::Sleep {
        poll::Sleep::new(span)
    }

    fn park() {
        poll::park();
    }

    fn look() {
        poll::look();
    }

    fn root() -> impl Root {
        root::TheOnly::new()
    }

    fn log(message: &str) {
        exchange::log(message);
    }

    const HAS_THREADS: bool = false;

    fn unparker() -> impl Fn() + Send + Sync + 'static {
        // The only thread is awake whenever it can be woken.
        || ()
    }

    type Sending = exchange::Sending;
    const SENDING: Option<&'static exchange::Sending> = Some(&exchange::SENDING);
}
