//! Middleware: a handler in front of another.
//!
//! `#[http_middleware]` makes a function middleware. It takes a request and [`Next`], and answers: by itself, or with what
//! the next handler answered, as it is or changed. Bodies stream through it both ways; one that it does not touch is
//! moved by the host.
//!
//! Middleware is a component of WASI 0.3, of the world `wasi:http/middleware`, so it needs the feature `wasip3`. In WASI
//! 0.2 a component cannot make what it would pass on. What stands behind it is up to the host: an application or more
//! middleware, joined when the host starts, or composed into one component before.
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
//! // A test puts a function behind it.
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

use crate::handler::ArrivingRequest;
use crate::sys::log::Chain;
use crate::sys::{Here, World};
use crate::{Body, Error, FromRequest, IncomingRequest, IntoResponse, Request, Response, url};

/// What stands behind middleware: more of it, or the application.
pub struct Next(NextHandler);

type Answering = dyn Fn(Request) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync;

enum NextHandler {
    Host,
    Function(Box<Answering>),
}

impl Next {
    /// Makes one of a function, to test middleware natively.
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

    /// Passes a request on, and answers when the head of the response has arrived.
    ///
    /// It may be called as often as middleware likes, or not at all. The body of the request is sent meanwhile, and goes on
    /// being sent while the response is read. As with [`client::send`](crate::client::send), fields that belong to one
    /// connection only are left out, the authority of the URI wins over a `host` field, and a `content-length` must be
    /// true of the body: remove it where you change the length.
    ///
    /// What is behind always answers: where it fails without a response, the answer is a 500, and a line on stderr says
    /// why.
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

/// Extracts the argument of middleware and calls it.
///
/// # Errors
///
/// Fails with the response to a request that lacks what the argument needs.
pub async fn answer_middleware<A, M, F, R>(
    middleware: impl FnOnce(A, Next) -> F,
    request: ArrivingRequest,
    body_limit: u64,
) -> Result<R, A::Rejection>
where
    A: FromRequest<M>,
    F: Future<Output = R>,
    R: IntoResponse,
{
    let argument = A::from_request(IncomingRequest::new(request).with_body_limit(body_limit)).await?;
    Ok(middleware(argument, Next(NextHandler::Host)).await)
}

/// Makes the compiler point at the second argument's type when it is not that of middleware.
pub fn check_next<N: IsNext>() {}

/// Is [`Next`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the second argument of middleware",
    label = "expected `wayside::middleware::Next`",
    note = "middleware takes a request and what comes next: `async fn auth(req: Request, next: Next)`"
)]
pub trait IsNext {}

impl IsNext for Next {}

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
