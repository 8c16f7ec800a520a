//! Responses, as the worlds see them.
//!
//! The type of a handler's result decides which methods of [`Responder`] it calls, so a component contains code only
//! for the kinds of responses that its handler can return.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::body::MessageBody;

/// The result of a handler.
pub trait HandlerResult {
    /// The body of the response.
    type Body: MessageBody;

    /// Sends this as the response.
    fn send<R: Responder<Self::Body>>(self, responder: R) -> R::Sent;
}

/// Sends the response of a handler. In a component, the implementation sends the response to the host; in a native
/// test, it returns the response to the test.
///
/// Most responses consist of a body and its media type. A header map for the one header `content-type` would cost
/// more than the rest of such a response, so `bytes` and `body` work without a header map.
pub trait Responder<B>: Sized {
    /// The result of sending.
    type Sent;

    /// Makes a response of a status, a media type and a body of bytes, and sends it.
    fn bytes(self, status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> Self::Sent;
    /// Does the same as `bytes`, and adds more headers.
    fn bytes_and_headers(
        self,
        status: StatusCode,
        content_type: &'static str,
        headers: &dyn MoreHeaders,
        body: Bytes,
    ) -> Self::Sent;
    /// Makes a response of a status, a media type and any body, and sends it.
    fn body(self, status: StatusCode, content_type: Option<&'static str>, body: B) -> Self::Sent;
    /// Sends a whole response. It is boxed, because it is expensive to move.
    fn response(self, response: Box<Response<B>>) -> Self::Sent;
}

/// Writes a header, and says why it could not.
pub(crate) type WriteHeader<'a> = dyn FnMut(&str, &[u8]) -> Result<(), String> + 'a;

/// Headers in addition to `content-type`.
///
/// As a trait object, a header map adds its code to a component only if the component creates the object.
pub trait MoreHeaders: fmt::Debug + Send + Sync {
    /// Calls `write` with each name and value, up to the first error.
    fn each(&self, write: &mut WriteHeader<'_>) -> Result<(), String>;
    /// Returns the header map.
    fn map_mut(&mut self) -> &mut HeaderMap;
    /// Copies the headers to a header map.
    fn copy_to(&self, headers: &mut HeaderMap);
}

impl MoreHeaders for HeaderMap {
    fn each(&self, write: &mut WriteHeader<'_>) -> Result<(), String> {
        self.iter().try_for_each(|(name, value)| write(name.as_str(), value.as_bytes()))
    }

    fn map_mut(&mut self) -> &mut HeaderMap {
        self
    }

    fn copy_to(&self, headers: &mut HeaderMap) {
        headers.extend(self.clone());
    }
}
