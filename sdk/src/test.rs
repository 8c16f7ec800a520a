//! Testing handlers natively, under plain `cargo test`.
//!
//! A handler stays the function that you wrote, so a test calls it. [`block_on`] runs an async one, and [`outbound`]
//! answers the calls that it makes to other servers.
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

use std::future::Future;
use std::rc::Rc;

use crate::{Body, IncomingRequest, IntoResponse, Request, sys, task};

/// Runs a future to its end on this thread, with everything that it spawned.
///
/// # Panics
///
/// Panics if the future panics.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let output = task::block_on(future);
    task::end();
    output
}

/// Makes a request as a handler's extractors see it, to test an extractor of one's own.
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
    IncomingRequest::new(sys::Arrived(request.map(Into::into)))
}

/// Answers the outbound calls of this thread with a function, until the returned guard is dropped.
///
/// Without it every outbound call fails. Guards nest: the newest answers.
pub fn outbound<H, F>(handler: H) -> Outbound
where
    H: Fn(Request) -> F + 'static,
    F: Future<Output: IntoResponse> + Send + 'static,
{
    let handler = Rc::new(move |request| -> sys::OutboundAnswer {
        let answer = handler(request);
        Box::pin(async move { answer.await.into_response() })
    });
    Outbound { previous: sys::set_outbound(Some(handler)) }
}

/// Keeps the function given to [`outbound`] in place.
#[must_use = "outbound calls are answered only as long as this lives"]
pub struct Outbound {
    previous: Option<sys::OutboundHandler>,
}

impl Drop for Outbound {
    fn drop(&mut self) {
        sys::set_outbound(self.previous.take());
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").finish_non_exhaustive()
    }
}
