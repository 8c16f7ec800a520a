//! Calls handlers and middleware, and checks their types, for the attribute macros.

use std::future::Future;

use crate::middleware::Next;
pub use crate::sys::ArrivingRequest;
use crate::{FromRequest, IncomingRequest, IntoResponse};

/// Extracts the argument of a handler and calls the handler.
///
/// The macro turns every handler into a function that takes one argument (`()` if the user's function takes none) and
/// returns a future.
///
/// # Errors
///
/// Fails with the rejection of the argument's type if extraction fails.
pub async fn answer<A, M, F, R>(
    handler: impl FnOnce(A) -> F,
    request: ArrivingRequest,
    body_limit: u64,
) -> Result<R, A::Rejection>
where
    A: FromRequest<M>,
    F: Future<Output = R>,
    R: IntoResponse,
{
    let argument = A::from_request(IncomingRequest::new(request).with_body_limit(body_limit)).await?;
    Ok(handler(argument).await)
}

/// Extracts the first argument of middleware and calls the middleware.
///
/// # Errors
///
/// Fails with the rejection of the argument's type if extraction fails.
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
    Ok(middleware(argument, Next::of_host()).await)
}

/// Makes the compiler point at the argument's type if it cannot be extracted from a request.
pub fn check_argument<A: FromRequest<M>, M>() {}

/// Makes the compiler point at the second argument's type if it is not [`Next`].
pub fn check_next<N: IsNext>() {}

/// Implemented by [`Next`] only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the second argument of middleware",
    label = "expected `wayside::middleware::Next`",
    note = "middleware takes a request and the next handler: `async fn auth(req: Request, next: Next)`"
)]
pub trait IsNext {}

impl IsNext for Next {}

/// Makes the compiler point at the return type if it is not a response.
pub fn check_response<R: IntoResponse>() {}

/// A type whose name the compiler's error shows if the feature `tower` is missing.
#[cfg(not(feature = "tower"))]
#[derive(Debug)]
pub struct TheFeatureTowerOfTheCrateWayside;

/// Makes the compiler reject a service, because the feature `tower` is missing.
#[cfg(not(feature = "tower"))]
pub async fn answer_service(_: TheFeatureTowerOfTheCrateWayside, _: ArrivingRequest) {}
