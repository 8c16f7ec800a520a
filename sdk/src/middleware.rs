//! Middleware: handlers in front of other handlers.
//!
//! `#[http_middleware]` turns a function into middleware. The function takes a request and [`Next`], and returns its
//! own response or the response of the next handler, changed or unchanged. Bodies stream through middleware in both
//! directions; a body that the middleware does not read is passed on by the host, and its bytes never enter the
//! component.
//!
//! Middleware needs WASI 0.3 (the world `wasi:http/middleware`), and so the feature `wasip3`: in WASI 0.2 a component
//! cannot create a request for the next handler. The next handler is an application or more middleware. The host
//! links that handler when the host starts, or the handler is composed with the middleware into one component.
//!
//! # Examples
//!
//! ```
//! use wayside::middleware::Next;
//! use wayside::{IntoResponse, Request, StatusCode, http_middleware};
//!
//! #[http_middleware]
//! async fn auth(req: Request, next: Next) -> impl IntoResponse {
//!     match req.headers().get("authorization") {
//!         Some(token) if token == "Bearer secret" => next.run(req).await,
//!         _ => StatusCode::UNAUTHORIZED.into_response(),
//!     }
//! }
//!
//! # fn main() {
//! // In a test, a function replaces the next handler.
//! let next = Next::from_fn(async |_| "for your eyes only");
//! let request = Request::get("http://example.org/").body("".into()).unwrap();
//! let answer = wayside::test::block_on(auth(request, next)).into_response();
//! assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
//! # }
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use http::StatusCode;

use crate::sys::log::Chain;
use crate::sys::{Here, World};
use crate::{Body, Error, IntoResponse, Request, Response, url};

/// The next handler: more middleware, or the application.
pub struct Next(NextHandler);

type NextFn = dyn Fn(Request) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync;

enum NextHandler {
    Host,
    Function(Box<NextFn>),
}

impl Next {
    /// Returns the next handler that the host has linked.
    pub(crate) fn of_host() -> Self {
        Self(NextHandler::Host)
    }

    /// Creates a next handler from a function, to test middleware natively.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::middleware::Next;
    /// use wayside::{Request, test};
    ///
    /// let next = Next::from_fn(async |req: Request| req.uri().path().to_owned());
    /// let answer = test::block_on(next.run(Request::get("/a").body("").unwrap()));
    /// assert_eq!(test::block_on(answer.into_body().text()).unwrap(), "/a");
    /// ```
    pub fn from_fn<F, A>(answer: F) -> Self
    where
        F: Fn(Request) -> A + Send + Sync + 'static,
        A: Future<Output: IntoResponse> + Send + 'static,
    {
        Self(NextHandler::Function(Box::new(move |request| {
            let answer = answer(request);
            Box::pin(async move { answer.await.into_response() })
        })))
    }

    /// Passes a request to the next handler and returns as soon as the response head has arrived.
    ///
    /// Middleware may call this function any number of times. The request body is sent in the background, also while
    /// the response is read. As with [`client::send`](crate::client::send), hop-by-hop headers are removed and the
    /// authority of the URI replaces a `host` header. A `content-length` must match the body: remove this header if
    /// you change the length of the body.
    ///
    /// If the next handler fails without a response, returns a response with the status 500 and writes the reason to
    /// stderr.
    pub async fn run<B: Into<Body>>(&self, request: Request<B>) -> Response {
        let mut request: Request = request.map(Into::into);
        url::encode(request.uri_mut());
        match &self.0 {
            NextHandler::Function(answer) => answer(request).await,
            NextHandler::Host => match Here::pass_on(Box::new(request)).await {
                Ok(response) => *response,
                Err(error) => {
                    Here::log(&format!("the next handler gave no response: {}", Chain(&error)));
                    Error::from_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
                }
            },
        }
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::block_on;

    #[test]
    fn the_next_handler_can_be_asked_several_times() {
        let next = Next::from_fn(async |req: Request| req.into_body().text().await.unwrap().to_uppercase());
        block_on(async {
            for text in ["one", "two"] {
                let answer = next.run(Request::new(text)).await;
                assert_eq!(answer.into_body().text().await.unwrap(), text.to_uppercase());
            }
        });
    }

    #[test]
    fn natively_there_is_no_next_handler_but_a_function() {
        let answer = block_on(Next(NextHandler::Host).run(Request::new("")));
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
