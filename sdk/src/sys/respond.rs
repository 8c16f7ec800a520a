//! Responses, as the worlds see them.
//!
//! The type of a handler's result decides which methods of [`Responder`] it calls, so a component has code only for the kinds of
//! responses that its handler can return.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::body::MessageBody;

/// The result of a handler.
pub trait HandlerResult {
    /// The body of the response.
    type Body: MessageBody;

    /// Sends this as the response.
    fn send<R: Responder<Self::Body>>(self, responder: R) -> R::Sent;
}

/// Takes the response of a handler: a world sends it, a test collects it.
///
/// Most responses are a body with a media type, and a header map for that one header would cost more than the rest of the
/// response. So such a response has its own methods.
pub trait Responder<B>: Sized {
    /// The result of sending.
    type Sent;

    /// Takes bytes and their media type.
    fn bytes(self, status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> Self::Sent;
    /// Takes any body and its media type.
    fn body(self, status: StatusCode, content_type: Option<&'static str>, body: B) -> Self::Sent;
    /// Takes a whole response. Boxed, because it is expensive to move.
    fn response(self, response: Box<Response<B>>) -> Self::Sent;
}
