//! Extracts the arguments of handlers and middleware, and calls them, for the attribute macros.

use std::future::Future;

use crate::middleware::Next;
pub use crate::sys::ArrivingRequest;
use crate::sys::Responder;
use crate::{Body, FromRequest, FromRequestParts, IncomingRequest, IntoResponse, Response};

/// Starts the extraction of the arguments.
#[must_use]
pub fn incoming(request: ArrivingRequest, body_limit: u64) -> IncomingRequest {
    IncomingRequest::new(request).with_body_limit(body_limit)
}

/// Extracts an argument that is not the last, and passes it to the code that extracts the next one.
///
/// # Errors
///
/// Fails with the rejection of the argument's type, or with the failure of `rest`.
pub async fn answer_part<A, F, R, E>(
    mut request: IncomingRequest,
    rest: impl FnOnce(A, IncomingRequest) -> F,
) -> Result<R, Rejected<A::Rejection, E>>
where
    A: FromRequestParts,
    F: Future<Output = Result<R, E>>,
{
    let argument = A::from_request_parts(&mut request).await.map_err(Rejected::Here)?;
    rest(argument, request).await.map_err(Rejected::Later)
}

/// Extracts the last argument of a handler and calls the handler.
///
/// The macro turns every handler into a function that takes at least one argument (`()` if the user's function takes none)
/// and returns a future.
///
/// # Errors
///
/// Fails with the rejection of the argument's type if extraction fails.
pub async fn answer<A, M, F, R>(request: IncomingRequest, handler: impl FnOnce(A) -> F) -> Result<R, A::Rejection>
where
    A: FromRequest<M>,
    F: Future<Output = R>,
{
    let argument = A::from_request(request).await?;
    Ok(handler(argument).await)
}

/// Returns the future of a handler. Makes the compiler point at the return type if it is not a response.
pub fn response<R: IntoResponse, F: Future<Output = R>>(future: F) -> F {
    future
}

/// The rejection of one of several arguments.
#[derive(Debug)]
pub enum Rejected<A, B> {
    /// By this argument.
    Here(A),
    /// By a later one.
    Later(B),
}

impl<A: IntoResponse, B: IntoResponse> IntoResponse for Rejected<A, B> {
    fn into_response(self) -> Response {
        match self {
            Self::Here(rejection) => rejection.into_response(),
            Self::Later(rejection) => rejection.into_response(),
        }
    }

    fn respond<R: Responder<Body>>(self, responder: R) -> R::Sent {
        match self {
            Self::Here(rejection) => rejection.respond(responder),
            Self::Later(rejection) => rejection.respond(responder),
        }
    }
}

/// Returns the last argument of middleware.
#[must_use]
pub fn next<N: IsNext>() -> N {
    N::of_host()
}

/// Implemented by [`Next`] only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the last argument of middleware",
    label = "expected `wayside::middleware::Next`",
    note = "the last argument of middleware is the next handler: `async fn auth(req: Request, next: Next)`"
)]
pub trait IsNext {
    /// Returns the next handler that the host has linked.
    fn of_host() -> Self;
}

impl IsNext for Next {
    fn of_host() -> Self {
        Self::of_host()
    }
}

/// A type whose name the compiler's error shows if the feature `tower` is missing.
#[cfg(not(feature = "tower"))]
#[derive(Debug)]
pub struct TheFeatureTowerOfTheCrateWayside;

/// Makes the compiler reject a service, because the feature `tower` is missing.
#[cfg(not(feature = "tower"))]
pub async fn answer_service(_: TheFeatureTowerOfTheCrateWayside, _: ArrivingRequest) {}
