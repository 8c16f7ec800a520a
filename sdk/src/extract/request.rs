//! The traits of extractors, and the request that they read.

use std::fmt;
use std::future::Future;

use http::request::Parts;
use http::{HeaderMap, Method, Uri};

use super::BODY_LIMIT;
use crate::sys::request::IncomingRequest as _;
use crate::sys::{Here, World};
use crate::{Body, Error, IntoResponse, Request};

/// An extractor: a type that a handler can take as its argument.
///
/// An extractor fetches only the parts of the request that it uses: a handler that takes [`Method`] does not make the
/// host copy the headers.
///
/// # Examples
///
/// This extractor reads the body. An extractor that does not read the body implements [`FromRequestParts`] instead.
///
/// ```
/// use wayside::{Error, FromRequest, IncomingRequest, StatusCode, http_component};
///
/// struct Lines(Vec<String>);
///
/// impl FromRequest for Lines {
///     type Rejection = Error;
///
///     async fn from_request(request: IncomingRequest) -> Result<Self, Error> {
///         let limit = request.body_limit();
///         let text = request.into_body().limited(limit).text().await?;
///         Ok(Lines(text.lines().map(str::to_owned).collect()))
///     }
/// }
///
/// #[http_component]
/// fn handle(lines: Lines) -> String {
///     format!("{} lines\n", lines.0.len())
/// }
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the argument of an HTTP handler",
    label = "expected `wayside::Request` or another type that can be extracted from a request",
    note = "an argument implements `wayside::FromRequestParts`; the last one may implement `wayside::FromRequest`"
)]
pub trait FromRequest<M = via::Request>: Sized {
    /// The response if extraction fails.
    type Rejection: IntoResponse;

    /// Extracts this type from a request.
    ///
    /// # Errors
    ///
    /// Fails with the response that tells the client what is wrong with its request.
    fn from_request(request: IncomingRequest) -> impl Future<Output = Result<Self, Self::Rejection>> + Send;

    /// Extracts this type for an argument of the type `Option<Self>`. Returns `None` if the request does not contain
    /// the value.
    ///
    /// The default implementation never returns `None`: it calls [`from_request`](Self::from_request), which decides
    /// whether an absent value is rejected. Even an implementation that returns `None` rejects a value that is present
    /// but invalid.
    ///
    /// # Errors
    ///
    /// Fails with the response that tells the client what is wrong with its request.
    fn from_request_optional(
        request: IncomingRequest,
    ) -> impl Future<Output = Result<Option<Self>, Self::Rejection>> + Send {
        let extracted = Self::from_request(request);
        async move { extracted.await.map(Some) }
    }
}

/// An extractor that does not read the body.
///
/// A type that implements this trait also implements [`FromRequest`], so a handler can take it as its argument.
///
/// # Examples
///
/// ```
/// use wayside::{Error, FromRequestParts, IncomingRequest, StatusCode, http_component};
///
/// struct ApiKey(String);
///
/// impl FromRequestParts for ApiKey {
///     type Rejection = Error;
///
///     async fn from_request_parts(request: &mut IncomingRequest) -> Result<Self, Error> {
///         let headers = request.headers()?;
///         let key = headers.get("x-api-key").and_then(|key| key.to_str().ok());
///         key.map(|key| ApiKey(key.to_owned()))
///             .ok_or_else(|| Error::new(StatusCode::UNAUTHORIZED, "the header x-api-key is missing"))
///     }
/// }
///
/// #[http_component]
/// fn handle(key: ApiKey) -> String {
///     format!("{} characters\n", key.0.len())
/// }
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be extracted from the head of a request",
    label = "expected a type that is extracted from the head; only the last argument may read the body",
    note = "every argument but the last implements `wayside::FromRequestParts`"
)]
pub trait FromRequestParts: Sized {
    /// The response if extraction fails.
    type Rejection: IntoResponse;

    /// Extracts this type from the head of a request.
    ///
    /// # Errors
    ///
    /// Fails with the response that tells the client what is wrong with its request.
    fn from_request_parts(request: &mut IncomingRequest) -> impl Future<Output = Result<Self, Self::Rejection>> + Send;

    /// Extracts this type for an argument of the type `Option<Self>`. Returns `None` if the request does not contain
    /// the value.
    ///
    /// The default implementation never returns `None`; see [`FromRequest::from_request_optional`].
    ///
    /// # Errors
    ///
    /// Fails with the response that tells the client what is wrong with its request.
    fn from_request_parts_optional(
        request: &mut IncomingRequest,
    ) -> impl Future<Output = Result<Option<Self>, Self::Rejection>> + Send {
        let extracted = Self::from_request_parts(request);
        async move { extracted.await.map(Some) }
    }
}

#[diagnostic::do_not_recommend]
impl<T: FromRequestParts> FromRequest<via::Parts> for T {
    type Rejection = T::Rejection;

    async fn from_request(mut request: IncomingRequest) -> Result<Self, T::Rejection> {
        T::from_request_parts(&mut request).await
    }
}

/// Marker types for the parameter `M` of [`FromRequest`]. They keep the blanket implementation for all types with
/// [`FromRequestParts`] from overlapping with the implementations for single types. Users need not name them.
mod via {
    #[derive(Debug)]
    pub enum Request {}
    #[derive(Debug)]
    pub enum Parts {}
}

/// An incoming request that fetches its parts from the host on demand.
///
/// # Examples
///
/// ```
/// use wayside::{Method, Request, test};
///
/// let request = test::incoming(Request::post("http://example.org/things?q=1").body("").unwrap());
/// assert_eq!(request.method().unwrap(), Method::POST);
/// assert_eq!(request.uri().unwrap().query(), Some("q=1"));
/// ```
pub struct IncomingRequest {
    request: <Here as World>::IncomingRequest,
    body_limit: u64,
}

impl IncomingRequest {
    pub(crate) fn new(request: <Here as World>::IncomingRequest) -> Self {
        Self { request, body_limit: BODY_LIMIT }
    }

    pub(crate) fn with_body_limit(self, bytes: u64) -> Self {
        Self { body_limit: bytes, ..self }
    }

    /// Returns the maximum number of bytes that an extractor reads into memory: [`BODY_LIMIT`], unless the argument
    /// `max_body` of [`http_component`](crate::http_component) sets another limit.
    #[must_use]
    pub fn body_limit(&self) -> u64 {
        self.body_limit
    }

    /// Returns the method.
    ///
    /// # Errors
    ///
    /// Fails with 400 if the host passed an invalid method (RFC 9110, section 9.1).
    pub fn method(&self) -> Result<Method, Error> {
        Ok(self.request.method()?)
    }

    /// Returns the URI of the request, with scheme and authority if the host provides them.
    ///
    /// # Errors
    ///
    /// Fails with 400 if the host passed an invalid URI.
    pub fn uri(&self) -> Result<Uri, Error> {
        Ok(self.request.uri()?)
    }

    /// Returns the headers, including `host`.
    ///
    /// # Errors
    ///
    /// Fails with 400 if the host passed an invalid header, or more than 24 576 headers.
    pub fn headers(&self) -> Result<HeaderMap, Error> {
        Ok(self.request.headers()?)
    }

    /// Returns the request head.
    pub(super) fn parts(&self) -> Result<Parts, Error> {
        let mut head = Request::new(());
        self.request.head(&mut head)?;
        Ok(head.into_parts().0)
    }

    /// Returns the body.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.request.into_body()
    }

    /// Fetches the whole request head, and converts the request to the type of the `http` crate.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`method`](Self::method), [`uri`](Self::uri) and [`headers`](Self::headers).
    pub fn into_request(self) -> Result<Request, Error> {
        // Built in its final place, because a request is expensive to move.
        let mut made = Ok(Request::new(Body::empty()));
        if let Ok(request) = &mut made {
            match self.request.head(request) {
                Ok(()) => *request.body_mut() = self.into_body(),
                Err(error) => made = Err(error.into()),
            }
        }
        made
    }
}

impl fmt::Debug for IncomingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingRequest").finish_non_exhaustive()
    }
}
