//! Errors that become responses.

use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;

use crate::sys::http::target::Invalid;
use crate::sys::request::RequestError;
use crate::sys::{body, outbound};

/// An error of a handler: a status, a detail for the client, and a source for the log.
///
/// `?` converts every [`std::error::Error`]. The client gets a problem document (RFC 9457,
/// `application/problem+json`) with the status and the detail. The source is not sent to the client. It is logged on
/// stderr, with its chain of causes and the method and path of the request.
///
/// An error made by `?` has the status 500, with these exceptions. The status is 502, or 504 after a time-out, for a
/// [`client::Error`](crate::client::Error) and for a [`body::Error`] about the response of an upstream. For a
/// [`body::Error`] about another body, the status is 413 if the body exceeds a limit, and 400 otherwise.
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

struct ErrorParts {
    status: StatusCode,
    detail: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
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
        Self { inner: Box::new(ErrorParts { status, detail: Some(detail.into()), source: None }) }
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
        Self { inner: Box::new(ErrorParts { status, detail: None, source: None }) }
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

/// Returns the status for an error that was converted by `?`.
fn status_of(error: &(dyn StdError + 'static)) -> StatusCode {
    if let Some(error) = error.downcast_ref::<body::Error>() {
        return match (error.is_of_response(), error.is_timeout(), error.is_too_large()) {
            (true, true, _) => StatusCode::GATEWAY_TIMEOUT,
            (true, ..) => StatusCode::BAD_GATEWAY,
            (_, _, true) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
    }
    if let Some(error) = error.downcast_ref::<outbound::Error>() {
        return if error.is_timeout() { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
    }
    StatusCode::INTERNAL_SERVER_ERROR
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(source: E) -> Self {
        let status = status_of(&source);
        Self { inner: Box::new(ErrorParts { status, detail: None, source: Some(Box::new(source)) }) }
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
    /// Returns the status and the detail for the response, and the source for the log.
    pub(crate) fn into_parts(self) -> (StatusCode, Option<String>, Option<Box<dyn StdError + Send + Sync>>) {
        let ErrorParts { status, detail, source } = *self.inner;
        (status, detail, source)
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
}
