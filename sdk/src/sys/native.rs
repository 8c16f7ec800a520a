//! The native world: no host, nothing exported. Handlers are plain functions that tests call.

pub(crate) mod export;
mod timer;

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use http_body::SizeHint;

use super::World;
use crate::client::Kind;
use crate::{Body, Request, Response, body, client, error};

pub(crate) struct Native;

impl World for Native {
    type IncomingRequest = Arrived;
    type IncomingBody = Infallible;
    type Sleep = timer::Sleep;

    async fn send(request: Request) -> Result<Response, client::Error> {
        let answer = OUTBOUND.with_borrow(|handler| handler.as_ref().map(|handler| handler(request)));
        match answer {
            Some(answer) => Ok(answer.await),
            None => Err(client::Error::new(
                Kind::Denied,
                "a native test has no network; answer the call with `wayside::test::outbound`",
            )),
        }
    }

    fn sleep(span: Duration) -> timer::Sleep {
        timer::Sleep::new(span)
    }

    fn park() {
        timer::park();
    }

    fn log(message: &str) {
        eprintln!("{message}");
    }

    fn unparker() -> impl Fn() + Send + Sync + 'static {
        let thread = thread::current();
        move || thread.unpark()
    }
}

/// The answer to an outbound call.
pub(crate) type OutboundAnswer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Answers the outbound calls of a thread.
pub(crate) type OutboundHandler = Rc<dyn Fn(Request) -> OutboundAnswer>;

thread_local! {
    static OUTBOUND: RefCell<Option<OutboundHandler>> = const { RefCell::new(None) };
}

/// Sets who answers the outbound calls of this thread, and hands back who did before.
pub(crate) fn set_outbound(handler: Option<OutboundHandler>) -> Option<OutboundHandler> {
    OUTBOUND.replace(handler)
}

/// A request that a test made.
pub(crate) struct Arrived(pub(crate) Request);

impl super::IncomingRequest for Arrived {
    fn method(&self) -> Result<Method, error::Error> {
        Ok(self.0.method().clone())
    }

    fn uri(&self) -> Result<Uri, error::Error> {
        Ok(self.0.uri().clone())
    }

    fn headers(&self) -> Result<HeaderMap, error::Error> {
        Ok(self.0.headers().clone())
    }

    fn into_body(self) -> Body {
        self.0.into_body()
    }
}

/// Natively no body comes from a host.
impl super::IncomingBody for Infallible {
    fn poll_data(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, body::Error>>> {
        match *self {}
    }

    fn poll_trailers(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, body::Error>> {
        match *self {}
    }

    fn size_hint(&self) -> SizeHint {
        match *self {}
    }
}
