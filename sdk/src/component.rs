//! The attribute macros generate code that calls these functions. They extract the arguments of a handler or of
//! middleware, and call the user's function.

use std::future::Future;

use crate::middleware::Next;
pub use crate::sys::ArrivingRequest;
use crate::sys::Responder;
use crate::{Body, FromRequest, FromRequestParts, IncomingRequest, IntoResponse, Response};

/// Returns the request from which the arguments are extracted. An extractor reads at most `body_limit` bytes into
/// memory.
#[must_use]
pub fn incoming(request: ArrivingRequest, body_limit: u64) -> IncomingRequest {
    IncomingRequest::new(request).with_body_limit(body_limit)
}

/// Extracts an argument that is not the last one, and passes it to `rest`, which extracts the remaining arguments and
/// calls the handler.
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
/// The macro turns every handler into a function that takes at least one argument (`()` if the user's function takes
/// none) and returns a future.
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

/// Returns the future of a handler unchanged. Because of the bounds of this function, the compiler reports an error
/// at the return type of the handler if that type does not implement [`IntoResponse`].
pub fn response<R: IntoResponse, F: Future<Output = R>>(future: F) -> F {
    future
}

/// The rejection of one of several arguments.
#[derive(Debug)]
pub enum Rejected<A, B> {
    /// The rejection of the argument that [`answer_part`] extracts itself.
    Here(A),
    /// The rejection of a later argument.
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

/// Returns the last argument of middleware, which is the next handler.
#[must_use]
pub fn next<N: IsNext>() -> N {
    N::of_host()
}

/// The type of the last argument of middleware. Only [`Next`] implements this trait.
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

/// A type that no service has. If the feature `tower` is off, its name in the compiler's error tells the user to turn
/// the feature on.
#[cfg(not(feature = "tower"))]
#[derive(Debug)]
pub struct TheFeatureTowerOfTheCrateWayside;

/// Makes the compiler reject every service, because the feature `tower` is off.
#[cfg(not(feature = "tower"))]
pub async fn answer_service(_: TheFeatureTowerOfTheCrateWayside, _: ArrivingRequest) {}
