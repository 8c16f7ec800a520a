//! Support for native tests of handlers, which run with plain `cargo test`.
//!
//! A handler stays an ordinary function under its attribute macro, so a test can call it. `#[wayside::test]` or
//! [`block_on`] runs async code, [`outbound`] responds to outbound calls, and [`pause`] stops the clock, so that a
//! sleep of an hour takes no time.
//!
//! # Examples
//!
//! ```
//! use wayside::{Error, Request, client, test};
//!
//! async fn handle(name: String) -> Result<String, Error> {
//!     let request = Request::post("http://greetings.example/").body(name)?;
//!     Ok(client::send(request).await?.into_body().text().await?)
//! }
//!
//! let _upstream = test::outbound(|request: Request| async move {
//!     let name = request.into_body().text().await.unwrap();
//!     format!("hello {name}")
//! });
//! assert_eq!(test::block_on(handle("Ada".to_owned())).unwrap(), "hello Ada");
//! ```

mod clock;
mod mock;
mod scope;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use crate::sys::body::{MessageBody, Origin, Outgoing};
use crate::{Body, IncomingRequest, IntoResponse, Request, Response, sys, url};

pub use crate::sys::error_code::{DnsErrorPayload, ErrorCode, FieldSizePayload, TlsAlertReceivedPayload};
pub use clock::{Pause, advance, pause};
pub use mock::{Call, Mock, Reply, Times};

/// Runs a future on this thread to its end, and then its tasks of [`wait_until`](crate::wait_until). Tasks of
/// [`spawn`](crate::spawn) that are then unfinished are dropped.
///
/// Guards of [`outbound`] and [`pause`] that the future keeps to its end stay in effect until the tasks of
/// [`wait_until`](crate::wait_until) are done.
///
/// # Panics
///
/// Panics if the future panics.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use wayside::{test, time};
///
/// let answer = test::block_on(async {
///     time::sleep(Duration::from_millis(1)).await;
///     "done"
/// });
/// assert_eq!(answer, "done");
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    scope::run(future)
}

/// Creates an incoming request, to test an extractor.
///
/// # Examples
///
/// ```
/// use wayside::{FromRequest, Method, Request, test};
///
/// let request = Request::post("http://example.org/").body("").unwrap();
/// let method = test::block_on(Method::from_request(test::incoming(request))).unwrap();
/// assert_eq!(method, Method::POST);
/// ```
pub fn incoming<B: Into<Body>>(request: Request<B>) -> IncomingRequest {
    let mut request: Request = request.map(Into::into);
    url::encode(request.uri_mut());
    IncomingRequest::new(sys::ArrivingRequest(request.map(MessageBody::into_outgoing)))
}

/// A responder to outbound calls: an async function of the request, or a [`Mock`].
pub trait Upstream {
    /// Responds to a call.
    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>>;
}

impl<H, F> Upstream for H
where
    H: Fn(Request) -> F,
    F: Future<Output: IntoResponse> + Send + 'static,
{
    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        let answer = self(request);
        Box::pin(async move { answer.await.into_response() })
    }
}

/// Makes an upstream respond to the outbound calls of this thread, until the returned guard is dropped. If a test
/// keeps the guard to its end, the upstream also responds to the calls of the tasks of
/// [`wait_until`](crate::wait_until).
///
/// Without such a guard, outbound calls fail. If there are several guards, the upstream of the newest one responds.
///
/// # Examples
///
/// ```
/// use wayside::{Request, StatusCode, client, test};
///
/// let _upstream = test::outbound(async |_: Request| (StatusCode::IM_A_TEAPOT, "short and stout"));
/// let response = test::block_on(client::get("http://tea.example/")).unwrap();
/// assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
/// ```
pub fn outbound<U: Upstream + 'static>(upstream: U) -> Outbound {
    scope::note_change();
    Outbound { previous: sys::set_outbound(Some(Rc::new(UpstreamAdapter(upstream)))) }
}

impl IntoResponse for ErrorCode {
    /// Makes a response that stands for a failed call. Only an outbound call of a native test understands it.
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

/// Adapts an [`Upstream`] to the request and response types of `sys`.
struct UpstreamAdapter<U>(U);

impl<U: Upstream> sys::Upstream for UpstreamAdapter<U> {
    fn call(&self, request: http::Request<Outgoing>) -> Pin<Box<dyn Future<Output = http::Response<Outgoing>> + Send>> {
        let response = self.0.answer(request.map(|body| Body::from_outgoing(body, Origin::Request)));
        Box::pin(async move { response.await.map(MessageBody::into_outgoing) })
    }
}

/// The guard of [`outbound`]. Dropping it restores the previous upstream.
#[must_use = "outbound calls are answered only as long as this guard lives"]
pub struct Outbound {
    previous: Option<Rc<dyn sys::Upstream>>,
}

impl Drop for Outbound {
    fn drop(&mut self) {
        scope::guard_dropped();
        sys::set_outbound(self.previous.take());
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").finish_non_exhaustive()
    }
}
