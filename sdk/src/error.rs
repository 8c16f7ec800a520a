//! Errors that become responses.

#[cfg(feature = "anyhow")]
use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::sys::http::target::Invalid;
use crate::sys::request::RequestError;
use crate::sys::{MoreHeaders, body, outbound};

/// An error of a handler: a status, a detail and headers for the client, and a source for the log.
///
/// `?` converts every [`std::error::Error`], `String`, `&'static str`, `Box<dyn std::error::Error + Send + Sync>` and
/// `anyhow::Error`. The client gets a problem document (RFC 9457, `application/problem+json`) with the status and the
/// detail. The source, also if it is a string, is not sent to the client. It is logged on stderr, with its chain of
/// causes and the method and path of the request.
///
/// An error made by `?` has the status 500, with these exceptions. The status is 502, or 504 after a time-out, for a
/// [`client::Error`](crate::client::Error) and for a [`body::Error`] about the response of an upstream. For a
/// [`body::Error`] about another body, the status is 413 if the body exceeds a limit, and 400 otherwise. With the
/// feature `anyhow`, the same holds for these errors inside an `anyhow::Error`.
///
/// The error can also end a body: see [`Body::from_stream`](crate::Body::from_stream) and [`Sse`](crate::sse::Sse).
/// With the feature `axum`, it is a response of axum too.
///
/// # Examples
///
/// ```
/// use wayside::{Error, Request, StatusCode};
///
/// async fn handle(req: Request) -> Result<String, Error> {
///     let id = req.uri().query().ok_or_else(|| Error::new(StatusCode::BAD_REQUEST, "the query has no id"))?;
///     let id: u32 = id.parse()?;
///     Ok(format!("number {id}"))
/// }
/// ```
pub struct Error {
    // Boxed, because a handler's `Result` is moved several times and is rarely an error.
    inner: Box<ErrorParts>,
}

pub(crate) struct ErrorParts {
    pub(crate) status: StatusCode,
    pub(crate) detail: Option<String>,
    pub(crate) headers: Option<Box<dyn MoreHeaders>>,
    pub(crate) source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    fn of(status: StatusCode, detail: Option<String>, source: Option<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { inner: Box::new(ErrorParts { status, detail, headers: None, source }) }
    }

    /// Makes an error with a status and a detail. Both are sent to the client.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::{Error, IntoResponse, StatusCode};
    ///
    /// let response = Error::new(StatusCode::NOT_FOUND, "there is no user 7").into_response();
    /// assert_eq!(response.status(), 404);
    /// assert_eq!(response.headers()["content-type"], "application/problem+json");
    /// ```
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::of(status, Some(detail.into()), None)
    }

    /// Makes an error with a status and without a detail.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::{Error, StatusCode};
    ///
    /// let error = Error::from_status(StatusCode::FORBIDDEN);
    /// assert_eq!(error.detail(), None);
    /// ```
    #[must_use]
    pub fn from_status(status: StatusCode) -> Self {
        Self::of(status, None, None)
    }

    /// Sets the source, which is logged and not sent to the client.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::{Error, StatusCode};
    ///
    /// fn parse(text: &str) -> Result<u32, Error> {
    ///     text.parse::<u32>().map_err(|error| Error::new(StatusCode::BAD_REQUEST, "n is no number").with_source(error))
    /// }
    /// assert_eq!(parse("seven").unwrap_err().status(), 400);
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Sets the detail, which is sent to the client.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.inner.detail = Some(detail.into());
        self
    }

    /// Sets the status.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::{Error, StatusCode};
    ///
    /// let error = "seven".parse::<u32>().map_err(|error| Error::from(error).with_status(StatusCode::BAD_REQUEST));
    /// assert_eq!(error.unwrap_err().status(), 400);
    /// ```
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.inner.status = status;
        self
    }

    /// Adds a header to the response, for example `www-authenticate`, `allow` or `retry-after`.
    ///
    /// The headers `content-type` and `content-length` describe the problem document; other values for them are
    /// ignored. If the name or the value is invalid, the result is an error with the status 500 instead, whose source
    /// says what is invalid and which error should have been sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::{Error, IntoResponse, StatusCode};
    ///
    /// let error = Error::new(StatusCode::UNAUTHORIZED, "a token is needed").with_header("www-authenticate", "Bearer");
    /// assert_eq!(error.into_response().headers()["www-authenticate"], "Bearer");
    ///
    /// let busy = Error::from_status(StatusCode::SERVICE_UNAVAILABLE).with_header("retry-after", 30);
    /// assert_eq!(busy.into_response().headers()["retry-after"], "30");
    /// ```
    #[must_use]
    pub fn with_header<K, V>(mut self, name: K, value: V) -> Self
    where
        K: TryInto<HeaderName, Error: StdError + Send + Sync + 'static>,
        V: TryInto<HeaderValue, Error: StdError + Send + Sync + 'static>,
    {
        let name = match name.try_into() {
            Ok(name) => name,
            Err(invalid) => return self.without_header("with an invalid name", invalid),
        };
        match value.try_into() {
            Ok(_) if [CONTENT_TYPE, CONTENT_LENGTH].contains(&name) => self,
            Ok(value) => {
                self.inner.headers.get_or_insert_with(|| Box::new(HeaderMap::new())).map_mut().append(name, value);
                self
            }
            Err(invalid) => self.without_header(&format!("`{name}` with an invalid value"), invalid),
        }
    }

    /// Returns the error for a header that cannot be sent.
    fn without_header(self, header: &str, invalid: impl StdError + Send + Sync + 'static) -> Self {
        let text = format!("the error \"{self}\" ({}) got a header {header}: {invalid}", self.inner.status.as_u16());
        Self::of(StatusCode::INTERNAL_SERVER_ERROR, None, Some(text.into()))
    }

    /// Returns the status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner.status
    }

    /// Returns the detail, which is sent to the client, if there is one.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.inner.detail.as_deref()
    }

    /// Returns the source, which is logged.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

/// Returns the status for an error that was converted by `?`, if its type determines one.
fn status_of(error: &(dyn StdError + 'static)) -> Option<StatusCode> {
    if let Some(error) = error.downcast_ref::<body::Error>() {
        return Some(match (error.is_of_response(), error.is_timeout(), error.is_too_large()) {
            (true, true, _) => StatusCode::GATEWAY_TIMEOUT,
            (true, ..) => StatusCode::BAD_GATEWAY,
            (_, _, true) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        });
    }
    let error = error.downcast_ref::<outbound::Error>()?;
    Some(if error.is_timeout() { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY })
}

// `Error` itself does not implement `std::error::Error`. Otherwise this implementation would overlap with the
// implementation of `From<T> for T` in the standard library.
impl<E: Into<Box<dyn StdError + Send + Sync>> + 'static> From<E> for Error {
    fn from(source: E) -> Self {
        // The conversion of an `anyhow::Error` to a box hides the type of the error inside. So the status is
        // determined before the conversion, from the chain of the `anyhow::Error`.
        #[cfg(feature = "anyhow")]
        let status =
            (&source as &dyn Any).downcast_ref::<anyhow::Error>().and_then(|error| error.chain().find_map(status_of));
        #[cfg(not(feature = "anyhow"))]
        let status = None;
        let source = source.into();
        let status = status.or_else(|| status_of(&*source)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::of(status, None, Some(source))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.detail {
            Some(detail) => f.write_str(detail),
            None => write!(f, "{}", self.inner.status),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("status", &self.inner.status)
            .field("detail", &self.inner.detail)
            .field("headers", &self.inner.headers)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Gone => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the request was read after the end of its exchange")
            }
            RequestError::Invalid(Invalid { part, reason }) => {
                Self::new(StatusCode::BAD_REQUEST, format!("the {part} of the request is not valid: {reason}"))
            }
        }
    }
}

impl Error {
    pub(crate) fn into_parts(self) -> ErrorParts {
        *self.inner
    }

    /// Converts to an error of the standard library, for a body that ends with this error.
    pub(crate) fn into_std(self) -> Box<dyn StdError + Send + Sync> {
        match *self.inner {
            ErrorParts { detail: None, source: Some(source), .. } => source,
            _ => Box::new(BodyEnd(self)),
        }
    }
}

/// An [`Error`] with which a body ended.
#[derive(Debug)]
struct BodyEnd(Error);

impl fmt::Display for BodyEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for BodyEnd {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_over_its_limit_becomes_413() {
        let error = crate::test::block_on(crate::Body::from("12345").limited(4).bytes()).unwrap_err();
        assert_eq!(Error::from(error).status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    fn source_text(error: &Error) -> String {
        error.source().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn strings_are_logged_and_not_sent() {
        for error in [Error::from("no key"), Error::from(String::from("no key"))] {
            assert_eq!((error.status(), error.detail()), (StatusCode::INTERNAL_SERVER_ERROR, None));
            assert_eq!(source_text(&error), "no key");
        }
    }

    #[test]
    fn a_boxed_error_gets_the_status_of_the_error_in_the_box() {
        let body = crate::test::block_on(crate::Body::from("12345").limited(4).bytes()).unwrap_err();
        let boxed: Box<dyn StdError + Send + Sync> = Box::new(body);
        assert_eq!(Error::from(boxed).status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[cfg(feature = "anyhow")]
    #[test]
    fn anyhow_keeps_the_status_of_an_inner_error_with_and_without_context() {
        let error = || crate::test::block_on(crate::Body::from("12345").limited(4).bytes()).unwrap_err();
        for error in [anyhow::Error::from(error()), anyhow::Error::from(error()).context("reading the upload")] {
            assert_eq!(Error::from(error).status(), StatusCode::PAYLOAD_TOO_LARGE);
        }
        let plain = Error::from(anyhow::anyhow!("no key").context("starting"));
        assert_eq!(plain.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(source_text(&plain), "starting");
        assert_eq!(plain.source().and_then(StdError::source).map(ToString::to_string).as_deref(), Some("no key"));
    }

    #[test]
    fn an_invalid_header_names_itself_and_the_error_that_it_replaces() {
        let error = Error::new(StatusCode::UNAUTHORIZED, "no token").with_header("www-authenticate", "a\nb");
        assert_eq!((error.status(), error.detail()), (StatusCode::INTERNAL_SERVER_ERROR, None));
        let text = source_text(&error);
        assert!(text.contains("\"no token\" (401) got a header `www-authenticate` with an invalid value"), "{text}");
        let text = source_text(&Error::from_status(StatusCode::FORBIDDEN).with_header("a b", "c"));
        assert!(text.contains("(403) got a header with an invalid name"), "{text}");
    }

    #[test]
    fn as_the_error_of_a_body_it_is_its_source_or_itself() {
        assert_eq!(Error::from("no key").into_std().to_string(), "no key");
        let error = Error::new(StatusCode::CONFLICT, "busy").with_source(std::io::Error::other("locked")).into_std();
        assert_eq!(error.to_string(), "busy");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("locked"));
    }
}
