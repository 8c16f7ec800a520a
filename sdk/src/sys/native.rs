//! The native world: no host, nothing exported. Handlers are plain functions that tests call.

pub(crate) mod export;
pub(crate) mod timer;

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use http_body::SizeHint;

use super::World;
use crate::client::{Kind, Timeouts};
use crate::task::{Job, Root};
use crate::test::Upstream;
use crate::time::timeout;
use crate::{Body, Request, Response, body, client, error};

pub(crate) struct Native;

impl World for Native {
    type IncomingRequest = Arrived;
    type IncomingBody = Infallible;
    type Sleep = timer::Sleep;

    fn now() -> Duration {
        timer::elapsed()
    }

    async fn send(request: Box<Request>, timeouts: Timeouts) -> Result<Box<Response>, client::Error> {
        let upstream = OUTBOUND.with_borrow(Option::clone);
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let answer = upstream.map(|upstream| upstream.answer(*request));
        let response = match answer {
            Some(answer) => match timeouts.total {
                // The finer limits are about connections, and there is none.
                Some(limit) => timeout(limit, answer).await.map_err(client::Error::timed_out),
                None => Ok(answer.await),
            },
            None => Err(client::Error::new(
                Kind::Denied,
                "a native test has no network; answer the call with `wayside::test::outbound`",
            )),
        };
        response
            .map(|response| Box::new(response.map(Body::of_a_response)))
            .map_err(|error| error.with_target(&method, &uri))
    }

    async fn pass_on(_: Box<Request>) -> Result<Box<Response>, client::Error> {
        let reason = "a native test has no next handler; make one with `wayside::middleware::Next::from_fn`";
        Err(client::Error::new(Kind::Unsupported, reason))
    }

    fn sleep(span: Duration) -> timer::Sleep {
        timer::Sleep::new(span)
    }

    fn park() {
        timer::park();
    }

    fn root() -> impl Root {
        Job::new()
    }

    fn log(message: &str) {
        eprintln!("{message}");
    }

    fn unparker() -> impl Fn() + Send + Sync + 'static {
        let thread = thread::current();
        move || thread.unpark()
    }

    type Sending = Infallible;
    const SENDING: Option<&'static Infallible> = None;
}

thread_local! {
    static OUTBOUND: RefCell<Option<Rc<dyn Upstream>>> = const { RefCell::new(None) };
}

/// Sets who answers the outbound calls of this thread, and hands back who did before.
pub(crate) fn set_outbound(upstream: Option<Rc<dyn Upstream>>) -> Option<Rc<dyn Upstream>> {
    OUTBOUND.replace(upstream)
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
