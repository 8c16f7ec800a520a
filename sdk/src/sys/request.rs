//! Incoming requests, as the worlds see them.

use http::{HeaderMap, Method, Request, Uri};

use super::body::MessageBody;
use super::http::target::Invalid;

/// An incoming request, whose parts are fetched from the host on demand.
pub(crate) trait IncomingRequest: Send {
    fn method(&self) -> Result<Method, RequestError>;
    /// Returns the URI, with scheme and authority if the host knows them.
    fn uri(&self) -> Result<Uri, RequestError>;
    /// Returns the headers, including the `host` header, which hosts remove and the SDK restores.
    fn headers(&self) -> Result<HeaderMap, RequestError>;
    /// Returns an empty body if the body was taken before.
    fn into_body<B: MessageBody>(self) -> B;

    /// Fills in all parts of `request` except its body. A world overrides this method if it can fetch all parts
    /// together at a lower cost.
    ///
    /// Works in place, because a request is expensive to move.
    fn head<B>(&self, request: &mut Request<B>) -> Result<(), RequestError> {
        *request.method_mut() = self.method()?;
        *request.uri_mut() = self.uri()?;
        *request.headers_mut() = self.headers()?;
        Ok(())
    }
}

/// The reason why a part of an incoming request could not be read.
#[derive(Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The exchange of the request has ended.
    Gone,
    Invalid(Invalid),
}

impl From<Invalid> for RequestError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}
