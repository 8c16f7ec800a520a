//! From a user's function to an answer.

use std::future::Future;

use crate::respond::Answer;
use crate::{FromRequest, IncomingRequest, IntoResponse};

/// Extracts the argument of a handler, calls it, and turns what it returns into an answer.
///
/// The macro brings every shape of handler into this one: a function of one argument (`()` where the user's has none)
/// that returns a future.
pub async fn answer<A, M, F, R>(handler: impl FnOnce(A) -> F, request: IncomingRequest, body_limit: u64) -> Answer
where
    A: FromRequest<M>,
    F: Future<Output = R>,
    R: IntoResponse,
{
    match A::from_request(request.with_body_limit(body_limit)).await {
        Ok(argument) => handler(argument).await.into_answer(),
        Err(rejection) => rejection.into_answer(),
    }
}

/// Makes the compiler point at the argument's type when it cannot be extracted from a request.
pub fn check_argument<A: FromRequest<M>, M>() {}

/// Makes the compiler point at the return type when it is no answer.
pub fn check_response<R: IntoResponse>() {}

/// Stands where the feature is missing, so that the compiler's complaint names it.
#[cfg(not(feature = "tower"))]
#[derive(Debug)]
pub struct TheFeatureTowerOfTheCrateWayside;

/// Complains that a service cannot be a handler.
#[cfg(not(feature = "tower"))]
pub async fn answer_service(_: TheFeatureTowerOfTheCrateWayside, _: IncomingRequest) -> Answer {
    Answer::untyped(crate::Body::empty())
}
